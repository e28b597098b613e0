package parstore

import (
	"bytes"
	"context"
	"crypto/md5"
	"encoding/base64"
	"encoding/pem"
	"errors"
	"fmt"
	"io"
	"log"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

const parPath = "/p/" + canary + "/n/ns/b/bucket/o/default/gl.csv"

// store is an object store with one object.
type store struct {
	*httptest.Server
	object  []byte
	request *http.Request
}

func newStore(t *testing.T, handle func(s *store, w http.ResponseWriter, r *http.Request)) (*store, *Client) {
	t.Helper()
	s := &store{}
	s.Server = httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		s.request = r.Clone(context.Background())
		handle(s, w, r)
	}))
	s.Config.ErrorLog = log.New(io.Discard, "", 0)
	s.StartTLS()
	t.Cleanup(s.Close)
	c := client(t, s, Options{})
	return s, c
}

func client(t *testing.T, s *store, o Options) *Client {
	t.Helper()
	o.CAFile = caFile(t, s)
	if o.PARHosts == nil {
		o.PARHosts = []string{"127.0.0.1"}
	}
	c, err := New(o)
	require.NoError(t, err)
	t.Cleanup(c.Close)
	return c
}

// caFile contains the store's certificate.
func caFile(t *testing.T, s *store) string {
	t.Helper()
	file := filepath.Join(t.TempDir(), "ca.pem")
	block := &pem.Block{Type: "CERTIFICATE", Bytes: s.Certificate().Raw}
	require.NoError(t, os.WriteFile(file, pem.EncodeToMemory(block), 0o600))
	return file
}

// put sends a file below the threshold, in one request.
func put(t *testing.T, c *Client, url string, content []byte) (Sent, error) {
	t.Helper()
	return c.Upload(t.Context(), url, uploadOf(content, nil, nil))
}

// get receives a file in one request.
func get(ctx context.Context, c *Client, url string, dst io.Writer) (Received, error) {
	u, err := c.target(url)
	if err != nil {
		return Received{}, err
	}
	return c.getWhole(ctx, u, dst, func(int64) {})
}

func accept(s *store, w http.ResponseWriter, r *http.Request) {
	s.object, _ = io.ReadAll(r.Body)
	w.Header().Set("ETag", "etag-1")
	w.Header().Set("opc-content-md5", md5Of(s.object))
}

func md5Of(b []byte) string {
	sum := md5.Sum(b)
	return base64.StdEncoding.EncodeToString(sum[:])
}

func requireError(t *testing.T, err error) *Error {
	t.Helper()
	var e *Error
	require.ErrorAs(t, err, &e)
	requireNoSecret(t, err)
	return e
}

// requireNoSecret checks an error, all that it wraps, and all their fields.
func requireNoSecret(t *testing.T, err error) {
	t.Helper()
	for ; err != nil; err = errors.Unwrap(err) {
		for _, verb := range []string{"%v", "%+v", "%#v", "%q"} {
			require.NotContains(t, fmt.Sprintf(verb, err), canary)
			require.NotContains(t, fmt.Sprintf(verb, err), "s3cret")
		}
	}
}

func TestUpload_sendsTheBytesAndNothingElse(t *testing.T) {
	for _, size := range []int{0, 1, 100, 3 << 20} {
		t.Run(fmt.Sprint(size), func(t *testing.T) {
			s, c := newStore(t, accept)
			content := bytes.Repeat([]byte("x"), size)
			var last int64
			up := uploadOf(content, nil, nil)
			up.Progress = func(done int64) {
				assert.GreaterOrEqual(t, done, last)
				last = done
			}
			sent, err := c.Upload(t.Context(), s.URL+parPath, up)
			require.NoError(t, err)
			assert.Equal(t, Sent{Bytes: int64(size), SHA256: sha(content), MD5: md5Of(content), ETag: "etag-1"}, sent)
			assert.EqualValues(t, size, last)
			assert.True(t, bytes.Equal(content, s.object))
			assert.Equal(t, http.MethodPut, s.request.Method)
			assert.EqualValues(t, size, s.request.ContentLength)
			assert.Equal(t, md5Of(content), s.request.Header.Get("Content-MD5"))
			assert.NotContains(t, s.request.Header, "Authorization")
		})
	}
}

