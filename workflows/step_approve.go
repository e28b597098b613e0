package workflows

import (
	"fmt"
	"slices"
	"strings"

	"go.temporal.io/sdk/workflow"

	"github.com/pbsmflow/pbsmflow/internal/audit"
	"github.com/pbsmflow/pbsmflow/internal/pipeline"
)

// approveKind asks for an approval, or for several. It has no workflow of its own.
type approveKind struct{ withoutWorkflow }

func (approveKind) run(ctx workflow.Context, s activeStep, result *StepResult) error {
	approve := s.planned().Step.Approve
	for result.Approvals = nil; len(result.Approvals) < approversNeeded(s); {
		missing := stillNeeded(s, result.Approvals)
		answer := s.ask(ctx, approve.Message+prefixed("; ", missing), ApproveCommand, DecideCommand+" "+GiveUp)
		switch {
		case answer == nil && ctx.Err() != nil:
			return ctx.Err()
		case answer == nil:
			return failure(DeadlinePassed, "nobody approved before the deadline"+prefixed("; ", missing))
		case answer.name != ApproveCommand:
			return failure(GivenUp, "refused"+prefixed(" by ", answer.By)+prefixed(": ", answer.Why))
		}
		result.Approvals = append(result.Approvals, LogEntry{
			At:     workflow.Now(ctx),
			What:   approve.Message,
			By:     answer.By,
			Why:    answer.Why,
			Proved: answer.proved,
		})
	}
	return nil
}

// approversNeeded is how many must approve. Where members of a group must, and an earlier start of the close cannot be
// read, one of them may be who started that: then it is one more, so that as many as the pipeline says did not.
func approversNeeded(s activeStep) int {
	approve := s.planned().Step.Approve
	if _, unknown := s.startedBy(); unknown != "" && len(approve.By) > 0 {
		return approve.Needed() + 1
	}
	return approve.Needed()
}

// stillNeeded says who has approved and who is still needed: "approved by carol; 1 more of controllers must approve". It
// is empty once nobody is, and where anybody will do.
func stillNeeded(s activeStep, given []LogEntry) string {
	approve := s.planned().Step.Approve
	var because string
	if _, unknown := s.startedBy(); unknown != "" {
		because = fmt.Sprintf(": one more than usual, since it is not known who started the earlier run %s of this close", unknown)
	}
	switch missing := approversNeeded(s) - len(given); {
	case missing <= 0 || len(approve.By) == 0:
		return ""
	case len(given) == 0:
		return fmt.Sprintf("%d of %s must approve", missing, strings.Join(approve.By, " or ")) + because
	default:
		return fmt.Sprintf("%s; %d more of %s must approve", approvers(given), missing, strings.Join(approve.By, " or ")) + because
	}
}

func approvers(given []LogEntry) string {
	return "approved by " + strings.Join(names(given, func(e LogEntry) string { return e.By }), " and ")
}

func (approveKind) work(s activeStep) any { return s.planned().Step.Approve }

func (approveKind) identity(s activeStep, r StepResult) string {
	return approvers(r.Approvals) + " on " + s.times().Exact(r.Approvals[len(r.Approvals)-1].At)
}

func (approveKind) outcome(r StepResult) string { return approvers(r.Approvals) }

func (approveKind) events(r StepResult) (events []audit.Event) {
	for _, a := range r.Approvals {
		events = append(events, audit.Event{
			At: a.At, Event: audit.Approved, What: a.What, By: a.By, Why: a.Why, Proved: a.Proved,
		})
	}
	return events
}

// checkInput refuses a close that does not say who started it: nobody could tell whether its approver did.
func (approveKind) checkInput(p *problems, in NightlyCloseInput, s pipeline.Step) {
	p.Want(strings.TrimSpace(in.StartedBy) != "", "started_by", "is missing: whoever started the close cannot approve step %s", s.ID)
}

// mayApprove says why the sender of a command cannot approve the step, or nil.
func (s *step) mayApprove(cmd *command) error {
	approve, starters := s.Step.Approve, []string{s.close.input().StartedBy}
	if s.needsGroup() {
		starters, _ = s.close.startedBy()
	}
	refuse := func(format string, args ...any) error { return failure(CommandRefused, fmt.Sprintf(format, args...)) }
	switch {
	case slices.ContainsFunc(starters, func(name string) bool { return sameName(name, cmd.By) }):
		return refuse("%s started this close: another operator must approve step %s", cmd.By, s.Step.ID)
	case !s.needsGroup():
		return nil
	case cmd.proved == nil || !*cmd.proved:
		return refuse("step %s needs a proved name: approve it on the console", s.Step.ID)
	case !slices.ContainsFunc(cmd.groups, func(group string) bool { return slices.Contains(approve.By, group) }):
		return refuse("%s is not in %s, who approve step %s", cmd.By, strings.Join(approve.By, " or "), s.Step.ID)
	case approvedBy(s.result.Approvals, cmd.By):
		return refuse("%s has approved step %s already: another operator is needed", cmd.By, s.Step.ID)
	}
	return nil
}

// needsGroup reports whether members of a group must approve the step.
func (s *step) needsGroup() bool { return s.Step.Approve != nil && len(s.Step.Approve.By) > 0 }

// approvedBy reports whether somebody has approved.
func approvedBy(given []LogEntry, name string) bool {
	return slices.ContainsFunc(given, func(a LogEntry) bool { return sameName(a.By, name) })
}

// sourceChange gives up an approval by somebody who has started the close since.
//
//nolint:unparam // another kind's may fail
func (approveKind) sourceChange(_ workflow.Context, s activeStep, earlier StepResult) (string, error) {
	if len(s.planned().Step.Approve.By) == 0 {
		return "", nil
	}
	starters, _ := s.startedBy()
	for _, name := range starters {
		if approvedBy(earlier.Approvals, name) {
			return name + ", who approved, has started the close since", nil
		}
	}
	return "", nil
}

func sameName(a, b string) bool { return strings.EqualFold(strings.TrimSpace(a), strings.TrimSpace(b)) }
