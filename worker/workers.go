package main

import (
	"fmt"
	"maps"
	"slices"
	"sync"

	"go.temporal.io/sdk/client"
	"go.temporal.io/sdk/worker"

	"github.com/pbsmflow/pbsmflow/activities"
	"github.com/pbsmflow/pbsmflow/internal/config"
	"github.com/pbsmflow/pbsmflow/workflows"
)

// workers poll the task queues of one process.
type workers []worker.Worker

const (
	// workflowPollers is so many polls of the workflows' queue at once. Their number is fixed: only then does the SDK
	// serve what has begun before what is new. With pollers that follow the load, 600 batches that began at once
	// waited for each other at every step, until their workflow tasks timed out on the sticky queue.
	workflowPollers = 5
	// Activities are polled for as Temporal says that there are any, from so many polls of a queue to so many. With up
	// to 100 a Temporal on two cores was only slower, and one trigger of 300 began 22 s late.
	leastActivityPollers, mostActivityPollers = 2, 10
)

// newWorkers makes a worker for the workflows and what needs no connection, and one for each
// connection, whose rate the server keeps over all workers that poll its queue. All are the
// same version of the same deployment.
func newWorkers(temporal client.Client, cfg *config.Config, acts *activities.Activities, options worker.Options) (workers, error) {
	options.MaxConcurrentWorkflowTaskPollers = workflowPollers
	options.ActivityTaskPollerBehavior = worker.NewPollerBehaviorAutoscaling(worker.PollerBehaviorAutoscalingOptions{
		InitialNumberOfPollers: leastActivityPollers, MinimumNumberOfPollers: leastActivityPollers, MaximumNumberOfPollers: mostActivityPollers,
	})
	worker.SetStickyWorkflowCacheSize(int(cfg.Worker.CachedWorkflows)) // of the process
	queue := cfg.Worker.TaskQueue
	main := worker.New(temporal, queue, options)
	if err := workflows.Register(main); err != nil {
		return nil, err
	}
	all := workers{main}
	for _, name := range slices.Sorted(maps.Keys(cfg.Connections)) {
		own := options
		own.DisableWorkflowWorker = true
		own.TaskQueueActivitiesPerSecond = cfg.Connections[name].Rate
		all = append(all, worker.New(temporal, workflows.ConnectionTaskQueue(queue, name), own))
	}
	for _, w := range all {
		w.RegisterActivity(acts)
	}
	return all, nil
}

// start starts all of them, or none.
func (w workers) start() error {
	for i, one := range w {
		if err := one.Start(); err != nil {
			w[:i].stop()
			return fmt.Errorf("the worker cannot start: %w", err)
		}
	}
	return nil
}

// stop lets what is under way finish, within the stop timeout of each, all at once.
func (w workers) stop() {
	var group sync.WaitGroup
	for _, one := range w {
		group.Go(one.Stop)
	}
	group.Wait()
}