func TestGetWhole(t *testing.T) {
	content := bytes.Repeat([]byte("0123456789\n"), 100_000)
	s, c := newStore(t, func(_ *store, w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-MD5", md5Of(content))
		w.Header().Set("ETag", "etag-2")
		w.Header().Set("Content-Length", fmt.Sprint(len(content)))
		_, _ = w.Write(content)
	})
	u, err := c.target(s.URL + parPath + "?httpResponseContentDisposition=x")
	require.NoError(t, err)
	var out bytes.Buffer
	var last int64
	got, err := c.getWhole(t.Context(), u, &out, func(done int64) { last = done })
	require.NoError(t, err)
	assert.Equal(t, Received{Bytes: int64(len(content)), SHA256: sha(content), MD5: md5Of(content), ETag: "etag-2"}, got)
	assert.True(t, bytes.Equal(content, out.Bytes()))
	assert.EqualValues(t, len(content), last)
	assert.NotContains(t, s.request.Header, "Authorization")
	assert.NotContains(t, s.request.Header, "Accept-Encoding", "lengths and checksums are of the bytes as they are stored")
	assert.Equal(t, "httpResponseContentDisposition=x", s.request.URL.RawQuery)

	s, c = newStore(t, func(*store, http.ResponseWriter, *http.Request) {})
	got, err = get(t.Context(), c, s.URL+parPath, &out)
	require.NoError(t, err, "a file may be empty")
	assert.Zero(t, got.Bytes)
}

func TestTransfer_unexpectedResponses(t *testing.T) {
	echo := func(w http.ResponseWriter, r *http.Request, status int) {
		w.Header().Set("Content-Type", "application/json")
		w.WriteHeader(status)
		fmt.Fprintf(w, `{"code": "Oops", "message": "no object at https://%s%s"}`, r.Host, r.URL)
	}
	tests := map[string]struct {
		handle            http.HandlerFunc
		status            int
		expired, temporal bool
		after             time.Duration
		text              string
	}{
		"401":         {func(w http.ResponseWriter, r *http.Request) { echo(w, r, 401) }, 401, true, false, 0, "Oops: no object at"},
		"403":         {func(w http.ResponseWriter, r *http.Request) { echo(w, r, 403) }, 403, true, false, 0, "a new one is needed"},
		"404":         {func(w http.ResponseWriter, r *http.Request) { echo(w, r, 404) }, 404, true, false, 0, ""},
		"400":         {func(w http.ResponseWriter, r *http.Request) { echo(w, r, 400) }, 400, false, false, 0, ""},
		"500":         {func(w http.ResponseWriter, r *http.Request) { echo(w, r, 500) }, 500, false, true, 0, ""},
		"429 seconds": {func(w http.ResponseWriter, r *http.Request) { w.Header().Set("Retry-After", "7"); echo(w, r, 429) }, 429, false, true, 7 * time.Second, ""},
		"503 huge": {func(w http.ResponseWriter, r *http.Request) {
			w.Header().Set("Retry-After", "99999999")
			echo(w, r, 503)
		}, 503, false, true, 24 * time.Hour, ""},
		"bad checksum": {func(w http.ResponseWriter, _ *http.Request) {
			w.WriteHeader(400)
			_, _ = io.WriteString(w, `{"code": "UnmatchedContentMD5", "message": "x"}`)
		}, 400, false, true, 0, "UnmatchedContentMD5"},
		"html": {func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Type", "text/html")
			w.WriteHeader(502)
			_, _ = io.WriteString(w, "<html>")
		}, 502, false, true, 0, "an HTML page"},
		"plain with the path": {func(w http.ResponseWriter, r *http.Request) {
			w.WriteHeader(409)
			fmt.Fprintf(w, "%s is\n busy, token %s", r.URL.Path, canary)
		}, 409, false, false, 0, "[removed] is busy, token [removed]"},
		"redirect": {func(w http.ResponseWriter, r *http.Request) {
			http.Redirect(w, r, r.URL.Path+"2", http.StatusTemporaryRedirect)
		}, 307, false, false, 0, "a redirect, which is not followed"},
		"redirect, broken": {func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Location", "%zz"+canary)
			w.WriteHeader(302)
		}, 302, false, false, 0, "redirect"},
		"partial, not requested": {func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Length", "0")
			w.WriteHeader(206)
		}, 206, false, false, 0, ""},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			s, c := newStore(t, func(_ *store, w http.ResponseWriter, r *http.Request) { tt.handle(w, r) })
			_, getErr := get(t.Context(), c, s.URL+parPath+"?token=s3cret-s3cret", io.Discard)
			_, putErr := put(t, c, s.URL+parPath+"?token=s3cret-s3cret", []byte("x"))
			if tt.status == 206 {
				require.NoError(t, putErr)
				putErr = getErr
			}
			for _, err := range []error{getErr, putErr} {
				e := requireError(t, err)
				assert.Equal(t, strings.TrimPrefix(s.URL, "https://"), e.Host)
				assert.Equal(t, tt.status, e.HTTPStatus)
				assert.Equal(t, tt.expired, e.Expired)
				assert.Equal(t, tt.temporal, e.Temporary)
				assert.Equal(t, tt.after, e.RetryAfter)
				assert.ErrorContains(t, err, tt.text)
			}
		})
	}
}

