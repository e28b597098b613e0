package security

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/nexus-rpc/sdk-go/nexus"
	"github.com/stretchr/testify/require"
	commonpb "go.temporal.io/api/common/v1"
	nexuspb "go.temporal.io/api/nexus/v1"
	"go.temporal.io/api/operatorservice/v1"
	querypb "go.temporal.io/api/query/v1"
	"go.temporal.io/api/workflowservice/v1"
	"go.temporal.io/sdk/activity"
	"go.temporal.io/sdk/client"
	"go.temporal.io/sdk/converter"
	"go.temporal.io/sdk/temporal"
	"go.temporal.io/sdk/worker"
	"go.temporal.io/sdk/workflow"

	"github.com/pbsmflow/pbsmflow/internal/encryption"
	"github.com/pbsmflow/pbsmflow/internal/simulator"
	"github.com/pbsmflow/pbsmflow/tests/harness"
	"github.com/pbsmflow/pbsmflow/workflows"
)

var (
	firstKey  = map[string]string{"first": "AQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQE="}
	secondKey = "AgICAgICAgICAgICAgICAgICAgICAgICAgICAgICAgI="
)

// mark returns a text that can be found again, long enough for the sieve.
func mark(carrier string) string { return "quokka " + carrier + " numbat 4711" }

// sealedCarriers is what encryption covers, readableCarriers what it does not, as docs/security.md says.
var (
	sealedCarriers = []string{
		"input", "result", "memo", "upserted memo", "summary", "details", "activity input", "activity result", "activity summary",
		"heartbeat", "error", "error's cause", "error's details", "local activity", "side effect", "signal", "update", "update's answer",
		"child's input", "child's error", "timer's summary", "schedule's input", "schedule's memo", "nexus input", "nexus result",
	}
	readableCarriers = []string{"workflow id", "search attribute", "signal's name", "error's type", "header", "reason to terminate", "schedule's note"}
)

// In Temporal's database only what docs/security.md lists is readable.
func TestEncryption_coverage(t *testing.T) {
	t.Parallel()
	for _, encrypted := range []bool{false, true} {
		t.Run(fmt.Sprintf("encrypted=%t", encrypted), func(t *testing.T) {
			t.Parallel()
			key, err := encryption.ParseKey(firstKey["first"])
			require.NoError(t, err)
			current := ""
			if encrypted {
				current = "first"
			}
			keys, err := encryption.NewKeyring(current, map[string][]byte{"first": key})
			require.NoError(t, err)
			server := harness.StartServer(t)
			carryEverything(t, server, keys)
			found := marksIn(t, server)
			for _, carrier := range readableCarriers {
				require.True(t, found[carrier], "%s can be read", carrier)
			}
			for _, carrier := range sealedCarriers {
				require.Equal(t, !encrypted, found[carrier], carrier)
			}
		})
	}
}

// marksIn reports which marks are in the server's database.
func marksIn(t *testing.T, server *harness.Server) map[string]bool {
	t.Helper()
	var text []byte
	for _, ending := range []string{"", "-wal"} {
		part, err := os.ReadFile(server.DB + ending)
		require.NoError(t, err)
		text = append(text, part...)
	}
	found := map[string]bool{}
	for _, carrier := range append(sealedCarriers, readableCarriers...) {
		found[carrier] = strings.Contains(string(text), mark(carrier))
	}
	return found
}

// headerMark puts a mark into the header of every call.
type headerMark struct{}

func (headerMark) Inject(_ context.Context, w workflow.HeaderWriter) error {
	p, err := converter.GetDefaultDataConverter().ToPayload(mark("header"))
	w.Set("mark", p)
	return err
}
func (h headerMark) InjectFromWorkflow(_ workflow.Context, w workflow.HeaderWriter) error {
	return h.Inject(context.Background(), w)
}
func (headerMark) Extract(ctx context.Context, _ workflow.HeaderReader) (context.Context, error) {
	return ctx, nil
}
func (headerMark) ExtractToWorkflow(ctx workflow.Context, _ workflow.HeaderReader) (workflow.Context, error) {
	return ctx, nil
}

var echo = nexus.NewSyncOperation("echo", func(context.Context, string, nexus.StartOperationOptions) (string, error) {
	return mark("nexus result"), nil
})

