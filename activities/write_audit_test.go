package activities

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/pbsmflow/pbsmflow/internal/audit"
)

func TestWriteAudit(t *testing.T) {
	a, dir := withInbox(t)
	write := func(execution string) AuditWritten {
		t.Helper()
		written, err := a.WriteAudit(t.Context(), WriteAuditInput{File: "inbox/night/audit.jsonl", Sized: audit.Sized{Record: &audit.Record{
			Execution: execution,
			Events:    []audit.Event{{At: time.Date(2026, 10, 31, 0, 0, 0, 0, time.UTC), Event: audit.CloseStarted, By: "alice"}},
		}}})
		require.NoError(t, err)
		return written
	}
	read := func(name string) string {
		t.Helper()
		text, err := os.ReadFile(filepath.Join(dir, "night", name))
		require.NoError(t, err)
		return string(text)
	}
	first := write("run-1")
	text := read("audit.jsonl")
	require.Equal(t, first, write("run-1"))
	require.Equal(t, text, read("audit.jsonl"), "a retry writes the same")

	second := write("run-2")
	require.EqualValues(t, 3, second.Lines)
	require.True(t, strings.HasPrefix(read("audit.jsonl"), text), "another run of the close is added")

	tampered := strings.Replace(read("audit.jsonl"), "alice", "mallory", 1)
	require.NoError(t, os.WriteFile(filepath.Join(dir, "night", "audit.jsonl"), []byte(tampered), 0o600))
	third := write("run-3")
	require.Equal(t, "inbox/night/audit.run-3.jsonl", third.File)
	require.Contains(t, third.Damaged, "inbox/night/audit.jsonl is damaged, line 2")
	require.Equal(t, tampered, read("audit.jsonl"), "the evidence stays")
	report, err := audit.Verify(strings.NewReader(read("audit.run-3.jsonl")))
	require.NoError(t, err)
	require.Equal(t, third.SHA256, report.SHA256)
}
