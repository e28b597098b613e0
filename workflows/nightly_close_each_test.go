package workflows

import (
	"slices"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/pbsmflow/pbsmflow/activities"
)

// expanded are steps that come from one step of the definition.
func expanded(of string, atOnce int, steps ...activities.PlanStep) []activities.PlanStep {
	for i := range steps {
		steps[i].Of, steps[i].AtOnce = of, atOnce
	}
	return steps
}

func TestNightlyClose_atOnce(t *testing.T) {
	for atOnce, want := range map[int]int{0: 5, 1: 1, 2: 2} {
		env := newEnv(t)
		files := expanded("file", atOnce, uploadStep("file-a"), uploadStep("file-b"), uploadStep("file-c"), uploadStep("file-d"), uploadStep("file-e"))
		f := fakeSteps{env: env, plan: plan(files...), batch: succeeds}
		f.register()
		f.execute("alice")
		require.NoError(t, env.GetWorkflowError())
		require.Equal(t, want, f.running)
		require.Len(t, f.sent, 5)
	}
}

// A step that waits for an operator keeps none of the others from beginning.
func TestNightlyClose_atOnce_passesOverOneThatWaits(t *testing.T) {
	env := newEnv(t)
	files := expanded("file", 1, uploadStep("file-a"), uploadStep("file-b"), uploadStep("file-c"))
	f := fakeSteps{env: env, plan: plan(files...), batch: succeeds, uploads: 1}
	f.register()
	env.RegisterDelayedCallback(func() {
		status := queryStatus(t, env)
		require.Equal(t, []State{Waiting, Succeeded, Succeeded}, []State{status.Steps[0].State, status.Steps[1].State, status.Steps[2].State})
		env.SignalWorkflow(DecideCommand, Command{By: "bob", Why: "it is there", Choice: Retry, Step: "file"})
	}, time.Hour)
	f.execute("alice")
	require.NoError(t, env.GetWorkflowError())
	require.Equal(t, []string{"inbox/file-b", "inbox/file-c", "inbox/file-a"}, f.sent)
}

// A command names one step, or all that come from one step of the definition.
func TestNightlyClose_commandToAll(t *testing.T) {
	env := newEnv(t)
	steps := append(expanded("file", 0, uploadStep("file-a"), uploadStep("file-b")), approveStep("ok", "file-a", "file-b"))
	steps = append(steps, expanded("alloc", 0, batchStep("alloc-a", "ok"), batchStep("alloc-b", "ok"))...)
	f := fakeSteps{env: env, plan: plan(steps...), batch: succeeds}
	f.register()
	update := func(name string, c Command, want string) {
		env.UpdateWorkflow(name, "", &updateResult{t: t, want: want}, c)
	}
	env.RegisterDelayedCallback(func() {
		update(HoldCommand, Command{By: "bob", Why: "wait", Step: "alloc"}, "alloc-a does not begin before it is released; alloc-b does not begin before it is released")
		update(ReleaseCommand, Command{By: "bob", Why: "fine", Step: "alloc-a"}, "alloc-a is released")
		update(HoldCommand, Command{By: "bob", Why: "wait", Step: "file"}, "refused")
		env.SignalWorkflow(ApproveCommand, Command{By: "bob", Why: "seen", Step: "ok"})
	}, time.Hour)
	env.RegisterDelayedCallback(func() {
		update(SkipCommand, Command{By: "bob", Why: "not today", Step: "alloc"}, "alloc-b is skipped; what needs it can start")
	}, 3*time.Hour)
	f.execute("alice")
	require.NoError(t, env.GetWorkflowError())
	status := queryStatus(t, env)
	require.Equal(t, "alloc", status.Steps[3].Of)
	require.Equal(t, []State{Succeeded, Skipped}, []State{status.Steps[3].State, status.Steps[4].State})
}

func TestAgainInput_Chosen_all(t *testing.T) {
	steps := []StepStatus{{ID: "a-1", Of: "a"}, {ID: "a-2", Of: "a"}, {ID: "b", Needs: []string{"a-1", "a-2"}}, {ID: "c"}}
	chosen, err := AgainInput{From: []string{"a"}}.Chosen(steps)
	require.NoError(t, err)
	require.Equal(t, []string{"a-1", "a-2", "b"}, chosen)
	chosen, err = AgainInput{Only: []string{"a"}}.Chosen(steps)
	require.NoError(t, err)
	require.Equal(t, []string{"a-1", "a-2"}, chosen)
}

// updateResult checks the answer to a command.
type updateResult struct {
	t    *testing.T
	want string
}

func (r *updateResult) Accept() {}

func (r *updateResult) Reject(err error) { require.NoError(r.t, err) }

func (r *updateResult) Complete(success any, err error) {
	if err != nil {
		require.Equal(r.t, "refused", r.want, "%v", err)
		return
	}
	require.Equal(r.t, r.want, success.(CommandResult).Message)
}

// The summary of a close with very many steps stays one that a message can hold.
func TestListed(t *testing.T) {
	require.Equal(t, "a failed, b not_run", listed([]string{"a failed", "b not_run"}))
	many := slices.Repeat([]string{"step failed"}, 1000)
	require.Less(t, len(listed(many)), 300)
	require.Contains(t, listed(many), "step failed and 980 more")
}
