package workflows

import (
	"cmp"
	"time"

	"go.temporal.io/sdk/client"
	"go.temporal.io/sdk/workflow"

	"github.com/pbsmflow/pbsmflow/internal/pipeline"
)

// Metrics of the workflows, recorded when something happens and not again on replay; the SDK adds
// the workflow type to each. docs/metrics.md says what they mean.
const (
	endedMetric        = "pbsm_workflows_ended"
	operatorWaitMetric = "pbsm_operator_wait"
	overdueMetric      = "pbsm_overdue"
	marginMetric       = "pbsm_deadline_margin"
	atRiskMetric       = "pbsm_at_risk"
)

// failureReasons are the values of the label reason, by the type of the error. The operator who gave up, or
// who sent an invalid input, knows of the failure; of the others perhaps nobody does.
var failureReasons = map[string]string{GivenUp: "given_up", InvalidInput: "invalid_input", DeadlinePassed: "deadline_passed"}

// otherFailure is the reason of every other type.
const otherFailure = "error"

// CountFromZero creates the counters of the connections before anything is counted: Prometheus does not
// see the increase of a counter that begins with 1.
func CountFromZero(metrics client.MetricsHandler, connections []string) {
	for _, connection := range connections {
		for _, kind := range typeNames() {
			handler := metrics.WithTags(map[string]string{"connection": connection, "workflow_type": kind})
			handler.Counter(atRiskMetric).Inc(0)
			for _, state := range []State{Succeeded, SucceededWithExceptions, Interrupted, Cancelled, Skipped} {
				ended(handler, state, "").Inc(0)
			}
			ended(handler, Failed, otherFailure).Inc(0)
			for _, reason := range failureReasons {
				ended(handler, Failed, reason).Inc(0)
			}
		}
	}
}

// metricsObserver is the observer that records the metrics of a change of state.
type metricsObserver struct {
	waitingSince time.Time
}

func newMetricsObserver() *metricsObserver { return &metricsObserver{} }

func (o *metricsObserver) changed(ctx workflow.Context, before, after snapshot) error {
	if after.State == before.State {
		return nil
	}
	now := workflow.Now(ctx)
	handler := metricsOf(ctx, after.Connection)
	if before.State == Waiting {
		handler.Timer(operatorWaitMetric).Record(now.Sub(o.waitingSince))
	}
	if after.State == Waiting {
		o.waitingSince = now
	}
	if after.State.Done() {
		countEnd(handler, after.State, after.failure)
		recordDeadline(handler, now, after)
	}
	return nil
}

// countEnd counts an end, of a failure with the reason for it.
func countEnd(handler client.MetricsHandler, state State, errorType string) {
	reason := ""
	if state == Failed {
		reason = cmp.Or(failureReasons[errorType], otherFailure)
	}
	ended(handler, state, reason).Inc(1)
}

func ended(handler client.MetricsHandler, state State, reason string) client.MetricsCounter {
	return handler.WithTags(map[string]string{"state": string(state), "reason": reason}).Counter(endedMetric)
}

// endEarly counts a workflow that ends before it has a status, mostly because of its input, and
// returns its error.
func endEarly(ctx workflow.Context, connection string, err error) error {
	state := Failed
	if ctx.Err() != nil {
		state = Cancelled
	}
	if !pipeline.IsCode(connection) {
		connection = "" // free text must not become a label
	}
	countEnd(metricsOf(ctx, connection), state, errorType(err))
	return err
}

// recordDeadline records how long before its deadline a workflow succeeded, or how long after it one
// ended. A workflow that failed with DeadlinePassed is overdue even if it ended just before the deadline:
// it does not wait for a poll that would come after it.
func recordDeadline(handler client.MetricsHandler, now time.Time, s snapshot) {
	overdue := now.Sub(s.Deadline)
	switch {
	case s.Deadline.IsZero():
	case overdue > 0 || s.failure == DeadlinePassed:
		handler.Timer(overdueMetric).Record(max(overdue, 0))
	case s.State.Success():
		handler.Timer(marginMetric).Record(-overdue)
	}
}

// countAtRisk counts a workflow, or a step of a close, that will probably miss its deadline.
func countAtRisk(ctx workflow.Context, connection string) {
	metricsOf(ctx, connection).Counter(atRiskMetric).Inc(1)
}

func metricsOf(ctx workflow.Context, connection string) client.MetricsHandler {
	return workflow.GetMetricsHandler(ctx).WithTags(map[string]string{"connection": connection})
}
