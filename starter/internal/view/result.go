package view

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/pbsmflow/pbsmflow/internal/clock"
	"github.com/pbsmflow/pbsmflow/internal/transfer"
	"github.com/pbsmflow/pbsmflow/workflows"
)

// Result shows how a workflow ended; result is a pointer to one of the workflows' results.
func (s Style) Result(result any, width int) []string {
	switch r := result.(type) {
	case *workflows.NightlyCloseResult:
		return s.closeResult(r, width)
	case *workflows.RunBatchResult:
		return s.batchResult(r, width)
	case *workflows.GenerateReportResult:
		return s.fileResult("report "+r.Code+", instance "+r.InstanceID, r.File)
	case *workflows.FileResult:
		return s.fileResult(named(r.Name, r.FileID), *r)
	case *workflows.ScheduledCloseResult:
		return s.scheduledResult(r, width)
	case *workflows.MigrateResult:
		text := fmt.Sprintf("%s of %s: %s", r.Direction, r.Code, r.StatusCode)
		if r.AlreadyComplete {
			text += " (already complete at the service)"
		}
		if r.Note != "" {
			text += "; " + oneLine(r.Note)
		}
		return []string{s.glyph(workflows.Succeeded) + " " + text, "  " + oneLine(r.Message)}
	case interface{ Summary() string }:
		return []string{s.glyph(workflows.Succeeded) + " " + oneLine(r.Summary())}
	}
	return nil
}

func (s Style) heading(state workflows.State, what string, started, ended time.Time) string {
	text := s.glyph(state) + " " + s.paint(bold, what) + "  " + s.state(state)
	if !started.IsZero() && ended.After(started) {
		text += " after " + Duration(ended.Sub(started))
	}
	return text
}

func (s Style) closeResult(r *workflows.NightlyCloseResult, width int) []string {
	times := clock.In(r.TimeZone)
	lines := []string{
		s.heading(r.State, fmt.Sprintf("%s for %s on %s", r.Pipeline, r.AsOfDate, r.Connection), r.StartedAt, r.EndedAt), "",
	}
	var rows [][]string
	for _, step := range r.Steps {
		took := ""
		if !step.StartedAt.IsZero() && !step.EndedAt.IsZero() {
			took = Duration(step.EndedAt.Sub(step.StartedAt))
		}
		rows = append(rows, []string{"  " + s.glyph(step.State) + " " + step.ID, s.paint(faint, step.Kind), took,
			stepOutcome(step, times)})
	}
	table := Table(stepColumns, rows, width)
	lines = append(lines, table...)
	lines = append(lines, s.cutErrors(r.Steps, table, width)...)
	lines = append(lines, s.notable(r.Log, times, width)...)
	return append(lines, auditLines(r.Audit)...)
}

// cutErrors shows the errors that the table of the steps had to cut.
func (s Style) cutErrors(steps []workflows.StepResult, table []string, width int) []string {
	var lines []string
	for i, step := range steps {
		if text := oneLine(step.Error); !strings.Contains(table[i], text) {
			lines = append(lines, "", "  "+s.glyph(step.State)+" "+s.paint(bold, step.ID))
			lines = append(lines, Indent("    ", text, width)...)
		}
	}
	return lines
}

func auditLines(a *workflows.AuditResult) []string {
	if a == nil {
		return nil
	}
	lines := []string{"", "  audit  " + a.File + suffix(", seal ", a.SHA256)}
	if a.Note != "" {
		lines = append(lines, "  "+oneLine(a.Note))
	}
	return lines
}

// stepOutcome is what a step came to, and when, if an earlier start of the close did it.
func stepOutcome(step workflows.StepResult, times clock.Clock) string {
	text := stepWork(step)
	if !step.KeptFrom.IsZero() {
		return keptFrom(step.KeptFrom, times) + suffix(": ", text)
	}
	return text
}

func keptFrom(t time.Time, times clock.Clock) string { return "kept from " + times.Text(t) }

