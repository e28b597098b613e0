package activities

import (
	"log/slog"
	"slices"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"go.temporal.io/sdk/log"
	"go.temporal.io/sdk/temporal"
	"go.temporal.io/sdk/testsuite"
	"go.temporal.io/sdk/workflow"

	"github.com/pbsmflow/pbsmflow/internal/config"
	"github.com/pbsmflow/pbsmflow/internal/pbsm"
	"github.com/pbsmflow/pbsmflow/internal/simulator"
	"github.com/pbsmflow/pbsmflow/internal/stores"
)

func TestPause_growsWithTheTimeWaited(t *testing.T) {
	poll := config.Poll{Ratio: 0.05, Min: 2 * time.Second, Max: time.Minute}
	for waited, want := range map[time.Duration]time.Duration{
		0:                2 * time.Second,
		40 * time.Second: 2 * time.Second,
		10 * time.Minute: 30 * time.Second,
		20 * time.Minute: time.Minute,
		10 * time.Hour:   time.Minute,
	} {
		require.Equal(t, want, pause(poll, waited), waited)
	}
	polls := 0
	for waited := time.Duration(0); waited < 20*time.Minute; waited += pause(poll, waited) {
		polls++
	}
	require.InDelta(t, 90, polls, 10)
}

// A group whose batches end one after the other would otherwise be polled without a pause, until Temporal
// terminates the workflow for the size of its history.
func TestBatchStatus_pausesAfterAChange(t *testing.T) {
	a, sim := withService(t, stores.Settings{URL: "file://" + t.TempDir()})
	run, err := a.connections["prod"].service.Trigger(t.Context(), pbsm.TriggerRequest{Code: "PBSM_ALLOC", Type: pbsm.Batch})
	require.NoError(t, err)
	sim.Advance(time.Hour)
	in := BatchStatusInput{RunInput: RunInput{Connection: "prod", RunID: run.ID}, Poll: Poll{Since: time.Now(), Known: "something else"}}
	require.Equal(t, StillWaiting, applicationError(t, poll(a, in, 1)).Type())
	require.NoError(t, poll(a, in, 2))
}

// The service may list the tasks in another order each time.
func TestBatchStatus_pausesWhenOnlyTheOrderChanged(t *testing.T) {
	a, sim := withService(t, stores.Settings{URL: "file://" + t.TempDir()})
	run, err := a.connections["prod"].service.Trigger(t.Context(), pbsm.TriggerRequest{Code: "PBSM_ALLOC", Type: pbsm.Batch})
	require.NoError(t, err)
	sim.Advance(time.Second)
	in := BatchStatusInput{RunInput: RunInput{Connection: "prod", RunID: run.ID}, Poll: Poll{Since: time.Now()}}
	answer, err := activityEnv(a).ExecuteActivity(a.BatchStatus, in)
	require.NoError(t, err)
	var status BatchStatus
	require.NoError(t, answer.Get(&status))
	require.Greater(t, len(status.Tasks), 1)
	slices.Reverse(status.Tasks)
	in.Known = status.Fingerprint()
	last := applicationError(t, poll(a, in, 2))
	require.Equal(t, StillWaiting, last.Type())
	require.Contains(t, last.Message(), " done; next poll in ")
}

// A gateway in maintenance may send Retry-After: 3600 and be back in a minute. Temporal does not retry
// after the deadline, so that the poll would fail while there is still time.
func TestBatchStatus_retriesDespiteALongRetryAfter(t *testing.T) {
	a, sim := withService(t, stores.Settings{URL: "file://" + t.TempDir()})
	run, err := a.connections["prod"].service.Trigger(t.Context(), pbsm.TriggerRequest{Code: "PBSM_QUICK", Type: pbsm.Batch})
	require.NoError(t, err)
	sim.Advance(time.Hour)
	sim.Inject(simulator.Fault{Call: "status", Kind: simulator.FaultStatus, RetryAfter: "3600", Times: 1})
	var suite testsuite.WorkflowTestSuite
	suite.SetLogger(log.NewStructuredLogger(slog.New(slog.DiscardHandler)))
	env := suite.NewTestWorkflowEnvironment()
	env.RegisterActivity(a)
	env.ExecuteWorkflow(func(ctx workflow.Context) (status BatchStatus, err error) {
		ctx = workflow.WithActivityOptions(ctx, workflow.ActivityOptions{StartToCloseTimeout: time.Minute, ScheduleToCloseTimeout: 20 * time.Minute})
		err = workflow.ExecuteActivity(ctx, a.BatchStatus, BatchStatusInput{RunInput: RunInput{Connection: "prod", RunID: run.ID}, Poll: Poll{Since: workflow.Now(ctx)}}).Get(ctx, &status)
		return status, err
	})
	require.NoError(t, env.GetWorkflowError())
	var status BatchStatus
	require.NoError(t, env.GetWorkflowResult(&status))
	require.Equal(t, "0", status.Code)
}

// poll executes BatchStatus with so many attempts, and returns the error of the last one.
func poll(a *Activities, in BatchStatusInput, attempts int32) error {
	var suite testsuite.WorkflowTestSuite
	suite.SetLogger(log.NewStructuredLogger(slog.New(slog.DiscardHandler)))
	env := suite.NewTestWorkflowEnvironment()
	env.RegisterActivity(a)
	env.ExecuteWorkflow(func(ctx workflow.Context) error {
		ctx = workflow.WithActivityOptions(ctx, workflow.ActivityOptions{
			StartToCloseTimeout: time.Minute, RetryPolicy: &temporal.RetryPolicy{MaximumAttempts: attempts},
		})
		return workflow.ExecuteActivity(ctx, a.BatchStatus, in).Get(ctx, nil)
	})
	return env.GetWorkflowError()
}
