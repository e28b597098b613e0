package pbsm

import (
	"context"
	"fmt"
	"net/http"
	"net/url"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"golang.org/x/oauth2"
)

func token(access, refresh string, life time.Duration) *oauth2.Token {
	return &oauth2.Token{AccessToken: access, RefreshToken: refresh, ExpiresIn: int64(life / time.Second)}
}

// clock is a clock that tests advance.
type clock struct {
	mu sync.Mutex
	at time.Time
}

func (c *clock) now() time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.at
}

func (c *clock) add(d time.Duration) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.at = c.at.Add(d)
}

func (s *service) clockedClient(t *testing.T) (*Client, *clock) {
	c := s.client(t)
	k := &clock{at: time.Now()}
	c.tokens.now = k.now
	return c, k
}

func (s *service) grants() []string {
	s.mu.Lock()
	defer s.mu.Unlock()
	var grants []string
	for _, form := range s.logins {
		grants = append(grants, form.Get("grant_type"))
	}
	return grants
}

// idle reports whether no request for a token is in flight.
func (t *tokens) idle() bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.flight == nil
}

// respond answers the token requests in order, and repeats the last handler.
func (s *service) respond(handlers ...http.HandlerFunc) {
	s.token = func(w http.ResponseWriter, r *http.Request) {
		handlers[min(s.count("logins"), len(handlers))-1](w, r)
	}
}

func grant(access, refresh string, expiresIn int) http.HandlerFunc {
	return reply(200, fmt.Sprintf(`{"access_token":%q,"token_type":"Bearer","expires_in":%d,"refresh_token":%q}`, access, expiresIn, refresh))
}

var (
	invalidGrant  = reply(400, `{"error":"invalid_grant","error_description":"You entered an incorrect user name or password."}`)
	invalidClient = reply(401, `{"error":"invalid_client","error_description":"The client is not known."}`)
)

func TestLogin_request(t *testing.T) {
	s := newService(t)
	login, err := s.client(t).Login(t.Context())
	require.NoError(t, err)
	require.True(t, login.Refreshable)
	require.WithinDuration(t, time.Now().Add(time.Hour), login.ExpiresAt, 10*time.Second)
	require.Equal(t, url.Values{
		"grant_type": {"password"}, "scope": {"urn:opc:idm:__myscopes__ offline_access"}, "username": {"cneadmin"}, "password": {testPassword},
		"basic": {"aaitestdev1001-prd_APPID:" + url.QueryEscape(testSecret)},
	}, s.logins[0])
}

func TestTokens_sharedByCallers(t *testing.T) {
	s := newService(t)
	s.answer = reply(200, `{"payload":[]}`)
	release := make(chan struct{})
	issue := s.token
	s.token = func(w http.ResponseWriter, r *http.Request) { <-release; issue(w, r) }
	c := s.client(t)

	// A caller that gives up takes nobody else's login with it.
	impatient, giveUp := context.WithCancel(t.Context())
	gone := make(chan error)
	go func() { _, err := c.ListFiles(impatient, ""); gone <- err }()
	var wg sync.WaitGroup
	for range 50 {
		wg.Go(func() {
			_, err := c.ListFiles(t.Context(), "")
			require.NoError(t, err)
		})
	}
	giveUp()
	err := <-gone
	require.ErrorIs(t, err, context.Canceled)
	require.True(t, asError(t, err).NotProcessed)
	close(release)
	wg.Wait()
	require.Equal(t, []string{"password"}, s.grants())
}

func TestTokens_renewedBeforeExpiry(t *testing.T) {
	for name, tt := range map[string]struct {
		life, quiet, early time.Duration
	}{
		"an hour: a minute before": {time.Hour, 58 * time.Minute, 90 * time.Second},
		"a minute: a tenth before": {time.Minute, 53 * time.Second, 2 * time.Second},
	} {
		t.Run(name, func(t *testing.T) {
			s := newService(t)
			s.respond(grant("a1", "r1", int(tt.life.Seconds())), grant("a2", "r2", 3600))
			c, k := s.clockedClient(t)
			ctx := t.Context()
			_, err := c.tokens.get(ctx)
			require.NoError(t, err)
			k.add(tt.quiet)
			_, err = c.tokens.get(ctx)
			require.NoError(t, err)
			require.True(t, c.tokens.idle(), "too early")
			require.Equal(t, []string{"password"}, s.grants())
			k.add(tt.early)
			got, err := c.tokens.get(ctx)
			require.NoError(t, err)
			require.Equal(t, "a1", got, "the old token serves meanwhile")
			require.Eventually(t, func() bool { return c.tokens.held() == "a2" }, 5*time.Second, time.Millisecond)
			require.Equal(t, []string{"password", "refresh_token"}, s.grants())
			require.Equal(t, "r1", s.logins[1].Get("refresh_token"))
		})
	}
}

