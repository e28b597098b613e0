package pipeline

import (
	"fmt"
	"strings"
	"time"

	"go.yaml.in/yaml/v3"

	"github.com/pbsmflow/pbsmflow/internal/calendar"
	"github.com/pbsmflow/pbsmflow/internal/problem"
)

// When are the as-of dates for which a step runs: those of On, or all if it is empty, but none of Not.
//
//	when: month-end
//	when: [month-end, fri]
//	when: {not: quarter-end}
//	when: [quarter-end, {not: year-end}]
type When struct {
	On  []string `json:"on,omitempty"`
	Not []string `json:"not,omitempty"`
}

// IsZero reports whether the step runs for every date.
func (w When) IsZero() bool { return len(w.On)+len(w.Not) == 0 }

// String is "month-end or fri, but not year-end".
func (w When) String() string {
	on := strings.Join(w.On, " or ")
	not := strings.Join(w.Not, " or ")
	switch {
	case not == "":
		return on
	case on == "":
		return "every day but " + not
	}
	return on + ", but not " + not
}

// read takes a word, a list of words, {not: ...}, or a list with {not: ...} in it.
func (w *When) read(d *decoder, node *yaml.Node, path string) {
	switch node.Kind {
	case yaml.MappingNode:
		w.readKeys(d, node, path)
	case yaml.SequenceNode:
		for i, item := range node.Content {
			at := fmt.Sprintf("%s[%d]", path, i)
			if item.Kind == yaml.MappingNode {
				w.readKeys(d, item, at)
			} else {
				w.On = append(w.On, w.word(d, item, at)...)
			}
		}
	default:
		w.On = w.word(d, node, path)
	}
	if w.IsZero() && !d.found.Touches(path) {
		d.problem(node, path, "must be a word such as month-end, a list of them, or {not: ...}")
	}
}

func (w *When) readKeys(d *decoder, node *yaml.Node, path string) {
	if len(node.Content) == 0 {
		d.problem(node, path, "must have a word in not")
	}
	d.mapping(node, path, func(key, value *yaml.Node) {
		at := problem.Join(path, key.Value)
		switch key.Value {
		case "on":
			w.On = append(w.On, w.words(d, value, at)...)
		case "not":
			w.Not = append(w.Not, w.words(d, value, at)...)
		default:
			d.problem(key, at, "unknown key; known here: not, on")
		}
	})
}

func (w *When) words(d *decoder, node *yaml.Node, path string) (words []string) {
	if node.Kind != yaml.SequenceNode {
		return w.word(d, node, path)
	}
	for i, item := range node.Content {
		words = append(words, w.word(d, item, fmt.Sprintf("%s[%d]", path, i))...)
	}
	if len(node.Content) == 0 {
		d.problem(node, path, "must have at least one word")
	}
	return words
}

// word checks a word where it is written.
func (w *When) word(d *decoder, node *yaml.Node, path string) []string {
	d.places[path] = d.position(node)
	text, ok := d.scalar(node, path, "a word such as month-end")
	if !ok {
		return nil
	}
	if _, err := calendar.ParseDays(text); err != nil {
		d.problem(node, path, "%v", err)
		return nil
	}
	return []string{text}
}

func (p *Pipeline) checkWhen(found *problem.List, s Step, path string) {
	for _, word := range append(append([]string{}, s.When.On...), s.When.Not...) {
		days, err := calendar.ParseDays(word)
		found.Check(path, err)
		found.Want(err != nil || !days.NeedsCalendar() || p.Calendar != "", path,
			"%s counts business days, so the pipeline must name a calendar", word)
	}
}

// calendarFor is the pipeline's calendar if a step needs it: nil without one.
func (p *Pipeline) calendarFor(found *problem.List, known calendar.Calendars) *calendar.Calendar {
	if p.Calendar == "" {
		return nil
	}
	for _, s := range p.Steps {
		if s.When.IsZero() {
			continue
		}
		c, err := known.Named(p.Calendar)
		found.Check("calendar", err)
		return c
	}
	return nil
}

// has reports whether a step runs for a date.
func (w When) has(c *calendar.Calendar, date time.Time) bool {
	matches := func(words []string) bool {
		for _, word := range words {
			if days, err := calendar.ParseDays(word); err == nil && (c != nil || !days.NeedsCalendar()) && days.Has(c, date) {
				return true
			}
		}
		return false
	}
	return (len(w.On) == 0 || matches(w.On)) && !matches(w.Not)
}

// chooseSteps notes which steps do not run for the date. Without a date none is left out.
func (p *Pipeline) chooseSteps(r rendering) {
	for i, s := range p.Steps {
		p.expansions[i].conditional = !s.When.IsZero()
		if r.choose && !s.When.has(r.calendar, r.asOf.day) {
			p.expansions[i].NotTonight = fmt.Sprintf("it is for %s, and %s is not", s.When, r.asOf.day.Format("Mon 2006-01-02"))
		}
		p.Steps[i].When = When{}
	}
}

// bypass replaces a need of a step that does not run by what that one needs.
func (p *Pipeline) bypass() {
	index := map[string]int{}
	for i, s := range p.Steps {
		index[s.ID] = i
	}
	var real func(needs []string, seen map[string]bool) []string
	real = func(needs []string, seen map[string]bool) (all []string) {
		for _, id := range needs {
			i, known := index[id]
			switch {
			case !known || seen[id]:
			case p.expansions[i].NotTonight == "":
				seen[id] = true
				all = append(all, id)
			default:
				seen[id] = true
				all = append(all, real(p.Steps[i].Needs, seen)...)
			}
		}
		return all
	}
	resolved := make([][]string, len(p.Steps))
	for i, s := range p.Steps {
		resolved[i] = real(s.Needs, map[string]bool{})
	}
	for i := range p.Steps {
		p.Steps[i].Needs = resolved[i]
	}
}
