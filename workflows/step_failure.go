package workflows

import (
	"cmp"
	"fmt"
	"time"

	"go.temporal.io/sdk/workflow"

	"github.com/pbsmflow/pbsmflow/internal/audit"
	"github.com/pbsmflow/pbsmflow/internal/pipeline"
)

// defaultRetryDelay is the pause before an attempt is repeated, unless the pipeline says another one.
const defaultRetryDelay = 30 * time.Second

// mayRetry reports whether the pipeline wants another attempt after this error, and whether that could end otherwise.
func (s *step) mayRetry(err error) bool {
	hopeless := errorType(err) == DeadlinePassed || errorType(err) == InvalidInput
	return s.retries < s.Step.Traits().Retries && !hopeless
}

// retry waits before another attempt. It reports whether to make it: not if the deadline passes before, or an operator
// ends the pause.
func (s *step) retry(ctx workflow.Context, err error, why string) (again bool) {
	t := s.Step.Traits()
	delay := cmp.Or(time.Duration(t.RetryDelay), defaultRetryDelay)
	s.retries++
	s.pausing, s.working = true, func() {} // there is nothing to cancel
	s.set(ctx, Running, fmt.Sprintf("%s; retry %d of %d in %s", why, s.retries, t.Retries, delay))
	s.record(audit.Event{
		At:    workflow.Now(ctx),
		Event: audit.StepFailed,
		What:  fmt.Sprintf("retry %d of %d in %s, as the pipeline says", s.retries, t.Retries, delay),
	})
	pause := within(ctx, delay)
	pause.outer = s.deadline
	_, _ = pause.await(ctx, "pause before "+s.Step.ID+" is retried", func() bool { return s.reopening || s.interruptedBy != nil })
	s.pausing, s.working = false, nil
	switch {
	case s.reopening:
		return false
	case ctx.Err() != nil:
		s.end(ctx, Cancelled, why)
		return false
	case s.interruptedBy != nil:
		return s.endOrAsk(ctx, err, why)
	case s.deadline.passed(ctx):
		return s.endOrAsk(ctx, failure(DeadlinePassed, why), why+"; the deadline passed before it was retried")
	}
	return true
}

// endOrAsk ends the step after its last attempt, as the pipeline says, or asks the operator. What an operator
// interrupted is always asked about, unless that was to skip it, to take it as done or to run it again.
func (s *step) endOrAsk(ctx workflow.Context, err error, why string) (again bool) {
	onFailure := s.Step.Traits().OnFailure
	switch {
	case s.interruptedBy != nil && s.interruptedBy.name == SkipCommand:
		s.result.Error = why
		s.skip(ctx, s.interruptedBy)
	case s.interruptedBy != nil && s.interruptedBy.name == DoneCommand:
		return !s.markDone(ctx, s.interruptedBy)
	case s.interruptedBy != nil && s.interruptedBy.name == AgainCommand:
		s.reopening = true
		s.reopen(ctx, s.interruptedBy.Why)
	case s.interruptedBy == nil && onFailure == pipeline.SkipStep:
		s.result.Error, s.result.Result = why, "skipped"
		s.end(ctx, Skipped, "skipped, as the pipeline says: "+why)
	case s.interruptedBy == nil && onFailure == pipeline.FailStep, errorType(err) == DeadlinePassed:
		s.fail(ctx, errorType(err), why)
	default:
		return s.askAboutFailure(ctx, err, why)
	}
	return false
}

// endsOnFailure reports whether a step's own workflow must not ask about a failure either.
func endsOnFailure(s pipeline.Step) bool {
	onFailure := s.Traits().OnFailure
	return onFailure == pipeline.SkipStep || onFailure == pipeline.FailStep
}
