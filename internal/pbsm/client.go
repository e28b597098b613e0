// Package pbsm is a typed client of the REST APIs of Oracle Financial Services
// Profitability and Balance Sheet Management Cloud Service: release 24.03.01, and what releases up to 26D added to it.
//
// Each method is one call of the document; the files follow its chapters. The client is lenient when it decodes, strict
// in what it sends, and strict about what counts as a success: HTTP 2xx and a body that says so. Anything else is an
// *Error, which says whether the service certainly did not act (NotProcessed) and whether another attempt makes sense
// (Temporary). Except for one replay after a 401, the client never repeats a request: that is the caller's decision.
//
// Tokens never leave the client, and pre-authenticated URLs leave it only through PAR.Expose.
package pbsm

import (
	"bytes"
	"cmp"
	"context"
	"crypto/tls"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/url"
	"regexp"
	"strings"
	"time"

	"github.com/pbsmflow/pbsmflow/internal/httpx"
)

// DynamicParamsFormat is how a trigger sends its dynamicParamList.
type DynamicParamsFormat string

// Formats of dynamicParamList.
const (
	DynamicParamsJSON   DynamicParamsFormat = "json"   // an object for a batch, an array for a group
	DynamicParamsString DynamicParamsFormat = "string" // the same, as a string that contains JSON, for older releases
)

// UploadBody is how a file is announced: the document shows both.
type UploadBody string

// Forms of the announcement of a file.
const (
	UploadBodyObject UploadBody = "object"
	UploadBodyArray  UploadBody = "array" // of one object
)

// ReportStatusBody is what the report status call sends.
type ReportStatusBody string

// Bodies of the report status call.
const (
	ReportStatusBodyNone   ReportStatusBody = "none"
	ReportStatusBodyObject ReportStatusBody = "object" // an empty JSON object, for gateways that insist on a body
)

// TaskLists is how a list of task codes is sent.
type TaskLists string

// Forms of a list of task codes.
const (
	TaskListsString TaskLists = "string" // one string, separated by commas
	TaskListsArray  TaskLists = "array"
)

// TaskParams says which triggers may have parameters of single tasks.
type TaskParams string

// Triggers with parameters of tasks.
const (
	TaskParamsNone    TaskParams = "none"
	TaskParamsBatches TaskParams = "batches"
	TaskParamsMembers TaskParams = "members" // the members of a group as well
)

// ReportHeaders is how the headers of the report status call are spelled.
type ReportHeaders string

// Spellings of the headers of the report status call. A gateway may compare them; HTTP does not.
const (
	ReportHeadersLower ReportHeaders = "reportcode" // reportcode and reportInstanceID
	ReportHeadersCamel ReportHeaders = "reportCode" // reportCode and reportInstanceId, as in 26D
)

// Config is a connection to one tenant. internal/config has the defaults, and checks all of it.
type Config struct {
	BaseURL     string // https://HOST/TENANT
	TokenURL    string // https://IAM/oauth2/v1/token
	TenantID    string
	ServiceID   string
	WorkspaceID string
	RemoteUser  string
	Locale      string
	AppID       string // only reports need it

	ClientID     string
	ClientSecret string
	Username     string
	Password     string
	TokenScope   string // separated by spaces

	CAFile   string // certificates in PEM form, trusted in addition to the system's
	Insecure bool   // certificates are not verified

	Timeout time.Duration // of one exchange

	DynamicParams     DynamicParamsFormat
	TaskLists         TaskLists  // of a trigger
	StatusTasks       TaskLists  // of a status
	TaskParams        TaskParams // the trigger of another one is refused before it is sent
	GroupDate         bool       // a group takes the as-of date for all its members
	UploadBody        UploadBody
	ExportStatusPath  string // /public/status; the document has /Public/status
	ImportStatusPath  string // /public/status, as in the document
	ReportStatusBody  ReportStatusBody
	ReportHeaders     ReportHeaders
	ServiceIDOnExport bool              // exports and imports, and their status, are sent ofs_service_id
	DeleteMethod      string            // POST or DELETE
	ReportDefType     string            // of a report without its own
	MaxFileSize       int64             // bytes
	ExtraHeaders      map[string]string // sent with every call but that for a token, spelled as given
	UserAgent         string            // of every call, unless ExtraHeaders has another

	Observe func(context.Context, Exchange) // called after every exchange; may be nil
}

