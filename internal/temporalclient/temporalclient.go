// Package temporalclient connects to Temporal with the settings of any Temporal client: TEMPORAL_ADDRESS,
// TEMPORAL_NAMESPACE, TEMPORAL_PROFILE and temporal.toml.
package temporalclient

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/url"
	"regexp"
	"strings"
	"time"

	"go.temporal.io/api/serviceerror"
	"go.temporal.io/sdk/client"
	"go.temporal.io/sdk/contrib/envconfig"
	"go.temporal.io/sdk/interceptor"
	"go.temporal.io/sdk/log"

	"github.com/pbsmflow/pbsmflow/internal/encryption"
)

// ErrUnreachable marks an error of Dial after which the same call may succeed later.
var ErrUnreachable = errors.New("cannot reach Temporal")

const dialTimeout = 10 * time.Second

// WhatToCheck says what an operator can do after ErrUnreachable.
const WhatToCheck = "Check that the server runs, then TEMPORAL_ADDRESS, TEMPORAL_NAMESPACE, " +
	"and the TLS and API key settings."

// Dial connects with the selected profile. metrics may be nil. The error is ErrUnreachable, with the address,
// unless the settings cannot be read.
func Dial(
	ctx context.Context, logger *slog.Logger, metrics client.MetricsHandler,
	converters encryption.Converters, interceptors ...interceptor.ClientInterceptor,
) (client.Client, client.Options, error) {
	options, err := envconfig.LoadClientOptions(envconfig.LoadClientOptionsRequest{ConfigFileStrict: true})
	if err != nil {
		return nil, options, fmt.Errorf("the settings for Temporal (TEMPORAL_* and temporal.toml): %w", err)
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
		return nil, options, fmt.Errorf("%w at %s: %s", ErrUnreachable, options.HostPort, Reason(err))
	}
	return c, options, nil
}

// wrapping is what Temporal's client, gRPC and Go put around the reason for a failed connection.
var wrapping = regexp.MustCompile(`failed reaching server: |connection error: desc = "?|"?transport: |` +
	`Error while dialing: |dial tcp \S+: |connect: |"$`)

// Reason is why the connection failed, without the wrapping of each layer.
func Reason(err error) string {
	text := wrapping.ReplaceAllString(err.Error(), "")
	var late *serviceerror.DeadlineExceeded
	switch {
	case errors.Is(err, context.DeadlineExceeded) || errors.As(err, &late):
		return "no response in time"
	case text == "no children to pick from": // gRPC's text for a host name without addresses
		return "the host name has no address"
	}
	return text
}

// WorkflowURL is the page of a workflow's latest run in the Temporal UI at ui, or empty if ui is.
func WorkflowURL(ui, namespace, workflowID string) string {
	if ui == "" {
		return ""
	}
	return fmt.Sprintf("%s/namespaces/%s/workflows/%s",
		strings.TrimRight(ui, "/"), url.PathEscape(namespace), url.PathEscape(workflowID))
}
