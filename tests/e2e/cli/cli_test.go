package cli

import (
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
	"go.temporal.io/sdk/client"

	"github.com/pbsmflow/pbsmflow/internal/simulator"
	"github.com/pbsmflow/pbsmflow/tests/harness"
	"github.com/pbsmflow/pbsmflow/workflows"
)

const nightYAML = `name: night
steps:
  - id: ledger
    upload: {file: "inbox/gl_{{.AsOfDate}}.csv"}
  - id: quick
    needs: [ledger]
    batch: {code: PBSM_QUICK}
  - id: report
    needs: [quick]
    report: {code: RPT002, save_to: "reports/{{.AsOfDate}}/balance_sheet.csv"}
`

// shell is an environment with a pipeline and its input.
type shell struct{ *harness.Env }

func newShell(t *testing.T) shell {
	e := harness.New(t, harness.Options{})
	e.Write(e.Inbox, "gl_"+harness.AsOf+".csv", harness.Ledger(100))
	e.Write(e.Pipelines, "night.yaml", nightYAML)
	return shell{e}
}

func (s shell) close(more ...string) []string {
	return append([]string{"close", "--connection", s.Connection, "--pipeline", "night", "--as-of", harness.AsOf}, more...)
}

func (s shell) batch(code string, more ...string) []string {
	return append([]string{"batch", "run", "--connection", s.Connection, "--code", code, "--as-of", harness.AsOf}, more...)
}

func (s shell) batchID(code string) string {
	return workflows.BatchWorkflowID(s.Connection, code, harness.AsOf, "")
}

// Whatever the starter prints of a close that waits can be pasted where people are, and has the times of its pipeline.
func TestStarter_printsCommandsAndTimes(t *testing.T) {
	t.Parallel()
	const program = "kubectl exec deploy/worker -- starter"
	e := harness.New(t, harness.Options{ // the inbox has nothing of other tests
		Server: harness.StartServer(t), Settings: map[string]string{"worker.starter": program},
	})
	s := shell{e}
	e.Write(e.Pipelines, "night.yaml", "time_zone: Asia/Kolkata\ndeadline: 9h\n"+nightYAML)
	id := workflows.CloseWorkflowID(e.Connection, "night", harness.AsOf)
	outputs := []harness.Result{
		s.Want(3, s.close()...), s.Want(3, "inbox"), s.Want(3, "inbox", "--output", "json"), s.Want(3, "status", id),
		s.Want(2, "close", "approve", id, "--reason", "agreed"), s.Want(2, "statsu", id), s.Want(0, "close", "decide", "--help"),
		s.Want(0, "close", "decide", id, "--choice", "give_up", "--reason", "a test"), s.Want(1, "status", id),
		s.Want(2, "close", "interrupt", id, "--reason", "a test"), s.Want(2, "status", "close/none"),
	}
	printed := regexp.MustCompile(`.*\bstarter (batch|close|status|inbox|--help).*`)
	found, times := 0, 0
	for _, output := range outputs {
		for _, time := range regexp.MustCompile(`\d\d:\d\d.{0,14}`).FindAllString(withoutJSONTimes(output.Stdout+output.Stderr), -1) {
			times++
			require.Regexp(t, `^\d\d:\d\d(:\d\d)? (IST|UTC  night)`, time, "the zone is known once the pipeline is read: %s", output)
		}
		for _, line := range printed.FindAllString(output.Stdout+output.Stderr, -1) {
			found++
			require.Equal(t, strings.Count(line, "starter "), strings.Count(line, program+" "), line)
		}
	}
	require.Greater(t, found, 10)
	require.Greater(t, times, 4)
}

func withoutJSONTimes(text string) string {
	return regexp.MustCompile(`\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?(Z|[+-]\d\d:\d\d)`).ReplaceAllString(text, "")
}

// closeLine is the line of a close in the list, without the time at which it started.
func (s shell) closeLine(id string) string {
	for line := range strings.Lines(s.Want(0, "close", "list", "--connection", s.Connection).Stdout) {
		if rest, ok := strings.CutPrefix(line, id+" "); ok {
			return regexp.MustCompile(`  \S+ \d{4}-\d\d-\d\d \d\d:\d\d \S+`).ReplaceAllString(rest, "")
		}
	}
	return ""
}

