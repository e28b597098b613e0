package commands

import (
	"fmt"
	"testing"
	"time"

	"github.com/nexus-rpc/sdk-go/nexus"
	"github.com/stretchr/testify/require"
	nexuspb "go.temporal.io/api/nexus/v1"
	"go.temporal.io/api/operatorservice/v1"
	"go.temporal.io/sdk/client"
	"go.temporal.io/sdk/temporal"
	"go.temporal.io/sdk/worker"
	"go.temporal.io/sdk/workflow"

	"github.com/pbsmflow/pbsmflow/tests/harness"
	"github.com/pbsmflow/pbsmflow/workflows"
)

// The following is code of another team: it shares no types with this project, only names and JSON.

const (
	treasury      = "treasury" // its namespace and its task queue
	closesService = "pbsm-closes"
)

type treasuryResult struct {
	WorkflowID string `json:"workflow_id"`
	State      string `json:"state"`
	Steps      []struct {
		ID    string `json:"id"`
		State string `json:"state"`
	} `json:"steps"`
}

type treasuryStatus struct {
	State      string `json:"state"`
	StatusCode string `json:"status_code"`
	RunID      string `json:"run_id"`
}

func treasuryCalls(ctx workflow.Context, operation string, input map[string]any) workflow.NexusOperationFuture {
	return workflow.NewNexusClient(closesService, "pbsm").ExecuteOperation(ctx, operation, input, workflow.NexusOperationOptions{ScheduleToCloseTimeout: 2 * time.Minute})
}

// treasuryRuns runs one operation to its end.
func treasuryRuns(ctx workflow.Context, operation string, input map[string]any) (treasuryResult, error) {
	var result treasuryResult
	err := treasuryCalls(ctx, operation, input).Get(ctx, &result)
	return result, err
}

// treasuryCommands starts a batch, interrupts and restarts it, and cancels it.
func treasuryCommands(ctx workflow.Context, batchID string, input map[string]any) error {
	running, cancel := workflow.WithCancel(ctx)
	batch := treasuryCalls(running, "run_batch", input)
	if err := batch.GetNexusOperationExecution().Get(ctx, nil); err != nil {
		return err
	}
	until := func(there func(treasuryStatus) bool) error {
		for {
			var status treasuryStatus
			err := treasuryCalls(ctx, "status", map[string]any{"workflow_id": batchID}).Get(ctx, &status)
			if err != nil || there(status) {
				return err
			}
			if err := workflow.Sleep(ctx, 100*time.Millisecond); err != nil {
				return err
			}
		}
	}
	isRunning := func(s treasuryStatus) bool { return s.State == "running" && s.StatusCode == "2" }
	isWaiting := func(s treasuryStatus) bool { return s.State == "waiting" }
	send := func(command string) error {
		return treasuryCalls(ctx, "command", map[string]any{"workflow_id": batchID, "signal": command, "by": "treasury", "why": "rates"}).Get(ctx, nil)
	}
	for _, step := range []func() error{
		func() error { return until(isRunning) },
		func() error { return send("interrupt") },
		func() error { return until(isWaiting) },
		func() error { return send("restart") },
		func() error { return until(isRunning) },
	} {
		if err := step(); err != nil {
			return err
		}
	}
	cancel()
	err := batch.Get(ctx, nil)
	if !temporal.IsCanceledError(err) {
		return fmt.Errorf("the cancelled batch ended with: %w", err)
	}
	return nil
}

