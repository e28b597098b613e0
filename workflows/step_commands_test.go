package workflows

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"go.temporal.io/sdk/temporal"
	"go.temporal.io/sdk/workflow"

	"github.com/pbsmflow/pbsmflow/activities"
)

// heldStep is a step that the pipeline holds.
func heldStep(s activities.PlanStep) activities.PlanStep {
	s.Step.Hold = true
	return s
}

// failsFirst is a batch that fails the first time.
func failsFirst() func(workflow.Context, RunBatchInput) (RunBatchResult, error) {
	failed := false
	return func(ctx workflow.Context, in RunBatchInput) (RunBatchResult, error) {
		if !failed {
			failed = true
			return RunBatchResult{}, failure(BatchFailed, "it failed")
		}
		return succeeds(ctx, in)
	}
}

// The steps: ledger takes a minute, allocate and book need it and take an hour each.
func TestNightlyClose_commandsForSteps(t *testing.T) {
	usual := []activities.PlanStep{uploadStep("ledger"), batchStep("allocate", "ledger"), batchStep("book", "ledger")}
	for _, c := range []struct {
		name      string
		steps     []activities.PlanStep
		batch     func(workflow.Context, RunBatchInput) (RunBatchResult, error)
		uploads   int // that fail
		commands  []timedCommand
		state     State
		ends      map[string]State
		details   map[string]string
		took      time.Duration
		uploading time.Duration
		batches   map[string]RunBatchInput // what matters of the last start of each
	}{
		{
			name: "held and released", steps: usual,
			commands: []timedCommand{
				{after: 30 * time.Second, name: HoldCommand, Command: Command{Step: "allocate"}},
				{after: 3 * time.Hour, name: SkipCommand, Command: Command{Step: "book"}, refused: "step book has succeeded. What applies: again"},
				{after: 3 * time.Hour, name: ReleaseCommand, Command: Command{Step: "allocate"}},
			},
			state: Succeeded, ends: map[string]State{"allocate": Succeeded, "book": Succeeded}, took: 4 * time.Hour,
		},
		{
			name: "held by the pipeline, skipped", steps: []activities.PlanStep{uploadStep("ledger"), heldStep(batchStep("allocate", "ledger")), batchStep("book", "allocate")},
			commands: []timedCommand{{after: 2 * time.Hour, name: SkipCommand, Command: Command{By: "ann", Why: "not tonight", Step: "allocate"}}},
			state:    SucceededWithExceptions, ends: map[string]State{"allocate": Skipped, "book": Succeeded},
			details: map[string]string{"allocate": "skipped by ann: not tonight"}, took: 3 * time.Hour,
		},
		{
			name: "skipped before it begins", steps: usual,
			commands: []timedCommand{{after: 30 * time.Second, name: SkipCommand, Command: Command{Step: "book"}}},
			state:    SucceededWithExceptions, ends: map[string]State{"allocate": Succeeded, "book": Skipped}, took: 61 * time.Minute,
		},
		{
			name: "a batch was run outside", steps: []activities.PlanStep{uploadStep("ledger"), heldStep(batchStep("allocate", "ledger"))},
			commands: []timedCommand{
				{after: time.Hour, name: DoneCommand, refused: "done needs the run_id of allocate"},
				{after: 90 * time.Minute, name: DoneCommand, Command: Command{RunID: "NOPE"}, refused: `run "NOPE" does not belong to allocate`},
				{after: 2 * time.Hour, name: DoneCommand, Command: Command{By: "ann", Why: "run by hand", RunID: "allocate_9"}},
			},
			state: SucceededWithExceptions, ends: map[string]State{"allocate": MarkedDone}, took: 3 * time.Hour,
			details: map[string]string{"allocate": "allocate_1, run outside, as ann says: run by hand"},
			batches: map[string]RunBatchInput{"allocate": {RunID: "allocate_9"}},
		},
		{
			name: "what was to be done outside was not, and is held again", steps: []activities.PlanStep{uploadStep("ledger"), heldStep(batchStep("allocate", "ledger"))},
			batch: failsFirst(),
			commands: []timedCommand{
				{after: time.Hour, name: DoneCommand, Command: Command{RunID: "allocate_9"}},
				{after: 2 * time.Hour, name: DecideCommand, Command: Command{Step: "allocate", Choice: Retry}, refused: "step allocate waits for an operator. What applies: done, extend, release, skip"},
				{after: 3 * time.Hour, name: ReleaseCommand},
			},
			state: Succeeded, ends: map[string]State{"allocate": Succeeded}, took: 4 * time.Hour,
			batches: map[string]RunBatchInput{"allocate": {}},
		},
		{
			name: "skip answers the question about a failed upload", steps: usual, uploads: 1,
			commands: []timedCommand{{after: time.Hour, name: SkipCommand, Command: Command{By: "ann", Why: "not tonight", Step: "ledger"}}},
			state:    SucceededWithExceptions, ends: map[string]State{"ledger": Skipped, "book": Succeeded}, took: 2 * time.Hour,
			details: map[string]string{"ledger": "skipped by ann: not tonight"},
		},
		{
			name: "a failed upload was done outside", steps: usual, uploads: 1,
			commands: []timedCommand{{after: time.Hour, name: DoneCommand, Command: Command{By: "ann", Why: "sent by hand", Step: "ledger"}}},
			state:    SucceededWithExceptions, ends: map[string]State{"ledger": MarkedDone, "book": Succeeded}, took: 2 * time.Hour,
			details: map[string]string{"ledger": "marked as done by ann: sent by hand"},
		},
		{
			name: "an upload is interrupted, then retried", steps: usual,
			commands: []timedCommand{
				{after: 30 * time.Second, name: InterruptCommand, Command: Command{By: "ann", Why: "the wrong file", Step: "ledger"}},
				{after: time.Hour, name: DecideCommand, Command: Command{Step: "ledger", Choice: Retry}},
			},
			state: Succeeded, ends: map[string]State{"ledger": Succeeded}, took: 2*time.Hour + time.Minute,
		},
		{
			name: "an upload that runs is skipped", steps: usual,
			commands: []timedCommand{{after: 30 * time.Second, name: SkipCommand, Command: Command{By: "ann", Why: "it never ends", Step: "ledger"}}},
			state:    SucceededWithExceptions, ends: map[string]State{"ledger": Skipped, "book": Succeeded}, took: time.Hour,
			details: map[string]string{"ledger": "skipped by ann: it never ends"},
		},
		{
			name: "an upload that runs is marked as done, a batch that runs is not", steps: usual,
			commands: []timedCommand{
				{after: 30 * time.Second, name: DoneCommand, Command: Command{By: "ann", Why: "sent by hand", Step: "ledger"}},
				{after: 30 * time.Minute, name: SkipCommand, Command: Command{Step: "allocate"}, refused: "What applies: extend, interrupt"},
				{after: 31 * time.Minute, name: DoneCommand, Command: Command{Step: "allocate", RunID: "allocate_9"}, refused: "What applies: extend, interrupt"},
			},
			state: SucceededWithExceptions, ends: map[string]State{"ledger": MarkedDone, "book": Succeeded}, took: time.Hour,
			details: map[string]string{"ledger": "marked as done by ann: sent by hand"},
		},
		{
			name: "again from a step that has ended", steps: []activities.PlanStep{uploadStep("ledger"), batchStep("allocate", "ledger"), approveStep("check", "allocate")},
			commands: []timedCommand{
				{after: 30 * time.Minute, name: AgainCommand, Command: Command{From: []string{"ledger"}}, refused: "step allocate is running: interrupt it first"},
				{after: 30 * time.Minute, name: AgainCommand, Command: Command{Only: []string{"check"}}, refused: "step check has not begun"},
				{after: 30 * time.Minute, name: AgainCommand, Command: Command{From: []string{"x"}}, refused: `there is no step "x"; the steps are ledger, allocate, check`},
				{after: 3 * time.Hour, name: AgainCommand, Command: Command{Why: "the ledger was wrong", Only: []string{"ledger", "allocate"}}},
				{after: 5 * time.Hour, name: ApproveCommand, Command: Command{By: "bob"}},
			},
			state: Succeeded, ends: map[string]State{"ledger": Succeeded, "allocate": Succeeded, "check": Succeeded}, took: 5 * time.Hour,
			batches: map[string]RunBatchInput{"allocate": {Again: "the ledger was wrong"}},
		},
		{
			name: "again from a step, while an approval is waited for", steps: []activities.PlanStep{uploadStep("ledger"), approveStep("check", "ledger")},
			commands: []timedCommand{
				{after: time.Hour, name: AgainCommand, Command: Command{Why: "the ledger was wrong", From: []string{"ledger"}}},
				{after: 2 * time.Hour, name: ApproveCommand, Command: Command{By: "bob"}},
			},
			state: Succeeded, ends: map[string]State{"ledger": Succeeded, "check": Succeeded}, took: 2 * time.Hour,
		},
		{
			name: "again with a failed step below", steps: []activities.PlanStep{uploadStep("ledger"), batchStep("allocate", "ledger")},
			batch: failsFirst(),
			commands: []timedCommand{
				{after: 2 * time.Hour, name: AgainCommand, Command: Command{Why: "the ledger was wrong", Only: []string{"ledger"}}},
				{after: 4 * time.Hour, name: DecideCommand, Command: Command{Step: "allocate", Choice: Retry}}, // as nobody said so before
			},
			state: Succeeded, ends: map[string]State{"ledger": Succeeded, "allocate": Succeeded}, took: 5 * time.Hour,
			batches: map[string]RunBatchInput{"allocate": {}}, // the command was about the ledger only
		},
		{
			name: "again with a failed step below, which is answered at once", steps: []activities.PlanStep{uploadStep("ledger"), batchStep("allocate", "ledger")},
			batch: failsFirst(), uploading: 30 * time.Minute, // for which it waits
			commands: []timedCommand{
				{after: 2 * time.Hour, name: AgainCommand, Command: Command{Why: "the ledger was wrong", Only: []string{"ledger"}}},
				{after: 2*time.Hour + 10*time.Second, name: DecideCommand, Command: Command{Step: "allocate", Choice: Retry}},
			},
			state: Succeeded, ends: map[string]State{"ledger": Succeeded, "allocate": Succeeded}, took: 3*time.Hour + 30*time.Minute,
		},
		{
			name: "again with a step below that is between two attempts", uploads: 1, uploading: 30 * time.Minute,
			steps: []activities.PlanStep{approveStep("check"), retried(after(uploadStep("ledger"), "check"), 3, time.Hour)},
			commands: []timedCommand{
				{after: 10 * time.Minute, name: ApproveCommand, Command: Command{By: "bob"}},
				{after: time.Hour, name: AgainCommand, Command: Command{Why: "other figures", Only: []string{"check"}}},
				{after: 3 * time.Hour, name: ApproveCommand, Command: Command{By: "bob"}}, // for which it waits
			},
			state: Succeeded, ends: map[string]State{"check": Succeeded, "ledger": Succeeded}, took: 3*time.Hour + 30*time.Minute,
		},
		{
			name: "released while what it needs runs again", steps: []activities.PlanStep{uploadStep("ledger"), heldStep(batchStep("allocate", "ledger"))},
			commands: []timedCommand{
				{after: time.Hour, name: AgainCommand, Command: Command{Why: "the ledger was wrong", From: []string{"ledger"}}},
				{after: time.Hour + 10*time.Second, name: ReleaseCommand, Command: Command{Step: "allocate"}},
			},
			state: Succeeded, ends: map[string]State{"ledger": Succeeded, "allocate": Succeeded}, took: 2 * time.Hour,
		},
	} {
		t.Run(c.name, func(t *testing.T) {
			if c.batch == nil {
				c.batch = succeeds
			}
			fake := fakeSteps{env: newEnv(t), plan: plan(c.steps...), batch: c.batch, uploads: c.uploads, uploading: c.uploading, sha256: "aaaa"}
			fake.register()
			answered, refused := 0, 0
			for i, command := range c.commands {
				sendAt(t, fake.env, string(rune('a'+i)), command, &answered)
				if command.refused != "" {
					refused++
				}
			}
			fake.execute("alice")
			require.NoError(t, fake.env.GetWorkflowError())
			require.Equal(t, len(c.commands), answered)
			var result NightlyCloseResult
			require.NoError(t, fake.env.GetWorkflowResult(&result))
			require.Equal(t, c.state, result.State)
			require.WithinDuration(t, start.Add(c.took), result.EndedAt, 2*time.Minute)
			status := queryStatus(t, fake.env)
			require.Len(t, refusedEntries(t, fake.env), refused, "%v", status.Log)
			for _, s := range status.Steps {
				if want, ok := c.ends[s.ID]; ok {
					require.Equal(t, want, s.State, s.ID)
				}
				if want, ok := c.details[s.ID]; ok {
					require.Equal(t, want, s.Detail)
				}
			}
			last := map[string]RunBatchInput{}
			for _, b := range fake.batches {
				last[b.Code] = b
			}
			for code, want := range c.batches {
				require.Equal(t, want, RunBatchInput{RunID: last[code].RunID, Again: last[code].Again})
			}
		})
	}
}

