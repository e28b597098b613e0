package schedule

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/pbsmflow/pbsmflow/tests/harness"
	"github.com/pbsmflow/pbsmflow/workflows"
)

// A schedule with a parameter starts closes of their own, from a definition in two files; what fails there ends without
// asking anybody.
func TestSchedule_withAParameter(t *testing.T) {
	t.Parallel()
	const date = "2025-11-24"
	s := newScheduler(t)
	s.ledgers(date)
	s.Write(s.Pipelines, "_files.yaml", "steps:\n  - {id: ledger, upload: {file: \"inbox/gl_{{.AsOfDate}}.csv\"}}\n")
	s.Write(s.Pipelines, "forecast.yaml", `name: forecast
calendar: my-bank
time_zone: America/New_York
include: [_files.yaml]
params:
  scenario: {one_of: [1, 7], default: 1}
steps:
  - {id: quick, needs: [ledger], batch: {code: PBSM_QUICK, params: {$SCENARIO$: "{{.Params.scenario}}"}}}
  - {id: failing, needs: [quick], batch: {code: PBSM_FAIL, on_failure: fail}}
`)
	created := s.JSON(0, "schedule", "create", "-c", s.Connection, "-p", "forecast", "--at", "22:00", "--param", "scenario=7")
	id := created["schedule_id"].(string)
	require.Contains(t, id, "scenario-7", "beside a schedule with the default")
	s.Want(0, "schedule", "backfill", id, "--from", date, "--to", date)

	closeID := workflows.CloseWorkflowID(s.Connection, "forecast", date) + "/scenario-7"
	status := s.AwaitState(closeID, workflows.Failed)
	require.Len(t, status.Steps, 3)
	require.Equal(t, "ledger", status.Steps[0].ID, "the included steps come first")
	s.AwaitState(workflows.BatchWorkflowID(s.Connection, harness.QuickBatch, date, "scenario-7"), workflows.Succeeded)
	s.AwaitState(workflows.BatchWorkflowID(s.Connection, harness.FailBatch, date, "scenario-7"), workflows.Failed)
	require.Len(t, s.Calls("trigger", harness.Processed), 2)
}
