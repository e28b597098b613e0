// Package parstore moves bytes to and from pre-authenticated URLs (PARs) of an
// object store, and seals such URLs, which are secrets, for the way between
// activities.
//
// A URL is sent to its own host only, over https, when the connection allows
// that host; no credentials go with it, and no redirect is followed.
package parstore

import (
	"cmp"
	"context"
	"crypto/md5"
	"crypto/sha256"
	"crypto/x509"
	"encoding/base64"
	"encoding/hex"
	"errors"
	"fmt"
	"hash"
	"io"
	"net/http"
	"net/http/httptrace"
	"net/url"
	"regexp"
	"slices"
	"time"

	"golang.org/x/time/rate"

	"github.com/pbsmflow/pbsmflow/internal/httpx"
)

// Options are a client's settings.
type Options struct {
	PARHosts  []string       // allowed hosts; see CheckHostPattern
	CAFile    string         // PEM, trusted besides the system's authorities
	RootCAs   *x509.CertPool // trusted instead of the system's authorities and CAFile; for tests
	Insecure  bool           // certificates are not verified
	Timeout   time.Duration  // without a byte moved; 60s when 0
	UserAgent string

	Parallel  int   // parts on their way at once, over all transfers of the client; 4 when 0
	PartSize  int64 // bytes; 16 MiB when 0
	Threshold int64 // bytes: files of this size and more are sent in parts; 100 MiB when 0
	Bandwidth int64 // bytes per second, both directions together; 0: as fast as it goes

	Observe func(context.Context, Exchange) // told of every exchange; may be nil
}

// Exchange is one request and its answer, for measures and traces. It does not hold the URL,
// which is a secret.
type Exchange struct {
	Method string
	Status int // of HTTP; 0 when there was no answer
	Began  time.Time
	Took   time.Duration // until the answer's header
}

// Defaults of the options that shape transfers.
const (
	DefaultParallel  = 4
	DefaultPartSize  = 16 << 20
	DefaultThreshold = 100 << 20
)

// Client moves files. It is safe for concurrent use.
type Client struct {
	hosts     *regexp.Regexp
	transport *http.Transport
	timeout   time.Duration
	userAgent string
	observe   func(context.Context, Exchange)

	slots     chan []byte // one for each part on its way, with the memory it may use
	memory    slotMemory  // of all slots
	buffered  int64       // parts up to this size are held in memory while they are sent
	partSize  int64
	threshold int64
	pace      *rate.Limiter // nil: not limited
}

// Sent says what was sent.
type Sent struct {
	Bytes  int64
	SHA256 string // hexadecimal
	MD5    string // base64, as in Content-MD5
	ETag   string // the object store's
}

// New makes a client. Close it when it is no longer used.
func New(o Options) (*Client, error) {
	hosts, err := compileHosts(o.PARHosts)
	if err != nil {
		return nil, err
	}
	tlsConfig, err := httpx.TLSConfig(o.CAFile, o.Insecure)
	if err != nil {
		return nil, err
	}
	if o.RootCAs != nil {
		tlsConfig.RootCAs = o.RootCAs
	}
	if o.Timeout <= 0 {
		o.Timeout = time.Minute
	}
	o.Parallel = cmp.Or(o.Parallel, DefaultParallel)
	c := &Client{
		hosts:     hosts,
		slots:     make(chan []byte, o.Parallel),
		buffered:  maxBuffer,
		partSize:  cmp.Or(o.PartSize, DefaultPartSize),
		threshold: cmp.Or(o.Threshold, DefaultThreshold),
		pace:      limiter(o.Bandwidth),
		transport: &http.Transport{
			Proxy:                 http.ProxyFromEnvironment,
			TLSClientConfig:       tlsConfig,
			DisableCompression:    true, // lengths and checksums are of the bytes as they are stored
			ExpectContinueTimeout: time.Second,
			IdleConnTimeout:       time.Minute,
			MaxIdleConnsPerHost:   max(16, o.Parallel),
			WriteBufferSize:       64 << 10,
			ReadBufferSize:        64 << 10,
		},
		timeout:   o.Timeout,
		userAgent: o.UserAgent,
		observe:   o.Observe,
	}
	if c.memory.bytes, err = reserve(o.Parallel * maxBuffer); err != nil {
		return nil, fmt.Errorf("memory for %d parts at once: %w", o.Parallel, err)
	}
	for slot := range slices.Chunk(c.memory.bytes, maxBuffer) {
		c.slots <- slot
	}
	return c, nil
}

