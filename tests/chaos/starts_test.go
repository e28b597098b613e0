package chaos

import (
	"os"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/pbsmflow/pbsmflow/tests/harness"
	"github.com/pbsmflow/pbsmflow/workflows"
)

// A start that was terminated before it did anything hides nothing: the next one finds the run of the first.
func TestRunBatch_adoptsDespiteAStartThatDidNothing(t *testing.T) {
	t.Parallel()
	e := harness.New(t, harness.Options{Server: harness.StartServer(t)})
	in := workflows.RunBatchInput{Code: "PBSM_SHORT"}
	first := e.StartBatch(in)
	e.Until("the batch was triggered", func() bool {
		status, ok := e.Status(first.GetID())
		return ok && status.RunID != ""
	})
	e.Worker.Kill()
	require.NoError(t, e.Temporal.TerminateWorkflow(t.Context(), first.GetID(), "", "test"))
	second := e.StartBatch(in)
	require.NoError(t, e.Temporal.TerminateWorkflow(t.Context(), second.GetID(), "", "test"))
	third := e.StartBatch(in)
	e.StartWorker()
	e.Sim.SetSpeed(6000)
	var result workflows.RunBatchResult
	require.NoError(t, e.Await(third, &result))
	require.Len(t, e.Calls("trigger"), 1)
	require.Equal(t, e.Sim.Runs()[0].ID, result.RunID)
}

// A close waits for a store that is unavailable for a moment.
func TestUpload_waitsForTheStore(t *testing.T) {
	t.Parallel()
	e := harness.New(t, harness.Options{Server: harness.StartServer(t)})
	e.Write(e.Pipelines, "away.yaml", "name: away\nsteps:\n  - id: ledger\n    upload: {file: inbox/gl.csv}\n")
	require.NoError(t, os.RemoveAll(e.Inbox))
	run := e.StartClose("away")
	e.Until("the first attempt failed", func() bool {
		described, err := e.Temporal.DescribeWorkflowExecution(t.Context(), workflows.StepWorkflowID(run.GetID(), "ledger"), "")
		return err == nil && len(described.PendingActivities) == 1 && described.PendingActivities[0].LastFailure != nil
	})
	e.Write(e.Inbox, "gl.csv", harness.Ledger(3))
	require.NoError(t, e.Await(run, nil))
}
