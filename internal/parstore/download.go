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

// Target is where a file goes, from its first byte to its last.
type Target interface {
	io.Writer
	// Held reads what an earlier attempt left, and says how many bytes that is.
	Held() (io.Reader, int64)
	// Truncate keeps the first size bytes, behind which the next ones are written.
	Truncate(size int64) error
}

// Download is a file to receive.
type Download struct {
	Target Target
	Digest Digest // takes in the file, beside the checksums; may be nil
	// Resume is what an earlier attempt at the same file saved last.
	Resume []byte
	// Save is given what a later attempt needs, whenever the target has more of the file.
	Save func(state []byte)
	// Progress is told how many bytes are there, of how many, and takes calls from several goroutines.
	Progress func(done, total int64)
}

// downloadState is what a later attempt needs. What the target holds is read
// again and compared before it is relied on: a disk may have lost it.
type downloadState struct {
	Size   int64  `json:"size"`
	ETag   string `json:"etag"`
	Done   int64  `json:"done"`   // bytes that the target has
	SHA256 []byte `json:"sha256"` // of these
}

// Received says what was received.
type Received struct {
	Bytes     int64
	SHA256    string // hexadecimal
	MD5       string // base64, as in Content-MD5; empty where the store has none to compare it with
	ETag      string // the object store's
	Resumed   int64  // bytes that an earlier attempt had received
	StartOver string // why an earlier attempt's bytes were not used
}

// Download receives a file: in one GET when it is small, in parallel ranges of
// one and the same version of it otherwise. The target has the whole file, as
// the store says it is, when there is no error.
//
// Source: chapter 3, Generating PAR URL for File Download, and the object
// store's HeadObject and GetObject.
func (c *Client) Download(ctx context.Context, parURL string, d Download) (Received, error) {
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
	err = persist(ctx, func() (err error) {
		t.object, err = c.head(ctx, u)
		return err
	})
	if e := (*Error)(nil); errors.As(err, &e) && (e.HTTPStatus == http.StatusMethodNotAllowed || e.HTTPStatus == http.StatusNotImplemented) {
		return t.whole(ctx, parURL)
	}
	if err != nil {
		return Received{}, err
	}
	if err := t.resume(); err != nil {
		return Received{}, err
	}
	return t.run(ctx)
}

// download is one that goes on. Each of the checksums and the target has a lane:
// they take in a part at the same time, and the parts in order.
type download struct {
	c *Client
	u *url.URL
	Download
	object object
	sha256 hash.Hash
	md5    hash.Hash // nil where the store has nothing to compare it with
	result Received

	mu    sync.Mutex
	next  int
	state downloadState
	moved atomic.Int64
}

// whole is for a store that does not answer HEAD.
func (t *download) whole(ctx context.Context, parURL string) (Received, error) {
	if err := t.Target.Truncate(0); err != nil {
		return Received{}, fmt.Errorf("write the received file: %w", err)
	}
	return t.c.Get(ctx, parURL, io.MultiWriter(t.Target, t.Digest), func(done int64) { t.Progress(done, 0) })
}

// resume takes in what the target holds of this version of the file.
func (t *download) resume() error {
	fresh, err := t.Digest.MarshalBinary()
	if err != nil {
		return err
	}
	t.begin()
	why := t.takeIn()
	if why != "" {
		t.begin()
		t.result.StartOver = why
		if err := t.Digest.UnmarshalBinary(fresh); err != nil {
			return err
		}
	}
	if err := t.Target.Truncate(t.state.Done); err != nil {
		return fmt.Errorf("write the received file: %w", err)
	}
	t.result.Resumed = t.state.Done
	return nil
}

func (t *download) begin() {
	t.sha256, t.md5 = sha256.New(), nil
	if t.object.md5 != "" {
		t.md5 = md5.New()
	}
	t.state = downloadState{Size: t.object.size, ETag: t.object.etag}
}

// takeIn reads what is held and compares it with what was saved. It says why
// that cannot be relied on; nothing when it can, or when nothing was saved.
func (t *download) takeIn() string {
	var before downloadState
	held, length := t.Target.Held()
	switch {
	case json.Unmarshal(t.Resume, &before) != nil || before.Done == 0:
		return ""
	case before.ETag == "" || before.ETag != t.object.etag || before.Size != t.object.size:
		return "the file at the service changed"
	case length < before.Done:
		return "the part that was received is not on this worker"
	}
	into := []io.Writer{t.sha256, t.Digest}
	if t.md5 != nil {
		into = append(into, t.md5)
	}
	n, err := io.CopyBuffer(io.MultiWriter(into...), io.LimitReader(held, before.Done), make([]byte, bufferSize))
	if err != nil || n != before.Done || string(t.sha256.Sum(nil)) != string(before.SHA256) {
		return "the part that was received is damaged"
	}
	t.state = before
	return ""
}

