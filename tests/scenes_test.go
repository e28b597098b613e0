package tests

import (
	"net/http"
	"slices"
	"time"

	"github.com/stretchr/testify/require"
	"go.temporal.io/sdk/client"

	"github.com/pbsmflow/pbsmflow/internal/simulator"
	"github.com/pbsmflow/pbsmflow/tests/harness"
	"github.com/pbsmflow/pbsmflow/workflows"
)

const (
	heldTask = "T2_CALCULATE"
	somebody = "night shift"
)

var (
	failsOnce = simulator.Task{FailTimes: 1}
	failsLate = simulator.Task{FailTimes: 1, Duration: 30 * time.Minute}
	fails     = simulator.Task{Outcome: simulator.OutcomeFail}
	aborts    = simulator.Task{Outcome: simulator.OutcomeAbort}
	held      = simulator.Task{Outcome: simulator.OutcomeHeld}
	hangs     = simulator.Task{Outcome: simulator.OutcomeHang}
)

// scenes are every end of every workflow. What happens in between is what a person at night does.
var scenes = []scene{
	{name: "RunBatch-succeeded", ends: "succeeded", what: "the batch runs through",
		play: func(s *stage) client.WorkflowRun { return s.batch(workflows.RunBatchInput{}) }},
	{name: "RunBatch-unknown-connection", ends: "failed InvalidInput", what: "no worker has the connection",
		play: func(s *stage) client.WorkflowRun { return s.batch(workflows.RunBatchInput{Connection: "nobodys"}) }},
	{name: "RunBatch-group", ends: "succeeded", what: "a batch group runs through",
		play: func(s *stage) client.WorkflowRun {
			return s.batch(workflows.RunBatchInput{Code: "PBSM_PROFIT_GRP", Group: true, Batches: []workflows.GroupBatch{{Code: "PBSM_CUST_PROFIT"}, {Code: "PBSM_PROD_PROFIT"}}})
		}},
	{name: "RunBatch-failed-restarted", batch: failsOnce, ends: "succeeded", what: "a task fails; the run is restarted by itself",
		play: func(s *stage) client.WorkflowRun {
			return s.batch(workflows.RunBatchInput{Restarts: 2, RestartDelay: "100ms"})
		}},
	{name: "RunBatch-pause-cut-short", batch: failsOnce, ends: "succeeded", what: "a person restarts during the pause before the automatic restart",
		play: func(s *stage) client.WorkflowRun {
			run := s.batch(workflows.RunBatchInput{Restarts: 1, RestartDelay: "10m"})
			s.Until("the pause", func() bool { status, _ := s.Status(run.GetID()); return status.StatusCode == "-1" })
			return s.says(run, workflows.RestartCommand, workflows.Command{})
		}},
	{name: "RunBatch-parked-restart", batch: failsOnce, ends: "succeeded", what: "a task fails; a person restarts the run",
		play: func(s *stage) client.WorkflowRun {
			return s.says(s.waiting(s.batch(workflows.RunBatchInput{})), workflows.RestartCommand, workflows.Command{})
		}},
	{name: "RunBatch-parked-rerun", batch: failsOnce, ends: "succeeded", what: "a task fails; a person has the run done again",
		play: func(s *stage) client.WorkflowRun {
			return s.says(s.waiting(s.batch(workflows.RunBatchInput{})), workflows.RerunCommand, workflows.Command{})
		}},
	{name: "RunBatch-parked-retry", batch: failsOnce, ends: "succeeded", what: "a task fails; somebody restarts the run on the service's screens, and a person says to look again",
		play: func(s *stage) client.WorkflowRun {
			run := s.waiting(s.batch(workflows.RunBatchInput{}))
			require.NoError(s.t, s.Sim.Operate(s.runID(run), "restart", ""))
			return s.decides(run, workflows.Retry)
		}},
	{name: "RunBatch-parked-given-up", batch: fails, ends: "failed GivenUp", what: "a task fails; a person gives up",
		play: func(s *stage) client.WorkflowRun {
			return s.decides(s.waiting(s.batch(workflows.RunBatchInput{})), workflows.GiveUp)
		}},
	{name: "RunBatch-parked-deadline", batch: fails, ends: "failed DeadlinePassed", what: "a task fails; nobody decides until the deadline",
		play: func(s *stage) client.WorkflowRun {
			return s.waiting(s.batch(workflows.RunBatchInput{Deadline: time.Now().Add(5 * time.Second)}))
		}},
	{name: "RunBatch-parked-cancelled", batch: fails, ends: "cancelled", what: "a task fails; the workflow is cancelled while a person is asked",
		play: func(s *stage) client.WorkflowRun { return s.cancels(s.waiting(s.batch(workflows.RunBatchInput{}))) }},
	{name: "RunBatch-aborted", batch: aborts, ends: "failed GivenUp", what: "the run is aborted (3); a person restarts in vain, then gives up",
		play: func(s *stage) client.WorkflowRun {
			run := s.says(s.waiting(s.batch(workflows.RunBatchInput{})), workflows.RestartCommand, workflows.Command{})
			return s.decides(s.waiting(run), workflows.GiveUp)
		}},
	{name: "RunBatch-interrupted-restart", batch: held, ends: "succeeded", what: "a person interrupts the run, and restarts it",
		play: func(s *stage) client.WorkflowRun {
			run := s.says(s.waiting(s.batch(workflows.RunBatchInput{})), workflows.InterruptCommand, workflows.Command{})
			s.asked(run, workflows.RestartCommand)
			s.says(run, workflows.RestartCommand, workflows.Command{})
			return s.released(run)
		}},
	{name: "RunBatch-interrupted-given-up", batch: hangs, ends: "failed GivenUp", what: "a person interrupts the run, and leaves it so",
		play: func(s *stage) client.WorkflowRun {
			run := s.says(s.running(s.batch(workflows.RunBatchInput{})), workflows.InterruptCommand, workflows.Command{})
			return s.decides(s.waiting(run), workflows.GiveUp)
		}},
	{name: "RunBatch-interrupted-elsewhere", batch: hangs, ends: "failed GivenUp", what: "somebody interrupts the run on the service's screens; a person gives up",
		play: func(s *stage) client.WorkflowRun {
			run := s.running(s.batch(workflows.RunBatchInput{Restarts: 2}))
			require.NoError(s.t, s.Sim.Operate(s.runID(run), "interrupt", ""))
			return s.decides(s.waiting(run), workflows.GiveUp)
		}},
	{name: "RunBatch-signals", batch: hangs, ends: "failed GivenUp", what: "a burst of signals: some apply once, most not at all",
		play: func(s *stage) client.WorkflowRun {
			run := s.running(s.batch(workflows.RunBatchInput{}))
			for _, name := range []string{workflows.RestartCommand, workflows.InterruptCommand, workflows.InterruptCommand, workflows.RerunCommand, workflows.ApproveCommand} {
				s.signals(run, name, workflows.Command{})
			}
			s.waiting(run)
			s.signals(run, workflows.DecideCommand, workflows.Command{Choice: workflows.Skip})
			return s.signals(run, workflows.DecideCommand, workflows.Command{Choice: workflows.GiveUp})
		}},
	{name: "RunBatch-lost-adopt", ends: "succeeded", what: "the trigger's answer is lost; a person finds the run and has it adopted",
		play: func(s *stage) client.WorkflowRun {
			run := s.lost(simulator.FaultCloseAfter)
			_, err := s.Steer(run.GetID(), workflows.DecideCommand, workflows.Command{By: somebody, Choice: workflows.Adopt, RunID: "OTHER_1"})
			require.ErrorContains(s.t, err, "does not belong")
			return s.says(run, workflows.DecideCommand, workflows.Command{Choice: workflows.Adopt, RunID: s.remote()})
		}},
	{name: "RunBatch-lost-nothing-started", ends: "succeeded", what: "the trigger's answer is lost; a person sees that nothing started, and it is posted again",
		play: func(s *stage) client.WorkflowRun {
			return s.decides(s.lost(simulator.FaultHTML), workflows.NothingStarted)
		}},
	{name: "RunBatch-lost-given-up", ends: "failed GivenUp", what: "the trigger's answer is lost; a person gives up",
		play: func(s *stage) client.WorkflowRun { return s.decides(s.lost(simulator.FaultHTML), workflows.GiveUp) }},
	{name: "RunBatch-lost-restart", batch: failsLate, ends: "succeeded", what: "a restart's answer is lost, but the status shows that it took effect",
		play: func(s *stage) client.WorkflowRun {
			s.Sim.Inject(simulator.Fault{Call: "restart", Match: s.code, Times: 1, Kind: simulator.FaultCloseAfter})
			return s.batch(workflows.RunBatchInput{Restarts: 1, RestartDelay: "100ms"})
		}},
	{name: "RunBatch-lost-cancelled", batch: fails, ends: "cancelled", what: "a rerun's answer is lost; the workflow is cancelled while a person is asked, and the run is looked at first",
		play: func(s *stage) client.WorkflowRun {
			run := s.waiting(s.batch(workflows.RunBatchInput{}))
			s.Sim.Inject(simulator.Fault{Call: "rerun", Match: s.code, Times: 1, Kind: simulator.FaultCloseAfter})
			s.signals(run, workflows.RerunCommand, workflows.Command{})
			s.asked(run, workflows.DecideCommand+" "+workflows.Adopt)
			return s.cancels(run)
		}},
	{name: "RunBatch-refused", ends: "failed BatchFailed", what: "the service refuses the trigger: it does not know the batch",
		play: func(s *stage) client.WorkflowRun { return s.batch(workflows.RunBatchInput{Code: "PBSM_NOWHERE"}) }},
	{name: "RunBatch-deadline", batch: hangs, ends: "failed DeadlinePassed", what: "the run goes on at its deadline; it was called late before",
		play: func(s *stage) client.WorkflowRun {
			return s.batch(workflows.RunBatchInput{Deadline: time.Now().Add(5 * time.Second)})
		}},
	{name: "RunBatch-too-late", ends: "failed DeadlinePassed", what: "its deadline has passed when it begins; nothing is posted",
		play: func(s *stage) client.WorkflowRun {
			return s.batch(workflows.RunBatchInput{Deadline: time.Now().Add(-time.Minute)})
		}},
	{name: "RunBatch-late", batch: held, ends: "succeeded", what: "the run is called late, and ends in time all the same",
		play: func(s *stage) client.WorkflowRun {
			run := s.batch(workflows.RunBatchInput{Deadline: time.Now().Add(16 * time.Second)})
			s.Until("it is late", func() bool { status, _ := s.Status(run.GetID()); return status.AtRisk != "" })
			return s.released(run)
		}},
	{name: "RunBatch-cancelled", batch: hangs, ends: "cancelled", what: "the workflow is cancelled; the run is interrupted and its stop awaited",
		play: func(s *stage) client.WorkflowRun { return s.cancels(s.running(s.batch(workflows.RunBatchInput{}))) }},
	{name: "RunBatch-held", batch: held, ends: "succeeded", what: "the service holds a task until somebody releases it",
		play: func(s *stage) client.WorkflowRun { return s.released(s.batch(workflows.RunBatchInput{})) }},
	{name: "RunBatch-taken-over", batch: held, ends: "succeeded", what: "a run that was started elsewhere is taken over by its run id",
		play: func(s *stage) client.WorkflowRun {
			elsewhere := s.waiting(s.batch(workflows.RunBatchInput{Key: "elsewhere"}))
			return s.released(s.batch(workflows.RunBatchInput{RunID: s.runID(elsewhere)}))
		}},
	{name: "RunBatch-unknown-run", ends: "failed GivenUp", what: "the run to take over does not exist; a person has it looked for again, then gives up",
		play: func(s *stage) client.WorkflowRun {
			run := s.decides(s.waiting(s.batch(workflows.RunBatchInput{RunID: s.code + "_nowhere"})), workflows.Retry)
			s.asked(run, "decide adopt")
			return s.decides(run, workflows.GiveUp)
		}},
	{name: "RunBatch-anothers-run", ends: "failed InvalidInput", what: "the run to take over is another batch's",
		play: func(s *stage) client.WorkflowRun { return s.batch(workflows.RunBatchInput{RunID: "PBSM_OTHER_1"}) }},
	{name: "RunBatch-taken-up", batch: held, ends: "succeeded", what: "an earlier start was terminated; the next one takes up the run that goes on",
		play: func(s *stage) client.WorkflowRun {
			s.terminates(s.waiting(s.batch(workflows.RunBatchInput{})))
			return s.released(s.batch(workflows.RunBatchInput{}))
		}},
	{name: "RunBatch-taken-up-unknown", ends: "succeeded", what: "an earlier start was terminated while the outcome of its trigger was unknown; the next one asks",
		play: func(s *stage) client.WorkflowRun {
			s.terminates(s.lost(simulator.FaultHTML))
			return s.decides(s.waiting(s.batch(workflows.RunBatchInput{})), workflows.NothingStarted)
		}},
	{name: "RunBatch-redirected", ends: "succeeded", what: "started under a wrong id, the posting is carried out under the right one",
		play: func(s *stage) client.WorkflowRun {
			return s.Start("anything/"+s.name, workflows.RunBatch, workflows.RunBatchInput{Connection: s.Connection, Code: s.code, AsOfDate: harness.AsOf})
		}},
	{name: "RunBatch-redirected-cancelled", batch: hangs, ends: "cancelled", what: "started under a wrong id and cancelled: the run is interrupted",
		play: func(s *stage) client.WorkflowRun {
			in := workflows.RunBatchInput{Connection: s.Connection, Code: s.code, AsOfDate: harness.AsOf}
			run := s.Start("anything/"+s.name, workflows.RunBatch, in)
			s.runs(in.WorkflowID())
			return s.cancels(run)
		}},
	{name: "RunBatch-invalid", ends: "failed InvalidInput", what: "the input has faults",
		play: func(s *stage) client.WorkflowRun {
			return s.Start(s.name, workflows.RunBatch, workflows.RunBatchInput{})
		}},
	{name: "RunBatch-of-a-close", batch: failsOnce, ends: "succeeded", what: "the workflow of a close's batch, restarted through the close",
		play: func(s *stage) client.WorkflowRun {
			night := s.waiting(s.night("  - id: allocate\n    batch: {code: " + s.code + "}\n"))
			require.NoError(s.t, s.Await(s.says(night, workflows.RestartCommand, workflows.Command{}), nil))
			return s.Temporal.GetWorkflow(s.t.Context(), workflows.BatchWorkflowID(s.Connection, s.code, harness.AsOf, ""), "")
		}},
	{name: "RunBatch-asks-anew", batch: held, ends: "succeeded", what: "a close's batch is held, and then its status is not told: the close learns of the other question",
		play: func(s *stage) client.WorkflowRun {
			night := s.waiting(s.night("  - id: allocate\n    batch: {code: " + s.code + "}\n"))
			s.Sim.Inject(simulator.Fault{Call: "status", Match: s.code, Times: 1, Kind: simulator.FaultStatus, Status: 400})
			s.asked(night, workflows.DecideCommand+" "+workflows.Retry)
			s.decides(night, workflows.Retry)
			return s.released(s.Temporal.GetWorkflow(s.t.Context(), workflows.BatchWorkflowID(s.Connection, s.code, harness.AsOf, ""), ""))
		}},
	{name: "RunBatch-left-by-its-close", told: true, batch: fails, ends: "failed GivenUp", what: "a close is terminated while its batch waits; the batch tells people itself",
		play: func(s *stage) client.WorkflowRun {
			night := s.waiting(s.night("  - id: allocate\n    batch: {code: " + s.code + "}\n"))
			s.terminates(night)
			return s.decides(s.Temporal.GetWorkflow(s.t.Context(), workflows.BatchWorkflowID(s.Connection, s.code, harness.AsOf, ""), ""), workflows.GiveUp)
		}},

	{name: "RunBatch-told", told: true, batch: fails, ends: "failed GivenUp", what: "people are told that the run failed, and that a person gave up",
		play: func(s *stage) client.WorkflowRun {
			return s.decides(s.waiting(s.batch(workflows.RunBatchInput{})), workflows.GiveUp)
		}},
	{name: "RunBatch-told-cancelled", told: true, batch: fails, ends: "cancelled", what: "people are told that the run failed, and that the workflow was cancelled",
		play: func(s *stage) client.WorkflowRun { return s.cancels(s.waiting(s.batch(workflows.RunBatchInput{}))) }},
	{name: "NightlyClose-told", told: true, ends: "failed CloseFailed", what: "people are told that a step waits, that it is late, and that the close failed",
		play: func(s *stage) client.WorkflowRun {
			return s.waiting(s.night("  - id: sign-off\n    approve: {message: Are the books good, deadline: 8s}\n"))
		}},
	{name: "NightlyClose-succeeded", ends: "succeeded", what: "steps of every kind, some side by side",
		play: func(s *stage) client.WorkflowRun {
			s.ledger()
			return s.night(`  - id: ledger
    upload: {file: inbox/` + s.name + `.csv}
  - id: allocate
    needs: [ledger]
    batch: {code: ` + s.code + `}
  - id: profit
    group: {code: PBSM_PARALLEL_GRP, batches: [{code: PBSM_CUST_PROFIT}, {code: PBSM_PROD_PROFIT}]}
  - id: copy
    needs: [ledger]
    download: {file: ` + s.name + `.csv, save_to: reports/` + s.name + `/copy.csv}
  - id: report
    needs: [allocate, profit]
    report: {code: RPT_TINY, save_to: reports/` + s.name + `/report.csv}
  - id: out
    export: {code: MIG_EXPORT1}
  - id: in
    needs: [out]
    import: {code: MIG_IMPORT1}
`)
		}},
	{name: "NightlyClose-audited", ends: "succeeded", what: "what happened is written to an audit file",
		play: func(s *stage) client.WorkflowRun {
			return s.night("  - id: allocate\n    batch: {code: " + s.code + "}\naudit: reports/" + s.name + ".jsonl\n")
		}},
	{name: "NightlyClose-audit-unsound", batch: fails, ends: "failed CloseFailed", what: "the audit file is there and was changed; the close, which failed, says so",
		play: func(s *stage) client.WorkflowRun {
			s.Write(s.Reports, s.name+".jsonl", "changed\n")
			return s.decides(s.waiting(s.night("  - id: allocate\n    batch: {code: "+s.code+"}\naudit: reports/"+s.name+".jsonl\n")), workflows.GiveUp)
		}},
	{name: "NightlyClose-missing-skipped", ends: "succeeded", what: "a file is missing, and the pipeline says to skip it",
		play: func(s *stage) client.WorkflowRun {
			return s.night("  - id: ledger\n    upload: {file: inbox/nowhere.csv, on_missing: skip}\n")
		}},
	{name: "NightlyClose-missing-failed", ends: "failed CloseFailed", what: "a file is missing, and the pipeline says to fail",
		play: func(s *stage) client.WorkflowRun {
			return s.night("  - id: ledger\n    upload: {file: inbox/nowhere.csv, on_missing: fail}\n")
		}},
	{name: "NightlyClose-retried", ends: "succeeded", what: "a file is missing; a person has the step done again when it is there",
		play: func(s *stage) client.WorkflowRun {
			run := s.waiting(s.night("  - id: ledger\n    upload: {file: inbox/" + s.name + ".csv}\n"))
			s.ledger()
			return s.decides(run, workflows.Retry)
		}},
	{name: "NightlyClose-skipped", ends: "succeeded", what: "a file is missing; a person skips the step",
		play: func(s *stage) client.WorkflowRun {
			return s.decides(s.waiting(s.night(`  - id: ledger
    upload: {file: inbox/nowhere.csv}
  - id: allocate
    needs: [ledger]
    batch: {code: `+s.code+`}
`)), workflows.Skip)
		}},
	{name: "NightlyClose-given-up", ends: "failed CloseFailed", what: "a file is missing; a person gives up, and what needs the step is not run",
		play: func(s *stage) client.WorkflowRun {
			return s.decides(s.waiting(s.night(`  - id: ledger
    upload: {file: inbox/nowhere.csv}
  - id: allocate
    needs: [ledger]
    batch: {code: `+s.code+`}
`)), workflows.GiveUp)
		}},
	{name: "NightlyClose-batch-given-up", batch: fails, ends: "failed CloseFailed", what: "a batch fails; a person gives up, other steps go on",
		play: func(s *stage) client.WorkflowRun {
			return s.decides(s.waiting(s.night(`  - id: allocate
    batch: {code: `+s.code+`}
  - id: out
    export: {code: MIG_EXPORT_DONE}
`)), workflows.GiveUp)
		}},
	{name: "NightlyClose-approved", ends: "succeeded", what: "the one who started may not approve; somebody else does",
		play: func(s *stage) client.WorkflowRun {
			run := s.waiting(s.night("  - id: sign-off\n    approve: {message: Are the books good}\n"))
			s.signals(run, workflows.ApproveCommand, workflows.Command{By: "starter"})
			return s.says(run, workflows.ApproveCommand, workflows.Command{})
		}},
	{name: "NightlyClose-not-approved", ends: "failed CloseFailed", what: "the approval is refused",
		play: func(s *stage) client.WorkflowRun {
			return s.decides(s.waiting(s.night("  - id: sign-off\n    approve: {message: Are the books good}\n")), workflows.GiveUp)
		}},
	{name: "NightlyClose-steered", batch: held, ends: "succeeded", what: "a word that does not apply is refused; the batch is interrupted and restarted through the close",
		play: func(s *stage) client.WorkflowRun {
			run := s.waiting(s.night("  - id: allocate\n    batch: {code: " + s.code + "}\n"))
			_, err := s.Steer(run.GetID(), workflows.RestartCommand, workflows.Command{By: somebody})
			require.ErrorContains(s.t, err, "does not apply")
			s.says(run, workflows.InterruptCommand, workflows.Command{Step: "allocate"})
			s.asked(run, workflows.RestartCommand)
			s.says(run, workflows.RestartCommand, workflows.Command{})
			s.released(s.Temporal.GetWorkflow(s.t.Context(), workflows.BatchWorkflowID(s.Connection, s.code, harness.AsOf, ""), ""))
			return run
		}},
	{name: "NightlyClose-attached", batch: held, ends: "succeeded", what: "the batch is under way already; the close awaits its result",
		play: func(s *stage) client.WorkflowRun {
			batch := s.waiting(s.batch(workflows.RunBatchInput{}))
			run := s.night("  - id: allocate\n    batch: {code: " + s.code + "}\n")
			s.Until("the close awaits the batch", func() bool {
				described, err := s.Temporal.DescribeWorkflowExecution(s.t.Context(), run.GetID(), "")
				return err == nil && len(described.PendingActivities) == 1
			})
			s.released(batch)
			return run
		}},
	{name: "NightlyClose-cancelled", batch: hangs, ends: "cancelled", what: "the close is cancelled; the run is interrupted, what waits for it never begins",
		play: func(s *stage) client.WorkflowRun {
			run := s.night(`  - id: allocate
    batch: {code: ` + s.code + `}
  - id: sign-off
    needs: [allocate]
    approve: {message: Are the books good}
`)
			s.runs(workflows.BatchWorkflowID(s.Connection, s.code, harness.AsOf, ""))
			return s.cancels(run)
		}},
	{name: "NightlyClose-redirected", ends: "succeeded", what: "started under a wrong id, the night is carried out under the right one",
		play: func(s *stage) client.WorkflowRun {
			return s.Start("anything/"+s.name, workflows.NightlyClose, s.nightInput("  - id: allocate\n    batch: {code: "+s.code+"}\n"))
		}},
	{name: "NightlyClose-invalid", ends: "failed InvalidInput", what: "the pipeline has faults",
		play: func(s *stage) client.WorkflowRun { return s.night("  - id: allocate\n    needs: [nothing]\n") }},

	{name: "GenerateReport-succeeded", ends: "succeeded", what: "the report is generated and brought down",
		play: func(s *stage) client.WorkflowRun { return s.report("RPT_TINY") }},
	{name: "GenerateReport-failed", ends: "failed StepFailed", what: "the service cannot generate the report",
		play: func(s *stage) client.WorkflowRun { return s.report("RPT_FAIL") }},
	{name: "UploadFile-succeeded", ends: "succeeded", what: "the file goes up and is listed",
		play: func(s *stage) client.WorkflowRun {
			s.ledger()
			return s.upload(workflows.UploadFileInput{})
		}},
	{name: "UploadFile-missing", ends: "failed FileMissing", what: "there is no file",
		play: func(s *stage) client.WorkflowRun { return s.upload(workflows.UploadFileInput{}) }},
	{name: "UploadFile-told", told: true, ends: "failed FileMissing", what: "there is no file; people are told",
		play: func(s *stage) client.WorkflowRun { return s.upload(workflows.UploadFileInput{}) }},
	{name: "UploadFile-waited", ends: "succeeded", what: "the file comes later, and is waited for",
		play: func(s *stage) client.WorkflowRun {
			run := s.upload(workflows.UploadFileInput{WaitUntil: time.Now().Add(time.Hour)})
			s.Until("it waits", func() bool {
				described, err := s.Temporal.DescribeWorkflowExecution(s.t.Context(), run.GetID(), "")
				return err == nil && len(described.PendingActivities) == 1 && described.PendingActivities[0].LastFailure != nil
			})
			s.ledger()
			return run
		}},
	{name: "UploadFile-waited-in-vain", ends: "failed FileMissing", what: "the file is waited for and does not come",
		play: func(s *stage) client.WorkflowRun {
			return s.upload(workflows.UploadFileInput{WaitUntil: time.Now().Add(3 * time.Second)})
		}},
	{name: "UploadFile-expired", ends: "succeeded", what: "the pre-authenticated URL has expired; a new one is asked for",
		play: func(s *stage) client.WorkflowRun {
			s.ledger()
			s.Sim.Inject(simulator.Fault{Call: "object-put", Match: s.name + ".csv", Times: 1, Kind: simulator.FaultExpirePAR})
			return s.upload(workflows.UploadFileInput{})
		}},
	{name: "UploadFile-verified", ends: "succeeded", what: "the file holds what is expected",
		play: func(s *stage) client.WorkflowRun {
			s.ledger()
			return s.upload(workflows.UploadFileInput{Expect: &workflows.Expect{Rows: new(int64(3))}})
		}},
	{name: "UploadFile-not-as-expected", ends: "failed VerificationFailed", what: "the file holds fewer rows than expected and is not sent",
		play: func(s *stage) client.WorkflowRun {
			s.ledger()
			return s.upload(workflows.UploadFileInput{Expect: &workflows.Expect{MinRows: new(int64(4))}})
		}},
	{name: "UploadFile-marked", ends: "succeeded", what: "the file's marker says that it is complete",
		play: func(s *stage) client.WorkflowRun {
			s.ledger()
			s.Write(s.Inbox, s.name+".done", "")
			return s.upload(workflows.UploadFileInput{Marker: "inbox/" + s.name + ".done"})
		}},
	{name: "UploadFile-folder", ends: "succeeded", what: "all files of a folder go up",
		play: func(s *stage) client.WorkflowRun {
			for _, name := range []string{"a", "b", "c"} {
				s.Write(s.Inbox, s.name+"/"+s.name+"-"+name+".csv", harness.Ledger(2))
			}
			return s.Start(s.name, workflows.UploadFile, workflows.UploadFileInput{Connection: s.Connection, File: "inbox/" + s.name + "/"})
		}},
	{name: "UploadFile-folder-refused", ends: "failed Refused", what: "the store refuses a file of a folder",
		play: func(s *stage) client.WorkflowRun {
			s.Write(s.Inbox, s.name+"/"+s.name+".csv", harness.Ledger(2))
			s.Sim.Inject(simulator.Fault{Call: "object-put", Match: s.name + ".csv", Kind: simulator.FaultStatus, Status: http.StatusBadRequest})
			return s.Start(s.name, workflows.UploadFile, workflows.UploadFileInput{Connection: s.Connection, File: "inbox/" + s.name + "/"})
		}},
	{name: "DownloadFile-by-id", ends: "succeeded", what: "a file is brought down by its id",
		play: func(s *stage) client.WorkflowRun {
			return s.download(workflows.DownloadFileInput{FileID: s.uploaded().FileID})
		}},
	{name: "DownloadFile-by-name", ends: "succeeded", what: "a file is brought down by its name, and checked",
		play: func(s *stage) client.WorkflowRun {
			return s.download(workflows.DownloadFileInput{Name: s.uploaded().Name, Expect: &workflows.Expect{Rows: new(int64(3))}})
		}},
	{name: "DownloadFile-refused", ends: "failed Refused", what: "the service knows no such file",
		play: func(s *stage) client.WorkflowRun { return s.download(workflows.DownloadFileInput{FileID: "1"}) }},
	{name: "Migrate-export", ends: "succeeded", what: "an export runs through",
		play: func(s *stage) client.WorkflowRun { return s.migrate(workflows.Export, "MIG_EXPORT1") }},
	{name: "Migrate-import", ends: "succeeded", what: "an import runs through",
		play: func(s *stage) client.WorkflowRun { return s.migrate(workflows.Import, "MIG_IMPORT1") }},
	{name: "Migrate-already-complete", ends: "succeeded", what: "the service had exported it before",
		play: func(s *stage) client.WorkflowRun { return s.migrate(workflows.Export, "MIG_EXPORT_DONE") }},
	{name: "Migrate-failed", ends: "failed StepFailed", what: "the service cannot import it",
		play: func(s *stage) client.WorkflowRun { return s.migrate(workflows.Import, "MIG_IMPORT_FAIL") }},

	{name: "ScheduledClose-succeeded", ends: "succeeded", what: "the scheduled time is that of a night; its close runs through",
		play: func(s *stage) client.WorkflowRun { return s.scheduled(businessNight, quickStep(s.code)) }},
	{name: "ScheduledClose-no-close", ends: "succeeded", what: "the scheduled time falls on a holiday",
		play: func(s *stage) client.WorkflowRun { return s.scheduled(holidayNight, quickStep(s.code)) }},
	{name: "ScheduledClose-failed", ends: "failed CloseFailed", what: "the close fails",
		play: func(s *stage) client.WorkflowRun {
			return s.scheduled(businessNight, "  - id: ledger\n    upload: {file: inbox/nowhere.csv, on_missing: fail}\n")
		}},
	{name: "ScheduledClose-attached", batch: held, ends: "succeeded", what: "the close is under way already; its result is awaited",
		play: func(s *stage) client.WorkflowRun {
			s.Write(s.Pipelines, s.name+".yaml", "name: "+s.name+"\nsteps:\n"+quickStep(s.code))
			in := workflows.NightlyCloseInput{Connection: s.Connection, Pipeline: s.name, AsOfDate: "2025-11-24"}
			s.waiting(s.Start(in.WorkflowID(), workflows.NightlyClose, in))
			run := s.scheduled(businessNight, quickStep(s.code))
			s.Until("the close is awaited", func() bool {
				described, err := s.Temporal.DescribeWorkflowExecution(s.t.Context(), run.GetID(), "")
				return err == nil && len(described.PendingActivities) == 1
			})
			s.released(s.Temporal.GetWorkflow(s.t.Context(), workflows.BatchWorkflowID(s.Connection, s.code, in.AsOfDate, ""), ""))
			return run
		}},
	{name: "ScheduledClose-cancelled", batch: hangs, ends: "cancelled", what: "it is cancelled, and the close with it",
		play: func(s *stage) client.WorkflowRun {
			run := s.scheduled(businessNight, quickStep(s.code))
			s.runs(workflows.BatchWorkflowID(s.Connection, s.code, "2025-11-24", ""))
			return s.cancels(run)
		}},
	{name: "ScheduledClose-unplanned", told: true, ends: "failed InvalidInput", what: "its calendar is gone; people are told",
		play: func(s *stage) client.WorkflowRun {
			in := s.scheduledInput()
			in.Calendar = "my-bank"
			return s.startScheduled(businessNight, in)
		}},
	{name: "ScheduledClose-invalid", ends: "failed InvalidInput", what: "no schedule started it",
		play: func(s *stage) client.WorkflowRun {
			return s.Start(s.name, workflows.ScheduledClose, s.scheduledInput())
		}},
}

