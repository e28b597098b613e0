package workflows

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/mock"
	"github.com/stretchr/testify/require"
	"go.temporal.io/sdk/activity"
	"go.temporal.io/sdk/client"
	"go.temporal.io/sdk/converter"
	"go.temporal.io/sdk/temporal"
	"go.temporal.io/sdk/testsuite"
	"go.temporal.io/sdk/workflow"

	"github.com/pbsmflow/pbsmflow/activities"
	"github.com/pbsmflow/pbsmflow/internal/audit"
	"github.com/pbsmflow/pbsmflow/internal/pipeline"
)

// fakeNight stands in for the workflows of the steps; NightlyClose itself is real.
type fakeNight struct {
	env     *testsuite.TestWorkflowEnvironment
	plan    activities.Plan
	uploads int // fail so many times before an upload succeeds
	batch   func(ctx workflow.Context, in RunBatchInput) (RunBatchResult, error)
	batches []RunBatchInput
	running int // uploads at once, at most
}

func (f *fakeNight) register() {
	f.env.RegisterActivityWithOptions(func(context.Context, activities.PreparePipelineInput) (*activities.Plan, error) { return &f.plan, nil }, activityName("PreparePipeline"))
	at := 0
	f.env.RegisterWorkflowWithOptions(func(ctx workflow.Context, in UploadFileInput) (FileResult, error) {
		at++
		f.running = max(f.running, at)
		err := workflow.Sleep(ctx, time.Minute)
		at--
		if f.uploads > 0 {
			f.uploads--
			return FileResult{}, failure(activities.FileMissing, in.File+" is not in its store")
		}
		return FileResult{File: in.File, FileID: "7", Rows: 3, EndedAt: workflow.Now(ctx)}, err
	}, workflow.RegisterOptions{Name: UploadFileType})
	f.env.RegisterWorkflowWithOptions(func(ctx workflow.Context, in RunBatchInput) (RunBatchResult, error) {
		f.batches = append(f.batches, in)
		return f.batch(ctx, in)
	}, workflow.RegisterOptions{Name: RunBatchType})
}

func succeeds(ctx workflow.Context, in RunBatchInput) (RunBatchResult, error) {
	return RunBatchResult{RunID: in.Code + "_1", State: Succeeded}, workflow.Sleep(ctx, time.Hour)
}

func plan(steps ...activities.PlanStep) activities.Plan {
	return activities.Plan{Name: "nightly", Steps: steps}
}

func uploadStep(id string) activities.PlanStep {
	return activities.PlanStep{Kind: pipeline.KindUpload, Step: pipeline.Step{ID: id, Upload: &pipeline.Upload{File: "inbox/" + id}}}
}

func without(s activities.PlanStep, missing pipeline.OnMissing) activities.PlanStep {
	s.Step.Upload.OnMissing = missing
	return s
}

func batchStep(id string, needs ...string) activities.PlanStep {
	return activities.PlanStep{Kind: pipeline.KindBatch, Step: pipeline.Step{ID: id, Needs: needs, Batch: &pipeline.Batch{Code: id}}}
}

func approveStep(id string, needs ...string) activities.PlanStep {
	return activities.PlanStep{Kind: pipeline.KindApprove, Step: pipeline.Step{ID: id, Needs: needs, Approve: &pipeline.Approve{Message: "looks right?"}}}
}

