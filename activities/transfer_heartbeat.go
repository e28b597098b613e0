package activities

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"go.temporal.io/sdk/activity"
	"go.temporal.io/sdk/temporal"

	"github.com/pbsmflow/pbsmflow/internal/transfer"
)

// SealedTransfer is the state from which another attempt resumes a transfer, on any worker with the
// same connection. It holds URLs, which are secrets.
type SealedTransfer string

// TransferProgress is the heartbeat of a transfer.
type TransferProgress struct {
	transfer.Progress
	// State is for the next attempt.
	State SealedTransfer `json:"state,omitempty"`
}

const transferPurpose = "transfer"

func (c *connection) openState(sealed SealedTransfer) ([]byte, error) {
	text, err := c.sealer.Open(string(sealed), transferPurpose)
	return []byte(text), err
}

// transferAttempt turns what one attempt at a transfer saves and reports into heartbeats and errors.
//
// It sends its heartbeats itself: the SDK drops heartbeats that follow each other closely, and a part
// that arrived but is in no heartbeat would be sent again after a crash.
type transferAttempt struct {
	activity context.Context
	conn     *connection
	attempt  transfer.Attempt
	beat     func(TransferProgress) error
	stop     context.CancelCauseFunc

	mu    sync.Mutex // one heartbeat at a time: they must not overtake each other
	state SealedTransfer
}

// newTransfer resumes from the last heartbeat of an earlier attempt, or from what an earlier activity left.
func (a *Activities) newTransfer(
	ctx context.Context, conn *connection, direction string, left SealedTransfer,
) *transferAttempt {
	t := &transferAttempt{activity: ctx, conn: conn, beat: a.beat(ctx), state: left}
	var before TransferProgress
	if activity.HasHeartbeatDetails(ctx) && activity.GetHeartbeatDetails(ctx, &before) == nil && before.State != "" {
		t.state = before.State
	}
	t.attempt = transfer.Attempt{
		Save:    t.save,
		Confirm: func(ctx context.Context) error { return a.confirmOwnership(ctx, t) },
		Moved:   conn.observer.transferred(direction).Inc,
		Retry:   func(err error) (time.Duration, bool) { return retryDelay(ctx, err) },
	}
	if state, err := conn.openState(t.state); err == nil {
		t.attempt.State = state
	}
	return t
}

const (
	// beatInterval is how often the progress of a transfer reaches Temporal, and so its followers.
	beatInterval = 2 * time.Second
	// beatTimeout bounds one heartbeat. A transfer continues while Temporal is unavailable.
	beatTimeout = 10 * time.Second
)

// beat returns a function that sends a heartbeat at once. When the response says that the attempt has ended,
// the SDK sends another one, so that it ends the context.
func (a *Activities) beat(ctx context.Context) func(TransferProgress) error {
	return func(p TransferProgress) error {
		if a.temporal != nil && a.recordNow(ctx, p) == nil {
			return nil
		}
		activity.RecordHeartbeat(ctx, p)
		return context.Cause(ctx)
	}
}

// recordNow returns once Temporal has confirmed the heartbeat.
func (a *Activities) recordNow(ctx context.Context, heartbeat any) error {
	limited, cancel := context.WithTimeout(ctx, beatTimeout)
	defer cancel()
	return a.temporal.RecordActivityHeartbeat(limited, activity.GetInfo(ctx).TaskToken, heartbeat)
}

// heartbeat is for a file that is only read. The SDK drops calls that follow each other closely.
func heartbeat(ctx context.Context, total int64) func(done int64) {
	return func(done int64) {
		activity.RecordHeartbeat(ctx, TransferProgress{Progress: transfer.Progress{Done: done, Total: total}})
	}
}

var errWorkerStops = errors.New("this worker stops; the next attempt resumes the transfer")

// run moves files, with heartbeats, until they are moved or the attempt ends. An error carries the state
// from which the transfer can be resumed as its last detail.
func (t *transferAttempt) run(move func(ctx context.Context) (transfer.Result, error)) (TransferResult, error) {
	ctx, stop := context.WithCancelCause(t.activity)
	t.stop = stop
	var beating sync.WaitGroup
	beating.Go(func() { t.keepBeating(ctx) })
	moved, err := move(ctx)
	if cause := context.Cause(ctx); err != nil && cause != nil && t.activity.Err() == nil {
		err = cause
	}
	stop(nil)
	beating.Wait()
	if err == nil {
		return TransferResult{Result: moved, Sender: t.conn.sender()}, nil
	}
	return TransferResult{}, t.failed(err)
}

func (t *transferAttempt) failed(err error) error {
	if t.activity.Err() != nil {
		return temporal.NewCanceledError(Refusal{}, t.left())
	}
	if t.left() == "" {
		return classifyStore(t.activity, err)
	}
	err = classifyCall(t.activity, err)
	var failed *temporal.ApplicationError
	if !errors.As(err, &failed) || isInvalidInput(err) {
		return err
	}
	return withDetails(failed, t.left())
}

func (t *transferAttempt) left() SealedTransfer {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.state
}

func (t *transferAttempt) keepBeating(ctx context.Context) {
	tick := time.NewTicker(beatInterval)
	defer tick.Stop()
	stops := activity.GetWorkerStopChannel(t.activity)
	for {
		select {
		case <-ctx.Done():
			return
		case <-stops:
			if t.left() != "" { // a transfer without a state had better finish in the time that remains
				t.stop(errWorkerStops)
			}
			stops = nil
		case <-tick.C:
			t.mu.Lock()
			t.report()
			t.mu.Unlock()
		}
	}
}

// save returns once Temporal has the state.
func (t *transferAttempt) save(state []byte) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.state = ""
	if state != nil {
		t.state = SealedTransfer(t.conn.sealer.Seal(string(state), transferPurpose))
	}
	t.report()
}

// report is called with the lock held.
func (t *transferAttempt) report() {
	if err := t.beat(t.progress()); err != nil {
		t.stop(err)
	}
}

func (t *transferAttempt) progress() TransferProgress {
	return TransferProgress{Progress: t.attempt.Progress(), State: t.state}
}

// confirmOwnership heartbeats once more before the commit; it fails if another attempt has taken over.
// An attempt that Temporal has given up may still reach the store, where another one writes a staging
// file of the same name: to commit would put half of a file under the final name.
//
// No other attempt can take over within the heartbeat timeout after the response. What remains is an attempt
// that is suspended for that long between the response and the commit, cut off from Temporal.
func (a *Activities) confirmOwnership(ctx context.Context, t *transferAttempt) error {
	if a.temporal == nil {
		return nil
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	err := a.recordNow(ctx, t.progress())
	if err == nil {
		return nil
	}
	activity.RecordHeartbeat(ctx, t.progress()) // where the attempt has ended, the SDK ends its context
	if temporal.IsCanceledError(err) {
		return err // it is still current, and is to end
	}
	return fmt.Errorf("%w: %w", transfer.ErrNotConfirmed, err)
}
