package workflows

import (
	"context"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/sdk/metric"
	"go.opentelemetry.io/otel/sdk/metric/metricdata"
	"go.temporal.io/sdk/client"
	"go.temporal.io/sdk/contrib/opentelemetry"
	"go.temporal.io/sdk/temporal"
	"go.temporal.io/sdk/testsuite"
	"go.temporal.io/sdk/workflow"

	"github.com/pbsmflow/pbsmflow/activities"
	"github.com/pbsmflow/pbsmflow/internal/notify"
	"github.com/pbsmflow/pbsmflow/internal/pipeline"
)

// meter reads the metrics that the workflows record.
type meter struct {
	t      *testing.T
	reader *metric.ManualReader
}

func newMeter(t *testing.T) (meter, client.MetricsHandler) {
	reader := metric.NewManualReader()
	return meter{t, reader}, opentelemetry.NewMetricsHandler(opentelemetry.MetricsHandlerOptions{
		Meter: metric.NewMeterProvider(metric.WithReader(reader)).Meter("test"), UseMonotonicCounters: true,
	})
}

// points calls see with each series of a metric.
func (m meter) points(name string, see func(attribute.Set, int64, time.Duration)) {
	m.t.Helper()
	var all metricdata.ResourceMetrics
	require.NoError(m.t, m.reader.Collect(m.t.Context(), &all))
	for _, scope := range all.ScopeMetrics {
		for _, found := range scope.Metrics {
			if found.Name != name {
				continue
			}
			switch data := found.Data.(type) {
			case metricdata.Sum[int64]:
				for _, p := range data.DataPoints {
					see(p.Attributes, p.Value, 0)
				}
			case metricdata.Histogram[float64]:
				for _, p := range data.DataPoints {
					see(p.Attributes, int64(p.Count), time.Duration(p.Sum*float64(time.Second)))
				}
			default:
				require.Fail(m.t, "unexpected kind of metric", "%s: %T", name, data)
			}
		}
	}
}

// ended is how often each end was counted, by "state reason".
func (m meter) ended() map[string]int {
	m.t.Helper()
	ends := map[string]int{}
	m.points(endedMetric, func(labels attribute.Set, count int64, _ time.Duration) {
		state, _ := labels.Value("state")
		reason, _ := labels.Value("reason")
		ends[state.AsString()+prefixed(" ", reason.AsString())] += int(count)
	})
	return ends
}

// recorded is how often a duration was recorded, and the sum.
func (m meter) recorded(name string) (times int64, sum time.Duration) {
	m.t.Helper()
	m.points(name, func(_ attribute.Set, count int64, took time.Duration) {
		times, sum = times+count, sum+took
	})
	return times, sum
}

// An alert is for failures that no operator knows of. A close that was given up only in part may be one.
func TestMetrics_reasonOfAFailedClose(t *testing.T) {
	fails := func(kind string) func(workflow.Context, RunBatchInput) (RunBatchResult, error) {
		return func(workflow.Context, RunBatchInput) (RunBatchResult, error) {
			return RunBatchResult{}, failure(kind, "it failed")
		}
	}
	decides := func(choice string) []Command {
		return []Command{{By: "ann", Why: "checked", Step: "c", Choice: choice}}
	}
	for _, c := range []struct {
		name     string
		plan     activities.Plan
		uploads  int
		batch    func(workflow.Context, RunBatchInput) (RunBatchResult, error)
		decides  []Command
		deadline bool
		cancel   bool
		ended    string
	}{
		{name: "it succeeded", plan: plan(batchStep("c")), batch: succeeds, ended: "succeeded"},
		{name: "its batch was given up", plan: plan(batchStep("c"), batchStep("d", "c")), batch: fails(GivenUp), ended: "failed given_up"},
		{name: "its step was given up", plan: plan(batchStep("c")), batch: fails(BatchFailed), decides: decides(GiveUp), ended: "failed given_up"},
		{name: "its approval was refused", plan: plan(approveStep("c")), decides: decides(GiveUp), ended: "failed given_up"},
		{name: "a step was skipped, another given up", plan: plan(batchStep("c"), approveStep("d")), batch: fails(BatchFailed),
			decides: append(decides(Skip), Command{By: "ann", Why: "checked", Step: "d", Choice: GiveUp}), ended: "failed given_up"},
		{name: "no approval before the deadline", plan: plan(approveStep("c")), deadline: true, ended: "failed deadline_passed"},
		{name: "no decision before the deadline", plan: plan(batchStep("c")), batch: fails(BatchFailed), deadline: true, ended: "failed deadline_passed"},
		{name: "one step was given up, the other passed its deadline", plan: plan(approveStep("c"), approveStep("d")), decides: decides(GiveUp), deadline: true,
			ended: "failed deadline_passed"},
		{name: "its file is missing", plan: plan(without(uploadStep("a"), pipeline.FailStep)), uploads: 1, ended: "failed error"},
		{name: "one step was given up, the file of the other is missing", plan: plan(without(uploadStep("a"), pipeline.FailStep), approveStep("c")), uploads: 1,
			decides: decides(GiveUp), ended: "failed error"},
		{name: "it was cancelled", plan: plan(approveStep("c")), cancel: true, ended: "cancelled"},
	} {
		t.Run(c.name, func(t *testing.T) {
			m, metrics := newMeter(t)
			fake := fakeSteps{env: newEnvWithMetrics(t, metrics), plan: c.plan, batch: c.batch, uploads: c.uploads}
			if c.deadline {
				fake.plan.Deadline = start.Add(3 * time.Hour)
			}
			fake.register()
			for _, command := range c.decides {
				fake.env.RegisterDelayedCallback(func() { fake.env.SignalWorkflow(DecideCommand, command) }, time.Hour)
			}
			if c.cancel {
				fake.env.RegisterDelayedCallback(fake.env.CancelWorkflow, time.Hour)
			}
			in := NightlyCloseInput{Connection: "prod", Pipeline: "nightly", AsOfDate: "2026-10-31", StartedBy: "bob"}
			fake.env.SetStartWorkflowOptions(client.StartWorkflowOptions{ID: in.WorkflowID()})
			fake.env.ExecuteWorkflow(NightlyClose, in)
			require.True(t, fake.env.IsWorkflowCompleted())
			require.Equal(t, map[string]int{c.ended: 1}, m.ended())
		})
	}
}

