package identity

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"errors"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/go-jose/go-jose/v4"
	"github.com/stretchr/testify/require"
	"github.com/zitadel/oidc/v3/pkg/oidc"
	"github.com/zitadel/oidc/v3/pkg/op"
)

// storage is what the provider knows. What a login does not need is missing: it would panic.
type storage struct {
	op.Storage

	key *ecdsa.PrivateKey

	mu       sync.Mutex
	people   map[string][]string // the groups of each
	consoles []string            // addresses
	lasts    time.Duration       // an ID token
	sessions map[string]string   // of the provider: the person of each cookie
	logins   map[string]*grant   // under way
	codes    map[string]string   // the id of the login of each code
	refresh  map[string]*grant
	access   map[string]*grant
	devices  map[string]*device // by device code
}

// grant is a login, and what its tokens are for.
type grant struct {
	oidc.AuthRequest

	id, user string
	at       time.Time
}

type device struct {
	op.DeviceAuthorizationState

	userCode string
}

func newStorage(t testing.TB, people map[string][]string) *storage {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	require.NoError(t, err)
	return &storage{
		key: key, people: people, lasts: time.Hour, sessions: map[string]string{}, logins: map[string]*grant{}, codes: map[string]string{},
		refresh: map[string]*grant{}, access: map[string]*grant{}, devices: map[string]*device{},
	}
}

// Register lets a console log people in.
func (s *storage) Register(console string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.consoles = append(s.consoles, console)
}

// Lasts is how long the next ID tokens are valid.
func (s *storage) Lasts(d time.Duration) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.lasts = d
}

// Join gives somebody other groups.
func (s *storage) Join(user string, groups ...string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.people[user] = groups
}

// Revoke ends the sessions of somebody: the provider's own, and the refresh tokens of every client.
func (s *storage) Revoke(user string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	forget := func(tokens map[string]*grant) {
		for token, g := range tokens {
			if g.user == user {
				delete(tokens, token)
			}
		}
	}
	forget(s.refresh)
	forget(s.access)
	for id, who := range s.sessions {
		if who == user {
			delete(s.sessions, id)
		}
	}
}

// KnowsSession reports whether somebody has a session at the provider.
func (s *storage) KnowsSession(user string) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, who := range s.sessions {
		if who == user {
			return true
		}
	}
	return false
}

func (s *storage) knows(user, password string) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	_, ok := s.people[user]
	return ok && password == Password
}

func (s *storage) newSession(user string) string {
	s.mu.Lock()
	defer s.mu.Unlock()
	id := rand.Text()
	s.sessions[id] = user
	return id
}

func (s *storage) sessionOf(id string) string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.sessions[id]
}

// authenticated notes who logs in.
func (s *storage) authenticated(id, user string) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	g, ok := s.logins[id]
	if ok {
		g.user, g.at = user, time.Now()
	}
	return ok
}

func (s *storage) allow(userCode, user string) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, d := range s.devices {
		if d.userCode == userCode && userCode != "" {
			d.Done, d.Subject, d.AuthTime = true, user, time.Now()
			return true
		}
	}
	return false
}

func (g *grant) GetID() string                      { return g.id }
func (g *grant) GetACR() string                     { return "" }
func (g *grant) GetAMR() []string                   { return []string{"pwd"} }
func (g *grant) GetAudience() []string              { return []string{g.ClientID} }
func (g *grant) GetAuthTime() time.Time             { return g.at }
func (g *grant) GetClientID() string                { return g.ClientID }
func (g *grant) GetNonce() string                   { return g.Nonce }
func (g *grant) GetRedirectURI() string             { return g.RedirectURI }
func (g *grant) GetResponseType() oidc.ResponseType { return g.ResponseType }
func (g *grant) GetResponseMode() oidc.ResponseMode { return g.ResponseMode }
func (g *grant) GetScopes() []string                { return g.Scopes }
func (g *grant) SetCurrentScopes(scopes []string)   { g.Scopes = scopes }
func (g *grant) GetState() string                   { return g.State }
func (g *grant) GetSubject() string                 { return g.user }
func (g *grant) Done() bool                         { return g.user != "" }
func (g *grant) GetCodeChallenge() *oidc.CodeChallenge {
	return &oidc.CodeChallenge{Challenge: g.CodeChallenge, Method: g.CodeChallengeMethod}
}

