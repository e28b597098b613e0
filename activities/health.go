package activities

import (
	"context"
	"errors"
	"fmt"
	"sync"
)

var errNoAnswer = errors.New("does not answer")

// StoreProblems tells of each store why it cannot be reached; nil where it can. It is back when ctx is done,
// whatever a store does.
func StoreProblems(ctx context.Context, a *Activities) map[string]error {
	return a.storeChecks.problems(ctx, a.stores.Names(), a.stores.Check)
}

// storeChecks are the checks that have not come back. A file system that hangs heeds no context, and
// each check of it would keep a thread: so a store is not asked again before it has answered.
type storeChecks struct{ pending sync.Map }

func (c *storeChecks) problems(ctx context.Context, names []string, check func(context.Context, string) error) map[string]error {
	type answer struct {
		name string
		err  error
	}
	problems, answers, asked := map[string]error{}, make(chan answer, len(names)), 0
	for _, name := range names {
		problems[name] = fmt.Errorf("store %s: %w", name, errNoAnswer)
		if _, hangs := c.pending.LoadOrStore(name, true); hangs {
			continue
		}
		asked++
		go func() {
			err := check(ctx, name)
			c.pending.Delete(name) // before the answer, or the next call would find it pending still
			answers <- answer{name, err}
		}()
	}
	for range asked {
		select {
		case is := <-answers:
			problems[is.name] = is.err
		case <-ctx.Done():
			return problems
		}
	}
	return problems
}

// RefusedLogins tells of each connection whether the service refused its credentials.
func RefusedLogins(a *Activities) map[string]bool {
	refused := map[string]bool{}
	for name, c := range a.connections {
		refused[name] = c.service.LoginRefused()
	}
	return refused
}
