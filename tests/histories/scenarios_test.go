package histories

import (
	"cmp"
	"net/http"
	"slices"
	"time"

	"github.com/stretchr/testify/require"
	workflowpb "go.temporal.io/api/workflow/v1"
	"go.temporal.io/sdk/client"
	"go.temporal.io/sdk/temporal"

	"github.com/pbsmflow/pbsmflow/internal/simulator"
	"github.com/pbsmflow/pbsmflow/tests/harness"
	"github.com/pbsmflow/pbsmflow/workflows"
)

const (
	heldTask = "T2_CALCULATE"
	operator = "night shift"
)

var (
	failsOnce = simulator.Task{FailTimes: 1}
	failsLate = simulator.Task{FailTimes: 1, Duration: 30 * time.Minute}
	fails     = simulator.Task{Outcome: simulator.OutcomeFail}
	aborts    = simulator.Task{Outcome: simulator.OutcomeAbort}
	held      = simulator.Task{Outcome: simulator.OutcomeHeld}
	hangs     = simulator.Task{Outcome: simulator.OutcomeHang}
)

// scenarios are every end of every workflow, in the ways in which a night leads there.
var scenarios = []scenario{
	{name: "RunBatch-succeeded", ends: "succeeded", what: "the batch runs through",
		run: func(e *env) client.WorkflowRun { return e.batch() }},
	{name: "RunBatch-unknown-connection", ends: "failed InvalidInput", what: "no worker has the connection",
		run: func(e *env) client.WorkflowRun { return e.batch(workflows.RunBatchInput{Connection: "nobodys"}) }},
	{name: "RunBatch-group", ends: "succeeded", what: "a batch group runs through",
		run: func(e *env) client.WorkflowRun {
			members := []workflows.GroupBatch{{Code: "PBSM_CUST_PROFIT"}, {Code: "PBSM_PROD_PROFIT"}}
			return e.batch(workflows.RunBatchInput{Code: "PBSM_PROFIT_GRP", Group: true, Batches: members})
		}},
	{name: "RunBatch-restarted-automatically", batch: failsOnce, ends: "succeeded",
		what: "a task fails; the run is restarted automatically",
		run: func(e *env) client.WorkflowRun {
			return e.batch(workflows.RunBatchInput{Restarts: 2, RestartDelay: "100ms"})
		}},
	{name: "RunBatch-restart-delay-cut-short", batch: failsOnce, ends: "succeeded",
		what: "an operator restarts the run during the delay before the automatic restart",
		run: func(e *env) client.WorkflowRun {
			run := e.batch(workflows.RunBatchInput{Restarts: 1, RestartDelay: "10m"})
			e.Until("the delay", func() bool { status, _ := e.Status(run.GetID()); return status.StatusCode == "-1" })
			return e.command(run, workflows.RestartCommand)
		}},
	{name: "RunBatch-ends-on-failure", batch: fails, ends: "failed BatchFailed",
		what: "a task fails; the input says to end without asking an operator",
		run:  func(e *env) client.WorkflowRun { return e.batch(workflows.RunBatchInput{EndOnFailure: true}) }},
	{name: "RunBatch-failed-restart", batch: failsOnce, ends: "succeeded",
		what: "a task fails; an operator restarts the run",
		run: func(e *env) client.WorkflowRun {
			return e.command(e.awaitQuestion(e.batch()), workflows.RestartCommand)
		}},
	{name: "RunBatch-failed-rerun", batch: failsOnce, ends: "succeeded",
		what: "a task fails; an operator reruns the run",
		run:  func(e *env) client.WorkflowRun { return e.command(e.awaitQuestion(e.batch()), workflows.RerunCommand) }},
	{name: "RunBatch-failed-retry", batch: failsOnce, ends: "succeeded",
		what: "a task fails; the run is restarted on the service's screens, and an operator has its status polled again",
		run: func(e *env) client.WorkflowRun {
			run := e.awaitQuestion(e.batch())
			require.NoError(e.t, e.Sim.Operate(e.runID(run), "restart", ""))
			return e.decide(run, workflows.Retry)
		}},
	{name: "RunBatch-failed-given-up", batch: fails, ends: "failed GivenUp", what: "a task fails; an operator gives up",
		run: func(e *env) client.WorkflowRun { return e.decide(e.awaitQuestion(e.batch()), workflows.GiveUp) }},
	{name: "RunBatch-failed-deadline", batch: fails, ends: "failed DeadlinePassed",
		what: "a task fails; no operator answers before the deadline",
		run: func(e *env) client.WorkflowRun {
			return e.awaitQuestion(e.batch(workflows.RunBatchInput{Deadline: time.Now().Add(5 * time.Second)}))
		}},
	{name: "RunBatch-failed-cancelled", batch: fails, ends: "cancelled",
		what: "a task fails; the workflow is cancelled while the question is open",
		run:  func(e *env) client.WorkflowRun { return e.cancel(e.awaitQuestion(e.batch())) }},
	{name: "RunBatch-aborted", batch: aborts, ends: "failed GivenUp",
		what: "the run is aborted (3); an operator restarts it without success, then gives up",
		run: func(e *env) client.WorkflowRun {
			run := e.command(e.awaitQuestion(e.batch()), workflows.RestartCommand)
			return e.decide(e.awaitQuestion(run), workflows.GiveUp)
		}},
	{name: "RunBatch-interrupted-restart", batch: held, ends: "succeeded",
		what: "an operator interrupts the run, and restarts it",
		run: func(e *env) client.WorkflowRun {
			run := e.command(e.awaitQuestion(e.batch()), workflows.InterruptCommand)
			e.awaitChoice(run, workflows.RestartCommand)
			e.command(run, workflows.RestartCommand)
			return e.release(run)
		}},
	{name: "RunBatch-interrupted-given-up", batch: hangs, ends: "failed GivenUp",
		what: "an operator interrupts the run, and gives up",
		run: func(e *env) client.WorkflowRun {
			run := e.command(e.awaitRunning(e.batch()), workflows.InterruptCommand)
			return e.decide(e.awaitQuestion(run), workflows.GiveUp)
		}},
	{name: "RunBatch-interrupted-elsewhere", batch: hangs, ends: "failed GivenUp",
		what: "the run is interrupted on the service's screens; an operator gives up",
		run: func(e *env) client.WorkflowRun {
			run := e.awaitRunning(e.batch(workflows.RunBatchInput{Restarts: 2}))
			require.NoError(e.t, e.Sim.Operate(e.runID(run), "interrupt", ""))
			return e.decide(e.awaitQuestion(run), workflows.GiveUp)
		}},
	{name: "RunBatch-signals", batch: hangs, ends: "failed GivenUp",
		what: "a burst of signals: some apply once, most not at all",
		run: func(e *env) client.WorkflowRun {
			run := e.awaitRunning(e.batch())
			for _, name := range []string{
				workflows.RestartCommand, workflows.InterruptCommand, workflows.InterruptCommand, workflows.RerunCommand, workflows.ApproveCommand,
			} {
				e.signal(run, name)
			}
			e.awaitQuestion(run)
			e.signal(run, workflows.DecideCommand, workflows.Command{Choice: workflows.Skip})
			return e.signal(run, workflows.DecideCommand, workflows.Command{Choice: workflows.GiveUp})
		}},
	{name: "RunBatch-outcome-unknown-adopt", ends: "succeeded",
		what: "the trigger's response is lost; an operator finds the run and adopts it",
		run: func(e *env) client.WorkflowRun {
			run := e.loseTrigger(simulator.FaultCloseAfter)
			other := workflows.Command{By: operator, Why: "checked", Choice: workflows.Adopt, RunID: "OTHER_1"}
			_, err := e.Command(run.GetID(), workflows.DecideCommand, other)
			require.ErrorContains(e.t, err, "does not belong")
			return e.command(run, workflows.DecideCommand, workflows.Command{Choice: workflows.Adopt, RunID: e.remoteID()})
		}},
	{name: "RunBatch-outcome-unknown-nothing-started", ends: "succeeded",
		what: "the trigger's response is lost; an operator confirms that nothing started, and the trigger is submitted again",
		run: func(e *env) client.WorkflowRun {
			return e.decide(e.loseTrigger(simulator.FaultHTML), workflows.NothingStarted)
		}},
	{name: "RunBatch-outcome-unknown-given-up", ends: "failed GivenUp",
		what: "the trigger's response is lost; an operator gives up",
		run:  func(e *env) client.WorkflowRun { return e.decide(e.loseTrigger(simulator.FaultHTML), workflows.GiveUp) }},
	{name: "RunBatch-restart-response-lost", batch: failsLate, ends: "succeeded",
		what: "a restart's response is lost, but the status shows that it took effect",
		run: func(e *env) client.WorkflowRun {
			e.Sim.Inject(simulator.Fault{Call: "restart", Match: e.code, Times: 1, Kind: simulator.FaultCloseAfter})
			return e.batch(workflows.RunBatchInput{Restarts: 1, RestartDelay: "100ms"})
		}},
	{name: "RunBatch-outcome-unknown-cancelled", batch: fails, ends: "cancelled",
		what: "a rerun's response is lost; the workflow is cancelled while the question is open, and polls the run first",
		run: func(e *env) client.WorkflowRun {
			run := e.awaitQuestion(e.batch())
			e.Sim.Inject(simulator.Fault{Call: "rerun", Match: e.code, Times: 1, Kind: simulator.FaultCloseAfter})
			e.signal(run, workflows.RerunCommand)
			e.awaitChoice(run, workflows.DecideCommand+" "+workflows.Adopt)
			return e.cancel(run)
		}},
	{name: "RunBatch-refused", ends: "failed BatchFailed",
		what: "the service refuses the trigger: it does not know the batch",
		run:  func(e *env) client.WorkflowRun { return e.batch(workflows.RunBatchInput{Code: "PBSM_NOWHERE"}) }},
	{name: "RunBatch-deadline", batch: hangs, ends: "failed DeadlinePassed",
		what: "the run is still going at its deadline; it was at risk before",
		run: func(e *env) client.WorkflowRun {
			return e.batch(workflows.RunBatchInput{Deadline: time.Now().Add(5 * time.Second)})
		}},
	{name: "RunBatch-started-overdue", ends: "failed DeadlinePassed",
		what: "the deadline has passed when the workflow begins; nothing is submitted",
		run: func(e *env) client.WorkflowRun {
			return e.batch(workflows.RunBatchInput{Deadline: time.Now().Add(-time.Minute)})
		}},
	{name: "RunBatch-at-risk", batch: held, ends: "succeeded", what: "the run is at risk, and ends before its deadline",
		run: func(e *env) client.WorkflowRun {
			run := e.batch(workflows.RunBatchInput{Deadline: time.Now().Add(16 * time.Second)})
			e.Until("it is late", func() bool { status, _ := e.Status(run.GetID()); return status.AtRisk != "" })
			return e.release(run)
		}},
	{name: "RunBatch-extended", batch: held, ends: "succeeded", what: "the deadline is moved, twice",
		run: func(e *env) client.WorkflowRun {
			run := e.awaitQuestion(e.batch(workflows.RunBatchInput{Deadline: time.Now().Add(20 * time.Second)}))
			e.command(run, workflows.ExtendCommand, workflows.Command{Until: "2h"})
			e.command(run, workflows.ExtendCommand, workflows.Command{Until: "1h"})
			return e.release(run)
		}},
	{name: "RunBatch-cancelled-by-command", batch: hangs, ends: "cancelled",
		what: "the command cancel interrupts the run, and says who sent it",
		run: func(e *env) client.WorkflowRun {
			run := e.awaitRunning(e.batch())
			e.command(run, workflows.CancelCommand, workflows.Command{})
			return run
		}},
	{name: "RunBatch-cancelled", batch: hangs, ends: "cancelled",
		what: "the workflow is cancelled; it interrupts the run and waits until it has stopped",
		run:  func(e *env) client.WorkflowRun { return e.cancel(e.awaitRunning(e.batch())) }},
	{name: "RunBatch-held", batch: held, ends: "succeeded", what: "the service holds a task until it is released",
		run: func(e *env) client.WorkflowRun { return e.release(e.batch()) }},
	{name: "RunBatch-adopted-by-run-id", batch: held, ends: "succeeded",
		what: "a run that was started elsewhere is adopted by its run id",
		run: func(e *env) client.WorkflowRun {
			elsewhere := e.awaitQuestion(e.batch(workflows.RunBatchInput{Key: "elsewhere"}))
			return e.release(e.batch(workflows.RunBatchInput{RunID: e.runID(elsewhere)}))
		}},
	{name: "RunBatch-adopted-run-missing", ends: "failed GivenUp",
		what: "the run to adopt does not exist; an operator retries, then gives up",
		run: func(e *env) client.WorkflowRun {
			run := e.decide(e.awaitQuestion(e.batch(workflows.RunBatchInput{RunID: e.code + "_nowhere"})), workflows.Retry)
			e.awaitChoice(run, "decide adopt")
			return e.decide(run, workflows.GiveUp)
		}},
	{name: "RunBatch-adopted-run-of-another-batch", ends: "failed InvalidInput",
		what: "the run to adopt belongs to another batch",
		run:  func(e *env) client.WorkflowRun { return e.batch(workflows.RunBatchInput{RunID: "PBSM_OTHER_1"}) }},
	{name: "RunBatch-adopted", batch: held, ends: "succeeded",
		what: "an earlier start was terminated; the next one adopts the run that is still going",
		run: func(e *env) client.WorkflowRun {
			e.terminate(e.awaitQuestion(e.batch()))
			return e.release(e.batch())
		}},
	{name: "RunBatch-adopted-outcome-unknown", ends: "succeeded",
		what: "an earlier start was terminated while the outcome of its trigger was unknown; the next one asks",
		run: func(e *env) client.WorkflowRun {
			e.terminate(e.loseTrigger(simulator.FaultHTML))
			return e.decide(e.awaitQuestion(e.batch()), workflows.NothingStarted)
		}},
	{name: "RunBatch-delegated", ends: "succeeded", what: "started under another id, the batch runs under the right one",
		run: func(e *env) client.WorkflowRun {
			return e.Start("anything/"+e.name, workflows.RunBatch, e.batchInput())
		}},
	{name: "RunBatch-delegated-cancelled", batch: hangs, ends: "cancelled",
		what: "started under another id and cancelled: the run is interrupted",
		run: func(e *env) client.WorkflowRun {
			in := e.batchInput()
			run := e.Start("anything/"+e.name, workflows.RunBatch, in)
			e.awaitRunning(e.ownBatch(harness.AsOf))
			return e.cancel(run)
		}},
	{name: "RunBatch-invalid", ends: "failed InvalidInput", what: "the input has problems",
		run: func(e *env) client.WorkflowRun { return e.Start(e.name, workflows.RunBatch, workflows.RunBatchInput{}) }},
	{name: "RunBatch-of-a-close", batch: failsOnce, ends: "succeeded",
		what: "the workflow of a close's batch, restarted through the close",
		run: func(e *env) client.WorkflowRun {
			closing := e.awaitQuestion(e.close(e.batchStep()))
			require.NoError(e.t, e.Await(e.command(closing, workflows.RestartCommand), nil))
			return e.ownBatch(harness.AsOf)
		}},
	{name: "RunBatch-question-changed", batch: held, ends: "succeeded",
		what: "a close's batch is held, and then its status is unavailable: the close learns of the new question",
		run: func(e *env) client.WorkflowRun {
			closing := e.awaitQuestion(e.close(e.batchStep()))
			e.Sim.Inject(simulator.Fault{Call: "status", Match: e.code, Times: 1, Kind: simulator.FaultStatus, Status: 400})
			e.awaitChoice(closing, workflows.DecideCommand+" "+workflows.Retry)
			e.decide(closing, workflows.Retry)
			return e.release(e.ownBatch(harness.AsOf))
		}},
	{name: "RunBatch-close-terminated", worker: notifying, batch: fails, ends: "failed GivenUp",
		what: "a close is terminated while its batch waits; the batch sends its own notifications",
		run: func(e *env) client.WorkflowRun {
			closing := e.awaitQuestion(e.close(e.batchStep()))
			e.terminate(closing)
			return e.decide(e.ownBatch(harness.AsOf), workflows.GiveUp)
		}},

	{name: "RunBatch-notified", worker: notifying, batch: fails, ends: "failed GivenUp",
		what: "operators are notified that the run failed, and that it was given up",
		run:  func(e *env) client.WorkflowRun { return e.decide(e.awaitQuestion(e.batch()), workflows.GiveUp) }},
	{name: "RunBatch-notified-cancelled", worker: notifying, batch: fails, ends: "cancelled",
		what: "operators are notified that the run failed, and that the workflow was cancelled",
		run:  func(e *env) client.WorkflowRun { return e.cancel(e.awaitQuestion(e.batch())) }},
	{name: "NightlyClose-notified", worker: notifying, ends: "failed CloseFailed",
		what: "operators are notified that a step waits, that it is at risk, and that the close failed",
		run: func(e *env) client.WorkflowRun {
			return e.awaitQuestion(e.close("  - id: sign-off\n    approve: {message: Are the books good, deadline: 8s}\n"))
		}},
	{name: "NightlyClose-succeeded", ends: "succeeded", what: "steps of every kind, some side by side",
		run: func(e *env) client.WorkflowRun {
			e.ledger()
			return e.close(`  - id: ledger
    upload: {file: inbox/` + e.name + `.csv}
  - id: allocate
    needs: [ledger]
    batch: {code: ` + e.code + `}
  - id: profit
    group: {code: PBSM_PARALLEL_GRP, batches: [{code: PBSM_CUST_PROFIT}, {code: PBSM_PROD_PROFIT}]}
  - id: copy
    needs: [ledger]
    download: {file: ` + e.name + `.csv, save_to: reports/` + e.name + `/copy.csv}
  - id: report
    needs: [allocate, profit]
    report: {code: RPT_TINY, save_to: reports/` + e.name + `/report.csv}
  - id: out
    export: {code: MIG_EXPORT1}
  - id: in
    needs: [out]
    import: {code: MIG_IMPORT1}
`)
		}},
	{name: "NightlyClose-audited", ends: "succeeded", what: "what happened is written to an audit file",
		run: func(e *env) client.WorkflowRun {
			return e.close(e.batchStep() + "audit: reports/" + e.name + ".jsonl\n")
		}},
	{name: "NightlyClose-audit-altered", batch: fails, ends: "failed CloseFailed",
		what: "the audit file exists and was altered; the close, which failed, says so",
		run: func(e *env) client.WorkflowRun {
			e.Write(e.Reports, e.name+".jsonl", "changed\n")
			return e.decide(e.awaitQuestion(e.close(e.batchStep()+"audit: reports/"+e.name+".jsonl\n")), workflows.GiveUp)
		}},
	{name: "NightlyClose-missing-skipped", ends: "succeeded",
		what: "a file is missing, and the pipeline says to skip it",
		run: func(e *env) client.WorkflowRun {
			return e.close("  - id: ledger\n    upload: {file: inbox/nowhere.csv, on_failure: skip}\n")
		}},
	{name: "NightlyClose-missing-failed", ends: "failed CloseFailed",
		what: "a file is missing, and the pipeline says to fail",
		run: func(e *env) client.WorkflowRun {
			return e.close("  - id: ledger\n    upload: {file: inbox/nowhere.csv, on_failure: fail}\n")
		}},
	{name: "NightlyClose-not-tonight", ends: "succeeded",
		what: "one of two steps is for the end of the year only, and the step that needs it runs",
		run: func(e *env) client.WorkflowRun {
			return e.close(`  - id: yearly
    when: year-end
    export: {code: MIG_EXPORT1}
  - id: allocate
    needs: [yearly]
    batch: {code: ` + e.code + `}
`)
		}},
	{name: "NightlyClose-retried-automatically", ends: "succeeded",
		what: "a report fails twice, and the pipeline says to retry once and then to skip it",
		run: func(e *env) client.WorkflowRun {
			return e.close("  - id: nice\n    report: {code: RPT_FAIL, save_to: reports/" + e.name +
				".csv, retries: 1, retry_delay: 1s, on_failure: skip}\n")
		}},
	{name: "NightlyClose-retried", ends: "succeeded",
		what: "a file is missing; an operator retries the step too early, and the question ends when the file arrives",
		run: func(e *env) client.WorkflowRun {
			run := e.awaitQuestion(e.close("  - id: ledger\n    upload: {file: inbox/" + e.name + ".csv}\n"))
			e.awaitQuestion(e.decide(run, workflows.Retry))
			e.ledger()
			return run
		}},
	{name: "NightlyClose-skipped", ends: "succeeded", what: "a file is missing; an operator skips the step",
		run: func(e *env) client.WorkflowRun {
			return e.decide(e.awaitQuestion(e.close(e.missingLedger())), workflows.Skip)
		}},
	{name: "NightlyClose-given-up", ends: "failed CloseFailed",
		what: "a file is missing; an operator gives up, and the steps that need it are not run",
		run: func(e *env) client.WorkflowRun {
			return e.decide(e.awaitQuestion(e.close(e.missingLedger())), workflows.GiveUp)
		}},
	{name: "NightlyClose-kept", ends: "succeeded",
		what: "the close is started again after its approval was refused; what succeeded is kept",
		run: func(e *env) client.WorkflowRun {
			steps := "  - id: out\n    export: {code: MIG_EXPORT_DONE}\n" + approval + "    needs: [out]\n"
			first := e.decide(e.awaitQuestion(e.close(steps)), workflows.GiveUp)
			require.Error(e.t, e.Await(first, nil))
			return e.command(e.awaitQuestion(e.close(steps)), workflows.ApproveCommand)
		}},
	{name: "NightlyClose-again", ends: "succeeded", what: "a close that succeeded runs again, from a batch on",
		run: func(e *env) client.WorkflowRun {
			require.NoError(e.t, e.Await(e.close(e.batchStep()), nil))
			in := e.closeInput(e.batchStep())
			in.Again = &workflows.AgainInput{From: []string{"allocate"}, Reason: "the scenario wants it"}
			return e.Start(in.WorkflowID(), workflows.NightlyClose, in)
		}},
	{name: "NightlyClose-step-commands", ends: "succeeded",
		what: "steps are held, released, skipped, marked as done, interrupted, and run again",
		run: func(e *env) client.WorkflowRun {
			run := e.awaitQuestion(e.close(`  - id: out
    hold: true
    export: {code: MIG_EXPORT_DONE}
  - id: ledger
    upload: {file: inbox/` + e.name + `.csv, wait_until: 1h}
  - id: late
    needs: [ledger]
    export: {code: MIG_EXPORT_DONE}
  - id: last
    needs: [late]
    approve: {message: All done}
`))
			e.command(run, workflows.HoldCommand, workflows.Command{Step: "late"})
			e.command(run, workflows.ReleaseCommand, workflows.Command{Step: "late"})
			e.command(run, workflows.SkipCommand, workflows.Command{Step: "late"})
			e.command(run, workflows.ReleaseCommand, workflows.Command{Step: "out"})
			e.command(run, workflows.InterruptCommand, workflows.Command{Step: "ledger"})
			e.awaitChoice(run, workflows.DoneCommand)
			e.command(run, workflows.DoneCommand, workflows.Command{Step: "ledger"})
			e.awaitChoice(run, workflows.ApproveCommand)
			e.Until("the export is done", func() bool { s, _ := e.Status(run.GetID()); return s.Steps[0].State.Done() })
			e.command(run, workflows.AgainCommand, workflows.Command{Only: []string{"out"}})
			return e.command(run, workflows.ApproveCommand)
		}},
	{name: "NightlyClose-batch-given-up", batch: fails, ends: "failed CloseFailed",
		what: "a batch fails; an operator gives up, and the other steps continue",
		run: func(e *env) client.WorkflowRun {
			return e.decide(e.awaitQuestion(e.close(`  - id: allocate
    batch: {code: `+e.code+`}
  - id: out
    export: {code: MIG_EXPORT_DONE}
`)), workflows.GiveUp)
		}},
	{name: "RunBatch-kept", ends: "succeeded", what: "the batch succeeded before; its result is kept",
		run: func(e *env) client.WorkflowRun {
			require.NoError(e.t, e.Await(e.batch(), nil))
			return e.batch()
		}},
	{name: "RunBatch-stale-again", ends: "succeeded",
		what: "the batch succeeded before with another parameter; an operator submits it again",
		run: func(e *env) client.WorkflowRun {
			require.NoError(e.t, e.Await(e.batch(otherParameter), nil))
			return e.decide(e.awaitQuestion(e.batch()), workflows.Again)
		}},
	{name: "RunBatch-stale-kept", ends: "succeeded",
		what: "the batch succeeded before with another parameter; an operator keeps its result",
		run: func(e *env) client.WorkflowRun {
			require.NoError(e.t, e.Await(e.batch(otherParameter), nil))
			return e.decide(e.awaitQuestion(e.batch()), workflows.Keep)
		}},
	{name: "NightlyClose-approved", ends: "succeeded",
		what: "who started the close may not approve it; another operator does",
		run: func(e *env) client.WorkflowRun {
			run := e.awaitQuestion(e.close(approval))
			e.signal(run, workflows.ApproveCommand, workflows.Command{By: "starter", Why: "checked"})
			return e.command(run, workflows.ApproveCommand)
		}},
	{name: "NightlyClose-not-approved", ends: "failed CloseFailed", what: "the approval is refused",
		run: func(e *env) client.WorkflowRun { return e.decide(e.awaitQuestion(e.close(approval)), workflows.GiveUp) }},
	{name: "NightlyClose-commands", batch: held, ends: "succeeded",
		what: "a command that does not apply is refused; the batch is interrupted and restarted through the close",
		run: func(e *env) client.WorkflowRun {
			run := e.awaitQuestion(e.close(e.batchStep()))
			_, err := e.Command(run.GetID(), workflows.RestartCommand, workflows.Command{By: operator, Why: "checked"})
			require.ErrorContains(e.t, err, "does not apply")
			e.command(run, workflows.InterruptCommand, workflows.Command{Step: "allocate"})
			e.awaitChoice(run, workflows.RestartCommand)
			e.command(run, workflows.RestartCommand)
			e.release(e.ownBatch(harness.AsOf))
			return run
		}},
	{name: "NightlyClose-attached", batch: held, ends: "succeeded",
		what: "the batch is already running; the close waits for its result",
		run: func(e *env) client.WorkflowRun {
			batch := e.awaitQuestion(e.batch())
			run := e.close(e.batchStep())
			e.awaitPending(run, func(*workflowpb.PendingActivityInfo) bool { return true })
			e.release(batch)
			return run
		}},
	{name: "NightlyClose-extended", batch: held, ends: "succeeded",
		what: "the deadlines of the close and of a step are moved while a batch runs",
		run: func(e *env) client.WorkflowRun {
			run := e.awaitQuestion(e.close(e.batchStep()))
			e.command(run, workflows.ExtendCommand, workflows.Command{Until: "2h"})
			e.command(run, workflows.ExtendCommand, workflows.Command{Step: "allocate", Until: "3h"})
			e.release(e.ownBatch(harness.AsOf))
			return run
		}},
	{name: "NightlyClose-cancelled-by-command", batch: hangs, ends: "cancelled",
		what: "the command cancel cancels the close and its batch",
		run: func(e *env) client.WorkflowRun {
			run := e.close(e.batchStep())
			e.awaitRunning(e.ownBatch(harness.AsOf))
			e.command(run, workflows.CancelCommand, workflows.Command{})
			return run
		}},
	{name: "NightlyClose-cancelled", batch: hangs, ends: "cancelled",
		what: "the close is cancelled; it interrupts the run, and the steps that need it never begin",
		run: func(e *env) client.WorkflowRun {
			run := e.close(`  - id: allocate
    batch: {code: ` + e.code + `}
  - id: sign-off
    needs: [allocate]
    approve: {message: Are the books good}
`)
			e.awaitRunning(e.ownBatch(harness.AsOf))
			return e.cancel(run)
		}},
	{name: "NightlyClose-delegated", ends: "succeeded",
		what: "started under another id, the close runs under the right one",
		run: func(e *env) client.WorkflowRun {
			return e.Start("anything/"+e.name, workflows.NightlyClose, e.closeInput(e.batchStep()))
		}},
	{name: "NightlyClose-invalid", ends: "failed InvalidInput", what: "the pipeline has problems",
		run: func(e *env) client.WorkflowRun { return e.close("  - id: allocate\n    needs: [nothing]\n") }},

	{name: "GenerateReport-succeeded", ends: "succeeded", what: "the report is generated and downloaded",
		run: func(e *env) client.WorkflowRun { return e.report("RPT_TINY") }},
	{name: "GenerateReport-failed", ends: "failed StepFailed", what: "the service cannot generate the report",
		run: func(e *env) client.WorkflowRun { return e.report("RPT_FAIL") }},
	{name: "GenerateReport-link-expired", ends: "succeeded",
		what: "the link to the report has expired; the workflow requests a new one",
		run: func(e *env) client.WorkflowRun {
			e.Sim.Inject(simulator.Fault{Call: "object-get", Kind: simulator.FaultExpirePAR, Match: "RPT_EXPIRES", Times: 1})
			return e.report("RPT_EXPIRES")
		}},
	{name: "GenerateReport-asked", worker: asking, ends: "succeeded",
		what: "the finished report has no link; the operator is asked, until it has one",
		run: func(e *env) client.WorkflowRun {
			e.Sim.Inject(simulator.Fault{Call: "report-status", Match: "RPT_TINY", Kind: simulator.FaultNoLink, Times: 25})
			return e.awaitQuestion(e.report("RPT_TINY"))
		}},
	{name: "GenerateReport-given-up", worker: asking, ends: "failed GivenUp",
		what: "the service does not give the report's status; the operator gives up",
		run: func(e *env) client.WorkflowRun {
			e.Sim.Inject(simulator.Fault{Call: "report-status", Match: "RPT_EXPIRES", Kind: simulator.FaultStatus, Status: 500})
			return e.decide(e.awaitQuestion(e.report("RPT_EXPIRES")), workflows.GiveUp)
		}},
	{name: "UploadFile-succeeded", ends: "succeeded", what: "the file is uploaded and listed",
		run: func(e *env) client.WorkflowRun {
			e.ledger()
			return e.upload(workflows.UploadFileInput{})
		}},
	{name: "UploadFile-unscanned", worker: unscanning, ends: "succeeded",
		what: "the file is uploaded and listed; `scan_after_upload` is off",
		run: func(e *env) client.WorkflowRun {
			e.ledger()
			return e.upload(workflows.UploadFileInput{})
		}},
	{name: "UploadFile-missing", ends: "failed FileMissing", what: "there is no file",
		run: func(e *env) client.WorkflowRun { return e.upload(workflows.UploadFileInput{}) }},
	{name: "UploadFile-notified", worker: notifying, ends: "failed FileMissing",
		what: "there is no file; operators are notified",
		run:  func(e *env) client.WorkflowRun { return e.upload(workflows.UploadFileInput{}) }},
	{name: "UploadFile-waited", ends: "succeeded", what: "the upload waits for the file, which arrives",
		run: func(e *env) client.WorkflowRun {
			run := e.upload(workflows.UploadFileInput{WaitUntil: time.Now().Add(time.Hour)})
			e.awaitPending(run, func(a *workflowpb.PendingActivityInfo) bool { return a.LastFailure != nil })
			e.ledger()
			return run
		}},
	{name: "UploadFile-waited-missing", ends: "failed FileMissing",
		what: "the upload waits for the file, which does not arrive",
		run: func(e *env) client.WorkflowRun {
			return e.upload(workflows.UploadFileInput{WaitUntil: time.Now().Add(3 * time.Second)})
		}},
	{name: "UploadFile-started-now", ends: "failed FileMissing",
		what: "the operator does not want to wait for the file any longer",
		run: func(e *env) client.WorkflowRun {
			run := e.upload(workflows.UploadFileInput{WaitUntil: time.Now().Add(time.Hour)})
			e.Until("it waits", func() bool { status, _ := e.Status(run.GetID()); return !status.WaitUntil.IsZero() })
			_, err := e.Command(run.GetID(), workflows.StartCommand, workflows.Command{By: operator, Why: "the scenario wants it"})
			require.ErrorContains(e.t, err, "cannot be taken as it is")
			return run
		}},
	{name: "UploadFile-par-expired", ends: "succeeded",
		what: "the pre-authenticated URL has expired; the upload asks for a new one",
		run: func(e *env) client.WorkflowRun {
			e.ledger()
			e.Sim.Inject(simulator.Fault{Call: "object-put", Match: e.name + ".csv", Times: 1, Kind: simulator.FaultExpirePAR})
			return e.upload(workflows.UploadFileInput{})
		}},
	{name: "UploadFile-verified", ends: "succeeded", what: "the file holds what is expected",
		run: func(e *env) client.WorkflowRun {
			e.ledger()
			return e.upload(workflows.UploadFileInput{Expect: &workflows.Expect{Rows: new(int64(3))}})
		}},
	{name: "UploadFile-verification-failed", ends: "failed VerificationFailed",
		what: "the file holds fewer rows than expected and is not uploaded",
		run: func(e *env) client.WorkflowRun {
			e.ledger()
			return e.upload(workflows.UploadFileInput{Expect: &workflows.Expect{MinRows: new(int64(4))}})
		}},
	{name: "UploadFile-marker", ends: "succeeded", what: "the file's marker says that it is complete",
		run: func(e *env) client.WorkflowRun {
			e.ledger()
			e.Write(e.Inbox, e.name+".done", "")
			return e.upload(workflows.UploadFileInput{Marker: "inbox/" + e.name + ".done"})
		}},
	{name: "UploadFile-folder", ends: "succeeded", what: "all files of a folder are uploaded",
		run: func(e *env) client.WorkflowRun {
			for _, name := range []string{"a", "b", "c"} {
				e.Write(e.Inbox, e.name+"/"+e.name+"-"+name+".csv", harness.Ledger(2))
			}
			return e.upload(workflows.UploadFileInput{File: "inbox/" + e.name + "/"})
		}},
	{name: "UploadFile-folder-refused", ends: "failed Refused", what: "the store refuses a file of a folder",
		run: func(e *env) client.WorkflowRun {
			e.Write(e.Inbox, e.name+"/"+e.name+".csv", harness.Ledger(2))
			e.Sim.Inject(simulator.Fault{
				Call: "object-put", Match: e.name + ".csv", Kind: simulator.FaultStatus, Status: http.StatusBadRequest,
			})
			return e.upload(workflows.UploadFileInput{File: "inbox/" + e.name + "/"})
		}},
	{name: "DownloadFile-by-id", ends: "succeeded", what: "a file is downloaded by its id",
		run: func(e *env) client.WorkflowRun {
			return e.download(workflows.DownloadFileInput{FileID: e.uploaded().FileID})
		}},
	{name: "DownloadFile-by-name", ends: "succeeded", what: "a file is downloaded by its name, and verified",
		run: func(e *env) client.WorkflowRun {
			expect := &workflows.Expect{Rows: new(int64(3))}
			return e.download(workflows.DownloadFileInput{Name: e.uploaded().Name, Expect: expect})
		}},
	{name: "DownloadFile-refused", ends: "failed Refused", what: "the service knows no such file",
		run: func(e *env) client.WorkflowRun { return e.download(workflows.DownloadFileInput{FileID: "1"}) }},
	{name: "Migrate-export", ends: "succeeded", what: "an export runs through",
		run: func(e *env) client.WorkflowRun { return e.migrate(workflows.Export, "MIG_EXPORT1") }},
	{name: "Migrate-import", ends: "succeeded", what: "an import runs through",
		run: func(e *env) client.WorkflowRun { return e.migrate(workflows.Import, "MIG_IMPORT1") }},
	{name: "Migrate-already-complete", ends: "succeeded", what: "the service had completed the export before",
		run: func(e *env) client.WorkflowRun { return e.migrate(workflows.Export, "MIG_EXPORT_DONE") }},
	{name: "Migrate-failed", ends: "failed StepFailed", what: "the service cannot import it",
		run: func(e *env) client.WorkflowRun { return e.migrate(workflows.Import, "MIG_IMPORT_FAIL") }},

	{name: "Migrate-copy", ends: "succeeded", what: "a definition is copied, and the copy is exported",
		run: func(e *env) client.WorkflowRun {
			return e.start(workflows.MigrateInput{Connection: e.Connection, Direction: workflows.Export, Code: "MIG_COPY_HISTORY", CopyOf: "MIG_EXPORT_DONE"})
		}},
	{name: "DownloadFile-published", ends: "succeeded", what: "what BI Publisher delivered is saved",
		run: func(e *env) client.WorkflowRun {
			return e.download(workflows.DownloadFileInput{Object: "BIP/BIP_Report"})
		}},
	{name: "DeleteFiles-by-id", ends: "succeeded", what: "a file is deleted by its id",
		run: func(e *env) client.WorkflowRun {
			return e.start(workflows.DeleteFilesInput{Connection: e.Connection, FileIDs: []string{e.uploaded().FileID}})
		}},
	{name: "DeleteFiles-by-name", ends: "succeeded", what: "a file is deleted by its name",
		run: func(e *env) client.WorkflowRun {
			return e.start(workflows.DeleteFilesInput{Connection: e.Connection, Names: []string{e.uploaded().Name}})
		}},
	{name: "DeleteFiles-refused", ends: "failed Refused", what: "the service refuses",
		run: func(e *env) client.WorkflowRun {
			id := e.uploaded().FileID
			e.Sim.Inject(simulator.Fault{Call: "delete-by-id", Match: id, Times: 1, Kind: simulator.FaultStatus, Status: 403})
			return e.start(workflows.DeleteFilesInput{Connection: e.Connection, FileIDs: []string{id}})
		}},
	{name: "SetAsOfDate-succeeded", ends: "succeeded", what: "the date is set, and read back",
		run: func(e *env) client.WorkflowRun {
			return e.start(workflows.SetAsOfDateInput{Connection: e.Connection, App: "FTP", AsOfDate: harness.AsOf})
		}},
	{name: "ExportData-succeeded", ends: "succeeded", what: "the files of a run are saved",
		run: func(e *env) client.WorkflowRun {
			var batch workflows.RunBatchResult
			require.NoError(e.t, e.Await(e.StartBatch(workflows.RunBatchInput{Code: "PBSM_EXPORT_DATA"}), &batch))
			return e.start(workflows.ExportDataInput{
				Connection: e.Connection, Code: "EXP_LEDGER", RunID: batch.RunID, AsOfDate: harness.AsOf, SaveTo: "reports/" + e.name + "/",
			})
		}},
	{name: "NightlyClose-later-releases", ends: "succeeded", what: "a date is set, data is exported, old files are deleted",
		run: func(e *env) client.WorkflowRun {
			return e.close("  - {id: date, as_of_date: {app: FTP, user: " + e.Sim.Options().RemoteUser + "}}\n" +
				"  - {id: export, batch: {code: PBSM_EXPORT_DATA, key: later}}\n" +
				"  - {id: files, needs: [export], export_data: {code: EXP_LEDGER, run_of: export, save_to: reports/later/}}\n" +
				"  - {id: tidy, delete: {older_than: 35d, record: \"reports/audit_later_{{.AsOfDate}}.jsonl\"}}\n")
		}},

	{name: "ScheduledClose-succeeded", ends: "succeeded", what: "the scheduled time has a close, which succeeds",
		run: func(e *env) client.WorkflowRun { return e.scheduled(businessNight, e.batchStep()) }},
	{name: "ScheduledClose-no-close", ends: "succeeded", what: "the scheduled time falls on a holiday",
		run: func(e *env) client.WorkflowRun { return e.scheduled(holidayNight, e.batchStep()) }},
	{name: "ScheduledClose-failed", ends: "failed CloseFailed", what: "the close fails",
		run: func(e *env) client.WorkflowRun {
			return e.scheduled(businessNight, "  - id: ledger\n    upload: {file: inbox/nowhere.csv, on_failure: fail}\n")
		}},
	{name: "ScheduledClose-attached", batch: held, ends: "succeeded",
		what: "the close is already running; its result is awaited",
		run: func(e *env) client.WorkflowRun {
			e.Write(e.Pipelines, e.name+".yaml", "name: "+e.name+"\nsteps:\n"+e.batchStep())
			in := workflows.NightlyCloseInput{Connection: e.Connection, Pipeline: e.name, AsOfDate: "2025-11-24"}
			e.awaitQuestion(e.Start(in.WorkflowID(), workflows.NightlyClose, in))
			run := e.scheduled(businessNight, e.batchStep())
			e.awaitPending(run, func(*workflowpb.PendingActivityInfo) bool { return true })
			e.release(e.ownBatch(in.AsOfDate))
			return run
		}},
	{name: "ScheduledClose-cancelled", batch: hangs, ends: "cancelled",
		what: "the scheduled close is cancelled, and its close with it",
		run: func(e *env) client.WorkflowRun {
			run := e.scheduled(businessNight, e.batchStep())
			e.awaitRunning(e.ownBatch("2025-11-24"))
			return e.cancel(run)
		}},
	{name: "ScheduledClose-unplanned", worker: notifying, ends: "failed InvalidInput",
		what: "its calendar is missing; operators are notified",
		run: func(e *env) client.WorkflowRun {
			in := e.scheduledInput()
			in.Calendar = "my-bank"
			return e.startScheduled(businessNight, in)
		}},
	{name: "ScheduledClose-invalid", ends: "failed InvalidInput", what: "it was not started by a schedule",
		run: func(e *env) client.WorkflowRun { return e.Start(e.name, workflows.ScheduledClose, e.scheduledInput()) }},
}

