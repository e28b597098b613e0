package workflows

import (
	"slices"
	"strings"
	"time"

	"go.temporal.io/sdk/workflow"

	"github.com/pbsmflow/pbsmflow/activities"
	"github.com/pbsmflow/pbsmflow/internal/notify"
)

// NotDelivered is what a log entry about a notification that was not delivered begins with.
const NotDelivered = "not every notification was delivered"

const (
	// notifyTimeout is how long the delivery of one message is retried while a channel is unavailable.
	notifyTimeout = time.Hour
	// lastNotifyTimeout is the same for the message about the end, which the workflow waits for. Mail servers
	// that put a new sender off do so for five minutes, some for more.
	lastNotifyTimeout = 15 * time.Minute
	// quietTime is how long after a notification the same question is not sent again.
	quietTime = 10 * time.Minute
)

// notifier is the observer that sends notifications, in the background: one for each question, and one for
// the end.
//
// Which events the channels want comes with the result of an activity that the workflow executes
// anyway. Where no channel wants any, notifications add nothing to the history.
type notifier struct {
	wanted  []string // events that a channel wants
	enabled bool     // otherwise the close notifies
	log     func(workflow.Context, LogEntry)

	latest    snapshot
	questions []string             // keys of the open questions
	sentAt    map[string]time.Time // when a question was sent, or will be
	ended     bool                 // the end has been notified
	lastOpen  bool                 // the message about the end is on its way
}

// enable makes the workflow send its own notifications from now on.
func (n *notifier) enable(ctx workflow.Context) {
	if !n.enabled {
		n.enabled = true
		n.notifyChanges(ctx)
	}
}

func (n *notifier) changed(ctx workflow.Context, _, after snapshot) error {
	n.latest = after
	n.notifyChanges(ctx)
	return nil
}

func (n *notifier) wants(event string) bool { return n.enabled && slices.Contains(n.wanted, event) }

func (n *notifier) notifyChanges(ctx workflow.Context) {
	if !n.enabled || len(n.wanted) == 0 {
		return
	}
	before := n.questions
	n.questions = nil
	for _, q := range n.latest.questions() {
		key := q.step.ID + "\n" + q.Why
		n.questions = append(n.questions, key)
		if !slices.Contains(before, key) {
			n.notifyQuestion(ctx, key, n.questionMessage(ctx, q))
		}
	}
	if n.latest.ended() && !n.ended {
		n.ended = true
		n.notifyEnd(ctx)
	}
}

// stepQuestion is a question about a step, or about the workflow itself where the step has no id.
type stepQuestion struct {
	step StepStatus
	*Question
}

// questions are all open questions.
func (s Status) questions() []stepQuestion {
	var all []stepQuestion
	for _, step := range s.Steps {
		if step.Question != nil {
			all = append(all, stepQuestion{step, step.Question})
		}
	}
	if len(all) == 0 && s.Question != nil {
		all = append(all, stepQuestion{StepStatus{}, s.Question})
	}
	return all
}

// isAsked reports whether a question that was asked at a time is still open.
func (s Status) isAsked(at time.Time) bool {
	return slices.ContainsFunc(s.questions(), func(q stepQuestion) bool { return q.Asked().Equal(at) })
}

func (n *notifier) questionMessage(ctx workflow.Context, q stepQuestion) notify.Message {
	m := notify.Message{Event: notify.Waiting, Step: q.step.ID, What: q.Why, Deadline: q.Deadline}
	if name := q.step.Name(); name != q.step.ID {
		m.What = name + ": " + q.Why
	}
	for _, choice := range q.Choices {
		m.Commands = append(m.Commands,
			CommandLine(n.latest.Type, workflow.GetInfo(ctx).WorkflowExecution.ID, q.step, choice))
	}
	return m
}

// notifyQuestion sends a question at once. One that reappears within the quiet time is sent when that
// time ends, if it is still open.
func (n *notifier) notifyQuestion(ctx workflow.Context, key string, m notify.Message) {
	if n.sentAt == nil {
		n.sentAt = map[string]time.Time{}
	}
	now := workflow.Now(ctx)
	last, sent := n.sentAt[key]
	due := last.Add(quietTime)
	switch {
	case last.After(now): // a timer is running for it
	case sent && due.After(now):
		n.sentAt[key] = due
		workflow.Go(ctx, func(ctx workflow.Context) {
			timer := workflow.NewTimerWithOptions(ctx, due.Sub(now),
				workflow.TimerOptions{Summary: "quiet time before a question is sent again"})
			if timer.Get(ctx, nil) == nil && slices.Contains(n.questions, key) {
				n.deliver(ctx, n.latest, m, notifyTimeout)
			}
		})
	default:
		n.sentAt[key] = now
		n.send(ctx, n.latest, m, notifyTimeout)
	}
}

var endEvents = map[State]string{
	Succeeded:               notify.Succeeded,
	SucceededWithExceptions: notify.Succeeded,
	Failed:                  notify.Failed,
	Cancelled:               notify.Cancelled,
	Interrupted:             notify.Cancelled,
}

func (n *notifier) notifyEnd(ctx workflow.Context) {
	m := notify.Message{Event: endEvents[n.latest.State], What: n.latest.Summary}
	if a := n.latest.Audit; a != nil {
		m.AuditFile, m.Seal = a.File, a.SHA256
	}
	if !n.wants(m.Event) {
		return
	}
	n.lastOpen = true
	workflow.Go(ctx, func(ctx workflow.Context) {
		n.deliver(ctx, n.latest, m, lastNotifyTimeout)
		n.lastOpen = false
	})
}

// send delivers a message in the background.
func (n *notifier) send(ctx workflow.Context, about snapshot, m notify.Message, timeout time.Duration) {
	workflow.Go(ctx, func(ctx workflow.Context) { n.deliver(ctx, about, m, timeout) })
}

// deliver sends a message to the channels, also when the workflow is cancelled. A failed delivery is only
// logged, in the status.
func (n *notifier) deliver(ctx workflow.Context, about snapshot, m notify.Message, timeout time.Duration) {
	if !n.wants(m.Event) {
		return
	}
	ctx, stop := workflow.NewDisconnectedContext(ctx)
	defer stop()
	m.At, m.WorkflowType = workflow.Now(ctx), about.Type
	m.Connection, m.Subject, m.AsOfDate, m.RunID = about.Connection, about.Subject, about.AsOfDate, about.RunID
	m.TimeZone = about.TimeZone
	var result activities.NotifyResult
	err := workflow.ExecuteActivity(options(ctx, timed(notifyOptions, timeout), "notify: "+m.Event), act.Notify, m).
		Get(ctx, &result)
	problem := strings.Join(result.Undelivered, "; ")
	if err != nil {
		problem = reason(err)
	}
	if problem != "" {
		workflow.GetLogger(ctx).Error("a notification was not delivered", "event", m.Event, "error", problem)
		n.log(ctx, LogEntry{What: NotDelivered + " (" + m.Event + "): " + problem})
	}
}

// lastDelivered reports whether the message about the end is delivered, or there is none.
func (n *notifier) lastDelivered() bool { return !n.lastOpen }
