// Package calendar computes on which nights a close runs, when it starts, and which as-of date it is for.
// It is pure: no clock, no network, no files.
//
// A [Calendar] knows business days: a built-in one, or a bank's own, given as [Data]. A [Rule] selects nights;
// [Calendars.Compile] checks the rule and returns a [CompiledRule].
package calendar

import (
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/rickar/cal/v2"

	"github.com/pbsmflow/pbsmflow/internal/problem"
)

const (
	dateLayout = "2006-01-02"
	dayLayout  = "Mon 2006-01-02"
)

// Data is a bank's own calendar.
type Data struct {
	// Base is a built-in calendar whose holidays apply, such as us-bank or target2. Without it, there are none.
	Base string `koanf:"base" jsonschema:"enum=at,enum=au-nsw,enum=be,enum=ca,enum=ch,enum=de,enum=es,enum=fr,enum=gb,enum=it,enum=jp,enum=no,enum=se,enum=target2,enum=us-bank"`
	// Add are further holidays: yyyy-mm-dd, optionally with a name: "2026-12-24 Christmas Eve".
	Add []string `koanf:"add" jsonschema:"format=holiday"`
	// Remove are holidays of Base that are business days here.
	Remove []string `koanf:"remove" jsonschema:"format=date"`
	// Weekend are the days of the week that are not business days. Default: sat and sun.
	Weekend []string `koanf:"weekend" jsonschema:"enum=sun,enum=mon,enum=tue,enum=wed,enum=thu,enum=fri,enum=sat"`
}

// Calendar knows the business days of a bank.
type Calendar struct {
	name    string
	base    *cal.BusinessCalendar
	added   map[string]string // date -> name
	removed map[string]bool
}

// New makes a calendar. The error is a [problem.List] with every mistake in the data.
func New(name string, d Data) (*Calendar, error) {
	c := &Calendar{name: name, base: cal.NewBusinessCalendar(), added: map[string]string{}, removed: map[string]bool{}}
	var found problem.List
	holidays, known := builtIn[d.Base]
	found.Want(known || d.Base == "", "base", "%q is not built in; built in: %s", d.Base,
		strings.Join(builtInNames(), ", "))
	c.base.AddHoliday(holidays...)
	c.weekend(d.Weekend, &found)
	for _, text := range d.Remove {
		day, err := time.Parse(dateLayout, text)
		switch {
		case err != nil:
			found.Addf("remove", "%q is not a date; write it like 2026-12-24", text)
		case known && c.holiday(day) == "":
			found.Addf("remove", "%s is not a holiday of %s", text, d.Base)
		}
		c.removed[text] = true
	}
	for _, text := range d.Add {
		date, holiday, _ := strings.Cut(text, " ")
		_, err := time.Parse(dateLayout, date)
		found.Want(err == nil, "add",
			`%q does not begin with a date; write it like 2026-12-24 or "2026-12-24 Christmas Eve"`, text)
		found.Want(!c.removed[date], "add", "%s is also removed", date)
		if holiday = strings.TrimSpace(holiday); holiday == "" {
			holiday = "holiday of " + name
		}
		c.added[date] = holiday
	}
	return c, found.Err()
}

var weekdays = []string{"sun", "mon", "tue", "wed", "thu", "fri", "sat"}

func (c *Calendar) weekend(names []string, found *problem.List) {
	if len(names) == 0 {
		return
	}
	for i, name := range weekdays {
		c.base.SetWorkday(time.Weekday(i), !slices.Contains(names, name))
	}
	for _, name := range names {
		found.Want(slices.Contains(weekdays, name), "weekend", "%q is not one of %s", name, strings.Join(weekdays, ", "))
	}
	days := len(slices.Compact(slices.Sorted(slices.Values(names))))
	found.Want(days < len(weekdays), "weekend", "leaves no business day")
}

// Closed says why a day is not a business day: the holiday's name, or the day of the week. It is empty for a
// business day.
func (c *Calendar) Closed(day time.Time) string {
	if name := c.holiday(day); name != "" {
		return name
	}
	if !c.workday(day) {
		return day.Weekday().String()
	}
	return ""
}

// holiday is the name of the holiday on a day that would otherwise be a business day.
func (c *Calendar) holiday(day time.Time) string {
	date := day.Format(dateLayout)
	if !c.workday(day) || c.removed[date] {
		return ""
	}
	if name := c.added[date]; name != "" {
		return name
	}
	actual, observed, h := c.base.IsHoliday(day)
	switch {
	case !observed:
		return ""
	case !actual:
		return h.Name + " (observed)"
	}
	return h.Name
}

// workday reports whether a day is outside the weekend.
func (c *Calendar) workday(day time.Time) bool {
	week := *c.base
	week.Holidays = nil
	return week.IsWorkday(day)
}

// Business reports whether a day is a business day.
func (c *Calendar) Business(day time.Time) bool { return c.Closed(day) == "" }

// onOrBefore is the last business day on or before a day.
func (c *Calendar) onOrBefore(day time.Time) time.Time {
	for !c.Business(day) {
		day = day.AddDate(0, 0, -1)
	}
	return day
}

// onOrAfter is the first business day on or after a day.
func (c *Calendar) onOrAfter(day time.Time) time.Time {
	for !c.Business(day) {
		day = day.AddDate(0, 0, 1)
	}
	return day
}

// shift is n business days after a day, or before it when n < 0.
func (c *Calendar) shift(day time.Time, n int) time.Time {
	for ; n > 0; n-- {
		day = c.onOrAfter(day.AddDate(0, 0, 1))
	}
	for ; n < 0; n++ {
		day = c.onOrBefore(day.AddDate(0, 0, -1))
	}
	return day
}

// Calendars are all calendars of a configuration, including the built-in ones, by name.
type Calendars map[string]*Calendar

// Known returns the built-in calendars and a bank's own. The error is a [problem.List] by the calendars' names.
func Known(own map[string]Data) (Calendars, error) {
	known := Calendars{}
	for _, name := range builtInNames() {
		known[name], _ = New(name, Data{Base: name})
	}
	var found problem.List
	for _, name := range slices.Sorted(maps.Keys(own)) {
		if builtIn[name] != nil {
			found.Add(name, "is a built-in calendar; choose another name, with this one as the base")
			continue
		}
		c, err := New(name, own[name])
		found.Check(name, err)
		known[name] = c
	}
	return known, found.Err()
}

// Named is a calendar by its name. nil knows the built-in ones.
func (known Calendars) Named(name string) (*Calendar, error) {
	if known == nil {
		known, _ = Known(nil)
	}
	if known[name] == nil {
		return nil, fmt.Errorf("calendar %q is not known; known: %s", name, known.names())
	}
	return known[name], nil
}
