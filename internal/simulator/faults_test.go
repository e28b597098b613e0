package simulator

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

func TestFaults_ofServiceCalls(t *testing.T) {
	cases := []struct {
		fault     Fault
		status    int // 0: the connection breaks
		processed bool
		check     func(t *testing.T, a answer)
	}{
		{Fault{Kind: FaultStatus, Status: 429, RetryAfter: "7"}, 429, false, func(t *testing.T, a answer) {
			require.Equal(t, "7", a.header.Get("Retry-After"))
			require.Equal(t, "-1", a.text("statusCode"))
		}},
		{Fault{Kind: FaultEmpty}, 503, false, func(t *testing.T, a answer) { require.Empty(t, a.body) }},
		{Fault{Kind: FaultHTML}, 502, false, func(t *testing.T, a answer) { require.Contains(t, string(a.body), "<html>") }},
		{Fault{Kind: FaultUnauthorized}, 401, false, nil},
		{Fault{Kind: FaultExpireTokens}, 401, false, nil},
		{Fault{Kind: FaultCloseBefore}, 0, false, nil},
		{Fault{Kind: FaultCloseAfter}, 0, true, nil},
		{Fault{Kind: FaultStatusAfter, Status: 500}, 500, true, nil},
		{Fault{Kind: FaultHTMLAfter, Status: 504}, 504, true, nil},
		{Fault{Kind: FaultDelayBefore, Delay: time.Millisecond}, 200, true, nil},
		{Fault{Kind: FaultDelayAfter, Delay: time.Millisecond}, 200, true, nil},
		{Fault{Kind: FaultSlow, Delay: 10 * time.Millisecond}, 200, true, func(t *testing.T, a answer) { require.Equal(t, "0", a.text("statusCode")) }},
		{Fault{Kind: FaultTruncate, Bytes: 10}, 200, true, func(t *testing.T, a answer) {
			require.Error(t, a.err)
			require.Len(t, a.body, 10)
		}},
		{Fault{Kind: FaultMalform}, 200, true, func(t *testing.T, a answer) {
			require.NoError(t, a.err)
			require.Nil(t, a.json)
		}},
		{Fault{Kind: FaultWrongLength, Bytes: 3}, 200, true, func(t *testing.T, a answer) {
			require.NoError(t, a.err)
			require.Nil(t, a.json)
		}},
		{Fault{Kind: FaultRedirect}, 307, false, func(t *testing.T, a answer) {
			require.Contains(t, a.header.Get("Location"), "https://127.0.0.1:")
		}},
	}
	for _, c := range cases {
		t.Run(string(c.fault.Kind), func(t *testing.T) {
			h := start(t)
			c.fault.Call, c.fault.Times = "trigger", 1
			h.Inject(c.fault)
			a := h.scheduler("trigger", `{"batchName":"PBSM_QUICK","batchType":"rest"}`)
			require.Equal(t, c.status, a.status, string(a.body))
			require.Equal(t, c.processed, len(h.Runs()) == 1)
			require.Equal(t, c.processed, h.last().Processed)
			require.Equal(t, c.fault.Kind, h.last().Fault)
			require.Equal(t, c.status, h.last().Status)
			if c.check != nil {
				c.check(t, a)
			}
			h.token = h.login(nil).text("access_token")
			h.trigger("PBSM_QUICK")
			require.Empty(t, h.last().Fault, "it applies once")
		})
	}
}

func TestFaults_matchAndCount(t *testing.T) {
	h := start(t)
	quick, long := h.trigger("PBSM_QUICK"), h.trigger("PBSM_LONG")
	h.Inject(Fault{Call: "*", Match: "PBSM_LONG", After: 1, Times: 2, Kind: FaultStatus})
	var got []int
	for range 4 {
		got = append(got, h.status(quick).status, h.status(long).status)
	}
	require.Equal(t, []int{200, 200, 200, 503, 200, 503, 200, 200}, got)

	h.Inject(Fault{Call: "status", Probability: 0.5, Kind: FaultStatus})
	failed := 0
	for range 200 {
		if h.status(quick).status == 503 {
			failed++
		}
	}
	require.InDelta(t, 100, failed, 40)
	h.ClearFaults()
	require.Equal(t, 200, h.status(quick).status)
	require.Panics(t, func() { h.Inject(Fault{Call: "status", Kind: "none"}) })
}

func TestFaultRedirect_recordsWhoFollows(t *testing.T) {
	h := start(t)
	h.Inject(Fault{Call: "list-files", Kind: FaultRedirect})
	to := h.call("GET", "/utils-service/v1/listfiles", "").header.Get("Location")
	require.Equal(t, 200, h.send("GET", to, "", h.headers()).status)
	require.Equal(t, "redirected", h.last().Call)
	require.Contains(t, h.last().Note, "leak")
}

func TestFaults_ofTokens(t *testing.T) {
	h := start(t)
	h.Inject(Fault{Call: "token", Match: "refresh_token", Kind: FaultStatus}, Fault{Call: "token", Kind: FaultStatus, Times: 1}, Fault{Call: "token", Kind: FaultCloseAfter, Times: 1})
	require.Equal(t, "server_error", h.login(nil).text("error"))
	require.Error(t, h.login(nil).err)
	require.Equal(t, 200, h.login(nil).status)
}