func (s *stage) batch(in workflows.RunBatchInput) client.WorkflowRun {
	if in.Code == "" {
		in.Code = s.code
	}
	return s.StartBatch(in)
}

func (s *stage) nightInput(steps string) workflows.NightlyCloseInput {
	return workflows.NightlyCloseInput{
		Connection: s.Connection, Pipeline: s.name, Definition: definition(s.t, s.name, steps), AsOfDate: harness.AsOf, StartedBy: "starter",
	}
}

func (s *stage) night(steps string) client.WorkflowRun {
	in := s.nightInput(steps)
	return s.Start(in.WorkflowID(), workflows.NightlyClose, in)
}

func (s *stage) report(code string) client.WorkflowRun {
	return s.Start(s.name, workflows.GenerateReport, workflows.GenerateReportInput{Connection: s.Connection, Code: code, SaveTo: "reports/" + s.name + ".csv"})
}

func (s *stage) ledger() { s.Write(s.Inbox, s.name+".csv", harness.Ledger(3)) }

func (s *stage) upload(in workflows.UploadFileInput) client.WorkflowRun {
	in.Connection, in.File = s.Connection, "inbox/"+s.name+".csv"
	return s.Start(s.name, workflows.UploadFile, in)
}

func (s *stage) uploaded() workflows.FileResult {
	s.ledger()
	var result workflows.FileResult
	run := s.Start(s.name+"-before", workflows.UploadFile, workflows.UploadFileInput{Connection: s.Connection, File: "inbox/" + s.name + ".csv"})
	require.NoError(s.t, s.Await(run, &result))
	return result
}