func TestNightlyClose(t *testing.T) {
	gaveUp := func(workflow.Context, RunBatchInput) (RunBatchResult, error) {
		return RunBatchResult{}, failure(GivenUp, "given up", RunBatchResult{RunID: "r1", State: Failed})
	}
	for _, c := range []struct {
		name     string
		night    fakeNight
		commands []timedCommand
		cancel   time.Duration
		state    State
		steps    map[string]State
	}{
		{
			name:  "steps run as soon as what they need is done, side by side where they may",
			night: fakeNight{plan: plan(uploadStep("a"), uploadStep("b"), batchStep("c", "a", "b")), batch: succeeds},
			state: Succeeded,
			steps: map[string]State{"a": Succeeded, "b": Succeeded, "c": Succeeded},
		},
		{
			name:  "a failed step waits for an operator and is done again",
			night: fakeNight{plan: plan(uploadStep("a"), batchStep("c", "a")), batch: succeeds, uploads: 1},
			commands: []timedCommand{
				{after: time.Hour, name: DecideCommand, Command: Command{Choice: Retry, Step: "c"}, refused: "step c is pending"},
				{after: time.Hour, name: DecideCommand, Command: Command{Choice: Retry, Step: "x"}, refused: "the steps are a, c"},
				{after: time.Hour, name: RestartCommand, refused: "no step takes restart now"},
				{after: time.Hour, name: DecideCommand, Command: Command{Choice: Retry}},
			},
			state: Succeeded,
			steps: map[string]State{"a": Succeeded, "c": Succeeded},
		},
		{
			name:     "a failed step is skipped, and the night goes on",
			night:    fakeNight{plan: plan(uploadStep("a"), batchStep("c", "a")), batch: succeeds, uploads: 9},
			commands: []timedCommand{{after: time.Hour, name: DecideCommand, Command: Command{Choice: Skip, Step: "a", Why: "came by mail"}}},
			state:    Succeeded,
			steps:    map[string]State{"a": Skipped, "c": Succeeded},
		},
		{
			name:  "a file that does not come is done without, where the pipeline says so",
			night: fakeNight{plan: plan(without(uploadStep("a"), pipeline.SkipStep), batchStep("c", "a")), batch: succeeds, uploads: 9},
			state: Succeeded,
			steps: map[string]State{"a": Skipped, "c": Succeeded},
		},
		{
			name:  "a file that does not come fails its step, where the pipeline says so",
			night: fakeNight{plan: plan(without(uploadStep("a"), pipeline.FailStep), batchStep("c", "a")), batch: succeeds, uploads: 9},
			state: Failed,
			steps: map[string]State{"a": Failed, "c": NotRun},
		},
		{
			name:  "what needs a step that was given up is not run; the rest is",
			night: fakeNight{plan: plan(batchStep("c"), batchStep("d", "c"), uploadStep("a")), batch: gaveUp},
			state: Failed,
			steps: map[string]State{"c": Failed, "d": NotRun, "a": Succeeded},
		},
		{
			name:  "one person starts, another approves",
			night: fakeNight{plan: plan(uploadStep("a"), approveStep("ok", "a"), batchStep("c", "ok")), batch: succeeds},
			commands: []timedCommand{
				{after: time.Second, name: ApproveCommand, Command: Command{By: "bob"}, refused: "no step takes approve now"},
				{after: time.Hour, name: ApproveCommand, Command: Command{By: "alice"}, refused: "somebody else must approve"},
				{after: time.Hour, name: ApproveCommand, refused: "needs the name"},
				{after: time.Hour, name: ApproveCommand, Command: Command{By: "bob"}},
			},
			state: Succeeded,
			steps: map[string]State{"a": Succeeded, "ok": Succeeded, "c": Succeeded},
		},
		{
			name:   "cancelled",
			night:  fakeNight{plan: plan(uploadStep("a"), batchStep("c", "a"), uploadStep("z")), batch: succeeds},
			cancel: 10 * time.Minute,
			state:  Cancelled,
			steps:  map[string]State{"a": Succeeded, "c": Cancelled, "z": Succeeded},
		},
	} {
		t.Run(c.name, func(t *testing.T) {
			night := c.night
			night.env = newEnv(t)
			night.register()
			in := NightlyCloseInput{Connection: "prod", Pipeline: "nightly", AsOfDate: "2026-10-31", StartedBy: "alice"}
			night.env.SetStartWorkflowOptions(client.StartWorkflowOptions{ID: CloseWorkflowID("prod", "nightly", "2026-10-31")})
			answered := 0
			for i, s := range c.commands {
				sendAt(t, night.env, fmt.Sprint(i), s, &answered)
			}
			if c.cancel > 0 {
				night.env.RegisterDelayedCallback(night.env.CancelWorkflow, c.cancel)
			}
			night.env.ExecuteWorkflow(NightlyClose, in)
			require.True(t, night.env.IsWorkflowCompleted())

			status := queryStatus(t, night.env)
			require.Equal(t, c.state, status.State, status.Summary)
			require.Equal(t, c.cancel > 0, temporal.IsCanceledError(night.env.GetWorkflowError()))
			seen := map[string]State{}
			for _, s := range status.Steps {
				seen[s.ID] = s.State
			}
			require.Equal(t, c.steps, seen)
			require.Equal(t, len(c.commands), answered)
			for _, b := range night.batches {
				require.Equal(t, "2026-10-31", b.AsOfDate)
			}
			if len(night.plan.Steps) > 1 && night.plan.Steps[1].Step.ID == "b" {
				require.Equal(t, 2, night.running)
			}
		})
	}
}