// carrying puts a mark into everything that a workflow can store.
func carrying(ctx workflow.Context, _ string) (string, error) {
	if err := workflow.SetUpdateHandler(ctx, "update", func(workflow.Context, string) (string, error) { return mark("update's answer"), nil }); err != nil {
		return "", err
	}
	_ = workflow.UpsertMemo(ctx, map[string]any{"upserted": mark("upserted memo")})
	workflow.SideEffect(ctx, func(workflow.Context) any { return mark("side effect") })
	once := &temporal.RetryPolicy{MaximumAttempts: 1}
	act := workflow.WithActivityOptions(ctx, workflow.ActivityOptions{StartToCloseTimeout: time.Minute, RetryPolicy: once, Summary: mark("activity summary")})
	_ = workflow.ExecuteActivity(act, "Answers", mark("activity input")).Get(ctx, nil)
	_ = workflow.ExecuteActivity(act, "Fails").Get(ctx, nil)
	local := workflow.WithLocalActivityOptions(ctx, workflow.LocalActivityOptions{StartToCloseTimeout: time.Minute})
	_ = workflow.ExecuteLocalActivity(local, func(context.Context) (string, error) { return mark("local activity"), nil }).Get(ctx, nil)
	child := workflow.WithChildOptions(ctx, workflow.ChildWorkflowOptions{RetryPolicy: once})
	_ = workflow.ExecuteChildWorkflow(child, "failing", mark("child's input")).Get(ctx, nil)
	timer, cancel := workflow.WithCancel(ctx)
	workflow.NewTimerWithOptions(timer, time.Hour, workflow.TimerOptions{Summary: mark("timer's summary")})
	_ = workflow.NewNexusClient("carriers", "service").ExecuteOperation(ctx, echo, mark("nexus input"), workflow.NexusOperationOptions{ScheduleToCloseTimeout: time.Minute}).Get(ctx, nil)
	workflow.GetSignalChannel(ctx, mark("signal's name")).Receive(ctx, nil)
	cancel()
	_ = workflow.ExecuteActivity(workflow.WithActivityOptions(ctx, workflow.ActivityOptions{StartToCloseTimeout: time.Minute}), "Beats").Get(ctx, nil)
	return "", nil
}

func answering(workflow.Context) (string, error) { return mark("result"), nil }

func failingChild(workflow.Context, string) error { return fmt.Errorf("%s", mark("child's error")) }

