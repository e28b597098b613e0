// Package temporalclient connects to Temporal as every Temporal tool does: from
// TEMPORAL_ADDRESS, TEMPORAL_NAMESPACE, TEMPORAL_PROFILE and temporal.toml.
package temporalclient

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/url"
	"strings"
	"time"

	"go.temporal.io/sdk/client"
	"go.temporal.io/sdk/contrib/envconfig"
	"go.temporal.io/sdk/interceptor"
	"go.temporal.io/sdk/log"

	"github.com/pbsmflow/pbsmflow/internal/encryption"
)

// ErrUnreachable marks an error of Dial after which the same call may succeed later.
var ErrUnreachable = errors.New("cannot reach Temporal")

const dialTimeout = 10 * time.Second

// Dial connects with the profile in force. The error names the address, the
// namespace and what to check; it is ErrUnreachable when the settings were readable.
// Metrics may be nil. Whatever the client sends and receives goes through converters.
func Dial(ctx context.Context, logger *slog.Logger, metrics client.MetricsHandler, converters encryption.Converters, interceptors ...interceptor.ClientInterceptor) (client.Client, client.Options, error) {
	options, err := envconfig.LoadClientOptions(envconfig.LoadClientOptionsRequest{ConfigFileStrict: true})
	if err != nil {
		return nil, options, fmt.Errorf("settings of Temporal (TEMPORAL_* and temporal.toml): %w", err)
	}
	converters.Apply(&options)
	options.MetricsHandler = metrics
	options.Interceptors = interceptors
	options.Logger = log.NewStructuredLogger(logger)
	options.HostPort = cmp.Or(options.HostPort, client.DefaultHostPort)
	options.Namespace = cmp.Or(options.Namespace, client.DefaultNamespace)

	ctx, cancel := context.WithTimeout(ctx, dialTimeout)
	defer cancel()
	c, err := client.DialContext(ctx, options)
	if err != nil {
		return nil, options, fmt.Errorf("%w at %s (namespace %s): %w; check TEMPORAL_ADDRESS, TEMPORAL_NAMESPACE, TLS and API key settings, or that the server runs",
			ErrUnreachable, options.HostPort, options.Namespace, err)
	}
	return c, options, nil
}

// WorkflowURL is the page of a workflow's latest run in the web interface at ui; empty without one.
func WorkflowURL(ui, namespace, workflowID string) string {
	if ui == "" {
		return ""
	}
	return fmt.Sprintf("%s/namespaces/%s/workflows/%s", strings.TrimRight(ui, "/"), url.PathEscape(namespace), url.PathEscape(workflowID))
}
