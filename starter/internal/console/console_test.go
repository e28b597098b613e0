package console

import (
	"log/slog"
	"net"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"go.temporal.io/api/serviceerror"

	"github.com/pbsmflow/pbsmflow/internal/config"
	"github.com/pbsmflow/pbsmflow/starter/internal/cli"
	"github.com/pbsmflow/pbsmflow/starter/internal/client"
	"github.com/pbsmflow/pbsmflow/workflows"
)

const closeID = "close/prod/nightly-close/2026-10-31"

// newConsole is a console whose board has one close, which waits for an approval and for a decision about a file with
// the name of an attacker.
func newConsole(t *testing.T, login Login, roles ...config.Role) *Console {
	t.Helper()
	settings := config.Console{Listen: "127.0.0.1:8484", Login: config.Login{Kind: config.NoLogin}, Roles: roles}
	if _, ok := login.(proxyLogin); ok {
		settings.Login.Kind = config.ProxyLogin
	}
	c := New(&client.Session{Factory: &cli.Factory{}}, Options{Settings: settings, Login: login, Log: slog.New(slog.DiscardHandler)})
	asked := &workflows.Question{Why: `"><script>alert(1)</script>`, Choices: []string{"decide retry"}, Since: ten}
	c.board.entries[closeID] = entry{ID: closeID, Type: workflows.NightlyCloseType, Status: workflows.Status{
		Type: workflows.NightlyCloseType, Connection: "prod", Subject: "nightly-close", State: workflows.Waiting, StartedAt: ten,
		Steps: []workflows.StepStatus{
			{ID: "ledger", State: workflows.Waiting, Question: asked, Description: "<img src=x onerror=alert(1)>", Commands: []string{"extend", "decide retry"}},
			{ID: "sign-off", Of: "sign-offs", Kind: "approve", State: workflows.Waiting, Question: &workflows.Question{Why: "right?", Choices: []string{"approve", "decide give_up"}, Since: ten}},
		},
	}}
	c.board.loaded = true
	ended := c.ended.cached("prod", "nightly-close")
	ended.at, ended.ttl = time.Now(), listTTL
	c.looks.known[closeID] = &looker{stop: func() {}}
	c.looks.known[closeID].snapshot.ID = closeID
	return c
}

func get(t *testing.T, h http.Handler, path string, change ...func(*http.Request)) *httptest.ResponseRecorder {
	t.Helper()
	return send(h, httptest.NewRequestWithContext(t.Context(), http.MethodGet, path, nil), change...)
}

func post(t *testing.T, h http.Handler, path string, form url.Values, change ...func(*http.Request)) *httptest.ResponseRecorder {
	t.Helper()
	r := httptest.NewRequestWithContext(t.Context(), http.MethodPost, path, strings.NewReader(form.Encode()))
	r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	return send(h, r, change...)
}

func send(h http.Handler, r *http.Request, change ...func(*http.Request)) *httptest.ResponseRecorder {
	r.Host, r.RemoteAddr = "127.0.0.1:8484", "127.0.0.1:5555"
	for _, do := range change {
		do(r)
	}
	w := httptest.NewRecorder()
	h.ServeHTTP(w, r)
	return w
}

func TestPages_showEverythingAsText(t *testing.T) {
	c := newConsole(t, SystemUser("carol"), SystemRoles()...)
	for _, path := range []string{"/", "/inbox", "/w/" + closeID} {
		w := get(t, c.Handler(), path)
		require.Equal(t, http.StatusOK, w.Code, path)
		body := w.Body.String()
		assert.Contains(t, body, "&lt;script&gt;alert(1)", path)
		assert.NotContains(t, body, "<script>alert", path)
		assert.NotContains(t, body, "<img", path)
		assert.NotContains(t, body, "style=", "the policy allows no inline style")
		assert.Contains(t, body, "Try again", path)
		assert.Contains(t, w.Header().Get("Content-Security-Policy"), "default-src 'none'")
	}
	assert.Equal(t, http.StatusNotFound, get(t, c.Handler(), "/nothing").Code)
}

func TestConsole_refusesOtherHostsAndSites(t *testing.T) {
	h := newConsole(t, SystemUser("carol"), SystemRoles()...).Handler()
	rebound := get(t, h, "/", func(r *http.Request) { r.Host = "evil.example:8484" })
	assert.Equal(t, http.StatusMisdirectedRequest, rebound.Code)
	form := url.Values{"value": {"decide retry"}, "step": {"ledger"}, "why": {"it came"}}
	for header, value := range map[string]string{"Origin": "https://evil.example", "Sec-Fetch-Site": "cross-site"} {
		w := post(t, h, "/w/"+closeID, form, func(r *http.Request) { r.Header.Set(header, value) })
		assert.Equal(t, http.StatusForbidden, w.Code, header)
	}
}

