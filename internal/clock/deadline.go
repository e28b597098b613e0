package clock

import (
	"errors"
	"fmt"
	"regexp"
	"time"
)

var clockTime = regexp.MustCompile(`^([01][0-9]|2[0-3]):[0-5][0-9]$`)

// ResolveDeadline turns a deadline into a moment.
//
// "HH:MM" is the next such time on the clocks of loc after startedAt: at 22:00, "05:00" is tomorrow
// morning. If the clocks are put forward and skip the time, it is the moment of the change; if they are put
// back and show it twice, it is the first one after startedAt. A duration such as "90m" counts from
// startedAt. The empty text is no deadline: the zero time.
func ResolveDeadline(startedAt time.Time, text string, loc *time.Location) (time.Time, error) {
	if text == "" {
		return time.Time{}, nil
	}
	if err := CheckDeadline(text); err != nil {
		return time.Time{}, err
	}
	if !clockTime.MatchString(text) {
		wait, err := time.ParseDuration(text)
		return startedAt.Add(wait), err
	}
	at, err := time.Parse("15:04", text)
	if err != nil {
		return time.Time{}, err
	}
	year, month, day := startedAt.In(loc).Date()
	for ; ; day++ {
		wall := time.Date(year, month, day, at.Hour(), at.Minute(), 0, 0, time.UTC)
		for _, moment := range moments(wall, loc) {
			if moment.After(startedAt) {
				return moment, nil
			}
		}
	}
}

// moments are the instants, in order, at which the clocks of loc show what wall shows in UTC: usually one,
// two if the clocks are put back over it, and the moment of the change if they are put forward over it.
func moments(wall time.Time, loc *time.Location) []time.Time {
	_, before := wall.Add(-26 * time.Hour).In(loc).Zone()
	_, after := wall.Add(26 * time.Hour).In(loc).Zone()
	first := wall.Add(-time.Duration(before) * time.Second).In(loc)
	second := wall.Add(-time.Duration(after) * time.Second).In(loc)

	var found []time.Time
	for _, moment := range []time.Time{first, second} {
		shows := moment.Hour() == wall.Hour() && moment.Minute() == wall.Minute() && moment.Day() == wall.Day()
		if shows && (len(found) == 0 || !found[0].Equal(moment)) {
			found = append(found, moment)
		}
	}
	if len(found) == 0 {
		change, _ := first.ZoneBounds()
		found = append(found, change)
	}
	return found
}

// CheckDeadline checks the text of a deadline: a time of day or a duration; none is fine.
func CheckDeadline(text string) error {
	if text == "" || clockTime.MatchString(text) {
		return nil
	}
	wait, err := time.ParseDuration(text)
	if err != nil {
		return fmt.Errorf(`%q is neither a time of day like "05:00" nor a duration like "90m"`, text)
	}
	if wait <= 0 {
		return fmt.Errorf("%q is not positive", text)
	}
	return nil
}

// meant are the zones that the abbreviations which tzdata knows could stand for.
var meant = map[string]string{
	"EST": "America/New_York, which has summer time, or America/Panama, which has none",
	"MST": "America/Denver, which has summer time, or America/Phoenix, which has none",
	"HST": "Pacific/Honolulu",
}

// LoadZone loads a time zone by its IANA name.
func LoadZone(name string) (*time.Location, error) {
	if zones, ok := meant[name]; ok {
		return nil, fmt.Errorf("time zone %q is an abbreviation, with the same clock all year; use %s", name, zones)
	}
	loc, err := time.LoadLocation(name)
	switch {
	case name == "Local":
		return nil, errors.New(`time zone "Local" may differ between workers; use an IANA name such as America/New_York`)
	case err != nil:
		return nil, fmt.Errorf("unknown time zone %q; use an IANA name such as America/New_York", name)
	}
	return loc, nil
}
