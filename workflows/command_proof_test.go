package workflows

import (
	"context"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"go.temporal.io/sdk/client"
	"go.temporal.io/sdk/testsuite"
	"go.temporal.io/sdk/workflow"

	"github.com/pbsmflow/pbsmflow/activities"
	"github.com/pbsmflow/pbsmflow/internal/config"
	"github.com/pbsmflow/pbsmflow/internal/proof"
)

const closeID = "close/prod/nightly/2026-10-31"

// withKeys has the commands verified by a worker that has the public key of the signer it returns.
func withKeys(t *testing.T, env *testsuite.TestWorkflowEnvironment, required bool) *proof.Signer {
	t.Helper()
	private, public, err := proof.NewKey()
	require.NoError(t, err)
	path := filepath.Join(t.TempDir(), "pbsm.yaml")
	require.NoError(t, os.WriteFile(path, fmt.Appendf(nil, `
connections:
  prod: {base_url: "https://h.example/t", token_url: "https://h.example/o", tenant_id: t, service_id: s, remote_user: u,
         client_id: i, client_secret: s, username: u, password: p}
commands: {require_proof: %t, keys: {console: %s}}
`, required, public), 0o600))
	cfg, err := config.Load(path, nil)
	require.NoError(t, err)
	acts, err := activities.New(t.Context(), cfg, nil, client.MetricsNopHandler)
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, acts.Close()) })
	env.RegisterActivityWithOptions(acts.VerifyCommand, activityName("VerifyCommand"))
	signer, err := proof.NewSigner(private)
	require.NoError(t, err)
	return signer
}

// signed is a command with a proof, of somebody in some groups, for workflows.
func signed(t *testing.T, s *proof.Signer, name string, c Command, groups []string, audience ...string) Command {
	t.Helper()
	token, err := s.Sign(proof.Claims{
		Who: c.By, Groups: groups, Audience: audience, Statement: (&command{name: name, Command: c}).statement(),
	})
	require.NoError(t, err)
	c.Proof = token
	return c
}

// Whatever an operator can say in a command is signed, so that nobody can change it on its way.
func TestCommand_everyFieldIsSigned(t *testing.T) {
	c := reflect.ValueOf(Command{
		Why: "loaded", Step: "ledger", Choice: Adopt, RunID: "ALLOC_1", Until: "90m",
		From: []string{"ledger"}, Only: []string{"profit"}, Asked: time.Unix(1, 0),
	})
	signed := reflect.ValueOf((&command{name: DecideCommand, Command: c.Interface().(Command)}).statement())
	for i, field := range reflect.VisibleFields(c.Type()) {
		if !field.IsExported() || slices.Contains([]string{"By", "PartOf", "Proof"}, field.Name) {
			continue // By is the subject of the proof, PartOf is what a close adds
		}
		require.False(t, c.Field(i).IsZero(), "give the field %s a value above", field.Name)
		same := signed.FieldByName(field.Name)
		require.True(t, same.IsValid(), "%s is not a field of proof.Statement", field.Name)
		require.Equal(t, c.Field(i).Interface(), same.Interface(), "%s is not signed", field.Name)
	}
}

// logged is the first entry of the log that contains a text.
func logged(t *testing.T, env *testsuite.TestWorkflowEnvironment, text string) LogEntry {
	t.Helper()
	for _, e := range queryStatus(t, env).Log {
		if strings.Contains(e.What, text) {
			return e
		}
	}
	require.Fail(t, "not in the log: "+text)
	return LogEntry{}
}

func TestProof_provesTheName(t *testing.T) {
	fake := fakeSteps{env: newEnv(t), plan: plan(uploadStep("a"), approveStep("ok", "a"))}
	fake.register()
	signer := withKeys(t, fake.env, false)
	approval := signed(t, signer, ApproveCommand, Command{By: "carol", Why: "figures agree", Step: "ok"}, nil, closeID)
	hold := Command{By: "dave", Why: "later", Step: "ok"}
	fake.env.RegisterDelayedCallback(func() {
		fake.env.SignalWorkflow(HoldCommand, hold)
		fake.env.SignalWorkflow(ReleaseCommand, hold)
	}, time.Second)
	fake.env.RegisterDelayedCallback(func() { fake.env.SignalWorkflow(ApproveCommand, approval) }, time.Hour)
	fake.execute("alice")
	require.NoError(t, fake.env.GetWorkflowError())
	require.Equal(t, new(true), logged(t, fake.env, "ok: approve").Proved)
	require.Equal(t, new(false), logged(t, fake.env, "ok: hold").Proved)
	require.Equal(t, "dave (unproved)", logged(t, fake.env, "ok: release").Who(), "commands keep their order")
	require.Equal(t, new(false), queryStatus(t, fake.env).StartedByProved)
	var result NightlyCloseResult
	require.NoError(t, fake.env.GetWorkflowResult(&result))
	require.Equal(t, "carol (proved)", result.Steps[1].Approvals[0].Who())
	require.Equal(t, []string{"alice"}, result.Starters)
}

