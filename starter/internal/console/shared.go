package console

import (
	"context"
	"fmt"
	"slices"
	"sync"
	"time"
)

// shared are the pages that are open, each built once for all viewers of the same groups, however many have it open.
// What a fragment shows depends on the groups of its viewer, never on the name.
type shared struct {
	build func(ctx context.Context, path string, who access) (page, error)

	mu    sync.Mutex
	known map[string]*sharedPage // by path and groups
}

type sharedPage struct {
	mu      sync.Mutex
	built   page
	at      time.Time
	changed <-chan struct{} // the board's changes since it was built
}

// of is a page that is as new as the changes.
func (s *shared) of(ctx context.Context, path string, who access, changed <-chan struct{}) (page, error) {
	p := s.page(fmt.Sprintf("%q", append(slices.Sorted(slices.Values(who.Groups)), path)))
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.changed == changed && time.Since(p.at) < eventsAtLeast/2 { // its words for the time are not older than that
		return p.built, nil
	}
	built, err := s.build(ctx, path, who)
	if err == nil { // an error may be that of a viewer who has left
		p.built, p.at, p.changed = built, time.Now(), changed
	}
	return built, err
}

// page makes room for a page, and drops those that nobody has open any longer.
func (s *shared) page(key string) *sharedPage {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.known[key] == nil {
		for key, p := range s.known {
			if p.mu.TryLock() {
				if time.Since(p.at) > 2*eventsAtLeast {
					delete(s.known, key)
				}
				p.mu.Unlock()
			}
		}
		s.known[key] = &sharedPage{at: time.Now()}
	}
	return s.known[key]
}
