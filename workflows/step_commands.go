package workflows

import (
	"fmt"
	"slices"
	"time"

	"go.temporal.io/sdk/workflow"

	"github.com/pbsmflow/pbsmflow/internal/pipeline"
)

// isNamed reports whether a name stands for the step; see [StepStatus].
func (s *step) isNamed(name string) bool { return StepStatus{ID: s.Step.ID, Of: s.Of}.isNamed(name) }

// refuses says why the step does not take a command now, or nil. While the step's workflow takes commands,
// that workflow knows what applies.
func (s *step) refuses(cmd *command) error {
	if s.following && takenByBatch(cmd.name) || s.answersWorkflow(cmd) || cmd.name == ExtendCommand && !s.result.State.Done() {
		return nil
	}
	switch {
	case !slices.Contains(s.applicable(), s.choiceOf(cmd)):
		return doesNotApply(cmd, s.commandsNow(), "step "+s.Step.ID+" "+s.result.State.phrase())
	case cmd.name == DoneCommand && s.isBatch():
		return s.refusesRun(cmd.RunID)
	}
	return nil
}

// refusesRun says why a run cannot be one that a batch had outside, as far as its id shows, or nil.
func (s *step) refusesRun(runID string) error {
	if runID == "" {
		return failure(CommandRefused, fmt.Sprintf("done needs the run_id of %s: the service must call it a success", s.kind.summary(s.Step)))
	}
	if batch, ok := s.kind.(batchKind); ok {
		if problem := batch.input(s).runIDProblem(runID); problem != "" {
			return failure(CommandRefused, problem)
		}
	}
	return nil
}

// choiceOf is the choice of the step that a command means: skip is the answer to a question which offers that.
func (s *step) choiceOf(cmd *command) string {
	if cmd.name == SkipCommand && slices.Contains(s.choices, skipChoice) {
		return skipChoice
	}
	return cmd.choice()
}

// skipChoice is what an operator can answer about a step that failed and may be left out.
const skipChoice = DecideCommand + " " + Skip

// answersWorkflow reports whether a command answers the question of a workflow that takes nothing else.
func (s *step) answersWorkflow(cmd *command) bool {
	return s.reporting && !s.following && s.question != nil && slices.Contains(s.question.Choices, cmd.choice())
}

// takenByBatch reports whether a command is for the workflow of a batch.
func takenByBatch(name string) bool {
	return slices.ContainsFunc(Commands(), func(c CommandSpec) bool { return c.Name == name && c.TakenBy(BatchKind) })
}

// applicable are the commands that the step takes itself.
func (s *step) applicable() []string {
	switch {
	case s.waitsAfterRun():
		return []string{SkipCommand, DoneCommand}
	case s.held != nil:
		return s.unlessApproved([]string{ReleaseCommand, SkipCommand, DoneCommand})
	case s.result.State == Pending:
		return s.unlessApproved([]string{HoldCommand, SkipCommand, DoneCommand})
	case s.awaitsFile():
		return s.unlessApproved([]string{StartCommand, InterruptCommand, SkipCommand, DoneCommand})
	case s.working != nil && s.isBatch() && s.question == nil: // one that may have been submitted is never left unseen
		return []string{InterruptCommand}
	case s.working != nil && (s.question == nil || s.reporting && !s.following):
		return s.unlessApproved([]string{InterruptCommand, SkipCommand, DoneCommand})
	}
	return s.choices
}

// commandsNow are all commands that apply to the step: its own, those of its workflow, and those of every step.
func (s *step) commandsNow() []string {
	ended := s.result.State.Done()
	var commands []string
	if !ended {
		commands = slices.Clone(s.applicable())
	}
	switch {
	case s.question != nil:
		commands = append(commands, s.question.Choices...)
	case s.following && !ended:
		commands = append(commands, InterruptCommand)
	}
	if !ended {
		commands = append(commands, ExtendCommand)
	}
	if ended && s.result.State != NotTonight || s.asksItself() || s.waitsAfterRun() || s.pausing {
		commands = append(commands, AgainCommand)
	}
	slices.Sort(commands)
	return slices.Compact(commands)
}

// unlessApproved are the commands of a list that a step takes: one that a group must approve cannot be passed by.
func (s *step) unlessApproved(commands []string) []string {
	if !s.needsGroup() {
		return commands
	}
	return slices.DeleteFunc(commands, func(name string) bool {
		return name == SkipCommand || name == DoneCommand || name == skipChoice
	})
}