func (t *download) run(ctx context.Context) (Received, error) {
	ctx, stop := context.WithCancelCause(ctx)
	defer stop(nil)
	t.moved.Store(t.state.Done)
	t.Progress(t.state.Done, t.object.size)
	begin := t.state.Done
	size := min(t.c.partSize, t.c.buffered)
	lanes := t.lanes(ctx)
	saved := newSaver(t.Save, t.snapshot)
	err := t.c.inParallel(ctx, min(size, t.object.size-begin), func(ctx context.Context, buffer []byte) (bool, error) {
		number, offset := t.take(begin, size)
		length := min(size, t.object.size-offset)
		if length <= 0 {
			return false, nil
		}
		sum, err := t.part(ctx, number, offset, buffer[:length], lanes)
		if err != nil {
			stop(err) // those behind it wait for their turn
			return false, err
		}
		t.end(offset+length, sum)
		saved.put()
		return true, nil
	})
	if err != nil {
		return Received{}, err
	}
	return t.check()
}

type takingIn struct {
	*lane
	take func(p []byte) error
}

// lanes begin with SHA-256.
func (t *download) lanes(ctx context.Context) []takingIn {
	lanes := []takingIn{
		{newLane(ctx, 0), func(p []byte) error { t.sha256.Write(p); return nil }},
		{newLane(ctx, 0), func(p []byte) error {
			_, _ = t.Digest.Write(p)
			if _, err := t.Target.Write(p); err != nil {
				return fmt.Errorf("write the received file: %w", err)
			}
			return nil
		}},
	}
	if t.md5 != nil {
		lanes = append(lanes, takingIn{newLane(ctx, 0), func(p []byte) error { t.md5.Write(p); return nil }})
	}
	return lanes
}

// part receives one part and has every lane take it in. It returns the SHA-256
// of the file up to the part's end.
func (t *download) part(ctx context.Context, number int, offset int64, buffer []byte, lanes []takingIn) (sum []byte, err error) {
	if err := t.fetch(ctx, offset, buffer); err != nil {
		return nil, err
	}
	results := make(chan error, len(lanes))
	for i, lane := range lanes {
		go func() {
			results <- lane.do(number, func() error {
				err := lane.take(buffer)
				if i == 0 {
					sum = t.sha256.Sum(nil)
				}
				return err
			})
		}()
	}
	for range lanes {
		if failed := <-results; err == nil {
			err = failed
		}
	}
	return sum, err
}

func (t *download) take(begin, size int64) (number int, offset int64) {
	t.mu.Lock()
	defer t.mu.Unlock()
	number = t.next
	t.next++
	return number, begin + int64(number)*size
}

func (t *download) end(done int64, sum []byte) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if done > t.state.Done {
		t.state.Done, t.state.SHA256 = done, sum
	}
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
	return persist(ctx, func() error {
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

// get fills the buffer with the bytes from offset on, of the version that HEAD told of.
func (t *download) get(ctx context.Context, offset int64, buffer []byte, moved func(n int)) error {
	const op = "get"
	ctx, alive, stop := t.c.watch(ctx)
	defer stop()
	last := offset + int64(len(buffer)) - 1
	req := t.c.request(ctx, http.MethodGet, t.u)
	whole := int64(len(buffer)) == t.object.size
	if !whole {
		req.Header.Set("Range", fmt.Sprintf("bytes=%d-%d", offset, last))
	}
	if t.object.etag != "" {
		req.Header.Set("If-Match", t.object.etag)
	}
	resp, err := t.c.transport.RoundTrip(req)
	if err != nil {
		return transportError(ctx, op, t.u, err)
	}
	defer resp.Body.Close()
	if err := t.admit(resp, whole, offset, last); err != nil {
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
	finish(resp)
	return nil
}

// admit checks that an answer is what was asked for, of the same version.
func (t *download) admit(resp *http.Response, whole bool, offset, last int64) error {
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
		return corrupt(op, t.u, status, "the store sent the whole file in answer to a range")
	case status != http.StatusOK && status != http.StatusPartialContent:
		return statusError(op, t.u, resp)
	case status == http.StatusPartialContent && whole:
		return corrupt(op, t.u, status, "the store sent a range that nobody asked for")
	case etag != "" && t.object.etag != "" && etag != t.object.etag:
		return changed(corrupt(op, t.u, status, "the file changed while it was being received: its ETag is another one"))
	case resp.ContentLength != length:
		return corrupt(op, t.u, status, "the answer has %d bytes, wanted are %d", resp.ContentLength, length)
	case whole:
		return nil
	}
	want := fmt.Sprintf("bytes %d-%d/%d", offset, last, t.object.size)
	if got := resp.Header.Get("Content-Range"); got != want {
		return corrupt(op, t.u, status, "Content-Range is %q, wanted is %q", oneLine(got, 60), want)
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
		t.Save(nil) // nothing of it is of use to a later attempt
	}
	return Received{}, corrupt("get", t.u, http.StatusOK, "Content-MD5 is %s, received was %s", oneLine(t.object.md5, 40), r.MD5)
}