func TestTokens_earlyRenewalFails(t *testing.T) {
	s := newService(t)
	s.respond(grant("a1", "r1", 3600), reply(503, `busy`))
	c, k := s.clockedClient(t)
	_, err := c.tokens.get(t.Context())
	require.NoError(t, err)
	k.add(59*time.Minute + time.Second)
	for range 20 {
		got, err := c.tokens.get(t.Context())
		require.NoError(t, err)
		require.Equal(t, "a1", got)
		require.Eventually(t, c.tokens.idle, 5*time.Second, time.Millisecond)
	}
	require.Equal(t, []string{"password", "refresh_token"}, s.grants(), "asked once, not at every call")
}

func TestTokens_unknownLifetime(t *testing.T) {
	for _, life := range []int{0, -10} {
		s := newService(t)
		s.respond(grant("a1", "r1", life))
		c, k := s.clockedClient(t)
		for range 5 {
			_, err := c.tokens.get(t.Context())
			require.NoError(t, err)
			k.add(24 * time.Hour)
		}
		require.Len(t, s.grants(), 1)
	}
}

func TestTokens_rotatingRefreshTokens(t *testing.T) {
	s := newService(t)
	s.respond(grant("a1", "r1", 10), grant("a2", "r2", 10), reply(200, `{"access_token":"a3","expires_in":10}`), grant("a4", "r4", 10))
	c, k := s.clockedClient(t)
	for want := range 4 {
		got, err := c.tokens.get(t.Context())
		require.NoError(t, err)
		require.Equal(t, fmt.Sprintf("a%d", want+1), got)
		k.add(11 * time.Second)
	}
	require.Equal(t, "r1", s.logins[1].Get("refresh_token"))
	require.Equal(t, "r2", s.logins[2].Get("refresh_token"))
	require.Equal(t, "r2", s.logins[3].Get("refresh_token"), "an answer without one keeps the last")
}

