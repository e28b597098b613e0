package simulator

import (
	"cmp"
	"crypto/md5"
	"encoding/base64"
	"fmt"
	"io"
	"maps"
	"net/http"
	"os"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"
)

const (
	namespace     = "pbsmsim"
	maxPartNumber = 10_000
	maxPartSize   = 50 << 30
	maxObjectSize = 10 << 40
)

// par is a pre-authenticated request. Its secret is all that a client needs.
type par struct {
	secret      string
	object      string
	read, write bool
	upload      *upload // for the URI of a multipart upload, which is just as secret
	expires     time.Time
	file        int64  // the announced file that a write fills; 0 for other objects
	subject     string // for the journal
	name        string // the file's name
}

// blob is a stored object. Its bytes are in segments, one file each.
type blob struct {
	segments     []segment
	size         int64
	etag         string
	md5          string // base64, of an object sent in one PUT
	multipartMD5 string // base64 of the MD5 of the parts' MD5s, and their number
	contentType  string
	meta         http.Header
	modified     time.Time
}

type segment struct {
	path string
	size int64
	md5  []byte
	etag string
}

// upload is a multipart upload in progress.
type upload struct {
	id, object  string
	contentType string
	meta        http.Header
	file        int64
	parts       map[int]segment
	done        bool
}

// objectStore keeps bytes on disk and issues PARs. It knows nothing of the service's rules.
type objectStore struct {
	opts   Options
	quirks *quirkSet
	dir    string
	clock  *clock

	mu      sync.Mutex
	pars    map[string]*par
	objects map[string]*blob
}

func newObjectStore(opts Options, quirks *quirkSet, dir string, clock *clock) *objectStore {
	return &objectStore{opts: opts, quirks: quirks, dir: dir, clock: clock, pars: map[string]*par{}, objects: map[string]*blob{}}
}

func (st *objectStore) bucket() string { return "fsgbu_pbsm_" + st.opts.Tenant + "_default" }

// newName returns an object name in the form of the document's samples.
func (st *objectStore) newName(prefix, stripe string, now time.Time) string {
	if prefix = strings.Trim(prefix, "/"); prefix != "" {
		prefix += "/"
	}
	return prefix + stripe + "/" + now.Format("2006-01-02") + "/sim/" + randomText(18)
}

func (st *objectStore) root(secret string) string {
	return "/p/" + secret + "/n/" + namespace + "/b/" + st.bucket()
}

// issue registers the PAR and returns its URL.
func (st *objectStore) issue(p par) string {
	return "https://" + st.opts.ObjectStoreHost + st.root(st.register(p)) + "/o/" + p.object
}

func (st *objectStore) register(p par) string {
	st.mu.Lock()
	defer st.mu.Unlock()
	p.secret = randomText(48)
	p.expires = st.opts.Now().Add(st.opts.PARTTL)
	st.pars[p.secret] = &p
	return p.secret
}

func (st *objectStore) par(secret string) *par {
	st.mu.Lock()
	defer st.mu.Unlock()
	return st.pars[secret]
}

func (st *objectStore) object(name string) (*blob, bool) {
	st.mu.Lock()
	defer st.mu.Unlock()
	b, ok := st.objects[name]
	return b, ok
}

// put stores the blob under a name and removes the bytes that it replaces.
func (st *objectStore) put(name string, b *blob) {
	b.etag, b.modified = randomText(18), st.clock.Sim()
	st.mu.Lock()
	old := st.objects[name]
	st.objects[name] = b
	st.mu.Unlock()
	if old != nil {
		removeSegments(old.segments)
	}
}

func removeSegments(list []segment) {
	for _, s := range list {
		_ = os.Remove(s.path)
	}
}

func (st *objectStore) expire(p *par) {
	st.mu.Lock()
	defer st.mu.Unlock()
	if p != nil {
		p.expires = time.Time{}
	}
}

func (st *objectStore) expireAll() {
	st.mu.Lock()
	defer st.mu.Unlock()
	for _, p := range st.pars {
		p.expires = time.Time{}
	}
}

// retag gives the object of the PAR a new ETag, as if it had been uploaded again.
func (st *objectStore) retag(p *par) {
	st.mu.Lock()
	defer st.mu.Unlock()
	if p == nil {
		return
	}
	if b, ok := st.objects[p.object]; ok {
		replaced := *b
		replaced.etag = randomText(18)
		st.objects[p.object] = &replaced
	}
}

func (st *objectStore) secrets() []string {
	st.mu.Lock()
	defer st.mu.Unlock()
	return slices.Collect(maps.Keys(st.pars))
}