func TestStarter_close(t *testing.T) {
	t.Parallel()
	t.Run("by name", func(t *testing.T) {
		t.Parallel()
		s := newShell(t)
		result := s.Want(0, s.close()...)
		require.Contains(t, result.Stdout, "20,000")
		require.FileExists(t, filepath.Join(s.Reports, harness.AsOf, "balance_sheet.csv"))
		document := s.JSON(0, s.close()...)
		require.Equal(t, true, document["already_done"], "a close that succeeded is not run again")
		require.Len(t, s.Calls("trigger"), 1)
	})
	t.Run("by file", func(t *testing.T) {
		t.Parallel()
		s := newShell(t)
		require.NoError(t, os.Remove(filepath.Join(s.Pipelines, "night.yaml"))) // the worker does not have the pipeline
		s.Write(s.Dir, "mine.yaml", nightYAML)
		args := s.close()
		args[4] = filepath.Join(s.Dir, "mine.yaml")
		document := s.JSON(0, args...)
		require.Equal(t, "succeeded", document["state"])
		require.Equal(t, "night", document["pipeline"])
		require.Len(t, document["steps"], 3)
	})
	t.Run("detached and attached", func(t *testing.T) {
		t.Parallel()
		s := newShell(t)
		s.Sim.SetSpeed(1) // so that it is still running
		id := workflows.CloseWorkflowID(s.Connection, "night", harness.AsOf)
		result := s.Want(0, s.close("--detach")...)
		require.Equal(t, id, strings.SplitN(result.Stdout, "\n", 2)[0])
		document := s.JSON(0, s.close("--detach")...)
		require.Equal(t, id, document["workflow_id"])
		require.Equal(t, true, document["attached"])
		second := s.LaunchStarter(s.close()...)
		s.Until("the second start follows the first", func() bool {
			text, _ := os.ReadFile(second.Stdout)
			return strings.Contains(string(text), "following it")
		})
		s.JSON(0, "status", id)
		s.Sim.SetSpeed(600)
		code, err := second.Wait(t.Context())
		require.NoError(t, err)
		require.Zero(t, code)
		require.Len(t, s.Calls("trigger"), 1)
	})
	t.Run("missing file retried", func(t *testing.T) {
		t.Parallel()
		s := newShell(t)
		require.NoError(t, os.Remove(filepath.Join(s.Inbox, "gl_"+harness.AsOf+".csv")))
		result := s.Want(3, s.close()...)
		require.Contains(t, result.Stdout, "decide")
		id := workflows.CloseWorkflowID(s.Connection, "night", harness.AsOf)
		s.Want(3, "close", "status", id)
		s.Until("the list has the close", func() bool { return strings.Contains(s.closeLine(id), "waiting") })
		require.Contains(t, s.closeLine(id), "ledger waiting")
		require.NotContains(t, s.Want(0, "close", "list", "--connection", "elsewhere").Stdout, id)
		refused := s.Want(2, "close", "restart", id, "--reason", "checked", "--step", "ledger")
		require.Contains(t, refused.Stderr, "decide retry", "the error names the commands that apply")
		require.Contains(t, s.Want(2, "close", "decide", id, "--reason", "checked", "--choice", "rety").Stderr, `--choice "rety" is unknown: step ledger takes retry, skip, give_up`+"\n")
		require.Contains(t, s.Want(0, "close", "decide", id, "--step", "ledger", "--choice", "retry", "--reason", "look again").Stdout, "ledger is retried\n")
		s.AwaitState(id, workflows.Waiting)
		s.Write(s.Inbox, "gl_"+harness.AsOf+".csv", harness.Ledger(100))
		s.AwaitState(id, workflows.Succeeded) // the question ends automatically
		s.Until("the list has its end", func() bool { return strings.Contains(s.closeLine(id), "succeeded") })
		s.Worker.Kill()
		require.Contains(t, s.closeLine(id), "completed  no worker answers")
		s.RestartWorker()
		require.Contains(t, s.Want(0, "close", "status", id).Stdout, "has arrived")
	})
	t.Run("skipped, given up and cancelled", func(t *testing.T) {
		t.Parallel()
		s := newShell(t)
		require.NoError(t, os.Remove(filepath.Join(s.Inbox, "gl_"+harness.AsOf+".csv")))
		id := workflows.CloseWorkflowID(s.Connection, "night", harness.AsOf)
		s.Want(3, s.close()...)
		require.Contains(t, s.Want(0, "close", "decide", id, "--reason", "checked", "--choice", "give_up").Stdout, "ledger is given up; what needs it is not run")
		document := s.JSON(1, "close", "status", id, "--follow")
		require.Equal(t, 1.0, document["exit_code"])
		s.Want(3, s.close()...) // a close that failed may be started again
		s.Want(0, "close", "cancel", id, "--reason", "the wrong date")
		require.Contains(t, s.JSON(4, "close", "status", id), "result", "the result has the end of each step")
		s.Want(3, s.close()...)
		require.Contains(t, s.Want(0, "close", "decide", id, "--reason", "checked", "--choice", "skip").Stdout, "ledger is skipped; what needs it can start")
		s.Want(0, "close", "status", id, "--follow")
		require.Len(t, s.Calls("trigger"), 1)
	})
}

