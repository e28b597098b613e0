package workflows

import (
	"fmt"
	"time"

	enumspb "go.temporal.io/api/enums/v1"
	"go.temporal.io/sdk/temporal"
	"go.temporal.io/sdk/workflow"

	"github.com/pbsmflow/pbsmflow/activities"
	"github.com/pbsmflow/pbsmflow/internal/audit"
	"github.com/pbsmflow/pbsmflow/internal/pipeline"
)

// run takes a step from waiting for its needs to its end. Errors end the step, never the night.
func (s *step) run(ctx workflow.Context) {
	err := workflow.Await(ctx, s.needsOver)
	switch {
	case err != nil:
		s.end(ctx, Cancelled, "cancelled before it began")
		return
	case !s.needsMet():
		s.end(ctx, NotRun, "not run: a step that it needs did not succeed")
		return
	}
	s.result.StartedAt = workflow.Now(ctx)
	s.note(s.event(audit.StepStarted, s.result.StartedAt, s.summary()))
	working, over := workflow.WithCancel(ctx)
	defer over()
	warnBeforeDeadline(working, s.deadline(), "step "+s.Step.ID, func(warning string) {
		s.night.reporter.warnAtRisk(ctx, warning)
		s.late = warning
		s.night.show(ctx, s)
	})
	for {
		s.set(ctx, Running, "")
		err := s.carryOut(ctx)
		s.record(ctx, err)
		switch {
		case err == nil:
			s.end(ctx, Succeeded, s.outcome())
			return
		case ctx.Err() != nil:
			s.end(ctx, Cancelled, s.why(err))
			return
		case errorType(err) == GivenUp, errorType(err) == DeadlinePassed:
			s.fail(ctx, errorType(err), reason(err))
			return
		case s.endWithoutFile(ctx, err):
			return
		}
		if again := s.park(ctx, s.why(err)); !again {
			return
		}
	}
}

// why is what a person should read of an error that ended the step. What became of a run whose
// workflow was cancelled, only the batch's own log says.
func (s *step) why(err error) string {
	if b := s.result.Batch; b != nil && len(b.Log) > 0 && temporal.IsCanceledError(err) {
		return b.Log[len(b.Log)-1].What
	}
	return reason(err)
}

// endWithoutFile ends an upload whose file did not come, where the pipeline says how.
func (s *step) endWithoutFile(ctx workflow.Context, err error) bool {
	if s.Kind != pipeline.KindUpload || errorType(err) != activities.FileMissing {
		return false
	}
	switch s.Step.Upload.OnMissing {
	case pipeline.SkipStep:
		s.result.Error = reason(err)
		s.end(ctx, Skipped, "skipped, as the pipeline says: "+reason(err))
		return true
	case pipeline.FailStep:
		s.fail(ctx, errorType(err), reason(err))
		return true
	}
	return false
}

func (s *step) needsOver() bool {
	for _, id := range s.Step.Needs {
		if !s.night.byID[id].result.State.Done() {
			return false
		}
	}
	return true
}

func (s *step) needsMet() bool {
	for _, id := range s.Step.Needs {
		if state := s.night.byID[id].result.State; state != Succeeded && state != Skipped {
			return false
		}
	}
	return true
}

// park asks a person about a step that failed. It tells whether the step is to be done again.
func (s *step) park(ctx workflow.Context, why string) bool {
	r := s.ask(ctx, why, DecideCommand+" "+Retry, DecideCommand+" "+Skip, DecideCommand+" "+GiveUp)
	switch {
	case r == nil && ctx.Err() != nil:
		s.end(ctx, Cancelled, why)
	case r == nil:
		s.fail(ctx, DeadlinePassed, why+"; the deadline passed and nobody decided")
	case r.Choice == Retry:
		return true
	case r.Choice == Skip:
		s.result.Error = why
		s.end(ctx, Skipped, "skipped"+prefixed(" by ", r.By)+prefixed(": ", r.Why))
	default:
		s.fail(ctx, GivenUp, "given up: "+why)
	}
	return false
}

