package workflows

import (
	"context"
	"fmt"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"go.temporal.io/sdk/activity"
	"go.temporal.io/sdk/client"
	"go.temporal.io/sdk/temporal"
	"go.temporal.io/sdk/testsuite"

	"github.com/pbsmflow/pbsmflow/activities"
)

const askAfter = 15 * time.Minute

// supervised is an environment whose workflows ask after 15 minutes. found is what Temporal knows of each activity.
func supervised(t *testing.T, found func(now time.Time) activities.PendingActivity) (env *testsuite.TestWorkflowEnvironment, looks *int) {
	env, looks = newEnv(t), new(int)
	env.RegisterActivityWithOptions(func(context.Context, activities.ResolveConnectionInput) (activities.ResolvedConnection, error) {
		return activities.ResolvedConnection{AskAfter: askAfter}, nil
	}, replaced("ResolveConnection"))
	env.RegisterActivityWithOptions(func(context.Context) ([]activities.PendingActivity, error) {
		*looks++
		var pending []activities.PendingActivity
		for i := range 20 {
			p := found(env.Now())
			p.ID = fmt.Sprint("call-", i)
			pending = append(pending, p)
		}
		return pending, nil
	}, replaced("PendingActivities"))
	return env, looks
}

func replaced(name string) activity.RegisterOptions {
	return activity.RegisterOptions{Name: name, DisableAlreadyRegisteredCheck: true}
}

const down = "HTTP 500 INTERNAL_ERROR"

// retriedUntil fails so that an activity ends at a time, without as many attempts as the service would see.
func retriedUntil(env *testsuite.TestWorkflowEnvironment, at time.Time) error {
	if left := at.Sub(env.Now()); left > 0 {
		return temporal.NewApplicationErrorWithOptions(down, activities.Unavailable, temporal.ApplicationErrorOptions{NextRetryDelay: left})
	}
	return nil
}

// failing is what Temporal knows of an activity that fails from one time to another.
func failing(from, to time.Time) func(time.Time) activities.PendingActivity {
	return func(now time.Time) activities.PendingActivity {
		if now.Before(from) || !now.Before(to) {
			return activities.PendingActivity{}
		}
		return activities.PendingActivity{Trouble: "is being retried: " + down, Since: from, Last: down, At: now}
	}
}

// statusAt queries the status later on.
func statusAt(t *testing.T, env *testsuite.TestWorkflowEnvironment, after time.Duration) *Status {
	var status Status
	env.RegisterDelayedCallback(func() { status = queryStatus(t, env) }, after)
	return &status
}

func TestSupervisor_asksAboutAPollThatFailsAndWithdraws(t *testing.T) {
	from, to := start.Add(time.Minute), start.Add(30*time.Minute)
	env, looks := supervised(t, failing(from, to))
	env.RegisterActivityWithOptions(func(context.Context, activities.MigrationInput) (activities.Migration, error) {
		return activities.Migration{}, nil
	}, activityName("ExportMigration"))
	env.RegisterActivityWithOptions(func(context.Context, activities.MigrationStatusInput) (activities.Migration, error) {
		return activities.Migration{Done: true, Message: "completed"}, retriedUntil(env, start.Add(2*time.Hour))
	}, activityName("ExportStatus"))
	before, asked, recovered := statusAt(t, env, 14*time.Minute), statusAt(t, env, 17*time.Minute), statusAt(t, env, 40*time.Minute)
	env.ExecuteWorkflow(Migrate, MigrateInput{Connection: "prod", Direction: Export, Code: "MIG1"})
	require.NoError(t, env.GetWorkflowError())

	require.Equal(t, Running, before.State)
	require.Equal(t, Waiting, asked.State)
	require.Equal(t, []string{"decide give_up"}, asked.Question.Choices)
	require.Contains(t, asked.Question.Why, "wait for the export of MIG1: since "+Status{}.times().Text(from)+" it is being retried: "+down)
	require.Equal(t, Running, recovered.State)
	require.Nil(t, recovered.Question)
	require.Equal(t, "wait for the export of MIG1", recovered.Summary)
	ended := queryStatus(t, env)
	require.Equal(t, Succeeded, ended.State)
	require.Nil(t, ended.Question)
	require.Equal(t, 10, *looks, "after 15 minutes, a minute later when it is due, every five while it asks, then every 15")
}

