package workflows

import (
	"errors"
	"fmt"
	"maps"
	"slices"
	"time"

	"go.temporal.io/sdk/temporal"
	"go.temporal.io/sdk/workflow"

	"github.com/pbsmflow/pbsmflow/activities"
	"github.com/pbsmflow/pbsmflow/internal/audit"
	"github.com/pbsmflow/pbsmflow/internal/basis"
	"github.com/pbsmflow/pbsmflow/internal/pbsm"
	"github.com/pbsmflow/pbsmflow/internal/pipeline"
)

var act *activities.Activities // names the activities; never called

// RunBatch triggers a batch or a batch group once, polls its run until it ends, restarts it as often as
// the input allows, and asks the operator what it cannot decide itself.
//
// One workflow id stands for one submission, BatchWorkflowID; a start under any other id runs the
// batch in a child with the right one.
func RunBatch(ctx workflow.Context, in RunBatchInput) (RunBatchResult, error) {
	if err := in.Validate(); err != nil {
		return RunBatchResult{}, endEarly(ctx, in.Connection, err)
	}
	if workflow.GetInfo(ctx).WorkflowExecution.ID != in.WorkflowID() {
		ended, err := delegateTo(ctx, in.Connection, in.Code, in.WorkflowID())
		if err != nil {
			return RunBatchResult{}, err
		}
		in.Delegated = startsAlone(ctx, in.Delegated)
		result, err := runOrAttachBatch(ctx, in)
		ended(err)
		return result, err
	}
	ctx, b, err := newBatchRun(ctx, in)
	if err != nil {
		return RunBatchResult{}, err
	}
	return b.run(ctx)
}

// batchRun is the state of RunBatch.
type batchRun struct {
	in       RunBatchInput
	basis    basis.Basis
	reporter *statusReporter
	deadline *deadline
	caller   caller
	commands *commandInbox
	result   RunBatchResult

	last       activities.BatchStatus // the latest status of the run
	submitted  bool                   // by this start, and no status has been seen since
	before     string                 // the fingerprint of the status before that
	since      time.Time              // when the polling began
	choices    []string               // the commands that apply now
	interrupts []*command             // to be answered once the run has stopped
}

func newBatchRun(ctx workflow.Context, in RunBatchInput) (workflow.Context, *batchRun, error) {
	b := &batchRun{in: in, basis: in.basis()}
	b.result = RunBatchResult{
		WorkflowID: in.WorkflowID(),
		Connection: in.Connection,
		Code:       in.Code,
		Group:      in.Group,
		AsOfDate:   in.AsOfDate,
		TimeZone:   in.TimeZone,
		Basis:      b.basis,
	}
	var err error
	ctx, b.reporter, err = newStatusReporter(ctx, Status{
		Connection: in.Connection,
		AsOfDate:   in.AsOfDate,
		TimeZone:   in.TimeZone,
		Subject:    in.Code,
		StartedBy:  in.StartedBy,
		Basis:      b.basis,
		State:      Pending,
		Summary:    "about to be triggered",
		Deadline:   in.Deadline,
	})
	if err != nil {
		return ctx, nil, err
	}
	b.deadline = b.reporter.deadline
	err = workflow.SetQueryHandler(ctx, activities.ResultQuery, func() (RunBatchResult, error) { return b.result, nil })
	if err != nil {
		return ctx, nil, err
	}
	b.commands, err = openCommandInbox(ctx, b.reporter, b.applies)
	if err == nil {
		b.commands.proofs.takesParts = true
		b.commands.answers = func(ctx workflow.Context, c *command) bool { return b.caller.supervisor.answer(ctx, c) }
	}
	return ctx, b, err
}

func (b *batchRun) applies(c *command) error {
	status := b.reporter.status()
	choices := slices.Concat(b.choices, b.caller.supervisor.choices())
	if c.PartOf != "" && !slices.Contains(b.choices, RestartCommand) {
		return doesNotApply(c, choices, fmt.Sprintf("%s does not wait after a run that failed (%s)", b.in.Code, status.Summary))
	}
	return notApplicable(c, choices, fmt.Sprintf("%s %s (%s)", b.in.Code, status.State.phrase(), status.Summary))
}

