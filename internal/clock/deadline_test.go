package clock

import (
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

func TestResolveDeadline(t *testing.T) {
	tests := []struct{ name, zone, started, text, want string }{
		{"later today", "UTC", "2026-10-31T01:00:00Z", "05:00", "2026-10-31T05:00:00Z"},
		{"tomorrow", "UTC", "2026-10-31T22:00:00Z", "05:00", "2026-11-01T05:00:00Z"},
		{"the same minute is past", "UTC", "2026-10-31T05:00:00Z", "05:00", "2026-11-01T05:00:00Z"},
		{"in the bank's zone", "America/New_York", "2026-07-01T02:00:00Z", "05:00", "2026-07-01T09:00:00Z"},
		{"the zone's day, not UTC's", "Asia/Tokyo", "2026-06-30T16:00:00Z", "00:30", "2026-07-01T15:30:00Z"},
		{"end of the year", "UTC", "2026-12-31T23:59:00Z", "23:59", "2027-01-01T23:59:00Z"},
		{"night of the change forward", "America/New_York", "2026-03-08T03:00:00Z", "05:00", "2026-03-08T09:00:00Z"},
		{"a time that does not exist", "America/New_York", "2026-03-08T03:00:00Z", "02:30", "2026-03-08T07:00:00Z"},
		{"and had passed", "America/New_York", "2026-03-08T07:00:00Z", "02:30", "2026-03-09T06:30:00Z"},
		{"a time that exists twice: the first", "America/New_York", "2026-11-01T04:00:00Z", "01:30", "2026-11-01T05:30:00Z"},
		{"and the second once the first is past", "America/New_York", "2026-11-01T05:45:00Z", "01:30", "2026-11-01T06:30:00Z"},
		{"and then tomorrow", "America/New_York", "2026-11-01T06:45:00Z", "01:30", "2026-11-02T06:30:00Z"},
		{"southern hemisphere, half an hour", "Australia/Lord_Howe", "2026-10-03T10:00:00Z", "02:15", "2026-10-03T15:30:00Z"},
		{"midnight that does not exist", "America/Sao_Paulo", "2018-11-03T12:00:00Z", "00:00", "2018-11-04T03:00:00Z"},
		{"a day that does not exist", "Pacific/Apia", "2011-12-30T09:30:00Z", "12:00", "2011-12-30T10:00:00Z"},
		{"a duration", "UTC", "2026-10-31T01:00:00Z", "90m", "2026-10-31T02:30:00Z"},
		{"a duration over the change", "America/New_York", "2026-03-08T06:30:00Z", "1h", "2026-03-08T07:30:00Z"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			loc, err := LoadZone(tt.zone)
			require.NoError(t, err)
			started, err := time.Parse(time.RFC3339, tt.started)
			require.NoError(t, err)
			got, err := ResolveDeadline(started, tt.text, loc)
			require.NoError(t, err)
			assert.Equal(t, tt.want, got.UTC().Format(time.RFC3339))
		})
	}
	none, err := ResolveDeadline(time.Now(), "", time.UTC)
	require.NoError(t, err)
	assert.True(t, none.IsZero())
	for _, bad := range []string{"5:00", "24:00", "05:60", "05:00:00", "0s", "-1h", "soon", "５:00"} {
		_, err := ResolveDeadline(time.Now(), bad, time.UTC)
		assert.Error(t, err, bad)
	}
}

// New York's clock is not EST's, from March to November.
func TestLoadZone(t *testing.T) {
	for zone, want := range map[string]string{
		"America/New_York": "", "America/Panama": "", "UTC": "", "Etc/GMT+5": "", "EST5EDT": "",
		"EST": "America/New_York", "MST": "America/Denver", "HST": "Pacific/Honolulu", "Local": "may differ", "Mars/Base": "unknown",
	} {
		_, err := LoadZone(zone)
		if want == "" {
			require.NoError(t, err)
		} else {
			require.ErrorContains(t, err, want)
		}
	}
}
