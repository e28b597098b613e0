package main

import (
	"cmp"
	"context"
	"fmt"
	"log/slog"
	"maps"
	"os"
	"slices"
	"strings"
	"time"

	"go.temporal.io/api/operatorservice/v1"
	"go.temporal.io/sdk/client"
	"go.temporal.io/sdk/worker"
	"go.temporal.io/sdk/workflow"

	"github.com/pbsmflow/pbsmflow/activities"
	"github.com/pbsmflow/pbsmflow/internal/calendar"
	"github.com/pbsmflow/pbsmflow/internal/config"
	"github.com/pbsmflow/pbsmflow/internal/temporalclient"
	"github.com/pbsmflow/pbsmflow/internal/version"
	"github.com/pbsmflow/pbsmflow/workflows"
)

// run works until ctx is done, then lets what is under way finish.
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
	tracing, sendSpans, err := newTracing(ctx, logger)
	if err != nil {
		return err
	}
	defer func() { finish(logger, sendSpans) }()
	temporal, options, err := temporalclient.Dial(ctx, logger, metrics, cfg.Encryption.Keyring().ForWorker(), tracing...)
	if err != nil {
		return err
	}
	defer temporal.Close()
	if err := checkSearchAttributes(ctx, temporal, options.Namespace, logger); err != nil {
		return err
	}
	acts, err := activities.New(ctx, cfg, temporal, metrics)
	if err != nil {
		return &badConfig{err}
	}
	defer acts.Close()

	fatal := make(chan error, 1)
	all, err := newWorkers(temporal, cfg, acts, worker.Options{
		WorkerStopTimeout:            cfg.Worker.StopTimeout,
		MaxHeartbeatThrottleInterval: progressInterval,
		DeploymentOptions:            deployment(os.Getenv("TEMPORAL_DEPLOYMENT_NAME"), os.Getenv("TEMPORAL_WORKER_BUILD_ID")),
		OnFatalError: func(err error) {
			select {
			case fatal <- err:
			default:
			}
		},
	})
	if err != nil {
		return err
	}

	calendars, err := calendar.Known(cfg.Calendars)
	if err != nil {
		return &badConfig{err}
	}
	connections := slices.Sorted(maps.Keys(cfg.Connections))
	workflows.CountFromZero(metrics, connections)
	found := &census{
		temporal: temporal, namespace: options.Namespace, connections: connections, interval: cfg.Worker.CollectInterval,
		refused:     func() map[string]bool { return activities.RefusedLogins(acts) },
		checkStores: func(ctx context.Context) map[string]error { return activities.StoreProblems(ctx, acts) },
		calendars:   calendars, payloads: cfg.Encryption.Keyring().DataConverter(), logger: logger,
	}
	if err := found.observe(meter); err != nil {
		return err
	}
	go found.run(ctx)
	health, err := serveHealth(cfg.Worker.Health, temporal, metricsPage)
	if err != nil {
		return err
	}
	defer health.close()
	if err := all.start(); err != nil {
		return err
	}
	health.ready.Store(true)
	logger.Info("worker started", "version", version.Version, "task_queue", cfg.Worker.TaskQueue,
		"namespace", options.Namespace, "temporal", options.HostPort, "health", health.address, "sealed_with", cfg.Encryption.Keyring().Current())

	select {
	case <-ctx.Done():
		logger.Info("worker stops; what is under way may finish", "within", cfg.Worker.StopTimeout.String())
	case err = <-fatal:
		err = fmt.Errorf("the worker cannot go on: %w", err)
	}
	health.ready.Store(false)
	all.stop()
	logger.Info("worker stopped")
	return err
}

// finish sends the spans that are left.
func finish(logger *slog.Logger, sendSpans func(context.Context) error) {
	ctx, cancel := context.WithTimeout(context.Background(), shutdownTimeout)
	defer cancel()
	if err := sendSpans(ctx); err != nil {
		logger.Warn("the last spans could not be sent", "error", err)
	}
}

// deployment makes the worker a version of a deployment where its environment names one: a
// night ends on the code that it began with, and new ones begin on the current version.
func deployment(name, buildID string) worker.DeploymentOptions {
	if name == "" {
		return worker.DeploymentOptions{}
	}
	return worker.DeploymentOptions{
		UseVersioning:             true,
		Version:                   worker.WorkerDeploymentVersion{DeploymentName: name, BuildID: cmp.Or(buildID, version.Version)},
		DefaultVersioningBehavior: workflow.VersioningBehaviorPinned,
	}
}

const (
	operatorTimeout = 10 * time.Second
	// progressInterval is how often the progress of a transfer reaches Temporal, and so its followers.
	progressInterval = 2 * time.Second
)

// checkSearchAttributes refuses to start where a workflow would be stuck at its first task.
func checkSearchAttributes(ctx context.Context, c client.Client, namespace string, logger *slog.Logger) error {
	ctx, cancel := context.WithTimeout(ctx, operatorTimeout)
	defer cancel()
	known, err := c.OperatorService().ListSearchAttributes(ctx, &operatorservice.ListSearchAttributesRequest{Namespace: namespace})
	if err != nil {
		logger.Warn("the search attributes of the namespace could not be checked", "namespace", namespace, "error", err)
		return nil // not every deployment lets a worker ask
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
	return fmt.Errorf("namespace %s does not know the search attributes %s: run `starter search-attributes create` once, then start the worker again",
		namespace, strings.Join(missing, ", "))
}
