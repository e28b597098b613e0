package workflows

import (
	"testing"

	"github.com/stretchr/testify/require"
	failurepb "go.temporal.io/api/failure/v1"
	workflowpb "go.temporal.io/api/workflow/v1"
	"go.temporal.io/api/workflowservice/v1"
	"go.temporal.io/sdk/temporal"

	"github.com/pbsmflow/pbsmflow/activities"
)

func TestRetryReason_isOfFailuresInARow(t *testing.T) {
	failures := temporal.GetDefaultFailureConverter()
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
		"failures in a row":            {3, down, "the service is down"},
		"polls that found nothing new": {90, nothingNew, ""},
		"an attempt without a failure": {3, nil, ""},
	} {
		t.Run(name, func(t *testing.T) {
			described := &workflowservice.DescribeWorkflowExecutionResponse{
				PendingActivities: []*workflowpb.PendingActivityInfo{{Attempt: 1}, {Attempt: c.attempt, LastFailure: c.failure}},
			}
			require.Equal(t, c.want, Execution{described: described}.RetryReason(failures))
		})
	}
	require.Empty(t, Execution{}.RetryReason(failures), "no answer")
}
