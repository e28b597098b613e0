package workflows

import (
	"cmp"
	"errors"
	"fmt"
	"slices"
	"time"

	"go.temporal.io/sdk/temporal"
	"go.temporal.io/sdk/workflow"

	"github.com/pbsmflow/pbsmflow/activities"
	"github.com/pbsmflow/pbsmflow/internal/audit"
	"github.com/pbsmflow/pbsmflow/internal/basis"
	"github.com/pbsmflow/pbsmflow/internal/clock"
)

// closeOfStep is what a step sees of its close.
type closeOfStep interface {
	input() NightlyCloseInput
	publish(ctx workflow.Context, s *step)
	log(ctx workflow.Context, entry LogEntry)
	warnAtRisk(ctx workflow.Context, warning string)
	record(e audit.Event)
	// startedBy are those who have started the close, also earlier or in part, and the start whose starter is not known.
	startedBy() (known []string, unknown string)
	// stepCaller executes the activities of the steps.
	stepCaller() caller
	// earlierResult is the result of a step in an earlier start of the close.
	earlierResult(id string) (StepResult, bool)
	// timeZone is that of the pipeline.
	timeZone() string
}

// step is a step of a close, of whatever kind: it waits for what it needs, makes attempts, and asks the
// operator about those that fail.
type step struct {
	activities.PlanStep

	kind     stepKind
	close    closeOfStep
	index    int // in the plan, and so in the status
	needs    []*step
	siblings []*step // that come from the same step of the definition, itself included
	deadline *deadline

	ownDeadline bool // it does not move with that of the close

	result   StepResult
	detail   string
	question *Question // its own, or that of its workflow
	choices  []string  // the commands that it takes itself
	answer   *command  // the operator's, to its own question
	asked    *Question // as the audit file has it
	// firstAsked is that of its last question, which the next one continues while approvals are missing.
	firstAsked time.Time
	answered   *command // answers the question, of the step itself or of its workflow
	failure    string   // the type of the error with which it failed
	atRisk     string   // the warning, until it ends

	retries       int      // attempts that were repeated as the pipeline says
	begun         bool     // it waits for no other step any more
	held          *command // holds it before it begins
	released      bool     // ... and does not any more
	early         *command // decides about it before it begins
	markedBy      *command // says that it was done outside
	markedEarly   bool     // ... before it began: it has not been tried
	interruptedBy *command
	givingUp      *command // for which its batch gives up a run that failed; what is next waits for that
	working       func()   // cancels the attempt; nil without one
	again         string   // why it runs again although it succeeded before
	againSince    time.Time
	keepAnyway    bool // an earlier result is kept, whatever has changed
	reopening     bool // its attempt ends, and it runs once more
	pausing       bool // an attempt has failed, and the pipeline has the next one made soon
	needsAnew     bool // what it needs has run again since its attempt failed

	joined     bool // its workflow was started elsewhere
	reporting  bool // its workflow reports its status, and takes the answer to its question
	following  bool // ... and every other command
	lastReport int
}

func newStep(c *closeRun, index int, plan activities.PlanStep) *step {
	s := &step{
		PlanStep: plan,
		kind:     stepKindOf(plan.Kind),
		close:    c,
		index:    index,
		deadline: &deadline{at: plan.Deadline},
		result:   StepResult{ID: plan.Step.ID, Kind: string(plan.Kind), State: Pending},
	}
	if s.ownDeadline = !plan.Deadline.IsZero(); !s.ownDeadline {
		s.deadline.at = c.plan.Deadline
	}
	if plan.Step.Hold {
		s.held = &command{name: HoldCommand, Command: Command{By: "the pipeline", Why: "hold: true"}}
	}
	return s
}

// run takes the step from waiting for its needs to its end. Errors end the step, never the close.
func (s *step) run(ctx workflow.Context) {
	s.runOnce(ctx)
	for s.reopening {
		s.reopening = false
		s.runOnce(ctx)
	}
}

func (s *step) runOnce(ctx workflow.Context) {
	if s.NotTonight != "" {
		s.end(ctx, NotTonight, s.NotTonight)
		return
	}
	early, err := s.await(ctx)
	s.begun = true
	switch {
	case err != nil:
		s.end(ctx, Cancelled, "cancelled before it started")
	case early != nil:
		if !s.applyEarly(ctx, early) {
			s.execute(ctx)
		}
	case s.keepAnyway && !s.wasKept(ctx):
		s.end(ctx, NotRun, "not run: only other steps run again")
	case s.keepAnyway, s.keepDecision(ctx):
	case !s.needsPassed():
		s.end(ctx, NotRun, "not run: a step that it needs did not succeed")
	default:
		s.execute(ctx)
	}
}

