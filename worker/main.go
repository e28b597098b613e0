// The worker carries out the workflows and activities of nightly closes until it is told to stop.
package main

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"os"
	"os/signal"
	"syscall"
	"time"

	"github.com/spf13/cobra"

	"github.com/pbsmflow/pbsmflow/internal/config"
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

// badConfig marks an error that another configuration would cure.
type badConfig struct{ error }

func (e *badConfig) Unwrap() error { return e.error }

func command() *cobra.Command {
	var configPath string
	root := &cobra.Command{
		Use:   "worker",
		Short: "Carry out nightly closes: the Temporal worker of pbsmflow",
		Long: `The worker polls its task queue and carries out workflows and activities until
SIGTERM or SIGINT; then it finishes what is under way (worker.stop_timeout).

Temporal is found as by every Temporal tool: TEMPORAL_ADDRESS, TEMPORAL_NAMESPACE,
TEMPORAL_PROFILE, temporal.toml. Traces go where OTEL_EXPORTER_OTLP_ENDPOINT and its kin
say, and nowhere without them. Everything else is in pbsm.yaml.

SIGHUP reads worker.log.level again; every other change needs a restart.

Exit codes: 0 stopped as told, 1 failed, 2 faults in the configuration, 5 cannot reach Temporal.`,
		Example:       "  worker --config /etc/pbsmflow/pbsm.yaml",
		Args:          cobra.NoArgs,
		Version:       version.Version,
		SilenceUsage:  true,
		SilenceErrors: true,
		RunE: func(cmd *cobra.Command, _ []string) error {
			return run(cmd.Context(), func() (*config.Config, error) { return config.Load(configPath, os.Environ()) })
		},
	}
	root.PersistentFlags().StringVar(&configPath, "config", "", "path of pbsm.yaml (default $PBSM_CONFIG, else ./pbsm.yaml)")
	root.AddCommand(healthcheckCommand(), reloadCommand())
	return root
}

func reloadCommand() *cobra.Command {
	pid := 1
	c := &cobra.Command{
		Use:   "reload",
		Short: "Make the worker on this host read worker.log.level again (SIGHUP), where there is no kill: in a container",
		Args:  cobra.NoArgs,
		RunE: func(*cobra.Command, []string) error {
			process, err := os.FindProcess(pid)
			if err != nil {
				return err
			}
			return process.Signal(syscall.SIGHUP)
		},
	}
	c.Flags().IntVar(&pid, "pid", pid, "the worker's process; in its container it is 1")
	return c
}

const healthcheckTimeout = 5 * time.Second

func healthcheckCommand() *cobra.Command {
	var url string
	c := &cobra.Command{
		Use:   "healthcheck",
		Short: "Exit 0 when the worker on this host is ready, for a container's health check",
		Args:  cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			ctx, cancel := context.WithTimeout(cmd.Context(), healthcheckTimeout)
			defer cancel()
			request, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
			if err != nil {
				return err
			}
			response, err := http.DefaultClient.Do(request)
			if err != nil {
				return err
			}
			defer response.Body.Close()
			if response.StatusCode != http.StatusOK {
				return fmt.Errorf("%s answers %s", url, response.Status)
			}
			return nil
		},
	}
	c.Flags().StringVar(&url, "url", "http://127.0.0.1:9090/readyz", "the readiness page to ask")
	return c
}
