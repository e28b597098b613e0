package simulator

import (
	"errors"
	"fmt"
	"io"
	"time"

	"go.yaml.in/yaml/v3"
)

// Outcomes of a task, a report or a migration. The zero value is OK.
const (
	OutcomeOK    = "ok"
	OutcomeFail  = "fail"
	OutcomeAbort = "abort" // tasks only
	OutcomeHeld  = "held"  // tasks only: waits for its release, then succeeds
	OutcomeHang  = "hang"  // tasks only: runs until it is interrupted
)

// Catalog holds what exists in the simulated tenant. Durations are simulated time.
type Catalog struct {
	// Queue is how long a run stays "not started" after its trigger.
	Queue time.Duration `yaml:"queue"`
	// InterruptTakes is the time between an accepted interrupt and the run's stop.
	InterruptTakes time.Duration `yaml:"interrupt_takes"`

	Batches    []Batch     `yaml:"batches"`
	Groups     []Group     `yaml:"groups"`
	Reports    []Report    `yaml:"reports"`
	Migrations []Migration `yaml:"migrations"`
}

// Batch is a batch with its tasks.
type Batch struct {
	Code  string `yaml:"code"`
	Tasks []Task `yaml:"tasks"`
}

// Task is one step of a batch. Without Needs it follows the task before it; an empty, non-nil Needs means that it
// waits for no other task.
type Task struct {
	Code      string        `yaml:"code"`
	Duration  time.Duration `yaml:"duration"`
	Outcome   string        `yaml:"outcome"`
	FailTimes int           `yaml:"fail_times"` // fails this often over a run, its restarts and its reruns, then succeeds
	Needs     []string      `yaml:"needs"`
}

// Group is a batch group. Its batches run in sequence, or in parallel.
type Group struct {
	Code     string   `yaml:"code"`
	Batches  []string `yaml:"batches"`
	Parallel bool     `yaml:"parallel"`
}

// Kinds of reports, which decide the columns of the CSV file.
const (
	Profitability = "profitability"
	BalanceSheet  = "balance_sheet"
)

// Report is a report: PENDING for Queue, RUNNING for Duration, then its outcome.
type Report struct {
	Code      string        `yaml:"code"`
	Kind      string        `yaml:"kind"`
	Rows      int           `yaml:"rows"`
	AsOf      string        `yaml:"as_of"` // the date in the rows, unless the filter holds one
	Queue     time.Duration `yaml:"queue"`
	Duration  time.Duration `yaml:"duration"`
	Outcome   string        `yaml:"outcome"`
	FailTimes int           `yaml:"fail_times"`
}

// Migration is a migration definition. Its Kind is export or import.
type Migration struct {
	Code      string        `yaml:"code"`
	Kind      string        `yaml:"kind"`
	Duration  time.Duration `yaml:"duration"`
	Outcome   string        `yaml:"outcome"`
	FailTimes int           `yaml:"fail_times"`
	Complete  bool          `yaml:"complete"` // already complete before the first call
}

// LoadCatalog reads a catalog from YAML and checks it.
func LoadCatalog(r io.Reader) (Catalog, error) {
	var c Catalog
	dec := yaml.NewDecoder(r)
	dec.KnownFields(true)
	if err := dec.Decode(&c); err != nil {
		return Catalog{}, fmt.Errorf("catalog: %w", err)
	}
	return c, c.check()
}

func (c Catalog) empty() bool {
	return len(c.Batches)+len(c.Groups)+len(c.Reports)+len(c.Migrations) == 0
}

// check reports all problems of the catalog at once.
func (c Catalog) check() error {
	var errs []error
	problem := func(format string, args ...any) { errs = append(errs, fmt.Errorf("catalog: "+format, args...)) }
	seen := map[string]bool{}
	code := func(what, code string) {
		if code == "" || seen[what+code] {
			problem("%s %q: the code is empty or used twice", what, code)
		}
		seen[what+code] = true
	}
	outcome := func(what, code, got string, allowed ...string) {
		for _, a := range append(allowed, "", OutcomeOK, OutcomeFail) {
			if got == a {
				return
			}
		}
		problem("%s %s: unknown outcome %q", what, code, got)
	}
	for _, b := range c.Batches {
		code("batch ", b.Code)
		before := map[string]bool{}
		for _, t := range b.Tasks {
			code("task "+b.Code+"/", t.Code)
			outcome("task", t.Code, t.Outcome, OutcomeAbort, OutcomeHeld, OutcomeHang)
			for _, n := range t.Needs {
				if !before[n] {
					problem("task %s of batch %s needs %q, which is not an earlier task", t.Code, b.Code, n)
				}
			}
			before[t.Code] = true
		}
	}
	for _, g := range c.Groups {
		if code("group ", g.Code); seen["batch "+g.Code] {
			problem("%s is both a batch and a group", g.Code)
		}
		for _, b := range g.Batches {
			if !seen["batch "+b] {
				problem("group %s: no batch %q", g.Code, b)
			}
		}
	}
	for _, r := range c.Reports {
		code("report ", r.Code)
		outcome("report", r.Code, r.Outcome)
		if r.Kind != Profitability && r.Kind != BalanceSheet {
			problem("report %s: unknown kind %q", r.Code, r.Kind)
		}
	}
	for _, m := range c.Migrations {
		code("migration ", m.Code)
		outcome("migration", m.Code, m.Outcome)
		if m.Kind != exportKind && m.Kind != importKind {
			problem("migration %s: unknown kind %q", m.Code, m.Kind)
		}
	}
	return errors.Join(errs...)
}

