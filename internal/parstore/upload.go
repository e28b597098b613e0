package parstore

import (
	"bytes"
	"cmp"
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
	"slices"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
)

// Source is a file that is read in several places at once.
type Source interface {
	// Section reads the bytes from offset on; length is at most what the file has.
	Section(ctx context.Context, offset, length int64) (io.ReadCloser, error)
}

// Upload is a file to send.
type Upload struct {
	Source Source
	Size   int64  // bytes
	Digest Digest // of the file, besides the checksums; may be nil
	// Resume is the state that an earlier attempt at the same file saved last.
	Resume []byte
	// Save gets the state that a later attempt needs, whenever a part has arrived. The part's sender
	// continues when it returns. The state is as secret as the URL.
	Save func(state []byte)
	// Progress gets the number of bytes sent so far, from several goroutines.
	Progress func(done int64)
}

// Limits of the object store for uploads in parts.
const (
	maxParts    = 10_000
	minPartSize = 10 << 20
	maxPartSize = 50 << 30
)

// partSizeFor returns the size of the parts of a file: as wanted, or smaller, so that as many are in
// transfer in the last round as in the others; larger only when the file would have too many.
func partSizeFor(size, wanted int64, atOnce int) int64 {
	if size <= wanted {
		return wanted
	}
	round := int64(atOnce)
	rounds := quotient(quotient(size, wanted), round)
	return max(quotient(size, min(rounds*round, maxParts)), min(wanted, minPartSize))
}

// quotient divides and rounds up.
func quotient(n, by int64) int64 { return (n + by - 1) / by }

// Upload sends a file: in one PUT below the client's threshold, in parts above, if the store takes them. It
// returns once the store has confirmed that it holds what was read.
//
// When it fails, the parts that arrived stay for an attempt that resumes; Discard removes them. An upload
// in parts has a URL of its own, which may be valid for longer than the one it began with. When the store
// refuses it, the upload starts over; when the store refuses the first one too, the error is Expired.
//
// Source: chapter 3, Generating PAR URL for File Upload, and the object store's multipart uploads through
// pre-authenticated requests.
func (c *Client) Upload(ctx context.Context, parURL string, up Upload) (Sent, error) {
	defer c.memory.enter()()
	u, err := c.target(parURL)
	if err != nil {
		return Sent{}, &Error{Op: "put", Err: err}
	}
	if up.Digest == nil {
		up.Digest = noDigest{}
	}
	if up.Progress == nil {
		up.Progress = func(int64) {}
	}
	if up.Size < c.threshold {
		return c.uploadWhole(ctx, u, up)
	}
	fresh, err := up.Digest.MarshalBinary()
	if err != nil {
		return Sent{}, err
	}
	if t, ok := c.resumeUpload(u, up); ok {
		sent, err := t.run(ctx)
		if e := (*Error)(nil); !errors.As(err, &e) || !e.Expired {
			return sent, err
		}
	}
	if err := up.Digest.UnmarshalBinary(fresh); err != nil { // it may include parts that are not resumed
		return Sent{}, err
	}
	t, err := c.beginUpload(ctx, u, up)
	switch {
	case errors.Is(err, errNoParts) && up.Size <= maxPartSize:
		return c.uploadWhole(ctx, u, up)
	case err != nil:
		return Sent{}, err
	}
	return t.run(ctx)
}

// errNoParts is of a store that does not offer uploads in parts, which the document only recommends.
var errNoParts = errors.New("this store does not support uploads in parts")

// Discard removes what an upload that will not be resumed left at the store.
func (c *Client) Discard(ctx context.Context, state []byte) error {
	var s uploadState
	if err := json.Unmarshal(state, &s); err != nil || s.URL == "" {
		return nil //nolint:nilerr // it left nothing at the store
	}
	u, err := c.target(s.URL)
	if err != nil {
		return &Error{Op: "abort upload", Err: err}
	}
	err = retry(ctx, func() error {
		_, err := c.exchange(ctx, "abort upload", http.MethodDelete, u)
		return err
	})
	if e := (*Error)(nil); errors.As(err, &e) && e.Expired {
		return nil // it is gone
	}
	return err
}