// Steps of the pipelines of the scenarios.
const (
	approval    = "  - id: sign-off\n    approve: {message: Are the books good}\n"
	missingFile = "  - id: ledger\n    upload: {file: inbox/nowhere.csv}\n"
)

func (e *env) batchStep() string { return "  - id: allocate\n    batch: {code: " + e.code + "}\n" }

// missingLedger is a batch that needs a file that does not exist.
func (e *env) missingLedger() string { return missingFile + e.batchStep() + "    needs: [ledger]\n" }

func (e *env) batchInput() workflows.RunBatchInput {
	return workflows.RunBatchInput{Connection: e.Connection, Code: e.code, AsOfDate: harness.AsOf}
}

func (e *env) batch(in ...workflows.RunBatchInput) client.WorkflowRun {
	input := optional(in)
	input.Code = cmp.Or(input.Code, e.code)
	return e.StartBatch(input)
}

var otherParameter = workflows.RunBatchInput{Params: map[string]string{"$RUNSK$": "2"}}

func optional[T any](values []T) (first T) {
	for _, v := range values {
		return v
	}
	return first
}

// ownBatch is the workflow of the scenario's batch, started by a close.
func (e *env) ownBatch(asOf string) client.WorkflowRun {
	return e.Temporal.GetWorkflow(e.t.Context(), workflows.BatchWorkflowID(e.Connection, e.code, asOf, ""), "")
}

