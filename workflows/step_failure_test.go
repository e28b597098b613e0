package workflows

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"go.temporal.io/sdk/workflow"

	"github.com/pbsmflow/pbsmflow/activities"
	"github.com/pbsmflow/pbsmflow/internal/pipeline"
)

func retried(s activities.PlanStep, retries int, delay time.Duration) activities.PlanStep {
	s.Step.Upload.Retries, s.Step.Upload.RetryDelay = retries, pipeline.Duration(delay)
	return s
}

func TestStep_onFailure(t *testing.T) {
	fails := func(ctx workflow.Context, in RunBatchInput) (RunBatchResult, error) {
		if in.Code != "nice" {
			return succeeds(ctx, in)
		}
		require.True(t, in.EndOnFailure)
		return RunBatchResult{Code: in.Code, State: Failed}, failure(BatchFailed, "it failed in the service")
	}
	nice := func(onFailure pipeline.OnFailure) activities.PlanStep {
		s := batchStep("nice")
		s.Step.Batch.OnFailure = onFailure
		return s
	}
	for name, c := range map[string]struct {
		fake    fakeSteps
		want    []State
		summary string
		after   time.Duration
	}{
		"retried, and then there": {
			fakeSteps{plan: plan(retried(uploadStep("a"), 2, time.Hour), batchStep("c", "a")), uploads: 2},
			[]State{Succeeded, Succeeded}, "every step is done", 3 * time.Hour,
		},
		"retried without success, skipped": {
			fakeSteps{plan: plan(without(retried(uploadStep("a"), 2, 0), pipeline.SkipStep), batchStep("c", "a")), uploads: 9},
			[]State{Skipped, Succeeded}, "done with exceptions: a skipped", time.Hour + time.Minute,
		},
		"skipped batch": {
			fakeSteps{plan: plan(nice(pipeline.SkipStep), batchStep("c", "nice"))},
			[]State{Skipped, Succeeded}, "done with exceptions: nice skipped", time.Hour,
		},
		"failed batch": {
			fakeSteps{plan: plan(nice(pipeline.FailStep), batchStep("c", "nice"))},
			[]State{Failed, NotRun}, "nice failed, c not_run", 0,
		},
	} {
		t.Run(name, func(t *testing.T) {
			env := newEnv(t)
			c.fake.env, c.fake.batch = env, fails
			c.fake.register()
			c.fake.execute("alice")
			status := queryStatus(t, env)
			require.Equal(t, c.want, []State{status.Steps[0].State, status.Steps[1].State})
			require.Equal(t, c.summary, status.Summary)
			require.GreaterOrEqual(t, env.Now().Sub(start), c.after)
		})
	}
}

// A deadline that passes counts as a failure; without on_failure it ends the step as failed.
func TestStep_onFailure_deadline(t *testing.T) {
	for onFailure, want := range map[pipeline.OnFailure]State{"": Failed, pipeline.SkipStep: Skipped, pipeline.FailStep: Failed} {
		env := newEnv(t)
		approve := approveStep("ok")
		approve.Step.Approve.OnFailure, approve.Deadline = onFailure, start.Add(time.Hour)
		f := fakeSteps{env: env, plan: plan(approve), batch: succeeds}
		f.register()
		f.execute("alice")
		require.Equal(t, want, queryStatus(t, env).Steps[0].State)
	}
}

// The pause before a retry ends with the deadline, and what an operator interrupts is asked about.
func TestStep_retry_ends(t *testing.T) {
	env := newEnv(t)
	late := retried(uploadStep("a"), 9, time.Hour)
	late.Deadline = start.Add(90 * time.Minute)
	f := fakeSteps{env: env, plan: plan(late), batch: succeeds, uploads: 9}
	f.register()
	f.execute("alice")
	status := queryStatus(t, env)
	require.Equal(t, Failed, status.Steps[0].State)
	require.Contains(t, status.Steps[0].Detail, "the deadline passed before it was retried")

	env = newEnv(t)
	f = fakeSteps{env: env, plan: plan(without(retried(uploadStep("a"), 9, 0), pipeline.SkipStep)), batch: succeeds}
	f.register()
	env.RegisterDelayedCallback(func() {
		env.SignalWorkflow(InterruptCommand, Command{By: "bob", Why: "wrong file", Step: "a"})
	}, 30*time.Second)
	env.RegisterDelayedCallback(func() {
		require.Equal(t, Waiting, queryStatus(t, env).Steps[0].State)
		env.SignalWorkflow(DecideCommand, Command{By: "bob", Why: "again", Choice: Retry, Step: "a"})
	}, time.Hour)
	f.execute("alice")
	require.NoError(t, env.GetWorkflowError())
	require.Equal(t, Succeeded, queryStatus(t, env).Steps[0].State)
}

// An operator need not wait for the next attempt: the pause is ended by interrupt, which asks, by skip and by done.
func TestStep_commandsInThePauseBeforeARetry(t *testing.T) {
	for name, c := range map[string]struct {
		commands []string
		want     State
	}{
		"interrupted, then tried again": {[]string{InterruptCommand, DecideCommand}, Succeeded},
		"skipped":                       {[]string{SkipCommand}, Skipped},
		"done":                          {[]string{DoneCommand}, MarkedDone},
	} {
		t.Run(name, func(t *testing.T) {
			env := newEnv(t)
			f := fakeSteps{env: env, plan: plan(retried(uploadStep("a"), 3, 9*time.Hour)), batch: succeeds, uploads: 1}
			f.register()
			for i, command := range c.commands {
				env.RegisterDelayedCallback(func() {
					in := Command{By: "bob", Why: "it is late", Step: "a"}
					if command == DecideCommand {
						in.Choice = Retry
						require.Equal(t, Waiting, queryStatus(t, env).Steps[0].State)
					}
					env.SignalWorkflow(command, in)
				}, time.Duration(i+1)*time.Hour)
			}
			f.execute("alice")
			require.NoError(t, env.GetWorkflowError())
			require.Equal(t, c.want, queryStatus(t, env).Steps[0].State)
			require.Less(t, env.Now().Sub(start), 4*time.Hour, "before the next attempt that the pipeline wants")
		})
	}
}

// What the pipeline says that a step is for is what operators read of it.
func TestStep_description(t *testing.T) {
	env := newEnv(t)
	described := uploadStep("a")
	described.Step.Description = "Ledger of the core system"
	f := fakeSteps{env: env, plan: plan(described), batch: succeeds, uploads: 1}
	f.register()
	env.RegisterDelayedCallback(func() {
		require.Equal(t, "Ledger of the core system", queryStatus(t, env).Steps[0].Detail)
	}, 30*time.Second)
	env.RegisterDelayedCallback(func() {
		status := queryStatus(t, env)
		require.Equal(t, "a (Ledger of the core system): inbox/a is not in its store", status.Question.Why)
		require.Contains(t, status.Markdown(), "**Question to the operator about a (Ledger of the core system)**")
		env.SignalWorkflow(DecideCommand, Command{By: "bob", Why: "again", Choice: Retry})
	}, time.Hour)
	f.execute("alice")
	require.NoError(t, env.GetWorkflowError())
	require.Equal(t, "Ledger of the core system", queryStatus(t, env).Steps[0].Description)
}