func stepWork(step workflows.StepResult) string {
	switch {
	case step.Error != "":
		return oneLine(step.Error)
	case step.Batch != nil:
		return batchOutcome(step.Batch)
	case step.Upload != nil && step.Upload.Files > 0:
		return fmt.Sprintf("%s, %s%s, listed in %s", Plural(step.Upload.Files, "file"), Volume(*step.Upload),
			unscanned(*step.Upload), step.Upload.ListedIn)
	case step.Upload != nil:
		return fmt.Sprintf("file id %s, %s%s", step.Upload.FileID, Volume(*step.Upload), unscanned(*step.Upload))
	case step.Download != nil:
		return fmt.Sprintf("%s, %s", step.Download.File, Volume(*step.Download))
	case step.Report != nil:
		return fmt.Sprintf("%s, %s", step.Report.File.File, Volume(step.Report.File))
	case len(step.Approvals) > 0:
		var by []string
		for _, a := range step.Approvals {
			by = append(by, a.Who())
		}
		return "approved by " + oneLine(strings.Join(by, " and "))
	case step.Migration != nil:
		return oneLine(step.Migration.StatusCode + suffix(": ", step.Migration.Message) + suffix("; ", step.Migration.Note))
	}
	return oneLine(step.Summary)
}

// batchOutcome ends with the run id, which is long: a narrow terminal cuts what is on the right.
func batchOutcome(r *workflows.RunBatchResult) string {
	text := oneLine(r.Status)
	if r.Restarts > 0 {
		text += ", " + Plural(r.Restarts, "restart")
	}
	if r.Reruns > 0 {
		text += ", " + Plural(r.Reruns, "rerun")
	}
	text += r.Exception()
	return strings.TrimSpace(text + "  " + r.RunID)
}

func (s Style) batchResult(r *workflows.RunBatchResult, width int) []string {
	times := clock.In(r.TimeZone)
	lines := []string{
		s.heading(r.State, fmt.Sprintf("%s for %s on %s", r.Code, r.AsOfDate, r.Connection), r.TriggeredAt, r.EndedAt),
	}
	if r.RunID != "" {
		lines = append(lines, "  "+batchOutcome(r))
	}
	if !r.KeptFrom.IsZero() {
		lines = append(lines, "  "+keptFrom(r.KeptFrom, times)+
			`: it is not run again. To run it again, add: --again "reason"`)
	}
	lines = append(lines, s.tasks(r.Tasks, r.Batches, width)...)
	return append(lines, s.notable(r.Log, times, width)...)
}

// notable shows what operators did, and what they were not notified of.
func (s Style) notable(log []workflows.LogEntry, times clock.Clock, width int) []string {
	return s.log(slices.DeleteFunc(slices.Clone(log), func(e workflows.LogEntry) bool {
		return e.By == "" && !strings.HasPrefix(e.What, workflows.NotDelivered)
	}), times, width)
}

// log has the date where it changes.
func (s Style) log(log []workflows.LogEntry, times clock.Clock, width int) []string {
	var lines []string
	var before time.Time
	for _, e := range log {
		if len(lines) == 0 {
			lines = append(lines, "")
		}
		lines = append(lines, Hang("  "+times.ExactAt(before, e.At)+"  ", logLine(e), width)...)
		before = e.At
	}
	return lines
}

func (s Style) fileResult(what string, f workflows.FileResult) []string {
	if f.Files > 0 { // the SHA-256 of a folder is that of its list
		return append([]string{
			s.heading(workflows.Succeeded, Plural(f.Files, "file")+" of "+f.File, f.StartedAt, f.EndedAt),
			"  " + Volume(f),
			"  listed in " + f.ListedIn + ", SHA-256 " + f.SHA256,
		}, scanLines(f)...)
	}
	return append([]string{
		s.heading(workflows.Succeeded, what, f.StartedAt, f.EndedAt),
		fmt.Sprintf("  %s  %s", f.File, Volume(f)),
		"  SHA-256 " + f.SHA256,
	}, scanLines(f)...)
}

// unscanned says that a file was not scanned although it should have been.
func unscanned(f workflows.FileResult) string {
	if strings.HasPrefix(f.Scan, transfer.Unscanned) {
		return ", " + transfer.Unscanned
	}
	return ""
}

// scanLines says what came of the scan, if there was to be one.
func scanLines(f workflows.FileResult) []string {
	if f.Scan == "" {
		return nil
	}
	return []string{"  scan: " + oneLine(f.Scan)}
}

// named names a file of the service by its name and id; one of them may be unknown.
func named(name, id string) string {
	switch {
	case id == "":
		return name
	case name == "":
		return "file id " + id
	}
	return name + ", file id " + id
}

// Volume is how much a file holds: 24.1 MB, 250,000 rows.
func Volume(f workflows.FileResult) string {
	return Bytes(f.Bytes) + ", " + Rows(f)
}

// Rows is how many rows a file holds, if that is certain.
func Rows(f workflows.FileResult) string {
	if f.Rows == nil {
		return "rows not counted"
	}
	return Plural(*f.Rows, "row")
}
