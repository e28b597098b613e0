package pipeline

import (
	"errors"
	"fmt"
	"time"
)

// Date is a calendar day, written yyyy-mm-dd. The zero value is no date.
//
// Templates may call those of its methods on .AsOf that templateMethods lists.
type Date struct{ day time.Time }

// ParseDate reads yyyy-mm-dd and nothing else. An empty text is an error: a missing as-of date never means
// today.
func ParseDate(text string) (Date, error) {
	if text == "" {
		return Date{}, errors.New("the as-of date is missing; give it as yyyy-mm-dd")
	}
	day, err := time.Parse(time.DateOnly, text)
	if err != nil || outOfRange(day) {
		return Date{}, fmt.Errorf("%q is not a date; give it as yyyy-mm-dd", text)
	}
	return Date{day}, nil
}

func (d Date) IsZero() bool { return d.day.IsZero() }

// String is yyyy-mm-dd, empty for the zero value.
func (d Date) String() string {
	if d.IsZero() {
		return ""
	}
	return d.day.Format(time.DateOnly)
}

// Format formats the date by a layout of the time package, such as "20060102".
func (d Date) Format(layout string) string { return d.day.Format(layout) }

// AddDays is the date n days later, or earlier if n < 0.
func (d Date) AddDays(n int) (Date, error) { return d.shift(0, n) }

// AddMonths is the same day n months later, or the last day of that month if it has no such day.
func (d Date) AddMonths(n int) (Date, error) {
	first := Date{d.day.AddDate(0, 0, 1-d.day.Day())}
	first, err := first.shift(n, 0)
	if err != nil {
		return Date{}, err
	}
	return first.shift(0, min(d.day.Day(), first.MonthEnd().day.Day())-1)
}

// MonthEnd is the last day of the date's month.
func (d Date) MonthEnd() Date { return Date{d.day.AddDate(0, 1, -d.day.Day())} }

// PrevMonthEnd is the last day of the month before.
func (d Date) PrevMonthEnd() Date { return Date{d.day.AddDate(0, 0, -d.day.Day())} }

func (d Date) shift(months, days int) (Date, error) {
	const most = 10_000 * 366
	day := d.day.AddDate(0, min(max(months, -most), most), min(max(days, -most), most))
	if outOfRange(day) {
		return Date{}, errors.New("the date is out of range")
	}
	return Date{day}, nil
}

func outOfRange(day time.Time) bool { return day.Year() < 1900 || day.Year() > 9999 }

func (d Date) MarshalText() ([]byte, error) { return []byte(d.String()), nil }

func (d *Date) UnmarshalText(text []byte) (err error) {
	*d, err = ParseDate(string(text))
	return err
}

// Duration is a time.Duration written as in "90s", "5m" or "1h30m".
type Duration time.Duration

func (d Duration) String() string { return time.Duration(d).String() }

func (d Duration) MarshalText() ([]byte, error) { return []byte(d.String()), nil }

func (d *Duration) UnmarshalText(text []byte) error {
	value, err := time.ParseDuration(string(text))
	if err != nil {
		return fmt.Errorf("%q is not a duration; write it like 90s, 5m or 1h30m", text)
	}
	*d = Duration(value)
	return nil
}
