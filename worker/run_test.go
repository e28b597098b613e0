package main

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"
	"go.temporal.io/api/operatorservice/v1"
	"go.temporal.io/api/serviceerror"
	"go.temporal.io/sdk/mocks"
	"google.golang.org/grpc"
)

// A second worker on a host listens elsewhere, and must not be judged by the answer of the first.
func TestHealthcheck_asksTheConfiguredAddress(t *testing.T) {
	for address, want := range map[string]string{
		":9090": "http://127.0.0.1:9090/readyz", "0.0.0.0:9191": "http://127.0.0.1:9191/readyz", "[::]:9191": "http://[::1]:9191/readyz",
		"127.0.0.2:9090": "http://127.0.0.2:9090/readyz", "[::1]:9090": "http://[::1]:9090/readyz",
	} {
		require.Equal(t, want, readyURL(address))
	}
	page := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path != "/readyz" {
			w.WriteHeader(http.StatusNotFound)
		}
	}))
	defer page.Close()
	file := filepath.Join(t.TempDir(), "pbsm.yaml")
	check := func() error {
		root := command()
		root.SetArgs([]string{"healthcheck", "--config", file})
		return root.ExecuteContext(t.Context())
	}
	// What only the worker itself needs is not read.
	settings := "connections: {prod: {password: {file: /nowhere}}}\nworker: {health: %q}\n"
	require.NoError(t, os.WriteFile(file, fmt.Appendf(nil, settings, page.Listener.Addr()), 0o600))
	require.NoError(t, check())
	require.NoError(t, os.WriteFile(file, fmt.Appendf(nil, settings, "127.0.0.1:1"), 0o600))
	require.Error(t, check())
}

// silentOperator does not permit reading the search attributes.
type silentOperator struct {
	operatorservice.OperatorServiceClient
}

func (silentOperator) ListSearchAttributes(context.Context, *operatorservice.ListSearchAttributesRequest, ...grpc.CallOption) (*operatorservice.ListSearchAttributesResponse, error) {
	return nil, serviceerror.NewPermissionDenied("not you", "")
}

// If the worker may not read the search attributes, it logs a warning and starts.
func TestCheckSearchAttributes_notPermitted(t *testing.T) {
	temporal := mocks.NewClient(t)
	temporal.On("OperatorService").Return(silentOperator{})
	var log bytes.Buffer
	require.NoError(t, checkSearchAttributes(t.Context(), temporal, "default", "", slog.New(slog.NewJSONHandler(&log, nil))))
	require.True(t, json.Valid(log.Bytes()), log.String())
	require.Contains(t, log.String(), "could not be checked")
}
