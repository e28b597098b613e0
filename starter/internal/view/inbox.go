package view

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/pbsmflow/pbsmflow/workflows"
)

// Waiter is a question to a person, and the workflow that asks it.
type Waiter struct {
	WorkflowID string `json:"workflow_id"`
	Connection string `json:"connection,omitempty"`
	AsOfDate   string `json:"as_of_date,omitempty"`
	Ask
}

// Inbox are the questions of all jobs, the most urgent first. What a close asks for one of its
// batches is not asked a second time by the batch. A job of which nobody tells how it stands is
// a question, too.
func Inbox(jobs []Job) []Waiter {
	asked := map[string]bool{} // through a close
	for _, j := range jobs {
		for _, step := range j.Status.Steps {
			if step.Question != nil {
				asked[step.WorkflowID] = true
			}
		}
	}
	var waiters []Waiter
	for _, j := range jobs {
		if asked[j.ID] {
			continue
		}
		asks := Asks(j)
		if j.Status.Type == "" {
			asks = []Ask{{Subject: j.ID, Why: oneLine(strings.Join(j.Notes, " ")), Commands: []string{"starter status " + j.ID}}}
		}
		for _, ask := range asks {
			waiters = append(waiters, Waiter{WorkflowID: j.ID, Connection: j.Status.Connection, AsOfDate: j.Status.AsOfDate, Ask: ask})
		}
	}
	slices.SortStableFunc(waiters, func(a, b Waiter) int {
		if a.Deadline.IsZero() != b.Deadline.IsZero() {
			return cmp.Compare(yes(a.Deadline.IsZero()), yes(b.Deadline.IsZero()))
		}
		return cmp.Or(a.Deadline.Compare(b.Deadline), a.Since.Compare(b.Since), strings.Compare(a.WorkflowID, b.WorkflowID))
	})
	return waiters
}

func yes(b bool) int {
	if b {
		return 1
	}
	return 0
}

var inboxColumns = []Column{{}, {Right: true, Spare: true}, {}, {}, {Spare: true}, {}}

// Inbox shows the questions as a table, and below it what can be done about each.
func (s Style) Inbox(waiters []Waiter, now time.Time, width int) []string {
	if len(waiters) == 0 {
		return []string{"Nothing waits for an operator."}
	}
	rows := [][]string{{"", s.paint(faint, "WAITS"), s.paint(faint, "UNTIL"), s.paint(faint, "WHAT"), s.paint(faint, "AS OF"), s.paint(faint, "WHY")}}
	for _, w := range waiters {
		waits, until := "", "-"
		if !w.Since.IsZero() {
			waits = Duration(now.Sub(w.Since))
		}
		if !w.Deadline.IsZero() {
			until = w.Deadline.Local().Format("Mon 15:04")
		}
		rows = append(rows, []string{s.glyph(workflows.Waiting), waits, until, s.paint(bold, w.Subject), w.AsOfDate, w.Why})
	}
	lines := Table(inboxColumns, rows, width)
	for _, w := range waiters {
		head := fmt.Sprintf("%s in %s", w.Subject, w.WorkflowID)
		if w.Subject == w.WorkflowID {
			head = w.Subject
		}
		lines = append(lines, "", Clip(s.paint(bold, head), width))
		for _, line := range Wrap(w.Why, width-2) {
			lines = append(lines, "  "+line)
		}
		for _, c := range w.Commands {
			lines = append(lines, "    "+c)
		}
	}
	return lines
}
