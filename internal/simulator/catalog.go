package simulator

import (
	"bytes"
	_ "embed"
	"errors"
	"fmt"
	"io"
	"slices"
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

	DataExports []DataExport      `yaml:"data_exports"`
	Published   map[string]string `yaml:"published"` // what BI Publisher delivered, by the object's name
}

// Batch is a batch with its tasks.
type Batch struct {
	Code  string `yaml:"code"`
	Does  string `yaml:"does"` // for the help
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
	// Numbered ends the rows with one that names the instance, so that the bytes say which one they belong to.
	Numbered bool `yaml:"numbered"`
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
		if !slices.Contains(append(allowed, "", OutcomeOK, OutcomeFail), got) {
			problem("%s %s: unknown outcome %q", what, code, got)
		}
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
	for _, d := range c.DataExports {
		if code("data export ", d.Code); !seen["batch "+d.Batch] || d.Files < 1 {
			problem("data export %s: no batch %q, or no files", d.Code, d.Batch)
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

//go:embed catalog.yaml
var defaultCatalog []byte

// DefaultCatalog returns the tenant of the demo and of most tests: catalog.yaml.
func DefaultCatalog() Catalog {
	c, err := LoadCatalog(bytes.NewReader(defaultCatalog))
	if err != nil {
		panic("simulator: " + err.Error()) // impossible for the embedded file, which tests load
	}
	return c
}
