package workflows

import (
	"fmt"
	"strings"

	"go.temporal.io/sdk/workflow"

	"github.com/pbsmflow/pbsmflow/internal/audit"
	"github.com/pbsmflow/pbsmflow/internal/pipeline"
)

// approveKind asks for an approval. It has no workflow of its own.
type approveKind struct{ withoutWorkflow }

func (approveKind) run(ctx workflow.Context, s activeStep, result *StepResult) error {
	answer := s.ask(ctx, s.planned().Step.Approve.Message, ApproveCommand, DecideCommand+" "+GiveUp)
	switch {
	case answer == nil && ctx.Err() != nil:
		return ctx.Err()
	case answer == nil:
		return failure(DeadlinePassed, "nobody approved before the deadline")
	case answer.name == ApproveCommand:
		result.Approval = &LogEntry{At: workflow.Now(ctx), What: s.planned().Step.Approve.Message, By: answer.By, Why: answer.Why}
		return nil
	}
	return failure(GivenUp, "refused"+prefixed(" by ", answer.By)+prefixed(": ", answer.Why))
}

func (approveKind) work(s activeStep) any { return s.planned().Step.Approve }

func (approveKind) identity(s activeStep, r StepResult) string {
	return "approved by " + r.Approval.By + " on " + s.times().Exact(r.Approval.At)
}

func (approveKind) outcome(r StepResult) string { return "approved by " + r.Approval.By }

func (approveKind) events(r StepResult) []audit.Event {
	if a := r.Approval; a != nil {
		return []audit.Event{{At: a.At, Event: audit.Approved, What: a.What, By: a.By, Why: a.Why}}
	}
	return nil
}

// checkInput refuses a close that does not say who started it: nobody could tell whether its approver did.
func (approveKind) checkInput(p *problems, in NightlyCloseInput, s pipeline.Step) {
	p.Want(strings.TrimSpace(in.StartedBy) != "", "started_by", "is missing: whoever started the close cannot approve step %s", s.ID)
}

// mayApprove refuses an approval by whoever started the close.
func mayApprove(in NightlyCloseInput, step string, c *command) error {
	if strings.EqualFold(strings.TrimSpace(c.By), strings.TrimSpace(in.StartedBy)) {
		return failure(Refused, fmt.Sprintf("%s started this close: another operator must approve step %s", c.By, step))
	}
	return nil
}
