package workflows

import (
	"time"

	"go.temporal.io/sdk/temporal"
	"go.temporal.io/sdk/workflow"
)

// patience repeats what is safe to repeat for as long as the deadline allows. Which errors
// end it at once is said by the errors themselves, and so is the pause where the service asks for one.
var patience = &temporal.RetryPolicy{InitialInterval: time.Second, BackoffCoefficient: 2, MaximumInterval: time.Minute}

// The activities' timeouts and retries, side by side. Schedule-to-close is the deadline of the job.
var (
	// callOptions: one exchange, safe to repeat.
	callOptions = workflow.ActivityOptions{
		StartToCloseTimeout: 90 * time.Second,
		RetryPolicy:         patience,
	}
	// steerOptions: the same, when a person waits for it.
	steerOptions = workflow.ActivityOptions{
		StartToCloseTimeout: 90 * time.Second,
		RetryPolicy:         patience,
		Priority:            temporal.Priority{PriorityKey: steeringPriority},
	}
	// watchOptions: one look at a status. It fails benignly while nothing changes.
	watchOptions = workflow.ActivityOptions{
		StartToCloseTimeout: 90 * time.Second,
		RetryPolicy:         patience,
	}
	// postOptions: a post that may happen once. Attempts go on only while it was certainly not
	// processed; the heartbeat tells a worker that died while the request was under way.
	postOptions = workflow.ActivityOptions{
		StartToCloseTimeout: 5 * time.Minute,
		HeartbeatTimeout:    20 * time.Second,
		WaitForCancellation: true,
		RetryPolicy:         patience,
	}
	// dropOptions: tidying up, which nobody waits for long.
	dropOptions = workflow.ActivityOptions{
		StartToCloseTimeout:    time.Minute,
		ScheduleToCloseTimeout: 3 * time.Minute,
		RetryPolicy:            patience,
	}
	// notifyOptions: a message to everybody who wants it. Receivers have 15 seconds, side by side.
	notifyOptions = workflow.ActivityOptions{
		StartToCloseTimeout: 40 * time.Second,
		RetryPolicy:         patience,
	}
	// transferOptions: a file's bytes. A transfer tells every two seconds that it lives, and what is done of it.
	transferOptions = workflow.ActivityOptions{
		StartToCloseTimeout: 24 * time.Hour,
		HeartbeatTimeout:    20 * time.Second,
		WaitForCancellation: true,
		RetryPolicy:         patience,
	}
)

var noDeadline time.Time

// options gives a context for one activity: the profile, until the deadline, with a summary for the UI.
func options(ctx workflow.Context, profile workflow.ActivityOptions, deadline time.Time, summary string) workflow.Context {
	profile.Summary = summary
	if !deadline.IsZero() {
		profile.ScheduleToCloseTimeout = max(deadline.Sub(workflow.Now(ctx)), time.Second)
	}
	return workflow.WithActivityOptions(ctx, profile)
}
