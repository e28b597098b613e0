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
	ctx     context.Context // the activity's
	conn    *connection
	attempt transfer.Attempt
	send    func(TransferProgress) error
	stop    context.CancelCauseFunc

	mu    sync.Mutex // one heartbeat at a time: they must not overtake each other
	state SealedTransfer
}

// newTransfer resumes from the last heartbeat of an earlier attempt, or from what an earlier activity left unfinished.
func (a *Activities) newTransfer(
	ctx context.Context, conn *connection, direction string, unfinished SealedTransfer,
) *transferAttempt {
	t := &transferAttempt{ctx: ctx, conn: conn, send: a.sendProgress(ctx), state: unfinished}
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
	// progressInterval is how often the progress of a transfer reaches Temporal, and so its followers.
	progressInterval = 2 * time.Second
	// heartbeatTimeout bounds one heartbeat. A transfer continues while Temporal is unavailable.
	heartbeatTimeout = 10 * time.Second
)

// sendProgress returns a function that sends a heartbeat at once. When the response says that the attempt has ended,
// the SDK sends another one, so that it ends the context.
func (a *Activities) sendProgress(ctx context.Context) func(TransferProgress) error {
	return func(p TransferProgress) error {
		if a.temporal != nil && a.tryHeartbeat(ctx, p) == nil {
			return nil
		}
		activity.RecordHeartbeat(ctx, p)
		return context.Cause(ctx)
	}
}

// tryHeartbeat is confirmHeartbeat, for as long as one heartbeat may take.
func (a *Activities) tryHeartbeat(ctx context.Context, heartbeat any) error {
	limited, cancel := context.WithTimeout(ctx, heartbeatTimeout)
	defer cancel()
	return a.confirmHeartbeat(limited, heartbeat)
}

// readProgress returns a function that heartbeats how much of a file was read. The SDK drops calls that follow each
// other closely.
func readProgress(ctx context.Context, total int64) func(done int64) {
	return func(done int64) {
		activity.RecordHeartbeat(ctx, TransferProgress{Progress: transfer.Progress{Done: done, Total: total}})
	}
}

var errWorkerStops = errors.New("this worker stops; the next attempt resumes the transfer")

// run moves files, with heartbeats, until they are moved or the attempt ends. An error carries the state
// from which the transfer can be resumed as its last detail.
func (t *transferAttempt) run(move func(ctx context.Context) (transfer.Result, error)) (TransferResult, error) {
	ctx, stop := context.WithCancelCause(t.ctx)
	t.stop = stop
	var reporting sync.WaitGroup
	reporting.Go(func() { t.reportUntilDone(ctx) })
	moved, err := move(ctx)
	if cause := context.Cause(ctx); err != nil && cause != nil && t.ctx.Err() == nil {
		err = cause
	}
	stop(nil)
	reporting.Wait()
	if err == nil {
		return TransferResult{Result: moved, Sender: t.conn.sender()}, nil
	}
	return TransferResult{}, t.failed(err)
}

func (t *transferAttempt) failed(err error) error {
	if t.ctx.Err() != nil {
		return temporal.NewCanceledError(Refusal{}, t.unfinished())
	}
	if t.unfinished() == "" {
		return classifyStore(t.ctx, err)
	}
	err = classifyCall(t.ctx, err)
	var failed *temporal.ApplicationError
	if !errors.As(err, &failed) || isInvalidInput(err) {
		return err
	}
	return withDetails(failed, t.unfinished())
}

func (t *transferAttempt) unfinished() SealedTransfer {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.state
}

func (t *transferAttempt) reportUntilDone(ctx context.Context) {
	tick := time.NewTicker(progressInterval)
	defer tick.Stop()
	stops := activity.GetWorkerStopChannel(t.ctx)
	for {
		select {
		case <-ctx.Done():
			return
		case <-stops:
			if t.unfinished() != "" { // a transfer without a state had better finish in the time that remains
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
	if err := t.send(t.progress()); err != nil {
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
	err := a.tryHeartbeat(ctx, t.progress())
	if err == nil {
		return nil
	}
	activity.RecordHeartbeat(ctx, t.progress()) // where the attempt has ended, the SDK ends its context
	if temporal.IsCanceledError(err) {
		return err // the attempt is still current, but its activity is being cancelled
	}
	return fmt.Errorf("%w: %w", transfer.ErrNotConfirmed, err)
}
