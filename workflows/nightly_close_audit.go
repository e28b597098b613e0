package workflows

import (
	"fmt"
	"time"

	"go.temporal.io/sdk/workflow"

	"github.com/pbsmflow/pbsmflow/activities"
	"github.com/pbsmflow/pbsmflow/internal/audit"
)

// auditTimeout is how long the end of a close waits for a store that does not accept its audit file.
const auditTimeout = 15 * time.Minute

// closeAudit collects what the steps of a close did.
type closeAudit struct{ steps []audit.Event }

func (a *closeAudit) add(e audit.Event) { a.steps = append(a.steps, e) }

// writeAudit writes what happened in the close, also if it failed or was cancelled. A file that cannot be
// written does not change how the close ended; the result says so.
func (c *closeRun) writeAudit(ctx workflow.Context, result NightlyCloseResult) *AuditResult {
	file := c.plan.Audit
	if file == "" {
		return nil
	}
	ctx, _ = workflow.NewDisconnectedContext(ctx)
	var written activities.AuditWritten
	activity := options(ctx, callOptions, workflow.Now(ctx).Add(auditTimeout), "write "+file)
	err := workflow.ExecuteActivity(activity, act.WriteAudit, activities.WriteAuditInput{
		File: file,
		Record: audit.Record{
			Execution: workflow.GetInfo(ctx).WorkflowExecution.RunID,
			Events:    c.auditEvents(ctx, result),
		},
	}).Get(ctx, &written)
	if err != nil {
		note := "the audit file could not be written: " + reason(err)
		c.reporter.log(ctx, LogEntry{What: note})
		return &AuditResult{File: file, Note: note}
	}
	c.reporter.log(ctx, LogEntry{
		What: fmt.Sprintf("audit file %s, %d lines, SHA-256 %s", written.File, written.Lines, written.SHA256) +
			prefixed("; ", written.Unsound),
	})
	return &AuditResult{File: written.File, Lines: written.Lines, SHA256: written.SHA256, Note: written.Unsound}
}

// auditEvents are all events of the close. The log comes before the steps: of one moment, the command
// comes before what it led to.
func (c *closeRun) auditEvents(ctx workflow.Context, result NightlyCloseResult) []audit.Event {
	status := c.reporter.status()
	events := []audit.Event{{
		At:         result.StartedAt,
		Event:      audit.CloseStarted,
		By:         c.in.StartedBy,
		WorkflowID: workflow.GetInfo(ctx).WorkflowExecution.ID,
		Connection: result.Connection,
		Pipeline:   result.Pipeline,
		AsOfDate:   result.AsOfDate,
	}}
	for _, e := range status.Log {
		events = append(events, audit.Event{At: e.At, Event: audit.Noted, What: e.What, By: e.By, Why: e.Why})
	}
	events = append(events, c.audit.steps...)
	return append(events, audit.Event{
		At:      result.EndedAt,
		Event:   audit.CloseEnded,
		What:    status.Summary,
		Outcome: string(result.State),
	})
}

// auditedFile is the event of a file that was moved.
func auditedFile(event string, f *FileResult) audit.Event {
	return audit.Event{
		At:    f.EndedAt,
		Event: event,
		File: &audit.File{
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
		},
	}
}