func (s *stage) download(in workflows.DownloadFileInput) client.WorkflowRun {
	in.Connection, in.SaveTo = s.Connection, "reports/"+s.name+".csv"
	return s.Start(s.name, workflows.DownloadFile, in)
}

func (s *stage) migrate(direction, code string) client.WorkflowRun {
	return s.Start(s.name, workflows.Migrate, workflows.MigrateInput{Connection: s.Connection, Direction: direction, Code: code})
}

// lost starts the batch, loses the trigger's answer, and waits until a person is asked.
func (s *stage) lost(kind simulator.Kind) client.WorkflowRun {
	s.Sim.Inject(simulator.Fault{Call: "trigger", Match: s.code, Times: 1, Kind: kind})
	return s.waiting(s.batch(workflows.RunBatchInput{}))
}

// remote is the id of the only run of the scene's batch.
func (s *stage) remote() string {
	for _, run := range s.Sim.Runs() {
		if run.Code == s.code {
			return run.ID
		}
	}
	s.t.Fatalf("%s has no run", s.code)
	return ""
}

func (s *stage) runID(run client.WorkflowRun) string {
	status, ok := s.Status(run.GetID())
	require.True(s.t, ok)
	require.NotEmpty(s.t, status.RunID)
	return status.RunID
}

// runs waits until a batch's run goes on.
func (s *stage) runs(id string) {
	s.Until(id+" runs", func() bool { status, _ := s.Status(id); return status.StatusCode == "2" })
}

