package workflows

import (
	"errors"
	"fmt"

	enumspb "go.temporal.io/api/enums/v1"
	"go.temporal.io/sdk/temporal"
	"go.temporal.io/sdk/workflow"

	"github.com/pbsmflow/pbsmflow/activities"
)

// carryOutBatch runs a posting under the one id that stands for it, as a child. When the
// posting is going on or has succeeded already, whoever started it, its result is awaited instead.
func carryOutBatch(ctx workflow.Context, in RunBatchInput) (RunBatchResult, error) {
	var result RunBatchResult
	err := carryOut(ctx, in.WorkflowID(), in.reusePolicy(), fmt.Sprintf("%s for %s", in.Code, in.AsOfDate), RunBatch, in, &result)
	return result, err
}

// carryOut runs a workflow as a child under a given id, or awaits the one that has it.
// The child outlives a parent that is terminated: a run goes on being watched.
func carryOut(ctx workflow.Context, id string, reuse enumspb.WorkflowIdReusePolicy, summary string, child, input, result any) error {
	ctx = workflow.WithChildOptions(ctx, workflow.ChildWorkflowOptions{
		WorkflowID:            id,
		WorkflowIDReusePolicy: reuse,
		WaitForCancellation:   true,
		ParentClosePolicy:     enumspb.PARENT_CLOSE_POLICY_ABANDON,
		StaticSummary:         summary,
	})
	err := workflow.ExecuteChildWorkflow(ctx, child, input).Get(ctx, result)
	var taken *temporal.ChildWorkflowExecutionAlreadyStartedError
	if !errors.As(err, &taken) {
		return err
	}
	workflow.GetLogger(ctx).Info("started elsewhere; awaiting its result", "workflowID", id)
	awaiting := options(ctx, watchOptions, noDeadline, "await "+id)
	return workflow.ExecuteActivity(awaiting, act.AwaitWorkflow, activities.AwaitWorkflowInput{
		WorkflowID: id, Watch: activities.Watch{Since: workflow.Now(ctx)},
	}).Get(ctx, result)
}
