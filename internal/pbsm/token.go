package pbsm

import (
	"context"
	"errors"
	"mime"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"sync"
	"time"

	"golang.org/x/oauth2"

	"github.com/pbsmflow/pbsmflow/internal/httpx"
)

const (
	maxEarly       = time.Minute
	secretsToWatch = 8
)

// Login is the result of a login, without the token.
type Login struct {
	ExpiresAt   time.Time // zero if the server does not say
	Refreshable bool
}

// Login obtains a new token now: with the refresh token if there is one, else with the password. Source: chapter 2.
func (c *Client) Login(ctx context.Context) (Login, error) {
	if _, err := c.tokens.renew(ctx, c.tokens.held()); err != nil {
		return Login{}, err
	}
	return c.tokens.login(), nil
}

// tokens holds the token of one user of one client. However many calls need a token, at most one request to the token
// endpoint is in flight, and all of them share its result. A refused password is never sent again: that could lock the
// account.
type tokens struct {
	conf               oauth2.Config
	username, password string
	secrets            []string // of the configuration, in addition to the tokens
	client             *http.Client
	timeout            time.Duration
	now                func() time.Time

	mu      sync.Mutex
	token   *oauth2.Token
	renewAt time.Time // when to renew the token; zero for never
	refused *Error    // final for the lifetime of the client
	flight  *flight   // the request in flight
	recent  []string  // tokens that a response might echo
}

// flight is one request for a token; its fields are set when done is closed.
type flight struct {
	done  chan struct{}
	token string
	err   error
}

func newTokens(cfg Config, client *http.Client) *tokens {
	return &tokens{
		conf: oauth2.Config{
			ClientID: cfg.ClientID, ClientSecret: cfg.ClientSecret, Scopes: strings.Fields(cfg.TokenScope),
			// Auto-detection would send a refused password twice.
			Endpoint: oauth2.Endpoint{TokenURL: cfg.TokenURL, AuthStyle: oauth2.AuthStyleInHeader},
		},
		username: cfg.Username, password: cfg.Password,
		secrets: cfg.secrets(), client: client, timeout: cfg.Timeout, now: time.Now,
	}
}

// observed names the client to the token endpoint, and reports the exchanges with it.
type observed struct {
	http.RoundTripper
	cfg Config
}

func (o observed) RoundTrip(r *http.Request) (*http.Response, error) {
	named := r.Clone(r.Context()) // a round trip must not change its request
	named.Header.Set("User-Agent", o.cfg.UserAgent)
	began := time.Now()
	response, err := o.RoundTripper.RoundTrip(named)
	o.cfg.observe(r.Context(), "token", began, response)
	if err == nil {
		labelJSON(response.Header)
	}
	return response, err
}

// labelJSON corrects the type of a response that oauth2 would read as a form. Servers that set no type label their JSON
// as text: its token would not be found, and a refusal that looks like an outage would be retried, and could lock the
// account.
func labelJSON(header http.Header) {
	switch media, _, _ := mime.ParseMediaType(header.Get("Content-Type")); media {
	case "text/plain", "application/x-www-form-urlencoded":
		header.Set("Content-Type", "application/json")
	}
}

// LoginRefused reports whether the service has refused the credentials: the client does not try them again.
func (c *Client) LoginRefused() bool {
	c.tokens.mu.Lock()
	defer c.tokens.mu.Unlock()
	return c.tokens.refused != nil
}

// get returns a valid token. Shortly before a token expires it is renewed in the background; until then the old one is
// used.
func (t *tokens) get(ctx context.Context) (string, error) {
	t.mu.Lock()
	if t.refused != nil || t.token == nil || t.expired(t.token.Expiry) {
		t.mu.Unlock()
		return t.renew(ctx, "") // no token is "": any valid token that has arrived in the meantime is fine
	}
	defer t.mu.Unlock()
	if t.expired(t.renewAt) {
		t.take(ctx)
	}
	return t.token.AccessToken, nil
}

// renew returns a token other than stale, which was refused or has expired.
func (t *tokens) renew(ctx context.Context, stale string) (string, error) {
	t.mu.Lock()
	if t.refused != nil {
		defer t.mu.Unlock()
		return "", t.refused
	}
	if t.token != nil && t.token.AccessToken != stale && !t.expired(t.token.Expiry) {
		defer t.mu.Unlock()
		return t.token.AccessToken, nil
	}
	f := t.take(ctx)
	t.mu.Unlock()
	select {
	case <-f.done:
		return f.token, f.err
	case <-ctx.Done():
		return "", t.call().transportError(endedBy(ctx, ctx.Err()), false)
	}
}

