package close

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/pbsmflow/pbsmflow/internal/simulator"
	"github.com/pbsmflow/pbsmflow/tests/harness"
	"github.com/pbsmflow/pbsmflow/workflows"
)

// Runs two batches with the same tasks, of 10 minutes and of 10 hours: the history grows with what happens, not with
// the duration, and the pauses between polls grow with the duration.
//
// How late the end is noticed depends on where it falls between two polls; the pause between these two does not. It is
// 5 % of the duration (activities/polling_test.go), and what a busy machine adds. Pauses that double each time would be
// longer than that.
func TestRunBatch_pollsAddNoEvents(t *testing.T) {
	t.Parallel()
	const machine = 2 * time.Second
	catalog := simulator.DefaultCatalog()
	catalog.Queue = 0 // the state before the first task would be too short to be polled every time
	e := harness.New(t, harness.Options{
		Simulator: simulator.Options{Catalog: catalog},
		Settings:  map[string]string{"worker.poll.min": "50ms", "worker.poll.max": "1m"},
	})
	type observed struct{ events, polls int }
	follow := func(code string, length, real time.Duration) observed {
		e.Sim.SetSpeed(length.Seconds() / real.Seconds())
		run := e.StartBatch(workflows.RunBatchInput{Code: code})
		var result workflows.RunBatchResult
		require.NoError(t, e.Await(run, &result))
		ended, ok := e.Sim.Run(result.RunID)
		require.True(t, ok)
		require.Equal(t, length, ended.Duration, "simulated length of %s", code)
		polls := e.Calls("status", harness.About(result.RunID))
		last, before := polls[len(polls)-1].Time, polls[len(polls)-2].Time
		require.True(t, before.Before(ended.Ended) && !last.Before(ended.Ended), "%s ended between the last two polls", code)
		pause := last.Sub(before)
		require.Less(t, pause, real/20+machine, "the last two polls of %s, which ran for %s, are %s apart", code, real, pause)
		return observed{len(e.History(run.GetID(), run.GetRunID())), ended.Polls}
	}
	short := follow("PBSM_SHORT", 10*time.Minute, 12*time.Second)
	long := follow("PBSM_LONG", 10*time.Hour, 20*time.Second)
	require.Equal(t, short.events, long.events, "history events of ten minutes and of ten hours")
	require.Greater(t, 3*long.polls, long.events, "an activity for each poll would add three events")
	t.Logf("events %d and %d, polls %d and %d", short.events, long.events, short.polls, long.polls)
}
