package close

import (
	"context"
	"fmt"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	enumspb "go.temporal.io/api/enums/v1"
	"go.temporal.io/sdk/client"

	"github.com/pbsmflow/pbsmflow/internal/simulator"
	"github.com/pbsmflow/pbsmflow/tests/harness"
	"github.com/pbsmflow/pbsmflow/workflows"
)

// The limit on the calls of a connection, triggers and polls, applies to two workers together. It measures time, and so runs
// before the tests that are parallel.
func TestRate_isSharedByAllWorkers(t *testing.T) {
	const (
		rate, batches = 4, 20
		seconds       = 4
		most          = rate*seconds + rate // a second's worth may come in a burst
	)
	// during counts the calls of batches that never end and are polled ten times a second.
	during := func(t *testing.T, settings map[string]string) (*harness.Env, int) {
		settings["worker.poll.max"] = "100ms"
		e := harness.New(t, harness.Options{NoWorker: true, Settings: settings})
		for i := range batches {
			run := e.StartBatch(workflows.RunBatchInput{Code: harness.HangBatch, Key: fmt.Sprint(i)})
			t.Cleanup(func() { _ = e.Temporal.TerminateWorkflow(context.Background(), run.GetID(), "", "") })
		}
		two := []*harness.Worker{e.StartWorker(), e.StartWorker()}
		e.Until("there were calls for some seconds", func() bool {
			calls := calls(e)
			return len(calls) > 0 && calls[len(calls)-1].Time.Sub(calls[0].Time) > seconds*time.Second
		})
		count, calls := 0, calls(e)
		for _, call := range calls {
			if call.Time.Sub(calls[0].Time) <= seconds*time.Second {
				count++
			}
		}
		for i, w := range two {
			require.Positive(t, executed(e, w, workflows.ConnectionTaskQueue(e.TaskQueue, e.Connection)), "worker %d made some of the calls", i+1)
		}
		t.Logf("%d calls in %d seconds", count, seconds)
		return e, count
	}
	t.Run("limited", func(t *testing.T) {
		e, count := during(t, map[string]string{"connection.rate": fmt.Sprint(rate)})
		require.LessOrEqual(t, count, most+rate, "a dispatched call may arrive a little later")
		require.GreaterOrEqual(t, count, rate*seconds/2)

		// An interrupt does not wait behind all polls.
		before := len(calls(e))
		require.NoError(t, e.Temporal.SignalWorkflow(t.Context(), workflows.BatchWorkflowID(e.Connection, harness.HangBatch, harness.AsOf, "7"), "", workflows.InterruptCommand, workflows.Command{By: "ann", Why: "checked"}))
		e.Until("the interrupt arrives", func() bool { return len(e.Calls("interrupt")) > 0 })
		polls := len(calls(e)) - before
		t.Logf("the interrupt came after %d of %d waiting polls", polls, batches-1)
		require.Less(t, polls, batches/2)
	})
	t.Run("not limited", func(t *testing.T) {
		_, count := during(t, map[string]string{})
		require.Greater(t, count, most+rate)
	})
}

// calls returns the triggers and polls in the journal, in order.
func calls(e *harness.Env) []simulator.Entry {
	var found []simulator.Entry
	for _, entry := range e.Sim.Journal() {
		if entry.Call == "trigger" || entry.Call == "status" {
			found = append(found, entry)
		}
	}
	return found
}

// executed returns how many activities of a task queue a worker has executed, by its own metrics.
func executed(e *harness.Env, w *harness.Worker, queue string) (count uint64) {
	for _, m := range harness.Series(e.Scrape(w)["temporal_activity_execution_latency_seconds"], map[string]string{"task_queue": queue}) {
		count += m.GetHistogram().GetSampleCount()
	}
	return count
}

