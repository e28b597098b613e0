package activities

import (
	"encoding/json"
	"testing"
	"time"

	"github.com/stretchr/testify/mock"
	"github.com/stretchr/testify/require"
	"go.temporal.io/sdk/activity"
	"go.temporal.io/sdk/converter"
	"go.temporal.io/sdk/mocks"

	"github.com/pbsmflow/pbsmflow/internal/audit"
	"github.com/pbsmflow/pbsmflow/internal/pbsm"
	"github.com/pbsmflow/pbsmflow/internal/simulator"
	"github.com/pbsmflow/pbsmflow/internal/stores"
)

// call executes an activity and decodes its result.
func call[T any](t *testing.T, a *Activities, activity, in any) (result T, err error) {
	t.Helper()
	answer, err := activityEnv(a).ExecuteActivity(activity, in)
	if err == nil && answer.HasValue() {
		require.NoError(t, answer.Get(&result))
	}
	return result, err
}

// uploaded sends a folder with these files, and returns their ids in the order of their names.
func uploaded(t *testing.T, a *Activities) (ids []string) {
	t.Helper()
	_, err := activityEnv(a).ExecuteActivity(a.PutFolder, PutFolderInput{Connection: "prod", Folder: "inbox/in/", ListTo: "inbox/in.sent.jsonl"})
	require.NoError(t, err)
	listed, err := a.connections["prod"].service.ListFiles(t.Context(), "")
	require.NoError(t, err)
	for _, f := range listed {
		ids = append(ids, f.ID)
	}
	return ids
}

var twoFiles = map[string]string{"a.csv": glText, "b.csv": glText}

// Whatever happens to the answer of a deletion, the list of files shows what came of it.
func TestDeleteFiles_answers(t *testing.T) {
	fault := func(kind simulator.Kind, status int) *simulator.Fault {
		return &simulator.Fault{Call: "delete-by-id", Kind: kind, Status: status, Times: 1}
	}
	for name, tt := range map[string]struct {
		fault   *simulator.Fault
		quirk   simulator.Quirk
		again   bool   // the second attempt deletes both
		failure string // of the first attempt
		gone    int
	}{
		"answered":                  {},
		"answer lost":               {fault: fault(simulator.FaultCloseAfter, 0), gone: 1},
		"answered by a gateway":     {fault: fault(simulator.FaultHTMLAfter, 502), failure: Unavailable, again: true, gone: 1},
		"stopped by a gateway":      {fault: fault(simulator.FaultHTML, 403), failure: Unavailable, again: true},
		"another content type":      {fault: fault(simulator.FaultStatus, 415), failure: Refused, again: true},
		"in another language":       {quirk: simulator.DeleteOtherText},
		"unknown files are refused": {quirk: simulator.DeleteUnknown400},
		"answer is damaged":         {fault: fault(simulator.FaultMalform, 0), gone: 1},
		"not sent":                  {fault: fault(simulator.FaultStatus, 503), failure: Unavailable, again: true},
		"connection lost before":    {fault: fault(simulator.FaultCloseBefore, 0), failure: Unavailable, again: true},
		"refused":                   {fault: fault(simulator.FaultStatus, 403), failure: Refused, again: true},
		"the tenant takes DELETE":   {quirk: simulator.DeleteMethodDelete, failure: Refused},
		"unknown files are success": {quirk: simulator.DeleteUnknown200},
	} {
		t.Run(name, func(t *testing.T) {
			a, sim, _ := withFolder(t, twoFiles)
			if tt.quirk != "" {
				require.NoError(t, sim.SetQuirks(tt.quirk))
			}
			ids := uploaded(t, a)
			if tt.fault != nil {
				sim.Inject(*tt.fault)
			}
			in := DeleteFilesInput{Connection: "prod", FileIDs: ids}
			done, err := call[DeletedFiles](t, a, a.DeleteFiles, in)
			if tt.failure != "" {
				require.Equal(t, tt.failure, applicationError(t, err).Type())
				if !tt.again {
					require.ErrorContains(t, err, "delete_method")
					return
				}
				done, err = call[DeletedFiles](t, a, a.DeleteFiles, in)
			}
			require.NoError(t, err)
			require.Len(t, done.Gone, tt.gone)
			require.Len(t, done.Deleted, 2-tt.gone)
			_, err = call[any](t, a, a.FilesGone, FilesGoneInput{Connection: "prod", FileIDs: ids, Poll: Poll{Since: time.Now()}})
			require.NoError(t, err)

			done, err = call[DeletedFiles](t, a, a.DeleteFiles, in)
			require.NoError(t, err, "files that are gone are gone")
			require.Len(t, append(done.Gone, done.Deleted...), 2)
		})
	}
}

