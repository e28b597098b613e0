package close

import (
	"fmt"
	"os"
	"reflect"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
	enumspb "go.temporal.io/api/enums/v1"
	"go.temporal.io/api/workflowservice/v1"

	"github.com/pbsmflow/pbsmflow/internal/pbsm"
	"github.com/pbsmflow/pbsmflow/internal/simulator"
	"github.com/pbsmflow/pbsmflow/tests/harness"
	"github.com/pbsmflow/pbsmflow/workflows"
)

const chaptersPage = "../../CHAPTERS.md"

// row maps a call of the document to the test that makes it. call and the prefix of its subject are as in the journal
// of the simulated service; client is the method of pbsm.Client, activity the activity that calls it ("" for the token,
// which every activity fetches itself).
type row struct {
	chapter  string
	what     string
	call     string
	about    string
	client   string
	activity string
	test     string
}

const (
	hangBatch = harness.HangBatch
	hangGroup = "PBSM_HANG_GRP"
)

var chapterRows = []row{
	{"2", "Generate the access token", "token", "password", "Login", "", "Token"},
	{"2", "Generate the refresh token", "token", "refresh_token", "Login", "", "Token"},
	{"3", "PAR URL for upload", "upload-par", "", "CreateUploadPAR", "CreateUploadPAR", "Files"},
	{"3", "Bytes to the PAR URL", "object-put", "", "", "PutFile", "Files"},
	{"3", "List of uploaded files", "list-files", "", "ListFiles", "ListFiles", "Files"},
	{"3", "PAR URL for download by file name", "download-by-name", "", "CreateDownloadPARByName", "CreateDownloadPARByName", "Files"},
	{"3", "PAR URL for download by file id", "download-by-id", "", "CreateDownloadPARByID", "CreateDownloadPARByID", "Files"},
	{"3", "Bytes from the PAR URL", "object-get", "", "", "GetFile", "Files"},
	{"4", "Export", "export", "MIG_EXPORT1", "ExportMigration", "ExportMigration", "Migrations"},
	{"5", "Import", "import", "MIG_IMPORT1", "ImportMigration", "ImportMigration", "Migrations"},
	{"6", "Export status", "export-status", "MIG_EXPORT1", "ExportStatus", "ExportStatus", "Migrations"},
	{"7", "Import status", "import-status", "MIG_IMPORT1", "ImportStatus", "ImportStatus", "Migrations"},
	{"8", "Generate report", "report", "RPT001", "GenerateReport", "GenerateReport", "Reports"},
	{"9", "Report status and PAR URL", "report-status", "RPT001", "ReportStatus", "ReportStatus", "Reports"},
	{"10", "Trigger a batch", "trigger", hangBatch, "Trigger", "TriggerBatch", "Batch"},
	{"10", "Trigger a batch group", "trigger", hangGroup, "Trigger", "TriggerBatch", "Group"},
	{"10", "Status of a batch", "status", hangBatch + "_2", "Status", "BatchStatus", "Batch"},
	{"10", "Status of a batch group", "status", hangGroup + "_2", "Status", "BatchStatus", "Group"},
	{"10", "Interrupt a batch", "interrupt", hangBatch + "_2", "Interrupt", "InterruptBatch", "Batch"},
	{"10", "Interrupt a batch group", "interrupt", hangGroup + "_2", "Interrupt", "InterruptBatch", "Group"},
	{"10", "Rerun a batch", "rerun", hangBatch + "_2", "Rerun", "RerunBatch", "Batch"},
	{"10", "Rerun a batch group", "rerun", hangGroup + "_2", "Rerun", "RerunBatch", "Group"},
	{"10", "Restart a batch", "restart", hangBatch + "_2", "Restart", "RestartBatch", "Batch"},
	{"10", "Restart a batch group", "restart", hangGroup + "_2", "Restart", "RestartBatch", "Group"},
	{"3, later releases", "Scan of an uploaded file (a setting)", "scan-file", "", "ScanFile", "ScanFile", "Scan"},
}

// noCalls are the methods of pbsm.Client that make no call.
var noCalls = []string{"For", "Format", "LoginRefused"}

