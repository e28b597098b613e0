package pipeline

import (
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/pbsmflow/pbsmflow/internal/pipeline"
)

const timed = `name: timed
time_zone: America/New_York
calendar: us-bank
deadline: "06:00"
steps:
  - {id: ledger, each: {e: [a, b, c, d, e]}, upload: {file: "inbox/{{.Each.e}}.csv", wait_until: "01:30"}}
  - {id: allocate, needs: [ledger], description: the allocation, batch: {code: A, deadline: 90m}}
  - {id: year, when: year-end, needs: [allocate], batch: {code: Y, deadline: 20h}}
`

// A plan shows each step of the night with its times, as they are for a start at a given time.
func TestPlan_showsDeadlines(t *testing.T) {
	p, err := pipeline.Parse([]byte(timed))
	require.NoError(t, err)
	const start = "2090-10-31T22:00:00-04:00"
	m, err := newPlan(p, "", start)
	require.NoError(t, err)
	assert.Equal(t, strings.Join([]string{
		"STEP      KIND    AFTER     DEADLINE                  FILE UNTIL                DESCRIPTION",
		"ledger    upload  -         Wed 2090-11-01 06:00 EDT  Wed 2090-11-01 01:30 EDT",
		"allocate  batch   ledger    23:30 EDT                 -                         the allocation",
		"year      batch   allocate  Wed 2090-11-01 06:00 EDT  -",
	}, "\n"), strings.Join(m.table(0), "\n"), "the definition alone; a deadline behind that of the close does not count")
	assert.Contains(t, m.head(p), "for a start on Tue 2090-10-31 22:00 EDT")

	asOf, err := pipeline.ParseDate("2090-10-31")
	require.NoError(t, err)
	night, err := p.Render(asOf, pipeline.Vars{Connection: "prod"})
	require.NoError(t, err)
	m, err = newPlan(night, "2090-10-31", start)
	require.NoError(t, err)
	require.Len(t, m.Steps, 7)
	assert.Equal(t, "ledger-e", m.Steps[4].ID)
	assert.Equal(t, "ledger", m.Steps[4].Of)
	table := strings.Join(m.table(0), "\n")
	assert.Contains(t, table, "ledger-a, ledger-b, ledger-c, and 2 others")
	assert.Contains(t, table, "not tonight: it is for year-end, and Tue 2090-10-31 is not")
	lines, err := m.lines(night, 0)
	require.NoError(t, err)
	assert.NotContains(t, lines, "year", "what does not run has no values")
	assert.Contains(t, lines, "ledger-e")
}

func TestPlan_startsNow(t *testing.T) {
	p, err := pipeline.Parse([]byte("name: x\nsteps: [{id: a, batch: {code: A, deadline: 90m}}]\n"))
	require.NoError(t, err)
	m, err := newPlan(p, "", "")
	require.NoError(t, err)
	assert.WithinDuration(t, time.Now(), m.Start, time.Minute)
	assert.Equal(t, 90*time.Minute, m.Steps[0].Deadline.Sub(m.Start))

	_, err = newPlan(p, "", "later")
	require.ErrorContains(t, err, "--start")
}
