package parstore

import (
	"context"
	"crypto/md5"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"hash"
	"io"
	"net/http"
	"net/url"
	"sync"
	"sync/atomic"
)

// Target is what a file is written to. The first call is Resume or Reset.
type Target interface {
	// Resume keeps the first size bytes that an earlier attempt wrote, whose SHA-256 is sum. unusable
	// says why it cannot.
	Resume(ctx context.Context, size int64, sum []byte) (unusable string, err error)
	// Reset begins a file of so many parts anew.
	Reset(ctx context.Context, parts int) error
	// WritePart writes a part, numbered from 1, at its offset. All parts but the last have the same
	// size. Several are written at once, in any order.
	WritePart(ctx context.Context, number int, offset int64, p []byte) error
}

// Download is a file to receive.
type Download struct {
	Target Target
	Digest Digest // of the file, besides the checksums; may be nil
	// Resume is the state that an earlier attempt at the same file saved last.
	Resume []byte
	// Save gets the state that a later attempt needs, whenever the target has more of the file.
	Save func(state []byte)
	// Progress gets the number of bytes received so far, and the total, from several goroutines.
	Progress func(done, total int64)
}

// downloadState is what a later attempt needs. The checksums are of the bytes up to Done; the target
// compares what it holds with them.
type downloadState struct {
	Size     int64  `json:"size"`
	ETag     string `json:"etag"`
	PartSize int64  `json:"part_size"`
	Done     int64  `json:"done"` // bytes that the target has, from the first on
	Sums     prefix `json:"sums"`
}

// prefix holds the checksums of a file up to the end of a part, as states of their hashes. MD5 is empty
// when the store has nothing to compare it with.
type prefix struct {
	SHA256 []byte `json:"sha256"`
	MD5    []byte `json:"md5,omitempty"`
	Digest []byte `json:"digest"`
}

// Received describes what was received.
type Received struct {
	Bytes     int64
	SHA256    string // hexadecimal
	MD5       string // base64, as in Content-MD5; empty when the store has none to compare it with
	ETag      string // the object store's
	Resumed   int64  // bytes that an earlier attempt had received
	StartOver string // why an earlier attempt's bytes were not used
}

// Download receives a file: in one GET when it is small, otherwise in parallel ranges of the same version.
// When there is no error, the target has the whole file, as the store describes it.
//
// Source: chapter 3, Generating PAR URL for File Download, and the object store's HeadObject and GetObject.
func (c *Client) Download(ctx context.Context, parURL string, d Download) (Received, error) {
	defer c.memory.enter()()
	u, err := c.target(parURL)
	if err != nil {
		return Received{}, &Error{Op: "get", Err: err}
	}
	if d.Digest == nil {
		d.Digest = noDigest{}
	}
	if d.Progress == nil {
		d.Progress = func(int64, int64) {}
	}
	t := &download{c: c, u: u, Download: d}
	if t.fresh, err = t.Digest.MarshalBinary(); err != nil {
		return Received{}, err
	}
	err = retry(ctx, func() (err error) {
		t.object, err = c.head(ctx, u)
		return err
	})
	switch {
	case hasNoHEAD(err), c.onlyReads(ctx, u, err):
		return t.whole(ctx)
	case err == nil && t.object.size == 0: // a file may be empty, and a HEAD may just say so
		return t.whole(ctx)
	}
	if err != nil {
		return Received{}, err
	}
	if err := t.resume(ctx); err != nil {
		return Received{}, fmt.Errorf("write the received file: %w", err)
	}
	received, err := t.run(ctx)
	if errors.Is(err, errNoRanges) {
		return t.instead(ctx)
	}
	return received, err
}

// errNoRanges is of a store, or a proxy before it, that sends the whole file in response to a range request.
var errNoRanges = errors.New("the store sent the whole file in response to a range request")

// instead receives the file that HEAD described in one request, where ranges are not supported. The parts that arrived
// before are of no use.
func (t *download) instead(ctx context.Context) (Received, error) {
	if err := t.Digest.UnmarshalBinary(t.fresh); err != nil {
		return Received{}, err
	}
	if t.Save != nil {
		t.Save(nil)
	}
	received, err := t.whole(ctx)
	if t.result.Resumed > 0 {
		received.StartOver = errNoRanges.Error()
	}
	switch {
	case err != nil:
		return received, err
	case received.Bytes != t.object.size || t.object.md5 != "" && received.MD5 != t.object.md5:
		return received, corrupt("get", t.u, http.StatusOK, "%d bytes with MD5 %s were received, expected %d with %s",
			received.Bytes, received.MD5, t.object.size, oneLine(t.object.md5, 40))
	}
	return received, nil
}

