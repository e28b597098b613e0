package main

import (
	"bytes"
	"context"
	"encoding/json"
	"log/slog"
	"testing"

	"github.com/stretchr/testify/require"
	"go.temporal.io/api/operatorservice/v1"
	"go.temporal.io/api/serviceerror"
	"go.temporal.io/sdk/mocks"
	"google.golang.org/grpc"
)

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
	require.NoError(t, checkSearchAttributes(t.Context(), temporal, "default", slog.New(slog.NewJSONHandler(&log, nil))))
	require.True(t, json.Valid(log.Bytes()), log.String())
	require.Contains(t, log.String(), "could not be checked")
}
