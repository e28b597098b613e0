//go:build bench

package bench

import (
	"fmt"
	"os"
	"slices"
	"strconv"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"golang.org/x/sync/errgroup"

	"github.com/pbsmflow/pbsmflow/internal/simulator"
	"github.com/pbsmflow/pbsmflow/tests/harness"
	"github.com/pbsmflow/pbsmflow/workflows"
)

const (
	few, many = 1_000, 10_000
	// As many as Temporal takes on two cores that it shares, beside the looks at those that go on.
	startsPerSecond = 7
	startsAtOnce    = 16
	// So many batches are looked at less often than one: worker.poll.min.
	followedPoll = 2 * time.Minute
	// The first ends when the last has been started a minute ago, and the others one after the other.
	endsWithin = 4 * time.Minute
	lengths    = 40
)

// followed is what following so many batches took.
type followed struct {
	batches, atOnce, polls int
	memory                 int64           // the most that a worker had, in bytes
	late                   []time.Duration // after the end of the run, shortest first
}

// following has many batches go on at once, and waits for all of them.
func following(t *testing.T, result *table) {
	base := follow(t, few, 1)
	for _, workers := range []int{1, 2} {
		f := follow(t, many, workers)
		if len(base.late) == 0 || len(f.late) == 0 {
			continue // left out
		}
		result.add(fmt.Sprintf("%d batches, looked at every %s, %d workers", many, followedPoll, workers), fmt.Sprintf("%d: %s", few, base), f.String(), "")
		result.add("  a worker's peak memory", fmt.Sprintf("%d MiB", base.memory>>20), fmt.Sprintf("%d MiB", f.memory>>20), fmt.Sprintf("%.2f", float64(f.memory)/float64(base.memory)))
	}
}

func (f followed) String() string {
	at := func(share float64) time.Duration {
		return f.late[int(share*float64(len(f.late)-1))].Round(100 * time.Millisecond)
	}
	return fmt.Sprintf("%d at once, %.1f looks each, end noticed after %s (median), %s (99 %%)", f.atOnce, float64(f.polls)/float64(f.batches), at(0.5), at(0.99))
}

func follow(t *testing.T, batches, workers int) followed {
	f := followed{batches: batches}
	t.Run(fmt.Sprintf("%d batches, %d workers", batches, workers), func(t *testing.T) {
		catalog := catalogOf(time.Duration(batches) * time.Second / startsPerSecond)
		b := newBench(t, harness.Options{
			Simulator: simulator.Options{Speed: 1, Catalog: catalog},
			Settings:  map[string]string{"worker.poll.min": followedPoll.String(), "worker.poll.max": "3m"},
			Server:    harness.StartServer(t),
		})
		for range workers - 1 {
			b.StartWorker()
		}
		ids, began := b.startAll(batches, catalog), time.Now()
		var firstEnd time.Time
		for _, id := range ids {
			var result workflows.RunBatchResult
			require.NoError(t, b.Temporal.GetWorkflow(t.Context(), id, "").Get(t.Context(), &result))
			run, ok := b.Sim.Run(result.RunID)
			require.True(t, ok)
			f.polls += run.Polls
			f.late = append(f.late, result.EndedAt.Sub(run.Ended))
			if firstEnd.IsZero() || run.Ended.Before(firstEnd) {
				firstEnd = run.Ended
			}
		}
		slices.Sort(f.late)
		f.memory = b.peak()
		for _, run := range b.Sim.Runs() {
			if run.Created.Before(firstEnd) {
				f.atOnce++
			}
		}
		t.Logf("all over %s after the last start; %s; %d MiB", time.Since(began).Round(time.Second), f, f.memory>>20)
		_ = os.RemoveAll(b.Dir)
	})
	return f
}

// catalogOf has batches of several lengths, so that looks and ends do not fall together.
func catalogOf(starting time.Duration) simulator.Catalog {
	var c simulator.Catalog
	for i := range lengths {
		length := starting + time.Minute + (endsWithin-starting)*time.Duration(i)/lengths
		c.Batches = append(c.Batches, simulator.Batch{Code: fmt.Sprintf("PBSM_FOLLOWED_%d", i), Tasks: []simulator.Task{{Code: "T1_WAIT", Duration: length}}})
	}
	return c
}

// startAll starts the batches of the catalog, as many of each, one after the other.
func (b *bench) startAll(batches int, catalog simulator.Catalog) []string {
	ids := make([]string, batches)
	var group errgroup.Group
	group.SetLimit(startsAtOnce)
	pace := time.NewTicker(time.Second / startsPerSecond)
	defer pace.Stop()
	for i := range batches {
		<-pace.C
		group.Go(func() error {
			code := catalog.Batches[i*lengths/batches].Code
			ids[i] = b.StartBatch(workflows.RunBatchInput{Code: code, Key: strconv.Itoa(i)}).GetID()
			return nil
		})
	}
	require.NoError(b.T, group.Wait())
	return ids
}
