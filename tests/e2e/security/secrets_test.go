// Package security tests that Temporal, logs and metrics contain no secret, and what encryption covers.
package security

import (
	"encoding/base64"
	"io"
	"io/fs"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
	commonpb "go.temporal.io/api/common/v1"
	historypb "go.temporal.io/api/history/v1"
	"go.temporal.io/api/temporalproto"
	"go.temporal.io/api/workflowservice/v1"
	"go.temporal.io/sdk/client"

	"github.com/pbsmflow/pbsmflow/internal/simulator"
	"github.com/pbsmflow/pbsmflow/tests/harness"
	"github.com/pbsmflow/pbsmflow/workflows"
)

// sieve finds secrets in text. A part is enough, because a database splits long values between its pages.
type sieve map[string]string // part -> what it is a part of

const sievePart = 16

func newSieve(secrets []string) sieve {
	s := sieve{}
	for _, secret := range secrets {
		s.add(secret, secret)
		for shift := range 3 { // base64 of a text that contains it, at any offset
			encoded := base64.RawStdEncoding.EncodeToString([]byte(strings.Repeat("x", shift) + secret))
			s.add(encoded[4:len(encoded)-4], secret)
		}
	}
	return s
}

func (s sieve) add(text, secret string) {
	for i := range len(text) - sievePart + 1 {
		s[text[i:i+sievePart]] = secret
	}
}

// find returns the first secret of which a part is in the text.
func (s sieve) find(text []byte) (secret string, at int) {
	for i := range len(text) - sievePart + 1 {
		if secret, ok := s[string(text[i:i+sievePart])]; ok {
			return secret, i
		}
	}
	return "", -1
}

const secretsPipeline = `name: everything
steps:
  - id: ledger
    upload: {file: inbox/gl.csv}
  - id: quick
    needs: [ledger]
    batch: {code: PBSM_FAIL_ONCE, restarts: 1, restart_delay: 100ms}
  - id: group
    group: {code: PBSM_PROFIT_GRP, batches: [{code: PBSM_CUST_PROFIT}, {code: PBSM_PROD_PROFIT}]}
  - id: copy
    needs: [ledger]
    download: {file: gl.csv, save_to: reports/copy.csv}
  - id: report
    report: {code: RPT002, save_to: reports/report.csv}
  - id: out
    export: {code: MIG_EXPORT1}
  - id: in
    import: {code: MIG_IMPORT1}
`

// After a close with faults neither the event histories, nor the database, nor any log contains a password, a client
// secret, a token or a pre-authenticated URL.
func TestSecrets_leaveNoTrace(t *testing.T) {
	t.Parallel()
	server := harness.StartServer(t)
	n := harness.NewNotified(t, harness.Options{Server: server, Settings: map[string]string{"worker.log.level": "debug", "connection.transfer.threshold": "1"}, // in parts: their URI is a secret, too
		Simulator: simulator.Options{Quirks: simulator.Quirks{simulator.RefreshRotates}}})
	e := n.Env
	n.Hook.Fault = func(w http.ResponseWriter, attempt int) bool {
		if attempt > 1 {
			return false
		}
		http.Error(w, harness.HookSecret, http.StatusInternalServerError)
		return true
	}
	n.Chat.Fault = func(http.ResponseWriter, int) bool { panic(http.ErrAbortHandler) }
	e.Write(e.Inbox, "gl.csv", harness.Ledger(100))
	e.Write(e.Pipelines, "everything.yaml", secretsPipeline)
	injectFaults(e)
	var result workflows.NightlyCloseResult
	require.NoError(t, e.Await(e.StartClose("everything"), &result))
	require.Equal(t, workflows.Succeeded, result.State)
	require.NotEmpty(t, e.Calls("multipart-create"))
	keepMetrics(t, e)
	e.Worker.Stop()

	require.Equal(t, []string{"succeeded"}, n.Hook.Events())
	require.Len(t, n.Chat.IDs(), 1)
	secrets := append([]string{harness.HookSecret, n.Box.Password}, e.Sim.Secrets()...)
	require.Greater(t, len(secrets), 8, "the credentials, tokens and PARs")
	held := newSieve(secrets)
	for name, text := range traces(t, e, server) {
		secret, at := held.find(text)
		require.Empty(t, secret, "%s holds a secret at byte %d: %.80q", name, at, text[max(0, at-40):max(0, at)])
	}

	// The same scan finds planted secrets.
	for i, secret := range []string{e.Sim.Options().Password, harness.HookSecret, secrets[len(secrets)-1]} {
		_, err := e.Temporal.ExecuteWorkflow(t.Context(), client.StartWorkflowOptions{
			ID: "planted", TaskQueue: e.TaskQueue, Memo: map[string]any{"note": secret},
		}, workflows.Migrate, workflows.MigrateInput{})
		require.NoError(t, err)
		e.Until("the planted workflow is listed", func() bool {
			listed, err := e.Temporal.ListWorkflow(t.Context(), &workflowservice.ListWorkflowExecutionsRequest{Query: "WorkflowId = 'planted' AND ExecutionStatus = 'Running'"})
			return err == nil && len(listed.Executions) == 1
		})
		found := map[string]bool{}
		for name, text := range traces(t, e, server) {
			_, at := newSieve([]string{secret}).find(text)
			found[filepath.Base(name)] = found[filepath.Base(name)] || at >= 0 // several runs have the id
		}
		require.True(t, found["planted.json"], "secret %d is found in the history", i)
		require.True(t, found["temporal.db"] || found["temporal.db-wal"], "secret %d is found in the database", i)
		require.NoError(t, e.Temporal.TerminateWorkflow(t.Context(), "planted", "", "found"))
	}
}