func (c *Client) roundTrip(r *http.Request) (*http.Response, error) {
	began := time.Now()
	answer, err := c.transport.RoundTrip(r)
	if c.observe != nil {
		seen := Exchange{Method: r.Method, Began: began, Took: time.Since(began)}
		if err == nil {
			seen.Status = answer.StatusCode
		}
		c.observe(r.Context(), seen)
	}
	return answer, err
}

// Close gives up the connections that are not in use.
func (c *Client) Close() { c.transport.CloseIdleConnections() }

// From this size on the store is asked before the bytes are sent, so that an
// expired URL is noticed without sending them.
const askFirst = 1 << 20

const bufferSize = 256 << 10

// Put sends size bytes in one request. src is read twice: first for the
// checksum that goes with the request, then for the bytes. progress may be nil;
// it is told how many bytes have been handed over so far.
//
// Source: chapter 3, Generating PAR URL for File Upload, and the object store's
// PutObject.
func (c *Client) Put(ctx context.Context, parURL string, src io.ReadSeeker, size int64, progress func(done int64)) (Sent, error) {
	u, err := c.target(parURL)
	if err != nil {
		return Sent{}, &Error{Op: "put", Err: err}
	}
	sent, err := measure(ctx, src, size)
	if err != nil {
		return Sent{}, err
	}
	var done int64
	answer, err := c.send(ctx, u, body{
		op: "put", size: size, md5: sent.MD5, mayChange: true, askFirst: size >= askFirst,
		open: func() (io.ReadCloser, error) { return io.NopCloser(src), nil },
		moved: func(n int) {
			if done += int64(n); progress != nil {
				progress(done)
			}
		},
	})
	if err != nil {
		return Sent{}, err
	}
	sent.ETag = answer.Get("ETag")
	return sent, nil
}

// body is what one PUT sends.
type body struct {
	op        string
	size      int64
	md5       string // base64
	mayChange bool   // it is not in memory: what is sent is compared with md5
	askFirst  bool
	open      func() (io.ReadCloser, error)
	moved     func(n int)
}

var errChanged = errors.New("the file changed while it was being sent; let it become stable, then repeat the step")

// send does one PUT and checks the answer, whose header it returns.
func (c *Client) send(ctx context.Context, u *url.URL, b body) (http.Header, error) {
	src, err := b.open()
	if err != nil {
		return nil, fmt.Errorf("read the file to send: %w", err)
	}
	defer src.Close()
	ctx, alive, stop := c.watch(ctx)
	defer stop()
	var sum hash.Hash
	if b.mayChange {
		sum = md5.New()
	}
	var sent int64
	bytes := newSource(src, b.size, sum, c.paced(ctx), func(n int) {
		alive()
		sent += int64(n)
		b.moved(n)
	})
	// The transport waits for the body's reader when the context ends, and that one for the answer.
	defer context.AfterFunc(ctx, func() { _ = bytes.Close() })()
	req := c.request(httptrace.WithClientTrace(ctx, bytes.trace()), http.MethodPut, u)
	if b.size > 0 {
		req.Body = io.NopCloser(bytes)
	}
	req.ContentLength = b.size
	req.Header.Set("Content-MD5", b.md5)
	if b.askFirst {
		req.Header.Set("Expect", "100-continue")
	}
	resp, err := c.roundTrip(req)
	var refusal error
	switch {
	case err != nil:
		refusal = transportError(ctx, b.op, u, err)
	case resp.StatusCode/100 != 2:
		refusal = statusError(b.op, u, resp)
	}
	_ = bytes.Close() // not before the answer is read: it may end the connection
	if resp != nil {
		defer finish(resp)
	}
	switch {
	case bytes.err != nil:
		return nil, fmt.Errorf("read the file to send: %w", bytes.err)
	case refusal != nil:
		return nil, refusal
	case sent < b.size:
		return nil, corrupt(b.op, u, resp.StatusCode, "the store answered after %d of %d bytes", sent, b.size)
	case sum != nil && base64.StdEncoding.EncodeToString(sum.Sum(nil)) != b.md5:
		return nil, errChanged
	}
	if got := resp.Header.Get("opc-content-md5"); got != "" && got != b.md5 {
		return nil, corrupt(b.op, u, resp.StatusCode, "the store has MD5 %s, sent was %s", oneLine(got, 40), b.md5)
	}
	return resp.Header, nil
}