func TestProof_attacksHaveNoEffectAndAreLogged(t *testing.T) {
	private, _, err := proof.NewKey()
	require.NoError(t, err)
	stranger, err := proof.NewSigner(private)
	require.NoError(t, err)
	step := Command{By: "carol", Why: "figures agree", Step: "ok"}
	for _, c := range []struct {
		name    string
		attack  func(t *testing.T, s *proof.Signer) Command
		command string
		want    string
	}{
		{name: "forged with another key", attack: func(t *testing.T, _ *proof.Signer) Command {
			return signed(t, stranger, ApproveCommand, step, nil, closeID)
		}, want: "not in commands.keys"},
		{name: "no signature", attack: func(*testing.T, *proof.Signer) Command {
			c := step
			c.Proof = "eyJhbGciOiJub25lIn0.eyJzdWIiOiJjYXJvbCJ9."
			return c
		}, want: "not a compact JWS signed with EdDSA"},
		{name: "another workflow's", attack: func(t *testing.T, s *proof.Signer) Command {
			return signed(t, s, ApproveCommand, step, nil, "close/prod/nightly/2026-10-30")
		}, want: "workflow: the proof is for close/prod/nightly/2026-10-30"},
		{name: "another command's", attack: func(t *testing.T, s *proof.Signer) Command {
			return signed(t, s, HoldCommand, step, nil, closeID)
		}, want: `command: the proof is for "hold"`},
		{name: "another step's", attack: func(t *testing.T, s *proof.Signer) Command {
			c := signed(t, s, ApproveCommand, Command{By: "carol", Why: step.Why, Step: "other"}, nil, closeID)
			c.Step = "ok"
			return c
		}, want: `step: the proof is for "other", not for "ok"`},
		{name: "another reason", attack: func(t *testing.T, s *proof.Signer) Command {
			c := signed(t, s, ApproveCommand, step, nil, closeID)
			c.Why = "whatever"
			return c
		}, want: "why: "},
		{name: "another name", attack: func(t *testing.T, s *proof.Signer) Command {
			c := signed(t, s, ApproveCommand, step, nil, closeID)
			c.By = "erin"
			return c
		}, want: `by: the proof is for "carol", not for "erin"`},
		{name: "another choice", attack: func(t *testing.T, s *proof.Signer) Command {
			c := signed(t, s, DecideCommand, Command{By: "carol", Why: step.Why, Step: "ok", Choice: Retry}, nil, closeID)
			c.Choice = GiveUp
			return c
		}, command: DecideCommand, want: "choice: "},
		{name: "none, where one is required", attack: func(*testing.T, *proof.Signer) Command { return step },
			want: "has no proof of who sent it, which commands.require_proof demands: send it through the console"},
		{name: "none, to cancel", attack: func(*testing.T, *proof.Signer) Command { return Command{By: "carol", Why: "x"} },
			command: CancelCommand, want: "commands.require_proof"},
		{name: "none, to move the deadline", attack: func(*testing.T, *proof.Signer) Command {
			return Command{By: "carol", Why: "x", Until: "9h"}
		}, command: ExtendCommand, want: "commands.require_proof"},
	} {
		t.Run(c.name, func(t *testing.T) {
			fake := fakeSteps{env: newEnv(t), plan: plan(approveStep("ok"), approveStep("other"))}
			fake.register()
			signer := withKeys(t, fake.env, true)
			name := c.command
			if name == "" {
				name = ApproveCommand
			}
			var answer error
			fake.env.RegisterDelayedCallback(func() {
				fake.env.SignalWorkflow(name, c.attack(t, signer))
				fake.env.UpdateWorkflow(name, "update", &testsuite.TestUpdateCallback{
					OnAccept: func() {}, OnReject: func(error) {}, OnComplete: func(_ any, err error) { answer = err },
				}, c.attack(t, signer))
			}, time.Hour)
			fake.env.RegisterDelayedCallback(func() {
				status := queryStatus(t, fake.env)
				require.Equal(t, Waiting, status.State)
				require.Len(t, refusedEntries(t, fake.env), 2)
				for _, entry := range status.Log {
					require.Equal(t, "refused", entry.Event)
					require.Equal(t, new(false), entry.Proved)
					require.Contains(t, entry.What, c.want)
				}
				require.ErrorContains(t, answer, c.want)
				fake.env.CancelWorkflow()
			}, 2*time.Hour)
			fake.execute("alice")
		})
	}
}

