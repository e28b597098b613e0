package workflows

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
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
	"github.com/pbsmflow/pbsmflow/internal/notify"
	"github.com/pbsmflow/pbsmflow/internal/pipeline"
)

// fakeSteps stands in for the workflows of the steps; NightlyClose itself is real.
type fakeSteps struct {
	env        *testsuite.TestWorkflowEnvironment
	plan       activities.Plan
	uploads    int // that fail before one succeeds
	batch      func(ctx workflow.Context, in RunBatchInput) (RunBatchResult, error)
	batches    []RunBatchInput
	running    int             // uploads at the same time, at most
	uploading  time.Duration   // of an upload; default a minute
	arrives    time.Duration   // when a late file does
	sha256     string          // of every file
	sent       []string        // the files that were uploaded
	unreadable string          // why the result of an earlier start cannot be read
	earlier    json.RawMessage // the result of an earlier start
	compares   func() error    // while a file is compared
}

func (f *fakeSteps) register() {
	f.env.RegisterActivityWithOptions(func(context.Context, activities.PreparePipelineInput) (*activities.Plan, error) {
		return &f.plan, nil
	}, activityName("PreparePipeline"))
	f.env.RegisterActivityWithOptions(func(context.Context, activities.EarlierCloseInput) (activities.EarlierClose, error) {
		if f.unreadable == "" && len(f.earlier) == 0 {
			return activities.EarlierClose{}, nil
		}
		return activities.EarlierClose{WorkflowRunID: "8d1e", Result: f.earlier, Unreadable: f.unreadable}, nil
	}, activityName("EarlierClose"))
	f.env.RegisterActivityWithOptions(func(_ context.Context, in activities.StatFileInput) (activities.FileInfo, error) {
		if f.arrives > 0 && f.env.Now().After(start.Add(f.arrives)) {
			return activities.FileInfo{File: in.File, Size: 7}, nil
		}
		return activities.FileInfo{}, temporal.NewApplicationErrorWithOptions("not there yet", activities.StillWaiting,
			temporal.ApplicationErrorOptions{NextRetryDelay: 30 * time.Minute, Category: temporal.ApplicationErrorCategoryBenign})
	}, activityName("StatFile"))
	f.env.RegisterActivityWithOptions(func(_ context.Context, in activities.SourceChangeInput) (string, error) {
		if f.compares != nil {
			if err := f.compares(); err != nil {
				return "", err
			}
		}
		if in.SHA256 == f.sha256 {
			return "", nil
		}
		return in.File + " has other bytes", nil
	}, activityName("SourceChange"))
	at := 0
	f.env.RegisterWorkflowWithOptions(func(ctx workflow.Context, in UploadFileInput) (FileResult, error) {
		at++
		f.running = max(f.running, at)
		err := workflow.Sleep(ctx, cmp.Or(f.uploading, time.Minute))
		at--
		if f.uploads > 0 {
			f.uploads--
			return FileResult{}, failure(activities.FileMissing, in.File+" is not in its store")
		}
		f.sent = append(f.sent, in.File)
		return FileResult{File: in.File, FileID: "7", Rows: new(int64(3)), SHA256: f.sha256, EndedAt: workflow.Now(ctx)}, err
	}, workflow.RegisterOptions{Name: UploadFileType})
	f.env.RegisterWorkflowWithOptions(func(ctx workflow.Context, in RunBatchInput) (RunBatchResult, error) {
		f.batches = append(f.batches, in)
		return f.batch(ctx, in)
	}, workflow.RegisterOptions{Name: RunBatchType})
}

// execute runs a close of the steps.
func (f *fakeSteps) execute(startedBy string) { f.executeAgain(startedBy, nil) }

