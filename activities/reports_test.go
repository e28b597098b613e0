package activities

import (
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"go.temporal.io/sdk/activity"
	"go.temporal.io/sdk/converter"

	"github.com/pbsmflow/pbsmflow/internal/pbsm"
	"github.com/pbsmflow/pbsmflow/internal/simulator"
	"github.com/pbsmflow/pbsmflow/internal/simulator/simtest"
	"github.com/pbsmflow/pbsmflow/internal/stores"
)

// A later attempt polls the instance that the heartbeat names, until it has ended.
func TestGenerateReport_pollsTheInstanceOfItsHeartbeat(t *testing.T) {
	for code, end := range map[string]string{"RPT_FAIL_ONCE": "FAIL", "RPT002": "COMPLETE"} {
		t.Run(end, func(t *testing.T) {
			a, sim := withService(t, stores.Settings{URL: "file://" + t.TempDir()})
			in := GenerateReportInput{Connection: "prod", Code: code, Type: "CSV"}
			heartbeat := requestReport(t, a, in)

			sim.Advance(time.Hour)
			report := pollReport(t, a, in, heartbeat)
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

// Only the status call has the link, so a report that is complete at once is polled like any other.
func TestGenerateReport_completeAtOnce(t *testing.T) {
	tenant := httptest.NewTLSServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		answer := `{"status":"COMPLETED","requestInstanceId":"100"}`
		if strings.HasSuffix(r.URL.Path, "/repgenstatus") {
			answer = `{"status":"COMPLETE","reportInstanceId":"100","downloadLink":"https://h.example.com/p/x"}`
		}
		_, _ = io.WriteString(w, answer)
	}))
	defer tenant.Close()
	sim := simtest.Start(t, simulator.Options{})
	a := withClient(t, simtest.Service(t, sim, func(c *pbsm.Config) { c.BaseURL, c.Insecure = tenant.URL, true }))
	in := GenerateReportInput{Connection: "prod", Code: "RPT002", Type: "CSV"}
	heartbeat := requestReport(t, a, in)

	report := pollReport(t, a, in, heartbeat)
	require.True(t, report.Done)
	link, err := a.connections["prod"].open(report.Link)
	require.NoError(t, err)
	require.Equal(t, "https://h.example.com/p/x", link)
}

// The service may need a moment until it knows an instance.
func TestReportStatus_notKnownYet(t *testing.T) {
	tenant := httptest.NewTLSServer(http.NotFoundHandler())
	defer tenant.Close()
	sim := simtest.Start(t, simulator.Options{})
	a := withClient(t, simtest.Service(t, sim, func(c *pbsm.Config) { c.BaseURL, c.Insecure = tenant.URL, true }))
	for want, since := range map[string]time.Time{StillWaiting: time.Now(), Refused: time.Now().Add(-time.Hour)} {
		in := ReportStatusInput{Connection: "prod", Code: "RPT002", InstanceID: "100", Poll: Poll{Since: since}}
		_, err := activityEnv(a).ExecuteActivity(a.ReportStatus, in)
		require.Equal(t, want, applicationError(t, err).Type())
	}
}

// A tenant that answers about another report than the one requested: its file must not be taken for this one.
func TestGenerateReport_statusOfAnotherInstance(t *testing.T) {
	a, sim := withService(t, stores.Settings{URL: "file://" + t.TempDir()})
	require.NoError(t, sim.SetQuirks(simulator.ReportOther))
	requestReport(t, a, GenerateReportInput{Connection: "prod", Code: "RPT002", Type: "CSV"})
	in := GenerateReportInput{Connection: "prod", Code: "RPT_FAIL_ONCE", Type: "CSV"}
	heartbeat := requestReport(t, a, in)

	sim.Advance(time.Hour)
	env := activityEnv(a)
	env.SetHeartbeatDetails(heartbeat)
	_, err := env.ExecuteActivity(a.GenerateReport, in)
	require.Equal(t, Unavailable, applicationError(t, err).Type())
	require.ErrorContains(t, err, "instance 101 was requested, and the response is about instance 100")
}

// Why a report failed is part of its status.
func TestReportStatus_failedWithItsReason(t *testing.T) {
	tenant := httptest.NewTLSServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		_, _ = io.WriteString(w, `{"status":"FAIL","reportInstanceId":"100","message":"ORA-00942: table or view does not exist"}`)
	}))
	defer tenant.Close()
	sim := simtest.Start(t, simulator.Options{})
	a := withClient(t, simtest.Service(t, sim, func(c *pbsm.Config) { c.BaseURL, c.Insecure = tenant.URL, true }))
	report, err := call[Report](t, a, a.ReportStatus, ReportStatusInput{Connection: "prod", Code: "RPT002", InstanceID: "100"})
	require.NoError(t, err)
	require.True(t, report.Failed)
	require.Equal(t, "FAIL: ORA-00942: table or view does not exist", report.Status)
}

// requestReport is the first attempt, which only asks for the report: its heartbeat is for the next ones.
func requestReport(t *testing.T, a *Activities, in GenerateReportInput) (heartbeat pollState) {
	t.Helper()
	env := activityEnv(a)
	env.SetOnActivityHeartbeatListener(func(_ *activity.Info, details converter.EncodedValues) {
		require.NoError(t, details.Get(&heartbeat))
	})
	_, err := env.ExecuteActivity(a.GenerateReport, in)
	require.Equal(t, StillWaiting, applicationError(t, err).Type())
	return heartbeat
}

// pollReport is a later attempt.
func pollReport(t *testing.T, a *Activities, in GenerateReportInput, heartbeat pollState) (report Report) {
	t.Helper()
	env := activityEnv(a)
	env.SetHeartbeatDetails(heartbeat)
	answer, err := env.ExecuteActivity(a.GenerateReport, in)
	require.NoError(t, err)
	require.NoError(t, answer.Get(&report))
	return report
}
