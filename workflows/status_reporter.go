package workflows

import (
	"fmt"
	"time"

	"go.temporal.io/sdk/workflow"

	"github.com/pbsmflow/pbsmflow/internal/audit"
	"github.com/pbsmflow/pbsmflow/internal/notify"
)

// snapshot is the status of a workflow, and what its observers need besides.
type snapshot struct {
	Status

	// submitting is set while a submission is on its way, or its outcome is unknown.
	submitting bool
	// failure is the type of the error with which the workflow failed.
	failure string
	// auditPending is set once the work has ended, until its audit file is written: the message about the end has the seal.
	auditPending bool
}

// ended reports whether the work has ended and its audit file, if any, is written.
func (s snapshot) ended() bool { return s.State.Done() && !s.auditPending }

// observer acts on a published change of a workflow.
type observer interface {
	changed(ctx workflow.Context, before, after snapshot) error
}

// statusReporter holds a workflow's status. Each change is published: to the status query, to the
// current details in the Temporal UI, and to the observers.
type statusReporter struct {
	current   snapshot
	published snapshot
	observers []observer
	notifier  *notifier
	parent    *parentSignal
	deadline  *deadline
	cancel    func()   // cancels the workflow
	cancelled *command // by which it was cancelled; nil: through Temporal, or not at all

	beforeQuestion snapshot // that of the supervisor
}

// newStatusReporter sets the handler of the status query. The initial state is published with the first
// update, so that a workflow which fails to start adds no event to the history. The returned context is that of a
// workflow which can be cancelled by a command.
func newStatusReporter(ctx workflow.Context, initial Status) (workflow.Context, *statusReporter, error) {
	info := workflow.GetInfo(ctx)
	initial.Type, initial.StartedAt = info.WorkflowType.Name, info.WorkflowStartTime
	if initial.State == "" {
		initial.State = Running
	}
	ctx, cancel := workflow.WithCancel(ctx)
	r := &statusReporter{
		current:  snapshot{Status: initial},
		notifier: &notifier{},
		deadline: &deadline{at: initial.Deadline},
		cancel:   cancel,
	}
	r.notifier.log = r.log
	r.observers = []observer{newMetricsObserver(), newSearchAttributes(ctx)}
	if startedByClose(ctx) {
		r.parent = &parentSignal{notifier: r.notifier, reported: Running}
		r.observers = append(r.observers, r.parent)
	}
	r.observers = append(r.observers, r.notifier)

	r.showDetails(ctx)
	return ctx, r, workflow.SetQueryHandlerWithOptions(ctx, StatusQuery, func() (Status, error) { return r.current.Status, nil },
		workflow.QueryHandlerOptions{Description: "The status: state, run, tasks or steps, and the question to the operator."})
}

// status is the status of this moment, to be read only.
func (r *statusReporter) status() snapshot { return r.current }

// notifyOn sets the events that the channels want. A workflow that a close started leaves the
// notifications to the close.
func (r *statusReporter) notifyOn(events []string, leaveToClose bool) {
	r.notifier.wanted, r.notifier.enabled = events, !leaveToClose
}

// update changes the status and publishes it.
func (r *statusReporter) update(ctx workflow.Context, change func(*snapshot)) error {
	before := r.current.Question
	change(&r.current)
	if r.current.State.Done() {
		r.current.AtRisk = "" // the log keeps the warning
	}
	r.current.stampQuestions(workflow.Now(ctx), before)
	return r.publish(ctx)
}

// raise asks a question while the workflow continues.
func (r *statusReporter) raise(ctx workflow.Context, q *Question) {
	r.beforeQuestion = r.current
	r.log(ctx, LogEntry{What: q.Why})
	_ = r.update(ctx, func(s *snapshot) { s.State, s.Summary, s.Question = Waiting, q.Why, q })
}

// withdraw ends a question that was raised, unless another status has replaced it.
func (r *statusReporter) withdraw(ctx workflow.Context, q *Question) {
	if r.current.Question != q {
		return
	}
	_ = r.update(ctx, func(s *snapshot) {
		before := r.beforeQuestion
		s.Question = before.Question
		if s.State == Waiting {
			s.State, s.Summary = before.State, before.Summary
		}
	})
}