func TestCommand_needsARole(t *testing.T) {
	from := config.Proxy{NameHeader: "X-Name", GroupsHeader: "X-Groups", From: []string{"127.0.0.1/32"}}
	login, err := Proxy(from)
	require.NoError(t, err)
	c := newConsole(t, login,
		config.Role{Group: "night", Role: config.Operator}, config.Role{Group: "audit", Role: config.Viewer},
		config.Role{Group: "controllers", Role: config.Approver}, config.Role{Group: "elsewhere", Role: config.Operator, Connections: []string{"test"}})
	as := func(groups string) func(*http.Request) {
		return func(r *http.Request) { r.Header.Set("X-Name", "dave"); r.Header.Set("X-Groups", groups) }
	}
	for name, row := range map[string]struct {
		groups      string
		value, step string
		page, post  int
		button      bool
	}{
		"an operator decides":             {"night", "decide retry", "ledger", 200, http.StatusSeeOther, true},
		"an operator approves":            {"night", "approve", "sign-off", 200, http.StatusForbidden, true},
		"an operator refuses an approval": {"night", "decide give_up", "sign-off", 200, http.StatusForbidden, true},
		"without naming the step":         {"night", "decide give_up", "", 200, http.StatusForbidden, true},
		"naming all such steps":           {"night", "decide give_up", "sign-offs", 200, http.StatusForbidden, true},
		"an approver decides":             {"controllers", "decide retry", "ledger", 200, http.StatusForbidden, false},
		"a viewer decides":                {"audit", "decide retry", "ledger", 200, http.StatusForbidden, false},
		"of another connection":           {"elsewhere", "decide retry", "ledger", http.StatusNotFound, http.StatusNotFound, false},
		"of no group":                     {"", "decide retry", "ledger", http.StatusNotFound, http.StatusNotFound, false},
	} {
		t.Run(name, func(t *testing.T) {
			page := get(t, c.Handler(), "/w/"+closeID, as(row.groups))
			assert.Equal(t, row.page, page.Code)
			assert.Equal(t, row.button, strings.Contains(page.Body.String(), "Try again"), "the button")
			// Without a reason nothing is sent: what is refused for the role is refused before that.
			w := post(t, c.Handler(), "/w/"+closeID, url.Values{"value": {row.value}, "step": {row.step}}, as(row.groups))
			assert.Equal(t, row.post, w.Code, w.Body)
		})
	}
}

// A form names its question, so that it answers no other one.
func TestCommand_namesItsQuestion(t *testing.T) {
	c := newConsole(t, SystemUser("carol"), SystemRoles()...)
	asked := ten.Format(time.RFC3339Nano)
	for _, path := range []string{"/", "/inbox", "/w/" + closeID} {
		assert.Contains(t, get(t, c.Handler(), path).Body.String(), `name="asked" value="`+asked+`"`, path)
	}
	form := url.Values{"value": {"decide nothing_started"}, "step": {"ledger"}, "why": {"looked"}, "asked": {asked}}
	assert.True(t, newOrder(c.board.entries[closeID], form, access{}).Command.Asked.Equal(ten))
	page := post(t, c.Handler(), "/w/"+closeID, form).Body.String()
	assert.Contains(t, page, `name="asked" value="`+asked+`"`, "the page that asks again")
}

func TestCommand_withoutAReasonIsRefused(t *testing.T) {
	c := newConsole(t, SystemUser("carol"), SystemRoles()...)
	for _, why := range []string{"", "  ", "...", "reason"} {
		w := post(t, c.Handler(), "/w/"+closeID, url.Values{"value": {"decide retry"}, "step": {"ledger"}, "why": {why}, "back": {"https://evil.example/"}})
		require.Equal(t, http.StatusSeeOther, w.Code)
		assert.Equal(t, "/w/"+closeID, w.Header().Get("Location"), "never to another site")
		next := get(t, c.Handler(), "/w/"+closeID, func(r *http.Request) { r.AddCookie(w.Result().Cookies()[0]) })
		assert.Contains(t, next.Body.String(), "Nothing was done", "%q", why)
	}
}

