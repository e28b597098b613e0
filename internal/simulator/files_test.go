package simulator

import (
	"fmt"
	"io"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

func TestUploadPAR_checksRequest(t *testing.T) {
	long := strings.Repeat("a", 256)
	cases := []struct {
		name, body, query string
		quirk             []Quirk
		status            int
	}{
		{"object", `{"fileName":"idcs_log1.txt","fileSize":100,"mimeType":"text/plain"}`, "", nil, 200},
		{"types are written in any case", `{"fileName":"a","fileSize":2,"mimeType":"Text/CSV"}`, "", nil, 200},
		{"dat", `{"fileName":"a.dat","fileSize":2,"mimeType":"DAT"}`, "", nil, 200},
		{"array", `[{"fileName":"File.csv","fileSize":7654,"mimeType":"text/csv"}]`, "", nil, 400},
		{"array where it is wanted", `[{"fileName":"File.csv","fileSize":7654,"mimeType":"text/csv"}]`, "", []Quirk{ArrayBody}, 200},
		{"object where an array is wanted", `{"fileName":"File.csv","fileSize":7654,"mimeType":"text/csv"}`, "", []Quirk{ArrayBody}, 400},
		{"first character", `{"fileName":"_a.csv","fileSize":100,"mimeType":"text/csv"}`, "", nil, 400},
		{"character", `{"fileName":"a b.csv","fileSize":100,"mimeType":"text/csv"}`, "", nil, 400},
		{"too long", `{"fileName":"` + long + `","fileSize":100,"mimeType":"text/csv"}`, "", nil, 400},
		{"longest", `{"fileName":"` + long[1:] + `","fileSize":100,"mimeType":"text/csv"}`, "", nil, 200},
		{"one byte", `{"fileName":"a.csv","fileSize":1,"mimeType":"text/csv"}`, "", nil, 400},
		{"too large", `{"fileName":"a.csv","fileSize":10000000000000,"mimeType":"text/csv"}`, "", nil, 400},
		{"largest", `{"fileName":"a.csv","fileSize":9999999999999,"mimeType":"text/csv"}`, "", nil, 200},
		{"size as text", `{"fileName":"a.csv","fileSize":"100","mimeType":"text/csv"}`, "", nil, 400},
		{"type", `{"fileName":"a.xlsx","fileSize":100,"mimeType":"application/vnd.ms-excel"}`, "", nil, 400},
		{"missing", `{"fileName":"a.csv","fileSize":100}`, "", nil, 400},
		{"prefix", `{"fileName":"a.csv","fileSize":100,"mimeType":"text/csv"}`, "in/2026", nil, 200},
		{"bad prefix", `{"fileName":"a.csv","fileSize":100,"mimeType":"text/csv"}`, "../x%20y", nil, 400},
		{"created", `{"fileName":"a.csv","fileSize":100,"mimeType":"text/csv"}`, "", []Quirk{CreatedStatuses}, 201},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			h := start(t, quirks(c.quirk...))
			a := h.call("POST", "/utils-service/v1/file/uploadfile/parURL?prefix="+c.query, c.body)
			require.Equal(t, c.status, a.status, string(a.body))
			if c.status < 300 {
				require.Contains(t, a.text("payload", "uploadURL"), "https://127.0.0.1:")
				require.Equal(t, "success", a.text("payload", "status"))
				require.Equal(t, "2026-10-31T22:00:00", a.text("payload", "createDate"))
			}
		})
	}
	h := start(t, quirks(FlatAnswer))
	a := h.announce("a.csv", 10)
	require.NotContains(t, a.json, "payload")
	require.Equal(t, "a.csv", a.text("fileName"))
	require.NotEmpty(t, a.text("uploadURL"))
}