func TestProof_isGoodForOneCommand(t *testing.T) {
	fake := fakeSteps{env: newEnv(t), plan: plan(approveStep("ok"))}
	fake.register()
	signer := withKeys(t, fake.env, true)
	refusedOnce := signed(t, signer, ReleaseCommand, Command{By: "carol", Why: "now", Step: "ok"}, nil, closeID)
	fake.env.RegisterDelayedCallback(func() {
		for range 3 {
			fake.env.SignalWorkflow(ReleaseCommand, refusedOnce) // the first one does not apply
		}
	}, time.Hour)
	fake.env.RegisterDelayedCallback(func() {
		refused := refusedEntries(t, fake.env)
		require.Len(t, refused, 3)
		require.Contains(t, refused[0], "release does not apply")
		require.Contains(t, refused[1], "its proof was used before")
		require.Contains(t, refused[2], "its proof was used before")
		fake.env.CancelWorkflow()
	}, 2*time.Hour)
	fake.execute("alice")
}

// A command that names several steps at once is from the same person for each of them.
func TestProof_ofACommandToAll(t *testing.T) {
	steps := expanded("ok", 0, approveStep("ok-a"), approveStep("ok-b"))
	fake := fakeSteps{env: newEnv(t), plan: plan(steps...)}
	fake.register()
	signer := withKeys(t, fake.env, false)
	fake.env.RegisterDelayedCallback(func() {
		extend := Command{By: "carol", Why: "the controllers meet", Step: "ok", Until: "2030-01-01T00:00:00Z"}
		fake.env.SignalWorkflow(ExtendCommand, signed(t, signer, ExtendCommand, extend, nil, closeID))
		approve := Command{By: "carol", Why: "figures agree", Step: "ok"}
		fake.env.SignalWorkflow(ApproveCommand, signed(t, signer, ApproveCommand, approve, nil, closeID))
	}, time.Hour)
	fake.execute("alice")
	for _, text := range []string{"ok-a: approve", "ok-b: approve", "ok-a: extend", "ok-b: extend"} {
		require.Equal(t, new(true), logged(t, fake.env, text).Proved, text)
	}
}

// An answer to a question that is not open any more answers no other one.
func TestCommand_answersTheQuestionThatItNames(t *testing.T) {
	fake := fakeSteps{env: newEnv(t), plan: plan(uploadStep("a"), groupApproval("ok", 2, "a"))}
	fake.register()
	signer := withKeys(t, fake.env, false)
	approve := func(name string, asked time.Time) {
		c := Command{By: name, Why: "figures agree", Step: "ok", Asked: asked}
		fake.env.SignalWorkflow(ApproveCommand, signed(t, signer, ApproveCommand, c, []string{"controllers"}, closeID))
	}
	var first time.Time
	fake.env.RegisterDelayedCallback(func() {
		first = queryStatus(t, fake.env).Steps[1].Question.Asked()
		fake.env.SignalWorkflow(AgainCommand, Command{By: "erin", Why: "the ledger was wrong", From: []string{"a"}})
	}, time.Hour)
	fake.env.RegisterDelayedCallback(func() { approve("carol", first) }, 2*time.Hour)
	fake.env.RegisterDelayedCallback(func() {
		require.Contains(t, refusedEntries(t, fake.env)[0], "the question that approve answers is not open any more")
		second := queryStatus(t, fake.env).Steps[1].Question.Asked()
		require.NotEqual(t, first, second)
		approve("carol", second)
		approve("dave", second) // what is asked after the first approval is the same question
	}, 3*time.Hour)
	fake.execute("alice")
	require.NoError(t, fake.env.GetWorkflowError())
	require.Len(t, refusedEntries(t, fake.env), 1)
}

