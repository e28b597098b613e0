package workflows

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/pbsmflow/pbsmflow/activities"
	"github.com/pbsmflow/pbsmflow/internal/pipeline"
)

func TestNoop(t *testing.T) {
	_, err := pipeline.Parse([]byte("name: nightly\nsteps:\n  - {id: a, noop: {}}\n"))
	require.EqualError(t, err, "line 3: steps.a.noop.message: is missing")

	parsed, err := pipeline.Parse([]byte("name: nightly\nsteps:\n  - {id: a, noop: {message: 'as of {{.AsOfDate}}'}}\n"))
	require.NoError(t, err)
	date, err := pipeline.ParseDate("2026-10-31")
	require.NoError(t, err)
	rendered, err := parsed.Render(date, pipeline.Vars{Connection: "prod"})
	require.NoError(t, err)
	step := rendered.Steps[0]
	require.Equal(t, "as of 2026-10-31", step.Noop.Message)

	fake := fakeSteps{env: newEnv(t), plan: plan(activities.PlanStep{Step: step, Kind: step.Kind()})}
	fake.register()
	fake.execute("alice")
	require.NoError(t, fake.env.GetWorkflowError())
	status := queryStatus(t, fake.env).Steps[0]
	require.Equal(t, Succeeded, status.State)
	require.Equal(t, "did nothing", status.Detail)
}
