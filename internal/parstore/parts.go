package parstore

import (
	"context"
	"encoding"
	"io"
	"sync"
	"time"

	"golang.org/x/sync/errgroup"
)

// Digest is written a file's bytes from the first to the last, and can continue where another one
// stopped. The hashes of the standard library are digests.
type Digest interface {
	io.Writer
	encoding.BinaryMarshaler
	encoding.BinaryUnmarshaler
}

// maxBuffer is the memory of one part in transfer. Larger parts of an upload, which only files beyond
// 160 GB need, are read twice instead.
const maxBuffer = 16 << 20

// attempts at one part, before the whole transfer fails.
const attempts = 3

// slotWork is done with a slot's memory. It reports whether there may be more to do.
type slotWork func(ctx context.Context, buffer []byte) (more bool, err error)

// inParallel calls work in up to all of the client's slots.
//
// A slot is taken before the work is chosen: the part that others wait for always has one, whatever else
// uses the client.
func (c *Client) inParallel(ctx context.Context, size int64, work slotWork) error {
	group, ctx := errgroup.WithContext(ctx)
	for range cap(c.slots) {
		group.Go(func() error {
			for {
				more, err := c.withSlot(ctx, size, work)
				if err != nil || !more {
					return err
				}
			}
		})
	}
	return group.Wait()
}

// slotMemory is released when nothing is in transfer any more.
type slotMemory struct {
	bytes []byte

	mu    sync.Mutex
	users int
}

func (m *slotMemory) enter() (leave func()) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.users++
	return func() {
		m.mu.Lock()
		defer m.mu.Unlock()
		if m.users--; m.users == 0 {
			release(m.bytes)
		}
	}
}

func (c *Client) withSlot(ctx context.Context, size int64, work slotWork) (more bool, err error) {
	select {
	case <-ctx.Done():
		return false, context.Cause(ctx)
	case buffer := <-c.slots:
		defer func() { c.slots <- buffer }()
		if ctx.Err() != nil {
			return false, context.Cause(ctx)
		}
		return work(ctx, buffer[:size])
	}
}

// retry repeats what may succeed later: a part is small compared to its file.
func retry(ctx context.Context, do func() error) error {
	for attempt := 1; ; attempt++ {
		err := do()
		e, ok := err.(*Error) //nolint:errorlint // do returns it as it is
		if !ok || !e.Temporary || e.Changed || attempt == attempts || ctx.Err() != nil {
			return err
		}
		pause := max(time.Duration(attempt)*200*time.Millisecond, e.RetryAfter)
		if pause > maxPause {
			return err
		}
		select {
		case <-ctx.Done():
			return err
		case <-time.After(pause):
		}
	}
}

// maxPause is how long a part waits while it has its slot. For longer pauses the caller waits without one.
const maxPause = 5 * time.Second

// lane runs functions in the order of their numbers, one at a time.
type lane struct {
	mu      sync.Mutex
	turn    sync.Cond
	next    int
	stopped error
}

func newLane(ctx context.Context, first int) *lane {
	l := &lane{next: first}
	l.turn.L = &l.mu
	context.AfterFunc(ctx, func() {
		l.mu.Lock()
		defer l.mu.Unlock()
		l.stopped = context.Cause(ctx)
		l.turn.Broadcast()
	})
	return l
}

func (l *lane) do(number int, run func() error) error {
	l.mu.Lock()
	for l.next != number && l.stopped == nil {
		l.turn.Wait()
	}
	stopped := l.stopped
	l.mu.Unlock()
	if stopped != nil {
		return stopped
	}
	if err := run(); err != nil {
		return err
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	l.next++
	l.turn.Broadcast()
	return nil
}

// saver saves the latest state, one call at a time: parts that end together share a call.
type saver struct {
	save  func(state []byte)
	state func() []byte

	mu             sync.Mutex
	idle           sync.Cond
	busy           bool
	version, saved int
}

func newSaver(save func([]byte), state func() []byte) *saver {
	s := &saver{save: save, state: state}
	s.idle.L = &s.mu
	return s
}

// put returns once a state is saved that is at least as new as the one at the call.
func (s *saver) put() {
	if s.save == nil {
		return
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.version++
	for want := s.version; s.saved < want; {
		if s.busy {
			s.idle.Wait()
			continue
		}
		s.busy = true
		version := s.version
		s.mu.Unlock()
		s.save(s.state())
		s.mu.Lock()
		s.busy, s.saved = false, version
		s.idle.Broadcast()
	}
}
