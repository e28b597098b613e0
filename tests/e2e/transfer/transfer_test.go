package transfer

import (
	"bufio"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	enumspb "go.temporal.io/api/enums/v1"
	"go.temporal.io/sdk/converter"
	"go.temporal.io/sdk/temporal"

	"github.com/pbsmflow/pbsmflow/activities"
	"github.com/pbsmflow/pbsmflow/internal/simulator"
	"github.com/pbsmflow/pbsmflow/tests/harness"
	"github.com/pbsmflow/pbsmflow/workflows"
)

// inParts makes a file of 30 MiB three parts.
var inParts = map[string]string{"connection.transfer.threshold": "1000000", "connection.transfer.part_size": "10485760"}

const inThreeParts = 30 << 20

// A folder is uploaded in one step, whose history does not grow with the number of files.
func TestUploadFolder_inOneStep(t *testing.T) {
	t.Parallel()
	const files = 300
	e := harness.New(t, harness.Options{})
	for i := range files {
		e.Write(e.Inbox, fmt.Sprintf("extracts_%s/part-%04d.csv", harness.AsOf, i), harness.Ledger(i+1))
	}
	e.Write(e.Inbox, "extracts_"+harness.AsOf+"/.DS_Store", "litter: not uploaded")
	e.Write(e.Pipelines, "night.yaml", `name: night
steps:
  - id: extracts
    upload: {file: "inbox/extracts_{{.AsOfDate}}/", marker: "inbox/extracts_{{.AsOfDate}}.done", wait_until: 10m, list_to: "reports/{{.AsOfDate}}/extracts.jsonl"}
  - id: quick
    needs: [extracts]
    batch: {code: PBSM_QUICK}
`)
	// The worker is killed midway, and one file is refused once.
	e.Sim.Inject(simulator.Fault{Call: "upload-par", Kind: simulator.FaultStatus, Match: "part-0007", Times: 1},
		simulator.Fault{Call: "object-put", Kind: simulator.FaultExpirePAR, Match: "part-0008", Times: 1},
		simulator.Fault{Call: "object-put", Kind: simulator.FaultDelayBefore, Delay: 20 * time.Millisecond})
	run := e.StartClose("night")
	e.Write(e.Inbox, "extracts_"+harness.AsOf+".done", "done")
	e.Until("half of the files have arrived", func() bool { return len(e.Calls("object-put", harness.Processed)) > files/2 })
	e.Worker.Kill()
	e.StartWorker()
	var result workflows.NightlyCloseResult
	require.NoError(t, e.Await(run, &result))
	require.Equal(t, workflows.Succeeded, result.State)
	up := result.Steps[0].Upload
	require.EqualValues(t, files, up.Files)
	require.EqualValues(t, files*(files+1)/2, *up.Rows)
	require.Equal(t, "reports/"+harness.AsOf+"/extracts.jsonl", up.ListedIn)

	list, err := os.Open(filepath.Join(e.Reports, harness.AsOf, "extracts.jsonl"))
	require.NoError(t, err)
	defer list.Close()
	require.Equal(t, up.SHA256, harness.FileSHA256(t, list.Name()))
	ids, names, bytes := map[string]bool{}, map[string]bool{}, int64(0)
	for lines := bufio.NewScanner(list); lines.Scan(); {
		var sent activities.SentFile
		require.NoError(t, json.Unmarshal(lines.Bytes(), &sent))
		require.Equal(t, sent.SHA256, harness.FileSHA256(t, filepath.Join(e.Inbox, strings.TrimPrefix(sent.File, "inbox/"))))
		ids[sent.FileID], names[sent.File], bytes = true, true, bytes+sent.Bytes
	}
	require.Len(t, ids, files)
	require.Len(t, names, files)
	require.Equal(t, up.Bytes, bytes)
	require.LessOrEqual(t, len(e.Calls("object-put", harness.Processed)), files+16, "what is in the list is not uploaded again")
	require.Less(t, len(e.History(result.Steps[0].WorkflowID, "")), 40)
	left, err := os.ReadDir(filepath.Join(e.Reports, harness.AsOf))
	require.NoError(t, err)
	require.Len(t, left, 1)
}

