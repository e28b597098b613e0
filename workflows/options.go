package workflows

import (
	"time"

	"go.temporal.io/sdk/temporal"
	"go.temporal.io/sdk/workflow"
)

// retryPolicy retries what is safe to repeat until the deadline. An error may be final, or carry the pause before the
// next attempt, as a poll's StillWaiting does; after all others these intervals apply.
var retryPolicy = &temporal.RetryPolicy{InitialInterval: time.Second, BackoffCoefficient: 2, MaximumInterval: time.Minute}

// The profiles of the activities: timeouts and retries, side by side. The supervisor ends them at the deadline of the
// work, which can be moved; schedule-to-close is for what nobody moves.
var (
	// callOptions: one exchange, safe to repeat.
	callOptions = workflow.ActivityOptions{
		StartToCloseTimeout: 90 * time.Second,
		RetryPolicy:         retryPolicy,
	}
	// commandOptions: the same, with an operator waiting for it.
	commandOptions = workflow.ActivityOptions{
		StartToCloseTimeout: 90 * time.Second,
		RetryPolicy:         retryPolicy,
		Priority:            temporal.Priority{PriorityKey: commandPriority},
	}
	// pollOptions: one poll of a status. While nothing changes it fails with StillWaiting, which carries the
	// pause until the next poll (activities/polling.go).
	pollOptions = workflow.ActivityOptions{
		StartToCloseTimeout: 90 * time.Second,
		RetryPolicy:         retryPolicy,
	}
	// listedOptions: polls of the list of files after an upload, which end after listedWithin.
	listedOptions = workflow.ActivityOptions{
		StartToCloseTimeout:    90 * time.Second,
		ScheduleToCloseTimeout: listedWithin,
		RetryPolicy:            retryPolicy,
	}
	// submitOptions: a call that must happen at most once. It is retried only if it was certainly not
	// processed; the heartbeat reveals a worker that died while the request was on its way.
	submitOptions = workflow.ActivityOptions{
		StartToCloseTimeout: 5 * time.Minute,
		HeartbeatTimeout:    20 * time.Second,
		WaitForCancellation: true,
		RetryPolicy:         retryPolicy,
	}
	// dropOptions: cleaning up, which must not hold the workflow up for long.
	dropOptions = workflow.ActivityOptions{
		StartToCloseTimeout:    time.Minute,
		ScheduleToCloseTimeout: 3 * time.Minute,
		RetryPolicy:            retryPolicy,
	}
	// notifyOptions: a message to every channel that wants it, in parallel. Each has 15 seconds for all of its
	// receivers; a mail that is begun just before their end may take as long again.
	notifyOptions = workflow.ActivityOptions{
		StartToCloseTimeout: 40 * time.Second,
		RetryPolicy:         retryPolicy,
	}
	// deleteOptions: many deletions, one after the other, each with a heartbeat; or many small files to be read.
	deleteOptions = workflow.ActivityOptions{
		StartToCloseTimeout: 6 * time.Hour,
		HeartbeatTimeout:    5 * time.Minute,
		WaitForCancellation: true,
		RetryPolicy:         retryPolicy,
	}
	// transferOptions: a file's bytes. A transfer heartbeats its progress every two seconds.
	transferOptions = workflow.ActivityOptions{
		StartToCloseTimeout: 24 * time.Hour,
		HeartbeatTimeout:    20 * time.Second,
		WaitForCancellation: true,
		RetryPolicy:         retryPolicy,
	}
)

// options returns the context of one activity: the profile, and a summary for the UI.
func options(ctx workflow.Context, profile workflow.ActivityOptions, summary string) workflow.Context {
	profile.Summary = summary
	return workflow.WithActivityOptions(ctx, profile)
}

// timed is a profile that ends after a time.
func timed(profile workflow.ActivityOptions, limit time.Duration) workflow.ActivityOptions {
	profile.ScheduleToCloseTimeout = limit
	return profile
}
