package workflows

import (
	"cmp"
	"fmt"
	"slices"
	"strings"

	"go.temporal.io/sdk/workflow"
)

// applies says why a command cannot be taken now, or nil.
func (c *closeRun) applies(cmd *command) error {
	if cmd.name == AgainCommand {
		return c.refusesAgain(cmd)
	}
	targets, err := c.targets(cmd)
	if cmd.name == ApproveCommand {
		for _, s := range targets {
			err = cmp.Or(err, s.mayApprove(cmd))
		}
	}
	return err
}

// extend moves the deadline of a step, or that of the close with those of the steps that have none of their own.
func (c *closeRun) extend(ctx workflow.Context, cmd *command) {
	if cmd.Step != "" {
		targets, err := c.targets(cmd)
		if err != nil {
			cmd.refuse("%s", reason(err))
			return
		}
		handTo(ctx, cmd, targets, (*step).extend)
		return
	}
	if c.reporter.extend(ctx, cmd); cmd.err != nil {
		return
	}
	var keep []string
	for _, s := range c.stepsWhere(func(s *step) bool { return !s.result.State.Done() }) {
		if s.ownDeadline {
			keep = append(keep, s.Step.ID+" keeps "+s.times().Text(s.deadline.moment()))
			continue
		}
		s.moveTo(ctx, cmd, c.reporter.deadline.moment())
	}
	if len(keep) > 0 {
		cmd.answer.Message += ". Steps with a deadline of their own keep it, and extend moves it when it names the step: " + listed(keep)
	}
}

// targets are the steps that a command names, or the only one that it can mean. Of several that come from one step of
// the pipeline, they are those that take it now.
func (c *closeRun) targets(cmd *command) ([]*step, error) {
	if cmd.Step != "" {
		named := c.stepsWhere(func(s *step) bool { return s.isNamed(cmd.Step) })
		if len(named) == 0 {
			return nil, failure(CommandRefused, fmt.Sprintf("there is no step %q; the steps are %s", cmd.Step, stepIDs(c.steps)))
		}
		taking := slices.DeleteFunc(slices.Clone(named), func(s *step) bool { return s.refuses(cmd) != nil })
		if len(taking) == 0 {
			return nil, named[0].refuses(cmd)
		}
		return taking, nil
	}
	found := c.stepsWhere(func(s *step) bool { return s.refuses(cmd) == nil })
	switch len(found) {
	case 1:
		return found, nil
	case 0:
		if meant := c.stepsWhere(func(s *step) bool { return slices.Contains(s.applicable(), s.choiceOf(cmd)) }); len(meant) == 1 {
			return nil, meant[0].refuses(cmd)
		}
		return nil, failure(CommandRefused, fmt.Sprintf("no step takes %s now: %s", cmd.choice(), c.reporter.status().Summary))
	}
	return nil, failure(CommandRefused, fmt.Sprintf("%s can mean several steps, name one in step: %s", cmd.choice(), stepIDs(found)))
}

func (c *closeRun) stepsWhere(match func(*step) bool) (found []*step) {
	for _, s := range c.steps {
		if match(s) {
			found = append(found, s)
		}
	}
	return found
}

func stepIDs(steps []*step) string {
	var ids []string
	for _, s := range steps {
		ids = append(ids, s.Step.ID)
	}
	return strings.Join(ids, ", ")
}

// dispatchCommands hands every command to the step that it means.
func (c *closeRun) dispatchCommands(ctx workflow.Context) {
	for {
		if err := workflow.Await(ctx, c.commands.waiting); err != nil {
			return
		}
		cmd := c.commands.take(ctx)
		if cmd == nil {
			continue
		}
		if cmd.name == AgainCommand {
			c.runAgain(ctx, cmd)
			continue
		}
		targets, err := c.targets(cmd)
		if err != nil {
			c.commands.refuse(ctx, cmd, err)
			continue
		}
		handTo(ctx, cmd, targets, (*step).take)
	}
}

// handTo hands a command to a step, or to several, each of which answers for itself.
func handTo(ctx workflow.Context, cmd *command, targets []*step, do func(*step, workflow.Context, *command)) {
	if len(targets) == 1 {
		do(targets[0], ctx, cmd)
		return
	}
	var each []*command
	for _, s := range targets {
		own := cmd.unanswered()
		own.Step = s.Step.ID
		each = append(each, own)
		do(s, ctx, own)
	}
	workflow.Go(ctx, func(ctx workflow.Context) {
		_ = workflow.Await(ctx, func() bool { return !slices.ContainsFunc(each, func(own *command) bool { return !own.done }) })
		var answers, refusals []string
		for _, own := range each {
			if own.err != nil {
				refusals = append(refusals, own.Step+": "+reason(own.err))
			} else if own.done {
				answers = append(answers, own.answer.Message)
			}
		}
		if len(answers) == 0 {
			cmd.refuse("%s", strings.Join(refusals, "; "))
			return
		}
		cmd.reply(CommandResult{State: Running, Message: strings.Join(append(answers, refusals...), "; ")})
	})
}

// receiveReports takes in the status of the batches' workflows.
func (c *closeRun) receiveReports(ctx workflow.Context) {
	reports := workflow.GetSignalChannelWithOptions(ctx, stepStateSignal, workflow.SignalChannelOptions{
		Description: "The status of this close's batches. Only their workflows send it.",
	})
	for {
		var report stepState
		if !reports.Receive(ctx, &report) {
			return
		}
		for _, s := range c.steps {
			s.receive(ctx, report)
		}
	}
}
