package calendar

import (
	"fmt"
	"strings"
	"time"

	"github.com/pbsmflow/pbsmflow/internal/clock"
)

// Night is a night on which a close runs.
type Night struct {
	// Date is the local date on which it starts, and AsOf the as-of date; both midnight UTC.
	Date, AsOf time.Time
	// Start is the moment, in the rule's time zone.
	Start time.Time
	// Note says what is unusual about it: that it was rolled, that the clocks change, or both.
	Note string
}

// Verdict is what a rule says about a date: a night, or why there is none.
type Verdict struct {
	Date  time.Time
	Night *Night
	// Why there is no close.
	Why string
	// Missed: a close would run on the date, but it is a holiday, or its night was rolled to another date.
	Missed bool
}

// On says whether a close runs on a local date, and for which as-of date.
func (c *CompiledRule) On(day time.Time) Verdict {
	day = midnight(day)
	named, monthEnd := c.rolledFrom(day)
	if named.IsZero() {
		return c.noNight(day)
	}
	var notes []string
	night := Night{Date: day, Start: c.start(day), AsOf: c.asOfDate(day, monthEnd)}
	if !named.Equal(day) && c.kind != MonthEnd {
		notes = append(notes, fmt.Sprintf("rolled %s from %s, %s", c.roll, named.Format(dayLayout), c.calendar.Closed(named)))
	}
	if note := c.clockNote(night.Start); note != "" {
		notes = append(notes, note)
	}
	night.Note = strings.Join(notes, "; ")
	return Verdict{Date: day, Night: &night}
}

// noNight says why there is no close on a date.
func (c *CompiledRule) noNight(day time.Time) Verdict {
	closed := c.calendar.Closed(day)
	v := Verdict{Date: day, Why: closed}
	switch {
	case c.kind == BusinessDays:
		v.Missed = c.calendar.workday(day)
	case c.kind != MonthEnd && c.matches(day): // rolled away
		to := c.calendar.onOrAfter(day)
		if c.roll == Back {
			to = c.calendar.onOrBefore(day)
		}
		v.Why, v.Missed = fmt.Sprintf("%s; rolled to %s", closed, to.Format(dayLayout)), true
	case closed == "" || c.kind == MonthEnd:
		v.Why = "the rule " + c.text + " names no night on this date"
	}
	return v
}

// rolledFrom is the date named by the rule that is rolled to day; zero if there is none. monthEnd is the last day
// of the month that the night is about.
func (c *CompiledRule) rolledFrom(day time.Time) (named, monthEnd time.Time) {
	if c.kind == MonthEnd {
		for _, end := range monthEndsAround(day) {
			if c.calendar.shift(c.rolled(end), c.offset).Equal(day) {
				return end, end
			}
		}
		return time.Time{}, time.Time{}
	}
	latest := time.Date(day.Year(), day.Month()+1, 0, 0, 0, 0, 0, time.UTC)
	if latest.After(day) {
		latest = time.Date(day.Year(), day.Month(), 0, 0, 0, 0, 0, time.UTC)
	}
	if c.roll != NoRoll && !c.calendar.Business(day) {
		return time.Time{}, time.Time{}
	}
	for candidate := day; c.rolled(candidate).Equal(day); {
		if c.matches(candidate) {
			return candidate, latest
		}
		switch c.roll {
		case Forward:
			candidate = candidate.AddDate(0, 0, -1)
		case Back:
			candidate = candidate.AddDate(0, 0, 1)
		default:
			return time.Time{}, time.Time{}
		}
	}
	return time.Time{}, time.Time{}
}

// matches reports whether the rule names a date, before rolling.
func (c *CompiledRule) matches(day time.Time) bool {
	switch c.kind {
	case BusinessDays:
		return c.calendar.Business(day)
	case Cron:
		return c.days(day)
	}
	return true
}

func (c *CompiledRule) rolled(day time.Time) time.Time {
	switch c.roll {
	case Forward:
		return c.calendar.onOrAfter(day)
	case Back:
		return c.calendar.onOrBefore(day)
	}
	return day
}

func (c *CompiledRule) asOfDate(day, monthEnd time.Time) time.Time {
	switch c.asOf {
	case Day:
		return day.AddDate(0, 0, -c.earlier)
	case MonthEnd:
		return monthEnd
	case MonthEndBusinessDay:
		return c.calendar.onOrBefore(monthEnd)
	}
	return c.calendar.shift(c.calendar.onOrBefore(day), -c.earlier)
}

// start is the moment at which a night begins. If the clocks are put forward over its time, it is the moment of
// the change. If they are put back over it, it is the one of the two at which Temporal's schedule fires: the one
// that Go's time.Date returns, east of Greenwich often the second.
func (c *CompiledRule) start(day time.Time) time.Time {
	at, _ := time.Parse("15:04", c.clock)
	about := time.Date(day.Year(), day.Month(), day.Day(), at.Hour(), at.Minute(), 0, 0, c.location)
	if about.Format("15:04") == c.clock {
		return about
	}
	start, _ := clock.ResolveDeadline(about.Add(-12*time.Hour), c.clock, c.location)
	return start.In(c.location)
}

