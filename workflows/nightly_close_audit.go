package workflows

import (
	"fmt"
	"time"

	"go.temporal.io/sdk/temporal"
	"go.temporal.io/sdk/workflow"

	"github.com/pbsmflow/pbsmflow/activities"
	"github.com/pbsmflow/pbsmflow/internal/audit"
)

// auditPatience is how long the end of a close waits for a store that does not take its audit file.
const auditPatience = 15 * time.Minute

// audit writes what happened in the night, also when it failed or was cancelled. A file that
// cannot be written does not change how the night ended; it is said in the result.
func (n *night) audit(ctx workflow.Context, result NightlyCloseResult) *AuditResult {
	if n.plan.Audit == "" {
		return nil
	}
	ctx, _ = workflow.NewDisconnectedContext(ctx)
	var written activities.AuditWritten
	err := workflow.ExecuteActivity(options(ctx, callOptions, workflow.Now(ctx).Add(auditPatience), "write "+n.plan.Audit), act.WriteAudit,
		activities.WriteAuditInput{File: n.plan.Audit, Record: audit.Record{
			Execution: workflow.GetInfo(ctx).WorkflowExecution.RunID, Events: n.auditEvents(ctx, result),
		}}).Get(ctx, &written)
	if err != nil {
		note := "the audit file could not be written: " + reason(err)
		n.reporter.log(ctx, LogEntry{What: note})
		return &AuditResult{File: n.plan.Audit, Note: note}
	}
	n.reporter.log(ctx, LogEntry{What: fmt.Sprintf("audit file %s, %d lines, SHA-256 %s", written.File, written.Lines, written.SHA256) + prefixed("; ", written.Unsound)})
	return &AuditResult{File: written.File, Lines: written.Lines, SHA256: written.SHA256, Note: written.Unsound}
}

func (n *night) auditEvents(ctx workflow.Context, result NightlyCloseResult) []audit.Event {
	events := []audit.Event{{
		At: result.StartedAt, Event: audit.CloseStarted, By: n.in.StartedBy, WorkflowID: workflow.GetInfo(ctx).WorkflowExecution.ID,
		Connection: result.Connection, Pipeline: result.Pipeline, AsOfDate: result.AsOfDate,
	}}
	for _, e := range n.reporter.status().Log {
		events = append(events, audit.Event{At: e.At, Event: audit.Noted, What: e.What, By: e.By, Why: e.Why})
	}
	events = append(events, n.events...) // behind the words of the same moment, which led to them
	return append(events, audit.Event{At: result.EndedAt, Event: audit.CloseEnded, What: n.reporter.status().Summary, Outcome: string(result.State)})
}

func (s *step) event(event string, at time.Time, what string) audit.Event {
	return audit.Event{At: at, Event: event, Step: s.Step.ID, Kind: string(s.Kind), What: what}
}

// note keeps an event for the audit file.
func (s *step) note(e audit.Event) {
	e.WorkflowID = s.result.WorkflowID
	s.night.events = append(s.night.events, e)
}

// record keeps what an attempt of the step did, before another one takes its place.
func (s *step) record(ctx workflow.Context, err error) {
	r := s.result
	if r.Batch != nil && r.Batch.State != "" {
		for _, entry := range r.Batch.Log {
			e := s.event(audit.Call, entry.At, entry.What)
			e.By, e.Why = entry.By, entry.Why
			s.note(e)
		}
		e := s.event(audit.RunEnded, workflow.Now(ctx), r.Batch.Code)
		e.Outcome, e.RunIDs, e.StatusCode, e.Status = string(r.Batch.State), r.Batch.runIDs(), r.Batch.StatusCode, r.Batch.Status
		s.note(e)
	}
	if err != nil {
		if !temporal.IsCanceledError(err) {
			s.note(s.event(audit.StepFailed, workflow.Now(ctx), reason(err)))
		}
		return
	}
	switch {
	case r.Upload != nil:
		s.note(s.fileEvent(audit.FileSent, r.Upload))
	case r.Download != nil:
		s.note(s.fileEvent(audit.FileSaved, r.Download))
	case r.Report != nil:
		e := s.fileEvent(audit.ReportSaved, &r.Report.File)
		e.What, e.InstanceID = r.Report.Code, r.Report.InstanceID
		s.note(e)
	case r.Migration != nil:
		e := s.event(audit.Migrated, r.Migration.EndedAt, r.Migration.Direction+" "+r.Migration.Code)
		e.StatusCode, e.Status = r.Migration.StatusCode, r.Migration.Message
		s.note(e)
	}
}

func (s *step) fileEvent(event string, f *FileResult) audit.Event {
	e := s.event(event, f.EndedAt, "")
	e.File = &audit.File{
		Path: f.File, Name: f.Name, FileID: f.FileID, Bytes: f.Bytes, Rows: f.Rows, SHA256: f.SHA256, ETag: f.ETag,
		Totals: f.Totals, Verified: f.Verified, Scan: f.Scan,
	}
	return e
}

// runIDs are all that the service answered: the posting's own, then those of a group's batches.
func (r *RunBatchResult) runIDs() []string {
	ids := r.RunIDs[:len(r.RunIDs):len(r.RunIDs)]
	for _, member := range r.Batches {
		ids = append(ids, member.RunID)
	}
	return ids
}
