package workflows

import (
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
	s, err := c.target(cmd)
	if err == nil && cmd.name == ApproveCommand {
		err = mayApprove(c.in, s.Step.ID, cmd)
	}
	return err
}

// extend moves the deadline of a step, or that of the close with those of the steps that have none of their own.
func (c *closeRun) extend(ctx workflow.Context, cmd *command) {
	if cmd.Step != "" {
		s, err := c.target(cmd)
		if err != nil {
			cmd.refuse("%s", reason(err))
			return
		}
		s.extend(ctx, cmd)
		return
	}
	c.reporter.extend(ctx, cmd)
	for _, s := range c.steps {
		if cmd.err == nil && !s.ownDeadline && !s.result.State.Done() {
			s.moveTo(ctx, cmd, c.reporter.deadline.moment())
		}
	}
}

// target is the step that a command names, or the only one that it can mean.
func (c *closeRun) target(cmd *command) (*step, error) {
	if cmd.Step != "" {
		named := c.stepsWhere(func(s *step) bool { return s.Step.ID == cmd.Step })
		if len(named) == 0 {
			return nil, failure(Refused, fmt.Sprintf("there is no step %q; the steps are %s", cmd.Step, stepIDs(c.steps)))
		}
		return named[0], named[0].refuses(cmd)
	}
	found := c.stepsWhere(func(s *step) bool { return s.refuses(cmd) == nil })
	switch len(found) {
	case 1:
		return found[0], nil
	case 0:
		if meant := c.stepsWhere(func(s *step) bool { return slices.Contains(s.applicable(), cmd.choice()) }); len(meant) == 1 {
			return nil, meant[0].refuses(cmd)
		}
		return nil, failure(Refused, fmt.Sprintf("no step takes %s now: %s", cmd.choice(), c.reporter.status().Summary))
	}
	return nil, failure(Refused, fmt.Sprintf("%s can mean several steps, name one in step: %s", cmd.choice(), stepIDs(found)))
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
		s, err := c.target(cmd)
		if err != nil {
			c.commands.refuse(ctx, cmd, err)
			continue
		}
		s.take(ctx, cmd)
	}
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
