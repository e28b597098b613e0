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
	// About fifteen are triggered in a second on two cores that Temporal shares: the first must not end before the last has begun.
	manyLength = 15 * time.Minute
	// So many batches are looked at less often than one: worker.poll.min.
	followedPoll = 30 * time.Second
	startsAtOnce = 16
)

// followed is what following so many batches at once took.
type followed struct {
	batches, polls int
	memory         int64           // the most that a worker had, in bytes
	late           []time.Duration // after the end of the run, shortest first
}

// following has many batches go on at once, all of the same length, and waits for all of them.
func following(t *testing.T, result *table) {
	length := 4 * time.Minute
	base := follow(t, few, 1, length)
	if len(base.late) == 0 {
		t.Skip("what the others are compared with is left out")
	}
	result.add(fmt.Sprintf("%d batches of %s followed by one worker", few, length), "", base.String(), "")
	for _, workers := range []int{1, 2} {
		f := follow(t, many, workers, manyLength)
		if len(f.late) == 0 {
			continue // left out
		}
		result.add(fmt.Sprintf("%d batches of %s followed by %d at once", many, manyLength, workers), "", f.String(), "")
		result.add("  a worker's peak memory", fmt.Sprintf("%d batches: %d MiB", few, base.memory>>20), fmt.Sprintf("%d MiB", f.memory>>20), fmt.Sprintf("%.2f", float64(f.memory)/float64(base.memory)))
	}
}

func (f followed) String() string {
	at := func(share float64) time.Duration {
		return f.late[int(share*float64(len(f.late)-1))].Round(100 * time.Millisecond)
	}
	return fmt.Sprintf("%.1f polls a batch; end noticed after %s (median), %s (99 %%)", float64(f.polls)/float64(f.batches), at(0.5), at(0.99))
}

func follow(t *testing.T, batches, workers int, length time.Duration) followed {
	f := followed{batches: batches}
	t.Run(fmt.Sprintf("%d batches, %d workers", batches, workers), func(t *testing.T) {
		const code = "PBSM_FOLLOWED"
		b := newBench(t, harness.Options{
			Simulator: simulator.Options{Speed: 1, Catalog: simulator.Catalog{Batches: []simulator.Batch{{Code: code, Tasks: []simulator.Task{{Code: "T1_WAIT", Duration: length}}}}}},
			Settings:  map[string]string{"worker.poll.min": followedPoll.String(), "worker.poll.max": "1m"},
			Server:    harness.StartServer(t),
		})
		for range workers - 1 {
			b.StartWorker()
		}
		ids := make([]string, batches)
		var group errgroup.Group
		group.SetLimit(startsAtOnce)
		began := time.Now()
		for i := range batches {
			group.Go(func() error {
				ids[i] = b.StartBatch(workflows.RunBatchInput{Code: code, Key: strconv.Itoa(i)}).GetID()
				return nil
			})
		}
		require.NoError(t, group.Wait())
		t.Logf("%d starts took %s", batches, time.Since(began).Round(time.Second))
		for _, id := range ids {
			var result workflows.RunBatchResult
			require.NoError(t, b.Temporal.GetWorkflow(t.Context(), id, "").Get(t.Context(), &result))
			run, ok := b.Sim.Run(result.RunID)
			require.True(t, ok)
			f.polls += run.Polls
			f.late = append(f.late, result.EndedAt.Sub(run.Ended))
		}
		t.Logf("all over after %s", time.Since(began).Round(time.Second))
		slices.Sort(f.late)
		f.memory = b.peak()
		runs := b.Sim.Runs()
		t.Logf("triggered within %s; %s; %d MiB", runs[len(runs)-1].Created.Sub(runs[0].Created).Round(time.Second), f, f.memory>>20)
		_ = os.RemoveAll(b.Dir)
	})
	return f
}
