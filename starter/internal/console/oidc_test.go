package console

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"io"
	"log/slog"
	"maps"
	"net/http"
	"net/http/cookiejar"
	"net/http/httptest"
	"net/url"
	"strings"
	"sync"
	"testing"
	"time"
	"unicode"

	"github.com/go-jose/go-jose/v4"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/pbsmflow/pbsmflow/internal/config"
)

// provider does what a real one does not: it signs whatever it should not, has another nonce, and no logout. Logins as they
// should be are tested with a real provider, in tests/e2e/console.
type provider struct {
	*httptest.Server

	t      *testing.T
	key    *ecdsa.PrivateKey
	claims map[string]any        // of whoever logs in
	codes  map[string]url.Values // the request of each code
	nonce  string                // in place of the requested one
	lasts  time.Duration         // an ID token

	refresh   string // the refresh token that it takes next
	padding   int    // the size of a refresh token beyond that of others
	refreshes int
	revoked   []string
}

func newProvider(t *testing.T) *provider {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	require.NoError(t, err)
	p := &provider{t: t, key: key, codes: map[string]url.Values{}, lasts: time.Hour}
	mux := http.NewServeMux()
	answer := func(w http.ResponseWriter, value any) {
		w.Header().Set("Content-Type", "application/json")
		assert.NoError(t, json.NewEncoder(w).Encode(value))
	}
	mux.HandleFunc("/.well-known/openid-configuration", func(w http.ResponseWriter, _ *http.Request) {
		answer(w, map[string]any{
			"issuer": p.URL, "authorization_endpoint": p.URL + "/authorize", "token_endpoint": p.URL + "/token",
			"jwks_uri": p.URL + "/keys", "revocation_endpoint": p.URL + "/revoke", "id_token_signing_alg_values_supported": []string{"ES256"},
		})
	})
	mux.HandleFunc("/keys", func(w http.ResponseWriter, _ *http.Request) {
		answer(w, jose.JSONWebKeySet{Keys: []jose.JSONWebKey{{Key: &key.PublicKey, KeyID: "1", Use: "sig", Algorithm: "ES256"}}})
	})
	mux.HandleFunc("/authorize", func(w http.ResponseWriter, r *http.Request) {
		code := rand.Text()
		p.codes[code] = r.URL.Query()
		back := url.Values{"code": {code}, "state": r.URL.Query()["state"]}
		http.Redirect(w, r, r.URL.Query().Get("redirect_uri")+"?"+back.Encode(), http.StatusSeeOther)
	})
	mux.HandleFunc("/token", func(w http.ResponseWriter, r *http.Request) {
		claims := map[string]any{"aud": "console"}
		if r.FormValue("grant_type") == "authorization_code" {
			asked, known := p.codes[r.FormValue("code")]
			sum := sha256.Sum256([]byte(r.FormValue("code_verifier")))
			challenge := "S256 " + base64.RawURLEncoding.EncodeToString(sum[:])
			if !known || asked.Get("code_challenge_method")+" "+asked.Get("code_challenge") != challenge {
				http.Error(w, "invalid_grant", http.StatusBadRequest)
				return
			}
			if claims["nonce"] = asked.Get("nonce"); p.nonce != "" {
				claims["nonce"] = p.nonce
			}
		} else if r.FormValue("refresh_token") != p.refresh {
			http.Error(w, "invalid_grant", http.StatusBadRequest)
			return
		} else {
			p.refreshes++
		}
		p.refresh = rand.Text() + randomHex(t, p.padding) // the last one was good once
		maps.Copy(claims, p.claims)
		answer(w, map[string]any{
			"access_token": "a", "token_type": "Bearer", "refresh_token": p.refresh, "expires_in": 3600,
			"id_token": p.token(claims),
		})
	})
	mux.HandleFunc("POST /revoke", func(_ http.ResponseWriter, r *http.Request) {
		p.revoked = append(p.revoked, r.FormValue("token_type_hint")+" "+r.FormValue("token")+" of "+r.FormValue("client_id"))
	})
	p.Server = httptest.NewServer(mux)
	t.Cleanup(p.Close)
	return p
}

