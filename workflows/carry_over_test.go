package workflows

import (
	"context"
	"encoding/json"
	"testing"
	"time"

	"github.com/stretchr/testify/mock"
	"github.com/stretchr/testify/require"
	"go.temporal.io/sdk/client"
	"go.temporal.io/sdk/temporal"
	"go.temporal.io/sdk/testsuite"
	"go.temporal.io/sdk/workflow"

	"github.com/pbsmflow/pbsmflow/activities"
	"github.com/pbsmflow/pbsmflow/internal/basis"
)

// runs is a batch that succeeds as the run of an id, as RunBatch would say it.
func runs(id string) func(workflow.Context, RunBatchInput) (RunBatchResult, error) {
	return func(ctx workflow.Context, in RunBatchInput) (RunBatchResult, error) {
		return RunBatchResult{RunID: in.Code + id, State: Succeeded, Basis: in.basis(), TriggeredAt: workflow.Now(ctx)}, nil
	}
}

// resultOf is the result of a close, also if it failed.
func resultOf(t *testing.T, env *testsuite.TestWorkflowEnvironment) (text json.RawMessage) {
	t.Helper()
	var failed *temporal.ApplicationError
	if err := env.GetWorkflowError(); asError(err, &failed) {
		require.NoError(t, failed.Details(&text))
		return text
	}
	require.NoError(t, env.GetWorkflowResult(&text))
	return text
}

// startAgain runs a close, and starts it again after a change. It returns both.
func startAgain(t *testing.T, p activities.Plan, answers map[time.Duration]timedCommand, change func(*fakeSteps)) (fake *fakeSteps, first, second NightlyCloseResult) {
	t.Helper()
	run := func(earlier json.RawMessage, change func(*fakeSteps), answer timedCommand) (*fakeSteps, NightlyCloseResult, json.RawMessage) {
		f := &fakeSteps{env: newEnv(t), plan: p, batch: runs("_1"), sha256: "aaaa", earlier: earlier}
		if change != nil {
			change(f)
		}
		f.register()
		f.env.RegisterDelayedCallback(func() { f.env.SignalWorkflow(answer.name, answer.attributed()) }, 3*time.Hour)
		f.execute("alice")
		text := resultOf(t, f.env)
		var result NightlyCloseResult
		require.NoError(t, json.Unmarshal(text, &result))
		return f, result, text
	}
	_, first, earlier := run(nil, nil, answers[1])
	fake, second, _ = run(earlier, change, answers[2])
	return fake, first, second
}

func TestNightlyClose_startedAgain(t *testing.T) {
	withParam := func(value string) activities.PlanStep {
		s := batchStep("allocate", "ledger")
		s.Step.Batch.Params = map[string]string{"$RUNSK$": value}
		return s
	}
	steps := plan(uploadStep("ledger"), withParam("1"), approveStep("check", "allocate"))
	answers := map[time.Duration]timedCommand{
		1: {name: DecideCommand, Command: Command{Choice: GiveUp}},
		2: {name: ApproveCommand, Command: Command{By: "bob"}},
	}
	for name, c := range map[string]struct {
		change  func(*fakeSteps)
		sent    []string // files that are uploaded again
		batches int      // batches that are started again
	}{
		"nothing changed":          {nil, nil, 0},
		"the deadline was moved":   {func(f *fakeSteps) { f.plan.Steps[1].Deadline = start.Add(20 * time.Hour) }, nil, 0},
		"the file was corrected":   {func(f *fakeSteps) { f.sha256 = "bbbb" }, []string{"inbox/ledger"}, 1},
		"a parameter was changed":  {func(f *fakeSteps) { f.plan.Steps[1] = withParam("2") }, nil, 1},
		"another file is uploaded": {func(f *fakeSteps) { f.plan.Steps[0].Step.Upload.Name = "gl.csv" }, []string{"inbox/ledger"}, 0},
	} {
		t.Run(name, func(t *testing.T) {
			fake, first, second := startAgain(t, steps, answers, c.change)
			require.Equal(t, Failed, first.State)
			require.Equal(t, Succeeded, second.State)
			require.Equal(t, c.sent, fake.sent)
			require.Len(t, fake.batches, c.batches)
			for i, s := range second.Steps[:2] {
				ran := i == 0 && len(c.sent) > 0 || i == 1 && c.batches > 0
				require.Equal(t, !ran, !s.KeptFrom.IsZero(), s.ID)
				if !ran {
					require.Equal(t, first.Steps[i].EndedAt.UTC(), s.KeptFrom.UTC())
					require.Contains(t, queryStatus(t, fake.env).Steps[i].Detail, "kept from Sun 2026-11-01 ")
				}
			}
			for _, b := range fake.batches {
				require.Equal(t, "ledger", b.Needs[0].Step)
				require.Equal(t, "SHA-256 "+fake.sha256, b.Needs[0].Result)
			}
			require.Equal(t, "approved by bob", queryStatus(t, fake.env).Steps[2].Detail)
		})
	}
}