// carryEverything makes a real server store every mark. It returns while an activity heartbeats.
func carryEverything(t *testing.T, server *harness.Server, keys *encryption.Keyring) {
	t.Helper()
	with := func(c encryption.Converters) client.Client {
		return server.Client(t, c.Apply, func(o *client.Options) { o.ContextPropagators = []workflow.ContextPropagator{headerMark{}} })
	}
	temporalClient := with(keys.ForClient())
	w := worker.New(with(keys.ForWorker()), "carriers", worker.Options{DisableEagerActivities: true})
	w.RegisterWorkflowWithOptions(carrying, workflow.RegisterOptions{Name: "carrying"})
	w.RegisterWorkflowWithOptions(failingChild, workflow.RegisterOptions{Name: "failing"})
	w.RegisterWorkflowWithOptions(answering, workflow.RegisterOptions{Name: "answering"})
	beats := make(chan struct{})
	for name, do := range map[string]any{
		"Answers": func(context.Context, string) (string, error) { return mark("activity result"), nil },
		"Fails": func(context.Context) error {
			return temporal.NewApplicationErrorWithCause(mark("error"), mark("error's type"), fmt.Errorf("%s", mark("error's cause")), mark("error's details"))
		},
		"Beats": func(ctx context.Context) error {
			activity.RecordHeartbeat(ctx, mark("heartbeat"))
			<-beats
			return nil
		},
	} {
		w.RegisterActivityWithOptions(do, activity.RegisterOptions{Name: name})
	}
	service := nexus.NewService("service")
	require.NoError(t, service.Register(echo))
	w.RegisterNexusService(service)
	_, err := temporalClient.OperatorService().CreateNexusEndpoint(t.Context(), &operatorservice.CreateNexusEndpointRequest{Spec: &nexuspb.EndpointSpec{
		Name:   "carriers",
		Target: &nexuspb.EndpointTarget{Variant: &nexuspb.EndpointTarget_Worker_{Worker: &nexuspb.EndpointTarget_Worker{Namespace: server.Namespace, TaskQueue: "carriers"}}},
	}})
	require.NoError(t, err)
	require.NoError(t, w.Start())
	t.Cleanup(func() { close(beats); w.Stop() })

	run, err := temporalClient.ExecuteWorkflow(t.Context(), client.StartWorkflowOptions{
		ID: mark("workflow id"), TaskQueue: "carriers", StaticSummary: mark("summary"), StaticDetails: mark("details"),
		Memo:                  map[string]any{"memo": mark("memo")},
		TypedSearchAttributes: temporal.NewSearchAttributes(temporal.NewSearchAttributeKeyKeyword("PbsmBatch").ValueSet(mark("search attribute"))),
	}, "carrying", mark("input"))
	require.NoError(t, err)
	handle, err := temporalClient.UpdateWorkflow(t.Context(), client.UpdateWorkflowOptions{
		WorkflowID: run.GetID(), UpdateName: "update", Args: []any{mark("update")}, WaitForStage: client.WorkflowUpdateStageCompleted,
	})
	require.NoError(t, err)
	require.NoError(t, handle.Get(t.Context(), nil))
	require.NoError(t, temporalClient.SignalWorkflow(t.Context(), run.GetID(), "", mark("signal's name"), mark("signal")))
	_, err = temporalClient.ScheduleClient().Create(t.Context(), client.ScheduleOptions{
		ID: "carriers", Paused: true, Note: mark("schedule's note"), Memo: map[string]any{"memo": mark("schedule's memo")},
		Action: &client.ScheduleWorkflowAction{ID: "scheduled", Workflow: "failing", TaskQueue: "carriers", Args: []any{mark("schedule's input")}},
	})
	require.NoError(t, err)
	require.Eventually(t, func() bool {
		described, err := temporalClient.DescribeWorkflowExecution(t.Context(), run.GetID(), "")
		return err == nil && len(described.PendingActivities) == 1 && described.PendingActivities[0].HeartbeatDetails != nil
	}, time.Minute, 50*time.Millisecond)

	var result string
	finished, err := temporalClient.ExecuteWorkflow(t.Context(), client.StartWorkflowOptions{ID: "finished", TaskQueue: "carriers"}, "answering")
	require.NoError(t, err)
	require.NoError(t, finished.Get(t.Context(), &result))
	require.Equal(t, mark("result"), result)
	terminated, err := temporalClient.ExecuteWorkflow(t.Context(), client.StartWorkflowOptions{ID: "terminated", TaskQueue: "nobody polls"}, "failing", "")
	require.NoError(t, err)
	require.NoError(t, temporalClient.TerminateWorkflow(t.Context(), terminated.GetID(), "", mark("reason to terminate")))

	// The answer of a query is not stored, but still encrypted on its way.
	answer, err := temporalClient.WorkflowService().QueryWorkflow(t.Context(), &workflowservice.QueryWorkflowRequest{
		Namespace: server.Namespace, Execution: &commonpb.WorkflowExecution{WorkflowId: run.GetID()},
		Query: &querypb.WorkflowQuery{QueryType: "__temporal_workflow_metadata"},
	})
	require.NoError(t, err)
	require.Equal(t, keys.Current(), string(answer.GetQueryResult().GetPayloads()[0].GetMetadata()["encryption-key-id"]))
}

const sealedPipeline = `name: night
steps:
  - id: ledger
    upload: {file: inbox/quokka-ledger-numbat-4711.csv}
  - id: allocate
    needs: [ledger]
    batch: {code: PBSM_ALLOC, params: {$QUOKKA$: quokka-parameter-numbat-4711}}
  - id: missing
    needs: [ledger]
    upload: {file: inbox/quokka-missing-numbat-4711.csv}
  - id: report
    needs: [allocate]
    report: {code: RPT002, save_to: reports/quokka-report-numbat-4711.csv}
`

// closeMarks are in the histories of the close: in inputs, results, reasons and errors.
var closeMarks = []string{
	"quokka-ledger-numbat-4711", "quokka-parameter-numbat-4711", "quokka-missing-numbat-4711", "quokka-report-numbat-4711",
	"quokka reason to interrupt", "quokka reason to restart", "quokka reason to skip", "quokka who starts it",
}

// A whole close through the real programs, with a key rotation in between, leaves nothing readable in Temporal; the
// same close without keys does.
func TestEncryption_closeWithKeyRotation(t *testing.T) {
	t.Parallel()
	for name, o := range map[string]harness.Options{"plain": {}, "sealed": {Keys: firstKey, Current: "first"}} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			o.Server, o.Simulator = harness.StartServer(t), simulator.Options{Speed: 2}
			e := harness.New(t, o)
			sealedClose(t, e, o.Keys != nil)
			left := traces(t, e, o.Server)
			for _, mark := range closeMarks {
				var in []string
				for name, text := range left {
					if strings.HasSuffix(name, ".json") || strings.Contains(filepath.Base(name), "temporal.db") {
						if _, at := newSieve([]string{mark}).find(text); at >= 0 {
							in = append(in, filepath.Base(name))
						}
					}
				}
				if o.Keys == nil {
					require.NotEmpty(t, in, "without keys %q is readable", mark)
				} else {
					require.Empty(t, in, "%q is readable", mark)
				}
			}
		})
	}
}

