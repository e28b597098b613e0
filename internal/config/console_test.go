package config

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/pbsmflow/pbsmflow/internal/proof"
)

const consoleSection = `
commands:
  require_proof: true
  keys:
    console: PUBLIC
    other: {file: other.pub}
console:
  listen: 0.0.0.0:8484
  url: https://console.bank.example
  signing_key: console.key
  session_key: bXktMzItYnl0ZXMtb2YtYS1zZXNzaW9uLWtleS0hISE=
  login:
    kind: oidc
    oidc: {issuer: "https://login.bank.example", client_id: console, client_secret: {env: SECRET}, groups_claim: roles}
  roles:
    - {group: ops, role: operator, connections: [prod]}
    - {group: controllers, role: approver}
`

func consoleFolder(t *testing.T, text string) string {
	t.Helper()
	path := folder(t, text)
	private, public, err := proof.NewKey()
	require.NoError(t, err)
	_, other, err := proof.NewKey()
	require.NoError(t, err)
	dir := filepath.Dir(path)
	require.NoError(t, os.WriteFile(filepath.Join(dir, "console.key"), private, 0o600))
	require.NoError(t, os.WriteFile(filepath.Join(dir, "other.pub"),
		[]byte("-----BEGIN PUBLIC KEY-----\n"+other+"\n-----END PUBLIC KEY-----\n"), 0o600))
	require.NoError(t, os.WriteFile(path, []byte(strings.ReplaceAll(text, "PUBLIC", public)), 0o600))
	return path
}

func TestLoad_console(t *testing.T) {
	path := consoleFolder(t, minimal+consoleSection)
	env := []string{"SECRET=hush", "PBSM_CONSOLE__LOGIN__OIDC__CLIENT_SECRET__ENV=SECRET", "PBSM_CONSOLE__LISTEN=:9000"}
	cfg, err := Load(path, env)
	require.NoError(t, err)
	require.Len(t, cfg.Commands.PublicKeys(), 2)
	cfg.Console, err = LoadConsole(path, env)
	require.NoError(t, err)
	require.Equal(t, ":9000", cfg.Console.Listen)
	require.Equal(t, filepath.Join(filepath.Dir(path), "console.key"), cfg.Console.SigningKey)
	require.Equal(t, "hush", cfg.Console.Login.OIDC.ClientSecret.Expose())
	require.Equal(t, "roles", cfg.Console.Login.OIDC.GroupsClaim)
	require.Equal(t, "preferred_username", cfg.Console.Login.OIDC.NameClaim)
	require.Equal(t, Role{Group: "ops", Role: Operator, Connections: []string{"prod"}}, cfg.Console.Roles[0])
}

// A worker with the same file needs neither the console's key nor its secrets.
func TestLoad_withoutTheSecretsOfTheConsole(t *testing.T) {
	path := consoleFolder(t, minimal+strings.Replace(consoleSection, "console.key", "elsewhere.key", 1))
	cfg, err := Load(path, nil)
	require.NoError(t, err)
	require.Equal(t, "https://console.bank.example/w/close/prod/night/2026-10-31#questions", cfg.Console.WorkflowURL("close/prod/night/2026-10-31"))
	require.Empty(t, Console{}.WorkflowURL("close/prod/night/2026-10-31"), "nobody else reaches the loopback")
	_, err = LoadConsole(path, nil)
	require.ErrorContains(t, err, "console.signing_key: open ")
	require.ErrorContains(t, err, "console.login.oidc.client_secret")
}

// The console needs none of the workers' secrets.
func TestLoadConsole_withoutTheOtherSecrets(t *testing.T) {
	path := consoleFolder(t, strings.Replace(minimal, "client_secret: "+canary, "client_secret: {env: NONE}", 1)+consoleSection)
	c, err := LoadConsole(path, []string{"SECRET=hush"})
	require.NoError(t, err)
	require.Equal(t, "https://console.bank.example", c.Address())
	t.Chdir(t.TempDir())
	c, err = LoadConsole("", nil)
	require.NoError(t, err)
	require.Equal(t, "http://127.0.0.1:8484", c.Address())
}

func TestLoad_consoleProblems(t *testing.T) {
	for _, c := range []struct{ section, want string }{
		{"commands: {require_proof: true}", "commands.require_proof: needs a key"},
		{"commands: {keys: {a: '-'}}", "commands.keys.a: must be the public key"},
		{"commands: {keys: {a: {file: console.key}}}", "commands.keys.a: is a private key, not the public key"},
		{"commands: {keys: {a: PUBLIC, b: PUBLIC}}", "commands.keys.b: is the same key as commands.keys.a"},
		{"console: {listen: \":8484\"}", "console.listen: \":8484\" is not on the loopback"},
		{"console: {listen: nowhere}", "console.listen: must be an address"},
		{"console: {for_starter: true}", "console.for_starter: needs console.url"},
		{"console: {metrics: nowhere}", "console.metrics: must be an address"},
		{"console: {url: console}", "console.url: must be an address"},
		{"console: {signing_key: none.key}", "console.signing_key: open "},
		{"console: {signing_key: outcert.pem}", "console.signing_key: must be a private key"},
		{"console: {session_key: short}", "console.session_key: must be 32 bytes"},
		{"console: {login: {kind: basic}}", "console.login.kind: \"basic\" is not one of none, proxy, oidc"},
		{"console: {login: {kind: proxy}}", "console.login.proxy.from: is missing"},
		{"console: {login: {kind: proxy, proxy: {from: [everywhere]}}}", "console.login.proxy.from.0: must be addresses"},
		{"console: {login: {kind: oidc}}", "console.login.oidc.issuer: must be an https address"},
		{"console: {login: {kind: oidc}}", "console.login.oidc.client_id: is missing"},
		{"console: {login: {kind: oidc}}", "console.url: is missing"},
		{"console: {login: {kind: oidc, oidc: {issuer: \"http://login.bank.example\"}}}", "console.login.oidc.issuer"},
		{"console: {login: {kind: oidc, oidc: {scopes: [profile]}}}", "console.login.oidc.scopes: must contain openid"},
		{"console: {roles: [{group: ops, role: boss}]}", "console.roles.0.role: \"boss\" is not one of"},
		{"console: {roles: [{role: viewer}]}", "console.roles.0.group"},
		{"console: {roles: [{group: ops, role: viewer, connections: [test]}]}", "console.roles.0.connections.0: \"test\" is not among"},
		{"console: {roles: [{group: ops, role: viewer, connections: []}]}", "console.roles.0.connections: names no connection"},
		{"console: {roles: [{group: ops, role: viewer, connections: }]}", "console.roles.0.connections: names no connection"},
		{"console: {roles: [{group: ops, role: viewer, connections: }, {group: ops, role: boss}]}", "console.roles.1.role"},
		{"console: {roles: [{group: ops, role: viewer, since: never}]}", "console.roles.0.since: unknown key"},
	} {
		path := consoleFolder(t, minimal+c.section)
		_, err := Load(path, nil)
		_, ofConsole := LoadConsole(path, nil)
		require.ErrorContains(t, errors.Join(err, ofConsole), c.want, c.section)
	}
}