func TestStarter_batch(t *testing.T) {
	t.Parallel()
	t.Run("again only with a reason", func(t *testing.T) {
		t.Parallel()
		s := newShell(t)
		document := s.JSON(0, s.batch(harness.QuickBatch, "--param", "$RATE$=0.5")...)
		require.Equal(t, "succeeded", document["state"])
		run, ok := s.Sim.Run(document["run_id"].(string))
		require.True(t, ok)
		require.Equal(t, map[string]string{"$FICMISDATE$": harness.AsOf, "$RATE$": "0.5"}, run.Params)
		require.NotEmpty(t, s.JSON(0, s.batch(harness.QuickBatch, "--param", "$RATE$=0.5")...)["kept_from"])
		require.Contains(t, s.Want(3, s.batch(harness.QuickBatch)...).Stdout, `params.$RATE$ was "0.5", and is not set`)
		s.Want(0, "batch", "decide", s.batchID(harness.QuickBatch), "--choice", "give_up", "--reason", "a mistake")
		require.Len(t, s.Calls("trigger"), 1)
		s.Want(0, s.batch(harness.QuickBatch, "--again", "rates were corrected")...)
		require.Len(t, s.Calls("trigger"), 2)
		s.Want(0, s.batch(harness.QuickBatch, "--key", "second")...)
		require.Len(t, s.Calls("trigger"), 3)
	})
	t.Run("failed, restarted, rerun, given up", func(t *testing.T) {
		t.Parallel()
		s := newShell(t)
		id := s.batchID(harness.FailBatch)
		require.Contains(t, s.Want(3, s.batch(harness.FailBatch)...).Stdout, "T2_CALCULATE")
		require.Equal(t, "waiting", s.JSON(3, "batch", "status", id)["state"])
		restarted := s.JSON(0, "batch", "restart", id, "--reason", "table space")
		s.Want(3, "batch", "status", id, "--follow")
		rerun := s.JSON(0, "batch", "rerun", id, "--reason", "checked")
		require.NotEqual(t, restarted["run_id"], rerun["run_id"])
		s.Want(3, "batch", "status", id, "--follow")
		s.Want(2, "batch", "interrupt", id, "--reason", "checked") // a run that has ended is never interrupted
		s.Want(0, "batch", "decide", id, "--reason", "checked", "--choice", "give_up")
		s.Want(1, "batch", "status", id)
		require.Len(t, s.Calls("restart"), 1)
		require.Len(t, s.Calls("rerun"), 1)
		require.Empty(t, s.Calls("interrupt"))
		s.Want(2, "batch", "restart", id, "--reason", "checked")
	})
	t.Run("interrupted", func(t *testing.T) {
		t.Parallel()
		s := newShell(t)
		id := s.batchID(harness.HangBatch)
		s.Want(0, s.batch(harness.HangBatch, "--detach")...)
		s.Until("the batch is running", func() bool { status, _ := s.Status(id); return status.RunID != "" })
		require.NotEmpty(t, s.JSON(0, "batch", "interrupt", id, "--reason", "wrong rates")["run_id"])
		s.Want(3, "batch", "status", id, "--follow")
		s.Want(0, "batch", "decide", id, "--reason", "checked", "--choice", "give_up")
		s.Want(4, "batch", "status", id)
		s.Want(0, s.batch(harness.HangBatch, "--detach")...)
		s.Until("the batch is running", func() bool { status, _ := s.Status(id); return status.RunID != "" && status.State == workflows.Running })
		s.Want(0, "batch", "cancel", id, "--reason", "the wrong date")
		s.Want(4, "batch", "status", id)
		require.Len(t, s.Calls("interrupt", harness.Processed), 2, "cancelling interrupts the run")
	})
	t.Run("outcome unknown", func(t *testing.T) {
		t.Parallel()
		s := newShell(t)
		id := s.batchID(harness.QuickBatch)
		s.Sim.Inject(simulator.Fault{Call: "trigger", Kind: simulator.FaultCloseAfter, Times: 1})
		result := s.Want(3, s.batch(harness.QuickBatch)...)
		require.Contains(t, result.Stdout, "--choice adopt")
		s.Want(2, "batch", "decide", id, "--reason", "checked", "--choice", "adopt", "--run-id", "OTHER_2026-10-31_1_1")
		s.Want(2, "batch", "decide", id, "--reason", "checked", "--choice", "retry")
		s.Want(0, "batch", "decide", id, "--reason", "checked", "--choice", "adopt", "--run-id", s.Sim.Runs()[0].ID)
		s.Want(0, "batch", "status", id, "--follow")
		require.Len(t, s.Calls("trigger"), 1)
	})
	t.Run("retries are shown", func(t *testing.T) {
		t.Parallel()
		s := newShell(t)
		id := s.batchID(harness.QuickBatch)
		s.Sim.Inject(simulator.Fault{Call: "status", Kind: simulator.FaultStatus, Status: 503, RetryAfter: "1"})
		s.Want(0, s.batch(harness.QuickBatch, "--detach")...)
		var shown string
		s.Until("the status shows the retry", func() bool { // until a worker has begun, the exit code differs
			shown = s.Run("batch", "status", id).Stdout
			return strings.Contains(shown, "is being retried")
		})
		require.Contains(t, shown, harness.QuickBatch+" is being retried: ")
		require.Contains(t, shown, "503")
		require.Len(t, s.JSON(0, "batch", "status", id)["notes"], 1)
		s.Sim.ClearFaults()
		s.Want(0, "batch", "status", id, "--follow")
	})
	t.Run("group", func(t *testing.T) {
		t.Parallel()
		s := newShell(t)
		document := s.JSON(0, s.batch("PBSM_PROFIT_GRP", "--group", "--member", "PBSM_CUST_PROFIT", "--member", "PBSM_PROD_PROFIT")...)
		require.Len(t, document["batches"], 2)
		for _, run := range s.Sim.Runs() {
			require.Equal(t, harness.AsOf, run.AsOf, run.ID)
		}
	})
}