// hasRoom reports whether the step may begin beside those with which it comes from one step of the definition. One
// that waits for an operator keeps none from beginning.
func (s *step) hasRoom() bool {
	if s.AtOnce == 0 {
		return true
	}
	running := 0
	for _, other := range s.siblings {
		if other.begun && !other.result.State.Done() && other.question == nil {
			running++
		}
	}
	return running < s.AtOnce
}

func (s *step) needsEnded() bool {
	for _, needed := range s.needs {
		if !needed.result.State.Done() {
			return false
		}
	}
	return true
}

func (s *step) needsPassed() bool {
	for _, needed := range s.needs {
		if !needed.passed() {
			return false
		}
	}
	return true
}

// times writes times as the operators of the close read them.
func (s *step) times() clock.Clock { return clock.In(s.close.timeZone()) }

// passed reports whether what needs the step can start.
func (s *step) passed() bool {
	return slices.Contains([]State{Succeeded, Skipped, MarkedDone, NotTonight}, s.result.State)
}

// execute makes attempts until one of them, or the operator, ends the step.
func (s *step) execute(ctx workflow.Context) {
	s.result.Basis = s.basis()
	if s.again == "" && s.markedBy == nil && s.keep(ctx) {
		return
	}
	s.result.StartedAt = workflow.Now(ctx)
	what := s.kind.summary(s.Step)
	if d := s.Step.Description; d != "" && d != what {
		what = d + ": " + what
	}
	s.record(audit.Event{At: s.result.StartedAt, Event: audit.StepStarted, What: what, Work: s.result.Basis.Work()})
	working, stop := workflow.WithCancel(ctx)
	defer stop()
	s.deadline.warn(working, s.times(), "step "+s.Step.ID, func(warning string) {
		if warning != "" {
			s.close.warnAtRisk(ctx, warning)
		}
		s.atRisk = warning
		s.close.publish(ctx, s)
	})
	err := s.interruptedError() // while it was compared with an earlier result
	if err == nil {
		err = s.attempt(ctx)
	}
	for s.settle(ctx, err) {
		err = s.attempt(ctx)
	}
}

func (s *step) interruptedError() error {
	if s.interruptedBy == nil {
		return nil
	}
	return failure(StepFailed, "interrupted by "+s.interruptedBy.By+": "+s.interruptedBy.Why)
}

// attempt does once what the step is about, and records what came of it.
func (s *step) attempt(ctx workflow.Context) error {
	s.result.WorkflowID = s.kind.workflowID(ctx, s)
	working, stop := workflow.WithCancel(ctx)
	s.working, s.interruptedBy = stop, nil
	s.set(ctx, Running, s.summary())
	err := s.kind.run(working, s, &s.result)
	for err == nil && s.outdated(working) {
		if err = s.interruptedError(); err == nil {
			err = s.kind.run(working, s, &s.result)
		}
	}
	_ = workflow.Await(ctx, func() bool { return s.givingUp == nil })
	s.working = nil
	stop()
	if s.interruptedBy != nil && temporal.IsCanceledError(err) && ctx.Err() == nil {
		err = s.interruptedError()
	}
	if s.reopening {
		return nil
	}
	for _, e := range s.kind.events(s.result) {
		if e.At.IsZero() {
			e.At = workflow.Now(ctx)
		}
		s.record(e)
	}
	if err != nil && !temporal.IsCanceledError(err) {
		s.record(audit.Event{At: workflow.Now(ctx), Event: audit.StepFailed, What: reason(err)})
	}
	return err
}

// settle ends the step after an attempt, or reports that the operator wants another one.
func (s *step) settle(ctx workflow.Context, err error) (again bool) {
	if s.reopening {
		return false
	}
	if err == nil {
		s.result.Result = s.kind.identity(s, s.result)
		state, detail := Succeeded, s.kind.outcome(s.result)
		if s.markedBy != nil {
			state, detail = MarkedDone, detail+", run outside, as "+s.markedBy.By+" says: "+s.markedBy.Why
			s.result.Decision = detail
		}
		s.end(ctx, state, detail)
		return false
	}
	why := reason(err)
	var explained *stepError
	if errors.As(err, &explained) {
		why = explained.why
	}
	switch {
	case ctx.Err() != nil:
		s.end(ctx, Cancelled, why)
	case errorType(err) == GivenUp && s.interruptedBy == nil:
		s.fail(ctx, GivenUp, why)
	case s.markedEarly && s.interruptedBy == nil && errorType(err) != DeadlinePassed:
		s.holdAgain(ctx, why)
	case s.interruptedBy == nil && s.mayRetry(err):
		return s.retry(ctx, err, why)
	default:
		return s.endOrAsk(ctx, err, why)
	}
	return false
}

