package console

import (
	"bytes"
	"cmp"
	"compress/flate"
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
	"sync"
	"time"

	"github.com/coreos/go-oidc/v3/oidc"
	"golang.org/x/oauth2"

	"github.com/pbsmflow/pbsmflow/internal/config"
	"github.com/pbsmflow/pbsmflow/internal/encryption"
	"github.com/pbsmflow/pbsmflow/starter/internal/login"
)

// parts are the names of the cookies that a value is split over: a browser keeps 4 KB of each.
type parts []string

var (
	// sessionCookie has a second part for somebody in many groups. It has no third: with the outcome of a command all
	// cookies have to fit into a header line of 8 KB, which is the most for many a proxy.
	sessionCookie = parts{"pbsm_session", "pbsm_session_2"}
	attemptCookie = parts{"pbsm_login"}
)

const (
	// maxPart is the size of a cookie's value in bytes. A part of that size is followed by the next one.
	maxPart = 3000
	// maxPath is the size of a path in bytes that is kept during a login.
	maxPath = 1000
	// attemptAge is how long somebody may take to log in at the provider.
	attemptAge = 10 * time.Minute
	// sessionAge is how long a session can be used, and refreshed, without logging in again.
	sessionAge = 12 * time.Hour
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
	age      time.Duration // of the oldest session
	log      *slog.Logger

	address    string // of the console
	endSession string // where the provider logs out; empty where it cannot

	mu        sync.Mutex
	refreshed map[string]func() (session, error) // the sessions by their last refresh token
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
	var more struct {
		EndSession string `json:"end_session_endpoint"` // OpenID Connect RP-Initiated Logout 1.0, chapter 2.1
	}
	if err := provider.Claims(&more); err != nil {
		return nil, fmt.Errorf("the provider of console.login.oidc.issuer cannot be used: %w", err)
	}
	address := strings.TrimRight(settings.Address(), "/")
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
			RedirectURL:  address + "/login/callback",
			Scopes:       o.Scopes,
		},
		seal:       seal,
		age:        sessionAge,
		secure:     strings.HasPrefix(address, "https:"),
		log:        log,
		address:    address,
		endSession: more.EndSession,
		refreshed:  map[string]func() (session, error){},
	}, err
}