// The connection of an invalid input must not become a label.
func TestMetrics_invalidInput(t *testing.T) {
	for name, execute := range map[string]func(*testsuite.TestWorkflowEnvironment){
		"a close": func(env *testsuite.TestWorkflowEnvironment) {
			env.ExecuteWorkflow(NightlyClose, NightlyCloseInput{Connection: "prod"})
		},
		"a close of a missing pipeline": func(env *testsuite.TestWorkflowEnvironment) {
			env.RegisterActivityWithOptions(func(context.Context, activities.PreparePipelineInput) (*activities.Plan, error) {
				return nil, activities.InvalidInputError("pipeline nigthly is not in the worker's pipelines folder")
			}, activityName("PreparePipeline"))
			env.ExecuteWorkflow(NightlyClose, NightlyCloseInput{Connection: "prod", Pipeline: "nigthly", AsOfDate: "2026-10-31"})
		},
		"a close without a starter but with an approval": func(env *testsuite.TestWorkflowEnvironment) {
			fake := fakeSteps{env: env, plan: plan(approveStep("ok"))}
			fake.register()
			in := NightlyCloseInput{Connection: "prod", Pipeline: "nightly", AsOfDate: "2026-10-31"}
			env.SetStartWorkflowOptions(client.StartWorkflowOptions{ID: in.WorkflowID()})
			env.ExecuteWorkflow(NightlyClose, in)
		},
		"a batch": func(env *testsuite.TestWorkflowEnvironment) { env.ExecuteWorkflow(RunBatch, RunBatchInput{}) },
		"a batch on an unknown connection": func(env *testsuite.TestWorkflowEnvironment) {
			in := input
			in.Connection = "unknown"
			env.SetStartWorkflowOptions(client.StartWorkflowOptions{ID: in.WorkflowID()})
			env.ExecuteWorkflow(RunBatch, in)
		},
		"an upload":  func(env *testsuite.TestWorkflowEnvironment) { env.ExecuteWorkflow(UploadFile, UploadFileInput{}) },
		"a download": func(env *testsuite.TestWorkflowEnvironment) { env.ExecuteWorkflow(DownloadFile, DownloadFileInput{}) },
		"a report": func(env *testsuite.TestWorkflowEnvironment) {
			env.ExecuteWorkflow(GenerateReport, GenerateReportInput{})
		},
		"a migration": func(env *testsuite.TestWorkflowEnvironment) {
			env.ExecuteWorkflow(Migrate, MigrateInput{Connection: "a/b"})
		},
	} {
		t.Run(name, func(t *testing.T) {
			m, metrics := newMeter(t)
			env := newEnvWithMetrics(t, metrics)
			execute(env)
			require.Equal(t, InvalidInput, errorType(env.GetWorkflowError()))
			require.Equal(t, map[string]int{"failed invalid_input": 1}, m.ended())
			m.points(endedMetric, func(labels attribute.Set, _ int64, _ time.Duration) {
				connection, _ := labels.Value("connection")
				require.Contains(t, []string{"prod", "unknown", ""}, connection.AsString())
			})
		})
	}
}

