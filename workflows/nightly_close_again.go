package workflows

import (
	"cmp"
	"fmt"
	"slices"
	"strings"

	"go.temporal.io/sdk/workflow"
)

// AgainInput says which steps of a close run again although they succeeded. Without From and Only all of them do.
type AgainInput struct {
	// From are steps that run again, and with them everything that needs them.
	From []string `json:"from,omitempty"`
	// Only are steps that run again alone: what needs them is kept.
	Only []string `json:"only,omitempty"`
	// Reason is why. The batches that run again are submitted with it.
	Reason string `json:"reason"`
}

// Chosen are the steps that run again, in the order of the status. The error has every step that does not exist.
func (a AgainInput) Chosen(steps []StepStatus) ([]string, error) {
	var p problems
	check := func(field string, named []string) {
		for _, id := range named {
			known := slices.ContainsFunc(steps, func(s StepStatus) bool { return s.isNamed(id) })
			p.Want(known, "again."+field, "there is no step %q; the steps are %s", id, idsOf(steps))
		}
	}
	check("from", a.From)
	check("only", a.Only)
	all := len(a.From)+len(a.Only) == 0
	var chosen, from []string
	for _, s := range steps { // a step comes after what it needs
		below := all || slices.ContainsFunc(a.From, s.isNamed) || slices.ContainsFunc(s.Needs, func(id string) bool { return slices.Contains(from, id) })
		if below {
			from = append(from, s.ID)
		}
		if below || slices.ContainsFunc(a.Only, s.isNamed) {
			chosen = append(chosen, s.ID)
		}
	}
	return chosen, p.err()
}

func idsOf(steps []StepStatus) string {
	return strings.Join(names(steps, func(s StepStatus) string { return s.ID }), ", ")
}

func (a AgainInput) String() string {
	text := "again"
	for _, part := range []struct {
		word  string
		steps []string
	}{{" from ", a.From}, {" only ", a.Only}} {
		text += prefixed(part.word, strings.Join(part.steps, ", "))
	}
	return text
}

// markAgain marks the steps that the input wants to run again.
func (c *closeRun) markAgain(ctx workflow.Context) error {
	if c.in.Again == nil {
		return nil
	}
	chosen, err := c.in.Again.Chosen(c.reporter.status().Steps)
	if err != nil {
		return err
	}
	for _, s := range c.steps {
		if slices.Contains(chosen, s.Step.ID) {
			s.again, s.againSince = c.in.Again.Reason, workflow.Now(ctx)
		} else {
			s.keepAnyway = len(c.in.Again.Only) > 0
		}
	}
	c.log(ctx, LogEntry{What: c.in.Again.String(), By: c.in.StartedBy, Why: c.in.Again.Reason, Proved: c.started})
	return c.refuseApprover(c.in.StartedBy, func(s *step) bool { return s.keepAnyway }, func(s *step) StepResult { return c.earlier[s.Step.ID] })
}

// again is the command of a running close, as an input.
func (c *command) again() AgainInput {
	return AgainInput{From: c.From, Only: c.Only, Reason: c.Why}
}

// refusesAgain says why the steps cannot run again now, or nil: they must have ended, and nothing that needs them may
// be running.
func (c *closeRun) refusesAgain(cmd *command) error {
	chosen, touched, err := c.chosenAgain(cmd)
	if err != nil {
		return failure(CommandRefused, reason(err))
	}
	for _, s := range touched {
		named := slices.ContainsFunc(slices.Concat(cmd.From, cmd.Only), s.isNamed)
		switch {
		case s.result.State.Done() || s.asksItself() || s.pausing || s.givingUp == cmd:
		case s.waitsAfterRun() && slices.Contains(chosen, s.Step.ID):
		case s.working != nil:
			return failure(CommandRefused, fmt.Sprintf("step %s %s: %s first", s.Step.ID, s.result.State.phrase(), s.wayOut()))
		case named:
			return failure(CommandRefused, fmt.Sprintf("step %s has not begun", s.Step.ID))
		}
	}
	kept := func(s *step) bool { return !slices.Contains(chosen, s.Step.ID) }
	return c.refuseApprover(cmd.By, kept, func(s *step) StepResult { return s.result })
}

// wayOut is what must happen to a step that is under way before what it needs can run again.
func (s *step) wayOut() string {
	commands := s.commandsNow()
	switch {
	case s.waitsAfterRun():
		return "run it again as well (from), skip it, or give it up"
	case s.givingUp != nil:
		return "let " + s.givingUp.choice() + " take effect"
	case slices.Contains(commands, InterruptCommand):
		return "interrupt it"
	}
	return "answer its question (" + strings.Join(commands, ", ") + ")"
}

