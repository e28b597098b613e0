package commands

import (
	"errors"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
	"go.temporal.io/sdk/client"
	"go.temporal.io/sdk/temporal"
	"go.temporal.io/sdk/worker"
	"go.temporal.io/sdk/workflow"

	"github.com/pbsmflow/pbsmflow/tests/harness"
	"github.com/pbsmflow/pbsmflow/workflows"
)

// weekEnd is a workflow of another team: it runs a batch, sends it commands, and then runs a close.
func weekEnd(ctx workflow.Context, queue, connection string) (workflows.NightlyCloseResult, error) {
	batch := workflows.RunBatchInput{Connection: connection, Code: harness.FailBatch, AsOfDate: harness.AsOf}
	running := workflows.ExecuteBatch(ctx, queue, batch)
	if err := running.GetChildWorkflowExecution().Get(ctx, nil); err != nil {
		return workflows.NightlyCloseResult{}, err
	}
	// This command does not apply yet, and is ignored.
	if err := workflows.SignalCommand(ctx, batch.WorkflowID(), workflows.RestartCommand, workflows.Command{By: "week end", Why: "checked"}).Get(ctx, nil); err != nil {
		return workflows.NightlyCloseResult{}, err
	}
	workflow.GetSignalChannel(ctx, "enough").Receive(ctx, nil)
	if err := workflows.SignalCommand(ctx, batch.WorkflowID(), workflows.DecideCommand, workflows.Command{By: "week end", Why: "checked", Choice: workflows.GiveUp}).Get(ctx, nil); err != nil {
		return workflows.NightlyCloseResult{}, err
	}
	var failed *temporal.ApplicationError
	if err := running.Get(ctx, nil); !errors.As(err, &failed) || failed.Type() != workflows.GivenUp {
		return workflows.NightlyCloseResult{}, errors.Join(errors.New("the batch was not given up"), err)
	}
	var result workflows.NightlyCloseResult
	err := workflows.ExecuteClose(ctx, queue, workflows.NightlyCloseInput{Connection: connection, Pipeline: "night", AsOfDate: harness.AsOf}).Get(ctx, &result)
	return result, err
}

// The Go API for other teams, used from a client.
func TestGoAPI_fromAClient(t *testing.T) {
	t.Parallel()
	e := harness.New(t, harness.Options{})
	ctx := t.Context()

	hanging := workflows.RunBatchInput{Connection: e.Connection, Code: harness.HangBatch, AsOfDate: harness.AsOf}
	start := func(in workflows.Input) workflows.Execution {
		started, err := workflows.Start(ctx, e.Temporal, in, workflows.StartOptions{TaskQueue: e.TaskQueue})
		require.NoError(t, err)
		return started
	}
	await := func(started workflows.Execution, result any) error {
		return e.Await(e.Temporal.GetWorkflow(ctx, started.ID, started.RunID), result)
	}
	first, second := start(hanging), start(hanging)
	require.True(t, first.Started)
	require.Equal(t, first.RunID, second.RunID, "the second start attaches to the first")
	require.False(t, second.Started)
	require.True(t, second.Running())
	e.Until("the batch is running", func() bool { s, _ := e.Status(first.ID); return s.StatusCode == "2" })

	command := workflows.Command{By: "api", Why: "test"}
	_, err := workflows.SendCommand(ctx, e.Temporal, first.ID, workflows.RestartCommand, command)
	var refused *temporal.ApplicationError
	require.ErrorAs(t, err, &refused)
	require.Equal(t, workflows.CommandRefused, refused.Type())
	require.ErrorContains(t, err, "What applies: interrupt")
	answer, err := workflows.SendCommand(ctx, e.Temporal, first.ID, workflows.InterruptCommand, command)
	require.NoError(t, err)
	require.Contains(t, answer.Message, "Interrupted", "returns once the service has confirmed")
	command.Choice = workflows.GiveUp
	e.AwaitState(first.ID, workflows.Waiting)
	_, err = workflows.SendCommand(ctx, e.Temporal, first.ID, workflows.DecideCommand, command)
	require.NoError(t, err)
	require.Error(t, await(first, nil))

	in := workflows.RunBatchInput{Connection: e.Connection, Code: harness.QuickBatch, AsOfDate: harness.AsOf}
	run := start(in)
	require.NoError(t, await(run, nil))
	again := func() (result workflows.RunBatchResult) {
		require.NoError(t, await(start(in), &result))
		return result
	}
	require.False(t, again().KeptFrom.IsZero(), "one that succeeded is not run again")
	require.Len(t, e.Calls("trigger", harness.About(harness.QuickBatch)), 1)
	in.Again = "rates were corrected"
	require.True(t, again().KeptFrom.IsZero())
	require.Len(t, e.Calls("trigger", harness.About(harness.QuickBatch)), 2)

	e.Write(e.Pipelines, "night.yaml", "name: night\nsteps:\n  - id: fail-once\n    batch: {code: PBSM_FAIL_ONCE}\n")
	input := workflows.NightlyCloseInput{Connection: e.Connection, Pipeline: "night", AsOfDate: harness.AsOf}
	one, other := start(input), start(input)
	require.Equal(t, one.RunID, other.RunID)
	e.AwaitState(one.ID, workflows.Waiting)
	_, err = workflows.SendCommand(ctx, e.Temporal, one.ID, workflows.RestartCommand, workflows.Command{By: "api", Why: "checked", Step: "fail-once"})
	require.NoError(t, err)
	var result workflows.NightlyCloseResult
	require.NoError(t, await(one, &result))
	require.Equal(t, 1, result.Steps[0].Batch.Restarts)
	done := start(input)
	require.True(t, done.AlreadyDone())
	require.Equal(t, one.RunID, done.RunID, "a close that succeeded is not run again")
	var same workflows.NightlyCloseResult
	require.NoError(t, e.Await(e.Start("typed-by-hand", workflows.NightlyCloseType, input), &same))
	require.Equal(t, result, same, "nor under another id: it returns the result")
}

// The Go API for other teams, used from a workflow on its own task queue.
func TestGoAPI_fromAWorkflow(t *testing.T) {
	t.Parallel()
	e := harness.New(t, harness.Options{})
	e.Write(e.Pipelines, "night.yaml", "name: night\nsteps:\n  - id: quick\n    batch: {code: PBSM_QUICK}\n")
	queue := t.Name() + "/theirs"
	w := worker.New(e.Temporal, queue, worker.Options{})
	w.RegisterWorkflow(weekEnd)
	require.NoError(t, w.Start())
	t.Cleanup(w.Stop)
	run, err := e.Temporal.ExecuteWorkflow(t.Context(), client.StartWorkflowOptions{ID: "week-end/" + e.Connection, TaskQueue: queue}, weekEnd, e.TaskQueue, e.Connection)
	require.NoError(t, err)
	status := e.AwaitState(workflows.BatchWorkflowID(e.Connection, harness.FailBatch, harness.AsOf, ""), workflows.Waiting)
	require.True(t, slices.ContainsFunc(status.Log, func(e workflows.LogEntry) bool { return strings.Contains(e.What, "restart refused") }))
	require.NoError(t, e.Temporal.SignalWorkflow(t.Context(), run.GetID(), "", "enough", nil))
	var result workflows.NightlyCloseResult
	require.NoError(t, e.Await(run, &result))
	require.Equal(t, workflows.Succeeded, result.State)
}
