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

// runOrAttachBatch runs a batch as a child, under the batch's own id. If it is already running, or has
// succeeded, wherever it was started, it awaits that result instead.
func runOrAttachBatch(ctx workflow.Context, in RunBatchInput) (RunBatchResult, error) {
	var result RunBatchResult
	err := runOrAttach(ctx, in.WorkflowID(), in.reusePolicy(), in.Deadline, fmt.Sprintf("%s for %s", in.Code, in.AsOfDate), RunBatch, in, &result)
	return result, err
}

// runOrAttach runs a workflow as a child under a given id. If another workflow has the id, it awaits that
// one's result until the deadline, as the other workflow may have none of its own. The child outlives a
// parent that is terminated, so that its run is still polled.
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
		return failure(DeadlinePassed, "the deadline passed before "+id+", which was started elsewhere, had ended")
	}
	return err
}
