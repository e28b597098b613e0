package console

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/pbsmflow/pbsmflow/internal/audit"
	"github.com/pbsmflow/pbsmflow/internal/stores"
	"github.com/pbsmflow/pbsmflow/workflows"
)

func TestAuditor_comparesWithTheSealOfTheWorkflow(t *testing.T) {
	folder := t.TempDir()
	text, seal, err := audit.Append(nil, audit.Record{Execution: "run", Events: []audit.Event{{At: ten, Event: audit.StepEnded, What: "done"}}})
	require.NoError(t, err)
	for name, content := range map[string]string{
		"good.jsonl": string(text), "changed.jsonl": strings.Replace(string(text), `"done"`, `"fine"`, 1),
	} {
		require.NoError(t, os.WriteFile(filepath.Join(folder, name), []byte(content), 0o600))
	}
	open := func(ctx context.Context, name string) (*stores.Stores, error) {
		if name != "reports" {
			return nil, errors.New("there is no store " + name)
		}
		return stores.Open(ctx, map[string]stores.Settings{name: {URL: "file://" + folder}})
	}
	for _, c := range []struct{ file, seal, want string }{
		{"reports/good.jsonl", seal.SHA256, "intact, with the seal that the workflow has"},
		{"reports/good.jsonl", strings.Repeat("0", 64), "NOT AS WRITTEN: its lines match, but no seal"},
		{"reports/changed.jsonl", seal.SHA256, "NOT AS WRITTEN: line "},
		{"reports/none.jsonl", seal.SHA256, "not verified: "},
		{"other/good.jsonl", seal.SHA256, "not verified: there is no store other"},
	} {
		assert.Contains(t, newAuditor(open).verdict(t.Context(), workflows.AuditResult{File: c.file, SHA256: c.seal}), c.want)
	}
	assert.Contains(t, newAuditor(nil).verdict(t.Context(), workflows.AuditResult{File: "reports/good.jsonl"}), "has no stores")
}