// Another team's namespace runs, follows, commands and cancels workflows through the Nexus service.
func TestNexus_runsAndCommands(t *testing.T) {
	t.Parallel()
	server := harness.StartServer(t, "--namespace", "default", "--namespace", treasury)
	e := harness.New(t, harness.Options{Server: server})
	_, err := e.Temporal.OperatorService().CreateNexusEndpoint(t.Context(), &operatorservice.CreateNexusEndpointRequest{Spec: &nexuspb.EndpointSpec{
		Name: closesService,
		Target: &nexuspb.EndpointTarget{Variant: &nexuspb.EndpointTarget_Worker_{
			Worker: &nexuspb.EndpointTarget_Worker{Namespace: e.Server.Namespace, TaskQueue: e.TaskQueue},
		}},
	}})
	require.NoError(t, err)
	theirs := *server
	theirs.Namespace = treasury
	caller := theirs.Client(t)
	w := worker.New(caller, treasury, worker.Options{})
	w.RegisterWorkflow(treasuryRuns)
	w.RegisterWorkflow(treasuryCommands)
	require.NoError(t, w.Start())
	t.Cleanup(w.Stop)
	run := func(function any, args ...any) client.WorkflowRun {
		run, err := caller.ExecuteWorkflow(t.Context(), client.StartWorkflowOptions{TaskQueue: treasury}, function, args...)
		require.NoError(t, err)
		return run
	}

	t.Run("a close", func(t *testing.T) {
		e.Write(e.Pipelines, "night.yaml", "name: night\nsteps:\n  - id: quick\n    batch: {code: PBSM_QUICK}\n")
		input := map[string]any{"connection": e.Connection, "pipeline": "night", "as_of_date": harness.AsOf, "started_by": treasury}
		var result treasuryResult
		require.NoError(t, e.Await(run(treasuryRuns, "nightly_close", input), &result))
		require.Equal(t, "succeeded", result.State)
		require.Len(t, result.Steps, 1)
		require.Equal(t, "quick", result.Steps[0].ID)
		closeID := workflows.CloseWorkflowID(e.Connection, "night", harness.AsOf)
		require.NoError(t, e.Await(e.Temporal.GetWorkflow(t.Context(), closeID, ""), nil), "it ran under the id of the close")
		var again treasuryResult
		require.NoError(t, e.Await(run(treasuryRuns, "nightly_close", input), &again))
		require.Equal(t, result, again, "one that succeeded is not run again: it returns the result")
	})
	t.Run("a batch, again", func(t *testing.T) {
		input := map[string]any{"connection": e.Connection, "code": "PBSM_SHORT", "as_of_date": harness.AsOf}
		var result treasuryResult
		require.NoError(t, e.Await(run(treasuryRuns, "run_batch", input), &result))
		require.Equal(t, "succeeded", result.State)
		var again treasuryResult
		require.NoError(t, e.Await(run(treasuryRuns, "run_batch", input), &again))
		require.Equal(t, result, again, "one that succeeded is not run again: it returns the result")
		require.Len(t, e.Calls("trigger", harness.About("PBSM_SHORT")), 1)
		input["again"] = "the rates were corrected"
		require.NoError(t, e.Await(run(treasuryRuns, "run_batch", input), nil))
		require.Len(t, e.Calls("trigger", harness.About("PBSM_SHORT")), 2)
	})
	t.Run("commands and cancellation", func(t *testing.T) {
		id := workflows.BatchWorkflowID(e.Connection, harness.HangBatch, harness.AsOf, "")
		input := map[string]any{"connection": e.Connection, "code": harness.HangBatch, "as_of_date": harness.AsOf}
		require.NoError(t, e.Await(run(treasuryCommands, id, input), nil))
		require.Len(t, e.Calls("restart", harness.Processed), 1)
		require.Len(t, e.Calls("interrupt", harness.Processed), 2, "one by command, one by the cancellation")
		status, ok := e.Status(id)
		require.True(t, ok)
		require.Equal(t, workflows.Cancelled, status.State)
		remote, ok := e.Sim.Run(status.RunID)
		require.True(t, ok)
		require.Equal(t, -2, remote.Status, "the run is interrupted")
	})
	for _, bad := range []struct {
		operation string
		input     map[string]any
		problems  []string
	}{
		{"nightly_close", map[string]any{"connection": "a b"}, []string{`connection: "a b"`, "pipeline: is missing", "as_of_date: is missing"}},
		{"nightly_close", map[string]any{"connection": "c", "as_of_date": harness.AsOf, "definition": "name: x"}, []string{"pipeline is missing"}},
		{"run_batch", map[string]any{"restarts": -1}, []string{"connection: is missing", "code: is missing", "as_of_date: is missing", "restarts: -1"}},
		{"command", map[string]any{"workflow_id": "x", "signal": "stop"}, []string{`"stop" is not one of`}},
		{"command", map[string]any{"signal": "stop"}, []string{"workflow_id: is missing", `"stop" is not one of`}},
		{"status", map[string]any{}, []string{"workflow_id: is missing"}},
		{"command", map[string]any{"workflow_id": "x", "signal": "interrupt", "stpe": "a"}, []string{"stpe: there is no such field", "by: is missing", "why: is missing"}},
		{"command", map[string]any{"workflow_id": "batch/nowhere", "signal": "interrupt", "by": "treasury", "why": "rates"}, []string{"batch/nowhere"}},
		{"status", map[string]any{"workflow_id": "batch/nowhere"}, []string{"batch/nowhere"}},
	} {
		t.Run(fmt.Sprintf("%s with %v", bad.operation, bad.input), func(t *testing.T) {
			err := e.Await(run(treasuryRuns, bad.operation, bad.input), nil)
			for _, problem := range bad.problems {
				require.ErrorContains(t, err, problem)
			}
			var failed *nexus.HandlerError
			require.ErrorAs(t, err, &failed)
			require.False(t, failed.Retryable())
		})
	}
}
