package workflows

import (
	"time"

	"go.temporal.io/sdk/client"
	"go.temporal.io/sdk/workflow"
)

// Measures of the workflows, reported when they happen and not again on replay; the SDK adds
// the workflow type to each. docs/metrics.md says what they mean.
const (
	endedMeasure       = "pbsm_workflows_ended"
	personWaitMeasure  = "pbsm_person_wait"
	latenessMeasure    = "pbsm_lateness"
	marginMeasure      = "pbsm_deadline_margin"
	lateWarningMeasure = "pbsm_late_warnings"
)

// CountFromZero shows the counters of the connections before anything happened: of a counter
// that begins with 1, Prometheus cannot see the increase.
func CountFromZero(metrics client.MetricsHandler, connections []string) {
	for _, connection := range connections {
		for _, kind := range []string{NightlyCloseType, RunBatchType, GenerateReportType, UploadFileType, DownloadFileType, MigrateType} {
			handler := metrics.WithTags(map[string]string{"connection": connection, "workflow_type": kind})
			handler.Counter(lateWarningMeasure).Inc(0)
			for _, state := range []State{Succeeded, Failed, Interrupted, Cancelled} {
				handler.WithTags(map[string]string{"state": string(state)}).Counter(endedMeasure).Inc(0)
			}
		}
	}
}

// measure reports what a change of state means to the measures.
func (t *tracker) measure(ctx workflow.Context) {
	now := workflow.Now(ctx)
	handler := t.measures(ctx)
	if t.shown.state == Waiting {
		handler.Timer(personWaitMeasure).Record(now.Sub(t.waitingSince))
	}
	if t.status.State == Waiting {
		t.waitingSince = now
	}
	if t.status.State.Done() {
		handler.WithTags(map[string]string{"state": string(t.status.State)}).Counter(endedMeasure).Inc(1)
		t.measureDeadline(handler, now)
	}
}

// measureDeadline reports how far from its deadline a job ended, on either side of it.
func (t *tracker) measureDeadline(handler client.MetricsHandler, now time.Time) {
	switch {
	case t.deadline.IsZero():
	case now.After(t.deadline):
		handler.Timer(latenessMeasure).Record(now.Sub(t.deadline))
	default:
		handler.Timer(marginMeasure).Record(t.deadline.Sub(now))
	}
}

// countLateWarning counts a job, or a step of a close, that came near its deadline.
func (t *tracker) countLateWarning(ctx workflow.Context) {
	t.measures(ctx).Counter(lateWarningMeasure).Inc(1)
}

func (t *tracker) measures(ctx workflow.Context) client.MetricsHandler {
	return workflow.GetMetricsHandler(ctx).WithTags(map[string]string{"connection": t.status.Connection})
}