func TestFaults_ofTheObjectStore(t *testing.T) {
	const content = "0123456789"
	get := func(h *harness, pairs ...string) answer {
		url := h.call("GET", "/utils-service/v1/file/downloadfile/5025", "").text("payload", "downloadURL")
		return h.send("GET", url, "", header(pairs...))
	}
	t.Run("download", func(t *testing.T) {
		cases := []struct {
			fault        Fault
			asked        string
			status       int
			body         string
			contentRange string
			breaks       bool
		}{
			{Fault{Kind: FaultTruncate, Bytes: 4}, "", 200, "0123", "", true},
			{Fault{Kind: FaultWrongLength}, "", 200, "012345678", "", false},
			{Fault{Kind: FaultCorrupt, Bytes: 1}, "", 200, "0\xce23456789", "", false},
			{Fault{Kind: FaultWrongRange}, "bytes=4-6", 206, "012", "bytes 0-2/10", false},
			{Fault{Kind: FaultIgnoreRange}, "bytes=4-6", 200, content, "", false},
			{Fault{Kind: FaultExpirePAR}, "", 404, "", "", false},
			{Fault{Kind: FaultSlow, Delay: 10 * time.Millisecond}, "bytes=4-6", 206, "456", "bytes 4-6/10", false},
			{Fault{Kind: FaultStatus, Status: 429, RetryAfter: "1"}, "", 429, "", "", false},
		}
		for _, c := range cases {
			t.Run(string(c.fault.Kind), func(t *testing.T) {
				h := start(t)
				h.upload("a.csv", content)
				c.fault.Call = "object-get"
				h.Inject(c.fault)
				var a answer
				if c.asked != "" {
					a = get(h, "Range", c.asked)
				} else {
					a = get(h)
				}
				require.Equal(t, c.status, a.status)
				require.Equal(t, c.contentRange, a.header.Get("Content-Range"))
				require.Equal(t, c.breaks, a.err != nil)
				if c.status < 300 {
					require.Equal(t, c.body, string(a.body))
				}
			})
		}
	})
	t.Run("changed etag", func(t *testing.T) {
		h := start(t)
		h.upload("a.csv", content)
		etag := get(h).header.Get("ETag")
		h.Inject(Fault{Call: "object-get", Kind: FaultChangedETag, Times: 1})
		require.Equal(t, 412, get(h, "If-Match", etag, "Range", "bytes=0-1").status)
		require.NotEqual(t, etag, get(h).header.Get("ETag"))
	})
	t.Run("upload", func(t *testing.T) {
		h := start(t)
		url := h.announce("a.csv", len(content)).text("payload", "uploadURL")
		h.Inject(Fault{Call: "object-put", Kind: FaultTruncate, Bytes: 4, Times: 1})
		require.Error(t, h.send("PUT", url, content, nil).err)
		require.EqualValues(t, -1, h.Files()[0].Received)
		require.False(t, h.last().Processed)
		h.Inject(Fault{Call: "object-put", Kind: FaultWrongLength, Bytes: 4, Times: 1})
		require.Equal(t, 200, h.send("PUT", url, content, nil).status)
		require.EqualValues(t, 6, h.Files()[0].Received)
		h.Inject(Fault{Call: "object-put", Kind: FaultCorrupt, Times: 2})
		require.NotEqual(t, sum(content), h.send("PUT", url, content, nil).header.Get("opc-content-md5"))
		require.Equal(t, 400, h.send("PUT", url, content, header("Content-MD5", sum(content))).status)
		h.Inject(Fault{Call: "object-put", Kind: FaultCloseAfter, Times: 1})
		require.Error(t, h.send("PUT", url, content, nil).err)
		require.True(t, h.Files()[0].Arrived, "the answer was lost, not the bytes")
	})
	t.Run("a refusal reaches a client that is still sending", func(t *testing.T) {
		h := start(t)
		url := h.announce("a.csv", 8<<20).text("payload", "uploadURL")
		h.Inject(Fault{Call: "object-put", Kind: FaultStatus, Status: 503})
		require.Equal(t, 503, h.send("PUT", url, strings.Repeat("x", 8<<20), nil).status)
	})
	t.Run("part", func(t *testing.T) {
		h := start(t)
		url := h.announce("a.csv", len(content)).text("payload", "uploadURL")
		access := h.storeOrigin() + h.send("PUT", url, "", header("opc-multipart", "true")).text("accessUri")
		h.Inject(Fault{Call: "part-put", Kind: FaultExpirePAR, Match: "5025"})
		require.Equal(t, 404, h.send("PUT", access+"1", content, nil).status)
	})
}

func TestFaults_ofReports(t *testing.T) {
	h := start(t)
	h.report("RPT002", noFilter)
	h.Advance(time.Hour)
	h.Inject(Fault{Call: "report-status", Kind: FaultNoLink, Times: 1})
	a := h.reportStatus("RPT002", "100")
	require.Equal(t, "COMPLETE", a.text("status"))
	require.NotContains(t, a.json, "downloadLink")
	require.Contains(t, h.reportStatus("RPT002", "100").json, "downloadLink")
}

func TestFaults_knowEveryKind(t *testing.T) {
	h := start(t)
	for _, kind := range kinds {
		require.NoError(t, h.faults.inject(Fault{Call: "*", Kind: kind}), fmt.Sprint(kind))
	}
}