// Get receives a whole file and writes it to dst. It returns an error unless
// all of it arrived as the store says it is; dst may hold a part by then.
// progress may be nil; it is told how many bytes have been written so far.
//
// Source: chapter 3, Generating PAR URL for File Download, and the object
// store's GetObject.
func (c *Client) Get(ctx context.Context, parURL string, dst io.Writer, progress func(done int64)) (Received, error) {
	u, err := c.target(parURL)
	if err != nil {
		return Received{}, &Error{Op: "get", Err: err}
	}
	ctx, alive, stop := c.watch(ctx)
	defer stop()
	resp, err := c.roundTrip(c.request(ctx, http.MethodGet, u))
	if err != nil {
		return Received{}, transportError(ctx, "get", u, err)
	}
	defer resp.Body.Close()
	if resp.StatusCode != http.StatusOK {
		return Received{}, statusError("get", u, resp)
	}
	if resp.ContentLength < 0 && !slices.Contains(resp.TransferEncoding, "chunked") {
		return Received{}, corrupt("get", u, resp.StatusCode, "the store does not say how long the file is, so its end cannot be told from a broken connection")
	}
	sum := newSums()
	out := &destination{dst: dst, sum: sum, moved: func() {
		alive()
		if progress != nil {
			progress(sum.bytes)
		}
	}}
	_, err = io.CopyBuffer(out, c.limited(ctx, resp.Body), make([]byte, bufferSize))
	if out.err != nil {
		return Received{}, fmt.Errorf("write the received file: %w", out.err)
	}
	if err != nil {
		return Received{}, transportError(ctx, "get", u, fmt.Errorf("after %d bytes: %w", sum.bytes, err))
	}
	got := sum.result()
	received := Received{Bytes: got.Bytes, SHA256: got.SHA256, MD5: got.MD5}
	for _, name := range []string{"Content-MD5", "opc-content-md5"} {
		if want := resp.Header.Get(name); want != "" && want != received.MD5 {
			return Received{}, corrupt("get", u, resp.StatusCode, "%s is %s, received was %s", name, oneLine(want, 40), received.MD5)
		}
	}
	received.ETag = resp.Header.Get("ETag")
	return received, nil
}

func (c *Client) request(ctx context.Context, method string, u *url.URL) *http.Request {
	req := (&http.Request{Method: method, URL: u, Host: u.Host, Header: http.Header{}, ProtoMajor: 1, ProtoMinor: 1}).WithContext(ctx)
	req.Header.Set("User-Agent", c.userAgent)
	return req
}

// watch ends the context when alive is not called for as long as the timeout,
// which covers the connection, both directions, and the wait for the answer.
func (c *Client) watch(ctx context.Context) (watched context.Context, alive, stop func()) {
	watched, cancel := context.WithCancelCause(ctx)
	timer := time.AfterFunc(c.timeout, func() { cancel(errStalled) })
	alive = func() { timer.Reset(c.timeout) }
	stop = func() {
		timer.Stop()
		cancel(nil)
	}
	return watched, alive, stop
}

// finish reads the little that an answer to a PUT holds, so that its connection
// can be used again.
func finish(resp *http.Response) {
	_, _ = io.Copy(io.Discard, io.LimitReader(resp.Body, 4<<10))
	_ = resp.Body.Close()
}

// sums are the checksums and the length of what passes.
type sums struct {
	md5, sha256 hash.Hash
	bytes       int64
}

func newSums() *sums { return &sums{md5: md5.New(), sha256: sha256.New()} }

func (s *sums) Write(p []byte) (int, error) {
	if len(p) >= bufferSize { // two cores are worth the way to the other one
		done := make(chan struct{})
		go func() { defer close(done); s.sha256.Write(p) }()
		s.md5.Write(p)
		<-done
	} else {
		s.md5.Write(p)
		s.sha256.Write(p)
	}
	s.bytes += int64(len(p))
	return len(p), nil
}

func (s *sums) result() Sent {
	return Sent{
		Bytes:  s.bytes,
		SHA256: hex.EncodeToString(s.sha256.Sum(nil)),
		MD5:    base64.StdEncoding.EncodeToString(s.md5.Sum(nil)),
	}
}

// measure reads src once, checks its size, and goes back to its start.
func measure(ctx context.Context, src io.ReadSeeker, size int64) (Sent, error) {
	if _, err := src.Seek(0, io.SeekStart); err != nil {
		return Sent{}, fmt.Errorf("read the file to send: %w", err)
	}
	sum := newSums()
	for buffer := make([]byte, bufferSize); ; {
		n, err := src.Read(buffer)
		sum.Write(buffer[:n])
		if err == io.EOF {
			break
		}
		if err == nil {
			err = ctx.Err()
		}
		if err != nil {
			return Sent{}, fmt.Errorf("read the file to send: %w", err)
		}
	}
	if sum.bytes != size {
		return Sent{}, fmt.Errorf("the file has %d bytes, not %d: it changed; let it become stable, then repeat the step", sum.bytes, size)
	}
	if _, err := src.Seek(0, io.SeekStart); err != nil {
		return Sent{}, fmt.Errorf("read the file to send: %w", err)
	}
	return sum.result(), nil
}
