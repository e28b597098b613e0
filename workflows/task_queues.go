package workflows

import (
	"time"

	"go.temporal.io/sdk/temporal"
	"go.temporal.io/sdk/workflow"

	"github.com/pbsmflow/pbsmflow/activities"
)

// ConnectionTaskQueue is the task queue of a connection's calls to the service; the workflows are on
// taskQueue.
func ConnectionTaskQueue(taskQueue, connection string) string {
	return activities.ConnectionTaskQueue(taskQueue, connection)
}

// The priorities with which Temporal serves its queues, 1 first. Children and activities of a
// workflow inherit its priority.
const (
	// commandPriority is the priority of an operator's interrupt, which must not wait behind the polls.
	commandPriority = 1
	// BackfillPriority is the priority of past nights: everything without a priority is served first.
	BackfillPriority = 4
)

// maxFairnessKey is Temporal's limit, in bytes.
const maxFairnessKey = 64

// Priority shares a queue evenly among connections, so that one which floods it does not hold up the
// others. key is 1 (first) to 5 (last), or 0 for Temporal's default, which is 3.
func Priority(connection string, key int) temporal.Priority {
	return temporal.Priority{PriorityKey: key, FairnessKey: connection[:min(len(connection), maxFairnessKey)]}
}

// caller executes activities: those that need the connection on the connection's queue, the others on the
// workflow's.
type caller struct {
	queue      string
	supervisor *supervisor
}

// execute starts an activity, which ends at the deadline. The summary is for the Temporal UI.
func (c caller) execute(
	ctx workflow.Context, profile workflow.ActivityOptions, until *deadline, summary string, activity, input any,
) workflow.Future {
	if activities.NeedsConnection(input) {
		profile.TaskQueue = c.queue
	}
	if at := until.moment(); c.supervisor == nil && !at.IsZero() {
		profile = timed(profile, max(at.Sub(workflow.Now(ctx)), time.Second))
	}
	return c.supervisor.execute(options(ctx, profile, summary), activity, input, summary, until)
}

// resolvedConnection is what a workflow learns of its connection before its first activity.
type resolvedConnection struct {
	caller   caller
	notifyOn []string
	askAfter time.Duration
	undated  bool // a group gets no as-of date but those of its batches
	earlier  *activities.EarlierSubmission
	file     *activities.FileInfo
}

var resolveOptions = workflow.LocalActivityOptions{
	ScheduleToCloseTimeout: time.Minute,
	StartToCloseTimeout:    10 * time.Second,
	RetryPolicy:            retryPolicy,
	Summary:                "resolve the connection",
}

// resolveConnection refuses a connection that no worker has, before an activity waits for one. It also
// returns the events that channels want on the connection, and the answers to the lookups. A workflow that was started
// alone is refused where commands need a proof.
func resolveConnection(ctx workflow.Context, connection string, lookups activities.Lookups, alone bool) (resolvedConnection, error) {
	r := resolvedConnection{caller: caller{queue: ConnectionTaskQueue(workflow.GetInfo(ctx).TaskQueueName, connection)}}
	// By name, because a local activity that is passed as a method would be called on nil.
	var found activities.ResolvedConnection
	err := workflow.ExecuteLocalActivity(workflow.WithLocalActivityOptions(ctx, resolveOptions), "ResolveConnection",
		activities.ResolveConnectionInput{Connection: connection, TaskQueue: r.caller.queue, Lookups: lookups, Alone: alone}).Get(ctx, &found)
	if err == nil && found.Refusal != "" {
		err = refuseStart(ctx, found.Refusal)
	}
	r.notifyOn, r.askAfter, r.undated = found.NotifyOn, found.AskAfter, found.NoGroupDate
	r.earlier, r.file = found.Earlier, found.File
	return r, err
}