// A close that succeeded runs again from a step on, or only a step.
func TestNightlyClose_again(t *testing.T) {
	steps := plan(uploadStep("ledger"), batchStep("allocate", "ledger"), batchStep("book", "allocate"))
	for name, c := range map[string]struct {
		again   AgainInput
		sent    int
		batches []string
		problem string
	}{
		"from":      {AgainInput{From: []string{"allocate"}, Reason: "new rates"}, 0, []string{"allocate", "book"}, ""},
		"only":      {AgainInput{Only: []string{"allocate"}, Reason: "new rates"}, 0, []string{"allocate"}, ""},
		"all":       {AgainInput{Reason: "new rates"}, 1, []string{"allocate", "book"}, ""},
		"unknown":   {AgainInput{From: []string{"x"}, Only: []string{"y"}, Reason: "new rates"}, 0, nil, `again.from: there is no step "x"; the steps are ledger, allocate, book; again.only: there is no step "y"`},
		"no reason": {AgainInput{}, 0, nil, "again.reason: is missing"},
		"copied":    {AgainInput{Reason: "..."}, 0, nil, "is the placeholder of an example"},
	} {
		t.Run(name, func(t *testing.T) {
			first := &fakeSteps{env: newEnv(t), plan: steps, batch: runs("_1"), sha256: "aaaa"}
			first.register()
			first.execute("alice")
			fake := &fakeSteps{env: newEnv(t), plan: steps, batch: runs("_2"), sha256: "aaaa", earlier: resultOf(t, first.env)}
			fake.register()
			fake.executeAgain("alice", &c.again)
			if c.problem != "" {
				require.Equal(t, InvalidInput, errorType(fake.env.GetWorkflowError()))
				require.ErrorContains(t, fake.env.GetWorkflowError(), c.problem)
				return
			}
			require.NoError(t, fake.env.GetWorkflowError())
			require.Len(t, fake.sent, c.sent)
			var ran []string
			for _, b := range fake.batches {
				ran = append(ran, b.Code)
				require.Equal(t, "new rates", b.Again)
			}
			require.Equal(t, c.batches, ran)
			log := queryStatus(t, fake.env).Log
			require.Equal(t, "new rates", log[0].Why)
			require.Equal(t, "alice", log[0].By)
		})
	}
}