// What became of the runs of a cancelled close reaches whoever awaits it.
func TestACancelledCloseSaysWhatBecameOfItsRuns(t *testing.T) {
	const said = "cancelled; c_1 could not be interrupted and may still run"
	night := fakeNight{env: newEnv(t), plan: plan(batchStep("c")), batch: func(ctx workflow.Context, _ RunBatchInput) (RunBatchResult, error) {
		_ = workflow.Sleep(ctx, time.Hour)
		return RunBatchResult{}, temporal.NewCanceledError(RunBatchResult{RunID: "c_1", State: Cancelled, Log: []LogEntry{{What: said}}})
	}}
	night.register()
	in := NightlyCloseInput{Connection: "prod", Pipeline: "nightly", AsOfDate: "2026-10-31"}
	night.env.SetStartWorkflowOptions(client.StartWorkflowOptions{ID: in.WorkflowID()})
	night.env.RegisterDelayedCallback(night.env.CancelWorkflow, time.Minute)
	night.env.ExecuteWorkflow(NightlyClose, in)
	var cancelled *temporal.CanceledError
	require.True(t, asError(night.env.GetWorkflowError(), &cancelled))
	var result NightlyCloseResult
	require.NoError(t, cancelled.Details(&result))
	require.Equal(t, Cancelled, result.State)
	require.Equal(t, said, result.Steps[0].Error)
	require.Equal(t, said, queryStatus(t, night.env).Steps[0].Detail)
}

// A word to a close that is being cancelled is not answered with "canceled", as if the word were.
func TestAWordToACloseThatIsBeingCancelled(t *testing.T) {
	night := fakeNight{env: newEnv(t), plan: plan(batchStep("c")), batch: func(ctx workflow.Context, _ RunBatchInput) (RunBatchResult, error) {
		_ = workflow.Sleep(ctx, 10*time.Hour)
		stopping, _ := workflow.NewDisconnectedContext(ctx)
		_ = workflow.Sleep(stopping, time.Hour)
		return RunBatchResult{}, temporal.NewCanceledError(RunBatchResult{RunID: "c_1", State: Cancelled})
	}}
	night.register()
	in := NightlyCloseInput{Connection: "prod", Pipeline: "nightly", AsOfDate: "2026-10-31"}
	night.env.SetStartWorkflowOptions(client.StartWorkflowOptions{ID: in.WorkflowID()})
	night.env.RegisterDelayedCallback(night.env.CancelWorkflow, time.Minute)
	answered := 0
	sendAt(t, night.env, "late", timedCommand{after: 2 * time.Minute, name: InterruptCommand, refused: "is being cancelled"}, &answered)
	night.env.ExecuteWorkflow(NightlyClose, in)
	require.Equal(t, 1, answered)
	require.True(t, temporal.IsCanceledError(night.env.GetWorkflowError()))
}

// Somebody cancels the batch's own workflow: the close goes on, and asks with the words of the batch.
func TestABatchThatIsCancelledByItselfAsks(t *testing.T) {
	const said = "cancelled; c_1 ended as Interrupted"
	night := fakeNight{env: newEnv(t), plan: plan(batchStep("c")), batch: func(workflow.Context, RunBatchInput) (RunBatchResult, error) {
		return RunBatchResult{}, temporal.NewCanceledError(RunBatchResult{RunID: "c_1", State: Cancelled, Log: []LogEntry{{What: said}}})
	}}
	night.register()
	in := NightlyCloseInput{Connection: "prod", Pipeline: "nightly", AsOfDate: "2026-10-31"}
	night.env.SetStartWorkflowOptions(client.StartWorkflowOptions{ID: in.WorkflowID()})
	night.env.RegisterDelayedCallback(func() {
		require.Equal(t, said, queryStatus(t, night.env).Steps[0].Question.Why)
		night.env.SignalWorkflow(DecideCommand, Command{By: "alice", Choice: GiveUp})
	}, time.Hour)
	night.env.ExecuteWorkflow(NightlyClose, in)
	require.Equal(t, CloseFailed, errorType(night.env.GetWorkflowError()))
}