// A command that a close forwards is for both of them, and the step's workflow does not know the id of the step.
func TestProof_ofAForwardedCommand(t *testing.T) {
	env := newEnv(t)
	signer := withKeys(t, env, true)
	service := fakeService{env: env, triggers: []func() (activities.Run, error){accepted}, ends: []stretch{{"-1", time.Minute}, {"0", time.Minute}}}
	service.register()
	env.SetStartWorkflowOptions(client.StartWorkflowOptions{ID: input.WorkflowID()})
	restart := Command{By: "carol", Why: "rates reloaded", Step: "allocate"}
	env.RegisterDelayedCallback(func() {
		env.SignalWorkflow(RestartCommand, signed(t, signer, RestartCommand, restart, nil, closeID))
		env.SignalWorkflow(RestartCommand, signed(t, signer, RestartCommand, restart, nil, closeID, input.WorkflowID()))
	}, time.Hour)
	env.ExecuteWorkflow(RunBatch, input)
	require.NoError(t, env.GetWorkflowError())
	require.Equal(t, 1, service.calls["restart"])
	require.Len(t, refusedEntries(t, env), 1)
}

// groupApproval is a step that members of a group must approve.
func groupApproval(id string, of int, needs ...string) activities.PlanStep {
	s := approveStep(id, needs...)
	s.Step.Approve.By, s.Step.Approve.Of = []string{"controllers", "cfo"}, of
	return s
}

func TestApprove_byTwoOfAGroup(t *testing.T) {
	fake := fakeSteps{env: newEnv(t), plan: plan(groupApproval("ok", 2), after(uploadStep("a"), "ok"))}
	fake.register()
	signer := withKeys(t, fake.env, false)
	group := []string{"controllers"}
	approve := func(name string, groups []string) Command {
		return signed(t, signer, ApproveCommand, Command{By: name, Why: "figures agree", Step: "ok"}, groups, closeID)
	}
	answered := 0
	for i, c := range []timedCommand{
		{after: time.Hour, name: SkipCommand, Command: Command{By: "erin", Step: "ok"}, refused: "skip does not apply"},
		{after: time.Hour, name: DoneCommand, Command: Command{By: "erin", Step: "ok"}, refused: "done does not apply"},
		{after: time.Hour, name: ApproveCommand, Command: Command{By: "carol", Step: "ok"}, refused: "needs a proved name: approve it on the console"},
		{after: time.Hour, name: ApproveCommand, Command: approve("erin", []string{"ops"}), refused: "erin is not in controllers or cfo"},
		{after: time.Hour, name: ApproveCommand, Command: approve("alice", group), refused: "alice started this close"},
		{after: 2 * time.Hour, name: ApproveCommand, Command: approve("carol", group)},
		{after: 3 * time.Hour, name: ApproveCommand, Command: approve("Carol", group), refused: "Carol has approved step ok already"},
		{after: 4 * time.Hour, name: ApproveCommand, Command: approve("dave", []string{"ops", "cfo"})},
	} {
		sendAt(t, fake.env, fmt.Sprint(i), c, &answered)
	}
	fake.env.RegisterDelayedCallback(func() {
		require.Equal(t, "looks right?; 2 of controllers or cfo must approve", queryStatus(t, fake.env).Steps[0].Question.Why)
	}, 90*time.Minute)
	fake.env.RegisterDelayedCallback(func() {
		require.Equal(t, "looks right?; approved by carol; 1 more of controllers or cfo must approve", queryStatus(t, fake.env).Steps[0].Question.Why)
	}, 150*time.Minute)
	fake.execute("alice")
	require.NoError(t, fake.env.GetWorkflowError())
	require.Equal(t, 8, answered)
	var result NightlyCloseResult
	require.NoError(t, fake.env.GetWorkflowResult(&result))
	require.Equal(t, []string{"carol", "dave"}, names(result.Steps[0].Approvals, func(e LogEntry) string { return e.By }))
	require.Contains(t, result.Steps[0].Result, "approved by carol and dave on ")
}