func TestUploadFolder_problems(t *testing.T) {
	t.Parallel()
	e := harness.New(t, harness.Options{})
	e.Write(e.Inbox, "bad/with space.csv", "a\n1\n")
	e.Write(e.Inbox, "bad/empty.csv", "")
	e.Write(e.Inbox, "bad/good.csv", "a\n1\n")
	e.Write(e.Inbox, "bad/deeper/other.csv", "a\n1\n")
	for folder, want := range map[string][]string{
		"inbox/bad/":    {`"with space.csv"`, "empty.csv: has 0 bytes", "inbox/bad/deeper/other.csv: is in a folder of the folder"},
		"inbox/nobody/": {"holds no files"},
	} {
		err := e.Await(e.Start(t.Name()+folder, workflows.UploadFile, workflows.UploadFileInput{Connection: e.Connection, File: folder}), nil)
		for _, text := range want {
			require.ErrorContains(t, err, text)
		}
	}
	require.Empty(t, e.Calls("upload-par"), "everything is checked before the first upload")
}

// A PAR that expires midway is renewed: a download continues, an upload starts again under its new file id.
func TestTransfer_renewsExpiredPARs(t *testing.T) {
	t.Parallel()
	e := harness.New(t, harness.Options{Settings: inParts})
	source := filepath.Join(e.Inbox, "ledger.dat")
	sum := harness.WriteNoise(t, source, inThreeParts)

	e.Sim.Inject(simulator.Fault{Call: "part-put", Kind: simulator.FaultExpirePAR, After: 2, Times: 1})
	var up workflows.FileResult
	require.NoError(t, e.Await(e.Start(t.Name()+"/up", workflows.UploadFile, workflows.UploadFileInput{Connection: e.Connection, File: "inbox/ledger.dat"}), &up))
	require.Equal(t, sum, up.SHA256)
	require.Contains(t, up.Note, "uploaded again from the start")
	pars := e.Calls("upload-par")
	require.Len(t, pars, 2)
	require.Equal(t, pars[1].Created, up.FileID)
	require.NotEmpty(t, e.Calls("multipart-abort"), "the parts under the old id are dropped")

	e.Sim.Inject(simulator.Fault{Call: "object-get", Kind: simulator.FaultExpirePAR, After: 2, Times: 1})
	var down workflows.FileResult
	require.NoError(t, e.Await(e.Start(t.Name()+"/down", workflows.DownloadFile, workflows.DownloadFileInput{Connection: e.Connection, FileID: up.FileID, SaveTo: "reports/copy.dat"}), &down))
	require.Equal(t, sum, harness.FileSHA256(t, filepath.Join(e.Reports, "copy.dat")))
	require.Empty(t, down.Note, "it continued with what it had")
	require.Len(t, e.Calls("download-by-id"), 2)

	text := ""
	for _, id := range []string{t.Name() + "/up", t.Name() + "/down"} {
		for _, event := range e.History(id, "") {
			text += event.String()
		}
	}
	require.Contains(t, text, "par1.", "PARs are in the history sealed, so that a secret would be found")
	for _, secret := range e.Sim.Secrets() {
		require.NotContains(t, text, secret)
	}
}

// A file that changes during its upload is uploaded again, and the first upload is dropped.
func TestUpload_fileChangesMidway(t *testing.T) {
	t.Parallel()
	e := harness.New(t, harness.Options{Settings: inParts})
	source := filepath.Join(e.Inbox, "ledger.dat")
	harness.WriteNoise(t, source, inThreeParts)
	e.Sim.Inject(simulator.Fault{Call: "part-put", Kind: simulator.FaultDelayBefore, Delay: time.Second})
	run := e.Start(t.Name(), workflows.UploadFile, workflows.UploadFileInput{Connection: e.Connection, File: "inbox/ledger.dat"})
	e.Until("the upload has begun", func() bool { return len(e.Calls("multipart-create")) > 0 })
	sum := harness.WriteNoise(t, source, inThreeParts+5)
	var up workflows.FileResult
	require.NoError(t, e.Await(run, &up))
	require.Equal(t, sum, up.SHA256)
	require.Contains(t, up.Note, "changed since it was found")
	require.Len(t, e.Calls("upload-par"), 2)
	require.NotContains(t, []string{up.FileID}, e.Calls("upload-par")[0].Created)
}