// A refusal names the fields of the form, and nothing of how it was found.
func TestCommand_refusalNamesTheField(t *testing.T) {
	c := newConsole(t, SystemUser("carol"), SystemRoles()...)
	for want, form := range map[string]url.Values{
		`Nothing was done. "Why" is missing.`: {"value": {"decide retry"}, "step": {"ledger"}, "why": {"  "}},
		`Nothing was done. "Why" "reason" is the placeholder of an example. Your reason was: "reason".`: {
			"value": {"decide retry"}, "step": {"ledger"}, "why": {"reason"},
		},
		`Nothing was done. "New deadline" "25:00" is neither`: {"value": {"extend"}, "why": {"rates are late"}, "until": {"25:00"}},
		`Nothing was done. The new deadline is missing:`:      {"value": {"extend"}, "why": {"rates are late"}},
	} {
		w := post(t, c.Handler(), "/w/"+closeID, form)
		require.Equal(t, http.StatusSeeOther, w.Code)
		r := httptest.NewRequestWithContext(t.Context(), http.MethodGet, "/", nil)
		r.AddCookie(w.Result().Cookies()[0])
		text := takeOutcome(httptest.NewRecorder(), r).Text
		assert.Equal(t, want, text[:min(len(want), len(text))], text)
	}
}

// What harms is red; to run something again is what mostly helps.
func TestCommand_redIsWhatHarms(t *testing.T) {
	c := newConsole(t, SystemUser("carol"), SystemRoles()...)
	assert.Contains(t, get(t, c.Handler(), "/confirm/"+closeID+"?value=cancel").Body.String(), `<button class="danger">Stop the whole close`)
	failed(c)
	assert.NotContains(t, get(t, c.Handler(), "/w/"+closeID).Body.String(), `class="danger"`)
	page := get(t, c.Handler(), "/confirm/"+closeID+"?value=again&step=ledger").Body.String()
	assert.Contains(t, page, `<button class="main">Run again from ledger`)
}

// Titles are what a browser's history and a screen reader have of a page.
func TestRefuse_titleSaysWhy(t *testing.T) {
	c := newConsole(t, SystemUser("carol"), SystemRoles()...)
	assert.Contains(t, get(t, c.Handler(), "/w/%00").Body.String(), "<title>Not found · pbsmflow</title>")
	w := httptest.NewRecorder()
	c.refusePage(w, serviceerror.NewDeadlineExceeded("context deadline exceeded"))
	assert.Contains(t, w.Body.String(), "Temporal does not answer (no response in time), so this page cannot be shown.")
	w = httptest.NewRecorder()
	c.refuse(w, http.StatusForbidden, "no")
	assert.Contains(t, w.Body.String(), "<title>Refused · pbsmflow</title>")
}

// A console is there already, mostly: its address, and how to have another.
func TestServe_addressInUse(t *testing.T) {
	taken, err := (&net.ListenConfig{}).Listen(t.Context(), "tcp", "127.0.0.1:0")
	require.NoError(t, err)
	defer taken.Close()
	c := newConsole(t, SystemUser("carol"), SystemRoles()...)
	c.Settings.Listen = taken.Addr().String()
	err = c.Serve(t.Context(), func() { t.Error("it does not listen") })
	var p *cli.Problem
	require.ErrorAs(t, err, &p)
	assert.Equal(t, cli.ExitUsage, p.Code)
	assert.Equal(t, "the console cannot listen on "+c.Settings.Listen+": another program does already", p.Message)
	assert.Contains(t, p.Next[0], "open http://"+c.Settings.Listen)
	assert.Contains(t, p.Next[1], "--listen")
}

func TestCommand_dangerousIsConfirmed(t *testing.T) {
	c := newConsole(t, SystemUser("carol"), SystemRoles()...)
	for _, value := range []string{workflows.CancelCommand, "decide nothing_started", workflows.AgainCommand} {
		w := post(t, c.Handler(), "/w/"+closeID, url.Values{"value": {value}, "why": {"the wrong date was started"}})
		require.Equal(t, http.StatusOK, w.Code, value)
		assert.Contains(t, w.Body.String(), `name="confirmed" value="yes"`)
		assert.Contains(t, w.Body.String(), "the wrong date was started", "what was typed is kept")
	}
}

