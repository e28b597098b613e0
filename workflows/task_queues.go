package workflows

import (
	"time"

	"go.temporal.io/sdk/temporal"
	"go.temporal.io/sdk/workflow"

	"github.com/pbsmflow/pbsmflow/activities"
)

// ConnectionTaskQueue is the task queue of a connection's calls to the service, beside taskQueue,
// which has the workflows.
func ConnectionTaskQueue(taskQueue, connection string) string {
	return activities.ConnectionTaskQueue(taskQueue, connection)
}

// The priorities with which Temporal serves its queues, 1 first. Children and activities of a
// workflow inherit its priority.
const (
	// commandPriority is that of an operator who interrupts a run: it does not wait behind the polls.
	commandPriority = 1
	// BackfillPriority is that of past nights: everything without a priority is served before.
	BackfillPriority = 4
)

// maxFairnessKey is Temporal's limit, in bytes.
const maxFairnessKey = 64

// Priority shares a queue evenly between connections: one that floods it does not hold up the
// others. key is 1 (first) to 5 (last), or 0 for Temporal's default, which is 3.
func Priority(connection string, key int) temporal.Priority {
	return temporal.Priority{PriorityKey: key, FairnessKey: connection[:min(len(connection), maxFairnessKey)]}
}

// caller executes activities: those that need the connection on its own queue, the others on the
// workflow's.
type caller struct {
	queue string
}

// execute starts an activity. Without a deadline only the profile limits it; the summary is for the UI.
func (c caller) execute(ctx workflow.Context, profile workflow.ActivityOptions, deadline time.Time, summary string, activity, input any) workflow.Future {
	if activities.NeedsConnection(input) {
		profile.TaskQueue = c.queue
	}
	return workflow.ExecuteActivity(options(ctx, profile, deadline, summary), activity, input)
}

// resolvedConnection is what a workflow learns of its connection before its first activity.
type resolvedConnection struct {
	caller   caller
	notifyOn []string
	earlier  *activities.EarlierSubmission
	file     *activities.FileInfo
}

var resolveOptions = workflow.LocalActivityOptions{
	ScheduleToCloseTimeout: time.Minute,
	StartToCloseTimeout:    10 * time.Second,
	RetryPolicy:            retryPolicy,
	Summary:                "resolve the connection",
}

// resolveConnection refuses a connection that no worker has, before anything waits for it. Along with
// it come the events that channels want on the connection, and what lookups ask for.
func resolveConnection(ctx workflow.Context, connection string, lookups activities.Lookups) (resolvedConnection, error) {
	r := resolvedConnection{caller: caller{queue: ConnectionTaskQueue(workflow.GetInfo(ctx).TaskQueueName, connection)}}
	// By name: a local activity that is given as a function would be called on nil.
	var found activities.ResolvedConnection
	err := workflow.ExecuteLocalActivity(workflow.WithLocalActivityOptions(ctx, resolveOptions), "ResolveConnection",
		activities.ResolveConnectionInput{Connection: connection, TaskQueue: r.caller.queue, Lookups: lookups}).Get(ctx, &found)
	r.notifyOn, r.earlier, r.file = found.NotifyOn, found.Earlier, found.File
	return r, err
}