func TestTokens_errors(t *testing.T) {
	good := grant("a9", "r9", 3600)
	hang := func(_ http.ResponseWriter, r *http.Request) { <-r.Context().Done() }
	const password, refresh = "password", "refresh_token"
	for name, tt := range map[string]struct {
		token     []http.HandlerFunc
		expire    bool // the first token expires before the calls
		hangs     bool // the token service does not answer them
		calls     int  // calls that fail
		temporary bool
		code      string
		grants    []string
		recovers  bool
	}{
		"refused password is never tried again":   {token: []http.HandlerFunc{invalidGrant, good}, calls: 5, code: "invalid_grant", grants: []string{password}},
		"refused client is never tried again":     {token: []http.HandlerFunc{invalidClient, good}, calls: 5, code: "invalid_client", grants: []string{password}},
		"bare 401 to a password is a refusal":     {token: []http.HandlerFunc{reply(401, ``), good}, calls: 3, grants: []string{password}},
		"refusal with HTTP 200 is a refusal":      {token: []http.HandlerFunc{reply(200, `{"error":"invalid_grant"}`), good}, calls: 3, code: "invalid_grant", grants: []string{password}},
		"refusal labelled as text is a refusal":   {token: []http.HandlerFunc{reply(400, `{"error":"invalid_grant"}`, "Content-Type", "text/plain"), good}, calls: 3, code: "invalid_grant", grants: []string{password}},
		"refusal with HTTP 500 is a refusal":      {token: []http.HandlerFunc{reply(500, `{"error":"invalid_grant"}`), good}, calls: 3, code: "invalid_grant", grants: []string{password}},
		"wrong token URL":                         {token: []http.HandlerFunc{reply(404, `{}`), good}, calls: 1, grants: []string{password, password}, recovers: true},
		"redirect of the token request":           {token: []http.HandlerFunc{reply(302, ``, "Location", "/x"), good}, calls: 1, grants: []string{password, password}, recovers: true},
		"503 is temporary":                        {token: []http.HandlerFunc{reply(503, ``), good}, calls: 1, temporary: true, grants: []string{password, password}, recovers: true},
		"429 is temporary":                        {token: []http.HandlerFunc{reply(429, `{"error":"too_many"}`), good}, calls: 1, temporary: true, code: "too_many", grants: []string{password, password}, recovers: true},
		"server_error is temporary":               {token: []http.HandlerFunc{reply(400, `{"error":"server_error"}`), good}, calls: 1, temporary: true, code: "server_error", grants: []string{password, password}, recovers: true},
		"page is temporary":                       {token: []http.HandlerFunc{reply(403, `<html>no</html>`), good}, calls: 1, temporary: true, grants: []string{password, password}, recovers: true},
		"closed connection is temporary":          {token: []http.HandlerFunc{hangUp, good}, calls: 1, temporary: true, grants: []string{password, password}, recovers: true},
		"no answer is temporary":                  {token: []http.HandlerFunc{hang, good}, hangs: true, calls: 1, temporary: true, grants: []string{password, password}, recovers: true},
		"answer without a token is temporary":     {token: []http.HandlerFunc{reply(200, `{}`), good}, calls: 1, temporary: true, grants: []string{password, password}, recovers: true},
		"answer that is no JSON is temporary":     {token: []http.HandlerFunc{reply(200, `{"access_token":"leak-me`), good}, calls: 1, temporary: true, grants: []string{password, password}, recovers: true},
		"refused refresh: password, once":         {token: []http.HandlerFunc{grant("a1", "r1", 10), invalidGrant, good}, expire: true, grants: []string{password, refresh, password}, recovers: true},
		"refused refresh, password 503, password": {token: []http.HandlerFunc{grant("a1", "r1", 10), invalidGrant, reply(503, ``), good}, expire: true, calls: 1, temporary: true, grants: []string{password, refresh, password, password}, recovers: true},
		"refused refresh, refused password":       {token: []http.HandlerFunc{grant("a1", "r1", 10), invalidGrant}, expire: true, calls: 4, code: "invalid_grant", grants: []string{password, refresh, password}},
		"refresh 503: no password":                {token: []http.HandlerFunc{grant("a1", "r1", 10), reply(503, ``), good}, expire: true, calls: 1, temporary: true, grants: []string{password, refresh, refresh}, recovers: true},
		"refresh 500 invalid_grant: no password":  {token: []http.HandlerFunc{grant("a1", "r1", 10), reply(500, `{"error":"invalid_grant"}`), good}, expire: true, calls: 1, temporary: true, code: "invalid_grant", grants: []string{password, refresh, refresh}, recovers: true},
		"refresh, damaged 400: no password":       {token: []http.HandlerFunc{grant("a1", "r1", 10), reply(400, `{"error":"inva`), good}, expire: true, calls: 1, temporary: true, grants: []string{password, refresh, refresh}, recovers: true},
		"token labelled as text":                  {token: []http.HandlerFunc{reply(200, `{"access_token":"a9","expires_in":"3600"}`, "Content-Type", "text/plain; charset=utf-8")}, grants: []string{password}, recovers: true},
		"refresh, password missed: password":      {token: []http.HandlerFunc{grant("a1", "r1", 10), reply(422, `{"detail":[{"loc":["body","username"],"msg":"Field required"}]}`), good}, expire: true, grants: []string{password, refresh, password}, recovers: true},
		"refresh, bare 400: password":             {token: []http.HandlerFunc{grant("a1", "r1", 10), reply(400, ``), good}, expire: true, grants: []string{password, refresh, password}, recovers: true},
		"refresh refused in words: password":      {token: []http.HandlerFunc{grant("a1", "r1", 10), reply(400, `unknown grant`, "Content-Type", "text/plain"), good}, expire: true, grants: []string{password, refresh, password}, recovers: true},
		"refresh, 401 with a reason: password":    {token: []http.HandlerFunc{grant("a1", "r1", 10), reply(401, `{"detail":"the refresh token has expired"}`), good}, expire: true, grants: []string{password, refresh, password}, recovers: true},
		"refresh, bare 401: no password":          {token: []http.HandlerFunc{grant("a1", "r1", 10), reply(401, ``), good}, expire: true, calls: 1, grants: []string{password, refresh, refresh}, recovers: true},
		"refresh, page: no password":              {token: []http.HandlerFunc{grant("a1", "r1", 10), reply(400, `<html>no</html>`), good}, expire: true, calls: 1, temporary: true, grants: []string{password, refresh, refresh}, recovers: true},
		"refresh not granted: password":           {token: []http.HandlerFunc{grant("a1", "r1", 10), reply(400, `{"error":"unsupported_grant_type"}`), good}, expire: true, grants: []string{password, refresh, password}, recovers: true},
		"client may not refresh: password":        {token: []http.HandlerFunc{grant("a1", "r1", 10), reply(400, `{"error":"unauthorized_client"}`), good}, expire: true, grants: []string{password, refresh, password}, recovers: true},
		"refresh closed: no password":             {token: []http.HandlerFunc{grant("a1", "r1", 10), hangUp, good}, expire: true, calls: 1, temporary: true, grants: []string{password, refresh, refresh}, recovers: true},
		"refresh, no answer: no password":         {token: []http.HandlerFunc{grant("a1", "r1", 10), hang, good}, hangs: true, expire: true, calls: 1, temporary: true, grants: []string{password, refresh, refresh}, recovers: true},
		"refresh, client refused: final":          {token: []http.HandlerFunc{grant("a1", "r1", 10), invalidClient, good}, expire: true, calls: 3, code: "invalid_client", grants: []string{password, refresh}},
	} {
		t.Run(name, func(t *testing.T) {
			s := newService(t)
			s.answer = reply(200, `{"payload":[]}`)
			s.respond(tt.token...)
			c, k := s.clockedClient(t)
			if tt.expire {
				_, err := c.Login(t.Context())
				require.NoError(t, err)
				k.add(11 * time.Second)
			}
			usual := c.tokens.timeout
			if tt.hangs {
				c.tokens.timeout = 300 * time.Millisecond
			}
			for range tt.calls {
				_, err := trigger(t.Context(), c)
				e := asError(t, err)
				require.True(t, e.NotProcessed)
				require.Equal(t, tt.temporary, e.Temporary, err)
				require.Equal(t, tt.code, e.Code)
				require.Equal(t, "token", e.Call)
				require.NotContains(t, err.Error(), "leak-me")
				require.Contains(t, err.Error(), "trigger B2001 was not sent")
			}
			c.tokens.timeout = usual
			if tt.recovers {
				_, err := c.ListFiles(t.Context(), "")
				require.NoError(t, err)
				require.Equal(t, "Bearer a9", s.calls[0].header.Get("Authorization"))
			}
			require.Equal(t, tt.grants, s.grants())
		})
	}
}

