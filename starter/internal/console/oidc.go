package console

import (
	"cmp"
	"context"
	"crypto/aes"
	"crypto/cipher"
	"crypto/rand"
	"crypto/subtle"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"net/url"
	"strings"
	"time"

	"github.com/coreos/go-oidc/v3/oidc"
	"golang.org/x/oauth2"

	"github.com/pbsmflow/pbsmflow/internal/config"
	"github.com/pbsmflow/pbsmflow/internal/encryption"
	"github.com/pbsmflow/pbsmflow/starter/internal/login"
)

const (
	sessionCookie = "pbsm_session"
	attemptCookie = "pbsm_login"
	// attemptAge is how long somebody may take to log in at the provider.
	attemptAge = 10 * time.Minute
	// sessionAge is how long a session can be refreshed without logging in again.
	sessionAge = 12 * time.Hour
	// maxCookie is what browsers keep, in bytes.
	maxCookie = 4000
	// providerTimeout is for one call to the provider.
	providerTimeout = 20 * time.Second
)

// oidcLogin is the login oidc: the code flow of OpenID Connect with PKCE. The session is in a cookie that only the
// console can read, so that several consoles with one key share it.
type oidcLogin struct {
	settings config.OIDC
	provider *oidc.Provider
	verifier *oidc.IDTokenVerifier // of the console's own tokens
	programs *oidc.IDTokenVerifier // of the starter's
	oauth    oauth2.Config
	seal     cipher.AEAD
	secure   bool
	log      *slog.Logger
}

// OIDC is the login oidc of the settings. It asks the provider for its addresses.
func OIDC(ctx context.Context, settings config.Console, log *slog.Logger) (Login, error) {
	o := settings.Login.OIDC
	asking, cancel := context.WithTimeout(ctx, providerTimeout)
	defer cancel()
	provider, err := oidc.NewProvider(asking, o.Issuer)
	if err != nil {
		return nil, fmt.Errorf("the provider of console.login.oidc.issuer cannot be used: %w", err)
	}
	key := make([]byte, 32)
	if text := settings.SessionKey.Expose(); text != "" {
		if key, err = encryption.ParseKey(text); err != nil {
			return nil, err
		}
	} else if _, err := rand.Read(key); err != nil {
		return nil, err
	}
	block, err := aes.NewCipher(key)
	if err != nil {
		return nil, err
	}
	seal, err := cipher.NewGCMWithRandomNonce(block)
	return &oidcLogin{
		settings: o,
		provider: provider,
		verifier: provider.Verifier(&oidc.Config{ClientID: o.ClientID}),
		programs: provider.Verifier(&oidc.Config{ClientID: cmp.Or(o.DeviceClientID, o.ClientID)}),
		oauth: oauth2.Config{
			ClientID:     o.ClientID,
			ClientSecret: o.ClientSecret.Expose(),
			Endpoint:     provider.Endpoint(),
			RedirectURL:  strings.TrimRight(settings.Address(), "/") + "/login/callback",
			Scopes:       o.Scopes,
		},
		seal:   seal,
		secure: strings.HasPrefix(settings.Address(), "https:"),
		log:    log,
	}, err
}

// session is what the cookie of somebody who is logged in holds.
type session struct {
	Name    string    `json:"n"`
	Groups  []string  `json:"g,omitempty"`
	Until   time.Time `json:"u"`
	Refresh string    `json:"r,omitempty"`
}

// attempt is what the cookie of somebody who is logging in holds.
type attempt struct {
	State    string    `json:"s"`
	Nonce    string    `json:"n"`
	Verifier string    `json:"v"`
	To       string    `json:"t"`
	Until    time.Time `json:"u"`
}

func (l *oidcLogin) LoginPath() string { return "/login" }

func (l *oidcLogin) Routes(mux *http.ServeMux) {
	mux.HandleFunc("GET /login", l.begin)
	mux.HandleFunc("GET /login/callback", l.callback)
	mux.HandleFunc("POST /logout", l.logout)
	mux.HandleFunc("GET /api/login", func(w http.ResponseWriter, _ *http.Request) {
		answerAPI(w, http.StatusOK, login.Provider{
			Issuer:   l.settings.Issuer,
			ClientID: cmp.Or(l.settings.DeviceClientID, l.settings.ClientID),
			Scopes:   l.settings.Scopes,
		})
	})
	mux.HandleFunc("GET /logged-out", func(w http.ResponseWriter, _ *http.Request) {
		_, _ = w.Write([]byte("You are logged out of the console. The provider may still know you.\n"))
	})
}

