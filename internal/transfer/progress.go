package transfer

import (
	"sync"
	"sync/atomic"
	"time"
)

// Progress is how far a transfer is.
type Progress struct {
	// Done and Total are bytes. Total is 0 while unknown.
	Done  int64 `json:"done"`
	Total int64 `json:"total,omitempty"`
	// Rate is in bytes per second, over the last seconds; SecondsLeft is the rest at that rate.
	Rate        int64 `json:"rate,omitempty"`
	SecondsLeft int64 `json:"seconds_left,omitempty"`
}

// Progress returns how far the attempt is.
func (a *Attempt) Progress() Progress {
	m := &a.progress
	begun := m.begun.Load()
	p := Progress{Done: m.done.Load(), Total: m.total.Load()}
	if begun {
		p.Rate = m.rate(time.Now(), p.Done)
	}
	if p.Rate > 0 && p.Total > p.Done {
		p.SecondsLeft = (p.Total - p.Done + p.Rate - 1) / p.Rate
	}
	return p
}

// moved takes calls from several goroutines.
func (a *Attempt) moved(done, total int64) {
	m := &a.progress
	if bytes := m.count(done); bytes > 0 {
		a.Moved(bytes)
	}
	m.done.Store(done)
	m.total.Store(total)
	m.begun.Store(true)
}

// meter measures what an attempt moves.
type meter struct {
	resumes     bool        // the first report is of what an earlier attempt moved
	begun       atomic.Bool // done includes what an earlier attempt moved
	done, total atomic.Int64

	first   sync.Once
	counted atomic.Int64

	mu     sync.Mutex
	points []point // oldest first
}

type point struct {
	at    time.Time
	bytes int64
}

// count returns how many bytes are new: neither moved by an earlier attempt nor moved again.
func (m *meter) count(done int64) int64 {
	if m.resumes {
		m.first.Do(func() { m.counted.Store(done) })
	}
	for {
		counted := m.counted.Load()
		if done <= counted {
			return 0
		}
		if m.counted.CompareAndSwap(counted, done) {
			return done - counted
		}
	}
}

const (
	meterSpan = 10 * time.Second
	meterStep = 500 * time.Millisecond
)

// rate returns the bytes per second over the last meterSpan.
func (m *meter) rate(now time.Time, done int64) int64 {
	m.mu.Lock()
	defer m.mu.Unlock()
	if n := len(m.points); n == 0 || now.Sub(m.points[n-1].at) >= meterStep {
		m.points = append(m.points, point{now, done})
	}
	for len(m.points) > 1 && now.Sub(m.points[1].at) >= meterSpan {
		m.points = m.points[1:]
	}
	elapsed := now.Sub(m.points[0].at)
	if elapsed < meterStep {
		return 0
	}
	return int64(float64(max(done-m.points[0].bytes, 0)) / elapsed.Seconds())
}