// run executes the batch and ends the workflow, also when it is cancelled.
func (b *batchRun) run(ctx workflow.Context) (RunBatchResult, error) {
	b.reporter.warnBeforeDeadline(ctx)
	err := b.execute(ctx)
	var end *batchEnd
	if ctx.Err() != nil && !errors.As(err, &end) {
		ctx, _ = workflow.NewDisconnectedContext(ctx)
		err = b.cancelRun(ctx)
	}
	switch {
	case errors.As(err, &end):
	case errorType(err) == GivenUp:
		end = &batchEnd{state: Failed, errorType: GivenUp, summary: reason(err)}
	case deadlineHit(err):
		end = &batchEnd{state: Failed, errorType: DeadlinePassed, summary: "the deadline passed" + lastTried(err)}
	}
	if end != nil {
		err = b.end(ctx, *end)
	} else { // the batch has no end: its connection is missing, or a call to Temporal failed
		_ = b.reporter.update(ctx, func(s *snapshot) {
			s.failure, s.State, s.Summary, s.Question = errorType(err), Failed, reason(err), nil
		})
	}
	ended := fmt.Sprintf("%s has ended: %s", b.in.Code, b.reporter.status().Summary)
	for _, c := range b.interrupts { // the workflow ends before the run stopped
		c.refuse("%s", ended)
	}
	b.commands.close(ctx, ended)
	b.reporter.flush(ctx)
	b.result.Log = b.reporter.status().Log // also what came of the last notification
	if end != nil && err == nil {
		err = b.outcome(*end)
	}
	return b.result, err
}

// execute submits, polls, and decides what is next, until the batch has ended. It returns how, as a batchEnd.
func (b *batchRun) execute(ctx workflow.Context) error {
	next, err := b.adoptEarlierOrTrigger(ctx)
	if err != nil {
		return err
	}
	for {
		refusal, err := b.submit(ctx, next)
		if err != nil {
			return err
		}
		if refusal != "" {
			if next, err = b.askAboutRun(ctx, refusal); err != nil {
				return err
			}
			continue
		}
		ended, err := b.watch(ctx)
		if err != nil {
			return err
		}
		if ended.code() == pbsm.CodeSuccess {
			return b.succeeded()
		}
		b.logFailedRun(ctx)
		if next, err = b.afterFailure(ctx, ended); err != nil {
			return err
		}
	}
}

// afterFailure decides what follows a run that ended without success: an automatic restart, as often as
// the input allows, or else a command of the operator.
func (b *batchRun) afterFailure(ctx workflow.Context, ended runEnd) (*submission, error) {
	why := b.failureText()
	interrupted := ended.interrupted || ended.code() == pbsm.CodeInterrupted
	switch last := b.result.Restarts >= b.in.Restarts; {
	case last && b.in.EndOnFailure && !interrupted:
		return nil, &batchEnd{state: Failed, errorType: BatchFailed, summary: why}
	case last, interrupted:
		return b.askAboutRun(ctx, why)
	}
	delay, _ := b.in.restartDelay()
	pause := fmt.Sprintf("%s; restart %d of %d in %s", why, b.result.Restarts+1, b.in.Restarts, delay)
	if err := b.enter(ctx, Running, pause, slices.Concat(interruptChoices, runChoices)...); err != nil {
		return nil, err
	}
	commanded, err := workflow.AwaitWithOptions(ctx, workflow.AwaitOptions{
		Timeout:      delay,
		TimerOptions: workflow.TimerOptions{Summary: "pause before the restart"},
	}, b.commands.waiting)
	switch {
	case err != nil:
		return nil, err
	case commanded:
		return b.next(ctx, b.commands.take(ctx), why)
	}
	return b.restart(nil), nil
}

// runChoices are the commands that apply to a run that ended without success.
var runChoices = []string{RestartCommand, RerunCommand, DecideCommand + " " + Retry, DecideCommand + " " + GiveUp}

// askAboutRun asks the operator what follows a run that ended without success. It returns the submission
// to make, or nil to poll the run again.
func (b *batchRun) askAboutRun(ctx workflow.Context, why string) (*submission, error) {
	c, err := b.ask(ctx, why, runChoices...)
	if err != nil {
		return nil, err
	}
	return b.next(ctx, c, why)
}

// next carries out what the operator has commanded after a run that ended without success.
func (b *batchRun) next(ctx workflow.Context, c *command, why string) (*submission, error) {
	switch c.choice() {
	case RestartCommand:
		return b.restart(c), nil
	case RerunCommand:
		return b.rerun(c), nil
	case DecideCommand + " " + Retry:
		return nil, b.watchAgain(ctx, c)
	case InterruptCommand:
		b.answered(ctx, c, "not restarted automatically")
		return b.askAboutRun(ctx, why)
	}
	return nil, b.giveUp(ctx, c, why)
}

// ask asks the operator a question and waits for the answer until the deadline. A workflow that
// is being cancelled asks nothing: the notification would arrive after the question is moot.
func (b *batchRun) ask(ctx workflow.Context, why string, choices ...string) (*command, error) {
	if ctx.Err() != nil {
		return nil, ctx.Err()
	}
	b.choices = choices
	err := b.reporter.update(ctx, func(s *snapshot) {
		s.State, s.Summary = Waiting, why
		s.Question = &Question{Why: why, Choices: choices, Deadline: b.deadline.moment()}
	})
	if err != nil {
		return nil, err
	}
	since := b.reporter.status().Question.Since
	c, err := b.commands.Next(ctx, b.deadline, "the operator's answer")
	if c != nil {
		c.asked = since
	}
	if err == nil && c == nil {
		err = &batchEnd{state: Failed, errorType: DeadlinePassed, summary: why + "; the deadline passed without an answer"}
	}
	return c, err
}

