package temporalclient

import (
	"context"
	"fmt"
	"io"
	"log/slog"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"go.temporal.io/api/serviceerror"

	"github.com/pbsmflow/pbsmflow/internal/encryption"
)

func TestDial_reason(t *testing.T) {
	t.Setenv("TEMPORAL_ADDRESS", "127.0.0.1:1")
	t.Setenv("TEMPORAL_CONFIG_FILE", "/dev/null")
	_, _, err := Dial(t.Context(), slog.New(slog.NewTextHandler(io.Discard, nil)), nil, encryption.Converters{})
	require.ErrorIs(t, err, ErrUnreachable)
	assert.EqualError(t, err, "cannot reach Temporal at 127.0.0.1:1: connection refused")
	assert.Equal(t, "no response in time", Reason(serviceerror.NewDeadlineExceeded("context deadline exceeded")))
	for want, err := range map[string]error{
		"no response in time":          fmt.Errorf("failed reaching server: %w", context.DeadlineExceeded),
		"the host name has no address": fmt.Errorf("failed reaching server: no children to pick from"),
		"authentication handshake failed: tls: first record does not look like a TLS handshake": fmt.Errorf(
			`failed reaching server: connection error: desc = "transport: authentication handshake failed: tls: first record does not look like a TLS handshake"`),
		"error reading server preface: connection reset by peer": fmt.Errorf(`failed reaching server: connection error: desc = "error reading server preface: connection reset by peer"`),
		"Request unauthorized.":                                  fmt.Errorf("failed reaching server: %s", "Request unauthorized."),
	} {
		assert.Equal(t, want, Reason(err))
	}
}