// take joins the flight or starts one. It outlives the caller that started it, because others wait for it as well. The
// lock must be held.
func (t *tokens) take(ctx context.Context) *flight {
	if t.flight == nil {
		t.flight = &flight{done: make(chan struct{})}
		go t.fly(context.WithoutCancel(ctx), t.flight, t.token)
	}
	return t.flight
}

func (t *tokens) fly(ctx context.Context, f *flight, old *oauth2.Token) {
	ctx, cancel := withTimeout(ctx, t.timeout)
	defer cancel()
	token, err := t.obtain(context.WithValue(ctx, oauth2.HTTPClient, t.client), old)

	t.mu.Lock()
	defer t.mu.Unlock()
	t.flight = nil
	if err != nil {
		f.err = err
		t.renewAt = t.now().Add(maxEarly / 6) // do not retry too often while the old token is valid
	} else {
		f.token = token.AccessToken
		t.keep(token)
	}
	close(f.done)
}

// obtain refreshes the token. It logs in with the password if there is no refresh token, if the refresh token is no
// longer valid, or if the server does not permit this client to refresh. A refresh that fails in any other way
// never leads to a login with the password.
func (t *tokens) obtain(ctx context.Context, old *oauth2.Token) (*oauth2.Token, error) {
	if old != nil && old.RefreshToken != "" {
		token, err := t.conf.TokenSource(ctx, &oauth2.Token{RefreshToken: old.RefreshToken}).Token()
		if err == nil {
			return token, nil
		}
		refusal := oauthRefusal(err)
		unclear := (refusal == "" || refusal == "401") && !refusesToRefresh(err)
		if unclear || refusal == "invalid_client" || unavailable(err) {
			failed := t.fail(ctx, err, refusal == "invalid_client")
			// A damaged response says nothing about the refresh token, and another attempt cannot lock the account.
			if refusal == "" {
				failed.Temporary, failed.Advice = true, ""
			}
			return nil, failed
		}
		t.forgetRefresh(old)
	}
	token, err := t.conf.PasswordCredentialsToken(ctx, t.username, t.password)
	if err != nil {
		return nil, t.fail(ctx, err, oauthRefusal(err) != "")
	}
	return token, nil
}

// refusesToRefresh reports whether the server refused a refresh without an OAuth error, which the document does not
// describe: it knows no refresh tokens, and misses the password. A 401 without an object may be about the client.
func refusesToRefresh(err error) bool {
	var answer *oauth2.RetrieveError
	if !errors.As(err, &answer) || answer.ErrorCode != "" {
		return false
	}
	a := newResponse(call{}, answer.Response.StatusCode, answer.Response.Header, answer.Body, nil)
	switch a.status {
	case http.StatusBadRequest, http.StatusForbidden, http.StatusUnprocessableEntity:
		return !a.html && !a.damaged
	case http.StatusUnauthorized:
		return a.body != nil && structured(a.body)
	}
	return false
}

// forgetRefresh keeps the access token, which may still be valid.
func (t *tokens) forgetRefresh(old *oauth2.Token) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.token == old {
		kept := *old
		kept.RefreshToken = ""
		t.token = &kept
	}
}

// oauthRefusal is the code with which the server refused the credentials, "" if it did not refuse them.
func oauthRefusal(err error) string {
	var answer *oauth2.RetrieveError
	if !errors.As(err, &answer) {
		return ""
	}
	switch {
	case outageCodes[answer.ErrorCode]:
		return ""
	case answer.ErrorCode == "invalid_grant" || answer.ErrorCode == "invalid_client":
		return answer.ErrorCode
	case unavailable(err):
		return ""
	case answer.ErrorCode != "":
		return answer.ErrorCode
	case answer.Response.StatusCode == http.StatusUnauthorized:
		return "401"
	}
	return ""
}

// outageCodes are the OAuth errors that are not about the credentials.
var outageCodes = map[string]bool{"server_error": true, "temporarily_unavailable": true, "slow_down": true}

// unavailable reports whether the response is about the server's state, not about the credentials.
func unavailable(err error) bool {
	var answer *oauth2.RetrieveError
	if !errors.As(err, &answer) {
		return true
	}
	return httpx.Transient(answer.Response.StatusCode)
}

func (t *tokens) call() call {
	return call{name: "token", subject: "for user " + t.username, address: "token_url"}
}

