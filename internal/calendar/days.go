package calendar

import (
	"fmt"
	"maps"
	"regexp"
	"strconv"
	"strings"
	"time"

	"github.com/rickar/cal/v2"

	"github.com/pbsmflow/pbsmflow/internal/problem"
)

// The words that only days have.
const (
	QuarterEnd = "quarter-end"
	YearEnd    = "year-end"
)

// DaysForm is the form of [ParseDays].
const DaysForm = `business-days, daily, month-end, quarter-end or year-end (each also with +N or -N business days), ` +
	`a day of the week such as fri or mon-thu, or "cron * * DAY MONTH WEEKDAY"`

// DaysPattern is what [ParseDays] accepts, and a little more.
const DaysPattern = `^(business-days|daily|(month|quarter|year)-end([+-][0-9]{1,2})?|` +
	`(sun|mon|tue|wed|thu|fri|sat)(-(sun|mon|tue|wed|thu|fri|sat))?|cron \* \* \S+ \S+ \S+)$`

var daysPattern = regexp.MustCompile(DaysPattern)

var endPattern = regexp.MustCompile(`^(month|quarter|year)-end([+-][0-9]{1,2})?$`)

// EveryDay is the calendar of [WithEveryDay].
const EveryDay = "every day"

// WithEveryDay adds a calendar on which every day is a business day.
func WithEveryDay(known Calendars) Calendars {
	all := Calendars{}
	maps.Copy(all, known)
	base := cal.NewBusinessCalendar()
	for day := time.Sunday; day <= time.Saturday; day++ {
		base.SetWorkday(day, true)
	}
	all[EveryDay] = &Calendar{name: EveryDay, base: base}
	return all
}

// Days are days that a word stands for, such as month-end+2.
type Days struct {
	text    string
	months  int // of the period whose end they are counted from: 1, 3 or 12
	offset  int // business days from that end
	matches func(*Calendar, time.Time) bool
	// needsCalendar: they are counted in business days.
	needsCalendar bool
}

// ParseDays reads a word. Its error says what is wrong with it.
func ParseDays(text string) (Days, error) {
	d := Days{text: text}
	if !daysPattern.MatchString(text) {
		return d, fmt.Errorf("%.80q is not one of %s", text, DaysForm)
	}
	cron, isCron := strings.CutPrefix(text, Cron+" ")
	end := endPattern.FindStringSubmatch(text)
	switch {
	case text == BusinessDays:
		d.needsCalendar = true
		d.matches = func(c *Calendar, day time.Time) bool { return c.Business(day) }
	case text == Daily:
		d.matches = func(*Calendar, time.Time) bool { return true }
	case end != nil:
		return d.fromEnd(end[1], end[2])
	case isCron:
		return d.fromCron(cron)
	default:
		on, err := cronField(text, 0, 6, weekdays)
		if err != nil {
			return d, fmt.Errorf("%.80q ends before it begins: a week begins with sun", text)
		}
		d.matches = func(_ *Calendar, day time.Time) bool { return on[int(day.Weekday())] }
	}
	return d, nil
}

func (d Days) fromEnd(period, offset string) (Days, error) {
	d.months = map[string]int{"month": 1, "quarter": 3, "year": 12}[period]
	d.offset, _ = strconv.Atoi(offset)
	d.needsCalendar = offset != ""
	if max(d.offset, -d.offset) > maxOffset {
		return d, fmt.Errorf("%q is more than %d business days away from the %s's end", d.text, maxOffset, period)
	}
	d.matches = d.isEnd
	return d, nil
}

func (d Days) fromCron(text string) (Days, error) {
	var rule CompiledRule
	var found problem.List
	rule.setCron("0 0 "+strings.TrimPrefix(text, "* * "), &found)
	d.matches = func(_ *Calendar, day time.Time) bool { return rule.days(day) }
	if len(found) > 0 {
		return d, fmt.Errorf("%.80q is not possible: %s", d.text, found.Error())
	}
	for day, n := time.Date(2000, 1, 1, 0, 0, 0, 0, time.UTC), 0; !rule.days(day); n++ {
		if n > 366*12 {
			return d, fmt.Errorf("%.80q never occurs", d.text)
		}
		day = day.AddDate(0, 0, 1)
	}
	return d, nil
}

// isEnd reports whether a day is the end of a period, or offset business days away from it. The end is the last business
// day; without an offset also the last calendar day, for a close as of that.
func (d Days) isEnd(c *Calendar, day time.Time) bool {
	for _, end := range monthEndsAround(day) {
		if int(end.Month())%d.months != 0 {
			continue
		}
		if d.offset == 0 && end.Equal(day) || c != nil && c.shift(c.onOrBefore(end), d.offset).Equal(day) {
			return true
		}
	}
	return false
}

// NeedsCalendar reports whether they are counted in business days.
func (d Days) NeedsCalendar() bool { return d.needsCalendar }

// Has reports whether a date is one of the days. Without a calendar, the end of a month is its last calendar day. c must
// not be nil where [Days.NeedsCalendar].
func (d Days) Has(c *Calendar, date time.Time) bool { return d.matches(c, midnight(date)) }
