package workflows

import (
	"go.temporal.io/sdk/workflow"
)

// Measures of the workflows, reported once and not again on replay. Durations are in seconds;
// the SDK adds the workflow type to each.
const (
	endedMeasure   = "pbsm_workflow_ended"     // counter, by connection and state
	waitingMeasure = "pbsm_waiting_for_person" // timer of each wait, by connection
	lateMeasure    = "pbsm_late"               // counter of jobs that neared or passed their deadline
)

// measure reports what a change of state means to the measures.
func (t *tracker) measure(ctx workflow.Context) {
	now := workflow.Now(ctx)
	handler := workflow.GetMetricsHandler(ctx).WithTags(map[string]string{"connection": t.status.Connection})
	if t.shown.state == Waiting {
		handler.Timer(waitingMeasure).Record(now.Sub(t.waitingSince))
	}
	if t.status.State == Waiting {
		t.waitingSince = now
	}
	if t.status.State.Done() {
		handler.WithTags(map[string]string{"state": string(t.status.State)}).Counter(endedMeasure).Inc(1)
	}
}

// late counts a warning.
func (t *tracker) late(ctx workflow.Context) {
	workflow.GetMetricsHandler(ctx).WithTags(map[string]string{"connection": t.status.Connection}).Counter(lateMeasure).Inc(1)
}
