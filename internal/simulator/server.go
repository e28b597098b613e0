package simulator

import (
	"bytes"
	"cmp"
	"encoding/json"
	"errors"
	"io"
	"maps"
	"mime"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"
)

const maxBody = 4 << 20 // of a service call

type fields map[string]any

// call is one request on its way through the simulator.
type call struct {
	r     *http.Request
	route *route
	body  []byte // of service calls; the object store's bodies are streamed
	entry Entry
	fault *Fault
	par   *par // of the object store's calls; nil if it is unknown
}

func (c *call) has(kind Kind) bool { return c.fault != nil && c.fault.Kind == kind }

// response is not yet sent. Its body is body, or length bytes of stream.
type response struct {
	status   int
	header   http.Header
	body     []byte
	stream   io.ReadCloser
	length   int64
	answered string // for the journal
	refused  bool   // the request was not carried out
	drop     bool   // close the connection instead
	breakAt  int64  // close the connection after this many bytes of the body; 0 means not
	slow     time.Duration
}

// codedResponse is a JSON response, with the service's own code or status for the journal.
func codedResponse(status int, answered string, body fields) *response {
	r := jsonResponse(status, body)
	r.answered = answered
	return r
}

func jsonResponse(status int, body any) *response {
	text, err := json.Marshal(body)
	if err != nil { // only plain values get here
		panic("simulator: answer: " + err.Error())
	}
	return &response{
		status: status, body: text, refused: status >= 400,
		header: http.Header{"Content-Type": {"application/json"}},
	}
}

func htmlResponse(status int) *response {
	text := "<html><head><title>" + http.StatusText(status) + "</title></head>\n<body><center><h1>" +
		strconv.Itoa(status) + " " + http.StatusText(status) + "</h1></center><hr><center>gateway</center></body></html>\n"
	return &response{status: status, body: []byte(text), refused: true, header: http.Header{"Content-Type": {"text/html"}}}
}

func (s *Simulator) handler() http.Handler {
	mux := http.NewServeMux()
	byPath := map[string][]*route{}
	for _, r := range routes(s.opts.Tenant) {
		byPath[r.path] = append(byPath[r.path], &r)
	}
	for path, methods := range byPath {
		mux.HandleFunc(path, func(w http.ResponseWriter, r *http.Request) { s.serve(w, r, methods) })
	}
	mux.HandleFunc("/", func(w http.ResponseWriter, r *http.Request) { s.serve(w, r, nil) })
	mux.HandleFunc("/healthz", func(w http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(w, "ok\n") })
	return mux
}

// serve processes a request: route, subject, fault, checks, handler, journal, response.
func (s *Simulator) serve(w http.ResponseWriter, r *http.Request, methods []*route) {
	c := &call{r: r, entry: Entry{
		Time: s.opts.Now(), Method: r.Method, Path: redactedPath(r.URL), UserAgent: r.UserAgent(),
	}}
	body := &countingBody{ReadCloser: r.Body}
	r.Body = body
	resp := s.route(c, methods)
	c.entry.In = body.n
	c.entry.Status, c.entry.Answered = resp.status, resp.answered
	if resp.drop {
		c.entry.Status = 0
	}
	index := s.journal.add(c.entry)
	s.opts.Logger.Debug("request", "call", c.entry.Call, "subject", c.entry.Subject, "status", c.entry.Status, "fault", c.entry.Fault)
	s.send(w, r, resp, index)
}

func (s *Simulator) route(c *call, methods []*route) *response {
	for _, m := range methods {
		if m.method == c.r.Method && (m.when == nil || m.when(c.r)) {
			c.route = m
			break
		}
	}
	switch {
	case c.route == nil && methods == nil:
		c.entry.Call = callUnknown
		if strings.HasPrefix(c.r.URL.Path, redirectedPath) {
			return redirected(c)
		}
		return jsonResponse(404, fields{"status": "failed", "errorMessage": "The resource does not exist."})
	case c.route == nil:
		c.entry.Call = callUnknown
		resp := methods[0].fail(405, "The method is not supported for this resource.")
		for _, m := range methods {
			resp.header.Add("Allow", m.method)
		}
		return resp
	}
	c.entry.Call = c.route.call
	if !c.route.objectStore {
		body, err := io.ReadAll(http.MaxBytesReader(nil, c.r.Body, maxBody))
		if tooLarge := (*http.MaxBytesError)(nil); errors.As(err, &tooLarge) {
			return c.route.fail(400, "The body is too large.")
		} else if err != nil {
			return &response{drop: true}
		}
		c.body = body
	} else {
		c.par = s.store.par(c.r.PathValue("secret"))
	}
	if c.route.subject != nil {
		c.route.subject(s, c)
	}
	if c.fault = s.faults.pick(c.entry.Call, c.entry.Subject, c.entry.Name); c.fault != nil {
		c.entry.Fault = c.fault.Kind
	}
	if resp := s.faultBefore(c); resp != nil {
		return resp
	}
	resp := s.check(c)
	if resp == nil {
		resp = c.route.handle(s, c)
		c.entry.Processed = !resp.refused && !resp.drop
	}
	return s.faultAfter(c, resp)
}

