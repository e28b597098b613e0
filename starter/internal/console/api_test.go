package console

import (
	"bytes"
	"crypto/ed25519"
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/pbsmflow/pbsmflow/internal/config"
	"github.com/pbsmflow/pbsmflow/internal/proof"
	"github.com/pbsmflow/pbsmflow/starter/internal/login"
	"github.com/pbsmflow/pbsmflow/workflows"
)

// The start of a close is signed for an operator of its connection, in the name of the login.
func TestAPI_signsStarts(t *testing.T) {
	proxy, err := Proxy(config.Proxy{NameHeader: "X-Name", GroupsHeader: "X-Groups", From: []string{"127.0.0.1/32"}})
	require.NoError(t, err)
	c := newConsole(t, proxy, config.Role{Group: "night", Role: config.Operator, Connections: []string{"prod"}}, config.Role{Group: "audit", Role: config.Viewer})
	private, public, err := proof.NewKey()
	require.NoError(t, err)
	signs, err := proof.NewSigner(private)
	require.NoError(t, err)
	c.Sign = &Signer{signs}
	key, err := proof.ParsePublicKey(public)
	require.NoError(t, err)
	in := workflows.NightlyCloseInput{Connection: "prod", Pipeline: "nightly-close", AsOfDate: "2026-10-31", StartedBy: "erin", Delegated: true}
	other := in
	other.Connection = "test"
	undated := in
	undated.AsOfDate = ""
	for name, row := range map[string]struct {
		groups string
		in     workflows.NightlyCloseInput
		code   int
	}{
		"an operator":                {"night", in, http.StatusOK},
		"a viewer":                   {"audit", in, http.StatusForbidden},
		"of no group":                {"", in, http.StatusForbidden},
		"of another connection":      {"night", other, http.StatusForbidden},
		"an input that is not valid": {"night", undated, http.StatusBadRequest},
	} {
		body, err := json.Marshal(row.in)
		require.NoError(t, err)
		r := httptest.NewRequestWithContext(t.Context(), http.MethodPost, "/api/starts", bytes.NewReader(body))
		w := send(c.Handler(), r, func(r *http.Request) {
			r.Header.Set("Content-Type", "application/json")
			r.Header.Set("X-Name", "dave")
			r.Header.Set("X-Groups", row.groups)
		})
		require.Equal(t, row.code, w.Code, "%s: %s", name, w.Body)
		if row.code != http.StatusOK {
			require.NotContains(t, w.Body.String(), "proof", name)
			continue
		}
		var signed login.SignedStart
		require.NoError(t, json.Unmarshal(w.Body.Bytes(), &signed))
		require.Equal(t, "dave", signed.By)
		_, err = proof.NewVerifier(map[string]ed25519.PublicKey{"console": key}).Verify(signed.Proof, time.Now(), proof.Expected{
			WorkflowID: in.WorkflowID(), By: "dave",
			Statement: proof.Statement{Command: workflows.StartProof, Why: in.Why(), Input: in.Digest()},
		})
		require.NoError(t, err)
	}
}

func TestAPI_hasTheRightsOfAForm(t *testing.T) {
	proxy, err := Proxy(config.Proxy{NameHeader: "X-Name", GroupsHeader: "X-Groups", From: []string{"127.0.0.1/32"}})
	require.NoError(t, err)
	c := newConsole(t, proxy, config.Role{Group: "night", Role: config.Operator}, config.Role{Group: "audit", Role: config.Viewer})
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
