package workflows

import (
	"fmt"
	"strings"
	"time"

	"go.temporal.io/sdk/workflow"

	"github.com/pbsmflow/pbsmflow/activities"
	"github.com/pbsmflow/pbsmflow/internal/pbsm"
)

// stuck is a run that ended without success: restarted while it may be, then a person is asked.
func (b *batchRun) stuck(ctx workflow.Context) (phase, error) {
	why := fmt.Sprintf("%s ended as %s%s", b.result.RunID, pbsm.StatusCode(b.seen.Code).Text(), failedTasks(b.seen))
	switch {
	case b.leaving:
		return b.end(ctx, Cancelled, "", "cancelled; "+why)
	case b.stopping || pbsm.StatusCode(b.seen.Code) == pbsm.CodeInterrupted || b.result.Restarts >= b.in.Restarts:
		return b.park(ctx, why)
	}
	delay, _ := b.in.restartDelay()
	err := b.enter(ctx, Running, fmt.Sprintf("%s; restart %d of %d in %s", why, b.result.Restarts+1, b.in.Restarts, delay), parkedChoices...)
	if err != nil {
		return nil, err
	}
	spoken, err := workflow.AwaitWithOptions(ctx, workflow.AwaitOptions{
		Timeout: delay, TimerOptions: workflow.TimerOptions{Summary: "pause before the restart"},
	}, b.desk.waiting)
	switch {
	case err != nil:
		return nil, err
	case spoken:
		return b.park(ctx, why)
	}
	return b.post(ctx, b.restart(nil))
}

var parkedChoices = []string{RestartCommand, RerunCommand, DecideCommand + " " + Retry, DecideCommand + " " + GiveUp}

// park asks a person what becomes of a run that is over.
func (b *batchRun) park(ctx workflow.Context, why string) (phase, error) {
	r, next, err := b.ask(ctx, why, parkedChoices...)
	if r == nil {
		return next, err
	}
	switch r.choice() {
	case RestartCommand:
		return b.post(ctx, b.restart(r))
	case RerunCommand:
		return b.post(ctx, b.rerun(r))
	case DecideCommand + " " + Retry:
		return b.lookAgain(ctx, r)
	}
	return b.giveUp(ctx, r, why)
}

// undecided is a post of which nobody knows whether it was carried out. It is never
// repeated without a person's word; a restart that took effect shows in the status.
func (b *batchRun) undecided(ctx workflow.Context, p posting, cause error) (phase, error) {
	if p.what == "restart" {
		// It had failed before: a run that goes on, or has succeeded, was restarted.
		if seen, err := b.statusNow(ctx); err == nil && (!pbsm.StatusCode(seen.Code).Terminal() || pbsm.StatusCode(seen.Code) == pbsm.CodeSuccess) {
			return b.posted(ctx, p, activities.Run{RunID: b.result.RunID})
		}
	}
	p.request.refused(cause)
	choices := []string{DecideCommand + " " + Adopt, DecideCommand + " " + NothingStarted, DecideCommand + " " + GiveUp}
	r, next, err := b.ask(ctx, reason(cause)+". Look on the service's screens whether a run started", choices...)
	if r == nil {
		return next, err
	}
	again := func(ctx workflow.Context) (phase, error) {
		return b.undecided(ctx, posting{what: p.what, activity: p.activity, input: p.input}, cause)
	}
	switch r.Choice {
	case Adopt:
		next, err := b.adoptWord(ctx, r, again)
		if r.err == nil {
			b.count(p.what)
		}
		return next, err
	case NothingStarted:
		b.decided(ctx, r, "nothing had started; the "+p.what+" is posted again")
		return b.post(ctx, posting{what: p.what, activity: p.activity, input: p.input})
	}
	return b.giveUp(ctx, r, reason(cause))
}