func sealedClose(t *testing.T, e *harness.Env, sealed bool) {
	t.Helper()
	e.Write(e.Inbox, "quokka-ledger-numbat-4711.csv", harness.Ledger(100))
	e.Write(e.Pipelines, "night.yaml", sealedPipeline)
	id := workflows.CloseWorkflowID(e.Connection, "night", harness.AsOf)
	batch := workflows.BatchWorkflowID(e.Connection, "PBSM_ALLOC", harness.AsOf, "")
	must := func(env []string, code int, args ...string) string {
		t.Helper()
		result := e.RunEnv(env, args...)
		require.Equal(t, code, result.Code, result)
		return result.Stdout
	}
	must(nil, 0, "close", "--connection", e.Connection, "--pipeline", "night", "--as-of", harness.AsOf, "--by", "quokka who starts it", "--detach")
	e.Until("the batch runs", func() bool { s, _ := e.Status(batch); return s.StatusCode == "2" })

	var rotated []string
	if sealed { // a rolling rotation: first every worker knows the new key, then it becomes the current one
		known := "PBSM_ENCRYPTION__KEYS__SECOND=" + secondKey
		e.Worker.Stop()
		between := e.StartWorker(known)
		rotated = []string{known, "PBSM_ENCRYPTION__CURRENT=second"}
		e.StartWorker(rotated...)
		between.Stop() // otherwise it might end the close
	}
	must(rotated, 0, "batch", "interrupt", batch, "--reason", "quokka reason to interrupt")
	e.Sim.SetSpeed(600)
	e.Until("the batch waits", func() bool { return strings.Contains(e.RunEnv(rotated, "inbox").Stdout, "close restart "+id) })
	must(rotated, 0, "batch", "restart", batch, "--reason", "quokka reason to restart")
	e.Until("the question about the missing file is open", func() bool {
		return strings.Contains(e.RunEnv(rotated, "inbox").Stdout, "quokka-missing-numbat-4711")
	})
	must(rotated, 0, "close", "decide", id, "--step", "missing", "--choice", "skip", "--reason", "quokka reason to skip")
	followed := must(rotated, 0, "status", id, "--follow", "--output", "json")
	require.Contains(t, followed, `"succeeded"`)
	require.Contains(t, followed, "quokka reason to restart")
	require.FileExists(t, filepath.Join(e.Reports, "quokka-report-numbat-4711.csv"))
	if !sealed {
		return
	}
	keysOf := map[string]bool{}
	for _, event := range e.History(id, "") {
		for _, p := range event.GetWorkflowExecutionStartedEventAttributes().GetInput().GetPayloads() {
			keysOf[string(p.Metadata["encryption-key-id"])] = true
		}
		for _, p := range event.GetWorkflowExecutionCompletedEventAttributes().GetResult().GetPayloads() {
			keysOf[string(p.Metadata["encryption-key-id"])] = true
		}
	}
	require.Equal(t, map[string]bool{"first": true, "second": true}, keysOf, "the input has the first key, the result the second")
	lost := e.RunEnv([]string{"PBSM_ENCRYPTION__CURRENT=first"}, "status", id, "--output", "json")
	require.NotZero(t, lost.Code)
	require.Contains(t, lost.String(), `sealed with key \"second\"`)
}

// A worker without the key does not fail a close; one with the key continues it.
func TestEncryption_workerWithoutTheKey(t *testing.T) {
	t.Parallel()
	e := harness.New(t, harness.Options{Server: harness.StartServer(t), Keys: firstKey, Current: "first"})
	e.Write(e.Pipelines, "night.yaml", "name: night\nsteps:\n  - id: quick\n    batch: {code: PBSM_QUICK}\n")
	both := []string{"PBSM_ENCRYPTION__KEYS__SECOND=" + secondKey, "PBSM_ENCRYPTION__CURRENT=second"}
	started := e.RunEnv(both, "close", "--connection", e.Connection, "--pipeline", "night", "--as-of", harness.AsOf, "--detach")
	require.Zero(t, started.Code, started)
	e.Until("the worker logs which key is missing", func() bool {
		log, err := os.ReadFile(e.Worker.Stderr)
		return err == nil && strings.Contains(string(log), `sealed with key \"second\"`)
	})
	e.Worker.Stop()
	e.StartWorker(both...)
	ended := e.RunEnv(both, "status", workflows.CloseWorkflowID(e.Connection, "night", harness.AsOf), "--follow")
	require.Zero(t, ended.Code, ended)
}