// raw responds with these bytes and closes the connection.
func raw(text string) func(*store, http.ResponseWriter, *http.Request) {
	return func(_ *store, w http.ResponseWriter, r *http.Request) {
		_, _ = io.Copy(io.Discard, r.Body)
		conn, buffer, err := w.(http.Hijacker).Hijack()
		if err != nil {
			panic(err)
		}
		_, _ = buffer.WriteString(text)
		_ = buffer.Flush()
		_ = conn.Close()
	}
}

func TestTransfer_damagedResponses(t *testing.T) {
	tests := map[string]struct {
		answer string
		want   string
	}{
		"shorter than announced":    {"HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\n12345", "after 5 bytes: unexpected EOF"},
		"chunks that end early":     {"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\n12345\r\n", "unexpected EOF"},
		"no length at all":          {"HTTP/1.1 200 OK\r\n\r\n12345", "does not say how long the file is"},
		"wrong checksum":            {"HTTP/1.1 200 OK\r\nContent-Length: 5\r\nContent-MD5: " + md5Of([]byte("54321")) + "\r\n\r\n12345", "Content-MD5 is"},
		"wrong checksum, Oracle's":  {"HTTP/1.1 200 OK\r\nContent-Length: 5\r\nopc-content-md5: nonsense\r\n\r\n12345", "opc-content-md5 is nonsense"},
		"no response":               {"", "EOF"},
		"not HTTP, with the secret": {canary + "\r\n\r\n", "malformed HTTP"},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			s, c := newStore(t, raw(tt.answer))
			_, err := get(t.Context(), c, s.URL+parPath, io.Discard)
			e := requireError(t, err)
			require.ErrorContains(t, err, tt.want)
			assert.True(t, e.Temporary, "another attempt may succeed")
			assert.False(t, e.Expired)
		})
	}
	t.Run("store has other bytes", func(t *testing.T) {
		s, c := newStore(t, raw("HTTP/1.1 200 OK\r\nContent-Length: 0\r\nopc-content-md5: "+md5Of([]byte("y"))+"\r\n\r\n"))
		_, err := put(t, c, s.URL+parPath, []byte("x"))
		assert.True(t, requireError(t, err).Temporary)
		assert.ErrorContains(t, err, "the store has MD5")
	})
	t.Run("success before it had the bytes", func(t *testing.T) {
		s, c := newStore(t, func(_ *store, w http.ResponseWriter, _ *http.Request) { w.WriteHeader(200) })
		content := make([]byte, 8<<20)
		_, err := put(t, c, s.URL+parPath, content)
		assert.True(t, requireError(t, err).Temporary)
	})
}