func TestSupervisor_withdrawsWhenTheActivityEnds(t *testing.T) {
	env, _ := supervised(t, failing(start, start.Add(time.Hour)))
	env.RegisterActivityWithOptions(func(context.Context, activities.GenerateReportInput) (activities.Report, error) {
		return activities.Report{Failed: true, Status: "FAIL"}, retriedUntil(env, start.Add(18*time.Minute))
	}, activityName("GenerateReport"))
	asked := statusAt(t, env, 17*time.Minute)
	env.ExecuteWorkflow(GenerateReport, GenerateReportInput{Connection: "prod", Code: "RPT001", SaveTo: "reports/a.csv"})
	require.ErrorContains(t, env.GetWorkflowError(), "the service says FAIL")
	require.NotNil(t, asked.Question)
	require.Nil(t, queryStatus(t, env).Question)
}

func TestSupervisor_neverAsksWhileEverythingProgresses(t *testing.T) {
	env, looks := supervised(t, func(time.Time) activities.PendingActivity { return activities.PendingActivity{} })
	service := fakeService{env: env, triggers: []func() (activities.Run, error){accepted}, ends: []stretch{{"0", 2 * time.Hour}}}
	service.register()
	env.SetStartWorkflowOptions(client.StartWorkflowOptions{ID: input.WorkflowID()})
	env.ExecuteWorkflow(RunBatch, input)
	require.NoError(t, env.GetWorkflowError())
	require.LessOrEqual(t, *looks, 8)
	for _, entry := range queryStatus(t, env).Log {
		require.NotContains(t, entry.What, "retried")
	}
}

func TestSupervisor_giveUpEndsAsFailed(t *testing.T) {
	command := Command{By: "alice", Why: "not tonight", Choice: GiveUp}
	paused := activities.PendingActivity{Trouble: "is paused in Temporal", Since: start, Paused: true}
	for name, c := range map[string]struct {
		workflow, input any
		id              string
	}{
		"a report": {GenerateReport, GenerateReportInput{Connection: "prod", Code: "RPT001", SaveTo: "reports/a.csv"}, "report"},
		"a batch":  {RunBatch, input, input.WorkflowID()},
	} {
		t.Run(name, func(t *testing.T) {
			env, _ := supervised(t, func(time.Time) activities.PendingActivity { return paused })
			env.RegisterActivityWithOptions(func(context.Context, activities.GenerateReportInput) (activities.Report, error) {
				return activities.Report{}, activity.ErrResultPending
			}, activityName("GenerateReport"))
			service := fakeService{env: env, triggers: []func() (activities.Run, error){accepted}}
			service.register()
			env.RegisterActivityWithOptions(func(context.Context, activities.BatchStatusInput) (activities.BatchStatus, error) {
				return activities.BatchStatus{}, activity.ErrResultPending
			}, replaced("BatchStatus"))
			env.SetStartWorkflowOptions(client.StartWorkflowOptions{ID: c.id})
			var early, answer error
			update := func(into *error) func() {
				return func() {
					env.UpdateWorkflow(DecideCommand, fmt.Sprint(env.Now()), &testsuite.TestUpdateCallback{
						OnAccept: func() {}, OnReject: func(err error) { *into = err }, OnComplete: func(_ any, err error) { *into = err },
					}, command)
				}
			}
			env.RegisterDelayedCallback(update(&early), 10*time.Minute)
			asked := statusAt(t, env, 20*time.Minute)
			env.RegisterDelayedCallback(update(&answer), time.Hour)
			env.ExecuteWorkflow(c.workflow, c.input)
			require.ErrorContains(t, early, "does not apply")
			require.NoError(t, answer)
			require.Equal(t, Waiting, asked.State)
			require.Contains(t, asked.Question.Why, "it is paused in Temporal")
			require.Equal(t, GivenUp, errorType(env.GetWorkflowError()))
			status := queryStatus(t, env)
			require.Equal(t, Failed, status.State)
			require.Contains(t, status.Summary, "given up")
			require.Equal(t, "alice", status.Log[len(status.Log)-1-map[bool]int{true: 1}[name == "a batch"]].By)
		})
	}
}

