package client

import (
	"errors"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	deploymentpb "go.temporal.io/api/deployment/v1"
	enumspb "go.temporal.io/api/enums/v1"
	"go.temporal.io/api/serviceerror"
	workflowpb "go.temporal.io/api/workflow/v1"

	"github.com/pbsmflow/pbsmflow/starter/internal/cli"
	"github.com/pbsmflow/pbsmflow/starter/internal/clitest"
	"github.com/pbsmflow/pbsmflow/workflows"
)

// Temporal remembers a poll for minutes, and a worker that lives polls once a minute.
func TestPolls_idle(t *testing.T) {
	now := time.Date(2026, 10, 31, 22, 0, 0, 0, time.UTC)
	for _, test := range []struct {
		last time.Time
		idle bool
		text string
	}{
		{time.Time{}, true, `no worker has polled the task queue "pbsm" recently`},
		{now.Add(-3 * time.Minute), true, `a worker last polled the task queue "pbsm" at 21:57:00 UTC, 3m0s ago`},
		{now.Add(-16 * time.Second), false, "16s ago"},
		{now.Add(-61 * time.Second), false, "1m1s ago"},
	} {
		p := Polls{queue: "pbsm", last: test.last, now: now}
		assert.Equal(t, test.idle, p.Idle(), test.text)
		assert.Contains(t, p.String(), test.text)
	}
}

func TestNoWorkerAnswered(t *testing.T) {
	for _, silence := range []error{serviceerror.NewDeadlineExceeded("late"), serviceerror.NewFailedPrecondition("no poller"), serviceerror.NewWorkflowNotReady("first task")} {
		assert.True(t, NoWorkerAnswered(silence), "%v", silence)
	}
	for _, answer := range []error{nil, serviceerror.NewQueryFailed("no such query"), errors.New("it cannot be read")} {
		assert.False(t, NoWorkerAnswered(answer), "%v", answer)
	}
}

// A close that is pinned to a version waits for its workers, whoever else polls.
func TestPollsOf_pinned(t *testing.T) {
	temporal := clitest.NewTemporal(workflows.NightlyCloseType, "pbsm")
	temporal.Polled, temporal.Build = map[string]time.Time{"pbsm": time.Now()}, "2"
	temporal.Info.VersioningInfo = &workflowpb.WorkflowExecutionVersioningInfo{
		Behavior: enumspb.VERSIONING_BEHAVIOR_PINNED, DeploymentVersion: &deploymentpb.WorkerDeploymentVersion{BuildId: "1"},
	}
	s := &Session{Factory: clitest.Factory(0), Temporal: temporal}
	run, err := s.Describe(t.Context(), "id")
	require.NoError(t, err)
	polls, err := s.PollsOf(t.Context(), run)
	require.NoError(t, err)
	assert.True(t, polls.Idle())
	assert.Contains(t, s.IdleText(polls), "No worker of version 1 polls")
	assert.Contains(t, s.IdleText(polls), "TEMPORAL_WORKER_BUILD_ID=1")
	assert.Contains(t, s.StatusUnknown(t.Context(), run, temporal.QueryError).Error(), "no worker of version 1 has polled")
	temporal.Info.VersioningInfo.DeploymentVersion.BuildId = "2"
	polls, err = s.PollsOf(t.Context(), run)
	require.NoError(t, err)
	assert.False(t, polls.Idle())
}

// A pipeline that does not exist is refused before a close that fails is left behind.
func TestKnownPipeline(t *testing.T) {
	cfg := clitest.WriteFile(t, "pbsm.yaml", "worker: {pipelines: nights}\n")
	s := &Session{Factory: &cli.Factory{Config: cfg}}
	in := workflows.NightlyCloseInput{Pipeline: "nigtly"}
	require.NoError(t, s.knownPipeline(in), "there is no folder here")
	nights := filepath.Join(filepath.Dir(cfg), "nights")
	require.NoError(t, os.Mkdir(nights, 0o700))
	require.NoError(t, os.WriteFile(filepath.Join(nights, "nightly.yaml"), nil, 0o600))
	require.ErrorContains(t, s.knownPipeline(in), `there is no pipeline "nigtly"`)
	require.ErrorContains(t, s.knownPipeline(in), "which has nightly")
	in.Pipeline = "nightly"
	require.NoError(t, s.knownPipeline(in))
	require.NoError(t, s.knownPipeline(workflows.NightlyCloseInput{Pipeline: "sent", Definition: []byte("{}")}))

	s.Config = clitest.WriteFile(t, "pbsm.yaml", "worker: {definitions: folder}\n")
	err := s.knownPipeline(workflows.NightlyCloseInput{Pipeline: "sent", Definition: []byte("{}")})
	require.ErrorContains(t, err, "(worker.definitions: folder), and sent would be sent along")
	require.NoError(t, s.knownPipeline(workflows.NightlyCloseInput{Pipeline: "nightly"}))
}