// token is a signed ID token.
func (p *provider) token(claims map[string]any) string {
	all := map[string]any{"iss": p.URL, "sub": "1", "iat": time.Now().Unix(), "exp": time.Now().Add(p.lasts).Unix()}
	maps.Copy(all, claims)
	payload, err := json.Marshal(all)
	require.NoError(p.t, err)
	signer, err := jose.NewSigner(jose.SigningKey{Algorithm: jose.ES256, Key: jose.JSONWebKey{Key: p.key, KeyID: "1"}}, nil)
	require.NoError(p.t, err)
	signed, err := signer.Sign(payload)
	require.NoError(p.t, err)
	text, err := signed.CompactSerialize()
	require.NoError(p.t, err)
	return text
}

// withOIDC serves a console with the login oidc; the browser has its cookies.
func withOIDC(t *testing.T, p *provider, change ...func(*oidcLogin)) (address string, browser *http.Client) {
	t.Helper()
	var handler http.Handler
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { handler.ServeHTTP(w, r) }))
	t.Cleanup(server.Close)
	settings := config.Console{URL: server.URL, Login: config.Login{Kind: config.OIDCLogin, OIDC: config.OIDC{
		Issuer: p.URL, ClientID: "console", NameClaim: "preferred_username", GroupsClaim: "groups", Scopes: []string{"openid"},
	}}}
	login, err := OIDC(t.Context(), settings, slog.New(slog.DiscardHandler))
	require.NoError(t, err)
	for _, do := range change {
		do(login.(*oidcLogin))
	}
	c := newConsole(t, login, config.Role{Group: "night", Role: config.Operator}, config.Role{Group: "audit", Role: config.Viewer})
	c.Settings.Login.Kind = config.OIDCLogin
	handler = c.Handler()
	jar, err := cookiejar.New(nil)
	require.NoError(t, err)
	return server.URL, &http.Client{Jar: jar}
}

func open(t *testing.T, browser *http.Client, address string) (code int, body, at string) {
	t.Helper()
	return read(t)(browser.Get(address))
}

func read(t *testing.T) func(*http.Response, error) (int, string, string) {
	t.Helper()
	return func(answer *http.Response, err error) (int, string, string) {
		require.NoError(t, err)
		defer answer.Body.Close()
		body, err := io.ReadAll(answer.Body)
		require.NoError(t, err)
		return answer.StatusCode, string(body), answer.Request.URL.RequestURI()
	}
}

// Where the provider has no logout, the session ends here, and the page says what that leaves.
func TestOIDC_logsOutWithoutTheProvider(t *testing.T) {
	p := newProvider(t)
	p.claims = map[string]any{"preferred_username": "carol", "groups": "night"} // a single group is one, too
	address, browser := withOIDC(t, p)
	_, body, at := open(t, browser, address+"/w/"+closeID)
	require.Equal(t, "/w/"+closeID, at)
	require.Contains(t, body, "<strong>carol</strong> (operator)")
	code, body, _ := read(t)(browser.PostForm(address+"/logout", nil))
	require.Equal(t, http.StatusOK, code)
	require.Contains(t, body, "The provider of the login may still know you")
	require.Equal(t, []string{"refresh_token " + p.refresh + " of console"}, p.revoked, "a copy of the cookie cannot be refreshed")
	code, _, _ = read(t)(browser.PostForm(address+"/w/"+closeID, url.Values{"value": {"decide retry"}}))
	require.Equal(t, http.StatusUnauthorized, code)
}

// A session whose ID token has ended is refreshed by whatever is requested next, and once for all that is under way.
func TestOIDC_refreshesASession(t *testing.T) {
	p := newProvider(t)
	p.claims, p.lasts = map[string]any{"preferred_username": "carol", "groups": []string{"audit"}}, time.Second
	address, browser := withOIDC(t, p)
	_, body, _ := open(t, browser, address+"/")
	require.Contains(t, body, "(viewer)")
	p.claims["groups"], p.lasts = []string{"night"}, time.Hour
	clear(p.codes)
	before := p.refreshes       // a slow login may have needed one
	time.Sleep(2 * time.Second) // until the ID token has ended
	var all sync.WaitGroup
	for range 8 {
		all.Go(func() {
			code, _, at := read(t)(browser.PostForm(address+"/w/"+closeID, url.Values{"value": {"decide retry"}, "step": {"ledger"}}))
			assert.Equal(t, http.StatusOK, code)
			assert.Equal(t, "/w/"+closeID, at, "the form is taken, with the groups of now")
		})
	}
	all.Wait()
	_, body, _ = open(t, browser, address+"/inbox")
	require.Contains(t, body, "(operator)")
	require.Equal(t, before+1, p.refreshes)
	require.Empty(t, p.codes, "without another login")
}