func TestStarter_filesReportsMigrations(t *testing.T) {
	t.Parallel()
	s := newShell(t)
	up := s.JSON(0, "file", "upload", "inbox/gl_"+harness.AsOf+".csv", "--connection", s.Connection, "--name", "gl.csv")
	require.Equal(t, 100.0, up["rows"])
	listed := s.JSON(0, "file", "list", "--connection", s.Connection)
	require.Len(t, listed["files"], 1)
	require.Contains(t, s.Want(0, "file", "list", "--connection", s.Connection).Stdout, "gl.csv")
	for _, which := range [][]string{{"--name", "gl.csv"}, {"--file-id", up["file_id"].(string)}} {
		down := s.JSON(0, append([]string{"file", "download", "--connection", s.Connection, "--save-to", "reports/copy.csv"}, which...)...)
		require.Equal(t, up["sha256"], down["sha256"])
	}
	s.Want(1, "file", "download", "--connection", s.Connection, "--name", "nothing.csv", "--save-to", "reports/nothing.csv")
	require.NoFileExists(t, filepath.Join(s.Reports, "nothing.csv"))

	report := s.JSON(0, "report", "--connection", s.Connection, "--code", "RPT002", "--save-to", "reports/bs.csv")
	require.Equal(t, 20_000.0, report["file"].(map[string]any)["rows"])
	s.Want(1, "report", "--connection", s.Connection, "--code", "RPT_FAIL", "--save-to", "reports/no.csv")

	for _, direction := range []string{"export", "import"} {
		code := "MIG_" + strings.ToUpper(direction)
		document := s.JSON(0, "migrate", direction, code+"1", "--connection", s.Connection)
		require.Nil(t, document["already_complete"])
		document = s.JSON(0, "migrate", direction, code+"_DONE", "--connection", s.Connection)
		require.Equal(t, true, document["already_complete"])
		s.Want(1, "migrate", direction, code+"_FAIL", "--connection", s.Connection)
	}
}

