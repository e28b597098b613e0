package console

import (
	"crypto/hmac"
	"crypto/sha256"
	"crypto/x509"
	"encoding/base64"
	"encoding/json"
	"encoding/pem"
	"fmt"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/go-jose/go-jose/v4"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/pbsmflow/pbsmflow/internal/proof"
	"github.com/pbsmflow/pbsmflow/tests/harness"
	"github.com/pbsmflow/pbsmflow/tests/harness/browser"
	"github.com/pbsmflow/pbsmflow/tests/harness/identity"
	"github.com/pbsmflow/pbsmflow/workflows"
)

// bank is a tenant whose workers take only commands that its console signed, for people whom a provider knows.
type bank struct {
	*harness.Env
	console  *console
	browser  *browser.Browser
	provider *identity.Provider
	signer   *proof.Signer
	public   string // the key of the console, as the workers have it
	key      any    // and the private one
}

func newBank(t *testing.T) *bank {
	t.Helper()
	private, public, err := proof.NewKey()
	require.NoError(t, err)
	block, _ := pem.Decode(private)
	b := &bank{public: public}
	b.key, err = x509.ParsePKCS8PrivateKey(block.Bytes)
	require.NoError(t, err)
	b.signer, err = proof.NewSigner(private)
	require.NoError(t, err)
	b.provider = identity.Start(t, map[string][]string{
		"carol": {"operators"}, "dave": {"controllers"}, "erin": {"controllers"}, "frank": {"controllers", "operators"}, "victor": {"viewers"}, "nobody": nil,
	})
	b.browser = browser.Start(t, b.provider.Server.Certificate())
	b.Env = harness.New(t, harness.Options{Settings: map[string]string{"commands.require_proof": "true", "commands.keys.console": public}})
	key := filepath.Join(b.Dir, "console.key")
	require.NoError(t, os.WriteFile(key, private, 0o600))
	b.console = openConsole(b.Env, fmt.Sprintf(`
url: $ADDRESS
signing_key: %q
login:
  kind: oidc
  oidc:
    issuer: %q
    client_id: %q
    client_secret: %q
    device_client_id: %q
    scopes: [openid, profile, offline_access, groups]
roles:
  - {group: operators, role: operator}
  - {group: controllers, role: approver}
  - {group: viewers, role: viewer}
`, key, b.provider.Issuer, identity.ConsoleClient, identity.ConsoleSecret, identity.DeviceClient), "SSL_CERT_FILE="+b.provider.CAFile)
	b.provider.Register(b.console.address)
	return b
}

// start starts a close, with a proof of who does.
func (b *bank) start(t *testing.T, pipeline, by, steps string) (id string) {
	t.Helper()
	b.Write(b.Pipelines, pipeline+".yaml", "name: "+pipeline+"\naudit: reports/"+pipeline+".jsonl\n"+steps)
	in := workflows.NightlyCloseInput{Connection: b.Connection, Pipeline: pipeline, AsOfDate: harness.AsOf, StartedBy: by}
	token, err := b.signer.Sign(proof.Claims{
		Who: by, Audience: []string{in.WorkflowID()},
		Statement: proof.Statement{Command: workflows.StartProof, Why: in.Why(), Input: in.Digest()},
	})
	require.NoError(t, err)
	in.Proof = token
	b.Start(in.WorkflowID(), workflows.NightlyClose, in)
	return in.WorkflowID()
}

// operator opens a page of the console in a browser of somebody, who logs in at the provider's form.
func (b *bank) operator(t *testing.T, user, id string) *operator {
	t.Helper()
	tab := b.browser.Tab(t, "screens", b.console.address)
	tab.Look(false, false)
	o := &operator{Tab: tab, t: t, id: id}
	o.opens(o.page())
	o.logsIn(user)
	return o
}

func (o *operator) logsIn(user string) {
	o.t.Helper()
	o.Shows("Log in at the provider")
	o.Type("input[name=user]", user)
	o.Type("input[name=password]", identity.Password)
	o.Click("button", "Log in")
	o.Until("logged in", fmt.Sprintf(`document.querySelector(".who")?.innerText.includes("as %s") && location.pathname === %q`, user, o.page()))
}

