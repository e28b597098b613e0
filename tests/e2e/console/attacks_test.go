package console

import (
	"encoding/base64"
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/pbsmflow/pbsmflow/internal/simulator"
	"github.com/pbsmflow/pbsmflow/tests/harness"
	"github.com/pbsmflow/pbsmflow/tests/harness/browser"
	"github.com/pbsmflow/pbsmflow/workflows"
)

// Texts that would run in a page that shows them as they are.
const (
	script = `<script>window.ran=1</script>`
	image  = `"><img src=x onerror=window.ran=1>`
	link   = `javascript:window.ran=1`
	broken = `'-window.ran=1-'</title></textarea></svg><svg onload=window.ran=1>`
)

// hostileCatalog has a batch whose tasks are named by an attacker, one of which fails.
func hostileCatalog() simulator.Catalog {
	c := simulator.DefaultCatalog()
	c.Batches = append(c.Batches, simulator.Batch{Code: "PBSM_HOSTILE", Tasks: []simulator.Task{
		{Code: script, Duration: time.Second},
		{Code: image, Duration: time.Second, Outcome: simulator.OutcomeFail},
		{Code: link, Duration: time.Second},
	}})
	return c
}

// Texts of the service, of definitions and of operators are shown, and nothing in them runs.
func (s *site) runsNothing(t *testing.T) {
	name := `<b onmouseover=window.ran=1>eve`
	id := startClose(s.Env, "hostile", name, fmt.Sprintf(`steps:
  - id: allocate
    description: %q
    batch: {code: PBSM_HOSTILE}
  - id: sign-off
    description: %q
    approve: {message: %q}
  - id: ledger
    description: %q
    upload: {file: %q, name: gl.csv, wait_until: 1h}
`, script, image, broken, link, `inbox/"><img src=x onerror=window.ran=1>.csv`))
	s.AwaitState(id, workflows.Waiting)
	batch := workflows.BatchWorkflowID(s.Connection, "PBSM_HOSTILE", harness.AsOf, "")
	s.AwaitState(batch, workflows.Waiting)
	_, err := s.Command(id, workflows.HoldCommand, workflows.Command{By: name, Why: script + image, Step: "ledger"})
	if err != nil { // it runs already: another command leaves the same texts
		_, err = s.Command(id, workflows.ExtendCommand, workflows.Command{By: name, Why: script + image, Step: "ledger", Until: "2h"})
	}
	require.NoError(t, err)

	tab := s.console.tab(t, s.browser, name, "night", "controllers")
	nothing := func(page string) {
		t.Helper()
		require.False(t, browser.Eval[bool](tab, "Boolean(window.ran)"), "something ran on %s", page)
		require.Zero(t, browser.Eval[int](tab, `document.querySelectorAll("main script, main img, [onerror], [onload], [onmouseover], a[href^='javascript:'], main b").length`), page)
	}
	for page, texts := range map[string][]string{
		"/":      {broken, image, "as " + name},
		"/inbox": {broken, image},
		"/w/" + id: {
			script, image, link, broken, script + image, "started by " + name, `"><img src=x onerror=window.ran=1>.csv`,
		},
		"/w/" + batch:                          {script, image, link},
		"/nights/" + s.Connection + "/hostile": {"hostile"},
		"/nights/" + s.Connection + "/" + url.PathEscape(script): {script},
	} {
		tab.Open(page)
		for _, text := range texts {
			tab.Until(page+" shows "+text, fmt.Sprintf("document.body.textContent.includes(%q)", text))
		}
		nothing(page)
		tab.Shot("hostile")
	}

	// The page that asks again, and the one that says what came of it.
	o := &operator{Tab: tab, t: t, id: id}
	o.opens(o.page())
	o.does("", script+image, "Stop the whole close")
	assert.Equal(t, script+image, browser.Eval[string](tab, `document.querySelector("main input[name=why]").value`))
	nothing("the confirmation")
	o.confirms("", "Stop the whole close")
	nothing("the outcome")
	require.Error(t, s.Await(s.Temporal.GetWorkflow(t.Context(), id, ""), nil))
	tab.Until("it is cancelled", `document.querySelector("h1 .state").textContent.includes("cancelled")`)
	tab.Shows(script + image)
	nothing("the ended close")
}