func TestFiles_areListedOnceBytesArrived(t *testing.T) {
	h := start(t)
	const list = "/utils-service/v1/listfiles?stripeName=default"
	a := h.announce("ledger.csv", 10)
	url := a.text("payload", "uploadURL")
	visible := func() bool {
		t.Helper()
		listed := len(h.call("GET", list, "").json["payload"].([]any)) == 1
		byName := h.call("GET", "/utils-service/v1/file/download?fileName=ledger.csv&stripeName=default&prefix=", "").status
		byID := h.call("GET", "/utils-service/v1/file/downloadfile/5025", "").status
		require.Equal(t, map[bool]int{true: 200, false: 404}[listed], byName)
		require.Equal(t, byName, byID)
		return listed
	}
	require.False(t, visible())
	require.Equal(t, 200, h.send("PUT", url, "12345", nil).status)
	require.Equal(t, "size mismatch: 10 bytes announced, 5 received", h.last().Note)
	require.False(t, visible())
	require.EqualValues(t, 5, h.Files()[0].Received)
	require.Equal(t, 200, h.send("PUT", url, "1234567890", nil).status)
	require.True(t, visible())
	require.True(t, h.Files()[0].Arrived)

	body, err := h.Object(5025)
	require.NoError(t, err)
	defer func() { _ = body.Close() }()
	text, err := io.ReadAll(body)
	require.NoError(t, err)
	require.Equal(t, "1234567890", string(text))
}

func TestFiles_listAndDownload(t *testing.T) {
	h := start(t)
	first := h.upload("ledger.csv", "first one")
	second := h.upload("ledger.csv", "the second")
	a := h.call("GET", "/utils-service/v1/listfiles?stripeName=default", "")
	require.EqualValues(t, 2, a.json["count"])
	row := a.json["payload"].([]any)[0].(map[string]any)
	require.Equal(t, map[string]any{"v_file_name": "ledger.csv", "n_file_id": 5025.0, "d_upload_date": "31-OCT-26 10:00:00 PM", "v_stripe_name": "default"}, row)
	require.Empty(t, h.call("GET", "/utils-service/v1/listfiles?stripeName=other", "").json["payload"])

	byName := h.call("GET", "/utils-service/v1/file/download?fileName=ledger.csv&stripeName=default&prefix=", "").text("payload", "downloadURL")
	require.True(t, strings.HasSuffix(byName, "?httpResponseContentDisposition=ATTACHMENT%3B%20filename%3Dledger.csv"), byName)
	got := h.send("GET", byName, "", nil)
	require.Equal(t, "the second", string(got.body), "the latest with that name")
	require.Equal(t, "ATTACHMENT; filename=ledger.csv", got.header.Get("Content-Disposition"))
	for id, want := range map[int64]string{first: "first one", second: "the second"} {
		url := h.call("GET", fmt.Sprintf("/utils-service/v1/file/downloadfile/%d", id), "").text("payload", "downloadURL")
		require.Equal(t, want, string(h.send("GET", url, "", nil).body))
		require.Equal(t, 404, h.send("PUT", url, "x", nil).status, "a download PAR takes no bytes")
	}
	require.Equal(t, 404, h.call("GET", "/utils-service/v1/file/download?fileName=ledger.csv&stripeName=default&prefix=other", "").status)
	require.Equal(t, 400, h.call("GET", "/utils-service/v1/file/downloadfile/x", "").status)
	require.Equal(t, 404, h.call("GET", "/utils-service/v1/file/downloadfile/1", "").status)

	require.NoError(t, h.SetQuirks(CountLies, NameCapitalised, ISODates, FileIDAsString))
	a = h.call("GET", "/utils-service/v1/listfiles", "")
	require.EqualValues(t, 9, a.json["count"])
	row = a.json["payload"].([]any)[0].(map[string]any)
	require.Equal(t, map[string]any{"v_file_name": "Ledger.csv", "n_file_id": "5025", "d_upload_date": "2026-10-31T22:00:00", "v_stripe_name": "default"}, row)
}

func TestScan_required(t *testing.T) {
	h := start(t, quirks(ScanRequired))
	url := h.announce("a.csv", 3).text("payload", "uploadURL")
	require.Equal(t, 400, h.call("PUT", "/utils-service/v1/file/scan/5025", "").status)
	h.send("PUT", url, "abc", nil)
	require.Empty(t, h.call("GET", "/utils-service/v1/listfiles", "").json["payload"])
	require.Equal(t, 200, h.call("PUT", "/utils-service/v1/file/scan/5025", "").status)
	require.Len(t, h.call("GET", "/utils-service/v1/listfiles", "").json["payload"], 1)
}
