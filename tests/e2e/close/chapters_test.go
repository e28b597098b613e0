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
	chapter  string // of the guide of that release
	since    string // the oldest release in which the call was seen
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
	{"2", "24.03.01", "Generate the access token", "token", "password", "Login", "", "Token"},
	{"2", "24.03.01", "Generate the refresh token", "token", "refresh_token", "Login", "", "Token"},
	{"3", "24.03.01", "PAR URL for upload", "upload-par", "", "CreateUploadPAR", "CreateUploadPAR", "Files"},
	{"3", "24.03.01", "Bytes to the PAR URL", "object-put", "", "", "PutFile", "Files"},
	{"3", "24.03.01", "List of uploaded files", "list-files", "", "ListFiles", "ListFiles", "Files"},
	{"3", "24.03.01", "PAR URL for download by file name", "download-by-name", "", "CreateDownloadPARByName", "CreateDownloadPARByName", "Files"},
	{"3", "24.03.01", "PAR URL for download by file id", "download-by-id", "", "CreateDownloadPARByID", "CreateDownloadPARByID", "Files"},
	{"3", "24.03.01", "Bytes from the PAR URL", "object-get", "", "", "GetFile", "Files"},
	{"4", "24.03.01", "Export", "export", "MIG_EXPORT1", "ExportMigration", "ExportMigration", "Migrations"},
	{"5", "24.03.01", "Import", "import", "MIG_IMPORT1", "ImportMigration", "ImportMigration", "Migrations"},
	{"6", "24.03.01", "Export status", "export-status", "MIG_EXPORT1", "ExportStatus", "ExportStatus", "Migrations"},
	{"7", "24.03.01", "Import status", "import-status", "MIG_IMPORT1", "ImportStatus", "ImportStatus", "Migrations"},
	{"8", "24.03.01", "Generate report", "report", "RPT001", "GenerateReport", "GenerateReport", "Reports"},
	{"9", "24.03.01", "Report status and PAR URL", "report-status", "RPT001", "ReportStatus", "ReportStatus", "Reports"},
	{"10", "24.03.01", "Trigger a batch", "trigger", hangBatch, "Trigger", "TriggerBatch", "Batch"},
	{"10", "24.03.01", "Trigger a batch group", "trigger", hangGroup, "Trigger", "TriggerBatch", "Group"},
	{"10", "24.03.01", "Status of a batch", "status", hangBatch + "_2", "Status", "BatchStatus", "Batch"},
	{"10", "24.03.01", "Status of a batch group", "status", hangGroup + "_2", "Status", "BatchStatus", "Group"},
	{"10", "24.03.01", "Interrupt a batch", "interrupt", hangBatch + "_2", "Interrupt", "InterruptBatch", "Batch"},
	{"10", "24.03.01", "Interrupt a batch group", "interrupt", hangGroup + "_2", "Interrupt", "InterruptBatch", "Group"},
	{"10", "24.03.01", "Rerun a batch", "rerun", hangBatch + "_2", "Rerun", "RerunBatch", "Batch"},
	{"10", "24.03.01", "Rerun a batch group", "rerun", hangGroup + "_2", "Rerun", "RerunBatch", "Group"},
	{"10", "24.03.01", "Restart a batch", "restart", hangBatch + "_2", "Restart", "RestartBatch", "Batch"},
	{"10", "24.03.01", "Restart a batch group", "restart", hangGroup + "_2", "Restart", "RestartBatch", "Group"},
	{"File guide, step 4", "22.12.01", "Scan of an uploaded file", "scan-file", "", "ScanFile", "ScanFile", "Scan"},
	{"8", "24B", "Delete a file by its id", "delete-by-id", "", "DeleteFile", "DeleteFiles", "Delete"},
	{"8", "24B", "Delete a file by its name", "delete-by-name", "", "DeleteFileByName", "DeleteFileByName", "Delete"},
	{"8", "24B", "Delete files by their names", "delete-by-names", "", "DeleteFilesByName", "DeleteFilesByName", "Delete"},
	{"8", "24B", "Delete the files of a prefix", "delete-by-prefix", "", "DeleteFilesByPrefix", "DeleteFilesByPrefix", "Delete"},
	{"4", "24C", "Copy of an export (re-export)", "copy-export", "MIG_COPY", "CopyExport", "CopyExport", "Copies"},
	{"6", "24D", "Copy of an import (re-import)", "copy-import", "MIG_COPY", "CopyImport", "CopyImport", "Copies"},
	{"3.1", "25D", "URL of what BI Publisher delivered", "published-report", "BIP/BIP_Report", "PublishedReportPAR", "PublishedReportPAR", "Published"},
	{"7", "26A", "Manifest of a data export", "export-manifest", "EXP_LEDGER", "ExportManifest", "ExportManifest", "DataExport"},
	{"6", "26B", "As-of date of a user's preferences", "as-of-date", "", "AsOfDate", "CheckAsOfDate", "Preferences"},
	{"6", "26B", "Set the as-of date", "set-as-of-date", "", "SetAsOfDate", "SetAsOfDate", "Preferences"},
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
		"Delete": chapterDelete, "Copies": chapterCopies, "Published": chapterPublished, "DataExport": chapterDataExport,
		"Preferences": chapterPreferences,
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			e := e
			if name == "Scan" { // a tenant with another release
				e = harness.New(t, harness.Options{
					Simulator: simulator.Options{Quirks: simulator.Quirks{simulator.ScanRequired}},
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

// An answer that is lost is looked up in the list; a deletion by name or prefix is submitted once.
func chapterDelete(t *testing.T, e *harness.Env) {
	upload := func(prefix string, names ...string) (ids []string) {
		for _, name := range names {
			e.Write(e.Inbox, name, harness.Ledger(10))
			var up workflows.FileResult
			require.NoError(t, e.Await(e.Start("up/"+e.Connection+"/"+name+prefix, workflows.UploadFile,
				workflows.UploadFileInput{Connection: e.Connection, File: "inbox/" + name, Prefix: prefix}), &up))
			ids = append(ids, up.FileID)
		}
		return ids
	}
	remove := func(id string, in workflows.DeleteFilesInput) (result workflows.DeleteFilesResult) {
		in.Connection = e.Connection
		require.NoError(t, e.Await(e.Start("delete/"+e.Connection+"/"+id, workflows.DeleteFiles, in), &result))
		return result
	}
	e.Sim.Inject(simulator.Fault{Call: "delete-by-id", Kind: simulator.FaultCloseAfter, Times: 1},
		simulator.Fault{Call: "delete-by-name", Kind: simulator.FaultHTMLAfter, Times: 1})
	ids := upload("", "del1.csv", "del2.csv")
	byID := remove("ids", workflows.DeleteFilesInput{FileIDs: ids})
	require.Equal(t, ids[:1], byID.AlreadyGone)
	require.Equal(t, ids[1:], byID.FileIDs)

	byName := remove("name", workflows.DeleteFilesInput{Names: []string{"del3.csv"}, Prefix: "gone"})
	require.Empty(t, byName.FileIDs, "there is none")
	ids = upload("ledgers", "del3.csv")
	byName = remove("name2", workflows.DeleteFilesInput{Names: []string{"del3.csv"}, Prefix: "ledgers"})
	require.Equal(t, ids, byName.FileIDs)
	require.Contains(t, byName.Note, "the answer was lost")

	ids = upload("", "del4.csv", "del5.csv")
	require.Equal(t, ids, remove("names", workflows.DeleteFilesInput{Names: []string{"del4.csv", "del5.csv"}}).FileIDs)
	upload("old", "del6.csv", "del7.csv")
	remove("prefix", workflows.DeleteFilesInput{Prefix: "old", Everything: true})
	for _, file := range e.Sim.Files() {
		require.Equal(t, strings.HasPrefix(file.Name, "del"), !file.Deleted.IsZero(), file.Name)
	}
}

func chapterCopies(t *testing.T, e *harness.Env) {
	e.Sim.Inject(simulator.Fault{Call: "copy-export", Kind: simulator.FaultCloseAfter, Times: 1})
	for direction, source := range map[string]string{workflows.Export: "MIG_EXPORT_DONE", workflows.Import: "MIG_IMPORT_DONE"} {
		in := workflows.MigrateInput{
			Connection: e.Connection, Direction: direction, Code: "MIG_COPY_" + direction, CopyOf: source,
			Overwrite: direction == workflows.Import,
		}
		var result workflows.MigrateResult
		require.NoError(t, e.Await(e.Start(in.WorkflowID(), workflows.Migrate, in), &result))
		require.False(t, result.AlreadyComplete, "the copy was run")
		require.Equal(t, map[string]string{workflows.Export: "before", workflows.Import: "now"}[direction], result.Copied)
	}
}

func chapterPublished(t *testing.T, e *harness.Env) {
	e.Sim.Inject(simulator.Fault{Call: "object-get", Kind: simulator.FaultExpirePAR, Match: "BIP/BIP_Report", Times: 1})
	var saved workflows.FileResult
	require.NoError(t, e.Await(e.Start("down/"+e.Connection+"/bip", workflows.DownloadFile,
		workflows.DownloadFileInput{Connection: e.Connection, Object: "BIP/BIP_Report", SaveTo: "reports/bip.csv"}), &saved))
	text, err := os.ReadFile(e.Reports + "/bip.csv")
	require.NoError(t, err)
	require.Equal(t, "ORG_UNIT,PROFIT\n1001,12.50\n", string(text))
}

// A pipeline sets the date, runs the batch with the export's task, and saves the files of that run.
func chapterDataExport(t *testing.T, e *harness.Env) {
	e.Sim.Inject(simulator.Fault{Call: "object-get", Kind: simulator.FaultExpirePAR, Match: "EXP_LEDGER", Times: 1})
	result := closeOf(t, e, "data-export", `
  - id: export
    batch: {code: PBSM_EXPORT_DATA}
  - id: files
    needs: [export]
    export_data: {code: EXP_LEDGER, run_of: export, save_to: "reports/ledger/"}
`)
	exported := result.Steps[1].Export
	require.NotNil(t, exported)
	require.Equal(t, result.Steps[0].Batch.RunID, exported.RunID)
	require.Equal(t, harness.AsOf, exported.AsOfDate)
	require.Len(t, exported.Files, 2)
	for _, file := range exported.Files {
		require.FileExists(t, e.Reports+"/ledger/"+file.Name)
		require.Empty(t, file.Note)
	}
}

func chapterPreferences(t *testing.T, e *harness.Env) {
	result := closeOf(t, e, "preferences", `
  - id: date
    as_of_date: {app: FTP}
`)
	require.Equal(t, harness.AsOf, result.Steps[0].AsOfDate.AsOfDate)
	require.Equal(t, harness.AsOf, e.Sim.AsOfDate(e.Sim.Options().RemoteUser, "FTP"))
}

func closeOf(t *testing.T, e *harness.Env, name, steps string) (result workflows.NightlyCloseResult) {
	in := workflows.NightlyCloseInput{
		Connection: e.Connection, Pipeline: name, Definition: harness.Definition(t, name, steps), AsOfDate: harness.AsOf,
	}
	require.NoError(t, e.Await(e.Start(in.WorkflowID(), workflows.NightlyClose, in), &result))
	return result
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
		"| chapter | since | call | client (`internal/pbsm`) | activity | test |\n|---|---|---|---|---|---|\n")
	for _, r := range chapterRows {
		fmt.Fprintf(&doc, "| %s | %s | %s | %s | %s | `TestChapters/%s` |\n", r.chapter, r.since, r.what, r.client, r.activity, r.test)
	}
	if os.Getenv("PBSMFLOW_UPDATE") != "" {
		require.NoError(t, os.WriteFile(chaptersPage, []byte(doc.String()), 0o644))
	}
	written, err := os.ReadFile(chaptersPage)
	require.NoError(t, err)
	require.Equal(t, doc.String(), string(written), "CHAPTERS.md is stale: PBSMFLOW_UPDATE=1 go test -run Table ./e2e/close")
}
