package workflows

import (
	"cmp"
	"time"

	"go.temporal.io/sdk/client"
	"go.temporal.io/sdk/workflow"
)

// Measures of the workflows, reported when they happen and not again on replay; the SDK adds
// the workflow type to each. docs/metrics.md says what they mean.
const (
	endedMeasure       = "pbsm_workflows_ended"
	operatorWaitMetric = "pbsm_operator_wait"
	latenessMeasure    = "pbsm_overdue"
	marginMeasure      = "pbsm_deadline_margin"
	lateWarningMeasure = "pbsm_at_risk"
)

// failureReasons are the label reason of what ended as failed, by the type of its error. Whoever
// gave it up, or started it with such an input, knows of it; of the others perhaps nobody does.
var failureReasons = map[string]string{GivenUp: "given_up", InvalidInput: "invalid_input", DeadlinePassed: "deadline_passed"}

// otherFailure is the reason of every other type.
const otherFailure = "error"

// CountFromZero shows the counters of the connections before anything happened: of a counter
// that begins with 1, Prometheus cannot see the increase.
func CountFromZero(metrics client.MetricsHandler, connections []string) {
	for _, connection := range connections {
		for _, kind := range typeNames() {
			handler := metrics.WithTags(map[string]string{"connection": connection, "workflow_type": kind})
			handler.Counter(lateWarningMeasure).Inc(0)
			for _, state := range []State{Succeeded, Interrupted, Cancelled, Skipped} {
				ended(handler, state, "").Inc(0)
			}
			ended(handler, Failed, otherFailure).Inc(0)
			for _, reason := range failureReasons {
				ended(handler, Failed, reason).Inc(0)
			}
		}
	}
}

// measure reports what a change of state means to the measures.
func (t *tracker) measure(ctx workflow.Context) {
	now := workflow.Now(ctx)
	handler := t.measures(ctx)
	if t.shown.state == Waiting {
		handler.Timer(operatorWaitMetric).Record(now.Sub(t.waitingSince))
	}
	if t.status.State == Waiting {
		t.waitingSince = now
	}
	if t.status.State.Done() {
		countEnd(handler, t.status.State, t.failure)
		t.measureDeadline(handler, now)
	}
}

// countEnd counts an end, and of a failure why, by the type of its error.
func countEnd(handler client.MetricsHandler, state State, errorType string) {
	reason := ""
	if state == Failed {
		reason = cmp.Or(failureReasons[errorType], otherFailure)
	}
	ended(handler, state, reason).Inc(1)
}

func ended(handler client.MetricsHandler, state State, reason string) client.MetricsCounter {
	return handler.WithTags(map[string]string{"state": string(state), "reason": reason}).Counter(endedMeasure)
}

// endEarly counts a workflow that ends before it has a status, mostly for its input, and passes its error on.
func endEarly(ctx workflow.Context, connection string, err error) error {
	state := Failed
	if ctx.Err() != nil {
		state = Cancelled
	}
	if !idPart.MatchString(connection) {
		connection = "" // a label is not whatever somebody typed
	}
	countEnd(measures(ctx, connection), state, errorType(err))
	return err
}

// measureDeadline reports how long before its deadline a job succeeded, or how long after it a job
// ended. One that gave up on it has missed it, though the clock may not say so yet: it does not wait
// for a look at its run that would come too late.
func (t *tracker) measureDeadline(handler client.MetricsHandler, now time.Time) {
	late := now.Sub(t.deadline)
	switch {
	case t.deadline.IsZero():
	case late > 0 || t.failure == DeadlinePassed:
		handler.Timer(latenessMeasure).Record(max(late, 0))
	case t.status.State == Succeeded:
		handler.Timer(marginMeasure).Record(-late)
	}
}

// countLateWarning counts a job, or a step of a close, that came near its deadline.
func (t *tracker) countLateWarning(ctx workflow.Context) {
	t.measures(ctx).Counter(lateWarningMeasure).Inc(1)
}

func (t *tracker) measures(ctx workflow.Context) client.MetricsHandler {
	return measures(ctx, t.status.Connection)
}

func measures(ctx workflow.Context, connection string) client.MetricsHandler {
	return workflow.GetMetricsHandler(ctx).WithTags(map[string]string{"connection": connection})
}
