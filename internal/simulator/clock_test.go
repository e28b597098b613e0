package simulator

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

func TestClock_realAndSimulated(t *testing.T) {
	now := time.Date(2026, 10, 31, 22, 0, 0, 0, time.UTC)
	begin := now
	c := newClock(func() time.Time { return now }, 60)
	now = now.Add(time.Second) // sim +60s
	c.SetSpeed(3600)
	now = now.Add(time.Second) // sim +1h01m
	c.Advance(24 * time.Hour)
	now = now.Add(time.Second)
	require.Equal(t, begin.Add(26*time.Hour+time.Minute), c.Sim())
	for sim, real := range map[time.Duration]time.Duration{
		30 * time.Second:              500 * time.Millisecond,
		31 * time.Minute:              1500 * time.Millisecond,
		10 * time.Hour:                2 * time.Second, // inside the jump
		25*time.Hour + 31*time.Minute: 2500 * time.Millisecond,
	} {
		require.Equal(t, begin.Add(real), c.Real(begin.Add(sim)), sim)
	}
}