// What an operator skipped, or marked as done, does not run in a later start of the close, unless it is to run again.
func TestNightlyClose_keepsDecisionsOfAnOperator(t *testing.T) {
	extra, held := batchStep("extra"), heldStep(batchStep("held"))
	byHand := uploadStep("byhand")
	byHand.Step.Needs = []string{"ledger"}
	ended := func(id, kind string, state State, result, decision string) StepResult {
		return StepResult{ID: id, Kind: kind, State: state, Result: result, Decision: decision, EndedAt: start.Add(-time.Hour)}
	}
	earlier := NightlyCloseResult{State: SucceededWithExceptions, Steps: []StepResult{
		ended("ledger", "upload", Succeeded, "SHA-256 aaaa", ""),
		ended("extra", "batch", Skipped, "skipped", "skipped by bob: must not run tonight"),
		ended("held", "batch", Skipped, "skipped", "skipped by bob: must not run tonight"),
		ended("byhand", "upload", MarkedDone, "marked as done by bob", "marked as done by bob: sent by hand"),
		ended("left", "batch", Skipped, "skipped", ""), // as the pipeline says
	}}
	earlier.Steps[0].Upload = &FileResult{FileID: "7", SHA256: "aaaa"}
	release := &timedCommand{name: ReleaseCommand, Command: Command{Step: "byhand"}}
	for name, c := range map[string]struct {
		again   *AgainInput
		sha256  string
		answer  *timedCommand
		sent    []string
		batches []string
		states  []State
	}{
		"another step runs again": {
			again: &AgainInput{From: []string{"left"}, Reason: "corrected"}, sha256: "aaaa",
			sent: []string{"inbox/ledger"}, batches: []string{"left"}, states: []State{Succeeded, Skipped, Skipped, MarkedDone, Succeeded},
		},
		"the close is started again": {
			sha256: "aaaa",
			sent:   []string{"inbox/ledger"}, batches: []string{"left"}, states: []State{Succeeded, Skipped, Skipped, MarkedDone, Succeeded},
		},
		"only another step runs again": {
			again: &AgainInput{Only: []string{"ledger"}, Reason: "corrected"}, sha256: "aaaa",
			sent: []string{"inbox/ledger"}, states: []State{Succeeded, Skipped, Skipped, MarkedDone, Skipped},
		},
		"the skipped step runs again": {
			again: &AgainInput{Only: []string{"extra"}, Reason: "needed after all"}, sha256: "aaaa",
			batches: []string{"extra"}, states: []State{Succeeded, Succeeded, Skipped, MarkedDone, Skipped},
		},
		"what a step needs that was marked as done has changed, and the operator releases it": {
			sha256: "bbbb", answer: release,
			sent: []string{"inbox/ledger", "inbox/byhand"}, batches: []string{"left"},
			states: []State{Succeeded, Skipped, Skipped, Succeeded, Succeeded},
		},
	} {
		t.Run(name, func(t *testing.T) {
			text, err := json.Marshal(earlier)
			require.NoError(t, err)
			f := fakeSteps{env: newEnv(t), batch: runs("_2"), sha256: c.sha256, earlier: text,
				plan: plan(uploadStep("ledger"), extra, held, byHand, batchStep("left"))}
			f.register()
			if c.answer != nil {
				f.env.RegisterDelayedCallback(func() {
					question := queryStatus(t, f.env).Question
					require.NotNil(t, question)
					require.Contains(t, question.Why, "byhand: held by pbsmflow: marked as done by bob: sent by hand, but what it needs has changed since")
					f.env.SignalWorkflow(c.answer.name, c.answer.attributed())
				}, time.Hour)
			}
			f.executeAgain("alice", c.again)
			require.NoError(t, f.env.GetWorkflowError())
			require.Equal(t, c.sent, f.sent)
			var batches []string
			for _, b := range f.batches {
				batches = append(batches, b.Code)
			}
			require.Equal(t, c.batches, batches)
			var result NightlyCloseResult
			require.NoError(t, f.env.GetWorkflowResult(&result))
			var states []State
			for _, s := range result.Steps {
				states = append(states, s.State)
			}
			require.Equal(t, c.states, states)
			require.Equal(t, SucceededWithExceptions, result.State)
			require.Equal(t, earlier.Steps[2].Decision, result.Steps[2].Decision, "for the start after that")
			require.Contains(t, queryStatus(t, f.env).Steps[2].Detail, "kept from Sun 2026-11-01 ")
			require.Contains(t, queryStatus(t, f.env).Steps[2].Detail, "skipped by bob: must not run tonight")
		})
	}
}