// stage changes the status without publishing it; the next update does.
func (r *statusReporter) stage(change func(*snapshot)) { change(&r.current) }

func (r *statusReporter) publish(ctx workflow.Context) error {
	r.current.ChangedAt = workflow.Now(ctx)
	r.showDetails(ctx)
	before := r.published
	r.published = r.current
	for _, o := range r.observers {
		if err := o.changed(ctx, before, r.current); err != nil {
			return err
		}
	}
	return nil
}

func (r *statusReporter) showDetails(ctx workflow.Context) {
	workflow.SetCurrentDetails(ctx, r.current.Markdown())
}

// log adds an entry to the log of the status.
func (r *statusReporter) log(ctx workflow.Context, entry LogEntry) {
	entry.At = workflow.Now(ctx)
	r.current.Log = append(r.current.Log, entry)
	r.showDetails(ctx)
	workflow.GetLogger(ctx).Info(entry.What + prefixed(", by ", entry.Who()) + prefixed(": ", entry.Why))
}

// warnAtRisk logs and notifies that a deadline will probably be missed.
func (r *statusReporter) warnAtRisk(ctx workflow.Context, warning string) {
	r.log(ctx, LogEntry{What: warning})
	countAtRisk(ctx, r.current.Connection)
	r.notifier.send(ctx, r.current, notify.Message{Event: notify.AtRisk, What: warning}, notifyTimeout)
}

// warnBeforeDeadline warns unless a close started the workflow: a close warns about its steps itself.
func (r *statusReporter) warnBeforeDeadline(ctx workflow.Context) {
	if startedByClose(ctx) {
		return
	}
	r.deadline.warn(ctx, r.current.times(), r.current.Subject, func(warning string) {
		if r.current.State.Done() {
			return
		}
		if warning != "" {
			r.warnAtRisk(ctx, warning)
		}
		_ = r.update(ctx, func(s *snapshot) { s.AtRisk = warning })
	})
}

// extend moves the deadline of the workflow, and answers the command.
func (r *statusReporter) extend(ctx workflow.Context, c *command) {
	what := c.move(ctx, r.deadline, r.current.times())
	if what == "" {
		return
	}
	_ = r.update(ctx, func(s *snapshot) {
		s.Deadline = r.deadline.moment()
		if s.Question != nil {
			s.Question.Deadline = s.Deadline
		}
	})
	r.log(ctx, c.entry(what))
	c.reply(CommandResult{State: r.current.State, RunID: r.current.RunID, Message: what})
}

// cancelBy cancels the workflow by a command, and answers it.
func (r *statusReporter) cancelBy(ctx workflow.Context, c *command) {
	entry := c.entry(CancelCommand)
	entry.Event = audit.Cancelled
	r.log(ctx, entry)
	c.reply(CommandResult{State: r.current.State, RunID: r.current.RunID, Message: "is being cancelled"})
	r.cancelled = c
	r.cancel()
}

// cancellation says that the workflow was cancelled, and by whom if that is known.
func (r *statusReporter) cancellation() string {
	if r.cancelled == nil {
		return "cancelled"
	}
	return fmt.Sprintf("cancelled by %s (%s)", r.cancelled.By, r.cancelled.Why)
}

// flush waits until the last signal to the close and the last notification are delivered, also in a
// cancelled workflow.
func (r *statusReporter) flush(ctx workflow.Context) {
	ctx, _ = workflow.NewDisconnectedContext(ctx)
	if r.parent != nil {
		_ = workflow.Await(ctx, r.parent.delivered)
	}
	_ = workflow.Await(ctx, r.notifier.lastDelivered)
}

// stampQuestions notes since when each question is open. The same question asked again keeps its time.
func (s *snapshot) stampQuestions(now time.Time, before *Question) {
	for _, step := range s.Steps {
		if q := step.Question; q != nil && q.Since.IsZero() {
			q.Since = now
		}
	}
	if q := s.Question; q != nil && q.Since.IsZero() {
		q.Since = now
		if before != nil && before.Why == q.Why {
			q.Since = before.Since
		}
	}
}
