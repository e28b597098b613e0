package simulator

import (
	"crypto/md5"
	"encoding/base64"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

func sum(parts ...string) string {
	h := md5.New()
	for _, p := range parts {
		_, _ = h.Write([]byte(p))
	}
	return base64.StdEncoding.EncodeToString(h.Sum(nil))
}

func raw(text string) string {
	h := md5.Sum([]byte(text))
	return string(h[:])
}

func header(pairs ...string) http.Header {
	h := http.Header{}
	for i := 0; i+1 < len(pairs); i += 2 {
		h[pairs[i]] = []string{pairs[i+1]}
	}
	return h
}

// storeOrigin is where the paths of multipart uploads lead.
func (h *harness) storeOrigin() string { return "https://" + h.Options().ObjectStoreHost }

func TestPut_single(t *testing.T) {
	h := start(t)
	url := h.announce("a.csv", 5).text("payload", "uploadURL")
	require.Equal(t, 400, h.send("PUT", url, "hello", header("Content-MD5", sum("other"))).status)
	require.Empty(t, h.call("GET", "/utils-service/v1/listfiles", "").json["payload"])
	a := h.send("PUT", url, "hello", header("Content-MD5", sum("hello"), "Content-Type", "text/csv", "opc-meta-row-count", "1"))
	require.Equal(t, 200, a.status)
	require.Equal(t, sum("hello"), a.header.Get("opc-content-md5"))
	head := h.send("HEAD", url, "", nil)
	require.Equal(t, 200, head.status)
	require.Equal(t, "5", head.header.Get("Content-Length"))
	require.Equal(t, sum("hello"), head.header.Get("Content-MD5"))
	require.Equal(t, a.header.Get("ETag"), head.header.Get("ETag"))
	require.Equal(t, "text/csv", head.header.Get("Content-Type"))
	require.Equal(t, "1", head.header.Get("opc-meta-row-count"))
	require.Equal(t, 412, h.send("PUT", url, "again", header("If-None-Match", "*")).status)
	require.Equal(t, 200, h.send("PUT", url, "again", nil).status)
	require.NotEqual(t, a.header.Get("ETag"), h.send("HEAD", url, "", nil).header.Get("ETag"))
	files, err := os.ReadDir(filepath.Join(filepath.Dir(h.CAFile()), "objects"))
	require.NoError(t, err)
	require.Len(t, files, 1, "replaced and refused bytes are removed")

	require.NoError(t, h.SetQuirks(UploadPARWriteOnly))
	writeOnly := h.announce("b.csv", 5).text("payload", "uploadURL")
	require.Equal(t, 200, h.send("PUT", writeOnly, "hello", nil).status)
	require.Equal(t, 404, h.send("HEAD", writeOnly, "", nil).status)
}

func TestPut_requiresLength(t *testing.T) {
	h := start(t)
	req, err := http.NewRequest("PUT", h.announce("a.csv", 5).text("payload", "uploadURL"), struct{ *strings.Reader }{strings.NewReader("hello")})
	require.NoError(t, err)
	resp, err := h.client.Do(req)
	require.NoError(t, err)
	require.NoError(t, resp.Body.Close())
	require.Equal(t, 411, resp.StatusCode)
}

func TestGet_ranges(t *testing.T) {
	h := start(t)
	id := h.upload("a.csv", "0123456789")
	url := h.call("GET", fmt.Sprintf("/utils-service/v1/file/downloadfile/%d", id), "").text("payload", "downloadURL")
	etag := h.send("HEAD", url, "", nil).header.Get("ETag")
	cases := []struct {
		name, asked, match string
		status             int
		body, contentRange string
	}{
		{"whole", "", "", 200, "0123456789", ""},
		{"start", "bytes=0-3", "", 206, "0123", "bytes 0-3/10"},
		{"middle", "bytes=4-6", etag, 206, "456", "bytes 4-6/10"},
		{"open", "bytes=7-", "", 206, "789", "bytes 7-9/10"},
		{"past the end", "bytes=8-100", "", 206, "89", "bytes 8-9/10"},
		{"suffix", "bytes=-2", "", 206, "89", "bytes 8-9/10"},
		{"beyond", "bytes=10-11", "", 416, "", "bytes */10"},
		{"two", "bytes=0-1,3-4", "", 400, "", "bytes */10"},
		{"backwards", "bytes=4-1", "", 400, "", "bytes */10"},
		{"other etag", "bytes=0-3", "other", 412, "", ""},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			sent := http.Header{}
			if c.asked != "" {
				sent.Set("Range", c.asked)
			}
			if c.match != "" {
				sent.Set("If-Match", c.match)
			}
			a := h.send("GET", url, "", sent)
			require.Equal(t, c.status, a.status)
			require.Equal(t, c.contentRange, a.header.Get("Content-Range"))
			if c.status < 300 {
				require.Equal(t, c.body, string(a.body))
				require.Equal(t, etag, a.header.Get("ETag"))
			}
		})
	}
}