// A result of an earlier start that cannot be read holds nothing that could be kept, and the log says so.
func TestNightlyClose_unreadableEarlierResult(t *testing.T) {
	for name, fake := range map[string]fakeSteps{
		"no result":            {earlier: json.RawMessage(`{"steps": 7}`)},
		"a worker cannot tell": {unreadable: "nondeterministic workflow"},
	} {
		t.Run(name, func(t *testing.T) {
			fake.env, fake.plan = newEnv(t), plan(uploadStep("ledger"))
			fake.register()
			fake.execute("alice")
			require.NoError(t, fake.env.GetWorkflowError())
			require.Equal(t, []string{"inbox/ledger"}, fake.sent)
			require.Contains(t, queryStatus(t, fake.env).Log[0].What, "the earlier start 8d1e cannot be read, so nothing is kept")
		})
	}
}

// Two closes share a batch: the second one joins it, and shows its question, but only if it is the same.
func TestNightlyClose_joinsARunningBatch(t *testing.T) {
	for name, c := range map[string]struct {
		running string // the $RUNSK$ of the batch that runs
		state   State
		detail  string
	}{
		"the same":          {"1", Succeeded, "allocate_7"},
		"another parameter": {"2", Waiting, `params.$RUNSK$ was "2", and is "1"`},
	} {
		t.Run(name, func(t *testing.T) {
			step := batchStep("allocate")
			step.Step.Batch.Params = map[string]string{"$RUNSK$": "1"}
			fake := fakeSteps{env: newEnv(t), plan: plan(step), batch: succeeds}
			fake.register()
			basis := RunBatchInput{Connection: "prod", Code: "allocate", AsOfDate: "2026-10-31", Params: map[string]string{"$RUNSK$": c.running}}.basis()
			running, err := json.Marshal(Status{State: Waiting, Summary: "it failed", StartedBy: "carol", StartedAt: start, Basis: basis, Question: &Question{Why: "it failed"}})
			require.NoError(t, err)
			ended, err := json.Marshal(RunBatchResult{RunID: "allocate_7", State: Succeeded, Basis: basis})
			require.NoError(t, err)
			fake.env.RegisterActivityWithOptions(func(_ context.Context, in activities.AwaitWorkflowInput) (activities.AwaitedWorkflow, error) {
				switch {
				case in.Known.State == "":
					return activities.AwaitedWorkflow{Status: running}, nil
				case fake.env.Now().Before(start.Add(2 * time.Hour)):
					return activities.AwaitedWorkflow{}, temporal.NewApplicationErrorWithOptions("still", activities.StillWaiting,
						temporal.ApplicationErrorOptions{NextRetryDelay: time.Hour, Category: temporal.ApplicationErrorCategoryBenign})
				}
				return activities.AwaitedWorkflow{Result: ended}, nil
			}, activityName("AwaitWorkflow"))
			fake.env.OnWorkflow(RunBatchType, mock.Anything, mock.Anything).Return(RunBatchResult{}, &temporal.ChildWorkflowExecutionAlreadyStartedError{})
			fake.env.RegisterDelayedCallback(func() {
				status := queryStatus(t, fake.env)
				require.Equal(t, Waiting, status.State)
				require.Contains(t, status.Log[0].What, "joined batch/prod/allocate/2026-10-31, started by carol on Sun 2026-11-01 ")
				require.Equal(t, Waiting, status.Steps[0].State, "it waits, wherever that is")
				require.NotNil(t, status.Steps[0].Question)
			}, time.Hour)
			fake.env.RegisterDelayedCallback(func() {
				if c.state == Waiting {
					require.Contains(t, queryStatus(t, fake.env).Question.Why, c.detail)
					fake.env.SignalWorkflow(DecideCommand, Command{By: "bob", Why: "seen", Choice: Skip})
				}
			}, 4*time.Hour)
			fake.execute("alice")
			require.NoError(t, fake.env.GetWorkflowError())
			if c.state == Succeeded {
				require.Equal(t, c.detail, queryStatus(t, fake.env).Steps[0].Detail)
			}
		})
	}
}

