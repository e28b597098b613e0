package activities

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"go.temporal.io/sdk/activity"
	"go.temporal.io/sdk/converter"

	"github.com/pbsmflow/pbsmflow/internal/stores"
)

// A later attempt polls the instance that the heartbeat names, until it has ended.
func TestGenerateReport_pollsTheInstanceOfItsHeartbeat(t *testing.T) {
	for code, end := range map[string]string{"RPT_FAIL_ONCE": "FAIL", "RPT002": "COMPLETE"} {
		t.Run(end, func(t *testing.T) {
			a, sim := withService(t, stores.Settings{URL: "file://" + t.TempDir()})
			in := GenerateReportInput{Connection: "prod", Code: code, Type: "CSV"}
			var heartbeat pollState
			env := activityEnv(a)
			env.SetOnActivityHeartbeatListener(func(_ *activity.Info, details converter.EncodedValues) { require.NoError(t, details.Get(&heartbeat)) })
			_, err := env.ExecuteActivity(a.GenerateReport, in)
			require.Equal(t, StillWaiting, applicationError(t, err).Type())

			sim.Advance(time.Hour)
			env = activityEnv(a)
			env.SetHeartbeatDetails(heartbeat)
			answer, err := env.ExecuteActivity(a.GenerateReport, in)
			require.NoError(t, err)
			var report Report
			require.NoError(t, answer.Get(&report))
			require.Equal(t, heartbeat.InstanceID, report.InstanceID)
			require.Equal(t, end, report.Status)
			require.True(t, report.Done || report.Failed)
		})
	}
}

// A mistyped store is found before the service works for nothing.
func TestGenerateReport_unknownStore(t *testing.T) {
	a, sim := withService(t, stores.Settings{URL: "file://" + t.TempDir()})
	in := GenerateReportInput{Connection: "prod", Code: "RPT002", Type: "CSV", SaveTo: "inbx/a.csv"}
	_, err := activityEnv(a).ExecuteActivity(a.GenerateReport, in)
	require.Equal(t, Unavailable, applicationError(t, err).Type(), "another worker may have it")
	require.ErrorContains(t, err, "inbx")
	for _, call := range sim.Journal() {
		require.NotEqual(t, "report", call.Call)
	}
}
