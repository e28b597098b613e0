package console

import (
	"cmp"
	"context"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

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
		{"reports/good.jsonl", seal.SHA256, "1 line, intact, with the seal that the workflow has"},
		{"reports/good.jsonl", strings.Repeat("0", 64), "NOT AS WRITTEN: its lines match, but no seal"},
		{"reports/changed.jsonl", seal.SHA256, "NOT AS WRITTEN: line "},
		{"reports/none.jsonl", seal.SHA256, "not verified: "},
		{"other/good.jsonl", seal.SHA256, "not verified: there is no store other"},
	} {
		assert.Contains(t, newAuditor(open).verdict(t.Context(), workflows.AuditResult{File: c.file, SHA256: c.seal}), c.want)
	}
	assert.Contains(t, newAuditor(nil).verdict(t.Context(), workflows.AuditResult{File: "reports/good.jsonl"}), "has no stores")
}

// A store that does not answer holds up the page of its file for a moment, and no other page.
func TestAuditor_aSlowStore(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var slow, other atomic.Int32
		a := newAuditor(func(ctx context.Context, name string) (*stores.Stores, error) {
			map[string]*atomic.Int32{"slow": &slow, "other": &other}[name].Add(1)
			if name == "slow" {
				<-ctx.Done()
			}
			return nil, errors.New("there is no store " + name)
		})
		verdict := func(file string) (string, time.Duration) {
			began := time.Now()
			return a.verdict(t.Context(), workflows.AuditResult{File: file}), time.Since(began)
		}
		text, took := verdict("slow/audit.jsonl")
		require.Equal(t, "being verified", text)
		require.Equal(t, verifyPatience, took)
		text, took = verdict("other/audit.jsonl")
		require.Equal(t, "not verified: there is no store other", text)
		require.Zero(t, took)
		text, _ = verdict("slow/audit.jsonl")
		require.Equal(t, "being verified", text)
		time.Sleep(verifyTimeout)
		text, took = verdict("slow/audit.jsonl")
		require.Equal(t, "not verified: there is no store slow", text)
		require.Zero(t, took)
		require.EqualValues(t, 1, slow.Load())
		time.Sleep(verdictLasts)
		verdict("other/audit.jsonl")
		require.EqualValues(t, 2, other.Load(), "an old one is verified anew")
	})
}

// What became of a viewer is not what becomes of the file.
func TestAuditor_aViewerWhoHasLeft(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a := newAuditor(func(ctx context.Context, _ string) (*stores.Stores, error) {
			time.Sleep(time.Second)
			return nil, cmp.Or(ctx.Err(), errors.New("refused"))
		})
		gone, leave := context.WithCancel(t.Context())
		leave()
		of := workflows.AuditResult{File: "reports/audit.jsonl"}
		require.Equal(t, "being verified", a.verdict(gone, of))
		require.Equal(t, "not verified: refused", a.verdict(t.Context(), of))
	})
}
