package deployment

import (
	"context"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	sdk "go.temporal.io/sdk/client"

	"github.com/pbsmflow/pbsmflow/starter/internal/client"
	"github.com/pbsmflow/pbsmflow/starter/internal/clitest"
	"github.com/pbsmflow/pbsmflow/workflows"
)

// handle describes a version whose workers have one task queue for workflows.
type handle struct{ sdk.WorkerDeploymentHandle }

func (handle) DescribeVersion(context.Context, sdk.WorkerDeploymentDescribeVersionOptions) (sdk.WorkerDeploymentVersionDescription, error) {
	return sdk.WorkerDeploymentVersionDescription{Info: sdk.WorkerDeploymentVersionInfo{TaskQueuesInfos: []sdk.WorkerDeploymentTaskQueueInfo{
		{Name: "pbsm", Type: sdk.TaskQueueTypeWorkflow}, {Name: "pbsm/prod", Type: sdk.TaskQueueTypeActivity},
	}}}, nil
}

// Closes that began on a version wait for its workers, whoever else polls.
func TestIdle(t *testing.T) {
	temporal := clitest.NewTemporal(workflows.NightlyCloseType, "pbsm")
	temporal.Polled, temporal.Build = map[string]time.Time{"pbsm": time.Now()}, "2"
	s := &client.Session{Factory: clitest.Factory(0), Temporal: temporal}
	assert.True(t, idle(t.Context(), s, handle{}, "1"))
	assert.False(t, idle(t.Context(), s, handle{}, "2"))
	assert.Equal(t, "draining: closes that started on it still run; its workers are needed; no worker of it is running",
		version{State: "draining", Idle: true}.text())
	assert.False(t, version{State: "drained"}.needed())
}
