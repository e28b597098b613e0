package workflows

import (
	"fmt"
	"time"

	"go.temporal.io/sdk/workflow"

	"github.com/pbsmflow/pbsmflow/activities"
)

// simpleRun is a workflow that executes a few activities one after the other. It asks the operator only about one
// that makes no progress.
type simpleRun struct {
	*statusReporter
	caller
	commands *commandInbox
	started  time.Time
	file     *activities.FileInfo // found along with the connection, if it was looked up
	waiting  *deadline            // until when a file is awaited; nil while none is
	startBy  *command             // wants no more waiting
}

// noLookups is for a workflow that needs nothing but its connection.
var noLookups activities.Lookups

// newSimpleRun begins a workflow. The returned context is that of a workflow which can be cancelled by a command.
func newSimpleRun(ctx workflow.Context, initial Status, lookups activities.Lookups) (workflow.Context, *simpleRun, error) {
	ctx, reporter, err := newStatusReporter(ctx, initial)
	if err != nil {
		return ctx, nil, err
	}
	r := &simpleRun{statusReporter: reporter, started: workflow.Now(ctx)}
	if r.commands, err = openCommandInbox(ctx, reporter, r.applies); err != nil {
		return ctx, nil, err
	}
	r.commands.immediate[StartCommand] = r.startNow
	found, err := resolveConnection(ctx, initial.Connection, lookups, startsAlone(ctx, false))
	r.caller, r.file = found.caller, found.file
	r.supervisor = superviseUntilEnd(ctx, found.askAfter, reporter)
	r.commands.answers = r.supervisor.answer
	r.notifyOn(found.notifyOn, startedByClose(ctx))
	if err != nil {
		return ctx, nil, r.end(ctx, "", err)
	}
	return ctx, r, nil
}

func (r *simpleRun) applies(c *command) error {
	status := r.status()
	situation := fmt.Sprintf("%s %s (%s)", status.Subject, status.State.phrase(), status.Summary)
	return notApplicable(c, r.supervisor.choices(), situation)
}

// do executes one activity until the deadline, with the summary as the status.
func (r *simpleRun) do(ctx workflow.Context, profile workflow.ActivityOptions, summary string, activity, input, result any) error {
	return r.doUntil(ctx, r.deadline, profile, summary, activity, input, result)
}

func (r *simpleRun) doUntil(
	ctx workflow.Context, until *deadline, profile workflow.ActivityOptions, summary string, activity, input, result any,
) error {
	if err := r.update(ctx, func(s *snapshot) { s.Summary = summary }); err != nil {
		return err
	}
	return r.execute(ctx, profile, until, summary, activity, input).Get(ctx, result)
}

// end publishes how the workflow ended, and returns its error. One that finished before its
// cancellation took effect has succeeded.
func (r *simpleRun) end(ctx workflow.Context, summary string, err error) error {
	state := Succeeded
	switch {
	case ctx.Err() != nil && err != nil:
		state, summary = Cancelled, r.cancellation()
	case deadlineHit(err):
		state = Failed
		err = failure(DeadlinePassed, "the deadline passed during: "+r.status().Summary+lastTried(err))
		summary = reason(err)
	case err != nil:
		state, summary = Failed, reason(err)
	}
	published := r.update(ctx, func(s *snapshot) {
		s.State, s.Summary, s.Question, s.failure = state, summary, nil, errorType(err)
	})
	r.commands.close(ctx, fmt.Sprintf("%s has ended: %s", r.status().Subject, summary))
	if published != nil {
		return published
	}
	r.flush(ctx)
	return err
}
