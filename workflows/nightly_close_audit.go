package workflows

import (
	"cmp"
	"fmt"
	"time"

	"go.temporal.io/sdk/workflow"

	"github.com/pbsmflow/pbsmflow/activities"
	"github.com/pbsmflow/pbsmflow/internal/audit"
)

// auditTimeout is how long the end of a close, and the message about it, wait for a store that does not accept the
// audit file. The state is published before.
const auditTimeout = 15 * time.Minute

// closeAudit collects what the steps of a close did.
type closeAudit struct{ steps []audit.Event }

func (a *closeAudit) add(e audit.Event) { a.steps = append(a.steps, e) }

// writeAudit writes what happened in the close, also if it failed or was cancelled. A file that cannot be
// written does not change how the close ended; the result says so.
func (c *closeRun) writeAudit(ctx workflow.Context, result NightlyCloseResult) *AuditResult {
	file := c.plan.Audit
	ctx, _ = workflow.NewDisconnectedContext(ctx)
	record, err := audit.Size(audit.Record{
		Execution: workflow.GetInfo(ctx).WorkflowExecution.RunID,
		Events:    c.auditEvents(ctx, result),
	})
	var written activities.AuditWritten
	if err == nil {
		activity := options(ctx, timed(callOptions, auditTimeout), "write "+file)
		in := activities.WriteAuditInput{File: file, Sized: record}
		err = workflow.ExecuteActivity(activity, act.WriteAudit, in).Get(ctx, &written)
	}
	if err != nil {
		note := "the audit file could not be written: " + reason(err)
		c.reporter.log(ctx, LogEntry{What: note})
		return &AuditResult{File: file, Note: note}
	}
	c.reporter.log(ctx, LogEntry{
		What: fmt.Sprintf("audit file %s, %d lines, seal %s", written.File, written.Lines, written.SHA256) +
			prefixed("; ", written.Damaged),
	})
	return &AuditResult{File: written.File, Lines: written.Lines, SHA256: written.SHA256, Note: written.Damaged}
}

// auditEvents are all events of the close. The log comes before the steps: of one moment, the command
// comes before what it led to.
func (c *closeRun) auditEvents(ctx workflow.Context, result NightlyCloseResult) []audit.Event {
	status := c.reporter.status()
	events := []audit.Event{{
		At:                 result.StartedAt,
		Event:              audit.CloseStarted,
		By:                 c.in.StartedBy,
		Proved:             c.started,
		WorkflowID:         workflow.GetInfo(ctx).WorkflowExecution.ID,
		Connection:         result.Connection,
		Pipeline:           result.Pipeline,
		DefinitionFrom:     c.plan.Definition.From,
		DefinitionSHA256:   c.plan.Definition.SHA256,
		DefinitionIncludes: c.plan.Definition.Includes,
		AsOfDate:           result.AsOfDate,
		Params:             c.plan.Params,
		Sender:             c.plan.PreparedBy,
	}}
	for _, e := range status.Log {
		events = append(events, auditedEntry(e))
	}
	events = append(events, c.audit.steps...)
	return append(events, audit.Event{
		At:      result.EndedAt,
		Event:   audit.CloseEnded,
		What:    status.Summary,
		Outcome: string(result.State),
	})
}

// auditedEntry is the event of an entry of a log.
func auditedEntry(e LogEntry) audit.Event {
	return audit.Event{
		At:     e.At,
		Event:  cmp.Or(e.Event, audit.Noted),
		What:   e.What,
		By:     e.By,
		Why:    e.Why,
		Proved: e.Proved,
		Since:  e.Since,
		Sent:   e.Sent,
		Sender: e.Sender,
		Tasks:  auditedTasks(e.Tasks),
	}
}

func auditedTasks(tasks []Task) (audited []audit.Task) {
	for _, t := range tasks {
		audited = append(audited, audit.Task(t))
	}
	return audited
}

// auditQuestion records that the step asks something, or no longer does although no command to this close answered:
// the workflow of a batch also takes commands directly, which its log has. An answer is in the log of the close.
func (s *step) auditQuestion(ctx workflow.Context) {
	before, now := s.asked, s.question
	if before == now || before != nil && now != nil && before.Why == now.Why {
		return
	}
	if before != nil && s.answered == nil {
		s.record(audit.Event{At: workflow.Now(ctx), Event: audit.Withdrawn, What: before.Why, Since: before.Since})
	}
	if now != nil {
		s.record(audit.Event{At: now.Since, Event: audit.Asked, What: now.Why, Choices: now.Choices, Until: now.Deadline})
	}
	s.asked, s.answered = now, nil
}

// watchCancellation logs that the close is cancelled, if no command did it.
func (c *closeRun) watchCancellation(ctx workflow.Context) {
	workflow.Go(ctx, func(ctx workflow.Context) {
		if ctx.Done().Receive(ctx, nil); c.reporter.cancelled != nil {
			return
		}
		c.log(ctx, LogEntry{Event: audit.Cancelled, What: "cancelled through Temporal, which does not say by whom: " +
			"the event WorkflowExecutionCancelRequested of the history has the client's identity"})
	})
}

// auditedFile is the event of a file that was moved.
func auditedFile(event string, f *FileResult) audit.Event {
	file := &audit.File{
		Path:     f.File,
		Name:     f.Name,
		FileID:   f.FileID,
		Bytes:    f.Bytes,
		Rows:     f.Rows,
		SHA256:   f.SHA256,
		ETag:     f.ETag,
		Totals:   f.Totals,
		Verified: f.Verified,
		Scan:     f.Scan,
		Files:    f.Files,
		ListedIn: f.ListedIn,
		FoundAt:  f.FoundAt,
	}
	if !f.FoundAt.IsZero() {
		file.AwaitedAt = f.StartedAt
	}
	return audit.Event{At: f.EndedAt, Event: event, File: file, Sender: f.Sender}
}
