package activities

import (
	"context"
	"encoding/json"
	"errors"
	"sync"
	"sync/atomic"
	"time"

	"go.temporal.io/sdk/activity"
	"go.temporal.io/sdk/temporal"

	"github.com/pbsmflow/pbsmflow/internal/stores"
)

// SealedTransfer is what another attempt needs to go on with a transfer, on any worker with
// the same connection. It holds URLs, which are secrets.
type SealedTransfer string

// TransferProgress is the heartbeat of a transfer.
type TransferProgress struct {
	// Done and Total are bytes. Total is 0 while unknown.
	Done  int64 `json:"done"`
	Total int64 `json:"total,omitempty"`
	// Rate is in bytes per second, over the last seconds; SecondsLeft is the rest at that rate.
	Rate        int64 `json:"rate,omitempty"`
	SecondsLeft int64 `json:"seconds_left,omitempty"`
	// State is for the next attempt.
	State SealedTransfer `json:"state,omitempty"`
}

// savedTransfer is what SealedTransfer holds.
type savedTransfer struct {
	File   FileInfo        `json:"file,omitzero"`     // of an upload
	Folder string          `json:"folder,omitempty"`  // of a folder's; SaveTo is the list of what was sent
	SaveTo string          `json:"save_to,omitempty"` // of a download, and the key of its draft
	Key    string          `json:"key,omitempty"`
	Parts  json.RawMessage `json:"parts,omitempty"`  // what the store needs to find the draft
	Engine json.RawMessage `json:"engine,omitempty"` // parstore's; of a folder the files under way
}

func (s savedTransfer) sameAs(other savedTransfer) bool {
	return s.File.same(other.File) && s.Folder == other.Folder && s.SaveTo == other.SaveTo && s.Key == other.Key
}

const transferPurpose = "transfer"

func (c *connection) openTransfer(sealed SealedTransfer) (savedTransfer, error) {
	var saved savedTransfer
	text, err := c.sealer.Open(string(sealed), transferPurpose)
	if err == nil {
		err = json.Unmarshal([]byte(text), &saved)
	}
	return saved, err
}

// transfer is one attempt at moving a file, as Temporal sees it.
//
// It sends its heartbeats itself: those of the SDK are thinned out, and a part that arrived
// but was not told of would be sent again after a crash.
type transfer struct {
	activity context.Context
	conn     *connection
	beat     func(TransferProgress) error
	stop     context.CancelCauseFunc
	saved    savedTransfer
	parts    stores.Parts // of a download; nil otherwise

	counted      bytesCounter
	bytes, total atomic.Int64
	begun        atomic.Bool // bytes has what was there before, too
	mu           sync.Mutex  // one heartbeat at a time: they must not overtake each other
	state        SealedTransfer
	meter        meter
}

// newTransfer goes on with what an earlier attempt saved, or with what an earlier activity
// left, if either is of the same file.
func (a *Activities) newTransfer(ctx context.Context, conn *connection, about savedTransfer, left SealedTransfer) *transfer {
	t := &transfer{activity: ctx, conn: conn, beat: a.beat(ctx), saved: about, state: left}
	var before TransferProgress
	if activity.HasHeartbeatDetails(ctx) && activity.GetHeartbeatDetails(ctx, &before) == nil && before.State != "" {
		t.state = before.State
	}
	if saved, err := conn.openTransfer(t.state); err == nil && saved.sameAs(about) {
		t.saved = saved
	}
	direction := directionUpload
	if about.SaveTo != "" && about.Folder == "" {
		direction = directionDownload
	}
	t.counted.counter, t.counted.resumes = conn.seen.transferred(direction), len(t.saved.Engine) > 0
	return t
}

const (
	// beatInterval is how often the progress of a transfer reaches Temporal, and so its followers.
	beatInterval = 2 * time.Second
	// beatTimeout bounds one heartbeat. A transfer goes on while Temporal is away.
	beatTimeout = 10 * time.Second
)

