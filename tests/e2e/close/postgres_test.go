package close

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/pbsmflow/pbsmflow/internal/simulator"
	"github.com/pbsmflow/pbsmflow/tests/harness"
	"github.com/pbsmflow/pbsmflow/workflows"
)

// Temporal on PostgreSQL, configured as in Compose, is killed during a close and restarted: the close succeeds, and
// nothing is submitted twice.
func TestClose_resumesAfterServerKillOnPostgreSQL(t *testing.T) {
	t.Parallel()
	cluster := harness.StartCluster(t)
	e := harness.New(t, harness.Options{Server: cluster.Server, NoWorker: true, Simulator: simulator.Options{Speed: 60}})
	e.Until("the search attributes are registered", func() bool { return e.Run("search-attributes", "create").Code == 0 })
	e.StartWorker()
	e.Write(e.Inbox, "gl.csv", harness.Ledger(1000))
	e.Write(e.Pipelines, "night.yaml", `name: night
steps:
  - id: ledger
    upload: {file: inbox/gl.csv}
  - id: allocate
    needs: [ledger]
    batch: {code: PBSM_ALLOC}
  - id: profit
    needs: [allocate]
    group: {code: PBSM_PROFIT_GRP, batches: [{code: PBSM_CUST_PROFIT}, {code: PBSM_PROD_PROFIT}]}
  - id: report
    needs: [profit]
    report: {code: RPT002, save_to: reports/report.csv}
`)
	run := e.StartClose("night")
	e.Until("the batch is polled", func() bool { return len(e.Calls("status")) > 0 })
	cluster.Kill()
	cluster.Restart()

	var result workflows.NightlyCloseResult
	require.NoError(t, e.Await(run, &result))
	require.Equal(t, workflows.Succeeded, result.State)
	require.Len(t, e.Calls("trigger"), 2, "a batch and a group, once each")
	require.FileExists(t, e.Reports+"/report.csv")
}