// A refusal of the user, the method or the content type is not about the file: it is no proof that the file is gone.
func TestDeleteFiles_refusedWithoutAFile(t *testing.T) {
	for name, fault := range map[string]simulator.Fault{
		"401": {Kind: simulator.FaultStatus, Status: 401}, "403": {Kind: simulator.FaultStatus, Status: 403},
		"405": {Kind: simulator.FaultStatus, Status: 405}, "415": {Kind: simulator.FaultStatus, Status: 415},
		"page 403": {Kind: simulator.FaultHTML, Status: 403}, "page 404": {Kind: simulator.FaultHTML, Status: 404},
		"page 502": {Kind: simulator.FaultHTML, Status: 502},
	} {
		t.Run(name, func(t *testing.T) {
			a, sim, _ := withFolder(t, twoFiles)
			fault.Call = "delete-by-id"
			sim.Inject(fault)
			_, err := call[DeletedFiles](t, a, a.DeleteFiles, DeleteFilesInput{Connection: "prod", FileIDs: []string{"77"}})
			require.ErrorContains(t, err, "HTTP "+name[len(name)-3:])
		})
	}
}

// The answer is lost, and the repeated call finds no such file while the list still shows it: it was deleted.
func TestDeleteFiles_refusedAfterALostAnswer(t *testing.T) {
	a, sim, _ := withFolder(t, twoFiles)
	ids := uploaded(t, a)
	require.NoError(t, sim.SetQuirks(simulator.DeleteLater, simulator.DeleteUnknown400))
	sim.Inject(simulator.Fault{Call: "delete-by-id", Kind: simulator.FaultCloseAfter, Times: 1})
	in := DeleteFilesInput{Connection: "prod", FileIDs: ids}

	var heartbeat deletions
	env := activityEnv(a)
	env.SetOnActivityHeartbeatListener(func(_ *activity.Info, details converter.EncodedValues) {
		heartbeat = deletions{}
		require.NoError(t, details.Get(&heartbeat))
	})
	_, err := env.ExecuteActivity(a.DeleteFiles, in)
	require.Equal(t, Unavailable, applicationError(t, err).Type())
	require.Equal(t, ids[0], heartbeat.Sent)

	_, err = call[DeletedFiles](t, a, a.DeleteFiles, in)
	require.Equal(t, Refused, applicationError(t, err).Type(), "without an earlier call it is a refusal")

	env = activityEnv(a)
	env.SetHeartbeatDetails(heartbeat)
	answer, err := env.ExecuteActivity(a.DeleteFiles, in)
	require.NoError(t, err)
	var done DeletedFiles
	require.NoError(t, answer.Get(&done))
	require.Equal(t, ids, done.Deleted)
}

func TestFilesGone_waits(t *testing.T) {
	a, sim, _ := withFolder(t, twoFiles)
	ids := uploaded(t, a)
	require.NoError(t, sim.SetQuirks(simulator.DeleteLater))
	_, err := call[DeletedFiles](t, a, a.DeleteFiles, DeleteFilesInput{Connection: "prod", FileIDs: ids})
	require.NoError(t, err)
	in := FilesGoneInput{Connection: "prod", FileIDs: ids, Poll: Poll{Since: time.Now()}}
	_, err = call[any](t, a, a.FilesGone, in)
	require.Equal(t, StillWaiting, applicationError(t, err).Type())
	sim.Advance(time.Minute)
	_, err = call[any](t, a, a.FilesGone, in)
	require.NoError(t, err)
}

