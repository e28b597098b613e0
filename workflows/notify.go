package workflows

import (
	"slices"
	"strings"
	"time"

	"go.temporal.io/sdk/workflow"

	"github.com/pbsmflow/pbsmflow/activities"
	"github.com/pbsmflow/pbsmflow/internal/notify"
)

const (
	// notifyPatience is how long a channel that is down is tried for one message.
	notifyPatience = time.Hour
	// lastNotifyPatience is the same for the message about the end, for which the workflow waits.
	lastNotifyPatience = 5 * time.Minute
	// quietTime is for how long the same question is not told again, though it was answered in between.
	quietTime = 10 * time.Minute
)

// notifier tells people of what happens in a workflow, beside its work and once. It tells
// nothing until on is set.
//
// Which events a channel wants comes with the result of an activity that the workflow has
// anyway. Where there are no channels, nothing is added to the history; the histories of before
// have no such list, so that they need no version.
type notifier struct {
	on    []string
	asked []string             // the questions that are asked now
	told  map[string]time.Time // when a question was told, or will be
	ended bool                 // the end has been told
	last  bool                 // the message about the end is on its way
}

// notify tells what changed.
func (t *tracker) notify(ctx workflow.Context) {
	n := &t.notifier
	if len(n.on) == 0 {
		return
	}
	before := n.asked
	n.asked = nil
	for _, q := range t.status.asks() {
		key := q.step + "\n" + q.Why
		n.asked = append(n.asked, key)
		if !slices.Contains(before, key) {
			t.notifyQuestion(ctx, key, t.askMessage(ctx, q))
		}
	}
	if t.status.State.Done() && !n.ended {
		n.ended = true
		t.notifyEnd(ctx)
	}
}

// question is what people are asked about a step, or about the work itself.
type question struct {
	step string
	*Question
}

func (s Status) asks() []question {
	var all []question
	for _, step := range s.Steps {
		if step.Question != nil {
			all = append(all, question{step.ID, step.Question})
		}
	}
	if len(all) == 0 && s.Question != nil {
		all = append(all, question{"", s.Question})
	}
	return all
}

func (t *tracker) askMessage(ctx workflow.Context, q question) notify.Message {
	m := notify.Message{Event: notify.Waiting, Step: q.step, What: q.Why, Deadline: q.Deadline}
	for _, choice := range q.Choices {
		m.Commands = append(m.Commands, CommandLine(t.status.Type, workflow.GetInfo(ctx).WorkflowExecution.ID, q.step, choice))
	}
	return m
}

// notifyQuestion tells a question at once, but one that comes and goes only after a quiet time,
// if it is asked then.
func (t *tracker) notifyQuestion(ctx workflow.Context, key string, m notify.Message) {
	n := &t.notifier
	if n.told == nil {
		n.told = map[string]time.Time{}
	}
	now := workflow.Now(ctx)
	last, again := n.told[key]
	switch due := last.Add(quietTime); {
	case last.After(now): // it will be told
	case again && due.After(now):
		n.told[key] = due
		workflow.Go(ctx, func(ctx workflow.Context) {
			timer := workflow.NewTimerWithOptions(ctx, due.Sub(now), workflow.TimerOptions{Summary: "before a question is told again"})
			if timer.Get(ctx, nil) == nil && slices.Contains(n.asked, key) {
				t.send(ctx, m, notifyPatience)
			}
		})
	default:
		n.told[key] = now
		t.sendBeside(ctx, m, notifyPatience)
	}
}

var endEvents = map[State]string{
	Succeeded: notify.Succeeded, Failed: notify.Failed, Cancelled: notify.Cancelled, Interrupted: notify.Cancelled,
}

func (t *tracker) notifyEnd(ctx workflow.Context) {
	m := notify.Message{Event: endEvents[t.status.State], What: t.status.Summary}
	if !slices.Contains(t.notifier.on, m.Event) {
		return
	}
	t.notifier.last = true
	workflow.Go(ctx, func(ctx workflow.Context) {
		t.send(ctx, m, lastNotifyPatience)
		t.notifier.last = false
	})
}

func (t *tracker) sendBeside(ctx workflow.Context, m notify.Message, patience time.Duration) {
	workflow.Go(ctx, func(ctx workflow.Context) { t.send(ctx, m, patience) })
}

// send has the worker's channels told, also when the workflow is cancelled. What comes of it is
// in the log of the status, and changes nothing else.
func (t *tracker) send(ctx workflow.Context, m notify.Message, patience time.Duration) {
	if !slices.Contains(t.notifier.on, m.Event) {
		return
	}
	ctx, stop := workflow.NewDisconnectedContext(ctx)
	defer stop()
	m.At, m.WorkflowType = workflow.Now(ctx), t.status.Type
	m.Connection, m.Subject, m.AsOfDate, m.RunID = t.status.Connection, t.status.Subject, t.status.AsOfDate, t.status.RunID
	var told activities.NotifyResult
	err := workflow.ExecuteActivity(options(ctx, notifyOptions, m.At.Add(patience), "tell people: "+m.Event), act.Notify, m).Get(ctx, &told)
	why := strings.Join(told.Undelivered, "; ")
	if err != nil {
		why = reason(err)
	}
	if why != "" {
		workflow.GetLogger(ctx).Error("people could not be told", "event", m.Event, "error", why)
		t.log(ctx, LogEntry{What: "not everybody could be told (" + m.Event + "): " + why})
		workflow.SetCurrentDetails(ctx, t.status.Markdown())
	}
}

// awaitLastNotification lets the message about the end go out before the workflow is over.
func (t *tracker) awaitLastNotification(ctx workflow.Context) {
	if t.notifier.last {
		ctx, _ = workflow.NewDisconnectedContext(ctx)
		_ = workflow.Await(ctx, func() bool { return !t.notifier.last })
	}
}
