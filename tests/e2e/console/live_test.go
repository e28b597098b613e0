package console

import (
	"fmt"
	"io"
	"net/http"
	"net/http/cookiejar"
	"net/url"
	"testing"
	"time"

	"github.com/chromedp/chromedp"
	"github.com/chromedp/chromedp/kb"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/pbsmflow/pbsmflow/tests/harness/browser"
	"github.com/pbsmflow/pbsmflow/workflows"
)

// changeShows is within which a change is on an open page.
const changeShows = 2 * time.Second

// What somebody types, where the focus is and what is open survive a change, which shows within two seconds.
func (s *site) keepsWhatIsTyped(t *testing.T) {
	id := startClose(s.Env, "typed", "ann", `steps:
  - id: first
    approve: {message: The first question}
  - id: second
    approve: {message: The second question}
`)
	tab := s.console.tab(t, s.browser, "carol", "night", "controllers")
	tab.Open("/w/" + id)
	tab.Shows("The second question")
	question := s.AwaitState(id, workflows.Waiting).Steps[0].Question
	field := fmt.Sprintf("#why-%s-first-%d", id, question.Asked().UnixMilli())
	tab.Until("the field", fmt.Sprintf("document.getElementById(%q)", field[1:]))
	tab.Until("typed", fmt.Sprintf(`(field => { field.focus(); return document.activeElement === field })(document.getElementById(%q))`, field[1:]))
	tab.Do("type", chromedp.KeyEvent("the books are go"))
	tab.Until("the caret", `document.activeElement.setSelectionRange(4, 9) === undefined`)
	tab.Until("a step is open", `(document.getElementById("step-first").open = true)`)

	_, err := s.Command(id, workflows.ApproveCommand, workflows.Command{By: "dave", Why: "compared", Step: "second"})
	require.NoError(t, err)
	approved := time.Now()
	tab.Until("the change", `document.getElementById("step-second").classList.contains("done")`)
	took := time.Since(approved)
	t.Logf("a change showed after %s", took.Round(time.Millisecond))
	assert.Less(t, took, changeShows)
	assert.Equal(t, field[1:], browser.Eval[string](tab, "document.activeElement.id"))
	assert.Equal(t, "the books are go 4 9", browser.Eval[string](tab, "[document.activeElement.value, document.activeElement.selectionStart, document.activeElement.selectionEnd].join(' ')"))
	assert.True(t, browser.Eval[bool](tab, `document.getElementById("step-first").open`))
	tab.Do("continue", chromedp.KeyEvent("d"))
	assert.Equal(t, "the d are go", browser.Eval[string](tab, "document.activeElement.value"))
}

// A close is approved with the keyboard alone.
func (s *site) worksByKeyboard(t *testing.T) {
	id := startClose(s.Env, "keys", "ann", "steps:\n  - id: sign-off\n    approve: {message: Are the books good}\n")
	tab := s.console.tab(t, s.browser, "carol", "controllers")
	tab.Open("/w/" + id)
	tab.Shows("Are the books good")
	reach := func(what, expression string) {
		t.Helper()
		for range 40 {
			tab.Do("Tab", chromedp.KeyEvent(kb.Tab))
			if browser.Eval[bool](tab, expression) {
				return
			}
		}
		t.Fatalf("Tab does not reach %s", what)
	}
	tab.Do("Tab", chromedp.KeyEvent(kb.Tab))
	assert.Equal(t, "To the content", browser.Eval[string](tab, "document.activeElement.textContent"))
	reach("the reason", `document.activeElement.name === "why"`)
	tab.Do("type", chromedp.KeyEvent("compared with last month"))
	reach("the button", `document.activeElement.textContent === "Approve"`)
	assert.NotEqual(t, "none", browser.Eval[string](tab, "getComputedStyle(document.activeElement).outlineStyle"), "the focus is visible")
	tab.Shot("focus")
	tab.Do("Enter", chromedp.KeyEvent(kb.Enter))
	tab.Until("an answer", `document.querySelector(".outcome.ok")`)
	require.NoError(t, s.Await(s.Temporal.GetWorkflow(t.Context(), id, ""), nil))
}

// Without script a form is posted, and the next page says once what came of it.
func (s *site) worksWithoutScript(t *testing.T) {
	id := startClose(s.Env, "plain", "ann", "steps:\n  - id: sign-off\n    approve: {message: Are the books good}\n")
	s.Until("it waits on the page", func() bool {
		code, text := s.get(t, "/w/"+id, as("carol", "controllers"))
		return code == http.StatusOK && contains(text, "Are the books good", `action="/w/`+id+`"`, `name="why"`, `value="approve"`)
	})
	jar, err := cookiejar.New(nil)
	require.NoError(t, err)
	client := &http.Client{Jar: jar, CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}
	form := url.Values{"value": {"approve"}, "step": {"sign-off"}, "why": {"compared with last month"}, "back": {"/"}}
	answer := s.send(t, client, http.MethodPost, "/w/"+id, form, as("carol", "controllers"))
	require.Equal(t, http.StatusSeeOther, answer.code, answer.text)
	require.Equal(t, "/", answer.header.Get("Location"))
	next := s.send(t, client, http.MethodGet, "/", nil, as("carol", "controllers"))
	require.Contains(t, next.text, `class="outcome ok"`)
	require.NoError(t, s.Await(s.Temporal.GetWorkflow(t.Context(), id, ""), nil))
	require.NotContains(t, s.send(t, client, http.MethodGet, "/", nil, as("carol", "controllers")).text, `class="outcome`)

	late := s.send(t, client, http.MethodPost, "/w/"+id, form, as("carol", "controllers"))
	require.Equal(t, http.StatusSeeOther, late.code)
	require.Contains(t, s.send(t, client, http.MethodGet, "/", nil, as("carol", "controllers")).text, "Nothing was done")
}

// answer is a response of the console.
type answer struct {
	code   int
	text   string
	header http.Header
}

// send sends a request to the console; a form makes the body.
func (s *site) send(t *testing.T, client *http.Client, method, path string, form url.Values, headers map[string]string) answer {
	t.Helper()
	r, err := newRequest(t, method, s.console.address+path, form)
	require.NoError(t, err)
	for name, value := range headers {
		r.Header.Set(name, value)
	}
	return do(t, client, r)
}

func (s *site) get(t *testing.T, path string, headers map[string]string) (int, string) {
	t.Helper()
	a := s.send(t, http.DefaultClient, http.MethodGet, path, nil, headers)
	return a.code, a.text
}

func do(t *testing.T, client *http.Client, r *http.Request) answer {
	t.Helper()
	response, err := client.Do(r)
	require.NoError(t, err)
	defer response.Body.Close()
	text, err := io.ReadAll(response.Body)
	require.NoError(t, err)
	return answer{response.StatusCode, string(text), response.Header}
}
