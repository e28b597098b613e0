package view

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/pbsmflow/pbsmflow/workflows"
)

// Entry is a question in the inbox, and the workflow that asks it.
type Entry struct {
	WorkflowID string `json:"workflow_id"`
	Connection string `json:"connection,omitempty"`
	// Pipeline is that of a close.
	Pipeline string `json:"pipeline,omitempty"`
	AsOfDate string `json:"as_of_date,omitempty"`
	Question
}

// Inbox lists the questions of all workflows, the most urgent first. The question of a batch that its close
// asks is listed once. A workflow whose status is unknown is a question, too.
func Inbox(snapshots []Snapshot) []Entry {
	asked := map[string]bool{} // by a close
	for _, s := range snapshots {
		for _, step := range s.Status.Steps {
			if step.Question != nil {
				asked[step.WorkflowID] = true
			}
		}
	}
	var entries []Entry
	for _, s := range snapshots {
		if asked[s.ID] {
			continue
		}
		questions := Questions(s)
		if s.Status.Type == "" {
			questions = []Question{{
				Subject:  s.ID,
				Why:      oneLine(strings.Join(s.Notes, " ")),
				Since:    s.Status.StartedAt,
				Commands: []string{s.Starter.Command("status " + s.ID)},
			}}
		}
		pipeline := ""
		if s.Status.Type == workflows.NightlyCloseType {
			pipeline = s.Status.Subject
		}
		for _, q := range questions {
			entries = append(entries, Entry{s.ID, s.Status.Connection, pipeline, s.Status.AsOfDate, q})
		}
	}
	slices.SortStableFunc(entries, func(a, b Entry) int {
		if a.Deadline.IsZero() != b.Deadline.IsZero() {
			if a.Deadline.IsZero() {
				return 1
			}
			return -1
		}
		return cmp.Or(a.Deadline.Compare(b.Deadline), a.Since.Compare(b.Since), strings.Compare(a.WorkflowID, b.WorkflowID))
	})
	return entries
}

var inboxColumns = []Column{{}, {Right: true, Optional: true}, {}, {}, {}, {}, {}}

// what names the question among those of all closes.
func (w Entry) what() string {
	if w.Pipeline == "" || w.Pipeline == w.Subject {
		return w.Subject
	}
	return w.Pipeline + ": " + w.Subject
}

// Inbox shows the questions as a table, and below it the commands that answer each.
func (s Style) Inbox(entries []Entry, now time.Time, width int) []string {
	if len(entries) == 0 {
		return []string{"Nothing waits for an operator."}
	}
	rows := [][]string{{""}}
	for _, name := range []string{"WAITS", "UNTIL", "ON", "WHAT", "AS OF", "WHY"} {
		rows[0] = append(rows[0], s.paint(faint, name))
	}
	for _, w := range entries {
		waits, until := "", "-"
		if !w.Since.IsZero() {
			waits = Duration(now.Sub(w.Since))
		}
		if !w.Deadline.IsZero() {
			until = w.times.TextAt(now, w.Deadline)
		}
		rows = append(rows, []string{s.glyph(workflows.Waiting), waits, until, w.Connection, s.paint(bold, w.what()),
			w.AsOfDate, w.Why})
	}
	lines := Table(inboxColumns, rows, width)
	for _, w := range entries {
		head := fmt.Sprintf("%s in %s", w.Subject, w.WorkflowID)
		if w.Subject == w.WorkflowID {
			head = w.Subject
		}
		lines = append(lines, "", Clip(s.paint(bold, head), width))
		lines = append(lines, w.body(width)...)
	}
	return lines
}
