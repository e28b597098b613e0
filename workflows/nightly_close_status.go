package workflows

import (
	"fmt"
	"strings"

	"go.temporal.io/sdk/workflow"

	"github.com/pbsmflow/pbsmflow/internal/audit"
)

// closeRun implements closeOfStep, as which its steps see it.
var _ closeOfStep = (*closeRun)(nil)

func (c *closeRun) input() NightlyCloseInput { return c.in }

func (c *closeRun) startedBy() (known []string, unknown string) { return c.starters, c.unknownStarter }

func (c *closeRun) timeZone() string { return c.plan.TimeZone }

func (c *closeRun) earlierResult(id string) (StepResult, bool) {
	earlier, ok := c.earlier[id]
	return earlier, ok
}

// publish publishes a step's status, and the close's with it.
func (c *closeRun) publish(ctx workflow.Context, changed *step) {
	err := c.reporter.update(ctx, func(status *snapshot) {
		changed.describe(&status.Steps[changed.index])
		status.State, status.Question, status.AtRisk = Running, nil, ""
		var atRisk []string
		for _, s := range c.steps {
			if q := s.question; q != nil && status.Question == nil {
				status.State = Waiting
				status.Question = &Question{Why: status.Steps[s.index].Name() + ": " + q.Why, Choices: q.Choices, Deadline: q.Deadline}
			}
			if s.atRisk != "" {
				atRisk = append(atRisk, s.atRisk)
			}
		}
		status.Summary, status.AtRisk = closeSummary(status.Status), strings.Join(atRisk, "; ")
	})
	changed.auditQuestion(ctx)
	if err != nil {
		workflow.GetLogger(ctx).Error("could not publish the status", "error", err)
	}
}

func (c *closeRun) stepCaller() caller { return c.caller }

func (c *closeRun) log(ctx workflow.Context, entry LogEntry) { c.reporter.log(ctx, entry) }

func (c *closeRun) warnAtRisk(ctx workflow.Context, warning string) {
	c.reporter.warnAtRisk(ctx, warning)
}

func (c *closeRun) record(e audit.Event) { c.audit.add(e) }

func closeSummary(s Status) string {
	done := 0
	var others []string // steps that neither are done nor wait for their turn
	for _, step := range s.Steps {
		switch {
		case step.State == NotTonight:
		case step.State.Done():
			done++
		case step.State != Pending:
			others = append(others, step.ID+" "+string(step.State))
		}
	}
	notTonight := countIn(NotTonight, s.Steps)
	if notTonight > 0 {
		others = append(others, fmt.Sprintf("%d not tonight", notTonight))
	}
	return fmt.Sprintf("%d of %d steps done", done, len(s.Steps)-notTonight) + prefixed("; ", strings.Join(others, ", "))
}

func countIn(state State, steps []StepStatus) (n int) {
	for _, step := range steps {
		if step.State == state {
			n++
		}
	}
	return n
}
