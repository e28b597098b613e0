package cancel

import (
	"bytes"
	"context"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	sdk "go.temporal.io/sdk/client"

	"github.com/pbsmflow/pbsmflow/starter/internal/cli"
	"github.com/pbsmflow/pbsmflow/starter/internal/client"
	"github.com/pbsmflow/pbsmflow/starter/internal/clitest"
	"github.com/pbsmflow/pbsmflow/workflows"
)

// sent is who cancels, and why.
var sent = workflows.Command{By: "alice", Why: "the wrong date"}

// session has a simulated Temporal, and keeps its output.
func session(temporal sdk.Client) (s *client.Session, stdout, stderr *bytes.Buffer) {
	f, stdout, stderr := clitest.Recorder()
	return &client.Session{Factory: f, Temporal: temporal}, stdout, stderr
}

func TestCancel_refusesAForeignWorkflow(t *testing.T) {
	temporal := clitest.NewTemporal("MonthEnd", "pbsm")
	temporal.OnCancel = func() { t.Error("it was cancelled") }
	s, _, _ := session(temporal)
	p := cli.AsProblem(run(t.Context(), s, "id", options{command: sent, detach: true}))
	assert.Equal(t, cli.ExitUsage, p.Code)
	assert.Contains(t, p.Message, "MonthEnd workflow, which pbsmflow does not manage")
}

func TestCancel_withoutWaiting(t *testing.T) {
	temporal := clitest.NewTemporal(workflows.RunBatchType, "pbsm")
	temporal.OnCancel = func() {}
	s, stdout, stderr := session(temporal)
	require.NoError(t, run(t.Context(), s, "id", options{command: sent, detach: true}))
	assert.Equal(t, "id\n", stdout.String())
	assert.Contains(t, stderr.String(), "The cancellation was sent")
	assert.NotContains(t, stderr.String(), "already")

	ctx, stop := context.WithCancel(t.Context())
	temporal.OnCancel = stop // Ctrl-C, immediately
	s, _, _ = session(temporal)
	p := cli.AsProblem(run(ctx, s, "id", options{command: sent}))
	assert.Equal(t, cli.ExitInterrupted, p.Code)
	assert.Contains(t, p.Message, "the cancellation was sent")
	assert.NotContains(t, p.Next[0], "cancel")
}