// Person is who the session's cookie names, or the token of a program: an ID token of the provider for the console.
func (l *oidcLogin) Person(r *http.Request) (Person, bool) {
	if token, ok := strings.CutPrefix(r.Header.Get("Authorization"), "Bearer "); ok {
		s, err := l.verify(r.Context(), l.programs, token, "")
		if err != nil {
			l.log.Warn("refused a token", "path", r.URL.Path, "from", r.RemoteAddr, "why", err)
		}
		return Person{s.Name, s.Groups}, err == nil
	}
	var s session
	if !l.read(r, sessionCookie, &s) || time.Now().After(s.Until) {
		return Person{}, false
	}
	return Person{s.Name, s.Groups}, true
}

// begin sends the browser to the provider, unless the session can be refreshed.
func (l *oidcLogin) begin(w http.ResponseWriter, r *http.Request) {
	to := localPath(r.URL.Query().Get("to"))
	var old session
	if l.read(r, sessionCookie, &old) && old.Refresh != "" {
		if s, err := l.refresh(r.Context(), old); err == nil {
			l.keepSession(w, s)
			http.Redirect(w, r, to, http.StatusSeeOther) //nolint:gosec // a path of this console: see localPath
			return
		}
	}
	a := attempt{rand.Text(), rand.Text(), oauth2.GenerateVerifier(), to, time.Now().Add(attemptAge)}
	l.keep(w, attemptCookie, a, attemptAge)
	provider := l.oauth.AuthCodeURL(a.State, oidc.Nonce(a.Nonce), oauth2.S256ChallengeOption(a.Verifier))
	http.Redirect(w, r, provider, http.StatusSeeOther)
}

// callback takes the code with which the provider sends the browser back.
func (l *oidcLogin) callback(w http.ResponseWriter, r *http.Request) {
	var a attempt
	query := r.URL.Query()
	switch known := l.read(r, attemptCookie, &a); {
	case !known || time.Now().After(a.Until):
		l.refuse(w, r, errors.New("the login has taken too long, or began in another browser"))
		return
	case subtle.ConstantTimeCompare([]byte(a.State), []byte(query.Get("state"))) != 1:
		l.refuse(w, r, errors.New("the answer of the provider belongs to another login"))
		return
	case query.Get("error") != "":
		l.refuse(w, r, fmt.Errorf("the provider says %q: %s", query.Get("error"), query.Get("error_description")))
		return
	}
	l.forget(w, attemptCookie)
	ctx, cancel := context.WithTimeout(r.Context(), providerTimeout)
	defer cancel()
	token, err := l.oauth.Exchange(ctx, query.Get("code"), oauth2.VerifierOption(a.Verifier))
	if err != nil {
		l.refuse(w, r, fmt.Errorf("the provider did not take the code: %w", err))
		return
	}
	s, err := l.sessionOf(ctx, token, a.Nonce)
	if err != nil {
		l.refuse(w, r, err)
		return
	}
	l.log.Info("logged in", "name", s.Name, "groups", s.Groups, "from", r.RemoteAddr)
	l.keepSession(w, s)
	http.Redirect(w, r, a.To, http.StatusSeeOther)
}

func (l *oidcLogin) logout(w http.ResponseWriter, r *http.Request) {
	l.forget(w, sessionCookie)
	http.Redirect(w, r, "/logged-out", http.StatusSeeOther)
}

func (l *oidcLogin) refuse(w http.ResponseWriter, r *http.Request, err error) {
	l.log.Warn("refused a login", "from", r.RemoteAddr, "why", err)
	http.Error(w, "You are not logged in: "+err.Error()+". Open the console again to try once more.", http.StatusForbidden)
}