// Exchange is one request and its response, for metrics and traces.
type Exchange struct {
	Call   string // "token" for a call of the token endpoint
	Status int    // of HTTP; 0 without a response
	Began  time.Time
	Took   time.Duration // until the header of the response
}

const (
	maxBody      = 8 << 20
	maxFileList  = 256 << 20 // two million files
	maxRedirects = 5
)

// PathPattern is the form of Config.ExportStatusPath and ImportStatusPath.
var PathPattern = regexp.MustCompile(`^(/[A-Za-z0-9_-]+)+$`)

// check puts the name of the field in front of the problem of its value.
func check(name string, err error) error {
	if err == nil {
		return nil
	}
	return fmt.Errorf("%s %w", name, err)
}

func checkHeaderValue(name, value string) error { return check(name, httpx.CheckHeaderValue(value)) }

// ownHeaders are set by the client or belong to the connection. An idempotency key is among them because it would
// permit the transport to repeat a POST.
var ownHeaders = map[string]bool{
	"accept": true, "authorization": true, "content-type": true, "content-length": true, "host": true,
	"connection": true, "expect": true, "keep-alive": true, "te": true, "trailer": true, "transfer-encoding": true,
	"upgrade":         true,
	"idempotency-key": true, "x-idempotency-key": true,
	"ofs_remote_user": true, "locale": true, "ofs_tenant_id": true, "ofs_workspace_id": true, "ofs_service_id": true,
	"reportcode": true, "reporttype": true, "appid": true, "reportdeftype": true, "reportinstanceid": true,
}

// IsOwnHeader reports whether a header must not be among Config.ExtraHeaders.
func IsOwnHeader(name string) bool { return ownHeaders[strings.ToLower(name)] }

func (c Config) secrets() []string {
	secrets := []string{c.ClientSecret, c.Password}
	for _, value := range c.ExtraHeaders {
		secrets = append(secrets, value)
	}
	return secrets
}

// String identifies the connection without its secrets.
func (c Config) String() string {
	return fmt.Sprintf("pbsm.Config{%s at %s}", c.RemoteUser, c.BaseURL)
}

// Format shows String under every verb.
func (c Config) Format(f fmt.State, _ rune) { _, _ = io.WriteString(f, c.String()) }

// LogValue shows String.
func (c Config) LogValue() slog.Value { return slog.StringValue(c.String()) }

// Client makes the calls of one connection. It is safe for concurrent use.
type Client struct {
	cfg    Config
	pooled *http.Client // for calls that may be repeated
	single *http.Client // for calls that must not be
	tokens *tokens
}

// New makes no call. It refuses URLs over which the credentials could leak.
func New(cfg Config) (*Client, error) {
	cfg.BaseURL = strings.TrimRight(cfg.BaseURL, "/")
	tlsConf, err := httpx.TLSConfig(cfg.CAFile, cfg.Insecure)
	err = errors.Join(
		check("base URL", httpx.CheckURL(cfg.BaseURL)),
		check("token URL", httpx.CheckURL(cfg.TokenURL)),
		check("CA file", err),
	)
	if err != nil {
		return nil, err
	}
	single := &http.Client{Transport: newTransport(tlsConf.Clone(), true, cfg.Timeout), CheckRedirect: sameHostGET}
	return &Client{
		cfg:    cfg,
		pooled: &http.Client{Transport: newTransport(tlsConf.Clone(), false, cfg.Timeout), CheckRedirect: sameHostGET},
		single: single,
		tokens: newTokens(cfg, &http.Client{Transport: observed{single.Transport, cfg}, CheckRedirect: sameHostGET}),
	}, nil
}

// Application is one of the services and applications behind a connection.
type Application struct {
	ServiceID string // ofs_service_id
	AppID     string // of reports
}

// For returns the same client, with the same token, for another application. What is empty stays as it is.
func (c *Client) For(app Application) *Client {
	other := *c
	other.cfg.ServiceID = cmp.Or(app.ServiceID, c.cfg.ServiceID)
	other.cfg.AppID = cmp.Or(app.AppID, c.cfg.AppID)
	other.cfg.ServiceIDOnExport = c.cfg.ServiceIDOnExport || app.ServiceID != ""
	return &other
}