func (e *env) closeInput(steps string) workflows.NightlyCloseInput {
	return workflows.NightlyCloseInput{
		Connection: e.Connection,
		Pipeline:   e.name,
		Definition: harness.Definition(e.t, e.name, steps),
		AsOfDate:   harness.AsOf,
		StartedBy:  "starter",
	}
}

func (e *env) close(steps string) client.WorkflowRun {
	in := e.closeInput(steps)
	return e.Start(in.WorkflowID(), workflows.NightlyClose, in)
}

// Scheduled times: 22:00 in New York on a Monday, and on Thanksgiving Day.
const (
	businessNight = "2025-11-25T03:00:00Z"
	holidayNight  = "2025-11-28T03:00:00Z"
)

func (e *env) scheduledInput() workflows.ScheduledCloseInput {
	return workflows.ScheduledCloseInput{
		Connection: e.Connection,
		Pipeline:   e.name,
		Calendar:   "us-bank",
		TimeZone:   "America/New_York",
		At:         "22:00",
		On:         "business-days",
		StartedBy:  "schedule",
	}
}

// scheduled writes a pipeline, and starts what a schedule starts at a scheduled time.
func (e *env) scheduled(at, steps string) client.WorkflowRun {
	e.Write(e.Pipelines, e.name+".yaml", "name: "+e.name+"\nsteps:\n"+steps)
	return e.startScheduled(at, e.scheduledInput())
}

