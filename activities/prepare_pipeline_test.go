package activities

import (
	"context"
	"crypto/ed25519"
	"crypto/sha256"
	"encoding/json"
	"errors"
	"fmt"
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

	"github.com/pbsmflow/pbsmflow/internal/audit"
	"github.com/pbsmflow/pbsmflow/internal/config"
	"github.com/pbsmflow/pbsmflow/internal/notify"
	"github.com/pbsmflow/pbsmflow/internal/pbsm"
	"github.com/pbsmflow/pbsmflow/internal/proof"
	"github.com/pbsmflow/pbsmflow/internal/stores"
	"github.com/pbsmflow/pbsmflow/internal/version"
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

// finalError executes an activity as workflows do, for an hour, until its error is final.
func finalError(t *testing.T, fn, in any) (failed *temporal.ApplicationError, took time.Duration) {
	t.Helper()
	const name = "Activity"
	var suite testsuite.WorkflowTestSuite
	suite.SetLogger(log.NewStructuredLogger(slog.New(slog.DiscardHandler)))
	env := suite.NewTestWorkflowEnvironment()
	env.RegisterActivityWithOptions(fn, activity.RegisterOptions{Name: name})
	env.ExecuteWorkflow(func(ctx workflow.Context) error {
		began := workflow.Now(ctx)
		ctx = workflow.WithActivityOptions(ctx, workflow.ActivityOptions{
			StartToCloseTimeout:    time.Minute,
			ScheduleToCloseTimeout: time.Hour,
			RetryPolicy: &temporal.RetryPolicy{
				InitialInterval: time.Second, BackoffCoefficient: 2, MaximumInterval: time.Minute, MaximumAttempts: 40,
			},
		})
		err := workflow.ExecuteActivity(ctx, name, in).Get(ctx, nil)
		took = workflow.Now(ctx).Sub(began)
		return err
	})
	return applicationError(t, env.GetWorkflowError()), took
}

// A store that is named in the configuration, and the pipelines folder, are outages while they are away: the close is
// not refused.
func TestPreparePipeline_definitionAndOutages(t *testing.T) {
	prepare := func(t *testing.T, a *Activities, in PreparePipelineInput) (*Plan, error) {
		t.Helper()
		a.connections, a.channels = map[string]*connection{"prod": {config: config.Connection{
			BaseURL: "https://tenant", RemoteUser: "BATCH",
		}}}, &notify.Channels{}
		in.Connection, in.AsOfDate = "prod", "2026-10-31"
		var suite testsuite.WorkflowTestSuite
		suite.SetLogger(log.NewStructuredLogger(slog.New(slog.DiscardHandler)))
		env := suite.NewTestActivityEnvironment()
		env.RegisterActivity(a)
		value, err := env.ExecuteActivity(a.PreparePipeline, in)
		if err != nil {
			return nil, err
		}
		var plan Plan
		require.NoError(t, value.Get(&plan))
		return &plan, nil
	}
	upload := func(file string) json.RawMessage {
		return json.RawMessage(`{"name": "night", "steps": [{"id": "gl", "upload": {"file": "` + file + `"}}]}`)
	}
	t.Run("store is away", func(t *testing.T) {
		a, dir := withInbox(t)
		require.NoError(t, os.Remove(dir))
		plan, err := prepare(t, a, PreparePipelineInput{Definition: upload("inbox/gl.csv")})
		require.NoError(t, err)
		require.Len(t, plan.Steps, 1)
	})
	t.Run("store is unknown", func(t *testing.T) {
		a, _ := withInbox(t)
		_, err := prepare(t, a, PreparePipelineInput{Definition: upload("inbux/gl.csv")})
		failed := applicationError(t, err)
		require.Equal(t, InvalidInput, failed.Type())
		require.Equal(t, `step gl: there is no store "inbux"; the stores are: inbox`, failed.Message())
	})
	t.Run("approval that nobody could give", func(t *testing.T) {
		a, _ := withInbox(t)
		definition := json.RawMessage(`{"name": "night", "steps": [{"id": "ok", "approve": {"message": "good?", "by": ["cfo"]}}]}`)
		_, err := prepare(t, a, PreparePipelineInput{Definition: definition})
		require.Contains(t, applicationError(t, err).Message(), "step ok: by needs names that are proved")
		private, _, err := proof.NewKey()
		require.NoError(t, err)
		signer, err := proof.NewSigner(private)
		require.NoError(t, err)
		a.verifier = proof.NewVerifier(map[string]ed25519.PublicKey{"console": signer.PublicKey()})
		_, err = prepare(t, a, PreparePipelineInput{Definition: definition})
		require.NoError(t, err)
	})
	t.Run("definition", func(t *testing.T) {
		a, dir := withInbox(t)
		a.pipelines = dir
		text := string(upload("inbox/gl.csv"))
		sum := fmt.Sprintf("%x", sha256.Sum256([]byte(text)))
		require.NoError(t, os.WriteFile(filepath.Join(dir, "night.yml"), []byte(text), 0o600))
		plan, err := prepare(t, a, PreparePipelineInput{Name: "night"})
		require.NoError(t, err)
		require.Equal(t, Definition{From: "pipelines folder, night.yml", SHA256: sum}, plan.Definition)
		require.Equal(t, audit.Sender{Version: version.Version, Service: "https://tenant", RemoteUser: "BATCH"}, plan.PreparedBy)
		plan, err = prepare(t, a, PreparePipelineInput{Definition: upload("inbox/gl.csv")})
		require.NoError(t, err)
		require.Equal(t, SentAlong, plan.Definition.From)

		part := []byte("params: {}\n")
		require.NoError(t, os.WriteFile(filepath.Join(dir, "_part.yaml"), part, 0o600))
		require.NoError(t, os.WriteFile(filepath.Join(dir, "parts.yml"),
			[]byte("name: parts\ninclude: [_part.yaml]\nsteps:\n- {id: gl, upload: {file: inbox/gl.csv}}\n"), 0o600))
		plan, err = prepare(t, a, PreparePipelineInput{Name: "parts"})
		require.NoError(t, err)
		require.Equal(t, map[string]string{"_part.yaml": fmt.Sprintf("%x", sha256.Sum256(part))}, plan.Definition.Includes)

		a.definitions = config.FolderDefinitions
		_, err = prepare(t, a, PreparePipelineInput{Definition: upload("inbox/gl.csv")})
		failed := applicationError(t, err)
		require.Equal(t, InvalidInput, failed.Type())
		require.Contains(t, failed.Message(), "(worker.definitions: folder); put the definition there")
		_, err = prepare(t, a, PreparePipelineInput{Name: "night", Definition: json.RawMessage("null")})
		require.NoError(t, err)
	})
	for name, damage := range map[string]func(dir string) error{
		"pipeline is unreadable": func(dir string) error { return os.Mkdir(filepath.Join(dir, "night.yaml"), 0o700) }, // even to root
		"folder is away":         os.Remove,
		"what it includes is unreadable": func(dir string) error {
			text := "name: night\ninclude: [_files.yaml]\nsteps: [{id: a, batch: {code: B}}]\n"
			return errors.Join(os.WriteFile(filepath.Join(dir, "night.yaml"), []byte(text), 0o600), os.Mkdir(filepath.Join(dir, "_files.yaml"), 0o700))
		},
	} {
		t.Run(name, func(t *testing.T) {
			a, dir := withInbox(t)
			a.pipelines = dir
			require.NoError(t, damage(dir))
			_, err := prepare(t, a, PreparePipelineInput{Name: "night"})
			failed := applicationError(t, err)
			require.Equal(t, Unavailable, failed.Type())
			require.False(t, failed.NonRetryable())
			require.Contains(t, failed.Message(), "pipeline night cannot be read from the worker's pipelines folder (worker.pipelines): ")
		})
	}
}

// A step whose store is away waits for it, then asks an operator.
func TestClassifyStore_outageEndsAsQuestion(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "inbox")
	require.NoError(t, os.Mkdir(dir, 0o700))
	a, _ := withService(t, stores.Settings{URL: "file://" + dir})
	par, err := a.connections["prod"].service.CreateUploadPAR(t.Context(), pbsm.UploadRequest{FileName: "gl.csv", FileSize: 9})
	require.NoError(t, err)
	require.NoError(t, os.Remove(dir))
	sealed := a.connections["prod"].seal(par.PAR)
	for name, c := range map[string]struct{ fn, in any }{
		"a file to find":   {a.StatFile, StatFileInput{File: "inbox/gl.csv"}},
		"a file to verify": {a.VerifyFile, VerifyFileInput{File: "inbox/gl.csv"}},
		"a file to send":   {a.PutFile, PutFileInput{Connection: "prod", File: FileInfo{File: "inbox/gl.csv", Size: 9}, PAR: sealed}},
		"a folder":         {a.PutFolder, PutFolderInput{Connection: "prod", Folder: "inbox/in/", ListTo: "inbox/in.sent.jsonl"}},
	} {
		t.Run(name, func(t *testing.T) {
			failed, took := finalError(t, c.fn, c.in)
			require.Equal(t, Unavailable, failed.Type())
			require.Contains(t, failed.Message(), "tried 15 times: retry once the store is available")
			require.InDelta(t, 10, took.Minutes(), 1)
		})
	}
	t.Run("a file to wait for", func(t *testing.T) {
		failed, _ := finalError(t, a.StatFile, StatFileInput{File: "inbox/gl.csv", Wait: true, Poll: Poll{Since: time.Now()}})
		require.False(t, failed.NonRetryable(), "until the timeout")
	})
}

func TestPreparePipeline_nullDefinition(t *testing.T) {
	folder := t.TempDir()
	require.NoError(t, os.WriteFile(filepath.Join(folder, "close.yaml"), []byte("name: close"), 0o600))
	var in PreparePipelineInput
	require.NoError(t, json.Unmarshal([]byte(`{"name": "close", "definition": null}`), &in))
	text, _, err := (&Activities{pipelines: folder}).pipelineText(in)
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
		_, _, err := (&Activities{pipelines: pipelines}).pipelineText(PreparePipelineInput{Name: "clsoe"})
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
			failed, took := finalError(t, c.fn, c.in)
			require.Equal(t, InvalidInput, failed.Type())
			require.InDelta(t, 15, took.Seconds(), 5)
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