// earlierSuccess is the result of an earlier start of the batch, with other parameters.
func earlierSuccess(params map[string]string) json.RawMessage {
	in := input
	in.Params = params
	text, err := json.Marshal(RunBatchResult{
		RunID: runID, RunIDs: []string{runID}, State: Succeeded, Basis: in.basis(),
		TriggeredAt: start.Add(-time.Hour), EndedAt: start.Add(-time.Minute),
	})
	if err != nil {
		panic(err)
	}
	return text
}

// An earlier start of a batch succeeded, or runs still, but was based on something else.
func TestRunBatch_earlierRunBasedOnSomethingElse(t *testing.T) {
	same, other := earlierSuccess(nil), earlierSuccess(map[string]string{"$RUNSK$": "2"})
	for name, c := range map[string]struct {
		earlier  activities.EarlierSubmission
		answer   string
		triggers int
		question string
		kept     bool
	}{
		"the same, kept":              {activities.EarlierSubmission{RunID: runID, Status: "Completed", Result: same}, "", 0, "", true},
		"another, submitted again":    {activities.EarlierSubmission{RunID: runID, Status: "Completed", Result: other}, Again, 1, `params.$RUNSK$ was "2", and is not set`, false},
		"another, kept":               {activities.EarlierSubmission{RunID: runID, Status: "Completed", Result: other}, Keep, 0, `params.$RUNSK$ was "2", and is not set`, true},
		"unknown, kept":               {activities.EarlierSubmission{RunID: runID, Status: "Completed"}, Keep, 0, "what it was based on is not known", false},
		"terminated, its run goes on": {activities.EarlierSubmission{RunID: runID, Status: "Terminated"}, Keep, 0, "is still running as " + runID, false},
	} {
		t.Run(name, func(t *testing.T) {
			env := newEnv(t)
			ends := []stretch{{"0", 0}}
			if c.earlier.Status == "Terminated" {
				ends = []stretch{{"0", 5 * time.Hour}}
			}
			service := fakeService{env: env, started: env.Now(), triggers: []func() (activities.Run, error){accepted}, ends: ends, earlier: c.earlier}
			service.register()
			env.SetStartWorkflowOptions(client.StartWorkflowOptions{ID: input.WorkflowID()})
			if c.answer != "" {
				env.RegisterDelayedCallback(func() {
					status := queryStatus(t, env)
					require.Equal(t, Waiting, status.State)
					require.Contains(t, status.Question.Why, c.question)
					env.SignalWorkflow(DecideCommand, Command{By: "ann", Why: "seen", Choice: c.answer})
				}, time.Hour)
			}
			env.ExecuteWorkflow(RunBatch, input)
			require.NoError(t, env.GetWorkflowError())
			require.Equal(t, c.triggers, service.calls["trigger"])
			var result RunBatchResult
			require.NoError(t, env.GetWorkflowResult(&result))
			require.Equal(t, runID, result.RunID)
			require.Equal(t, c.kept, !result.KeptFrom.IsZero())
			require.Equal(t, input.basis(), result.Basis)
		})
	}
}