// An interrupted step is not a cancelled one.
func TestNightlyClose_interruptIsNoCancellation(t *testing.T) {
	fake := fakeSteps{env: newEnv(t), plan: plan(uploadStep("ledger")), sha256: "aaaa"}
	fake.register()
	fake.env.RegisterDelayedCallback(func() { fake.env.SignalWorkflow(InterruptCommand, Command{By: "ann", Why: "the wrong file"}) }, 30*time.Second)
	fake.env.RegisterDelayedCallback(func() {
		status := queryStatus(t, fake.env)
		require.Equal(t, Waiting, status.State)
		require.Equal(t, "interrupted by ann: the wrong file", status.Steps[0].Detail)
		fake.env.SignalWorkflow(DecideCommand, Command{By: "ann", Why: "no other file", Choice: GiveUp})
	}, time.Hour)
	fake.execute("alice")
	require.False(t, temporal.IsCanceledError(fake.env.GetWorkflowError()))
	require.Equal(t, CloseFailed, errorType(fake.env.GetWorkflowError()))
}

// Late is not never: the question ends automatically when the file arrives.
func TestNightlyClose_lateFileEndsTheQuestion(t *testing.T) {
	ledger := uploadStep("ledger")
	ledger.Deadline = start.Add(9 * time.Hour) // without one the test environment does not repeat an activity
	fake := fakeSteps{env: newEnv(t), plan: plan(ledger), uploads: 1, arrives: 2 * time.Hour, sha256: "aaaa"}
	fake.register()
	fake.env.RegisterDelayedCallback(func() { require.Equal(t, Waiting, queryStatus(t, fake.env).State) }, time.Hour)
	fake.execute("alice")
	require.NoError(t, fake.env.GetWorkflowError())
	status := queryStatus(t, fake.env)
	require.Equal(t, Succeeded, status.State)
	require.Equal(t, LogEntry{What: "ledger: decide retry", By: "pbsmflow", Why: "inbox/ledger has arrived"},
		LogEntry{What: status.Log[0].What, By: status.Log[0].By, Why: status.Log[0].Why})
	require.WithinDuration(t, start.Add(2*time.Hour), fake.env.Now(), 5*time.Minute)
}