// Format shows the connection without its secrets under every verb.
func (c *Client) Format(f fmt.State, _ rune) { _, _ = fmt.Fprintf(f, "pbsm.Client{%v}", c.cfg) }

// newTransport returns a pool of connections or, for requests that must not be sent twice, a fresh HTTP/1.1 connection
// for each request. On a fresh connection the transport never repeats a request, and the outcome cannot become unknown
// because the server has just closed an idle connection.
//
// All other calls share one HTTP/2 connection. If a firewall drops it silently, the system would notice only after a
// quarter of an hour: therefore an idle connection is pinged, and closed before a call on it reaches its timeout.
func newTransport(conf *tls.Config, fresh bool, timeout time.Duration) *http.Transport {
	return &http.Transport{
		Proxy:                  http.ProxyFromEnvironment,
		DialContext:            (&net.Dialer{Timeout: 15 * time.Second, KeepAlive: 30 * time.Second}).DialContext,
		TLSClientConfig:        conf,
		TLSHandshakeTimeout:    15 * time.Second,
		ForceAttemptHTTP2:      !fresh,
		HTTP2:                  &http.HTTP2Config{SendPingTimeout: timeout / 4, PingTimeout: timeout / 4},
		DisableKeepAlives:      fresh,
		MaxIdleConnsPerHost:    16,
		IdleConnTimeout:        30 * time.Second,
		MaxResponseHeaderBytes: 1 << 20,
	}
}

// sameHostGET follows a redirect only for a GET and only within the host; any other is returned as the response.
func sameHostGET(next *http.Request, via []*http.Request) error {
	first := via[0]
	sameHost := next.URL.Scheme == "https" && next.URL.Host == first.URL.Host
	if first.Method != http.MethodGet || !sameHost || len(via) > maxRedirects {
		return http.ErrUseLastResponse
	}
	return nil
}

// call is a request in the terms of the document. Besides a method here, a new one needs a row in the simulator's
// routes.go, an activity with its input in NeedsConnection (activities/task_queues.go), and a row in
// tests/e2e/close/chapters_test.go, which writes tests/CHAPTERS.md.
type call struct {
	name, subject string
	method, path  string // path is escaped, below the base URL
	query         url.Values
	header        map[string]string // besides the common ones
	body          any               // nil for none
	typed         bool              // a GET that has a Content-Type in the document
	scheduler     bool              // a call of chapter 10
	once          bool              // a submission: it must happen at most once
	runID         string            // the run that the request is about
	maxResponse   int               // in bytes; maxBody when 0
	ifInvalid     string            // what to do when the service finds the input invalid
	ifUnknown     string            // what to do when nobody knows whether the service acted on a submission
	notFound      string            // what to check at 404 and 405; base_url and the name or id when empty
	settings      []string          // of the connection, for tenants that expect this request in another form
	address       string            // the setting with the address; base_url when empty
}

// do sends a request with a valid token. If the service answers 401 and gives no hint that it acted, do sends it once
// more with a new token. It fails without an HTTP response; the caller judges whether a response is a success.
func (c *Client) do(ctx context.Context, r call) (*response, error) {
	var body []byte
	if r.body != nil {
		var err error
		if body, err = json.Marshal(r.body); err != nil {
			return nil, r.invalid(err)
		}
	}
	token, err := c.tokens.get(ctx)
	if err != nil {
		return nil, r.withoutToken(err)
	}
	a, err := c.exchange(ctx, r, body, token)
	if err != nil || a.status != http.StatusUnauthorized || r.once && a.explanation().actedOn(r) {
		return a, err
	}
	if token, err = c.tokens.renew(ctx, token); err != nil {
		return nil, r.withoutToken(err)
	}
	return c.exchange(ctx, r, body, token)
}

// ask sends a request, unless it has problems, and has the response judged.
func ask[T any](
	ctx context.Context, c *Client, r call, judge func(*response) (T, error), problems ...error,
) (result T, err error) {
	if err := r.invalid(problems...); err != nil {
		return result, err
	}
	a, err := c.do(ctx, r)
	if err != nil {
		return result, err
	}
	return judge(a)
}