// askAboutFailure asks the operator about a failed attempt, and reports whether to make another one.
func (s *step) askAboutFailure(ctx workflow.Context, err error, why string) (again bool) {
	watching, stop := workflow.WithCancel(ctx)
	defer stop()
	if kind, ok := s.kind.(lateKind); ok {
		workflow.Go(watching, func(ctx workflow.Context) {
			if what := kind.awaitLate(ctx, s, err); what != "" && s.answer == nil {
				s.answer = &command{name: DecideCommand, Command: Command{Choice: Retry, By: "pbsmflow", Why: what}}
			}
		})
	}
	choices := []string{DecideCommand + " " + Retry, skipChoice, DoneCommand, DecideCommand + " " + GiveUp}
	answer := s.ask(ctx, why, s.unlessApproved(choices)...)
	switch {
	case s.reopening:
		return false
	case answer == nil && ctx.Err() != nil:
		s.end(ctx, Cancelled, why)
	case answer == nil:
		s.fail(ctx, DeadlinePassed, why+"; the deadline passed without an answer")
	case answer.name == DoneCommand:
		if s.needsAnew {
			s.result.Basis = s.basis()
		}
		return !s.markDone(ctx, answer)
	case answer.Choice == Retry && s.needsAnew: // it waits for what it needs, and is based on that
		s.reopening = true
		s.reopen(ctx, answer.Why)
	case answer.Choice == Retry:
		s.markedBy = nil
		return true
	case answer.Choice == Skip:
		s.result.Error = why
		s.skip(ctx, answer)
	default:
		s.fail(ctx, GivenUp, "given up: "+why)
	}
	return false
}

// ask asks the operator a question: nil if the deadline passed or the close is cancelled.
func (s *step) ask(ctx workflow.Context, why string, choices ...string) *command {
	s.choices, s.answer = choices, nil
	s.question = &Question{Why: why, Choices: choices, Deadline: s.deadline.moment()}
	if len(s.result.Approvals) > 0 {
		s.question.First = s.firstAsked
	}
	s.set(ctx, Waiting, why)
	s.firstAsked = s.question.Asked()
	_, _ = s.deadline.await(ctx, s.Step.ID+" waits for an operator", func() bool { return s.answer != nil || s.reopening })
	s.choices, s.question = nil, nil
	if s.answer != nil {
		s.close.log(ctx, s.answer.entry(s.Step.ID+": "+s.answer.choice()))
		s.answer.reply(CommandResult{State: Running, Message: s.Step.ID + " " + s.effect(s.answer)})
	}
	return s.answer
}

// effect is what an answer of an operator does to the step.
func (s *step) effect(answer *command) string {
	if answer.name == ApproveCommand {
		given := append(slices.Clone(s.result.Approvals), LogEntry{By: answer.By})
		if missing := stillNeeded(s, given); missing != "" {
			return "is " + missing
		}
	}
	return effects[answer.choice()]
}

// effects are what the answers of an operator do to a step.
var effects = map[string]string{
	ApproveCommand:               "is approved; what needs it can start",
	DoneCommand:                  "is taken as done",
	DecideCommand + " " + Retry:  "is retried",
	DecideCommand + " " + Skip:   "is skipped; what needs it can start",
	DecideCommand + " " + GiveUp: "is given up; what needs it is not run, and the close ends as failed",
}

// summary says in one line what the step does: the pipeline's words, or else its kind's.
func (s *step) summary() string { return cmp.Or(s.Step.Description, s.kind.summary(s.Step)) }

func (s *step) set(ctx workflow.Context, state State, detail string) {
	s.result.State, s.detail = state, detail
	s.close.publish(ctx, s)
}

func (s *step) fail(ctx workflow.Context, errorType, detail string) {
	s.failure = errorType
	s.end(ctx, Failed, detail)
}

func (s *step) end(ctx workflow.Context, state State, detail string) {
	s.result.EndedAt, s.atRisk = workflow.Now(ctx), ""
	if state == Failed || state == Cancelled {
		s.result.Error = detail
	}
	s.set(ctx, state, detail)
	s.record(audit.Event{
		At:      s.result.EndedAt,
		Event:   audit.StepEnded,
		What:    detail,
		Outcome: string(state),
		Result:  s.result.Result,
		BasedOn: s.result.Basis.String(),
	})
}

// record keeps an event of the step for the audit file.
func (s *step) record(e audit.Event) {
	e.Step, e.Kind, e.WorkflowID = s.Step.ID, string(s.Kind), s.result.WorkflowID
	s.close.record(e)
}

