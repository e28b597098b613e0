package calendar

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/pbsmflow/pbsmflow/internal/problem"
)

const newYork = "America/New_York"

func compile(t *testing.T, r Rule) *CompiledRule {
	t.Helper()
	known, err := Known(map[string]Data{"my-bank": {Base: "us-bank", Add: []string{"2026-12-24 Christmas Eve"}}})
	require.NoError(t, err)
	if r.Calendar == "" {
		r.Calendar = "us-bank"
	}
	if r.TimeZone == "" {
		r.TimeZone = newYork
	}
	p, err := known.Compile(r)
	require.NoError(t, err)
	return p
}

func line(v Verdict) string {
	if v.Night == nil {
		return v.Date.Format(dayLayout) + " - " + v.Why
	}
	text := fmt.Sprintf("%s %s as of %s", v.Night.Start.Format("Mon 2006-01-02 15:04 MST"), v.Night.Start.UTC().Format("02T15:04Z"), v.Night.AsOf.Format(dateLayout))
	if v.Night.Note != "" {
		text += " (" + v.Night.Note + ")"
	}
	return text
}

func TestCompiledRule_From(t *testing.T) {
	for _, c := range []struct {
		name  string
		rule  Rule
		after string
		n     int
		want  string
	}{
		{"business days around Thanksgiving", Rule{On: BusinessDays, At: "22:00"}, "2026-11-25T12:00:00Z", 3, `
Wed 2026-11-25 22:00 EST 26T03:00Z as of 2026-11-25
Thu 2026-11-26 - Thanksgiving Day
Fri 2026-11-27 22:00 EST 28T03:00Z as of 2026-11-27
Mon 2026-11-30 22:00 EST 01T03:00Z as of 2026-11-30`},
		{"a night that has begun is not the next", Rule{On: BusinessDays, At: "22:00"}, "2026-11-26T03:00:00Z", 1, `
Thu 2026-11-26 - Thanksgiving Day
Fri 2026-11-27 22:00 EST 28T03:00Z as of 2026-11-27`},
		{"a bank's own holiday", Rule{Calendar: "my-bank", On: BusinessDays, At: "22:00"}, "2026-12-23T12:00:00Z", 2, `
Wed 2026-12-23 22:00 EST 24T03:00Z as of 2026-12-23
Thu 2026-12-24 - Christmas Eve
Fri 2026-12-25 - Christmas Day
Mon 2026-12-28 22:00 EST 29T03:00Z as of 2026-12-28`},
		{"after midnight, for the business day before", Rule{On: BusinessDays, At: "00:30", AsOf: "business-day-1"}, "2026-11-25T12:00:00Z", 2, `
Thu 2026-11-26 - Thanksgiving Day
Fri 2026-11-27 00:30 EST 27T05:30Z as of 2026-11-25
Mon 2026-11-30 00:30 EST 30T05:30Z as of 2026-11-27`},
		{"every day, for the business day that it follows", Rule{On: Daily, At: "22:00"}, "2026-11-26T12:00:00Z", 3, `
Thu 2026-11-26 22:00 EST 27T03:00Z as of 2026-11-25
Fri 2026-11-27 22:00 EST 28T03:00Z as of 2026-11-27
Sat 2026-11-28 22:00 EST 29T03:00Z as of 2026-11-27`},
		{"every day for itself", Rule{On: Daily, At: "22:00", AsOf: Day}, "2026-11-28T12:00:00Z", 2, `
Sat 2026-11-28 22:00 EST 29T03:00Z as of 2026-11-28
Sun 2026-11-29 22:00 EST 30T03:00Z as of 2026-11-29`},
		{"the day before, over a leap day", Rule{On: Daily, At: "22:00", AsOf: "day-1"}, "2028-02-29T12:00:00Z", 2, `
Tue 2028-02-29 22:00 EST 01T03:00Z as of 2028-02-28
Wed 2028-03-01 22:00 EST 02T03:00Z as of 2028-02-29`},

		{"month end on a Saturday", Rule{On: MonthEnd, At: "23:00"}, "2026-10-01T12:00:00Z", 3, `
Fri 2026-10-30 23:00 EDT 31T03:00Z as of 2026-10-30
Mon 2026-11-30 23:00 EST 01T04:00Z as of 2026-11-30
Thu 2026-12-31 23:00 EST 01T04:00Z as of 2026-12-31`},
		{"month end, its calendar date", Rule{On: MonthEnd, At: "23:00", AsOf: MonthEnd}, "2026-10-01T12:00:00Z", 1, `
Fri 2026-10-30 23:00 EDT 31T03:00Z as of 2026-10-31`},
		{"month end forward", Rule{On: MonthEnd, At: "23:00", Roll: Forward, AsOf: MonthEndBusinessDay}, "2026-10-01T12:00:00Z", 1, `
Mon 2026-11-02 23:00 EST 03T04:00Z as of 2026-10-30`},
		{"month end not rolled", Rule{On: MonthEnd, At: "23:00", Roll: NoRoll}, "2026-10-01T12:00:00Z", 1, `
Sat 2026-10-31 23:00 EDT 01T03:00Z as of 2026-10-30`},
		{"two business days after the month's end", Rule{On: "month-end+2", At: "23:00", AsOf: MonthEnd}, "2026-10-01T12:00:00Z", 4, `
Fri 2026-10-02 23:00 EDT 03T03:00Z as of 2026-09-30
Tue 2026-11-03 23:00 EST 04T04:00Z as of 2026-10-31
Wed 2026-12-02 23:00 EST 03T04:00Z as of 2026-11-30
Tue 2027-01-05 23:00 EST 06T04:00Z as of 2026-12-31`},
		{"two business days before, over Thanksgiving", Rule{On: "month-end-2", At: "23:00", AsOf: MonthEnd}, "2026-11-01T12:00:00Z", 1, `
Wed 2026-11-25 23:00 EST 26T04:00Z as of 2026-11-30`},
		{"the end of a leap February", Rule{On: MonthEnd, At: "23:00"}, "2028-02-01T12:00:00Z", 1, `
Tue 2028-02-29 23:00 EST 01T04:00Z as of 2028-02-29`},
		{"fifteen business days before, over two holidays", Rule{On: "month-end-15", At: "23:00", AsOf: MonthEnd}, "2026-11-01T12:00:00Z", 1, `
Thu 2026-11-05 23:00 EST 06T04:00Z as of 2026-11-30`},

		{"cron without rolling", Rule{On: "cron 30 21 15 * *"}, "2026-11-01T12:00:00Z", 2, `
Sun 2026-11-15 21:30 EST 16T02:30Z as of 2026-11-13
Tue 2026-12-15 21:30 EST 16T02:30Z as of 2026-12-15`},
		{"cron rolled forward", Rule{On: "cron 30 21 15 * *", Roll: Forward}, "2026-11-01T12:00:00Z", 1, `
Sun 2026-11-15 - Sunday; rolled to Mon 2026-11-16
Mon 2026-11-16 21:30 EST 17T02:30Z as of 2026-11-16 (rolled forward from Sun 2026-11-15, Sunday)`},
		{"cron rolled back", Rule{On: "cron 30 21 26 11 *", Roll: Back}, "2026-11-01T12:00:00Z", 1, `
Wed 2026-11-25 21:30 EST 26T02:30Z as of 2026-11-25 (rolled back from Thu 2026-11-26, Thanksgiving Day)`},
		{"cron on days of the week", Rule{On: "cron 0 22 * nov-dec Mon-wed/2,7"}, "2026-11-22T12:00:00Z", 3, `
Sun 2026-11-22 22:00 EST 23T03:00Z as of 2026-11-20
Mon 2026-11-23 22:00 EST 24T03:00Z as of 2026-11-23
Wed 2026-11-25 22:00 EST 26T03:00Z as of 2026-11-25`},
		{"daily, rolled: one close for the days that meet", Rule{On: Daily, At: "22:00", Roll: Forward}, "2026-11-27T12:00:00Z", 2, `
Fri 2026-11-27 22:00 EST 28T03:00Z as of 2026-11-27
Sat 2026-11-28 - Saturday; rolled to Mon 2026-11-30
Sun 2026-11-29 - Sunday; rolled to Mon 2026-11-30
Mon 2026-11-30 22:00 EST 01T03:00Z as of 2026-11-30`},
		{"the 29th of February, over a year without one", Rule{On: "cron 0 22 29 2 *"}, "2097-03-01T12:00:00Z", 1, `
Fri 2104-02-29 22:00 EST 01T03:00Z as of 2104-02-29`},

		{"the night in which clocks go forward", Rule{On: BusinessDays, At: "22:00"}, "2026-03-06T12:00:00Z", 2, `
Fri 2026-03-06 22:00 EST 07T03:00Z as of 2026-03-06
Mon 2026-03-09 22:00 EDT 10T02:00Z as of 2026-03-09`},
		{"the night in which clocks go back", Rule{On: BusinessDays, At: "22:00"}, "2026-10-30T12:00:00Z", 2, `
Fri 2026-10-30 22:00 EDT 31T02:00Z as of 2026-10-30
Mon 2026-11-02 22:00 EST 03T03:00Z as of 2026-11-02`},
		{"a time that does not exist", Rule{On: Daily, At: "02:30", AsOf: "day-1"}, "2026-03-07T12:00:00Z", 2, `
Sun 2026-03-08 03:00 EDT 08T07:00Z as of 2026-03-07 (the clocks skip 02:30; starts at 03:00)
Mon 2026-03-09 02:30 EDT 09T06:30Z as of 2026-03-08`},
		{"a time that comes twice", Rule{On: Daily, At: "01:30", AsOf: "day-1"}, "2026-10-31T12:00:00Z", 2, `
Sun 2026-11-01 01:30 EDT 01T05:30Z as of 2026-10-31 (the clocks show 01:30 twice; starts at the first)
Mon 2026-11-02 01:30 EST 02T06:30Z as of 2026-11-01`},
		{"half an hour, far away", Rule{On: Daily, At: "01:45", TimeZone: "Australia/Lord_Howe", AsOf: Day}, "2026-04-04T00:00:00Z", 1, `
Sun 2026-04-05 01:45 +1030 04T15:15Z as of 2026-04-05 (the clocks show 01:45 twice; starts at the second)`},
		{"twice in London", Rule{On: Daily, At: "01:30", TimeZone: "Europe/London", AsOf: Day}, "2026-10-24T12:00:00Z", 2, `
Sun 2026-10-25 01:30 GMT 25T01:30Z as of 2026-10-25 (the clocks show 01:30 twice; starts at the second)
Mon 2026-10-26 01:30 GMT 26T01:30Z as of 2026-10-26`},
		{"twice in Berlin", Rule{On: Daily, At: "02:30", TimeZone: "Europe/Berlin", AsOf: Day}, "2026-10-24T12:00:00Z", 1, `
Sun 2026-10-25 02:30 CET 25T01:30Z as of 2026-10-25 (the clocks show 02:30 twice; starts at the second)`},
		{"twice in Jerusalem", Rule{On: Daily, At: "01:30", TimeZone: "Asia/Jerusalem", AsOf: Day}, "2026-10-24T12:00:00Z", 1, `
Sun 2026-10-25 01:30 IST 24T23:30Z as of 2026-10-25 (the clocks show 01:30 twice; starts at the second)`},
		{"twice in Sydney", Rule{On: Daily, At: "02:30", TimeZone: "Australia/Sydney", AsOf: Day}, "2026-04-04T00:00:00Z", 1, `
Sun 2026-04-05 02:30 AEST 04T16:30Z as of 2026-04-05 (the clocks show 02:30 twice; starts at the second)`},
		{"midnight that does not exist", Rule{On: Daily, At: "00:00", TimeZone: "Africa/Cairo", AsOf: Day}, "2026-04-23T12:00:00Z", 1, `
Fri 2026-04-24 01:00 EEST 23T22:00Z as of 2026-04-24 (the clocks skip 00:00; starts at 01:00)`},
	} {
		t.Run(c.name, func(t *testing.T) {
			after, err := time.Parse(time.RFC3339, c.after)
			require.NoError(t, err)
			var lines []string
			for _, v := range compile(t, c.rule).From(after, c.n) {
				lines = append(lines, line(v))
			}
			assert.Equal(t, strings.TrimPrefix(c.want, "\n"), strings.Join(lines, "\n"))
		})
	}
}

