package simulator

import (
	"net/http"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
	"go.yaml.in/yaml/v3"
)

func TestCalls_requireWhatTheDocumentSays(t *testing.T) {
	h := start(t)
	h.upload("ledger.csv", "a,b\n1,2\n")
	report := []string{"reportcode", "RPT002", "reportType", "CSV", "appid", "PBSMCS", "reportDefType", "V"}
	run := h.trigger("PBSM_LONG")
	calls := []struct {
		name, method, path, body string
		extra                    []string
		needs                    []string // headers without which it is refused
		status                   int
	}{
		{"upload", "POST", "/utils-service/v1/file/uploadfile/parURL?prefix=", `{"fileName":"a.csv","fileSize":10,"mimeType":"text/csv"}`, nil, nil, 200},
		{"list", "GET", "/utils-service/v1/listfiles?stripeName=default", "", nil, nil, 200},
		{"by name", "GET", "/utils-service/v1/file/download?fileName=ledger.csv&stripeName=default&prefix=", "", nil, nil, 200},
		{"by id", "GET", "/utils-service/v1/file/downloadfile/5025", "", nil, nil, 200},
		{"scan", "PUT", "/utils-service/v1/file/scan/5025", "", nil, []string{"ofs_service_id"}, 200},
		{"export", "POST", "/public/migrate/export/MIG_EXPORT1", "", nil, nil, 200},
		{"import", "POST", "/public/migrate/import/MIG_IMPORT1", "", nil, nil, 200},
		{"export status", "GET", "/public/status/export/MIG_EXPORT_DONE", "", nil, nil, 200},
		{"import status", "GET", "/Public/status/import/MIG_IMPORT_DONE", "", nil, nil, 200},
		{"report", "POST", "/aai-dmi-service/vw/v1/repgen", `{"filterCriteria":"","placeholderFilter":""}`, report, []string{"ofs_service_id", "reportcode", "reportType", "appid", "reportDefType"}, 200},
		{"report status", "POST", "/aai-dmi-service/vw/v1/repgenstatus", "", []string{"reportcode", "RPT002", "reportInstanceID", "100"}, []string{"ofs_service_id", "reportcode", "reportInstanceID"}, 200},
		{"trigger", "POST", "/SchedulerService/rest-api/v1/external/trigger", `{"batchName":"PBSM_QUICK","batchType":"rest"}`, nil, []string{"ofs_service_id"}, 200},
		{"status", "POST", "/SchedulerService/rest-api/v1/external/status", `{"batchRunId":"` + run + `"}`, nil, []string{"ofs_service_id"}, 200},
		{"interrupt", "POST", "/SchedulerService/rest-api/v1/external/interrupt", `{"batchName":"PBSM_LONG","batchRunId":"` + run + `"}`, nil, []string{"ofs_service_id"}, 200},
	}
	for _, c := range calls {
		t.Run(c.name, func(t *testing.T) {
			spoil := func(status int, header, value string) {
				t.Helper()
				extra := append(append([]string{}, c.extra...), header, value)
				a := h.call(c.method, c.path, c.body, extra...)
				require.Equal(t, status, a.status, "%s: %q: %s", header, value, a.body)
				require.False(t, h.last().Processed)
				if strings.Contains(c.path, "Scheduler") && status == 400 {
					require.Equal(t, "-5", a.text("statusCode"))
				}
			}
			spoil(401, "Authorization", "")
			spoil(401, "Authorization", "Bearer x")
			spoil(406, "Accept", "text/html")
			for _, name := range append([]string{"ofs_remote_user", "locale", "ofs_tenant_id", "ofs_workspace_id"}, c.needs...) {
				spoil(400, name, "")
			}
			spoil(400, "ofs_tenant_id", "another")
			spoil(403, "ofs_remote_user", "another")
			if c.method != "GET" { // with or without a body
				spoil(415, "Content-Type", "text/plain")
				spoil(415, "Content-Type", "")
			}
			require.Equal(t, 405, h.call("PATCH", c.path, c.body, c.extra...).status)
			a := h.call(c.method, c.path, c.body, c.extra...)
			require.Equal(t, c.status, a.status, string(a.body))
			require.True(t, h.last().Processed)
		})
	}
	require.Equal(t, 404, h.call("GET", "/nothing/there", "").status)
	require.Equal(t, 404, h.send("GET", strings.Replace(h.BaseURL(), h.Options().Tenant, "another", 1)+"/utils-service/v1/listfiles", "", h.headers()).status)
}