func (r call) limit() int { return cmp.Or(r.maxResponse, maxBody) }

func (r call) withoutToken(err error) error {
	return fmt.Errorf("%s was not sent: %w", strings.TrimSpace(r.name+" "+r.subject), err)
}

func (c *Client) exchange(ctx context.Context, r call, body []byte, token string) (*response, error) {
	ctx, cancel := withTimeout(ctx, c.cfg.Timeout)
	defer cancel()
	ctx, connected := httpx.TraceConnection(ctx)

	req, err := c.request(ctx, r, body, token)
	if err != nil {
		return nil, r.invalid(err)
	}
	client := c.pooled
	if r.once {
		client = c.single
	}
	began := time.Now()
	resp, err := client.Do(req)
	c.cfg.observe(ctx, r.name, began, resp)
	if err != nil {
		return nil, r.transportError(endedBy(ctx, err), connected())
	}
	defer resp.Body.Close()
	content, err := io.ReadAll(io.LimitReader(resp.Body, int64(r.limit())+1))
	a := newResponse(r, resp.StatusCode, resp.Header, content, endedBy(ctx, err))
	a.redact = c.tokens.redact
	return a, nil
}

// observe reports an exchange. response is nil when there was none.
func (c Config) observe(ctx context.Context, call string, began time.Time, response *http.Response) {
	if c.Observe == nil {
		return
	}
	exchange := Exchange{Call: call, Began: began, Took: time.Since(began)}
	if response != nil {
		exchange.Status = response.StatusCode
	}
	c.Observe(ctx, exchange)
}

func withTimeout(ctx context.Context, timeout time.Duration) (context.Context, context.CancelFunc) {
	cause := fmt.Errorf("no response within %s: %w", timeout, context.DeadlineExceeded)
	return context.WithTimeoutCause(ctx, timeout, cause)
}

// endedBy returns the cause of a cancelled context instead of the error that it led to.
func endedBy(ctx context.Context, err error) error {
	if err == nil || ctx.Err() == nil {
		return err
	}
	cause := context.Cause(ctx)
	if !errors.Is(cause, ctx.Err()) {
		cause = fmt.Errorf("%w: %w", ctx.Err(), cause)
	}
	return cause
}

func (c *Client) request(ctx context.Context, r call, body []byte, token string) (*http.Request, error) {
	target := c.cfg.BaseURL + r.path
	if len(r.query) > 0 {
		target += "?" + r.query.Encode()
	}
	req, err := http.NewRequestWithContext(ctx, r.method, target, bytes.NewReader(body))
	if err != nil {
		return nil, err
	}
	req.GetBody = nil // without it the transport cannot repeat a request that it has begun to send
	// Assigned directly, because Set would change the spelling.
	set := func(name, value string) { req.Header[name] = []string{value} }
	set("User-Agent", c.cfg.UserAgent)
	for name, value := range c.cfg.ExtraHeaders {
		if strings.EqualFold(name, "User-Agent") {
			name = "User-Agent" // once
		}
		set(name, value)
	}
	set("ofs_remote_user", c.cfg.RemoteUser)
	set("locale", c.cfg.Locale)
	set("ofs_tenant_id", c.cfg.TenantID)
	set("ofs_workspace_id", c.cfg.WorkspaceID)
	for name, value := range r.header {
		set(name, value)
	}
	set("Accept", "application/json")
	if r.method != http.MethodGet || r.typed { // required even without a body. Source: chapter 1, Supported Headers
		set("Content-Type", "application/json")
	}
	set("Authorization", "Bearer "+token)
	return req, nil
}

// pathSegment escapes a code or an id for a path. It refuses what could change the path, here or in a gateway that
// decodes twice.
func pathSegment(what, value string) (string, error) {
	if err := checkHeaderValue(what, value); err != nil {
		return "", err
	}
	if value == "." || value == ".." || len(value) > maxID || strings.ContainsAny(value, `/\%?#;`) {
		return "", fmt.Errorf("%s %q cannot be part of a path", what, oneLine(value, 80))
	}
	return url.PathEscape(value), nil
}
