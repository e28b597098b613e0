package docs

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/pbsmflow/pbsmflow/tests/harness"
)

// Runs the commands of docs/quickstart.md word for word, in one terminal, in a folder that has only the built
// programs. Only the ports differ, because the usual ones may be taken.
func TestQuickstart_wordForWord(t *testing.T) {
	t.Parallel()
	_, blocks := harness.Page(t, "../../docs/quickstart.md")
	commands := harness.InLanguage(blocks, "sh")
	require.NotEmpty(t, commands)
	// Like an interactive shell, with jobs. What is still running at the end is killed, also after a failure.
	script := "set -meo pipefail\ntrap 'kill $(jobs -p) 2> /dev/null || true' EXIT\ntrap 'exit 1' TERM\n"
	for _, c := range commands {
		script += c.Text
	}
	temporal, ui, health := strconv.Itoa(harness.FreePort(t)), strconv.Itoa(harness.FreePort(t)), strconv.Itoa(harness.FreePort(t))
	for written, used := range map[string]string{
		"make build\n": "", "--port 7233": "--port " + temporal, "--ui-port 8233": "--ui-port " + ui,
	} {
		require.Contains(t, script, written)
		script = strings.ReplaceAll(script, written, used)
	}

	folder := t.TempDir()
	require.NoError(t, os.Mkdir(filepath.Join(folder, "bin"), 0o700))
	for _, name := range []string{"devserver", "simulator", "starter", "worker"} {
		binary, err := harness.Binary(name)
		require.NoError(t, err)
		binary, err = filepath.Abs(binary)
		require.NoError(t, err)
		require.NoError(t, os.Symlink(binary, filepath.Join(folder, "bin", name)))
	}
	ctx, cancel := context.WithTimeout(t.Context(), 2*time.Minute)
	defer cancel()
	shell := exec.CommandContext(ctx, "bash", "-c", script)
	shell.Dir = folder
	shell.Env = []string{"PATH=" + os.Getenv("PATH"), "HOME=" + folder, "TEMPORAL_ADDRESS=127.0.0.1:" + temporal, "PBSM_WORKER__HEALTH=127.0.0.1:" + health}
	shell.Cancel = func() error { return shell.Process.Signal(syscall.SIGTERM) }
	shell.WaitDelay = 10 * time.Second
	out, err := shell.CombinedOutput()
	require.NoError(t, err, "%s\n%s", out, logs(folder))
	require.Contains(t, string(out), "schedule/demo/first-close created")
	require.Contains(t, string(out), ": intact, ", "the audit file is verified")
	require.Contains(t, string(out), "ledger", "the open question is shown")
	reports, err := filepath.Glob(filepath.Join(folder, "night/reports/*/profitability.csv"))
	require.NoError(t, err)
	require.Len(t, reports, 2, "of the schedule, and of the close that stopped")
}

func logs(folder string) string {
	files, _ := filepath.Glob(filepath.Join(folder, "night/*.log")) // the pattern is good
	text := ""
	for _, file := range files {
		content, err := os.ReadFile(file)
		text += fmt.Sprintf("--- %s %v\n%s", file, err, content)
	}
	return text
}