// Wrong usage and input exit with code 2, report all problems, and start nothing.
func TestStarter_refusesBadInput(t *testing.T) {
	t.Parallel()
	s := newShell(t)
	s.Write(s.Dir, "faulty.yaml", "name: faulty\nstepz: []\nsteps:\n  - id: a\n    needs: [nobody]\n    batch: {code: X, restarts: many}\n  - id: a\n    upload: {file: nowhere}\n")
	for _, bad := range []struct {
		args  []string
		named []string
	}{
		{[]string{"clsoe"}, []string{"clsoe"}},
		{[]string{"close", "--as-off", "2026-10-31"}, []string{"as-off"}},
		{[]string{"close", "--connection", s.Connection}, []string{"pipeline", "as_of_date"}},
		{s.batch(harness.QuickBatch, "--as-of", "31.10.2026"), []string{"31.10.2026"}},
		{[]string{"batch", "run", "--code", "A/B", "--restarts", "-1"}, []string{"connection", "code", "as_of_date", "restarts"}},
		{s.batch("PBSM_PROFIT_GRP", "--group"), []string{"batches"}},
		{s.batch(harness.QuickBatch, "--param", "novalue"), []string{"novalue"}},
		{[]string{"batch", "decide", "batch/x", "--reason", "checked", "--choice", "whatever"}, []string{"whatever", "adopt"}},
		{[]string{"status", "close/nobody/knows/this"}, []string{"close/nobody/knows/this"}},
		{[]string{"file", "list", "--connection", "other"}, []string{"other", s.Connection}},
		{[]string{"close", "--connection", "other", "--pipeline", "night", "--as-of", harness.AsOf}, []string{"other", s.Connection}},
		{[]string{"schedule", "create", "--connection", "other", "--pipeline", "night", "--at", "22:00", "--time-zone", "UTC", "--calendar", "us-bank"}, []string{"other", s.Connection}},
		{s.close("--pipeline", "nihgt"), []string{"nihgt", "which has night"}},
		{[]string{"pipeline", "check", filepath.Join(s.Dir, "faulty.yaml")}, []string{"line 2", "stepz", "nobody", "restarts", "line 7", "nowhere"}},
		{[]string{"status", "x", "--output", "xml"}, []string{"xml"}},
	} {
		result := s.Want(2, bad.args...)
		for _, name := range bad.named {
			require.Contains(t, result.Stdout+result.Stderr, name, "starter %s\n%s", strings.Join(bad.args, " "), result)
		}
		if !strings.Contains(strings.Join(bad.args, " "), "--output") {
			require.Equal(t, 2.0, s.JSON(2, bad.args...)["exit_code"])
		}
	}
	require.Empty(t, s.Calls("trigger"))
	s.Write(s.Dir, "good.yaml", nightYAML)
	require.Contains(t, s.Want(0, "pipeline", "check", filepath.Join(s.Dir, "good.yaml"), "--as-of", harness.AsOf).Stdout, "gl_"+harness.AsOf+".csv")
	s.JSON(0, "pipeline", "check", filepath.Join(s.Dir, "good.yaml"))
}

