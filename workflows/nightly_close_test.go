package workflows

import (
	"context"
	"encoding/json"
	"fmt"
	"testing"
	"time"

	"github.com/stretchr/testify/mock"
	"github.com/stretchr/testify/require"
	"go.temporal.io/sdk/client"
	"go.temporal.io/sdk/temporal"
	"go.temporal.io/sdk/testsuite"
	"go.temporal.io/sdk/workflow"

	"github.com/pbsmflow/pbsmflow/activities"
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
		return FileResult{File: in.File, FileID: "7", Rows: 3}, err
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
		name   string
		night  fakeNight
		said   []said
		cancel time.Duration
		state  State
		steps  map[string]State
	}{
		{
			name:  "steps run as soon as what they need is done, side by side where they may",
			night: fakeNight{plan: plan(uploadStep("a"), uploadStep("b"), batchStep("c", "a", "b")), batch: succeeds},
			state: Succeeded,
			steps: map[string]State{"a": Succeeded, "b": Succeeded, "c": Succeeded},
		},
		{
			name:  "a failed step waits for a person and is done again",
			night: fakeNight{plan: plan(uploadStep("a"), batchStep("c", "a")), batch: succeeds, uploads: 1},
			said: []said{
				{after: time.Hour, name: DecideSignal, Steering: Steering{Choice: Retry, Step: "c"}, refused: "step c is pending"},
				{after: time.Hour, name: DecideSignal, Steering: Steering{Choice: Retry, Step: "x"}, refused: "the steps are a, c"},
				{after: time.Hour, name: RestartSignal, refused: "no step takes restart now"},
				{after: time.Hour, name: DecideSignal, Steering: Steering{Choice: Retry}},
			},
			state: Succeeded,
			steps: map[string]State{"a": Succeeded, "c": Succeeded},
		},
		{
			name:  "a failed step is skipped, and the night goes on",
			night: fakeNight{plan: plan(uploadStep("a"), batchStep("c", "a")), batch: succeeds, uploads: 9},
			said:  []said{{after: time.Hour, name: DecideSignal, Steering: Steering{Choice: Skip, Step: "a", Why: "came by mail"}}},
			state: Succeeded,
			steps: map[string]State{"a": Skipped, "c": Succeeded},
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
			said: []said{
				{after: time.Second, name: ApproveSignal, Steering: Steering{By: "bob"}, refused: "no step takes approve now"},
				{after: time.Hour, name: ApproveSignal, Steering: Steering{By: "alice"}, refused: "somebody else approves"},
				{after: time.Hour, name: ApproveSignal, refused: "needs the name"},
				{after: time.Hour, name: ApproveSignal, Steering: Steering{By: "bob"}},
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
			for i, s := range c.said {
				say(t, night.env, fmt.Sprint(i), s, &answered)
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
			require.Equal(t, len(c.said), answered)
			for _, b := range night.batches {
				require.Equal(t, "2026-10-31", b.AsOfDate)
			}
			if len(night.plan.Steps) > 1 && night.plan.Steps[1].Step.ID == "b" {
				require.Equal(t, 2, night.running)
			}
		})
	}
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