func (e *env) startScheduled(at string, in workflows.ScheduledCloseInput) client.WorkflowRun {
	when, err := time.Parse(time.RFC3339, at)
	require.NoError(e.t, err)
	run, err := e.Temporal.ExecuteWorkflow(e.t.Context(), client.StartWorkflowOptions{
		ID: e.name, TaskQueue: e.TaskQueue, TypedSearchAttributes: temporal.NewSearchAttributes(scheduledStart.ValueSet(when)),
	}, workflows.ScheduledClose, in)
	require.NoError(e.t, err)
	return run
}

var scheduledStart = temporal.NewSearchAttributeKeyTime("TemporalScheduledStartTime")

// start starts a workflow as the starter does, with its search attributes.
func (e *env) start(in workflows.Input) client.WorkflowRun {
	started, err := workflows.Start(e.t.Context(), e.Temporal, in, workflows.StartOptions{TaskQueue: e.TaskQueue})
	require.NoError(e.t, err)
	require.True(e.t, started.Started)
	return e.Temporal.GetWorkflow(e.t.Context(), started.ID, started.RunID)
}

func (e *env) report(code string) client.WorkflowRun {
	return e.start(workflows.GenerateReportInput{Connection: e.Connection, Code: code, SaveTo: "reports/" + e.name + ".csv"})
}

