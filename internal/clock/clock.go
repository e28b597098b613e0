// Package clock writes times for operators: in one time zone, that of the pipeline, in one format, and never without
// the zone. What belongs to no pipeline is written in UTC. It also turns a deadline, as authors write one, into a
// moment. It is pure: the present is the caller's.
package clock

import (
	"sync"
	"time"
	_ "time/tzdata" // every worker has the same zones, also in an image without them
)

const (
	date   = "Mon 2006-01-02 "
	minute = "15:04 MST"
	second = "15:04:05 MST"
)

// Clock writes times in one zone. The zero Clock has UTC.
type Clock struct{ zone *time.Location }

// UTC is the clock of what belongs to no pipeline.
var UTC Clock

var zones sync.Map // name to *time.Location: loading one reads a file

// In is the clock of a time zone with an IANA name. Empty, and a name that is not known here, is UTC.
func In(zone string) Clock {
	if zone == "" {
		return UTC
	}
	if known, ok := zones.Load(zone); ok {
		return Clock{known.(*time.Location)}
	}
	location, err := time.LoadLocation(zone)
	if err != nil {
		return UTC
	}
	zones.Store(zone, location)
	return Clock{location}
}

// Of is the clock of a time zone.
func Of(zone *time.Location) Clock { return Clock{zone} }

// Zone is the clock's time zone.
func (c Clock) Zone() *time.Location {
	if c.zone == nil {
		return time.UTC
	}
	return c.zone
}

func (c Clock) local(t time.Time) time.Time { return t.In(c.Zone()) }

// Text is a time: "Sat 2026-10-31 05:30 EDT".
func (c Clock) Text(t time.Time) string { return c.local(t).Format(date + minute) }

// Exact is a time to the second, as logs have it: "Sat 2026-10-31 05:30:12 EDT".
func (c Clock) Exact(t time.Time) string { return c.local(t).Format(date + second) }

// TextAt is Text for a reader at a time: without the date if that is the reader's own, "05:30 EDT".
func (c Clock) TextAt(now, t time.Time) string { return c.at(now, t, minute) }

// ExactAt is Exact for a reader at a time, as TextAt.
func (c Clock) ExactAt(now, t time.Time) string { return c.at(now, t, second) }

// Axis is a time on an axis beside which the zone is named: "05:30", or "05:30:12".
func (c Clock) Axis(t time.Time, seconds bool) string {
	if seconds {
		return c.local(t).Format("15:04:05")
	}
	return c.local(t).Format("15:04")
}

func (c Clock) at(now, t time.Time, layout string) string {
	year, month, day := c.local(t).Date()
	if y, m, d := c.local(now).Date(); y != year || m != month || d != day {
		layout = date + layout
	}
	return c.local(t).Format(layout)
}
