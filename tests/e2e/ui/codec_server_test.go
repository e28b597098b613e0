package ui

import (
	"fmt"
	"net/url"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/pbsmflow/pbsmflow/tests/harness"
	"github.com/pbsmflow/pbsmflow/workflows"
)

const encryptionKey = "AQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQE="

// The UI decodes the input of an encrypted close through the codec server, and encrypts what is typed into its forms. A
// page of another origin gets nothing.
func TestUI_readsEncryptedPayloads(t *testing.T) {
	t.Parallel()
	port, uiPort := harness.FreePort(t), harness.FreePort(t)
	endpoint := fmt.Sprintf("http://127.0.0.1:%d", port)
	server := harness.StartServer(t, "--ui-port", fmt.Sprint(uiPort), "--ui-codec-endpoint", endpoint)
	e := harness.New(t, harness.Options{Server: server, Keys: map[string]string{"first": encryptionKey}, Current: "first"})
	e.LaunchStarter("codec-server", "--listen", fmt.Sprintf("127.0.0.1:%d", port), "--origin", server.UI)
	e.Write(e.Pipelines, "night.yaml", "name: night\nsteps:\n  - id: signed\n    approve: {message: Are the books good}\n")
	id := workflows.CloseWorkflowID(e.Connection, "night", harness.AsOf)
	started := e.Run("close", "--connection", e.Connection, "--pipeline", "night", "--as-of", harness.AsOf, "--by", "quokka who starts it", "--detach")
	require.Zero(t, started.Code, started)
	e.AwaitState(id, workflows.Waiting)

	b := openPages(t, server)
	b.Open("/workflows/" + url.PathEscape(id))
	b.Until("the input", `document.body.innerText.includes("quokka who starts it")`)
	b.Shot("decoded")
	b.details(id, "signed")
	b.signal(id, workflows.ApproveCommand, `{"by": "alice", "why": "quokka typed this", "step": "signed"}`)
	require.NoError(t, e.Await(e.Temporal.GetWorkflow(t.Context(), id, ""), nil))
	for _, event := range e.History(id, "") {
		for _, p := range event.GetWorkflowExecutionSignaledEventAttributes().GetInput().GetPayloads() {
			require.Equal(t, "first", string(p.GetMetadata()["encryption-key-id"]), "the input of the form is encrypted")
			require.NotContains(t, string(p.GetData()), "quokka typed this")
		}
	}

	// The same UI under another name of this host is another origin.
	t.Run("another origin", func(t *testing.T) {
		other := *server
		other.UI = strings.Replace(server.UI, "127.0.0.1", "localhost", 1)
		require.NotEqual(t, server.UI, other.UI)
		page := openPages(t, &other)
		page.Open("/workflows/" + url.PathEscape(id))
		page.Until("the badge", `find("*", "Completed")`)
		page.Until("the sealed input", `document.body.innerText.includes("binary/encrypted") || document.body.innerText.includes("YmluYXJ5L2VuY3J5cHRlZA")`)
		page.Shot("not-decoded")
		page.Until("nothing to read", `!document.body.innerText.includes("quokka who starts it")`)
	})
}