// Makes every REST call of the document through its activity in a real workflow, over HTTPS with a private CA. The
// client and the activities have their own tests of each call; this one shows that the parts fit together.
func TestChapters(t *testing.T) {
	t.Parallel()
	catalog := simulator.DefaultCatalog()
	catalog.Groups = append(catalog.Groups, simulator.Group{Code: hangGroup, Batches: []string{harness.QuickBatch, harness.HangBatch}})
	e := harness.New(t, harness.Options{Simulator: simulator.Options{Catalog: catalog}})
	tests := map[string]func(*testing.T, *harness.Env){
		"Token": chapterToken, "Files": chapterFiles, "Migrations": chapterMigrations, "Reports": chapterReports,
		"Batch": chapterBatch, "Group": chapterGroup, "Scan": chapterScan,
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			e := e
			if name == "Scan" { // a tenant with another release
				e = harness.New(t, harness.Options{
					Simulator: simulator.Options{Quirks: simulator.Quirks{simulator.ScanRequired}},
					Settings:  map[string]string{"connection.scan_after_upload": "true"},
				})
			}
			test(t, e)
			activities := scheduledActivities(t, e)
			for _, r := range chapterRows {
				if r.test != name {
					continue
				}
				about := func(entry simulator.Entry) bool { return strings.HasPrefix(entry.Subject, r.about) }
				require.NotEmpty(t, e.Calls(r.call, harness.Processed, about), "chapter %s, %s: the service received no such call", r.chapter, r.what)
				if r.activity != "" {
					require.Contains(t, activities, r.activity, "chapter %s, %s: no workflow scheduled the activity", r.chapter, r.what)
				}
			}
		})
	}
	for _, entry := range e.Sim.Journal() {
		require.Empty(t, entry.Note, "%s %s", entry.Call, entry.Path)
	}
	for _, r := range chapterRows {
		require.Contains(t, tests, r.test, "the table names a test that does not exist")
	}
}

func chapterToken(t *testing.T, e *harness.Env) {
	export(t, e, "MIG_EXPORT_DONE")
	e.Sim.ExpireTokens(false)
	export(t, e, "MIG_EXPORT_DONE")
}

func export(t *testing.T, e *harness.Env, code string) {
	run := e.Start("migrate/"+e.Connection+"/"+code, workflows.Migrate, workflows.MigrateInput{Connection: e.Connection, Direction: workflows.Export, Code: code})
	require.NoError(t, e.Await(run, nil))
}

func chapterFiles(t *testing.T, e *harness.Env) {
	text := harness.Ledger(1000)
	e.Write(e.Inbox, "gl.csv", text)
	var up workflows.FileResult
	require.NoError(t, e.Await(e.Start("up/"+e.Connection, workflows.UploadFile,
		workflows.UploadFileInput{Connection: e.Connection, File: "inbox/gl.csv"}), &up))
	require.EqualValues(t, 1000, *up.Rows)
	for name, in := range map[string]workflows.DownloadFileInput{
		"by-name": {Name: "gl.csv"}, "by-id": {FileID: up.FileID},
	} {
		in.Connection, in.SaveTo = e.Connection, "reports/"+name+".csv"
		var down workflows.FileResult
		require.NoError(t, e.Await(e.Start("down/"+e.Connection+"/"+name, workflows.DownloadFile, in), &down))
		require.Equal(t, up.SHA256, down.SHA256)
		saved, err := os.ReadFile(e.Reports + "/" + name + ".csv")
		require.NoError(t, err)
		require.Equal(t, text, string(saved))
	}
}

func chapterMigrations(t *testing.T, e *harness.Env) {
	export(t, e, "MIG_EXPORT1")
	run := e.Start("import/"+e.Connection, workflows.Migrate, workflows.MigrateInput{Connection: e.Connection, Direction: workflows.Import, Code: "MIG_IMPORT1"})
	var result workflows.MigrateResult
	require.NoError(t, e.Await(run, &result))
	require.False(t, result.AlreadyComplete)
}

func chapterReports(t *testing.T, e *harness.Env) {
	e.Sim.Inject(simulator.Fault{Call: "object-get", Kind: simulator.FaultExpirePAR, Match: "RPT001", Times: 1}) // a new link is asked for
	run := e.Start("report/"+e.Connection, workflows.GenerateReport,
		workflows.GenerateReportInput{Connection: e.Connection, Code: "RPT001", SaveTo: "reports/profitability.csv"})
	var result workflows.GenerateReportResult
	require.NoError(t, e.Await(run, &result))
	require.EqualValues(t, 50_000, *result.File.Rows)
}

func chapterBatch(t *testing.T, e *harness.Env) {
	sendCommands(t, e, workflows.RunBatchInput{Code: harness.HangBatch})
}

func chapterGroup(t *testing.T, e *harness.Env) {
	sendCommands(t, e, workflows.RunBatchInput{Code: hangGroup, Group: true, Batches: []workflows.GroupBatch{{Code: harness.QuickBatch}, {Code: harness.HangBatch}}})
}