// ownCommand is how the step itself carries out a command, nil for those that answer a question or are for the step's
// workflow.
func (s *step) ownCommand(name string) func(workflow.Context, *command) {
	switch name {
	case HoldCommand:
		return s.hold
	case ReleaseCommand:
		return s.release
	case SkipCommand, DoneCommand:
		if s.result.State == Pending || s.held != nil {
			return s.decideEarly
		}
		if s.waitsAfterRun() {
			return s.giveUpThen
		}
		if s.working != nil && slices.Contains(s.applicable(), name) {
			return s.interrupt
		}
	case InterruptCommand:
		if s.working != nil && !s.following {
			return s.interrupt
		}
	}
	return nil
}

// take carries out a command, answers the step's question with it, or forwards it to the step's workflow.
func (s *step) take(ctx workflow.Context, cmd *command) {
	if s.choiceOf(cmd) == skipChoice {
		cmd.name, cmd.Choice = DecideCommand, Skip
	}
	if s.question != nil && slices.Contains(s.question.Choices, cmd.choice()) {
		s.answered, cmd.asked = cmd, s.question.Since
	}
	own := s.ownCommand(cmd.name)
	switch {
	case own != nil:
		own(ctx, cmd)
	case s.following || s.answersWorkflow(cmd) || cmd.name == StartCommand:
		workflow.Go(ctx, func(ctx workflow.Context) { s.forward(ctx, cmd) })
	default:
		s.answer, s.choices = cmd, nil // a second answer no longer applies
	}
}

// awaitsFile reports whether the step's workflow may be waiting for a file. Only that workflow knows whether the file
// has arrived.
func (s *step) awaitsFile() bool {
	return s.working != nil && s.reporting && s.question == nil && !s.WaitUntil.IsZero()
}

// extend moves the deadline of the step.
func (s *step) extend(ctx workflow.Context, cmd *command) {
	moved := &deadline{at: s.deadline.moment()}
	what := cmd.move(ctx, moved, s.times())
	if what == "" {
		return
	}
	s.ownDeadline = true
	s.moveTo(ctx, cmd, moved.at)
	s.acknowledge(ctx, cmd, what)
}

// moveTo moves the deadline of the step, and of its workflow. One that was started elsewhere keeps its own.
func (s *step) moveTo(ctx workflow.Context, cmd *command, until time.Time) {
	s.deadline.at = until
	if s.question != nil {
		s.question.Deadline = until
	}
	s.close.publish(ctx, s)
	if s.reporting && !s.joined {
		passedOn := cmd.unanswered()
		passedOn.Until, passedOn.Step = until.Format(time.RFC3339Nano), ""
		workflow.Go(ctx, func(ctx workflow.Context) { s.forward(ctx, passedOn) })
	}
}

// hold keeps the step from beginning.
func (s *step) hold(ctx workflow.Context, cmd *command) {
	s.held = cmd
	s.detail = s.heldText()
	s.close.publish(ctx, s)
	s.acknowledge(ctx, cmd, "does not begin before it is released")
}

func (s *step) release(ctx workflow.Context, cmd *command) {
	s.held, s.released, s.question = nil, true, nil
	s.set(ctx, Pending, "")
	s.acknowledge(ctx, cmd, "is released")
}

// decideEarly skips the step before it has begun, or marks it as done.
func (s *step) decideEarly(ctx workflow.Context, cmd *command) {
	s.early, s.held, s.question = cmd, nil, nil
	effect := "is skipped; what needs it can start"
	if cmd.name == DoneCommand {
		effect = "is taken as done"
	}
	s.acknowledge(ctx, cmd, effect)
}

// interrupt cancels the step's workflow, or its activities. The operator then decides about the step, or has decided
// already: to skip it, or to take it as done.
func (s *step) interrupt(ctx workflow.Context, cmd *command) {
	s.interruptedBy = cmd
	s.working()
	effect := "is being interrupted"
	switch cmd.name {
	case SkipCommand:
		effect += ", and is then skipped"
	case DoneCommand:
		effect += ", and is then taken as done"
	}
	s.acknowledge(ctx, cmd, effect)
}

// orLeaveOut adds to the question of the step's batch about a run that failed what the step itself can do instead.
func (s *step) orLeaveOut(q *Question) *Question {
	if q == nil || s.joined || !slices.Contains(q.Choices, RestartCommand) {
		return q
	}
	more := *q
	more.Choices = append(slices.Clone(q.Choices), SkipCommand, DoneCommand)
	return &more
}

// waitsAfterRun reports whether the step's batch asks what follows a run that has ended without success: nothing is left
// to interrupt. While the outcome of a submission is unknown it asks something else, and nothing passes that by. A batch
// that was started elsewhere is given up there.
func (s *step) waitsAfterRun() bool {
	return s.following && !s.joined && s.givingUp == nil && s.question != nil && slices.Contains(s.question.Choices, RestartCommand)
}