// ask waits for an operator's word to this step: nil when the deadline passed or the night is cancelled.
func (s *step) ask(ctx workflow.Context, why string, choices ...string) *command {
	s.choices, s.word = choices, nil
	s.waiting = &Question{Why: why, Choices: choices, Deadline: s.deadline()}
	s.set(ctx, Waiting, why)
	_, _ = awaitUntil(ctx, s.deadline(), s.Step.ID+" waits for an operator", func() bool { return s.word != nil })
	s.choices, s.waiting = nil, nil
	if r := s.word; r != nil {
		s.night.reporter.log(ctx, LogEntry{What: s.Step.ID + ": " + r.choice(), By: r.By, Why: r.Why})
		r.reply(CommandResult{State: Running, Message: s.Step.ID + " " + followsFrom[r.choice()]})
		return r
	}
	return nil
}

// followsFrom is what happens to a step after a person's word.
var followsFrom = map[string]string{
	ApproveCommand:               "is approved; what needs it can begin",
	DecideCommand + " " + Retry:  "is tried again",
	DecideCommand + " " + Skip:   "is skipped; what needs it can begin all the same",
	DecideCommand + " " + GiveUp: "is given up; what needs it is not run, and the close ends as failed",
}

// deadline is the step's, or else the close's.
func (s *step) deadline() time.Time {
	if s.Deadline.IsZero() {
		return s.night.plan.Deadline
	}
	return s.Deadline
}

func (s *step) set(ctx workflow.Context, state State, detail string) {
	s.result.State, s.detail = state, detail
	s.night.show(ctx, s)
}

func (s *step) end(ctx workflow.Context, state State, detail string) {
	s.result.EndedAt, s.late = workflow.Now(ctx), ""
	if state == Failed || state == Cancelled {
		s.result.Error = detail
	}
	s.set(ctx, state, detail)
	e := s.event(audit.StepEnded, s.result.EndedAt, detail)
	e.Outcome = string(state)
	s.note(e)
}

func (s *step) fail(ctx workflow.Context, errorType, detail string) {
	s.failure = errorType
	s.end(ctx, Failed, detail)
}

// carryOut does what the step is about, in a workflow of its own unless it only asks a person.
func (s *step) carryOut(ctx workflow.Context) error {
	switch s.Kind {
	case pipeline.KindBatch, pipeline.KindGroup:
		in := s.batchInput()
		s.childID(ctx, in.WorkflowID())
		return s.batch(ctx, in)
	case pipeline.KindUpload:
		s.result.Upload = new(FileResult)
		return s.child(ctx, UploadFile, s.uploadInput(), s.result.Upload)
	case pipeline.KindDownload:
		s.result.Download = new(FileResult)
		return s.child(ctx, DownloadFile, s.downloadInput(), s.result.Download)
	case pipeline.KindReport:
		s.result.Report = new(GenerateReportResult)
		return s.child(ctx, GenerateReport, s.reportInput(), s.result.Report)
	case pipeline.KindExport:
		s.result.Migration = new(MigrateResult)
		return s.child(ctx, Migrate, s.migrateInput(Export, s.Step.Export), s.result.Migration)
	case pipeline.KindImport:
		s.result.Migration = new(MigrateResult)
		return s.child(ctx, Migrate, s.migrateInput(Import, s.Step.Import), s.result.Migration)
	case pipeline.KindApprove:
		return s.approve(ctx)
	}
	return failure(InvalidInput, fmt.Sprintf("step %s: the kind %q is not known to this worker", s.Step.ID, s.Kind))
}

// batch follows a posting. How it ended is in the error, too, when it did not end well.
func (s *step) batch(ctx workflow.Context, in RunBatchInput) error {
	s.following, s.told = true, 0
	result, err := runOrAttachBatch(ctx, in)
	s.following, s.waiting = false, nil
	detailsOf(err, &result)
	s.result.Batch = &result
	return err
}

func (s *step) child(ctx workflow.Context, child, input, result any) error {
	id := StepWorkflowID(workflow.GetInfo(ctx).WorkflowExecution.ID, s.Step.ID)
	s.childID(ctx, id)
	return runOrAttach(ctx, id, enumspb.WORKFLOW_ID_REUSE_POLICY_ALLOW_DUPLICATE, s.deadline(), s.summary(), child, input, result)
}

func (s *step) childID(ctx workflow.Context, id string) {
	s.result.WorkflowID = id
	s.set(ctx, Running, s.summary())
}

