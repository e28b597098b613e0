package calendar

import (
	"fmt"
	"maps"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/pbsmflow/pbsmflow/internal/clock"
	"github.com/pbsmflow/pbsmflow/internal/problem"
)

// Rule says when a close runs and for which date, in the texts that an operator writes.
type Rule struct {
	// Calendar names one of the [Calendars].
	Calendar string `json:"calendar"`
	// TimeZone is an IANA name.
	TimeZone string `json:"time_zone"`
	// At is the time of day, HH:MM. Empty with a cron rule, which has its own.
	At string `json:"at,omitempty"`
	// On selects the nights: business-days, daily, month-end, month-end+N or month-end-N (N business days
	// after or before it), or "cron MINUTE HOUR DAY MONTH WEEKDAY", in which day, month and weekday must all
	// match.
	On string `json:"on"`
	// Roll moves a night that does not fall on a business day: forward, back or none. Default: back for a
	// month's end, none for the others.
	Roll string `json:"roll,omitempty"`
	// AsOf derives the as-of date from the date of the night: business-day (the last one on or before it; the
	// default) or day, each with "-N" for N business or calendar days earlier; month-end, the last day of the
	// month, or month-end-business-day, its last business day.
	AsOf string `json:"as_of,omitempty"`
}

// The values of a rule's keys.
const (
	BusinessDays        = "business-days"
	Daily               = "daily"
	MonthEnd            = "month-end"
	Cron                = "cron"
	Forward             = "forward"
	Back                = "back"
	NoRoll              = "none"
	BusinessDay         = "business-day"
	Day                 = "day"
	MonthEndBusinessDay = "month-end-business-day"
)

// CompiledRule is a rule that has been checked, and says which nights it names.
type CompiledRule struct {
	calendar *Calendar
	location *time.Location
	clock    string // HH:MM
	kind     string // that of On: without what follows cron or month-end
	text     string // On as written
	offset   int    // business days from the month's end
	days     func(time.Time) bool
	roll     string
	asOf     string
	earlier  int
}

var (
	clockPattern    = regexp.MustCompile(`^([01][0-9]|2[0-3]):[0-5][0-9]$`)
	monthEndPattern = regexp.MustCompile(`^month-end([+-][0-9]{1,2})?$`)
	asOfPattern     = regexp.MustCompile(`^(business-day|day)(-[0-9]{1,3})?$`)
)

// maxOffset keeps a night near the month from whose end it is counted.
const maxOffset = 15

// Compile checks a rule. The error is a [problem.List] with every mistake in it.
func (known Calendars) Compile(r Rule) (*CompiledRule, error) {
	c := &CompiledRule{text: r.On}
	var found problem.List
	c.calendar = known[r.Calendar]
	switch {
	case r.Calendar == "":
		found.Addf("", "the calendar is missing; known: %s", known.names())
	case c.calendar == nil:
		found.Addf("", "calendar %q is not known; known: %s", r.Calendar, known.names())
	}
	c.setZone(r.TimeZone, &found)
	c.clock = r.At
	c.setNights(r, &found)
	if c.kind != Cron {
		switch {
		case r.At == "":
			found.Addf("", `the time of day is missing; write it like "22:00"`)
		case !clockPattern.MatchString(r.At):
			found.Addf("", `at %q is not a time of day like "22:00"`, r.At)
		}
	}
	c.setRoll(r.Roll, &found)
	c.setAsOf(r.AsOf, &found)
	if len(found) == 0 && !c.occurs(time.Date(2000, 1, 1, 0, 0, 0, 0, time.UTC)) {
		found.Addf("", "on %q never occurs", r.On)
	}
	if err := found.Err(); err != nil {
		return nil, err
	}
	return c, nil
}

func (known Calendars) names() string {
	return strings.Join(slices.Sorted(maps.Keys(known)), ", ")
}

func (c *CompiledRule) setZone(name string, found *problem.List) {
	if name == "" {
		found.Addf("", "the time zone is missing; write it like America/New_York")
		return
	}
	var err error
	c.location, err = clock.LoadZone(name)
	found.Check("", err)
}