// beat sends a heartbeat at once. Where the answer means that the attempt is over, the SDK hears
// of it, too, and ends the context.
func (a *Activities) beat(ctx context.Context) func(TransferProgress) error {
	sdk := func(p TransferProgress) error {
		activity.RecordHeartbeat(ctx, p)
		return context.Cause(ctx)
	}
	if a.temporal == nil {
		return sdk
	}
	token := activity.GetInfo(ctx).TaskToken
	return func(p TransferProgress) error {
		limited, cancel := context.WithTimeout(ctx, beatTimeout)
		defer cancel()
		if err := a.temporal.RecordActivityHeartbeat(limited, token, p); err != nil {
			return sdk(p)
		}
		return nil
	}
}

// heartbeat is for a file that is only read; the SDK thins the calls out.
func heartbeat(ctx context.Context, total int64) func(done int64) {
	return func(done int64) { activity.RecordHeartbeat(ctx, TransferProgress{Done: done, Total: total}) }
}

var errWorkerStops = errors.New("this worker stops; the next attempt goes on where this one is")

// run moves the file, with heartbeats, until it is there or the attempt is over. An error
// carries what is left of the transfer behind what was said.
func (t *transfer) run(move func(ctx context.Context) (TransferResult, error)) (TransferResult, error) {
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
		return moved, nil
	}
	return TransferResult{}, t.failed(err)
}

func (t *transfer) failed(err error) error {
	if t.activity.Err() != nil {
		return temporal.NewCanceledError(Refusal{}, t.left())
	}
	err = classifyCall(t.activity, err)
	var known *temporal.ApplicationError
	if !errors.As(err, &known) || known.Type() == InvalidInput || t.left() == "" {
		return err
	}
	return withMessage(known, known.Message(), t.left())
}

func (t *transfer) left() SealedTransfer {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.state
}

func (t *transfer) keepBeating(ctx context.Context) {
	tick := time.NewTicker(beatInterval)
	defer tick.Stop()
	stops := activity.GetWorkerStopChannel(t.activity)
	for {
		select {
		case <-ctx.Done():
			return
		case <-stops:
			if t.left() != "" { // what has no state is better finished in the time that is left
				t.stop(errWorkerStops)
			}
			stops = nil
		case <-tick.C:
			t.mu.Lock()
			t.tell()
			t.mu.Unlock()
		}
	}
}

// save notes what the next attempt needs, and returns when Temporal has it.
func (t *transfer) save(engine []byte) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.saved.Engine, t.state = engine, ""
	if engine != nil {
		if t.parts != nil {
			t.saved.Parts = t.parts.State()
		}
		text, err := json.Marshal(t.saved)
		if err != nil {
			t.stop(err)
			return
		}
		t.state = SealedTransfer(t.conn.sealer.Seal(string(text), transferPurpose))
	}
	t.tell()
}

func (t *transfer) moved(done, total int64) {
	t.counted.moved(done)
	t.bytes.Store(done)
	t.total.Store(total)
	t.begun.Store(true)
}

// tell is called with the lock held.
func (t *transfer) tell() {
	begun := t.begun.Load()
	p := TransferProgress{Done: t.bytes.Load(), Total: t.total.Load(), State: t.state}
	if begun {
		p.Rate = t.meter.rate(time.Now(), p.Done)
	}
	if p.Rate > 0 && p.Total > p.Done {
		p.SecondsLeft = (p.Total - p.Done + p.Rate - 1) / p.Rate
	}
	if err := t.beat(p); err != nil {
		t.stop(err)
	}
}

// meter is the rate over the last seconds.
type meter struct {
	points []point // oldest first
}

type point struct {
	at    time.Time
	bytes int64
}

const (
	meterSpan = 10 * time.Second
	meterStep = 500 * time.Millisecond
)

func (m *meter) rate(now time.Time, done int64) int64 {
	if n := len(m.points); n == 0 || now.Sub(m.points[n-1].at) >= meterStep {
		m.points = append(m.points, point{now, done})
	}
	for len(m.points) > 1 && now.Sub(m.points[1].at) >= meterSpan {
		m.points = m.points[1:]
	}
	elapsed := now.Sub(m.points[0].at)
	if elapsed < meterStep {
		return 0
	}
	return int64(float64(max(done-m.points[0].bytes, 0)) / elapsed.Seconds())
}
