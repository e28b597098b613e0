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

// PhaseRefused: a receiver refused the message and would refuse it again. Or it is unknown whether it has the
// message, and it would not recognise a duplicate.
const PhaseRefused = "refused"

// delivery is the state of a message in one channel.
type delivery struct {
	Phase string `json:"phase"`
	Why   string `json:"why,omitempty"`
}

// Notify sends a message through the channels of this worker's configuration that want it. One activity serves
// all of them: its heartbeat says which of them have the message, so that an attempt after an outage of one
// does not repeat it in the others, on any worker.
//
// As with a submission, Temporal must have confirmed "sending" before a message is sent. After that it is sent
// again only when the receiver certainly does not have it, or recognises a duplicate by its id, as a webhook
// does.
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
			message := "the heartbeat of an earlier attempt is unreadable"
			return NotifyResult{}, temporal.NewNonRetryableApplicationError(message, OutcomeUnknown, nil)
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

// deliver sends a message through one channel, unless an earlier attempt did. It returns the pause that the
// receiver requests.
func (a *Activities) deliver(ctx context.Context, name string, m notify.Message, marks *deliveries) time.Duration {
	switch earlier := marks.get(name); {
	case earlier.Phase == PhaseAnswered, earlier.Phase == PhaseRefused:
		return 0
	case earlier.Phase == PhaseSending && !a.channels.Deduplicates(name):
		why := "it is not known whether the message arrived: a worker stopped while sending it"
		_ = marks.set(ctx, name, delivery{PhaseRefused, why})
		return 0
	}
	err := marks.set(ctx, name, delivery{Phase: PhaseSending})
	ctx = context.WithoutCancel(ctx)
	if err != nil {
		// Temporal may have the mark nevertheless: the response was lost, or says that the activity is paused.
		_ = marks.set(ctx, name, delivery{PhaseNotSent, "Temporal did not confirm the heartbeat that precedes a message"})
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
		_ = marks.set(ctx, name, delivery{PhaseRefused, "it is not known whether the message arrived: " + failed.Text})
	}
	return 0
}

// deliveries are the states of a message in its channels, kept in the heartbeat.
type deliveries struct {
	mark func(context.Context, map[string]delivery) error

	mutex sync.Mutex // held while a heartbeat is sent: the last one must have all of them
	of    map[string]delivery
}

func (d *deliveries) get(name string) delivery {
	d.mutex.Lock()
	defer d.mutex.Unlock()
	return d.of[name]
}

// set records a delivery and returns once Temporal has confirmed it. If the mark after a message is lost, an
// operator has to check the channel; the message is never sent twice.
func (d *deliveries) set(ctx context.Context, name string, now delivery) error {
	d.mutex.Lock()
	defer d.mutex.Unlock()
	d.of[name] = now
	return d.mark(ctx, maps.Clone(d.of))
}

// result returns an error that is retried while a channel is to be tried again.
func (d *deliveries) result(ctx context.Context, channels []string, pauses *sync.Map) (NotifyResult, error) {
	var result NotifyResult
	var again []string
	var pause time.Duration
	for _, name := range channels {
		switch now := d.of[name]; now.Phase {
		case PhaseAnswered:
			result.Sent = append(result.Sent, name)
		case PhaseNotSent:
			again = append(again, name+": "+now.Why)
			requested, _ := pauses.Load(name)
			pause = max(pause, requested.(time.Duration))
		default:
			result.Undelivered = append(result.Undelivered, name+": "+now.Why)
		}
	}
	if len(again) > 0 {
		message := strings.Join(append(again, result.Undelivered...), "; ")
		return NotifyResult{}, temporal.NewApplicationErrorWithOptions(message, Unavailable,
			temporal.ApplicationErrorOptions{NextRetryDelay: beforeTimeout(ctx, pause)})
	}
	return result, nil
}
