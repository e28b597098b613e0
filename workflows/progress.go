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
// sends no heartbeats, has no rate. payloads is the client's data converter.
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

// Trouble is why an activity of a workflow makes no progress.
type Trouble struct {
	// Text follows the name of what makes none: "is being retried: HTTP 500".
	Text string
	// Since is when that began, as far as Temporal knows; zero: it does not.
	Since time.Time
	// Call is the call that is being retried, "token" for a login; empty where it is none of the service's or of its
	// object store's, which has a Host. HTTPStatus is what the other side answered; 0: nothing.
	Call, Host string
	HTTPStatus int
}

// Troubles are those of the activities that make no progress. A poll that found nothing new is progress. payloads and
// failures are the client's converters.
func (e Execution) Troubles(payloads converter.DataConverter, failures converter.FailureConverter) (list []Trouble) {
	for _, pending := range e.described.GetPendingActivities() {
		found := activities.NewPendingActivity(pending, payloads, failures, time.Now())
		if found.Trouble == "" {
			continue
		}
		t := Trouble{Text: found.Trouble, Since: found.Since}
		if call := found.Repeats; call != nil {
			t.Call, t.Host, t.HTTPStatus = call.Call, call.Host, call.HTTPStatus
		}
		list = append(list, t)
	}
	return list
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