// A step is called late until it ends, not for the rest of the night.
func TestAStepThatEndedIsLateNoMore(t *testing.T) {
	ledger, allocate := batchStep("ledger"), batchStep("allocate", "ledger")
	ledger.Deadline, allocate.Deadline = start.Add(61*time.Minute), start.Add(130*time.Minute)
	night := fakeNight{env: newEnv(t), plan: plan(ledger, allocate), batch: succeeds}
	night.register()
	in := NightlyCloseInput{Connection: "prod", Pipeline: "nightly", AsOfDate: "2026-10-31"}
	night.env.SetStartWorkflowOptions(client.StartWorkflowOptions{ID: in.WorkflowID()})
	var seen []string
	for _, after := range []time.Duration{50 * time.Minute, 70 * time.Minute, 119 * time.Minute} {
		night.env.RegisterDelayedCallback(func() { seen = append(seen, queryStatus(t, night.env).AtRisk) }, after)
	}
	night.env.ExecuteWorkflow(NightlyClose, in)
	require.NoError(t, night.env.GetWorkflowError())
	seen = append(seen, queryStatus(t, night.env).AtRisk)
	require.Equal(t, []string{
		"at risk: step ledger has not ended, and its deadline is 2026-11-01T02:01:00Z", "",
		"at risk: step allocate has not ended, and its deadline is 2026-11-01T03:10:00Z", "",
	}, seen)
}

func TestABurstOfWordsToAStepActsOnce(t *testing.T) {
	night := fakeNight{env: newEnv(t), plan: plan(uploadStep("a")), uploads: 1}
	night.register()
	in := NightlyCloseInput{Connection: "prod", Pipeline: "nightly", AsOfDate: "2026-10-31"}
	night.env.SetStartWorkflowOptions(client.StartWorkflowOptions{ID: in.WorkflowID()})
	night.env.RegisterDelayedCallback(func() {
		for range 5 {
			night.env.SignalWorkflow(DecideCommand, Command{By: "alice", Choice: Retry})
		}
	}, time.Hour)
	night.env.ExecuteWorkflow(NightlyClose, in)
	require.NoError(t, night.env.GetWorkflowError())
	acted := 0
	for _, entry := range queryStatus(t, night.env).Log {
		if entry.What == "a: decide retry" {
			acted++
		}
	}
	require.Equal(t, 1, acted)
}

func TestACloseWithAnApprovalNeedsItsStarter(t *testing.T) {
	night := fakeNight{env: newEnv(t), plan: plan(approveStep("ok"))}
	night.register()
	in := NightlyCloseInput{Connection: "prod", Pipeline: "nightly", AsOfDate: "2026-10-31", StartedBy: " "}
	night.env.SetStartWorkflowOptions(client.StartWorkflowOptions{ID: in.WorkflowID()})
	night.env.ExecuteWorkflow(NightlyClose, in)
	require.Equal(t, InvalidInput, errorType(night.env.GetWorkflowError()))
	require.ErrorContains(t, night.env.GetWorkflowError(), "step ok")
}

func TestASecondCloseTakesUpABatchThatIsThere(t *testing.T) {
	night := fakeNight{env: newEnv(t), plan: plan(batchStep("c")), batch: func(workflow.Context, RunBatchInput) (RunBatchResult, error) {
		return RunBatchResult{}, nil
	}}
	night.register()
	night.env.RegisterActivityWithOptions(func(_ context.Context, in activities.AwaitWorkflowInput) (json.RawMessage, error) {
		return json.RawMessage(`{"run_id": "c_1", "state": "succeeded", "workflow_id": "` + in.WorkflowID + `"}`), nil
	}, activityName("AwaitWorkflow"))
	night.env.OnWorkflow(RunBatchType, mock.Anything, mock.Anything).Return(RunBatchResult{}, &temporal.ChildWorkflowExecutionAlreadyStartedError{})
	night.env.SetStartWorkflowOptions(client.StartWorkflowOptions{ID: "close/prod/nightly/2026-10-31"})
	night.env.ExecuteWorkflow(NightlyClose, NightlyCloseInput{Connection: "prod", Pipeline: "nightly", AsOfDate: "2026-10-31"})
	require.NoError(t, night.env.GetWorkflowError())
	var result NightlyCloseResult
	require.NoError(t, night.env.GetWorkflowResult(&result))
	require.Equal(t, "c_1", result.Steps[0].Batch.RunID)
	require.Equal(t, "batch/prod/c/2026-10-31", result.Steps[0].Batch.WorkflowID)
}

