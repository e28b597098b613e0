package workflows

import (
	"errors"
	"time"

	"go.temporal.io/api/workflowservice/v1"
	"go.temporal.io/sdk/converter"
	"go.temporal.io/sdk/temporal"

	"github.com/pbsmflow/pbsmflow/activities"
)

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

// failedInARow is from when on an activity's failures are worth a word: one is often over with the next attempt.
const failedInARow = 2

// RetryReason says why an activity of a workflow failed last that fails again and again, from what Temporal's
// DescribeWorkflowExecution says of it; empty where none does. A look that found nothing new is no failure.
// failures is the client's failure converter.
func RetryReason(described *workflowservice.DescribeWorkflowExecutionResponse, failures converter.FailureConverter) string {
	for _, pending := range described.GetPendingActivities() {
		if pending.GetLastFailure() == nil || pending.GetAttempt() <= failedInARow {
			continue
		}
		err := failures.FailureToError(pending.GetLastFailure())
		var failed *temporal.ApplicationError
		if errors.As(err, &failed) && failed.Category() == temporal.ApplicationErrorCategoryBenign {
			continue
		}
		return reason(err)
	}
	return ""
}
