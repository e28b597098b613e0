package view

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/pbsmflow/pbsmflow/workflows"
)

// Change is something new, and when it happened; without a time, now.
type Change struct {
	At   time.Time
	Text string
}

// Changes lists what is new since before, the oldest first; for a workflow without a before, its status.
func Changes(before, after Snapshot) []Change {
	var lines []Change
	add := func(at time.Time, text string) { lines = append(lines, Change{at, text}) }
	say := func(at time.Time, what string, state workflows.State, text string) {
		add(at, strings.TrimRight(fmt.Sprintf("%-16s %-10s %s", what, state, text), " "))
	}
	first := before.Status.Type == ""
	for _, note := range after.notes() {
		if !slices.Contains(before.notes(), note) {
			add(time.Time{}, "note: "+note)
		}
	}
	was, is := before.Status, after.Status
	if was.State != is.State || len(is.Steps) == 0 && was.Summary != is.Summary {
		say(is.ChangedAt, is.Subject, is.State, oneLine(is.Summary))
	}
	for _, step := range is.Steps {
		text, state := plainDetail(after, step), after.state(step)
		i := slices.IndexFunc(was.Steps, func(s workflows.StepStatus) bool { return s.ID == step.ID })
		seen := i >= 0 && before.state(was.Steps[i]) == state && plainDetail(before, was.Steps[i]) == text
		if !seen && state != workflows.Pending {
			say(stepChangedAt(step, first), step.ID, state, text)
		}
	}
	for _, entry := range is.Log[min(len(was.Log), len(is.Log)):] {
		if entry.By != "" {
			add(entry.At, logLine(entry))
		}
	}
	slices.SortStableFunc(lines, func(a, b Change) int {
		if a.At.IsZero() != b.At.IsZero() {
			return b.At.Compare(a.At) // what is of now comes last
		}
		return a.At.Compare(b.At)
	})
	return lines
}

// stepChangedAt is when a step came into its state, as far as that is known.
func stepChangedAt(step workflows.StepStatus, first bool) time.Time {
	switch {
	case step.State.Done():
		return step.EndedAt
	case step.Question != nil:
		return step.Question.Since
	case first:
		return step.StartedAt
	}
	return time.Time{}
}

func plainDetail(j Snapshot, step workflows.StepStatus) string {
	if child, ok := j.Children[step.WorkflowID]; ok && !step.State.Done() {
		return oneLine(child.Summary)
	}
	return oneLine(step.Detail)
}

func logLine(e workflows.LogEntry) string {
	return oneLine(e.What + suffix(", by ", e.Who()) + suffix(": ", e.Why))
}