// write streams r into a new file. An incomplete file is removed.
func (st *objectStore) write(r io.Reader) (segment, error) {
	f, err := os.CreateTemp(st.dir, "segment-")
	if err != nil {
		return segment{}, err
	}
	hash := md5.New()
	n, err := io.Copy(io.MultiWriter(f, hash), r)
	if errClose := f.Close(); err == nil {
		err = errClose
	}
	if err != nil {
		_ = os.Remove(f.Name())
		return segment{}, err
	}
	return segment{path: f.Name(), size: n, md5: hash.Sum(nil), etag: randomText(18)}, nil
}

// open returns a reader of n bytes from offset, which opens one segment at a time.
func (b *blob) open(offset, n int64) io.ReadCloser {
	return &segmentReader{segments: b.segments, skip: offset, left: n}
}

type segmentReader struct {
	segments   []segment
	skip, left int64
	file       *os.File
}

func (r *segmentReader) Read(p []byte) (int, error) {
	for r.left > 0 && len(r.segments) > 0 {
		if r.skip >= r.segments[0].size {
			r.skip -= r.segments[0].size
			r.segments = r.segments[1:]
			continue
		}
		if r.file == nil {
			f, err := os.Open(r.segments[0].path)
			if err != nil {
				return 0, err
			}
			if _, err := f.Seek(r.skip, io.SeekStart); err != nil {
				_ = f.Close()
				return 0, err
			}
			r.file = f
		}
		n, err := r.file.Read(p[:min(int64(len(p)), r.left)])
		r.left -= int64(n)
		if err == io.EOF {
			_ = r.Close()
			r.segments, r.skip = r.segments[1:], 0
			if n == 0 {
				continue
			}
			err = nil
		}
		return n, err
	}
	return 0, io.EOF
}

func (r *segmentReader) Close() error {
	if r.file == nil {
		return nil
	}
	err := r.file.Close()
	r.file = nil
	return err
}

const unmatchedMD5 = "UnmatchedContentMD5"

func storeError(status int, text string) *response {
	codes := map[int]string{
		400: "InvalidParameter", 401: "NotAuthenticated", 403: "NotAuthorized", 404: "BucketNotFound", 411: "MissingContentLength",
		412: "IfMatchFailed", 413: "RequestEntityTooLarge", 416: "InvalidRange", 429: "TooManyRequests", 500: "InternalServerError", 503: "ServiceUnavailable",
	}
	code := cmp.Or(codes[status], strings.ReplaceAll(http.StatusText(status), " ", ""))
	return codedResponse(status, code, fields{"code": code, "message": text})
}

func subjectPAR(_ *Simulator, c *call) {
	if c.par != nil {
		c.entry.Subject, c.entry.Name = c.par.subject, c.par.name
	}
}

// admit checks that the PAR is known, has not expired, and allows this use of this object.
func (s *Simulator) admit(c *call, write bool) *response {
	p := c.par
	s.store.mu.Lock()
	ok := p != nil && p.upload == nil && s.opts.Now().Before(p.expires) && c.r.PathValue("ns") == namespace &&
		c.r.PathValue("bucket") == s.store.bucket() && c.r.PathValue("object") == p.object && (p.write || !write) && (p.read || write)
	s.store.mu.Unlock()
	if ok {
		return nil
	}
	return s.notAdmitted()
}

func (s *Simulator) notAdmitted() *response {
	status := 404
	switch {
	case s.quirks.has(PAR401):
		status = 401
	case s.quirks.has(PAR403):
		status = 403
	}
	return storeError(status, "The pre-authenticated request does not exist or has expired.")
}

// receive streams the request's body into a segment and applies the call's fault to it.
func (s *Simulator) receive(c *call) (segment, *response) {
	if c.r.ContentLength < 0 {
		return segment{}, storeError(411, "Content-Length is required.")
	}
	if c.r.ContentLength > maxPartSize {
		return segment{}, storeError(413, "The body is larger than allowed.")
	}
	var body io.Reader = c.r.Body
	switch {
	case c.has(FaultTruncate):
		at := c.fault.Bytes
		if at <= 0 {
			at = c.r.ContentLength / 2
		}
		_, _ = io.CopyN(io.Discard, body, at)
		return segment{}, &response{drop: true}
	case c.has(FaultWrongLength):
		body = io.LimitReader(body, max(c.r.ContentLength-max(c.fault.Bytes, 1), 0))
	case c.has(FaultCorrupt):
		body = &corrupting{r: body, at: c.fault.Bytes}
	}
	seg, err := s.store.write(body)
	if err != nil {
		c.entry.Note = "the body did not arrive whole"
		return segment{}, &response{drop: true}
	}
	if want := c.r.Header.Get("Content-MD5"); want != "" && want != base64.StdEncoding.EncodeToString(seg.md5) {
		_ = os.Remove(seg.path)
		const text = "The Content-MD5 you specified did not match what was received."
		return segment{}, codedResponse(400, unmatchedMD5, fields{"code": unmatchedMD5, "message": text})
	}
	return seg, nil
}

