package pipeline

import (
	"strings"
	"time"

	"github.com/pbsmflow/pbsmflow/internal/clock"
	"github.com/pbsmflow/pbsmflow/internal/pipeline"
	"github.com/pbsmflow/pbsmflow/starter/internal/cli"
	"github.com/pbsmflow/pbsmflow/starter/internal/view"
)

// plan is what a close would do that starts at Start.
type plan struct {
	Start time.Time `json:"start"`
	// AsOfDate is empty for a definition alone: its steps with each are not expanded then.
	AsOfDate string     `json:"as_of_date,omitempty"`
	Deadline time.Time  `json:"deadline,omitzero"`
	Steps    []planStep `json:"steps"`

	times clock.Clock
}

// planStep is a step of a plan.
type planStep struct {
	ID    string        `json:"id"`
	Of    string        `json:"of,omitempty"` // the id in the definition, of one that comes from a step with each
	Kind  pipeline.Kind `json:"kind"`
	Needs []string      `json:"needs,omitempty"`
	// Deadline is when the step ends as failed, WaitUntil until when it waits for its file.
	Deadline    time.Time `json:"deadline,omitzero"`
	WaitUntil   time.Time `json:"wait_until,omitzero"`
	NotTonight  string    `json:"not_tonight,omitempty"`
	Description string    `json:"description,omitempty"`
}

// newPlan is the plan of a pipeline, rendered if it has an as-of date. start is the value of --start.
func newPlan(p *pipeline.Pipeline, asOf, start string) (*plan, error) {
	location, err := p.Location()
	if err != nil {
		return nil, err
	}
	now := time.Now().In(location).Truncate(time.Second)
	made := &plan{Start: now, AsOfDate: asOf, times: clock.Of(location)}
	if start != "" {
		if made.Start, err = cli.Moment("start", start, now); err != nil {
			return nil, err
		}
	}
	moment := func(text string) time.Time {
		if err != nil || text == "" {
			return time.Time{}
		}
		var at time.Time
		at, err = clock.ResolveDeadline(made.Start, text, location)
		return at.In(location)
	}
	made.Deadline = moment(p.Deadline)
	for i, s := range p.Steps {
		step := planStep{
			ID: s.ID, Kind: s.Kind(), Needs: s.Needs, Description: s.Description,
			Deadline: moment(s.Traits().Deadline), WaitUntil: moment(s.Traits().WaitUntil),
		}
		if end := made.Deadline; step.Deadline.IsZero() || !end.IsZero() && end.Before(step.Deadline) {
			step.Deadline = end
		}
		if asOf != "" {
			step.Of, step.NotTonight = p.Expansion(i).Of, p.Expansion(i).NotTonight
		}
		made.Steps = append(made.Steps, step)
	}
	return made, err
}

// lines show an overview, then the values of each step.
func (m *plan) lines(p *pipeline.Pipeline, width int) ([]string, error) {
	lines := append([]string{m.head(p), ""}, m.table(width)...)
	for i, s := range p.Steps {
		if m.Steps[i].NotTonight != "" {
			continue
		}
		s.Description, s.Needs = "", nil
		values, err := stepValues(s)
		if err != nil {
			return nil, err
		}
		lines = append(lines, "", s.ID)
		for line := range strings.Lines(values) {
			lines = append(lines, "  "+strings.TrimRight(line, "\n"))
		}
	}
	return lines, nil
}

func (m *plan) head(p *pipeline.Pipeline) string {
	head := p.Name + ": " + view.Plural(len(p.Steps), "step")
	for _, fact := range []struct{ name, value string }{
		{"as of", m.AsOfDate}, {"key", p.Key()}, {"calendar", p.Calendar}, {"times of", p.TimeZone}, {"deadline", p.Deadline},
	} {
		if fact.value != "" {
			head += ", " + fact.name + " " + fact.value
		}
	}
	if m.timed() {
		head += ", for a start on " + m.times.Text(m.Start)
	}
	return head
}

// timed reports whether any step has a time that depends on the start.
func (m *plan) timed() bool {
	for _, s := range m.Steps {
		if !s.Deadline.IsZero() || !s.WaitUntil.IsZero() {
			return true
		}
	}
	return false
}

// maxAfter is how many steps the column AFTER names.
const maxAfter = 4

func (m *plan) table(width int) []string {
	columns, rows := []view.Column{{}, {}, {}}, [][]string{{"STEP", "KIND", "AFTER"}}
	if m.timed() {
		columns, rows[0] = append(columns, view.Column{}, view.Column{Optional: true}),
			append(rows[0], "DEADLINE", "FILE UNTIL")
	}
	columns, rows[0] = append(columns, view.Column{}), append(rows[0], "DESCRIPTION")
	for _, s := range m.Steps {
		row := []string{s.ID, string(s.Kind), after(s.Needs)}
		if m.timed() {
			row = append(row, m.until(s.Deadline), m.until(s.WaitUntil))
		}
		description := s.Description
		if s.NotTonight != "" {
			description = "not tonight: " + s.NotTonight
		}
		rows = append(rows, append(row, description))
	}
	return view.Table(columns, rows, width)
}

// until is a time as somebody reads it when the close starts.
func (m *plan) until(at time.Time) string {
	if at.IsZero() {
		return "-"
	}
	return m.times.TextAt(m.Start, at)
}

func after(needs []string) string {
	switch n := len(needs); {
	case n == 0:
		return "-"
	case n > maxAfter:
		return strings.Join(needs[:maxAfter-1], ", ") + ", and " + view.Plural(n-maxAfter+1, "other")
	}
	return strings.Join(needs, ", ")
}