func (s *storage) CreateAuthRequest(_ context.Context, r *oidc.AuthRequest, _ string) (op.AuthRequest, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	g := &grant{AuthRequest: *r, id: rand.Text()}
	s.logins[g.id] = g
	return g, nil
}

func (s *storage) AuthRequestByID(_ context.Context, id string) (op.AuthRequest, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if g, ok := s.logins[id]; ok {
		return g, nil
	}
	return nil, errors.New("there is no such login")
}

func (s *storage) AuthRequestByCode(ctx context.Context, code string) (op.AuthRequest, error) {
	s.mu.Lock()
	id := s.codes[code]
	s.mu.Unlock()
	return s.AuthRequestByID(ctx, id)
}

func (s *storage) SaveAuthCode(_ context.Context, id, code string) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.codes[code] = id
	return nil
}

func (s *storage) DeleteAuthRequest(_ context.Context, id string) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.logins, id)
	return nil
}

func (s *storage) CreateAccessToken(_ context.Context, r op.TokenRequest) (string, time.Time, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	id := rand.Text()
	s.access[id] = grantOf(r)
	return id, time.Now().Add(s.lasts), nil
}

func (s *storage) CreateAccessAndRefreshTokens(ctx context.Context, r op.TokenRequest, current string) (string, string, time.Time, error) {
	id, until, err := s.CreateAccessToken(ctx, r)
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.refresh, current)
	next := rand.Text()
	s.refresh[next] = grantOf(r)
	return id, next, until, err
}

func grantOf(r op.TokenRequest) *grant {
	g := &grant{user: r.GetSubject(), at: time.Now()}
	g.Scopes = r.GetScopes()
	g.ResponseType = oidc.ResponseTypeCode
	if request, ok := r.(interface{ GetClientID() string }); ok {
		g.ClientID = request.GetClientID()
	}
	return g
}

func (s *storage) TokenRequestByRefreshToken(_ context.Context, token string) (op.RefreshTokenRequest, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if g, ok := s.refresh[token]; ok {
		return g, nil
	}
	return nil, op.ErrInvalidRefreshToken
}

func (s *storage) TerminateSession(_ context.Context, user, _ string) error {
	s.Revoke(user)
	return nil
}

func (s *storage) GetRefreshTokenInfo(_ context.Context, _, token string) (user, id string, err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if g, ok := s.refresh[token]; ok {
		return g.user, token, nil
	}
	return "", "", op.ErrInvalidRefreshToken
}

func (s *storage) RevokeToken(_ context.Context, token, _, _ string) *oidc.Error {
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.refresh, token)
	delete(s.access, token)
	return nil
}

type signingKey struct{ key *ecdsa.PrivateKey }

func (signingKey) ID() string                                  { return "1" }
func (signingKey) SignatureAlgorithm() jose.SignatureAlgorithm { return jose.ES256 }
func (k signingKey) Key() any                                  { return k.key }

type publicKey struct{ key *ecdsa.PrivateKey }

func (publicKey) ID() string                         { return "1" }
func (publicKey) Algorithm() jose.SignatureAlgorithm { return jose.ES256 }
func (publicKey) Use() string                        { return "sig" }
func (k publicKey) Key() any                         { return &k.key.PublicKey }

func (s *storage) SigningKey(context.Context) (op.SigningKey, error) { return signingKey{s.key}, nil }
func (s *storage) KeySet(context.Context) ([]op.Key, error)          { return []op.Key{publicKey{s.key}}, nil }
func (s *storage) SignatureAlgorithms(context.Context) ([]jose.SignatureAlgorithm, error) {
	return []jose.SignatureAlgorithm{jose.ES256}, nil
}
func (s *storage) Health(context.Context) error { return nil }

func (s *storage) GetPrivateClaimsFromScopes(context.Context, string, string, []string) (map[string]any, error) {
	return map[string]any{}, nil
}

func (s *storage) SetUserinfoFromScopes(context.Context, *oidc.UserInfo, string, string, []string) error {
	return nil
}

