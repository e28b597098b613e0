package workflows

import (
	"cmp"
	"encoding/json"
	"fmt"
	"slices"
	"strings"

	"go.temporal.io/sdk/workflow"

	"github.com/pbsmflow/pbsmflow/activities"
	"github.com/pbsmflow/pbsmflow/internal/audit"
	"github.com/pbsmflow/pbsmflow/internal/basis"
	"github.com/pbsmflow/pbsmflow/internal/clock"
)

// notPartOfTheWork are the fields of an input that do not change what the work comes to.
var notPartOfTheWork = []string{"deadline", "wait_until", "stable_for", "marker", "time_zone"}

// basis is what a batch is based on: what is submitted, and the results that its close names.
func (in RunBatchInput) basis() basis.Basis {
	return basis.Basis{Definition: basis.Define(in.triggerInput()), Needs: in.Needs}
}

// basis is what the step is based on, once what it needs is done.
func (s *step) basis() basis.Basis {
	return basis.Basis{Definition: basis.Define(s.kind.work(s), notPartOfTheWork...), Needs: s.neededResults()}
}

// neededResults are the results of the steps that the step needs. What is above those shows in them: a batch that
// runs again has another run.
func (s *step) neededResults() []basis.Need {
	var needs []basis.Need
	for _, n := range s.needs {
		needs = append(needs, basis.Need{Step: n.Step.ID, Result: n.result.Result, At: n.result.EndedAt})
	}
	return needs
}

// lookUpEarlier finds what an earlier start of the close came to.
func (c *closeRun) lookUpEarlier(ctx workflow.Context) error {
	in := activities.EarlierCloseInput{WorkflowID: workflow.GetInfo(ctx).WorkflowExecution.ID}
	var found activities.EarlierClose
	local := resolveOptions
	local.Summary = "find an earlier start"
	err := workflow.ExecuteLocalActivity(workflow.WithLocalActivityOptions(ctx, local), "EarlierClose", in).Get(ctx, &found)
	if err != nil && ctx.Err() == nil { // an activity waits until Temporal's list of workflows is up to date
		err = c.caller.execute(ctx, callOptions, c.reporter.deadline, "find an earlier start", act.EarlierClose, in).Get(ctx, &found)
	}
	for _, refused := range found.Refused {
		c.log(ctx, LogEntry{What: "an earlier start, on " + clock.In(c.plan.TimeZone).Exact(refused.At) + ": " + refused.Why, Event: audit.Refused})
	}
	if c.earlierStart = found.StartedAt; err != nil || found.WorkflowRunID == "" {
		return err
	}
	var result NightlyCloseResult
	if err := json.Unmarshal(found.Result, &result); found.Unreadable == "" && err != nil {
		found.Unreadable = err.Error()
	}
	if found.Unreadable != "" {
		c.log(ctx, LogEntry{What: fmt.Sprintf("the result of the earlier start %s cannot be read, so nothing is kept: %s",
			found.WorkflowRunID, found.Unreadable)})
		result.UnknownStarter = found.WorkflowRunID
	}
	c.earlier, c.starters, c.unknownStarter = map[string]StepResult{}, result.Starters, result.UnknownStarter
	for _, s := range result.Steps {
		c.earlier[s.ID] = s
	}
	return nil
}

// sourceChecker is a kind whose result also depends on a file that may have changed meanwhile.
type sourceChecker interface {
	// sourceChange says what has changed since an earlier result, or nothing.
	sourceChange(ctx workflow.Context, s activeStep, earlier StepResult) (string, error)
}

// keep keeps the result of an earlier start of the close, if it still holds. It reports whether it did.
func (s *step) keep(ctx workflow.Context) bool {
	earlier, ok := s.close.earlierResult(s.Step.ID)
	if !ok || earlier.State != Succeeded || earlier.Kind != string(s.Kind) {
		return false
	}
	return s.keepUnlessChanged(ctx, earlier)
}

// decision is how an operator decided in an earlier start that the step does not run. It counts until the step is to run
// again, or is released.
func (s *step) decision() (text string, ok bool) {
	earlier, _ := s.close.earlierResult(s.Step.ID)
	counts := earlier.Kind == string(s.Kind) && s.again == "" && s.markedBy == nil && !s.released && !s.keepAnyway
	return earlier.Decision, counts && earlier.Decision != ""
}

