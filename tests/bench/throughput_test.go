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
	closes       = 150
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

// throughput compares closes with workflows of as many activities that do nothing, on the same server.
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
	each := b.activities(first.GetID())

	bare := worker.New(b.Temporal, "bare", worker.Options{})
	bare.RegisterWorkflow(Bare)
	bare.RegisterActivity(Nothing)
	require.NoError(t, bare.Start())
	defer bare.Stop()
	theirs := manyAtOnce(t, closes, func(number int) client.WorkflowRun {
		run, err := b.Temporal.ExecuteWorkflow(t.Context(), client.StartWorkflowOptions{ID: fmt.Sprint("bare/", number), TaskQueue: "bare"}, Bare, each)
		require.NoError(t, err)
		return run
	})
	ours := manyAtOnce(t, closes, func(number int) client.WorkflowRun { return startClose(number + 1) })

	rate := func(d time.Duration) string { return fmt.Sprintf("%.1f/s", closes/d.Seconds()) }
	result.add(fmt.Sprintf("closes of 3 steps, %d at once", closesAtOnce),
		fmt.Sprintf("bare workflow of %d activities %s", each, rate(theirs)), rate(ours), fmt.Sprintf("%.2f", theirs.Seconds()/ours.Seconds()))
	activity := func(d time.Duration) string {
		return (d / time.Duration(closes*each)).Round(10 * time.Microsecond).String()
	}
	result.add("its time per activity", activity(theirs), activity(ours), activity(ours-theirs)+" more")
}

// Bare executes activities that do nothing, in sequence.
func Bare(ctx workflow.Context, activities int) error {
	ctx = workflow.WithActivityOptions(ctx, workflow.ActivityOptions{StartToCloseTimeout: time.Minute})
	for range activities {
		if err := workflow.ExecuteActivity(ctx, Nothing).Get(ctx, nil); err != nil {
			return err
		}
	}
	return nil
}

// Nothing does nothing.
func Nothing(context.Context) error { return nil }

// activities counts the activities of a workflow and of its children.
func (b *bench) activities(id string) int {
	count := 0
	for _, event := range b.History(id, "") {
		switch event.EventType {
		case enumspb.EVENT_TYPE_ACTIVITY_TASK_SCHEDULED:
			count++
		case enumspb.EVENT_TYPE_CHILD_WORKFLOW_EXECUTION_STARTED:
			count += b.activities(event.GetChildWorkflowExecutionStartedEventAttributes().WorkflowExecution.WorkflowId)
		}
	}
	return count
}

// manyAtOnce runs workflows, closesAtOnce in parallel, and returns the time until the last one has ended.
func manyAtOnce(t *testing.T, many int, start func(number int) client.WorkflowRun) time.Duration {
	var group errgroup.Group
	group.SetLimit(closesAtOnce)
	began := time.Now()
	for number := range many {
		group.Go(func() error { return start(number).Get(t.Context(), nil) })
	}
	require.NoError(t, group.Wait())
	return time.Since(began)
}
