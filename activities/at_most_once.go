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

// SubmissionHeartbeat is the heartbeat of a call that must not be repeated. Temporal keeps the
// last one for the next attempt and for the timeout error that the workflow sees.
type SubmissionHeartbeat struct {
	// Phase is PhaseSending, PhaseNotSent or PhaseAnswered; empty before the first heartbeat.
	Phase string `json:"phase"`
	// Run is the service's answer in PhaseAnswered.
	Run *Run `json:"run,omitempty"`
}

// Phases of a posting.
const (
	PhaseSending  = "sending"
	PhaseNotSent  = "not_sent"
	PhaseAnswered = "answered"
)

const submissionHeartbeat = 5 * time.Second

// submitOnce sends a request at most once over all attempts of the activity.
//
// Before the request Temporal must have confirmed the heartbeat "sending" for this
// very attempt: a worker that died, or that the server has given up on, cannot have
// posted without leaving that mark. An attempt that finds it either returns the
// answer that was recorded, or reports the outcome as unknown.
func (a *Activities) submitOnce(ctx context.Context, what string, send func(context.Context) (pbsm.Run, error)) (Run, error) {
	var earlier SubmissionHeartbeat
	if activity.HasHeartbeatDetails(ctx) {
		if err := activity.GetHeartbeatDetails(ctx, &earlier); err != nil {
			return Run{}, unknownOutcome(what, "the mark of an earlier attempt is unreadable")
		}
	}
	switch earlier.Phase {
	case PhaseAnswered:
		return *earlier.Run, nil
	case PhaseSending:
		return Run{}, unknownOutcome(what, "a worker stopped while the request was under way")
	}

	if err := a.mark(ctx, SubmissionHeartbeat{Phase: PhaseSending}); temporal.IsCanceledError(err) {
		return Run{}, err
	} else if err != nil {
		// Temporal may have taken the mark all the same: its answer was lost, or says that the activity is paused.
		a.markNotSent(ctx)
		return Run{}, temporal.NewApplicationErrorWithCause(what+" was not sent: Temporal did not confirm the mark that goes before it", Unavailable, err)
	}
	// The request is not abandoned halfway when the worker stops or the activity is cancelled.
	sending, stop := context.WithCancel(context.WithoutCancel(ctx))
	defer stop()
	go a.keepMarking(sending)
	answered, err := send(sending)
	stop()

	if err != nil {
		var refused *pbsm.Error
		if errors.As(err, &refused) && refused.NotProcessed {
			a.markNotSent(ctx)
		}
		return Run{}, classifySubmission(ctx, err)
	}
	run := newRun(answered)
	_ = a.mark(context.WithoutCancel(ctx), SubmissionHeartbeat{Phase: PhaseAnswered, Run: &run}) // lost, it costs a person's look, too
	return run, nil
}

func (a *Activities) mark(ctx context.Context, p SubmissionHeartbeat) error {
	return a.temporal.RecordActivityHeartbeat(ctx, activity.GetInfo(ctx).TaskToken, p)
}

// markNotSent lets the next attempt post. Lost, it costs a person's look, never a second post.
func (a *Activities) markNotSent(ctx context.Context) {
	limited, cancel := context.WithTimeout(context.WithoutCancel(ctx), beatTimeout)
	defer cancel()
	_ = a.mark(limited, SubmissionHeartbeat{Phase: PhaseNotSent})
}

func (a *Activities) keepMarking(ctx context.Context) {
	tick := time.NewTicker(submissionHeartbeat)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
			_ = a.mark(ctx, SubmissionHeartbeat{Phase: PhaseSending})
		}
	}
}

func unknownOutcome(what, why string) error {
	return temporal.NewNonRetryableApplicationError(fmt.Sprintf("it is not known whether %s was carried out: %s", what, why), OutcomeUnknown, nil, Refusal{Call: what, Text: why})
}
