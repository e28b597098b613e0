package activities

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	enumspb "go.temporal.io/api/enums/v1"
	workflowpb "go.temporal.io/api/workflow/v1"
	"go.temporal.io/sdk/activity"
	"go.temporal.io/sdk/converter"
	"go.temporal.io/sdk/temporal"

	"github.com/pbsmflow/pbsmflow/internal/transfer"
)

// PendingActivity is an activity that has not ended.
type PendingActivity struct {
	ID string `json:"id"`
	// Trouble says why it makes no progress, such as "is being retried: HTTP 500". It is empty while it does.
	Trouble string `json:"trouble,omitempty"`
	// Since is when that began. Zero: with the activity.
	Since time.Time `json:"since,omitzero"`
	// Paused: an operator paused it in Temporal.
	Paused bool `json:"paused,omitempty"`
	// Sending: a submission has been sent, or is about to be.
	Sending bool `json:"sending,omitempty"`
	// Moved are the bytes that a transfer has moved so far.
	Moved int64 `json:"moved,omitempty"`
	// Last is what the last attempt came to, and At when.
	Last string    `json:"last,omitempty"`
	At   time.Time `json:"at,omitzero"`
	// Repeats is the call that is being retried, and what the service said to it; nil for anything else.
	Repeats *Refusal `json:"-"`
}

// PendingActivities are those of the workflow that executes this as a local activity, with their retries, which the
// workflow cannot see.
func (a *Activities) PendingActivities(ctx context.Context) ([]PendingActivity, error) {
	own := activity.GetInfo(ctx).WorkflowExecution
	described, err := a.temporal.DescribeWorkflowExecution(ctx, own.ID, own.RunID)
	if err != nil {
		return nil, err
	}
	var pending []PendingActivity
	for _, p := range described.GetPendingActivities() {
		pending = append(pending, NewPendingActivity(p, a.payloads, a.failures, time.Now()))
	}
	return pending, nil
}

const (
	// failedInARow is the attempt from which on failures count: the next attempt often repairs a single one.
	failedInARow = 2
	// steadyAfter is how long an attempt that sends heartbeats must have lasted to count as a success so far.
	steadyAfter = time.Minute
	// silentAfter is after how long without a heartbeat a transfer no longer counts as one that runs.
	silentAfter = 3 * progressInterval
	// untakenAfter is how long an activity may wait for a worker.
	untakenAfter = time.Minute
)

// NewPendingActivity judges what Temporal knows of a pending activity.
func NewPendingActivity(
	p *workflowpb.PendingActivityInfo, payloads converter.DataConverter, failures converter.FailureConverter,
	now time.Time,
) PendingActivity {
	found := PendingActivity{ID: p.GetActivityId(), Paused: p.GetPaused()}
	benign := false
	if p.GetLastFailure() != nil {
		found.Last, benign = LastFailure(failures.FailureToError(p.GetLastFailure()))
		found.At = p.GetLastAttemptCompleteTime().AsTime()
	}
	var state struct {
		transfer.Progress
		pollState
		SubmissionHeartbeat
	}
	if details := p.GetHeartbeatDetails(); details != nil {
		_ = payloads.FromPayloads(details, &state) // what cannot be opened says nothing
	}
	found.Moved, found.Sending = state.Done, state.Phase == PhaseSending || state.Phase == PhaseAnswered
	scheduled := p.GetState() == enumspb.PENDING_ACTIVITY_STATE_SCHEDULED && p.GetScheduledTime() != nil
	heard := p.GetLastHeartbeatTime().AsTime()
	beats := p.GetState() == enumspb.PENDING_ACTIVITY_STATE_STARTED && state.Done+state.Total > 0
	switch {
	case p.GetPaused():
		found.Trouble = "is paused in Temporal" + pausedBy(p.GetPauseInfo())
		found.Since = p.GetPauseInfo().GetPauseTime().AsTime()
		if found.Last != "" && !benign {
			found.Trouble += "; before that: " + found.Last
		}
	case beats && now.Sub(heard) > silentAfter && heard.After(p.GetLastStartedTime().AsTime()):
		found.Trouble = "sends no heartbeats: if its worker has died, Temporal starts another attempt"
		found.Since = heard
	case beats && now.Sub(p.GetLastStartedTime().AsTime()) > steadyAfter: // it is running, whatever attempts before it came to
	case found.Last != "" && !benign && p.GetAttempt() > failedInARow:
		found.Trouble, found.Since = "is being retried: "+found.Last, state.FailingSince
		found.Repeats = repeatedCall(failures.FailureToError(p.GetLastFailure()))
		if found.Moved > 0 {
			found.Since = now // it moved something, nobody knows until when
		}
	case scheduled && now.Sub(p.GetScheduledTime().AsTime()) > untakenAfter:
		found.Trouble, found.Since = "waits for a worker"+queueOf(p), p.GetScheduledTime().AsTime()
	}
	return found
}

// repeatedCall is the call that a retryable error is about, or nil.
func repeatedCall(err error) *Refusal {
	var (
		failed *temporal.ApplicationError
		said   Refusal
	)
	if !errors.As(err, &failed) || failed.Type() != Unavailable || failed.Details(&said) != nil || said.Call == "" {
		return nil
	}
	return &said
}

// LastFailure is what an attempt came to, and whether it only found nothing new.
func LastFailure(err error) (text string, benign bool) {
	var (
		failed  *temporal.ApplicationError
		timeout *temporal.TimeoutError
	)
	switch {
	case errors.As(err, &failed):
		text, _, _ = strings.Cut(failed.Message(), nextPollIn)
		return text, failed.Category() == temporal.ApplicationErrorCategoryBenign
	case errors.As(err, &timeout):
		return "no answer in time (" + strings.ToLower(strings.ReplaceAll(timeout.TimeoutType().String(), "_", " ")) + ")", false
	}
	return err.Error(), false
}

func pausedBy(p *workflowpb.PendingActivityInfo_PauseInfo) string {
	if m := p.GetManual(); m.GetIdentity() != "" {
		return fmt.Sprintf(" by %s", m.GetIdentity())
	}
	return ""
}

func queueOf(p *workflowpb.PendingActivityInfo) string {
	if queue := p.GetActivityOptions().GetTaskQueue().GetName(); queue != "" {
		return " of the task queue " + queue
	}
	return ""
}