func TestCalls_ignoreHyphenatedHeaders(t *testing.T) {
	h := start(t)
	header := h.headers()
	delete(header, "ofs_tenant_id")
	header["ofs-tenant-id"] = []string{h.Options().Tenant}
	a := h.send("GET", h.BaseURL()+"/utils-service/v1/listfiles", "", header)
	require.Equal(t, 400, a.status)
	require.Contains(t, a.text("errorMessage"), "ofs_tenant_id")
}

func TestHealth_ok(t *testing.T) {
	h := start(t)
	before := len(h.Journal())
	require.Equal(t, 200, h.send("GET", strings.TrimSuffix(h.BaseURL(), h.Options().Tenant)+"healthz", "", http.Header{}).status)
	require.Len(t, h.Journal(), before)
}

func TestJournal_holdsNoSecret(t *testing.T) {
	h := start(t)
	h.upload("ledger.csv", strings.Repeat("x", 100))
	for _, e := range h.Journal() {
		for _, secret := range h.Secrets() {
			require.NotContains(t, e.Path+e.Note+e.Subject+e.Name+e.Created, secret)
		}
	}
	put := h.last()
	require.Equal(t, "object-put", put.Call)
	require.Equal(t, "5025", put.Subject)
	require.Equal(t, "ledger.csv", put.Name)
	require.EqualValues(t, 100, put.In)
	require.Contains(t, put.Path, "/p/***/n/")
}

func TestStart_reportsAllProblems(t *testing.T) {
	_, err := Start(Options{
		Speed: -1, Quirks: Quirks{"none"},
		Catalog: Catalog{
			Batches: []Batch{{Code: "B", Tasks: []Task{{Code: "T", Outcome: "odd", Needs: []string{"U"}}, {Code: "T"}}}},
			Groups:  []Group{{Code: "B", Batches: []string{"C"}}},
		},
	})
	for _, want := range []string{"speed", `quirk "none"`, `outcome "odd"`, `needs "U"`, "twice", `no batch "C"`, "both a batch and a group"} {
		require.ErrorContains(t, err, want)
	}
}

func TestLoadCatalog_default(t *testing.T) {
	c, err := LoadCatalog(strings.NewReader("batches: [{code: B, tasks: [{code: T, duration: 2m, needs: []}]}]"))
	require.NoError(t, err)
	require.EqualValues(t, 120e9, c.Batches[0].Tasks[0].Duration)
	require.NotNil(t, c.Batches[0].Tasks[0].Needs)
	_, err = LoadCatalog(strings.NewReader("batchs: []"))
	require.ErrorContains(t, err, "batchs")
}

func TestConnectionYAML_connects(t *testing.T) {
	h := start(t, func(o *Options) { o.ObjectStoreHost = "objectstore:8443" })
	var config map[string]map[string]map[string]any
	require.NoError(t, yaml.Unmarshal([]byte(h.connectionYAML("demo", h.CAFile(), h.Options().ClientSecret, h.Options().Password)), &config))
	demo := config["connections"]["demo"]
	require.Equal(t, h.Options().ClientSecret, demo["client_secret"])
	require.Equal(t, h.Options().Password, demo["password"])
	require.Equal(t, []any{"objectstore"}, demo["par_hosts"])
	require.FileExists(t, demo["ca_file"].(string))
	require.Contains(t, h.announce("a.csv", 5).text("payload", "uploadURL"), "https://objectstore:8443/p/")
}
