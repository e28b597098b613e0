package workflows

import (
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"go.temporal.io/sdk/temporal"
	"go.temporal.io/sdk/workflow"

	"github.com/pbsmflow/pbsmflow/activities"
	"github.com/pbsmflow/pbsmflow/internal/audit"
	"github.com/pbsmflow/pbsmflow/internal/clock"
	"github.com/pbsmflow/pbsmflow/internal/pbsm"
)

// submission is a call that must happen at most once: a trigger, a rerun or a restart.
type submission struct {
	name     string
	activity any
	input    any
	command  *command // the operator's, or nil

	since time.Time // when it was handed to a worker; zero: it was not, here
}

func (b *batchRun) trigger() *submission {
	return &submission{name: "trigger", activity: act.TriggerBatch, input: b.in.triggerInput()}
}

func (b *batchRun) restart(c *command) *submission {
	return &submission{name: "restart", activity: act.RestartBatch, input: b.ref(), command: c}
}

func (b *batchRun) rerun(c *command) *submission {
	return &submission{name: "rerun", activity: act.RerunBatch, input: b.ref(), command: c}
}

// adoptEarlierOrTrigger decides how the batch begins: with the run that the input names, with the run of
// an earlier start of the same batch, or with a trigger.
func (b *batchRun) adoptEarlierOrTrigger(ctx workflow.Context) (*submission, error) {
	found, err := resolveConnection(ctx, b.in.Connection, b.lookups(), startsAlone(ctx, b.in.Delegated))
	if err != nil {
		return nil, err
	}
	b.caller = found.caller
	b.caller.supervisor = superviseUntilEnd(ctx, found.askAfter, b.reporter)
	b.reporter.notifyOn(found.notifyOn, startedByClose(ctx))
	if b.in.RunID != "" {
		if problem := b.in.runIDProblem(b.in.RunID); problem != "" {
			return nil, failure(InvalidInput, problem, []string{problem})
		}
		return nil, b.adopt(ctx, b.in.RunID, "adopted")
	}
	if b.in.Group && len(b.in.Batches) == 0 && found.undated {
		problem := "batches is missing: the tenant takes the as-of date of a group per batch, so list the group's batches, " +
			"or set group_date of the connection if it takes one date for the whole group"
		return nil, failure(InvalidInput, problem, []string{problem})
	}
	earlier, err := b.earlierSubmission(ctx, found)
	if err != nil {
		return nil, err
	}
	runID, unknown := strings.CutSuffix(earlier.RunID, outcomeUnknownSuffix)
	switch {
	case unknown && !b.isOngoing(ctx, runID):
		b.result.RunID = runID
		b.reporter.stage(func(s *snapshot) { s.RunID, s.submitting = runID, true })
		return b.resolveOutcome(ctx, b.trigger(), b.earlierUnknown(earlier), b.between(earlier.StartedAt, earlier.EndedAt))
	case runID != "":
		earlier.RunID = runID
		return b.continueEarlier(ctx, earlier)
	}
	return b.trigger(), nil
}

// earlierUnknown says that the outcome of an earlier start's submission is unknown, and what that was based on if it
// was something else. Until the outcome is known, the result has that basis.
func (b *batchRun) earlierUnknown(earlier activities.EarlierSubmission) error {
	var was RunBatchResult
	_ = json.Unmarshal(earlier.Result, &was) // without a result, the basis is not known
	b.result.Basis, b.result.TriggeredAt = was.Basis, was.TriggeredAt
	why := fmt.Sprintf("an earlier start of this batch ended (%s) while the outcome of its submission was unknown", earlier.Status)
	if changes := b.basis.Changes(was.Basis, was.TriggeredAt); len(changes) > 0 {
		why += "; it was based on something else: " + strings.Join(changes, "; ")
	}
	return failure(activities.OutcomeUnknown, why)
}

func (b *batchRun) earlierStarts() activities.EarlierSubmissionInput {
	return activities.EarlierSubmissionInput{WorkflowID: b.in.WorkflowID(), RunIDAttribute: runIDAttribute.GetName()}
}