func (f *fakeSteps) executeAgain(startedBy string, again *AgainInput) {
	in := NightlyCloseInput{Connection: "prod", Pipeline: "nightly", AsOfDate: "2026-10-31", StartedBy: startedBy, Again: again}
	f.env.SetStartWorkflowOptions(client.StartWorkflowOptions{ID: in.WorkflowID()})
	f.env.ExecuteWorkflow(NightlyClose, in)
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

func without(s activities.PlanStep, missing pipeline.OnFailure) activities.PlanStep {
	s.Step.Upload.OnFailure = missing
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
		fake     fakeSteps
		commands []timedCommand
		cancel   time.Duration
		state    State
		steps    map[string]State
	}{
		{
			name:  "steps start once what they need is done",
			fake:  fakeSteps{plan: plan(uploadStep("a"), uploadStep("b"), batchStep("c", "a", "b")), batch: succeeds},
			state: Succeeded,
			steps: map[string]State{"a": Succeeded, "b": Succeeded, "c": Succeeded},
		},
		{
			name: "failed step is retried",
			fake: fakeSteps{plan: plan(uploadStep("a"), batchStep("c", "a")), batch: succeeds, uploads: 1},
			commands: []timedCommand{
				{after: time.Hour, name: DecideCommand, Command: Command{Choice: Retry, Step: "c"}, refused: "step c has not begun"},
				{after: time.Hour, name: DecideCommand, Command: Command{Choice: Retry, Step: "x"}, refused: "the steps are a, c"},
				{after: time.Hour, name: RestartCommand, refused: "no step takes restart now"},
				{after: time.Hour, name: DecideCommand, Command: Command{Choice: Retry}},
			},
			state: Succeeded,
			steps: map[string]State{"a": Succeeded, "c": Succeeded},
		},
		{
			name:     "failed step is skipped",
			fake:     fakeSteps{plan: plan(uploadStep("a"), batchStep("c", "a")), batch: succeeds, uploads: 9},
			commands: []timedCommand{{after: time.Hour, name: DecideCommand, Command: Command{Choice: Skip, Step: "a", Why: "came by mail"}}},
			state:    SucceededWithExceptions,
			steps:    map[string]State{"a": Skipped, "c": Succeeded},
		},
		{
			name:  "missing file skips its step",
			fake:  fakeSteps{plan: plan(without(uploadStep("a"), pipeline.SkipStep), batchStep("c", "a")), batch: succeeds, uploads: 9},
			state: SucceededWithExceptions,
			steps: map[string]State{"a": Skipped, "c": Succeeded},
		},
		{
			name:  "missing file fails its step",
			fake:  fakeSteps{plan: plan(without(uploadStep("a"), pipeline.FailStep), batchStep("c", "a")), batch: succeeds, uploads: 9},
			state: Failed,
			steps: map[string]State{"a": Failed, "c": NotRun},
		},
		{
			name:  "what needs a step that was given up is not run",
			fake:  fakeSteps{plan: plan(batchStep("c"), batchStep("d", "c"), uploadStep("a")), batch: gaveUp},
			state: Failed,
			steps: map[string]State{"c": Failed, "d": NotRun, "a": Succeeded},
		},
		{
			name: "another operator than the starter approves",
			fake: fakeSteps{plan: plan(uploadStep("a"), approveStep("ok", "a"), batchStep("c", "ok")), batch: succeeds},
			commands: []timedCommand{
				{after: time.Second, name: ApproveCommand, Command: Command{By: "bob"}, refused: "no step takes approve now"},
				{after: time.Hour, name: ApproveCommand, Command: Command{By: "alice"}, refused: "another operator must approve"},
				{after: time.Hour, name: ApproveCommand, Command: Command{By: " "}, refused: "by: is missing"},
				{after: time.Hour, name: ApproveCommand, Command: Command{By: "bob"}},
			},
			state: Succeeded,
			steps: map[string]State{"a": Succeeded, "ok": Succeeded, "c": Succeeded},
		},
		{
			name:   "cancelled",
			fake:   fakeSteps{plan: plan(uploadStep("a"), batchStep("c", "a"), uploadStep("z")), batch: succeeds},
			cancel: 10 * time.Minute,
			state:  Cancelled,
			steps:  map[string]State{"a": Succeeded, "c": Cancelled, "z": Succeeded},
		},
	} {
		t.Run(c.name, func(t *testing.T) {
			fake := c.fake
			fake.env = newEnv(t)
			fake.register()
			answered := 0
			for i, s := range c.commands {
				sendAt(t, fake.env, fmt.Sprint(i), s, &answered)
			}
			if c.cancel > 0 {
				fake.env.RegisterDelayedCallback(fake.env.CancelWorkflow, c.cancel)
			}
			fake.execute("alice")
			require.True(t, fake.env.IsWorkflowCompleted())

			status := queryStatus(t, fake.env)
			require.Equal(t, c.state, status.State, status.Summary)
			require.Equal(t, c.cancel > 0, temporal.IsCanceledError(fake.env.GetWorkflowError()))
			seen := map[string]State{}
			for _, s := range status.Steps {
				seen[s.ID] = s.State
			}
			require.Equal(t, c.steps, seen)
			require.Equal(t, len(c.commands), answered)
			for _, b := range fake.batches {
				require.Equal(t, "2026-10-31", b.AsOfDate)
			}
			if len(fake.plan.Steps) > 1 && fake.plan.Steps[1].Step.ID == "b" {
				require.Equal(t, 2, fake.running)
			}
		})
	}
}

