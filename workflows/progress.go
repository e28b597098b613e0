package workflows

import (
	"time"

	"go.temporal.io/sdk/converter"

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

// Progress is how far the transfer of the workflow is; false when it transfers nothing. One that is paused, or that
// has not been heard of, has no rate. payloads is the client's data converter.
func (e Execution) Progress(
	payloads converter.DataConverter, failures converter.FailureConverter,
) (TransferProgress, bool) {
	for _, pending := range e.described.GetPendingActivities() {
		var p activities.TransferProgress
		details := pending.GetHeartbeatDetails()
		if details == nil || payloads.FromPayloads(details, &p) != nil || p.Done == 0 && p.Total == 0 {
			continue
		}
		progress := TransferProgress{Done: p.Done, Total: p.Total}
		if activities.NewPendingActivity(pending, payloads, failures, time.Now()).Trouble == "" {
			progress.Rate, progress.Remaining = p.Rate, time.Duration(p.SecondsLeft)*time.Second
		}
		return progress, true
	}
	return TransferProgress{}, false
}

// Trouble says why an activity of the workflow makes no progress, such as "is being retried: HTTP 500"; empty when
// all do. A poll that found nothing new is progress. payloads and failures are the client's converters.
func (e Execution) Trouble(payloads converter.DataConverter, failures converter.FailureConverter) string {
	for _, pending := range e.described.GetPendingActivities() {
		if found := activities.NewPendingActivity(pending, payloads, failures, time.Now()); found.Trouble != "" {
			return found.Trouble
		}
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
