package workflows

import (
	"context"
	"errors"
	"log/slog"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"go.temporal.io/sdk/activity"
	"go.temporal.io/sdk/client"
	"go.temporal.io/sdk/log"
	"go.temporal.io/sdk/testsuite"
	"go.temporal.io/sdk/worker"

	"github.com/pbsmflow/pbsmflow/activities"
)

// newEnv is the test environment of the SDK, which skips the time that a workflow waits.
func newEnv(t *testing.T) *testsuite.TestWorkflowEnvironment {
	return newEnvWithMetrics(t, client.MetricsNopHandler)
}

func newEnvWithMetrics(t *testing.T, metrics client.MetricsHandler) *testsuite.TestWorkflowEnvironment {
	t.Helper()
	var suite testsuite.WorkflowTestSuite
	suite.SetMetricsHandler(metrics)
	suite.SetLogger(log.NewStructuredLogger(slog.New(slog.DiscardHandler)))
	env := suite.NewTestWorkflowEnvironment()
	env.SetStartTime(start)
	env.SetWorkerOptions(worker.Options{DeadlockDetectionTimeout: time.Minute}) // the machine may be busy
	env.RegisterActivityWithOptions(knownConnection, activityName("ResolveConnection"))
	env.RegisterActivityWithOptions(func(context.Context, activities.VerifyCommandInput) (activities.VerifiedCommand, error) {
		return activities.VerifiedCommand{}, nil
	}, activityName("VerifyCommand"))
	env.RegisterActivityWithOptions(func(context.Context) ([]activities.PendingActivity, error) {
		return nil, nil
	}, activityName("PendingActivities"))
	env.RegisterActivityWithOptions(func(context.Context, activities.EarlierCloseInput) (activities.EarlierClose, error) {
		return activities.EarlierClose{}, nil
	}, activityName("EarlierClose"))
	return env
}

// knownConnection stands in for ResolveConnection: it finds every connection except "unknown".
func knownConnection(_ context.Context, in activities.ResolveConnectionInput) (activities.ResolvedConnection, error) {
	if in.Connection == "unknown" {
		return activities.ResolvedConnection{}, activities.InvalidInputError("connection unknown is not known; the queue would be " + in.TaskQueue)
	}
	return activities.ResolvedConnection{}, nil
}

func activityName(name string) activity.RegisterOptions { return activity.RegisterOptions{Name: name} }

func queryStatus(t *testing.T, env *testsuite.TestWorkflowEnvironment) Status {
	t.Helper()
	answer, err := env.QueryWorkflow(StatusQuery)
	require.NoError(t, err)
	var status Status
	require.NoError(t, answer.Get(&status))
	return status
}

func asError[T error](err error, target *T) bool { return errors.As(err, target) }