// A batch that somebody else started may have no deadline; the step has.
func TestAStepEndsAtItsDeadlineAlsoWithABatchOfSomebodyElse(t *testing.T) {
	step := batchStep("c")
	step.Deadline = start.Add(2 * time.Hour)
	night := fakeNight{env: newEnv(t), plan: plan(step)}
	night.register()
	night.env.RegisterActivityWithOptions(func(context.Context, activities.AwaitWorkflowInput) (json.RawMessage, error) {
		if night.env.Now().After(start.Add(5 * time.Hour)) {
			return json.RawMessage(`{"state": "succeeded"}`), nil
		}
		return nil, temporal.NewApplicationErrorWithOptions("goes on", activities.StillWaiting, temporal.ApplicationErrorOptions{
			NextRetryDelay: time.Hour, Category: temporal.ApplicationErrorCategoryBenign,
		})
	}, activityName("AwaitWorkflow"))
	night.env.OnWorkflow(RunBatchType, mock.Anything, mock.Anything).Return(RunBatchResult{}, &temporal.ChildWorkflowExecutionAlreadyStartedError{})
	in := NightlyCloseInput{Connection: "prod", Pipeline: "nightly", AsOfDate: "2026-10-31"}
	night.env.SetStartWorkflowOptions(client.StartWorkflowOptions{ID: in.WorkflowID()})
	night.env.ExecuteWorkflow(NightlyClose, in)
	require.Equal(t, CloseFailed, errorType(night.env.GetWorkflowError()))
	require.LessOrEqual(t, night.env.Now().Sub(start), 2*time.Hour)
	status := queryStatus(t, night.env).Steps[0]
	require.Equal(t, Failed, status.State)
	require.Equal(t, "the deadline passed before batch/prod/c/2026-10-31, which was started elsewhere, had ended", status.Detail)
}

// Temporal takes no result beyond 2 MB: a close with many long batches could not end.
func TestTheResultOfALargeCloseFits(t *testing.T) {
	large := plan()
	for i := range 300 {
		large.Steps = append(large.Steps, batchStep(fmt.Sprintf("s%03d", i)))
	}
	night := fakeNight{env: newEnv(t), plan: large, batch: func(_ workflow.Context, in RunBatchInput) (RunBatchResult, error) {
		return RunBatchResult{RunID: in.Code + "_1", State: Succeeded, Tasks: slices.Repeat([]Task{{Code: "ALLOCATE_INTEREST_EXPENSE", StatusCode: "0", Status: "SUCCESSFUL"}}, 120)}, nil
	}}
	night.register()
	in := NightlyCloseInput{Connection: "prod", Pipeline: "nightly", AsOfDate: "2026-10-31"}
	night.env.SetStartWorkflowOptions(client.StartWorkflowOptions{ID: in.WorkflowID()})
	night.env.ExecuteWorkflow(NightlyClose, in)
	require.NoError(t, night.env.GetWorkflowError())
	var result NightlyCloseResult
	require.NoError(t, night.env.GetWorkflowResult(&result))
	text, err := json.Marshal(result)
	require.NoError(t, err)
	require.Less(t, len(text), 2<<20)
	require.Len(t, result.Steps, 300)
	require.Equal(t, "s299_1", result.Steps[299].Batch.RunID)
}

