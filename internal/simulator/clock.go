package simulator

import (
	"sync"
	"time"
)

// clock maps real time to simulated time, piecewise linearly: each change of speed and each jump starts a new piece.
type clock struct {
	now    func() time.Time
	mu     sync.Mutex
	pieces []piece
}

type piece struct {
	real, sim time.Time
	speed     float64
}

func newClock(now func() time.Time, speed float64) *clock {
	start := now()
	return &clock{now: now, pieces: []piece{{real: start, sim: start, speed: speed}}}
}

// Sim returns the current simulated time.
func (c *clock) Sim() time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.last().at(c.now())
}

// Real returns the real time at which the simulated time was sim, or will be at the current speed.
// A time inside a jump was reached when the clock jumped.
func (c *clock) Real(sim time.Time) time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	for i := len(c.pieces) - 1; i >= 0; i-- {
		p := c.pieces[i]
		if i > 0 && sim.Before(p.sim) {
			continue
		}
		real := p.real.Add(time.Duration(float64(sim.Sub(p.sim)) / p.speed))
		if i+1 < len(c.pieces) && real.After(c.pieces[i+1].real) {
			return c.pieces[i+1].real
		}
		return real
	}
	return sim
}

func (c *clock) SetSpeed(speed float64) { c.change(speed, 0) }

func (c *clock) Advance(d time.Duration) { c.change(0, d) }

// change starts a new piece. A speed of 0 keeps the current one.
func (c *clock) change(speed float64, jump time.Duration) {
	c.mu.Lock()
	defer c.mu.Unlock()
	now := c.now()
	if speed == 0 {
		speed = c.last().speed
	}
	c.pieces = append(c.pieces, piece{real: now, sim: c.last().at(now).Add(jump), speed: speed})
}

func (c *clock) last() piece { return c.pieces[len(c.pieces)-1] }

func (p piece) at(real time.Time) time.Time {
	return p.sim.Add(time.Duration(float64(real.Sub(p.real)) * p.speed))
}
