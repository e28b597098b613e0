package workflows

import (
	"context"
	"testing"

	"github.com/stretchr/testify/require"
	"go.temporal.io/sdk/temporal"

	"github.com/pbsmflow/pbsmflow/activities"
)

func TestSetAsOfDate(t *testing.T) {
	for name, c := range map[string]struct {
		check error
		want  State
	}{
		"read back":   {nil, Succeeded},
		"another one": {temporal.NewNonRetryableApplicationError("the service says 2026-10-30", activities.Refused, nil), Failed},
	} {
		t.Run(name, func(t *testing.T) {
			env := newEnv(t)
			var set activities.AsOfDateInput
			env.RegisterActivityWithOptions(func(_ context.Context, in activities.AsOfDateInput) error {
				set = in
				return nil
			}, activityName("SetAsOfDate"))
			env.RegisterActivityWithOptions(func(_ context.Context, in activities.AsOfDateInput) error {
				require.Equal(t, set, in, "what was set is read")
				return c.check
			}, activityName("CheckAsOfDate"))
			env.ExecuteWorkflow(SetAsOfDate, SetAsOfDateInput{Connection: "prod", App: "FTP", User: "carol", AsOfDate: "2026-10-31"})
			require.Equal(t, c.check == nil, env.GetWorkflowError() == nil, "%v", env.GetWorkflowError())
			require.Equal(t, c.want, queryStatus(t, env).State)
			require.Equal(t, "2026-10-31", set.Date)
		})
	}
}
