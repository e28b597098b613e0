package activities

import (
	"context"
	"fmt"
	"time"

	"go.temporal.io/sdk/activity"
	"go.temporal.io/sdk/temporal"

	"github.com/pbsmflow/pbsmflow/internal/config"
)

// Poll is what a status activity needs to wait without adding to the history: it returns when the
// status differs from Known, and otherwise fails with a benign error, which Temporal retries.
type Poll struct {
	// Since is when the wait began; the pause between two polls grows with its length.
	Since time.Time `json:"since"`
	// Known is the fingerprint of the status that the workflow has.
	Known string `json:"known,omitempty"`
}

// pollState is the heartbeat of a poll, for its next attempts.
type pollState struct {
	// InstanceID is the report that an earlier attempt of GenerateReport asked for, and Since when.
	InstanceID string    `json:"instance_id,omitempty"`
	Since      time.Time `json:"since,omitzero"`
	// FailingSince is when the failures in a row began: Temporal keeps only the last one.
	FailingSince time.Time `json:"failing_since,omitzero"`
}

// noteHealth keeps since when the polls fail. It sends a heartbeat only when that changes.
func noteHealth(ctx context.Context, failing bool) {
	var state pollState
	if activity.HasHeartbeatDetails(ctx) {
		_ = activity.GetHeartbeatDetails(ctx, &state) // what cannot be read begins anew
	}
	if failing == !state.FailingSince.IsZero() {
		return
	}
	state.FailingSince = time.Time{}
	if failing {
		state.FailingSince = time.Now()
	}
	activity.RecordHeartbeat(ctx, state)
}

// A service may need so many of the shortest pauses between two polls to show what was submitted, but not longer.
const (
	settlingPolls = 5
	settlingTime  = 30 * time.Second
)

// settles reports whether a submission is so recent that the service may not show it yet. since is of Temporal's clock,
// which may be ahead of this one.
func (a *Activities) settles(since time.Time) bool {
	return time.Since(since).Abs() < min(settlingPolls*a.poll.Min, settlingTime)
}

// lastPoll is how long before the schedule-to-close timeout the last poll takes place.
const lastPoll = 2 * time.Second

// nextPoll is the pause before the next poll: a share of the time waited so far, within the configured
// bounds, and shortened so that one poll takes place just before the timeout.
func (a *Activities) nextPoll(ctx context.Context, since time.Time) time.Duration {
	return beforeTimeout(ctx, pause(a.poll, time.Since(since)))
}

// beforeTimeout shortens a delay so that what follows it takes place just before the timeout.
func beforeTimeout(ctx context.Context, delay time.Duration) time.Duration {
	if left := timeLeft(ctx); left > 0 {
		delay = min(delay, left)
	}
	return delay
}

// halfway shortens a delay so that half of the time remains for what follows it.
func halfway(ctx context.Context, delay time.Duration) time.Duration {
	if left := timeLeft(ctx); left > 0 {
		delay = min(delay, left/2)
	}
	return delay
}

// timeLeft is the time until the last poll, or 0 without a timeout.
func timeLeft(ctx context.Context) time.Duration {
	info := activity.GetInfo(ctx)
	if info.ScheduleToCloseTimeout <= 0 {
		return 0
	}
	return time.Until(info.ScheduledTime.Add(info.ScheduleToCloseTimeout)) - lastPoll
}

// lastAttempt reports whether no attempt after this one fits before the timeout.
func lastAttempt(ctx context.Context) bool {
	return activity.GetInfo(ctx).ScheduleToCloseTimeout > 0 && timeLeft(ctx) <= 0
}

// nextPollIn is what stands between the text of a poll that found nothing new and the pause before the next one.
const nextPollIn = "; next poll in "

// stillWaiting is the error with which Temporal runs the activity again after the next pause. As it is
// benign, it is neither logged nor counted as a failure.
func (a *Activities) stillWaiting(ctx context.Context, since time.Time, format string, args ...any) error {
	noteHealth(ctx, false)
	delay := a.nextPoll(ctx, since)
	message := fmt.Sprintf(format, args...) + fmt.Sprintf("%s%s", nextPollIn, delay.Round(100*time.Millisecond))
	return temporal.NewApplicationErrorWithOptions(message, StillWaiting, temporal.ApplicationErrorOptions{
		NextRetryDelay: delay,
		Category:       temporal.ApplicationErrorCategoryBenign,
	})
}

// polledJustNow reports whether this is the first attempt after a change. It has to wait like every other
// poll: otherwise a status that keeps changing would be polled without a pause, and each poll adds the
// whole status to the history.
func polledJustNow(ctx context.Context, p Poll) bool {
	return p.Known != "" && activity.GetInfo(ctx).Attempt == 1 && timeLeft(ctx) >= 0
}

// pause is the configured share of the time waited so far, within the configured bounds.
func pause(poll config.Poll, waited time.Duration) time.Duration {
	share := time.Duration(poll.Ratio * float64(waited))
	return min(max(share, poll.Min), poll.Max)
}
