package view

import (
	"fmt"
	"time"

	"github.com/pbsmflow/pbsmflow/workflows"
)

// Ask is what a person is asked, and the commands that answer it.
type Ask struct {
	Subject  string    `json:"subject"`
	Why      string    `json:"why"`
	Since    time.Time `json:"since,omitzero"`
	Deadline time.Time `json:"deadline,omitzero"`
	Commands []string  `json:"commands"`
}

// Asks are the questions of a job that waits: one for each waiting step, or its own.
func Asks(j Job) []Ask {
	var asks []Ask
	for _, step := range j.Status.Steps {
		if step.Question != nil {
			asks = append(asks, newAsk(step.ID, *step.Question, j.Status.Type, j.ID, step.ID))
		}
	}
	if len(asks) == 0 && j.Status.Question != nil {
		asks = append(asks, newAsk(j.Status.Subject, *j.Status.Question, j.Status.Type, j.ID, ""))
	}
	return asks
}

func newAsk(subject string, w workflows.Question, workflowType, id, step string) Ask {
	ask := Ask{Subject: subject, Why: oneLine(w.Why), Since: w.Since, Deadline: w.Deadline}
	for _, choice := range w.Choices {
		ask.Commands = append(ask.Commands, workflows.CommandLine(workflowType, id, step, choice))
	}
	return ask
}

// Ask shows a question with its commands, each on a line of its own so that it can be copied.
func (s Style) Ask(a Ask, width int) []string {
	head := fmt.Sprintf("%s %s waits for an operator", s.glyph(workflows.Waiting), a.Subject)
	if !a.Deadline.IsZero() {
		head += ", until " + a.Deadline.Local().Format("Mon 15:04 MST")
	}
	lines := []string{s.paint(bold, head)}
	for _, line := range Wrap(a.Why, width-2) {
		lines = append(lines, "  "+line)
	}
	for _, c := range a.Commands {
		lines = append(lines, "    "+c)
	}
	return lines
}