func TestTransfer_onlyAllowedTargets(t *testing.T) {
	s, _ := newStore(t, func(*store, http.ResponseWriter, *http.Request) { panic("must not be called") })
	c := client(t, s, Options{PARHosts: []string{"objectstorage.*.oraclecloud.com", "127.0.0.1:1"}})
	for url, want := range map[string]string{
		s.URL + parPath: "is not allowed; add it to the connection's par_hosts",
		"http://objectstorage.us-phoenix-1.oraclecloud.com" + parPath:             `the URL's scheme is "http"`,
		"https://objectstorage.us-phoenix-1.oraclecloud.com.evil.com" + parPath:   "is not allowed",
		"https://objectstorage.a.b.oraclecloud.com" + parPath:                     "is not allowed",
		"https://evil.com/objectstorage.us-phoenix-1.oraclecloud.com" + parPath:   "is not allowed",
		"https://evil.com#objectstorage.us-phoenix-1.oraclecloud.com" + parPath:   "is not allowed",
		"https://u:" + canary + "@objectstorage.us-phoenix-1.oraclecloud.com/p/x": "contains a user",
		"https://objectstorage.us-phoenix-1.oraclecloud.com%2eevil.com" + parPath: "did not return a URL",
		"https://ho st" + parPath: "did not return a URL",
		parPath:                   "did not return a URL",
		"":                        "did not return a URL",
	} {
		_, err := c.Download(t.Context(), url, Download{})
		e := requireError(t, err)
		require.ErrorContains(t, err, want, url)
		assert.False(t, e.Temporary)
		_, err = put(t, c, url, []byte("x"))
		requireError(t, err)
	}
}

func TestCompileHosts(t *testing.T) {
	hosts, err := compileHosts([]string{"objectstorage.*.oraclecloud.com", "127.0.0.1:8443", "*.storage.*:*"})
	require.NoError(t, err)
	for host, want := range map[string]bool{
		"objectstorage.us-phoenix-1.oraclecloud.com:443":  true,
		"ObjectStorage.EU-Zurich-1.OracleCloud.com:443":   true,
		"objectstorage.us-phoenix-1.oraclecloud.com:8443": true,
		"objectstoragexus-phoenix-1.oraclecloud.com:443":  false,
		"127.0.0.1:8443":  true,
		"127.0.0.1:443":   false,
		"a.storage.b:1":   true,
		"a.b.storage.c:1": false,
	} {
		assert.Equal(t, want, hosts.MatchString(host), host)
	}
	for _, bad := range []string{"", "https://host", "host/path", "host:port", "a b", "[::1]", ".", "(?i)x|.*"} {
		assert.Error(t, CheckHostPattern(bad), bad)
	}
	_, err = compileHosts(nil)
	assert.Error(t, err)
}

func TestNew_verifiesCertificates(t *testing.T) {
	s, _ := newStore(t, accept)
	c, err := New(Options{PARHosts: []string{"127.0.0.1"}})
	require.NoError(t, err)
	_, err = get(t.Context(), c, s.URL+parPath, io.Discard)
	assert.False(t, requireError(t, err).Temporary, "it will not verify next time either")
	assert.ErrorContains(t, err, "certificate")

	file := caFile(t, s)
	c, err = New(Options{PARHosts: []string{"127.0.0.1"}, CAFile: file})
	require.NoError(t, err)
	_, err = get(t.Context(), c, s.URL+parPath, io.Discard)
	require.NoError(t, err)

	require.NoError(t, os.WriteFile(file, []byte("no certificate"), 0o600))
	_, err = New(Options{PARHosts: []string{"127.0.0.1"}, CAFile: file})
	assert.ErrorContains(t, err, "contains no certificate")
}

func TestTransfer_noServer(t *testing.T) {
	s, c := newStore(t, accept)
	s.Close()
	_, err := get(t.Context(), c, s.URL+parPath, io.Discard)
	e := requireError(t, err)
	assert.True(t, e.Temporary)
	var network *net.OpError
	assert.ErrorAs(t, err, &network, "the cause is wrapped")
}

func TestTransfer_cancelAndStall(t *testing.T) {
	arrived := make(chan struct{}, 2)
	s, c := newStore(t, func(_ *store, w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Length", "10")
		_, _ = io.WriteString(w, "12345")
		_ = http.NewResponseController(w).Flush()
		arrived <- struct{}{}
		<-r.Context().Done()
	})
	ctx, cancel := context.WithCancel(t.Context())
	go func() { <-arrived; cancel() }()
	_, err := get(ctx, c, s.URL+parPath, io.Discard)
	assert.False(t, requireError(t, err).Temporary)
	assert.ErrorIs(t, err, context.Canceled)

	c = client(t, s, Options{Timeout: 50 * time.Millisecond})
	_, err = get(t.Context(), c, s.URL+parPath, io.Discard)
	assert.True(t, requireError(t, err).Temporary)
	assert.ErrorIs(t, err, errStalled)
}

