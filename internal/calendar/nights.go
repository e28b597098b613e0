package calendar

import (
	"fmt"
	"time"

	"github.com/pbsmflow/pbsmflow/internal/clock"
)

// Night is a night on which a close runs.
type Night struct {
	// Date is the local date on which it starts, and AsOf the as-of date; both midnight UTC.
	Date, AsOf time.Time
	// Start is the moment, in the rule's time zone.
	Start time.Time
	// Note says what is unusual about it: it was rolled, or the clocks change.
	Note string
}

// Verdict is what a plan says about a date: a night, or why there is none.
type Verdict struct {
	Date  time.Time
	Night *Night
	// Why there is no close.
	Why string
	// Missed is set if the rule names the date, or would but for a holiday.
	Missed bool
}

// On says whether a close runs on a local date, and for which as-of date.
func (p *Plan) On(day time.Time) Verdict {
	day = midnight(day)
	named, monthEnd := p.named(day)
	if named.IsZero() {
		return p.noNight(day)
	}
	night := Night{Date: day, Start: p.start(day), AsOf: p.asOfDate(day, monthEnd)}
	if !named.Equal(day) && p.on != MonthEnd {
		night.Note = fmt.Sprintf("rolled %s from %s, %s", p.roll, named.Format(dayLayout), p.calendar.Closed(named))
	}
	if note := p.clockNote(night.Start); note != "" {
		night.Note = note
	}
	return Verdict{Date: day, Night: &night}
}

// noNight says why there is no close on a date.
func (p *Plan) noNight(day time.Time) Verdict {
	closed := p.calendar.Closed(day)
	v := Verdict{Date: day, Why: closed}
	switch {
	case p.on == BusinessDays:
		v.Missed = p.calendar.workday(day)
	case p.on != MonthEnd && p.names(day): // rolled away
		to := p.calendar.onOrAfter(day)
		if p.roll == Back {
			to = p.calendar.onOrBefore(day)
		}
		v.Why, v.Missed = fmt.Sprintf("%s; rolled to %s", closed, to.Format(dayLayout)), true
	case closed == "" || p.on == MonthEnd:
		v.Why = "the rule " + p.onText + " names no night on this date"
	}
	return v
}