func (s *step) approve(ctx workflow.Context) error {
	r := s.ask(ctx, s.Step.Approve.Message, ApproveCommand, DecideCommand+" "+GiveUp)
	switch {
	case r == nil && ctx.Err() != nil:
		return ctx.Err()
	case r == nil:
		return failure(DeadlinePassed, "nobody approved before the deadline")
	case r.name == ApproveCommand:
		return nil
	}
	return failure(GivenUp, "refused"+prefixed(" by ", r.By)+prefixed(": ", r.Why))
}

// summary is one line about what the step does.
func (s *step) summary() string {
	switch s.Kind {
	case pipeline.KindBatch:
		return s.Step.Batch.Code
	case pipeline.KindGroup:
		return s.Step.Group.Code
	case pipeline.KindUpload:
		return s.Step.Upload.File
	case pipeline.KindDownload:
		return s.Step.Download.SaveTo
	case pipeline.KindReport:
		return s.Step.Report.Code + " to " + s.Step.Report.SaveTo
	case pipeline.KindExport:
		return s.Step.Export.Code
	case pipeline.KindImport:
		return s.Step.Import.Code
	}
	return s.Step.Description
}

// outcome is one line about what the step did.
func (s *step) outcome() string {
	r := s.result
	switch {
	case r.Batch != nil:
		return r.Batch.RunID
	case r.Upload != nil && r.Upload.Files > 0:
		return fmt.Sprintf("%d files, %d rows, listed in %s", r.Upload.Files, r.Upload.Rows, r.Upload.ListedIn)
	case r.Upload != nil:
		return fmt.Sprintf("file id %s, %d rows", r.Upload.FileID, r.Upload.Rows)
	case r.Download != nil:
		return fmt.Sprintf("%s, %d rows", r.Download.File, r.Download.Rows)
	case r.Report != nil:
		return fmt.Sprintf("%s, %d rows", r.Report.File.File, r.Report.File.Rows)
	case r.Migration != nil:
		return r.Migration.Message
	}
	return "approved"
}

func (s *step) batchInput() RunBatchInput {
	in := RunBatchInput{Connection: s.night.in.Connection, AsOfDate: s.night.in.AsOfDate, Deadline: s.deadline(), StartedBy: s.night.in.StartedBy}
	if b := s.Step.Batch; b != nil {
		in.Code, in.Key, in.Params = b.Code, b.Key, b.Params
		in.Restarts, in.RestartDelay = b.Restarts, delayText(b.RestartDelay)
		in.IncludedTasks, in.ExcludedTasks, in.HeldTasks = b.IncludedTasks, b.ExcludedTasks, b.HeldTasks
	}
	if g := s.Step.Group; g != nil {
		in.Group, in.Code, in.Key = true, g.Code, g.Key
		in.Restarts, in.RestartDelay = g.Restarts, delayText(g.RestartDelay)
		for _, member := range g.Batches {
			in.Batches = append(in.Batches, GroupBatch{Code: member.Code, Params: member.Params})
		}
	}
	return in
}

func delayText(d pipeline.Duration) string {
	if d == 0 {
		return ""
	}
	return time.Duration(d).String()
}

func (s *step) uploadInput() UploadFileInput {
	u := s.Step.Upload
	return UploadFileInput{
		Connection: s.night.in.Connection, File: u.File, ListTo: u.ListTo, Name: u.Name, MimeType: u.MimeType, Prefix: u.Prefix,
		WaitUntil: s.WaitUntil, StableFor: delayText(u.StableFor), Marker: u.Marker, Expect: expected(u.Expect), Deadline: s.deadline(),
	}
}

func (s *step) downloadInput() DownloadFileInput {
	d := s.Step.Download
	return DownloadFileInput{
		Connection: s.night.in.Connection, FileID: d.FileID, Name: d.File, Stripe: d.Stripe, Prefix: d.Prefix,
		SaveTo: d.SaveTo, Expect: expected(d.Expect), Deadline: s.deadline(),
	}
}

func (s *step) reportInput() GenerateReportInput {
	r := s.Step.Report
	return GenerateReportInput{
		Connection: s.night.in.Connection, Code: r.Code, Type: r.Type, DefinitionType: r.DefType,
		Filter: r.Filter, PlaceholderFilter: r.PlaceholderFilter, SaveTo: r.SaveTo, Expect: expected(r.Expect), Deadline: s.deadline(),
	}
}

func (s *step) migrateInput(direction string, m *pipeline.Migration) MigrateInput {
	return MigrateInput{Connection: s.night.in.Connection, Direction: direction, Code: m.Code, Deadline: s.deadline()}
}
