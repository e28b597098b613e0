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

// Schedules is the list of schedules.
func (s Style) Schedules(list []Schedule, width int) []string {
	rows := [][]string{{"SCHEDULE", "STATE", "NEXT NIGHT"}}
	for _, schedule := range list {
		state := s.paint(green, "active")
		if schedule.Paused {
			state = s.paint(yellow, "paused")
		}
		rows = append(rows, []string{schedule.ID, state, schedule.Next})
		for _, detail := range []string{suffix("note: ", schedule.Note), suffix("last: ", schedule.Last)} {
			if detail != "" {
				rows = append(rows, []string{"", "", s.paint(faint, oneLine(detail))})
			}
		}
		for _, lost := range []struct {
			n   int
			why string
		}{{schedule.Missed, "too late for the catch-up"}, {schedule.Skipped, "the one before was not over"}} {
			if lost.n > 0 {
				rows = append(rows, []string{"", "", s.paint(yellow, Plural(lost.n, "scheduled time")+" not started: "+lost.why)})
			}
		}
	}
	return Table([]Column{{}, {}, {}}, rows, width)
}

func (s Style) scheduledResult(r *workflows.ScheduledCloseResult, width int) []string {
	lines := []string{s.glyph(r.State) + " " + r.Summary}
	if r.Close != nil {
		lines = append(lines, s.closeResult(r.Close, width)...)
	}
	return lines
}