// uploadWhole sends a file in one PUT. It takes a slot, as a part does.
func (c *Client) uploadWhole(ctx context.Context, u *url.URL, up Upload) (Sent, error) {
	var sent Sent
	_, err := c.withSlot(ctx, min(up.Size, c.buffered), func(ctx context.Context, buffer []byte) (bool, error) {
		var sum *sums
		b := body{op: "put", size: up.Size, askFirst: up.Size >= askFirst}
		err := c.read(ctx, up, 0, up.Size, buffer, &b, func(src io.Reader) error {
			sum = newSums()
			return copyTo(io.MultiWriter(sum, up.Digest), src)
		})
		if err != nil {
			return false, err
		}
		sent = sum.result()
		b.md5 = sent.MD5
		var done int64
		b.moved = func(n int) { done += int64(n); up.Progress(done) }
		answer, err := c.send(ctx, u, b)
		if err == nil {
			sent.ETag = answer.Get("ETag")
		}
		return false, err
	})
	if err != nil {
		return Sent{}, err
	}
	return sent, nil
}

// read reads a section into memory when it fits into the buffer, has it measured, and completes b, with
// which it is sent.
func (c *Client) read(
	ctx context.Context, up Upload, offset, length int64, buffer []byte, b *body, measure func(io.Reader) error,
) error {
	open := func() (io.ReadCloser, error) { return up.Source.Section(ctx, offset, length) }
	src, err := open()
	if err != nil {
		return fmt.Errorf("read the file to send: %w", err)
	}
	defer src.Close()
	if int64(len(buffer)) < length {
		b.open, b.mayChange = open, true
		count := &countingReader{r: src}
		if err := measure(count); err != nil {
			return fmt.Errorf("read the file to send: %w", err)
		}
		if count.n != length {
			return tooShort(up.Size, offset+count.n)
		}
		return nil
	}
	buffer = buffer[:length]
	if n, err := io.ReadFull(src, buffer); err == io.EOF || err == io.ErrUnexpectedEOF {
		return tooShort(up.Size, offset+int64(n))
	} else if err != nil {
		return fmt.Errorf("read the file to send: %w", err)
	}
	b.open = func() (io.ReadCloser, error) { return io.NopCloser(bytes.NewReader(buffer)), nil }
	return measure(bytes.NewReader(buffer))
}

// copyTo makes no copy of what is in memory already.
func copyTo(into io.Writer, src io.Reader) error {
	if held, ok := src.(io.WriterTo); ok {
		_, err := held.WriteTo(into)
		return err
	}
	_, err := io.CopyBuffer(into, src, make([]byte, bufferSize))
	return err
}

func tooShort(want, got int64) error {
	return fmt.Errorf("the file ends after %d bytes, not %d: it changed; "+
		"wait until it is complete, then repeat the step", got, want)
}

type countingReader struct {
	r io.Reader
	n int64
}

func (c *countingReader) Read(p []byte) (int, error) {
	n, err := c.r.Read(p)
	c.n += int64(n)
	return n, err
}

// uploadState is what a later attempt needs. The checksums are of the parts up to Done. Their size does
// not depend on the number of parts.
type uploadState struct {
	URL      string `json:"url"` // of the upload, a secret
	Size     int64  `json:"size"`
	PartSize int64  `json:"part_size"`
	Done     int    `json:"done"`            // parts 1 to Done have arrived
	Ahead    []int  `json:"ahead,omitempty"` // and these, beyond the first that has not
	SHA256   []byte `json:"sha256"`
	MD5s     []byte `json:"md5s"` // of the parts' MD5s
	Digest   []byte `json:"digest"`
}

// upload is an upload in parts.
type upload struct {
	c      *Client
	par, u *url.URL // the file's, and the upload's own
	Upload
	sha256 hash.Hash
	moved  atomic.Int64

	mu    sync.Mutex
	state uploadState
	next  int // part to send
	md5s  hash.Hash
	ended map[int]part // beyond state.Done
}

// part is one that has arrived, with the checksums of the file up to its end.
type part struct {
	md5            []byte
	sha256, digest []byte
}

func (c *Client) beginUpload(ctx context.Context, par *url.URL, up Upload) (*upload, error) {
	var u *url.URL
	err := retry(ctx, func() (err error) {
		u, err = c.createUpload(ctx, par)
		return err
	})
	if err != nil {
		return nil, err
	}
	t := newUpload(c, par, u, up)
	t.state = uploadState{URL: u.String(), Size: up.Size, PartSize: partSizeFor(up.Size, c.partSize, cap(c.slots))}
	s := &t.state
	s.SHA256, s.MD5s = marshal(t.sha256), marshal(t.md5s)
	s.Digest, err = up.Digest.MarshalBinary()
	if err == nil && up.Save != nil {
		up.Save(t.snapshot()) // from here on there is something to discard
	}
	return t, err
}

