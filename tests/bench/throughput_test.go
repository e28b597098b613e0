//go:build bench

package bench

import (
	"context"
	"fmt"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	enumspb "go.temporal.io/api/enums/v1"
	"go.temporal.io/sdk/client"
	"go.temporal.io/sdk/worker"
	"go.temporal.io/sdk/workflow"
	"golang.org/x/sync/errgroup"

	"github.com/pbsmflow/pbsmflow/internal/simulator"
	"github.com/pbsmflow/pbsmflow/tests/harness"
	"github.com/pbsmflow/pbsmflow/workflows"
)

const (
	closes       = 150 // in three rounds, because the database of the server grows with each
	closesAtOnce = 24
	closeSteps   = `name: small
steps:
  - id: ledger
    upload: {file: inbox/gl.csv}
  - id: allocate
    needs: [ledger]
    batch: {code: PBSM_QUICK}
  - id: profitability
    needs: [allocate]
    report: {code: RPT_SMALL, save_to: "reports/{{.AsOfDate}}.csv"}
`
)

// throughput compares closes with workflows that do nothing, on the same server: one with as many activities, and
// one with as many activities in as many child workflows, which is what Temporal takes for the structure of a close.
func throughput(t *testing.T, result *table) {
	catalog := simulator.DefaultCatalog()
	catalog.Reports = append(catalog.Reports, simulator.Report{Code: "RPT_SMALL", Kind: simulator.Profitability, Rows: 100, AsOf: harness.AsOf})
	b := newBench(t, harness.Options{Simulator: simulator.Options{Catalog: catalog, Speed: 100_000}})
	b.Write(b.Inbox, "gl.csv", harness.Ledger(100))
	b.Write(b.Pipelines, "small.yaml", closeSteps)
	startClose := func(number int) client.WorkflowRun {
		date := time.Date(2000, 1, 1, 0, 0, 0, 0, time.UTC).AddDate(0, 0, number).Format(time.DateOnly)
		return b.Start(workflows.CloseWorkflowID(b.Connection, "small", date), workflows.NightlyClose,
			workflows.NightlyCloseInput{Connection: b.Connection, Pipeline: "small", AsOfDate: date, StartedBy: "bench"})
	}
	first := startClose(0)
	require.NoError(t, b.Await(first, nil))
	same := b.shape(first.GetID())
	flat := shape{Activities: same.activities()}

	bare := worker.New(b.Temporal, "bare", worker.Options{})
	bare.RegisterWorkflow(Bare)
	bare.RegisterActivity(Nothing)
	require.NoError(t, bare.Start())
	defer bare.Stop()
	startBare := func(s shape) func(int) client.WorkflowRun {
		return func(int) client.WorkflowRun {
			run, err := b.Temporal.ExecuteWorkflow(t.Context(), client.StartWorkflowOptions{TaskQueue: "bare"}, Bare, s)
			require.NoError(t, err)
			return run
		}
	}
	var flats, sames, ours time.Duration
	for first := 1; first <= closes; first += closes / rounds {
		flats += manyAtOnce(t, first, closes/rounds, startBare(flat))
		sames += manyAtOnce(t, first, closes/rounds, startBare(same))
		ours += manyAtOnce(t, first, closes/rounds, startClose)
	}

	rate := func(d time.Duration) string { return fmt.Sprintf("%.1f/s", closes/d.Seconds()) }
	compare := func(against string, theirs time.Duration) {
		result.add(fmt.Sprintf("closes of %d steps, %d at once", len(same.Children), closesAtOnce),
			against+" "+rate(theirs), rate(ours), fmt.Sprintf("%.2f", theirs.Seconds()/ours.Seconds()))
	}
	compare(fmt.Sprintf("bare workflow of %d activities", flat.Activities), flats)
	compare(fmt.Sprintf("the same in %d child workflows", len(same.Children)), sames)
}

// shape is how many activities a workflow and its children execute.
type shape struct {
	Activities int
	Children   []shape
}

// shape counts what a workflow has executed.
func (b *bench) shape(id string) (s shape) {
	for _, event := range b.History(id, "") {
		switch event.EventType {
		case enumspb.EVENT_TYPE_ACTIVITY_TASK_SCHEDULED:
			s.Activities++
		case enumspb.EVENT_TYPE_CHILD_WORKFLOW_EXECUTION_STARTED:
			s.Children = append(s.Children, b.shape(event.GetChildWorkflowExecutionStartedEventAttributes().WorkflowExecution.WorkflowId))
		}
	}
	return s
}

func (s shape) activities() int {
	sum := s.Activities
	for _, child := range s.Children {
		sum += child.activities()
	}
	return sum
}

// Bare executes activities that do nothing, and then children of the same kind, in sequence.
func Bare(ctx workflow.Context, s shape) error {
	ctx = workflow.WithActivityOptions(ctx, workflow.ActivityOptions{StartToCloseTimeout: time.Minute})
	for range s.Activities {
		if err := workflow.ExecuteActivity(ctx, Nothing).Get(ctx, nil); err != nil {
			return err
		}
	}
	for _, child := range s.Children {
		if err := workflow.ExecuteChildWorkflow(ctx, Bare, child).Get(ctx, nil); err != nil {
			return err
		}
	}
	return nil
}

// Nothing does nothing.
func Nothing(context.Context) error { return nil }

// manyAtOnce runs workflows, closesAtOnce in parallel, and returns the time until the last one has ended.
func manyAtOnce(t *testing.T, first, many int, start func(number int) client.WorkflowRun) time.Duration {
	var group errgroup.Group
	group.SetLimit(closesAtOnce)
	began := time.Now()
	for number := range many {
		group.Go(func() error { return start(first+number).Get(t.Context(), nil) })
	}
	require.NoError(t, group.Wait())
	return time.Since(began)
}