func TestDeleteNamed(t *testing.T) {
	for name, tt := range map[string]struct {
		activity func(*Activities) any
		in       DeleteNamedInput
		left     int
	}{
		"a name":          {func(a *Activities) any { return a.DeleteFileByName }, DeleteNamedInput{Names: []string{"a.csv"}}, 1},
		"several names":   {func(a *Activities) any { return a.DeleteFilesByName }, DeleteNamedInput{Names: []string{"a.csv", "b.csv"}}, 0},
		"another prefix":  {func(a *Activities) any { return a.DeleteFilesByPrefix }, DeleteNamedInput{Prefix: "other"}, 2},
		"not that prefix": {func(a *Activities) any { return a.DeleteFileByName }, DeleteNamedInput{Names: []string{"a.csv"}, Prefix: "other"}, 2},
	} {
		t.Run(name, func(t *testing.T) {
			a, _, _ := withFolder(t, twoFiles)
			uploaded(t, a)
			a.temporal = withClient(t, nil).temporal
			tt.in.Connection = "prod"
			_, err := call[Deletion](t, a, tt.activity(a), tt.in)
			require.Equal(t, tt.left == 2, err != nil, "%v", err)
			found, err := call[FoundFiles](t, a, a.FindFiles, FindFilesInput{Connection: "prod", Names: []string{"A.csv"}})
			require.NoError(t, err)
			require.Equal(t, tt.left, found.Listed)
			require.Len(t, found.Files, tt.left/2)
		})
	}
}

// A deletion by name is submitted at most once: nobody knows which file a repeated one would delete.
func TestDeleteNamed_outcomeUnknown(t *testing.T) {
	a, sim, _ := withFolder(t, twoFiles)
	uploaded(t, a)
	a.temporal = withClient(t, nil).temporal
	sim.Inject(simulator.Fault{Call: "delete-by-name", Kind: simulator.FaultCloseAfter, Times: 1})
	_, err := call[Deletion](t, a, a.DeleteFileByName, DeleteNamedInput{Connection: "prod", Names: []string{"a.csv"}})
	require.Equal(t, OutcomeUnknown, applicationError(t, err).Type())
	require.ErrorContains(t, err, "look for the file in the service's list")
}

// What earlier closes sent is known from their audit files, which the service's list confirms.
func TestSentBefore(t *testing.T) {
	a, _, dir := withFolder(t, twoFiles)
	ids := uploaded(t, a)
	record := func(date string, files ...audit.File) {
		r := audit.Record{Execution: "x"}
		for _, f := range files {
			r.Events = append(r.Events, audit.Event{At: time.Now(), Event: audit.FileSent, File: &f})
		}
		r.Events = append(r.Events, audit.Event{At: time.Now(), Event: audit.FileSaved, File: &audit.File{FileID: ids[0]}})
		text, _, err := audit.Append(nil, r)
		require.NoError(t, err)
		put(t, dir, map[string]string{"audit_" + date + ".jsonl": string(text)})
	}
	in := SentBeforeInput{Connection: "prod", Audit: "inbox/audit_2026-10-31.jsonl", AsOfDate: "2026-10-31", Until: "2026-09-26"}
	find := func() (SentBefore, error) { return call[SentBefore](t, a, a.SentBefore, in) }

	record("2026-10-30", audit.File{FileID: ids[0]}) // too young
	record("2026-09-26", audit.File{FileID: ids[1]}, audit.File{FileID: "1"})
	found, err := find()
	require.NoError(t, err)
	require.Equal(t, SentBefore{FileIDs: ids[1:], Audits: 1}, found, "not what was only downloaded, is younger, or is not listed")

	record("2026-07-01", audit.File{ListedIn: "inbox/in.sent.jsonl"})
	found, err = find()
	require.NoError(t, err)
	require.ElementsMatch(t, []string{ids[0], ids[1], ids[1]}, found.FileIDs)

	put(t, dir, map[string]string{"audit_2026-09-20.jsonl": "{}\n"})
	_, err = find()
	require.Equal(t, Refused, applicationError(t, err).Type())
	require.ErrorContains(t, err, "audit_2026-09-20.jsonl is damaged")

	in.Audit = "inbox/audit.jsonl"
	_, err = find()
	require.Equal(t, InvalidInput, applicationError(t, err).Type())
}

func TestAsOfDate_isReadBack(t *testing.T) {
	a, sim := withService(t, stores.Settings{URL: "file://" + t.TempDir()})
	in := AsOfDateInput{Connection: "prod", App: "FTP", Date: "2026-10-31"}
	_, err := call[any](t, a, a.SetAsOfDate, in)
	require.NoError(t, err)
	_, err = call[any](t, a, a.CheckAsOfDate, in)
	require.NoError(t, err)
	require.Equal(t, "2026-10-31", sim.AsOfDate("closeuser", "FTP"))

	sim.SetAsOfDate("closeuser", "FTP", "2026-09-30")
	_, err = call[any](t, a, a.CheckAsOfDate, in)
	require.Equal(t, Refused, applicationError(t, err).Type())
	require.ErrorContains(t, err, "2026-09-30")

	require.NoError(t, sim.SetQuirks(simulator.AsOfDateKept))
	_, err = call[any](t, a, a.SetAsOfDate, in)
	require.NoError(t, err)
	_, err = call[any](t, a, a.CheckAsOfDate, in)
	require.ErrorContains(t, err, "2026-09-30", "an answer of success is not enough")

	in.App = "NONE"
	_, err = call[any](t, a, a.SetAsOfDate, in)
	require.Equal(t, Refused, applicationError(t, err).Type())
	require.ErrorContains(t, err, "Application not found")
}

