package cli

import (
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

func TestMoment(t *testing.T) {
	now := time.Date(2026, 10, 31, 22, 0, 0, 0, time.FixedZone("here", -4*3600))
	for text, want := range map[string]string{
		"":                          "",
		"05:00":                     "2026-11-01T05:00:00-04:00",
		"23:30":                     "2026-10-31T23:30:00-04:00",
		"90m":                       "2026-10-31T23:30:00-04:00",
		"2026-11-02T01:00:00-04:00": "2026-11-02T01:00:00-04:00",
	} {
		at, err := Moment("deadline", text, now)
		require.NoError(t, err, text)
		if want == "" {
			assert.True(t, at.IsZero())
		} else {
			assert.Equal(t, want, at.Format(time.RFC3339), text)
		}
	}
}

func TestUnicodeLocale(t *testing.T) {
	for _, test := range []struct {
		env  map[string]string
		want bool
	}{
		{map[string]string{"LANG": "en_US.UTF-8"}, true},
		{map[string]string{"LC_ALL": "C", "LANG": "en_US.UTF-8"}, false},
		{map[string]string{"LC_CTYPE": "C.utf8"}, true},
		{nil, false},
	} {
		assert.Equal(t, test.want, unicodeLocale(func(name string) string { return test.env[name] }))
	}
}