// session is what the cookie of somebody who is logged in holds.
type session struct {
	Name    string    `json:"n"`
	Groups  []string  `json:"g,omitempty"`
	Began   time.Time `json:"b"` // the login: whatever is refreshed, the session ends twelve hours later
	Until   time.Time `json:"u"`
	Refresh string    `json:"r,omitempty"`
	IDToken string    `json:"i,omitempty"` // with which the provider knows whom to log out
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

func (l *oidcLogin) Routes(mux *http.ServeMux, show Show) {
	mux.HandleFunc("GET /login", l.begin)
	mux.HandleFunc("GET /login/callback", func(w http.ResponseWriter, r *http.Request) {
		if to, err := l.callback(w, r); err != nil {
			l.log.Warn("refused a login", "from", r.RemoteAddr, "why", err)
			show(w, http.StatusForbidden, Notice{"Not logged in", sentence(err), "Try once more", cmp.Or(to, "/")})
		} else {
			http.Redirect(w, r, to, http.StatusSeeOther) //nolint:gosec // a path of this console: see localPath
		}
	})
	mux.HandleFunc("POST /logout", func(w http.ResponseWriter, r *http.Request) { l.logout(w, r, show) })
	mux.HandleFunc("GET /api/login", func(w http.ResponseWriter, _ *http.Request) {
		answerAPI(w, http.StatusOK, login.Provider{
			Issuer:   l.settings.Issuer,
			ClientID: cmp.Or(l.settings.DeviceClientID, l.settings.ClientID),
			Scopes:   l.settings.Scopes,
		})
	})
	mux.HandleFunc("GET /logged-out", func(w http.ResponseWriter, _ *http.Request) {
		text := "You are logged out of the console."
		if l.endSession == "" {
			text += " The provider of the login may still know you: close the browser on a machine that others use, too."
		}
		show(w, http.StatusOK, Notice{"Logged out", text, "Log in again", "/"})
	})
}

// Person is who the session's cookie names, or the token of a program: an ID token of the provider for the console. A
// session that has ended is refreshed, unless w is nil: then no cookie can be set any more.
func (l *oidcLogin) Person(w http.ResponseWriter, r *http.Request) (Person, bool) {
	if token, ok := bearer(r); ok {
		s, err := l.verify(r.Context(), l.programs, token, "")
		if err != nil {
			l.log.Warn("refused a token", "path", r.URL.Path, "from", r.RemoteAddr, "why", err)
		}
		return Person{s.Name, s.Groups}, err == nil
	}
	var s session
	if !l.read(r, sessionCookie, &s) || time.Since(s.Began) > l.age {
		return Person{}, false
	}
	if time.Now().After(s.Until) {
		if w == nil || s.Refresh == "" {
			return Person{}, false
		}
		next, err := l.refreshOnce(r.Context(), s)
		if err == nil {
			err = l.keepSession(w, next)
		}
		if err != nil {
			l.log.Warn("a session could not be refreshed", "name", s.Name, "from", r.RemoteAddr, "why", err)
			return Person{}, false
		}
		s = next
	}
	return Person{s.Name, s.Groups}, true
}

// begin sends the browser to the provider.
func (l *oidcLogin) begin(w http.ResponseWriter, r *http.Request) {
	a := attempt{rand.Text(), rand.Text(), oauth2.GenerateVerifier(), localPath(r.URL.Query().Get("to")),
		time.Now().Add(attemptAge)}
	if err := l.keep(w, attemptCookie, a, attemptAge); err != nil {
		l.log.Error("a login cannot begin", "from", r.RemoteAddr, "why", err)
	}
	provider := l.oauth.AuthCodeURL(a.State, oidc.Nonce(a.Nonce), oauth2.S256ChallengeOption(a.Verifier))
	http.Redirect(w, r, provider, http.StatusSeeOther)
}

// callback takes the code with which the provider sends the browser back, and returns where that wanted to go.
func (l *oidcLogin) callback(w http.ResponseWriter, r *http.Request) (to string, err error) {
	var a attempt
	query := r.URL.Query()
	switch known := l.read(r, attemptCookie, &a); {
	case !known || time.Now().After(a.Until):
		return "", errors.New("the login has taken too long, or began in another browser")
	case subtle.ConstantTimeCompare([]byte(a.State), []byte(query.Get("state"))) != 1:
		return "", errors.New("the answer of the provider belongs to another login")
	case query.Get("error") != "":
		return a.To, fmt.Errorf("the provider says %q: %s", query.Get("error"), query.Get("error_description"))
	}
	l.forget(w, attemptCookie)
	ctx, cancel := context.WithTimeout(r.Context(), providerTimeout)
	defer cancel()
	token, err := l.oauth.Exchange(ctx, query.Get("code"), oauth2.VerifierOption(a.Verifier))
	if err != nil {
		return a.To, fmt.Errorf("the provider did not take the code: %w", err)
	}
	s, err := l.sessionOf(ctx, token, a.Nonce)
	if err != nil {
		return a.To, err
	}
	s.Began = time.Now()
	if err := l.keepSession(w, s); err != nil {
		return a.To, err
	}
	l.log.Info("logged in", "name", s.Name, "groups", s.Groups, "from", r.RemoteAddr)
	return a.To, nil
}

// logout ends the session here, and then at the provider where that can (RP-Initiated Logout). The browser goes there
// from a page, since the policy lets no form lead to another site.
func (l *oidcLogin) logout(w http.ResponseWriter, r *http.Request, show Show) {
	var s session
	if l.read(r, sessionCookie, &s) {
		l.log.Info("logged out", "name", s.Name, "from", r.RemoteAddr)
		l.revoke(r.Context(), s)
	}
	l.forget(w, sessionCookie)
	l.forget(w, attemptCookie)
	provider, err := url.Parse(l.endSession)
	if l.endSession == "" || err != nil {
		http.Redirect(w, r, "/logged-out", http.StatusSeeOther)
		return
	}
	query := provider.Query()
	query.Set("client_id", l.settings.ClientID)
	query.Set("post_logout_redirect_uri", l.address+"/logged-out")
	if s.IDToken != "" {
		query.Set("id_token_hint", s.IDToken)
	}
	provider.RawQuery = query.Encode()
	w.Header().Set("Refresh", "0; url="+provider.String())
	show(w, http.StatusOK, Notice{"Logging out",
		"You are logged out of the console, and next at the provider of the login.", "Continue", provider.String()})
}

// revoke ends a session for who has a copy of its cookie: the provider takes its refresh token no more.
func (l *oidcLogin) revoke(ctx context.Context, s session) {
	if s.Refresh == "" {
		return
	}
	ctx, cancel := context.WithTimeout(ctx, providerTimeout)
	defer cancel()
	if err := login.Revoke(ctx, l.provider, l.oauth.ClientID, l.oauth.ClientSecret, s.Refresh); err != nil {
		l.log.Warn("the provider did not end a session", "name", s.Name, "why", err)
	}
}

// refreshKept is how long the outcome of a refresh is kept for other requests with the same cookie: a browser has
// several under way, and many providers take a refresh token once.
const refreshKept = time.Minute

// refreshOnce refreshes a session, once for all requests with the same cookie.
func (l *oidcLogin) refreshOnce(ctx context.Context, old session) (session, error) {
	l.mu.Lock()
	do, ok := l.refreshed[old.Refresh]
	if !ok {
		do = sync.OnceValues(func() (session, error) { return l.refresh(context.WithoutCancel(ctx), old) })
		l.refreshed[old.Refresh] = do
		time.AfterFunc(refreshKept, func() { l.forgetRefresh(old.Refresh) })
	}
	l.mu.Unlock()
	s, err := do()
	if err != nil {
		l.forgetRefresh(old.Refresh) // the provider may answer the next time
	}
	return s, err
}

func (l *oidcLogin) forgetRefresh(token string) {
	l.mu.Lock()
	defer l.mu.Unlock()
	delete(l.refreshed, token)
}

func (l *oidcLogin) refresh(ctx context.Context, old session) (session, error) {
	ctx, cancel := context.WithTimeout(ctx, providerTimeout)
	defer cancel()
	token, err := l.oauth.TokenSource(ctx, &oauth2.Token{RefreshToken: old.Refresh}).Token()
	if err != nil {
		return session{}, err
	}
	s, err := l.sessionOf(ctx, token, "")
	s.Began = old.Began
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
	s.Refresh, s.IDToken = token.RefreshToken, raw
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
	if elsewhere, _ := claims["_claim_names"].(map[string]any); elsewhere[l.settings.GroupsClaim] != nil {
		// A distributed claim, OpenID Connect Core 5.6.2: so some providers do with hundreds of groups.
		return session{}, fmt.Errorf("the provider does not send the groups of %s, but says where they are: an administrator "+
			"can have it send only those of the console in the claim %q", s.Name, l.settings.GroupsClaim)
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

// keepSession keeps a session in its cookie. What does not fit is left out: without its ID token the provider may ask who
// logs out, and without its refresh token the session ends with its ID token. Its groups are all kept, since a pipeline
// may name any of them; an error says that they do not fit, after which nobody may be sent to log in once more.
func (l *oidcLogin) keepSession(w http.ResponseWriter, s session) error {
	err := l.keep(w, sessionCookie, s, sessionAge)
	if errors.Is(err, errTooLarge) {
		s.IDToken = ""
		err = l.keep(w, sessionCookie, s, sessionAge)
	}
	if errors.Is(err, errTooLarge) && s.Refresh != "" {
		l.log.Warn("a session is kept without its refresh token: the groups leave no room for it", "name", s.Name,
			"groups", len(s.Groups), "refresh token", len(s.Refresh))
		s.Refresh = ""
		err = l.keep(w, sessionCookie, s, sessionAge)
	}
	if errors.Is(err, errTooLarge) {
		return fmt.Errorf("your groups, %d, are too many for a cookie; an administrator can have the provider send only "+
			"those of the console in the claim %q: %w", len(s.Groups), l.settings.GroupsClaim, err)
	}
	return err
}

// errTooLarge is the error of a value that does not fit into its cookies.
var errTooLarge = errors.New("the browser would not keep it")

// keep keeps a value in its cookies, sealed; their name is authenticated as well. Groups with the ids of a directory take
// half the room when compressed.
func (l *oidcLogin) keep(w http.ResponseWriter, names parts, value any, age time.Duration) error {
	var text bytes.Buffer
	packed, err := flate.NewWriter(&text, flate.BestCompression)
	if err != nil {
		return err
	}
	if err := errors.Join(json.NewEncoder(packed).Encode(value), packed.Close()); err != nil {
		return err
	}
	rest := base64.RawURLEncoding.EncodeToString(l.seal.Seal(nil, nil, text.Bytes(), []byte(names[0])))
	if most := maxPart * len(names); len(rest) > most {
		return fmt.Errorf("%w: %d bytes, more than %d", errTooLarge, len(rest), most)
	}
	for _, name := range names {
		part := rest[:min(maxPart, len(rest))]
		rest = rest[len(part):]
		if part == "" {
			http.SetCookie(w, l.cookie(name, "", -1)) // of a longer value before
			continue
		}
		http.SetCookie(w, l.cookie(name, part, int(age.Seconds())))
	}
	return nil
}

func (l *oidcLogin) forget(w http.ResponseWriter, names parts) {
	for _, name := range names {
		http.SetCookie(w, l.cookie(name, "", -1))
	}
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

func (l *oidcLogin) read(r *http.Request, names parts, value any) bool {
	whole := ""
	for _, name := range names {
		part, err := r.Cookie(name)
		if err != nil {
			break
		}
		if whole += part.Value; len(part.Value) < maxPart {
			break
		}
	}
	sealed, err := base64.RawURLEncoding.DecodeString(whole)
	if err != nil {
		return false
	}
	text, err := l.seal.Open(nil, nil, sealed, []byte(names[0]))
	return err == nil && json.NewDecoder(flate.NewReader(bytes.NewReader(text))).Decode(value) == nil
}

// bearer is the token of a program. The name of the scheme is in any case (RFC 9110, chapter 11.1).
func bearer(r *http.Request) (string, bool) {
	scheme, token, _ := strings.Cut(r.Header.Get("Authorization"), " ")
	return strings.TrimSpace(token), strings.EqualFold(scheme, "Bearer")
}

// localPath is where to go after the login: a page of the console, never another site.
func localPath(to string) string {
	u, err := url.Parse(to)
	if err != nil || u.Scheme != "" || u.Host != "" || !strings.HasPrefix(u.Path, "/") || strings.HasPrefix(to, "//") ||
		strings.Contains(to, "\\") || len(to) > maxPath {
		return "/"
	}
	return u.RequestURI()
}
