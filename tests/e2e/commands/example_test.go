package commands

import (
	"testing"

	"github.com/stretchr/testify/require"
	"go.temporal.io/sdk/client"
	"go.temporal.io/sdk/worker"

	"github.com/pbsmflow/pbsmflow/tests/example"
	"github.com/pbsmflow/pbsmflow/tests/harness"
	"github.com/pbsmflow/pbsmflow/workflows"
)

// The example of docs/starting.md runs: its workflow starts a close as a child and steers it.
func TestExampleRuns(t *testing.T) {
	t.Parallel()
	e := harness.New(t, harness.Options{TaskQueue: workflows.TaskQueue})
	e.Write(e.Pipelines, "good.yaml", "name: good\nsteps:\n  - id: allocate\n    batch: {code: PBSM_QUICK}\n  - id: sign-off\n    needs: [allocate]\n    approve: {message: Are the books good}\n")
	e.Write(e.Pipelines, "bad.yaml", "name: bad\nsteps:\n  - id: allocate\n    batch: {code: PBSM_HANG}\n")
	w := worker.New(e.Temporal, "month-end", worker.Options{})
	w.RegisterWorkflow(example.MonthEnd)
	require.NoError(t, w.Start())
	t.Cleanup(w.Stop)
	start := func(pipeline string) client.WorkflowRun {
		run, err := e.Temporal.ExecuteWorkflow(t.Context(), client.StartWorkflowOptions{ID: "month-end/" + pipeline, TaskQueue: "month-end"},
			example.MonthEnd, example.MonthEndInput{Connection: e.Connection, Pipeline: pipeline, AsOfDate: harness.AsOf})
		require.NoError(t, err)
		return run
	}
	tell := func(run client.WorkflowRun, books example.Books) {
		require.NoError(t, e.Temporal.SignalWorkflow(t.Context(), run.GetID(), "", example.BooksSignal, books))
	}

	require.ErrorContains(t, e.Await(start("missing"), nil), "pipelines folder", "a close that ends early ends the month")

	good := start("good")
	e.AwaitState(workflows.CloseWorkflowID(e.Connection, "good", harness.AsOf), workflows.Waiting)
	tell(good, example.Books{Controller: "carla", Good: true})
	var result workflows.NightlyCloseResult
	require.NoError(t, e.Await(good, &result))
	require.Equal(t, workflows.Succeeded, result.State)

	bad := start("bad")
	id := workflows.CloseWorkflowID(e.Connection, "bad", harness.AsOf)
	batch := workflows.BatchWorkflowID(e.Connection, harness.HangBatch, harness.AsOf, "")
	e.Until("the run goes on", func() bool {
		status, _ := e.Status(batch)
		return status.RunID != "" && status.State == workflows.Running
	})
	tell(bad, example.Books{Controller: "carla", Why: "the rates are wrong"})
	e.AwaitState(id, workflows.Waiting)
	require.Len(t, e.Calls("interrupt", harness.Processed), 1)
	_, err := e.Steer(id, workflows.DecideCommand, workflows.Command{By: "operator", Step: "allocate", Choice: workflows.GiveUp})
	require.NoError(t, err)
	require.ErrorContains(t, e.Await(bad, nil), "allocate failed")
}
