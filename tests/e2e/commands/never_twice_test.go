package commands

import (
	"fmt"
	"io"
	"net"
	"net/url"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"go.temporal.io/sdk/client"

	"github.com/pbsmflow/pbsmflow/internal/simulator"
	"github.com/pbsmflow/pbsmflow/tests/harness"
	"github.com/pbsmflow/pbsmflow/workflows"
)

var outcomeUnknown = []string{"decide adopt", "decide nothing_started", "decide give_up"}

// lostResponses make the outcome of a trigger unknown. processed: the service has started a run.
var lostResponses = []struct {
	name      string
	fault     simulator.Fault
	kill      bool // the worker is killed during the trigger
	processed bool
}{
	{name: "connection closed before processing", fault: simulator.Fault{Kind: simulator.FaultCloseBefore}},
	{name: "connection closed after processing", fault: simulator.Fault{Kind: simulator.FaultCloseAfter}, processed: true},
	{name: "HTML page and 502 before processing", fault: simulator.Fault{Kind: simulator.FaultHTML}},
	{name: "HTML page and 502 after processing", fault: simulator.Fault{Kind: simulator.FaultHTMLAfter}, processed: true},
	{name: "503 after processing", fault: simulator.Fault{Kind: simulator.FaultStatusAfter}, processed: true},
	{name: "response cut off", fault: simulator.Fault{Kind: simulator.FaultTruncate}, processed: true},
	{name: "response is not JSON", fault: simulator.Fault{Kind: simulator.FaultMalform}, processed: true},
	{name: "response after the timeout", fault: simulator.Fault{Kind: simulator.FaultDelayAfter, Delay: 5 * time.Second}, processed: true},
	{name: "worker killed", fault: simulator.Fault{Kind: simulator.FaultDelayAfter, Delay: 3 * time.Second}, kill: true, processed: true},
}

// A trigger whose response is lost is not submitted again: an operator is asked, and the decision is carried out.
// The tests of workflows cover every decision with a mocked service; this one covers what happens on the wire.
func TestSubmit_outcomeUnknownAsksOperator(t *testing.T) {
	t.Parallel()
	for _, lost := range lostResponses {
		t.Run(lost.name, func(t *testing.T) {
			t.Parallel()
			e := harness.New(t, harness.Options{Settings: map[string]string{"connection.timeout": "4s"}})
			fault := lost.fault
			fault.Call, fault.Match, fault.Times = "trigger", harness.QuickBatch, 1
			e.Sim.Inject(fault)
			run := e.StartBatch(workflows.RunBatchInput{Code: harness.QuickBatch})
			if lost.kill {
				e.Until("the trigger reached the service", func() bool { return len(e.Sim.Runs()) == 1 })
				e.Worker.Kill()
				e.StartWorker()
			}
			status := e.AwaitState(run.GetID(), workflows.Waiting)
			require.Equal(t, outcomeUnknown, status.Question.Choices)
			e.RestartWorker() // the question outlives the worker
			status = e.AwaitState(run.GetID(), workflows.Waiting)
			require.Equal(t, outcomeUnknown, status.Question.Choices)
			decision := workflows.Command{By: "night shift", Why: "looked at the screens", Choice: workflows.NothingStarted}
			triggers := 2
			if lost.processed {
				require.Len(t, e.Sim.Runs(), 1)
				decision.Choice, decision.RunID = workflows.Adopt, e.Sim.Runs()[0].ID
				triggers = 1
			}
			require.LessOrEqual(t, len(e.Calls("trigger")), 1, "the trigger was submitted again without a decision")
			_, err := e.Command(run.GetID(), workflows.DecideCommand, decision)
			require.NoError(t, err)
			var result workflows.RunBatchResult
			require.NoError(t, e.Await(run, &result))
			require.Equal(t, workflows.Succeeded, result.State)
			e.Until("the journal has the delayed response", func() bool { return len(e.Calls("trigger")) >= triggers })
			require.Len(t, e.Calls("trigger"), triggers)
			require.Len(t, e.Sim.Runs(), 1, "there is one run in total")
			require.Equal(t, e.Sim.Runs()[0].ID, result.RunID)
		})
	}
}

// A trigger that was certainly not processed is submitted again without asking.
func TestSubmit_retriesWhatWasNotProcessed(t *testing.T) {
	t.Parallel()
	for _, refused := range []struct {
		name  string
		fault simulator.Fault
	}{
		{"401", simulator.Fault{Kind: simulator.FaultUnauthorized, Times: 3}},
		{"429", simulator.Fault{Kind: simulator.FaultStatus, Status: 429, RetryAfter: "1", Times: 2}},
		{"tokens expired", simulator.Fault{Kind: simulator.FaultExpireTokens, Times: 1}},
	} {
		t.Run(refused.name, func(t *testing.T) {
			t.Parallel()
			e := harness.New(t, harness.Options{})
			fault := refused.fault
			fault.Call = "trigger"
			e.Sim.Inject(fault)
			requireOneRun(t, e, e.StartBatch(workflows.RunBatchInput{Code: harness.QuickBatch}), fault.Times)
		})
	}
	t.Run("connection refused", func(t *testing.T) {
		t.Parallel()
		port := harness.FreePort(t)
		e := harness.New(t, harness.Options{
			Settings: map[string]string{"connection.base_url": fmt.Sprintf("https://localhost:%d/pbsmdemo1001-prd", port)},
		})
		run := e.StartBatch(workflows.RunBatchInput{Code: harness.QuickBatch})
		e.Until("the first attempt failed", func() bool {
			described, err := e.Temporal.DescribeWorkflowExecution(t.Context(), run.GetID(), "")
			return err == nil && len(described.PendingActivities) == 1 && described.PendingActivities[0].LastFailure != nil
		})
		require.Empty(t, e.Calls("trigger"))
		forward(t, port, e.Sim.BaseURL()) // the service comes up
		requireOneRun(t, e, run, 0)
	})
}

func requireOneRun(t *testing.T, e *harness.Env, run client.WorkflowRun, refused int) {
	t.Helper()
	var result workflows.RunBatchResult
	require.NoError(t, e.Await(run, &result))
	require.Equal(t, workflows.Succeeded, result.State)
	require.Len(t, e.Calls("trigger", harness.Processed), 1)
	require.Len(t, e.Calls("trigger"), refused+1)
	require.Len(t, e.Sim.Runs(), 1)
}

// forward forwards connections to a port to the host of a URL, until the test ends.
func forward(t *testing.T, port int, to string) {
	t.Helper()
	target, err := url.Parse(to)
	require.NoError(t, err)
	listener, err := net.Listen("tcp", fmt.Sprintf("127.0.0.1:%d", port))
	require.NoError(t, err)
	t.Cleanup(func() { _ = listener.Close() })
	go func() {
		for {
			in, err := listener.Accept()
			if err != nil {
				return
			}
			out, err := net.Dial("tcp", target.Host)
			if err != nil {
				_ = in.Close()
				continue
			}
			go pass(in, out)
			go pass(out, in)
		}
	}()
}

func pass(from, to net.Conn) {
	_, _ = io.Copy(to, from)
	_ = to.Close()
}