// lookups asks for an earlier start of the same batch, unless the input names a run.
func (b *batchRun) lookups() activities.Lookups {
	if b.in.RunID != "" {
		return noLookups
	}
	earlier := b.earlierStarts()
	return activities.Lookups{Earlier: &earlier}
}

// earlierSubmission is usually looked up along with the connection. Where Temporal's list of workflows
// lagged behind, an activity waits for it.
func (b *batchRun) earlierSubmission(ctx workflow.Context, found resolvedConnection) (activities.EarlierSubmission, error) {
	if found.earlier != nil {
		return *found.earlier, nil
	}
	var earlier activities.EarlierSubmission
	err := b.caller.execute(ctx, callOptions, b.deadline, "find an earlier start", act.EarlierSubmission, b.earlierStarts()).Get(ctx, &earlier)
	return earlier, err
}

// isOngoing reports whether a run is still going. If it is, a restart of unknown outcome took effect.
func (b *batchRun) isOngoing(ctx workflow.Context, runID string) bool {
	if runID == "" {
		return false
	}
	b.result.RunID = runID
	status, err := b.pollOnce(ctx, b.deadline)
	return err == nil && !pbsm.StatusCode(status.Code).Terminal()
}

// submit makes a submission. It returns an empty refusal once there is a run to poll, or else why the
// service refused; without a submission there is a run already. When the outcome is unknown, the
// operator decides whether to submit again.
func (b *batchRun) submit(ctx workflow.Context, s *submission) (refusal string, err error) {
	for s != nil {
		switch {
		case ctx.Err() != nil:
			return "", ctx.Err() // else it would count as a submission of unknown outcome
		case b.deadline.passed(ctx):
			s.command.refuse("the deadline passed")
			b.reporter.stage(func(status *snapshot) { status.submitting = false }) // the operator said so
			return "", b.unsubmitted(s, "")
		}
		b.reporter.stage(func(status *snapshot) { status.submitting = true })
		b.noteBasis(ctx, s)
		if err := b.enter(ctx, Running, s.name+" is on its way", interruptChoices...); err != nil {
			return "", err
		}
		b.logSubmission(ctx, s)
		var run activities.Run
		err := b.caller.execute(ctx, submitOptions, b.deadline, s.name+" "+b.in.Code, s.activity, s.input).Get(ctx, &run)
		last := lastSubmissionHeartbeat(err)
		switch {
		case err == nil:
			return "", b.accepted(ctx, s, run)
		case last.Run != nil: // the worker died before it could say so
			return "", b.accepted(ctx, s, *last.Run)
		case isOutcomeUnknown(err):
			if s, err = b.resolveOutcome(ctx, s, err, b.between(s.since, workflow.Now(ctx))); err != nil {
				return "", err
			}
		case temporal.IsCanceledError(err):
			return "", err
		case errorType(err) == GivenUp, errorType(err) == DeadlinePassed:
			s.command.refuse("%s", reason(err))
			return "", b.abandoned(s, err)
		default:
			return b.refused(ctx, s, err)
		}
	}
	return "", nil
}

// logSubmission logs what is submitted, before anybody knows what comes of it.
func (b *batchRun) logSubmission(ctx workflow.Context, s *submission) {
	s.since = workflow.Now(ctx)
	entry := s.command.entry(s.name + " submitted")
	entry.Event, entry.Since, entry.Sent = audit.Submitted, time.Time{}, s.sent()
	if s.name == "trigger" && entry.Why == "" {
		entry.Why = b.in.Again
	}
	b.reporter.log(ctx, entry)
}

// sent is what the submission says to the service.
func (s *submission) sent() *Sent {
	switch in := s.input.(type) {
	case activities.RunInput:
		return &Sent{Code: in.Code, RunID: in.RunID, ServiceID: in.ServiceID}
	case activities.TriggerBatchInput:
		sent := &Sent{
			Code:          in.Code,
			Group:         in.Group,
			Params:        in.Params,
			IncludedTasks: in.IncludedTasks,
			ExcludedTasks: in.ExcludedTasks,
			HeldTasks:     in.HeldTasks,
			TaskParams:    in.TaskParams,
			GroupDate:     in.GroupDate,
			ServiceID:     in.ServiceID,
		}
		for _, member := range in.Batches {
			sent.Batches = append(sent.Batches, audit.SentBatch(member))
		}
		return sent
	}
	return nil
}

