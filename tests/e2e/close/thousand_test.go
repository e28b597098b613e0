package close

import (
	"encoding/json"
	"fmt"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	enumspb "go.temporal.io/api/enums/v1"
	"go.temporal.io/sdk/client"

	"github.com/pbsmflow/pbsmflow/internal/simulator"
	"github.com/pbsmflow/pbsmflow/tests/harness"
	"github.com/pbsmflow/pbsmflow/workflows"
)

// Temporal's own limits: on a payload, a history's size and its events. It warns from a quarter of them on.
const (
	maxPayload = 2 << 20
	maxHistory = 50 << 20
	maxEvents  = 51_200
)

// A close of 1000 steps: its plan, its status and its history are far from Temporal's limits, and it answers soon after
// its start. The first roots are held, so that nothing runs.
func TestClose_ofAThousandSteps(t *testing.T) {
	t.Parallel()
	e := harness.New(t, harness.Options{})
	var entities []string
	for i := range 200 {
		entities = append(entities, fmt.Sprintf("E%03d", i))
	}
	e.Write(e.Pipelines, "thousand.yaml", `name: thousand
time_zone: America/New_York
deadline: "07:00"
x-entities: &entities [`+strings.Join(entities, ", ")+`]
steps:
  - {id: ledger, each: {entity: *entities}, hold: true, upload: {file: "inbox/{{.Each.entity}}/gl_{{.AsOfDate}}.csv", name: "gl_{{.Each.entity}}.csv", wait_until: "01:30"}}
  - {id: allocate, each: {entity: *entities}, needs: ["ledger-{{.Each.entity}}"], at_once: 10, batch: {code: PBSM_ALLOC, restarts: 2, params: {$ENTITY$: "{{.Each.entity}}"}}}
  - {id: profit, each: {entity: *entities}, needs: ["allocate-{{.Each.entity}}"], report: {code: RPT001, filter: "ENTITY = '{{.Each.entity}}'", save_to: "reports/{{.AsOfDate}}/profit_{{.Each.entity}}.csv"}}
  - {id: balance, each: {entity: *entities}, needs: ["allocate-{{.Each.entity}}"], report: {code: RPT002, save_to: "reports/{{.AsOfDate}}/balance_{{.Each.entity}}.csv"}}
  - {id: sign-off, each: {entity: *entities}, needs: ["profit-{{.Each.entity}}", "balance-{{.Each.entity}}"], approve: {message: "The figures of {{.Each.entity}} agree"}}
`)
	begun := time.Now()
	run := e.StartClose("thousand")
	var status workflows.Status
	e.Until("1000 steps are shown, 200 of them held", func() bool {
		status, _ = e.Status(run.GetID())
		return len(status.Steps) == 1000 && status.State == workflows.Waiting
	})
	answered := time.Since(begun)
	text, err := json.Marshal(status)
	require.NoError(t, err)
	plan := 0
	for _, event := range e.History(run.GetID(), "") {
		if event.EventType == enumspb.EVENT_TYPE_ACTIVITY_TASK_COMPLETED {
			plan = max(plan, event.GetActivityTaskCompletedEventAttributes().GetResult().Size())
		}
	}
	described, err := e.Temporal.DescribeWorkflowExecution(t.Context(), run.GetID(), "")
	require.NoError(t, err)
	info := described.WorkflowExecutionInfo
	t.Logf("plan %d bytes, status %d bytes, history %d bytes in %d events, answered after %s",
		plan, len(text), info.HistorySizeBytes, info.HistoryLength, answered.Round(10*time.Millisecond))
	require.Less(t, plan, maxPayload/2)
	require.Less(t, len(text), maxPayload/2)
	require.Less(t, info.HistorySizeBytes, int64(maxHistory/4))
	require.Less(t, info.HistoryLength, int64(maxEvents/4))
	e.Want(0, "cancel", run.GetID(), "--reason", "seen")
	require.Error(t, e.Await(run, nil))
}

// A thousand steps run to their end, with a command for all that come from one.
func TestClose_runsAThousandSteps(t *testing.T) {
	t.Parallel()
	e := harness.New(t, harness.Options{})
	var numbers []string
	for i := range 250 {
		numbers = append(numbers, fmt.Sprint(i))
	}
	definition := "name: approvals\nx-n: &n [" + strings.Join(numbers, ", ") + "]\nsteps:\n"
	stages := []string{"first", "second", "third", "fourth"}
	for i, stage := range stages {
		definition += "  - {id: " + stage + ", each: {n: *n}, approve: {message: \"{{.Each.n}} agrees\"}"
		if i > 0 {
			definition += ", needs: [\"" + stages[i-1] + "-{{.Each.n}}\"]"
		}
		definition += "}\n"
	}
	e.Write(e.Pipelines, "approvals.yaml", definition)
	begun := time.Now()
	run := e.StartClose("approvals")
	for i, stage := range stages {
		e.Until(stage+" waits", func() bool {
			status, _ := e.Status(run.GetID())
			return len(status.Steps) == 1000 && status.Steps[i*250+249].State == workflows.Waiting
		})
		e.Want(0, "close", "approve", run.GetID(), "--step", stage, "--reason", "they agree", "--by", "bob")
	}
	requireSmall(t, e, run, begun)
}

// A thousand steps that each start a workflow: PBSMFLOW_LARGE=1, on a machine of its own.
func TestClose_runsAThousandBatches(t *testing.T) {
	if os.Getenv("PBSMFLOW_LARGE") == "" {
		t.Skip("PBSMFLOW_LARGE=1 runs a thousand batches")
	}
	e := harness.New(t, harness.Options{Simulator: simulator.Options{Speed: 600}})
	var numbers []string
	for i := range 1000 {
		numbers = append(numbers, fmt.Sprint(i))
	}
	e.Write(e.Pipelines, "batches.yaml", `name: batches
steps:
  - {id: quick, each: {n: [`+strings.Join(numbers, ", ")+`]}, at_once: 50, batch: {code: PBSM_QUICK, params: {$N$: "{{.Each.n}}"}}}
`)
	begun := time.Now()
	requireSmall(t, e, e.StartClose("batches"), begun)
	require.Len(t, e.Calls("trigger", harness.Processed), 1000)
}

// requireSmall awaits a close of a thousand steps, whose result and history have to be far from Temporal's limits.
func requireSmall(t *testing.T, e *harness.Env, run client.WorkflowRun, begun time.Time) {
	t.Helper()
	var result workflows.NightlyCloseResult
	require.NoError(t, e.AwaitWithin(8*time.Minute, run, &result))
	require.Equal(t, workflows.Succeeded, result.State)
	text, err := json.Marshal(result)
	require.NoError(t, err)
	described, err := e.Temporal.DescribeWorkflowExecution(t.Context(), run.GetID(), "")
	require.NoError(t, err)
	info := described.WorkflowExecutionInfo
	t.Logf("result %d bytes, history %d bytes in %d events, %s", len(text), info.HistorySizeBytes, info.HistoryLength,
		time.Since(begun).Round(10*time.Millisecond))
	require.Less(t, len(text), maxPayload)
	require.Less(t, info.HistorySizeBytes, int64(maxHistory/4))
	require.Less(t, info.HistoryLength, int64(maxEvents/4))
}
