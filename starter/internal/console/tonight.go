package console

import (
	"cmp"
	"context"
	"fmt"
	"net/url"
	"slices"
	"strings"
	"time"

	"github.com/pbsmflow/pbsmflow/internal/config"
	"github.com/pbsmflow/pbsmflow/workflows"
)

// row is a close in the list of tonight.
type row struct {
	ID, Link           string
	Look               look
	state              workflows.State
	Name, Of           string
	Line               string // what it does, in words
	Ends, Deadline     string
	Late               string
	Questions          []ask
	Wrong              []string // what should be seen, such as that it is late
	StartedBy          string
	Does               *rowCommand
	started            time.Time
	order              int
	forecast           time.Time
	waitsSince, closed time.Time
}

// rowCommand is a link to the page that asks about a dangerous command for a close.
type rowCommand struct{ Text, Link string }

// pageHead is the first line of a page of several workflows: what does not answer, or else whether somebody is needed.
type pageHead struct {
	Needed        bool
	Trouble       *trouble
	First, Second string
}

// newHead makes the head of a page. The first trouble takes the place of its first line.
func (p *page) newHead(open int, first, second string) pageHead {
	h := pageHead{Needed: open > 0, First: first, Second: second}
	if len(p.Health.Troubles) > 0 {
		h.Trouble = &p.Health.Troubles[0]
		h.Second = strings.Join(nonEmpty(first, second), " ")
		if p.Health.AsOf != "" {
			h.Second = "As of " + p.Health.AsOf + ": " + h.Second
		}
	}
	return h
}

// otherTroubles are those that the head of a page does not have.
func (p *page) otherTroubles() []trouble {
	return p.Health.Troubles[min(1, len(p.Health.Troubles)):]
}

func (c *Console) tonight(ctx context.Context, p *page) error {
	p.Title, p.Here = "Tonight", "tonight"
	var rows []row
	open := questions(p.entries)
	for _, e := range p.entries {
		asks := slices.DeleteFunc(slices.Clone(open), func(q question) bool { return q.ID != e.ID })
		if e.closing() || len(asks) > 0 { // one that was started alone is there while it waits
			rows = append(rows, c.row(ctx, p, e, asks))
		}
	}
	slices.SortFunc(rows, func(a, b row) int {
		return cmp.Or(a.order-b.order, a.waitsSince.Compare(b.waitsSince), b.started.Compare(a.started),
			strings.Compare(a.ID, b.ID))
	})
	next := c.nextNights(p.Who)
	return cmp.Or(
		p.add("first-line", "first-line", headOf(p, rows, open, next)),
		p.add("trouble", "trouble", p.otherTroubles()),
		p.add("closes", "closes", struct {
			Rows   []row
			Loaded bool
		}{rows, c.board.isLoaded()}),
		p.add("next", "next", next),
	)
}

// visible are the workflows that somebody may see.
func (c *Console) visible(who access) []entry {
	return slices.DeleteFunc(c.board.all(), func(e entry) bool {
		return e.Status.Type != "" && !who.maySee(e) || e.Status.Type == "" && !who.may(config.Viewer, connectionOf(e.ID))
	})
}

func connectionOf(id string) string {
	parsed, _ := workflows.ParseID(id)
	return parsed.Connection
}

func (b *board) isLoaded() bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.loaded
}

// headOf says whether the reader is needed, and what will come where that can be foreseen.
func headOf(p *page, rows []row, open []question, next []nextNight) pageHead {
	var running, done, cancelled, failed int
	var soonest time.Time
	for _, r := range rows {
		switch {
		case r.Look.Class == "failed":
			failed++
		case r.state == workflows.Cancelled:
			cancelled++
		case r.order == 1:
			running++
			if !r.forecast.IsZero() && (soonest.IsZero() || r.forecast.Before(soonest)) {
				soonest = r.forecast
			}
		case r.order > 1:
			done++
		}
	}
	var parts []string
	for _, part := range []struct {
		n    int
		what string
	}{{running, "running"}, {done, "done"}, {cancelled, "cancelled"}, {failed, "failed"}} {
		if part.n > 0 {
			parts = append(parts, fmt.Sprintf("%d %s", part.n, part.what))
		}
	}
	if !soonest.IsZero() {
		parts = append(parts, "the next ends in about "+spell(soonest.Sub(p.Now)))
	}
	if len(next) > 0 && p.Health.AsOf == "" {
		parts = append(parts, "next starts "+next[0].When)
	}
	return p.newHead(len(open), waitLine(p, open), strings.Join(parts, " · "))
}

// waitLine says how many questions wait. That none does is calm: it is left out beside a trouble.
func waitLine(p *page, open []question) string {
	if len(open) == 0 && len(p.Health.Troubles) > 0 {
		return ""
	}
	if len(open) == 0 {
		return "Nothing waits for you."
	}
	oldest := slices.MinFunc(open, func(a, b question) int { return a.Since.Compare(b.Since) })
	verb := "wait"
	if len(open) == 1 {
		verb = "waits"
	}
	return fmt.Sprintf("%s %s for you since %s.", counted(len(open), "question"), verb,
		timesOf(oldest.entry).TextAt(p.Now, oldest.Since))
}