// A cancelled transfer leaves neither parts in the object store nor a partial file.
func TestUpload_cancelledLeavesNothing(t *testing.T) {
	t.Parallel()
	e := harness.New(t, harness.Options{Settings: map[string]string{
		"connection.transfer.threshold": "1000000", "connection.transfer.part_size": "10485760", "connection.transfer.bandwidth": "15000000",
	}})
	harness.WriteNoise(t, filepath.Join(e.Inbox, "ledger.dat"), 3*inThreeParts)
	run := e.Start(t.Name(), workflows.UploadFile, workflows.UploadFileInput{Connection: e.Connection, File: "inbox/ledger.dat"})
	e.Until("a part has arrived", func() bool { return len(e.Calls("part-put", harness.Processed)) > 0 })
	var progress workflows.TransferProgress
	e.Until("its progress is shown", func() bool {
		described, err := workflows.Describe(t.Context(), e.Temporal, t.Name())
		require.NoError(t, err)
		var ok bool
		progress, ok = described.Progress(converter.GetDefaultDataConverter(), temporal.GetDefaultFailureConverter())
		return ok && progress.Rate > 0
	})
	require.EqualValues(t, 3*inThreeParts, progress.Total)
	require.Positive(t, progress.Done)
	require.Positive(t, progress.Remaining)
	require.NoError(t, e.Temporal.CancelWorkflow(t.Context(), t.Name(), ""))
	require.Error(t, e.Await(run, nil))
	require.Len(t, e.Calls("multipart-abort", harness.Processed), 1)
	require.Empty(t, e.Calls("multipart-commit"))

	// The same for a folder, whose worker was killed.
	require.NoError(t, os.MkdirAll(filepath.Join(e.Inbox, "in"), 0o755))
	harness.WriteNoise(t, filepath.Join(e.Inbox, "in", "large.dat"), 3*inThreeParts)
	run = e.Start(t.Name()+"/folder", workflows.UploadFile, workflows.UploadFileInput{Connection: e.Connection, File: "inbox/in/"})
	before := len(e.Calls("part-put", harness.Processed))
	e.Until("a part of the folder's file has arrived", func() bool { return len(e.Calls("part-put", harness.Processed)) > before })
	e.Worker.Kill()
	require.NoError(t, e.Temporal.CancelWorkflow(t.Context(), run.GetID(), ""))
	e.StartWorker()
	require.Error(t, e.Await(run, nil))
	require.Len(t, e.Calls("multipart-abort", harness.Processed), 2)
	require.Empty(t, e.Calls("multipart-commit"))
}

// A store that is away at the start holds up the step that needs it, and nothing else.
func TestClose_beginsWhileAStoreIsAway(t *testing.T) {
	t.Parallel()
	e := harness.New(t, harness.Options{})
	e.Write(e.Pipelines, "night.yaml", `name: night
steps:
  - id: ledger
    upload: {file: inbox/gl.csv, wait_until: 10m}
  - id: quick
    batch: {code: PBSM_QUICK}
`)
	away := e.Inbox + ".away"
	require.NoError(t, os.Rename(e.Inbox, away))
	run := e.StartClose("night")
	e.Until("the batch has run", func() bool { return stepOf(e, run.GetID(), "quick").State == workflows.Succeeded })
	require.Equal(t, workflows.Running, stepOf(e, run.GetID(), "ledger").State)
	require.NoError(t, os.Rename(away, e.Inbox))
	e.Write(e.Inbox, "gl.csv", harness.Ledger(1))
	var result workflows.NightlyCloseResult
	require.NoError(t, e.Await(run, &result))
	require.Equal(t, workflows.Succeeded, result.State)
}

// A download that is cancelled leaves nothing, also while it waits for its next attempt, which cannot clean up.
func TestDownload_cancelledBetweenAttemptsLeavesNothing(t *testing.T) {
	t.Parallel()
	e := harness.New(t, harness.Options{Settings: inParts})
	harness.WriteNoise(t, filepath.Join(e.Inbox, "ledger.dat"), inThreeParts)
	var up workflows.FileResult
	require.NoError(t, e.Await(e.Start(t.Name()+"/up", workflows.UploadFile, workflows.UploadFileInput{Connection: e.Connection, File: "inbox/ledger.dat"}), &up))
	e.Sim.Inject(simulator.Fault{Call: "object-get", Kind: simulator.FaultStatus, After: 2})
	run := e.Start(t.Name()+"/down", workflows.DownloadFile, workflows.DownloadFileInput{Connection: e.Connection, FileID: up.FileID, SaveTo: "reports/copy.dat"})
	e.Until("the download is retried later", func() bool {
		described, err := e.Temporal.DescribeWorkflowExecution(t.Context(), run.GetID(), "")
		require.NoError(t, err)
		pending := described.PendingActivities
		return len(pending) == 1 && pending[0].Attempt > 3 && pending[0].State == enumspb.PENDING_ACTIVITY_STATE_SCHEDULED
	})
	left, err := os.ReadDir(e.Reports)
	require.NoError(t, err)
	require.Len(t, left, 1, "the staging file")
	require.NoError(t, e.Temporal.CancelWorkflow(t.Context(), run.GetID(), ""))
	require.Error(t, e.Await(run, nil))
	left, err = os.ReadDir(e.Reports)
	require.NoError(t, err)
	require.Empty(t, left)
}
