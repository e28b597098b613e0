// Package parstore moves bytes to and from pre-authenticated URLs (PARs) of an object store. It also
// seals such URLs, which are secrets, so that activities can pass them to each other.
//
// A request goes only to the URL's own host, over https, and only when the connection allows that host.
// No credentials go with it, and no redirect is followed.
package parstore

import (
	"cmp"
	"context"
	"crypto/md5"
	"crypto/sha256"
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
	PARHosts  []string      // allowed hosts; see CheckHostPattern
	CAFile    string        // PEM, trusted besides the system's authorities
	Insecure  bool          // certificates are not verified
	Timeout   time.Duration // without a byte moved; 60s when 0
	UserAgent string

	Parallel  int   // parts in transfer at once, over all transfers of the client; 4 when 0
	PartSize  int64 // bytes; 16 MiB when 0
	Threshold int64 // bytes: files of this size and more are sent in parts; 100 MiB when 0
	Bandwidth int64 // bytes per second, both directions together; 0: unlimited

	Observe func(context.Context, Exchange) // called after every exchange; may be nil
}

// Exchange is one request and its response, for metrics and traces. It does not hold the URL, which is
// a secret.
type Exchange struct {
	Method string
	Status int // of HTTP; 0 without a response
	Began  time.Time
	Took   time.Duration // until the response's header
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

	slots     chan []byte // one for each part in transfer, with the memory that it may use
	memory    slotMemory  // of all slots
	buffered  int64       // parts up to this size are held in memory while they are sent
	partSize  int64
	threshold int64
	pace      *rate.Limiter // nil: unlimited
}

// Sent describes what was sent.
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
		return nil, fmt.Errorf("reserve memory for %d parts: %w", o.Parallel, err)
	}
	for slot := range slices.Chunk(c.memory.bytes, maxBuffer) {
		c.slots <- slot
	}
	return c, nil
}

func (c *Client) roundTrip(r *http.Request) (*http.Response, error) {
	began := time.Now()
	resp, err := c.transport.RoundTrip(r)
	if c.observe != nil {
		exchange := Exchange{Method: r.Method, Began: began, Took: time.Since(began)}
		if err == nil {
			exchange.Status = resp.StatusCode
		}
		c.observe(r.Context(), exchange)
	}
	return resp, err
}

// Close closes the connections that are not in use.
func (c *Client) Close() { c.transport.CloseIdleConnections() }

// askFirst is the size from which on a request waits for the store's "100 Continue", so that an expired
// URL is noticed before the bytes are sent.
const askFirst = 1 << 20

const bufferSize = 256 << 10

// body is the body of a PUT.
type body struct {
	op        string
	size      int64
	md5       string // base64
	mayChange bool   // it is not in memory: the bytes sent are compared with md5
	askFirst  bool
	open      func() (io.ReadCloser, error)
	moved     func(n int)
}

var errChanged = errors.New("the file changed while it was being sent; wait until it is complete, then repeat the step")

// send does one PUT, checks the response and returns its header.
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
	// When the context ends, the transport waits for the body's reader, which waits for the response.
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
	_ = bytes.Close() // not before the response is read: this may end the connection
	if resp != nil {
		defer finish(resp)
	}
	switch {
	case bytes.err != nil:
		return nil, fmt.Errorf("read the file to send: %w", bytes.err)
	case refusal != nil:
		return nil, refusal
	case sent < b.size:
		return nil, corrupt(b.op, u, resp.StatusCode, "the store responded after %d of %d bytes", sent, b.size)
	case sum != nil && base64.StdEncoding.EncodeToString(sum.Sum(nil)) != b.md5:
		return nil, errChanged
	}
	if got := resp.Header.Get("opc-content-md5"); got != "" && got != b.md5 {
		return nil, corrupt(b.op, u, resp.StatusCode, "the store has MD5 %s, but %s was sent", oneLine(got, 40), b.md5)
	}
	return resp.Header, nil
}

// getWhole receives a file in one request and writes it to dst, which may hold a part of it after an
// error. progress gets the number of bytes written so far.
func (c *Client) getWhole(ctx context.Context, u *url.URL, dst io.Writer, progress func(done int64)) (Received, error) {
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
		return Received{}, corrupt("get", u, resp.StatusCode,
			"the store does not say how long the file is, so its end cannot be told from a broken connection")
	}
	sum := newSums()
	out := &destination{dst: dst, sum: sum, moved: func() {
		alive()
		progress(sum.bytes)
	}}
	_, err = io.CopyBuffer(out, c.limited(ctx, resp.Body), make([]byte, bufferSize))
	if out.err != nil {
		return Received{}, fmt.Errorf("write the received file: %w", out.err)
	}
	if err != nil {
		return Received{}, transportError(ctx, "get", u, fmt.Errorf("after %d bytes: %w", sum.bytes, err))
	}
	got := sum.result()
	received := Received{Bytes: got.Bytes, SHA256: got.SHA256, MD5: got.MD5, ETag: resp.Header.Get("ETag")}
	for _, name := range []string{"Content-MD5", "opc-content-md5"} {
		if want := resp.Header.Get(name); want != "" && want != received.MD5 {
			return Received{}, corrupt("get", u, resp.StatusCode,
				"%s is %s, but %s was received", name, oneLine(want, 40), received.MD5)
		}
	}
	return received, nil
}

func (c *Client) request(ctx context.Context, method string, u *url.URL) *http.Request {
	req := &http.Request{
		Method:     method,
		URL:        u,
		Host:       u.Host,
		Header:     http.Header{"User-Agent": {c.userAgent}},
		ProtoMajor: 1,
		ProtoMinor: 1,
	}
	return req.WithContext(ctx)
}

// watch ends the context when alive is not called within the timeout, which covers the connection, both
// directions, and the wait for the response.
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

// finish reads the short body of a response, so that its connection can be used again.
func finish(resp *http.Response) {
	_, _ = io.Copy(io.Discard, io.LimitReader(resp.Body, 4<<10))
	_ = resp.Body.Close()
}

// sums are the checksums and the length of what is written to it.
type sums struct {
	md5, sha256 hash.Hash
	bytes       int64
}

func newSums() *sums { return &sums{md5: md5.New(), sha256: sha256.New()} }

func (s *sums) Write(p []byte) (int, error) {
	if len(p) >= bufferSize { // enough to be worth a second core
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
