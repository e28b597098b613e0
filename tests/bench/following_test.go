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
	// As many as Temporal accepts on two shared cores, beside the polls of running batches.
	startsPerSecond = 7
	startsAtOnce    = 16
	// This many batches are polled less often than one: worker.poll.min.
	followedPoll = 2 * time.Minute
	// The first batch ends a minute after the last start, the others in sequence.
	endsWithin = 4 * time.Minute
	lengths    = 40
)

// followed is the cost of following batches.
type followed struct {
	batches, atOnce, polls int
	memory                 int64           // the most that a worker had, in bytes
	delays                 []time.Duration // after the end of the run, shortest first
}

// following runs many batches in parallel, and waits for all of them.
func following(t *testing.T, result *table) {
	base := follow(t, few, 1)
	for _, workers := range []int{1, 2} {
		f := follow(t, many, workers)
		if len(base.delays) == 0 || len(f.delays) == 0 {
			continue // skipped
		}
		result.add(fmt.Sprintf("%d batches, polled every %s, %d workers", many, followedPoll, workers), fmt.Sprintf("%d: %s", few, base), f.String(), "")
		result.add("  a worker's peak memory", fmt.Sprintf("%d MiB", base.memory>>20), fmt.Sprintf("%d MiB", f.memory>>20), fmt.Sprintf("%.2f", float64(f.memory)/float64(base.memory)))
	}
}

func (f followed) String() string {
	at := func(share float64) time.Duration {
		return f.delays[int(share*float64(len(f.delays)-1))].Round(100 * time.Millisecond)
	}
	return fmt.Sprintf("%d at once, %.1f polls each, end noticed after %s (median), %s (99 %%)", f.atOnce, float64(f.polls)/float64(f.batches), at(0.5), at(0.99))
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
			f.delays = append(f.delays, result.EndedAt.Sub(run.Ended))
			if firstEnd.IsZero() || run.Ended.Before(firstEnd) {
				firstEnd = run.Ended
			}
		}
		slices.Sort(f.delays)
		f.memory = b.peak()
		for _, run := range b.Sim.Runs() {
			if run.Created.Before(firstEnd) {
				f.atOnce++
			}
		}
		t.Logf("all ended %s after the last start; %s; %d MiB", time.Since(began).Round(time.Second), f, f.memory>>20)
		_ = os.RemoveAll(b.Dir)
	})
	return f
}

// catalogOf returns batches of several lengths, so that polls and ends do not coincide.
func catalogOf(starting time.Duration) simulator.Catalog {
	var c simulator.Catalog
	for i := range lengths {
		length := starting + time.Minute + (endsWithin-starting)*time.Duration(i)/lengths
		c.Batches = append(c.Batches, simulator.Batch{Code: fmt.Sprintf("PBSM_FOLLOWED_%d", i), Tasks: []simulator.Task{{Code: "T1_WAIT", Duration: length}}})
	}
	return c
}

// startAll starts the batches of the catalog in sequence, the same number of each.
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
