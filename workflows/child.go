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

// runOrAttachBatch runs a batch under the one id that stands for it, as a child. When it is running
// or has succeeded already, whoever started it, its result is awaited instead.
func runOrAttachBatch(ctx workflow.Context, in RunBatchInput) (RunBatchResult, error) {
	var result RunBatchResult
	err := runOrAttach(ctx, in.WorkflowID(), in.reusePolicy(), in.Deadline, fmt.Sprintf("%s for %s", in.Code, in.AsOfDate), RunBatch, in, &result)
	return result, err
}

// runOrAttach runs a workflow as a child under a given id. When another workflow has the id, its
// result is awaited until the deadline: a child keeps its own deadline, the other may have none. The
// child outlives a parent that is terminated, so that its run is still watched.
func runOrAttach(
	ctx workflow.Context, id string, reuse enumspb.WorkflowIdReusePolicy, deadline time.Time, summary string, child, input, result any,
) error {
	ctx = workflow.WithChildOptions(ctx, workflow.ChildWorkflowOptions{
		WorkflowID:            id,
		WorkflowIDReusePolicy: reuse,
		WaitForCancellation:   true,
		ParentClosePolicy:     enumspb.PARENT_CLOSE_POLICY_ABANDON,
		StaticSummary:         summary,
		TypedSearchAttributes: startAttributes(input),
	})
	err := workflow.ExecuteChildWorkflow(ctx, child, input).Get(ctx, result)
	var taken *temporal.ChildWorkflowExecutionAlreadyStartedError
	if !errors.As(err, &taken) {
		return err
	}
	workflow.GetLogger(ctx).Info("started elsewhere; awaiting its result", "workflowID", id)
	err = workflow.ExecuteActivity(options(ctx, pollOptions, deadline, "await "+id), act.AwaitWorkflow, activities.AwaitWorkflowInput{
		WorkflowID: id,
		Poll:       activities.Poll{Since: workflow.Now(ctx)},
	}).Get(ctx, result)
	if deadlineHit(err) {
		return failure(DeadlinePassed, "the deadline passed before "+id+" had ended, which was started elsewhere")
	}
	return err
}
