package console

import (
	"slices"
	"time"

	"github.com/pbsmflow/pbsmflow/internal/clock"
	"github.com/pbsmflow/pbsmflow/workflows"
)

// The timeline's units are those of its picture.
const (
	timelineLeft  = 170
	timelineWidth = 1000
	timelineRow   = 22
	timelineTop   = 24
	// timelineMargin is half of a time on the axis.
	timelineMargin = 30
)

// timeline is a picture of when each step ran, waited, and will run.
type timeline struct {
	Left, Right   int // the widths of the names and of the bars
	Height        int
	Ticks         []tick
	Rows          []timelineStep
	Now, Deadline *tick
	Zone          string
	Legend        []legend // of the bars that there are
}

// legend says what the bars of a class are.
type legend struct{ Class, Text string }

var legends = []legend{
	{"was", "ran"}, {"running", "runs"}, {"failed", "failed"}, {"skipped", "ran, then skipped"},
	{"waited", "waited for an operator"}, {"usual", "usually"}, {"kept", "kept"},
}

type tick struct {
	X    int
	Text string
}

type timelineStep struct {
	ID, Label string
	Look      look
	Y, TextY  int
	Bars      []bar
}

type bar struct {
	X, Y, Width int
	// Class is one of the legend, or edge: the end of one that runs.
	Class, Title string
}

// edgeWidth is that of the edge which moves while a step runs.
const edgeWidth = 5

const barHeight = 12

// scale maps times to units.
type scale struct{ from, to time.Time }

func (s scale) x(t time.Time) int {
	whole := s.to.Sub(s.from)
	if whole <= 0 {
		return timelineLeft
	}
	part := float64(t.Sub(s.from)) / float64(whole)
	return timelineLeft + int(min(max(part, 0), 1)*(timelineWidth-timelineLeft-10))
}

func newTimeline(s workflows.Status, spans map[string]span, u durations, ends, now time.Time) timeline {
	shown := scale{from: s.StartedAt, to: now}
	if s.State.Done() {
		shown.to = s.ChangedAt
	}
	extend := func(t time.Time) {
		if t.After(shown.to) {
			shown.to = t
		}
	}
	extend(ends)
	if !s.State.Done() && s.Deadline.Sub(shown.from) < 3*shown.to.Sub(shown.from)+time.Hour {
		extend(s.Deadline)
	}
	shown.to = shown.to.Add(time.Second)
	t := timeline{Left: timelineLeft, Right: timelineWidth - timelineLeft, Zone: clock.In(s.TimeZone).Zone().String()}
	drawn := map[string]bool{}
	for i, step := range s.Steps {
		y := timelineTop + i*timelineRow
		row := timelineStep{
			ID: step.ID, Label: clip(step.ID, 22), Look: lookOfStep(step, now), Y: y, TextY: y + barHeight - 1,
		}
		add := func(class string, from, to time.Time, title string) {
			if from.IsZero() || !to.After(from) {
				return
			}
			x := shown.x(from)
			b := bar{x, y, max(shown.x(to)-x, 2), class, step.ID + ": " + title}
			row.Bars = append(row.Bars, b)
			drawn[class] = true
			if class == "running" && step.Question == nil {
				row.Bars = append(row.Bars, bar{b.X + b.Width, y, edgeWidth, "edge", b.Title})
			}
		}
		drawStep(step, s, spans[step.ID], u.steps[step.ID] > 0, now, add)
		t.Rows = append(t.Rows, row)
	}
	t.Legend = slices.DeleteFunc(slices.Clone(legends), func(l legend) bool { return !drawn[l.Class] })
	t.Height = timelineTop + len(s.Steps)*timelineRow + 4
	t.Ticks = ticks(shown, clock.In(s.TimeZone))
	if !s.State.Done() {
		t.Now = &tick{shown.x(now), "now"}
	}
	if !s.Deadline.IsZero() && !s.Deadline.After(shown.to) {
		t.Deadline = &tick{shown.x(s.Deadline), "deadline"}
	}
	return t
}

// drawStep adds the bars of a step: when it ran, when it waited for an operator, and when it usually will.
func drawStep(
	step workflows.StepStatus, s workflows.Status, planned span, known bool, now time.Time,
	add func(class string, from, to time.Time, title string),
) {
	end := step.EndedAt
	if end.IsZero() {
		end = now
	}
	switch {
	case !step.KeptFrom.IsZero():
		add("kept", s.StartedAt, s.StartedAt.Add(time.Second), "kept from an earlier start")
	case !step.StartedAt.IsZero():
		class, verb := ranAs(step.State)
		if step.Question != nil && step.Question.Since.After(step.StartedAt) {
			end = step.Question.Since
		}
		add(class, step.StartedAt, end, verb+" "+spell(end.Sub(step.StartedAt)))
	}
	for _, l := range s.Log {
		if answers(l, step.ID) {
			add("waited", l.Since, l.At, "waited "+spell(l.At.Sub(l.Since))+" for an operator")
		}
	}
	if step.Question != nil {
		add("waited", step.Question.Since, now, "waits for you since "+spell(now.Sub(step.Question.Since)))
	}
	if !step.State.Done() && known {
		from := planned.from
		if from.Before(now) {
			from = now
		}
		add("usual", from, planned.to, "usually until then")
	}
}

// ranAs is the class of the bar for the time that a step took, or has taken so far, and what to say of it.
func ranAs(state workflows.State) (class, verb string) {
	switch {
	case !state.Done():
		return "running", "runs for"
	case lookOf(state).Class == "failed":
		return "failed", "failed after"
	case state == workflows.Cancelled:
		return "skipped", "was cancelled after"
	case lookOf(state).Class == "skipped":
		return "skipped", "was skipped after"
	}
	return "was", "ran"
}

// ticks are full hours, or what else fits.
func ticks(s scale, times clock.Clock) (list []tick) {
	whole := s.to.Sub(s.from)
	step := time.Minute
	for _, minutes := range []int{5, 10, 15, 30, 60, 120, 180, 360, 720, 1440} {
		if whole/step > 10 {
			step = time.Duration(minutes) * time.Minute
		}
	}
	switch {
	case whole < 20*time.Second:
		step = 2 * time.Second
	case whole < 2*time.Minute:
		step = 10 * time.Second
	}
	for at := s.from.Truncate(step).Add(step); at.Before(s.to) && len(list) < 20; at = at.Add(step) {
		if x := s.x(at); x < timelineWidth-timelineMargin {
			list = append(list, tick{x, times.Axis(at, step < time.Minute)})
		}
	}
	return list
}

func clip(s string, n int) string {
	if r := []rune(s); len(r) > n {
		return string(r[:n-1]) + "…"
	}
	return s
}