// named is the date named by the rule that is rolled to day; zero if there is none. monthEnd is the last day
// of the month that the night is about.
func (p *Plan) named(day time.Time) (named, monthEnd time.Time) {
	if p.on == MonthEnd {
		for months := -2; months <= 2; months++ {
			end := time.Date(day.Year(), day.Month()+time.Month(months)+1, 0, 0, 0, 0, 0, time.UTC)
			if p.calendar.shift(p.rolled(end), p.offset).Equal(day) {
				return end, end
			}
		}
		return time.Time{}, time.Time{}
	}
	latest := time.Date(day.Year(), day.Month()+1, 0, 0, 0, 0, 0, time.UTC)
	if latest.After(day) {
		latest = time.Date(day.Year(), day.Month(), 0, 0, 0, 0, 0, time.UTC)
	}
	if p.roll != NoRoll && !p.calendar.Business(day) {
		return time.Time{}, time.Time{}
	}
	for candidate := day; p.rolled(candidate).Equal(day); {
		if p.names(candidate) {
			return candidate, latest
		}
		switch p.roll {
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

// names reports whether the rule names a date, before rolling.
func (p *Plan) names(day time.Time) bool {
	switch p.on {
	case BusinessDays:
		return p.calendar.Business(day)
	case Cron:
		return p.days(day)
	}
	return true
}

func (p *Plan) rolled(day time.Time) time.Time {
	switch p.roll {
	case Forward:
		return p.calendar.onOrAfter(day)
	case Back:
		return p.calendar.onOrBefore(day)
	}
	return day
}

func (p *Plan) asOfDate(day, monthEnd time.Time) time.Time {
	switch p.asOf {
	case Day:
		return day.AddDate(0, 0, -p.earlier)
	case MonthEnd:
		return monthEnd
	case MonthEndBusinessDay:
		return p.calendar.onOrBefore(monthEnd)
	}
	return p.calendar.shift(p.calendar.onOrBefore(day), -p.earlier)
}

// start is the moment at which a night begins. If the clocks are put forward over its time, it is the moment of
// the change. If they are put back over it, it is the one of the two at which Temporal's schedule fires: the one
// that Go's time.Date returns, east of Greenwich often the second.
func (p *Plan) start(day time.Time) time.Time {
	at, _ := time.Parse("15:04", p.clock)
	about := time.Date(day.Year(), day.Month(), day.Day(), at.Hour(), at.Minute(), 0, 0, p.location)
	if about.Format("15:04") == p.clock {
		return about
	}
	start, _ := clock.ResolveDeadline(about.Add(-12*time.Hour), p.clock, p.location)
	return start.In(p.location)
}

func (p *Plan) clockNote(start time.Time) string {
	if shown := start.Format("15:04"); shown != p.clock {
		return fmt.Sprintf("the clocks skip %s; starts at %s", p.clock, shown)
	}
	first, _ := clock.ResolveDeadline(start.Add(-12*time.Hour), p.clock, p.location)
	next, _ := clock.ResolveDeadline(start, p.clock, p.location)
	switch {
	case first.Before(start):
		return fmt.Sprintf("the clocks show %s twice; starts at the second", p.clock)
	case next.Sub(start) < 12*time.Hour:
		return fmt.Sprintf("the clocks show %s twice; starts at the first", p.clock)
	}
	return ""
}

// At says which night a scheduled time belongs to. A time that is not the plan's time of day comes from an
// operator's trigger: it belongs to the latest night that has begun.
func (p *Plan) At(scheduled time.Time) Verdict {
	local := scheduled.In(p.location)
	day := midnight(local)
	switch start := p.start(day); {
	case start.Equal(scheduled):
		return p.On(day)
	case p.start(day.AddDate(0, 0, -1)).Equal(scheduled): // the clocks skip from before midnight to midnight
		return p.On(day.AddDate(0, 0, -1))
	case start.Before(scheduled) && local.Format("15:04:05") == p.clock+":00":
		return Verdict{Date: day, Why: "the clocks show " + p.clock + " a second time; the night began at the first"}
	}
	for range maxGap {
		if v := p.On(day); v.Night != nil && !v.Night.Start.After(scheduled) {
			return v
		}
		day = day.AddDate(0, 0, -1)
	}
	return Verdict{Date: midnight(local), Why: fmt.Sprintf("the rule %s named no night in the last %d years", p.onText, maxGapYears)}
}

// A search covers so many years, and so many days: a Monday the 29th of February can be 40 years away.
const (
	maxGapYears = 41
	maxGap      = maxGapYears * 366
)

// From returns the next n nights that begin after a moment, and between them the dates without a close that
// the rule would name but for a holiday.
func (p *Plan) From(after time.Time, n int) []Verdict {
	var verdicts []Verdict
	day := midnight(after.In(p.location))
	for range maxGap {
		v := p.On(day)
		switch {
		case v.Night != nil && v.Night.Start.After(after):
			verdicts = append(verdicts, v)
			n--
		case v.Night == nil && v.Missed && p.start(day).After(after):
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
func (p *Plan) Between(first, last time.Time) []Verdict {
	var verdicts []Verdict
	for day := midnight(first); !day.After(midnight(last)); day = day.AddDate(0, 0, 1) {
		if v := p.On(day); v.Night != nil || v.Missed {
			verdicts = append(verdicts, v)
		}
	}
	return verdicts
}

// occurs reports whether there is a night on or after a date.
func (p *Plan) occurs(day time.Time) bool {
	for range maxGap {
		if named, _ := p.named(day); !named.IsZero() {
			return true
		}
		day = day.AddDate(0, 0, 1)
	}
	return false
}

// Clock is the time of day at which nights begin.
func (p *Plan) Clock() (hour, minute int) {
	at, _ := time.Parse("15:04", p.clock)
	return at.Hour(), at.Minute()
}

// Location is the plan's time zone.
func (p *Plan) Location() *time.Location { return p.location }

// Starts are the moments, first and last date included, at which a night begins although the clocks never show
// its time of day, because they are put forward over it.
func (p *Plan) Starts(first, last time.Time) []time.Time {
	var moments []time.Time
	for day := midnight(first); !day.After(midnight(last)); day = day.AddDate(0, 0, 1) {
		if start := p.start(day); start.Format("15:04") != p.clock {
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
