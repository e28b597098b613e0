package workflows

import (
	"context"
	"encoding/json"
	"testing"

	"github.com/stretchr/testify/require"
	"go.temporal.io/sdk/client"

	"github.com/pbsmflow/pbsmflow/activities"
)

// A close with other parameters has an id of its own; a value that is the default adds nothing to it.
func TestNightlyClose_params(t *testing.T) {
	for given, key := range map[string]string{"7": "scenario-7", "1": ""} {
		t.Run(given, func(t *testing.T) {
			env := newEnv(t)
			f := fakeSteps{env: env, batch: succeeds}
			f.register()
			var prepared activities.PreparePipelineInput
			env.RegisterActivityWithOptions(func(_ context.Context, in activities.PreparePipelineInput) (*activities.Plan, error) {
				prepared = in
				p := plan(batchStep("alloc"))
				p.Key, p.Params = key, in.Params
				return &p, nil
			}, activityName("PreparePipeline"))
			in := NightlyCloseInput{Connection: "prod", Pipeline: "nightly", AsOfDate: "2026-10-31", Params: map[string]string{"scenario": given}}
			require.Equal(t, "close/prod/nightly/2026-10-31/scenario-"+given, in.WorkflowID())
			env.RegisterWorkflow(NightlyClose)
			env.SetStartWorkflowOptions(client.StartWorkflowOptions{ID: in.WorkflowID()})
			env.ExecuteWorkflow(NightlyClose, in)
			require.NoError(t, env.GetWorkflowError())
			require.Equal(t, in.Params, prepared.Params)
			var result NightlyCloseResult
			require.NoError(t, env.GetWorkflowResult(&result))
			require.Equal(t, key, result.Key)
			require.Equal(t, in.Params, result.Params)
			status := queryStatus(t, env)
			if key == "" {
				require.Equal(t, "run by workflow close/prod/nightly/2026-10-31", status.Summary)
			} else {
				require.Equal(t, "nightly/scenario-7", status.Subject)
			}
		})
	}
}

func TestNightlyCloseInput_Validate_params(t *testing.T) {
	var in NightlyCloseInput
	require.NoError(t, json.Unmarshal([]byte(`{"connection": "prod", "pipeline": "nightly", "as_of_date": "2026-10-31",
		"key": "a/b", "params": {"Scenario": "1", "scenario": "1 OR 1=1"}}`), &in))
	err := in.Validate()
	for _, want := range []string{"key: ", `params.Scenario: "Scenario" is not a parameter's name`, `params.scenario: "1 OR 1=1" must be letters`} {
		require.ErrorContains(t, err, want)
	}
}

func TestScheduledCloseInput_ids(t *testing.T) {
	in := ScheduledCloseInput{Connection: "prod", Pipeline: "nightly", Params: map[string]string{"scenario": "7"}}
	require.Equal(t, "schedule/prod/nightly/scenario-7", in.ScheduleID())
	require.Equal(t, "night/prod/nightly/scenario-7", ScheduledCloseID(in.ScheduleID()))
	require.Equal(t, "close/prod/nightly/2026-10-31/scenario-7", in.CloseInput("2026-10-31").WorkflowID())
	in.Key = "what-if"
	require.Equal(t, "schedule/prod/nightly/what-if", in.ScheduleID())
	require.Equal(t, "close/prod/nightly/2026-10-31/what-if", in.CloseInput("2026-10-31").WorkflowID())
}
