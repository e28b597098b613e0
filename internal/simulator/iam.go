package simulator

import (
	"crypto/subtle"
	"mime"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"
)

const (
	tokenPath      = "/oauth2/v1/token"
	scopeMyScopes  = "urn:opc:idm:__myscopes__"
	scopeOffline   = "offline_access"
	scopeExpiry    = "urn:opc:resource:expiry="
	wrongPasswords = 5 // in a row until the account is locked
)

// iam simulates the IAM tenant, with one client and one user. Source: chapter 2.
type iam struct {
	opts   Options
	quirks *quirkSet

	mu      sync.Mutex
	access  map[string]time.Time // token -> expiry
	refresh map[string]bool
	wrong   int
	issued  []string
}

func newIAM(opts Options, quirks *quirkSet) *iam {
	return &iam{opts: opts, quirks: quirks, access: map[string]time.Time{}, refresh: map[string]bool{}}
}

func oauthError(status int, code, description string) *response {
	r := codedResponse(status, code, fields{"error": code, "error_description": description})
	if status == http.StatusUnauthorized {
		r.header.Set("WWW-Authenticate", `Basic realm="IAM"`)
	}
	return r
}

func subjectGrant(_ *Simulator, c *call) {
	form, _ := url.ParseQuery(string(c.body))
	c.entry.Subject = form.Get("grant_type")
}

func (s *Simulator) token(c *call) *response {
	form, err := url.ParseQuery(string(c.body))
	if media, _, _ := mime.ParseMediaType(c.r.Header.Get("Content-Type")); err != nil || media != "application/x-www-form-urlencoded" {
		return oauthError(400, "invalid_request", "The body is not form encoded.")
	}
	if form.Has("client_id") || form.Has("client_secret") {
		c.entry.Note = "client credentials in the body"
		return oauthError(401, "invalid_client", "Client credentials are accepted in the Authorization header only.")
	}
	if !s.iam.knowsClient(c.r) {
		return oauthError(401, "invalid_client", "Client authentication failed.")
	}
	switch form.Get("grant_type") {
	case "password":
		return s.iam.password(form)
	case "refresh_token":
		return s.iam.renew(form.Get("refresh_token"))
	}
	return oauthError(400, "unsupported_grant_type", "The grant type is not supported.")
}

// knowsClient accepts the credentials raw, as in the document's curl command, or form-encoded, as in RFC 6749.
func (i *iam) knowsClient(r *http.Request) bool {
	id, secret, _ := r.BasicAuth()
	if same(id, i.opts.ClientID) && same(secret, i.opts.ClientSecret) {
		return true
	}
	id, errID := url.QueryUnescape(id)
	secret, errSecret := url.QueryUnescape(secret)
	return errID == nil && errSecret == nil && same(id, i.opts.ClientID) && same(secret, i.opts.ClientSecret)
}

func same(a, b string) bool { return subtle.ConstantTimeCompare([]byte(a), []byte(b)) == 1 }

func (i *iam) password(form url.Values) *response {
	scopes := strings.Fields(form.Get("scope"))
	if !slices.Contains(scopes, scopeMyScopes) {
		return oauthError(400, "invalid_scope", "The scope must hold "+scopeMyScopes+".")
	}
	if slices.Contains(scopes, scopeOffline) && i.quirks.has(NoRefreshToken) {
		return oauthError(400, "invalid_scope", "The scope "+scopeOffline+" is not allowed.")
	}
	i.mu.Lock()
	defer i.mu.Unlock()
	if i.wrong >= wrongPasswords {
		return oauthError(400, "invalid_grant", "The user account is locked.")
	}
	if !same(form.Get("username"), i.opts.Username) || !same(form.Get("password"), i.opts.Password) {
		i.wrong++
		return oauthError(400, "invalid_grant", "The username or the password is wrong.")
	}
	i.wrong = 0
	answer := i.issueAccess(i.lifetime(scopes))
	if slices.Contains(scopes, scopeOffline) {
		answer["refresh_token"] = i.issueRefresh()
	}
	return jsonResponse(200, answer)
}

func (i *iam) renew(token string) *response {
	i.mu.Lock()
	defer i.mu.Unlock()
	if !i.refresh[token] {
		return oauthError(400, "invalid_grant", "The refresh token is invalid or was used.")
	}
	answer := i.issueAccess(i.opts.TokenTTL)
	if i.quirks.has(RefreshRotates) {
		delete(i.refresh, token)
		token = i.issueRefresh()
	}
	answer["refresh_token"] = token
	return jsonResponse(200, answer)
}

// lifetime is how long a token lives: the scope may ask for more. Source: IFRS9 24C and CFE 26D, Generate Access Token.
func (i *iam) lifetime(scopes []string) time.Duration {
	for _, scope := range scopes {
		if seconds, ok := strings.CutPrefix(scope, scopeExpiry); ok {
			if n, err := strconv.Atoi(seconds); err == nil && n > 0 {
				return time.Duration(n) * time.Second
			}
		}
	}
	return i.opts.TokenTTL
}

func (i *iam) issueAccess(lifetime time.Duration) fields {
	token := randomText(768)
	i.access[token] = i.opts.Now().Add(lifetime)
	i.issued = append(i.issued, token)
	return fields{"access_token": token, "token_type": "Bearer", "expires_in": int(lifetime.Seconds())}
}

func (i *iam) issueRefresh() string {
	token := randomText(192)
	i.refresh[token] = true
	i.issued = append(i.issued, token)
	return token
}

func (i *iam) valid(r *http.Request) bool {
	token, ok := strings.CutPrefix(r.Header.Get("Authorization"), "Bearer ")
	i.mu.Lock()
	defer i.mu.Unlock()
	return ok && i.opts.Now().Before(i.access[token])
}

func (i *iam) expire(logins bool) {
	i.mu.Lock()
	defer i.mu.Unlock()
	clear(i.access)
	if logins {
		clear(i.refresh)
	}
}

func (i *iam) unlock() {
	i.mu.Lock()
	defer i.mu.Unlock()
	i.wrong = 0
}

func (i *iam) secrets() []string {
	i.mu.Lock()
	defer i.mu.Unlock()
	return slices.Clone(i.issued)
}
