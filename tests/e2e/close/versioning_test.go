package close

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/pbsmflow/pbsmflow/internal/simulator"
	"github.com/pbsmflow/pbsmflow/tests/harness"
	"github.com/pbsmflow/pbsmflow/workflows"
)

// A running batch ends on the version on which it began, while new ones begin on the current version.
func TestUpgrade_runningClosesKeepTheirVersion(t *testing.T) {
	t.Parallel()
	const deployment = "pbsmflow-upgrade"
	version := func(buildID string) []string {
		return []string{"TEMPORAL_DEPLOYMENT_NAME=" + deployment, "TEMPORAL_WORKER_BUILD_ID=" + buildID}
	}
	// The server checks every few minutes whether a version is drained; here every second.
	server := harness.StartServer(t, "--dynamic-config", "matching.wv.VersionDrainageStatusVisibilityGracePeriod=1s",
		"--dynamic-config", "matching.wv.VersionDrainageStatusRefreshInterval=1s")
	e := harness.New(t, harness.Options{NoWorker: true, Server: server, Simulator: simulator.Options{Speed: 60}})
	promote := func(args ...string) {
		e.Until("version "+args[0]+" is promoted", func() bool { // once its workers are known
			return e.Run(append([]string{"deployment", "promote", "--deployment", deployment}, args...)...).Code == 0
		})
	}
	state := func(buildID string) string {
		for _, entry := range e.JSON(0, "deployment", "list", "--deployment", deployment)["versions"].([]any) {
			if version := entry.(map[string]any); version["build_id"] == buildID {
				return version["state"].(string)
			}
		}
		return ""
	}
	is := func(buildID, wanted string) {
		e.Until(buildID+" is "+wanted, func() bool { return state(buildID) == wanted })
	}
	buildOf := func(id string) string {
		described, err := e.Temporal.DescribeWorkflowExecution(t.Context(), id, "")
		require.NoError(t, err)
		return described.GetWorkflowExecutionInfo().GetVersioningInfo().GetDeploymentVersion().GetBuildId()
	}

	old := e.StartWorker(version("one")...)
	promote("one")
	in := workflows.RunBatchInput{Connection: e.Connection, Code: "PBSM_ALLOC", AsOfDate: harness.AsOf}
	before := e.StartBatch(in)
	e.Until("the first batch runs", func() bool {
		status, ok := e.Status(before.GetID())
		return ok && status.RunID != ""
	})

	e.StartWorker(version("two")...)
	require.Equal(t, "inactive", state("two"))
	promote("two", "--percent", "25")
	is("two", "ramping")
	promote("two")
	in.Key = "after-the-upgrade"
	after := e.StartBatch(in)
	is("one", "draining")
	require.Equal(t, "current", state("two"))

	// With a version that lacks a connection, its batches would have no worker.
	other := harness.New(t, harness.Options{NoWorker: true, Server: server, TaskQueue: e.TaskQueue, Name: "-other"})
	other.StartWorker(version("three")...)
	is("three", "inactive")
	refused := e.Want(1, "deployment", "promote", "three", "--deployment", deployment)
	require.Contains(t, refused.Stderr, "cannot be promoted")
	require.Contains(t, refused.Stderr, "task queue")
	require.Equal(t, "current", state("two"))

	var result workflows.RunBatchResult
	require.NoError(t, e.Await(after, &result))
	require.NoError(t, e.Await(before, &result))
	require.Equal(t, "one", buildOf(before.GetID()))
	require.Equal(t, "two", buildOf(after.GetID()))
	require.Greater(t, result.EndedAt.Sub(result.TriggeredAt), time.Second)

	// Workers of a drained version may be stopped: no later batch needs them.
	is("one", "drained")
	require.Contains(t, e.Want(0, "deployment", "list", "--deployment", deployment).Stdout, "its workers may be stopped")
	old.Stop()
	in.Key = "after-the-old-version-stopped"
	require.NoError(t, e.Await(e.StartBatch(in), nil))
}