func TestProxy_trustsOnlyTheProxy(t *testing.T) {
	login, err := Proxy(config.Proxy{NameHeader: "X-Name", GroupsHeader: "X-Groups", From: []string{"10.1.0.0/16", "::1/128"}})
	require.NoError(t, err)
	person := func(from string, names ...string) (Person, bool) {
		r := httptest.NewRequestWithContext(t.Context(), http.MethodGet, "/", nil)
		r.RemoteAddr = netip.MustParseAddrPort(from).String()
		for _, name := range names {
			r.Header.Add("X-Name", name)
		}
		r.Header.Set("X-Groups", "night, audit,")
		return login.Person(nil, r)
	}
	p, ok := person("10.1.2.3:4", " dave ")
	require.True(t, ok)
	assert.Equal(t, Person{"dave", []string{"night", "audit"}}, p)
	_, ok = person("[::ffff:10.1.2.3]:4", "dave")
	assert.True(t, ok, "the same address")
	for _, from := range []string{"10.2.2.3:4", "127.0.0.1:4", "[::2]:4"} {
		_, ok = person(from, "dave")
		assert.False(t, ok, from)
	}
	_, ok = person("10.1.2.3:4", "dave", "mallory")
	assert.False(t, ok, "one of two names is not the proxy's")
	_, ok = person("10.1.2.3:4")
	assert.False(t, ok)
}

func TestMetrics_countWhatIsRefused(t *testing.T) {
	c := newConsole(t, SystemUser("carol"), config.Role{Group: everyone, Role: config.Viewer})
	post(t, c.Handler(), "/w/"+closeID, url.Values{"value": {"decide retry"}, "step": {"ledger"}, "why": {"it came"}})
	get(t, c.Handler(), "/", func(r *http.Request) { r.Host = "evil.example" })
	get(t, c.Handler(), "/")
	text := get(t, c.metrics.handler(), "/metrics").Body.String()
	for _, line := range []string{
		`pbsm_console_refused_total{reason="role"} 1`, `pbsm_console_refused_total{reason="host"} 1`,
		`pbsm_console_refused_total{reason="site"} 0`, `pbsm_console_page_seconds_count{page="tonight"} 1`,
		"pbsm_console_temporal_up 1", "pbsm_console_viewers 0", "pbsm_console_queries_total 0",
	} {
		assert.Contains(t, text, line)
	}
}

// A page is sent what has changed, and no more.
func TestEvents_sendWhatChanged(t *testing.T) {
	known := map[string]string{}
	p := page{Fragments: []fragment{{"a", "one"}, {"b", "two"}}}
	w := httptest.NewRecorder()
	require.True(t, sendChanges(w, known, p))
	assert.Equal(t, 2, strings.Count(w.Body.String(), "data: "))
	p.Fragments[1].HTML = "three"
	w = httptest.NewRecorder()
	require.True(t, sendChanges(w, known, p))
	assert.Equal(t, "data: {\"html\":\"three\",\"id\":\"b\"}\n\n: still here\n\n", w.Body.String())
}

func TestTimeline_hasABarForEachStretch(t *testing.T) {
	now := ten.Add(2 * time.Hour)
	s := workflows.Status{State: workflows.Waiting, StartedAt: ten, Deadline: ten.Add(8 * time.Hour), Steps: []workflows.StepStatus{
		ran("ledger", ten, 10*time.Minute),
		{ID: "allocate", State: workflows.Waiting, StartedAt: ten.Add(10 * time.Minute), Question: &workflows.Question{Since: ten.Add(time.Hour)}},
		{ID: "report", State: workflows.Pending, Needs: []string{"allocate"}},
	}, Log: []workflows.LogEntry{{What: "allocate: restart", At: ten.Add(30 * time.Minute), Since: ten.Add(20 * time.Minute)}}}
	u := durations{steps: map[string]time.Duration{"allocate": time.Hour, "report": time.Hour}}
	spans, ends := forecast(s, u, now)
	picture := newTimeline(s, spans, u, ends, now)
	classes := func(i int) (list []string) {
		for _, b := range picture.Rows[i].Bars {
			list = append(list, b.Class)
			assert.GreaterOrEqual(t, b.X, timelineLeft)
			assert.LessOrEqual(t, b.X+b.Width, timelineWidth)
		}
		return list
	}
	assert.Equal(t, []string{"was"}, classes(0))
	assert.Equal(t, []string{"running", "waited", "waited"}, classes(1))
	assert.Equal(t, []string{"usual"}, classes(2))
	require.NotNil(t, picture.Now)
	assert.NotEmpty(t, picture.Ticks)
}
