package workflows

import (
	"testing"

	"github.com/stretchr/testify/require"
	"go.temporal.io/sdk/workflow"
)

// A transfer may finish before its cancellation takes effect.
func TestSimpleRun_succeededBeforeTheCancellation(t *testing.T) {
	env := newEnv(t)
	env.ExecuteWorkflow(func(ctx workflow.Context) error {
		ctx, r, err := newSimpleRun(ctx, Status{Connection: "prod", Subject: "reports/gl.csv", Summary: "about to be downloaded"}, noLookups)
		if err != nil {
			return err
		}
		cancelled, cancel := workflow.WithCancel(ctx)
		cancel()
		return r.end(cancelled, "saved as reports/gl.csv", nil)
	})
	require.NoError(t, env.GetWorkflowError())
	status := queryStatus(t, env)
	require.Equal(t, Succeeded, status.State)
	require.Equal(t, "saved as reports/gl.csv", status.Summary)
}
