package workflows

import (
	"fmt"
	"slices"
	"strings"

	"go.temporal.io/sdk/workflow"

	"github.com/pbsmflow/pbsmflow/activities"
)

// applies finds the step that a request means, or says why there is none.
func (n *night) applies(r *command) error {
	s, err := n.target(r)
	if err != nil {
		return err
	}
	if r.name == ApproveCommand && strings.TrimSpace(r.By) == "" {
		return failure(Refused, "approve needs the name of who approves in by")
	}
	if r.name == ApproveCommand && strings.EqualFold(strings.TrimSpace(r.By), strings.TrimSpace(n.in.StartedBy)) {
		return failure(Refused, fmt.Sprintf("%s started this close: somebody else approves step %s", r.By, s.Step.ID))
	}
	return nil
}

// target is the step named, or the only one that the request can mean.
func (n *night) target(r *command) (*step, error) {
	if r.Step != "" {
		s, ok := n.byID[r.Step]
		if !ok {
			return nil, failure(Refused, fmt.Sprintf("there is no step %q; the steps are %s", r.Step, n.stepIDs(func(*step) bool { return true })))
		}
		if !s.takes(r) {
			return nil, notApplicable(r, s.choices, fmt.Sprintf("step %s is %s", s.Step.ID, s.result.State))
		}
		return s, nil
	}
	var found []*step
	for _, s := range n.steps {
		if s.takes(r) {
			found = append(found, s)
		}
	}
	switch len(found) {
	case 1:
		return found[0], nil
	case 0:
		return nil, failure(Refused, fmt.Sprintf("no step takes %s now: %s", r.choice(), n.reporter.status().Summary))
	}
	return nil, failure(Refused, fmt.Sprintf("%s can mean several steps, name one in step: %s", r.choice(), n.stepIDs(func(s *step) bool { return s.takes(r) })))
}

// takes tells whether a request can be for this step: for what the step itself asks, or,
// while its batch goes on, for the batch's own workflow, which knows what applies.
func (s *step) takes(r *command) bool {
	if s.result.State == Waiting && slices.Contains(s.choices, r.choice()) {
		return true
	}
	return s.following && r.name != ApproveCommand
}

func (n *night) stepIDs(match func(*step) bool) string {
	var ids []string
	for _, s := range n.steps {
		if match(s) {
			ids = append(ids, s.Step.ID)
		}
	}
	return strings.Join(ids, ", ")
}

// attend hands every request to the step that it means.
func (n *night) attend(ctx workflow.Context) {
	for {
		if err := workflow.Await(ctx, n.commands.waiting); err != nil {
			return
		}
		r := n.commands.take()
		if r == nil {
			continue
		}
		s, err := n.target(r)
		switch {
		case err != nil:
			r.refuse("%s", reason(err))
		case s.following:
			workflow.Go(ctx, func(ctx workflow.Context) { s.passOn(ctx, r) })
		default:
			s.word, s.choices = r, nil // a second word no longer applies
		}
	}
}

// passOn sends a request to the step's own workflow and answers with what came of it.
func (s *step) passOn(ctx workflow.Context, r *command) {
	var answer CommandResult
	err := workflow.ExecuteActivity(options(ctx, callOptions, s.deadline(), r.choice()+" "+s.Step.ID), act.SendCommand,
		activities.SendCommandInput{WorkflowID: s.result.WorkflowID, Update: r.name, Command: r.Command}).Get(ctx, &answer)
	entry := LogEntry{What: s.Step.ID + ": " + r.choice(), By: r.By, Why: r.Why}
	if err != nil {
		r.refuse("%s", reason(err))
		entry.What += " refused: " + reason(err)
	} else {
		r.reply(answer)
	}
	s.night.reporter.log(ctx, entry)
}

// listen takes in what the batches' workflows tell.
func (n *night) listen(ctx workflow.Context) {
	told := workflow.GetSignalChannelWithOptions(ctx, stepStateSignal, workflow.SignalChannelOptions{
		Description: "For the workflows of this close's batches only: how they stand.",
	})
	for {
		var state stepState
		if !told.Receive(ctx, &state) {
			return
		}
		for _, s := range n.steps {
			if s.following && s.result.WorkflowID == state.WorkflowID && state.Sequence > s.told && !state.State.Done() {
				s.told, s.waiting = state.Sequence, state.Question
				s.set(ctx, state.State, state.Summary)
			}
		}
	}
}