// A connection that no worker has is refused before anything starts, but not one whose workers are stopped.
func TestStarter_connectionWithoutWorkers(t *testing.T) {
	t.Parallel()
	s := newShell(t)
	night := func(connection string) []string { return append(s.close("--detach"), "--connection", connection) }
	id := func(connection string) string { return workflows.CloseWorkflowID(connection, "night", harness.AsOf) }

	refused := s.Want(2, night("later")...)
	require.Contains(t, refused.Stderr, `no worker has the connection "later"; there are workers for `+s.Connection+"\n")
	require.Contains(t, s.Want(2, "status", id("later")).Stderr, "no workflow has this id", "nothing was started")

	running, err := s.Temporal.ExecuteWorkflow(t.Context(), client.StartWorkflowOptions{ID: id("later"), TaskQueue: "nobody"}, workflows.NightlyCloseType, workflows.NightlyCloseInput{})
	require.NoError(t, err)
	require.Contains(t, s.Want(0, night("later")...).Stderr, "It was running already", "attaches to a running one")
	require.NoError(t, s.Temporal.TerminateWorkflow(t.Context(), id("later"), running.GetRunID(), "end of the test"))

	configured := []string{"PBSM_CONNECTIONS__SOON__BASE_URL=https://pbsm.example/t"}
	started := s.RunEnv(configured, night("soon")...)
	require.Zero(t, started.Code, "%s", started)
	require.Contains(t, started.Stderr, "No worker that has the connection soon is running, only others")

	require.ErrorContains(t, s.Await(s.Temporal.GetWorkflow(t.Context(), id("soon"), ""), nil), `no worker has connection "soon"`)

	alone := harness.New(t, harness.Options{Name: "alone", NoWorker: true, TaskQueue: t.Name() + "/alone"})
	started = alone.Run(night("later")...)
	require.Zero(t, started.Code, "%s", started)
	require.Contains(t, started.Stderr, "nothing happens until one does", "the first worker that starts will refuse it")
	require.NoError(t, s.Temporal.TerminateWorkflow(t.Context(), id("later"), "", "end of the test"))
}

// Ids, steps and schedules are completed from what Temporal has.
func TestStarter_completion(t *testing.T) {
	t.Parallel()
	s := newShell(t)
	s.Write(s.Pipelines, "asks.yaml", "name: asks\nsteps:\n  - id: sign-off\n    approve: {message: Are the books good}\n")
	run := s.StartClose("asks")
	s.AwaitState(run.GetID(), workflows.Waiting)
	schedule := workflows.ScheduleID(s.Connection, "asks")
	s.Want(0, "schedule", "create", "-c", s.Connection, "-p", "asks", "--at", "22:00", "--time-zone", "UTC", "--calendar", "us-bank")
	completed := func(args ...string) []string {
		return strings.Split(s.Want(0, append([]string{"__complete"}, args...)...).Stdout, "\n")
	}
	s.Until("Temporal lists them", func() bool {
		return slices.Contains(completed("status", ""), run.GetID()) && slices.Contains(completed("schedule", "pause", ""), schedule)
	})
	require.Contains(t, completed("close", "approve", "cl"), run.GetID())
	require.NotContains(t, completed("batch", "cancel", ""), run.GetID())
	require.Equal(t, "sign-off", completed("close", "approve", run.GetID(), "--step", "s")[0])
	s.Want(0, "schedule", "delete", schedule)
	s.Want(0, "cancel", run.GetID(), "--reason", "the wrong date")
	s.Until("what has ended is not offered to commands", func() bool {
		return !slices.Contains(completed("close", "approve", ""), run.GetID())
	})
	require.Contains(t, completed("close", "status", ""), run.GetID())
}

func TestStarter_temporalUnreachable(t *testing.T) {
	t.Parallel()
	s := newShell(t)
	nowhere := []string{"TEMPORAL_ADDRESS=127.0.0.1:1"}
	for _, args := range [][]string{s.close(), s.batch(harness.QuickBatch), {"status", "x"}, {"batch", "restart", "x", "--reason", "checked"}, {"doctor"}} {
		result := s.RunEnv(nowhere, args...)
		require.Equal(t, 5, result.Code, "%s", result)
		require.Contains(t, result.Stdout+result.Stderr, "127.0.0.1:1")
	}
	require.Equal(t, 5.0, s.OneDocument(s.RunEnv(nowhere, s.close("--output", "json")...))["exit_code"])
}

// Temporal lists a killed worker for minutes. The starter notices at once.
func TestStarter_noWorkerAnswers(t *testing.T) {
	t.Parallel()
	s := newShell(t)
	require.Contains(t, s.Want(0, "doctor").Stdout, "noticed 1m10s after its last poll", "there is no workflow to query yet")
	run := s.StartBatch(workflows.RunBatchInput{Code: "PBSM_ABORT"})
	s.AwaitState(run.GetID(), workflows.Waiting)
	require.Contains(t, s.Want(0, "doctor").Stdout, "workers: one answers")
	s.Worker.Kill()
	result := s.Want(5, "status", run.GetID())
	require.Empty(t, result.Stdout)
	for _, want := range []string{"it has been running since", "its last known state is waiting", "a worker last polled", "worker --config pbsm.yaml", "starter status " + run.GetID()} {
		require.Contains(t, result.Stderr, want)
	}
	require.Equal(t, 5.0, s.JSON(5, "status", run.GetID())["exit_code"])
	decide := s.LaunchStarter("batch", "decide", run.GetID(), "--choice", "give_up", "--reason", "tests")
	s.Until("the command says that no worker answers", func() bool { return strings.Contains(decide.Tail(), "No worker answers. ") })
	decide.Kill()
	doctor := s.Want(1, "doctor")
	require.Contains(t, doctor.Stdout, "FAIL  workers: none answers a query of "+run.GetID())
	require.Contains(t, doctor.Stdout, "worker --config pbsm.yaml")
}