// Somebody without a role sees nothing, a viewer has no buttons, and what a form says nevertheless is refused and logged.
func (s *site) refusesByRole(t *testing.T) {
	id := startClose(s.Env, "roles", "ann", "steps:\n  - id: sign-off\n    approve: {message: Are the books good}\n  - id: rates\n    upload: {file: inbox/no.csv, wait_until: 1s}\n")
	path := "/w/" + id
	s.Until("the page has both questions", func() bool {
		_, text := s.get(t, path, as("carol", "night", "controllers"))
		return contains(text, `value="approve"`, `value="decide skip"`)
	})
	approve := url.Values{"value": {"approve"}, "step": {"sign-off"}, "why": {"it is late"}}
	refuse := url.Values{"value": {"decide give_up"}, "step": {"sign-off"}, "why": {"it is late"}}
	skip := url.Values{"value": {"decide skip"}, "step": {"rates"}, "why": {"it is late"}}
	stop := url.Values{"value": {"cancel"}, "why": {"it is late"}, "confirmed": {"yes"}}
	for name, c := range map[string]struct {
		groups  string
		page    int
		buttons []string
		none    []string
		refused []url.Values
		code    int
	}{
		"a viewer":              {"audit", 200, nil, []string{"<button"}, []url.Values{approve, refuse, skip, stop}, 403},
		"an operator":           {"night", 200, []string{"decide skip"}, []string{"value=\"approve\""}, []url.Values{approve, refuse}, 403},
		"an approver":           {"controllers", 200, []string{"value=\"approve\""}, []string{"decide skip", "value=\"cancel\""}, []url.Values{skip, stop}, 403},
		"of another connection": {"others", 404, nil, []string{"<button"}, []url.Values{approve, skip, stop}, 404},
		"of a group without":    {"strangers", 404, nil, []string{"<button"}, []url.Values{approve, skip, stop}, 404},
		"of no group":           {"", 404, nil, []string{"<button"}, []url.Values{approve, skip, stop}, 404},
	} {
		mallory := as("mallory-"+strings.ReplaceAll(name, " ", "-"), c.groups)
		code, text := s.get(t, path, mallory)
		assert.Equal(t, c.page, code, name)
		for _, button := range c.buttons {
			assert.Contains(t, text, button, name)
		}
		for _, button := range c.none {
			assert.NotContains(t, text, button, name)
		}
		for _, form := range c.refused {
			a := s.send(t, http.DefaultClient, http.MethodPost, path, form, mallory)
			assert.Equal(t, c.code, a.code, "%s: %v", name, form)
			if c.code == http.StatusForbidden {
				assert.Contains(t, a.text, "nothing was done", name)
			}
		}
		assert.Contains(t, s.console.log(), "by="+mallory["X-Name"], "what was refused is logged")
		if c.page == http.StatusNotFound {
			for _, page := range []string{"/", "/inbox"} {
				code, text = s.get(t, page, mallory)
				assert.Equal(t, http.StatusOK, code)
				assert.NotContains(t, text, "Are the books good", "%s on %s", name, page)
				assert.NotContains(t, text, id, "%s on %s", name, page)
			}
			for _, page := range []string{"/nights/" + s.Connection + "/roles", "/events?page=" + url.QueryEscape(path), path + "/rates"} {
				code, _ = s.get(t, page, mallory)
				assert.Equal(t, http.StatusNotFound, code, "%s on %s", name, page)
			}
		}
	}
	status, _ := s.Status(id)
	require.Equal(t, workflows.Waiting, status.State)
	require.NotNil(t, status.Steps[0].Question)
	require.NotNil(t, status.Steps[1].Question)
}

