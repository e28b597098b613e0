package workflows

import (
	"errors"
	"fmt"
	"time"

	enumspb "go.temporal.io/api/enums/v1"
	"go.temporal.io/sdk/temporal"
	"go.temporal.io/sdk/workflow"

	"github.com/pbsmflow/pbsmflow/activities"
)

// carryOutBatch runs a posting under the one id that stands for it, as a child. When the
// posting is going on or has succeeded already, whoever started it, its result is awaited instead.
func carryOutBatch(ctx workflow.Context, in RunBatchInput) (RunBatchResult, error) {
	var result RunBatchResult
	err := carryOut(ctx, in.WorkflowID(), in.reusePolicy(), in.Deadline, fmt.Sprintf("%s for %s", in.Code, in.AsOfDate), RunBatch, in, &result)
	return result, err
}

// carryOut runs a workflow as a child under a given id, or awaits the one that has it, until the
// deadline: a child keeps its own, and of the other one nobody knows whether it has any.
// The child outlives a parent that is terminated: a run goes on being watched.
func carryOut(ctx workflow.Context, id string, reuse enumspb.WorkflowIdReusePolicy, deadline time.Time, summary string, child, input, result any) error {
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
	awaiting := options(ctx, watchOptions, deadline, "await "+id)
	err = workflow.ExecuteActivity(awaiting, act.AwaitWorkflow, activities.AwaitWorkflowInput{
		WorkflowID: id, Poll: activities.Poll{Since: workflow.Now(ctx)},
	}).Get(ctx, result)
	if deadlineHit(err) {
		return failure(DeadlinePassed, "the deadline passed before "+id+" was over, which was started elsewhere")
	}
	return err
}
