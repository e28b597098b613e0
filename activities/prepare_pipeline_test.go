package activities

import (
	"context"
	"encoding/json"
	"log/slog"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"go.temporal.io/sdk/activity"
	"go.temporal.io/sdk/log"
	"go.temporal.io/sdk/temporal"
	"go.temporal.io/sdk/testsuite"
	"go.temporal.io/sdk/workflow"

	"github.com/pbsmflow/pbsmflow/internal/config"
	"github.com/pbsmflow/pbsmflow/internal/pbsm"
	"github.com/pbsmflow/pbsmflow/internal/stores"
)

func TestPreparePipeline_definitionIsTextOrObject(t *testing.T) {
	for _, c := range []struct{ definition, want string }{
		{`{"name": "n"}`, `{"name": "n"}`},
		{`"name: n\n"`, "name: n\n"},
	} {
		text, err := definitionText(json.RawMessage(c.definition))
		require.NoError(t, err)
		require.Equal(t, c.want, string(text))
	}
}

// refusedAfterAWhile executes an activity as workflows do, until its error is final.
func refusedAfterAWhile(t *testing.T, fn, in any) *temporal.ApplicationError {
	t.Helper()
	const name = "Activity"
	var suite testsuite.WorkflowTestSuite
	suite.SetLogger(log.NewStructuredLogger(slog.New(slog.DiscardHandler)))
	env := suite.NewTestWorkflowEnvironment()
	env.RegisterActivityWithOptions(fn, activity.RegisterOptions{Name: name})
	env.ExecuteWorkflow(func(ctx workflow.Context) error {
		began := workflow.Now(ctx)
		ctx = workflow.WithActivityOptions(ctx, workflow.ActivityOptions{
			StartToCloseTimeout: time.Minute, ScheduleToCloseTimeout: time.Hour, RetryPolicy: &temporal.RetryPolicy{InitialInterval: time.Second, BackoffCoefficient: 2, MaximumInterval: time.Minute},
		})
		err := workflow.ExecuteActivity(ctx, name, in).Get(ctx, nil)
		require.GreaterOrEqual(t, workflow.Now(ctx).Sub(began), 15*time.Second)
		require.Less(t, workflow.Now(ctx).Sub(began), time.Minute)
		return err
	})
	failed := applicationError(t, env.GetWorkflowError())
	require.Equal(t, InvalidInput, failed.Type())
	return failed
}

// A close that waits for its pipeline before it has begun would wait without anyone noticing.
func TestPreparePipeline_unreadableFile(t *testing.T) {
	a, dir := withInbox(t)
	a.pipelines = dir
	require.NoError(t, os.Mkdir(filepath.Join(dir, "nightly.yaml"), 0o700)) // readable by nobody, not even root
	failed := refusedAfterAWhile(t, a.PreparePipeline, PreparePipelineInput{Name: "nightly", AsOfDate: "2026-10-31"})
	require.Contains(t, failed.Message(), "nightly.yaml")
}

func TestPreparePipeline_nullDefinition(t *testing.T) {
	folder := t.TempDir()
	require.NoError(t, os.WriteFile(filepath.Join(folder, "close.yaml"), []byte("name: close"), 0o600))
	var in PreparePipelineInput
	require.NoError(t, json.Unmarshal([]byte(`{"name": "close", "definition": null}`), &in))
	text, err := (&Activities{pipelines: folder}).pipelineText(t.Context(), in)
	require.NoError(t, err)
	require.Equal(t, "name: close", string(text))
}

func TestPreparePipeline_unknownName(t *testing.T) {
	folder := t.TempDir()
	for _, file := range []string{"month-end.json", "close.yaml", "close.yml", "notes.txt", ".hidden.yaml"} {
		require.NoError(t, os.WriteFile(filepath.Join(folder, file), nil, 0o600))
	}
	require.NoError(t, os.Mkdir(filepath.Join(folder, "old.yaml"), 0o700))
	for pipelines, has := range map[string]string{folder: "close, month-end", t.TempDir(): "none"} {
		_, err := (&Activities{pipelines: pipelines}).pipelineText(t.Context(), PreparePipelineInput{Name: "clsoe"})
		require.ErrorContains(t, err, `pipeline "clsoe" is not in the worker's pipelines folder (worker.pipelines), which has `+has)
	}
}

func TestUnknownStore_isRefusedAfterAWhile(t *testing.T) {
	a, _ := withService(t, stores.Settings{URL: "file://" + t.TempDir()})
	par, err := a.connections["prod"].service.CreateUploadPAR(t.Context(), pbsm.UploadRequest{FileName: "gl.csv", FileSize: 9})
	require.NoError(t, err)
	for name, c := range map[string]struct{ fn, in any }{
		"a file to send": {a.StatFile, StatFileInput{File: "inbux/gl.csv"}},
		"a folder":       {a.PutFolder, PutFolderInput{Connection: "prod", Folder: "inbux/in/", ListTo: "inbox/in.sent.jsonl"}},
		"a file to save": {a.GetFile, GetFileInput{Connection: "prod", SaveTo: "inbux/gl.csv", PAR: a.connections["prod"].seal(par.PAR)}},
	} {
		t.Run(name, func(t *testing.T) {
			failed := refusedAfterAWhile(t, c.fn, c.in)
			require.Equal(t, `there is no store "inbux"; the stores are: inbox`, failed.Message())
		})
	}
}

// A wait takes many attempts. One of them may be on a worker without the store, which is being replaced.
func TestUnknownStore_waitSurvivesAWorkerWithoutTheStore(t *testing.T) {
	dir := t.TempDir()
	open := func(name string) *stores.Stores {
		opened, err := stores.Open(t.Context(), map[string]stores.Settings{name: {URL: "file://" + dir}})
		require.NoError(t, err)
		t.Cleanup(func() { require.NoError(t, opened.Close()) })
		return opened
	}
	a := &Activities{poll: config.Poll{Ratio: 0.05, Min: time.Second, Max: time.Minute}}
	right, wrong := open("inbox"), open("reports")
	stat := func(ctx context.Context, in StatFileInput) (FileInfo, error) {
		a.stores = right
		switch activity.GetInfo(ctx).Attempt {
		case 8:
			a.stores = wrong
		case 10:
			put(t, dir, map[string]string{"gl.csv": glText})
		}
		return a.StatFile(ctx, in)
	}
	var suite testsuite.WorkflowTestSuite
	suite.SetLogger(log.NewStructuredLogger(slog.New(slog.DiscardHandler)))
	env := suite.NewTestWorkflowEnvironment()
	env.RegisterActivityWithOptions(stat, activity.RegisterOptions{Name: "stat"})
	env.ExecuteWorkflow(func(ctx workflow.Context) error {
		ctx = workflow.WithActivityOptions(ctx, workflow.ActivityOptions{StartToCloseTimeout: time.Minute, ScheduleToCloseTimeout: time.Hour})
		in := StatFileInput{File: "inbox/gl.csv", Wait: true, Poll: Poll{Since: workflow.Now(ctx)}}
		return workflow.ExecuteActivity(ctx, "stat", in).Get(ctx, nil)
	})
	require.NoError(t, env.GetWorkflowError())
}
