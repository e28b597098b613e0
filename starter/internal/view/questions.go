package view

import (
	"fmt"
	"time"

	"github.com/pbsmflow/pbsmflow/internal/clock"
	"github.com/pbsmflow/pbsmflow/workflows"
)

// Question is what an operator is asked, and the commands that answer it.
type Question struct {
	Subject  string    `json:"subject"`
	Why      string    `json:"why"`
	Since    time.Time `json:"since,omitzero"`
	Deadline time.Time `json:"deadline,omitzero"`
	Commands []string  `json:"commands"`

	times clock.Clock
}

// Questions are those of a workflow that waits: one for each waiting step, or its own.
func Questions(s Snapshot) []Question {
	var questions []Question
	for _, step := range s.Status.Steps {
		if step.Question != nil {
			questions = append(questions, newQuestion(step.Name(), *step.Question, s, step))
		}
	}
	if len(questions) == 0 && s.Status.Question != nil {
		questions = append(questions, newQuestion(s.Status.Subject, *s.Status.Question, s, workflows.StepStatus{}))
	}
	return questions
}

func newQuestion(subject string, q workflows.Question, s Snapshot, step workflows.StepStatus) Question {
	question := Question{Subject: subject, Why: oneLine(q.Why), Since: q.Since, Deadline: q.Deadline,
		times: clock.In(s.Status.TimeZone)}
	for _, choice := range q.Choices {
		question.Commands = append(question.Commands, s.Starter.Command(
			workflows.CommandLine(s.Status.Type, s.ID, step, choice)))
	}
	return question
}

// question shows a question with its commands, each on a line of its own, so that it can be copied.
func (s Style) question(q Question, now time.Time, width int) []string {
	head := fmt.Sprintf("%s %s waits for an operator", s.glyph(workflows.Waiting), q.Subject)
	if !q.Deadline.IsZero() {
		head += ", until " + q.times.TextAt(now, q.Deadline)
	}
	return append([]string{s.paint(bold, head)}, q.body(width)...)
}

func (q Question) body(width int) []string {
	lines := Indent("  ", q.Why, width)
	for _, c := range q.Commands {
		lines = append(lines, "    "+c)
	}
	return lines
}