func randomHex(t *testing.T, n int) string {
	t.Helper()
	all := make([]byte, n/2)
	_, err := rand.Read(all)
	require.NoError(t, err)
	return hex.EncodeToString(all)
}

// idGroups are n groups as a directory has them, and that of the operators.
func idGroups(t *testing.T, n int) (groups []string) {
	t.Helper()
	for range n {
		id := randomHex(t, 32)
		groups = append(groups, id[:8]+"-"+id[8:12]+"-"+id[12:16]+"-"+id[16:20]+"-"+id[20:])
	}
	return append(groups, "night")
}

// Whoever is in many groups logs in, and has a session that can be refreshed.
func TestOIDC_manyGroups(t *testing.T) {
	p := newProvider(t)
	p.claims = map[string]any{"preferred_username": "carol", "groups": idGroups(t, 150)}
	p.lasts, p.padding = time.Second, 2000
	address, browser := withOIDC(t, p)
	_, body, _ := open(t, browser, address+"/")
	require.Contains(t, body, "<strong>carol</strong> (operator)")
	u, err := url.Parse(address)
	require.NoError(t, err)
	line := 0
	for _, c := range browser.Jar.Cookies(u) {
		require.Less(t, len(c.String()), 4096, "a browser keeps it")
		line += len("; " + c.String())
	}
	require.Less(t, line+maxOutcome, 8000, "a proxy takes them")
	p.lasts = time.Hour
	clear(p.codes)
	before := p.refreshes       // a slow login may have needed one
	time.Sleep(2 * time.Second) // until the ID token has ended
	_, body, _ = open(t, browser, address+"/inbox")
	require.Contains(t, body, "(operator)")
	require.Equal(t, before+1, p.refreshes)
	require.Empty(t, p.codes, "without another login")

	p.claims["groups"], p.padding = []string{"night"}, 0
	_, _, _ = open(t, browser, address+"/login")
	require.Len(t, browser.Jar.Cookies(u), 1, "the second part is gone")
	_, body, _ = open(t, browser, address+"/inbox")
	require.Contains(t, body, "(operator)")
}

// Where only the groups fit, the session ends with its ID token.
func TestOIDC_groupsComeBeforeTheRefreshToken(t *testing.T) {
	p := newProvider(t)
	p.claims = map[string]any{"preferred_username": "carol", "groups": idGroups(t, 200)}
	p.lasts, p.padding = time.Second, 6000
	address, browser := withOIDC(t, p)
	_, body, _ := open(t, browser, address+"/")
	require.Contains(t, body, "(operator)")
	p.lasts = time.Hour
	clear(p.codes)
	time.Sleep(2 * time.Second)
	_, body, _ = open(t, browser, address+"/inbox")
	require.Contains(t, body, "(operator)")
	require.Zero(t, p.refreshes)
	require.Len(t, p.codes, 1, "the login begins anew at the provider, who knows the browser")
}

// Groups that cannot be kept end the login with a page: another redirect would lead back at once, and so on.
func TestOIDC_tooManyGroups(t *testing.T) {
	p := newProvider(t)
	p.claims = map[string]any{"preferred_username": "carol", "groups": idGroups(t, 600)}
	address, browser := withOIDC(t, p)
	refused := func() {
		t.Helper()
		code, body, _ := open(t, browser, address+"/")
		require.Equal(t, http.StatusForbidden, code)
		require.Contains(t, body, "Not logged in")
		require.Contains(t, body, "Your groups, 601, are too many for a cookie; an administrator can have the provider send only")
	}
	refused()
	p.claims["groups"], p.lasts = []string{"night"}, time.Second
	code, _, _ := open(t, browser, address+"/")
	require.Equal(t, http.StatusOK, code)
	p.claims["groups"], p.lasts = idGroups(t, 600), time.Hour
	time.Sleep(2 * time.Second) // until the ID token has ended: refreshed, the session does not fit
	refused()
}