func (c *CompiledRule) setNights(r Rule, found *problem.List) {
	on, text, _ := strings.Cut(r.On, " ")
	switch {
	case r.On == BusinessDays || r.On == Daily:
		c.kind = r.On
	case on == Cron:
		c.kind = Cron
		if r.At != "" {
			found.Addf("", "at and a cron rule both set the time of day; remove one of them")
		}
		c.setCron(text, found)
	case monthEndPattern.MatchString(r.On):
		c.kind = MonthEnd
		c.offset, _ = strconv.Atoi(strings.TrimPrefix(r.On, MonthEnd))
		if max(c.offset, -c.offset) > maxOffset {
			found.Addf("", "on %q is more than %d business days away from the month's end", r.On, maxOffset)
		}
	case r.On == "":
		found.Addf("", "which nights is missing: business-days, daily, month-end, month-end+N, month-end-N, or cron TEXT")
	default:
		found.Addf("", `on %q is not one of business-days, daily, month-end, month-end+N, month-end-N, `+
			`"cron 0 22 * * mon-fri"`, r.On)
	}
}

func (c *CompiledRule) setRoll(roll string, found *problem.List) {
	c.roll = roll
	switch roll {
	case "":
		c.roll = NoRoll
		if c.kind == MonthEnd {
			c.roll = Back
		}
	case Forward, Back:
		if c.kind == BusinessDays {
			found.Addf("", "roll %s does not apply: a business day is never rolled", roll)
		}
	case NoRoll:
	default:
		found.Addf("", "roll %q is not one of %s, %s, %s", roll, Forward, Back, NoRoll)
	}
}

func (c *CompiledRule) setAsOf(asOf string, found *problem.List) {
	parts := asOfPattern.FindStringSubmatch(asOf)
	switch {
	case asOf == "":
		c.asOf = BusinessDay
	case asOf == MonthEnd || asOf == MonthEndBusinessDay:
		c.asOf = asOf
	case parts != nil:
		c.asOf = parts[1]
		c.earlier, _ = strconv.Atoi(strings.TrimPrefix(parts[2], "-"))
	default:
		found.Addf("", "as-of %q is not one of business-day, business-day-N, day, day-N, month-end, "+
			"month-end-business-day", asOf)
	}
}

// setCron parses the five fields. Minute and hour are numbers, because a night has one close.
func (c *CompiledRule) setCron(text string, found *problem.List) {
	fields := strings.Fields(text)
	if len(fields) != 5 {
		found.Addf("", "cron %q does not have five fields: minute, hour, day of month, month, day of week", text)
		return
	}
	minute, errMinute := strconv.ParseUint(fields[0], 10, 8)
	hour, errHour := strconv.ParseUint(fields[1], 10, 8)
	if errMinute != nil || errHour != nil || minute > 59 || hour > 23 {
		found.Addf("", "cron %q: minute and hour must be numbers, because a night has one close", text)
	}
	c.clock = fmt.Sprintf("%02d:%02d", hour, minute)
	read := func(what, field string, low, high int, names []string) map[int]bool {
		values, err := cronField(field, low, high, names)
		if err != nil {
			found.Addf("", "cron %q: %s: %v", text, what, err)
		}
		return values
	}
	dayOfMonth := read("day of month", fields[2], 1, 31, nil)
	month := read("month", fields[3], 1, 12, months)
	weekday := read("day of week", fields[4], 0, 7, weekdays)
	c.days = func(day time.Time) bool {
		sunday := day.Weekday() == time.Sunday && weekday[7]
		return dayOfMonth[day.Day()] && month[int(day.Month())] && (weekday[int(day.Weekday())] || sunday)
	}
}

var months = []string{"", "jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec"}

// cronField parses a list of numbers, ranges, "*" and steps: "1,15", "mon-fri", "*/2".
func cronField(text string, low, high int, names []string) (map[int]bool, error) {
	values := map[int]bool{}
	number := func(text string) (int, bool) {
		n := slices.Index(names, strings.ToLower(text))
		if n < 0 || text == "" {
			var err error
			if n, err = strconv.Atoi(text); err != nil {
				return 0, false
			}
		}
		return n, n >= low && n <= high
	}
	for part := range strings.SplitSeq(text, ",") {
		span, stepText, stepped := strings.Cut(part, "/")
		step, errStep := 1, error(nil)
		if stepped {
			step, errStep = strconv.Atoi(stepText)
		}
		from, to, ok := low, high, true
		if span != "*" {
			first, last, ranged := strings.Cut(span, "-")
			from, ok = number(first)
			to = from
			if ranged && ok {
				to, ok = number(last)
			} else if stepped {
				to = high
			}
		}
		if !ok || errStep != nil || step < 1 || step > high || from > to {
			return nil, fmt.Errorf("%q is not a number, a range or a step within %d-%d", part, low, high)
		}
		for n := from; n <= to; n += step {
			values[n] = true
		}
	}
	return values, nil
}
