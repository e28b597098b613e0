package calendar

import (
	"errors"
	"fmt"
	"maps"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"
	_ "time/tzdata" // the time zones must be the same on every worker, also in an image without them
)

// Rule says when a close runs and for which date, as texts that a person writes.
type Rule struct {
	// Calendar is the name of one of the [Calendars].
	Calendar string `json:"calendar"`
	// TimeZone is an IANA name.
	TimeZone string `json:"time_zone"`
	// At is the time of day, HH:MM. Empty with a cron rule, which has its own.
	At string `json:"at,omitempty"`
	// On picks the nights: business-days, daily, month-end, month-end+N or month-end-N (N business
	// days after or before it), or "cron MINUTE HOUR DAY MONTH WEEKDAY", of which day, month and
	// weekday must all match.
	On string `json:"on"`
	// Roll is where a night goes that falls on no business day: forward, back or none. Default:
	// back for a month's end, none for the others.
	Roll string `json:"roll,omitempty"`
	// AsOf derives the as-of date from the date of the night: business-day (the last one on or
	// before it; the default) and day, each with "-N" for N business or calendar days earlier;
	// month-end, the last day of the month, and month-end-business-day, its last business day.
	AsOf string `json:"as_of,omitempty"`
}

// Words of the rules.
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

// Plan is a rule that was checked.
type Plan struct {
	calendar *Calendar
	location *time.Location
	clock    string // HH:MM
	on       string // the word
	onText   string
	offset   int // business days from the month's end
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

// maxOffset keeps a night that is counted from a month's end near that month.
const maxOffset = 15

// faultList collects everything that is wrong, so that one look is enough.
type faultList []error

func (f *faultList) add(format string, args ...any) { *f = append(*f, fmt.Errorf(format, args...)) }

// Faults are the texts of a joined error, one for each fault.
func Faults(err error) []string {
	var texts []string
	for _, fault := range parts(err) {
		texts = append(texts, fault.Error())
	}
	return texts
}

// Compile checks a rule. The error names every fault; see [Faults].
func (known Calendars) Compile(r Rule) (*Plan, error) {
	p := &Plan{onText: r.On}
	var faults faultList
	p.calendar = known[r.Calendar]
	switch {
	case r.Calendar == "":
		faults.add("the calendar is missing; known: %s", known.names())
	case p.calendar == nil:
		faults.add("calendar %q is not known; known: %s", r.Calendar, known.names())
	}
	p.zone(r.TimeZone, &faults)
	p.clock = r.At
	p.nights(r, &faults)
	if p.on != Cron {
		switch {
		case r.At == "":
			faults.add(`the time of day is missing; write it like "22:00"`)
		case !clockPattern.MatchString(r.At):
			faults.add(`at %q is not a time of day like "22:00"`, r.At)
		}
	}
	p.rolling(r.Roll, &faults)
	p.dating(r.AsOf, &faults)
	if len(faults) == 0 && !p.comes(time.Date(2000, 1, 1, 0, 0, 0, 0, time.UTC)) {
		faults.add("on %q never comes", r.On)
	}
	if len(faults) > 0 {
		return nil, errors.Join(faults...)
	}
	return p, nil
}

func (known Calendars) names() string {
	return strings.Join(slices.Sorted(maps.Keys(known)), ", ")
}

func (p *Plan) zone(name string, faults *faultList) {
	var err error
	p.location, err = time.LoadLocation(name)
	switch {
	case name == "":
		faults.add("the time zone is missing; write it like America/New_York")
	case err != nil || name == "Local":
		faults.add("unknown time zone %q; use an IANA name such as America/New_York", name)
	}
}

func (p *Plan) nights(r Rule, faults *faultList) {
	word, text, _ := strings.Cut(r.On, " ")
	switch {
	case r.On == BusinessDays || r.On == Daily:
		p.on = r.On
	case word == Cron:
		p.on = Cron
		if r.At != "" {
			faults.add("at and a cron rule both say the time of day; leave one out")
		}
		p.cron(text, faults)
	case monthEndPattern.MatchString(r.On):
		p.on = MonthEnd
		p.offset, _ = strconv.Atoi(strings.TrimPrefix(r.On, MonthEnd))
		if max(p.offset, -p.offset) > maxOffset {
			faults.add("on %q is more than %d business days away from the month's end", r.On, maxOffset)
		}
	case r.On == "":
		faults.add("which nights is missing: business-days, daily, month-end, month-end+N, month-end-N, or cron TEXT")
	default:
		faults.add(`on %q is none of business-days, daily, month-end, month-end+N, month-end-N, "cron 0 22 * * mon-fri"`, r.On)
	}
}

func (p *Plan) rolling(roll string, faults *faultList) {
	p.roll = roll
	switch roll {
	case "":
		p.roll = NoRoll
		if p.on == MonthEnd {
			p.roll = Back
		}
	case Forward, Back:
		if p.on == BusinessDays {
			faults.add("roll %s does not apply: a business day is never rolled", roll)
		}
	case NoRoll:
	default:
		faults.add("roll %q is none of %s, %s, %s", roll, Forward, Back, NoRoll)
	}
}

func (p *Plan) dating(asOf string, faults *faultList) {
	found := asOfPattern.FindStringSubmatch(asOf)
	switch {
	case asOf == "":
		p.asOf = BusinessDay
	case asOf == MonthEnd || asOf == MonthEndBusinessDay:
		p.asOf = asOf
	case found != nil:
		p.asOf = found[1]
		p.earlier, _ = strconv.Atoi(strings.TrimPrefix(found[2], "-"))
	default:
		faults.add("as-of %q is none of business-day, business-day-N, day, day-N, month-end, month-end-business-day", asOf)
	}
}

// cron reads the five fields. Minute and hour are numbers: a night has one close.
func (p *Plan) cron(text string, faults *faultList) {
	fields := strings.Fields(text)
	if len(fields) != 5 {
		faults.add("cron %q has not five fields: minute, hour, day of month, month, day of week", text)
		return
	}
	minute, errMinute := strconv.ParseUint(fields[0], 10, 8)
	hour, errHour := strconv.ParseUint(fields[1], 10, 8)
	if errMinute != nil || errHour != nil || minute > 59 || hour > 23 {
		faults.add("cron %q: minute and hour must be numbers, for a night has one close", text)
	}
	p.clock = fmt.Sprintf("%02d:%02d", hour, minute)
	read := func(what, field string, low, high int, names []string) map[int]bool {
		values, err := cronField(field, low, high, names)
		if err != nil {
			faults.add("cron %q: %s: %w", text, what, err)
		}
		return values
	}
	dayOfMonth := read("day of month", fields[2], 1, 31, nil)
	month := read("month", fields[3], 1, 12, months)
	weekday := read("day of week", fields[4], 0, 7, weekdays)
	p.days = func(day time.Time) bool {
		sunday := day.Weekday() == time.Sunday && weekday[7]
		return dayOfMonth[day.Day()] && month[int(day.Month())] && (weekday[int(day.Weekday())] || sunday)
	}
}

var months = []string{"", "jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec"}

// cronField reads a list of numbers, ranges, "*" and steps: "1,15", "mon-fri", "*/2".
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
