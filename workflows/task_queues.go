package workflows

import (
	"time"

	"go.temporal.io/sdk/temporal"
	"go.temporal.io/sdk/workflow"

	"github.com/pbsmflow/pbsmflow/activities"
)

// ConnectionTaskQueue is the task queue of a connection's calls to the service, beside
// taskQueue, on which the workflows are.
func ConnectionTaskQueue(taskQueue, connection string) string {
	return activities.ConnectionTaskQueue(taskQueue, connection)
}

// The priorities with which Temporal serves its queues, 1 first. What a workflow has is passed
// on to its children and activities.
const (
	// steeringPriority is that of a person who interrupts a run: not behind everybody's polls.
	steeringPriority = 1
	// BackfillPriority is that of nights that are over; whatever has none is served before.
	BackfillPriority = 4
)

// maxFairnessKey is Temporal's limit, in bytes.
const maxFairnessKey = 64

// Priority shares a queue evenly between connections: one that floods it does not hold up the
// others. key is 1 (first) to 5 (last), or 0 for Temporal's default, which is 3.
func Priority(connection string, key int) temporal.Priority {
	return temporal.Priority{PriorityKey: key, FairnessKey: connection[:min(len(connection), maxFairnessKey)]}
}

// calls carries out activities: those that need the connection on its own queue, the others on
// the workflow's.
type calls struct {
	queue string
}

var findOptions = workflow.LocalActivityOptions{
	ScheduleToCloseTimeout: time.Minute,
	StartToCloseTimeout:    10 * time.Second,
	RetryPolicy:            patience,
	Summary:                "find the connection",
}

// connect finds the connection before anything waits for it: one that no worker has is refused.
// What people want to be told of on it comes with it.
func connect(ctx workflow.Context, connection string, t *tracker) (calls, error) {
	c := calls{queue: ConnectionTaskQueue(workflow.GetInfo(ctx).TaskQueueName, connection)}
	// By name: a local activity that is given as a function would be called on nil.
	var found activities.ResolvedConnection
	err := workflow.ExecuteLocalActivity(workflow.WithLocalActivityOptions(ctx, findOptions), "ResolveConnection",
		activities.ResolveConnectionInput{Connection: connection, TaskQueue: c.queue}).Get(ctx, &found)
	t.wanted = found.NotifyOn
	if !startedByClose(ctx) { // else the close tells
		t.notifier.on = t.wanted
	}
	return c, err
}

// execute is for what has no deadline but the profile's when it is zero; the summary is for the UI.
func (c calls) execute(ctx workflow.Context, profile workflow.ActivityOptions, deadline time.Time, summary string, activity, input any) workflow.Future {
	if activities.NeedsConnection(input) {
		profile.TaskQueue = c.queue
	}
	return workflow.ExecuteActivity(options(ctx, profile, deadline, summary), activity, input)
}
