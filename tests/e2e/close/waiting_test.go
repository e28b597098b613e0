package close

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/pbsmflow/pbsmflow/internal/simulator"
	"github.com/pbsmflow/pbsmflow/tests/harness"
	"github.com/pbsmflow/pbsmflow/workflows"
)

// Two batches with the same tasks, one of 10 minutes and one of 10 hours: the history grows with
// what happens, not with how long it takes, and the end is noticed within 5 % of the length.
//
// It does not run beside the others: on a busy machine everything is noticed late.
func TestRunBatch_pollsAddNoEvents(t *testing.T) {
	catalog := simulator.DefaultCatalog()
	catalog.Queue = 0 // the state before the first task would be too short to be seen every time
	e := harness.New(t, harness.Options{
		Simulator: simulator.Options{Catalog: catalog},
		Settings:  map[string]string{"worker.poll.min": "50ms", "worker.poll.max": "1m"},
	})
	type seen struct{ events, polls int }
	follow := func(code string, length, real time.Duration) seen {
		e.Sim.SetSpeed(length.Seconds() / real.Seconds())
		run := e.StartBatch(workflows.RunBatchInput{Code: code})
		var result workflows.RunBatchResult
		require.NoError(t, e.Await(run, &result))
		ended, ok := e.Sim.Run(result.RunID)
		require.True(t, ok)
		require.Equal(t, length, ended.Duration, "simulated length of %s", code)
		late := result.EndedAt.Sub(ended.Ended)
		require.Less(t, late, real/20, "%s, which ran for %s, was noticed %s late", code, real, late)
		return seen{len(e.History(run.GetID(), run.GetRunID())), ended.Polls}
	}
	short := follow("PBSM_SHORT", 10*time.Minute, 20*time.Second)
	long := follow("PBSM_LONG", 10*time.Hour, 40*time.Second)
	require.Equal(t, short.events, long.events, "history events of ten minutes and of ten hours")
	require.Greater(t, long.polls, long.events, "more polls than events, or nothing was proved")
	t.Logf("events %d and %d, polls %d and %d", short.events, long.events, short.polls, long.polls)
}
