package tests

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	enumspb "go.temporal.io/api/enums/v1"
	"go.temporal.io/sdk/client"

	"github.com/pbsmflow/pbsmflow/internal/simulator"
	"github.com/pbsmflow/pbsmflow/tests/harness"
	"github.com/pbsmflow/pbsmflow/workflows"
)

// The calls of a connection are limited over two workers together: triggers, and each look at a status.
func TestTheRateOfAConnectionIsThatOfAllWorkers(t *testing.T) {
	t.Parallel()
	const (
		rate, batches = 4, 20
		seconds       = 4
		most          = rate*seconds + rate // a second's worth is saved up before the first
	)
	// during counts the calls of so many batches that go on for ever, looked at ten times a second.
	during := func(t *testing.T, settings map[string]string) (*harness.Env, int) {
		settings["worker.poll.max"] = "100ms"
		e := harness.New(t, harness.Options{NoWorker: true, Settings: settings})
		for i := range batches {
			run := e.StartBatch(workflows.RunBatchInput{Code: hangBatch, Key: fmt.Sprint(i)})
			t.Cleanup(func() { _ = e.Temporal.TerminateWorkflow(context.Background(), run.GetID(), "", "") })
		}
		two := []*harness.Worker{e.StartWorker(), e.StartWorker()}
		e.Until("the calls go on for some seconds", func() bool {
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
			require.Positive(t, started(t, w, workflows.ConnectionTaskQueue(e.TaskQueue, e.Connection)), "worker %d took its share", i+1)
		}
		t.Logf("%d calls in %d seconds", count, seconds)
		return e, count
	}
	t.Run("limited", func(t *testing.T) {
		t.Parallel()
		e, count := during(t, map[string]string{"connection.rate": fmt.Sprint(rate)})
		require.LessOrEqual(t, count, most+rate, "what was dispatched may arrive a little later")
		require.GreaterOrEqual(t, count, rate*seconds/2)

		// An interrupt does not wait behind everybody's looks.
		before := len(calls(e))
		require.NoError(t, e.Temporal.SignalWorkflow(t.Context(), workflows.BatchWorkflowID(e.Connection, hangBatch, harness.AsOf, "7"), "", workflows.InterruptCommand, workflows.Command{By: "ann"}))
		e.Until("the interrupt arrives", func() bool { return len(e.Calls("interrupt")) > 0 })
		looks := len(calls(e)) - before
		t.Logf("the interrupt came behind %d looks of %d that waited", looks, batches-1)
		require.Less(t, looks, batches/2)
	})
	t.Run("not limited", func(t *testing.T) {
		t.Parallel()
		_, count := during(t, map[string]string{})
		require.Greater(t, count, most+rate)
	})
}

// calls are the journal's of the service itself, in order.
func calls(e *harness.Env) []simulator.Entry {
	var found []simulator.Entry
	for _, entry := range e.Sim.Journal() {
		if entry.Call == "trigger" || entry.Call == "status" {
			found = append(found, entry)
		}
	}
	return found
}

var activityCount = regexp.MustCompile(`(?m)^temporal_activity_execution_latency\w*_count\{(.*)\} (\d+)`)

// started tells how many activities a worker has carried out for a task queue, by its own metrics.
func started(t *testing.T, w *harness.Worker, queue string) int {
	t.Helper()
	response, err := http.Get(w.Health + "/metrics")
	require.NoError(t, err)
	defer response.Body.Close()
	text, err := io.ReadAll(response.Body)
	require.NoError(t, err)
	count := 0
	for _, line := range activityCount.FindAllStringSubmatch(string(text), -1) {
		if strings.Contains(line[1], `task_queue="`+queue+`"`) {
			var n int
			_, err := fmt.Sscan(line[2], &n)
			require.NoError(t, err)
			count += n
		}
	}
	return count
}

// Two workers of one task queue need not have the same connections: an activity goes to one that
// has its connection, and a connection that none has is refused at once, with what is configured.
func TestWorkersNeedNotHaveTheSameConnections(t *testing.T) {
	t.Parallel()
	one := harness.New(t, harness.Options{})
	two := harness.New(t, harness.Options{TaskQueue: one.TaskQueue, Name: "-two"})
	var runs []client.WorkflowRun
	for i := range 6 {
		for _, e := range []*harness.Env{one, two} {
			runs = append(runs, e.StartBatch(workflows.RunBatchInput{Code: quick, Key: fmt.Sprint(i)}))
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
		{workflows.RunBatchType, workflows.RunBatchInput{Connection: "nobodys", Code: quick, AsOfDate: harness.AsOf}},
		{workflows.RunBatchType, workflows.RunBatchInput{Connection: "nobodys", Code: quick, AsOfDate: harness.AsOf, Key: "taken-over", RunID: "PBSM_QUICK_1"}},
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
		require.ErrorContains(t, err, `no worker has connection "nobodys", and none had it in the last minutes; the one that looked has workersneed`, c.workflow)
		require.ErrorContains(t, err, workflows.InvalidInput, c.workflow)
	}
	require.Less(t, time.Since(began), 30*time.Second)
}

// A month's backfill has queued up on a connection whose rate is low; the close of tonight overtakes it.
func TestTonightOvertakesABackfill(t *testing.T) {
	t.Parallel()
	const nights = 40 // some are over before the starter has begun, on a slow machine
	backfilled := func(i int) string {
		return time.Date(2026, 9, 1+i, 0, 0, 0, 0, time.UTC).Format(time.DateOnly)
	}
	e := harness.New(t, harness.Options{NoWorker: true, Settings: map[string]string{"connection.rate": "3"}})
	e.Write(e.Pipelines, "night.yaml", "name: night\nsteps:\n  - id: quick\n    batch: {code: PBSM_QUICK}\n")
	s := shell{Env: e, t: t}
	for i := range nights {
		in := workflows.NightlyCloseInput{Connection: e.Connection, Pipeline: "night", AsOfDate: backfilled(i)}
		options := in.StartOptions(e.TaskQueue)
		options.Priority = workflows.Priority(e.Connection, workflows.BackfillPriority)
		_, err := e.Temporal.ExecuteWorkflow(t.Context(), options, workflows.NightlyCloseType, in)
		require.NoError(t, err)
	}
	e.StartWorker()
	e.Until("the backfill is under way", func() bool { return len(e.Calls("trigger")) > 0 })
	s.want(0, "close", "-c", e.Connection, "-p", "night", "--as-of", harness.AsOf)

	// The triggers of the backfill that came first are those that were posted before tonight's close was started.
	waited := 0
	for _, call := range e.Calls("trigger") {
		if call.AsOf == harness.AsOf {
			break
		}
		waited++
	}
	ended := 0
	for i := range nights {
		described, err := e.Temporal.DescribeWorkflowExecution(t.Context(), workflows.CloseWorkflowID(e.Connection, "night", backfilled(i)), "")
		require.NoError(t, err)
		if described.GetWorkflowExecutionInfo().GetStatus() == enumspb.WORKFLOW_EXECUTION_STATUS_COMPLETED {
			ended++
		}
	}
	t.Logf("tonight's close posted behind %d of %d nights, and was over when %d of them were", waited, nights, ended)
	require.Less(t, waited, nights*3/4)
	require.Less(t, ended, nights/2, "its looks at the status overtook as well")
	require.Equal(t, priority(e.Connection, workflows.BackfillPriority), priorityOf(e, workflows.BatchWorkflowID(e.Connection, quick, backfilled(0), "")), "children have their close's")
	require.Equal(t, priority(e.Connection, 0), priorityOf(e, workflows.BatchWorkflowID(e.Connection, quick, harness.AsOf, "")))
}

func priority(connection string, key int32) string {
	return fmt.Sprintf("%d %s", key, connection)
}

// priorityOf is what a workflow was started with.
func priorityOf(e *harness.Env, id string) string {
	p := e.History(id, "")[0].GetWorkflowExecutionStartedEventAttributes().GetPriority()
	return priority(p.GetFairnessKey(), p.GetPriorityKey())
}

// One connection floods the workers' queue; the one task of another one does not wait behind all of it.
func TestOneConnectionDoesNotStarveAnother(t *testing.T) {
	t.Parallel()
	const flood = 60
	one := harness.New(t, harness.Options{NoWorker: true})
	two := harness.New(t, harness.Options{NoWorker: true, TaskQueue: one.TaskQueue, Name: "-two"})
	start := func(e *harness.Env, key int) string {
		run, err := workflows.StartBatch(t.Context(), e.Temporal, e.TaskQueue, workflows.RunBatchInput{
			Connection: e.Connection, Code: quick, AsOfDate: harness.AsOf, Key: fmt.Sprint(key),
		})
		require.NoError(t, err)
		return run.GetID()
	}
	var many []string
	for i := range flood {
		many = append(many, start(one, i))
	}
	single := start(two, 0)
	one.StartWorker()
	two.StartWorker()
	served := func(id string) (at time.Time) { // zero while it is not
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

// Tonight's close does not wait until a backfill of its schedule is over.
func TestASchedulesBackfillIsBesideItsNights(t *testing.T) {
	t.Parallel()
	s := newScheduler(t)
	s.Write(s.Pipelines, "night.yaml", strings.Replace(scheduledYAML, "upload: {file: \"inbox/gl_{{.AsOfDate}}.csv\", on_missing: fail}", "approve: {message: Are the books good}", 1))
	id := workflows.ScheduleID(s.Connection, "night")
	s.want(0, "schedule", "create", "-c", s.Connection, "-p", "night", "--at", "22:00")
	backfill := s.json(0, "schedule", "backfill", id, "--from", "2025-11-24", "--to", "2025-11-26")
	require.Equal(t, id+"/backfill/2025-11-24..2025-11-26", backfill["schedule_id"])
	night := func(asOf string) string { return workflows.CloseWorkflowID(s.Connection, "night", asOf) }
	s.AwaitState(night("2025-11-24"), workflows.Waiting)

	latest := s.json(0, "schedule", "trigger", id)["nights"].([]any)[0].(map[string]any)["as_of_date"].(string)
	s.AwaitState(night(latest), workflows.Waiting)
	require.Equal(t, priority(s.Connection, workflows.BackfillPriority), priorityOf(s.Env, night("2025-11-24")))
	require.Equal(t, priority(s.Connection, 0), priorityOf(s.Env, night(latest)))
	_, waits := s.Status(night("2025-11-25"))
	require.False(t, waits, "the nights of a backfill are one after the other")

	require.Nil(t, s.inList(backfill["schedule_id"].(string))["next"], "it has no night to come")
	s.want(0, "schedule", "delete", backfill["schedule_id"].(string))
	approve := func(asOf string) {
		_, err := s.Steer(night(asOf), workflows.ApproveCommand, workflows.Command{By: "carla"})
		require.NoError(t, err)
		s.AwaitState(night(asOf), workflows.Succeeded)
	}
	approve("2025-11-24")
	approve(latest)
	_, began := s.Status(night("2025-11-25"))
	require.False(t, began, "what had not begun was called off")
}
