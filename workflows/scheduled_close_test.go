package workflows

import (
	"context"
	"testing"
	"time"

	"github.com/stretchr/testify/mock"
	"github.com/stretchr/testify/require"
	"go.temporal.io/sdk/temporal"
	"go.temporal.io/sdk/testsuite"
	"go.temporal.io/sdk/workflow"

	"github.com/pbsmflow/pbsmflow/activities"
)

var scheduledInput = ScheduledCloseInput{
	Connection: "prod", Pipeline: "nightly-close", Calendar: "us-bank", TimeZone: "America/New_York", At: "22:00", On: "business-days", StartedBy: "schedule/prod/nightly-close",
}

// scheduledEnv stands in for the calendar and for NightlyClose. It also returns what the calendar was asked.
func scheduledEnv(t *testing.T, planned activities.PlannedNight, runClose func(NightlyCloseInput) (NightlyCloseResult, error)) (*testsuite.TestWorkflowEnvironment, *[]activities.PlanNightInput) {
	env := newEnv(t)
	plannedFor := &[]activities.PlanNightInput{}
	env.RegisterActivityWithOptions(func(_ context.Context, in activities.PlanNightInput) (*activities.PlannedNight, error) {
		*plannedFor = append(*plannedFor, in)
		return &planned, nil
	}, activityName("PlanNight"))
	env.RegisterWorkflowWithOptions(func(_ workflow.Context, in NightlyCloseInput) (NightlyCloseResult, error) { return runClose(in) },
		workflow.RegisterOptions{Name: NightlyCloseType})
	env.RegisterWorkflow(ScheduledClose)
	return env, plannedFor
}

func atScheduledTime(t *testing.T, env *testsuite.TestWorkflowEnvironment, at time.Time) {
	require.NoError(t, env.SetTypedSearchAttributesOnStart(temporal.NewSearchAttributes(scheduledAttribute.ValueSet(at))))
}

// The scheduled time decides, not the time at which the workflow runs: a backfill may run weeks later.
func TestScheduledClose_usesTheScheduledTime(t *testing.T) {
	var got NightlyCloseInput
	scheduled := start.Add(-20 * 24 * time.Hour)
	env, plannedFor := scheduledEnv(t, activities.PlannedNight{Night: "2026-10-30", AsOfDate: "2026-10-30"}, func(in NightlyCloseInput) (NightlyCloseResult, error) {
		got = in
		return NightlyCloseResult{AsOfDate: in.AsOfDate, State: Succeeded}, nil
	})
	atScheduledTime(t, env, scheduled)
	env.ExecuteWorkflow(ScheduledClose, scheduledInput)
	require.NoError(t, env.GetWorkflowError())
	var result ScheduledCloseResult
	require.NoError(t, env.GetWorkflowResult(&result))
	require.Equal(t, []activities.PlanNightInput{{Connection: "prod", Rule: scheduledInput.rule(), ScheduledAt: scheduled}}, *plannedFor)
	require.Equal(t, NightlyCloseInput{Connection: "prod", Pipeline: "nightly-close", AsOfDate: "2026-10-30", StartedBy: "schedule/prod/nightly-close"}, got)
	require.Equal(t, ScheduledCloseResult{
		Connection: "prod", Pipeline: "nightly-close", ScheduledAt: scheduled, Night: "2026-10-30", AsOfDate: "2026-10-30", State: Succeeded,
		Summary:    "night of Fri 2026-10-30, as of 2026-10-30: done by workflow close/prod/nightly-close/2026-10-30",
		WorkflowID: "close/prod/nightly-close/2026-10-30", Close: &NightlyCloseResult{AsOfDate: "2026-10-30", State: Succeeded},
	}, result)
	require.Equal(t, Succeeded, queryStatus(t, env).State)
}

func TestScheduledClose_holiday(t *testing.T) {
	env, _ := scheduledEnv(t, activities.PlannedNight{Night: "2026-11-26", Why: "Thanksgiving Day"}, func(NightlyCloseInput) (NightlyCloseResult, error) {
		t.Error("a close was started")
		return NightlyCloseResult{}, nil
	})
	atScheduledTime(t, env, start)
	env.ExecuteWorkflow(ScheduledClose, scheduledInput)
	require.NoError(t, env.GetWorkflowError())
	var result ScheduledCloseResult
	require.NoError(t, env.GetWorkflowResult(&result))
	require.Equal(t, Skipped, result.State)
	require.Equal(t, "no close on Thu 2026-11-26: Thanksgiving Day", result.Summary)
	status := queryStatus(t, env)
	require.Equal(t, Skipped, status.State)
	require.Equal(t, result.Summary, status.Summary)
}