func (s *stage) running(run client.WorkflowRun) client.WorkflowRun {
	s.runs(run.GetID())
	return run
}

func (s *stage) waiting(run client.WorkflowRun) client.WorkflowRun {
	s.AwaitState(run.GetID(), workflows.Waiting)
	return run
}

// asked waits until a choice is offered.
func (s *stage) asked(run client.WorkflowRun, choice string) {
	s.Until(choice+" is offered", func() bool {
		status, _ := s.Status(run.GetID())
		return status.Question != nil && status.Question.Choices[0] != workflows.InterruptCommand && slices.Contains(status.Question.Choices, choice)
	})
}

func (s *stage) says(run client.WorkflowRun, name string, word workflows.Command) client.WorkflowRun {
	word.By, word.Why = somebody, "the scene wants it"
	_, err := s.Steer(run.GetID(), name, word)
	require.NoError(s.t, err)
	return run
}

func (s *stage) decides(run client.WorkflowRun, choice string) client.WorkflowRun {
	return s.says(run, workflows.DecideCommand, workflows.Command{Choice: choice})
}

func (s *stage) signals(run client.WorkflowRun, name string, word workflows.Command) client.WorkflowRun {
	if word.By == "" {
		word.By = somebody
	}
	require.NoError(s.t, s.Temporal.SignalWorkflow(s.t.Context(), run.GetID(), "", name, word))
	return run
}

func (s *stage) cancels(run client.WorkflowRun) client.WorkflowRun {
	require.NoError(s.t, s.Temporal.CancelWorkflow(s.t.Context(), run.GetID(), ""))
	return run
}

// terminates ends a workflow, and waits until the next start can see it.
func (s *stage) terminates(run client.WorkflowRun) {
	require.NoError(s.t, s.Temporal.TerminateWorkflow(s.t.Context(), run.GetID(), "", "the scene wants it"))
	_ = s.Await(run, nil)
}

// released waits until the service holds the run's task, and releases it.
func (s *stage) released(run client.WorkflowRun) client.WorkflowRun {
	s.Until("the task is released", func() bool {
		status, _ := s.Status(run.GetID())
		return status.RunID != "" && s.Sim.Operate(status.RunID, "release", heldTask) == nil
	})
	return run
}