func (e *env) ledger() { e.Write(e.Inbox, e.name+".csv", harness.Ledger(3)) }

func (e *env) upload(in workflows.UploadFileInput) client.WorkflowRun {
	in.Connection, in.File = e.Connection, cmp.Or(in.File, "inbox/"+e.name+".csv")
	return e.start(in)
}

// uploaded is a file that the service has.
func (e *env) uploaded() workflows.FileResult {
	e.ledger()
	var result workflows.FileResult
	in := workflows.UploadFileInput{Connection: e.Connection, File: "inbox/" + e.name + ".csv"}
	require.NoError(e.t, e.Await(e.Start(e.name+"-before", workflows.UploadFile, in), &result))
	return result
}

func (e *env) download(in workflows.DownloadFileInput) client.WorkflowRun {
	in.Connection, in.SaveTo = e.Connection, "reports/"+e.name+".csv"
	return e.start(in)
}

func (e *env) migrate(direction, code string) client.WorkflowRun {
	return e.start(workflows.MigrateInput{Connection: e.Connection, Direction: direction, Code: code})
}

// loseTrigger starts the batch, loses the response to its trigger, and waits for the question.
func (e *env) loseTrigger(kind simulator.Kind) client.WorkflowRun {
	e.Sim.Inject(simulator.Fault{Call: "trigger", Match: e.code, Times: 1, Kind: kind})
	return e.awaitQuestion(e.batch())
}

