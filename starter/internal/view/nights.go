package view

import (
	"cmp"
	"time"

	"github.com/pbsmflow/pbsmflow/internal/calendar"
	"github.com/pbsmflow/pbsmflow/internal/clock"
	"github.com/pbsmflow/pbsmflow/workflows"
)

const dayLayout = "Mon 2006-01-02"

// Nights is a table of nights: when each begins, and its as-of date. Dates without a close are
// listed too.
func (s Style) Nights(verdicts []calendar.Verdict, width int) []string {
	rows := [][]string{{"NIGHT", "STARTS", "AS OF", ""}}
	for _, v := range verdicts {
		date := v.Date.Format(dayLayout)
		if v.Night == nil {
			rows = append(rows, []string{s.paint(faint, date), "-", "-", s.paint(faint, "no close: "+v.Why)})
			continue
		}
		n := v.Night
		rows = append(rows, []string{
			date, clock.Of(n.Start.Location()).TextAt(n.Start, n.Start), n.AsOf.Format(dayLayout), s.paint(yellow, n.Note),
		})
	}
	return Table([]Column{{}, {}, {}, {}}, rows, width)
}

// Night is a night in JSON, or a date without a close.
type Night struct {
	Night    string `json:"night"`
	Weekday  string `json:"weekday"`
	Start    string `json:"start,omitempty"`
	StartUTC string `json:"start_utc,omitempty"`
	AsOfDate string `json:"as_of_date,omitempty"`
	// NoClose says why there is none.
	NoClose string `json:"no_close,omitempty"`
	Note    string `json:"note,omitempty"`
}

// NewNight is the verdict on a date in JSON.
func NewNight(v calendar.Verdict) Night {
	n := Night{Night: v.Date.Format(time.DateOnly), Weekday: v.Date.Weekday().String(), NoClose: v.Why}
	if v.Night != nil {
		n.Start, n.StartUTC = v.Night.Start.Format(time.RFC3339), v.Night.Start.UTC().Format(time.RFC3339)
		n.AsOfDate, n.Note = v.Night.AsOf.Format(time.DateOnly), v.Night.Note
	}
	return n
}

// Schedule is one in the list of schedules.
type Schedule struct {
	ID     string                        `json:"schedule_id"`
	Paused bool                          `json:"paused"`
	Note   string                        `json:"note,omitempty"` // of an operator or the server
	Rule   workflows.ScheduledCloseInput `json:"rule"`
	Next   *Night                        `json:"next,omitempty"`
	// Unplanned says why the next night is not known here.
	Unplanned string `json:"unplanned,omitempty"`
	// Last is the outcome of the last scheduled time.
	Last   string `json:"last,omitempty"`
	LastID string `json:"last_workflow_id,omitempty"`
	// Missed and Skipped count scheduled times that were not started: those past the catch-up window, and those
	// at which the one before was still running.
	Missed  int `json:"missed_catch_up"`
	Skipped int `json:"skipped_overlap"`

	NextText string `json:"-"`
}

// SetNext sets the next night.
func (schedule *Schedule) SetNext(v calendar.Verdict) {
	next := NewNight(v)
	schedule.Next = &next
	schedule.NextText = clock.Of(v.Night.Start.Location()).Text(v.Night.Start) + ", as of " +
		v.Night.AsOf.Format(dayLayout)
}

func (schedule Schedule) next() string {
	if schedule.Paused && schedule.NextText != "" {
		return "(would be " + schedule.NextText + ")"
	}
	return cmp.Or(schedule.NextText, schedule.Unplanned)
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
		rows = append(rows, []string{schedule.ID, state, schedule.next()})
		paragraphs = append(paragraphs, schedule.ID+"  "+state)
		add := func(color, text string) {
			for _, line := range Wrap(text, width-2) {
				paragraphs = append(paragraphs, "  "+s.paint(color, line))
			}
		}
		if next := schedule.next(); next != "" {
			add("", "next: "+next)
		}
		for _, d := range schedule.details() {
			rows = append(rows, []string{"", "", s.paint(d.color, d.text)})
			add(d.color, d.text)
		}
	}
	return TableOr(paragraphs, []Column{{}, {}, {}}, rows, width)
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