// Two workers of one task queue may have different connections: an activity is dispatched to one that has its
// connection. A connection that no worker has is refused at once, and the error names the configured ones.
func TestConnections_differBetweenWorkers(t *testing.T) {
	t.Parallel()
	one := harness.New(t, harness.Options{})
	two := harness.New(t, harness.Options{TaskQueue: one.TaskQueue, Name: "-two"})
	var runs []client.WorkflowRun
	for i := range 6 {
		for _, e := range []*harness.Env{one, two} {
			runs = append(runs, e.StartBatch(workflows.RunBatchInput{Code: harness.QuickBatch, Key: fmt.Sprint(i)}))
		}
	}
	for _, run := range runs {
		require.NoError(t, one.Await(run, nil), run.GetID())
	}
	require.Len(t, one.Calls("trigger"), 6)
	require.Len(t, two.Calls("trigger"), 6)

	began := time.Now()
	for _, c := range []struct {
		workflow string
		input    any
	}{
		{workflows.RunBatchType, workflows.RunBatchInput{Connection: "nobodys", Code: harness.QuickBatch, AsOfDate: harness.AsOf}},
		{workflows.RunBatchType, workflows.RunBatchInput{Connection: "nobodys", Code: harness.QuickBatch, AsOfDate: harness.AsOf, Key: "taken-over", RunID: "PBSM_QUICK_1"}},
		{workflows.UploadFileType, workflows.UploadFileInput{Connection: "nobodys", File: "inbox/gl.csv"}},
		{workflows.DownloadFileType, workflows.DownloadFileInput{Connection: "nobodys", FileID: "1", SaveTo: "reports/x.csv"}},
		{workflows.GenerateReportType, workflows.GenerateReportInput{Connection: "nobodys", Code: "RPT001", SaveTo: "reports/x.csv"}},
		{workflows.MigrateType, workflows.MigrateInput{Connection: "nobodys", Direction: workflows.Export, Code: "MIG001"}},
		{workflows.NightlyCloseType, workflows.NightlyCloseInput{Connection: "nobodys", Pipeline: "x", Definition: []byte(`{"name":"x","steps":[{"id":"a","batch":{"code":"PBSM_QUICK"}}]}`), AsOfDate: harness.AsOf}},
	} {
		id := c.workflow + "/nobodys"
		if in, ok := c.input.(workflows.RunBatchInput); ok {
			id = in.WorkflowID()
		}
		err := one.Await(one.Start(id, c.workflow, c.input), nil)
		require.ErrorContains(t, err, `no worker has connection "nobodys", nor had it in the last few minutes; this worker has connections-differbetweenworkers`, c.workflow)
		require.ErrorContains(t, err, workflows.InvalidInput, c.workflow)
	}
	require.Less(t, time.Since(began), 30*time.Second)
}

// One connection floods the workers' queue; the only task of another one does not wait behind all of them.
func TestFairness_betweenConnections(t *testing.T) {
	t.Parallel()
	const flood = 60
	one := harness.New(t, harness.Options{NoWorker: true})
	two := harness.New(t, harness.Options{NoWorker: true, TaskQueue: one.TaskQueue, Name: "-two"})
	start := func(e *harness.Env, key int) string {
		started, err := workflows.Start(t.Context(), e.Temporal, workflows.RunBatchInput{
			Connection: e.Connection, Code: harness.QuickBatch, AsOfDate: harness.AsOf, Key: fmt.Sprint(key),
		}, workflows.StartOptions{TaskQueue: e.TaskQueue})
		require.NoError(t, err)
		return started.ID
	}
	var many []string
	for i := range flood {
		many = append(many, start(one, i))
	}
	single := start(two, 0)
	one.StartWorker()
	two.StartWorker()
	served := func(id string) (at time.Time) { // zero if it was not
		for _, event := range one.History(id, "") {
			if event.GetEventType() == enumspb.EVENT_TYPE_WORKFLOW_TASK_STARTED {
				return event.GetEventTime().AsTime()
			}
		}
		return at
	}
	one.Until("all are served", func() bool {
		for _, id := range append(many, single) {
			if served(id).IsZero() {
				return false
			}
		}
		return true
	})
	before := 0
	for _, id := range many {
		if served(id).Before(served(single)) {
			before++
		}
	}
	t.Logf("%d of the %d that came first were served first", before, flood)
	require.Less(t, before, flood/2)
}