// sendCommands interrupts, restarts, interrupts, reruns, interrupts and gives up.
func sendCommands(t *testing.T, e *harness.Env, in workflows.RunBatchInput) {
	run := e.StartBatch(in)
	send := func(name string, command workflows.Command) workflows.CommandResult {
		command.By, command.Why = "operator", "test"
		answer, err := e.Command(run.GetID(), name, command)
		require.NoError(t, err, name)
		return answer
	}
	e.Until(in.Code+" runs", func() bool { s, _ := e.Status(run.GetID()); return s.StatusCode == "2" })
	for _, again := range []string{workflows.RestartCommand, workflows.RerunCommand} {
		send(workflows.InterruptCommand, workflows.Command{})
		e.AwaitState(run.GetID(), workflows.Waiting)
		answer := send(again, workflows.Command{})
		require.NotEmpty(t, answer.RunID)
		e.Until(in.Code+" runs again", func() bool { s, _ := e.Status(run.GetID()); return s.StatusCode == "2" && s.RunID == answer.RunID })
	}
	send(workflows.InterruptCommand, workflows.Command{})
	e.AwaitState(run.GetID(), workflows.Waiting)
	send(workflows.DecideCommand, workflows.Command{Choice: workflows.GiveUp})
	require.ErrorContains(t, e.Await(run, nil), "given up")
	status, ok := e.Status(run.GetID())
	require.True(t, ok)
	require.Equal(t, workflows.Interrupted, status.State)
}

func chapterScan(t *testing.T, e *harness.Env) {
	e.Write(e.Inbox, "gl.csv", harness.Ledger(10))
	require.NoError(t, e.Await(e.Start("up/"+e.Connection, workflows.UploadFile,
		workflows.UploadFileInput{Connection: e.Connection, File: "inbox/gl.csv"}), nil))
}

// scheduledActivities returns the types of all activities that the workflows of a connection scheduled.
func scheduledActivities(t *testing.T, e *harness.Env) []string {
	t.Helper()
	var types []string
	listed, err := e.Temporal.ListWorkflow(t.Context(), &workflowservice.ListWorkflowExecutionsRequest{
		Query: fmt.Sprintf("PbsmConnection = '%s'", e.Connection),
	})
	require.NoError(t, err)
	for _, w := range listed.Executions {
		for _, event := range e.History(w.Execution.WorkflowId, w.Execution.RunId) {
			if event.EventType == enumspb.EVENT_TYPE_ACTIVITY_TASK_SCHEDULED {
				types = append(types, event.GetActivityTaskScheduledEventAttributes().ActivityType.Name)
			}
		}
	}
	return types
}

// The table has every call of the client and of the service, and equals CHAPTERS.md.
func TestChapters_tableIsComplete(t *testing.T) {
	t.Parallel()
	column := func(of func(row) string) []string {
		var values []string
		for _, r := range chapterRows {
			values = append(values, of(r))
		}
		return values
	}
	client := reflect.TypeFor[*pbsm.Client]()
	for i := range client.NumMethod() {
		if name := client.Method(i).Name; !slices.Contains(noCalls, name) {
			require.Contains(t, column(func(r row) string { return r.client }), name, "pbsm.Client.%s has no row", name)
		}
	}
	for _, call := range simulator.Calls() {
		if strings.HasPrefix(call, "multipart-") || call == "part-put" || call == "object-head" {
			continue // ways to transfer bytes, not calls of the document
		}
		require.Contains(t, column(func(r row) string { return r.call }), call, "the service's call %s has no row", call)
	}

	var doc strings.Builder
	doc.WriteString("# Which test covers which chapter\n\nChecked by `TestChapters_tableIsComplete`; `PBSMFLOW_UPDATE=1 go test -run Table ./e2e/close` writes it.\n\n" +
		"| chapter | call | client (`internal/pbsm`) | activity | test |\n|---|---|---|---|---|\n")
	for _, r := range chapterRows {
		fmt.Fprintf(&doc, "| %s | %s | %s | %s | `TestChapters/%s` |\n", r.chapter, r.what, r.client, r.activity, r.test)
	}
	if os.Getenv("PBSMFLOW_UPDATE") != "" {
		require.NoError(t, os.WriteFile(chaptersPage, []byte(doc.String()), 0o644))
	}
	written, err := os.ReadFile(chaptersPage)
	require.NoError(t, err)
	require.Equal(t, doc.String(), string(written), "CHAPTERS.md is stale: PBSMFLOW_UPDATE=1 go test -run Table ./e2e/close")
}
