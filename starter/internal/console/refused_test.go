package console

import (
	"bytes"
	"log/slog"
	"net/http"
	"net/url"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/pbsmflow/pbsmflow/internal/config"
)

// Whatever is refused is one line of the log, with who, from where, and why; however much was sent.
func TestRefusals_areLogged(t *testing.T) {
	const page, commands, starts = "/w/" + closeID, "/api/commands", "/api/starts"
	long := strings.Repeat("long ", 5000)
	form := func(value, why string) string {
		return url.Values{"value": {value}, "step": {"ledger"}, "why": {why}}.Encode()
	}
	for name, row := range map[string]struct {
		groups, path, body string
		want               []string
	}{
		"a form that cannot be read": {"night", page, "value=%zz", []string{"refused a command", closeID, "could not be read"}},
		"a large form":               {"night", page, "value=" + strings.Repeat(long, 10), []string{"refused a command", closeID, "too large"}},
		"without a reason":           {"night", page, form("decide retry", ""), []string{`msg="refused a command" command="decide retry" workflow=` + closeID + " by=dave from=", "why"}},
		"a placeholder":              {"night", page, form("decide retry", "reason"), []string{"refused a command", closeID, "why"}},
		"a long command":             {"night", page, form(long, ""), []string{"refused a command", closeID, "long long"}},
		"a step that there is not":   {"night", page, url.Values{"value": {"again"}, "step": {"none"}, "why": {"it came"}}.Encode(), []string{"refused a command", closeID, "none"}},
		"a role":                     {"audit", page, form("decide retry", "it came"), []string{"refused a command", closeID, "role"}},
		"another workflow":           {"", page, form("decide retry", "it came"), []string{"refused a command", closeID, "not theirs to see"}},
		"a command that is no JSON":  {"night", commands, "{", []string{"refused a command", "unexpected EOF"}},
		"an unknown field":           {"night", commands, `{"` + long + `": 1}`, []string{"refused a command", "unknown field"}},
		"a command without a reason": {"night", commands, `{"workflow_id": "` + closeID + `", "command": "decide", "input": {"step": "ledger"}}`, []string{"refused a command", closeID, "command=decide", "why"}},
		"a start that is no JSON":    {"night", starts, "{", []string{"refused a start", "unexpected EOF"}},
		"a start without a date":     {"night", starts, `{"connection": "prod", "pipeline": "nightly-close"}`, []string{"refused a start", "close/prod/nightly-close", "as_of_date"}},
		"a start of a viewer":        {"audit", starts, `{"connection": "prod", "pipeline": "nightly-close"}`, []string{"refused a start", "role"}},
	} {
		t.Run(name, func(t *testing.T) {
			proxy, err := Proxy(config.Proxy{NameHeader: "X-Name", GroupsHeader: "X-Groups", From: []string{"127.0.0.1/32"}})
			require.NoError(t, err)
			c := newConsole(t, proxy, config.Role{Group: "night", Role: config.Operator}, config.Role{Group: "audit", Role: config.Viewer})
			var log bytes.Buffer
			c.Log = slog.New(slog.NewTextHandler(&log, nil))
			kind := "application/x-www-form-urlencoded"
			if row.path != page {
				kind = "application/json"
			}
			r, err := http.NewRequestWithContext(t.Context(), http.MethodPost, row.path, strings.NewReader(row.body))
			require.NoError(t, err)
			send(c.Handler(), r, func(r *http.Request) {
				r.Header.Set("Content-Type", kind)
				r.Header.Set("X-Name", "dave")
				r.Header.Set("X-Groups", row.groups)
			})
			require.Equal(t, 1, strings.Count(log.String(), "\n"), "%s", &log)
			for _, want := range append(row.want, "level=WARN", "by=dave", "from=127.0.0.1:5555", "why=") {
				require.Contains(t, log.String(), want)
			}
			require.Less(t, log.Len(), 1200)
		})
	}
}
