package activities

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"time"

	commonpb "go.temporal.io/api/common/v1"
	enumspb "go.temporal.io/api/enums/v1"
	"go.temporal.io/api/serviceerror"
	workflowpb "go.temporal.io/api/workflow/v1"
	"go.temporal.io/api/workflowservice/v1"
	"go.temporal.io/sdk/activity"
	"go.temporal.io/sdk/client"
	"go.temporal.io/sdk/converter"
	"go.temporal.io/sdk/temporal"

	"github.com/pbsmflow/pbsmflow/internal/temporalclient"
)

// AwaitWorkflowInput names a workflow that somebody else started.
type AwaitWorkflowInput struct {
	WorkflowID string `json:"workflow_id"`
	Poll
}

// AwaitWorkflow answers with the result of a workflow once it is over. Temporal has no
// way to await a workflow that is not a child, and a second start of a posting is just that.
func (a *Activities) AwaitWorkflow(ctx context.Context, in AwaitWorkflowInput) (json.RawMessage, error) {
	described, err := a.temporal.DescribeWorkflowExecution(ctx, in.WorkflowID, "")
	var gone *serviceerror.NotFound
	switch {
	case errors.As(err, &gone):
		return nil, temporal.NewNonRetryableApplicationError(in.WorkflowID+" was deleted from Temporal while it was waited for: look at the service for what became of it before it is started again", Refused, err)
	case err != nil:
		return nil, a.classifyPoll(ctx, in.Since, err)
	}
	if described.GetWorkflowExecutionInfo().GetStatus() == enumspb.WORKFLOW_EXECUTION_STATUS_RUNNING {
		return nil, a.stillWaiting(ctx, in.Since, "%s was started elsewhere and is still going on", in.WorkflowID)
	}
	var result json.RawMessage
	err = a.temporal.GetWorkflow(ctx, in.WorkflowID, "").Get(ctx, &result)
	var ended *temporal.WorkflowExecutionError
	if errors.As(err, &ended) {
		return nil, relay(in.WorkflowID, ended)
	}
	return result, a.classifyPoll(ctx, in.Since, err)
}

// relay keeps the type and the details with which a workflow failed. What became of the run of one that
// was cancelled, its own status says.
func relay(id string, ended *temporal.WorkflowExecutionError) error {
	var failed *temporal.ApplicationError
	var cancelled *temporal.CanceledError
	switch {
	case errors.As(ended, &failed):
		return temporal.NewApplicationErrorWithOptions(failed.Message(), failed.Type(),
			temporal.ApplicationErrorOptions{NonRetryable: true, Cause: ended, Details: []any{rawDetails(failed)}})
	case errors.As(ended, &cancelled):
		return temporal.NewNonRetryableApplicationError(fmt.Sprintf("somebody cancelled %s; what became of its run: starter status %s", id, id), Refused, ended)
	}
	return temporal.NewNonRetryableApplicationError(ended.Error(), Refused, ended)
}

func rawDetails(failed *temporal.ApplicationError) json.RawMessage {
	var details json.RawMessage
	if failed.Details(&details) != nil {
		return nil
	}
	return details
}

// EarlierSubmissionInput names a posting by its workflow id, and the search attribute with its run id.
type EarlierSubmissionInput struct {
	WorkflowID     string `json:"workflow_id"`
	RunIDAttribute string `json:"run_id_attribute"`
}

// EarlierSubmission is what the latest earlier start of a posting that got as far as posting left
// behind. It is empty when there was none.
type EarlierSubmission struct {
	// WorkflowRunID is the Temporal run of that start.
	WorkflowRunID string `json:"workflow_run_id,omitempty"`
	// RunID is the value of the search attribute.
	RunID string `json:"run_id,omitempty"`
	// Status is how that start ended, in Temporal's words.
	Status string `json:"status,omitempty"`
}

// EarlierSubmission looks for an earlier start of the same posting that ended, was terminated or
// timed out. One that ended before it posted says nothing about those before it. The list of
// workflows may lag behind: what it names is described anew, and before it names this very
// start nothing is concluded from what it does not name.
func (a *Activities) EarlierSubmission(ctx context.Context, in EarlierSubmissionInput) (EarlierSubmission, error) {
	listed, err := a.temporal.ListWorkflow(ctx, &workflowservice.ListWorkflowExecutionsRequest{
		Query: fmt.Sprintf("WorkflowId = '%s'", in.WorkflowID),
	})
	if err != nil {
		return EarlierSubmission{}, err
	}
	starts := listed.GetExecutions()
	slices.SortFunc(starts, func(a, b *workflowpb.WorkflowExecutionInfo) int { // latest first
		return b.GetStartTime().AsTime().Compare(a.GetStartTime().AsTime())
	})
	own := slices.IndexFunc(starts, func(e *workflowpb.WorkflowExecutionInfo) bool {
		return e.GetExecution().GetRunId() == activity.GetInfo(ctx).WorkflowExecution.RunID
	})
	if own < 0 {
		return EarlierSubmission{}, temporal.NewApplicationErrorWithOptions("Temporal's list of workflows does not show this start yet", Unavailable,
			temporal.ApplicationErrorOptions{NextRetryDelay: listLag, Category: temporal.ApplicationErrorCategoryBenign})
	}
	for _, start := range starts[own+1:] {
		found, err := a.leftBehind(ctx, start.GetExecution(), in.RunIDAttribute)
		if err != nil || found.RunID != "" {
			return found, err
		}
	}
	return EarlierSubmission{}, nil
}

// listLag is about how far the list of workflows lags behind.
const listLag = 250 * time.Millisecond

func (a *Activities) leftBehind(ctx context.Context, start *commonpb.WorkflowExecution, attribute string) (EarlierSubmission, error) {
	described, err := a.temporal.DescribeWorkflowExecution(ctx, start.GetWorkflowId(), start.GetRunId())
	if err != nil {
		return EarlierSubmission{}, err
	}
	info := described.GetWorkflowExecutionInfo()
	found := EarlierSubmission{WorkflowRunID: start.GetRunId(), Status: info.GetStatus().String()}
	if value, ok := info.GetSearchAttributes().GetIndexedFields()[attribute]; ok {
		err = converter.GetDefaultDataConverter().FromPayload(value, &found.RunID)
	}
	return found, err
}

// SendCommandInput sends a command to the workflow of a step.
type SendCommandInput struct {
	WorkflowID string `json:"workflow_id"`
	// Update is the name of the update.
	Update string `json:"update"`
	// Command is the update's input, passed on as it is.
	Command any `json:"command"`
}

// SendCommand sends an update to a workflow and answers when it took effect. A refusal is
// final and carries the reason. The update id is the activity's: an attempt never acts twice.
func (a *Activities) SendCommand(ctx context.Context, in SendCommandInput) (json.RawMessage, error) {
	info := activity.GetInfo(ctx)
	var answer json.RawMessage
	err := temporalclient.Update(ctx, a.temporal, client.UpdateWorkflowOptions{
		WorkflowID: in.WorkflowID,
		UpdateID:   fmt.Sprintf("%s-%s", info.WorkflowExecution.RunID, info.ActivityID),
		UpdateName: in.Update,
		Args:       []any{in.Command},
	}, &answer)
	var (
		gone    *serviceerror.NotFound
		refused *temporal.ApplicationError
	)
	switch {
	case errors.As(err, &gone):
		return nil, temporal.NewNonRetryableApplicationError(in.WorkflowID+" is over", Refused, err)
	case errors.As(err, &refused):
		return nil, temporal.NewNonRetryableApplicationError(refused.Message(), Refused, err)
	}
	return answer, err
}