func (s *storage) SetUserinfoFromRequest(_ context.Context, info *oidc.UserInfo, r op.IDTokenRequest, _ []string) error {
	return s.describe(info, r.GetSubject())
}

func (s *storage) SetUserinfoFromToken(_ context.Context, info *oidc.UserInfo, _, subject, _ string) error {
	return s.describe(info, subject)
}

func (s *storage) describe(info *oidc.UserInfo, user string) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	groups, ok := s.people[user]
	if !ok {
		return errors.New("there is nobody of this name")
	}
	info.Subject, info.PreferredUsername = user, user
	info.AppendClaims("groups", groups)
	return nil
}

func (s *storage) StoreDeviceAuthorization(_ context.Context, client, code, userCode string, expires time.Time, scopes []string) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.devices[code] = &device{op.DeviceAuthorizationState{ClientID: client, Scopes: scopes, Expires: expires}, userCode}
	return nil
}

func (s *storage) GetDeviceAuthorizatonState(_ context.Context, client, code string) (*op.DeviceAuthorizationState, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	d, ok := s.devices[code]
	if !ok || d.ClientID != client {
		return nil, errors.New("there is no such device")
	}
	state := d.DeviceAuthorizationState
	if state.Done {
		delete(s.devices, code) // a code is good once
	}
	return &state, nil
}

func (s *storage) GetClientByClientID(_ context.Context, id string) (op.Client, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	switch id {
	case ConsoleClient:
		return &client{id: id, lasts: s.lasts, consoles: slices.Clone(s.consoles), kind: op.ApplicationTypeWeb}, nil
	case DeviceClient:
		return &client{id: id, lasts: s.lasts, kind: op.ApplicationTypeNative}, nil
	}
	return nil, errors.New("there is no such client")
}

func (s *storage) AuthorizeClientIDSecret(_ context.Context, id, secret string) error {
	if id != ConsoleClient || secret != ConsoleSecret {
		return errors.New("the secret is wrong")
	}
	return nil
}

// client is the console, or the starter.
type client struct {
	id       string
	kind     op.ApplicationType
	lasts    time.Duration
	consoles []string
}

func (c *client) at(path string) (addresses []string) {
	for _, console := range c.consoles {
		addresses = append(addresses, console+path)
	}
	return addresses
}

func (c *client) GetID() string                       { return c.id }
func (c *client) RedirectURIs() []string              { return c.at("/login/callback") }
func (c *client) PostLogoutRedirectURIs() []string    { return c.at("/logged-out") }
func (c *client) ApplicationType() op.ApplicationType { return c.kind }
func (c *client) AuthMethod() oidc.AuthMethod {
	if c.kind == op.ApplicationTypeNative {
		return oidc.AuthMethodNone
	}
	return oidc.AuthMethodBasic
}
func (c *client) ResponseTypes() []oidc.ResponseType {
	return []oidc.ResponseType{oidc.ResponseTypeCode}
}
func (c *client) GrantTypes() []oidc.GrantType {
	if c.kind == op.ApplicationTypeNative {
		return []oidc.GrantType{oidc.GrantTypeDeviceCode, oidc.GrantTypeRefreshToken}
	}
	return []oidc.GrantType{oidc.GrantTypeCode, oidc.GrantTypeRefreshToken}
}
func (c *client) LoginURL(id string) string           { return loginPath + "?id=" + id }
func (c *client) AccessTokenType() op.AccessTokenType { return op.AccessTokenTypeBearer }
func (c *client) IDTokenLifetime() time.Duration      { return c.lasts }
func (c *client) DevMode() bool                       { return false }
func (c *client) RestrictAdditionalIdTokenScopes() func([]string) []string { //nolint:revive,staticcheck // the name is op.Client's
	return func(scopes []string) []string { return scopes }
}
func (c *client) RestrictAdditionalAccessTokenScopes() func([]string) []string {
	return func(scopes []string) []string { return scopes }
}
func (c *client) IsScopeAllowed(scope string) bool     { return scope == "groups" }
func (c *client) IDTokenUserinfoClaimsAssertion() bool { return true }
func (c *client) ClockSkew() time.Duration             { return 0 }
