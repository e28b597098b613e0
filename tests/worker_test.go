package tests

import (
	"context"
	"fmt"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"go.temporal.io/api/workflowservice/v1"
	"google.golang.org/protobuf/types/known/durationpb"

	"github.com/pbsmflow/pbsmflow/internal/simulator"
	"github.com/pbsmflow/pbsmflow/tests/harness"
	"github.com/pbsmflow/pbsmflow/workflows"
)

// ends waits for a worker that cannot start and gives its exit code and what it said.
func ends(t *testing.T, p *harness.Process) (int, string) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	code, err := p.Wait(ctx)
	require.NoError(t, err)
	return code, p.Tail()
}

func TestWorkerSaysWhyItCannotStart(t *testing.T) {
	t.Parallel()
	t.Run("Temporal is unreachable", func(t *testing.T) {
		t.Parallel()
		e := harness.New(t, harness.Options{NoWorker: true})
		address := fmt.Sprintf("127.0.0.1:%d", freePort(t))
		code, said := ends(t, e.LaunchWorker("TEMPORAL_ADDRESS="+address))
		require.Equal(t, 5, code, said)
		require.Contains(t, said, address)
		require.Contains(t, said, "TEMPORAL_ADDRESS")
	})
	t.Run("every fault of the configuration is named", func(t *testing.T) {
		t.Parallel()
		e := harness.New(t, harness.Options{NoWorker: true, Settings: map[string]string{
			"connection.base_url":       "http://not-secure.example.com/tenant",
			"connection.password__file": "/nowhere/password",
			"connection.ca_file":        "/nowhere/ca.pem",
			"connection.timeot":         "5s",
			"worker.poll.min":           "soon",
			"worker.log.level":          "loud",
			"stores.inbox.url":          "ftp://example.com",
		}})
		code, said := ends(t, e.LaunchWorker())
		require.Equal(t, 2, code, said)
		for _, key := range []string{"base_url", "password", "ca_file", "timeot", "worker.poll.min", "worker.log.level", "stores.inbox.url"} {
			require.Contains(t, said, key)
		}
		require.NotContains(t, said, e.Sim.Options().ClientSecret)
	})
	t.Run("the configuration is missing", func(t *testing.T) {
		t.Parallel()
		e := harness.New(t, harness.Options{NoWorker: true})
		code, said := ends(t, e.LaunchWorker("PBSM_CONFIG="+e.Dir+"/nowhere.yaml"))
		require.Equal(t, 2, code, said)
		require.Contains(t, said, "nowhere.yaml")
	})
	t.Run("the namespace lacks the search attributes", func(t *testing.T) {
		t.Parallel()
		e := harness.New(t, harness.Options{NoWorker: true})
		_, err := e.Temporal.WorkflowService().RegisterNamespace(t.Context(), &workflowservice.RegisterNamespaceRequest{
			Namespace: "bare", WorkflowExecutionRetentionPeriod: durationpb.New(24 * time.Hour),
		})
		require.NoError(t, err)
		e.Until("the namespace is known", func() bool {
			_, err := e.Temporal.WorkflowService().ListOpenWorkflowExecutions(t.Context(), &workflowservice.ListOpenWorkflowExecutionsRequest{Namespace: "bare"})
			return err == nil
		})
		code, said := ends(t, e.LaunchWorker("TEMPORAL_NAMESPACE=bare"))
		require.Equal(t, 1, code, said)
		for _, name := range workflows.SearchAttributes() {
			require.Contains(t, said, name)
		}
		require.Contains(t, said, "starter search-attributes create")
	})
}

// A worker that is told to stop, or dies, while a file or a trigger is under way: the night goes on with the next one.
func TestTheNightOutlivesItsWorker(t *testing.T) {
	t.Parallel()
	const delay = 3 * time.Second
	upload := simulator.Fault{Call: "object-put", Kind: simulator.FaultDelayBefore, Delay: delay, Times: 1}
	trigger := simulator.Fault{Call: "trigger", Kind: simulator.FaultDelayAfter, Delay: delay, Times: 1}
	for _, c := range []struct {
		name     string
		fault    simulator.Fault
		end      syscall.Signal
		settings map[string]string
		within   time.Duration // how soon the worker has to be gone
	}{
		{name: "SIGTERM during an upload", fault: upload, end: syscall.SIGTERM, within: 15 * time.Second},
		{name: "SIGTERM during a long upload", fault: upload, end: syscall.SIGTERM, settings: map[string]string{"worker.stop_timeout": "500ms"}, within: delay},
		{name: "SIGTERM during a trigger", fault: trigger, end: syscall.SIGTERM, within: 15 * time.Second},
		{name: "SIGKILL during an upload", fault: upload, end: syscall.SIGKILL, within: time.Second},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			e := harness.New(t, harness.Options{Settings: c.settings})
			e.Write(e.Inbox, "gl.csv", harness.Ledger(100))
			e.Write(e.Pipelines, "night.yaml", `name: night
steps:
  - id: ledger
    upload: {file: inbox/gl.csv}
  - id: quick
    needs: [ledger]
    batch: {code: PBSM_QUICK}
`)
			e.Sim.Inject(c.fault)
			run := e.StartClose("night")
			e.Until(c.fault.Call+" is under way", func() bool { return underWay(e, c.fault.Call) })
			told := time.Now()
			e.Worker.Signal(c.end)
			ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
			defer cancel()
			code, err := e.Worker.Wait(ctx)
			require.NoError(t, err)
			require.Less(t, time.Since(told), c.within)
			if c.end == syscall.SIGTERM {
				require.Zero(t, code, e.Worker.Tail())
			}
			e.StartWorker()
			var result workflows.NightlyCloseResult
			require.NoError(t, e.Await(run, &result))
			require.Equal(t, workflows.Succeeded, result.State)
			require.Len(t, e.Calls("trigger"), 1)
			require.Len(t, e.Sim.Runs(), 1)
		})
	}
}

// underWay tells that a request has reached the service although it is not answered yet.
func underWay(e *harness.Env, call string) bool {
	switch call {
	case "trigger":
		return len(e.Sim.Runs()) > 0
	default: // the PAR was handed out, and its bytes follow at once
		return len(e.Calls("upload-par")) > 0
	}
}

// The readiness page tells the truth, and the binary's own health check reads it.
func TestWorkerHealth(t *testing.T) {
	t.Parallel()
	server := harness.StartServer(t)
	e := harness.New(t, harness.Options{Server: server})
	require.Equal(t, 0, e.Healthcheck().Code)
	server.Kill()
	e.Until("the worker is not ready without Temporal", func() bool { return e.Healthcheck().Code != 0 })
}
