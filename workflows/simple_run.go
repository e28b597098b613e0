package workflows

import (
	"time"

	"go.temporal.io/sdk/workflow"
)

// job is a workflow that does a few calls one after the other and asks nobody.
type job struct {
	*tracker
	calls
	deadline time.Time
	started  time.Time
}

func newJob(ctx workflow.Context, connection, subject, summary string, deadline time.Time) (*job, error) {
	t, err := track(ctx, Status{Connection: connection, Subject: subject, Summary: summary})
	if err != nil {
		return nil, err
	}
	t.deadline = deadline
	j := &job{tracker: t, deadline: deadline, started: workflow.Now(ctx)}
	if j.calls, err = connect(ctx, connection, t); err != nil {
		return nil, j.end(ctx, "", err)
	}
	return j, nil
}

// do executes one activity and shows what it is about.
func (j *job) do(ctx workflow.Context, profile workflow.ActivityOptions, summary string, activity, input, result any) error {
	return j.doUntil(ctx, j.deadline, profile, summary, activity, input, result)
}

func (j *job) doUntil(ctx workflow.Context, deadline time.Time, profile workflow.ActivityOptions, summary string, activity, input, result any) error {
	if err := j.update(ctx, func(s *Status) { s.Summary = summary }); err != nil {
		return err
	}
	return j.execute(ctx, profile, deadline, summary, activity, input).Get(ctx, result)
}

// end shows how the job ended and passes its error on.
func (j *job) end(ctx workflow.Context, summary string, err error) error {
	state := Succeeded
	switch {
	case ctx.Err() != nil && err != nil:
		state, summary = Cancelled, "cancelled"
	case deadlineHit(err):
		state = Failed
		err = failure(DeadlinePassed, "the deadline passed during: "+j.status.Summary)
		summary = reason(err)
	case err != nil:
		state, summary = Failed, reason(err)
	}
	j.failure = errorType(err)
	if shown := j.update(ctx, func(s *Status) { s.State, s.Summary = state, summary }); shown != nil {
		return shown
	}
	j.awaitLastNotification(ctx)
	return err
}
