package workflows

import (
	"fmt"
	"time"

	"go.temporal.io/sdk/workflow"

	"github.com/pbsmflow/pbsmflow/activities"
	"github.com/pbsmflow/pbsmflow/internal/pbsm"
)

// follow looks at the run until it is over, and interrupts it when asked.
func (b *batchRun) follow(ctx workflow.Context) (phase, error) {
	b.choices = followChoices
	looking, stop := workflow.WithCancel(ctx)
	defer stop()
	look := b.look(looking)
	for !look.IsReady() {
		if err := workflow.Await(ctx, func() bool { return look.IsReady() || b.desk.waiting() }); err != nil {
			return nil, err
		}
		if r := b.desk.take(); r != nil {
			stop()
			return b.interrupt(ctx, r)
		}
	}
	var seen activities.BatchStatus
	switch err := look.Get(ctx, &seen); {
	case err == nil:
		return b.saw(ctx, seen)
	case ctx.Err() != nil:
		return nil, err
	case deadlineHit(err):
		return b.end(ctx, Failed, DeadlinePassed, "the deadline passed; the job may still run")
	default:
		return func(ctx workflow.Context) (phase, error) { return b.lost(ctx, err) }, nil
	}
}

var followChoices = []string{InterruptCommand}

func (b *batchRun) look(ctx workflow.Context) workflow.Future {
	known := ""
	if b.seen.RunID != "" {
		known = b.seen.Fingerprint()
	}
	return b.calls.execute(ctx, watchOptions, b.deadline(), "wait for "+b.result.RunID, act.BatchStatus,
		activities.BatchStatusInput{RunInput: b.ref(), Poll: activities.Poll{Since: b.since, Known: known}})
}

// deadline is the job's, except while leaving: then the stop of the run is awaited without one.
func (b *batchRun) deadline() time.Time {
	if b.leaving {
		return time.Time{}
	}
	return b.in.Deadline
}

// saw takes in a status. Only the run's own code decides, never the call's.
func (b *batchRun) saw(ctx workflow.Context, seen activities.BatchStatus) (phase, error) {
	b.seen = seen
	b.result.StatusCode, b.result.Status = seen.Code, seen.Text
	b.result.Tasks, b.result.Batches = tasksOf(seen), membersOf(seen)
	code := pbsm.StatusCode(seen.Code)
	state := Running
	if b.stopping {
		state = Interrupting
	}
	err := b.tracker.update(ctx, func(s *Status) {
		s.State, s.StatusCode, s.Tasks, s.Batches = state, seen.Code, b.result.Tasks, b.result.Batches
		s.Summary, s.Question = progressText(seen), nil
		if held(seen) {
			s.State = Waiting
			s.Question = &Question{Why: "the service holds the run, or a task of it: release it on the service's screens", Choices: followChoices, Deadline: b.in.Deadline}
		}
	})
	switch {
	case err != nil:
		return nil, err
	case !code.Terminal():
		return b.follow, nil
	}
	for _, r := range b.asked {
		r.reply(b.answer(fmt.Sprintf("%s ended as %s", b.result.RunID, code.Text())))
	}
	b.asked = nil
	if code == pbsm.CodeSuccess {
		return b.end(ctx, Succeeded, "", "succeeded"+countText(seen))
	}
	return b.stuck, nil
}

// interrupt asks the service to stop the run; the run is followed until it has stopped.
func (b *batchRun) interrupt(ctx workflow.Context, r *request) (phase, error) {
	err := b.calls.execute(ctx, steerOptions, b.deadline(), "interrupt "+b.result.RunID, act.InterruptBatch, b.ref()).Get(ctx, nil)
	switch {
	case err == nil:
		b.tracker.log(ctx, LogEntry{What: "interrupt sent for " + b.result.RunID, By: r.by(), Why: r.why()})
		b.stopping, b.since = true, workflow.Now(ctx)
		if r != nil {
			b.asked = append(b.asked, r)
		}
		return b.follow, b.tracker.update(ctx, func(s *Status) {
			s.State, s.Summary = Interrupting, "interrupt sent; waiting until the run has stopped"
		})
	case ctx.Err() != nil:
		return nil, err
	}
	b.tracker.log(ctx, LogEntry{What: "interrupt refused: " + reason(err), By: r.by(), Why: r.why()})
	if refusalCode(err) == string(pbsm.CodeNotOngoing) {
		if seen, lookErr := b.statusNow(ctx); lookErr == nil && pbsm.StatusCode(seen.Code).Terminal() {
			r.answered(b.answer(fmt.Sprintf("%s had ended as %s", b.result.RunID, seen.Text)))
			return b.saw(ctx, seen)
		}
	}
	r.refused(err)
	if b.leaving {
		return b.end(ctx, Cancelled, "", fmt.Sprintf("cancelled; %s could not be interrupted and may still run: %s", b.result.RunID, reason(err)))
	}
	return b.follow, nil
}

// statusNow reads the status once, whatever it is.
func (b *batchRun) statusNow(ctx workflow.Context) (activities.BatchStatus, error) {
	return b.statusUntil(ctx, b.deadline())
}

func (b *batchRun) statusUntil(ctx workflow.Context, deadline time.Time) (activities.BatchStatus, error) {
	var seen activities.BatchStatus
	err := b.calls.execute(ctx, callOptions, deadline, "look at "+b.result.RunID, act.BatchStatus,
		activities.BatchStatusInput{RunInput: b.ref(), Poll: activities.Poll{Since: workflow.Now(ctx)}}).Get(ctx, &seen)
	return seen, err
}

// leave is a cancellation: a run that goes on is interrupted and its stop awaited; one that
// is over is left alone.
func (b *batchRun) leave(ctx workflow.Context) (phase, error) {
	b.choices = nil
	switch {
	case b.result.RunID == "":
		return b.end(ctx, Cancelled, "", "cancelled before a run id was known: look on the service's screens whether a run started")
	case b.tracker.posting:
		return b.leaveUndecided(ctx)
	case pbsm.StatusCode(b.seen.Code).Terminal():
		return b.end(ctx, Cancelled, "", fmt.Sprintf("cancelled; %s was over", b.result.RunID))
	}
	return b.interrupt(ctx, nil)
}

// leavePatience is how long a cancelled workflow tries to learn whether there is a run to interrupt.
const leavePatience = 10 * time.Minute

// leaveUndecided leaves a run of which nobody knows whether it was started again. A restart goes on
// under the same run id and is seen; a rerun has another, which only the service's screens show.
func (b *batchRun) leaveUndecided(ctx workflow.Context) (phase, error) {
	seen, err := b.statusUntil(ctx, workflow.Now(ctx).Add(leavePatience))
	switch {
	case err != nil:
		return b.end(ctx, Cancelled, "", fmt.Sprintf("cancelled; it is not known whether %s was started again and goes on, look on the service's screens: %s", b.result.RunID, reason(err)))
	case pbsm.StatusCode(seen.Code).Terminal():
		return b.end(ctx, Cancelled, "", fmt.Sprintf("cancelled; %s is over, but it is not known whether it was started again under another run id: look on the service's screens", b.result.RunID))
	}
	b.seen, b.tracker.posting = seen, false
	return b.interrupt(ctx, nil)
}