// slow moves a byte at a time, and takes longer than the timeout in all.
type slow struct{ io.Reader }

const slowStep = 60 * time.Millisecond

func (s slow) Read(p []byte) (int, error) {
	time.Sleep(slowStep)
	return s.Reader.Read(p[:1])
}

// sections is a source whose nth section is read with open(n).
type sections struct {
	n    int
	open func(n int) io.Reader
}

func (s *sections) Section(context.Context, int64, int64) (io.ReadCloser, error) {
	s.n++
	return io.NopCloser(s.open(s.n)), nil
}

// putFrom sends a file that is not held in memory: it is read for the checksum first, and then for the bytes.
func putFrom(t *testing.T, c *Client, url string, size int, open func(n int) io.Reader) error {
	t.Helper()
	c.buffered = 1
	_, err := c.Upload(t.Context(), url, Upload{Source: &sections{open: open}, Size: int64(size)})
	return err
}

func TestTransfer_slowIsNotStalled(t *testing.T) {
	s, _ := newStore(t, func(_ *store, w http.ResponseWriter, r *http.Request) {
		if r.Method == http.MethodPut {
			_, _ = io.Copy(io.Discard, r.Body)
			return
		}
		for range 10 {
			_, _ = io.WriteString(w, "x")
			_ = http.NewResponseController(w).Flush()
			time.Sleep(slowStep)
		}
	})
	c := client(t, s, Options{Timeout: 8 * slowStep})
	_, err := get(t.Context(), c, s.URL+parPath, io.Discard)
	require.NoError(t, err)
	source := func(int) io.Reader { return slow{strings.NewReader("0123456789")} }
	require.NoError(t, putFrom(t, c, s.URL+parPath, 10, source))
}

func TestUpload_changedFile(t *testing.T) {
	for name, second := range map[string]string{"other bytes": "abcdX", "shorter": "abc"} {
		t.Run(name, func(t *testing.T) {
			s, c := newStore(t, accept)
			source := func(n int) io.Reader { return strings.NewReader([]string{"abcde", second}[n-1]) }
			err := putFrom(t, c, s.URL+parPath, 5, source)
			require.Error(t, err)
			var e *Error
			require.NotErrorAs(t, err, &e, "not an error of the store")
		})
	}
	s, c := newStore(t, func(*store, http.ResponseWriter, *http.Request) { panic("must not be called") })
	_, err := c.Upload(t.Context(), s.URL+parPath, Upload{Source: memory("abc"), Size: 5})
	require.ErrorContains(t, err, "the file ends after 3 bytes, not 5")
	err = putFrom(t, c, s.URL+parPath, 5, func(int) io.Reader { return strings.NewReader("abc") })
	require.ErrorContains(t, err, "the file ends after 3 bytes, not 5")
}

type broken struct{ error }

func (b broken) Read([]byte) (int, error)  { return 0, b.error }
func (b broken) Write([]byte) (int, error) { return 0, b.error }

func TestTransfer_returnsErrorsOfSourceAndTarget(t *testing.T) {
	s, c := newStore(t, func(_ *store, w http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(w, "x") })
	full := errors.New("disk full")
	_, err := get(t.Context(), c, s.URL+parPath, broken{full})
	require.ErrorIs(t, err, full)
	var e *Error
	require.NotErrorAs(t, err, &e)
	for _, buffered := range []int64{maxBuffer, 1} {
		c.buffered = buffered
		source := &sections{open: func(int) io.Reader { return broken{full} }}
		_, err = c.Upload(t.Context(), s.URL+parPath, Upload{Source: source, Size: 2})
		require.ErrorIs(t, err, full)
		require.NotErrorAs(t, err, &e)
	}
}

// guarded fails the test when it is read after its owner closed it.
type guarded struct {
	bytes.Reader
	t      *testing.T
	closed bool // no lock: the race detector is part of the test
}

func (g *guarded) Read(p []byte) (int, error) {
	if g.closed {
		g.t.Error("read after Upload returned")
	}
	return g.Reader.Read(p)
}

