package transfer

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/pbsmflow/pbsmflow/internal/simulator"
	"github.com/pbsmflow/pbsmflow/tests/harness"
	"github.com/pbsmflow/pbsmflow/workflows"
)

const verifiedPipeline = `name: verified
audit: "reports/{{.AsOfDate}}/audit.jsonl"
steps:
  - id: ledger
    upload:
      file: inbox/gl.csv
      wait_until: 2m
      stable_for: 300ms
      marker: inbox/gl.done
      expect: {manifest: inbox/gl.manifest.json, bytes: 57}
  - id: absent
    upload: {file: inbox/absent.csv, on_failure: skip}
  - id: report
    needs: [ledger, absent]
    report: {code: RPT002, save_to: "reports/{{.AsOfDate}}/report.csv", expect: {min_rows: 1, max_rows: 2}}
`

// A ledger of two amounts, and one whose second amount is a cent less.
var (
	ledgerText  = harness.Ledger(2)
	wrongLedger = strings.Replace(ledgerText, "37.01", "37.00", 1)
	manifest    = `{"file": "gl.csv", "rows": 2, "totals": {"amount": "37.01"}}`
)

// A file that does not match its manifest is not uploaded: the step asks an operator and shows both figures. The audit
// file records everything, and a change to it is detected.
func TestVerify_holdsBackAWrongFile(t *testing.T) {
	t.Parallel()
	e := harness.New(t, harness.Options{
		Simulator: simulator.Options{Quirks: simulator.Quirks{simulator.ScanRequired}},
		Settings:  map[string]string{"connection.scan_after_upload": "true"},
	})
	e.Write(e.Pipelines, "verified.yaml", verifiedPipeline)
	run := e.StartClose("verified")

	// The file arrives late, and its marker later.
	e.Write(e.Inbox, "gl.csv", wrongLedger)
	e.Until("the step that may be skipped is", func() bool { return stepOf(e, run.GetID(), "absent").State == workflows.Skipped })
	require.Equal(t, workflows.Running, stepOf(e, run.GetID(), "ledger").State)
	e.Write(e.Inbox, "gl.manifest.json", manifest)
	e.Write(e.Inbox, "gl.done", "")

	status := e.AwaitState(run.GetID(), workflows.Waiting)
	require.Contains(t, status.Question.Why, "total amount: expected 37.01 (inbox/gl.manifest.json), found 37.00")
	require.NotContains(t, status.Question.Why, "rows")
	require.Empty(t, e.Calls("upload-par"), "nothing is uploaded before it is verified")

	e.Write(e.Inbox, "gl.csv", ledgerText)
	_, err := e.Command(run.GetID(), workflows.DecideCommand, workflows.Command{By: "bob", Why: "the sender has replaced the file", Choice: workflows.Retry, Step: "ledger"})
	require.NoError(t, err)

	e.Until("the report waits for an operator", func() bool { return stepOf(e, run.GetID(), "report").State == workflows.Waiting })
	require.Contains(t, stepOf(e, run.GetID(), "report").Question.Why, "rows: expected at most 2, found ")
	_, err = e.Command(run.GetID(), workflows.DecideCommand, workflows.Command{By: "carol", Why: "the limit is old", Choice: workflows.Skip})
	require.NoError(t, err)

	var result workflows.NightlyCloseResult
	require.NoError(t, e.Await(run, &result))
	sum := sha256.Sum256([]byte(ledgerText))
	sent := result.Steps[0].Upload
	require.Equal(t, hex.EncodeToString(sum[:]), sent.SHA256)
	require.True(t, sent.Verified)
	require.Equal(t, map[string]string{"amount": "37.01"}, sent.Totals)
	require.Contains(t, sent.Scan, `"status":"success"`)
	require.Len(t, e.Calls("scan-file"), 1)

	path := filepath.Join(e.Reports, harness.AsOf, "audit.jsonl")
	requireAudit(t, e, path, result.Audit)
	text, err := os.ReadFile(path)
	require.NoError(t, err)
	requireInOrder(t, string(text), `"event":"close_started","by":"tests"`, `"event":"step_failed","step":"ledger"`, `37.00`,
		`ledger: decide retry","by":"bob","why":"the sender has replaced the file"`, `"event":"file_sent"`, sent.SHA256,
		`"event":"step_failed","step":"report"`, `report: decide skip","by":"carol"`, `"outcome":"skipped"`, `"event":"close_ended"`, `"event":"seal"`)
	require.Contains(t, string(text), `"file_id":"`+sent.FileID+`"`)

	requireTampered(t, e, text)
}