// A provider may say where the groups are, instead of which.
func TestOIDC_groupsElsewhere(t *testing.T) {
	p := newProvider(t)
	p.claims = map[string]any{
		"preferred_username": "carol", "_claim_names": map[string]any{"groups": "src1"},
		"_claim_sources": map[string]any{"src1": map[string]any{"endpoint": p.URL + "/members"}},
	}
	address, browser := withOIDC(t, p)
	code, body, _ := open(t, browser, address+"/")
	require.Equal(t, http.StatusForbidden, code)
	require.Contains(t, body, "The provider does not send the groups of carol")
}

// However often it is refreshed, a session ends some time after its login.
func TestOIDC_sessionsEnd(t *testing.T) {
	p := newProvider(t)
	p.claims, p.lasts = map[string]any{"preferred_username": "carol", "groups": []string{"night"}}, time.Second
	var l *oidcLogin
	address, browser := withOIDC(t, p, func(login *oidcLogin) { l = login })
	form := func() int {
		code, _, _ := read(t)(browser.PostForm(address+"/w/"+closeID, url.Values{"value": {"decide retry"}, "step": {"ledger"}}))
		return code
	}
	open(t, browser, address+"/")
	p.lasts = time.Hour
	before := p.refreshes       // a slow login may have needed one
	time.Sleep(2 * time.Second) // until the ID token has ended
	require.Equal(t, http.StatusOK, form())
	require.Equal(t, before+1, p.refreshes)
	l.age = 1500 * time.Millisecond // since the login, which the refresh does not count as
	require.Equal(t, http.StatusUnauthorized, form())
}

// A form of a session that cannot be refreshed has no effect, and its page leads through the login back to itself.
func TestOIDC_aSessionThatCannotBeRefreshed(t *testing.T) {
	p := newProvider(t)
	p.claims, p.lasts = map[string]any{"preferred_username": "carol", "groups": []string{"night"}}, time.Second
	address, browser := withOIDC(t, p)
	open(t, browser, address+"/")
	p.refresh, p.lasts = "revoked", time.Hour
	time.Sleep(2 * time.Second)
	code, body, _ := read(t)(browser.PostForm(address+"/w/"+closeID, url.Values{"value": {"decide retry"}, "step": {"ledger"}, "why": {"it <came>"}}))
	require.Equal(t, http.StatusUnauthorized, code)
	require.Contains(t, body, "nothing was done. Your reason was: &#34;it &lt;came&gt;&#34;.")
	require.Contains(t, body, `href="/login?to=`+url.QueryEscape("/w/"+closeID)+`"`)
	code, body, at := open(t, browser, address+"/login?to="+url.QueryEscape("/w/"+closeID))
	require.Equal(t, http.StatusOK, code)
	require.Equal(t, "/w/"+closeID, at)
	require.Contains(t, body, "(operator)")
}

func TestOIDC_refusesLoginsThatAreNotIts(t *testing.T) {
	p := newProvider(t)
	p.claims = map[string]any{"preferred_username": "carol"}
	address, browser := withOIDC(t, p)
	code, body, _ := open(t, browser, address+"/login/callback?code=x&state=y")
	require.Equal(t, http.StatusForbidden, code)
	require.Contains(t, body, "began in another browser")

	stays := *browser
	stays.CheckRedirect = func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }
	_, _, _ = open(t, &stays, address+"/login")
	code, body, _ = open(t, browser, address+"/login/callback?code=x&state=y")
	require.Equal(t, http.StatusForbidden, code)
	require.Contains(t, body, "belongs to another login")

	p.nonce = "another"
	code, body, _ = open(t, browser, address+"/login")
	require.Equal(t, http.StatusForbidden, code)
	require.Contains(t, body, "The ID token belongs to another login")

	p.nonce, p.claims = "", map[string]any{"name": "Carol"}
	code, body, _ = open(t, browser, address+"/login")
	require.Equal(t, http.StatusForbidden, code)
	require.Contains(t, body, "no claim &#34;preferred_username&#34;")
}