// fail returns the error of a token request, and remembers it if it is final. oauth2's own error contains the body
// of the response, so it is not wrapped.
func (t *tokens) fail(ctx context.Context, err error, refused bool) *Error {
	e := t.describe(ctx, err)
	e.NotProcessed = true // the call that needed the token was not sent
	if refused {
		e.Temporary = false
		e.Advice = t.refusedAdvice(oauthRefusal(err)) +
			"; to avoid locking the account, a worker tries them again only after a restart"
		t.mu.Lock()
		t.refused = e
		t.mu.Unlock()
	}
	return e
}

// refusedAdvice names what was refused.
func (t *tokens) refusedAdvice(refusal string) string {
	client := "check client_id and client_secret"
	if url.QueryEscape(t.conf.ClientID+t.conf.ClientSecret) != t.conf.ClientID+t.conf.ClientSecret {
		client += "; if they are right: they have characters that are sent form-encoded, as RFC 6749 says, " +
			"which some tenants do not decode, so use a secret of letters and digits"
	}
	switch refusal {
	case "invalid_grant":
		return "check username and password, and whether the user is locked"
	case "invalid_client":
		return client
	case "401":
		return "check username and password, and " + strings.TrimPrefix(client, "check ")
	}
	return "check what the client may do: its grants and scopes"
}

func (t *tokens) describe(ctx context.Context, err error) *Error {
	var answer *oauth2.RetrieveError
	var network *url.Error
	switch {
	case errors.As(err, &answer):
		return t.responseError(answer)
	case errors.As(err, &network) || ctx.Err() != nil:
		return t.call().transportError(endedBy(ctx, err), false)
	default:
		e := &Error{Call: t.call().name, Subject: t.call().subject, Temporary: true}
		e.Err = errors.New(oneLine(t.redact(err.Error()), maxErrorText))
		return e
	}
}

func (t *tokens) responseError(r *oauth2.RetrieveError) *Error {
	a := newResponse(t.call(), r.Response.StatusCode, r.Response.Header, r.Body, nil)
	e := &Error{
		Call: a.call.name, Subject: a.call.subject, HTTPStatus: a.status,
		Code: oneLine(t.redact(r.ErrorCode), 80), Text: t.quotable(r.ErrorDescription), RetryAfter: a.retryAfter,
		Temporary: a.html || unavailable(r) || a.ok() || outageCodes[r.ErrorCode],
	}
	if r.ErrorCode == "" {
		e.Err = a.problem
	}
	if e.Code == "" && e.Err == nil {
		e.Err = errors.New("the response contains no token")
	}
	e.Advice = "check token_url"
	if e.Temporary {
		e.Advice = "the credentials were not refused: wait until IAM is available"
	}
	return e
}

// quotable is the text of a token error, or nothing if it contains a secret: in a well-known sentence, the gap
// would reveal the password ("the user name or password is [secret]").
func (t *tokens) quotable(said string) string {
	if t.redact(said) != said {
		return ""
	}
	return oneLine(said, maxErrorText)
}

// redact removes every secret of the connection from a text.
func (t *tokens) redact(s string) string {
	t.mu.Lock()
	secrets := slices.Concat(t.secrets, t.recent)
	t.mu.Unlock()
	return redact(s, secrets)
}

// keep stores a token. It is renewed 60 s before it expires, or a tenth of its lifetime if that is less. A token
// without a lifetime is used until it is refused. The lock must be held.
func (t *tokens) keep(token *oauth2.Token) {
	life := time.Duration(token.ExpiresIn) * time.Second
	t.renewAt, token.Expiry = time.Time{}, time.Time{}
	if life > 0 {
		// Round removes the monotonic clock reading, which stops while a machine sleeps.
		token.Expiry = t.now().Round(0).Add(life)
		t.renewAt = token.Expiry.Add(-min(maxEarly, life/10))
	}
	t.token = token
	t.recent = append(t.recent, token.AccessToken, token.RefreshToken)
	t.recent = t.recent[max(0, len(t.recent)-secretsToWatch):]
}

func (t *tokens) expired(at time.Time) bool { return !at.IsZero() && !t.now().Before(at) }

func (t *tokens) held() string {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.token == nil {
		return ""
	}
	return t.token.AccessToken
}

func (t *tokens) login() Login {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.token == nil {
		return Login{}
	}
	return Login{ExpiresAt: t.token.Expiry, Refreshable: t.token.RefreshToken != ""}
}
