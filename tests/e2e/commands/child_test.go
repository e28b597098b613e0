package commands

import (
	"testing"

	"github.com/stretchr/testify/require"
	"go.temporal.io/sdk/client"
	"go.temporal.io/sdk/worker"
	"go.temporal.io/sdk/workflow"

	"github.com/pbsmflow/pbsmflow/tests/harness"
	"github.com/pbsmflow/pbsmflow/workflows"
)

// monthEnd is another team's workflow: it runs a close, and approves or interrupts a step of it by what a signal says.
func monthEnd(ctx workflow.Context, in workflows.NightlyCloseInput) (result workflows.NightlyCloseResult, err error) {
	nightly := workflows.ExecuteClose(ctx, workflows.TaskQueue, in)
	var failed error
	workflow.NewSelector(ctx).
		AddReceive(workflow.GetSignalChannel(ctx, "books"), func(signals workflow.ReceiveChannel, _ bool) {
			var good bool
			signals.Receive(ctx, &good)
			name, command := workflows.ApproveCommand, workflows.Command{By: "carla", Why: "checked", Step: "sign-off"}
			if !good {
				name, command.Step = workflows.InterruptCommand, "allocate"
			}
			failed = workflows.SignalCommand(ctx, in.WorkflowID(), name, command).Get(ctx, nil)
		}).
		AddFuture(nightly, func(workflow.Future) {}).
		Select(ctx)
	if failed != nil {
		return result, failed
	}
	return result, nightly.Get(ctx, &result)
}

// A close as a child of another team's workflow: it ends early, a step is approved, a step is interrupted.
func TestExecuteClose_asAChildThatTakesCommands(t *testing.T) {
	t.Parallel()
	e := harness.New(t, harness.Options{TaskQueue: workflows.TaskQueue})
	e.Write(e.Pipelines, "good.yaml", "name: good\nsteps:\n  - id: allocate\n    batch: {code: PBSM_QUICK}\n  - id: sign-off\n    needs: [allocate]\n    approve: {message: Are the books good}\n")
	e.Write(e.Pipelines, "bad.yaml", "name: bad\nsteps:\n  - id: allocate\n    batch: {code: PBSM_HANG}\n")
	w := worker.New(e.Temporal, "month-end", worker.Options{})
	w.RegisterWorkflow(monthEnd)
	require.NoError(t, w.Start())
	t.Cleanup(w.Stop)
	start := func(pipeline string) client.WorkflowRun {
		run, err := e.Temporal.ExecuteWorkflow(t.Context(), client.StartWorkflowOptions{ID: "month-end/" + pipeline, TaskQueue: "month-end"},
			monthEnd, workflows.NightlyCloseInput{Connection: e.Connection, Pipeline: pipeline, AsOfDate: harness.AsOf, StartedBy: "month-end"})
		require.NoError(t, err)
		return run
	}
	check := func(run client.WorkflowRun, good bool) {
		require.NoError(t, e.Temporal.SignalWorkflow(t.Context(), run.GetID(), "", "books", good))
	}

	require.ErrorContains(t, e.Await(start("missing"), nil), "pipelines folder", "a close that ends early ends the month")

	good := start("good")
	e.AwaitState(workflows.CloseWorkflowID(e.Connection, "good", harness.AsOf), workflows.Waiting)
	check(good, true)
	var result workflows.NightlyCloseResult
	require.NoError(t, e.Await(good, &result))
	require.Equal(t, workflows.Succeeded, result.State)

	bad := start("bad")
	id := workflows.CloseWorkflowID(e.Connection, "bad", harness.AsOf)
	batch := workflows.BatchWorkflowID(e.Connection, harness.HangBatch, harness.AsOf, "")
	e.Until("the batch is running", func() bool {
		status, _ := e.Status(batch)
		return status.RunID != "" && status.State == workflows.Running
	})
	check(bad, false)
	e.AwaitState(id, workflows.Waiting)
	require.Len(t, e.Calls("interrupt", harness.Processed), 1)
	_, err := e.Command(id, workflows.DecideCommand, workflows.Command{By: "operator", Why: "checked", Step: "allocate", Choice: workflows.GiveUp})
	require.NoError(t, err)
	require.ErrorContains(t, e.Await(bad, nil), "allocate failed")
}