// Whoever starts a close again, or a part of it, cannot be one of those whose approval it keeps.
func TestApprove_isNotKeptForWhoStartsAgain(t *testing.T) {
	group := []string{"controllers"}
	run := func(startedBy string, earlier []byte, again *AgainInput, approver string) *fakeSteps {
		fake := &fakeSteps{env: newEnv(t), plan: plan(groupApproval("ok", 1), after(uploadStep("a"), "ok")), sha256: "aaaa", earlier: earlier}
		fake.register()
		signer := withKeys(t, fake.env, false)
		if approver != "" {
			c := signed(t, signer, ApproveCommand, Command{By: approver, Why: "figures agree", Step: "ok"}, group, closeID)
			fake.env.RegisterDelayedCallback(func() { fake.env.SignalWorkflow(ApproveCommand, c) }, time.Hour)
		}
		fake.env.RegisterDelayedCallback(func() { fake.env.CancelWorkflow() }, 2*time.Hour)
		fake.executeAgain(startedBy, again)
		return fake
	}
	first := run("alice", nil, nil, "carol")
	earlier := resultOf(t, first.env)
	kept := run("erin", earlier, &AgainInput{From: []string{"a"}, Reason: "late file"}, "")
	require.NoError(t, kept.env.GetWorkflowError())

	dropped := run("carol", earlier, &AgainInput{From: []string{"a"}, Reason: "late file"}, "alice")
	require.Contains(t, logged(t, dropped.env, "no longer holds").What, "carol, who approved, has started the close since")
	require.Contains(t, logged(t, dropped.env, "approve refused").What, "alice started this close", "the first time")
	require.Error(t, dropped.env.GetWorkflowError())

	only := run("carol", earlier, &AgainInput{Only: []string{"a"}, Reason: "late file"}, "")
	require.ErrorContains(t, only.env.GetWorkflowError(), "carol approved step ok, and whoever starts a close cannot")
}

func TestStart_withAProof(t *testing.T) {
	again := &AgainInput{From: []string{"a"}, Reason: "late file"}
	for _, c := range []struct {
		name    string
		again   *AgainInput
		signed  bool
		change  func(*NightlyCloseInput)
		earlier time.Duration // from when the proof was signed to an earlier start
		later   time.Duration // from then to this start: a worker may take it much later
		want    string
	}{
		{name: "proved", signed: true},
		{name: "unproved", want: "the start by carol is refused: it has no proof of who sent it"},
		{name: "again, proved", again: again, signed: true, earlier: -time.Hour},
		{name: "again, unproved", again: again, want: "has no proof of who sent it"},
		{name: "again with other steps", again: again, signed: true, change: func(in *NightlyCloseInput) {
			in.Again = &AgainInput{Reason: again.Reason}
		}, want: "input: "},
		{name: "by another name", signed: true, change: func(in *NightlyCloseInput) { in.StartedBy = "erin" }, want: "by: "},
		{name: "with a stolen proof", signed: true, later: time.Hour, want: "the proof expired"},
		{name: "with the proof of an earlier start", signed: true, earlier: time.Second, want: "signed at"},
	} {
		t.Run(c.name, func(t *testing.T) {
			fake := fakeSteps{env: newEnv(t), plan: plan(uploadStep("a"))}
			fake.register()
			signer := withKeys(t, fake.env, true)
			in := NightlyCloseInput{Connection: "prod", Pipeline: "nightly", AsOfDate: "2026-10-31", StartedBy: "carol", Again: c.again}
			if c.signed {
				token, err := signer.Sign(proof.Claims{
					Who: "carol", Audience: []string{closeID},
					Statement: proof.Statement{Command: StartProof, Why: in.Why(), Input: in.Digest()},
				})
				require.NoError(t, err)
				in.Proof = token
			}
			if c.change != nil {
				c.change(&in)
			}
			fake.env.SetStartTime(time.Now().Add(c.later))
			found := activities.EarlierClose{}
			if c.earlier != 0 {
				found.StartedAt = time.Now().Add(c.earlier)
			}
			fake.env.RegisterActivityWithOptions(func(context.Context, activities.EarlierCloseInput) (activities.EarlierClose, error) {
				return found, nil
			}, activityName("EarlierClose"))
			fake.env.SetStartWorkflowOptions(client.StartWorkflowOptions{ID: in.WorkflowID()})
			fake.env.ExecuteWorkflow(NightlyClose, in)
			if c.want != "" {
				require.ErrorContains(t, fake.env.GetWorkflowError(), c.want)
				require.Equal(t, activities.StartRefused, errorType(fake.env.GetWorkflowError()))
				require.Empty(t, fake.sent)
				return
			}
			require.NoError(t, fake.env.GetWorkflowError())
			require.Equal(t, &c.signed, queryStatus(t, fake.env).StartedByProved)
		})
	}
}

