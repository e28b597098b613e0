package audit

import (
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/pbsmflow/pbsmflow/internal/audit"
	"github.com/pbsmflow/pbsmflow/starter/internal/cli"
	"github.com/pbsmflow/pbsmflow/starter/internal/clitest"
)

// A close that is run again appends to the file of the one before, whose hash an auditor may have.
func TestVerify_hashOfAnEarlierClose(t *testing.T) {
	record := func(execution string) audit.Record {
		return audit.Record{Execution: execution, Events: []audit.Event{{At: time.Unix(0, 0), Event: audit.CloseStarted}}}
	}
	text, first, err := audit.Append(nil, record("run-1"))
	require.NoError(t, err)
	text, last, err := audit.Append(text, record("run-2"))
	require.NoError(t, err)
	file := clitest.WriteFile(t, "audit.jsonl", string(text))

	got := clitest.Invoke(t, clitest.Only(New), "audit", "verify", file, "--sha256", last.SHA256)
	assert.Equal(t, cli.ExitDone, got.Code, got.Stderr)
	got = clitest.Invoke(t, clitest.Only(New), "audit", "verify", file, "--sha256", first.SHA256)
	assert.Equal(t, cli.ExitFailed, got.Code)
	assert.Contains(t, got.Stderr, "close 1 of the 2 in it: up to line 2 it is the expected file")
	assert.Contains(t, got.Stderr, last.SHA256)
	assert.NotContains(t, got.Stderr, "another file")
	got = clitest.Invoke(t, clitest.Only(New), "audit", "verify", file, "--sha256", "ab")
	assert.Equal(t, cli.ExitFailed, got.Code)
	assert.Contains(t, got.Stderr, "another file")
}