// DefaultCatalog returns the tenant of the demo and of most tests. The package documentation lists its codes.
func DefaultCatalog() Catalog {
	three := func(second Task) []Task {
		second.Code, second.Duration = "T2_CALCULATE", time.Minute
		return []Task{
			{Code: "T1_LOAD", Duration: time.Minute}, second, {Code: "T3_PUBLISH", Duration: time.Minute},
		}
	}
	four := func(each time.Duration) []Task {
		return []Task{
			{Code: "T1_LOAD", Duration: each}, {Code: "T2_FTP", Duration: each},
			{Code: "T3_ALLOCATE", Duration: each}, {Code: "T4_PUBLISH", Duration: each},
		}
	}
	return Catalog{
		Queue:          2 * time.Second,
		InterruptTakes: 5 * time.Second,
		Batches: []Batch{
			{Code: "PBSM_ALLOC", Tasks: []Task{
				{Code: "LOAD_LEDGER", Duration: 2 * time.Minute},
				{Code: "VALIDATE_LEDGER", Duration: time.Minute},
				{Code: "FTP_RATES", Duration: 3 * time.Minute},
				{Code: "ALLOC_EXPENSE", Duration: 4 * time.Minute},
				{Code: "ALLOC_INCOME", Duration: 3 * time.Minute},
				{Code: "PUBLISH_RESULTS", Duration: 2 * time.Minute},
			}},
			{Code: "PBSM_CUST_PROFIT", Tasks: []Task{
				{Code: "CUST_AGGREGATE", Duration: 2 * time.Minute},
				{Code: "CUST_PROFIT_CALC", Duration: 3 * time.Minute},
				{Code: "CUST_PUBLISH", Duration: time.Minute},
			}},
			{Code: "PBSM_PROD_PROFIT", Tasks: []Task{
				{Code: "PROD_AGGREGATE", Duration: 2 * time.Minute},
				{Code: "PROD_MARGIN", Duration: 3 * time.Minute, Needs: []string{"PROD_AGGREGATE"}},
				{Code: "PROD_FEES", Duration: 4 * time.Minute, Needs: []string{"PROD_AGGREGATE"}},
				{Code: "PROD_PUBLISH", Duration: time.Minute, Needs: []string{"PROD_MARGIN", "PROD_FEES"}},
			}},
			{Code: "PBSM_QUICK", Tasks: []Task{
				{Code: "T1_LOAD", Duration: time.Second},
				{Code: "T2_CALCULATE", Duration: time.Second},
				{Code: "T3_PUBLISH", Duration: time.Second},
			}},
			{Code: "PBSM_FAIL", Tasks: three(Task{Outcome: OutcomeFail})},
			{Code: "PBSM_FAIL_ONCE", Tasks: three(Task{FailTimes: 1})},
			{Code: "PBSM_ABORT", Tasks: three(Task{Outcome: OutcomeAbort})},
			{Code: "PBSM_HELD", Tasks: three(Task{Outcome: OutcomeHeld})},
			{Code: "PBSM_HANG", Tasks: three(Task{Outcome: OutcomeHang})},
			{Code: "PBSM_LONG", Tasks: four(150 * time.Minute)},
			{Code: "PBSM_SHORT", Tasks: four(150 * time.Second)},
			{Code: "PBSM_EMPTY"},
		},
		Groups: []Group{
			{Code: "PBSM_PROFIT_GRP", Batches: []string{"PBSM_CUST_PROFIT", "PBSM_PROD_PROFIT"}},
			{Code: "PBSM_PARALLEL_GRP", Batches: []string{"PBSM_CUST_PROFIT", "PBSM_PROD_PROFIT"}, Parallel: true},
			{Code: "PBSM_FAIL_ONCE_GRP", Batches: []string{"PBSM_QUICK", "PBSM_FAIL_ONCE"}},
		},
		Reports: []Report{
			{Code: "RPT001", Kind: Profitability, Rows: 50_000, AsOf: "2026-10-31", Queue: 5 * time.Second, Duration: time.Minute},
			{Code: "RPT002", Kind: BalanceSheet, Rows: 20_000, AsOf: "2026-10-31", Queue: 5 * time.Second, Duration: 40 * time.Second},
			{Code: "RPT_FAIL", Kind: Profitability, AsOf: "2026-10-31", Duration: 10 * time.Second, Outcome: OutcomeFail},
			{Code: "RPT_FAIL_ONCE", Kind: Profitability, Rows: 100, AsOf: "2026-10-31", Duration: 10 * time.Second, FailTimes: 1},
		},
		Migrations: []Migration{
			{Code: "MIG_EXPORT1", Kind: exportKind, Duration: 2 * time.Minute},
			{Code: "MIG_IMPORT1", Kind: importKind, Duration: 3 * time.Minute},
			{Code: "MIG_EXPORT_FAIL", Kind: exportKind, Duration: 30 * time.Second, Outcome: OutcomeFail},
			{Code: "MIG_IMPORT_FAIL", Kind: importKind, Duration: 30 * time.Second, Outcome: OutcomeFail},
			{Code: "MIG_EXPORT_DONE", Kind: exportKind, Complete: true},
			{Code: "MIG_IMPORT_DONE", Kind: importKind, Complete: true},
		},
	}
}
