package activities

import (
	"context"
	"testing"

	"github.com/stretchr/testify/mock"
	"github.com/stretchr/testify/require"
	"go.temporal.io/api/serviceerror"
	"go.temporal.io/sdk/activity"
	"go.temporal.io/sdk/mocks"

	"github.com/pbsmflow/pbsmflow/internal/stores"
)

// Temporal may record the heartbeat that precedes a submission, and its response be lost. Nothing was sent
// then, so that the next attempt submits without asking an operator.
func TestTriggerBatch_unconfirmedHeartbeat(t *testing.T) {
	for name, response := range map[string]error{
		"response lost":   serviceerror.NewUnavailable("connection closed"),
		"activity paused": activity.ErrActivityPaused,
	} {
		t.Run(name, func(t *testing.T) {
			a, sim := withService(t, stores.Settings{URL: "file://" + t.TempDir()})
			var recorded SubmissionHeartbeat
			server := mocks.NewClient(t)
			server.On("RecordActivityHeartbeat", mock.Anything, mock.Anything, mock.Anything).
				Run(func(args mock.Arguments) { recorded = args.Get(2).(SubmissionHeartbeat) }).
				Return(func(context.Context, []byte, ...any) error { return response })
			a.temporal = server
			trigger := TriggerBatchInput{Connection: "prod", Code: "PBSM_QUICK"}
			_, err := activityEnv(a).ExecuteActivity(a.TriggerBatch, trigger)
			require.Equal(t, Unavailable, applicationError(t, err).Type())
			require.Empty(t, sim.Runs())

			response = nil
			next := activityEnv(a)
			next.SetHeartbeatDetails(recorded)
			_, err = next.ExecuteActivity(a.TriggerBatch, trigger)
			require.NoError(t, err)
			require.Len(t, sim.Runs(), 1)
		})
	}
}
