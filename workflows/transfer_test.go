package workflows

import (
	"context"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"go.temporal.io/sdk/temporal"

	"github.com/pbsmflow/pbsmflow/activities"
	"github.com/pbsmflow/pbsmflow/internal/transfer"
)

// A store may refuse a URL that was just issued: each further one has more time to become valid.
func TestDownloadFile_pausesBeforeAnotherURL(t *testing.T) {
	refused := func() error {
		return temporal.NewNonRetryableApplicationError("HTTP 404: the URL is not valid", activities.PARExpired, nil)
	}
	for name, c := range map[string]struct {
		refuses int
		cancel  time.Duration
		took    []time.Duration // since the first attempt
		fails   string
	}{
		"the third is taken":     {2, 0, []time.Duration{0, 2 * time.Second, 6 * time.Second}, ""},
		"none is":                {9, 0, []time.Duration{0, 2 * time.Second, 6 * time.Second, 14 * time.Second, 30 * time.Second}, "the transfer failed 5 times: HTTP 404"},
		"cancelled between two":  {9, 10 * time.Second, []time.Duration{0, 2 * time.Second, 6 * time.Second}, "canceled"},
		"the first one is taken": {0, 0, []time.Duration{0}, ""},
	} {
		t.Run(name, func(t *testing.T) {
			env := newEnv(t)
			env.RegisterActivityWithOptions(func(context.Context, activities.CreateDownloadPARByIDInput) (activities.SealedPAR, error) {
				return "sealed", nil
			}, activityName("CreateDownloadPARByID"))
			var at []time.Time
			env.RegisterActivityWithOptions(func(context.Context, activities.GetFileInput) (activities.TransferResult, error) {
				if at = append(at, env.Now()); len(at) <= c.refuses {
					return activities.TransferResult{}, refused()
				}
				return activities.TransferResult{Result: transfer.Result{Bytes: 5, SHA256: "ab"}}, nil
			}, activityName("GetFile"))
			if c.cancel > 0 {
				env.RegisterDelayedCallback(env.CancelWorkflow, c.cancel)
			}
			env.ExecuteWorkflow(DownloadFile, DownloadFileInput{Connection: "prod", FileID: "7", SaveTo: "reports/x.csv"})
			var took []time.Duration
			for _, moment := range at {
				took = append(took, moment.Sub(at[0]).Round(time.Second))
			}
			require.Equal(t, c.took, took)
			if c.fails != "" {
				require.ErrorContains(t, env.GetWorkflowError(), c.fails)
				return
			}
			require.NoError(t, env.GetWorkflowError())
		})
	}
}