// What a schedule or a close starts needs no proof of its own, and a batch that was started alone is refused, also under
// another id.
func TestStart_ofAnotherWorkflow(t *testing.T) {
	scheduled := func(ctx workflow.Context, in NightlyCloseInput) error {
		ctx = workflow.WithChildOptions(ctx, workflow.ChildWorkflowOptions{WorkflowID: closeID})
		return workflow.ExecuteChildWorkflow(ctx, NightlyClose, in).Get(ctx, nil)
	}
	in := NightlyCloseInput{Connection: "prod", Pipeline: "nightly", AsOfDate: "2026-10-31", StartedBy: "carol"}
	withDefault := in
	withDefault.Params = map[string]string{"scenario": "7"} // which is the default, so that it runs under the other id
	for name, c := range map[string]struct {
		workflow any
		input    NightlyCloseInput
		want     string
	}{
		"a signed close under the id with a default": {NightlyClose, withDefault, ""},
		"a close of a schedule":                      {scheduled, in, ""},
		"a close alone":                              {NightlyClose, in, "the start by carol is refused"},
		"what says that it is no such":               {scheduled, NightlyCloseInput{Connection: "prod", Pipeline: "nightly", AsOfDate: "2026-10-31", Delegated: true}, "the start is refused"},
	} {
		t.Run(name, func(t *testing.T) {
			fake := fakeSteps{env: newEnv(t), plan: plan(uploadStep("a"))}
			fake.register()
			fake.env.RegisterWorkflow(scheduled)
			fake.env.RegisterWorkflow(NightlyClose)
			signer := withKeys(t, fake.env, true)
			fake.env.SetStartWorkflowOptions(client.StartWorkflowOptions{ID: "anything"}) // a close alone is delegated
			if len(c.input.Params) > 0 {
				token, err := signer.Sign(proof.Claims{
					Who: "carol", Audience: []string{c.input.WorkflowID()},
					Statement: proof.Statement{Command: StartProof, Why: c.input.Why(), Input: c.input.Digest()},
				})
				require.NoError(t, err)
				c.input.Proof = token
			}
			fake.env.ExecuteWorkflow(c.workflow, c.input)
			if c.want == "" {
				require.NoError(t, fake.env.GetWorkflowError())
				return
			}
			require.ErrorContains(t, fake.env.GetWorkflowError(), c.want)
			require.Empty(t, fake.sent)
		})
	}
}

// Nobody can tell who started an earlier run that cannot be read: one person more must approve, also when the close runs
// again after that.
func TestApprove_byOneMoreWhereAStarterIsUnknown(t *testing.T) {
	group := []string{"controllers"}
	run := func(fake fakeSteps, again *AgainInput) json.RawMessage {
		fake.env, fake.plan = newEnv(t), plan(groupApproval("ok", 1))
		fake.register()
		signer := withKeys(t, fake.env, false)
		for i, name := range []string{"carol", "dave"} {
			c := signed(t, signer, ApproveCommand, Command{By: name, Why: "figures agree", Step: "ok"}, group, closeID)
			fake.env.RegisterDelayedCallback(func() {
				why := queryStatus(t, fake.env).Steps[0].Question.Why
				require.Contains(t, why, fmt.Sprintf("%d ", 2-i))
				require.Contains(t, why, "one more than usual, since it is not known who started the earlier run 8d1e of this close")
				fake.env.SignalWorkflow(ApproveCommand, c)
			}, time.Duration(i+1)*time.Hour)
		}
		fake.executeAgain("alice", again)
		require.NoError(t, fake.env.GetWorkflowError())
		var result NightlyCloseResult
		require.NoError(t, fake.env.GetWorkflowResult(&result))
		require.Len(t, result.Steps[0].Approvals, 2)
		require.Equal(t, "8d1e", result.UnknownStarter)
		return resultOf(t, fake.env)
	}
	earlier := run(fakeSteps{unreadable: "nondeterministic workflow"}, nil)
	run(fakeSteps{earlier: earlier}, &AgainInput{Reason: "late file"})
}

// after makes a step need another one.
func after(s activities.PlanStep, needs ...string) activities.PlanStep {
	s.Step.Needs = needs
	return s
}
