package close

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/pbsmflow/pbsmflow/internal/simulator"
	"github.com/pbsmflow/pbsmflow/tests/harness"
	"github.com/pbsmflow/pbsmflow/workflows"
)

// withExample is a tenant that has what the examples in deploy/pipelines run, all of it short, and one of them in its
// folder.
func withExample(t *testing.T, name string) *harness.Env {
	catalog := simulator.DefaultCatalog()
	task := []simulator.Task{{Code: "Task1", Duration: time.Second}}
	catalog.Batches = []simulator.Batch{}
	for _, code := range []string{
		"PBSM_ALLOC", "PBSM_CONSOLIDATE", "PBSM_MONTH_END", "PBSM_QUARTER_END", "PBSM_TRUE_UP", "PBSM_EXPORT_DATA",
	} {
		catalog.Batches = append(catalog.Batches, simulator.Batch{Code: code, Tasks: task})
	}
	catalog.Groups = nil
	catalog.Reports = []simulator.Report{
		{Code: "RPT001", Kind: simulator.Profitability, Rows: 20, Duration: time.Second},
		{Code: "RPT002", Kind: simulator.BalanceSheet, Rows: 20, Duration: time.Second},
		{Code: "RPT003", Kind: simulator.BalanceSheet, Rows: 20, Duration: time.Second, FailTimes: 3},
	}
	e := harness.New(t, harness.Options{
		Simulator: simulator.Options{Catalog: catalog},
		Settings:  map[string]string{"worker.poll.min": "30ms"},
	})
	text, err := os.ReadFile(filepath.Join("../../../deploy/pipelines", name+".yaml"))
	require.NoError(t, err)
	e.Write(e.Pipelines, name+".yaml", string(text))
	return e
}

func entityLedgers(e *harness.Env, dates ...string) {
	for _, date := range dates {
		for _, entity := range []string{"US", "UK", "DE", "FR", "JP"} {
			e.Write(e.Inbox, entity+"/gl_"+date+".csv", harness.Ledger(3))
		}
	}
}

func TestExample_fiveEntities(t *testing.T) {
	t.Parallel()
	e := withExample(t, "five-entities")
	entityLedgers(e, harness.AsOf)
	var result workflows.NightlyCloseResult
	require.NoError(t, e.Await(e.StartClose("five-entities"), &result))
	require.Equal(t, workflows.Succeeded, result.State)
	require.Len(t, result.Steps, 16)
	require.Len(t, e.Calls("trigger", harness.Processed, harness.About("PBSM_ALLOC")), 5)
	for _, entity := range []string{"US", "UK", "DE", "FR", "JP"} {
		require.FileExists(t, e.Reports+"/"+harness.AsOf+"/profitability_"+entity+".csv")
	}
}

// A quarter's end: an operator signs off, the regulatory report is due, and the pack is missing.
func TestExample_monthEnd(t *testing.T) {
	t.Parallel()
	const date = "2026-09-30"
	e := withExample(t, "month-end-close")
	e.Write(e.Inbox, "adjustments_202609.csv", harness.Ledger(3))
	in := workflows.NightlyCloseInput{Connection: e.Connection, Pipeline: "month-end-close", AsOfDate: date, StartedBy: "alice"}
	run := e.Start(in.WorkflowID(), workflows.NightlyClose, in)
	e.AwaitState(in.WorkflowID(), workflows.Waiting)
	e.Want(0, "close", "approve", in.WorkflowID(), "--step", "sign-off", "--reason", "they agree", "--by", "bob")
	var result workflows.NightlyCloseResult
	require.NoError(t, e.Await(run, &result))
	require.Equal(t, workflows.SucceededWithExceptions, result.State, "the pack failed in both attempts")
	require.FileExists(t, e.Reports+"/"+date+"/regulatory.csv")
	require.Len(t, e.Calls("report", harness.Processed, harness.About("RPT003")), 2)
}

// A period is restated twice: each version is a close of its own.
func TestExample_restatement(t *testing.T) {
	t.Parallel()
	const date = "2026-06-30"
	e := withExample(t, "restatement")
	refused := e.Want(2, "close", "-c", e.Connection, "-p", "restatement", "--as-of", date, "--param", "version=final")
	require.Contains(t, refused.Stdout+refused.Stderr, "version")
	for _, version := range []string{"1", "2"} {
		e.Write(e.Inbox, "restated/"+date+"_"+version+".csv", harness.Ledger(3))
		id := workflows.CloseWorkflowID(e.Connection, "restatement", date) + "/version-" + version
		e.Want(0, "close", "-c", e.Connection, "-p", "restatement", "--as-of", date, "--param", "version="+version, "--detach")
		e.AwaitState(id, workflows.Waiting)
		e.Want(0, "close", "approve", id, "--step", "reviewed", "--reason", "minutes of 3 July", "--by", "bob")
		require.NoError(t, e.Await(e.Temporal.GetWorkflow(t.Context(), id, ""), nil))
		require.FileExists(t, e.Reports+"/"+date+"/profitability_restated_"+version+".csv")
		require.FileExists(t, e.Reports+"/"+date+"/restatement_"+version+".jsonl")
	}
	require.Len(t, e.Calls("trigger", harness.Processed), 2)
}

// atOnce is how many nights of the quarter run at the same time.
const atOnce = 8

