package temporalclient

import (
	"context"
	"errors"
	"time"

	"go.temporal.io/api/serviceerror"
	"go.temporal.io/sdk/client"
)

// Update sends an update to a workflow and waits for its answer. Where the context ends while the workflow has the
// update, the error is an AcceptedError.
func Update(ctx context.Context, c client.Client, update client.UpdateWorkflowOptions, answer any) error {
	update.WaitForStage = client.WorkflowUpdateStageAccepted
	handle, err := c.UpdateWorkflow(ctx, update)
	if err != nil {
		return err
	}
	if err = handle.Get(ctx, answer); err != nil && ctx.Err() != nil {
		return &AcceptedError{err}
	}
	return err
}

// AcceptedError is the error of an update that a worker has accepted, and whose answer nobody waited for.
type AcceptedError struct{ Err error }

func (e *AcceptedError) Error() string { return "accepted, and not answered yet: " + e.Err.Error() }

func (e *AcceptedError) Unwrap() error { return e.Err }

// Aborted reports whether an update was dropped because something else happened to the workflow at the same moment,
// such as its cancellation. It had no effect and may be sent again.
func Aborted(err error) bool {
	var dropped *serviceerror.WorkflowNotReady
	return errors.As(err, &dropped)
}

// AnswerTimeout bounds a call that Temporal or a worker answers at once.
const AnswerTimeout = 3 * time.Second

// Answers reports whether Temporal answers, and knows a workflow.
func Answers(ctx context.Context, c client.Client, workflowID string) bool {
	ctx, cancel := context.WithTimeout(ctx, AnswerTimeout)
	defer cancel()
	_, err := c.DescribeWorkflowExecution(ctx, workflowID, "")
	return err == nil
}

// Unavailable reports whether an error says that Temporal did not answer, or could not. A long poll that
// the server or a proxy cuts at its deadline is reported as canceled.
func Unavailable(err error) bool {
	var (
		unavailable *serviceerror.Unavailable
		timedOut    *serviceerror.DeadlineExceeded
		busy        *serviceerror.ResourceExhausted
		cut         *serviceerror.Canceled
	)
	return errors.As(err, &unavailable) || errors.As(err, &timedOut) || errors.As(err, &busy) || errors.As(err, &cut) ||
		errors.Is(err, context.DeadlineExceeded)
}
