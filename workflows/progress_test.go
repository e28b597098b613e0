package workflows

import (
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	enumspb "go.temporal.io/api/enums/v1"
	failurepb "go.temporal.io/api/failure/v1"
	workflowpb "go.temporal.io/api/workflow/v1"
	"go.temporal.io/api/workflowservice/v1"
	"go.temporal.io/sdk/converter"
	"go.temporal.io/sdk/temporal"
	"google.golang.org/protobuf/types/known/timestamppb"

	"github.com/pbsmflow/pbsmflow/activities"
	"github.com/pbsmflow/pbsmflow/internal/transfer"
)

func TestExecution_troubleIsOfFailuresInARow(t *testing.T) {
	payloads, failures := converter.GetDefaultDataConverter(), temporal.GetDefaultFailureConverter()
	down := failures.ErrorToFailure(temporal.NewApplicationError("the service is down", activities.Unavailable))
	nothingNew := failures.ErrorToFailure(temporal.NewApplicationErrorWithOptions("it runs", activities.StillWaiting,
		temporal.ApplicationErrorOptions{Category: temporal.ApplicationErrorCategoryBenign}))
	for name, c := range map[string]struct {
		attempt int32
		failure *failurepb.Failure
		want    string
	}{
		"the first attempt":            {1, nil, ""},
		"one failure":                  {2, down, ""},
		"failures in a row":            {3, down, "is being retried: the service is down"},
		"polls that found nothing new": {90, nothingNew, ""},
		"an attempt without a failure": {3, nil, ""},
	} {
		t.Run(name, func(t *testing.T) {
			described := &workflowservice.DescribeWorkflowExecutionResponse{
				PendingActivities: []*workflowpb.PendingActivityInfo{{Attempt: 1}, {Attempt: c.attempt, LastFailure: c.failure}},
			}
			var texts []string
			for _, trouble := range (Execution{described: described}).Troubles(payloads, failures) {
				texts = append(texts, trouble.Text)
			}
			require.Equal(t, c.want, strings.Join(texts, "; "))
		})
	}
	require.Empty(t, Execution{}.Troubles(payloads, failures), "no answer")
}

// What does not move has no rate: its worker may have died, or somebody paused it in Temporal.
func TestProgress_hasARateOnlyWhileItMoves(t *testing.T) {
	payloads, failures := converter.GetDefaultDataConverter(), temporal.GetDefaultFailureConverter()
	beat, err := payloads.ToPayloads(activities.TransferProgress{
		Progress: transfer.Progress{Done: 5, Total: 10, Rate: 4_000_000, SecondsLeft: 13},
	})
	require.NoError(t, err)
	for name, c := range map[string]struct {
		silent time.Duration
		paused bool
		moves  bool
	}{
		"it moves":        {time.Second, false, true},
		"its worker died": {10 * time.Second, false, false},
		"it is paused":    {time.Second, true, false},
	} {
		t.Run(name, func(t *testing.T) {
			described := &workflowservice.DescribeWorkflowExecutionResponse{PendingActivities: []*workflowpb.PendingActivityInfo{{
				State:             enumspb.PENDING_ACTIVITY_STATE_STARTED,
				Paused:            c.paused,
				HeartbeatDetails:  beat,
				LastStartedTime:   timestamppb.New(time.Now().Add(-time.Hour)),
				LastHeartbeatTime: timestamppb.New(time.Now().Add(-c.silent)),
			}}}
			progress, ok := Execution{described: described}.Progress(payloads, failures)
			require.True(t, ok)
			require.EqualValues(t, 5, progress.Done)
			require.Equal(t, c.moves, progress.Rate > 0)
			require.Equal(t, c.moves, progress.Remaining > 0)
		})
	}
}