// Temporal does not end an activity that is paused, and afterwards does not know what was last tried.
func TestSupervisor_endsAtTheDeadlineWhatIsPaused(t *testing.T) {
	paused := activities.PendingActivity{Trouble: "is paused in Temporal", Paused: true, Last: down, At: start.Add(3 * time.Minute)}
	deadline := start.Add(10 * time.Minute)
	for name, c := range map[string]struct {
		workflow, input any
		id, want        string
	}{
		"a report": {GenerateReport, GenerateReportInput{Connection: "prod", Code: "RPT001", SaveTo: "reports/a.csv", Deadline: deadline}, "report",
			"the deadline passed during: generate RPT001; last: " + down + " on " + Status{}.times().Exact(paused.At)},
		"a batch": {RunBatch, RunBatchInput{Connection: "prod", Code: "ALLOC", AsOfDate: "2026-10-31", Deadline: deadline}, input.WorkflowID(),
			"the deadline passed; the run may still be going; last: " + down},
	} {
		t.Run(name, func(t *testing.T) {
			env, _ := supervised(t, func(time.Time) activities.PendingActivity { return paused })
			env.RegisterActivityWithOptions(func(context.Context, activities.GenerateReportInput) (activities.Report, error) {
				return activities.Report{}, activity.ErrResultPending
			}, activityName("GenerateReport"))
			service := fakeService{env: env, triggers: []func() (activities.Run, error){accepted}}
			service.register()
			env.RegisterActivityWithOptions(func(context.Context, activities.BatchStatusInput) (activities.BatchStatus, error) {
				return activities.BatchStatus{}, activity.ErrResultPending
			}, replaced("BatchStatus"))
			env.SetStartWorkflowOptions(client.StartWorkflowOptions{ID: c.id})
			env.ExecuteWorkflow(c.workflow, c.input)
			require.Equal(t, DeadlinePassed, errorType(env.GetWorkflowError()))
			require.Contains(t, queryStatus(t, env).Summary, c.want)
			require.WithinDuration(t, deadline, env.Now(), lastLook+2*time.Second)
		})
	}
}

// The deadline passes while the trigger is repeated, for it could not be sent.
func TestSupervisor_endsASubmissionAtTheDeadline(t *testing.T) {
	for name, c := range map[string]struct {
		sending bool
		want    string
	}{
		"never sent":   {false, "the deadline passed before the trigger was sent; last: " + down},
		"perhaps sent": {true, "the deadline passed; last: " + down + "; check on the service's screen Monitor Batch whether the trigger was carried out"},
	} {
		t.Run(name, func(t *testing.T) {
			env, _ := supervised(t, func(time.Time) activities.PendingActivity {
				return activities.PendingActivity{Sending: c.sending, Last: down}
			})
			service := fakeService{env: env, triggers: []func() (activities.Run, error){unavailable}}
			service.register()
			in := input
			in.Deadline = start.Add(time.Hour)
			env.SetStartWorkflowOptions(client.StartWorkflowOptions{ID: in.WorkflowID()})
			env.ExecuteWorkflow(RunBatch, in)
			require.Equal(t, DeadlinePassed, errorType(env.GetWorkflowError()))
			require.Equal(t, c.want, queryStatus(t, env).Summary)
			require.WithinDuration(t, in.Deadline, env.Now(), time.Second)
		})
	}
}
