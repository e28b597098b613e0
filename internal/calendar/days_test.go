package calendar

import (
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

func TestDays_Has(t *testing.T) {
	c, err := New("us-bank", Data{Base: "us-bank"})
	require.NoError(t, err)
	for word, want := range map[string]string{ // of the last quarter of 2026, at us-bank
		"month-end":        "10-30 10-31 11-30 12-31",
		"month-end+2":      "10-02 11-03 12-02",
		"month-end-1":      "10-29 11-27 12-30",
		"quarter-end":      "12-31",
		"quarter-end+1":    "10-01",
		"year-end-3":       "12-28",
		"year-end":         "12-31",
		"cron * * 15 * *":  "10-15 11-15 12-15",
		"cron * * 31 12 *": "12-31",
		"tue-wed":          "",
	} {
		d, err := ParseDays(word)
		require.NoError(t, err, word)
		var days []string
		for day := date(t, "2026-10-01"); day.Year() == 2026; day = day.AddDate(0, 0, 1) {
			if d.Has(c, day) {
				days = append(days, day.Format("01-02"))
			}
		}
		if word == "tue-wed" {
			require.Len(t, days, 26)
			continue
		}
		assert.Equal(t, want, strings.Join(days, " "), word)
	}
	d, err := ParseDays("month-end")
	require.NoError(t, err)
	assert.False(t, d.Has(nil, date(t, "2026-10-30")), "without a calendar, days are those of the month")
	assert.True(t, d.Has(nil, date(t, "2026-10-31")))
	assert.True(t, d.Has(c, date(t, "2026-10-31").Add(5*time.Hour)))
	business, err := ParseDays("business-days")
	require.NoError(t, err)
	assert.True(t, business.NeedsCalendar())
	assert.False(t, business.Has(c, date(t, "2026-11-26")))
}

func TestParseDays_refuses(t *testing.T) {
	for _, text := range []string{
		"", "monthend", "month-end+16", "month-end+", "weekdays", "fri-mon", "Mon", "cron 0 22 * * *", "cron * * 32 * *",
		"cron * * 30 feb *", "cron * * * *", "year-end2", "month-end ", "{{.AsOf}}",
	} {
		_, err := ParseDays(text)
		assert.Error(t, err, text)
	}
}

func FuzzParseDays(f *testing.F) {
	for _, seed := range []string{"month-end+2", "cron * * */2 jan-mar sun", "tue-thu"} {
		f.Add(seed)
	}
	c, err := New("us-bank", Data{Base: "us-bank"})
	require.NoError(f, err)
	f.Fuzz(func(t *testing.T, text string) {
		d, err := ParseDays(text)
		if err != nil {
			return
		}
		require.Regexp(t, DaysPattern, text)
		d.Has(c, time.Date(2027, 2, 28, 0, 0, 0, 0, time.UTC))
	})
}
