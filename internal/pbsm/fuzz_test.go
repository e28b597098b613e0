package pbsm

import (
	"encoding/json"
	"errors"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"unicode"
	"unicode/utf8"

	"golang.org/x/oauth2"
)

// fuzzResponse feeds a decoder with bodies at all HTTP statuses: it must not panic, and must fail only with an
// Error that is safe to display.
func fuzzResponse(f *testing.F, r call, decode func(*testing.T, *response) error, seeds ...string) {
	for _, seed := range append(seeds, `{}`, `null`, `[]`, `<html>`, ``, `{"payload":null}`, `{"statusCode":-3,}`) {
		f.Add(200, []byte(seed))
		f.Add(400, []byte(seed))
		f.Add(500, []byte(seed))
	}
	f.Fuzz(func(t *testing.T, status int, body []byte) {
		a := newResponse(r, status, http.Header{}, body, nil)
		err := decode(t, a)
		if err == nil {
			return
		}
		var e *Error
		if !errors.As(err, &e) {
			t.Fatalf("not an Error: %v", err)
		}
		fit(t, e.Error())
		if len(e.Text) > maxErrorText {
			t.Fatalf("%d bytes of text", len(e.Text))
		}
		if e.NotProcessed && StatusCode(e.Code) == CodeSuccess && r.scheduler {
			t.Fatalf("a success is said not to be processed: %v", e)
		}
	})
}

func fit(t *testing.T, s string) {
	t.Helper()
	if !utf8.ValidString(s) || strings.ContainsFunc(s, unicode.IsControl) {
		t.Fatalf("not fit to be shown: %q", s)
	}
}

func proven(t *testing.T, a *response, id string) {
	t.Helper()
	if !a.ok() || id == "" || len(id) > maxID {
		t.Fatalf("success at HTTP %d with id %q", a.status, id)
	}
	fit(t, id)
}

func FuzzUploadPAR(f *testing.F) {
	fuzzResponse(f, call{name: "upload PAR"}, func(t *testing.T, a *response) error {
		got, err := a.uploadPAR()
		if err == nil {
			proven(t, a, got.FileID)
			fit(t, got.CreateDate)
			if got.PAR.url == nil {
				t.Fatal("no URL")
			}
		}
		return err
	}, sampleUpload)
}

func FuzzScan(f *testing.F) {
	fuzzResponse(f, call{name: "scan"}, func(t *testing.T, a *response) error {
		got, err := a.scan()
		fit(t, got.Answer)
		if len(got.Answer) > maxErrorText {
			t.Fatalf("%d bytes of an answer", len(got.Answer))
		}
		if err == nil && !a.ok() && !got.InProgress {
			t.Fatalf("scanned at HTTP %d", a.status)
		}
		return err
	}, `{"status":"success","message":"clean"}`, `{"payload":{"scanStatus":"INFECTED"},"status":"success"}`,
		`{"status":"INPROGRESS"}`, `{"status":"FAILED","payload":"Malware found: EICAR"}`, `{"payload":{"virusFound":true}}`, `clean`)
}

func FuzzDeleted(f *testing.F) {
	fuzzResponse(f, call{name: "delete", once: true}, func(t *testing.T, a *response) error {
		got, err := a.deleted()
		fit(t, got)
		if err == nil && !a.ok() {
			t.Fatalf("deleted at HTTP %d", a.status)
		}
		return err
	}, sampleDeleted, `{"payload":"Fichier supprimé"}`, `"File deleted"`, `{"payload":[{"deleteStatus":"FAILED"}]}`)
}

func FuzzManifest(f *testing.F) {
	fuzzResponse(f, call{name: "export manifest"}, func(t *testing.T, a *response) error {
		got, err := a.manifest(ManifestRequest{RunID: "Data_Extraction_1_2000-01-01_1"})
		if err == nil && got.Ready && (!a.ok() || len(got.Files) == 0 || got.AsOfDate == "") {
			t.Fatalf("ready at HTTP %d: %+v", a.status, got)
		}
		fit(t, got.Status+got.TaskID+got.Rows)
		for _, file := range got.Files {
			if !fileNamePattern.MatchString(file.Name) {
				t.Fatalf("%q is no name for a file", file.Name)
			}
		}
		return err
	}, sampleManifest)
}

