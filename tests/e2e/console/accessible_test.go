package console

import (
	"context"
	"encoding/json"
	"os"
	"testing"

	"github.com/chromedp/cdproto/page"
	"github.com/chromedp/chromedp"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/pbsmflow/pbsmflow/tests/harness"
	"github.com/pbsmflow/pbsmflow/tests/harness/browser"
	"github.com/pbsmflow/pbsmflow/workflows"
)

// violation is what axe-core finds.
type violation struct {
	ID, Impact, Help string
	Nodes            []struct {
		HTML           string
		FailureSummary string
	}
}

// axe-core finds no problem on any page on a desktop in light, nor on a phone in dark on the two that have everything.
func (s *site) isAccessible(t *testing.T) {
	s.Write(s.Inbox, "axe.csv", harness.Ledger(10))
	ended := startClose(s.Env, "axe", "ann", "steps:\n  - id: ledger\n    upload: {file: inbox/axe.csv}\n  - id: quick\n    needs: [ledger]\n    batch: {code: PBSM_QUICK}\n")
	require.NoError(t, s.Await(s.Temporal.GetWorkflow(t.Context(), ended, ""), nil))
	waits := startClose(s.Env, "axe-waits", "ann", `deadline: 1h
steps:
  - id: ledger
    upload: {file: inbox/axe.csv, name: axe2.csv}
  - id: allocate
    needs: [ledger]
    batch: {code: PBSM_FAIL}
  - id: rates
    upload: {file: inbox/none.csv, wait_until: 1h}
  - id: profit
    needs: [allocate, rates]
    hold: true
    report: {code: RPT002, save_to: reports/axe.csv}
  - id: sign-off
    needs: [profit]
    approve: {message: Are the books good}
`)
	s.AwaitState(waits, workflows.Waiting)

	tab := s.console.tab(t, s.browser, "carol", "night", "controllers")
	axe := newAxe(t, tab)
	check := func(name string) {
		t.Helper()
		looks := []look{{"desktop", false, false}, {"phone-dark", true, true}}
		if name != "tonight" && name != "waiting" { // they have everything that the others have in other sizes and colours
			looks = looks[:1]
		}
		axe.check(name, looks...)
	}
	for name, p := range map[string]string{
		"tonight": "/", "inbox": "/inbox", "waiting": "/w/" + waits, "ended": "/w/" + ended, "nights": "/nights/" + s.Connection + "/axe", "refused": "/w/unknown",
	} {
		tab.Open(p)
		tab.Until("the page", `document.querySelector("main h1")`)
		check(name)
	}
	o := &operator{Tab: tab, t: t, id: waits}
	o.opens(o.page())
	o.does("", "the date is wrong", "Stop the whole close")
	check("confirm")
	tab.Open("/w/" + ended)
	o.id = ended
	o.does("", "the ledger was wrong", "Run everything again")
	check("confirm-again")
}

// look is how a page is shown.
type look struct {
	name        string
	phone, dark bool
}

// axe looks for what keeps people from using the pages of a tab.
type axe struct {
	*browser.Tab
	t      *testing.T
	source string
}

// newAxe lets axe-core into a tab, which the console's policy would not.
func newAxe(t *testing.T, tab *browser.Tab) *axe {
	t.Helper()
	program, err := harness.Binary("axe/node_modules/axe-core/axe.min.js")
	require.NoError(t, err)
	source, err := os.ReadFile(program)
	require.NoError(t, err)
	tab.Do("bypass the policy", chromedp.Func(func(ctx context.Context, _ *chromedp.Target) error {
		_, err := chromedp.Call(ctx, page.SetBypassCSP, page.SetBypassCSPParams{Enabled: true})
		return err
	}))
	return &axe{tab, t, string(source)}
}

// check finds no problem on the page that is open, however it is shown.
func (a *axe) check(name string, looks ...look) {
	a.t.Helper()
	for _, look := range looks {
		a.Look(look.phone, look.dark)
		a.Whole(name + "-" + look.name)
		for _, v := range audit(a.t, a.Tab, a.source) {
			text, _ := json.MarshalIndent(v, "", "  ")
			assert.Fail(a.t, "axe-core", "%s, %s: %s", name, look.name, text)
		}
		width := browser.Eval[int](a.Tab, "document.documentElement.scrollWidth - innerWidth")
		assert.LessOrEqual(a.t, width, 0, "%s on a %s is wider than the screen", name, look.name)
	}
	a.Look(false, false)
}

func audit(t *testing.T, tab *browser.Tab, axe string) []violation {
	t.Helper()
	if !browser.Eval[bool](tab, "Boolean(window.axe)") {
		browser.Run(tab, "axe-core", chromedp.Evaluate[bool](axe+"; Boolean(window.axe)"))
	}
	text := browser.Run(tab, "axe-core runs", chromedp.Evaluate[string](
		`axe.run(document, {resultTypes: ["violations"]}).then(found => JSON.stringify(found.violations))`, chromedp.EvalAwaitPromise))
	var found []violation
	require.NoError(t, json.Unmarshal([]byte(text), &found))
	return found
}