// stands reports whether that decision holds: to skip the step whatever has changed, to take it as done unless what it
// needs has come to something else since.
func (s *step) stands() bool {
	if _, ok := s.decision(); !ok {
		return false
	}
	earlier, _ := s.close.earlierResult(s.Step.ID)
	return earlier.State == Skipped || s.needsEnded() && !slices.ContainsFunc(s.needs, func(n *step) bool {
		before, _ := s.close.earlierResult(n.Step.ID)
		return n.passed() && n.result.Result != before.Result
	})
}

// keepDecision ends the step as an operator decided in an earlier start. It reports whether it did.
func (s *step) keepDecision(ctx workflow.Context) bool {
	if !s.stands() {
		return false
	}
	earlier, _ := s.close.earlierResult(s.Step.ID)
	s.result.Basis = earlier.Basis
	s.keepResult(ctx, earlier)
	return true
}

// wasKept keeps what an earlier start came to, whatever has changed. It reports whether there was a success.
func (s *step) wasKept(ctx workflow.Context) bool {
	earlier, ok := s.close.earlierResult(s.Step.ID)
	if !ok || earlier.State != Succeeded && earlier.State != Skipped && earlier.State != MarkedDone {
		return false
	}
	s.result.Basis = earlier.Basis
	s.keepResult(ctx, earlier)
	return true
}

func (s *step) keepUnlessChanged(ctx workflow.Context, earlier StepResult) bool {
	if changes := s.changes(ctx, earlier, earlier); len(changes) > 0 {
		s.close.log(ctx, LogEntry{What: fmt.Sprintf("%s: the result of %s no longer holds: %s",
			s.Step.ID, s.times().Text(earlier.EndedAt), strings.Join(changes, "; "))})
		return false
	}
	s.keepResult(ctx, earlier)
	return true
}

// changes are what has changed since a result, of which the basis is that of an earlier one.
func (s *step) changes(ctx workflow.Context, earlier, result StepResult) []string {
	changes := s.result.Basis.Changes(earlier.Basis, earlier.StartedAt)
	if checker, ok := s.kind.(sourceChecker); ok && len(changes) == 0 {
		if change := s.compare(ctx, checker, result); change != "" {
			changes = append(changes, change)
		}
	}
	return changes
}

// outdated reports whether the workflow that the step has joined, which an earlier start of the close left running, was
// for something else. A batch knows that itself.
func (s *step) outdated(ctx workflow.Context) bool {
	if !s.joined || s.isBatch() {
		return false
	}
	earlier, _ := s.close.earlierResult(s.Step.ID)
	changes := []string{"it is to run again: " + s.again}
	if s.again == "" {
		changes = s.changes(ctx, earlier, s.result)
	}
	if len(changes) > 0 {
		s.close.log(ctx, LogEntry{What: fmt.Sprintf("%s: the result of %s, which an earlier start of the close left running, does not hold: %s",
			s.Step.ID, s.result.WorkflowID, strings.Join(changes, "; "))})
	}
	return len(changes) > 0
}

// compare says what has changed at the source of an earlier result. The step counts as running meanwhile: a command
// for one that has not begun would come too late.
func (s *step) compare(ctx workflow.Context, checker sourceChecker, earlier StepResult) string {
	comparing, stop := workflow.WithCancel(ctx)
	defer stop()
	before := s.working
	s.working, s.interruptedBy = stop, nil
	s.set(ctx, Running, "is compared with what was sent before")
	change, err := checker.sourceChange(comparing, s, earlier)
	s.working = before
	if err != nil {
		return "it is not known whether the file has changed: " + reason(err)
	}
	return change
}

// keepResult makes the result of an earlier start that of the step.
func (s *step) keepResult(ctx workflow.Context, earlier StepResult) {
	earlier.Basis = s.result.Basis
	earlier.KeptFrom = cmp.Or(earlier.KeptFrom, earlier.EndedAt)
	s.result = earlier
	detail := "kept from " + s.times().Text(earlier.KeptFrom)
	if earlier.State == Succeeded {
		detail += prefixed(": ", s.kind.outcome(earlier))
	}
	detail += prefixed(": ", earlier.Decision)
	s.set(ctx, earlier.State, detail)
	s.record(audit.Event{
		At:      workflow.Now(ctx),
		Event:   audit.StepKept,
		What:    detail,
		Outcome: string(earlier.State),
		Result:  earlier.Result,
		BasedOn: earlier.Basis.String(),
	})
}