// A quarter of a bank: every night runs exactly the steps that `pipeline nights` says, as the service's journal shows;
// three dashboards are missing; Fridays delete what is older than 35 days; one night has a second scenario. Without
// PBSMFLOW_QUARTER=whole, as make bench has it, only some of them run.
func TestExample_aBanksQuarter(t *testing.T) {
	t.Parallel()
	e := withExample(t, "bank-close")
	document := e.JSON(0, "pipeline", "nights", filepath.Join(e.Pipelines, "bank-close.yaml"), "--from", "2026-10-01", "--to", "2026-12-31")
	var inputs []workflows.NightlyCloseInput
	var planned [][]string
	for _, one := range document["nights"].([]any) {
		night := one.(map[string]any)
		inputs = append(inputs, workflows.NightlyCloseInput{
			Connection: e.Connection, Pipeline: "bank-close", AsOfDate: night["as_of_date"].(string), StartedBy: "tests",
		})
		var steps []string
		for _, step := range night["steps"].([]any) {
			steps = append(steps, step.(string))
		}
		planned = append(planned, steps)
	}
	require.Len(t, inputs, 62, "business days of the Federal Reserve Banks")
	whole := os.Getenv("PBSMFLOW_QUARTER") == "whole"
	if !whole {
		inputs, planned = someNights(inputs, planned)
	}
	for _, in := range inputs {
		entityLedgers(e, in.AsOfDate)
	}

	results := make([]workflows.NightlyCloseResult, len(inputs))
	for first := range inputs {
		if last := first - atOnce; last >= 0 {
			require.NoError(t, e.Await(e.Temporal.GetWorkflow(t.Context(), inputs[last].WorkflowID(), ""), &results[last]))
		}
		e.Start(inputs[first].WorkflowID(), workflows.NightlyClose, inputs[first])
	}
	for i := max(len(inputs)-atOnce, 0); i < len(inputs); i++ {
		require.NoError(t, e.Await(e.Temporal.GetWorkflow(t.Context(), inputs[i].WorkflowID(), ""), &results[i]))
	}

	var triggers []string // what the service must have run, by its own journal
	missing := 0
	for i, night := range results {
		require.Equal(t, planned[i], ran(night), night.AsOfDate)
		triggers = append(triggers, triggersOf(planned[i], night.AsOfDate)...)
		for _, step := range night.Steps {
			if step.State == workflows.Skipped {
				require.Equal(t, "dashboard", step.ID, night.AsOfDate)
				require.Equal(t, workflows.SucceededWithExceptions, night.State)
				missing++
			}
			if step.Export != nil {
				require.Equal(t, night.AsOfDate, step.Export.AsOfDate)
				require.Len(t, step.Export.Files, 2)
			}
		}
	}
	require.Equal(t, 3, missing, "dashboards")
	require.ElementsMatch(t, triggers, triggered(e))
	for _, file := range e.Sim.Files() {
		if !whole { // TestDelete_byAge has few nights
			break
		}
		// gl_US_2026-10-01_base.csv; the last Friday that was a night is 18 December, 35 days after 13 November.
		if parts := strings.Split(file.Name, "_"); parts[0] == "gl" {
			require.Equal(t, parts[2] <= "2026-11-13", !file.Deleted.IsZero(), file.Name)
		}
	}
	e.Want(0, "audit", "verify", filepath.Join(e.Reports, "2026-12-31", "audit.jsonl"))

	stress := inputs[len(inputs)-1]
	stress.Params = map[string]string{"scenario": "stress"}
	var result workflows.NightlyCloseResult
	require.NoError(t, e.Await(e.Start(inputs[len(inputs)-1].WorkflowID()+"/scenario-stress", workflows.NightlyClose, stress), &result))
	require.Equal(t, planned[len(planned)-1], ran(result))
	require.FileExists(t, e.Reports+"/2026-12-31/profitability_stress.csv")
	require.Len(t, triggered(e), len(triggers)+len(triggersOf(planned[len(planned)-1], "2026-12-31")), "a close of its own, beside the other")
}

// someNights are the ends of months, and the last days of the year.
func someNights(all []workflows.NightlyCloseInput, planned [][]string) (some []workflows.NightlyCloseInput, steps [][]string) {
	for i, in := range all {
		monthEnd := len(planned[i]) > len(planned[0])+1 // a Friday has one step more than other nights
		if monthEnd || in.AsOfDate >= "2026-12-24" {
			some, steps = append(some, in), append(steps, planned[i])
		}
	}
	return some, steps
}

// ran are the steps that a night ran, by their ids in the definition.
func ran(night workflows.NightlyCloseResult) (steps []string) {
	for _, step := range night.Steps {
		id := step.ID
		if of, _, several := strings.Cut(id, "-"); several && (of == "ledger" || of == "allocate") {
			id = of
		}
		if step.State != workflows.NotTonight && !slices.Contains(steps, id) {
			steps = append(steps, id)
		}
	}
	return steps
}

// triggersOf are the batches that steps run for a date.
func triggersOf(steps []string, date string) (all []string) {
	codes := map[string][]string{
		"allocate":    slices.Repeat([]string{"PBSM_ALLOC"}, 5),
		"consolidate": {"PBSM_CONSOLIDATE"}, "month-end": {"PBSM_MONTH_END"}, "quarter-end": {"PBSM_QUARTER_END"},
		"extract": {"PBSM_EXPORT_DATA"},
	}
	for _, step := range steps {
		for _, code := range codes[step] {
			all = append(all, fmt.Sprint(code, " ", date))
		}
	}
	return all
}

// triggered are the batches that the service ran.
func triggered(e *harness.Env) (all []string) {
	for _, call := range e.Calls("trigger", harness.Processed) {
		all = append(all, call.Subject+" "+call.AsOf)
	}
	return all
}
