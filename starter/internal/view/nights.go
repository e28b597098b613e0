package view

import (
	"github.com/pbsmflow/pbsmflow/internal/calendar"
	"github.com/pbsmflow/pbsmflow/workflows"
)

const dayLayout = "Mon 2006-01-02"

// Nights is a table of nights: where and in UTC when each begins, and for which as-of date; the
// dates on which a holiday stands in the way are among them.
func (s Style) Nights(verdicts []calendar.Verdict, width int) []string {
	rows := [][]string{{"NIGHT", "STARTS", "UTC", "AS OF", ""}}
	for _, v := range verdicts {
		date := v.Date.Format(dayLayout)
		if v.Night == nil {
			rows = append(rows, []string{s.paint(faint, date), "-", "-", "-", s.paint(faint, "no close: "+v.Why)})
			continue
		}
		n := v.Night
		rows = append(rows, []string{
			date, n.Start.Format("15:04 MST"), n.Start.UTC().Format("Mon 2006-01-02 15:04"), n.AsOf.Format(dayLayout), s.paint(yellow, n.Note),
		})
	}
	return Table([]Column{{}, {}, {}, {}, {}}, rows, width)
}

// Schedule is a line of the list of schedules.
type Schedule struct {
	ID     string
	Paused bool
	// Next is the next night, or what is known of it.
	Next string
	// Last is what became of the last scheduled time, and Note what a person or the server noted.
	Last, Note string
	// Missed and Skipped are scheduled times that were not started: too late for the catch-up, or
	// because the one before was not over.
	Missed, Skipped int
}

// Schedules is the list of schedules: a table where it fits, else a paragraph for each, in which nothing is cut.
func (s Style) Schedules(list []Schedule, width int) []string {
	rows := [][]string{{"SCHEDULE", "STATE", "NEXT NIGHT"}}
	var paragraphs []string
	for _, schedule := range list {
		state := s.paint(green, "active")
		if schedule.Paused {
			state = s.paint(yellow, "paused")
		}
		rows = append(rows, []string{schedule.ID, state, schedule.Next})
		paragraphs = append(paragraphs, schedule.ID+"  "+state)
		add := func(color, text string) {
			for _, line := range Wrap(text, width-2) {
				paragraphs = append(paragraphs, "  "+s.paint(color, line))
			}
		}
		if schedule.Next != "" {
			add("", "next: "+schedule.Next)
		}
		for _, d := range schedule.details() {
			rows = append(rows, []string{"", "", s.paint(d.color, d.text)})
			add(d.color, d.text)
		}
	}
	table := Table([]Column{{}, {}, {}}, rows, 0)
	for _, line := range table {
		if width > 0 && Width(line) > width {
			return paragraphs
		}
	}
	return table
}

type painted struct{ color, text string }

func (schedule Schedule) details() (details []painted) {
	add := func(color, text string) { details = append(details, painted{color, oneLine(text)}) }
	if schedule.Note != "" {
		add(faint, "note: "+schedule.Note)
	}
	if schedule.Last != "" {
		add(faint, "last: "+schedule.Last)
	}
	if schedule.Missed > 0 {
		add(yellow, Plural(schedule.Missed, "scheduled time")+" not started: too late for the catch-up")
	}
	if schedule.Skipped > 0 {
		add(yellow, Plural(schedule.Skipped, "scheduled time")+" not started: the one before was not over")
	}
	return details
}

func (s Style) scheduledResult(r *workflows.ScheduledCloseResult, width int) []string {
	lines := []string{s.glyph(r.State) + " " + r.Summary}
	if r.Close != nil {
		lines = append(lines, s.closeResult(r.Close, width)...)
	}
	return lines
}