func TestNightlyClose_failedTasksAreAnException(t *testing.T) {
	failed := []Task{{Code: "T2", StatusCode: "-1", Status: "FAILED"}}
	fake := fakeSteps{env: newEnv(t), plan: plan(batchStep("c"), batchStep("d", "c")), batch: func(_ workflow.Context, in RunBatchInput) (RunBatchResult, error) {
		r := RunBatchResult{Code: in.Code, RunID: in.Code + "_1", State: Succeeded}
		if in.Code == "c" {
			r.FailedTasks = failed
		}
		return r, nil
	}}
	fake.register()
	fake.execute("alice")
	require.NoError(t, fake.env.GetWorkflowError())
	var result NightlyCloseResult
	require.NoError(t, fake.env.GetWorkflowResult(&result))
	require.Equal(t, SucceededWithExceptions, result.State)
	require.Equal(t, "done with exceptions: c succeeded with failed tasks", result.Summary)
	require.Equal(t, Succeeded, result.Steps[0].State)
	require.Equal(t, "c_1, but the service lists T2 as Failure", result.Steps[0].Summary)
	require.Equal(t, result.Steps[0].Summary, queryStatus(t, fake.env).Steps[0].Detail)
	require.Equal(t, "d_1", result.Steps[1].Summary)

	events := batchKind{}.events(result.Steps[0])
	require.Equal(t, []audit.Task{{Code: "T2", StatusCode: "-1", Status: "FAILED"}}, events[len(events)-1].Tasks)
}

func TestNightlyClose_cancelledWithWhatBecameOfItsRuns(t *testing.T) {
	const why = "cancelled; c_1 could not be interrupted and may still run"
	fake := fakeSteps{env: newEnv(t), plan: plan(batchStep("c")), batch: func(ctx workflow.Context, _ RunBatchInput) (RunBatchResult, error) {
		_ = workflow.Sleep(ctx, time.Hour)
		return RunBatchResult{}, temporal.NewCanceledError(RunBatchResult{RunID: "c_1", State: Cancelled, Log: []LogEntry{{What: why}}})
	}}
	fake.register()
	fake.env.RegisterDelayedCallback(fake.env.CancelWorkflow, time.Minute)
	fake.execute("alice")
	var cancelled *temporal.CanceledError
	require.True(t, asError(fake.env.GetWorkflowError(), &cancelled))
	var result NightlyCloseResult
	require.NoError(t, cancelled.Details(&result))
	require.Equal(t, Cancelled, result.State)
	require.Equal(t, why, result.Steps[0].Error)
	require.Equal(t, why, queryStatus(t, fake.env).Steps[0].Detail)
}