// answered logs what an answer leads to, and confirms it to the operator.
func (b *batchRun) answered(ctx workflow.Context, c *command, what string) {
	b.reporter.log(ctx, c.entry(what))
	c.reply(b.commandResult(what))
}

func (b *batchRun) watchAgain(ctx workflow.Context, c *command) error {
	b.last, b.since = activities.BatchStatus{}, workflow.Now(ctx)
	b.answered(ctx, c, "the run is polled again")
	return b.enter(ctx, Running, "polling the run again", interruptChoices...)
}

func (b *batchRun) giveUp(ctx workflow.Context, c *command, why string) error {
	b.answered(ctx, c, "given up")
	state := Failed
	if b.runCode() == pbsm.CodeInterrupted {
		state = Interrupted
	}
	return &batchEnd{state: state, errorType: GivenUp, summary: "given up: " + why}
}

// succeeded is the end of a batch whose run has the code of a success. Tasks with another code do not change that, but
// they are not silent.
func (b *batchRun) succeeded() error {
	tasks, notListed := listedTasks(tasksFailedIn(b.last))
	b.result.FailedTasks = tasks
	return &batchEnd{state: Succeeded, summary: "succeeded" + countText(b.last) + b.result.Exception() + notListed}
}

// batchEnd is how a batch ended. It is an error, so that it passes through every caller.
type batchEnd struct {
	state     State
	errorType string
	summary   string
}

func (e *batchEnd) Error() string { return e.summary }

// end publishes the end.
func (b *batchRun) end(ctx workflow.Context, e batchEnd) error {
	b.choices = nil
	b.result.State = e.state
	if b.result.KeptFrom.IsZero() {
		b.result.EndedAt = workflow.Now(ctx)
	}
	entry := LogEntry{What: e.summary, Tasks: b.result.FailedTasks}
	if b.reporter.status().submitting {
		entry.Event = audit.OutcomeUnknown
	}
	b.reporter.log(ctx, entry)
	b.result.Log = b.reporter.status().Log
	return b.reporter.update(ctx, func(s *snapshot) {
		s.State, s.Summary, s.Question, s.failure = e.state, e.summary, nil, e.errorType
	})
}

// outcome is the error with which the workflow ends. A batch that succeeded is a success even if the workflow was
// cancelled meanwhile.
func (b *batchRun) outcome(e batchEnd) error {
	switch {
	case e.state == Cancelled:
		return temporal.NewCanceledError(b.result)
	case e.errorType != "":
		return failure(e.errorType, fmt.Sprintf("%s for %s: %s", b.in.Code, b.in.AsOfDate, e.summary), b.result)
	}
	return nil
}

func (b *batchRun) enter(ctx workflow.Context, state State, summary string, choices ...string) error {
	b.choices = choices
	return b.reporter.update(ctx, func(s *snapshot) { s.State, s.Summary, s.Question = state, summary, nil })
}

func (b *batchRun) commandResult(message string) CommandResult {
	return CommandResult{State: b.reporter.status().State, RunID: b.result.RunID, Message: message}
}

func (b *batchRun) runCode() pbsm.StatusCode { return pbsm.StatusCode(b.last.Code) }

func (b *batchRun) ref() activities.RunInput {
	return activities.RunInput{
		Connection:  b.in.Connection,
		Code:        b.in.Code,
		RunID:       b.result.RunID,
		Application: activities.Application{ServiceID: b.in.ServiceID},
	}
}

// triggerInput is the input of the trigger. The as-of date is a parameter that Params may override.
func (in RunBatchInput) triggerInput() activities.TriggerBatchInput {
	call := activities.TriggerBatchInput{
		Connection:    in.Connection,
		Code:          in.Code,
		Group:         in.Group,
		IncludedTasks: in.IncludedTasks,
		ExcludedTasks: in.ExcludedTasks,
		HeldTasks:     in.HeldTasks,
		TaskParams:    in.TaskParams,
		Application:   activities.Application{ServiceID: in.ServiceID},
	}
	params := map[string]string{pipeline.ParamAsOf: in.AsOfDate}
	maps.Copy(params, in.Params)
	if !in.Group {
		call.Params = params
		return call
	}
	call.GroupDate = params[pipeline.ParamAsOf]
	for _, member := range in.Batches {
		own := maps.Clone(params)
		maps.Copy(own, member.Params)
		call.Batches = append(call.Batches, activities.BatchParams{
			Code: member.Code, Params: own, TaskParams: member.TaskParams,
		})
	}
	return call
}
