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

// AwaitWorkflowInput names a workflow that was started elsewhere.
type AwaitWorkflowInput struct {
	WorkflowID string `json:"workflow_id"`
	Poll
}

// AwaitWorkflow returns the result of a workflow once it has ended. Temporal lets a workflow await only
// its own children, but the workflow of a batch or close may have been started elsewhere.
func (a *Activities) AwaitWorkflow(ctx context.Context, in AwaitWorkflowInput) (json.RawMessage, error) {
	described, err := a.temporal.DescribeWorkflowExecution(ctx, in.WorkflowID, "")
	var gone *serviceerror.NotFound
	switch {
	case errors.As(err, &gone):
		message := in.WorkflowID + " was deleted from Temporal while its result was awaited: check on the service whether its run succeeded before you start it again"
		return nil, temporal.NewNonRetryableApplicationError(message, Refused, err)
	case err != nil:
		return nil, a.classifyPoll(ctx, in.Since, err)
	}
	if described.GetWorkflowExecutionInfo().GetStatus() == enumspb.WORKFLOW_EXECUTION_STATUS_RUNNING {
		return nil, a.stillWaiting(ctx, in.Since, "%s was started elsewhere and is still running", in.WorkflowID)
	}
	var result json.RawMessage
	err = a.temporal.GetWorkflow(ctx, in.WorkflowID, "").Get(ctx, &result)
	var ended *temporal.WorkflowExecutionError
	if errors.As(err, &ended) {
		return nil, relay(in.WorkflowID, ended)
	}
	return result, a.classifyPoll(ctx, in.Since, err)
}

// relay keeps the type and the details with which a workflow failed. For one that was cancelled it refers
// to the status, which says what became of the run.
func relay(id string, ended *temporal.WorkflowExecutionError) error {
	var failed *temporal.ApplicationError
	var cancelled *temporal.CanceledError
	switch {
	case errors.As(ended, &failed):
		return temporal.NewApplicationErrorWithOptions(failed.Message(), failed.Type(),
			temporal.ApplicationErrorOptions{NonRetryable: true, Cause: ended, Details: []any{rawDetails(failed)}})
	case errors.As(ended, &cancelled):
		return temporal.NewNonRetryableApplicationError(fmt.Sprintf("%s was cancelled; see what became of its run: starter status %s", id, id), Refused, ended)
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

// EarlierSubmissionInput names a batch by its workflow id, and the search attribute with its run id.
type EarlierSubmissionInput struct {
	WorkflowID     string `json:"workflow_id"`
	RunIDAttribute string `json:"run_id_attribute"`
}

// EarlierSubmission is what the latest earlier start of a batch that submitted anything left on
// record. It is empty when there was none.
type EarlierSubmission struct {
	// WorkflowRunID is the Temporal run of that start.
	WorkflowRunID string `json:"workflow_run_id,omitempty"`
	// RunID is the value of the search attribute.
	RunID string `json:"run_id,omitempty"`
	// Status is Temporal's name for how that start ended.
	Status string `json:"status,omitempty"`
}

// EarlierSubmission finds the latest earlier start of the same batch that submitted anything, whether it
// ended, was terminated or timed out. A start that submitted nothing is skipped. Temporal's list of
// workflows lags behind: each start in it is described again, and as long as the list does not show
// this start, it may lack others too.
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
		found, err := a.describeSubmission(ctx, start.GetExecution(), in.RunIDAttribute)
		if err != nil || found.RunID != "" {
			return found, err
		}
	}
	return EarlierSubmission{}, nil
}

// listLag is roughly how far the list of workflows lags behind.
const listLag = 250 * time.Millisecond

func (a *Activities) describeSubmission(ctx context.Context, start *commonpb.WorkflowExecution, attribute string) (EarlierSubmission, error) {
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
	// Command is the input of the update, passed on unchanged.
	Command any `json:"command"`
}

// SendCommand sends an update to a workflow and returns when it has taken effect. A refusal is final and
// carries the reason. All attempts use the same update id, so that the command acts only once.
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
		return nil, temporal.NewNonRetryableApplicationError(in.WorkflowID+" has ended", Refused, err)
	case errors.As(err, &refused):
		return nil, temporal.NewNonRetryableApplicationError(refused.Message(), Refused, err)
	}
	return answer, err
}