// A night that is cancelled has its audit file, too; run again, its record follows in the same file.
func TestAudit_cancelledClose(t *testing.T) {
	t.Parallel()
	e := harness.New(t, harness.Options{})
	e.Write(e.Pipelines, "approval.yaml", "name: approval\naudit: reports/audit.jsonl\nsteps:\n  - {id: look, approve: {message: Go on}}\n")
	run := e.StartClose("approval")
	e.AwaitState(run.GetID(), workflows.Waiting)
	require.NoError(t, e.Temporal.CancelWorkflow(t.Context(), run.GetID(), ""))
	require.Error(t, e.Await(run, nil))
	path := filepath.Join(e.Reports, "audit.jsonl")
	first, err := os.ReadFile(path)
	require.NoError(t, err)
	require.Contains(t, string(first), `"outcome":"cancelled"`)

	run = e.StartClose("approval")
	e.AwaitState(run.GetID(), workflows.Waiting)
	_, err = e.Command(run.GetID(), workflows.ApproveCommand, workflows.Command{By: "bob", Why: "checked"})
	require.NoError(t, err)
	var result workflows.NightlyCloseResult
	require.NoError(t, e.Await(run, &result))
	second, err := os.ReadFile(path)
	require.NoError(t, err)
	require.True(t, bytes.HasPrefix(second, first))
	requireAudit(t, e, path, result.Audit)
}

func stepOf(e *harness.Env, id, step string) workflows.StepStatus {
	status, _ := e.Status(id)
	for _, s := range status.Steps {
		if s.ID == step {
			return s
		}
	}
	return workflows.StepStatus{}
}

func requireInOrder(t *testing.T, text string, parts ...string) {
	t.Helper()
	rest := text
	for _, part := range parts {
		_, after, ok := strings.Cut(rest, part)
		require.True(t, ok, "%s is missing, or not in this order, in\n%s", part, text)
		rest = after
	}
}

// requireAudit verifies a file with the starter, alone and against the result of the close.
func requireAudit(t *testing.T, e *harness.Env, path string, audit *workflows.AuditResult) {
	t.Helper()
	require.NotNil(t, audit)
	require.Empty(t, audit.Note)
	result := e.Run("audit", "verify", path, "--seal", audit.SHA256)
	require.Zero(t, result.Code, result)
	require.Contains(t, result.Stdout, "intact")
	require.Contains(t, result.Stdout, audit.SHA256)
	result = e.Run("audit", "verify", path, "--seal", strings.Repeat("0", 64))
	require.Equal(t, 1, result.Code, result)
}

func requireTampered(t *testing.T, e *harness.Env, text []byte) {
	t.Helper()
	line := bytes.Count(text[:bytes.Index(text, []byte(`"by":"bob"`))], []byte{'\n'}) + 1
	tampered := filepath.Join(e.Dir, "tampered.jsonl")
	require.NoError(t, os.WriteFile(tampered, bytes.Replace(text, []byte(`"by":"bob"`), []byte(`"by":"eve"`), 1), 0o600))
	result := e.Run("audit", "verify", tampered, "--output", "json")
	require.Equal(t, 1, result.Code, result)
	var document struct {
		Valid bool
		Line  int
		Why   string
	}
	require.NoError(t, json.Unmarshal([]byte(result.Stdout), &document))
	require.False(t, document.Valid)
	require.Equal(t, line+1, document.Line, "the line after the changed one")
	result = e.Run("audit", "verify", filepath.Join(e.Dir, "nowhere.jsonl"))
	require.Equal(t, 2, result.Code, result)
}

// Messages about a file that is not UTF-8 are valid UTF-8, because Temporal accepts no other text.
func TestVerify_otherEncoding(t *testing.T) {
	t.Parallel()
	e := harness.New(t, harness.Options{})
	e.Write(e.Pipelines, "latin.yaml", "name: latin\nsteps:\n  - {id: ledger, upload: {file: inbox/gl.csv, expect: {totals: {Betrag: \"1\"}}}}\n")
	e.Write(e.Inbox, "gl.csv", "Gr\xf6\xdfe,Betr\xe4ge\n1,1\n")
	run := e.StartClose("latin")
	status := e.AwaitState(run.GetID(), workflows.Waiting)
	require.Contains(t, status.Question.Why, "there is no column Betrag; the header has Gr\uFFFDe, Betr\uFFFDge")
}
