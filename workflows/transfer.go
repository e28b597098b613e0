package workflows

import (
	"errors"
	"fmt"

	"go.temporal.io/sdk/temporal"
	"go.temporal.io/sdk/workflow"

	"github.com/pbsmflow/pbsmflow/activities"
)

// maxTransfers is how often a transfer begins again whose URL is no longer good, or whose file
// changed under it.
const maxTransfers = 5

// transfer carries out a transfer and repeats it with a new URL where the error says that one is
// needed. A repetition gets that error, and what the transfer before it left, which it uses or
// drops; what the last one left is dropped here.
func (r *simpleRun) transfer(ctx workflow.Context, connection string, carryOut func(before error, left activities.SealedTransfer) error) error {
	var err error
	var left activities.SealedTransfer
	for range maxTransfers {
		if err = carryOut(err, left); err == nil {
			return nil
		}
		if newer := leftBy(err); newer != "" {
			left = newer
		}
		if kind := errorType(err); kind != activities.PARExpired && kind != activities.FileChanged {
			r.drop(ctx, connection, left)
			return err
		}
	}
	r.drop(ctx, connection, left)
	return temporal.NewNonRetryableApplicationError(fmt.Sprintf("begun %d times, each time in vain: %s", maxTransfers, reason(err)), errorType(err), nil)
}

// leftBy is what a transfer that failed left for another one; empty when it left nothing.
func leftBy(err error) activities.SealedTransfer {
	var (
		failed    *temporal.ApplicationError
		cancelled *temporal.CanceledError
		timeout   *temporal.TimeoutError
		said      activities.Refusal
		left      activities.SealedTransfer
		progress  activities.TransferProgress
	)
	switch {
	case errors.As(err, &failed) && failed.HasDetails() && failed.Details(&said, &left) == nil:
		return left
	case errors.As(err, &cancelled) && cancelled.HasDetails() && cancelled.Details(&said, &left) == nil:
		return left
	case errors.As(err, &timeout) && timeout.HasLastHeartbeatDetails() && timeout.LastHeartbeatDetails(&progress) == nil:
		return progress.State
	}
	return ""
}

// drop removes what a transfer left, also when the workflow is cancelled. Failing to is no failure of the job.
func (r *simpleRun) drop(ctx workflow.Context, connection string, left activities.SealedTransfer) {
	if left == "" {
		return
	}
	ctx, cancel := workflow.NewDisconnectedContext(ctx)
	defer cancel()
	err := r.execute(ctx, dropOptions, noDeadline, "drop what the transfer left", act.DropTransfer, activities.DropTransferInput{Connection: connection, Left: left}).Get(ctx, nil)
	if err != nil {
		workflow.GetLogger(ctx).Warn("what a transfer left could not be dropped", "error", reason(err))
	}
}
