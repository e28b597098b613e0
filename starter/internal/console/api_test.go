package console

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/pbsmflow/pbsmflow/internal/config"
)

func TestAPI_hasTheRightsOfAForm(t *testing.T) {
	login, err := Proxy(config.Proxy{NameHeader: "X-Name", GroupsHeader: "X-Groups", From: []string{"127.0.0.1/32"}})
	require.NoError(t, err)
	c := newConsole(t, login, config.Role{Group: "night", Role: config.Operator}, config.Role{Group: "audit", Role: config.Viewer})
	body := func(id, command, input string) string {
		return fmt.Sprintf(`{"workflow_id": %q, "command": %q, "input": %s}`, id, command, input)
	}
	retry := `{"why": "it came", "step": "ledger", "choice": "retry"}`
	for name, row := range map[string]struct {
		groups, body, kind string
		code               int
		want               string
	}{
		"a viewer":              {"audit", body(closeID, "decide", retry), "application/json", http.StatusForbidden, "roles of dave"},
		"of no group":           {"", body(closeID, "decide", retry), "application/json", http.StatusNotFound, "no such close"},
		"an approval":           {"night", body(closeID, "approve", `{"why": "right"}`), "application/json", http.StatusForbidden, "approve"},
		"without a reason":      {"night", body(closeID, "decide", `{"step": "ledger"}`), "application/json", http.StatusBadRequest, "why"},
		"a form":                {"night", "workflow_id=1", "application/x-www-form-urlencoded", http.StatusBadRequest, "as application/json"},
		"a misspelt field":      {"night", `{"workflow": "1"}`, "application/json", http.StatusBadRequest, "unknown field"},
		"no such command":       {"night", body(closeID, "explode", `{"why": "it came"}`), "application/json", http.StatusUnprocessableEntity, "no command"},
		"text in place of JSON": {"night", body(closeID, "decide", retry), "text/plain", http.StatusBadRequest, "as application/json"},
	} {
		r := httptest.NewRequestWithContext(t.Context(), http.MethodPost, "/api/commands", strings.NewReader(row.body))
		w := send(c.Handler(), r, func(r *http.Request) {
			r.Header.Set("Content-Type", row.kind)
			r.Header.Set("X-Name", "dave")
			r.Header.Set("X-Groups", row.groups)
		})
		require.Equal(t, row.code, w.Code, "%s: %s", name, w.Body)
		require.Contains(t, w.Body.String(), row.want, name)
	}
	require.Contains(t, get(t, c.metrics.handler(), "/").Body.String(), `pbsm_console_refused_total{reason="role"} 3`)
}
