package console

import (
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

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