// injectFaults makes every kind of response that contains a secret fail once.
func injectFaults(e *harness.Env) {
	for _, call := range []string{"token", "upload-par", "download-by-name", "report-status", "object-put", "object-get"} {
		e.Sim.Inject(
			simulator.Fault{Call: call, Kind: simulator.FaultCloseAfter, Times: 1},
			simulator.Fault{Call: call, Kind: simulator.FaultTruncate, Times: 1},
			simulator.Fault{Call: call, Kind: simulator.FaultHTMLAfter, Times: 1},
		)
	}
	e.Sim.Inject(
		simulator.Fault{Call: "status", Kind: simulator.FaultUnauthorized, Times: 1},
		simulator.Fault{Call: "status", Kind: simulator.FaultExpireTokens, Times: 1},
		simulator.Fault{Call: "object-get", Kind: simulator.FaultExpirePAR, Times: 1},
	)
}

// keepMetrics saves the worker's metrics beside its logs, where traces finds them.
func keepMetrics(t *testing.T, e *harness.Env) {
	t.Helper()
	response, err := http.Get(e.Worker.Health + "/metrics")
	require.NoError(t, err)
	defer response.Body.Close()
	page, err := io.ReadAll(response.Body)
	require.NoError(t, err)
	require.Contains(t, string(page), "pbsm_service_call_seconds", "the page has metrics of the calls")
	e.Write(e.Dir, "metrics.txt", string(page))
}

// traces returns everything that a close leaves behind: histories as JSON, the database, the logs, the metrics, the
// audit file.
func traces(t *testing.T, e *harness.Env, server *harness.Server) map[string][]byte {
	t.Helper()
	left := map[string][]byte{}
	listed, err := e.Temporal.ListWorkflow(t.Context(), &workflowservice.ListWorkflowExecutionsRequest{})
	require.NoError(t, err)
	require.NotEmpty(t, listed.Executions)
	for _, w := range listed.Executions {
		history := &historypb.History{Events: e.History(w.Execution.WorkflowId, w.Execution.RunId)}
		for _, marshal := range []temporalproto.CustomJSONMarshalOptions{{}, {Metadata: map[string]any{commonpb.EnablePayloadShorthandMetadataKey: true}}} {
			text, err := marshal.Marshal(history)
			require.NoError(t, err)
			left[w.Execution.WorkflowId+".json"] = append(left[w.Execution.WorkflowId+".json"], text...)
		}
	}
	for _, folder := range []string{filepath.Dir(server.DB), e.Dir} {
		require.NoError(t, filepath.WalkDir(folder, func(path string, entry fs.DirEntry, err error) error {
			if err == nil && entry.IsDir() && path == filepath.Dir(e.Config) {
				return fs.SkipDir // the configuration is where the secrets belong
			}
			if err != nil || entry.IsDir() {
				return err
			}
			left[path], err = os.ReadFile(path)
			return err
		}))
	}
	return left
}
