package activities

import (
	"context"
	"errors"
	"fmt"
	"os"
	"sync"
)

var errNoResponse = errors.New("does not respond")

// pipelinesFolder stands for the pipelines folder among the stores: while it is away, no close begins.
const pipelinesFolder = "worker.pipelines"

// StoreErrors returns for each store why it cannot be reached, nil when it can; for the pipelines folder as well, if
// it was there when the worker started. It returns when ctx is done, even if a store hangs.
func StoreErrors(ctx context.Context, a *Activities) map[string]error {
	names := a.stores.Names()
	if a.hasPipelines {
		names = append(names, pipelinesFolder)
	}
	return a.storeChecks.run(ctx, names, func(ctx context.Context, name string) error {
		if name != pipelinesFolder {
			return a.stores.Check(ctx, name)
		}
		if _, err := os.ReadDir(a.pipelines); err != nil {
			return fmt.Errorf("%s: %w", pipelinesFolder, err)
		}
		return nil
	})
}

func noResponse(name string) error {
	if name != pipelinesFolder {
		name = "store " + name
	}
	return fmt.Errorf("%s: %w", name, errNoResponse)
}

// storeChecks are the checks that have not returned. A file system that hangs ignores contexts, and each
// check of it would keep a thread: so a store is not checked again before its last check returned.
type storeChecks struct{ pending sync.Map }

func (c *storeChecks) run(
	ctx context.Context, names []string, check func(context.Context, string) error,
) map[string]error {
	type result struct {
		name string
		err  error
	}
	found, results, started := map[string]error{}, make(chan result, len(names)), 0
	for _, name := range names {
		found[name] = noResponse(name)
		if _, hangs := c.pending.LoadOrStore(name, true); hangs {
			continue
		}
		started++
		go func() {
			err := check(ctx, name)
			c.pending.Delete(name) // before the result, or the next call would still find it pending
			results <- result{name, err}
		}()
	}
	for range started {
		select {
		case r := <-results:
			found[r.name] = r.err
		case <-ctx.Done():
			return found
		}
	}
	return found
}

// RefusedLogins reports for each connection whether the service refused its credentials.
func RefusedLogins(a *Activities) map[string]bool {
	refused := map[string]bool{}
	for name, c := range a.connections {
		refused[name] = c.service.LoginRefused()
	}
	return refused
}