// hasNoHEAD reports whether the store does not support HEAD, or answers it without the length of the file.
func hasNoHEAD(err error) bool {
	var e *Error
	return errors.Is(err, errNoLength) || errors.As(err, &e) && (e.HTTPStatus == http.StatusMethodNotAllowed || e.HTTPStatus == http.StatusNotImplemented)
}

// onlyReads reports whether a URL whose HEAD was refused allows GET: some are signed for one method. It asks for one
// byte, since one that has expired must not cost the bytes that are there.
func (c *Client) onlyReads(ctx context.Context, u *url.URL, refused error) bool {
	var e *Error
	if !errors.As(refused, &e) || !e.Expired {
		return false
	}
	ctx, _, stop := c.watch(ctx)
	defer stop()
	req := c.request(ctx, http.MethodGet, u)
	req.Header.Set("Range", "bytes=0-0")
	resp, err := c.roundTrip(req)
	if err != nil {
		return false
	}
	defer resp.Body.Close()
	return resp.StatusCode/100 == 2 || resp.StatusCode == http.StatusRequestedRangeNotSatisfiable
}

// download is a download in progress. Each of its checksums has a lane: they include a part at the same
// time, and the parts in order.
type download struct {
	c *Client
	u *url.URL
	Download
	fresh  []byte // state of Digest before the first byte
	object object
	sha256 hash.Hash
	md5    hash.Hash // nil when the store has nothing to compare it with
	result Received

	mu    sync.Mutex
	next  int // part to receive
	state downloadState
	moved atomic.Int64

	unconditional atomic.Bool // the store does not recognise its ETag in If-Match
}

// whole is for a store that does not support HEAD, or ranges.
func (t *download) whole(ctx context.Context) (Received, error) {
	if err := t.Target.Reset(ctx, int(max(quotient(t.object.size, t.c.buffered), 1))); err != nil {
		return Received{}, err
	}
	var received Received
	_, err := t.c.withSlot(ctx, t.c.buffered, func(ctx context.Context, buffer []byte) (_ bool, err error) {
		out := &partWriter{ctx: ctx, to: t.Target, buffer: buffer}
		received, err = t.c.getWhole(ctx, t.u, io.MultiWriter(out, t.Digest), func(done int64) {
			t.Progress(done, t.object.size)
		})
		if err == nil {
			err = out.flush()
		}
		return false, err
	})
	return received, err
}

// partWriter collects what is written to it into parts.
type partWriter struct {
	ctx    context.Context
	to     Target
	buffer []byte
	held   int
	parts  int
}

func (w *partWriter) Write(p []byte) (int, error) {
	for rest := p; len(rest) > 0; {
		n := copy(w.buffer[w.held:], rest)
		rest = rest[n:]
		if w.held += n; w.held == len(w.buffer) {
			if err := w.flush(); err != nil {
				return 0, err
			}
		}
	}
	return len(p), nil
}

func (w *partWriter) flush() error {
	if w.held == 0 {
		return nil
	}
	err := w.to.WritePart(w.ctx, w.parts+1, int64(w.parts)*int64(len(w.buffer)), w.buffer[:w.held])
	w.parts, w.held = w.parts+1, 0
	return err
}

// resume continues with what the target holds of this version of the file, or starts over.
func (t *download) resume(ctx context.Context) error {
	t.begin()
	why, err := t.tryResume(ctx)
	if err != nil {
		return err
	}
	if t.state.Done == 0 {
		t.begin()
		t.result.StartOver = why
		if err := t.Digest.UnmarshalBinary(t.fresh); err != nil {
			return err
		}
		if err := t.Target.Reset(ctx, t.parts()); err != nil {
			return err
		}
	}
	t.result.Resumed = t.state.Done
	if t.Save != nil && t.parts() > 1 {
		t.Save(t.snapshot()) // from here on there is something to discard
	}
	return nil
}

func (t *download) begin() {
	t.sha256, t.md5 = sha256.New(), nil
	if t.object.md5 != "" {
		t.md5 = md5.New()
	}
	part := partSizeFor(t.object.size, min(t.c.partSize, t.c.buffered), cap(t.c.slots))
	t.state = downloadState{
		Size:     t.object.size,
		ETag:     t.object.etag,
		PartSize: min(part, t.c.buffered), // there may be more ranges than an upload can have parts
	}
}