func newUpload(c *Client, par, u *url.URL, up Upload) *upload {
	return &upload{c: c, par: par, u: u, Upload: up, sha256: sha256.New(), md5s: md5.New()}
}

// resumeUpload continues what an earlier attempt left, if it is of this file.
func (c *Client) resumeUpload(par *url.URL, up Upload) (*upload, bool) {
	var s uploadState
	if json.Unmarshal(up.Resume, &s) != nil || s.Size != up.Size || s.PartSize <= 0 {
		return nil, false
	}
	u, err := c.target(s.URL)
	if err != nil {
		return nil, false
	}
	t := newUpload(c, par, u, up)
	t.state = s
	for into, from := range map[Digest][]byte{t.sha256.(Digest): s.SHA256, t.md5s.(Digest): s.MD5s, up.Digest: s.Digest} {
		if into.UnmarshalBinary(from) != nil {
			return nil, false
		}
	}
	return t, true
}

func marshal(h hash.Hash) []byte {
	state, err := h.(Digest).MarshalBinary()
	if err != nil {
		panic("parstore: " + err.Error()) // impossible for the hashes used here
	}
	return state
}

func (t *upload) parts() int { return int(quotient(t.Size, t.state.PartSize)) }

func (t *upload) length(number int) int64 {
	return min(t.state.PartSize, t.Size-int64(number-1)*t.state.PartSize)
}

func (t *upload) run(ctx context.Context) (Sent, error) {
	t.next, t.ended = t.state.Done+1, map[int]part{}
	for number := 1; number <= t.parts(); number++ {
		if number <= t.state.Done || slices.Contains(t.state.Ahead, number) {
			t.moved.Add(t.length(number))
		}
	}
	t.Progress(t.moved.Load())
	saved := newSaver(t.Save, t.snapshot)
	size := min(t.state.PartSize, t.Size, t.c.buffered)
	ctx, stop := context.WithCancelCause(ctx)
	defer stop(nil)
	order := newLane(ctx, t.next)
	err := t.c.inParallel(ctx, size, func(ctx context.Context, buffer []byte) (bool, error) {
		number, ahead, more := t.take()
		if !more {
			return false, nil
		}
		p, err := t.part(ctx, number, ahead, buffer, order)
		if err != nil {
			stop(err) // the parts after it wait for their turn
			return false, err
		}
		t.end(number, p)
		saved.put()
		return true, nil
	})
	if err != nil {
		return Sent{}, err
	}
	return t.commit(ctx)
}

// take returns the next part. One that is ahead has arrived before and is only read.
func (t *upload) take() (number int, ahead, more bool) {
	t.mu.Lock()
	defer t.mu.Unlock()
	number = t.next
	if number > t.parts() {
		return 0, false, false
	}
	t.next++
	return number, slices.Contains(t.state.Ahead, number), true
}

// part reads one part and sends it, unless it is ahead. At the same time the file's checksums include it,
// in its turn.
func (t *upload) part(ctx context.Context, number int, ahead bool, buffer []byte, order *lane) (part, error) {
	var p part
	offset, length := int64(number-1)*t.state.PartSize, t.length(number)
	inOrder := func(src io.Reader, more ...io.Writer) error {
		return order.do(number, func() error {
			err := copyTo(io.MultiWriter(append(more, t.sha256, t.Digest)...), src)
			if err == nil {
				p.sha256 = marshal(t.sha256)
				p.digest, err = t.Digest.MarshalBinary()
			}
			return err
		})
	}
	sum, summed := md5.New(), make(chan error, 1)
	b := body{op: "put part", size: length, moved: func(n int) { t.Progress(t.moved.Add(int64(n))) }}
	err := t.c.read(ctx, t.Upload, offset, length, buffer, &b, func(src io.Reader) error {
		if length > int64(len(buffer)) {
			summed <- nil
			return inOrder(src, sum)
		}
		go func() { summed <- inOrder(bytes.NewReader(buffer[:length])) }()
		sum.Write(buffer[:length])
		return nil
	})
	if err != nil {
		return part{}, err
	}
	p.md5 = sum.Sum(nil)
	b.md5, b.askFirst = base64.StdEncoding.EncodeToString(p.md5), b.mayChange
	if !ahead {
		err = t.send(ctx, number, b)
	}
	if failed := <-summed; err == nil {
		err = failed
	}
	return p, err
}