// remoteID is the id of the only run of the scenario's batch.
func (e *env) remoteID() string {
	for _, run := range e.Sim.Runs() {
		if run.Code == e.code {
			return run.ID
		}
	}
	e.t.Fatalf("%s has no run", e.code)
	return ""
}

func (e *env) runID(run client.WorkflowRun) string {
	status, ok := e.Status(run.GetID())
	require.True(e.t, ok)
	require.NotEmpty(e.t, status.RunID)
	return status.RunID
}

// awaitRunning waits until the service executes the run of a batch.
func (e *env) awaitRunning(run client.WorkflowRun) client.WorkflowRun {
	e.Until(run.GetID()+" runs", func() bool { status, _ := e.Status(run.GetID()); return status.StatusCode == "2" })
	return run
}

func (e *env) awaitQuestion(run client.WorkflowRun) client.WorkflowRun {
	e.AwaitState(run.GetID(), workflows.Waiting)
	return run
}

// awaitChoice waits until the question offers a choice.
func (e *env) awaitChoice(run client.WorkflowRun, choice string) {
	e.Until(choice+" is offered", func() bool {
		status, _ := e.Status(run.GetID())
		if status.Question == nil || status.Question.Choices[0] == workflows.InterruptCommand {
			return false
		}
		return slices.Contains(status.Question.Choices, choice)
	})
}

