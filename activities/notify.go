package activities

import (
	"context"
	"errors"
	"maps"
	"strings"
	"sync"
	"time"

	"go.temporal.io/sdk/activity"
	"go.temporal.io/sdk/temporal"

	"github.com/pbsmflow/pbsmflow/internal/notify"
	"github.com/pbsmflow/pbsmflow/internal/temporalclient"
)

// NotifyResult says which channels have a message, and why others have not.
type NotifyResult struct {
	Sent []string `json:"sent,omitempty"`
	// Undelivered says "channel: why", and is final.
	Undelivered []string `json:"not_sent,omitempty"`
}

// PhaseRefused: a receiver said no, and would say so again. Or nobody knows whether it has the
// message, and it could not tell a second one from the first.
const PhaseRefused = "refused"

// delivery is how far a message is with one channel.
type delivery struct {
	Phase string `json:"phase"`
	Why   string `json:"why,omitempty"`
}

// Notify tells the channels of this worker's configuration that want it. One activity is for all
// of them: its heartbeat says which of them have the message, so that an attempt after one was
// down does not tell the others again, whichever worker makes it.
//
// As with a posting, Temporal must have confirmed "sending" before a message goes out. After
// that it goes out again only when the receiver certainly does not have it, or knows it again by
// its id, as a webhook does: otherwise a message could come twice.
func (a *Activities) Notify(ctx context.Context, m notify.Message) (NotifyResult, error) {
	info := activity.GetInfo(ctx)
	m.ID = info.WorkflowExecution.RunID + "/" + info.ActivityID
	m.WorkflowID = info.WorkflowExecution.ID
	m.Link = temporalclient.WorkflowURL(a.temporalUI, info.Namespace, m.WorkflowID)
	marks := &deliveries{mark: func(ctx context.Context, of map[string]delivery) error {
		return a.temporal.RecordActivityHeartbeat(ctx, info.TaskToken, of)
	}, of: map[string]delivery{}}
	if activity.HasHeartbeatDetails(ctx) {
		if err := activity.GetHeartbeatDetails(ctx, &marks.of); err != nil {
			return NotifyResult{}, temporal.NewNonRetryableApplicationError("what an earlier attempt told is unreadable", OutcomeUnknown, nil)
		}
	}
	channels := a.channels.For(m.Event, m.Connection)
	var pauses sync.Map
	var group sync.WaitGroup
	for _, name := range channels {
		group.Go(func() { pauses.Store(name, a.deliver(ctx, name, m, marks)) })
	}
	group.Wait()
	return marks.result(ctx, channels, &pauses)
}

// deliver sends a message through one channel, unless an earlier attempt did. It gives the pause
// that the receiver asks for.
func (a *Activities) deliver(ctx context.Context, name string, m notify.Message, marks *deliveries) time.Duration {
	switch earlier := marks.get(name); {
	case earlier.Phase == PhaseAnswered, earlier.Phase == PhaseRefused:
		return 0
	case earlier.Phase == PhaseSending && !a.channels.Deduplicates(name):
		_ = marks.set(ctx, name, delivery{PhaseRefused, "it is not known whether it has the message: a worker stopped while it was on its way"})
		return 0
	}
	err := marks.set(ctx, name, delivery{Phase: PhaseSending})
	ctx = context.WithoutCancel(ctx)
	if err != nil {
		// Temporal may have taken the mark all the same: its answer was lost, or says that the activity is paused.
		_ = marks.set(ctx, name, delivery{PhaseNotSent, "Temporal did not confirm the mark that goes before a message"})
		return 0
	}
	err = a.channels.Send(ctx, name, m)
	var failed *notify.Error
	switch {
	case err == nil:
		_ = marks.set(ctx, name, delivery{Phase: PhaseAnswered})
	case !errors.As(err, &failed):
		_ = marks.set(ctx, name, delivery{PhaseRefused, err.Error()})
	case failed.Partial, failed.NotDelivered && !failed.Temporary:
		_ = marks.set(ctx, name, delivery{PhaseRefused, failed.Text})
	case failed.NotDelivered || a.channels.Deduplicates(name):
		_ = marks.set(ctx, name, delivery{PhaseNotSent, failed.Text})
		return failed.RetryAfter
	default:
		_ = marks.set(ctx, name, delivery{PhaseRefused, "it is not known whether it has the message: " + failed.Text})
	}
	return 0
}

// deliveries are how far a message is with each channel, kept in the heartbeat.
type deliveries struct {
	mark func(context.Context, map[string]delivery) error

	mutex sync.Mutex // also while a mark is on its way: the last one holds all of them
	of    map[string]delivery
}

func (d *deliveries) get(name string) delivery {
	d.mutex.Lock()
	defer d.mutex.Unlock()
	return d.of[name]
}

// set keeps how far it is and returns once Temporal has confirmed it. A mark that is lost behind
// a message costs a look at the log, never a second message.
func (d *deliveries) set(ctx context.Context, name string, now delivery) error {
	d.mutex.Lock()
	defer d.mutex.Unlock()
	d.of[name] = now
	return d.mark(ctx, maps.Clone(d.of))
}

// result is an error that is repeated while a channel is to be tried again.
func (d *deliveries) result(ctx context.Context, channels []string, pauses *sync.Map) (NotifyResult, error) {
	told := NotifyResult{}
	var again []string
	var pause time.Duration
	for _, name := range channels {
		switch now := d.of[name]; now.Phase {
		case PhaseAnswered:
			told.Sent = append(told.Sent, name)
		case PhaseNotSent:
			again = append(again, name+": "+now.Why)
			asked, _ := pauses.Load(name)
			pause = max(pause, asked.(time.Duration))
		default:
			told.Undelivered = append(told.Undelivered, name+": "+now.Why)
		}
	}
	if len(again) > 0 {
		return NotifyResult{}, temporal.NewApplicationErrorWithOptions(strings.Join(append(again, told.Undelivered...), "; "), Unavailable,
			temporal.ApplicationErrorOptions{NextRetryDelay: beforeTimeout(ctx, pause)})
	}
	return told, nil
}
