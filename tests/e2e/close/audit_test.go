package close

import (
	"bytes"
	"crypto/sha256"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/pbsmflow/pbsmflow/internal/audit"
	"github.com/pbsmflow/pbsmflow/tests/harness"
	"github.com/pbsmflow/pbsmflow/workflows"
)

const audited = `
name: audited
audit: reports/audited.jsonl
steps:
  - id: ledger
    upload: {file: inbox/ledger.csv}
  - id: allocate
    needs: [ledger]
    batch: {code: PBSM_FAIL_ONCE, params: {"$RUNSK$": "7"}}
  - id: check
    needs: [allocate]
    approve: {message: "The figures of {{.AsOfDate}} agree"}
  - id: figures
    needs: [check]
    report: {code: RPT001, save_to: reports/figures.csv}
`

// A close with a failed task, a question, a refused command and a kept step: its audit file alone answers what an
// auditor asks.
func TestClose_auditFileAnswersAnAuditor(t *testing.T) {
	t.Parallel()
	e := harness.New(t, harness.Options{Settings: map[string]string{"worker.definitions": "folder"}})
	e.Write(e.Inbox, "ledger.csv", "account,amount\n1,2\n")
	e.Write(e.Pipelines, "audited.yaml", audited)
	id := workflows.CloseWorkflowID(e.Connection, "audited", harness.AsOf)
	waits := func(step string) {
		t.Helper()
		e.Until(step+" asks", func() bool {
			status, _ := e.Status(id)
			return slices.ContainsFunc(status.Steps, func(s workflows.StepStatus) bool { return s.ID == step && s.Question != nil })
		})
	}
	run := e.StartClose("audited")
	waits("allocate")
	e.Want(0, "close", "decide", id, "--choice", "give_up", "--reason", "no space left", "--by", "carol")
	require.Error(t, e.Await(run, nil))

	run = e.StartClose("audited")
	waits("allocate")
	e.Want(0, "close", "restart", id, "--reason", "space was added", "--by", "carol")
	waits("check")
	e.Want(2, "close", "approve", id, "--reason", "I looked", "--by", "tests")
	e.Want(0, "close", "approve", id, "--reason", "they agree", "--by", "bob")
	var result workflows.NightlyCloseResult
	require.NoError(t, e.Await(run, &result))

	path := filepath.Join(e.Reports, "audited.jsonl")
	lines := readAudit(t, path)
	find := func(event string, match func(auditLine) bool) auditLine {
		t.Helper()
		i := slices.IndexFunc(lines, func(l auditLine) bool {
			return l.Event.Event == event && l.Execution == run.GetRunID() && (match == nil || match(l))
		})
		require.GreaterOrEqual(t, i, 0, event)
		return lines[i]
	}
	require.True(t, slices.IsSortedFunc(lines, func(a, b auditLine) int { return a.At.Compare(b.At) }), "in the order of time")

	// Which definition, from where, run by which software, on which tenant and as whom?
	started := find(audit.CloseStarted, nil)
	require.Equal(t, fmt.Sprintf("%x", sha256.Sum256([]byte(audited))), started.DefinitionSHA256)
	require.Equal(t, "pipelines folder, audited.yaml", started.DefinitionFrom)
	require.NotEmpty(t, started.Version)
	require.Equal(t, e.Sim.BaseURL(), started.Service)
	require.NotEmpty(t, started.RemoteUser)
	// What was submitted, with which parameters, and who answered?
	trigger := find(audit.Submitted, nil)
	require.Equal(t, map[string]string{"$FICMISDATE$": harness.AsOf, "$RUNSK$": "7"}, trigger.Sent.Params)
	accepted := find(audit.Call, func(l auditLine) bool { return strings.HasPrefix(l.What, "trigger accepted as ") })
	require.Equal(t, started.Sender, accepted.Sender)
	// Which task failed, with which code?
	failed := find(audit.RunFailed, nil)
	require.NotEmpty(t, failed.Tasks)
	require.NotEmpty(t, failed.Tasks[0].StatusCode)
	// What was asked when, and answered when and by whom?
	asked := find(audit.Asked, func(l auditLine) bool { return l.Step == "allocate" })
	require.Contains(t, asked.Choices, workflows.RestartCommand)
	answered := find(audit.Answered, func(l auditLine) bool { return l.What == "allocate: restart" })
	require.Equal(t, []string{"carol", "space was added"}, []string{answered.By, answered.Why})
	require.WithinDuration(t, asked.At, answered.Since, time.Second)
	// Who tried what, in vain?
	refused := find(audit.Refused, nil)
	require.Equal(t, []string{"tests", "I looked"}, []string{refused.By, refused.Why})
	require.Contains(t, refused.What, "another operator must approve")
	// What was approved?
	approved := find(audit.Approved, nil)
	require.Equal(t, []string{"The figures of 2026-10-31 agree", "bob"}, []string{approved.What, approved.By})
	// What was kept, and what was built on what?
	kept := find(audit.StepKept, func(l auditLine) bool { return l.Step == "ledger" })
	report := find(audit.ReportSaved, nil)
	require.NotEmpty(t, report.File.SHA256)
	ended := find(audit.StepEnded, func(l auditLine) bool { return l.Step == "allocate" })
	require.Contains(t, kept.Result, strings.TrimSuffix(strings.TrimPrefix(ended.BasedOn, "ledger SHA-256 "), "…"))

	seal := result.Audit.SHA256
	require.Contains(t, e.Want(0, "status", id).Stdout, "seal "+seal)
	require.Equal(t, seal, e.JSON(0, "status", id)["audit"].(map[string]any)["sha256"])
	memo, err := e.Temporal.DescribeWorkflowExecution(t.Context(), id, run.GetRunID())
	require.NoError(t, err)
	require.Contains(t, string(memo.GetWorkflowExecutionInfo().GetMemo().GetFields()[workflows.AuditMemo].GetData()), seal)
	verified := e.Want(0, "audit", "verify", path, "--seal", seal, "--store", "inbox", "--store", "reports").Stdout
	require.Contains(t, verified, "inbox/ledger.csv (line ")
	require.Contains(t, verified, "reports/figures.csv (line ")
	e.Write(e.Reports, "figures.csv", "other figures\n")
	require.Contains(t, e.Want(1, "audit", "verify", path, "--store", "reports").Stderr, "DIFFERS")

	// A definition that is sent along is refused, by the starter and by the worker.
	e.Write(e.Dir, "audited.yaml", audited)
	file := filepath.Join(e.Dir, "audited.yaml")
	require.Contains(t, e.Want(2, "close", "-c", e.Connection, "-p", file, "--as-of", "2026-10-30").Stderr, "worker.definitions: folder")
	sent := e.Start("sent-along", workflows.NightlyClose, workflows.NightlyCloseInput{
		Connection: e.Connection, AsOfDate: "2026-10-30", StartedBy: "tests",
		Definition: harness.Definition(t, "sent", "  - id: allocate\n    batch: {code: PBSM_QUICK}\n"),
	})
	require.ErrorContains(t, e.Await(sent, nil), "worker.definitions: folder")
}

// auditLine is a line of an audit file.
type auditLine struct {
	Execution string `json:"execution"`
	audit.Event
}

// readAudit reads the lines of an audit file, without its seals, which have no time.
func readAudit(t *testing.T, path string) (lines []auditLine) {
	t.Helper()
	text, err := os.ReadFile(path)
	require.NoError(t, err)
	t.Logf("%s", text)
	for line := range bytes.Lines(text) {
		var l auditLine
		require.NoError(t, json.Unmarshal(line, &l))
		if !l.At.IsZero() {
			lines = append(lines, l)
		}
	}
	return lines
}
