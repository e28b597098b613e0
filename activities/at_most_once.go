package activities

import (
	"context"
	"errors"
	"fmt"
	"time"

	"go.temporal.io/sdk/activity"
	"go.temporal.io/sdk/temporal"

	"github.com/pbsmflow/pbsmflow/internal/pbsm"
)

// SubmissionHeartbeat is the heartbeat of a submission. Temporal keeps the last one for the next
// attempt, and for the timeout error that the workflow sees.
type SubmissionHeartbeat struct {
	// Phase is PhaseSending, PhaseNotSent or PhaseAnswered; empty before the first heartbeat.
	Phase string `json:"phase"`
	// Run is the service's answer in PhaseAnswered.
	Run *Run `json:"run,omitempty"`
}

// Phases of a submission.
const (
	PhaseSending  = "sending"
	PhaseNotSent  = "not_sent"
	PhaseAnswered = "answered"
)

const submissionHeartbeat = 5 * time.Second

// submitOnce sends a request at most once over all attempts of the activity.
//
// Temporal must confirm the heartbeat "sending" of this attempt before the request is sent. So a
// worker that died, or that Temporal has given up on, cannot have submitted anything without leaving
// that heartbeat. A later attempt that finds it returns the recorded response, or reports the outcome
// as unknown.
func (a *Activities) submitOnce(
	ctx context.Context, connection, what string, send func(context.Context, *pbsm.Client) (pbsm.Run, error),
) (Run, error) {
	conn, err := a.connection(connection)
	if err != nil {
		return Run{}, err
	}
	var earlier SubmissionHeartbeat
	if activity.HasHeartbeatDetails(ctx) {
		if err := activity.GetHeartbeatDetails(ctx, &earlier); err != nil {
			return Run{}, outcomeUnknown(what, "the heartbeat of an earlier attempt cannot be read")
		}
	}
	switch earlier.Phase {
	case PhaseAnswered:
		return *earlier.Run, nil
	case PhaseSending:
		return Run{}, outcomeUnknown(what, "a worker stopped while the request was on its way")
	}

	if err := a.confirmHeartbeat(ctx, SubmissionHeartbeat{Phase: PhaseSending}); temporal.IsCanceledError(err) {
		return Run{}, err
	} else if err != nil {
		// Temporal may have recorded the heartbeat anyway: its response was lost, or says that the activity is paused.
		a.heartbeatNotSent(ctx)
		message := what + " was not sent: Temporal did not confirm the heartbeat that must precede it"
		return Run{}, temporal.NewApplicationErrorWithCause(message, Unavailable, err)
	}
	// A worker that stops, or a cancelled activity, must not abort a request that is on its way.
	sending, stop := context.WithCancel(context.WithoutCancel(ctx))
	defer stop()
	go every(sending, submissionHeartbeat, func() {
		_ = a.confirmHeartbeat(sending, SubmissionHeartbeat{Phase: PhaseSending})
	})
	response, err := send(sending, conn.service)
	stop()

	if err != nil {
		var refused *pbsm.Error
		if errors.As(err, &refused) && refused.NotProcessed {
			a.heartbeatNotSent(ctx)
		}
		return Run{}, classifySubmission(ctx, err)
	}
	run := newRun(response)
	run.Sender = conn.sender()
	// If this heartbeat is lost, and the result too, an operator has to check the outcome.
	_ = a.confirmHeartbeat(context.WithoutCancel(ctx), SubmissionHeartbeat{Phase: PhaseAnswered, Run: &run})
	return run, nil
}

// announceRepeatable records that a request is about to be sent that may be repeated, and reports whether an earlier
// attempt of this activity may have been carried out.
func (a *Activities) announceRepeatable(ctx context.Context, what string) (repeated bool, err error) {
	var earlier SubmissionHeartbeat
	if activity.HasHeartbeatDetails(ctx) {
		repeated = activity.GetHeartbeatDetails(ctx, &earlier) != nil || earlier.Phase == PhaseSending
	}
	if err = a.confirmHeartbeat(ctx, SubmissionHeartbeat{Phase: PhaseSending}); err == nil || temporal.IsCanceledError(err) {
		return repeated, err
	}
	if !repeated {
		a.heartbeatNotSent(ctx)
	}
	message := what + " was not sent: Temporal did not confirm the heartbeat that must precede it"
	return repeated, temporal.NewApplicationErrorWithCause(message, Unavailable, err)
}

// confirmHeartbeat returns once Temporal has confirmed the heartbeat; the SDK's own does not wait for that.
func (a *Activities) confirmHeartbeat(ctx context.Context, heartbeat any) error {
	return a.temporal.RecordActivityHeartbeat(ctx, activity.GetInfo(ctx).TaskToken, heartbeat)
}

// heartbeatNotSent lets the next attempt submit. If it is lost, an operator has to check the outcome;
// nothing is submitted twice.
func (a *Activities) heartbeatNotSent(ctx context.Context) {
	_ = a.tryHeartbeat(context.WithoutCancel(ctx), SubmissionHeartbeat{Phase: PhaseNotSent})
}

// every calls do at each interval until ctx is done.
func every(ctx context.Context, interval time.Duration, do func()) {
	tick := time.NewTicker(interval)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
			do()
		}
	}
}

func outcomeUnknown(what, why string) error {
	message := fmt.Sprintf("it is not known whether %s was carried out: %s", what, why)
	return temporal.NewNonRetryableApplicationError(message, OutcomeUnknown, nil, Refusal{Call: what, Text: why})
}