func FuzzPreference(f *testing.F) {
	fuzzResponse(f, call{name: "as-of date"}, func(t *testing.T, a *response) error {
		date, err := a.asOfDate()
		if err == nil && checkDate(date) != nil {
			t.Fatalf("date %q", date)
		}
		if _, set := a.preferenceSet(); set == nil && !a.ok() {
			t.Fatalf("set at HTTP %d", a.status)
		}
		return err
	}, `{"as-of-date":"2026-12-31"}`)
}

func FuzzCopied(f *testing.F) {
	fuzzMigration(f, (*response).copied, `{"errorMessage":"","statusCode":"EXPORT_OUTLINE_SAVED","status":"SUCCESS","migrationCode":"N"}`, sampleExportInProgress)
}

func FuzzPublishedReport(f *testing.F) {
	fuzzResponse(f, call{name: "published report"}, func(t *testing.T, a *response) error {
		got, err := a.publishedReport()
		if err == nil && (!a.ok() || got.url == nil) {
			t.Fatalf("a URL at HTTP %d", a.status)
		}
		return err
	}, `{"id":"7","url":"https://h/p/x","status":"Success"}`)
}

func FuzzGoLayout(f *testing.F) {
	f.Add("MM-dd-yyyy HH:mm:ss UTC", "06-19-2026 12:14:04")
	f.Add("yyyy-MM-dd'T'HH:mm:ss", "2026-06-19T12:14:04")
	f.Fuzz(func(_ *testing.T, pattern, value string) {
		_, _ = manifestTime(value, pattern)
		_, _ = manifestDate(value, pattern)
	})
}

func FuzzFiles(f *testing.F) {
	fuzzResponse(f, call{name: "file list"}, func(t *testing.T, a *response) error {
		got, err := a.files()
		for _, file := range got {
			fit(t, file.ID+file.Name+file.UploadDate+file.StripeName)
		}
		return err
	}, sampleList)
}

func FuzzDownloadPAR(f *testing.F) {
	fuzzResponse(f, call{name: "download PAR"}, func(t *testing.T, a *response) error {
		got, err := a.downloadPAR()
		if err == nil && (!a.ok() || !strings.HasPrefix(got.Expose(), "https://") && !strings.HasPrefix(strings.ToLower(got.Expose()), "https://")) {
			t.Fatalf("success at HTTP %d with %q", a.status, got.Expose())
		}
		return err
	}, sampleDownloadByName, sampleDownloadByID)
}

func fuzzMigration(f *testing.F, judge func(*response, direction) (Migration, error), seeds ...string) {
	fuzzResponse(f, call{name: "export"}, func(t *testing.T, a *response) error {
		got, err := judge(a, exporting)
		fit(t, got.Message+got.Status+got.StatusCode)
		if err == nil && got.State == MigrationDone && !got.AlreadyComplete && !a.ok() {
			t.Fatalf("done at HTTP %d", a.status)
		}
		if err == nil && got.State == "" {
			t.Fatal("no state")
		}
		return err
	}, seeds...)
}

func FuzzMigrationStarted(f *testing.F) {
	fuzzMigration(f, (*response).migrationStarted, sampleMigrationTriggered, sampleExportComplete, sampleMigrationInvalid, sampleExportInProgress, sampleMigrationInternal)
}

func FuzzMigrationStatus(f *testing.F) {
	fuzzMigration(f, (*response).migrationStatus, sampleMigrationStatus, sampleMigrationInvalid, sampleExportInProgress, sampleMigrationInternal)
}

func FuzzReportGenerated(f *testing.F) {
	fuzzResponse(f, call{name: "report"}, func(t *testing.T, a *response) error {
		got, err := a.reportGenerated()
		if err == nil {
			proven(t, a, got.ID)
		}
		return err
	}, sampleReportPending, sampleReportRunning, sampleReportFail)
}

