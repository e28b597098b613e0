package main

import (
	"cmp"
	"fmt"
	"maps"
	"os"
	"slices"
	"sync"
	"time"

	"go.temporal.io/sdk/client"
	"go.temporal.io/sdk/worker"
	"go.temporal.io/sdk/workflow"

	"github.com/pbsmflow/pbsmflow/activities"
	"github.com/pbsmflow/pbsmflow/internal/config"
	"github.com/pbsmflow/pbsmflow/internal/version"
	"github.com/pbsmflow/pbsmflow/workflows"
)

// workers poll the task queues of one process.
type workers []worker.Worker

const (
	// workflowPollers is the number of pollers of the workflows' task queue. It is fixed, because only then does the
	// SDK prefer workflows that have begun to new ones. With autoscaling pollers, 600 batches that began at once
	// waited for each other at every step, until their workflow tasks timed out on the sticky queue.
	workflowPollers = 5
	// The pollers for activities scale between these limits. With a maximum of 100, Temporal on two cores was only
	// slower, and one trigger of 300 began 22 s late.
	minActivityPollers, maxActivityPollers = 2, 10
	// progressInterval is how often the progress of a transfer reaches Temporal, and so whoever follows it.
	progressInterval = 2 * time.Second
)

// newWorkers makes a worker for the workflows and the activities without a connection, and one for each connection,
// whose rate limit the server keeps over all workers that poll its queue. All have the same deployment version. The
// channel reports an error after which they cannot continue.
func newWorkers(temporal client.Client, cfg *config.Config, acts *activities.Activities) (workers, <-chan error, error) {
	fatal := make(chan error, 1)
	options := worker.Options{
		WorkerStopTimeout:                cfg.Worker.StopTimeout,
		MaxHeartbeatThrottleInterval:     progressInterval,
		MaxConcurrentWorkflowTaskPollers: workflowPollers,
		ActivityTaskPollerBehavior: worker.NewPollerBehaviorAutoscaling(worker.PollerBehaviorAutoscalingOptions{
			InitialNumberOfPollers: minActivityPollers,
			MinimumNumberOfPollers: minActivityPollers,
			MaximumNumberOfPollers: maxActivityPollers,
		}),
		DeploymentOptions: deployment(os.Getenv("TEMPORAL_DEPLOYMENT_NAME"), os.Getenv("TEMPORAL_WORKER_BUILD_ID")),
		OnFatalError: func(err error) {
			select {
			case fatal <- err:
			default:
			}
		},
	}
	worker.SetStickyWorkflowCacheSize(int(cfg.Worker.CachedWorkflows)) // of the process
	worker.SetBinaryChecksum(version.Version)                          // a history names the release that ran it; no hash at each start
	queue := cfg.Worker.TaskQueue
	main := worker.New(temporal, queue, options)
	if err := workflows.Register(main); err != nil {
		return nil, nil, err
	}
	all := workers{main}
	for _, name := range connectionNames(cfg) {
		own := options
		own.DisableWorkflowWorker = true
		own.TaskQueueActivitiesPerSecond = cfg.Connections[name].Rate
		all = append(all, worker.New(temporal, workflows.ConnectionTaskQueue(queue, name), own))
	}
	for _, w := range all {
		w.RegisterActivity(acts)
	}
	return all, fatal, nil
}

func connectionNames(cfg *config.Config) []string { return slices.Sorted(maps.Keys(cfg.Connections)) }

// deployment makes the worker a version of a deployment if its environment names one: a running close ends on the
// version that it began with, and new ones begin on the current version.
func deployment(name, buildID string) worker.DeploymentOptions {
	if name == "" {
		return worker.DeploymentOptions{}
	}
	return worker.DeploymentOptions{
		UseVersioning: true,
		Version: worker.WorkerDeploymentVersion{
			DeploymentName: name,
			BuildID:        cmp.Or(buildID, version.Version),
		},
		DefaultVersioningBehavior: workflow.VersioningBehaviorPinned,
	}
}

// start starts all workers, or none.
func (w workers) start() error {
	for i, one := range w {
		if err := one.Start(); err != nil {
			w[:i].stop()
			return fmt.Errorf("the worker cannot start: %w", err)
		}
	}
	return nil
}

// stop lets running activities finish, on all workers at the same time, each within its stop timeout.
func (w workers) stop() {
	var group sync.WaitGroup
	for _, one := range w {
		group.Go(one.Stop)
	}
	group.Wait()
}