func TestExportManifest(t *testing.T) {
	for name, tt := range map[string]struct {
		quirk   simulator.Quirk
		asOf    string
		failure string
		want    string
	}{
		"as documented":          {},
		"day first, no zone":     {quirk: simulator.ManifestDayFirst},
		"another run":            {quirk: simulator.ManifestOtherRun, failure: Refused, want: "another run"},
		"another date":           {quirk: simulator.ManifestOtherDate, failure: Refused, want: "another as-of date, 2026-10-30"},
		"another date is wanted": {asOf: "2026-09-30", failure: Refused, want: "another as-of date, 2026-10-31"},
		"names without URLs":     {quirk: simulator.ManifestBareNames, failure: Refused, want: "file 1"},
	} {
		t.Run(name, func(t *testing.T) {
			a, sim := withService(t, stores.Settings{URL: "file://" + t.TempDir()})
			if tt.quirk != "" {
				require.NoError(t, sim.SetQuirks(tt.quirk))
			}
			service := a.connections["prod"].service
			run, err := service.Trigger(t.Context(), pbsm.TriggerRequest{
				Code: "PBSM_EXPORT_DATA", Type: pbsm.Batch, Params: map[string]string{"$FICMISDATE$": "2026-10-31"},
			})
			require.NoError(t, err)
			in := ExportManifestInput{Connection: "prod", Code: "EXP_LEDGER", RunID: run.ID, AsOfDate: "2026-10-31", Poll: Poll{Since: time.Now()}}
			if tt.asOf != "" {
				in.AsOfDate = tt.asOf
			}
			if tt.quirk != simulator.ManifestOtherRun {
				_, err = call[ExportManifest](t, a, a.ExportManifest, in)
				require.Equal(t, StillWaiting, applicationError(t, err).Type(), "the run has not ended")
			}
			sim.Advance(time.Hour)
			m, err := call[ExportManifest](t, a, a.ExportManifest, in)
			if tt.failure != "" {
				require.Equal(t, tt.failure, applicationError(t, err).Type())
				require.ErrorContains(t, err, tt.want)
				return
			}
			require.NoError(t, err)
			require.Len(t, m.Files, 2)
			require.Regexp(t, `^EXP_LEDGER_1_\d{14}\.csv\.gz$`, m.Files[0].Name)
			require.Equal(t, "1001", m.Rows)
			require.InDelta(t, 24, time.Until(m.Expires).Hours(), 0.1, "read, not assumed")
			text, err := json.Marshal(m)
			require.NoError(t, err)
			require.NotContains(t, string(text), "https://", "URLs are sealed")
		})
	}
}

