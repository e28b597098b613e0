package chaos

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	enumspb "go.temporal.io/api/enums/v1"
	"go.temporal.io/api/serviceerror"
	workflowpb "go.temporal.io/api/workflow/v1"
	"go.temporal.io/api/workflowservice/v1"

	"github.com/pbsmflow/pbsmflow/internal/simulator"
	"github.com/pbsmflow/pbsmflow/tests/harness"
	"github.com/pbsmflow/pbsmflow/workflows"
)

// world is shared by all closes.
type world struct {
	t       *testing.T
	env     *harness.Env
	seed    int64
	quick   bool // kill for a short while only
	figures *figures

	mu       sync.Mutex
	expected map[string]expectedBatch // by workflow id
	words    map[string][]word        // by workflow id of the close
	kills    []time.Time
	problems []string // everything that was found wrong
}

// expectedBatch is a batch step, and the plan of its close.
type expectedBatch struct {
	batchStep
	plan plan
}

func (w *world) register(p plan) {
	w.mu.Lock()
	defer w.mu.Unlock()
	for _, one := range p.batches {
		w.expected[one.workflowID] = expectedBatch{one, p}
	}
}

func (w *world) batch(workflowID string) (expectedBatch, bool) {
	w.mu.Lock()
	defer w.mu.Unlock()
	p, ok := w.expected[workflowID]
	return p, ok
}

// wrong fails the test. All problems are shown again at its end, below the logs of the processes.
func (w *world) wrong(format string, args ...any) {
	text := fmt.Sprintf(format, args...)
	w.t.Errorf("%s\nPBSMFLOW_SEED=%d", text, w.seed)
	w.mu.Lock()
	defer w.mu.Unlock()
	w.problems = append(w.problems, text)
}

func (w *world) killed(what string) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.kills = append(w.kills, time.Now())
	w.figures.add("kills", what)
}

// killsBetween counts the kills during a close.
func (w *world) killsBetween(from, to time.Time) int {
	w.mu.Lock()
	defer w.mu.Unlock()
	count := 0
	for _, at := range w.kills {
		if at.After(from) && at.Before(to) {
			count++
		}
	}
	return count
}

const temporalTimeout = 20 * time.Second // of one call to Temporal, which may be down

// status queries the status of an execution, of the latest if runID is empty.
func (w *world) status(ctx context.Context, id, runID string) (workflows.Status, error) {
	ctx, cancel := context.WithTimeout(ctx, temporalTimeout)
	defer cancel()
	var status workflows.Status
	answer, err := w.env.Temporal.QueryWorkflow(ctx, id, runID, workflows.StatusQuery)
	if err != nil {
		return status, err
	}
	return status, answer.Get(&status)
}

// list returns all workflows that match a query, oldest first.
func (w *world) list(ctx context.Context, query string) ([]*workflowpb.WorkflowExecutionInfo, error) {
	ctx, cancel := context.WithTimeout(ctx, temporalTimeout)
	defer cancel()
	answer, err := w.env.Temporal.ListWorkflow(ctx, &workflowservice.ListWorkflowExecutionsRequest{Query: query, PageSize: 1000})
	if err != nil {
		return nil, err
	}
	slices.SortFunc(answer.Executions, func(a, b *workflowpb.WorkflowExecutionInfo) int {
		return a.StartTime.AsTime().Compare(b.StartTime.AsTime())
	})
	return answer.Executions, nil
}

// execution is one start of a batch, and its status.
type execution struct {
	started time.Time
	state   enumspb.WorkflowExecutionStatus
	status  workflows.Status
}

// executions returns all starts of a batch, oldest first.
func (w *world) executions(ctx context.Context, workflowID string) ([]execution, error) {
	listed, err := w.list(ctx, fmt.Sprintf("WorkflowId = '%s'", workflowID))
	if err != nil {
		return nil, err
	}
	var all []execution
	for _, one := range listed {
		status, err := w.status(ctx, workflowID, one.Execution.RunId)
		var nothing *serviceerror.WorkflowNotReady // terminated before a worker had it: it did nothing
		if err != nil && !(errors.As(err, &nothing) && one.Status == enumspb.WORKFLOW_EXECUTION_STATUS_TERMINATED) {
			return nil, err
		}
		all = append(all, execution{started: one.StartTime.AsTime(), state: one.Status, status: status})
	}
	return all, nil
}

// runs returns the service's runs of a batch, without children, oldest first.
func (w *world) runs(p expectedBatch) []simulator.Run {
	return slices.DeleteFunc(w.env.Sim.Runs(), func(r simulator.Run) bool {
		return r.Parent != "" || r.Code != p.code || r.AsOf != p.plan.date
	})
}

// followed counts how often the starts of a batch recorded a run: once for each trigger, restart and rerun with a
// response, and for each adoption.
func followed(all []execution, runID string) int {
	count := 0
	for _, one := range all {
		for _, entry := range one.status.Log {
			if strings.HasSuffix(entry.What, "accepted as "+runID) || entry.What == runID+" is adopted" {
				count++
			}
		}
	}
	return count
}

const (
	failed      = -1
	interrupted = -2
	aborted     = 3
	held        = 5
	succeeded   = 0
)

// failedRun reports whether a run has ended without success.
func failedRun(r simulator.Run) bool {
	return r.Status == failed || r.Status == interrupted || r.Status == aborted
}

// figures are counts by group and name.
type figures struct {
	mu     sync.Mutex
	counts map[string]map[string]int
}

func newFigures() *figures { return &figures{counts: map[string]map[string]int{}} }

func (f *figures) add(group, name string) { f.addN(group, name, 1) }

func (f *figures) addN(group, name string, n int) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.counts[group] == nil {
		f.counts[group] = map[string]int{}
	}
	f.counts[group][name] += n
}

// table formats all counts, one on each line.
func (f *figures) table() string {
	f.mu.Lock()
	defer f.mu.Unlock()
	var b strings.Builder
	for _, group := range slices.Sorted(maps.Keys(f.counts)) {
		sum := 0
		for _, n := range f.counts[group] {
			sum += n
		}
		fmt.Fprintf(&b, "%-46s %6d\n", group, sum)
		for _, name := range slices.Sorted(maps.Keys(f.counts[group])) {
			fmt.Fprintf(&b, "  %-44s %6d\n", name, f.counts[group][name])
		}
	}
	return b.String()
}
