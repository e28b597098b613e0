package pipeline

import (
	"encoding/json"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

const withWhen = `name: x
calendar: us-bank
steps:
  - {id: ledger, upload: {file: inbox/x}}
  - {id: month, when: month-end, needs: [ledger], each: {e: [a, b]}, batch: {code: M}}
  - {id: daily, when: {not: month-end}, needs: [ledger], batch: {code: D}}
  - {id: also, when: {not: [month-end, fri]}, needs: [daily], report: {code: R, save_to: o/r}}
  - {id: instead, when: [fri, month-end], needs: [daily, month], report: {code: R, save_to: o/r}}
  - {id: quarter, when: [quarter-end, {not: year-end}], needs: [instead], report: {code: Q, save_to: o/q}}
  - {id: end, needs: [quarter, also, ledger], approve: {message: good}}
`

func TestRender_when(t *testing.T) {
	p, err := Parse([]byte(withWhen))
	require.NoError(t, err)
	for asOf, want := range map[string]string{
		"2026-10-28": "ledger, daily<ledger, also<daily, end<daily ledger also",              // a Wednesday
		"2026-10-23": "ledger, daily<ledger, instead<daily ledger, end<instead daily ledger", // a Friday
		"2026-11-30": "ledger, month-a<ledger, month-b<ledger, instead<ledger month-a month-b, end<instead ledger",
		"2026-09-30": "ledger, month-a<ledger, month-b<ledger, instead<ledger month-a month-b, quarter<instead, end<quarter ledger",
		"2026-12-31": "ledger, month-a<ledger, month-b<ledger, instead<ledger month-a month-b, end<instead ledger",
	} {
		q, err := p.Render(date(t, asOf), Vars{Connection: "prod"})
		require.NoError(t, err, asOf)
		var runs []string
		for i, s := range q.Steps {
			if q.Expansion(i).NotTonight == "" {
				text := s.ID
				if len(s.Needs) > 0 {
					text += "<" + strings.Join(s.Needs, " ")
				}
				runs = append(runs, text)
			}
		}
		assert.Equal(t, want, strings.Join(runs, ", "), asOf)
	}
	q, err := p.Render(date(t, "2026-12-31"), Vars{Connection: "prod"})
	require.NoError(t, err)
	assert.Equal(t, "it is for quarter-end, but not year-end, and Thu 2026-12-31 is not", q.Expansion(6).NotTonight)
	assert.Equal(t, "it is for every day but month-end or fri, and Thu 2026-12-31 is not", q.Expansion(4).NotTonight)
}

func TestParse_when(t *testing.T) {
	p, err := Parse([]byte(withWhen))
	require.NoError(t, err)
	assert.Equal(t, When{On: []string{"quarter-end"}, Not: []string{"year-end"}}, p.Steps[5].When)
	text, err := json.Marshal(p)
	require.NoError(t, err)
	again, err := Parse(text)
	require.NoError(t, err)
	assert.Equal(t, p.Steps, again.Steps)
	for text, want := range map[string]string{
		"when: never":                     `line 4: steps.a.when: "never" is not one of business-days, daily, month-end`,
		"when: [month-end, soon]":         `steps.a.when[1]: "soon" is not one of`,
		"when: {not: [soon]}":             `steps.a.when.not[0]: "soon" is not one of`,
		"when: {no: fri}":                 `steps.a.when.no: unknown key; known here: not, on`,
		"when: {}":                        `steps.a.when: must have a word in not`,
		"when: [fri, {}]":                 `steps.a.when[1]: must have a word in not`,
		"when: []":                        `steps.a.when: must be a word`,
		"when: ":                          `steps.a.when: must be a word such as month-end, not nothing`,
		"when: {not: []}":                 `steps.a.when.not: must have at least one word`,
		"when: [[fri]]":                   `steps.a.when[0]: must be a word such as month-end, not a list`,
		`when: "cron * * 30 feb *"`:       `steps.a.when: "cron * * 30 feb *" never occurs`,
		"when: month-end+1":               "steps.a.when: month-end+1 counts business days, so the pipeline must name a calendar",
		"when: [fri, {not: month-end-1}]": "steps.a.when: month-end-1 counts business days",
	} {
		_, err := Parse([]byte("name: x\nsteps:\n- id: a\n  " + text + "\n  approve: {message: x}\n"))
		require.ErrorContains(t, err, want, text)
		assert.Len(t, strings.Split(err.Error(), "\n"), 1, "%s", err)
	}
}

func TestRender_when_unknownCalendar(t *testing.T) {
	p, err := Parse([]byte(strings.Replace(withWhen, "us-bank", "my-bank", 1)))
	require.NoError(t, err, "which calendars there are is known where the close runs")
	_, err = p.Render(date(t, "2026-12-31"), Vars{Connection: "prod"})
	require.ErrorContains(t, err, `line 2: calendar: calendar "my-bank" is not known; known: `)
}