func (t *upload) send(ctx context.Context, number int, b body) error {
	u := *t.u
	u.Path += strconv.Itoa(number)
	if u.RawPath != "" {
		u.RawPath += strconv.Itoa(number)
	}
	moved := b.moved
	return retry(ctx, func() error {
		sent := 0
		b.moved = func(n int) { sent += n; moved(n) }
		_, err := t.c.send(ctx, &u, b)
		if err != nil {
			moved(-sent)
		}
		return err
	})
}

// end records a part that has arrived, and includes in the state what has arrived without a gap.
func (t *upload) end(number int, p part) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.ended[number] = p
	s := &t.state
	for next, ok := t.ended[s.Done+1]; ok; next, ok = t.ended[s.Done+1] {
		s.Done++
		delete(t.ended, s.Done)
		t.md5s.Write(next.md5)
		s.SHA256, s.Digest, s.MD5s = next.sha256, next.digest, marshal(t.md5s)
	}
}

func (t *upload) snapshot() []byte {
	t.mu.Lock()
	defer t.mu.Unlock()
	s := t.state
	ahead := slices.DeleteFunc(slices.Clone(s.Ahead), func(n int) bool { return n <= s.Done })
	for number := range t.ended {
		if !slices.Contains(ahead, number) {
			ahead = append(ahead, number)
		}
	}
	slices.Sort(ahead)
	s.Ahead = ahead
	text, err := json.Marshal(s)
	if err != nil {
		panic("parstore: " + err.Error()) // impossible for these types
	}
	return text
}

// commit makes the parts a file, and checks that it is the one that was read.
func (t *upload) commit(ctx context.Context) (Sent, error) {
	want := Sent{
		Bytes: t.Size, SHA256: hex.EncodeToString(t.sha256.Sum(nil)),
		MD5: fmt.Sprintf("%s-%d", base64.StdEncoding.EncodeToString(t.md5s.Sum(nil)), t.parts()),
	}
	var answer http.Header
	refused := retry(ctx, func() (err error) {
		answer, err = t.c.exchange(ctx, "commit upload", http.MethodPost, t.u)
		return err
	})
	var e *Error
	if refused != nil && (!errors.As(refused, &e) || !e.Expired) {
		return Sent{}, refused
	}
	var object object
	err := retry(ctx, func() (err error) {
		object, err = t.c.head(ctx, t.par)
		return err
	})
	switch {
	case err == nil && refused != nil && object.multipartMD5 != want.MD5:
		return Sent{}, refused
	case err == nil && object.size != t.Size:
		return Sent{}, t.startOver(corrupt("head", t.par, http.StatusOK,
			"the store holds %d bytes, but %d were sent", object.size, t.Size))
	case err == nil && object.multipartMD5 != "" && object.multipartMD5 != want.MD5:
		return Sent{}, t.startOver(wrongMD5("head", t.par, object.multipartMD5, want.MD5))
	case err == nil:
		want.ETag = object.etag
		return want, nil
	}
	if e := (*Error)(nil); !errors.As(err, &e) || e.Temporary {
		return Sent{}, err
	}
	if refused != nil { // an earlier attempt may have committed, but there is no way to know
		return Sent{}, refused
	}
	// A URL that allows only writing, or that has expired, cannot read the object back. The response to the
	// commit, and the check of each part's Content-MD5, must do.
	if got := answer.Get("opc-multipart-md5"); got != "" && got != want.MD5 {
		return Sent{}, t.startOver(wrongMD5("commit upload", t.u, got, want.MD5))
	}
	want.ETag = answer.Get("ETag")
	return want, nil
}

func wrongMD5(op string, u *url.URL, got, want string) *Error {
	return corrupt(op, u, http.StatusOK, "opc-multipart-md5 is %s, but %s was sent", oneLine(got, 40), want)
}

// startOver makes a later attempt start over: what was committed is not the file.
func (t *upload) startOver(err error) error {
	if t.Save != nil {
		t.Save(nil)
	}
	return err
}

