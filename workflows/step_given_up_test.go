package workflows

import (
	"context"
	"encoding/json"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"go.temporal.io/sdk/client"
	"go.temporal.io/sdk/workflow"

	"github.com/pbsmflow/pbsmflow/activities"
)

// askingBatch is a batch that asks something the first time until it is given up, and then succeeds. Its close sends it
// commands, which it refuses if refuses is set.
type askingBatch struct {
	choices []string
	refuses bool
	givenUp atomic.Bool
	starts  []RunBatchInput
	sent    []activities.SendCommandInput
}

func (b *askingBatch) run(ctx workflow.Context, in RunBatchInput) (RunBatchResult, error) {
	if in.Code != "allocate" {
		return succeeds(ctx, in)
	}
	b.starts = append(b.starts, in)
	if len(b.starts) > 1 {
		return succeeds(ctx, in)
	}
	reportQuestion(ctx, b.choices)
	for !b.givenUp.Load() {
		if err := workflow.Sleep(ctx, time.Minute); err != nil {
			return RunBatchResult{}, err
		}
	}
	return RunBatchResult{RunID: "allocate_1", State: Failed}, failure(GivenUp, "given up: it failed")
}

// reportQuestion has the batch's close know that it asks something.
func reportQuestion(ctx workflow.Context, choices []string) {
	info := workflow.GetInfo(ctx)
	report := stepState{
		WorkflowID: info.WorkflowExecution.ID, Sequence: 1, State: Waiting, Summary: "it failed",
		Question: &Question{Why: "it failed", Choices: choices, Since: workflow.Now(ctx)},
	}
	parent := info.ParentWorkflowExecution
	_ = workflow.SignalExternalWorkflow(ctx, parent.ID, parent.RunID, stepStateSignal, report).Get(ctx, nil)
}

// unknownChoices are those of a batch whose submission may or may not have been carried out.
var unknownChoices = []string{DecideCommand + " " + Adopt, DecideCommand + " " + NothingStarted, DecideCommand + " " + GiveUp}

func (b *askingBatch) send(_ context.Context, in activities.SendCommandInput) (json.RawMessage, error) {
	b.sent = append(b.sent, in)
	if b.refuses {
		return nil, failure(CommandRefused, "allocate runs again")
	}
	b.givenUp.Store(true)
	return json.RawMessage(`{}`), nil
}