func TestCompiledRule_At(t *testing.T) {
	business := Rule{On: BusinessDays, At: "22:00"}
	for _, c := range []struct {
		name string
		rule Rule
		at   string
		want string
	}{
		{"a night", business, "2026-11-26T03:00:00Z", "Wed 2026-11-25 22:00 EST 26T03:00Z as of 2026-11-25"},
		{"a holiday", business, "2026-11-27T03:00:00Z", "Thu 2026-11-26 - Thanksgiving Day"},
		{"a weekend", business, "2026-11-29T03:00:00Z", "Sat 2026-11-28 - Saturday"},
		{"a trigger in the evening is about the night that has begun", business, "2026-11-26T04:12:31Z", "Wed 2026-11-25 22:00 EST 26T03:00Z as of 2026-11-25"},
		{"a trigger the next morning too", business, "2026-11-26T12:00:00Z", "Wed 2026-11-25 22:00 EST 26T03:00Z as of 2026-11-25"},
		{"a trigger before the evening of a business day", business, "2026-11-25T17:00:00Z", "Tue 2026-11-24 22:00 EST 25T03:00Z as of 2026-11-24"},
		{"a trigger on a Sunday", business, "2026-11-29T12:00:00Z", "Fri 2026-11-27 22:00 EST 28T03:00Z as of 2026-11-27"},
		{"a month's other days", Rule{On: MonthEnd, At: "22:00"}, "2026-11-26T03:00:00Z", "Wed 2026-11-25 - the rule month-end names no night on this date"},
		{"the first of two", Rule{On: Daily, At: "01:30"}, "2026-11-01T05:30:00Z", "Sun 2026-11-01 01:30 EDT 01T05:30Z as of 2026-10-30 (the clocks show 01:30 twice; starts at the first)"},
		{"the second of two", Rule{On: Daily, At: "01:30"}, "2026-11-01T06:30:00Z", "Sun 2026-11-01 - the clocks show 01:30 a second time; the night began at the first"},
		{"the one of two at which Temporal ticks", Rule{On: Daily, At: "01:30", TimeZone: "Europe/London"}, "2026-10-25T01:30:00Z", "Sun 2026-10-25 01:30 GMT 25T01:30Z as of 2026-10-23 (the clocks show 01:30 twice; starts at the second)"},
		{"a trigger at the first of two, before the night begins", Rule{On: Daily, At: "01:30", TimeZone: "Europe/London"}, "2026-10-25T00:30:00Z", "Sat 2026-10-24 01:30 BST 24T00:30Z as of 2026-10-23"},
		{"where the clocks go forward", Rule{On: Daily, At: "02:30"}, "2026-03-08T07:00:00Z", "Sun 2026-03-08 03:00 EDT 08T07:00Z as of 2026-03-06 (the clocks skip 02:30; starts at 03:00)"},
		{"rolled to where they go forward", Rule{On: "cron 30 2 28 3 *", Roll: Back, TimeZone: "Asia/Jerusalem"}, "2026-03-27T00:00:00Z", "Fri 2026-03-27 03:00 IDT 27T00:00Z as of 2026-03-27 (rolled back from Sat 2026-03-28, Saturday; the clocks skip 02:30; starts at 03:00)"},
		{"where they go forward to midnight, a Saturday's", Rule{On: BusinessDays, At: "23:30", TimeZone: "America/Nuuk"}, "2026-03-29T01:00:00Z", "Sat 2026-03-28 - Saturday"},
		{"where they go forward to midnight, a night's", Rule{On: Daily, At: "23:30", TimeZone: "America/Nuuk"}, "2026-03-29T01:00:00Z", "Sun 2026-03-29 00:00 -01 29T01:00Z as of 2026-03-27 (the clocks skip 23:30; starts at 00:00)"},
	} {
		t.Run(c.name, func(t *testing.T) {
			at, err := time.Parse(time.RFC3339, c.at)
			require.NoError(t, err)
			assert.Equal(t, c.want, line(compile(t, c.rule).At(at)))
		})
	}
}

