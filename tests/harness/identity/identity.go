// Package identity is an OpenID provider for the tests: the protocol is that of zitadel/oidc, with discovery, the code
// flow with PKCE, refresh tokens that are good once, the device flow, and logout. People and pages are its own.
package identity

import (
	"context"
	"crypto/rand"
	"encoding/pem"
	"fmt"
	"html/template"
	"io"
	"net/http"
	"net/http/cookiejar"
	"net/http/httptest"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"github.com/zitadel/oidc/v3/pkg/op"
)

// Password is everybody's.
const Password = "horse"

// Clients of the provider.
const (
	ConsoleClient = "console"
	ConsoleSecret = "the console's secret"
	DeviceClient  = "starter"
)

// Provider is a running provider.
type Provider struct {
	Issuer string // https://127.0.0.1:PORT
	// CAFile has the certificate that programs must trust: SSL_CERT_FILE.
	CAFile string
	Server *httptest.Server

	*storage
}

// Start starts a provider that knows people, each with the groups of theirs. It ends with the test.
func Start(t testing.TB, people map[string][]string) *Provider {
	t.Helper()
	var handler http.Handler
	server := httptest.NewTLSServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { handler.ServeHTTP(w, r) }))
	t.Cleanup(server.Close)
	p := &Provider{Issuer: server.URL, CAFile: filepath.Join(t.TempDir(), "ca.pem"), Server: server, storage: newStorage(t, people)}
	certificate := pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: server.Certificate().Raw})
	require.NoError(t, os.WriteFile(p.CAFile, certificate, 0o600))
	config := &op.Config{
		CodeMethodS256:        true,
		AuthMethodPost:        true,
		GrantTypeRefreshToken: true,
		SupportedScopes:       []string{"openid", "profile", "offline_access", "groups"},
		DeviceAuthorization: op.DeviceAuthorizationConfig{
			Lifetime: time.Minute, PollInterval: time.Second, UserFormPath: "/device", UserCode: op.UserCodeBase20,
		},
	}
	_, err := rand.Read(config.CryptoKey[:])
	require.NoError(t, err)
	provider, err := op.NewProvider(config, p.storage, op.StaticIssuer(p.Issuer))
	require.NoError(t, err)
	mux := http.NewServeMux()
	mux.HandleFunc("GET "+loginPath, func(w http.ResponseWriter, r *http.Request) { p.login(w, r, provider) })
	mux.HandleFunc("POST "+loginPath, func(w http.ResponseWriter, r *http.Request) { p.login(w, r, provider) })
	mux.HandleFunc("GET /device", func(w http.ResponseWriter, r *http.Request) { p.show(w, "device", r, "") })
	mux.HandleFunc("POST /device", p.device)
	mux.Handle("/", provider)
	handler = mux
	return p
}

const (
	loginPath     = "/sign-in"
	sessionCookie = "provider_session"
)

var pages = template.Must(template.New("").Parse(`
{{define "login"}}<!doctype html><html lang=en><title>Provider</title><h1>Log in at the provider</h1><p role=alert>{{.Problem}}</p>
<form method=post>{{template "person"}}<input type=hidden name=id value="{{.Form.Get "id"}}"><button>Log in</button></form>{{end}}
{{define "device"}}<!doctype html><html lang=en><title>Provider</title><h1>Log a device in</h1><p role=alert>{{.Problem}}</p>
<form method=post>{{template "person"}}<label>Code <input name=user_code value="{{.Form.Get "user_code"}}"></label><button>Allow</button></form>{{end}}
{{define "person"}}<label>Name <input name=user></label><label>Password <input name=password type=password></label>{{end}}
`))

func (p *Provider) show(w http.ResponseWriter, page string, r *http.Request, problem string) {
	_ = r.ParseForm()
	_ = pages.ExecuteTemplate(w, page, map[string]any{"Form": r.Form, "Problem": problem})
}

// login is the provider's form. Whom it knows by a session it does not ask.
func (p *Provider) login(w http.ResponseWriter, r *http.Request, o op.OpenIDProvider) {
	user := ""
	if cookie, err := r.Cookie(sessionCookie); err == nil {
		user = p.sessionOf(cookie.Value)
	}
	if r.Method == http.MethodPost {
		if user = r.FormValue("user"); !p.knows(user, r.FormValue("password")) {
			p.show(w, "login", r, "the name or the password is wrong")
			return
		}
		http.SetCookie(w, &http.Cookie{Name: sessionCookie, Value: p.newSession(user), Path: "/", HttpOnly: true, Secure: true})
	}
	if user == "" {
		p.show(w, "login", r, "")
		return
	}
	id := r.FormValue("id")
	if !p.authenticated(id, user) {
		p.show(w, "login", r, "the login has ended")
		return
	}
	ctx := op.ContextWithIssuer(r.Context(), p.Issuer)
	http.Redirect(w, r, op.AuthCallbackURL(o)(ctx, id), http.StatusFound)
}

// device is the form where somebody lets a device log in.
func (p *Provider) device(w http.ResponseWriter, r *http.Request) {
	user := r.FormValue("user")
	if !p.knows(user, r.FormValue("password")) || !p.allow(r.FormValue("user_code"), user) {
		p.show(w, "device", r, "the name, the password or the code is wrong")
		return
	}
	_, _ = io.WriteString(w, "The device is logged in.")
}

// Client is a browser without a window, with cookies of its own, that trusts the provider.
func (p *Provider) Client(t testing.TB) *http.Client {
	t.Helper()
	jar, err := cookiejar.New(nil)
	require.NoError(t, err)
	return &http.Client{Jar: jar, Transport: p.Server.Client().Transport}
}

// Login opens a page of the console as somebody, through the provider's form.
func (p *Provider) Login(t testing.TB, client *http.Client, page, user string) {
	t.Helper()
	form := do(t, client, http.MethodGet, page, nil)
	require.Equal(t, loginPath, form.Request.URL.Path, "the provider asks who it is")
	form.Request.URL.RawQuery = "id=" + url.QueryEscape(form.Request.URL.Query().Get("id"))
	answer := do(t, client, http.MethodPost, form.Request.URL.String(), url.Values{"user": {user}, "password": {Password}})
	require.Equal(t, page, answer.Request.URL.String(), "back to the page")
}

// Allow lets a device log in as somebody: address is what the device shows.
func (p *Provider) Allow(t testing.TB, address, user string) {
	t.Helper()
	u, err := url.Parse(address)
	require.NoError(t, err)
	do(t, p.Client(t), http.MethodPost, address, url.Values{
		"user": {user}, "password": {Password}, "user_code": {u.Query().Get("user_code")},
	})
}

func do(t testing.TB, client *http.Client, method, address string, form url.Values) *http.Response {
	t.Helper()
	r, err := http.NewRequestWithContext(context.Background(), method, address, strings.NewReader(form.Encode()))
	require.NoError(t, err)
	if form != nil {
		r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	}
	answer, err := client.Do(r)
	require.NoError(t, err)
	defer answer.Body.Close()
	text, err := io.ReadAll(answer.Body)
	require.NoError(t, err)
	require.Equal(t, http.StatusOK, answer.StatusCode, fmt.Sprintf("%s %s: %s", method, address, text))
	return answer
}
