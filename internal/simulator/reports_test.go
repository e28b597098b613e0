package simulator

import (
	"encoding/csv"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

func (h *harness) report(code, body string) answer {
	h.t.Helper()
	return h.call("POST", "/aai-dmi-service/vw/v1/repgen", body, "reportcode", code, "reportType", "CSV", "appid", "PBSMCS", "reportDefType", "V")
}

func (h *harness) reportStatus(code, id string) answer {
	h.t.Helper()
	return h.call("POST", "/aai-dmi-service/vw/v1/repgenstatus", "", "reportcode", code, "reportInstanceID", id)
}

const noFilter = `{"filterCriteria": "", "placeholderFilter": ""}`

func TestReport_completes(t *testing.T) {
	h := start(t)
	a := h.report("RPT001", noFilter)
	require.Equal(t, map[string]any{"status": "PENDING", "requestInstanceId": "100"}, a.json)
	require.Equal(t, map[string]any{"status": "PENDING", "requestInstanceId": "100"}, h.reportStatus("RPT001", "100").json)
	h.Advance(5 * time.Second)
	require.Equal(t, map[string]any{"status": "RUNNING", "requestInstanceId": "100"}, h.reportStatus("RPT001", "100").json)
	h.Advance(time.Minute)
	done := h.reportStatus("RPT001", "100")
	require.Equal(t, "COMPLETE", done.text("status"))
	require.Equal(t, "100", done.text("reportInstanceId"))
	got := h.send("GET", done.text("downloadLink"), "", nil)
	rows, err := csv.NewReader(strings.NewReader(string(got.body))).ReadAll()
	require.NoError(t, err)
	require.Len(t, rows, 50_001)
	require.Equal(t, profitabilityColumns, rows[0])
	require.Regexp(t, `^-?\d+\.\d\d$`, rows[1][7])
	again := h.reportStatus("RPT001", "100")
	require.NotEqual(t, done.text("downloadLink"), again.text("downloadLink"), "each answer has a PAR of its own")
	require.Equal(t, 400, h.reportStatus("RPT002", "100").status)
	require.Equal(t, 400, h.reportStatus("RPT001", "999").status)

	h.report("RPT_FAIL", noFilter)
	h.Advance(time.Minute)
	require.Equal(t, map[string]any{"status": "FAIL", "reportInstanceId": "101"}, h.reportStatus("RPT_FAIL", "101").json)
	h.report("RPT_FAIL_ONCE", noFilter)
	h.report("RPT_FAIL_ONCE", noFilter)
	h.Advance(time.Minute)
	require.Equal(t, "FAIL", h.reportStatus("RPT_FAIL_ONCE", "102").text("status"))
	require.Equal(t, "COMPLETE", h.reportStatus("RPT_FAIL_ONCE", "103").text("status"))
}

func TestReport_contentIsDeterministic(t *testing.T) {
	report := Report{Code: "R", Kind: BalanceSheet, Rows: 10, AsOf: "2026-10-31"}
	content := func(filter string, seed int64) string {
		var out strings.Builder
		require.NoError(t, writeReport(&out, &instance{report: report, id: "107", filter: filter}, seed))
		return out.String()
	}
	require.Equal(t, content("", 1), content("", 1))
	require.NotEqual(t, content("", 1), content("", 2))
	require.NotEqual(t, content("", 1), content("A = 1", 1))
	require.Contains(t, content("T.AS_OF_DATE = '2026-09-30'", 1), "\n2026-09-30,")
	plain := content("", 1)
	report.Numbered = true
	require.Equal(t, plain+"2026-10-31,107,,,,,,,,,\n", content("", 1), "the last row names the instance")
	require.Equal(t, []string{"-0.05", "12.30"}, []string{decimal(-5), decimal(1230)})
}

func TestReport_refusals(t *testing.T) {
	h := start(t)
	require.Equal(t, 400, h.report("NONE", noFilter).status)
	require.Equal(t, 400, h.report("RPT001", `{"filterCriteria": ""
		"placeholderFilter": ""}`).status, "the document's sample lacks a comma")
	require.Equal(t, 400, h.report("RPT001", `{}`).status)
	require.Equal(t, 400, h.report("RPT001", "").status)
	for name, value := range map[string]string{"reportType": "PDF", "reportDefType": "X", "appid": "OTHER"} {
		extra := []string{"reportcode", "RPT001", "reportType", "CSV", "appid", "PBSMCS", "reportDefType", "V", name, value}
		require.Equal(t, 400, h.call("POST", "/aai-dmi-service/vw/v1/repgen", noFilter, extra...).status, name)
	}
}

func TestReport_quirks(t *testing.T) {
	cases := []struct {
		quirks  []Quirk
		started map[string]any
		idKey   string
		link    string
		word    string
	}{
		{[]Quirk{ReportIDNumber}, map[string]any{"status": "PENDING", "requestInstanceId": 100.0}, "reportInstanceId", "downloadLink", "COMPLETE"},
		{[]Quirk{ReportIDReport}, map[string]any{"status": "PENDING", "reportInstanceId": "100"}, "reportInstanceId", "downloadLink", "COMPLETE"},
		{[]Quirk{ReportIDRequest, CompletedFailed}, map[string]any{"status": "PENDING", "requestInstanceId": "100"}, "requestInstanceId", "downloadLink", "COMPLETED"},
		{[]Quirk{ReportIDLowercase, LinkLowercase}, map[string]any{"status": "PENDING", "requestInstanceid": "100"}, "requestInstanceid", "downloadlink", "COMPLETE"},
	}
	for _, c := range cases {
		h := start(t, quirks(c.quirks...))
		require.Equal(t, c.started, h.report("RPT_FAIL_ONCE", noFilter).json)
		h.report("RPT_FAIL_ONCE", noFilter)
		h.Advance(time.Minute)
		a := h.reportStatus("RPT_FAIL_ONCE", "101")
		require.Contains(t, a.json, c.idKey)
		require.Contains(t, a.json, c.link)
		require.Equal(t, c.word, a.text("status"))
		failed := map[string]string{"COMPLETE": "FAIL", "COMPLETED": "FAILED"}[c.word]
		require.Equal(t, failed, h.reportStatus("RPT_FAIL_ONCE", "100").text("status"))
	}
	h := start(t, quirks(StatusWantsBody))
	h.report("RPT001", noFilter)
	require.Equal(t, 400, h.reportStatus("RPT001", "100").status)
	require.Equal(t, 200, h.call("POST", "/aai-dmi-service/vw/v1/repgenstatus", "{}", "reportcode", "RPT001", "reportInstanceID", "100").status)
}

func TestMigration_calls(t *testing.T) {
	type step struct {
		method, path string
		wait         time.Duration // before it
		status       int
		code, word   string
	}
	const run, state = "/public/migrate/", "/public/status/"
	cases := []struct {
		name  string
		on    []Quirk
		steps []step
	}{
		{"export", nil, []step{
			{"GET", state + "export/MIG_EXPORT1", 0, 400, "INVALID_INPUT", "FAILED"},
			{"POST", run + "export/MIG_EXPORT1", 0, 200, "TRIGGERED_SUCCESS", "SUCCESS"},
			{"POST", run + "export/MIG_EXPORT1", time.Minute, 400, "EXPORT_INPROGRESS", "INPROGRESS"},
			{"GET", state + "export/MIG_EXPORT1", 0, 400, "EXPORT_INPROGRESS", "INPROGRESS"},
			{"GET", "/Public/status/export/MIG_EXPORT1", time.Minute, 200, "SUCCESS", "SUCCESS"},
			{"POST", run + "export/MIG_EXPORT1", 0, 400, "EXPORT_ALREADY_COMPLETE", "FAILED"},
		}},
		{"import that fails", nil, []step{
			{"POST", run + "import/MIG_IMPORT_FAIL", 0, 200, "TRIGGERED_SUCCESS", "SUCCESS"},
			{"GET", state + "import/MIG_IMPORT_FAIL", time.Hour, 400, "IMPORT_FAILED", "FAILED"},
			{"POST", run + "import/MIG_IMPORT_FAIL", 0, 200, "TRIGGERED_SUCCESS", "SUCCESS"},
		}},
		{"unknown", nil, []step{
			{"POST", run + "import/NONE", 0, 400, "INVALID_INPUT", "FAILED"},
			{"POST", run + "import/MIG_EXPORT1", 0, 400, "INVALID_INPUT", "FAILED"},
			{"GET", state + "import/NONE", 0, 400, "INVALID_INPUT", "FAILED"},
			{"POST", run + "import/MIG_IMPORT_DONE", 0, 400, "IMPORT_ALREADY_COMPLETE", "FAILED"},
			{"GET", state + "import/MIG_IMPORT_DONE", 0, 200, "SUCCESS", "SUCCESS"},
		}},
		{"progress with 200", []Quirk{Progress200, CreatedStatuses}, []step{
			{"POST", run + "import/MIG_IMPORT1", 0, 202, "TRIGGERED_SUCCESS", "SUCCESS"},
			{"GET", state + "import/MIG_IMPORT1", 0, 200, "IMPORT_INPROGRESS", "INPROGRESS"},
		}},
		{"lower case path only", []Quirk{LowerStatusPath}, []step{
			{"GET", "/Public/status/export/MIG_EXPORT_DONE", 0, 404, "INVALID_INPUT", "FAILED"},
			{"GET", state + "export/MIG_EXPORT_DONE", 0, 200, "SUCCESS", "SUCCESS"},
		}},
		{"upper case path only", []Quirk{UpperStatusPath}, []step{
			{"GET", state + "export/MIG_EXPORT_DONE", 0, 404, "INVALID_INPUT", "FAILED"},
			{"GET", "/Public/status/export/MIG_EXPORT_DONE", 0, 200, "SUCCESS", "SUCCESS"},
		}},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			h := start(t, quirks(c.on...))
			for i, s := range c.steps {
				h.Advance(s.wait)
				a := h.call(s.method, s.path, "")
				require.Equal(t, []any{s.status, s.code, s.word}, []any{a.status, a.text("statusCode"), a.text("status")}, "step %d", i)
			}
		})
	}
}

func TestMigration_serverError(t *testing.T) {
	h := start(t)
	h.Inject(Fault{Call: "export", Kind: FaultStatus, Status: 500})
	a := h.call("POST", "/public/migrate/export/MIG_EXPORT1", "")
	require.Equal(t, map[string]any{"errorMessage": "Internal Server Error", "statusCode": "INTERNAL_ERROR", "status": "FAILED"}, a.json)
}