func TestSkippedStarts_onlyThoseThatClocksSkip(t *testing.T) {
	first, last := date(t, "2026-01-01"), date(t, "2028-12-31")
	var found []string
	for _, start := range compile(t, Rule{On: Daily, At: "02:30"}).SkippedStarts(first, last) {
		found = append(found, start.Format(time.RFC3339))
	}
	assert.Equal(t, []string{"2026-03-08T03:00:00-04:00", "2027-03-14T03:00:00-04:00", "2028-03-12T03:00:00-04:00"}, found)
	assert.Empty(t, compile(t, Rule{On: Daily, At: "22:00"}).SkippedStarts(first, last))
}

func TestCompile_reportsEveryProblem(t *testing.T) {
	known, err := Known(nil)
	require.NoError(t, err)
	for _, c := range []struct {
		rule Rule
		want []string
	}{
		{Rule{}, []string{
			"the calendar is missing; known: at, au-nsw, be, ca, ch, de, es, fr, gb, it, jp, no, se, target2, us-bank", "the time zone is missing; write it like America/New_York",
			"which nights is missing: business-days, daily, month-end, month-end+N, month-end-N, or cron TEXT",
			`the time of day is missing; write it like "22:00"`,
		}},
		{Rule{Calendar: "us", TimeZone: "Local", At: "24:00", On: "workdays", Roll: "up", AsOf: "yesterday"}, []string{
			`calendar "us" is not known; known: at, au-nsw, be, ca, ch, de, es, fr, gb, it, jp, no, se, target2, us-bank`, `time zone "Local" may differ between workers; use an IANA name such as America/New_York`,
			`on "workdays" is not one of business-days, daily, month-end, month-end+N, month-end-N, "cron 0 22 * * mon-fri"`,
			`at "24:00" is not a time of day like "22:00"`, `roll "up" is not one of forward, back, none`,
			`as-of "yesterday" is not one of business-day, business-day-N, day, day-N, month-end, month-end-business-day`,
		}},
		{Rule{Calendar: "us-bank", TimeZone: newYork, At: "22:00", On: BusinessDays, Roll: Forward}, []string{"roll forward does not apply: a business day is never rolled"}},
		{Rule{Calendar: "us-bank", TimeZone: newYork, At: "22:00", On: "month-end+16"}, []string{`on "month-end+16" is more than 15 business days away from the month's end`}},
		{Rule{Calendar: "us-bank", TimeZone: newYork, At: "22:00", On: "cron */5 22 0 13 mon-"}, []string{
			"at and a cron rule both set the time of day; remove one of them",
			`cron "*/5 22 0 13 mon-": minute and hour must be numbers, because a night has one close`,
			`cron "*/5 22 0 13 mon-": day of month: "0" is not a number, a range or a step within 1-31`,
			`cron "*/5 22 0 13 mon-": month: "13" is not a number, a range or a step within 1-12`,
			`cron "*/5 22 0 13 mon-": day of week: "mon-" is not a number, a range or a step within 0-7`,
		}},
		{Rule{Calendar: "us-bank", TimeZone: newYork, On: "cron 0 22 */9223372036854775807 1-2-3 /2"}, []string{
			`cron "0 22 */9223372036854775807 1-2-3 /2": day of month: "*/9223372036854775807" is not a number, a range or a step within 1-31`,
			`cron "0 22 */9223372036854775807 1-2-3 /2": month: "1-2-3" is not a number, a range or a step within 1-12`,
			`cron "0 22 */9223372036854775807 1-2-3 /2": day of week: "/2" is not a number, a range or a step within 0-7`,
		}},
		{Rule{Calendar: "us-bank", TimeZone: newYork, On: "cron 0 22"}, []string{`cron "0 22" does not have five fields: minute, hour, day of month, month, day of week`}},
		{Rule{Calendar: "us-bank", TimeZone: newYork, On: "cron 0 22 31 feb,apr mon"}, []string{`on "cron 0 22 31 feb,apr mon" never occurs`}},
	} {
		_, err := known.Compile(c.rule)
		require.Error(t, err, "%+v", c.rule)
		assert.Equal(t, c.want, problem.Texts(err))
	}
}
