package workflows

import (
	"errors"
	"fmt"
	"time"

	"go.temporal.io/sdk/temporal"
	"go.temporal.io/sdk/workflow"

	"github.com/pbsmflow/pbsmflow/activities"
)

// maxTransfers limits how often a transfer is attempted, as its URL may expire or its file change each time.
const maxTransfers = 5

// firstPause is the pause before the second attempt; each further one is twice as long, 30 seconds in all. A store may
// refuse a URL that the service has just issued.
const firstPause = 2 * time.Second

// transfer calls attempt until it succeeds, at most maxTransfers times, and repeats it, after a pause, only when a URL
// has expired or a file has changed. cause is the error of the attempt before, unfinished the state of what that left:
// attempt resumes it or drops it. What the last attempt leaves unfinished is dropped here.
func (r *simpleRun) transfer(
	ctx workflow.Context, connection string, attempt func(cause error, unfinished activities.SealedTransfer) error,
) error {
	var err error
	var unfinished activities.SealedTransfer
	for attempts := range maxTransfers {
		if attempts > 0 {
			if cancelled := r.pause(ctx, attempts, err); cancelled != nil {
				r.drop(ctx, connection, unfinished)
				return cancelled
			}
		}
		if err = attempt(err, unfinished); err == nil {
			return nil
		}
		if newer := unfinishedIn(err); newer != "" {
			unfinished = newer
		}
		if kind := errorType(err); kind != activities.PARExpired && kind != activities.FileChanged {
			r.drop(ctx, connection, unfinished)
			return err
		}
	}
	r.drop(ctx, connection, unfinished)
	message := fmt.Sprintf("the transfer failed %d times: %s", maxTransfers, reason(err))
	return temporal.NewNonRetryableApplicationError(message, errorType(err), nil)
}

// pause waits before the next attempt of a transfer, and says why.
func (r *simpleRun) pause(ctx workflow.Context, attempts int, cause error) error {
	length := firstPause << (attempts - 1)
	summary := fmt.Sprintf("%s; attempt %d of %d in %s", reason(cause), attempts+1, maxTransfers, length)
	if err := r.update(ctx, func(s *snapshot) { s.Summary = summary }); err != nil {
		return err
	}
	timer := workflow.NewTimerWithOptions(ctx, length, workflow.TimerOptions{Summary: "pause before the next attempt"})
	return timer.Get(ctx, nil)
}

// unfinishedIn is the state of an unfinished transfer, from the details of its error; empty when there is nothing to
// resume or to drop.
func unfinishedIn(err error) activities.SealedTransfer {
	var (
		failed     *temporal.ApplicationError
		cancelled  *temporal.CanceledError
		timeout    *temporal.TimeoutError
		refusal    activities.Refusal
		unfinished activities.SealedTransfer
		progress   activities.TransferProgress
	)
	switch {
	case errors.As(err, &failed) && failed.HasDetails() && failed.Details(&refusal, &unfinished) == nil:
		return unfinished
	case errors.As(err, &cancelled) && cancelled.HasDetails() && cancelled.Details(&refusal, &unfinished) == nil:
		return unfinished
	case errors.As(err, &timeout) && timeout.HasLastHeartbeatDetails() && timeout.LastHeartbeatDetails(&progress) == nil:
		return progress.State
	}
	return ""
}

// drop removes what an unfinished transfer left behind, also when the workflow is cancelled. If that fails, the
// workflow does not.
func (r *simpleRun) drop(ctx workflow.Context, connection string, unfinished activities.SealedTransfer) {
	if unfinished != "" {
		r.dropTransfer(ctx, activities.DropTransferInput{Connection: connection, Unfinished: unfinished})
	}
}

// cancelledBetweenAttempts reports whether a transfer was cancelled while no attempt was running. The error then has no
// state, although the last attempt may have left something behind.
func cancelledBetweenAttempts(err error) bool {
	var (
		cancelled  *temporal.CanceledError
		refusal    activities.Refusal
		unfinished activities.SealedTransfer
	)
	return errors.As(err, &cancelled) && (!cancelled.HasDetails() || cancelled.Details(&refusal, &unfinished) != nil)
}

func (r *simpleRun) dropTransfer(ctx workflow.Context, input activities.DropTransferInput) {
	ctx, cancel := workflow.NewDisconnectedContext(ctx)
	defer cancel()
	err := r.execute(ctx, dropOptions, noDeadline, "drop an unfinished transfer", act.DropTransfer, input).Get(ctx, nil)
	if err != nil {
		workflow.GetLogger(ctx).Warn("an unfinished transfer could not be dropped", "error", reason(err))
	}
}
