package view

import (
	"fmt"
	"slices"
	"strings"

	"github.com/pbsmflow/pbsmflow/workflows"
)

// Changes lists what is new since before; for a workflow without a before, its status.
func Changes(before, after Snapshot) []string {
	var lines []string
	say := func(what string, state workflows.State, text string) {
		lines = append(lines, strings.TrimRight(fmt.Sprintf("%-16s %-10s %s", what, state, text), " "))
	}
	for _, note := range after.notes() {
		if !slices.Contains(before.notes(), note) {
			lines = append(lines, "note: "+note)
		}
	}
	was, is := before.Status, after.Status
	if was.State != is.State || len(is.Steps) == 0 && was.Summary != is.Summary {
		say(is.Subject, is.State, oneLine(is.Summary))
	}
	for _, step := range is.Steps {
		text, state := plainDetail(after, step), after.state(step)
		i := slices.IndexFunc(was.Steps, func(s workflows.StepStatus) bool { return s.ID == step.ID })
		seen := i >= 0 && before.state(was.Steps[i]) == state && plainDetail(before, was.Steps[i]) == text
		if !seen && state != workflows.Pending {
			say(step.ID, state, text)
		}
	}
	for _, entry := range is.Log[min(len(was.Log), len(is.Log)):] {
		if entry.By != "" {
			lines = append(lines, logLine(entry))
		}
	}
	return lines
}

func plainDetail(j Snapshot, step workflows.StepStatus) string {
	if child, ok := j.Children[step.WorkflowID]; ok && !step.State.Done() {
		return oneLine(child.Summary)
	}
	return oneLine(step.Detail)
}

func logLine(e workflows.LogEntry) string {
	return oneLine(e.What + suffix(", by ", e.By) + suffix(": ", e.Why))
}
