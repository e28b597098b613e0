package activities

import (
	"context"
	"fmt"
	"time"

	"go.temporal.io/sdk/activity"
	"go.temporal.io/sdk/temporal"

	"github.com/pbsmflow/pbsmflow/internal/config"
)

// Poll is what a status activity needs to wait without adding to the history:
// it returns when what it sees differs from Known, and fails benignly otherwise.
type Poll struct {
	// Since is when the waiting began; the pause between two looks grows with it.
	Since time.Time `json:"since"`
	// Known is the fingerprint of what the workflow saw last.
	Known string `json:"known,omitempty"`
}

// lastPoll is how long before its schedule-to-close timeout a watch looks once more.
const lastPoll = 2 * time.Second

// nextPoll is the pause before the next look: a share of the time waited so far
// within the configured bounds, cut short so that one look falls just before the timeout.
func (a *Activities) nextPoll(ctx context.Context, since time.Time) time.Duration {
	return beforeTimeout(ctx, pause(a.poll, time.Since(since)))
}

// beforeTimeout cuts a delay short so that what comes after it falls just before the timeout.
func beforeTimeout(ctx context.Context, delay time.Duration) time.Duration {
	if left := timeLeft(ctx); left > 0 {
		delay = min(delay, left)
	}
	return delay
}

// halfway cuts a delay short so that half of the time is left for what comes after it.
func halfway(ctx context.Context, delay time.Duration) time.Duration {
	if left := timeLeft(ctx); left > 0 {
		delay = min(delay, left/2)
	}
	return delay
}

// timeLeft is the time until the last look, 0 without a timeout.
func timeLeft(ctx context.Context) time.Duration {
	info := activity.GetInfo(ctx)
	if info.ScheduleToCloseTimeout <= 0 {
		return 0
	}
	return time.Until(info.ScheduledTime.Add(info.ScheduleToCloseTimeout)) - lastPoll
}

// stillWaiting asks Temporal to run the activity again after the next pause.
// Being benign it is neither logged as a failure nor counted as one.
func (a *Activities) stillWaiting(ctx context.Context, since time.Time, format string, args ...any) error {
	delay := a.nextPoll(ctx, since)
	message := fmt.Sprintf(format, args...) + fmt.Sprintf("; next look in %s", delay.Round(100*time.Millisecond))
	return temporal.NewApplicationErrorWithOptions(message, StillWaiting, temporal.ApplicationErrorOptions{
		NextRetryDelay: delay,
		Category:       temporal.ApplicationErrorCategoryBenign,
	})
}

// polledJustNow tells that a watch goes on behind a change: its first look waits like every other. Else one
// look follows the other for as long as something changes, and each leaves all that it saw in the history.
func polledJustNow(ctx context.Context, w Poll) bool {
	return w.Known != "" && activity.GetInfo(ctx).Attempt == 1 && timeLeft(ctx) >= 0
}

// pause is the poll's share of the time waited so far, within its bounds.
func pause(poll config.Poll, waited time.Duration) time.Duration {
	share := time.Duration(poll.Ratio * float64(waited))
	return min(max(share, poll.Min), poll.Max)
}
