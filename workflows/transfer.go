package workflows

import (
	"errors"
	"fmt"
	"time"

	"go.temporal.io/api/workflowservice/v1"
	"go.temporal.io/sdk/converter"
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
func (j *job) transfer(ctx workflow.Context, connection string, carryOut func(before error, left activities.SealedTransfer) error) error {
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
			j.drop(ctx, connection, left)
			return err
		}
	}
	j.drop(ctx, connection, left)
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
func (j *job) drop(ctx workflow.Context, connection string, left activities.SealedTransfer) {
	if left == "" {
		return
	}
	ctx, cancel := workflow.NewDisconnectedContext(ctx)
	defer cancel()
	err := j.execute(ctx, dropOptions, noDeadline, "drop what the transfer left", act.DropTransfer, activities.DropTransferInput{Connection: connection, Left: left}).Get(ctx, nil)
	if err != nil {
		workflow.GetLogger(ctx).Warn("what a transfer left could not be dropped", "error", reason(err))
	}
}

// TransferProgress is how far the bytes of UploadFile, DownloadFile or GenerateReport are. It
// reaches Temporal every two seconds without adding to the history.
type TransferProgress struct {
	// Done and Total are bytes. Total is 0 while unknown.
	Done  int64 `json:"done"`
	Total int64 `json:"total,omitempty"`
	// Rate is in bytes per second, over the last seconds; Left is the rest at that rate. Both are 0 while unknown.
	Rate int64         `json:"rate,omitempty"`
	Left time.Duration `json:"left,omitempty"`
}

// ProgressOf reads how far the transfer of a workflow is from what Temporal's
// DescribeWorkflowExecution says of it; false while it moves nothing. payloads is the client's
// data converter.
func ProgressOf(described *workflowservice.DescribeWorkflowExecutionResponse, payloads converter.DataConverter) (TransferProgress, bool) {
	for _, pending := range described.GetPendingActivities() {
		var p activities.TransferProgress
		details := pending.GetHeartbeatDetails()
		if details == nil || payloads.FromPayloads(details, &p) != nil || p.Done == 0 && p.Total == 0 {
			continue
		}
		return TransferProgress{Done: p.Done, Total: p.Total, Rate: p.Rate, Left: time.Duration(p.SecondsLeft) * time.Second}, true
	}
	return TransferProgress{}, false
}
