package console

import (
	"context"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/pbsmflow/pbsmflow/starter/internal/view"
)

// schedulesEvery is how often the schedules are read. Their next nights do not change often.
const schedulesEvery = time.Minute

// schedules are the next nights, read once for all viewers.
type schedules struct {
	find func(context.Context) ([]view.Schedule, error)

	mu    sync.Mutex
	found []view.Schedule
}

func (s *schedules) run(ctx context.Context, b *board) {
	for s.find != nil && ctx.Err() == nil {
		if found, err := s.find(ctx); err == nil { // else the board says that Temporal does not answer
			slices.SortFunc(found, func(a, b view.Schedule) int { return strings.Compare(start(a), start(b)) })
			b.update(func() {
				s.mu.Lock()
				s.found = found
				s.mu.Unlock()
			})
		}
		pause(ctx, schedulesEvery)
	}
}

func start(s view.Schedule) string {
	if s.Next == nil || s.Paused {
		return "~"
	}
	return s.Next.StartUTC
}

func (s *schedules) list() []view.Schedule {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.found
}
