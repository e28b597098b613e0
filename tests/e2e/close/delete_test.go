package close

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/pbsmflow/pbsmflow/internal/simulator"
	"github.com/pbsmflow/pbsmflow/tests/harness"
	"github.com/pbsmflow/pbsmflow/workflows"
)

// A close deletes what closes of 35 and more days ago sent, by their audit files: a file and the files of a folder. What
// younger ones sent stays, and so does what somebody else sent. The answer of the first deletion is lost.
func TestDelete_byAge(t *testing.T) {
	t.Parallel()
	e := harness.New(t, harness.Options{})
	e.Write(e.Pipelines, "tidy.yaml", `name: tidy
audit: "reports/{{.AsOfDate}}.jsonl"
steps:
  - {id: ledger, upload: {file: "inbox/gl_{{.AsOfDate}}.csv"}}
  - {id: parts, upload: {file: "inbox/{{.AsOfDate}}/", list_to: "reports/{{.AsOfDate}}.sent.jsonl"}}
  - {id: old, needs: [ledger, parts], delete: {older_than: 35d}}
`)
	e.Write(e.Inbox, "other.csv", harness.Ledger(3))
	require.NoError(t, e.Await(e.Start("up/"+e.Connection, workflows.UploadFile,
		workflows.UploadFileInput{Connection: e.Connection, File: "inbox/other.csv"}), nil))
	deleted := func(date string) (result workflows.NightlyCloseResult) {
		e.Write(e.Inbox, "gl_"+date+".csv", harness.Ledger(3))
		for _, part := range []string{"/a_", "/b_"} {
			e.Write(e.Inbox, date+part+date+".csv", harness.Ledger(3))
		}
		in := workflows.NightlyCloseInput{Connection: e.Connection, Pipeline: "tidy", AsOfDate: date}
		require.NoError(t, e.Await(e.Start(in.WorkflowID(), workflows.NightlyClose, in), &result))
		return result
	}
	require.Empty(t, deleted("2026-09-25").Steps[2].Deleted.FileIDs)
	require.Empty(t, deleted("2026-09-29").Steps[2].Deleted.FileIDs, "four days later")

	e.Sim.Inject(simulator.Fault{Call: "delete-by-id", Kind: simulator.FaultCloseAfter, Times: 1})
	tidied := deleted("2026-10-30").Steps[2].Deleted
	require.Len(t, tidied.AlreadyGone, 1, "the answer was lost; the list shows that it is gone")
	require.Len(t, tidied.FileIDs, 2)
	for _, file := range e.Sim.Files() {
		require.Equal(t, strings.Contains(file.Name, "2026-09-25"), !file.Deleted.IsZero(), file.Name)
	}
	audit := e.Want(0, "audit", "verify", e.Reports+"/2026-10-30.jsonl")
	require.Contains(t, audit.Stdout, "intact")
}