// audit waits for the end of a close, and returns its audit file by line.
func (b *bank) audit(t *testing.T, id, pipeline string) []string {
	t.Helper()
	require.NoError(t, b.Await(b.Temporal.GetWorkflow(t.Context(), id, ""), nil))
	text, err := os.ReadFile(filepath.Join(b.Reports, pipeline+".jsonl"))
	require.NoError(t, err)
	return strings.Split(string(text), "\n")
}

func requireLine(t *testing.T, lines []string, parts ...string) {
	t.Helper()
	require.True(t, slices.ContainsFunc(lines, func(line string) bool { return contains(line, parts...) }), "%q in\n%s", parts, strings.Join(lines, "\n"))
}

// Who is logged in at a provider, on the page and in the terminal, is who workers and auditors see.
func TestIdentity(t *testing.T) {
	b := newBank(t)
	for _, test := range []struct {
		name string
		run  func(*bank, *testing.T)
	}{
		{"names are proved, and four eyes are two people", (*bank).fourEyes},
		{"a session is refreshed, revoked and ended", (*bank).sessions},
		{"the terminal has the same name", (*bank).terminal},
		{"nothing that is not proved has an effect", (*bank).attacks},
	} {
		t.Run(test.name, func(t *testing.T) {
			e := *b.Env
			e.T = t // which waits
			mine := *b
			mine.Env = &e
			test.run(&mine, t)
		})
	}
}

func (b *bank) fourEyes(t *testing.T) {
	id := b.start(t, "eyes", "dave", `steps:
  - id: ledger
    upload: {file: inbox/eyes.csv, wait_until: 1s}
  - id: sign-off
    needs: [ledger]
    approve: {message: Are the books good, by: [controllers], of: 2}
`)
	b.AwaitState(id, workflows.Waiting)
	carol := b.operator(t, "carol", id)
	carol.Shows("as carol (operator)")
	carol.Shot("logged-in")
	carol.does("ledger", "treasury has none tonight", "Skip this step")
	carol.Shows("2 of controllers must approve")
	assert.False(t, browser.Eval[bool](carol.Tab, `Boolean(document.querySelector("main button[value=approve]"))`), "an operator does not approve")

	page := &site{Env: b.Env, console: b.console}
	victor := b.person(t, "victor")
	_, text := page.seen(t, victor, "/w/"+id)
	assert.Contains(t, text, "<strong>victor</strong> (viewer)")
	assert.Contains(t, text, "You may look, but not answer")
	assert.NotContains(t, text, `name="value"`, "no button")
	for _, value := range []string{"approve", "decide give_up", "cancel", "hold"} {
		form := url.Values{"value": {value}, "step": {"sign-off"}, "why": {"it is late"}, "confirmed": {"yes"}}
		a := page.send(t, victor, http.MethodPost, "/w/"+id, form, nil)
		assert.Equal(t, http.StatusForbidden, a.code, value)
		assert.Contains(t, a.text, "so nothing was done")
		assert.Regexp(t, `refused a command.*command="?`+value+`.*by=victor`, b.console.log())
	}

	approval := url.Values{"value": {"approve"}, "step": {"sign-off"}, "why": {"compared with last month"}}
	a := page.send(t, b.person(t, "dave"), http.MethodPost, "/w/"+id, approval, nil)
	assert.Contains(t, a.text, "started this close: another operator must approve")
	erin := b.operator(t, "erin", id)
	erin.does("sign-off", "compared with last month", "Approve")
	erin.Shows("approved by erin; 1 more of controllers must approve")
	erin.does("sign-off", "really", "Approve")
	erin.Shows("erin has approved step sign-off already")
	frank := b.operator(t, "frank", id)
	frank.Shows("as frank (operator and approver)")
	frank.does("sign-off", "the margins agree", "Approve")
	frank.Until("it is green", `document.querySelector("h1 .state.exceptions")`)

	lines := b.audit(t, id, "eyes")
	requireLine(t, lines, `"event":"answered"`, `"what":"ledger: decide skip"`, `"by":"carol"`, `"proved":true`, "treasury has none tonight")
	requireLine(t, lines, `"event":"refused"`, `"by":"dave"`, `"proved":true`, "dave started this close")
	requireLine(t, lines, `"event":"refused"`, `"by":"erin"`, `"proved":true`, "has approved step sign-off already")
	requireLine(t, lines, `"event":"approved"`, `"by":"erin"`, `"proved":true`)
	requireLine(t, lines, `"event":"approved"`, `"by":"frank"`, `"proved":true`)
	status, _ := b.Status(id)
	require.Equal(t, new(true), status.StartedByProved)
	require.Contains(t, status.Steps[1].Result, "approved by erin and frank")
	require.True(t, slices.ContainsFunc(status.Log, func(e workflows.LogEntry) bool { return e.Who() == "carol (proved)" }))

	code, text := page.seen(t, b.person(t, "nobody"), "/w/"+id)
	assert.Equal(t, http.StatusNotFound, code)
	assert.Contains(t, text, "There is no such close, or it is not yours to see")
}