func TestMultipart_commit(t *testing.T) {
	h := start(t)
	a := h.announce("big.csv", 12)
	url := a.text("payload", "uploadURL")
	created := h.send("PUT", url, "", header("opc-multipart", "true", "opc-meta-night", "1"))
	require.Equal(t, 200, created.status)
	access := created.text("accessUri")
	require.True(t, strings.HasPrefix(access, "/p/") && strings.HasSuffix(access, "/"), access)
	part := func(n int, body string, pairs ...string) answer {
		return h.send("PUT", fmt.Sprintf("%s%s%d", h.storeOrigin(), access, n), body, header(pairs...))
	}
	require.Equal(t, 400, h.send("POST", h.storeOrigin()+access, "", nil).status, "nothing to commit")
	require.Equal(t, 200, part(10_000, "wxyz").status)
	require.Equal(t, sum("will be replaced"), part(1, "will be replaced").header.Get("opc-content-md5"))
	require.Equal(t, 200, part(1, "abcd").status)
	require.Equal(t, 200, part(7, "mnop", "Content-MD5", sum("mnop")).status)
	require.Equal(t, 400, part(7, "mnop", "Content-MD5", sum("else")).status)
	require.Equal(t, 400, part(0, "x").status)
	require.Equal(t, 400, part(10_001, "x").status)
	require.Equal(t, 404, h.send("HEAD", url, "", nil).status, "there is no object before the commit")
	require.Equal(t, 400, h.send("POST", h.storeOrigin()+access, "{}", nil).status)

	want := sum(raw("abcd"), raw("mnop"), raw("wxyz")) + "-3"
	commit := h.send("POST", h.storeOrigin()+access, "", nil)
	require.Equal(t, 200, commit.status)
	require.Equal(t, want, commit.header.Get("opc-multipart-md5"))
	head := h.send("HEAD", url, "", nil)
	require.Equal(t, want, head.header.Get("opc-multipart-md5"))
	require.Equal(t, "1", head.header.Get("opc-meta-night"))
	require.Empty(t, head.header.Get("Content-MD5"))
	require.Equal(t, "abcdmnopwxyz", string(h.send("GET", url, "", nil).body))
	require.Equal(t, "dmnopw", string(h.send("GET", url, "", header("Range", "bytes=3-8")).body))
	require.Equal(t, "opwx", string(h.send("GET", url, "", header("Range", "bytes=6-9")).body))
	require.Equal(t, 404, h.send("POST", h.storeOrigin()+access, "", nil).status, "it is committed once")
	require.Equal(t, 404, part(2, "late").status)
	require.Len(t, h.call("GET", "/utils-service/v1/listfiles", "").json["payload"], 1)
	require.Contains(t, h.Secrets(), strings.Split(access, "/")[2])
	require.NotContains(t, h.last().Path, strings.Split(access, "/")[2])
}

func TestMultipart_abort(t *testing.T) {
	h := start(t)
	url := h.announce("big.csv", 4).text("payload", "uploadURL")
	access := h.send("PUT", url, "", header("opc-multipart", "true")).text("accessUri")
	require.Equal(t, 200, h.send("PUT", h.storeOrigin()+access+"1", "abcd", nil).status)
	require.Equal(t, 204, h.send("DELETE", h.storeOrigin()+access, "", nil).status)
	require.Equal(t, 404, h.send("POST", h.storeOrigin()+access, "", nil).status)
	files, err := os.ReadDir(filepath.Join(filepath.Dir(h.CAFile()), "objects"))
	require.NoError(t, err)
	require.Empty(t, files)
}

func TestPAR_permissionsAndExpiry(t *testing.T) {
	h := start(t, func(o *Options) { o.PARTTL = 10 * time.Minute })
	url := h.announce("a.csv", 5).text("payload", "uploadURL")
	access := h.send("PUT", url, "", header("opc-multipart", "true")).text("accessUri")
	require.Equal(t, 404, h.send("PUT", url+"x", "hello", nil).status)
	require.Equal(t, 404, h.send("PUT", strings.Replace(url, "/p/", "/p/x", 1), "hello", nil).status)
	leak := h.send("PUT", url, "hello", header("Authorization", "Bearer "+h.token))
	require.Equal(t, 400, leak.status)
	require.Contains(t, h.last().Note, "leak")
	require.False(t, h.last().Processed)
	h.tick(10*time.Minute - time.Second)
	require.Equal(t, 200, h.send("PUT", url, "hello", nil).status)
	h.tick(time.Second)
	require.Equal(t, 404, h.send("GET", url, "", nil).status)
	require.Equal(t, 404, h.send("PUT", h.storeOrigin()+access+"1", "hello", nil).status)
	for quirk, status := range map[Quirk]int{PAR401: 401, PAR403: 403} {
		require.NoError(t, h.SetQuirks(quirk))
		require.Equal(t, status, h.send("GET", url, "", nil).status)
	}
}