// A password can be a common word: in a well-known sentence, a gap would reveal it.
func TestTokens_quotesErrorOnlyWithoutSecret(t *testing.T) {
	for said, want := range map[string]string{
		"The account is locked.":                                `: "The account is locked."; check username and password, and whether`,
		"The username or the password is " + testPassword + ".": "code invalid_grant; check username and password",
	} {
		s := newService(t)
		s.respond(reply(400, `{"error":"invalid_grant","error_description":"`+said+`"}`))
		_, err := s.client(t).Login(t.Context())
		require.ErrorContains(t, err, want)
		require.NotContains(t, err.Error(), "secret]")
		require.ErrorContains(t, err, "a worker tries them again only after a restart")
	}
}

// Only what was refused is to be checked: with an outage the credentials are fine.
func TestTokens_advice(t *testing.T) {
	const credentials = "client_secret|username and password"
	for name, tt := range map[string]struct {
		token     http.HandlerFunc
		plain     bool // the secret has letters and digits only
		want, not string
	}{
		"the user":           {token: invalidGrant, want: "check username and password", not: "client_"},
		"the client":         {token: invalidClient, want: "check client_id and client_secret; if they are right: .*form-encoded", not: "username"},
		"the client, plain":  {token: invalidClient, plain: true, want: "check client_id and client_secret; to avoid", not: "form-encoded"},
		"either":             {token: reply(401, ``), want: "check username and password, and client_id and client_secret.*form-encoded", not: "check check"},
		"the grant":          {token: reply(400, `{"error":"unauthorized_client"}`), want: "check what the client may do", not: credentials},
		"unavailable":        {token: reply(503, ``), want: "wait until IAM is available", not: credentials},
		"too many":           {token: reply(429, `{"error":"too_many"}`), want: "wait until IAM is available", not: credentials},
		"unreachable":        {token: hangUp, want: "check token_url, DNS, proxy", not: credentials + "|base_url"},
		"another address":    {token: reply(404, `{}`), want: "check token_url", not: credentials},
		"a gateway's answer": {token: reply(502, `<html>no</html>`), want: "wait until IAM is available", not: credentials},
	} {
		t.Run(name, func(t *testing.T) {
			s := newService(t)
			s.respond(tt.token)
			c := s.client(t)
			if tt.plain {
				c.tokens.conf.ClientID, c.tokens.conf.ClientSecret = "client-1", "letters0and1digits"
			}
			_, err := c.Login(t.Context())
			require.Regexp(t, tt.want, err.Error())
			require.NotRegexp(t, tt.not, err.Error())
		})
	}
}