// A copy is made once: a repeated one is refused by the service, and recognised by the status of the new code.
func TestCopyMigration(t *testing.T) {
	for name, tt := range map[string]struct {
		quirk simulator.Quirk
		fault *simulator.Fault
		first string // the failure of the first attempt
		last  string // ... and of the second one
	}{
		"answered":                {},
		"in the siblings' words":  {quirk: simulator.StatusFetched},
		"answer lost":             {fault: &simulator.Fault{Call: "copy-export", Kind: simulator.FaultCloseAfter, Times: 1}, first: Unavailable},
		"status does not know it": {quirk: simulator.CopyNotInStatus, fault: &simulator.Fault{Call: "copy-export", Kind: simulator.FaultCloseAfter, Times: 1}, first: Unavailable, last: Refused},
	} {
		t.Run(name, func(t *testing.T) {
			a, sim := withService(t, stores.Settings{URL: "file://" + t.TempDir()})
			recordHeartbeats(t, a)
			if tt.quirk != "" {
				require.NoError(t, sim.SetQuirks(tt.quirk))
			}
			if tt.fault != nil {
				sim.Inject(*tt.fault)
			}
			in := CopyMigrationInput{MigrationInput: MigrationInput{Connection: "prod", Code: "MIG_2026-10-31"}, CopyOf: "MIG_EXPORT_DONE"}
			m, err := call[Migration](t, a, a.CopyExport, in)
			if tt.first == "" {
				require.NoError(t, err)
				require.True(t, m.Saved && !m.AlreadyCopied && !m.Done && !m.Failed)
			} else {
				require.Equal(t, tt.first, applicationError(t, err).Type())
			}
			m, err = call[Migration](t, a, a.CopyExport, in)
			if tt.last != "" {
				require.Equal(t, tt.last, applicationError(t, err).Type())
				require.ErrorContains(t, err, "already exists")
				return
			}
			require.NoError(t, err)
			require.True(t, m.Saved && m.AlreadyCopied)

			in.CopyOf, in.Code = "MIG_EXPORT1", "MIG_NEW"
			_, err = call[Migration](t, a, a.CopyExport, in)
			require.Equal(t, Refused, applicationError(t, err).Type(), "a source that was not run")
			in.CopyOf, in.Code = "MIG_IMPORT_DONE", "MIG_NEW"
			m, err = call[Migration](t, a, a.CopyImport, in)
			require.NoError(t, err)
			require.True(t, m.Saved)
		})
	}
}

// The service may give no status of a copy that nobody has run. If an earlier attempt of the activity may have been
// carried out, its code exists because of that one; another copy of that code is not taken for it.
func TestCopyMigration_answerLostAndNoStatus(t *testing.T) {
	for name, tt := range map[string]struct {
		fault simulator.Fault
		taken bool // the code exists before
		note  string
		fails string
	}{
		"carried out":   {fault: simulator.Fault{Call: "copy-export", Kind: simulator.FaultCloseAfter, Times: 1}, note: "the answer to the copy was lost"},
		"not processed": {fault: simulator.Fault{Call: "copy-export", Kind: simulator.FaultStatus, Status: 429, Times: 1}, taken: true, fails: "run it without naming what it is a copy of"},
	} {
		t.Run(name, func(t *testing.T) {
			a, sim := withService(t, stores.Settings{URL: "file://" + t.TempDir()})
			last := recordHeartbeats(t, a)
			require.NoError(t, sim.SetQuirks(simulator.CopyNotInStatus))
			in := CopyMigrationInput{MigrationInput: MigrationInput{Connection: "prod", Code: "MIG_2026-10-31"}, CopyOf: "MIG_EXPORT_DONE"}
			if tt.taken {
				_, err := call[Migration](t, a, a.CopyExport, in)
				require.NoError(t, err)
			}
			sim.Inject(tt.fault)
			_, err := call[Migration](t, a, a.CopyExport, in)
			require.Error(t, err)

			next := activityEnv(a)
			next.SetHeartbeatDetails(last())
			answer, err := next.ExecuteActivity(a.CopyExport, in)
			if tt.fails != "" {
				require.Equal(t, Refused, applicationError(t, err).Type())
				require.ErrorContains(t, err, "already exists")
				require.ErrorContains(t, err, tt.fails)
				return
			}
			require.NoError(t, err)
			var m Migration
			require.NoError(t, answer.Get(&m))
			require.Contains(t, m.Note, tt.note)
			require.True(t, m.Saved && !m.AlreadyCopied)
		})
	}
}

// recordHeartbeats stands in for Temporal. It returns a function that gives the last heartbeat.
func recordHeartbeats(t *testing.T, a *Activities) func() SubmissionHeartbeat {
	t.Helper()
	var last SubmissionHeartbeat
	server := mocks.NewClient(t)
	server.On("RecordActivityHeartbeat", mock.Anything, mock.Anything, mock.Anything).
		Run(func(args mock.Arguments) { last = args.Get(2).(SubmissionHeartbeat) }).Return(nil)
	a.temporal = server
	return func() SubmissionHeartbeat { return last }
}

