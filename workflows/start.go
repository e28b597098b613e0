package workflows

import (
	"context"

	enumspb "go.temporal.io/api/enums/v1"
	"go.temporal.io/sdk/client"
	"go.temporal.io/sdk/workflow"
)

// WorkflowID is the id that stands for this night. It is empty where only the definition
// knows the pipeline's name: name the pipeline too.
func (in NightlyCloseInput) WorkflowID() string {
	if in.Pipeline == "" {
		return ""
	}
	return CloseWorkflowID(in.Connection, in.Pipeline, in.AsOfDate)
}

// WorkflowID is the id that stands for this posting.
func (in RunBatchInput) WorkflowID() string {
	return BatchWorkflowID(in.Connection, in.Code, in.AsOfDate, in.Key)
}

// reusePolicy lets a posting that succeeded be repeated only for a reason.
func (in RunBatchInput) reusePolicy() enumspb.WorkflowIdReusePolicy {
	if in.Again != "" {
		return enumspb.WORKFLOW_ID_REUSE_POLICY_ALLOW_DUPLICATE
	}
	return enumspb.WORKFLOW_ID_REUSE_POLICY_ALLOW_DUPLICATE_FAILED_ONLY
}

// closeReusePolicy: a close that succeeded is not done again.
const closeReusePolicy = enumspb.WORKFLOW_ID_REUSE_POLICY_ALLOW_DUPLICATE_FAILED_ONLY

// StartOptions start the close under its own id, or attach to the one that is going on, or that succeeded.
// taskQueue is TaskQueue where the workers are not configured otherwise.
func (in NightlyCloseInput) StartOptions(taskQueue string) client.StartWorkflowOptions {
	return client.StartWorkflowOptions{
		ID: in.WorkflowID(), TaskQueue: taskQueue,
		WorkflowIDReusePolicy:    closeReusePolicy,
		WorkflowIDConflictPolicy: enumspb.WORKFLOW_ID_CONFLICT_POLICY_USE_EXISTING,
		StaticSummary:            in.Pipeline + " for " + in.AsOfDate + " on " + in.Connection,
		Priority:                 Priority(in.Connection, 0),
	}
}

// StartOptions start the posting under its own id, or attach to the one that is going on, or
// that succeeded: it is not run again unless Again gives a reason. (Who wants to be told sets
// WorkflowExecutionErrorWhenAlreadyStarted.)
func (in RunBatchInput) StartOptions(taskQueue string) client.StartWorkflowOptions {
	return client.StartWorkflowOptions{
		ID: in.WorkflowID(), TaskQueue: taskQueue,
		WorkflowIDReusePolicy:    in.reusePolicy(),
		WorkflowIDConflictPolicy: enumspb.WORKFLOW_ID_CONFLICT_POLICY_USE_EXISTING,
		StaticSummary:            in.Code + " for " + in.AsOfDate + " on " + in.Connection,
		Priority:                 Priority(in.Connection, 0),
	}
}

// StartClose starts a close, or attaches to the one of this night that is going on or that
// succeeded. The run's Get gives a NightlyCloseResult.
func StartClose(ctx context.Context, c client.Client, taskQueue string, in NightlyCloseInput) (client.WorkflowRun, error) {
	return c.ExecuteWorkflow(ctx, in.StartOptions(taskQueue), NightlyCloseType, in)
}

// StartBatch starts a posting, or attaches to the one that is going on or that succeeded. The
// run's Get gives a RunBatchResult.
func StartBatch(ctx context.Context, c client.Client, taskQueue string, in RunBatchInput) (client.WorkflowRun, error) {
	return c.ExecuteWorkflow(ctx, in.StartOptions(taskQueue), RunBatchType, in)
}

// ExecuteClose runs a close as a child of a workflow in the same namespace. Cancelling the
// parent cancels the close and waits for it; a parent that is terminated leaves it going on.
// One that is going on or succeeded before is temporal.ChildWorkflowExecutionAlreadyStartedError.
func ExecuteClose(ctx workflow.Context, taskQueue string, in NightlyCloseInput) workflow.ChildWorkflowFuture {
	options := childOptions(taskQueue, in.WorkflowID(), in.Connection)
	options.WorkflowIDReusePolicy = closeReusePolicy
	return workflow.ExecuteChildWorkflow(workflow.WithChildOptions(ctx, options), NightlyCloseType, in)
}

// ExecuteBatch runs a posting as a child of a workflow in the same namespace. One that is going
// on or succeeded before is temporal.ChildWorkflowExecutionAlreadyStartedError.
func ExecuteBatch(ctx workflow.Context, taskQueue string, in RunBatchInput) workflow.ChildWorkflowFuture {
	options := childOptions(taskQueue, in.WorkflowID(), in.Connection)
	options.WorkflowIDReusePolicy = in.reusePolicy()
	return workflow.ExecuteChildWorkflow(workflow.WithChildOptions(ctx, options), RunBatchType, in)
}

func childOptions(taskQueue, id, connection string) workflow.ChildWorkflowOptions {
	return workflow.ChildWorkflowOptions{
		WorkflowID: id, TaskQueue: taskQueue, WaitForCancellation: true,
		ParentClosePolicy: enumspb.PARENT_CLOSE_POLICY_ABANDON,
		Priority:          Priority(connection, 0),
	}
}

// SendCommand sends one of the steering updates (InterruptCommand and so on) and answers when it took
// effect. What does not apply is an application error of type Refused, with the reason.
func SendCommand(ctx context.Context, c client.Client, workflowID, name string, asked Command) (CommandResult, error) {
	handle, err := c.UpdateWorkflow(ctx, client.UpdateWorkflowOptions{
		WorkflowID: workflowID, UpdateName: name, Args: []any{asked}, WaitForStage: client.WorkflowUpdateStageCompleted,
	})
	if err != nil {
		return CommandResult{}, err
	}
	var answer CommandResult
	return answer, handle.Get(ctx, &answer)
}

// SignalCommand sends one of the steering signals from another workflow. The future tells that
// it arrived; what came of it shows in the status.
func SignalCommand(ctx workflow.Context, workflowID, name string, asked Command) workflow.Future {
	return workflow.SignalExternalWorkflow(ctx, workflowID, "", name, asked)
}
