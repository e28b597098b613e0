package tests

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"go.temporal.io/sdk/client"

	"github.com/pbsmflow/pbsmflow/internal/simulator"
	"github.com/pbsmflow/pbsmflow/tests/harness"
	"github.com/pbsmflow/pbsmflow/workflows"
)

// A night that is under way ends on the version that it began with, while new ones begin on
// the one that has become current.
func TestAnUpgradeLeavesRunningNightsOnTheirVersion(t *testing.T) {
	t.Parallel()
	const deployment = "pbsmflow-upgrade"
	version := func(buildID string) []string {
		return []string{"TEMPORAL_DEPLOYMENT_NAME=" + deployment, "TEMPORAL_WORKER_BUILD_ID=" + buildID}
	}
	// The server asks every few minutes whether a version is drained; here every second.
	server := harness.StartServer(t, "--dynamic-config", "matching.wv.VersionDrainageStatusVisibilityGracePeriod=1s",
		"--dynamic-config", "matching.wv.VersionDrainageStatusRefreshInterval=1s")
	e := harness.New(t, harness.Options{NoWorker: true, Server: server, Simulator: simulator.Options{Speed: 60}})
	handle := e.Temporal.WorkerDeploymentClient().GetHandle(deployment)
	makeCurrent := func(buildID string) {
		e.Until("version "+buildID+" is current", func() bool {
			_, err := handle.SetCurrentVersion(t.Context(), client.WorkerDeploymentSetCurrentVersionOptions{BuildID: buildID})
			return err == nil
		})
	}
	buildOf := func(id string) string {
		described, err := e.Temporal.DescribeWorkflowExecution(t.Context(), id, "")
		require.NoError(t, err)
		return described.GetWorkflowExecutionInfo().GetVersioningInfo().GetDeploymentVersion().GetBuildId()
	}

	drainage := func(buildID string) int {
		described, err := handle.DescribeVersion(t.Context(), client.WorkerDeploymentDescribeVersionOptions{BuildID: buildID})
		require.NoError(t, err)
		if described.Info.DrainageInfo == nil {
			return client.WorkerDeploymentVersionDrainageStatusUnspecified
		}
		return int(described.Info.DrainageInfo.DrainageStatus)
	}

	old := e.StartWorker(version("one")...)
	makeCurrent("one")
	night := workflows.RunBatchInput{Connection: e.Connection, Code: "PBSM_ALLOC", AsOfDate: harness.AsOf}
	before := e.StartBatch(night)
	e.Until("the first batch runs", func() bool {
		status, ok := e.Status(before.GetID())
		return ok && status.RunID != ""
	})

	e.StartWorker(version("two")...)
	makeCurrent("two")
	night.Key = "after-the-upgrade"
	after := e.StartBatch(night)
	e.Until("the old version is draining", func() bool { return drainage("one") == client.WorkerDeploymentVersionDrainageStatusDraining })
	require.Equal(t, client.WorkerDeploymentVersionDrainageStatusUnspecified, drainage("two"), "the current one is not drained")

	var result workflows.RunBatchResult
	require.NoError(t, e.Await(after, &result))
	require.NoError(t, e.Await(before, &result))
	require.Equal(t, "one", buildOf(before.GetID()))
	require.Equal(t, "two", buildOf(after.GetID()))
	require.Greater(t, result.EndedAt.Sub(result.TriggeredAt), time.Second)

	// That it is drained says when its workers may go; the night after it needs none of them.
	e.Until("the old version is drained", func() bool { return drainage("one") == client.WorkerDeploymentVersionDrainageStatusDrained })
	old.Stop()
	night.Key = "after-the-old-one-went"
	require.NoError(t, e.Await(e.StartBatch(night), nil))
}
