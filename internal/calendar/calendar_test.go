package calendar

import (
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/pbsmflow/pbsmflow/internal/problem"
)

func date(t *testing.T, text string) time.Time {
	t.Helper()
	day, err := time.Parse(dateLayout, text)
	require.NoError(t, err)
	return day
}

// Source of the days: federalreserve.gov, Holidays Observed by the Federal Reserve System 2026-2030.
func TestCalendar_Closed_federalReserve(t *testing.T) {
	c, err := New("us-bank", Data{Base: "us-bank"})
	require.NoError(t, err)
	for day, want := range map[string]string{
		"2026-01-01": "New Year's Day", "2026-01-19": "Martin Luther King Jr. Day", "2026-02-16": "Presidents' Day",
		"2026-05-25": "Memorial Day", "2026-06-19": "Juneteenth", "2026-09-07": "Labor Day", "2026-10-12": "Columbus Day",
		"2026-11-11": "Veterans Day", "2026-11-26": "Thanksgiving Day", "2026-12-25": "Christmas Day",
		"2026-07-03": "", "2026-07-04": "Saturday", // a holiday on a Saturday does not close the Friday
		"2027-07-05": "Independence Day (observed)", "2027-07-04": "Sunday", // on a Sunday, it closes the Monday
		"2023-01-02": "New Year's Day (observed)", "2028-01-01": "Saturday", "2027-12-31": "", "2027-12-24": "",
		"2026-11-27": "", "2026-12-24": "", "2028-02-29": "",
	} {
		assert.Equal(t, want, c.Closed(date(t, day)), day)
	}
}

func TestCalendar_Closed_ownDays(t *testing.T) {
	c, err := New("my-bank", Data{
		Base: "us-bank", Add: []string{"2026-12-24 Christmas Eve", "2026-12-31"}, Remove: []string{"2026-10-12"}, Weekend: []string{"fri", "sat"},
	})
	require.NoError(t, err)
	for day, want := range map[string]string{
		"2026-12-24": "Christmas Eve", "2026-12-31": "holiday of my-bank", "2026-10-12": "",
		"2026-11-26": "Thanksgiving Day", "2026-11-27": "Friday", "2026-11-28": "Saturday", "2026-11-29": "",
	} {
		assert.Equal(t, want, c.Closed(date(t, day)), day)
	}
	plain, err := New("plain", Data{})
	require.NoError(t, err)
	assert.Empty(t, plain.Closed(date(t, "2026-12-25")), "without a base there are no holidays")
	assert.Equal(t, "Sunday", plain.Closed(date(t, "2026-12-27")))
}

func TestKnown_reportsEveryProblem(t *testing.T) {
	_, err := Known(map[string]Data{
		"us-bank": {},
		"odd":     {Base: "mars", Add: []string{"2026-02-30", "2026-12-24 x"}, Remove: []string{"soon", "2026-12-24"}, Weekend: []string{"sat", "sunday"}},
		"typo":    {Base: "us-bank", Remove: []string{"2026-11-27"}},
		"never":   {Weekend: weekdays},
	})
	require.Error(t, err)
	assert.Equal(t, []string{
		"never.weekend: leaves no business day",
		`odd.base: "mars" is not built in; built in: at, au-nsw, be, ca, ch, de, es, fr, gb, it, jp, no, se, target2, us-bank`,
		`odd.weekend: "sunday" is not one of sun, mon, tue, wed, thu, fri, sat`,
		`odd.remove: "soon" is not a date; write it like 2026-12-24`,
		`odd.add: "2026-02-30" does not begin with a date; write it like 2026-12-24 or "2026-12-24 Christmas Eve"`,
		"odd.add: 2026-12-24 is also removed",
		"typo.remove: 2026-11-27 is not a holiday of us-bank",
		"us-bank: is a built-in calendar; choose another name, with this one as the base",
	}, problem.Texts(err))
}