func (s *Simulator) putObject(c *call) *response {
	if refusal := s.admit(c, true); refusal != nil {
		return refusal
	}
	if _, exists := s.store.object(c.par.object); exists && c.r.Header.Get("If-None-Match") == "*" {
		return storeError(412, "The object exists.")
	}
	seg, refusal := s.receive(c)
	if refusal != nil {
		return refusal
	}
	b := &blob{
		segments: []segment{seg}, size: seg.size, md5: base64.StdEncoding.EncodeToString(seg.md5),
		contentType: c.r.Header.Get("Content-Type"), meta: metaHeaders(c.r.Header),
	}
	s.store.put(c.par.object, b)
	s.noteArrival(c, c.par.file, b.size)
	h := http.Header{"Etag": {b.etag}}
	h["opc-content-md5"] = []string{b.md5}
	h.Set("Last-Modified", b.modified.UTC().Format(http.TimeFormat))
	return &response{status: 200, header: h}
}

// noteArrival records an object whose size differs from the announced one: the store accepts it, but the service never
// lists it.
func (s *Simulator) noteArrival(c *call, file, size int64) {
	if f, ok := s.files.get(file); ok && f.Size != size {
		c.entry.Note = fmt.Sprintf("size mismatch: %d bytes announced, %d received", f.Size, size)
	}
}

func metaHeaders(h http.Header) http.Header {
	meta := http.Header{}
	for k, v := range h {
		if strings.HasPrefix(strings.ToLower(k), "opc-meta-") {
			meta[strings.ToLower(k)] = v
		}
	}
	return meta
}

func (s *Simulator) getObject(c *call) *response {
	if refusal := s.admit(c, false); refusal != nil {
		return refusal
	}
	b, ok := s.store.object(c.par.object)
	if !ok {
		return storeError(404, "The object does not exist.")
	}
	if match := c.r.Header.Get("If-Match"); match != "" && match != "*" && strings.Trim(match, `"`) != b.etag {
		return storeError(412, "The If-Match header does not match the ETag.")
	}
	h := http.Header{"Etag": {b.etag}, "Accept-Ranges": {"bytes"}, "Content-Type": {"application/octet-stream"}}
	if none := c.r.Header.Get("If-None-Match"); none != "" && strings.Trim(none, `"`) == b.etag {
		return &response{status: 304, header: h}
	}
	if b.contentType != "" {
		h.Set("Content-Type", b.contentType)
	}
	h.Set("Last-Modified", b.modified.UTC().Format(http.TimeFormat))
	if d := c.r.URL.Query().Get("httpResponseContentDisposition"); d != "" {
		h.Set("Content-Disposition", d)
	}
	if b.multipartMD5 != "" {
		h["opc-multipart-md5"] = []string{b.multipartMD5}
	}
	maps.Copy(h, b.meta)
	asked := c.r.Header.Get("Range")
	if asked == "" || c.has(FaultIgnoreRange) {
		if b.md5 != "" {
			h.Set("Content-MD5", b.md5)
		}
		return &response{status: 200, header: h, stream: b.open(0, b.size), length: b.size}
	}
	from, to, status := parseRange(asked, b.size)
	if status != 206 {
		r := storeError(status, "The range cannot be answered.")
		r.header.Set("Content-Range", fmt.Sprintf("bytes */%d", b.size))
		return r
	}
	if c.has(FaultWrongRange) {
		if from > 0 {
			from, to = 0, to-from
		} else if to > 0 {
			from = 1
		}
	}
	h.Set("Content-Range", fmt.Sprintf("bytes %d-%d/%d", from, to, b.size))
	return &response{status: 206, header: h, stream: b.open(from, to-from+1), length: to - from + 1}
}

// parseRange reads a single byte range; the status is 206, 416 for one outside the object, or 400 for
// what is no single range.
func parseRange(text string, size int64) (from, to int64, status int) {
	spec, ok := strings.CutPrefix(text, "bytes=")
	first, last, dash := strings.Cut(spec, "-")
	if !ok || !dash || strings.Contains(spec, ",") {
		return 0, 0, 400
	}
	if first == "" {
		n, err := strconv.ParseInt(last, 10, 64)
		switch {
		case err != nil || n < 0:
			return 0, 0, 400
		case n == 0 || size == 0:
			return 0, 0, 416
		}
		return max(size-n, 0), size - 1, 206
	}
	from, err := strconv.ParseInt(first, 10, 64)
	if err != nil {
		return 0, 0, 400
	}
	to = size - 1
	if last != "" {
		if to, err = strconv.ParseInt(last, 10, 64); err != nil || to < from {
			return 0, 0, 400
		}
		to = min(to, size-1)
	}
	if from >= size {
		return 0, 0, 416
	}
	return from, to, 206
}
