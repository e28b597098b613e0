package close

import (
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	commonpb "go.temporal.io/api/common/v1"
	"go.temporal.io/api/workflowservice/v1"
	"go.temporal.io/sdk/client"

	"github.com/pbsmflow/pbsmflow/internal/simulator"
	"github.com/pbsmflow/pbsmflow/tests/harness"
	"github.com/pbsmflow/pbsmflow/workflows"
)

// What is repeated without end is in the inbox, and the close continues automatically when the cause is gone.
func TestInbox_hasWhatIsRepeated(t *testing.T) {
	t.Parallel()
	e := harness.New(t, harness.Options{Settings: map[string]string{"worker.ask_after": "4s", "worker.poll.min": "200ms", "worker.poll.max": "500ms"}})
	e.Sim.Inject(
		simulator.Fault{Call: "report-status", Kind: simulator.FaultNoLink},
		simulator.Fault{Call: "export-status", Kind: simulator.FaultStatus, Status: 500},
	)
	e.Write(e.Pipelines, "repeats.yaml", "name: repeats\nsteps:\n  - id: profitability\n    report: {code: RPT002, save_to: reports/p.csv}\n"+
		"  - id: backup\n    export: {code: MIG_EXPORT1}\n")
	closing := e.StartClose("repeats")
	inbox := []string{"inbox", "--connection", e.Connection}
	listed := ""
	e.Until("both steps ask", func() bool {
		listed = e.Run(inbox...).Stdout
		return strings.Count(listed, "--choice give_up") == 2
	})
	require.Contains(t, listed, "starter close decide "+closing.GetID()+" --step profitability --choice give_up")
	require.Contains(t, listed, "starter close decide "+closing.GetID()+" --step backup --choice give_up")
	require.Contains(t, strings.Join(strings.Fields(listed), " "), "it is being retried: ")
	require.Contains(t, listed, "HTTP 500")
	e.Sim.ClearFaults()
	require.NoError(t, e.Await(closing, nil))
	e.Until("no question is open", func() bool { return e.Run(inbox...).Code == 0 })
}

// An operator gives up in the close what a step's workflow repeats.
func TestNightlyClose_givesUpWhatIsRepeated(t *testing.T) {
	t.Parallel()
	e := harness.New(t, harness.Options{Settings: map[string]string{"worker.ask_after": "2s", "worker.poll.min": "200ms", "worker.poll.max": "500ms"}})
	e.Sim.Inject(simulator.Fault{Call: "report-status", Kind: simulator.FaultNoLink})
	e.Write(e.Pipelines, "gives-up.yaml", "name: gives-up\nsteps:\n  - id: profitability\n    report: {code: RPT002, save_to: reports/p.csv}\n")
	closing := e.StartClose("gives-up")
	e.Until("the step asks", func() bool { return e.Run("inbox", "--connection", e.Connection).Code == 3 })
	e.Want(0, "close", "decide", closing.GetID(), "--choice", "give_up", "--reason", "not tonight", "--by", "ann")
	require.ErrorContains(t, e.Await(closing, nil), "profitability failed")
}

// Temporal does not end an activity that is paused, whatever its timeouts.
func TestSupervisor_pausedActivity(t *testing.T) {
	t.Parallel()
	e := harness.New(t, harness.Options{Settings: map[string]string{"worker.ask_after": "2s", "worker.poll.min": "200ms", "worker.poll.max": "500ms"}})
	e.Sim.SetSpeed(1)
	pause := func(in workflows.GenerateReportInput) client.WorkflowRun {
		in.Connection, in.Code, in.SaveTo = e.Connection, "RPT002", "reports/p.csv"
		run := e.Start(e.Connection+"/"+t.Name()+in.Deadline.String(), workflows.GenerateReport, in)
		e.Until("the report is polled", func() bool {
			_, err := e.Temporal.WorkflowService().PauseActivity(t.Context(), &workflowservice.PauseActivityRequest{
				Namespace: e.Server.Namespace, Execution: &commonpb.WorkflowExecution{WorkflowId: run.GetID()}, Identity: "ann",
				Activity: &workflowservice.PauseActivityRequest_Type{Type: "GenerateReport"},
			})
			return err == nil
		})
		return run
	}
	asks := pause(workflows.GenerateReportInput{})
	e.Until("a question is open", func() bool {
		status, err := workflows.StatusOf(t.Context(), e.Temporal, asks.GetID())
		return err == nil && status.Question != nil && strings.Contains(status.Question.Why, "it is paused in Temporal by ann")
	})
	require.Contains(t, e.Want(3, "status", asks.GetID()).Stdout, "is paused in Temporal by ann")
	e.Want(0, "report", "decide", asks.GetID(), "--choice", "give_up", "--reason", "not tonight", "--by", "ann")
	require.ErrorContains(t, e.Await(asks, nil), "given up")

	ends := pause(workflows.GenerateReportInput{Deadline: time.Now().Add(8 * time.Second)})
	require.ErrorContains(t, e.Await(ends, nil), "the deadline passed during: generate RPT002; last: ")
}
