package workflows

import (
	"fmt"
	"time"

	"go.temporal.io/sdk/workflow"
)

// atRiskBefore is how long before its deadline unfinished work counts as at risk, but at most a quarter of
// the time until the deadline.
const atRiskBefore = 30 * time.Minute

// warnBeforeDeadline calls warn once if the work is unfinished shortly before its deadline. It ends with ctx.
func warnBeforeDeadline(ctx workflow.Context, deadline time.Time, what string, warn func(string)) {
	if deadline.IsZero() {
		return
	}
	workflow.Go(ctx, func(ctx workflow.Context) {
		remaining := deadline.Sub(workflow.Now(ctx))
		wait := remaining - min(atRiskBefore, remaining/4)
		timer := workflow.NewTimerWithOptions(ctx, wait, workflow.TimerOptions{Summary: "at-risk warning for " + what})
		if timer.Get(ctx, nil) == nil {
			warn(fmt.Sprintf("at risk: %s has not ended, and its deadline is %s", what, deadline.UTC().Format(time.RFC3339)))
		}
	})
}

// warnBeforeDeadline warns unless a close started the workflow: a close warns about its steps itself.
func (r *statusReporter) warnBeforeDeadline(ctx workflow.Context, deadline time.Time) {
	if startedByClose(ctx) {
		return
	}
	warnBeforeDeadline(ctx, deadline, r.current.Subject, func(warning string) {
		if r.current.State.Done() {
			return
		}
		r.warnAtRisk(ctx, warning)
		_ = r.update(ctx, func(s *snapshot) { s.AtRisk = warning })
	})
}
