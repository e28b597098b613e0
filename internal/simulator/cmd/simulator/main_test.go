package main

import (
	"bufio"
	"encoding/json"
	"flag"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"github.com/stretchr/testify/require"
	"go.yaml.in/yaml/v3"
)

func TestCommand_serves(t *testing.T) {
	dir := t.TempDir()
	binary := filepath.Join(dir, "simulator")
	out, err := exec.Command("go", "build", "-o", binary, ".").CombinedOutput()
	require.NoError(t, err, string(out))

	catalog := filepath.Join(dir, "catalog.yaml")
	require.NoError(t, os.WriteFile(catalog, []byte("batches: [{code: ONE, tasks: [{code: T}]}]"), 0o600))
	cmd := exec.Command(binary, "--write-config", filepath.Join(dir, "config"), "--catalog", catalog, "--quirk", "codes-as-numbers", "--speed", "60")
	cmd.Stderr = t.Output()
	stdout, err := cmd.StdoutPipe()
	require.NoError(t, err)
	require.NoError(t, cmd.Start())
	t.Cleanup(func() { _ = cmd.Process.Kill() })
	line, err := bufio.NewReader(stdout).ReadBytes('\n')
	require.NoError(t, err)
	var ready struct {
		BaseURL string `json:"base_url"`
		CAFile  string `json:"ca_file"`
	}
	require.NoError(t, json.Unmarshal(line, &ready))

	require.FileExists(t, ready.CAFile)
	root := ready.BaseURL[:strings.LastIndex(ready.BaseURL, "/")]
	require.NoError(t, exec.Command(binary, "healthcheck", root).Run())

	text, err := os.ReadFile(filepath.Join(dir, "config", "pbsm.yaml"))
	require.NoError(t, err)
	var config struct {
		Connections map[string]struct {
			BaseURL  string                `yaml:"base_url"`
			CAFile   string                `yaml:"ca_file"`
			Password struct{ File string } `yaml:"password"`
		}
	}
	require.NoError(t, yaml.Unmarshal(text, &config))
	demo := config.Connections["demo"]
	require.Equal(t, ready.BaseURL, demo.BaseURL)
	require.FileExists(t, demo.CAFile)
	info, err := os.Stat(demo.Password.File)
	require.NoError(t, err)
	require.EqualValues(t, 0o600, info.Mode().Perm())

	require.NoError(t, cmd.Process.Signal(syscall.SIGTERM))
	require.NoError(t, cmd.Wait())
	require.NoFileExists(t, ready.CAFile, "the temporary folder is removed")
	require.Error(t, exec.Command(binary, "healthcheck", root).Run())
}

func TestParse_reportsAllProblems(t *testing.T) {
	err := run([]string{"--log-level", "loud", "--catalog", "/nowhere", "more"}, io.Discard, io.Discard)
	for _, want := range []string{"loud", "/nowhere", "more"} {
		require.ErrorContains(t, err, want)
	}
	require.ErrorContains(t, run([]string{"--quirk", "none"}, io.Discard, io.Discard), `quirk "none"`)
}

// Whoever tries a close needs to know what the tenant has, and what fails there.
func TestCommand_help(t *testing.T) {
	var out strings.Builder
	require.ErrorIs(t, run([]string{"--help"}, io.Discard, &out), flag.ErrHelp)
	for _, want := range []string{
		"-write-config folder", "PBSM_FAIL_ONCE         a restart succeeds", "group      PBSM_PROFIT_GRP",
		"report     RPT_FAIL", "MIG_EXPORT1            export", "outcome: fail",
	} {
		require.Contains(t, out.String(), want)
	}
}