func TestPublishedReportPAR(t *testing.T) {
	a, sim := withService(t, stores.Settings{URL: "file://" + t.TempDir()})
	in := PublishedReportPARInput{Connection: "prod", Object: "BIP/BIP_Report", Name: "close"}
	sim.Inject(simulator.Fault{Call: "published-report", Kind: simulator.FaultCloseAfter, Times: 1})
	_, err := call[SealedPAR](t, a, a.PublishedReportPAR, in)
	require.Equal(t, Unavailable, applicationError(t, err).Type())
	par, err := call[SealedPAR](t, a, a.PublishedReportPAR, in)
	require.NoError(t, err, "each attempt has a name of its own")
	require.NotContains(t, string(par), "https://")
	in.Object = "NONE"
	_, err = call[SealedPAR](t, a, a.PublishedReportPAR, in)
	require.Equal(t, Refused, applicationError(t, err).Type())
}

// announced is an uploaded file, ready to be scanned.
func announced(t *testing.T, quirks ...simulator.Quirk) (a *Activities, sim *simulator.Simulator, in ScanFileInput) {
	t.Helper()
	a, sim, _ = withFolder(t, map[string]string{"a.csv": glText})
	in = ScanFileInput{Connection: "prod", FileID: uploaded(t, a)[0]}
	require.NoError(t, sim.SetQuirks(quirks...))
	return a, sim, in
}

// What the scan answered is in the result, or in the error.
func TestScanFile_verdicts(t *testing.T) {
	for name, tt := range map[string]struct {
		quirk   simulator.Quirk
		status  string
		failure string
	}{
		"clean":    {status: `"status":"success"`},
		"empty":    {quirk: simulator.ScanEmpty, status: emptyScan},
		"infected": {quirk: simulator.ScanInfected, failure: Refused},
	} {
		t.Run(name, func(t *testing.T) {
			a, sim, in := announced(t)
			if tt.quirk != "" {
				require.NoError(t, sim.SetQuirks(tt.quirk))
			}
			scan, err := call[Scan](t, a, a.ScanFile, in)
			if tt.failure != "" {
				require.Equal(t, tt.failure, applicationError(t, err).Type())
				require.ErrorContains(t, err, `"scanStatus":"INFECTED"`)
				return
			}
			require.NoError(t, err)
			require.Contains(t, scan.Status, tt.status)
		})
	}
}

func TestScanFile_waits(t *testing.T) {
	a, sim, in := announced(t, simulator.ScanLater)
	_, err := call[Scan](t, a, a.ScanFile, in)
	require.Equal(t, StillWaiting, applicationError(t, err).Type())
	require.ErrorContains(t, err, "INPROGRESS")
	sim.Advance(time.Minute)
	scan, err := call[Scan](t, a, a.ScanFile, in)
	require.NoError(t, err)
	require.Contains(t, scan.Status, "success")
}

// The API guide has no scan, so a tenant may lack it: the upload continues, and its result says so.
func TestScanFile_tenants(t *testing.T) {
	const missing = "not scanned: the service has no such call (HTTP 404)"
	for name, tt := range map[string]struct {
		quirk  simulator.Quirk
		fault  simulator.Fault
		status string
		err    string
	}{
		"no such call":            {quirk: simulator.NoScan, status: missing},
		"a page":                  {fault: simulator.Fault{Kind: simulator.FaultHTML, Status: 404}, status: missing},
		"another method":          {fault: simulator.Fault{Kind: simulator.FaultStatus, Status: 405}, status: "no such call (HTTP 405)"},
		"refused":                 {fault: simulator.Fault{Kind: simulator.FaultStatus, Status: 403}, err: "HTTP 403"},
		"the file did not arrive": {quirk: simulator.ScanEmpty, err: "HTTP 400"},
	} {
		t.Run(name, func(t *testing.T) {
			a, sim := withService(t, stores.Settings{URL: "file://" + t.TempDir()})
			if tt.quirk != "" {
				require.NoError(t, sim.SetQuirks(tt.quirk))
			}
			par, err := call[UploadPAR](t, a, a.CreateUploadPAR, CreateUploadPARInput{Connection: "prod", Name: "gl.csv", Size: 7, MimeType: "Text/CSV"})
			require.NoError(t, err)
			if tt.fault.Kind != "" {
				tt.fault.Call, tt.fault.Times = "scan-file", 1
				sim.Inject(tt.fault)
			}
			scan, err := call[Scan](t, a, a.ScanFile, ScanFileInput{Connection: "prod", FileID: par.FileID})
			if tt.err != "" {
				require.ErrorContains(t, err, tt.err)
				return
			}
			require.NoError(t, err)
			require.Contains(t, scan.Status, tt.status)
			require.Contains(t, scan.Status, "set scan_after_upload of the connection to false")
		})
	}
}
