package follow

import (
	"bytes"
	"context"
	"errors"
	"testing"
	"testing/synctest"
	"time"

	enumspb "go.temporal.io/api/enums/v1"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	sdk "go.temporal.io/sdk/client"

	"github.com/pbsmflow/pbsmflow/starter/internal/cli"
	"github.com/pbsmflow/pbsmflow/starter/internal/client"
	"github.com/pbsmflow/pbsmflow/starter/internal/clitest"
	"github.com/pbsmflow/pbsmflow/workflows"
)

// session has a simulated Temporal, and keeps its output.
func session(temporal sdk.Client) (s *client.Session, stdout, stderr *bytes.Buffer) {
	f, stdout, stderr := clitest.Recorder()
	return &client.Session{Factory: f, Temporal: temporal}, stdout, stderr
}

// writing is called before each write.
type writing func()

func (w writing) Write(p []byte) (int, error) {
	w()
	return len(p), nil
}

// Ctrl-C may come while something is printed: then the waiting has ended, too, when it is noticed.
func TestRun_ctrlCWhileItPrints(t *testing.T) {
	for range 20 {
		synctest.Test(t, func(t *testing.T) {
			ctx, cancel := context.WithCancel(t.Context())
			s, _, _ := session(clitest.NewTemporal(workflows.RunBatchType, "pbsm"))
			s.Stdout = writing(func() {
				cancel()
				time.Sleep(time.Second)
			})
			err := Run(ctx, s, workflows.Execution{ID: "id", Type: workflows.RunBatchType, TaskQueue: "pbsm"}, true)
			require.Equal(t, cli.ExitInterrupted, cli.AsProblem(err).Code, "%v", err)
		})
	}
}

// A script takes the id from --detach, also where nothing is started.
func TestStart_detachedPrintsTheID(t *testing.T) {
	temporal := clitest.NewTemporal(workflows.NightlyCloseType, "pbsm")
	temporal.Info.Status = enumspb.WORKFLOW_EXECUTION_STATUS_COMPLETED
	done := workflows.NightlyCloseInput{Connection: "prod", Pipeline: "a", AsOfDate: "2026-10-31"}
	s, stdout, stderr := session(temporal)
	require.NoError(t, Start(t.Context(), s, done, cli.StartOptions{Detach: true}))
	assert.Equal(t, done.WorkflowID()+"\n", stdout.String())
	assert.Contains(t, stderr.String(), "It was already done")

	s, stdout, _ = session(temporal)
	s.Output = "json"
	require.NoError(t, Start(t.Context(), s, done, cli.StartOptions{Detach: true}))
	assert.JSONEq(t, `{"workflow_id": "close/prod/a/2026-10-31", "run_id": "run", "already_done": true}`, stdout.String())
}

// Only the workers of the workflow's own queue know its status, whatever --task-queue says.
func TestOnce_asksTheWorkflowsOwnQueue(t *testing.T) {
	temporal := clitest.NewTemporal(workflows.RunBatchType, "second")
	s, _, _ := session(temporal)
	run, err := s.Describe(t.Context(), "id")
	require.NoError(t, err)
	p := cli.AsProblem(Once(t.Context(), s, run))
	assert.Equal(t, cli.ExitUnreachable, p.Code)
	assert.Contains(t, p.Message, `no worker has polled the task queue "second" recently`)
	assert.Equal(t, []string{"second", "second"}, temporal.Described)
}

func TestPoll_ofAnUnreadableAnswer(t *testing.T) {
	temporal := clitest.NewTemporal(workflows.RunBatchType, "pbsm")
	temporal.Polled = map[string]time.Time{"pbsm": time.Now()}
	temporal.QueryError = errors.New(`the payload is sealed with key "k1", but no keys are configured`)
	s, _, _ := session(temporal)
	w := &watch{Session: s, run: workflows.Execution{ID: "id", TaskQueue: "pbsm"}, answered: time.Now()}
	w.poll(t.Context())
	require.Len(t, w.last.Notes, 1)
	assert.Contains(t, w.last.Notes[0], `sealed with key "k1"`)
}
