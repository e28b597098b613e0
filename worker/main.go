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
TEMPORAL_PROFILE, temporal.toml. Everything else is in pbsm.yaml.

Exit codes: 0 stopped as told, 1 failed, 2 faults in the configuration, 5 cannot reach Temporal.`,
		Example:       "  worker --config /etc/pbsmflow/pbsm.yaml",
		Args:          cobra.NoArgs,
		Version:       version.Version,
		SilenceUsage:  true,
		SilenceErrors: true,
		RunE: func(cmd *cobra.Command, _ []string) error {
			cfg, err := config.Load(configPath, os.Environ())
			if err != nil {
				return &badConfig{err}
			}
			return run(cmd.Context(), cfg)
		},
	}
	root.PersistentFlags().StringVar(&configPath, "config", "", "path of pbsm.yaml (default $PBSM_CONFIG, else ./pbsm.yaml)")
	root.AddCommand(healthcheckCommand())
	return root
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