func (c *Console) row(ctx context.Context, p *page, e entry, asks []question) row {
	s, times := e.Status, timesOf(e)
	r := row{ID: e.ID, Link: "/w/" + e.ID, Look: lookOf(s.State), state: s.State, started: s.StartedAt, closed: e.Ended, Wrong: nonEmpty(p.Health.unknown(e))}
	id, _ := workflows.ParseID(e.ID)
	r.Name = cmp.Or(s.Subject, id.Name)
	r.Of = of(cmp.Or(s.Connection, id.Connection), cmp.Or(s.AsOfDate, id.AsOfDate))
	if s.Type == "" {
		r.order = 1
		return r
	}
	r.Does = c.rowCommand(p, e)
	u := c.usualOf(ctx, e)
	_, ends := p.expected(e, u)
	switch {
	case s.State.Done():
		r.order = 2
		if r.Look.Class == "failed" {
			r.order = 1
		}
		r.Line = r.Look.Word + " at " + times.TextAt(p.Now, s.ChangedAt) + ", " + spell(s.ChangedAt.Sub(s.StartedAt))
		if u.whole > 0 && s.State.Success() {
			r.Line += " (usually " + spell(u.whole) + ")"
		}
		switch {
		case s.State == workflows.Cancelled:
			r.Line += ": " + why(s)
		case !s.State.Success():
			r.Wrong = []string{why(s)}
		}
		return r
	case s.State == workflows.Waiting:
		for _, q := range asks {
			r.Questions = append(r.Questions, c.ask(p, q))
			if r.waitsSince.IsZero() || q.Since.Before(r.waitsSince) {
				r.waitsSince = q.Since
			}
		}
		r.StartedBy = s.StartedBy
		if len(s.Steps) > 1 {
			r.Line = lineOf(s, mayAwait, p.Now)
		}
	default:
		r.order = 1
		r.Line, r.StartedBy = lineOf(s, mayAwait, p.Now), s.StartedBy
	}
	r.forecast = ends
	r.Ends = endsText(s, times, ends, p.Now)
	if !s.Deadline.IsZero() {
		r.Deadline = "deadline " + times.TextAt(p.Now, s.Deadline)
	}
	r.Late = lateness(s, ends, p.Now)
	r.Wrong = append(append(r.Wrong, nonEmpty(s.AtRisk)...), textsOf(c.board.repeats(e.ID))...)
	return r
}

// of names what a workflow is about, as far as it is known.
func of(connection, asOf string) string {
	return strings.Join(nonEmpty(connection, prefix("as of ", asOf)), " · ")
}

func prefix(before, text string) string {
	if text == "" {
		return ""
	}
	return before + text
}

// rowCommand offers to stop a close that has not ended, and to run one again that has failed.
func (c *Console) rowCommand(p *page, e entry) *rowCommand {
	s := e.Status
	command, step := workflows.CancelCommand, ""
	if s.State.Done() {
		command = workflows.AgainCommand
		if s.State.Success() {
			return nil
		}
		if failed := failedStep(s); slices.Contains(failed.Commands, command) {
			step = failed.ID
		}
	}
	if !p.Who.maySend(s.Connection, command) || p.Health.stopped(e) != "" {
		return nil
	}
	b := e.about(wording(command, "", nil), step)
	link := url.URL{Path: "/confirm/" + e.ID, RawQuery: url.Values{"value": {command}, "step": {step},
		"back": {p.Path}}.Encode()}
	return &rowCommand{b.Text, link.String()}
}

// failedStep is the first step that failed, or was interrupted or cancelled.
func failedStep(s workflows.Status) workflows.StepStatus {
	for _, step := range s.Steps {
		if step.State == workflows.Cancelled || lookOf(step.State).Class == "failed" {
			return step
		}
	}
	return workflows.StepStatus{}
}

// why says how a close ended without success.
func why(s workflows.Status) string {
	failed := failedStep(s)
	if failed.Detail == "" || strings.Contains(s.Summary, failed.Detail) {
		return inButtons(s.Summary)
	}
	return inButtons(s.Summary + ": " + failed.Detail)
}

// lateness says by how much a close will miss its deadline, or has missed it.
func lateness(s workflows.Status, ends, now time.Time) string {
	switch {
	case s.Deadline.IsZero() || s.State.Done():
		return ""
	case s.Deadline.Before(now):
		return "late by " + spell(now.Sub(s.Deadline))
	case ends.After(s.Deadline):
		return spell(ends.Sub(s.Deadline)) + " late"
	}
	return ""
}

// nextNight is the next start of a schedule.
type nextNight struct{ ID, Name, When, Last, LastID string }

func (c *Console) nextNights(who access) (next []nextNight) {
	for _, s := range c.schedules.list() {
		if !who.may(config.Viewer, s.Rule.Connection) {
			continue
		}
		when := s.NextText
		switch {
		case s.Paused:
			when = "paused: " + s.Note
		case s.Unplanned != "":
			when = s.Unplanned
		}
		n := nextNight{ID: s.ID, Name: strings.TrimPrefix(s.ID, workflows.ScheduleKind+"/"), When: when, Last: s.Last}
		if rest, ok := strings.CutPrefix(s.Last, s.LastID); ok && s.LastID != "" { // its page says more
			n.Last, n.LastID = strings.TrimSpace(rest), s.LastID
		}
		next = append(next, n)
	}
	return next
}
