// The worker runs the workflows and activities of nightly closes until it is stopped.
package main

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"os/signal"
	"syscall"
	"time"

	"github.com/spf13/cobra"

	"github.com/pbsmflow/pbsmflow/internal/config"
	"github.com/pbsmflow/pbsmflow/internal/httpx"
	"github.com/pbsmflow/pbsmflow/internal/temporalclient"
	"github.com/pbsmflow/pbsmflow/internal/version"
)

// Exit codes, the same as the starter's.
const (
	exitFailed      = 1
	exitBadConfig   = 2
	exitUnreachable = 5
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	err := command().ExecuteContext(ctx)
	if err == nil {
		return
	}
	fmt.Fprintln(os.Stderr, "worker:", err)
	var bad *badConfig
	switch {
	case errors.As(err, &bad):
		os.Exit(exitBadConfig)
	case errors.Is(err, temporalclient.ErrUnreachable):
		fmt.Fprintln(os.Stderr, temporalclient.WhatToCheck)
		os.Exit(exitUnreachable)
	}
	os.Exit(exitFailed)
}

// badConfig marks an error that a change of the configuration would fix.
type badConfig struct{ error }

func (e *badConfig) Unwrap() error { return e.error }

func command() *cobra.Command {
	var configPath string
	root := &cobra.Command{
		Use:   "worker",
		Short: "Run nightly closes: the Temporal worker of pbsmflow",
		Long: `The worker polls its task queue and runs workflows and activities until SIGTERM or
SIGINT; then it lets running activities finish (worker.stop_timeout).

Configure the Temporal connection as for any Temporal client: TEMPORAL_ADDRESS,
TEMPORAL_NAMESPACE, TEMPORAL_PROFILE, temporal.toml. To send traces, set
OTEL_EXPORTER_OTLP_ENDPOINT and the other OpenTelemetry variables. Everything else is in
pbsm.yaml.

SIGHUP makes the worker reread worker.log.level; any other change needs a restart.

Exit codes: 0 stopped by a signal, 1 failed, 2 problems in the configuration,
5 cannot reach Temporal.`,
		Example:       "  worker --config /etc/pbsmflow/pbsm.yaml",
		Args:          cobra.NoArgs,
		Version:       version.Version,
		SilenceUsage:  true,
		SilenceErrors: true,
		RunE: func(cmd *cobra.Command, _ []string) error {
			return run(cmd.Context(), func() (*config.Config, error) { return config.Load(configPath, os.Environ()) })
		},
	}
	root.PersistentFlags().StringVar(&configPath, "config", "",
		"path of pbsm.yaml (default $PBSM_CONFIG, else ./pbsm.yaml)")
	root.AddCommand(healthcheckCommand(&configPath))
	return root
}

const healthcheckTimeout = 5 * time.Second

func healthcheckCommand(configPath *string) *cobra.Command {
	var url string
	c := &cobra.Command{
		Use:   "healthcheck",
		Short: "Exit with 0 if the worker of this configuration, on this host, is ready; for containers",
		Args:  cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if url == "" {
				settings, err := config.LoadWorker(*configPath, os.Environ())
				if err != nil {
					return &badConfig{err}
				}
				url = readyURL(settings.Health)
			}
			ctx, cancel := context.WithTimeout(cmd.Context(), healthcheckTimeout)
			defer cancel()
			return httpx.CheckHealth(ctx, url)
		},
	}
	c.Flags().StringVar(&url, "url", "",
		"the address of the readiness check (default: /readyz at worker.health of the configuration)")
	return c
}

// readyURL is where a worker on this host that listens on an address says that it is ready.
func readyURL(address string) string {
	host, port, _ := net.SplitHostPort(address)
	switch host {
	case "", "0.0.0.0":
		host = "127.0.0.1"
	case "::":
		host = "::1"
	}
	return "http://" + net.JoinHostPort(host, port) + "/readyz"
}
