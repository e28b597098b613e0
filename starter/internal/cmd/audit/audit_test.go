package audit

import (
	"crypto/sha256"
	"fmt"
	"os"
	"path/filepath"
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

	got := clitest.Invoke(t, clitest.Only(New), "audit", "verify", file, "--seal", last.SHA256)
	assert.Equal(t, cli.ExitDone, got.Code, got.Stderr)
	got = clitest.Invoke(t, clitest.Only(New), "audit", "verify", file, "--seal", first.SHA256)
	assert.Equal(t, cli.ExitFailed, got.Code)
	assert.Contains(t, got.Stderr, "close 1 of the 2 in it: up to line 2 it is the expected file")
	assert.Contains(t, got.Stderr, last.SHA256)
	assert.NotContains(t, got.Stderr, "another file")
	got = clitest.Invoke(t, clitest.Only(New), "audit", "verify", file, "--seal", "ab")
	assert.Equal(t, cli.ExitFailed, got.Code)
	assert.Contains(t, got.Stderr, "another file")
}

// An auditor compares the files that an audit file names with what is there now.
func TestVerify_files(t *testing.T) {
	sum := func(text string) string { return fmt.Sprintf("%x", sha256.Sum256([]byte(text))) }
	inbox, reports := t.TempDir(), t.TempDir()
	write := func(folder, name, text string) {
		require.NoError(t, os.MkdirAll(filepath.Dir(filepath.Join(folder, name)), 0o700))
		require.NoError(t, os.WriteFile(filepath.Join(folder, name), []byte(text), 0o600))
	}
	write(inbox, "gl.csv", "a,b\n")
	write(inbox, "rates/usd.csv", "usd\n")
	list := `{"file":"inbox/rates/usd.csv","sha256":"` + sum("usd\n") + `"}` + "\n" + `{"file":"inbox/rates/eur.csv","sha256":"` + sum("eur\n") + `"}` + "\n"
	write(inbox, "rates.sent.jsonl", list)
	write(reports, "figures.csv", "1\n")
	event := func(kind string, f audit.File) audit.Event {
		return audit.Event{At: time.Unix(1, 0), Event: kind, Step: "s", File: &f}
	}
	text, end, err := audit.Append(nil, audit.Record{Execution: "run-1", Events: []audit.Event{
		{At: time.Unix(0, 0), Event: audit.CloseStarted, WorkflowID: "close/prod/night/2026-10-31"},
		event(audit.FileSent, audit.File{Path: "inbox/gl.csv", SHA256: sum("a,b\n")}),
		event(audit.FileSent, audit.File{Path: "inbox/rates/", ListedIn: "inbox/rates.sent.jsonl", SHA256: sum(list)}),
		event(audit.ReportSaved, audit.File{Path: "reports/figures.csv", SHA256: sum("1\n")}),
	}})
	require.NoError(t, err)
	file := clitest.WriteFile(t, "audit.jsonl", string(text))
	verify := func(args ...string) clitest.Outcome {
		return clitest.Invoke(t, clitest.Only(New), append([]string{"audit", "verify", file}, args...)...)
	}

	got := verify()
	assert.Equal(t, cli.ExitDone, got.Code, got.Stderr)
	assert.Contains(t, got.Stdout, "3 files not compared; to do so: --store inbox --store reports")
	assert.Contains(t, got.Stdout, "Not proven: that this is the file that the workers wrote")
	assert.Contains(t, got.Stdout, "starter status close/prod/night/2026-10-31")

	got = verify("--seal", end.SHA256, "--store", "inbox="+inbox, "--store", "reports="+reports)
	assert.Equal(t, cli.ExitDone, got.Code, got.Stderr)
	assert.Contains(t, got.Stdout, "seal "+end.SHA256+", as expected")
	assert.NotContains(t, got.Stdout, "the file that the workers wrote")
	for _, line := range []string{
		"inbox/gl.csv (line 2) is as recorded", "inbox/rates.sent.jsonl (line 3) is as recorded", "inbox/rates/usd.csv (line 3) is as recorded",
		"inbox/rates/eur.csv (line 3) is not there any more, so nothing is known of it", "reports/figures.csv (line 4) is as recorded",
	} {
		assert.Contains(t, got.Stdout, line)
	}

	write(reports, "figures.csv", "2\n")
	cfg := clitest.WriteFile(t, "pbsm.yaml", "stores:\n  reports: {url: \"file://"+reports+"\"}\nconnections: {prod: {password: {file: /nowhere}}}\n")
	got = verify("--store", "reports", "--config", cfg)
	assert.Equal(t, cli.ExitFailed, got.Code)
	assert.Contains(t, got.Stderr, "not as recorded: 1 file")
	assert.Contains(t, got.Stderr, "reports/figures.csv (line 4) DIFFERS from the recorded SHA-256: "+sum("2\n"))
	assert.Contains(t, got.Stderr, "2 files not compared; to do so: --store inbox")
	got = verify("--store", "reports", "--config", cfg, "--output", "json")
	assert.Equal(t, cli.ExitFailed, got.Code)
	assert.Contains(t, got.Stdout, `"state": "differs"`)

	got = verify("--store", "inbux", "--config", cfg)
	assert.Equal(t, cli.ExitUsage, got.Code)
	assert.Contains(t, got.Stderr, "has no such store, but reports; or write inbux=FOLDER")
	got = verify("--store", "inbox=/nowhere")
	assert.Equal(t, cli.ExitUsage, got.Code)
	assert.Contains(t, got.Stderr, "/nowhere is not a folder")
}