func (c *CompiledRule) clockNote(start time.Time) string {
	if shown := start.Format("15:04"); shown != c.clock {
		return fmt.Sprintf("the clocks skip %s; starts at %s", c.clock, shown)
	}
	first, _ := clock.ResolveDeadline(start.Add(-12*time.Hour), c.clock, c.location)
	next, _ := clock.ResolveDeadline(start, c.clock, c.location)
	switch {
	case first.Before(start):
		return fmt.Sprintf("the clocks show %s twice; starts at the second", c.clock)
	case next.Sub(start) < 12*time.Hour:
		return fmt.Sprintf("the clocks show %s twice; starts at the first", c.clock)
	}
	return ""
}

// At says which night a scheduled time belongs to. A time that is not the rule's time of day comes from an
// operator's trigger: it belongs to the latest night that has begun.
func (c *CompiledRule) At(scheduled time.Time) Verdict {
	local := scheduled.In(c.location)
	day := midnight(local)
	switch start := c.start(day); {
	case start.Equal(scheduled):
		return c.On(day)
	case c.start(day.AddDate(0, 0, -1)).Equal(scheduled): // the clocks skip from before midnight to midnight
		return c.On(day.AddDate(0, 0, -1))
	case start.Before(scheduled) && local.Format("15:04:05") == c.clock+":00":
		return Verdict{Date: day, Why: "the clocks show " + c.clock + " a second time; the night began at the first"}
	}
	for range maxGap {
		if v := c.On(day); v.Night != nil && !v.Night.Start.After(scheduled) {
			return v
		}
		day = day.AddDate(0, 0, -1)
	}
	return Verdict{Date: midnight(local), Why: fmt.Sprintf("the rule %s named no night in the last %d years", c.text, maxGapYears)}
}

// A search covers so many years, and so many days: a Monday the 29th of February can be 40 years away.
const (
	maxGapYears = 41
	maxGap      = maxGapYears * 366
)

// From returns the next n nights that begin after a moment, and between them the dates without a close that
// the rule would name but for a holiday.
func (c *CompiledRule) From(after time.Time, n int) []Verdict {
	var verdicts []Verdict
	day := midnight(after.In(c.location))
	for range maxGap {
		v := c.On(day)
		switch {
		case v.Night != nil && v.Night.Start.After(after):
			verdicts = append(verdicts, v)
			n--
		case v.Night == nil && v.Missed && c.start(day).After(after):
			verdicts = append(verdicts, v)
		}
		if n == 0 {
			break
		}
		day = day.AddDate(0, 0, 1)
	}
	return verdicts
}

// Between returns the verdict on each date that is a night or missed, first and last included.
func (c *CompiledRule) Between(first, last time.Time) []Verdict {
	var verdicts []Verdict
	for day := midnight(first); !day.After(midnight(last)); day = day.AddDate(0, 0, 1) {
		if v := c.On(day); v.Night != nil || v.Missed {
			verdicts = append(verdicts, v)
		}
	}
	return verdicts
}

// occurs reports whether there is a night on or after a date.
func (c *CompiledRule) occurs(day time.Time) bool {
	for range maxGap {
		if named, _ := c.rolledFrom(day); !named.IsZero() {
			return true
		}
		day = day.AddDate(0, 0, 1)
	}
	return false
}

// Clock is the time of day at which nights begin.
func (c *CompiledRule) Clock() (hour, minute int) {
	at, _ := time.Parse("15:04", c.clock)
	return at.Hour(), at.Minute()
}

// Location is the rule's time zone.
func (c *CompiledRule) Location() *time.Location { return c.location }

// SkippedStarts are the moments, first and last date included, at which a night begins although the clocks never show
// its time of day, because they are put forward over it.
func (c *CompiledRule) SkippedStarts(first, last time.Time) []time.Time {
	var moments []time.Time
	for day := midnight(first); !day.After(midnight(last)); day = day.AddDate(0, 0, 1) {
		if start := c.start(day); start.Format("15:04") != c.clock {
			moments = append(moments, start)
		}
	}
	return moments
}

// midnight is the date of a moment in its own zone, as midnight UTC.
func midnight(t time.Time) time.Time {
	year, month, day := t.Date()
	return time.Date(year, month, day, 0, 0, 0, 0, time.UTC)
}

// monthEndsAround are the last days of the months around a date. No night is further away than that from the end of the
// month that it is counted from: see maxOffset.
func monthEndsAround(day time.Time) []time.Time {
	var ends []time.Time
	for months := -2; months <= 2; months++ {
		ends = append(ends, time.Date(day.Year(), day.Month()+time.Month(months)+1, 0, 0, 0, 0, 0, time.UTC))
	}
	return ends
}