// giveUp has the step's batch give up a run that has failed, as a part of a command. What follows is decided when that has
// taken effect.
func (s *step) giveUp(ctx workflow.Context, cmd *command) error {
	part := cmd.unanswered()
	part.name, part.Choice, part.PartOf, part.Step = DecideCommand, GiveUp, cmd.name, ""
	_, err := s.send(ctx, part)
	return err
}

// giveUpThen gives up the failed run of the step's batch, and then skips the step or takes it as done.
func (s *step) giveUpThen(ctx workflow.Context, cmd *command) {
	s.givingUp = cmd
	workflow.Go(ctx, func(ctx workflow.Context) {
		err := s.giveUp(ctx, cmd)
		s.givingUp = nil
		if err != nil {
			s.answered = nil
			cmd.refuse("%s", reason(err))
			s.close.log(ctx, cmd.refusal(s.Step.ID+": "+cmd.choice(), err))
			return
		}
		s.interruptedBy = cmd
		effect := effects[skipChoice]
		if cmd.name == DoneCommand {
			effect = effects[DoneCommand] + " once the service calls " + cmd.RunID + " a success"
		}
		s.acknowledge(ctx, cmd, effect)
	})
}

func (s *step) acknowledge(ctx workflow.Context, cmd *command, effect string) {
	s.close.log(ctx, cmd.entry(s.Step.ID+": "+cmd.choice()))
	cmd.reply(CommandResult{State: s.result.State, Message: s.Step.ID + " " + effect})
}

// await waits until the step may begin: what it needs is done, and nobody holds it. It returns the command that
// decides about the step before that.
func (s *step) await(ctx workflow.Context) (early *command, err error) {
	decided := func() bool { return s.early != nil }
	for {
		err = workflow.Await(ctx, func() bool { return decided() || s.stands() || s.needsEnded() && s.hasRoom() }) // what it needs may have run again
		if err != nil || decided() || s.stands() || !s.needsPassed() || s.keepAnyway {
			return s.early, err
		}
		if earlier, ok := s.decision(); ok {
			s.held = &command{name: HoldCommand, Command: Command{By: "pbsmflow", Why: earlier + ", but what it needs has changed since"}}
		}
		if s.held == nil {
			return nil, nil
		}
		why := s.heldText()
		s.question = &Question{Why: why, Choices: s.applicable(), Deadline: s.deadline.moment()}
		s.set(ctx, Waiting, why)
		if err = workflow.Await(ctx, func() bool { return decided() || s.held == nil }); err != nil {
			s.question = nil
			return s.early, err
		}
	}
}

// applyEarly ends the step as the operator decided before it began. It reports whether the step has ended; a batch
// that was run outside is polled first.
func (s *step) applyEarly(ctx workflow.Context, cmd *command) bool {
	now := workflow.Now(ctx)
	s.result.StartedAt, s.early = now, nil
	if cmd.name == DoneCommand {
		s.markedEarly = true
		return s.markDone(ctx, cmd)
	}
	s.skip(ctx, cmd)
	return true
}

// holdAgain takes a step back to before it began: the run that was to stand for it does not, and nobody has said that it
// is to be submitted.
func (s *step) holdAgain(ctx workflow.Context, why string) {
	s.held = &command{name: HoldCommand, Command: Command{By: s.markedBy.By, Why: "it is not taken as done: " + why}}
	s.reopening = true
	s.reopen(ctx, why)
	s.set(ctx, Pending, s.heldText())
}

func (s *step) heldText() string { return "held by " + s.held.By + ": " + s.held.Why }

func (s *step) skip(ctx workflow.Context, cmd *command) {
	s.result.Result = "skipped"
	s.result.Decision = "skipped" + prefixed(" by ", cmd.By) + prefixed(": ", cmd.Why)
	s.end(ctx, Skipped, s.result.Decision)
}

// markDone takes the step as done outside. It reports whether the step has ended: the service must call the run of a
// batch a success.
func (s *step) markDone(ctx workflow.Context, cmd *command) bool {
	s.markedBy = cmd
	if s.isBatch() {
		return false
	}
	s.result.Result = "marked as done by " + cmd.By + " on " + s.times().Exact(workflow.Now(ctx))
	s.result.Decision = "marked as done by " + cmd.By + ": " + cmd.Why
	s.end(ctx, MarkedDone, s.result.Decision)
	return true
}

func (s *step) isBatch() bool { return s.Kind == pipeline.KindBatch || s.Kind == pipeline.KindGroup }

// outsideRun is the run of a batch that was run outside.
func (s *step) outsideRun() string {
	if s.markedBy == nil {
		return ""
	}
	return s.markedBy.RunID
}