func TestUpload_doesNotReadTheSourceAfterReturning(t *testing.T) {
	s, c := newStore(t, func(_ *store, w http.ResponseWriter, _ *http.Request) { w.WriteHeader(500) })
	content := make([]byte, 16<<20)
	for range 20 {
		var opened []*guarded
		err := putFrom(t, c, s.URL+parPath, len(content), func(int) io.Reader {
			src := &guarded{t: t}
			src.Reset(content)
			opened = append(opened, src)
			return src
		})
		require.Len(t, opened, 2)
		for _, src := range opened {
			src.closed = true
		}
		require.Error(t, err)
	}
}

func TestUpload_noticesAnExpiredURLBeforeSending(t *testing.T) {
	s, c := newStore(t, func(_ *store, w http.ResponseWriter, _ *http.Request) { w.WriteHeader(403) })
	content := make([]byte, 4<<20)
	for range 20 {
		_, err := c.Upload(t.Context(), s.URL+parPath, Upload{
			Source: memory(content), Size: int64(len(content)), Progress: func(int64) { t.Error("bytes were sent") },
		})
		require.True(t, requireError(t, err).Expired, "%v", err)
	}
}

func TestUpload_earlyResponse(t *testing.T) {
	received := make(chan int64, 1)
	s, c := newStore(t, func(_ *store, w http.ResponseWriter, _ *http.Request) {
		conn, buffer, err := w.(http.Hijacker).Hijack()
		if err != nil {
			panic(err)
		}
		defer conn.Close()
		_, _ = buffer.WriteString("HTTP/1.1 403 Forbidden\r\nContent-Length: 4\r\n\r\nnope") // and the connection may be used again
		_ = buffer.Flush()
		n, _ := io.Copy(io.Discard, buffer)
		received <- n
	})
	content := make([]byte, 4<<20)
	_, err := put(t, c, s.URL+parPath, content)
	require.ErrorContains(t, err, "nope")
	require.True(t, requireError(t, err).Expired)
	assert.Zero(t, <-received)
}

// zeros is a file of any size that needs no memory.
type zeros struct{ at, size int64 }

func (z *zeros) Read(p []byte) (int, error) {
	n := int(min(int64(len(p)), z.size-z.at))
	z.at += int64(n)
	if n == 0 {
		return 0, io.EOF
	}
	clear(p[:n])
	return n, nil
}

func TestTransfer_memoryDoesNotGrowWithTheFile(t *testing.T) {
	const size = 128 << 20
	s, c := newStore(t, func(_ *store, w http.ResponseWriter, r *http.Request) {
		if r.Method == http.MethodPut {
			_, _ = io.Copy(io.Discard, r.Body)
			return
		}
		w.Header().Set("Content-Length", fmt.Sprint(size))
		_, _ = io.Copy(w, &zeros{size: size})
	})
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	c.threshold = size + 1
	require.NoError(t, putFrom(t, c, s.URL+parPath, size, func(int) io.Reader { return &zeros{size: size} }))
	_, err := get(t.Context(), c, s.URL+parPath, io.Discard)
	require.NoError(t, err)
	runtime.ReadMemStats(&after)
	assert.Less(t, after.TotalAlloc-before.TotalAlloc, uint64(size/2), "bytes allocated in all, freed or not")
}

// A response has begun and never ends, while the transport is still sending the body: a cancelled upload returns.
func TestUpload_cancelDuringABrokenResponse(t *testing.T) {
	began, over := make(chan struct{}), make(chan struct{})
	s, c := newStore(t, func(_ *store, w http.ResponseWriter, _ *http.Request) {
		conn, _, err := w.(http.Hijacker).Hijack()
		if assert.NoError(t, err) {
			_, _ = io.WriteString(conn, "HTTP/1.1 2")
			close(began)
			<-over
			_ = conn.Close()
		}
	})
	t.Cleanup(func() { close(over) })
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	go func() {
		content := noise(8 << 20)
		sum := md5Of(content)
		u, err := c.target(s.URL + parPath)
		if err == nil {
			_, err = c.send(ctx, u, body{
				op: "put", size: int64(len(content)), md5: sum, moved: func(int) {},
				open: func() (io.ReadCloser, error) { return io.NopCloser(bytes.NewReader(content)), nil },
			})
		}
		ended <- err
	}()
	<-began
	time.Sleep(50 * time.Millisecond) // the first byte of the response has arrived
	cancel()
	select {
	case err := <-ended:
		require.ErrorIs(t, err, context.Canceled)
	case <-time.After(10 * time.Second):
		t.Fatal("it is still sending")
	}
}
