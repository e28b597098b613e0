//go:build docker

package deploy

import (
	"bytes"
	"context"
	"encoding/json"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/pbsmflow/pbsmflow/tests/harness"
	"github.com/pbsmflow/pbsmflow/workflows"
)

// Runs the demo of the compose file in Docker: every container becomes healthy, a file that the worker may not read
// becomes a question, and the close succeeds although both workers and Temporal's database are killed.
func TestCompose_closeInContainers(t *testing.T) {
	d := demo{t, []string{"TEMPORAL_PORT=" + strconv.Itoa(harness.FreePort(t)), "UI_PORT=" + strconv.Itoa(harness.FreePort(t))}}
	t.Cleanup(func() {
		if t.Failed() {
			_, _ = d.compose(context.Background(), "logs", "--tail", "40")
		}
		_, err := d.compose(context.Background(), "--profile", "*", "down", "--volumes")
		assert.NoError(t, err)
	})
	d.must("up", "--build", "--wait")

	const asOf = "2026-10-30"
	copyFile := func(name string, mode os.FileMode) {
		file := filepath.Join(t.TempDir(), name+"_"+asOf+".csv")
		require.NoError(t, os.WriteFile(file, []byte("account,balance\n1,2.00\n"), mode))
		d.must("cp", file, "worker:/data/inbox/")
	}
	copyFile("gl", 0o600)
	copyFile("instruments", 0o644)
	d.starter(0, "doctor", "--connection", "demo")
	output := d.starter(3, "close", "--connection", "demo", "--pipeline", "nightly-close", "--as-of", asOf)
	require.Contains(t, output, "permission denied")
	copyFile("gl", 0o644)
	id := "close/demo/nightly-close/" + asOf
	d.starter(0, "close", "decide", id, "--reason", "checked", "--step", "ledger", "--choice", "retry")
	d.until("status", id, "PBSM_ALLOC_"+asOf) // a kill during a trigger would make its outcome unknown
	d.must("kill", "worker", "postgres")
	d.must("up", "--wait")

	var result workflows.NightlyCloseResult
	out := d.starter(0, "status", id, "--follow", "--output", "json")
	require.NoError(t, json.Unmarshal([]byte(out), &result), out)
	assert.Equal(t, workflows.Succeeded, result.State)
	d.starter(0, "audit", "verify", "/data/"+result.Audit.File)
	out = t.TempDir()
	d.must("cp", "worker:/data/reports/"+asOf, out)
	assert.FileExists(t, filepath.Join(out, asOf, "balance_sheet.csv"))
}

type demo struct {
	t   *testing.T
	env []string
}

func (d demo) compose(ctx context.Context, args ...string) (string, error) {
	cmd := exec.CommandContext(ctx, "docker", append([]string{"compose", "--project-name", "pbsmflow-test", "--env-file", "demo.env"}, args...)...)
	cmd.Dir = deploy
	cmd.Env = append(os.Environ(), d.env...)
	var stdout, stderr bytes.Buffer
	cmd.Stdout, cmd.Stderr = &stdout, &stderr
	err := cmd.Run()
	d.t.Logf("docker compose %s\n%s%s", strings.Join(args, " "), &stdout, &stderr)
	return stdout.String(), err
}

func (d demo) must(args ...string) {
	d.t.Helper()
	_, err := d.compose(d.t.Context(), args...)
	require.NoError(d.t, err)
}

// starter runs a command of the starter in a container, and returns its output.
func (d demo) starter(code int, args ...string) string {
	d.t.Helper()
	out, err := d.compose(d.t.Context(), append([]string{"run", "--rm", "--no-deps", "--no-TTY", "starter"}, args...)...)
	var exit *exec.ExitError
	if code == 0 {
		require.NoError(d.t, err)
		return out
	}
	require.ErrorAs(d.t, err, &exit)
	require.Equal(d.t, code, exit.ExitCode())
	return out
}

// until repeats a command of the starter until it prints a text.
func (d demo) until(command, id, text string) {
	d.t.Helper()
	require.Eventually(d.t, func() bool {
		out, err := d.compose(d.t.Context(), "run", "--rm", "--no-deps", "--no-TTY", "starter", command, id)
		return err == nil && strings.Contains(out, text)
	}, time.Minute, time.Second)
}