// person is a browser without a window in which somebody is logged in at the console.
func (b *bank) person(t *testing.T, user string) *http.Client {
	t.Helper()
	client := b.provider.Client(t)
	b.provider.Login(t, client, b.console.address+"/", user)
	return client
}

// seen is a page of the console as somebody sees it.
func (s *site) seen(t *testing.T, client *http.Client, path string) (int, string) {
	t.Helper()
	a := s.send(t, client, http.MethodGet, path, nil, nil)
	return a.code, a.text
}

func (b *bank) sessions(t *testing.T) {
	id := b.start(t, "sessions", "ann", "steps:\n  - id: one\n    approve: {message: Is one good}\n  - id: two\n    hold: true\n    batch: {code: PBSM_QUICK}\n")
	b.AwaitState(id, workflows.Waiting)

	// The ID token ends while the page is open: it stays live, and a form is taken, with the groups of now.
	b.provider.Lasts(2 * time.Second)
	frank := b.operator(t, "frank", id)
	b.provider.Join("frank", "operators")
	time.Sleep(2 * time.Second)
	b.provider.Lasts(time.Hour)
	frank.does("two", "the rates are in", "Release")
	frank.Until("it is taken", `document.querySelector(".outcome.ok")`)
	frank.Shows("as frank (operator)")

	// The provider revokes the session: a form has no effect, and leads through the login back to the page.
	b.provider.Lasts(2 * time.Second)
	erin := b.operator(t, "erin", id)
	b.provider.Revoke("erin")
	time.Sleep(2 * time.Second)
	b.provider.Lasts(time.Hour)
	form := fmt.Sprintf(`form[action="/w/%s"]:has(button[value="approve"])`, id)
	erin.Type(form+" input[name=why]", "compared with last month")
	erin.Click(form+" button", "Approve")
	erin.Shows("Your session has ended, so nothing was done")
	erin.Shows(`Your reason was: "compared with last month".`)
	erin.Click("main a", "Log in, and repeat it")
	erin.logsIn("erin")
	assert.Contains(t, b.console.log(), "a session could not be refreshed")
	erin.does("one", "compared with last month", "Approve")
	requireLine(t, b.audit(t, id, "sessions"), `"event":"approved"`, `"by":"erin"`, `"proved":true`)

	// To log out ends the session here and at the provider, which asks again.
	require.True(t, b.provider.KnowsSession("erin"))
	erin.Click("button", "Log out")
	erin.Until("logged out", `location.pathname === "/logged-out"`)
	erin.Shows("You are logged out of the console.")
	require.False(t, b.provider.KnowsSession("erin"))
	erin.opens(erin.page())
	erin.Shows("Log in at the provider")

	anybody := b.browser.Tab(t, "screens", b.console.address)
	axe := newAxe(t, anybody)
	anybody.Open("/logged-out") // the login's other pages are made in the same way
	anybody.Shows("Logged out")
	axe.check("logged-out", look{"phone-dark", true, true})
}

