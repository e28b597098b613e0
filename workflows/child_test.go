package workflows

import (
	"encoding/json"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/pbsmflow/pbsmflow/activities"
)

// A batch that has ended may have kept a run that is older than its workflow.
func TestChildRun_joinsAResultAsOldAsItsRun(t *testing.T) {
	result, err := json.Marshal(RunBatchResult{RunID: runID, State: Succeeded, TriggeredAt: start})
	require.NoError(t, err)
	running, err := json.Marshal(Status{State: Running, StartedAt: start.Add(time.Hour)})
	require.NoError(t, err)
	for _, c := range []struct {
		found activities.AwaitedWorkflow
		want  time.Time
	}{
		{activities.AwaitedWorkflow{Result: result}, start},
		{activities.AwaitedWorkflow{Status: running}, start.Add(time.Hour)},
	} {
		var joined Status
		child := childRun{joined: func(s Status) error { joined = s; return nil }}
		require.NoError(t, child.join(c.found))
		require.WithinDuration(t, c.want, joined.StartedAt, 0)
	}
}
