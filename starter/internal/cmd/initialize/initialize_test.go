package initialize

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/pbsmflow/pbsmflow/internal/config"
	"github.com/pbsmflow/pbsmflow/internal/pipeline"
	"github.com/pbsmflow/pbsmflow/starter/internal/cli"
	"github.com/pbsmflow/pbsmflow/starter/internal/clitest"
)

// What init lays out is valid but for the secrets, which the configuration names; a second time changes nothing.
func TestInit(t *testing.T) {
	folder := filepath.Join(t.TempDir(), "close")
	got := clitest.Invoke(t, clitest.Only(New), "init", folder, "--connection", "uat-2")
	require.Zero(t, got.Code, got.Stderr)
	assert.Contains(t, got.Stdout, "doctor --config "+folder+"/pbsm.yaml --connection uat-2")

	file := filepath.Join(folder, "pbsm.yaml")
	_, err := config.Load(file, nil)
	require.ErrorContains(t, err, "secrets/client_secret")
	require.ErrorContains(t, err, "secrets/password")
	for _, secret := range []string{"client_secret", "password"} {
		require.NoError(t, os.WriteFile(filepath.Join(folder, "secrets", secret), []byte("x\n"), 0o600))
	}
	cfg, err := config.Load(file, []string{"PBSM_CONNECTIONS__UAT_2__SERVICE_ID=OFS"})
	require.NoError(t, err)
	require.Contains(t, cfg.Connections, "uat-2")
	assert.Equal(t, "OFS", cfg.Connections["uat-2"].ServiceID, "as the comment says")
	assert.Equal(t, filepath.Join(folder, "pipelines"), cfg.Worker.Pipelines)

	text, err := os.ReadFile(filepath.Join(folder, "pipelines", "nightly-close.yaml"))
	require.NoError(t, err)
	p, err := pipeline.Parse(text)
	require.NoError(t, err)
	asOf, err := pipeline.ParseDate("2026-10-30")
	require.NoError(t, err)
	_, err = p.Render(asOf, pipeline.Vars{Connection: "uat-2"})
	require.NoError(t, err)
	require.FileExists(t, filepath.Join(folder, "pipelines", "../pipeline.schema.json"), "the editor finds it")

	require.NoError(t, os.Remove(filepath.Join(folder, "pipelines", "nightly-close.yaml")))
	again := clitest.Invoke(t, clitest.Only(New), "init", folder)
	assert.Equal(t, cli.ExitUsage, again.Code)
	assert.Contains(t, again.Stderr, "is there already; nothing was written")
	assert.NoFileExists(t, filepath.Join(folder, "pipelines", "nightly-close.yaml"))

	assert.Equal(t, cli.ExitUsage, clitest.Invoke(t, clitest.Only(New), "init", t.TempDir(), "--connection", "a b").Code)
}