// check verifies what all calls of a family require before their body is read. It returns nil if nothing is wrong.
// Source: chapter 1, Table 1-2.
func (s *Simulator) check(c *call) *response {
	route, h := c.route, c.r.Header
	switch {
	case route.objectStore && h.Get("Authorization") != "":
		c.entry.Note = "leak: an Authorization header reached the object store"
		return route.fail(400, "A pre-authenticated request must carry no Authorization header.")
	case route.objectStore, route.call == callToken:
		return nil
	}
	if !s.iam.valid(c.r) {
		resp := route.fail(401, "The access token is missing, invalid or expired.")
		resp.header.Set("WWW-Authenticate", "Bearer")
		return resp
	}
	if accept := h.Get("Accept"); accept != "" && !strings.Contains(accept, "application/json") && !strings.Contains(accept, "*/*") {
		return route.fail(406, "Only application/json can be answered.")
	}
	if media, _, _ := mime.ParseMediaType(h.Get("Content-Type")); c.r.Method != http.MethodGet && media != "application/json" { // Table 1-1: required for POST and PUT
		return route.fail(415, "Content-Type must be application/json.")
	}
	if text := s.wrongHeaders(route, h); text != "" {
		resp := route.badHeaders(text)
		if status, ok := s.schedulerErrorStatus(); ok && route.scheduler {
			resp.status = status
		}
		return resp
	}
	if h.Get("ofs_remote_user") != s.opts.RemoteUser {
		return route.fail(403, "The user is not authorised for this request.")
	}
	return nil
}

// wrongHeaders lists every header that is missing or wrong, spelled as in the document.
func (s *Simulator) wrongHeaders(route *route, h http.Header) string {
	var wrong []string
	fixed := map[string]string{
		"ofs_tenant_id": s.opts.Tenant, "ofs_workspace_id": s.opts.WorkspaceID,
		"ofs_service_id": s.opts.ServiceID, "appid": s.opts.AppID,
	}
	for _, name := range route.headers {
		got, want := h.Get(name), fixed[name]
		if got == "" || want != "" && got != want {
			wrong = append(wrong, name)
		}
	}
	if len(wrong) == 0 {
		return ""
	}
	return "Invalid request headers or request headers missing: " + strings.Join(wrong, ", ")
}

// faultBefore applies what happens before the request is processed. It returns the response, nil to continue.
func (s *Simulator) faultBefore(c *call) *response {
	f := c.fault
	if f == nil {
		return nil
	}
	switch f.Kind {
	case FaultStatus:
		return f.retryAfter(c.route.fail(f.status(503), "The server is unable to handle the request."))
	case FaultEmpty:
		return f.retryAfter(&response{status: f.status(503), header: http.Header{}})
	case FaultHTML:
		return f.retryAfter(htmlResponse(f.status(502)))
	case FaultUnauthorized:
		return c.route.fail(401, "The access token is invalid.")
	case FaultCloseBefore:
		return &response{drop: true}
	case FaultRedirect:
		host := s.opts.ObjectStoreHost
		if c.route.objectStore {
			host = s.opts.PublicHost
		}
		return &response{status: f.status(307), header: http.Header{"Location": {"https://" + host + redirectedPath + c.route.call}}}
	case FaultDelayBefore:
		if !s.wait(f.Delay) {
			return &response{drop: true}
		}
	case FaultExpireTokens, FaultExpireLogins:
		s.iam.expire(f.Kind == FaultExpireLogins)
	case FaultExpirePAR:
		s.store.expire(c.par)
	case FaultChangedETag:
		s.store.retag(c.par)
	}
	return nil
}

// faultAfter applies the fault to the response of a processed request.
func (s *Simulator) faultAfter(c *call, resp *response) *response {
	f := c.fault
	if f == nil || resp.drop {
		return resp
	}
	if c.r.Method == http.MethodPut && c.route.objectStore && (f.Kind == FaultTruncate || f.Kind == FaultWrongLength || f.Kind == FaultCorrupt) {
		return resp // these were applied to the request
	}
	switch f.Kind {
	case FaultDelayAfter:
		s.wait(f.Delay)
	case FaultCloseAfter:
		resp.close()
		return &response{drop: true, answered: resp.answered}
	case FaultStatusAfter:
		resp.close()
		return f.retryAfter(c.route.fail(f.status(503), "The server is unable to handle the request."))
	case FaultHTMLAfter:
		resp.close()
		return f.retryAfter(htmlResponse(f.status(502)))
	case FaultMalform:
		resp.close()
		resp.body, resp.stream = []byte(`{"payload": {"status": "succ`), nil
	case FaultTruncate:
		if resp.breakAt = f.Bytes; resp.breakAt <= 0 {
			resp.breakAt = max(resp.size()/2, 1)
		}
	case FaultWrongLength:
		short := max(resp.size()-max(f.Bytes, 1), 0)
		resp.body, resp.length = resp.body[:min(short, int64(len(resp.body)))], short
	case FaultCorrupt:
		if resp.stream != nil {
			resp.stream = readCloser{&corrupting{r: resp.stream, at: f.Bytes}, resp.stream}
		} else if f.Bytes < int64(len(resp.body)) {
			resp.body[f.Bytes] ^= 0xff
		}
	case FaultSlow:
		resp.slow = f.Delay
	}
	return resp
}