// The refusal says what is being cancelled: the close, not the command.
func TestNightlyClose_refusesCommandsWhileCancelled(t *testing.T) {
	fake := fakeSteps{env: newEnv(t), plan: plan(batchStep("c")), batch: func(ctx workflow.Context, _ RunBatchInput) (RunBatchResult, error) {
		_ = workflow.Sleep(ctx, 10*time.Hour)
		stopping, _ := workflow.NewDisconnectedContext(ctx)
		_ = workflow.Sleep(stopping, time.Hour)
		return RunBatchResult{}, temporal.NewCanceledError(RunBatchResult{RunID: "c_1", State: Cancelled})
	}}
	fake.register()
	fake.env.RegisterDelayedCallback(fake.env.CancelWorkflow, time.Minute)
	answered := 0
	sendAt(t, fake.env, "late", timedCommand{after: 2 * time.Minute, name: InterruptCommand, refused: "is being cancelled"}, &answered)
	fake.execute("alice")
	require.Equal(t, 1, answered)
	require.True(t, temporal.IsCanceledError(fake.env.GetWorkflowError()))
}

// An operator cancels the workflow of the batch, not the close.
func TestNightlyClose_asksWhenItsBatchWasCancelled(t *testing.T) {
	const why = "cancelled; c_1 ended as Interrupted"
	fake := fakeSteps{env: newEnv(t), plan: plan(batchStep("c")), batch: func(workflow.Context, RunBatchInput) (RunBatchResult, error) {
		return RunBatchResult{}, temporal.NewCanceledError(RunBatchResult{RunID: "c_1", State: Cancelled, Log: []LogEntry{{What: why}}})
	}}
	fake.register()
	fake.env.RegisterDelayedCallback(func() {
		require.Equal(t, why, queryStatus(t, fake.env).Steps[0].Question.Why)
		fake.env.SignalWorkflow(DecideCommand, Command{By: "alice", Why: "checked", Choice: GiveUp})
	}, time.Hour)
	fake.execute("alice")
	require.Equal(t, CloseFailed, errorType(fake.env.GetWorkflowError()))
}

func TestNightlyClose_isAtRiskUntilTheStepEnds(t *testing.T) {
	ledger, allocate := batchStep("ledger"), batchStep("allocate", "ledger")
	ledger.Deadline, allocate.Deadline = start.Add(61*time.Minute), start.Add(130*time.Minute)
	fake := fakeSteps{env: newEnv(t), plan: plan(ledger, allocate), batch: succeeds}
	fake.register()
	var seen []string
	for _, after := range []time.Duration{50 * time.Minute, 70 * time.Minute, 119 * time.Minute} {
		fake.env.RegisterDelayedCallback(func() { seen = append(seen, queryStatus(t, fake.env).AtRisk) }, after)
	}
	fake.execute("alice")
	require.NoError(t, fake.env.GetWorkflowError())
	seen = append(seen, queryStatus(t, fake.env).AtRisk)
	require.Equal(t, []string{
		"at risk: step ledger has not ended, and its deadline is Sun 2026-11-01 02:01 UTC", "",
		"at risk: step allocate has not ended, and its deadline is Sun 2026-11-01 03:10 UTC", "",
	}, seen)
}

func TestNightlyClose_burstOfCommandsActsOnce(t *testing.T) {
	fake := fakeSteps{env: newEnv(t), plan: plan(uploadStep("a")), uploads: 1}
	fake.register()
	fake.env.RegisterDelayedCallback(func() {
		for range 5 {
			fake.env.SignalWorkflow(DecideCommand, Command{By: "alice", Why: "checked", Choice: Retry})
		}
	}, time.Hour)
	fake.execute("alice")
	require.NoError(t, fake.env.GetWorkflowError())
	acted := 0
	for _, entry := range queryStatus(t, fake.env).Log {
		if entry.What == "a: decide retry" {
			acted++
		}
	}
	require.Equal(t, 1, acted)
}