// noteBasis notes what the submission that follows is based on, and when it could begin.
func (b *batchRun) noteBasis(ctx workflow.Context, s *submission) {
	b.result.Basis = b.basis
	if s.name == "trigger" && b.result.TriggeredAt.IsZero() {
		b.result.TriggeredAt = workflow.Now(ctx)
	}
}

func (b *batchRun) unsubmitted(s *submission, last string) error {
	return &batchEnd{state: Failed, errorType: DeadlinePassed, summary: fmt.Sprintf("the deadline passed before the %s was sent%s", s.name, last)}
}

// abandoned ends the batch after a submission that was ended while Temporal had it paused, or retried it.
func (b *batchRun) abandoned(s *submission, err error) error {
	if passed := (*deadlineError)(nil); errors.As(err, &passed) && passed.unsent {
		b.reporter.stage(func(status *snapshot) { status.submitting = false })
		return b.unsubmitted(s, lastTried(err))
	}
	summary := reason(err) + lastTried(err) + "; check on the service's screen " + runsScreen + " whether the " + s.name + " was carried out"
	return &batchEnd{state: Failed, errorType: errorType(err), summary: summary}
}

// accepted adopts the run id that the service returned: a new one, or the same again after a restart.
func (b *batchRun) accepted(ctx workflow.Context, s *submission, run activities.Run) error {
	b.count(s)
	entry := s.command.entry(s.name + " accepted as " + run.RunID)
	entry.Event, entry.Since, entry.Sender = audit.Call, time.Time{}, run.Sender
	b.reporter.log(ctx, entry)
	b.submitted, b.before = true, b.known()
	b.last = activities.BatchStatus{}
	err := b.adopt(ctx, run.RunID, "")
	s.command.reply(b.commandResult(entry.What))
	return err
}

// refused handles a submission that the service refused. A refused trigger ends the batch, as there is no
// run to decide about.
func (b *batchRun) refused(ctx workflow.Context, s *submission, err error) (refusal string, end error) {
	s.command.refuse("%s", reason(err))
	b.reporter.stage(func(status *snapshot) { status.submitting = false })
	refusal = fmt.Sprintf("the %s was refused: %s", s.name, reason(err))
	if s.name == "trigger" {
		b.result.TriggeredAt = time.Time{}
		return "", &batchEnd{state: Failed, errorType: BatchFailed, summary: refusal}
	}
	b.reporter.log(ctx, LogEntry{Event: audit.Call, What: refusal})
	return refusal, nil
}

func (b *batchRun) count(s *submission) {
	switch s.name {
	case "restart":
		b.result.Restarts++
	case "rerun":
		b.result.Reruns++
	}
}

// adopt makes a run the one that is polled. When it was triggered is known only of a run that this start, or an
// earlier one, has submitted: the time at which it was adopted says nothing about what was there when it began.
func (b *batchRun) adopt(ctx workflow.Context, runID, how string) error {
	b.result.RunID, b.result.Basis = runID, b.basis
	if !slices.Contains(b.result.RunIDs, runID) {
		b.result.RunIDs = append(b.result.RunIDs, runID)
	}
	b.since = workflow.Now(ctx)
	if how != "" {
		b.reporter.log(ctx, LogEntry{What: runID + " " + how})
	}
	return b.reporter.update(ctx, func(s *snapshot) {
		s.RunID, s.submitting = runID, false
		s.State, s.Summary, s.Question = Running, "runs as "+runID, nil
	})
}