func (l *oidcLogin) refresh(ctx context.Context, old session) (session, error) {
	ctx, cancel := context.WithTimeout(ctx, providerTimeout)
	defer cancel()
	token, err := l.oauth.TokenSource(ctx, &oauth2.Token{RefreshToken: old.Refresh}).Token()
	if err != nil {
		return session{}, err
	}
	s, err := l.sessionOf(ctx, token, "")
	if err == nil && s.Name != old.Name {
		err = errors.New("the provider refreshed the session of somebody else")
	}
	return s, err
}

func (l *oidcLogin) sessionOf(ctx context.Context, token *oauth2.Token, nonce string) (session, error) {
	raw, _ := token.Extra("id_token").(string)
	if raw == "" {
		return session{}, errors.New("the provider gave no ID token")
	}
	s, err := l.verify(ctx, l.verifier, raw, nonce)
	s.Refresh = token.RefreshToken
	return s, err
}

// verify reads who an ID token is about. A nonce is compared where there is one.
func (l *oidcLogin) verify(ctx context.Context, of *oidc.IDTokenVerifier, raw, nonce string) (session, error) {
	token, err := of.Verify(ctx, raw)
	if err != nil {
		return session{}, fmt.Errorf("the ID token is not valid: %w", err)
	}
	if nonce != "" && subtle.ConstantTimeCompare([]byte(token.Nonce), []byte(nonce)) != 1 {
		return session{}, errors.New("the ID token belongs to another login")
	}
	var claims map[string]any
	if err := token.Claims(&claims); err != nil {
		return session{}, err
	}
	s := session{Until: token.Expiry}
	if s.Name, _ = claims[l.settings.NameClaim].(string); strings.TrimSpace(s.Name) == "" {
		return session{}, fmt.Errorf("the ID token has no claim %q (console.login.oidc.name_claim)", l.settings.NameClaim)
	}
	switch groups := claims[l.settings.GroupsClaim].(type) {
	case string:
		s.Groups = []string{groups}
	case []any:
		for _, group := range groups {
			if name, ok := group.(string); ok {
				s.Groups = append(s.Groups, name)
			}
		}
	}
	return s, nil
}

// keepSession keeps a session in its cookie. One that is too large for a browser cannot be refreshed.
func (l *oidcLogin) keepSession(w http.ResponseWriter, s session) {
	if len(s.Refresh) > maxCookie/2 {
		s.Refresh = ""
	}
	l.keep(w, sessionCookie, s, sessionAge)
}

// keep seals a value into a cookie, for which the cookie's name is authenticated as well.
func (l *oidcLogin) keep(w http.ResponseWriter, name string, value any, age time.Duration) {
	text, err := json.Marshal(value)
	sealed := base64.RawURLEncoding.EncodeToString(l.seal.Seal(nil, nil, text, []byte(name)))
	if err != nil || len(sealed) > maxCookie {
		l.log.Error("a cookie is too large: the groups of the login do not fit", "cookie", name, "bytes", len(sealed))
		return
	}
	http.SetCookie(w, l.cookie(name, sealed, int(age.Seconds())))
}

func (l *oidcLogin) forget(w http.ResponseWriter, name string) {
	http.SetCookie(w, l.cookie(name, "", -1))
}

func (l *oidcLogin) cookie(name, value string, age int) *http.Cookie {
	return &http.Cookie{ //nolint:gosec // secure unless the console is on the loopback
		Name:     name,
		Value:    value,
		Path:     "/",
		MaxAge:   age,
		Secure:   l.secure,
		HttpOnly: true,
		SameSite: http.SameSiteLaxMode,
	}
}

func (l *oidcLogin) read(r *http.Request, name string, value any) bool {
	cookie, err := r.Cookie(name)
	if err != nil {
		return false
	}
	sealed, err := base64.RawURLEncoding.DecodeString(cookie.Value)
	if err != nil {
		return false
	}
	text, err := l.seal.Open(nil, nil, sealed, []byte(name))
	return err == nil && json.Unmarshal(text, value) == nil
}

// localPath is where to go after the login: a page of the console, never another site.
func localPath(to string) string {
	u, err := url.Parse(to)
	if err != nil || u.Scheme != "" || u.Host != "" || !strings.HasPrefix(u.Path, "/") || strings.HasPrefix(to, "//") ||
		strings.Contains(to, "\\") {
		return "/"
	}
	return u.RequestURI()
}