func TestNightlyClose_approvalNeedsTheStarter(t *testing.T) {
	fake := fakeSteps{env: newEnv(t), plan: plan(approveStep("ok"))}
	fake.register()
	fake.execute(" ")
	require.Equal(t, InvalidInput, errorType(fake.env.GetWorkflowError()))
	require.ErrorContains(t, fake.env.GetWorkflowError(), "step ok")
}

func TestNightlyClose_attachesToARunningBatch(t *testing.T) {
	fake := fakeSteps{env: newEnv(t), plan: plan(batchStep("c")), batch: func(workflow.Context, RunBatchInput) (RunBatchResult, error) {
		return RunBatchResult{}, nil
	}}
	fake.register()
	fake.env.RegisterActivityWithOptions(func(_ context.Context, in activities.AwaitWorkflowInput) (activities.AwaitedWorkflow, error) {
		return activities.AwaitedWorkflow{Result: ofBatchStep("c", `"run_id": "c_1", "state": "succeeded", "workflow_id": "`+in.WorkflowID+`"`)}, nil
	}, activityName("AwaitWorkflow"))
	fake.env.OnWorkflow(RunBatchType, mock.Anything, mock.Anything).Return(RunBatchResult{}, &temporal.ChildWorkflowExecutionAlreadyStartedError{})
	fake.execute("alice")
	require.NoError(t, fake.env.GetWorkflowError())
	var result NightlyCloseResult
	require.NoError(t, fake.env.GetWorkflowResult(&result))
	require.Equal(t, "c_1", result.Steps[0].Batch.RunID)
	require.Equal(t, "batch/prod/c/2026-10-31", result.Steps[0].Batch.WorkflowID)
}

// ofBatchStep is the result or the status of the batch of a step, with its basis.
func ofBatchStep(id, fields string) json.RawMessage {
	text, err := json.Marshal(RunBatchInput{Connection: "prod", Code: id, AsOfDate: "2026-10-31"}.basis())
	if err != nil {
		panic(err)
	}
	return json.RawMessage(`{"basis": ` + string(text) + `, ` + fields + `}`)
}

// A batch that was started elsewhere may have no deadline; the step has one.
func TestNightlyClose_deadlineOfAStepAttachedToABatch(t *testing.T) {
	step := batchStep("c")
	step.Deadline = start.Add(2 * time.Hour)
	fake := fakeSteps{env: newEnv(t), plan: plan(step)}
	fake.register()
	fake.env.RegisterActivityWithOptions(func(context.Context, activities.AwaitWorkflowInput) (activities.AwaitedWorkflow, error) {
		if fake.env.Now().After(start.Add(5 * time.Hour)) {
			return activities.AwaitedWorkflow{Result: ofBatchStep("c", `"state": "succeeded"`)}, nil
		}
		return activities.AwaitedWorkflow{}, temporal.NewApplicationErrorWithOptions("still running", activities.StillWaiting, temporal.ApplicationErrorOptions{
			NextRetryDelay: time.Hour, Category: temporal.ApplicationErrorCategoryBenign,
		})
	}, activityName("AwaitWorkflow"))
	fake.env.OnWorkflow(RunBatchType, mock.Anything, mock.Anything).Return(RunBatchResult{}, &temporal.ChildWorkflowExecutionAlreadyStartedError{})
	fake.execute("alice")
	require.Equal(t, CloseFailed, errorType(fake.env.GetWorkflowError()))
	require.LessOrEqual(t, fake.env.Now().Sub(start), 2*time.Hour)
	status := queryStatus(t, fake.env).Steps[0]
	require.Equal(t, Failed, status.State)
	require.Equal(t, "the deadline passed before batch/prod/c/2026-10-31, which was started elsewhere, had ended", status.Detail)
}