// tryResume continues from the saved state unless the target cannot. It says why what was received cannot
// be used; nothing when it can, or when there is no state.
func (t *download) tryResume(ctx context.Context) (why string, err error) {
	var before downloadState
	switch {
	case json.Unmarshal(t.Resume, &before) != nil || before.Done == 0:
		return "", nil //nolint:nilerr // there is no state to resume
	case before.ETag == "" || before.ETag != t.object.etag || before.Size != t.object.size:
		return "the file at the service changed", nil
	case before.PartSize <= 0 || before.PartSize > t.c.buffered || t.load(before.Sums) != nil:
		return "it was begun by another release of the worker", nil //nolint:nilerr // the reason says so
	}
	if why, err = t.Target.Resume(ctx, before.Done, t.sha256.Sum(nil)); why == "" && err == nil {
		t.state = before
	}
	return why, err
}

func (t *download) load(sums prefix) error {
	err := errors.Join(t.sha256.(Digest).UnmarshalBinary(sums.SHA256), t.Digest.UnmarshalBinary(sums.Digest))
	if t.md5 != nil {
		err = errors.Join(err, t.md5.(Digest).UnmarshalBinary(sums.MD5))
	}
	return err
}

func (t *download) parts() int { return int(quotient(t.object.size, t.state.PartSize)) }

func (t *download) run(ctx context.Context) (Received, error) {
	ctx, stop := context.WithCancelCause(ctx)
	defer stop(nil)
	t.moved.Store(t.state.Done)
	t.Progress(t.state.Done, t.object.size)
	t.next = int(quotient(t.state.Done, t.state.PartSize)) + 1 // the last part may be a short one
	lanes, order := t.lanes(ctx), newLane(ctx, t.next)
	saved := newSaver(t.Save, t.snapshot)
	size := min(t.state.PartSize, t.object.size-t.state.Done)
	err := t.c.inParallel(ctx, size, func(ctx context.Context, buffer []byte) (bool, error) {
		number := t.take()
		offset := int64(number-1) * t.state.PartSize
		length := min(t.state.PartSize, t.object.size-offset)
		if length <= 0 {
			return false, nil
		}
		sums, err := t.part(ctx, number, offset, buffer[:length], lanes)
		if err == nil { // in order: a part recorded before an earlier one would be received again after a crash
			err = order.do(number, func() error { t.end(number, sums); return nil })
		}
		if err != nil {
			stop(err) // the parts after it wait for their turn
			return false, err
		}
		saved.put()
		return true, nil
	})
	if err != nil {
		return Received{}, err
	}
	return t.check()
}

// summing is a checksum of all parts so far, and the field of prefix for its state.
type summing struct {
	*lane
	sum  Digest
	into func(p *prefix) *[]byte
}

func (t *download) lanes(ctx context.Context) []summing {
	first := t.next
	lanes := []summing{
		{newLane(ctx, first), t.sha256.(Digest), func(p *prefix) *[]byte { return &p.SHA256 }},
		{newLane(ctx, first), t.Digest, func(p *prefix) *[]byte { return &p.Digest }},
	}
	if t.md5 != nil {
		into := func(p *prefix) *[]byte { return &p.MD5 }
		lanes = append(lanes, summing{newLane(ctx, first), t.md5.(Digest), into})
	}
	return lanes
}

// part receives one part, writes it to the target, and adds it to every checksum.
func (t *download) part(
	ctx context.Context, number int, offset int64, buffer []byte, lanes []summing,
) (sums prefix, err error) {
	if err := t.fetch(ctx, offset, buffer); err != nil {
		return prefix{}, err
	}
	results := make(chan error, len(lanes))
	for _, lane := range lanes {
		go func() {
			results <- lane.do(number, func() (err error) {
				_, _ = lane.sum.Write(buffer)
				*lane.into(&sums), err = lane.sum.MarshalBinary()
				return err
			})
		}()
	}
	if err = t.Target.WritePart(ctx, number, offset, buffer); err != nil {
		err = fmt.Errorf("write the received file: %w", err)
	}
	for range lanes {
		if failed := <-results; err == nil {
			err = failed
		}
	}
	return sums, err
}

func (t *download) take() (number int) {
	t.mu.Lock()
	defer t.mu.Unlock()
	number = t.next
	t.next++
	return number
}

func (t *download) end(number int, sums prefix) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.state.Sums, t.state.Done = sums, min(int64(number)*t.state.PartSize, t.object.size)
}

func (t *download) snapshot() []byte {
	t.mu.Lock()
	defer t.mu.Unlock()
	text, err := json.Marshal(t.state)
	if err != nil {
		panic("parstore: " + err.Error()) // impossible for these types
	}
	return text
}

func (t *download) fetch(ctx context.Context, offset int64, buffer []byte) error {
	return retry(ctx, func() error {
		got := int64(0)
		err := t.get(ctx, offset, buffer, func(n int) {
			got += int64(n)
			t.Progress(t.moved.Add(int64(n)), t.object.size)
		})
		if err != nil {
			t.moved.Add(-got)
		}
		return err
	})
}