// lost is a run whose status the service will not tell.
func (b *batchRun) lost(ctx workflow.Context, cause error) (phase, error) {
	choices := []string{DecideCommand + " " + Retry, DecideCommand + " " + Adopt, DecideCommand + " " + GiveUp}
	if b.leaving {
		return b.end(ctx, Cancelled, "", fmt.Sprintf("cancelled; the service does not tell the status of %s: %s", b.result.RunID, reason(cause)))
	}
	r, next, err := b.ask(ctx, fmt.Sprintf("the service does not tell the status of %s: %s", b.result.RunID, reason(cause)), choices...)
	if r == nil {
		return next, err
	}
	switch r.Choice {
	case Retry:
		return b.lookAgain(ctx, r)
	case Adopt:
		return b.adoptWord(ctx, r, func(ctx workflow.Context) (phase, error) { return b.lost(ctx, cause) })
	}
	return b.giveUp(ctx, r, reason(cause))
}

// ask waits for one of the choices until the deadline. Without a request it gives the next phase.
func (b *batchRun) ask(ctx workflow.Context, why string, choices ...string) (*request, phase, error) {
	b.choices = choices
	err := b.tracker.update(ctx, func(s *Status) {
		s.State, s.Summary = Waiting, why
		s.Question = &Question{Why: why, Choices: choices, Deadline: b.in.Deadline}
	})
	if err != nil {
		return nil, nil, err
	}
	for {
		spoken, err := awaitUntil(ctx, b.in.Deadline, "a person's word", b.desk.waiting)
		if err != nil {
			return nil, nil, err
		}
		if !spoken {
			next, err := b.end(ctx, Failed, DeadlinePassed, why+"; the deadline passed and nobody decided")
			return nil, next, err
		}
		if r := b.desk.take(); r != nil {
			b.tracker.status.Question = nil
			return r, nil, nil
		}
	}
}

// awaitUntil waits for a condition, for ever when the deadline is zero. It tells whether the condition came true.
func awaitUntil(ctx workflow.Context, deadline time.Time, summary string, condition func() bool) (bool, error) {
	if deadline.IsZero() {
		return true, workflow.Await(ctx, condition)
	}
	return workflow.AwaitWithOptions(ctx, workflow.AwaitOptions{
		Timeout: deadline.Sub(workflow.Now(ctx)), TimerOptions: workflow.TimerOptions{Summary: summary},
	}, condition)
}

// adoptWord follows the run that a person named, if it exists and belongs to this batch.
func (b *batchRun) adoptWord(ctx workflow.Context, r *request, otherwise phase) (phase, error) {
	if fault := b.in.notOwn(r.RunID); fault != "" {
		r.refuse("%s", fault)
		return otherwise, nil
	}
	before := b.result.RunID
	b.result.RunID = r.RunID
	if _, err := b.statusNow(ctx); err != nil {
		b.result.RunID = before
		r.refuse("run %q cannot be adopted: %s", r.RunID, reason(err))
		return otherwise, nil
	}
	b.seen = activities.BatchStatus{}
	b.decided(ctx, r, r.RunID+" is adopted")
	return b.follow, b.adopt(ctx, r.RunID, "")
}

// notOwn says why a run cannot be one of this batch; empty when it can.
func (in RunBatchInput) notOwn(runID string) string {
	if strings.HasPrefix(runID, in.Code+"_") {
		return ""
	}
	return fmt.Sprintf("run %q does not belong to %s: its run ids begin with %s_", runID, in.Code, in.Code)
}

func (b *batchRun) lookAgain(ctx workflow.Context, r *request) (phase, error) {
	b.seen, b.since, b.stopping = activities.BatchStatus{}, workflow.Now(ctx), false
	b.decided(ctx, r, "the run is looked at again")
	return b.follow, b.tracker.update(ctx, func(s *Status) { s.State, s.Summary = Running, "looking again" })
}

func (b *batchRun) giveUp(ctx workflow.Context, r *request, why string) (phase, error) {
	b.decided(ctx, r, "given up")
	state := Failed
	if pbsm.StatusCode(b.seen.Code) == pbsm.CodeInterrupted {
		state = Interrupted
	}
	return b.end(ctx, state, GivenUp, "given up: "+why)
}

func (b *batchRun) decided(ctx workflow.Context, r *request, what string) {
	b.tracker.log(ctx, LogEntry{What: what, By: r.By, Why: r.Why})
	r.reply(b.answer(what))
}