// Temporal refuses results beyond 2 MB: a close with many long batches could not end.
func TestNightlyClose_largeResultFits(t *testing.T) {
	large := plan()
	for i := range 300 {
		large.Steps = append(large.Steps, batchStep(fmt.Sprintf("s%03d", i)))
	}
	fake := fakeSteps{env: newEnv(t), plan: large, batch: func(_ workflow.Context, in RunBatchInput) (RunBatchResult, error) {
		return RunBatchResult{RunID: in.Code + "_1", State: Succeeded, Tasks: slices.Repeat([]Task{{Code: "ALLOCATE_INTEREST_EXPENSE", StatusCode: "0", Status: "SUCCESSFUL"}}, 120)}, nil
	}}
	fake.register()
	fake.execute("alice")
	require.NoError(t, fake.env.GetWorkflowError())
	var result NightlyCloseResult
	require.NoError(t, fake.env.GetWorkflowResult(&result))
	text, err := json.Marshal(result)
	require.NoError(t, err)
	require.Less(t, len(text), 2<<20)
	require.Len(t, result.Steps, 300)
	require.Equal(t, "s299_1", result.Steps[299].Batch.RunID)
}

func TestNightlyClose_audit(t *testing.T) {
	for _, c := range []struct {
		name     string
		steps    []activities.PlanStep // default: an upload and a batch
		uploads  int                   // that fail before one succeeds
		batch    func(ctx workflow.Context, in RunBatchInput) (RunBatchResult, error)
		commands []timedCommand
		cancel   time.Duration
		broken   bool // the store is unavailable
		state    State
		want     []string // event, step, what, by, outcome
	}{
		{
			name: "failed attempt and retry", uploads: 1, state: Succeeded,
			batch: func(ctx workflow.Context, in RunBatchInput) (RunBatchResult, error) {
				return RunBatchResult{Code: in.Code, RunIDs: []string{"c_1"}, State: Succeeded, StatusCode: "0", Log: []LogEntry{{At: workflow.Now(ctx), What: "trigger accepted as c_1"}}}, nil
			},
			commands: []timedCommand{{after: time.Hour, name: DecideCommand, Command: Command{Choice: Retry, By: "bob", Why: "fixed"}}},
			want: []string{
				"close_started by alice", "step_started a inbox/a", "step_failed a inbox/a is not in its store",
				"asked a inbox/a is not in its store", "answered a: decide retry by bob", "file_sent a inbox/a 7", "step_ended a file id 7, 3 rows = succeeded",
				"step_started c c", "noted c trigger accepted as c_1", "run_ended c c = succeeded c_1", "step_ended c", "close_ended every step is done = succeeded",
			},
		},
		{
			name: "cancelled", batch: succeeds, cancel: 10 * time.Minute, state: Cancelled,
			want: []string{"close_started", "file_sent a", "step_started c", "cancelled cancelled through Temporal, which does not say by whom", "step_ended c", "close_ended cancelled: c cancelled = cancelled"},
		},
		{
			name: "approval", state: Succeeded, steps: []activities.PlanStep{approveStep("ok")},
			commands: []timedCommand{
				{after: time.Hour, name: ApproveCommand, Command: Command{By: "alice"}, refused: "another operator must approve"},
				{after: 2 * time.Hour, name: ApproveCommand, Command: Command{By: "bob"}},
			},
			want: []string{
				"step_started ok", "asked ok looks right?", "refused approve refused: alice started this close", "answered ok: approve by bob",
				"approved ok looks right? by bob", "step_ended ok",
			},
		},
		{
			name: "question of a batch, which is answered there", state: Succeeded, steps: []activities.PlanStep{batchStep("c")},
			batch: func(ctx workflow.Context, in RunBatchInput) (RunBatchResult, error) {
				parent := workflow.GetInfo(ctx).ParentWorkflowExecution
				report := stepState{WorkflowID: in.WorkflowID(), Sequence: 1, State: Waiting, Question: &Question{Why: "it failed", Choices: runChoices, Since: workflow.Now(ctx)}}
				for range 2 {
					_ = workflow.SignalExternalWorkflow(ctx, parent.ID, parent.RunID, stepStateSignal, report).Get(ctx, nil)
					_ = workflow.Sleep(ctx, time.Hour)
					report.Sequence, report.State, report.Question = 2, Running, nil
				}
				return succeeds(ctx, in)
			},
			want: []string{"step_started c", "asked c it failed", "withdrawn c it failed", "step_ended c"},
		},
		{name: "store unavailable", batch: succeeds, broken: true, state: Succeeded, want: []string{"close_ended"}},
	} {
		t.Run(c.name, func(t *testing.T) {
			fake := fakeSteps{env: newEnv(t), plan: plan(uploadStep("a"), batchStep("c", "a")), batch: c.batch, uploads: c.uploads}
			if c.steps != nil {
				fake.plan = plan(c.steps...)
			}
			fake.plan.Audit = "reports/audit.jsonl"
			fake.plan.Definition = activities.Definition{From: activities.SentAlong, SHA256: "3d9b"}
			fake.plan.PreparedBy = Sender{Version: "1.2.3", Service: "https://tenant", RemoteUser: "BATCH"}
			fake.register()
			var written activities.WriteAuditInput
			fake.env.RegisterActivityWithOptions(func(_ context.Context, in activities.WriteAuditInput) (activities.AuditWritten, error) {
				written = in
				if c.broken {
					return activities.AuditWritten{}, errors.New("no such host")
				}
				return activities.AuditWritten{File: in.File, Seal: audit.Seal{Lines: 9, SHA256: "abc"}}, nil
			}, activityName("WriteAudit"))
			fake.plan.NotifyOn = notify.Events()
			channels := new(fakeChannels).register(fake.env)
			memo := map[string]any{}
			fake.env.OnUpsertMemo(mock.Anything).Run(func(args mock.Arguments) {
				maps.Copy(memo, args.Get(0).(map[string]any))
			}).Return(nil)
			answered := 0
			for i, s := range c.commands {
				sendAt(t, fake.env, fmt.Sprint(i), s, &answered)
			}
			if c.cancel > 0 {
				fake.env.RegisterDelayedCallback(fake.env.CancelWorkflow, c.cancel)
			}
			fake.execute("alice")
			status := queryStatus(t, fake.env)
			require.Equal(t, c.state, status.State)
			require.Equal(t, "reports/audit.jsonl", written.File)
			require.Equal(t, status.Summary, memo[SummaryMemo])
			require.Equal(t, status.Audit, memo[AuditMemo])
			last := channels.messages[len(channels.messages)-1]
			require.Equal(t, endEvents[c.state], last.Event)
			require.Equal(t, []string{"reports/audit.jsonl", status.Audit.SHA256}, []string{last.AuditFile, last.Seal})
			require.Equal(t, c.broken, last.Seal == "")
			require.NotEmpty(t, written.Record.Execution)
			requireEvents(t, written.Record.Events, c.want)
			started := written.Record.Events[0]
			require.Equal(t, []any{activities.SentAlong, "3d9b", fake.plan.PreparedBy}, []any{started.DefinitionFrom, started.DefinitionSHA256, started.Sender})
			entry := status.Log[len(status.Log)-1].What
			if c.broken {
				require.Contains(t, entry, "the audit file could not be written: no such host")
			} else {
				require.Equal(t, "audit file reports/audit.jsonl, 9 lines, seal abc", entry)
			}
			if c.state == Succeeded && !c.broken {
				var result NightlyCloseResult
				require.NoError(t, fake.env.GetWorkflowResult(&result))
				require.Equal(t, &AuditResult{File: "reports/audit.jsonl", Lines: 9, SHA256: "abc"}, result.Audit)
			}
		})
	}
}

// requireEvents finds the events in the order of time, possibly with others between them.
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

// Reading the pipeline takes longer while a store does not answer; the close has a status even then.
func TestNightlyClose_statusBeforeThePipelineIsRead(t *testing.T) {
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
