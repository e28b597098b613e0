package config

import (
	"crypto/ed25519"
	"errors"
	"fmt"
	"maps"
	"net"
	"net/netip"
	"net/url"
	"slices"
	"strings"

	"github.com/pbsmflow/pbsmflow/internal/encryption"
	"github.com/pbsmflow/pbsmflow/internal/httpx"
	"github.com/pbsmflow/pbsmflow/internal/proof"
)

// Commands says whose commands the workers accept.
type Commands struct {
	// Keys are the public keys of the consoles, by a name of your own: the line that starter console key prints,
	// or {file: PATH} with its PEM file. A command that one of them signed has a proved name.
	Keys map[string]Secret `koanf:"keys" jsonschema_extras:"keys=name"`
	// RequireProof refuses every command that no console signed, whether it comes from a terminal, the Temporal
	// UI or another workflow, and every start but those of schedules.
	RequireProof bool `koanf:"require_proof"`

	public map[string]ed25519.PublicKey
}

// PublicKeys are the keys by name.
func (c Commands) PublicKeys() map[string]ed25519.PublicKey { return c.public }

// Kinds of login, and roles from the least to the most.
const (
	NoLogin    = "none"
	ProxyLogin = "proxy"
	OIDCLogin  = "oidc"

	Viewer   = "viewer"
	Operator = "operator"
	Approver = "approver"
)

// Console are the settings of the operator's console, starter console.
type Console struct {
	// Listen is the address, HOST:PORT, of the pages.
	Listen string `koanf:"listen" jsonschema:"format=address"`
	// URL is the address by which browsers reach the console, for links in messages and for cookies. The default is
	// http:// and the address of Listen; but without the key, no message has a link to the console.
	URL string `koanf:"url"`
	// Metrics is the address, HOST:PORT, of a page of metrics for Prometheus, which needs no login. Default: none.
	Metrics string `koanf:"metrics" jsonschema:"format=address"`
	// ForStarter has the starter send its commands through the console at url, under the name of the operator who ran
	// starter login.
	ForStarter bool `koanf:"for_starter"`
	// SigningKey is the file of the private key that signs commands, as starter console key writes it. Without it the
	// names of commands are unproved.
	SigningKey string `koanf:"signing_key"`
	// SessionKey encrypts the cookies: 32 bytes in base64 (openssl rand -base64 32). Without it the console makes one at
	// its start, and everybody logs in again afterwards; several consoles behind one address need the same one.
	SessionKey Secret `koanf:"session_key"`
	// Login says who an operator is.
	Login Login `koanf:"login"`
	// Roles say what the members of a group may do. Whoever is in none may do nothing. Without roles, and with the login
	// none, the operating-system user that runs the console is operator and approver of every connection.
	Roles []Role `koanf:"roles"`
}

// Login says who an operator is.
type Login struct {
	// Kind is how operators log in: none (everyone is the operating-system user that runs the console, which listens on
	// the loopback only), proxy (headers of a proxy in front) or oidc (OpenID Connect).
	Kind string `koanf:"kind" jsonschema:"enum=none,enum=proxy,enum=oidc"`
	// OIDC is for the kind oidc.
	OIDC OIDC `koanf:"oidc"`
	// Proxy is for the kind proxy.
	Proxy Proxy `koanf:"proxy"`
}

// OIDC is the provider of OpenID Connect.
type OIDC struct {
	// Issuer is the address of the provider.
	Issuer string `koanf:"issuer"`
	// ClientID is the console's id there. Its redirect address there is the console's URL and /login/callback.
	ClientID string `koanf:"client_id"`
	// DeviceClientID is the starter's id there: a public client with the device flow, for the command login. The default
	// is client_id.
	DeviceClientID string `koanf:"device_client_id"`
	// ClientSecret is the secret of that client_id; a public client has none.
	ClientSecret Secret `koanf:"client_secret"`
	// NameClaim is the claim that holds the name.
	NameClaim string `koanf:"name_claim" jsonschema:"format=text"`
	// GroupsClaim is the claim that holds the groups, a list of texts.
	GroupsClaim string `koanf:"groups_claim" jsonschema:"format=text"`
	// Scopes are what is requested at login. openid is one of them; some providers want one for the groups, and some
	// have no offline_access, without which a session ends with its first token.
	Scopes []string `koanf:"scopes"`
}