// The doctor finds each problem, says what to do, and reports everything else as ok.
func TestStarter_doctor(t *testing.T) {
	t.Parallel()
	s := newShell(t)
	key := func(name string) string {
		return "PBSM_CONNECTIONS__" + strings.ToUpper(strings.ReplaceAll(s.Connection, "-", "_")) + "__" + name + "="
	}
	healthy := s.Want(0, "doctor")
	require.NotContains(t, healthy.Stdout, "FAIL")
	require.Equal(t, true, s.JSON(0, "doctor")["ok"])
	s.Write(s.Dir, "empty.pem", "")
	for name, broken := range map[string]struct {
		env  string
		code int
		want string
	}{
		"configuration":     {key("BASE_URL") + "nonsense", 2, "base_url"},
		"unknown key":       {key("BASE_ULR") + "x", 2, "base_ulr"},
		"CA":                {key("CA_FILE") + "", 2, "ca_file"},
		"other CA":          {key("CA_FILE") + otherCA(t), 1, "--save-cert"},
		"host":              {key("BASE_URL") + "https://localhost:1/tenant", 1, "localhost:1"},
		"password":          {key("PASSWORD") + "wrong", 1, "code invalid_grant; check username and password"}, // the service also says "wrong"
		"client secret":     {key("CLIENT_SECRET") + "wrong", 1, "login"},
		"user":              {key("REMOTE_USER") + "nobody", 1, "call"},
		"tenant":            {key("TENANT_ID") + "other", 1, "call"},
		"store":             {"PBSM_STORES__INBOX__URL=file:///nowhere/inbox", 1, "store inbox"},
		"task queue":        {"PBSM_WORKER__TASK_QUEUE=nobody-polls-this", 1, "nobody-polls-this"},
		"Temporal":          {"TEMPORAL_ADDRESS=127.0.0.1:1", 5, "TEMPORAL_ADDRESS"},
		"namespace":         {"TEMPORAL_NAMESPACE=nowhere", 0, "nowhere"},
		"search attributes": {"TEMPORAL_NAMESPACE=temporal-system", 1, "search-attributes create"},
	} {
		t.Run(name, func(t *testing.T) {
			if strings.HasSuffix(broken.env, "CA_FILE=") {
				broken.env += filepath.Join(s.Dir, "empty.pem")
			}
			result := s.RunEnv([]string{broken.env}, "doctor", "--output", "json")
			if broken.code != 0 {
				require.Equal(t, broken.code, result.Code, "%s", result)
			}
			require.NotZero(t, result.Code, "%s", result)
			require.Contains(t, result.Stdout, broken.want, "%s", result)
			require.Equal(t, false, s.OneDocument(result)["ok"])
			require.NotContains(t, result.String(), s.Sim.Options().Password)
		})
	}
	s.Sim.UnlockAccount()

	saved := filepath.Join(s.Dir, "outcert.pem")
	result := s.RunEnv([]string{key("CA_FILE") + otherCA(t)}, "doctor", "--save-cert", saved)
	require.Equal(t, 1, result.Code)
	require.Regexp(t, regexp.MustCompile(`(?i)SHA-?256`), result.Stdout)
	require.Equal(t, 0, s.RunEnv([]string{key("CA_FILE") + saved}, "doctor").Code, "the saved certificate can be named in ca_file")
}

// otherCA returns the CA file of an unrelated tenant.
func otherCA(t *testing.T) string {
	t.Helper()
	other, err := simulator.Start(simulator.Options{})
	require.NoError(t, err)
	t.Cleanup(func() { _ = other.Close() })
	return other.CAFile()
}