// get fills the buffer with the bytes from offset on, of the version that HEAD described. A store may not recognise its
// own ETag in If-Match, when it is weak or has no quotes: then the ETag of the response decides.
func (t *download) get(ctx context.Context, offset int64, buffer []byte, moved func(n int)) error {
	ifMatch := t.object.etag != "" && !t.unconditional.Load()
	err := t.getRange(ctx, offset, buffer, ifMatch, moved)
	var e *Error
	if ifMatch && errors.As(err, &e) && e.HTTPStatus == http.StatusPreconditionFailed {
		t.unconditional.Store(true)
		return t.getRange(ctx, offset, buffer, false, moved)
	}
	return err
}

func (t *download) getRange(ctx context.Context, offset int64, buffer []byte, ifMatch bool, moved func(n int)) error {
	const op = "get"
	ctx, alive, stop := t.c.watch(ctx)
	defer stop()
	last := offset + int64(len(buffer)) - 1
	req := t.c.request(ctx, http.MethodGet, t.u)
	whole := int64(len(buffer)) == t.object.size
	if !whole {
		req.Header.Set("Range", fmt.Sprintf("bytes=%d-%d", offset, last))
	}
	if ifMatch {
		req.Header.Set("If-Match", t.object.etag)
	}
	resp, err := t.c.roundTrip(req)
	if err != nil {
		return transportError(ctx, op, t.u, err)
	}
	defer resp.Body.Close()
	if err := t.admit(resp, whole, ifMatch, offset, last); err != nil {
		return err
	}
	body := t.c.limited(ctx, resp.Body)
	for n := 0; n < len(buffer); {
		got, err := body.Read(buffer[n:])
		n += got
		alive()
		moved(got)
		if err == io.EOF && n < len(buffer) {
			err = io.ErrUnexpectedEOF
		}
		if err != nil && err != io.EOF {
			return transportError(ctx, op, t.u, fmt.Errorf("after %d bytes of %d: %w", n, len(buffer), err))
		}
	}
	if more, _ := io.CopyN(io.Discard, resp.Body, 1); more > 0 {
		return corrupt(op, t.u, resp.StatusCode, "the response has more than %d bytes", len(buffer))
	}
	finish(resp)
	return nil
}

// admit checks that a response is what was requested, of the same version.
func (t *download) admit(resp *http.Response, whole, ifMatch bool, offset, last int64) error {
	const op = "get"
	changed := func(err *Error) error {
		err.Changed, err.Temporary = true, true
		return err
	}
	status, length := resp.StatusCode, last-offset+1
	etag := resp.Header.Get("ETag")
	switch {
	case status == http.StatusPreconditionFailed:
		return changed(statusError(op, t.u, resp))
	case status == http.StatusOK && !whole:
		return &Error{Op: op, Host: t.u.Host, HTTPStatus: status, Err: errNoRanges}
	case status != http.StatusOK && status != http.StatusPartialContent:
		return statusError(op, t.u, resp)
	case status == http.StatusPartialContent && whole:
		return corrupt(op, t.u, status, "the store sent a range that was not requested")
	case etag != t.object.etag && t.object.etag != "" && (etag != "" || !ifMatch):
		return changed(corrupt(op, t.u, status, "the file changed while it was being received: its ETag differs"))
	case resp.ContentLength >= 0 && resp.ContentLength != length: // a response in chunks has none
		return corrupt(op, t.u, status, "the response has %d bytes, expected %d", resp.ContentLength, length)
	case whole:
		return nil
	}
	want := fmt.Sprintf("bytes %d-%d/%d", offset, last, t.object.size)
	if got := resp.Header.Get("Content-Range"); got != want {
		return corrupt(op, t.u, status, "Content-Range is %q, expected %q", oneLine(got, 60), want)
	}
	return nil
}

func (t *download) check() (Received, error) {
	r := t.result
	r.Bytes, r.ETag, r.SHA256 = t.object.size, t.object.etag, hex.EncodeToString(t.sha256.Sum(nil))
	if t.md5 == nil {
		return r, nil
	}
	r.MD5 = base64.StdEncoding.EncodeToString(t.md5.Sum(nil))
	if r.MD5 == t.object.md5 {
		return r, nil
	}
	if t.Save != nil {
		t.Save(nil) // a later attempt cannot use any of it
	}
	return Received{}, corrupt("get", t.u, http.StatusOK,
		"Content-MD5 is %s, but %s was received", oneLine(t.object.md5, 40), r.MD5)
}