// A close that was terminated leaves its uploads running. The next start takes their results only if they still hold.
func TestNightlyClose_joinsTheUploadOfAnEarlierStart(t *testing.T) {
	steps := plan(uploadStep("ledger"))
	ofEarlier := func(basis basis.Basis) json.RawMessage {
		text, err := json.Marshal(NightlyCloseResult{Steps: []StepResult{{ID: "ledger", Kind: "upload", State: Running, StartedAt: start, StepOutcome: StepOutcome{Basis: basis}}}})
		require.NoError(t, err)
		return text
	}
	probe := &fakeSteps{env: newEnv(t), plan: steps, sha256: "aaaa"}
	probe.register()
	probe.execute("alice")
	var first NightlyCloseResult
	require.NoError(t, json.Unmarshal(resultOf(t, probe.env), &first))
	same := first.Steps[0].Basis
	for name, c := range map[string]struct {
		basis basis.Basis
		now   string // the SHA-256 of the file
		sent  int
	}{
		"the same":               {same, "aaaa", 0},
		"the file was replaced":  {same, "bbbb", 1},
		"the step was changed":   {basis.Basis{Definition: []basis.Setting{{Name: "file", Value: "inbox/other"}}}, "aaaa", 1},
		"nobody knows its basis": {basis.Basis{}, "aaaa", 1},
	} {
		t.Run(name, func(t *testing.T) {
			fake := &fakeSteps{env: newEnv(t), plan: steps, sha256: c.now, earlier: ofEarlier(c.basis)}
			fake.register()
			left, err := json.Marshal(FileResult{File: "inbox/ledger", FileID: "6", SHA256: "aaaa"})
			require.NoError(t, err)
			fake.env.RegisterActivityWithOptions(func(context.Context, activities.AwaitWorkflowInput) (activities.AwaitedWorkflow, error) {
				return activities.AwaitedWorkflow{Result: left}, nil
			}, activityName("AwaitWorkflow"))
			fake.env.OnWorkflow(UploadFileType, mock.Anything, mock.Anything).Return(FileResult{}, &temporal.ChildWorkflowExecutionAlreadyStartedError{}).Once()
			sent := 0
			fake.env.OnWorkflow(UploadFileType, mock.Anything, mock.Anything).Return(func(workflow.Context, UploadFileInput) (FileResult, error) {
				sent++
				return FileResult{File: "inbox/ledger", FileID: "7", SHA256: c.now}, nil
			})
			fake.execute("alice")
			require.NoError(t, fake.env.GetWorkflowError())
			require.Equal(t, c.sent, sent)
			var result NightlyCloseResult
			require.NoError(t, json.Unmarshal(resultOf(t, fake.env), &result))
			require.Equal(t, "SHA-256 "+c.now, result.Steps[0].Result)
		})
	}
}

// A command for a step that has not begun comes too late while its file is compared: it would be lost.
func TestNightlyClose_commandsWhileAFileIsCompared(t *testing.T) {
	for name, c := range map[string]struct {
		command string
		refused bool
		state   State
	}{
		"skip":      {SkipCommand, false, Skipped},
		"hold":      {HoldCommand, true, Succeeded},
		"interrupt": {InterruptCommand, false, Failed},
	} {
		t.Run(name, func(t *testing.T) {
			first := &fakeSteps{env: newEnv(t), plan: plan(uploadStep("ledger")), sha256: "aaaa"}
			first.register()
			first.execute("alice")
			fake := &fakeSteps{env: newEnv(t), plan: plan(uploadStep("ledger")), sha256: "aaaa", earlier: resultOf(t, first.env)}
			fake.compares = func() error {
				fake.env.SignalWorkflow(c.command, Command{By: "ann", Why: "not tonight", Step: "ledger"})
				time.Sleep(100 * time.Millisecond) // it takes effect once it is verified, which takes an activity of its own
				if c.refused {
					return nil
				}
				return temporal.NewCanceledError()
			}
			fake.register()
			var giveUp func()
			giveUp = func() {
				if queryStatus(t, fake.env).State != Waiting {
					fake.env.RegisterDelayedCallback(giveUp, time.Hour)
					return
				}
				fake.env.SignalWorkflow(DecideCommand, Command{By: "ann", Why: "seen", Choice: GiveUp})
			}
			if c.state == Failed {
				fake.env.RegisterDelayedCallback(giveUp, time.Hour)
			}
			fake.execute("alice")
			require.Len(t, refusedEntries(t, fake.env), map[bool]int{true: 1, false: 0}[c.refused])
			require.Empty(t, fake.sent)
			require.Equal(t, c.state, queryStatus(t, fake.env).Steps[0].State)
		})
	}
}