func TestOIDC_tokensOfPrograms(t *testing.T) {
	p := newProvider(t)
	address, _ := withOIDC(t, p)
	carol := map[string]any{"aud": "console", "preferred_username": "carol", "groups": []string{"night"}}
	with := func(change map[string]any) string {
		claims := maps.Clone(carol)
		maps.Copy(claims, change)
		return p.token(claims)
	}
	good := with(nil)
	parts := strings.Split(good, ".")
	none := base64.RawURLEncoding.EncodeToString([]byte(`{"alg":"none"}`)) + "." + parts[1] + "."
	other := base64.RawURLEncoding.EncodeToString([]byte(`{"alg":"HS256","kid":"1"}`))
	mac := hmac.New(sha256.New, elliptic.Marshal(p.key.Curve, p.key.X, p.key.Y)) //nolint:staticcheck // what an attacker would do
	mac.Write([]byte(other + "." + parts[1]))
	symmetric := other + "." + parts[1] + "." + base64.RawURLEncoding.EncodeToString(mac.Sum(nil))
	stays := &http.Client{CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}
	for name, c := range map[string]struct {
		token string
		want  int
	}{
		"good":                       {good, http.StatusOK},
		"another audience":           {with(map[string]any{"aud": "payroll"}), http.StatusUnauthorized},
		"another issuer":             {with(map[string]any{"iss": "https://evil.example"}), http.StatusUnauthorized},
		"expired":                    {with(map[string]any{"exp": time.Now().Add(-time.Hour).Unix()}), http.StatusUnauthorized},
		"without a name":             {with(map[string]any{"preferred_username": ""}), http.StatusUnauthorized},
		"not signed":                 {none, http.StatusUnauthorized},
		"changed":                    {parts[0] + "." + parts[1] + "." + base64.RawURLEncoding.EncodeToString(make([]byte, 64)), http.StatusUnauthorized},
		"signed with the public key": {symmetric, http.StatusUnauthorized},
		"no token":                   {"carol", http.StatusUnauthorized},
	} {
		for _, path := range []string{"/", "/w/" + closeID, "/events?page=/", "/api/me"} {
			r, err := http.NewRequestWithContext(t.Context(), http.MethodGet, address+path, nil)
			require.NoError(t, err)
			r.Header.Set("Authorization", "bearer "+c.token)
			answer, err := stays.Do(r)
			require.NoError(t, err)
			require.NoError(t, answer.Body.Close())
			require.Equal(t, c.want, answer.StatusCode, "%s, for %s", name, path)
			require.Equal(t, c.want == http.StatusUnauthorized, answer.Header.Get("WWW-Authenticate") == "Bearer", name)
		}
	}
}

// otherCase changes each letter, so that the text is certainly another.
func otherCase(letter rune) rune {
	if unicode.IsUpper(letter) {
		return unicode.ToLower(letter)
	}
	return unicode.ToUpper(letter)
}

func TestOIDC_cookiesCannotBeMadeUp(t *testing.T) {
	p := newProvider(t)
	p.claims = map[string]any{"preferred_username": "carol", "groups": []string{"night"}}
	address, browser := withOIDC(t, p)
	_, _, _ = open(t, browser, address+"/")
	u, err := url.Parse(address)
	require.NoError(t, err)
	session := ""
	for _, c := range browser.Jar.Cookies(u) {
		if c.Name == sessionCookie[0] {
			session = c.Value
		}
	}
	require.NotEmpty(t, session)
	stays := &http.Client{CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}
	for name, c := range map[string]struct {
		value string
		want  int
	}{
		"its own":  {session, http.StatusOK},
		"changed":  {strings.Map(otherCase, session), http.StatusSeeOther},
		"made up":  {base64.RawURLEncoding.EncodeToString([]byte(`{"n":"carol","u":"2099-01-01T00:00:00Z"}`)), http.StatusSeeOther},
		"not even": {"%%%", http.StatusSeeOther},
	} {
		r, err := http.NewRequestWithContext(t.Context(), http.MethodGet, address+"/", nil)
		require.NoError(t, err)
		r.AddCookie(&http.Cookie{Name: sessionCookie[0], Value: c.value})
		code, _, _ := read(t)(stays.Do(r))
		require.Equal(t, c.want, code, name)
	}
}

func TestLocalPath(t *testing.T) {
	for to, want := range map[string]string{
		"":                     "/",
		"/w/close/1?x=1":       "/w/close/1?x=1",
		"//evil.example/":      "/",
		"https://evil.example": "/",
		"/\\evil.example":      "/",
		"javascript:alert(1)":  "/",
		"w/1":                  "/",

		"/" + strings.Repeat("x", maxPath): "/", // it would not fit into a cookie
	} {
		require.Equal(t, want, localPath(to), to)
	}
}
