package console

import (
	"slices"
	"strings"
	"time"

	"github.com/pbsmflow/pbsmflow/internal/audit"
	"github.com/pbsmflow/pbsmflow/workflows"
)

// logView is a line of what happened, with a colour where it failed or waits.
type logView struct {
	at                         time.Time
	When, What, By, Why, Class string
}

// logViews is everything that happened, the newest first: what the workflow has logged, which is commands and what came
// of them, and when each step began, asked and ended.
func logViews(s workflows.Status, now time.Time) (list []logView) {
	times := timesOf(entry{Status: s})
	add := func(v logView) {
		if !v.at.IsZero() {
			v.When = times.ExactAt(now, v.at)
			list = append(list, v)
		}
	}
	add(logView{at: s.StartedAt, What: "started", By: s.StartedBy})
	for _, step := range s.Steps {
		for _, l := range s.Log {
			if answers(l, step.ID) {
				add(logView{at: l.Since, What: step.ID + ": an operator was asked"})
			}
		}
		if step.KeptFrom.IsZero() {
			add(logView{at: step.StartedAt, What: step.ID + ": began"})
		}
		if q := step.Question; q != nil {
			add(logView{at: q.Since, What: step.ID + ": waits for you: " + inButtons(q.Why), Class: "waiting"})
		}
	}
	for _, l := range s.Log {
		v := logView{at: l.At, What: inButtons(l.What), By: l.By, Why: l.Why}
		switch l.Event {
		case audit.Refused:
			v.Class = "refused"
		case audit.RunFailed:
			v.Class = "failed"
		}
		add(v)
	}
	for _, step := range s.Steps {
		if step.State.Done() && step.KeptFrom.IsZero() {
			add(ended(step.ID+": ", step.State, step.Detail, step.EndedAt))
		}
	}
	if s.State.Done() {
		add(ended("", s.State, s.Summary, s.ChangedAt))
	}
	slices.SortStableFunc(list, func(a, b logView) int { return a.at.Compare(b.at) })
	slices.Reverse(list)
	return list
}

// ended is the line of a step, or of the whole workflow, that has ended.
func ended(subject string, state workflows.State, detail string, at time.Time) logView {
	word, detail := lookOf(state).Word, inButtons(detail)
	if strings.HasPrefix(detail, word) { // it says so itself
		word = ""
	}
	v := logView{at: at, What: subject + strings.Join(nonEmpty(word, detail), ": ")}
	if lookOf(state).Class == "failed" {
		v.Class = "failed"
	}
	return v
}