func TestScheduledClose_failsWithItsClose(t *testing.T) {
	failedClose := NightlyCloseResult{AsOfDate: "2026-10-30", State: Failed}
	env, _ := scheduledEnv(t, activities.PlannedNight{Night: "2026-10-30", AsOfDate: "2026-10-30"}, func(NightlyCloseInput) (NightlyCloseResult, error) {
		return failedClose, failure(CloseFailed, "nightly-close for 2026-10-30: ledger failed", failedClose)
	})
	atScheduledTime(t, env, start)
	env.ExecuteWorkflow(ScheduledClose, scheduledInput)
	var failed *temporal.ApplicationError
	require.True(t, asError(env.GetWorkflowError(), &failed))
	require.Equal(t, CloseFailed, failed.Type())
	require.Equal(t, "night of Fri 2026-10-30: nightly-close for 2026-10-30: ledger failed", failed.Message())
	var result ScheduledCloseResult
	require.NoError(t, failed.Details(&result))
	require.Equal(t, &failedClose, result.Close)
	require.Equal(t, Failed, queryStatus(t, env).State)
}

func TestScheduledClose_cancelledWithTheResultOfItsClose(t *testing.T) {
	cancelledClose := NightlyCloseResult{AsOfDate: "2026-10-30", State: Cancelled, Steps: []StepResult{
		{ID: "c", State: Cancelled, StepOutcome: StepOutcome{Error: "cancelled; c_1 had ended"}},
	}}
	env, _ := scheduledEnv(t, activities.PlannedNight{Night: "2026-10-30", AsOfDate: "2026-10-30"}, nil)
	env.OnWorkflow(NightlyCloseType, mock.Anything, mock.Anything).Return(func(ctx workflow.Context, _ NightlyCloseInput) (NightlyCloseResult, error) {
		_ = workflow.Sleep(ctx, time.Hour)
		return NightlyCloseResult{}, temporal.NewCanceledError(cancelledClose)
	})
	env.RegisterDelayedCallback(env.CancelWorkflow, time.Minute)
	atScheduledTime(t, env, start)
	env.ExecuteWorkflow(ScheduledClose, scheduledInput)
	var cancelled *temporal.CanceledError
	require.True(t, asError(env.GetWorkflowError(), &cancelled))
	var result ScheduledCloseResult
	require.NoError(t, cancelled.Details(&result))
	require.Equal(t, Cancelled, result.State)
	require.Equal(t, &cancelledClose, result.Close)
}

// A close that finished before its cancellation took effect has succeeded.
func TestScheduledClose_succeededBeforeTheCancellation(t *testing.T) {
	env, _ := scheduledEnv(t, activities.PlannedNight{Night: "2026-10-30", AsOfDate: "2026-10-30"}, nil)
	env.OnWorkflow(NightlyCloseType, mock.Anything, mock.Anything).Return(func(ctx workflow.Context, _ NightlyCloseInput) (NightlyCloseResult, error) {
		_ = workflow.Sleep(ctx, time.Hour)
		return NightlyCloseResult{AsOfDate: "2026-10-30", State: Succeeded}, nil
	})
	env.RegisterDelayedCallback(env.CancelWorkflow, time.Minute)
	atScheduledTime(t, env, start)
	env.ExecuteWorkflow(ScheduledClose, scheduledInput)
	require.NoError(t, env.GetWorkflowError())
	var result ScheduledCloseResult
	require.NoError(t, env.GetWorkflowResult(&result))
	require.Equal(t, Succeeded, result.State)
	require.Equal(t, "night of Fri 2026-10-30, as of 2026-10-30: done by workflow close/prod/nightly-close/2026-10-30", result.Summary)
	require.Equal(t, Succeeded, queryStatus(t, env).State)
}

func TestScheduledClose_namesEveryProblem(t *testing.T) {
	env, plannedFor := scheduledEnv(t, activities.PlannedNight{}, nil)
	env.ExecuteWorkflow(ScheduledClose, ScheduledCloseInput{Connection: "a/b"})
	var failed *temporal.ApplicationError
	require.True(t, asError(env.GetWorkflowError(), &failed))
	require.Equal(t, InvalidInput, failed.Type())
	var problems []string
	require.NoError(t, failed.Details(&problems))
	require.Len(t, problems, 3)
	require.Contains(t, problems[2], "start NightlyClose instead")
	require.Empty(t, *plannedFor)
}
