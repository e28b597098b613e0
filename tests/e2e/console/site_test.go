package console

import (
	"net/http"
	"net/url"
	"strings"
	"testing"

	"github.com/pbsmflow/pbsmflow/internal/simulator"
	"github.com/pbsmflow/pbsmflow/tests/harness"
	"github.com/pbsmflow/pbsmflow/tests/harness/browser"
)

// site is a tenant with a console behind a proxy.
type site struct {
	*harness.Env
	console *console
	browser *browser.Browser
	// remote believes a proxy at another address; alone has no login.
	remote, alone *console
}

// What the pages do, whatever happens in the night. One tenant serves them all.
func TestConsole_pages(t *testing.T) {
	t.Parallel()
	s := &site{browser: browser.Start(t), Env: harness.New(t, harness.Options{Simulator: simulator.Options{Catalog: hostileCatalog()}})}
	s.console = openConsole(s.Env, behindProxy(s.Connection))
	s.remote = openConsole(s.Env, strings.ReplaceAll(behindProxy(s.Connection), "127.0.0.1/32", "10.1.2.3/32"))
	s.alone = openConsole(s.Env, "login: {kind: none}")
	for name, test := range map[string]func(*site, *testing.T){
		"keeps what is typed":         (*site).keepsWhatIsTyped,
		"works by keyboard":           (*site).worksByKeyboard,
		"works without script":        (*site).worksWithoutScript,
		"runs nothing of what it has": (*site).runsNothing,
		"refuses by role":             (*site).refusesByRole,
		"believes only the proxy":     (*site).believesOnlyTheProxy,
		"refuses other sites":         (*site).refusesOtherSites,
		"refuses odd requests":        (*site).refusesOddRequests,
		"sends strict headers":        (*site).sendsStrictHeaders,
		"is accessible":               (*site).isAccessible,
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			e := *s.Env
			e.T = t // which waits
			test(&site{Env: &e, console: s.console, browser: s.browser, remote: s.remote, alone: s.alone}, t)
		})
	}
}

func newRequest(t *testing.T, method, address string, form url.Values) (*http.Request, error) {
	r, err := http.NewRequestWithContext(t.Context(), method, address, strings.NewReader(form.Encode()))
	if err == nil && form != nil {
		r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	}
	return r, err
}

func contains(text string, parts ...string) bool {
	for _, part := range parts {
		if !strings.Contains(text, part) {
			return false
		}
	}
	return true
}
