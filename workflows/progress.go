package workflows

import (
	"errors"
	"time"

	"go.temporal.io/sdk/converter"
	"go.temporal.io/sdk/temporal"

	"github.com/pbsmflow/pbsmflow/activities"
)

// TransferProgress is the progress of UploadFile, DownloadFile or GenerateReport. A worker reports it to
// Temporal every two seconds, without adding to the history.
type TransferProgress struct {
	// Done and Total are bytes. Total is 0 while unknown.
	Done  int64 `json:"done"`
	Total int64 `json:"total,omitempty"`
	// Rate is in bytes per second, over the last seconds; Remaining is the time left at that rate. Both are 0
	// while unknown.
	Rate      int64         `json:"rate,omitempty"`
	Remaining time.Duration `json:"remaining,omitempty"`
}

// Progress is how far the transfer of the workflow is; false when it transfers nothing. payloads is the
// client's data converter.
func (e Execution) Progress(payloads converter.DataConverter) (TransferProgress, bool) {
	for _, pending := range e.described.GetPendingActivities() {
		var p activities.TransferProgress
		details := pending.GetHeartbeatDetails()
		if details == nil || payloads.FromPayloads(details, &p) != nil || p.Done == 0 && p.Total == 0 {
			continue
		}
		return TransferProgress{
			Done:      p.Done,
			Total:     p.Total,
			Rate:      p.Rate,
			Remaining: time.Duration(p.SecondsLeft) * time.Second,
		}, true
	}
	return TransferProgress{}, false
}

// failedInARow is the attempt from which on failures are reported: the next attempt often repairs a single one.
const failedInARow = 2

// RetryReason is the last failure of an activity that keeps failing; empty when none does. A poll that
// found nothing new is not a failure. failures is the client's failure converter.
func (e Execution) RetryReason(failures converter.FailureConverter) string {
	for _, pending := range e.described.GetPendingActivities() {
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

// LastState is the state in the search attributes, for when no worker answers. It is empty before the
// workflow has set one.
func (e Execution) LastState() State {
	var state State
	attributes := e.described.GetWorkflowExecutionInfo().GetSearchAttributes().GetIndexedFields()
	if value, ok := attributes[stateAttribute.GetName()]; ok {
		_ = converter.GetDefaultDataConverter().FromPayload(value, &state) // a Keyword always decodes
	}
	return state
}

// EndSummary is the line with which a workflow that ended says how; empty where it says nothing.
func (e Execution) EndSummary(payloads converter.DataConverter) string {
	var summary string
	if payload, ok := e.described.GetWorkflowExecutionInfo().GetMemo().GetFields()[SummaryMemo]; ok {
		_ = payloads.FromPayload(payload, &summary) // what cannot be opened here says nothing
	}
	return summary
}
