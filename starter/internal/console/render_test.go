package console

import (
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// Whatever came of a command, the browser keeps it for the next page.
func TestOutcome_fitsIntoACookie(t *testing.T) {
	for name, text := range map[string]string{
		"short": "It is started again.", "400 characters of Chinese": strings.Repeat("夜", 400),
		"a long refusal": strings.Repeat("%; ", 2000), "of four bytes each": strings.Repeat("𝛑", 2000),
	} {
		w := httptest.NewRecorder()
		leaveOutcome(w, outcome{OK: true, Text: text})
		cookie := w.Result().Cookies()[0]
		require.LessOrEqual(t, len(cookie.Value), maxOutcome, name)
		next := httptest.NewRequestWithContext(t.Context(), http.MethodGet, "/", nil)
		next.AddCookie(cookie)
		got := takeOutcome(httptest.NewRecorder(), next)
		require.NotNil(t, got, name)
		require.True(t, got.OK, name)
		begin, cut := strings.CutSuffix(got.Text, "…")
		require.True(t, strings.HasPrefix(text, begin), name)
		require.Equal(t, len(text) > maxOutcome*3/4, cut, name)
	}
}

// On a phone a date is not broken at its hyphens, and what is around it is still text.
func TestKeepDates(t *testing.T) {
	assert.EqualValues(t, `deadline <span class="date">Mon 2026-11-30 03:42 EST</span> · &lt;b&gt;`, keepDates("deadline Mon 2026-11-30 03:42 EST · <b>"))
	assert.EqualValues(t, `demo · as of <span class="date">2026-11-27</span>`, keepDates("demo · as of 2026-11-27"))
	assert.EqualValues(t, "no date", keepDates("no date"))
}