// wait reports false when the simulator was closed meanwhile.
func (s *Simulator) wait(d time.Duration) bool {
	select {
	case <-time.After(d):
		return true
	case <-s.ctx.Done():
		return false
	}
}

func (f *Fault) status(otherwise int) int { return cmp.Or(f.Status, otherwise) }

func (f *Fault) retryAfter(resp *response) *response {
	if f.RetryAfter != "" {
		resp.header.Set("Retry-After", f.RetryAfter)
	}
	return resp
}

func (r *response) size() int64 {
	if r.stream != nil {
		return r.length
	}
	return int64(len(r.body))
}

func (r *response) close() {
	if r.stream != nil {
		_ = r.stream.Close()
	}
}

// send writes the response, and aborts the connection where it has to break off.
func (s *Simulator) send(w http.ResponseWriter, r *http.Request, resp *response, index int) {
	if resp.drop {
		panic(http.ErrAbortHandler)
	}
	defer resp.close()
	maps.Copy(w.Header(), resp.header)
	size := resp.size()
	if resp.status != http.StatusNotModified && resp.status != http.StatusNoContent {
		w.Header().Set("Content-Length", strconv.FormatInt(size, 10))
	}
	w.WriteHeader(resp.status)
	if r.Method == http.MethodHead {
		return
	}
	var from io.Reader = bytes.NewReader(resp.body)
	if resp.stream != nil {
		from = resp.stream
	}
	limit := size
	if resp.breakAt > 0 {
		limit = min(size, resp.breakAt)
	}
	var out int64
	var err error
	if resp.slow > 0 {
		out, err = s.trickle(w, io.LimitReader(from, limit), limit, resp.slow)
	} else {
		out, err = io.Copy(w, io.LimitReader(from, limit))
	}
	s.journal.sent(index, out)
	if err != nil || out < size {
		_ = http.NewResponseController(w).Flush() // so that everything up to the break arrives
		panic(http.ErrAbortHandler)
	}
}

// trickle copies size bytes in ten pieces, spread over the given time.
func (s *Simulator) trickle(w http.ResponseWriter, from io.Reader, size int64, over time.Duration) (out int64, err error) {
	const pieces = 10
	for out < size && err == nil {
		if !s.wait(over / pieces) {
			return out, s.ctx.Err()
		}
		var n int64
		n, err = io.CopyN(w, from, min(size/pieces+1, size-out))
		out += n
		_ = http.NewResponseController(w).Flush()
	}
	return out, err
}

const redirectedPath = "/_redirected/"

// redirected serves the target of FaultRedirect: it looks like a success, and records what the client sent along.
func redirected(c *call) *response {
	c.entry.Call, c.entry.Note = callRedirected, "a redirect to another host was followed"
	if c.r.Header.Get("Authorization") != "" {
		c.entry.Note = "leak: an Authorization header followed a redirect to another host"
	}
	return jsonResponse(200, fields{"status": "success", "statusCode": "0"})
}

// redactedPath returns the path with its query, without a PAR's secret.
func redactedPath(u *url.URL) string {
	text := u.RequestURI()
	if parts := strings.SplitN(text, "/", 4); len(parts) == 4 && parts[1] == "p" {
		parts[2] = "***"
		return strings.Join(parts, "/")
	}
	return text
}

type countingBody struct {
	io.ReadCloser
	n int64
}

func (b *countingBody) Read(p []byte) (int, error) {
	n, err := b.ReadCloser.Read(p)
	b.n += int64(n)
	return n, err
}

type readCloser struct {
	io.Reader
	io.Closer
}

// corrupting is a reader that changes the byte at offset at.
type corrupting struct {
	r   io.Reader
	at  int64
	pos int64
}

func (c *corrupting) Read(p []byte) (int, error) {
	n, err := c.r.Read(p)
	if i := c.at - c.pos; i >= 0 && i < int64(n) {
		p[i] ^= 0xff
	}
	c.pos += int64(n)
	return n, err
}

// decodeStrict decodes a JSON object like a strict server: one value, with nothing after it.
func decodeStrict(body []byte, into any) error {
	dec := json.NewDecoder(bytes.NewReader(body))
	if err := dec.Decode(into); err != nil {
		return err
	}
	if dec.More() {
		return errors.New("text after the JSON value")
	}
	return nil
}

func firstByteIs(body []byte, b byte) bool {
	trimmed := bytes.TrimSpace(body)
	return len(trimmed) > 0 && trimmed[0] == b
}

// Calls returns the names of all calls, as used in the journal and in faults.
func Calls() []string {
	var names []string
	for _, r := range routes("TENANT") {
		if !slices.Contains(names, r.call) {
			names = append(names, r.call)
		}
	}
	return names
}