var deviceNote = regexp.MustCompile(`Open (https://\S+) and confirm the code \S+`)

func (b *bank) terminal(t *testing.T) {
	id := b.start(t, "terminal", "ann", "steps:\n  - id: one\n    upload: {file: inbox/terminal.csv, wait_until: 1s}\n")
	b.AwaitState(id, workflows.Waiting)
	trust := []string{"SSL_CERT_FILE=" + b.provider.CAFile}
	at := []string{"--console", b.console.address}
	starter := func(code int, args ...string) harness.Result {
		t.Helper()
		result := b.RunEnv(trust, append(args, at...)...)
		require.Equal(t, code, result.Code, "%s", result)
		return result
	}
	answer := []string{"close", "decide", id, "--step", "one", "--choice", "skip", "--reason", "nobody needs it", "--by", "dave"}
	require.Contains(t, starter(2, answer...).Stderr, "you are not logged in at the console")

	login := func(user string) string {
		t.Helper()
		device := b.LaunchStarterEnv(trust, append([]string{"login"}, at...)...)
		var shown []string
		b.Until("the starter shows a code", func() bool {
			text, err := os.ReadFile(device.Stderr)
			require.NoError(t, err)
			shown = deviceNote.FindStringSubmatch(string(text))
			return shown != nil
		})
		b.provider.Allow(t, shown[1], user)
		code, err := device.Wait(t.Context())
		require.NoError(t, err)
		require.Zero(t, code, device.Tail())
		text, err := os.ReadFile(device.Stdout)
		require.NoError(t, err)
		return string(text)
	}
	require.Contains(t, login("victor"), "as victor (viewer)")
	require.Contains(t, starter(2, answer...).Stderr, "the roles of victor do not allow decide on "+b.Connection)

	b.provider.Lasts(time.Second) // its token is about to end, and is refreshed before it is sent
	require.Contains(t, login("carol"), "as carol (operator)")
	b.provider.Lasts(time.Hour)
	starter(0, answer...)
	lines := b.audit(t, id, "terminal")
	requireLine(t, lines, `"event":"answered"`, `"what":"one: decide skip"`, `"by":"carol"`, `"proved":true`, "nobody needs it")
	assert.NotContains(t, strings.Join(lines, "\n"), `"by":"dave"`, "what is typed does not count")

	b.Write(b.Pipelines, "started.yaml", "name: started\nsteps:\n  - id: one\n    approve: {message: Is it good}\n")
	start := []string{"close", "--connection", b.Connection, "--pipeline", "started", "--as-of", harness.AsOf, "--by", "dave", "--detach"}
	starter(0, start...)
	status := b.AwaitState(workflows.CloseWorkflowID(b.Connection, "started", harness.AsOf), workflows.Waiting)
	assert.Equal(t, "carol", status.StartedBy)
	assert.Equal(t, new(true), status.StartedByProved)
	in, err := workflows.InputOf(t.Context(), b.Temporal, workflows.CloseWorkflowID(b.Connection, "started", harness.AsOf))
	require.NoError(t, err)
	assert.Empty(t, in.Proof, "a start again is signed anew")

	file := filepath.Join(b.Dir, "pbsmflow", "login.json")
	info, err := os.Stat(file)
	require.NoError(t, err)
	assert.Equal(t, os.FileMode(0o600), info.Mode().Perm(), "only the owner can read the login")
	stolen, err := os.ReadFile(file)
	require.NoError(t, err)
	assert.Empty(t, starter(0, "logout").Stderr)
	require.Contains(t, starter(2, start...).Stderr, "you are not logged in at the console")
	require.Contains(t, starter(2, answer...).Stderr, "you are not logged in at the console")
	expired := regexp.MustCompile(`"expires": "[^"]+"`).ReplaceAll(stolen, []byte(`"expires": "2020-01-01T00:00:00Z"`))
	require.NoError(t, os.WriteFile(file, expired, 0o600))
	require.Contains(t, starter(2, answer...).Stderr, "you are not logged in at the console", "a copy cannot be refreshed")
}