func TestTheAuditTellsWhatHappened(t *testing.T) {
	for _, c := range []struct {
		name     string
		uploads  int // that fail before one succeeds
		batch    func(ctx workflow.Context, in RunBatchInput) (RunBatchResult, error)
		commands []timedCommand
		cancel   time.Duration
		broken   bool // the store takes nothing
		state    State
		want     []string // event, step, what, by, outcome
	}{
		{
			name: "a failed attempt, a person's word, and what came of it", uploads: 1, state: Succeeded,
			batch: func(ctx workflow.Context, in RunBatchInput) (RunBatchResult, error) {
				return RunBatchResult{Code: in.Code, RunIDs: []string{"c_1"}, State: Succeeded, StatusCode: "0", Log: []LogEntry{{At: workflow.Now(ctx), What: "trigger accepted as c_1"}}}, nil
			},
			commands: []timedCommand{{after: time.Hour, name: DecideCommand, Command: Command{Choice: Retry, By: "bob", Why: "mended"}}},
			want: []string{
				"close_started by alice", "step_started a inbox/a", "step_failed a inbox/a is not in its store",
				"noted a: decide retry by bob", "file_sent a inbox/a 7", "step_ended a file id 7, 3 rows = succeeded",
				"step_started c c", "call c trigger accepted as c_1", "run_ended c c = succeeded c_1", "step_ended c", "close_ended every step is done = succeeded",
			},
		},
		{
			name: "cancelled", batch: succeeds, cancel: 10 * time.Minute, state: Cancelled,
			want: []string{"close_started", "file_sent a", "step_started c", "step_ended c", "close_ended cancelled: c cancelled = cancelled"},
		},
		{name: "the store is gone", batch: succeeds, broken: true, state: Succeeded, want: []string{"close_ended"}},
	} {
		t.Run(c.name, func(t *testing.T) {
			night := fakeNight{env: newEnv(t), plan: plan(uploadStep("a"), batchStep("c", "a")), batch: c.batch, uploads: c.uploads}
			night.plan.Audit = "reports/audit.jsonl"
			night.register()
			var written activities.WriteAuditInput
			night.env.RegisterActivityWithOptions(func(_ context.Context, in activities.WriteAuditInput) (activities.AuditWritten, error) {
				written = in
				if c.broken {
					return activities.AuditWritten{}, errors.New("no such host")
				}
				return activities.AuditWritten{File: in.File, Seal: audit.Seal{Lines: 9, SHA256: "abc"}}, nil
			}, activityName("WriteAudit"))
			night.env.SetStartWorkflowOptions(client.StartWorkflowOptions{ID: CloseWorkflowID("prod", "nightly", "2026-10-31")})
			answered := 0
			for i, s := range c.commands {
				sendAt(t, night.env, fmt.Sprint(i), s, &answered)
			}
			if c.cancel > 0 {
				night.env.RegisterDelayedCallback(night.env.CancelWorkflow, c.cancel)
			}
			night.env.ExecuteWorkflow(NightlyClose, NightlyCloseInput{Connection: "prod", Pipeline: "nightly", AsOfDate: "2026-10-31", StartedBy: "alice"})
			status := queryStatus(t, night.env)
			require.Equal(t, c.state, status.State)
			require.Equal(t, "reports/audit.jsonl", written.File)
			require.NotEmpty(t, written.Record.Execution)
			requireEvents(t, written.Record.Events, c.want)
			last := status.Log[len(status.Log)-1].What
			if c.broken {
				require.Contains(t, last, "the audit file could not be written: no such host")
			} else {
				require.Equal(t, "audit file reports/audit.jsonl, 9 lines, SHA-256 abc", last)
			}
			if c.state == Succeeded && !c.broken {
				var result NightlyCloseResult
				require.NoError(t, night.env.GetWorkflowResult(&result))
				require.Equal(t, &AuditResult{File: "reports/audit.jsonl", Lines: 9, SHA256: "abc"}, result.Audit)
			}
		})
	}
}

// requireEvents finds the events in the order of time, others between them.
func requireEvents(t *testing.T, events []audit.Event, want []string) {
	t.Helper()
	slices.SortStableFunc(events, func(a, b audit.Event) int { return a.At.Compare(b.At) })
	var texts []string
	for _, e := range events {
		text := e.Event + prefixed(" ", e.Step) + prefixed(" ", e.What) + prefixed(" by ", e.By) + prefixed(" = ", e.Outcome)
		if e.File != nil {
			text += " " + e.File.Path + " " + e.File.FileID
		}
		texts = append(texts, text+prefixed(" ", strings.Join(e.RunIDs, " ")))
	}
	for _, text := range texts {
		if len(want) > 0 && strings.HasPrefix(text, want[0]) {
			want = want[1:]
		}
	}
	require.Empty(t, want, strings.Join(texts, "\n"))
}

// Until its pipeline is read, which lasts longer where a store does not answer,
// a close said nothing: the status was an error, and the web interface showed no details.
func TestNightlyCloseTellsHowItStandsBeforeItsPipelineIsRead(t *testing.T) {
	var suite testsuite.WorkflowTestSuite
	env := suite.NewTestWorkflowEnvironment()
	env.RegisterActivityWithOptions(func(context.Context, activities.PreparePipelineInput) (*activities.Plan, error) {
		return nil, temporal.NewNonRetryableApplicationError("no store", activities.InvalidInput, nil)
	}, activityName("PreparePipeline"))
	var seen Status
	env.SetOnActivityStartedListener(func(*activity.Info, context.Context, converter.EncodedValues) { seen = queryStatus(t, env) })
	env.ExecuteWorkflow(NightlyClose, NightlyCloseInput{Connection: "prod", Pipeline: "nightly", AsOfDate: "2026-10-31", StartedBy: "ann"})
	require.Equal(t, Pending, seen.State)
	require.Equal(t, "nightly", seen.Subject)
	require.Equal(t, "reading and checking the pipeline", seen.Summary)
	require.Equal(t, Failed, queryStatus(t, env).State)
	require.Contains(t, queryStatus(t, env).Summary, "no store")
}
