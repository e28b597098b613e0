package main

import (
	"context"
	"fmt"
	"log/slog"
	"slices"
	"strings"
	"time"

	"go.temporal.io/api/operatorservice/v1"
	"go.temporal.io/sdk/client"

	"github.com/pbsmflow/pbsmflow/activities"
	"github.com/pbsmflow/pbsmflow/internal/config"
	"github.com/pbsmflow/pbsmflow/internal/temporalclient"
	"github.com/pbsmflow/pbsmflow/internal/version"
	"github.com/pbsmflow/pbsmflow/workflows"
)

// run works until ctx is done or the worker fails, then lets running activities finish.
func run(ctx context.Context, load func() (*config.Config, error)) error {
	cfg, err := load()
	if err != nil {
		return &badConfig{err}
	}
	logger, level, flush, err := newLogger(cfg.Worker.Log)
	if err != nil {
		return &badConfig{err}
	}
	defer flush()
	reloadLevel(ctx, level, logger, load)

	metrics, meter, metricsPage, err := newMetrics()
	if err != nil {
		return err
	}
	tracing, flushSpans, err := newTracing(ctx, logger)
	if err != nil {
		return err
	}
	defer flushSpans()

	keys := cfg.Encryption.Keyring()
	temporal, options, err := temporalclient.Dial(ctx, logger, metrics, keys.ForWorker(), tracing...)
	if err != nil {
		return err
	}
	defer temporal.Close()
	if err := checkSearchAttributes(ctx, temporal, options.Namespace, cfg.Worker.Starter, logger); err != nil {
		return err
	}

	acts, err := activities.New(ctx, cfg, temporal, metrics)
	if err != nil {
		return &badConfig{err}
	}
	defer acts.Close()
	all, fatal, err := newWorkers(temporal, cfg, acts)
	if err != nil {
		return err
	}

	workflows.CountFromZero(metrics, connectionNames(cfg))
	collector, err := newCollector(temporal, options.Namespace, cfg, acts, logger)
	if err != nil {
		return err
	}
	if err := collector.export(meter); err != nil {
		return err
	}
	go collector.run(ctx)

	health, err := serveHealth(cfg.Worker.Health, temporal, metricsPage)
	if err != nil {
		return err
	}
	defer health.close(ctx)

	if err := all.start(); err != nil {
		return err
	}
	health.ready.Store(true)
	logger.Info("worker started",
		"version", version.Version,
		"task_queue", cfg.Worker.TaskQueue,
		"namespace", options.Namespace,
		"temporal", options.HostPort,
		"health", health.address,
		"encryption_key", keys.Current(),
	)
	select {
	case <-ctx.Done():
		logger.Info("worker stops; running activities may finish", "within", cfg.Worker.StopTimeout.String())
	case err = <-fatal:
		err = fmt.Errorf("the worker cannot continue: %w", err)
	}
	health.ready.Store(false)
	all.stop()
	logger.Info("worker stopped")
	return err
}

const operatorTimeout = 10 * time.Second

// checkSearchAttributes refuses to start in a namespace where the first task of every workflow would fail.
func checkSearchAttributes(ctx context.Context, c client.Client, namespace string, starter config.Starter, logger *slog.Logger) error {
	ctx, cancel := context.WithTimeout(ctx, operatorTimeout)
	defer cancel()
	request := &operatorservice.ListSearchAttributesRequest{Namespace: namespace}
	known, err := c.OperatorService().ListSearchAttributes(ctx, request)
	if err != nil {
		logger.Warn("the search attributes of the namespace could not be checked", "namespace", namespace, "error", err)
		return nil // some deployments do not permit it
	}
	var missing []string
	for _, name := range workflows.SearchAttributes() {
		if _, ok := known.GetCustomAttributes()[name]; !ok {
			missing = append(missing, name)
		}
	}
	if len(missing) == 0 {
		return nil
	}
	slices.Sort(missing)
	return fmt.Errorf("namespace %s does not have the search attributes %s: "+
		"run `%s` once, then start the worker again",
		namespace, strings.Join(missing, ", "), starter.Command("search-attributes create"))
}