// Headers with a name count only from the proxy, and only if there is one name.
func (s *site) believesOnlyTheProxy(t *testing.T) {
	wrong := &site{Env: s.Env, console: s.remote}
	for _, page := range []string{"/", "/inbox", "/events?page=/", "/w/anything"} {
		code, text := wrong.get(t, page, as("carol", "night"))
		assert.Equal(t, http.StatusForbidden, code, page)
		assert.Contains(t, text, "You are not logged in")
	}
	assert.Contains(t, s.remote.log(), "refused a request without a name")

	for what, names := range map[string][]string{"two": {"carol", "dave"}, "none": nil, "an empty one": {" "}} {
		r, err := newRequest(t, http.MethodGet, s.console.address+"/", nil)
		require.NoError(t, err)
		r.Header["X-Name"] = names
		r.Header.Set("X-Groups", "night")
		r.Header.Set("X-Forwarded-For", "127.0.0.1")
		assert.Equal(t, http.StatusForbidden, do(t, http.DefaultClient, r).code, what)
	}
}

// A form of another site is refused, and without a login a name that leads here, too.
func (s *site) refusesOtherSites(t *testing.T) {
	id := startClose(s.Env, "sites", "ann", "steps:\n  - id: sign-off\n    approve: {message: Are the books good}\n")
	s.AwaitState(id, workflows.Waiting)
	form := url.Values{"value": {"approve"}, "step": {"sign-off"}, "why": {"it is late"}}
	for name, value := range map[string]string{"Origin": "https://evil.example", "Sec-Fetch-Site": "cross-site"} {
		headers := as("carol", "controllers")
		headers[name] = value
		assert.Equal(t, http.StatusForbidden, s.send(t, http.DefaultClient, http.MethodPost, "/w/"+id, form, headers).code, name)
	}
	assert.Contains(t, s.console.log(), "refused a form of another site")

	// In a browser: a page of another site that posts a form to the console.
	evil := s.browser.Tab(t, "evil", "data:text/html,")
	evil.Open(url.PathEscape(fmt.Sprintf(`<form method=post action="%s/w/%s"><input name=value value=approve><input name=step value=sign-off><input name=why value="it is late"><button>Win</button></form>`, s.console.person(t, "carol", "controllers"), id)))
	evil.Click("button", "Win")
	evil.Shows("This form came from another site")

	for host, want := range map[string]int{
		"evil.example": http.StatusMisdirectedRequest, "evil.example:8484": http.StatusMisdirectedRequest, "127.0.0.1.evil.example": http.StatusMisdirectedRequest,
		"localhost": http.StatusOK, "[::1]:1": http.StatusOK,
	} {
		r, err := newRequest(t, http.MethodGet, s.alone.address+"/", nil)
		require.NoError(t, err)
		r.Host = host
		assert.Equal(t, want, do(t, http.DefaultClient, r).code, host)
		if want != http.StatusOK {
			post, err := newRequest(t, http.MethodPost, s.alone.address+"/w/"+id, form)
			require.NoError(t, err)
			post.Host = host
			assert.Equal(t, want, do(t, http.DefaultClient, post).code, host)
		}
	}
	status, _ := s.Status(id)
	require.Equal(t, workflows.Waiting, status.State)
}