// withoutParts are the answers of a store that takes the beginning of an upload in parts for a file without content, or
// for nothing that it knows.
var withoutParts = []int{
	http.StatusBadRequest, http.StatusMethodNotAllowed, http.StatusLengthRequired, http.StatusUnprocessableEntity,
	http.StatusNotImplemented,
}

// createUpload begins an upload in parts. The response is as secret as the URL, and is accepted only for
// the URL's own host.
func (c *Client) createUpload(ctx context.Context, par *url.URL) (*url.URL, error) {
	const op = "begin upload"
	ctx, _, stop := c.watch(ctx)
	defer stop()
	req := c.request(ctx, http.MethodPut, par)
	req.Header["opc-multipart"] = []string{"true"}
	resp, err := c.roundTrip(req)
	if err != nil {
		return nil, transportError(ctx, op, par, err)
	}
	defer finish(resp)
	if slices.Contains(withoutParts, resp.StatusCode) {
		refused := statusError(op, par, resp)
		refused.Err = errNoParts
		return nil, refused
	}
	if resp.StatusCode/100 != 2 {
		return nil, statusError(op, par, resp)
	}
	var answer struct {
		AccessURI string `json:"accessUri"`
	}
	text, err := io.ReadAll(io.LimitReader(resp.Body, 64<<10))
	if err != nil {
		return nil, transportError(ctx, op, par, err)
	}
	switch damaged := json.Unmarshal(text, &answer) != nil; {
	case damaged && bytes.HasPrefix(text, []byte("{")):
		return nil, corrupt(op, par, resp.StatusCode, "the response, which has the accessUri, is damaged")
	case answer.AccessURI == "": // it stored an empty file, which the whole one replaces
		err := fmt.Errorf("the response has no accessUri: %w, and the file is too large for one request", errNoParts)
		return nil, &Error{Op: op, Host: par.Host, HTTPStatus: resp.StatusCode, Err: err}
	}
	ref, err := url.Parse(answer.AccessURI)
	if err != nil || !strings.HasPrefix(ref.Path, "/") {
		return nil, corrupt(op, par, resp.StatusCode, "the accessUri is not a path")
	}
	u := par.ResolveReference(ref)
	if u.Scheme != par.Scheme || u.Host != par.Host || u.User != nil {
		err := errors.New("the accessUri leads to another host, which is not followed")
		return nil, &Error{Op: op, Host: par.Host, HTTPStatus: resp.StatusCode, Err: err}
	}
	if !strings.HasSuffix(u.Path, "/") {
		u = u.JoinPath("/")
	}
	return u, nil
}

// exchange sends a request without a body and returns the header of the response.
func (c *Client) exchange(ctx context.Context, op, method string, u *url.URL) (http.Header, error) {
	ctx, _, stop := c.watch(ctx)
	defer stop()
	resp, err := c.roundTrip(c.request(ctx, method, u))
	if err != nil {
		return nil, transportError(ctx, op, u, err)
	}
	defer finish(resp)
	if resp.StatusCode/100 != 2 {
		return nil, statusError(op, u, resp)
	}
	if method == http.MethodHead {
		resp.Header.Set("Content-Length", strconv.FormatInt(resp.ContentLength, 10))
	}
	return resp.Header, nil
}

// object describes a file at the store.
type object struct {
	size              int64
	etag              string
	md5, multipartMD5 string
}

// errNoLength is of a store that streams its files: they can be received, but not in ranges.
var errNoLength = errors.New("the store does not say how long the file is")

func (c *Client) head(ctx context.Context, u *url.URL) (object, error) {
	h, err := c.exchange(ctx, "head", http.MethodHead, u)
	if err != nil {
		return object{}, err
	}
	size, err := strconv.ParseInt(h.Get("Content-Length"), 10, 64)
	if err != nil || size < 0 {
		return object{}, &Error{Op: "head", Host: u.Host, HTTPStatus: http.StatusOK, Err: errNoLength}
	}
	sum := cmp.Or(h.Get("Content-MD5"), h.Get("opc-content-md5"))
	return object{size: size, etag: h.Get("ETag"), md5: sum, multipartMD5: h.Get("opc-multipart-md5")}, nil
}

type noDigest struct{}

func (noDigest) Write(p []byte) (int, error)    { return len(p), nil }
func (noDigest) MarshalBinary() ([]byte, error) { return nil, nil }
func (noDigest) UnmarshalBinary([]byte) error   { return nil }
