package activities

import (
	"testing"
	"time"

	"github.com/stretchr/testify/mock"
	"github.com/stretchr/testify/require"
	"go.temporal.io/sdk/client"
	"go.temporal.io/sdk/mocks"

	"github.com/pbsmflow/pbsmflow/internal/config"
	"github.com/pbsmflow/pbsmflow/internal/parstore"

	"github.com/pbsmflow/pbsmflow/internal/pbsm"
	"github.com/pbsmflow/pbsmflow/internal/simulator"
	"github.com/pbsmflow/pbsmflow/internal/simulator/simtest"
)

// A tenant that differs from the document refuses a call, or ignores a part of it, until the setting of the connection
// says so.
func TestSettings_meetTheTenant(t *testing.T) {
	quick := TriggerBatchInput{Connection: "prod", Code: "PBSM_QUICK", Params: map[string]string{"$FICMISDATE$": "2026-10-31"}}
	excluding, task := quick, quick
	excluding.ExcludedTasks = []string{"T1_LOAD", "T2_CALCULATE"}
	task.TaskParams = map[string]map[string]string{"T1_LOAD": {"PARAM": "7"}}
	group := TriggerBatchInput{
		Connection: "prod", Code: "PBSM_PROFIT_GRP", Group: true, GroupDate: "2026-10-31",
	}
	member := group
	member.Batches = []BatchParams{
		{Code: "PBSM_CUST_PROFIT", Params: quick.Params, TaskParams: task.TaskParams},
		{Code: "PBSM_PROD_PROFIT", Params: quick.Params},
	}

	for name, tt := range map[string]struct {
		quirk  simulator.Quirk
		change func(*pbsm.Config)
		call   func(*Activities) any
		in     any
		none   bool // the call also succeeds with neither
	}{
		"tasks in arrays": {simulator.TaskArrays, func(c *pbsm.Config) { c.TaskLists = pbsm.TaskListsArray },
			func(a *Activities) any { return a.TriggerBatch }, excluding, true},
		"parameters of tasks": {simulator.TaskParamsBatches, func(c *pbsm.Config) { c.TaskParams = pbsm.TaskParamsBatches },
			func(a *Activities) any { return a.TriggerBatch }, task, false},
		"parameters of members' tasks": {simulator.TaskParamsMembers, func(c *pbsm.Config) { c.TaskParams = pbsm.TaskParamsMembers },
			func(a *Activities) any { return a.TriggerBatch }, member, false},
		"a group's date": {simulator.GroupLevelDate, func(c *pbsm.Config) { c.GroupDate = true },
			func(a *Activities) any { return a.TriggerBatch }, group, false},
		"service id on export": {simulator.ServiceIDOnExport, func(c *pbsm.Config) { c.ServiceIDOnExport = true },
			func(a *Activities) any { return a.ExportMigration }, MigrationInput{Connection: "prod", Code: "MIG_EXPORT1"}, true},
		"no refresh token": {simulator.NoRefreshToken, func(c *pbsm.Config) { c.TokenScope = "urn:opc:idm:__myscopes__" },
			func(a *Activities) any { return a.ExportMigration }, MigrationInput{Connection: "prod", Code: "MIG_EXPORT1"}, true},
	} {
		t.Run(name, func(t *testing.T) {
			call := func(quirks simulator.Quirks, change ...func(*pbsm.Config)) (*simulator.Simulator, error) {
				sim := simtest.Start(t, simulator.Options{Quirks: quirks})
				a := withClient(t, simtest.Service(t, sim, change...))
				_, err := activityEnv(a).ExecuteActivity(tt.call(a), tt.in)
				return sim, err
			}
			_, err := call(nil)
			require.Equal(t, tt.none, err == nil, "%v", err)
			_, err = call(simulator.Quirks{tt.quirk})
			require.Equal(t, Refused, applicationError(t, err).Type())
			sim, err := call(simulator.Quirks{tt.quirk}, tt.change)
			require.NoError(t, err)
			for _, run := range sim.Runs() {
				require.Equal(t, "2026-10-31", run.AsOf)
			}
		})
	}
}

// withClient are activities with one connection, prod, and a Temporal that confirms every heartbeat.
func withClient(t *testing.T, service *pbsm.Client) *Activities {
	t.Helper()
	server := mocks.NewClient(t)
	server.On("RecordActivityHeartbeat", mock.Anything, mock.Anything, mock.Anything).Return(nil).Maybe()
	return &Activities{
		temporal: server,
		poll:     config.Poll{Ratio: 0.05, Min: time.Second, Max: time.Minute},
		connections: map[string]*connection{"prod": {
			service:  service,
			sealer:   parstore.NewSealer("secret", "prod"),
			observer: newObserver(client.MetricsNopHandler, "prod"),
		}},
	}
}

// A login without offline_access gives no refresh token, and the scope may ask for a token that lives for months: both
// are normal.
func TestSettings_longLivedToken(t *testing.T) {
	sim := simtest.Start(t, simulator.Options{})
	service := simtest.Service(t, sim, func(c *pbsm.Config) {
		c.TokenScope = "urn:opc:idm:__myscopes__ urn:opc:resource:expiry=9153600"
	})
	login, err := service.Login(t.Context())
	require.NoError(t, err)
	require.False(t, login.Refreshable)
	require.InDelta(t, 105.9, time.Until(login.ExpiresAt).Hours()/24, 0.1)
	_, err = service.Login(t.Context())
	require.NoError(t, err, "it logs in again")
	sim.ExpireTokens(false)
	_, err = service.ListFiles(t.Context(), "")
	require.NoError(t, err, "a token that is revoked early is replaced")
}

func TestSettings_spellingOfReportHeaders(t *testing.T) {
	sim := simtest.Start(t, simulator.Options{Quirks: simulator.Quirks{simulator.ReportHeadersCamel}})
	service := simtest.Service(t, sim)
	report, err := service.GenerateReport(t.Context(), pbsm.ReportRequest{ReportCode: "RPT002", ReportType: "CSV"})
	require.NoError(t, err)
	_, err = service.ReportStatus(t.Context(), "RPT002", report.ID)
	require.ErrorContains(t, err, "it is from a gateway")
	camel := simtest.Service(t, sim, func(c *pbsm.Config) { c.ReportHeaders = pbsm.ReportHeadersCamel })
	_, err = camel.ReportStatus(t.Context(), "RPT002", report.ID)
	require.NoError(t, err)
}
