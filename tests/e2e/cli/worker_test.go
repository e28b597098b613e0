package cli

import (
	"context"
	"fmt"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"go.temporal.io/api/workflowservice/v1"
	"google.golang.org/protobuf/types/known/durationpb"

	"github.com/pbsmflow/pbsmflow/tests/harness"
	"github.com/pbsmflow/pbsmflow/workflows"
)

// ends waits for a worker that cannot start and gives its exit code and what it said.
func ends(t *testing.T, p *harness.Process) (int, string) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	code, err := p.Wait(ctx)
	require.NoError(t, err)
	return code, p.Tail()
}

func TestWorker_cannotStart(t *testing.T) {
	t.Parallel()
	t.Run("Temporal is unreachable", func(t *testing.T) {
		t.Parallel()
		e := harness.New(t, harness.Options{NoWorker: true})
		address := fmt.Sprintf("127.0.0.1:%d", harness.FreePort(t))
		code, said := ends(t, e.LaunchWorker("TEMPORAL_ADDRESS="+address))
		require.Equal(t, 5, code, said)
		require.Contains(t, said, address)
		require.Contains(t, said, "TEMPORAL_ADDRESS")
	})
	t.Run("every fault of the configuration is named", func(t *testing.T) {
		t.Parallel()
		e := harness.New(t, harness.Options{NoWorker: true, Settings: map[string]string{
			"connection.base_url":       "http://not-secure.example.com/tenant",
			"connection.password__file": "/nowhere/password",
			"connection.ca_file":        "/nowhere/ca.pem",
			"connection.timeot":         "5s",
			"worker.poll.min":           "soon",
			"worker.log.level":          "loud",
			"stores.inbox.url":          "ftp://example.com",
		}})
		code, said := ends(t, e.LaunchWorker())
		require.Equal(t, 2, code, said)
		for _, key := range []string{"base_url", "password", "ca_file", "timeot", "worker.poll.min", "worker.log.level", "stores.inbox.url"} {
			require.Contains(t, said, key)
		}
		require.NotContains(t, said, e.Sim.Options().ClientSecret)
	})
	t.Run("the configuration is missing", func(t *testing.T) {
		t.Parallel()
		e := harness.New(t, harness.Options{NoWorker: true})
		code, said := ends(t, e.LaunchWorker("PBSM_CONFIG="+e.Dir+"/nowhere.yaml"))
		require.Equal(t, 2, code, said)
		require.Contains(t, said, "nowhere.yaml")
	})
	t.Run("the namespace lacks the search attributes", func(t *testing.T) {
		t.Parallel()
		e := harness.New(t, harness.Options{NoWorker: true})
		_, err := e.Temporal.WorkflowService().RegisterNamespace(t.Context(), &workflowservice.RegisterNamespaceRequest{
			Namespace: "bare", WorkflowExecutionRetentionPeriod: durationpb.New(24 * time.Hour),
		})
		require.NoError(t, err)
		e.Until("the namespace is known", func() bool {
			_, err := e.Temporal.WorkflowService().ListOpenWorkflowExecutions(t.Context(), &workflowservice.ListOpenWorkflowExecutionsRequest{Namespace: "bare"})
			return err == nil
		})
		code, said := ends(t, e.LaunchWorker("TEMPORAL_NAMESPACE=bare"))
		require.Equal(t, 1, code, said)
		for _, name := range workflows.SearchAttributes() {
			require.Contains(t, said, name)
		}
		require.Contains(t, said, "starter search-attributes create")
	})
}

// The readiness page tells the truth, and the binary's own health check reads it.
func TestWorker_health(t *testing.T) {
	t.Parallel()
	server := harness.StartServer(t)
	e := harness.New(t, harness.Options{Server: server})
	require.Equal(t, 0, e.Healthcheck().Code)
	server.Kill()
	e.Until("the worker is not ready without Temporal", func() bool { return e.Healthcheck().Code != 0 })
}