func TestTokens_retryAfter(t *testing.T) {
	s := newService(t)
	s.respond(reply(429, `{}`, "Retry-After", "30"))
	_, err := s.client(t).Login(t.Context())
	require.Equal(t, 30*time.Second, asError(t, err).RetryAfter)
}

func TestDo_replaysAfter401(t *testing.T) {
	s := newService(t)
	s.answer = func(w http.ResponseWriter, r *http.Request) {
		if r.Header.Get("Authorization") == "Bearer token-1" {
			reply(401, `{"error":"expired"}`)(w, r)
			return
		}
		reply(200, `{"statusCode":"0","batchRunId":"B2001_1"}`)(w, r)
	}
	c := s.client(t)
	got, err := trigger(t.Context(), c)
	require.NoError(t, err)
	require.Equal(t, "B2001_1", got.(Run).ID)
	require.Equal(t, []string{"password", "refresh_token"}, s.grants())
	require.Equal(t, 2, s.count("calls"))
	require.Equal(t, s.calls[0].body, s.calls[1].body)
}

func TestDo_replays401Once(t *testing.T) {
	s := newService(t)
	s.answer = reply(401, `{"errorMessage":"no"}`)
	_, err := trigger(t.Context(), s.client(t))
	e := asError(t, err)
	require.True(t, e.NotProcessed)
	require.True(t, e.Temporary)
	require.Equal(t, 401, e.HTTPStatus)
	require.Equal(t, "no", e.Text)
	require.Equal(t, 2, s.count("calls"))
	require.Equal(t, []string{"password", "refresh_token"}, s.grants())
}

// The scheduler may relay the 401 of a service behind it when a run exists already.
func TestDo_doesNotReplay401ThatNamesARun(t *testing.T) {
	for _, body := range []string{
		`{"statusCode":"-1","batchRunId":"B2001_1"}`,
		`{"statusCode":"0"}`,
	} {
		s := newService(t)
		s.respond(grant("a1", "r1", 3600), grant("a2", "r2", 3600))
		s.answer = reply(401, body)
		_, err := trigger(t.Context(), s.client(t))
		e := asError(t, err)
		require.False(t, e.NotProcessed)
		require.Equal(t, adviceUnknown, e.Advice)
		require.Equal(t, 1, s.count("calls"), body)

		s.answer = reply(401, body, "Content-Type", "text/html")
		_, err = trigger(t.Context(), s.client(t))
		require.False(t, asError(t, err).NotProcessed)
		require.Equal(t, 2, s.count("calls"), "labelled as a page: "+body)
	}
}

func TestTokens_late401UsesRenewedToken(t *testing.T) {
	s := newService(t)
	c := s.client(t)
	c.tokens.keep(token("a2", "r2", time.Hour))
	got, err := c.tokens.renew(t.Context(), "a1")
	require.NoError(t, err)
	require.Equal(t, "a2", got)
	require.Empty(t, s.grants())
}

func TestTokens_concurrent401sRefreshOnce(t *testing.T) {
	const callers = 30
	s := newService(t)
	var all sync.WaitGroup
	all.Add(callers)
	s.answer = func(w http.ResponseWriter, r *http.Request) {
		if r.Header.Get("Authorization") == "Bearer token-1" {
			all.Done()
			all.Wait() // every caller is refused with the first token
			reply(401, ``)(w, r)
			return
		}
		reply(200, `{"payload":[]}`)(w, r)
	}
	c := s.client(t)
	var wg sync.WaitGroup
	for range callers {
		wg.Go(func() {
			_, err := c.ListFiles(t.Context(), "")
			require.NoError(t, err)
		})
	}
	wg.Wait()
	require.Equal(t, []string{"password", "refresh_token"}, s.grants())
	require.Equal(t, 2*callers, s.count("calls"))
}
