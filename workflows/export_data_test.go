package workflows

import (
	"context"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/pbsmflow/pbsmflow/activities"
	"github.com/pbsmflow/pbsmflow/internal/transfer"
)

// URLs that have expired, as the manifest says itself, are replaced before they are used; each file must still be named.
func TestExportData(t *testing.T) {
	later := []activities.ExportedFile{{Name: "a.csv", Size: "9"}, {Name: "b.csv"}}
	for name, c := range map[string]struct {
		expires time.Duration
		later   []activities.ExportedFile // of each manifest but the first
		asked   int
		fails   string
	}{
		"two files":                    {time.Hour, nil, 1, ""},
		"expired":                      {-time.Minute, later, 3, ""},
		"a file that is named no more": {-time.Minute, later[1:], 2, "does not name a.csv any more"},
	} {
		t.Run(name, func(t *testing.T) {
			env := newEnv(t)
			asked := 0
			env.RegisterActivityWithOptions(func(context.Context, activities.ExportManifestInput) (activities.ExportManifest, error) {
				m := activities.ExportManifest{
					AsOfDate: "2026-10-31", Expires: start.Add(c.expires),
					Files: []activities.ExportedFile{{Name: "a.csv", Size: "9"}, {Name: "b.csv", Size: "4 KB"}},
				}
				if asked++; asked > 1 {
					m.Files = c.later
				}
				return m, nil
			}, activityName("ExportManifest"))
			env.RegisterActivityWithOptions(func(context.Context, activities.GetFileInput) (activities.TransferResult, error) {
				return activities.TransferResult{Result: transfer.Result{Bytes: 5, SHA256: "ab"}}, nil
			}, activityName("GetFile"))
			env.ExecuteWorkflow(ExportData, ExportDataInput{
				Connection: "prod", Code: "EXP", RunID: "R1", AsOfDate: "2026-10-31", SaveTo: "reports/x/",
			})
			require.Equal(t, c.asked, asked, "manifests")
			if c.fails != "" {
				require.ErrorContains(t, env.GetWorkflowError(), c.fails)
				return
			}
			require.NoError(t, env.GetWorkflowError())
			var result ExportDataResult
			require.NoError(t, env.GetWorkflowResult(&result))
			require.Len(t, result.Files, 2)
			require.Equal(t, "reports/x/a.csv", result.Files[0].File)
			require.Equal(t, "the manifest says 9, without a unit", result.Files[0].Note)
			require.Empty(t, result.Files[1].Note, "a size that is no number says nothing")
		})
	}
}
