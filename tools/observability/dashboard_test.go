package main

import (
	"bytes"
	"os"
	"path/filepath"
	"testing"

	"github.com/grafana/grafana-foundation-sdk/go/cog"
	"github.com/grafana/grafana-foundation-sdk/go/dashboard"
	"github.com/grafana/grafana-foundation-sdk/go/prometheus"
	"github.com/grafana/grafana-foundation-sdk/go/stat"
	"github.com/grafana/grafana-foundation-sdk/go/timeseries"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

const (
	root   = "../.."
	folder = root + "/deploy/observability"
)

func read(t *testing.T, name string) string {
	t.Helper()
	text, err := os.ReadFile(filepath.Join(folder, name))
	require.NoError(t, err)
	return string(text)
}

func TestGenerate_filesAreFresh(t *testing.T) {
	t.Parallel()
	files, err := generate(root)
	require.NoError(t, err)
	for name, want := range files {
		if read(t, name) != string(want) {
			t.Errorf("%s is stale; run make generate", name)
		}
	}
}

// The dashboard has no key that Grafana does not know.
func TestDashboard_isValidForGrafana(t *testing.T) {
	t.Parallel()
	text := []byte(read(t, "dashboard.json"))
	known := cog.NewRuntime() // only those in use: all of them take a minute to compile
	known.RegisterPanelcfgVariant(stat.VariantConfig())
	known.RegisterPanelcfgVariant(timeseries.VariantConfig())
	known.RegisterDataqueryVariant(prometheus.VariantConfig())
	var board dashboard.Dashboard
	require.Empty(t, problems(board.UnmarshalJSONStrict(text)))
	require.NoError(t, board.Validate())
	unknown := bytes.Replace(text, []byte(`"graphMode"`), []byte(`"grafMode"`), 1)
	require.NotEmpty(t, problems(board.UnmarshalJSONStrict(unknown)), "an option that Grafana does not know")
}

// problems returns the text of an error. The SDK may return an error without problems.
func problems(err error) string {
	if err == nil {
		return ""
	}
	return err.Error()
}

// Every panel uses the chosen source and connection, and no two panels overlap.
func TestDashboard_panelsDoNotOverlap(t *testing.T) {
	t.Parallel()
	board, err := overview().Build()
	require.NoError(t, err)
	taken := map[[2]uint32]string{}
	for _, p := range board.Panels {
		if p.RowPanel != nil {
			continue
		}
		panel := p.Panel
		assert.Equal(t, "$datasource", *panel.Datasource.Uid, *panel.Title)
		assert.NotEmpty(t, panel.Targets, *panel.Title)
		at := panel.GridPos
		assert.LessOrEqual(t, at.X+at.W, uint32(24), *panel.Title)
		for x := at.X; x < at.X+at.W; x++ {
			for y := at.Y; y < at.Y+at.H; y++ {
				assert.Empty(t, taken[[2]uint32{x, y}], "%s overlaps another panel", *panel.Title)
				taken[[2]uint32{x, y}] = *panel.Title
			}
		}
	}
}