// When a schedule starts a close, no operator sees an error. The failure is counted before the notification,
// which may not be delivered. By hand, the operator sees the error.
func TestMetrics_closeThatCannotBePlanned(t *testing.T) {
	refused := func() error { return activities.InvalidInputError("calendar my-bank is not known") }
	for _, c := range []struct {
		name     string
		input    ScheduledCloseInput
		byHand   bool
		planned  error
		closed   error
		ended    map[string]int
		notified int
	}{
		{name: "its calendar is missing", input: scheduledInput, planned: refused(), ended: map[string]int{"failed invalid_input": 1}, notified: 1},
		{name: "its input is invalid", input: ScheduledCloseInput{Connection: "prod"}, ended: map[string]int{"failed invalid_input": 1}, notified: 1},
		{name: "its pipeline is missing", input: scheduledInput, closed: failure(InvalidInput, "no such pipeline"), ended: map[string]int{"failed invalid_input": 1}, notified: 1},
		{name: "its close failed and has counted that", input: scheduledInput, closed: failure(CloseFailed, "ledger failed"), ended: map[string]int{"failed error": 1}},
		{name: "it succeeded", input: scheduledInput, ended: map[string]int{"succeeded": 1}},
		{name: "by hand", input: scheduledInput, byHand: true, ended: map[string]int{}},
	} {
		t.Run(c.name, func(t *testing.T) {
			m, metrics := newMeter(t)
			env := newEnvWithMetrics(t, metrics)
			before := map[string]int{}
			n := &fakeChannels{answer: func() (activities.NotifyResult, error) {
				before = m.ended()
				return activities.NotifyResult{}, nil
			}}
			n.register(env)
			env.RegisterActivityWithOptions(func(context.Context, activities.PlanNightInput) (*activities.PlannedNight, error) {
				return &activities.PlannedNight{Night: "2026-10-30", AsOfDate: "2026-10-30", NotifyOn: notify.Events()}, c.planned
			}, activityName("PlanNight"))
			env.RegisterWorkflowWithOptions(func(workflow.Context, NightlyCloseInput) (NightlyCloseResult, error) {
				return NightlyCloseResult{}, c.closed
			}, workflow.RegisterOptions{Name: NightlyCloseType})
			env.RegisterWorkflow(ScheduledClose)
			if !c.byHand {
				atScheduledTime(t, env, start)
			}
			env.ExecuteWorkflow(ScheduledClose, c.input)
			require.Equal(t, c.ended, m.ended())
			require.Len(t, n.messages, c.notified)
			if c.notified > 0 {
				require.Equal(t, []string{notify.Failed}, n.events())
				require.Equal(t, c.ended, before, "counted before the notification")
			}
		})
	}
}

// A workflow that fails with DeadlinePassed missed its deadline, even if it ends just before it because the
// next poll would come after it.
func TestMetrics_deadlineKeptOrMissed(t *testing.T) {
	const deadline = 2 * time.Hour
	for _, c := range []struct {
		name         string
		ends         stretch
		commands     []timedCommand
		kept, missed int64
		by           time.Duration // to the minute
	}{
		{name: "kept", ends: stretch{"0", time.Hour}, kept: 1, by: time.Hour},
		{name: "missed: it is still running, and the next poll would come after the deadline", ends: stretch{"0", 10 * time.Hour}, missed: 1},
		{name: "missed: no answer", ends: stretch{"-1", time.Minute}, missed: 1},
		{name: "neither: given up before it", ends: stretch{"-1", time.Minute}, commands: []timedCommand{{after: time.Hour, name: DecideCommand, Command: Command{Choice: GiveUp}}}},
	} {
		t.Run(c.name, func(t *testing.T) {
			m, metrics := newMeter(t)
			env := newEnvWithMetrics(t, metrics)
			s := &fakeService{env: env, triggers: []func() (activities.Run, error){accepted}, ends: []stretch{c.ends}}
			s.register()
			for _, command := range c.commands {
				env.RegisterDelayedCallback(func() { env.SignalWorkflow(command.name, command.attributed()) }, command.after)
			}
			in := input
			in.Deadline = start.Add(deadline)
			env.SetStartWorkflowOptions(client.StartWorkflowOptions{ID: in.WorkflowID()})
			env.ExecuteWorkflow(RunBatch, in)
			require.True(t, env.IsWorkflowCompleted())
			kept, before := m.recorded(marginMetric)
			missed, after := m.recorded(overdueMetric)
			require.Equal(t, []int64{c.kept, c.missed}, []int64{kept, missed}, "kept and missed; it ended at %s: %v", env.Now().Sub(start), env.GetWorkflowError())
			require.InDelta(t, c.by, before+after, float64(time.Minute))
			if c.missed > 0 {
				var failed *temporal.ApplicationError
				require.True(t, asError(env.GetWorkflowError(), &failed))
				require.Equal(t, DeadlinePassed, failed.Type())
			}
		})
	}
}
