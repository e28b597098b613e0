package cli

import (
	"io"
	"strings"
	"testing"
	"time"

	"github.com/spf13/pflag"
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

func TestConfirmAhead(t *testing.T) {
	now := time.Date(2026, 10, 31, 22, 0, 0, 0, time.FixedZone("here", -4*3600)) // 1 November in UTC
	for _, test := range []struct {
		args   []string
		answer string
		want   string // of the error; empty: it starts
	}{
		{args: []string{"--as-of=2026-10-31"}},
		{args: []string{"--as-of=2026-11-01"}},
		{args: []string{"--as-of=2026-11-02"}, want: "--yes"},
		{args: []string{"--as-of=2027-10-31"}, want: "The as-of date 2027-10-31 is 364 days ahead. Start it? There is no terminal to ask on: add --yes to continue"},
		{args: []string{"--as-of=2027-10-31"}, answer: "n\n", want: "nothing was changed"},
		{args: []string{"--as-of=2027-10-31"}, answer: "y\n"},
		{args: []string{"--as-of=2027-10-31", "--yes"}},
		{args: []string{"--as-of=31.10.2027"}}, // refused as no date
	} {
		var asOf string
		flags := pflag.NewFlagSet("", pflag.ContinueOnError)
		StartAsOfFlag(flags, &asOf)
		require.NoError(t, flags.Parse(test.args))
		terminal := &Terminal{Stderr: io.Discard}
		if test.answer != "" {
			terminal.Stdin = strings.NewReader(test.answer)
		}
		err := confirmAhead(terminal, flags, now)
		if test.want == "" {
			require.NoError(t, err, test.args)
		} else {
			require.ErrorContains(t, err, test.want, test.args)
		}
	}
	require.NoError(t, confirmAhead(&Terminal{}, pflag.NewFlagSet("", pflag.ContinueOnError), now), "a command without a date")
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
