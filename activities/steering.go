package activities

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"

	enumspb "go.temporal.io/api/enums/v1"
	"go.temporal.io/api/serviceerror"
	workflowpb "go.temporal.io/api/workflow/v1"
	"go.temporal.io/api/workflowservice/v1"
	"go.temporal.io/sdk/activity"
	"go.temporal.io/sdk/client"
	"go.temporal.io/sdk/converter"
	"go.temporal.io/sdk/temporal"
)

// AwaitWorkflowInput names a workflow that somebody else started.
type AwaitWorkflowInput struct {
	WorkflowID string `json:"workflow_id"`
	Watch
}

// AwaitWorkflow answers with the result of a workflow once it is over. Temporal has no
// way to await a workflow that is not a child, and a second start of a posting is just that.
func (a *Activities) AwaitWorkflow(ctx context.Context, in AwaitWorkflowInput) (json.RawMessage, error) {
	described, err := a.temporal.DescribeWorkflowExecution(ctx, in.WorkflowID, "")
	if err != nil {
		return nil, a.watching(ctx, in.Since, err)
	}
	if described.GetWorkflowExecutionInfo().GetStatus() == enumspb.WORKFLOW_EXECUTION_STATUS_RUNNING {
		return nil, a.stillWaiting(ctx, in.Since, "%s was started elsewhere and is still going on", in.WorkflowID)
	}
	var result json.RawMessage
	err = a.temporal.GetWorkflow(ctx, in.WorkflowID, "").Get(ctx, &result)
	var ended *temporal.WorkflowExecutionError
	if errors.As(err, &ended) {
		return nil, relay(ended)
	}
	return result, a.watching(ctx, in.Since, err)
}

// relay keeps the type and the details with which a workflow failed.
func relay(ended *temporal.WorkflowExecutionError) error {
	var failed *temporal.ApplicationError
	if errors.As(ended, &failed) {
		return temporal.NewApplicationErrorWithOptions(failed.Message(), failed.Type(),
			temporal.ApplicationErrorOptions{NonRetryable: true, Cause: ended, Details: []any{rawDetails(failed)}})
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

// EarlierPostingInput names a posting by its workflow id, and the search attribute with its run id.
type EarlierPostingInput struct {
	WorkflowID     string `json:"workflow_id"`
	RunIDAttribute string `json:"run_id_attribute"`
}

// EarlierPosting is what the latest earlier start of a posting left behind. Both are empty
// when there was none, or none that posted.
type EarlierPosting struct {
	// WorkflowRunID is the Temporal run of that start.
	WorkflowRunID string `json:"workflow_run_id,omitempty"`
	// RunID is the value of the search attribute.
	RunID string `json:"run_id,omitempty"`
	// Status is how that start ended, in Temporal's words.
	Status string `json:"status,omitempty"`
}

// EarlierPosting looks for an earlier start of the same posting that ended, was terminated or
// timed out. The list of workflows may lag behind, so what it names is described anew.
func (a *Activities) EarlierPosting(ctx context.Context, in EarlierPostingInput) (EarlierPosting, error) {
	own := activity.GetInfo(ctx).WorkflowExecution.RunID
	listed, err := a.temporal.ListWorkflow(ctx, &workflowservice.ListWorkflowExecutionsRequest{
		Query: fmt.Sprintf("WorkflowId = '%s'", in.WorkflowID),
	})
	if err != nil {
		return EarlierPosting{}, err
	}
	var latest *workflowpb.WorkflowExecutionInfo
	for _, e := range listed.GetExecutions() {
		if e.GetExecution().GetRunId() != own && (latest == nil || e.GetStartTime().AsTime().After(latest.GetStartTime().AsTime())) {
			latest = e
		}
	}
	if latest == nil {
		return EarlierPosting{}, nil
	}
	found := EarlierPosting{WorkflowRunID: latest.GetExecution().GetRunId()}
	described, err := a.temporal.DescribeWorkflowExecution(ctx, in.WorkflowID, found.WorkflowRunID)
	if err != nil {
		return EarlierPosting{}, err
	}
	info := described.GetWorkflowExecutionInfo()
	found.Status = info.GetStatus().String()
	if value, ok := info.GetSearchAttributes().GetIndexedFields()[in.RunIDAttribute]; ok {
		err = converter.GetDefaultDataConverter().FromPayload(value, &found.RunID)
	}
	return found, err
}

// SteerWorkflowInput passes a signal on to the workflow of a step.
type SteerWorkflowInput struct {
	WorkflowID string `json:"workflow_id"`
	// Update is the name of the update.
	Update string `json:"update"`
	// Steering is the update's input, passed on as it is.
	Steering any `json:"steering"`
}

// SteerWorkflow sends an update to a workflow and answers when it took effect. A refusal is
// final and carries the reason. The update id is the activity's: an attempt never acts twice.
func (a *Activities) SteerWorkflow(ctx context.Context, in SteerWorkflowInput) (json.RawMessage, error) {
	info := activity.GetInfo(ctx)
	handle, err := a.temporal.UpdateWorkflow(ctx, client.UpdateWorkflowOptions{
		WorkflowID:   in.WorkflowID,
		UpdateID:     fmt.Sprintf("%s-%s", info.WorkflowExecution.RunID, info.ActivityID),
		UpdateName:   in.Update,
		Args:         []any{in.Steering},
		WaitForStage: client.WorkflowUpdateStageCompleted,
	})
	var answer json.RawMessage
	if err == nil {
		err = handle.Get(ctx, &answer)
	}
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