// The steps: ledger takes a minute, allocate asks after two, book needs it and takes an hour.
func TestNightlyClose_commandsAfterAFailedRun(t *testing.T) {
	fromLedger := Command{By: "ann", Why: "the ledger was wrong", From: []string{"ledger"}}
	for _, c := range []struct {
		name     string
		choices  []string // runChoices if empty
		refuses  bool
		commands []timedCommand
		ends     map[string]State // of a close that is cancelled in the end, if nothing else ended it
		details  map[string]string
		partOf   string // of the give_up that was sent
		starts   []RunBatchInput
		uploads  int
	}{
		{
			name: "skip", partOf: SkipCommand, uploads: 1, starts: []RunBatchInput{{}},
			commands: []timedCommand{{after: time.Hour, name: SkipCommand, Command: Command{By: "ann", Why: "not tonight", Step: "allocate"}}},
			ends:     map[string]State{"allocate": Skipped, "book": Succeeded},
			details:  map[string]string{"allocate": "skipped by ann: not tonight"},
		},
		{
			name: "done on the service's screens", partOf: DoneCommand, uploads: 1, starts: []RunBatchInput{{}, {RunID: "allocate_9"}},
			commands: []timedCommand{
				{after: time.Hour, name: DoneCommand, Command: Command{Step: "allocate"}, refused: "done needs the run_id of allocate"},
				{after: time.Hour, name: DoneCommand, Command: Command{Step: "allocate", RunID: "NOPE"}, refused: "does not belong to allocate"},
				{after: time.Hour, name: DoneCommand, Command: Command{By: "ann", Why: "Oracle reran it", Step: "allocate", RunID: "allocate_9"}},
			},
			ends:    map[string]State{"allocate": MarkedDone, "book": Succeeded},
			details: map[string]string{"allocate": "allocate_1, run outside, as ann says: Oracle reran it"},
		},
		{
			name: "again with what is above", partOf: AgainCommand, uploads: 2, starts: []RunBatchInput{{}, {Again: "the ledger was wrong"}},
			commands: []timedCommand{{after: time.Hour, name: AgainCommand, Command: fromLedger}},
			ends:     map[string]State{"ledger": Succeeded, "allocate": Succeeded, "book": Succeeded},
		},
		{
			name: "again, alone", partOf: AgainCommand, uploads: 1, starts: []RunBatchInput{{}, {Again: "x"}},
			commands: []timedCommand{{after: time.Hour, name: AgainCommand, Command: Command{By: "ann", Why: "x", Only: []string{"allocate"}}}},
			ends:     map[string]State{"allocate": Succeeded, "book": Succeeded},
		},
		{
			name: "again of what is above alone is no word for the batch", uploads: 1, starts: []RunBatchInput{{}},
			commands: []timedCommand{{
				after: time.Hour, name: AgainCommand, Command: Command{Only: []string{"ledger"}},
				refused: "step allocate waits for an operator: run it again as well (from), skip it, or give it up first",
			}},
			ends: map[string]State{"ledger": Succeeded, "allocate": Cancelled},
		},
		{
			name: "the outcome is unknown", choices: unknownChoices, uploads: 1, starts: []RunBatchInput{{}},
			commands: []timedCommand{
				{after: time.Hour, name: SkipCommand, Command: Command{Step: "allocate"}, refused: "What applies: decide adopt, decide give_up, decide nothing_started, extend"},
				{after: time.Hour, name: DoneCommand, Command: Command{Step: "allocate", RunID: "allocate_9"}, refused: "What applies: decide adopt"},
				{after: time.Hour, name: AgainCommand, Command: fromLedger, refused: "step allocate waits for an operator: answer its question (decide adopt"},
				{after: time.Hour, name: AgainCommand, Command: Command{Only: []string{"allocate"}}, refused: "answer its question (decide adopt"},
			},
			ends: map[string]State{"ledger": Succeeded, "allocate": Cancelled},
		},
		{
			name: "the batch does not wait any more", refuses: true, partOf: AgainCommand, uploads: 1, starts: []RunBatchInput{{}},
			commands: []timedCommand{
				{after: time.Hour, name: SkipCommand, Command: Command{Step: "allocate"}, refused: "allocate runs again"},
				{after: 2 * time.Hour, name: AgainCommand, Command: fromLedger, refused: "allocate: allocate runs again"},
			},
			ends: map[string]State{"ledger": Succeeded, "allocate": Cancelled},
		},
	} {
		t.Run(c.name, func(t *testing.T) {
			batch := &askingBatch{choices: c.choices, refuses: c.refuses}
			if c.choices == nil {
				batch.choices = runChoices
			}
			steps := plan(uploadStep("ledger"), batchStep("allocate", "ledger"), batchStep("book", "allocate"))
			fake := fakeSteps{env: newEnv(t), plan: steps, batch: batch.run, sha256: "aaaa"}
			fake.register()
			fake.env.RegisterActivityWithOptions(batch.send, activityName("SendCommand"))
			answered := 0
			for i, command := range c.commands {
				sendAt(t, fake.env, string(rune('a'+i)), command, &answered)
			}
			fake.env.RegisterDelayedCallback(fake.env.CancelWorkflow, 9*time.Hour)
			fake.execute("alice")
			require.Equal(t, len(c.commands), answered)
			require.Len(t, fake.sent, c.uploads)
			for _, s := range queryStatus(t, fake.env).Steps {
				if want, ok := c.ends[s.ID]; ok {
					require.Equal(t, want, s.State, s.ID)
				}
				if want, ok := c.details[s.ID]; ok {
					require.Equal(t, want, s.Detail)
				}
			}
			var starts []RunBatchInput
			for _, s := range batch.starts {
				starts = append(starts, RunBatchInput{RunID: s.RunID, Again: s.Again})
			}
			require.Equal(t, c.starts, starts)
			if c.partOf == "" {
				require.Empty(t, batch.sent)
				return
			}
			last := batch.sent[len(batch.sent)-1]
			require.Equal(t, DecideCommand, last.Update)
			require.Equal(t, GiveUp, last.Command.(map[string]any)["choice"])
			require.Equal(t, c.partOf, last.Command.(map[string]any)["part_of"])
		})
	}
}

// A batch gives up a run for its close only after it has failed, and where names are proved, only for what was signed.
func TestRunBatch_givesUpForItsClose(t *testing.T) {
	part := Command{By: "ann", Why: "not tonight", Choice: GiveUp, PartOf: SkipCommand}
	for _, c := range []struct {
		name     string
		triggers []func() (activities.Run, error)
		signed   string // the command of which the proof is
		refused  string
	}{
		{name: "after a failure", triggers: []func() (activities.Run, error){accepted}, signed: SkipCommand},
		{name: "another command was signed", triggers: []func() (activities.Run, error){accepted}, signed: HoldCommand, refused: `command: the proof is for "hold", not for "skip"`},
		{
			name: "the outcome is unknown", triggers: []func() (activities.Run, error){outcomeUnknown}, signed: SkipCommand,
			refused: "does not wait after a run that failed",
		},
	} {
		t.Run(c.name, func(t *testing.T) {
			env := newEnv(t)
			service := fakeService{env: env, triggers: c.triggers, ends: []stretch{{"-1", time.Minute}}}
			service.register()
			signer := withKeys(t, env, true)
			whole := part
			whole.Choice, whole.PartOf = "", ""
			command := part
			command.Proof = signed(t, signer, c.signed, whole, nil, closeID, input.WorkflowID()).Proof
			env.SetStartWorkflowOptions(client.StartWorkflowOptions{ID: input.WorkflowID()})
			answered := 0
			sendAt(t, env, "a", timedCommand{after: 10 * time.Minute, name: DecideCommand, Command: command, refused: c.refused}, &answered)
			env.RegisterDelayedCallback(env.CancelWorkflow, time.Hour)
			env.ExecuteWorkflow(RunBatch, input)
			require.Equal(t, 1, answered)
			require.Equal(t, c.refused == "", errorType(env.GetWorkflowError()) == GivenUp)
		})
	}
}