// refuseApprover refuses to run steps again for somebody whose approval of another step would be kept.
func (c *closeRun) refuseApprover(name string, kept func(*step) bool, result func(*step) StepResult) error {
	for _, s := range c.steps {
		if s.needsGroup() && kept(s) && approvedBy(result(s).Approvals, name) {
			return failure(CommandRefused, fmt.Sprintf("%s approved step %s, and whoever starts a close cannot: run that step again as well",
				name, s.Step.ID))
		}
	}
	return nil
}

// chosenAgain are the ids of the steps that run again, and the steps that are touched by it: those, and all that need
// them.
func (c *closeRun) chosenAgain(cmd *command) (chosen []string, touched []*step, err error) {
	steps, in := c.reporter.status().Steps, cmd.again()
	if chosen, err = in.Chosen(steps); err != nil {
		return nil, nil, err
	}
	below, err := AgainInput{From: slices.Concat(in.From, in.Only)}.Chosen(steps)
	return chosen, c.stepsWhere(func(s *step) bool { return slices.Contains(below, s.Step.ID) }), err
}

// runAgain runs finished steps of a running close again. A question about one that needs them is asked
// anew, since it was about the earlier result; that about an attempt which failed stays, because without an answer
// to it nobody has said that the step runs again.
func (c *closeRun) runAgain(ctx workflow.Context, cmd *command) {
	chosen, touched, err := c.chosenAgain(cmd)
	if err != nil {
		c.commands.refuse(ctx, cmd, err)
		return
	}
	if !slices.ContainsFunc(touched, (*step).waitsAfterRun) {
		c.reopen(ctx, cmd, chosen, touched)
		return
	}
	workflow.Go(ctx, func(ctx workflow.Context) {
		givenUp, err := c.giveUpRuns(ctx, cmd)
		next := *cmd
		if err != nil { // nothing runs again, and the operator is asked about those that were given up
			next.name = InterruptCommand
			c.commands.refuse(ctx, cmd, err)
		}
		for _, s := range givenUp {
			s.interruptedBy, s.givingUp = &next, nil
		}
		if chosen, touched, _ := c.chosenAgain(cmd); err == nil {
			c.reopen(ctx, cmd, chosen, touched)
		}
	})
}

// giveUpRuns gives up the failed runs of batches that run again. The error says why the steps cannot run again after all.
func (c *closeRun) giveUpRuns(ctx workflow.Context, cmd *command) (givenUp []*step, err error) {
	for {
		chosen, touched, err := c.chosenAgain(cmd)
		i := slices.IndexFunc(touched, func(s *step) bool { return s.waitsAfterRun() && slices.Contains(chosen, s.Step.ID) })
		if err != nil || i < 0 {
			return givenUp, cmp.Or(err, c.refusesAgain(cmd)) // something else may have happened meanwhile
		}
		s := touched[i]
		s.givingUp = cmd
		if err := s.giveUp(ctx, cmd); err != nil {
			s.givingUp = nil
			return givenUp, failure(CommandRefused, s.Step.ID+": "+reason(err))
		}
		givenUp = append(givenUp, s)
	}
}

// reopen takes finished steps back to before they began, and those that need them.
func (c *closeRun) reopen(ctx workflow.Context, cmd *command, chosen []string, touched []*step) {
	c.log(ctx, cmd.entry(cmd.again().String()))
	c.addStarter(cmd.By)
	for _, s := range touched {
		again := slices.Contains(chosen, s.Step.ID)
		asks, done := s.asksItself(), s.result.State.Done()
		if again {
			s.again, s.againSince = cmd.Why, workflow.Now(ctx)
		}
		switch {
		case asks && (again || !s.asksToRetry()), s.pausing:
			s.reopening = true
			s.reopen(ctx, cmd.Why)
		case asks:
			s.needsAnew = true
		case again && done:
			s.reopen(ctx, cmd.Why)
			c.launch(ctx, s)
		}
	}
	cmd.reply(CommandResult{State: Running, Message: strings.Join(chosen, ", ") + " run again"})
}

// asksItself reports whether the step asks a question of its own, rather than its workflow.
func (s *step) asksItself() bool { return s.question != nil && !s.reporting && s.held == nil }

// asksToRetry reports whether the step asks what is next after an attempt that failed.
func (s *step) asksToRetry() bool {
	return s.asksItself() && slices.Contains(s.question.Choices, DecideCommand+" "+Retry)
}

// reopen takes the step back to before it began.
func (s *step) reopen(ctx workflow.Context, why string) {
	s.begun, s.needsAnew, s.retries, s.interruptedBy = false, false, 0, nil
	s.result = StepResult{ID: s.Step.ID, Kind: string(s.Kind)}
	s.failure, s.markedBy, s.markedEarly, s.early, s.answer, s.question = "", nil, false, nil, nil, nil
	s.set(ctx, Pending, "runs again: "+why)
}
