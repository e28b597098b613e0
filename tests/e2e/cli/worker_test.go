package cli

import (
	"context"
	"fmt"
	"os"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"go.temporal.io/api/workflowservice/v1"
	"google.golang.org/protobuf/types/known/durationpb"

	"github.com/pbsmflow/pbsmflow/tests/harness"
	"github.com/pbsmflow/pbsmflow/workflows"
)

// exit waits for a worker that cannot start, and returns its exit code and its log.
func exit(t *testing.T, p *harness.Process) (int, string) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	code, err := p.Wait(ctx)
	require.NoError(t, err)
	return code, p.Tail()
}

func TestWorker_cannotStart(t *testing.T) {
	t.Parallel()
	t.Run("Temporal unreachable", func(t *testing.T) {
		t.Parallel()
		e := harness.New(t, harness.Options{NoWorker: true})
		address := fmt.Sprintf("127.0.0.1:%d", harness.FreePort(t))
		code, output := exit(t, e.LaunchWorker("TEMPORAL_ADDRESS="+address))
		require.Equal(t, 5, code, output)
		require.Contains(t, output, address)
		require.Contains(t, output, "TEMPORAL_ADDRESS")
	})
	t.Run("problems of the configuration", func(t *testing.T) {
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
		code, output := exit(t, e.LaunchWorker())
		require.Equal(t, 2, code, output)
		for _, key := range []string{"base_url", "password", "ca_file", "timeot", "worker.poll.min", "worker.log.level", "stores.inbox.url"} {
			require.Contains(t, output, key)
		}
		require.NotContains(t, output, e.Sim.Options().ClientSecret)
	})
	t.Run("configuration missing", func(t *testing.T) {
		t.Parallel()
		e := harness.New(t, harness.Options{NoWorker: true})
		code, output := exit(t, e.LaunchWorker("PBSM_CONFIG="+e.Dir+"/nowhere.yaml"))
		require.Equal(t, 2, code, output)
		require.Contains(t, output, "nowhere.yaml")
	})
	t.Run("search attributes missing", func(t *testing.T) {
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
		code, output := exit(t, e.LaunchWorker("TEMPORAL_NAMESPACE=bare"))
		require.Equal(t, 1, code, output)
		for _, name := range workflows.SearchAttributes() {
			require.Contains(t, output, name)
		}
		require.Contains(t, output, "starter search-attributes create")
	})
}

// The worker's health check reports whether Temporal is reachable.
func TestWorker_health(t *testing.T) {
	t.Parallel()
	server := harness.StartServer(t)
	e := harness.New(t, harness.Options{Server: server})
	require.Equal(t, 0, e.Healthcheck().Code)
	server.Kill()
	e.Until("the worker is not ready without Temporal", func() bool { return e.Healthcheck().Code != 0 })
}

// Whoever reads a history sees which release wrote it.
func TestWorker_namesItsReleaseInHistories(t *testing.T) {
	t.Parallel()
	e := harness.New(t, harness.Options{})
	run := e.StartBatch(workflows.RunBatchInput{Code: harness.QuickBatch})
	require.NoError(t, e.Await(run, nil))
	log, err := os.ReadFile(e.Worker.Stderr)
	require.NoError(t, err)
	for _, event := range e.History(run.GetID(), run.GetRunID()) {
		if task := event.GetWorkflowTaskCompletedEventAttributes(); task != nil {
			release := task.GetWorkerVersion().GetBuildId() //nolint:staticcheck // of workers without a deployment
			require.Contains(t, string(log), fmt.Sprintf("%q:%q", "version", release))
		}
	}
}
