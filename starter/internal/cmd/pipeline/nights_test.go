package pipeline

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/pbsmflow/pbsmflow/internal/calendar"
	"github.com/pbsmflow/pbsmflow/internal/pipeline"
	"github.com/pbsmflow/pbsmflow/starter/internal/cli"
)

const nightly = `name: nightly
calendar: us-bank
steps:
  - {id: ledger, each: {e: [a, b]}, upload: {file: "inbox/{{.Each.e}}"}}
  - {id: month, when: month-end, needs: [ledger], batch: {code: M}}
  - {id: year, when: year-end, needs: [month], batch: {code: Y}}
  - {id: true-up, when: month-end+2, batch: {code: T}}
`

func TestNights(t *testing.T) {
	p, err := pipeline.Parse([]byte(nightly))
	require.NoError(t, err)
	o := nightsOptions{from: "2026-12-29", to: "2027-01-05", rule: calendar.Rule{On: calendar.BusinessDays, AsOf: calendar.BusinessDay}}
	o.vars.Calendars, err = calendar.Known(nil)
	require.NoError(t, err)
	verdicts, err := o.verdicts(p)
	require.NoError(t, err)
	var all []night
	for _, v := range verdicts {
		if v.Night == nil {
			continue
		}
		one, err := o.night(p, v)
		require.NoError(t, err)
		all = append(all, one)
	}
	assert.Equal(t, strings.Join([]string{
		"nightly: 5 nights",
		"Every night: ledger",
		"",
		"NIGHT           AS OF       month  year  true-up",
		"Tue 2026-12-29  2026-12-29  -      -     -",
		"Wed 2026-12-30  2026-12-30  -      -     -",
		"Thu 2026-12-31  2026-12-31  x      x     -",
		"Mon 2027-01-04  2027-01-04  -      -     -",
		"Tue 2027-01-05  2027-01-05  -      -     x",
	}, "\n"), strings.Join(trimmed(nightLines(p.Name, all, 80)), "\n"))
	assert.Contains(t, strings.Join(nightLines(p.Name, all, 40), "\n"), "month, year", "without room for columns, they are named")
	assert.Equal(t, []string{"ledger", "month", "year"}, all[2].Steps)
	assert.Equal(t, []string{"true-up"}, all[2].NotTonight)

	o.from, o.to = "soon", "2026-12-01"
	_, err = o.verdicts(p)
	assert.Contains(t, cli.AsProblem(err).Problems, "--from soon is not a date; write it like 2026-12-01")
}

func TestNights_withoutCalendar(t *testing.T) {
	p, err := pipeline.Parse([]byte(strings.Replace(strings.Replace(nightly, "calendar: us-bank\n", "", 1), "month-end+2", "sat", 1)))
	require.NoError(t, err)
	o := nightsOptions{from: "2026-10-30", to: "2026-10-31", rule: calendar.Rule{On: calendar.Daily, AsOf: calendar.Day}}
	verdicts, err := o.verdicts(p)
	require.NoError(t, err)
	require.Len(t, verdicts, 2)
	one, err := o.night(p, verdicts[1])
	require.NoError(t, err)
	assert.Equal(t, night{"2026-10-31", "2026-10-31", []string{"ledger", "month", "true-up"}, []string{"year"}}, one)
}

func trimmed(lines []string) []string {
	for i := range lines {
		lines[i] = strings.TrimRight(lines[i], " ")
	}
	return lines
}
