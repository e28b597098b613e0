package activities

import (
	"cmp"
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
	// Undelivered says "channel: why", for mail "channel address: why", and is final.
	Undelivered []string `json:"not_sent,omitempty"`
}

// PhaseRefused: a receiver refused the message and would refuse it again. Or it is unknown whether it has the
// message, and it would not recognise a duplicate.
const PhaseRefused = "refused"

// delivery is the state of a message to one receiver.
type delivery struct {
	Phase string `json:"phase"`
	Why   string `json:"why,omitempty"`
	// Tries counts the attempts; Wait is what is left of the pause before the next.
	Tries int           `json:"tries,omitempty"`
	Wait  time.Duration `json:"wait,omitempty"`
}

// maxNotifyPause bounds the pause between two attempts that the receiver does not ask for.
const maxNotifyPause = time.Minute

// Notify sends a message through the channels of this worker's configuration that want it. One activity serves
// all of them: its heartbeat has the state of every delivery, so that an attempt, on any worker, sends only what is
// missing and due.
//
// As with a submission, Temporal must have confirmed "sending" before a message is sent. After that it is sent
// again only when the receiver certainly does not have it, or recognises a duplicate by its id, as a webhook
// does.
func (a *Activities) Notify(ctx context.Context, m notify.Message) (NotifyResult, error) {
	info := activity.GetInfo(ctx)
	m.ID = info.WorkflowExecution.RunID + "/" + info.ActivityID
	m.WorkflowID = info.WorkflowExecution.ID
	m.Commands = a.commands(m.Commands)
	m.Link = cmp.Or(a.console.WorkflowURL(m.WorkflowID), temporalclient.WorkflowURL(a.temporalUI, info.Namespace, m.WorkflowID))
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
	var group sync.WaitGroup
	for _, name := range channels {
		group.Go(func() { a.notifyChannel(ctx, name, m, marks) })
	}
	group.Wait()
	return a.notified(ctx, channels, marks)
}

// commands are those of a workflow as operators type them.
func (a *Activities) commands(arguments []string) []string {
	commands := make([]string, len(arguments))
	for i, text := range arguments {
		commands[i] = a.starter.Command(text)
	}
	return commands
}

// receiverKey names a receiver in heartbeats and texts: a channel, and for mail the address.
func receiverKey(channel, to string) string { return strings.TrimSpace(channel + " " + to) }

// notifyChannel sends a message to the receivers of a channel that do not have it, if their time has come.
func (a *Activities) notifyChannel(ctx context.Context, name string, m notify.Message, marks *deliveries) {
	var to []string
	for _, receiver := range a.channels.Receivers(name) {
		key := receiverKey(name, receiver)
		switch earlier := marks.get(key); {
		case earlier.Phase == PhaseSending && !a.channels.Deduplicates(name):
			earlier.Phase = PhaseRefused
			earlier.Why = "it is not known whether the message arrived: a worker stopped while sending it"
			_ = marks.set(ctx, key, earlier)
		case earlier.Phase != PhaseAnswered && earlier.Phase != PhaseRefused && (earlier.Wait <= 0 || lastAttempt(ctx)):
			to = append(to, receiver)
		}
	}
	if len(to) == 0 {
		return
	}
	a.channels.Send(context.WithoutCancel(ctx), name, m, to, func(receiver string, send func() error) {
		key := receiverKey(name, receiver)
		now := marks.get(key)
		now.Phase, now.Tries = PhaseSending, now.Tries+1
		if err := marks.set(ctx, key, now); err != nil {
			// Temporal may have the mark nevertheless: the response was lost, or says that the activity is paused.
			now.again(ctx, "Temporal did not confirm the heartbeat that precedes a message", 0)
		} else {
			now.ended(ctx, send(), a.channels.Deduplicates(name))
		}
		_ = marks.set(context.WithoutCancel(ctx), key, now)
	})
}

// ended records what came of an attempt.
func (d *delivery) ended(ctx context.Context, err error, deduplicates bool) {
	var failed *notify.Error
	switch {
	case err == nil:
		*d = delivery{Phase: PhaseAnswered}
	case !errors.As(err, &failed):
		d.Phase, d.Why = PhaseRefused, err.Error()
	case failed.NotDelivered && !failed.Temporary:
		d.Phase, d.Why = PhaseRefused, failed.Text
	case failed.NotDelivered || deduplicates:
		d.again(ctx, failed.Text, failed.RetryAfter)
	default:
		d.Phase, d.Why = PhaseRefused, "it is not known whether the message arrived: "+failed.Text
	}
}

// again has it tried after the pause that the receiver requests, or else one that grows with the tries.
func (d *delivery) again(ctx context.Context, why string, requested time.Duration) {
	d.Phase, d.Why = PhaseNotSent, why
	d.Wait = beforeTimeout(ctx, cmp.Or(requested, min(time.Second<<min(d.Tries-1, 10), maxNotifyPause)))
}

// deliveries are the states of a message to its receivers, kept in the heartbeat.
type deliveries struct {
	mark func(context.Context, map[string]delivery) error

	mutex sync.Mutex // held while a heartbeat is sent: the last one must have all of them
	of    map[string]delivery
}

func (d *deliveries) get(key string) delivery {
	d.mutex.Lock()
	defer d.mutex.Unlock()
	return d.of[key]
}

// set records a delivery and returns once Temporal has confirmed it. If the mark after a message is lost, an
// operator has to check the channel; the message is never sent twice.
func (d *deliveries) set(ctx context.Context, key string, now delivery) error {
	d.mutex.Lock()
	defer d.mutex.Unlock()
	d.of[key] = now
	return d.mark(ctx, maps.Clone(d.of))
}

// pause is until the next receiver is to be tried, and goes by for all that are waiting.
func (d *deliveries) pause(ctx context.Context) (shortest time.Duration) {
	for _, now := range d.of {
		if now.Phase == PhaseNotSent && (shortest == 0 || now.Wait < shortest) {
			shortest = now.Wait
		}
	}
	shortest = beforeTimeout(ctx, max(shortest, time.Millisecond))
	for key, now := range d.of {
		now.Wait -= shortest
		d.of[key] = now
	}
	_ = d.mark(context.WithoutCancel(ctx), d.of)
	return shortest
}

// notified returns an error that is retried while a receiver is to be tried again.
func (a *Activities) notified(ctx context.Context, channels []string, marks *deliveries) (NotifyResult, error) {
	var result NotifyResult
	var again []string
	for _, name := range channels {
		missing := 0
		for _, to := range a.channels.Receivers(name) {
			key := receiverKey(name, to)
			now := marks.of[key]
			if now.Phase == PhaseAnswered {
				continue
			}
			missing++
			if text := key + ": " + now.Why; now.Phase == PhaseNotSent {
				again = append(again, text)
			} else {
				result.Undelivered = append(result.Undelivered, text)
			}
		}
		if missing == 0 {
			result.Sent = append(result.Sent, name)
		}
	}
	if len(again) > 0 {
		message := strings.Join(append(again, result.Undelivered...), "; ")
		return NotifyResult{}, temporal.NewApplicationErrorWithOptions(message, Unavailable,
			temporal.ApplicationErrorOptions{NextRetryDelay: marks.pause(ctx)})
	}
	return result, nil
}