// Proxy is a proxy in front of the console that logs operators in.
type Proxy struct {
	// NameHeader is the header with the name.
	NameHeader string `koanf:"name_header" jsonschema:"format=header"`
	// GroupsHeader is the header with the groups, separated by commas.
	GroupsHeader string `koanf:"groups_header" jsonschema:"format=header"`
	// From are the addresses of the proxy, such as 10.1.2.3/32. Requests from elsewhere are refused.
	From []string `koanf:"from"`
}

// Role is what the members of a group may do.
type Role struct {
	// Group is a group, as the login names it.
	Group string `koanf:"group" jsonschema:"required,format=text"`
	// Role is what they may do: viewer (see everything), operator (send commands as well) or approver (approve as well).
	Role string `koanf:"role" jsonschema:"required,enum=viewer,enum=operator,enum=approver"`
	// Connections are those that the role is for; without the key, all.
	Connections []string `koanf:"connections" jsonschema:"minItems=1"`
}

func consoleDefaults() Console {
	return Console{
		Listen: "127.0.0.1:8484",
		Login: Login{
			Kind: NoLogin,
			OIDC: OIDC{
				NameClaim:   "preferred_username",
				GroupsClaim: "groups",
				Scopes:      []string{"openid", "profile", "email", "offline_access"},
			},
			Proxy: Proxy{NameHeader: "X-Forwarded-User", GroupsHeader: "X-Forwarded-Groups"},
		},
	}
}

// Address is where browsers reach the console.
func (c Console) Address() string {
	if c.URL != "" {
		return c.URL
	}
	return "http://" + c.Listen
}

// WorkflowURL is the page of a workflow on the console, at its questions; empty where no url is set, as nobody else
// reaches the loopback.
func (c Console) WorkflowURL(id string) string {
	if c.URL == "" {
		return ""
	}
	return strings.TrimSuffix(c.URL, "/") + (&url.URL{Path: "/w/" + id, Fragment: "questions"}).String()
}

// CheckListen refuses an address that is not of the loopback, for a login that takes everybody who reaches it for you.
func (c Console) CheckListen() error {
	if c.Login.Kind != NoLogin {
		return nil
	}
	host, _, err := net.SplitHostPort(c.Listen)
	if err != nil || host != "localhost" && !net.ParseIP(host).IsLoopback() {
		return fmt.Errorf("%q is not on the loopback: without a login, everybody who reaches the console is you;"+
			" listen on 127.0.0.1, or set console.login.kind", c.Listen)
	}
	return nil
}

// LoadConsole reads the settings of the console and none of the workers' secrets. Without a configuration they are the
// defaults.
func LoadConsole(path string, env []string) (Console, error) {
	l, err := open(path, env)
	if errors.Is(err, ErrNone) {
		return consoleDefaults(), nil
	}
	if err != nil {
		return Console{}, err
	}
	c, raw := consoleDefaults(), l.k.Raw()
	l.console(&c, raw)
	v := l.checker()
	v.console(&c, slices.Sorted(maps.Keys(l.section(raw, "connections"))))
	v.consoleSecrets(&c)
	return c, l.err(v.List)
}

func (v *checker) commands(c *Commands) {
	c.public = map[string]ed25519.PublicKey{}
	byID := map[string]string{}
	for _, name := range slices.Sorted(maps.Keys(c.Keys)) {
		key := "commands.keys." + name
		v.name(key, name)
		public, err := v.publicKey(c.Keys[name])
		v.check(key, err)
		if err != nil {
			continue
		}
		id := proof.KeyID(public)
		v.want(byID[id] == "", key, "is the same key as %s", byID[id])
		byID[id], c.public[name] = key, public
	}
	v.want(!c.RequireProof || len(c.Keys) > 0 || v.known.Touches("commands.keys"), "commands.require_proof",
		"needs a key in commands.keys: without one every command would be refused")
}

