package parstore

import (
	"bytes"
	"encoding/json"
	"io"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// The document recommends uploads in parts, and does not say that every store takes them.
func TestUpload_storesWithoutParts(t *testing.T) {
	content := noise(3 * testPart)
	answer := func(status int, text string) http.HandlerFunc {
		return func(w http.ResponseWriter, _ *http.Request) {
			w.WriteHeader(status)
			_, _ = io.WriteString(w, text)
		}
	}
	for name, tt := range map[string]struct {
		begin http.HandlerFunc
		err   string // empty: the file is sent in one request
	}{
		"stores an empty file":     {begin: answer(200, "")},
		"another object":           {begin: answer(201, `{"etag":"x"}`)},
		"another text":             {begin: answer(200, "OK")},
		"wants content":            {begin: answer(400, `{"code":"InvalidParameter","message":"no content"}`)},
		"wants a length":           {begin: answer(411, "")},
		"does not know the header": {begin: answer(501, "<html></html>")},
		"broken off":               {begin: answer(200, `{"accessUri":`), err: "is damaged"},
		"expired":                  {begin: answer(403, ""), err: "a new one is needed"},
		"busy":                     {begin: answer(503, ""), err: "HTTP 503"},
	} {
		t.Run(name, func(t *testing.T) {
			s, c := newStore(t, func(s *store, w http.ResponseWriter, r *http.Request) {
				if r.Header.Get("opc-multipart") != "" {
					tt.begin(w, r)
					return
				}
				accept(s, w, r)
			})
			c.threshold, c.buffered = 2*testPart, testPart // it does not fit into the memory of a part
			sent, err := put(t, c, s.URL+parPath, content)
			if tt.err != "" {
				requireError(t, err)
				require.ErrorContains(t, err, tt.err)
				require.Empty(t, s.object)
				return
			}
			require.NoError(t, err)
			assert.Equal(t, md5Of(content), sent.MD5)
			assert.True(t, bytes.Equal(content, s.object))
		})
	}
}

// A store may not be able to show what was committed: each part was checked when it was sent.
func TestUpload_storesThatCannotShowTheFile(t *testing.T) {
	for name, head := range map[string]http.HandlerFunc{
		"no HEAD at all": func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusNotImplemented) },
		"not allowed":    func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusMethodNotAllowed) },
		"no length":      func(w http.ResponseWriter, _ *http.Request) { w.(http.Flusher).Flush() },
	} {
		t.Run(name, func(t *testing.T) {
			s, c := newStore(t, func(_ *store, w http.ResponseWriter, r *http.Request) {
				switch {
				case r.Header.Get("opc-multipart") != "":
					_ = json.NewEncoder(w).Encode(map[string]string{"accessUri": "/p/u/"})
				case r.Method == http.MethodHead:
					head(w, r)
				default:
					_, _ = io.Copy(io.Discard, r.Body)
				}
			})
			c.threshold = 1
			sent, err := put(t, c, s.URL+parPath, []byte("x"))
			require.NoError(t, err)
			assert.Equal(t, sha([]byte("x")), sent.SHA256)
		})
	}
}

func TestDownload_otherStores(t *testing.T) {
	content := noise(5*testPart + 17)
	etagged := func(etag string) http.HandlerFunc {
		return func(w http.ResponseWriter, r *http.Request) {
			w.Header().Set("ETag", etag)
			http.ServeContent(w, r, "", time.Time{}, bytes.NewReader(content))
		}
	}
	// streamed sends the response in chunks, which has no Content-Length then.
	streamed := func(next http.HandlerFunc) http.HandlerFunc {
		return func(w http.ResponseWriter, r *http.Request) {
			next(unmeasured{w}, r)
		}
	}
	for name, tt := range map[string]struct {
		store http.HandlerFunc
		err   string
	}{
		"an ETag without quotes, not recognised": {store: etagged("8f1c2a7e-etag")},
		"a weak ETag, not recognised":            {store: etagged(`W/"1"`)},
		"no ETag":                                {store: etagged("")},
		"ranges in chunks": {store: func(w http.ResponseWriter, r *http.Request) {
			if r.Method == http.MethodHead {
				etagged(`"1"`)(w, r)
				return
			}
			streamed(etagged(`"1"`))(w, r)
		}},
		"no length, no ranges": {store: func(w http.ResponseWriter, r *http.Request) {
			w.(http.Flusher).Flush()
			if r.Method == http.MethodGet {
				_, _ = w.Write(content)
			}
		}},
		"a HEAD that says 0 bytes": {store: func(w http.ResponseWriter, r *http.Request) {
			if r.Method == http.MethodHead {
				w.Header().Set("Content-Length", "0")
				return
			}
			etagged(`"1"`)(w, r)
		}},
		"signed for GET only": {store: func(w http.ResponseWriter, r *http.Request) {
			if r.Method == http.MethodHead {
				w.WriteHeader(http.StatusForbidden)
				return
			}
			etagged(`"1"`)(w, r)
		}},
		"another version, whatever If-Match says": {store: func(w http.ResponseWriter, r *http.Request) {
			etag := "first"
			if r.Method == http.MethodGet {
				etag = "second"
			}
			etagged(etag)(w, r)
		}, err: "its ETag differs"},
		"a version that is not named": {store: func(w http.ResponseWriter, r *http.Request) {
			if r.Header.Get("If-Match") != "" {
				w.WriteHeader(http.StatusPreconditionFailed)
				return
			}
			if r.Method == http.MethodHead {
				w.Header().Set("ETag", "first")
			}
			http.ServeContent(w, r, "", time.Time{}, bytes.NewReader(content))
		}, err: "its ETag differs"},
		"more than the range, in chunks": {store: func(w http.ResponseWriter, r *http.Request) {
			if r.Method == http.MethodHead {
				etagged(`"1"`)(w, r)
				return
			}
			w.Header().Set("Content-Range", strings.Replace(r.Header.Get("Range"), "=", " ", 1)+"/327697")
			w.WriteHeader(http.StatusPartialContent)
			_, _ = w.Write(content[:2*testPart])
			w.(http.Flusher).Flush()
		}, err: "more than"},
	} {
		t.Run(name, func(t *testing.T) {
			s, c := newStore(t, func(_ *store, w http.ResponseWriter, r *http.Request) { tt.store(w, r) })
			c.partSize = testPart
			var to memoryTarget
			got, err := c.Download(t.Context(), s.URL+parPath, Download{Target: &to})
			if tt.err != "" {
				require.True(t, requireError(t, err).Temporary)
				require.ErrorContains(t, err, tt.err)
				return
			}
			require.NoError(t, err)
			assert.Equal(t, sha(content), got.SHA256)
			assert.True(t, bytes.Equal(content, to.Bytes()))
		})
	}
}

// unmeasured leaves out the length of a response.
type unmeasured struct{ http.ResponseWriter }

func (u unmeasured) WriteHeader(status int) {
	u.Header().Del("Content-Length")
	u.ResponseWriter.WriteHeader(status)
	u.ResponseWriter.(http.Flusher).Flush()
}
