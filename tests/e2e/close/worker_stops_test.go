package close

import (
	"context"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/pbsmflow/pbsmflow/internal/simulator"
	"github.com/pbsmflow/pbsmflow/tests/harness"
	"github.com/pbsmflow/pbsmflow/workflows"
)

// A worker stops or dies during an upload or a trigger: the close continues on the next worker.
func TestClose_resumesAfterWorkerStops(t *testing.T) {
	t.Parallel()
	const delay = 3 * time.Second
	upload := simulator.Fault{Call: "object-put", Kind: simulator.FaultDelayBefore, Delay: delay, Times: 1}
	trigger := simulator.Fault{Call: "trigger", Kind: simulator.FaultDelayAfter, Delay: delay, Times: 1}
	for _, c := range []struct {
		name     string
		fault    simulator.Fault
		end      syscall.Signal
		settings map[string]string
		within   time.Duration // within which the worker has to stop
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
			e.Until(c.fault.Call+" has reached the service", func() bool { return arrived(e, c.fault.Call) })
			signalled := time.Now()
			e.Worker.Signal(c.end)
			ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
			defer cancel()
			code, err := e.Worker.Wait(ctx)
			require.NoError(t, err)
			require.Less(t, time.Since(signalled), c.within)
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

// arrived reports whether a request has reached the service, which has not responded yet.
func arrived(e *harness.Env, call string) bool {
	switch call {
	case "trigger":
		return len(e.Sim.Runs()) > 0
	default:
		return e.Sim.Applied(call) > 0
	}
}