// describe writes the step's line of the status.
func (s *step) describe(line *StepStatus) {
	line.State, line.Detail, line.Question = s.result.State, s.detail, s.question
	line.WorkflowID, line.StartedAt, line.EndedAt = s.result.WorkflowID, s.result.StartedAt, s.result.EndedAt
	line.Deadline, line.WaitUntil = s.deadline.moment(), s.WaitUntil
	line.Result, line.BasedOn, line.KeptFrom = s.result.Result, s.result.Basis.String(), s.result.KeptFrom
	line.Decided = s.result.Decision != ""
	line.Commands = s.commandsNow()
}

// The methods below are what a kind sees of the step.

func (s *step) planned() activities.PlanStep { return s.PlanStep }

func (s *step) closeInput() NightlyCloseInput { return s.close.input() }

func (s *step) startedBy() (known []string, unknown string) { return s.close.startedBy() }

func (s *step) ends() time.Time { return s.deadline.moment() }

func (s *step) call(ctx workflow.Context, profile workflow.ActivityOptions, summary string, activity, input any) workflow.Future {
	return s.close.stepCaller().execute(ctx, profile, s.deadline, summary, activity, input)
}

func (s *step) timeZone() string { return s.close.timeZone() }

func (s *step) runsAgain() (why string, since time.Time) { return s.again, s.againSince }

func (s *step) resultsNeeded() []basis.Need { return s.result.Basis.Needs }

// resultOf looks at each step above once: their paths can be many.
func (s *step) resultOf(id string) (StepResult, bool) {
	seen, next := map[*step]bool{}, slices.Clone(s.needs)
	for len(next) > 0 {
		needed := next[0]
		next = next[1:]
		if needed.Step.ID == id {
			return needed.result, true
		}
		if !seen[needed] {
			seen[needed] = true
			next = append(next, needed.needs...)
		}
	}
	return StepResult{}, false
}

func (s *step) runChild(ctx workflow.Context, child stepChild) error {
	s.reporting, s.following, s.joined, s.lastReport = true, child.takesCommands, false, 0
	s.close.publish(ctx, s) // which commands apply
	err := runOrAttach(ctx, childRun{
		id:       s.result.WorkflowID,
		workflow: child.workflow,
		input:    child.input,
		result:   child.result,
		summary:  cmp.Or(s.Step.Description, child.summary, s.summary()),
		caller:   s.close.stepCaller(),
		deadline: s.deadline,
		joined:   func(running Status) error { return s.join(ctx, child, running) },
	})
	s.reporting, s.following, s.question = false, false, nil
	return err
}

// join shows the status of a workflow that was started elsewhere as that of the step.
func (s *step) join(ctx workflow.Context, child stepChild, running Status) error {
	if !s.joined {
		s.joined = true
		what := fmt.Sprintf("joined %s, %s", s.result.WorkflowID, startedBy(running, s.times()))
		s.close.log(ctx, LogEntry{What: s.Step.ID + ": " + what})
		s.record(audit.Event{At: workflow.Now(ctx), Event: audit.StepJoined, What: what})
	}
	if child.joinable != nil {
		if err := child.joinable(running); err != nil {
			return err
		}
	}
	if running.State.Done() || running.State == "" { // the result of another workflow than a batch has none
		return nil
	}
	s.question = running.Question
	s.set(ctx, running.State, fmt.Sprintf("%s (%s elsewhere)", running.Summary, startedBy(running, s.times())))
	return nil
}

// The methods below connect the step with its workflow and with the operator.

// forward sends a command to the step's workflow and returns its answer.
func (s *step) forward(ctx workflow.Context, cmd *command) {
	answer, err := s.send(ctx, cmd)
	what := s.Step.ID + ": " + cmd.choice()
	if err != nil {
		if s.answered == cmd {
			s.answered = nil
		}
		cmd.refuse("%s", reason(err))
		s.close.log(ctx, cmd.refusal(what, err))
		return
	}
	cmd.reply(answer)
	s.close.log(ctx, cmd.entry(what))
}

// send sends a command to the step's workflow and waits until it has taken effect there.
func (s *step) send(ctx workflow.Context, cmd *command) (answer CommandResult, err error) {
	err = s.call(ctx, callOptions, cmd.choice()+" "+s.Step.ID, act.SendCommand, activities.SendCommandInput{
		WorkflowID: s.result.WorkflowID,
		Update:     cmd.name,
		Command:    cmd.Command,
	}).Get(ctx, &answer)
	return answer, err
}

// receive takes in the status that the step's workflow reports.
func (s *step) receive(ctx workflow.Context, report stepState) {
	if !s.reporting || report.WorkflowID != s.result.WorkflowID {
		return
	}
	if report.Sequence <= s.lastReport || report.State.Done() { // overtaken; the end comes as the result
		return
	}
	s.lastReport, s.question = report.Sequence, s.orLeaveOut(report.Question)
	s.set(ctx, report.State, report.Summary)
}