// attack is a command that must have no effect, and what the log says about it.
type attack struct{ proof, by, says string }

func (b *bank) attacks(t *testing.T) {
	id := b.start(t, "attacks", "ann", "steps:\n  - id: one\n    approve: {message: Is one good, by: [controllers], of: 2}\n")
	b.AwaitState(id, workflows.Waiting)
	claims := proof.Claims{
		Who: "erin", Groups: []string{"controllers"}, Audience: []string{id},
		Statement: proof.Statement{Command: workflows.ApproveCommand, Step: "one", Why: "compared"},
	}
	good, err := b.signer.Sign(claims)
	require.NoError(t, err)
	private, _, err := proof.NewKey()
	require.NoError(t, err)
	stranger, err := proof.NewSigner(private)
	require.NoError(t, err)
	forged, err := stranger.Sign(claims)
	require.NoError(t, err)
	elsewhere := claims
	elsewhere.Audience = []string{id + "-of-another"}
	another, err := b.signer.Sign(elsewhere)
	require.NoError(t, err)
	parts := strings.Split(good, ".")
	text := func(json string) string { return base64.RawURLEncoding.EncodeToString([]byte(json)) }
	mac := hmac.New(sha256.New, []byte(b.public))
	symmetric := text(`{"alg":"HS256","typ":"pbsmflow-command+jwt"}`) + "." + parts[1]
	mac.Write([]byte(symmetric))
	symmetric += "." + base64.RawURLEncoding.EncodeToString(mac.Sum(nil))
	for name, a := range map[string]attack{
		"forged":                     {forged, "erin", "not in commands.keys"},
		"another workflow's":         {another, "erin", "workflow: the proof is for " + id + "-of-another"},
		"under another name":         {good, "frank", `by: the proof is for "erin", not for "frank"`},
		"not signed":                 {text(`{"alg":"none","typ":"pbsmflow-command+jwt"}`) + "." + parts[1] + ".", "erin", "not a compact JWS signed with EdDSA"},
		"signed with the public key": {symmetric, "erin", "not a compact JWS signed with EdDSA"},
		"expired":                    {b.expired(t, claims), "erin", "the proof expired at"},
		"of nobody":                  {"", "erin", "has no proof of who sent it"},
	} {
		command := workflows.Command{By: a.by, Why: "compared", Step: "one", Proof: a.proof}
		_, err := b.Command(id, workflows.ApproveCommand, command)
		require.ErrorContains(t, err, a.says, name)
		require.NoError(t, b.Temporal.SignalWorkflow(t.Context(), id, "", workflows.ApproveCommand, command), name)
	}
	b.Until("the signals are refused", func() bool {
		status, _ := b.Status(id)
		return len(status.Log) == 14
	})
	// A proof that was taken on its way is good once, whoever sends it.
	command := workflows.Command{By: "erin", Why: "compared", Step: "one", Proof: good}
	_, err = b.Command(id, workflows.ApproveCommand, command)
	require.NoError(t, err)
	_, err = b.Command(id, workflows.ApproveCommand, command)
	require.ErrorContains(t, err, "its proof was used before")

	// What nobody proves does not start either, under whatever id, and the next start notes it.
	in := workflows.NightlyCloseInput{Connection: b.Connection, Pipeline: "later", AsOfDate: harness.AsOf, StartedBy: "erin"}
	b.Write(b.Pipelines, "later.yaml", "name: later\nsteps:\n  - id: one\n    batch: {code: PBSM_SHORT}\n")
	require.ErrorContains(t, b.Await(b.Start(in.WorkflowID(), workflows.NightlyClose, in), nil), "the start by erin is refused")
	require.ErrorContains(t, b.Await(b.Start("by-another-id", workflows.NightlyClose, in), nil), "the start by erin is refused")
	batch := workflows.RunBatchInput{Connection: b.Connection, Code: "PBSM_SHORT", AsOfDate: harness.AsOf, StartedBy: "erin"}
	for _, alone := range []string{batch.WorkflowID(), "close/by/another/id"} {
		require.ErrorContains(t, b.Await(b.Start(alone, workflows.RunBatch, batch), nil), "it was started alone, and nothing proves by whom")
	}
	require.Empty(t, b.Calls("trigger", harness.About("PBSM_SHORT")))
	lines := b.audit(t, b.start(t, "later", "ann", "steps:\n  - id: one\n    batch: {code: PBSM_SHORT}\n"), "later")
	requireLine(t, lines, `"event":"refused"`, "an earlier start, on ", "the start by erin is refused")

	// What the console has not asked the provider about.
	page := &site{Env: b.Env, console: b.console}
	stays := &http.Client{CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}
	for _, token := range []string{good, forged, text(`{"alg":"none"}`) + "." + text(`{"iss":"`+b.provider.Issuer+`","aud":"starter","preferred_username":"erin"}`) + "."} {
		for _, path := range []string{"/", "/w/" + id, "/api/me"} {
			a := page.send(t, stays, http.MethodGet, path, nil, map[string]string{"Authorization": "Bearer " + token})
			assert.Equal(t, http.StatusUnauthorized, a.code, path)
		}
		a := page.send(t, stays, http.MethodPost, "/w/"+id, url.Values{"value": {"approve"}, "step": {"one"}, "why": {"compared"}}, map[string]string{"Authorization": "Bearer " + token})
		assert.Equal(t, http.StatusUnauthorized, a.code)
	}
	assert.Contains(t, b.console.log(), "refused a token")
	a := page.send(t, stays, http.MethodGet, "/w/"+id, nil, map[string]string{"X-Forwarded-User": "erin", "X-Forwarded-Groups": "controllers"})
	assert.Equal(t, http.StatusSeeOther, a.code, "headers say nothing here")
	a = page.send(t, b.person(t, "erin"), http.MethodPost, "/w/"+id, url.Values{"value": {"approve"}, "step": {"one"}, "why": {"compared"}}, map[string]string{"Origin": "https://evil.example"})
	assert.Equal(t, http.StatusForbidden, a.code)
	assert.Contains(t, b.console.log(), "refused a form of another site")
	require.Equal(t, workflows.Waiting, b.AwaitState(id, workflows.Waiting).State)

	claims.Who = "frank"
	last, err := b.signer.Sign(claims)
	require.NoError(t, err)
	_, err = b.Command(id, workflows.ApproveCommand, workflows.Command{By: "frank", Why: "compared", Step: "one", Proof: last})
	require.NoError(t, err)
	lines = b.audit(t, id, "attacks")
	for _, says := range []string{"not in commands.keys", "-of-another", "not for \\\"frank\\\"", "signed with EdDSA", "the proof expired at", "has no proof of who sent it", "its proof was used before"} {
		requireLine(t, lines, `"event":"refused"`, `"proved":false`, says)
	}
}

// expired is a proof that the console signed ten minutes ago.
func (b *bank) expired(t *testing.T, c proof.Claims) string {
	t.Helper()
	ago := time.Now().Add(-10 * time.Minute)
	c.IssuedAt, c.Expires, c.ID = proof.Instant{Time: ago}, proof.Instant{Time: ago.Add(proof.Validity)}, "expired"
	payload, err := json.Marshal(c)
	require.NoError(t, err)
	key, err := jose.NewSigner(jose.SigningKey{Algorithm: jose.EdDSA, Key: jose.JSONWebKey{Key: b.key, KeyID: proof.KeyID(b.signer.PublicKey())}},
		(&jose.SignerOptions{}).WithType("pbsmflow-command+jwt"))
	require.NoError(t, err)
	signed, err := key.Sign(payload)
	require.NoError(t, err)
	token, err := signed.CompactSerialize()
	require.NoError(t, err)
	return token
}
