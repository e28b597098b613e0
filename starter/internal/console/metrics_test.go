package console

import (
	"net/http/httptest"
	"os"
	"regexp"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// Every metric that the rules and the page name is served, and the page names all.
func TestMetrics_areThoseOfTheRules(t *testing.T) {
	c := newConsole(t, SystemUser("carol"), SystemRoles()...)
	c.metrics.page("tonight", time.Now())
	c.metrics.commands.WithLabelValues("restart", "true").Inc()
	w := httptest.NewRecorder()
	c.metrics.handler().ServeHTTP(w, httptest.NewRequestWithContext(t.Context(), "GET", "/metrics", nil))
	served := w.Body.String()
	named := regexp.MustCompile(`pbsm_console_\w+`)
	page, err := os.ReadFile("../../../docs/metrics.md")
	require.NoError(t, err)
	for _, file := range []string{"../../../deploy/observability/alerts.yaml", "../../../docs/metrics.md"} {
		text, err := os.ReadFile(file)
		require.NoError(t, err)
		names := named.FindAllString(string(text), -1)
		require.NotEmpty(t, names, file)
		for _, name := range names {
			assert.Regexp(t, "(?m)^# HELP "+name+" ", served, file)
		}
	}
	for _, found := range regexp.MustCompile(`(?m)^# HELP (pbsm_console_\w+) `).FindAllStringSubmatch(served, -1) {
		assert.Contains(t, string(page), "`"+found[1]+"`")
	}
}

func TestMetrics_whatIsStale(t *testing.T) {
	c := newConsole(t, SystemUser("carol"), SystemRoles()...)
	e := c.board.entries[closeID]
	assert.Zero(t, c.board.unknown())
	e.Unknown = "No worker answers"
	c.board.entries[closeID] = e
	assert.Equal(t, 1, c.board.unknown())
	e.Ended = ten
	c.board.entries[closeID] = e
	assert.Zero(t, c.board.unknown(), "what has ended does not change")
	c.board.listed = time.Now().Add(-time.Minute)
	assert.GreaterOrEqual(t, c.board.age(), time.Minute)
}
