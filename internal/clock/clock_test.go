package clock

import (
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
)

func TestClock(t *testing.T) {
	at := time.Date(2026, 11, 1, 4, 30, 12, 0, time.UTC)
	for zone, want := range map[string]struct{ text, exact, hourLater string }{
		"":                  {"Sun 2026-11-01 04:30 UTC", "Sun 2026-11-01 04:30:12 UTC", "04:30:12 UTC"},
		"UTC":               {"Sun 2026-11-01 04:30 UTC", "Sun 2026-11-01 04:30:12 UTC", "04:30:12 UTC"},
		"America/New_York":  {"Sun 2026-11-01 00:30 EDT", "Sun 2026-11-01 00:30:12 EDT", "00:30:12 EDT"},
		"America/Chicago":   {"Sat 2026-10-31 23:30 CDT", "Sat 2026-10-31 23:30:12 CDT", "Sat 2026-10-31 23:30:12 CDT"},
		"America/Sao_Paulo": {"Sun 2026-11-01 01:30 -03", "Sun 2026-11-01 01:30:12 -03", "01:30:12 -03"},
		"Mars/Olympus":      {"Sun 2026-11-01 04:30 UTC", "Sun 2026-11-01 04:30:12 UTC", "04:30:12 UTC"},
	} {
		for range 2 { // the second time the zone is known
			assert.Equal(t, want.text, In(zone).Text(at))
			assert.Equal(t, want.exact, In(zone).Exact(at.In(time.FixedZone("", 3600))), "whatever zone the time has")
			assert.Equal(t, want.hourLater, In(zone).ExactAt(at.Add(time.Hour), at))
		}
	}
	autumn := In("America/New_York")
	assert.Equal(t, "01:30 EDT", autumn.TextAt(at, at.Add(time.Hour)), "the hour that comes twice")
	assert.Equal(t, "01:30 EST", autumn.TextAt(at, at.Add(2*time.Hour)))
	assert.Equal(t, "00:30", autumn.Axis(at, false))
	assert.Equal(t, "00:30:12", autumn.Axis(at, true))
	assert.Equal(t, "04:30 UTC", Clock{}.TextAt(at, at))
}
