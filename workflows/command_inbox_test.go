package workflows

import (
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"go.temporal.io/sdk/client"
	"go.temporal.io/sdk/testsuite"

	"github.com/pbsmflow/pbsmflow/activities"
)

// typed is what somebody types into the signal dialog of the Temporal UI.
func typed(text string) rawJSON { return rawJSON(text) }

type rawJSON string

func (r rawJSON) MarshalJSON() ([]byte, error) { return []byte(r), nil }

// refusedEntries are the log entries about refused commands.
func refusedEntries(t *testing.T, env *testsuite.TestWorkflowEnvironment) (found []string) {
	t.Helper()
	for _, entry := range queryStatus(t, env).Log {
		if strings.Contains(entry.What, "refused: ") {
			found = append(found, entry.What)
		}
	}
	return found
}

// Each pair of signals is one from a trial: what the first one said must not count for the second.
func TestCommands_malformedSignalsLeaveNothingBehind(t *testing.T) {
	for _, c := range []struct{ name, first, second, refused string }{
		{ApproveCommand, `{"by": "bob", "why": "looks good", "step": 7}`, `{}`, "approve refused: invalid input: step: must be a text, not a number"},
		{ApproveCommand, `{"by": "bob", "why": "looks good", "stepp": "ok"}`, `{}`, "approve refused: invalid input: stepp: there is no such field"},
		{ApproveCommand, `{"by": "bob", "why": {"a": 1}}`, `{"why": "x y"}`, "approve refused: invalid input: why: must be a text, not an object"},
		{ApproveCommand, `["bob", "looks good"]`, `{"by": "bob"}`, "approve refused: invalid input: must be an object, not a list"},
		{ApproveCommand, `"bob"`, `null`, "approve refused: invalid input: must be an object, not a text"},
		{ApproveCommand, `{"by": ["bob"], "why": "looks good"}`, `{"why": "looks good"}`, "approve refused: invalid input: by: must be a text, not a list"},
		{ApproveCommand, `{"by": "bob", "why": "..."}`, `{"by": "you", "why": "looks good"}`, `approve refused: invalid input: why: "..." is the placeholder of an example`},
		{DecideCommand, `{"by": "bob", "why": "seen", "choice": "give_up", "step": ["ok"]}`, `{"step": "ok"}`, "decide give_up refused: invalid input: step: must be a text, not a list"},
		{"aprove", `{"by": "bob", "why": "looks good"}`, `{}`, `signal "aprove" refused: there is no such command; the commands are interrupt, `},
	} {
		t.Run(c.name+c.first, func(t *testing.T) {
			fake := fakeSteps{env: newEnv(t), plan: plan(approveStep("ok"))}
			fake.register()
			fake.env.RegisterDelayedCallback(func() { fake.env.SignalWorkflow(c.name, typed(c.first)) }, time.Hour)
			fake.env.RegisterDelayedCallback(func() { fake.env.SignalWorkflow(c.name, typed(c.second)) }, 2*time.Hour)
			fake.env.RegisterDelayedCallback(func() {
				require.Equal(t, Waiting, queryStatus(t, fake.env).State)
				refused := refusedEntries(t, fake.env)
				require.Len(t, refused, 2)
				require.Contains(t, refused[0], c.refused)
			}, 3*time.Hour)
			fake.env.RegisterDelayedCallback(func() { fake.env.SignalWorkflow(ApproveCommand, Command{By: "bob", Why: "seen"}) }, 4*time.Hour)
			fake.execute("alice")
			require.NoError(t, fake.env.GetWorkflowError())
		})
	}
}

func TestRunBatch_malformedDecisionSubmitsNothing(t *testing.T) {
	env := newEnv(t)
	service := fakeService{env: env, triggers: []func() (activities.Run, error){outcomeUnknown, accepted}}
	service.register()
	env.SetStartWorkflowOptions(client.StartWorkflowOptions{ID: input.WorkflowID()})
	env.RegisterDelayedCallback(func() {
		env.SignalWorkflow(DecideCommand, typed(`{"by": "ann", "why": "seen", "choice": "nothing_started", "run_id": 5}`))
	}, time.Hour)
	env.RegisterDelayedCallback(func() { env.SignalWorkflow(DecideCommand, typed(`{"by": "zed"}`)) }, 2*time.Hour)
	env.RegisterDelayedCallback(func() {
		require.Equal(t, 1, service.calls["trigger"])
		require.Len(t, refusedEntries(t, env), 2)
		env.SignalWorkflow(DecideCommand, Command{By: "ann", Why: "seen", Choice: GiveUp})
	}, 3*time.Hour)
	env.ExecuteWorkflow(RunBatch, input)
	require.Equal(t, GivenUp, errorType(env.GetWorkflowError()))
}

func TestInputs_misspeltFieldIsRefused(t *testing.T) {
	for name, c := range map[string]struct{ text, want string }{
		"misspelt":   {`{"connection": "prod", "code": "ALLOC", "as_of_date": "2026-10-31", "excluded_task": ["T2"]}`, "excluded_task: there is no such field"},
		"wrong type": {`{"connection": "prod", "code": "ALLOC", "as_of_date": "2026-10-31", "restarts": "2"}`, "restarts: must be a whole number, not a text"},
		"no object":  {`"ALLOC"`, "must be an object, not a text"},
	} {
		t.Run(name, func(t *testing.T) {
			env := newEnv(t)
			env.RegisterWorkflow(RunBatch)
			env.ExecuteWorkflow(RunBatchType, typed(c.text))
			require.Equal(t, InvalidInput, errorType(env.GetWorkflowError()))
			require.ErrorContains(t, env.GetWorkflowError(), c.want)
		})
	}
}

func FuzzCommand(f *testing.F) {
	for _, seed := range []string{`{"by": "a", "why": "b"}`, `{"by": null}`, `{"BY": "a", "why": 1}`, `[]`, `{"by": "a", "by": ["b"]}`} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, text string) {
		c := Command{By: "earlier", Why: "earlier", Step: "earlier", Choice: GiveUp, RunID: "earlier"}
		if (&c).UnmarshalJSON([]byte(text)) != nil {
			return
		}
		for _, value := range []string{c.By, c.Why, c.Step, c.Choice, c.RunID} {
			require.False(t, value == "earlier" && !strings.Contains(text, "earlier"), "a field of an earlier command: %s", text)
		}
	})
}
