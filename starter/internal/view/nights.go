package view

import (
	"github.com/pbsmflow/pbsmflow/internal/calendar"
	"github.com/pbsmflow/pbsmflow/workflows"
)

const dayLayout = "Mon 2006-01-02"

// Nights is a table of nights: when each begins, here and in UTC, and its as-of date. Dates without a close are
// listed too.
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
	// Last is the outcome of the last scheduled time, and Note that of an operator or the server.
	Last, Note string
	// Missed and Skipped count scheduled times that were not started: those past the catch-up window, and those
	// at which the one before was still running.
	Missed, Skipped int
}

// Schedules lists schedules: in a table where it fits, else in paragraphs, in which nothing is cut.
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
		add(yellow, Plural(schedule.Missed, "scheduled time")+" not started: past the catch-up window")
	}
	if schedule.Skipped > 0 {
		add(yellow, Plural(schedule.Skipped, "scheduled time")+" not started: the one before was still running")
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