// Ids with odd characters, long and strange forms do nothing.
func (s *site) refusesOddRequests(t *testing.T) {
	carol := as("carol", "night", "controllers")
	plain := &http.Client{CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}
	for _, page := range []string{
		"/w/..%2f..", "/w/..%2F..%2Fetc%2Fpasswd", "/w/", "/w/%00", "/w/%ff%fe", "/w/a%0d%0aSet-Cookie:x=y", "/w/" + url.PathEscape(script),
		"/w/" + strings.Repeat("x", 2000), "/nights/a", "/nights/" + s.Connection + "/%27%20OR%20%271%27=%271", "/static/", "/static/../render.go", "/%2e%2e/", "/w/temporal-sys-history-scanner",
	} {
		for _, method := range []string{http.MethodGet, http.MethodPost} {
			a := s.send(t, plain, method, page, url.Values{"value": {"cancel"}, "why": {"it is late"}, "confirmed": {"yes"}}, carol)
			assert.NotEqual(t, http.StatusSeeOther, a.code, "%s %s", method, page)
			assert.Less(t, a.code, 500, "%s %s: %s", method, page, a.text)
			assert.NotContains(t, a.text, "package console")
			assert.Empty(t, a.header.Get("Set-Cookie"), page)
		}
	}
	id := startClose(s.Env, "odd", "ann", "steps:\n  - id: sign-off\n    approve: {message: Are the books good}\n")
	s.AwaitState(id, workflows.Waiting)
	for what, c := range map[string]struct {
		form url.Values
		code int
		says string
	}{
		"a form that is too long":   {url.Values{"value": {"approve"}, "step": {"sign-off"}, "why": {strings.Repeat("x", 70<<10)}}, 400, "nothing was done"},
		"a reason that is too long": {url.Values{"value": {"hold"}, "step": {"sign-off"}, "why": {strings.Repeat("x", 60<<10)}}, 303, ""},
		"an unknown command":        {url.Values{"value": {"drop"}, "why": {"it is late"}}, 303, ""},
		"an unknown choice":         {url.Values{"value": {"decide everything"}, "step": {"sign-off"}, "why": {"it is late"}}, 303, ""},
		"an unknown step":           {url.Values{"value": {"skip"}, "step": {"../x"}, "why": {"it is late"}}, 303, ""},
		"nothing":                   {url.Values{}, 303, ""},
		"another site to return to": {url.Values{"value": {"drop"}, "why": {"it is late"}, "back": {"//evil.example"}}, 303, ""},
	} {
		a := s.send(t, plain, http.MethodPost, "/w/"+id, c.form, as("carol", "night", "controllers"))
		assert.Equal(t, c.code, a.code, what)
		assert.Contains(t, a.text, c.says, what)
		if a.code == http.StatusSeeOther {
			assert.Equal(t, "/w/"+id, a.header.Get("Location"), what)
			set, err := http.ParseSetCookie(a.header.Get("Set-Cookie"))
			require.NoError(t, err)
			outcome, err := base64.RawURLEncoding.DecodeString(set.Value)
			require.NoError(t, err)
			assert.Equal(t, "0", string(outcome[:1]), "%s: %s", what, outcome)
		}
	}
	for _, method := range []string{http.MethodPut, http.MethodDelete, http.MethodPatch} {
		assert.Equal(t, http.StatusMethodNotAllowed, s.send(t, plain, method, "/w/"+id, nil, carol).code, method)
	}
	status, _ := s.Status(id)
	require.Equal(t, workflows.Waiting, status.State)
}

// The policy lets the browser load nothing from elsewhere, and run nothing but the console's script.
func (s *site) sendsStrictHeaders(t *testing.T) {
	const policy = "default-src 'none'; style-src 'self'; script-src 'self'; connect-src 'self'; img-src 'self'; form-action 'self'; " +
		"base-uri 'none'; frame-ancestors 'none'"
	for _, page := range []string{"/", "/inbox", "/w/unknown", "/static/style.css", "/static/console.js", "/healthz"} {
		a := s.send(t, http.DefaultClient, http.MethodGet, page, nil, as("carol", "night"))
		for name, want := range map[string]string{
			"Content-Security-Policy": policy, "X-Content-Type-Options": "nosniff", "Referrer-Policy": "same-origin",
			"Cross-Origin-Opener-Policy": "same-origin", "Cross-Origin-Resource-Policy": "same-origin",
		} {
			assert.Equal(t, want, a.header.Get(name), "%s of %s", name, page)
		}
		if !strings.HasPrefix(page, "/static/") {
			assert.Equal(t, "no-store", a.header.Get("Cache-Control"), page)
		}
		assert.NotRegexp(t, `(?i)<[a-z][^>]*\s(style|on[a-z]+)=`, a.text, "an inline style or handler on %s", page)
		assert.NotContains(t, a.text, "http://www", page)
	}
}