// awaitPending waits until a workflow has one pending activity, which is as the condition says.
func (e *env) awaitPending(run client.WorkflowRun, is func(*workflowpb.PendingActivityInfo) bool) {
	e.Until(run.GetID()+" has a pending activity", func() bool {
		described, err := e.Temporal.DescribeWorkflowExecution(e.t.Context(), run.GetID(), "")
		return err == nil && len(described.PendingActivities) == 1 && is(described.PendingActivities[0])
	})
}

// command sends an operator's command, which takes effect.
func (e *env) command(run client.WorkflowRun, name string, in ...workflows.Command) client.WorkflowRun {
	command := optional(in)
	command.By, command.Why = operator, "the scenario wants it"
	_, err := e.Command(run.GetID(), name, command)
	require.NoError(e.t, err)
	return run
}

func (e *env) decide(run client.WorkflowRun, choice string) client.WorkflowRun {
	return e.command(run, workflows.DecideCommand, workflows.Command{Choice: choice})
}

func (e *env) signal(run client.WorkflowRun, name string, in ...workflows.Command) client.WorkflowRun {
	command := optional(in)
	command.By, command.Why = cmp.Or(command.By, operator), cmp.Or(command.Why, "the scenario wants it")
	require.NoError(e.t, e.Temporal.SignalWorkflow(e.t.Context(), run.GetID(), "", name, command))
	return run
}

func (e *env) cancel(run client.WorkflowRun) client.WorkflowRun {
	require.NoError(e.t, e.Temporal.CancelWorkflow(e.t.Context(), run.GetID(), ""))
	return run
}

// terminate ends a workflow, and waits until the next start can see it.
func (e *env) terminate(run client.WorkflowRun) {
	require.NoError(e.t, e.Temporal.TerminateWorkflow(e.t.Context(), run.GetID(), "", "the scenario wants it"))
	_ = e.Await(run, nil)
}

// release waits until the service holds the run's task, and releases it.
func (e *env) release(run client.WorkflowRun) client.WorkflowRun {
	e.Until("the task is released", func() bool {
		status, _ := e.Status(run.GetID())
		return status.RunID != "" && e.Sim.Operate(status.RunID, "release", heldTask) == nil
	})
	return run
}