// publicKey reads a key from where a Secret may be. It is no secret itself: in a file it may have several lines.
func (v *checker) publicKey(from Secret) (ed25519.PublicKey, error) {
	text := from.value
	switch {
	case from.file != "":
		content, err := proof.ReadKeyFile(within(v.folder, from.file))
		if err != nil {
			return nil, err
		}
		text = string(content)
	case from.env != "":
		text = v.env[from.env]
	}
	return proof.ParsePublicKey(text)
}

func (v *checker) console(c *Console, connections []string) {
	v.want(isListenAddress(c.Listen), "console.listen", "must be an address such as :8484 or 127.0.0.1:8484")
	v.check("console.listen", c.CheckListen())
	v.want(c.Metrics == "" || isListenAddress(c.Metrics), "console.metrics", "must be an address such as :9092 or 127.0.0.1:9092")
	v.want(c.URL == "" || isAddress(c.URL), "console.url", "must be an address such as https://console.bank.example")
	v.want(!c.ForStarter || c.URL != "", "console.for_starter", "needs console.url")
	v.login("console.login", &c.Login, c.URL)
	for i, role := range c.Roles {
		key := fmt.Sprintf("console.roles.%d", i)
		v.check(key+".group", httpx.CheckHeaderValue(role.Group))
		v.oneOf(key+".role", role.Role, Viewer, Operator, Approver)
		for j, name := range role.Connections {
			v.want(slices.Contains(connections, name), fmt.Sprintf("%s.connections.%d", key, j),
				"%q is not among the connections", name)
		}
	}
}

// consoleSecrets reads what only the console has: a worker whose configuration is the same file must not need it.
func (v *checker) consoleSecrets(c *Console) {
	if c.SigningKey != "" {
		c.SigningKey = within(v.folder, c.SigningKey)
		text, err := proof.ReadKeyFile(c.SigningKey)
		if err == nil {
			_, err = proof.NewSigner(text)
		}
		v.check("console.signing_key", err)
	}
	if c.SessionKey != (Secret{}) && v.secret("console.session_key", &c.SessionKey) == nil {
		_, err := encryption.ParseKey(c.SessionKey.Expose())
		v.check("console.session_key", err)
	}
	if secret := &c.Login.OIDC.ClientSecret; *secret != (Secret{}) {
		_ = v.secret("console.login.oidc.client_secret", secret)
	}
}

func (v *checker) login(key string, l *Login, consoleURL string) {
	v.oneOf(key+".kind", l.Kind, NoLogin, ProxyLogin, OIDCLogin)
	v.check(key+".oidc.name_claim", httpx.CheckHeaderValue(l.OIDC.NameClaim))
	v.check(key+".oidc.groups_claim", httpx.CheckHeaderValue(l.OIDC.GroupsClaim))
	for name, header := range map[string]string{"name_header": l.Proxy.NameHeader, "groups_header": l.Proxy.GroupsHeader} {
		v.want(httpx.HeaderName.MatchString(header), key+".proxy."+name, "%q is not the name of a header", header)
	}
	for i, text := range l.Proxy.From {
		_, err := netip.ParsePrefix(text)
		v.want(err == nil, fmt.Sprintf("%s.proxy.from.%d", key, i), "must be addresses such as 10.1.2.0/24 or 10.1.2.3/32")
	}
	if l.Kind == ProxyLogin {
		v.want(len(l.Proxy.From) > 0, key+".proxy.from", "is missing: list the addresses of the proxies whose headers are trusted")
	}
	if l.Kind == OIDCLogin {
		v.want(isIssuer(l.OIDC.Issuer), key+".oidc.issuer", "must be an https address such as https://login.bank.example")
		v.want(l.OIDC.ClientID != "", key+".oidc.client_id", "is missing")
		v.want(slices.Contains(l.OIDC.Scopes, "openid"), key+".oidc.scopes", "must contain openid")
		v.want(consoleURL != "", "console.url", "is missing: the provider sends the browser back there")
	}
}

// isIssuer reports whether a text is the address of a provider: https, or on the loopback.
func isIssuer(text string) bool {
	if !isAddress(text) {
		return false
	}
	u, err := url.Parse(text)
	return err == nil && (u.Scheme == "https" || u.Hostname() == "localhost" || net.ParseIP(u.Hostname()).IsLoopback())
}
