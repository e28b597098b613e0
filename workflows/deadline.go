package workflows

import (
	"fmt"
	"time"

	"go.temporal.io/sdk/workflow"

	"github.com/pbsmflow/pbsmflow/internal/clock"
)

// deadline is until when work may last. It can be moved while the work is under way.
type deadline struct {
	at    time.Time // zero: there is none
	outer *deadline // that of more than this work, which may come first
}

// noDeadline is for work that nothing ends.
var noDeadline *deadline

// lastLook is how long a look may take at what became of the work when its deadline passed.
const lastLook = time.Minute

// within is a deadline that nobody moves.
func within(ctx workflow.Context, limit time.Duration) *deadline {
	return &deadline{at: workflow.Now(ctx).Add(limit)}
}

// moment is when the deadline is; zero: never.
func (d *deadline) moment() time.Time {
	if d == nil {
		return time.Time{}
	}
	outer := d.outer.moment()
	if d.at.IsZero() || !outer.IsZero() && outer.Before(d.at) {
		return outer
	}
	return d.at
}

func (d *deadline) passed(ctx workflow.Context) bool {
	at := d.moment()
	return !at.IsZero() && !workflow.Now(ctx).Before(at)
}

// await waits for a condition until the deadline, wherever that is moved meanwhile. It reports whether the condition
// came true.
func (d *deadline) await(ctx workflow.Context, summary string, condition func() bool) (bool, error) {
	for {
		at := d.moment()
		ready := func() bool { return condition() || !d.moment().Equal(at) }
		if at.IsZero() {
			if err := workflow.Await(ctx, ready); err != nil {
				return false, err
			}
		} else {
			inTime, err := workflow.AwaitWithOptions(ctx, workflow.AwaitOptions{
				Timeout:      at.Sub(workflow.Now(ctx)),
				TimerOptions: workflow.TimerOptions{Summary: summary},
			}, ready)
			if err != nil || !inTime {
				return false, err
			}
		}
		if condition() {
			return true, nil
		}
	}
}

// move moves a deadline to where the command wants it, and says so. It refuses the command where that is not possible,
// and returns nothing.
func (c *command) move(ctx workflow.Context, d *deadline, times clock.Clock) string {
	now := workflow.Now(ctx)
	until, err := c.UntilAt(now, times.Zone())
	switch {
	case c.Until == "":
		c.refuse("until is missing: a time of day such as 06:30, or a duration from now on such as 90m")
		return ""
	case err != nil:
		c.refuse("until: %v", err)
		return ""
	case !until.After(now):
		c.refuse("until: %s has passed", times.Text(until))
		return ""
	}
	before := "none"
	if !d.moment().IsZero() {
		before = times.Text(d.moment())
	}
	d.at = until
	return fmt.Sprintf("the deadline is %s now, before it was %s", times.Text(until), before)
}

// UntilAt reads the moment to which extend moves a deadline: a point in time, or what a deadline of a pipeline can be,
// counted from now. A close knows the time zone of its pipeline, and sends its workflows a point in time.
func (c Command) UntilAt(now time.Time, zone *time.Location) (time.Time, error) {
	if at, err := time.Parse(time.RFC3339, c.Until); err == nil {
		return at, nil
	}
	at, err := clock.ResolveDeadline(now, c.Until, zone)
	if err != nil {
		return at, fmt.Errorf("%w; or write a point in time like 2026-11-01T06:30:00-05:00", err)
	}
	return at, nil
}

// atRiskBefore is how long before its deadline unfinished work counts as at risk, but at most a quarter of
// the time until the deadline.
const atRiskBefore = 30 * time.Minute

// warn calls warn if the work is unfinished shortly before the deadline, and again with an empty warning if the deadline
// is moved afterwards. It ends with ctx.
func (d *deadline) warn(ctx workflow.Context, times clock.Clock, what string, warn func(warning string)) {
	workflow.Go(ctx, func(ctx workflow.Context) {
		for {
			at := d.moment()
			moved := func() bool { return !d.moment().Equal(at) }
			remaining := at.Sub(workflow.Now(ctx))
			before := &deadline{at: at.Add(-min(atRiskBefore, remaining/4))}
			if at.IsZero() {
				before = noDeadline
			}
			inTime, err := before.await(ctx, "at-risk warning for "+what, moved)
			if err != nil {
				return
			}
			if inTime {
				continue
			}
			warn(fmt.Sprintf("at risk: %s has not ended, and its deadline is %s", what, times.Text(at)))
			if workflow.Await(ctx, moved) != nil {
				return
			}
			warn("")
		}
	})
}
