package main

import (
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/pbsmflow/pbsmflow/internal/audit"
)

// A close that is run again writes on in the file of the one before it, whose hash an auditor may hold.
func TestTheHashOfAnEarlierCloseIsKnown(t *testing.T) {
	record := func(execution string) audit.Record {
		return audit.Record{Execution: execution, Events: []audit.Event{{At: time.Unix(0, 0), Event: audit.CloseStarted}}}
	}
	text, first, err := audit.Append(nil, record("run-1"))
	require.NoError(t, err)
	text, last, err := audit.Append(text, record("run-2"))
	require.NoError(t, err)
	file := writeDefinition(t, "audit.jsonl", string(text))

	got := invoke(t, "audit", "verify", file, "--sha256", last.SHA256)
	assert.Equal(t, exitDone, got.code, got.stderr)
	got = invoke(t, "audit", "verify", file, "--sha256", first.SHA256)
	assert.Equal(t, exitFailed, got.code)
	assert.Contains(t, got.stderr, "close 1 of the 2 in it: up to line 2 it is the file that is meant")
	assert.Contains(t, got.stderr, last.SHA256)
	assert.NotContains(t, got.stderr, "another file")
	got = invoke(t, "audit", "verify", file, "--sha256", "ab")
	assert.Equal(t, exitFailed, got.code)
	assert.Contains(t, got.stderr, "another file")
}