func FuzzReportStatus(f *testing.F) {
	fuzzResponse(f, call{name: "report status"}, func(t *testing.T, a *response) error {
		got, err := a.reportStatus("100")
		if err == nil && got.ID != "100" {
			t.Fatalf("an answer about instance %q", got.ID)
		}
		fit(t, got.Message)
		if err == nil && got.State == ReportCompleted {
			proven(t, a, got.ID)
			if got.Download.url == nil {
				t.Fatal("complete without a link")
			}
		}
		return err
	}, sampleReportPending, sampleReportRunning, sampleReportFail, sampleReportComplete,
		`{"status":"COMPLETE","reportInstanceId":104,"downloadLink":"https://h/p/x"}`,
		`{"status":"FAIL","reportInstanceId":"100","message":"ORA-00942"}`)
}

func FuzzSubmitted(f *testing.F) {
	fuzzResponse(f, call{name: "trigger", scheduler: true, once: true}, func(t *testing.T, a *response) error {
		got, err := a.submitted()
		if err == nil {
			proven(t, a, got.ID)
			fit(t, got.Summary+got.Details)
		}
		return err
	}, sampleTrigger, sampleRerun, sampleRestart, sampleCode(CodeNoObject))
}

func FuzzInterrupted(f *testing.F) {
	fuzzResponse(f, call{name: "interrupt", scheduler: true, runID: "R"}, func(t *testing.T, a *response) error {
		got, err := a.interrupted()
		if err == nil && !a.ok() && !got.AlreadyInterrupted {
			t.Fatalf("interrupted at HTTP %d", a.status)
		}
		return err
	}, sampleInterrupt, sampleCode(CodeAlreadyInterrupted), sampleCode(CodeNotOngoing))
}

func FuzzRunStatus(f *testing.F) {
	fuzzResponse(f, call{name: "status", scheduler: true, runID: "BatchTEST1_2022-05-31_1653994545003_1"}, func(t *testing.T, a *response) error {
		got, err := a.runStatus()
		if err == nil && (!a.ok() || got.Code == "") {
			t.Fatalf("status %q at HTTP %d", got.Code, a.status)
		}
		return err
	}, sampleBatchStatus, sampleGroupStatus)
}

func FuzzToken(f *testing.F) {
	f.Add(400, `{"error":"invalid_grant","error_description":"wrong"}`)
	f.Add(503, `<html>`)
	f.Add(200, `{"access_token":"x"}`)
	tokens := newTokens(Config{Username: "u", Password: "secret-password"}, nil)
	f.Fuzz(func(t *testing.T, status int, body string) {
		var fields struct {
			Error       string `json:"error"`
			Description string `json:"error_description"`
		}
		_ = json.Unmarshal([]byte(body), &fields)
		e := tokens.responseError(&oauth2.RetrieveError{
			Response: &http.Response{StatusCode: status}, Body: []byte(body), ErrorCode: fields.Error, ErrorDescription: fields.Description,
		})
		fit(t, e.Error())
		if strings.Contains(e.Error(), "secret-password") {
			t.Fatal("the password is shown")
		}
	})
}

func FuzzMend(f *testing.F) {
	for _, seed := range []string{sampleUpload, sampleTrigger, "{\"batchRunId\":\"x\",\n}", `{"a":[1,],}`} {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, body []byte) {
		mended := mend(body)
		if mended != nil && !json.Valid(mended) {
			t.Fatalf("%q", mended)
		}
		if json.Valid(body) && string(mended) != string(body) {
			t.Fatalf("valid JSON was changed to %q", mended)
		}
	})
}

func FuzzNewPAR(f *testing.F) {
	f.Add("https://h/p/secret/n/x")
	f.Add("https://\xfa")
	f.Add("https://us-\nphoenix-1.example.com/p/x?y=%20")
	f.Fuzz(func(t *testing.T, raw string) {
		p, err := NewPAR(raw)
		if err != nil {
			return
		}
		u, err := url.Parse(p.Expose())
		if err != nil || u.Scheme != "https" || u.Host == "" {
			t.Fatalf("%q from %q", p.Expose(), raw)
		}
		fit(t, p.String())
	})
}