// resolveOutcome finds out whether a submission of unknown outcome was carried out: a restart shows in
// the status, for anything else the operator has to check. Nothing is submitted again before the
// operator confirms that nothing started. It returns what to submit, or nil once there is a run to poll. sent is when
// the submission was sent.
func (b *batchRun) resolveOutcome(ctx workflow.Context, s *submission, cause error, sent string) (*submission, error) {
	why := fmt.Sprintf("%s. It was sent %s: look on the service's screen %s for a run of %s for %s that began then. If there is one, "+
		"follow it; send it again only if nothing had started", reason(cause), sent, runsScreen, b.in.Code, b.in.AsOfDate)
	b.reporter.log(ctx, LogEntry{Event: audit.OutcomeUnknown, What: reason(cause), Since: s.since})
	for {
		if s.name == "restart" && b.tookEffect(ctx) {
			return nil, b.accepted(ctx, s, activities.Run{RunID: b.result.RunID})
		}
		s.command.refuse("%s", reason(cause))
		c, err := b.ask(ctx, why, DecideCommand+" "+Adopt, DecideCommand+" "+NothingStarted, DecideCommand+" "+GiveUp)
		if err != nil {
			return nil, err
		}
		again := &submission{name: s.name, activity: s.activity, input: s.input}
		switch c.Choice {
		case Adopt:
			if adopted, err := b.adoptNamed(ctx, c); adopted || err != nil {
				b.count(s)
				return nil, err
			}
		case NothingStarted:
			b.answered(ctx, c, "nothing had started; the "+s.name+" is submitted again")
			return again, nil
		default:
			return nil, b.giveUp(ctx, c, reason(cause))
		}
		s = again
	}
}

// runsScreen is the screen of the service that lists the runs of batches; no call does.
const runsScreen = "Monitor Batch"

// between says when something happened of which only the earliest and the latest time are known.
func (b *batchRun) between(first, last time.Time) string {
	if first.IsZero() {
		return "at a time that is not known"
	}
	times := clock.In(b.in.TimeZone)
	if from, to := times.Text(first), times.Text(last); from != to {
		return "between " + from + " and " + to
	}
	return "on " + times.Text(first)
}

// tookEffect reports whether a restart of unknown outcome shows in the status. The run had failed before,
// so it was restarted if it is still going or has succeeded.
func (b *batchRun) tookEffect(ctx workflow.Context) bool {
	status, err := b.pollOnce(ctx, b.deadline)
	code := pbsm.StatusCode(status.Code)
	return err == nil && (!code.Terminal() || code == pbsm.CodeSuccess)
}

// adoptNamed adopts the run that the operator named, if it exists and belongs to this batch.
func (b *batchRun) adoptNamed(ctx workflow.Context, c *command) (adopted bool, err error) {
	if problem := b.in.runIDProblem(c.RunID); problem != "" {
		b.commands.refuse(ctx, c, failure(CommandRefused, problem))
		return false, nil
	}
	before := b.result.RunID
	b.result.RunID = c.RunID
	if _, err := b.pollOnce(ctx, b.deadline); err != nil {
		b.result.RunID = before
		b.commands.refuse(ctx, c, failure(CommandRefused, fmt.Sprintf("run %q cannot be adopted: %s", c.RunID, reason(err))))
		return false, nil
	}
	b.last = activities.BatchStatus{}
	b.answered(ctx, c, c.RunID+" is adopted")
	return true, b.adopt(ctx, c.RunID, "")
}

// isOutcomeUnknown reports whether a submission may have been carried out: the activity says so, or
// it timed out with "sending" as its last heartbeat.
func isOutcomeUnknown(err error) bool {
	return errorType(err) == activities.OutcomeUnknown || lastSubmissionHeartbeat(err).Phase == activities.PhaseSending
}

// lastSubmissionHeartbeat is the last heartbeat of a submission that timed out. One that cannot be read may have been
// sent.
func lastSubmissionHeartbeat(err error) (last activities.SubmissionHeartbeat) {
	var timeout *temporal.TimeoutError
	if !errors.As(err, &timeout) || !timeout.HasLastHeartbeatDetails() {
		return last
	}
	if timeout.LastHeartbeatDetails(&last) != nil || last.Phase == activities.PhaseAnswered && last.Run == nil {
		return activities.SubmissionHeartbeat{Phase: activities.PhaseSending}
	}
	return last
}
