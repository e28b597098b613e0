package workflows

import (
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"go.temporal.io/sdk/temporal"
	"go.temporal.io/sdk/workflow"

	"github.com/pbsmflow/pbsmflow/activities"
	"github.com/pbsmflow/pbsmflow/internal/pbsm"
	"github.com/pbsmflow/pbsmflow/internal/pipeline"
)

var act *activities.Activities // names the activities; never called

// RunBatch triggers a batch or a batch group once, follows it to its end, restarts it
// as often as it may, and asks a person when it is stuck.
//
// One workflow id stands for one posting, BatchWorkflowID; under any other id the
// posting is carried out by a child with the right one.
func RunBatch(ctx workflow.Context, in RunBatchInput) (RunBatchResult, error) {
	if err := in.Validate(); err != nil {
		return RunBatchResult{}, endEarly(ctx, in.Connection, err)
	}
	if workflow.GetInfo(ctx).WorkflowExecution.ID != in.WorkflowID() {
		over, err := redirect(ctx, in.Connection, in.Code, in.WorkflowID())
		if err != nil {
			return RunBatchResult{}, err
		}
		result, err := carryOutBatch(ctx, in)
		over(err)
		return result, err
	}
	b, err := newBatchRun(ctx, in)
	if err != nil {
		return RunBatchResult{}, err
	}
	return b.run(ctx)
}

// batchRun is one posting on its way.
type batchRun struct {
	in       RunBatchInput
	tracker  *tracker
	calls    calls
	desk     *desk
	result   RunBatchResult
	seen     activities.BatchStatus
	since    time.Time  // when the present waiting began
	choices  []string   // the requests that apply in the present phase
	stopping bool       // an interrupt was sent
	asked    []*request // interrupts to be answered once the run has stopped
	leaving  bool       // the workflow is being cancelled
}

// phase is a stretch of a run's life; it gives the next one, or nil at the end.
type phase func(workflow.Context) (phase, error)

func newBatchRun(ctx workflow.Context, in RunBatchInput) (*batchRun, error) {
	b := &batchRun{in: in, result: RunBatchResult{
		WorkflowID: in.WorkflowID(), Connection: in.Connection, Code: in.Code, Group: in.Group, AsOfDate: in.AsOfDate,
	}}
	var err error
	b.tracker, err = track(ctx, Status{Connection: in.Connection, AsOfDate: in.AsOfDate, Subject: in.Code, State: Pending, Summary: "about to be triggered"})
	if err != nil {
		return nil, err
	}
	b.tracker.deadline = in.Deadline
	b.desk, err = openDesk(ctx, b.applies, func(r *request, err error) {
		b.tracker.log(ctx, LogEntry{What: r.choice() + " ignored: " + reason(err), By: r.By, Why: r.Why})
	})
	return b, err
}

func (b *batchRun) applies(r *request) error {
	return notApplicable(r, b.choices, fmt.Sprintf("%s is %s (%s)", b.in.Code, b.tracker.status.State, b.tracker.status.Summary))
}

func (b *batchRun) run(ctx workflow.Context) (RunBatchResult, error) {
	b.tracker.warnWhenLate(ctx, b.in.Deadline)
	var err error
	for next := b.begin; next != nil; {
		next, err = next(ctx)
		if ctx.Err() != nil && !b.leaving && b.result.EndedAt.IsZero() {
			b.leaving, err = true, nil
			ctx, _ = workflow.NewDisconnectedContext(ctx)
			next = b.leave
		}
	}
	if err != nil && b.result.EndedAt.IsZero() {
		b.tracker.failure = errorType(err)
		_ = b.enter(ctx, Failed, reason(err))
	}
	over := fmt.Sprintf("%s is over: %s", b.in.Code, b.tracker.status.Summary)
	for _, r := range b.asked { // the run was not seen to stop: without an answer, close would wait for ever
		r.refuse("%s", over)
	}
	b.desk.close(ctx, over)
	b.tracker.awaitClose(ctx)
	b.tracker.awaitLastNotification(ctx)
	return b.result, err
}

func (b *batchRun) begin(ctx workflow.Context) (_ phase, err error) {
	if b.calls, err = connect(ctx, b.in.Connection, b.tracker); err != nil {
		return nil, err
	}
	if b.in.RunID != "" {
		if fault := b.in.notOwn(b.in.RunID); fault != "" {
			return nil, failure(InvalidInput, fault, []string{fault})
		}
		return b.follow, b.adopt(ctx, b.in.RunID, "taken over")
	}
	var earlier activities.EarlierSubmission
	err = b.calls.execute(ctx, callOptions, b.in.Deadline, "look for an earlier start", act.EarlierSubmission,
		activities.EarlierSubmissionInput{WorkflowID: b.in.WorkflowID(), RunIDAttribute: runIDAttribute.GetName()}).Get(ctx, &earlier)
	if err != nil {
		return nil, err
	}
	trigger := posting{what: "trigger", activity: act.TriggerBatch, input: b.in.trigger()}
	runID, unknown := strings.CutSuffix(earlier.RunID, unknownOutcome)
	switch {
	case unknown && !b.goesOn(ctx, runID):
		b.tracker.posting, b.result.RunID = true, runID
		cause := failure(activities.OutcomeUnknown, fmt.Sprintf("an earlier start of this posting ended (%s) while the outcome of its post was not known", earlier.Status))
		return func(ctx workflow.Context) (phase, error) { return b.undecided(ctx, trigger, cause) }, nil
	case runID != "":
		return b.takeUp(ctx, runID, trigger)
	}
	return b.post(ctx, trigger)
}

// goesOn tells whether a run, if there is one, is on its way: then a restart of unknown outcome took effect.
func (b *batchRun) goesOn(ctx workflow.Context, runID string) bool {
	if runID == "" {
		return false
	}
	b.result.RunID = runID
	seen, err := b.statusNow(ctx)
	return err == nil && !pbsm.StatusCode(seen.Code).Terminal()
}

// takeUp follows the run of an earlier start that still goes on, or that succeeded after all;
// one that failed is not touched: this start is a new posting.
func (b *batchRun) takeUp(ctx workflow.Context, runID string, trigger posting) (phase, error) {
	b.result.RunID = runID
	seen, err := b.statusNow(ctx)
	code := pbsm.StatusCode(seen.Code)
	switch {
	case err != nil && refusalCode(err) != string(pbsm.CodeNoObject):
		return func(ctx workflow.Context) (phase, error) { return b.lost(ctx, err) }, nil
	case err == nil && (!code.Terminal() || code == pbsm.CodeSuccess && b.in.Again == ""):
		return b.follow, b.adopt(ctx, runID, "of an earlier start is taken up")
	}
	b.result.RunID = ""
	return b.post(ctx, trigger)
}

// posting is a call that may happen once: a trigger, a rerun or a restart.
type posting struct {
	what     string
	activity any
	input    any
	request  *request // the person's, or nil
}

func (b *batchRun) restart(r *request) posting {
	return posting{what: "restart", activity: act.RestartBatch, input: b.ref(), request: r}
}

func (b *batchRun) rerun(r *request) posting {
	return posting{what: "rerun", activity: act.RerunBatch, input: b.ref(), request: r}
}

func (b *batchRun) post(ctx workflow.Context, p posting) (phase, error) {
	b.stopping = false
	if b.tooLate(ctx) {
		b.tracker.posting = false // a person said so, if it was not known
		p.request.refused(failure(DeadlinePassed, "the deadline passed"))
		return b.endTooLate(ctx, p)
	}
	b.tracker.posting = true
	err := b.enter(ctx, Running, p.what+" is on its way", InterruptCommand)
	if err != nil {
		return nil, err
	}
	var run activities.Run
	err = b.calls.execute(ctx, postOptions, b.in.Deadline, p.what+" "+b.in.Code, p.activity, p.input).Get(ctx, &run)
	switch {
	case err == nil:
		return b.posted(ctx, p, run)
	case unknown(err):
		return func(ctx workflow.Context) (phase, error) { return b.undecided(ctx, p, err) }, nil
	case temporal.IsCanceledError(err):
		return nil, err
	}
	b.tracker.posting = false
	p.request.refused(err)
	if deadlineHit(err) {
		return b.endTooLate(ctx, p)
	}
	if p.what == "trigger" {
		return b.end(ctx, Failed, BatchFailed, fmt.Sprintf("the trigger was refused: %s", reason(err)))
	}
	why := fmt.Sprintf("the %s was refused: %s", p.what, reason(err))
	return func(ctx workflow.Context) (phase, error) { return b.park(ctx, why) }, nil
}

// tooLate tells that a run would begin that nobody waits for: an activity gets a second even behind the deadline.
func (b *batchRun) tooLate(ctx workflow.Context) bool {
	return !b.in.Deadline.IsZero() && !workflow.Now(ctx).Before(b.in.Deadline)
}

func (b *batchRun) endTooLate(ctx workflow.Context, p posting) (phase, error) {
	return b.end(ctx, Failed, DeadlinePassed, fmt.Sprintf("the deadline passed before the %s could be sent", p.what))
}

func (b *batchRun) posted(ctx workflow.Context, p posting, run activities.Run) (phase, error) {
	b.count(p.what)
	entry := LogEntry{What: p.what + " accepted as " + run.RunID}
	if p.request != nil {
		entry.By, entry.Why = p.request.By, p.request.Why
	}
	b.tracker.log(ctx, entry)
	b.seen = activities.BatchStatus{}
	err := b.adopt(ctx, run.RunID, "")
	p.request.answered(b.answer(entry.What))
	return b.follow, err
}

func (b *batchRun) count(what string) {
	switch what {
	case "restart":
		b.result.Restarts++
	case "rerun":
		b.result.Reruns++
	}
}

// adopt takes the run id that the service answered, whether it is new or not.
func (b *batchRun) adopt(ctx workflow.Context, runID, how string) error {
	b.result.RunID, b.tracker.posting = runID, false
	if !slices.Contains(b.result.RunIDs, runID) {
		b.result.RunIDs = append(b.result.RunIDs, runID)
	}
	b.since = workflow.Now(ctx)
	if b.result.TriggeredAt.IsZero() {
		b.result.TriggeredAt = b.since
	}
	if how != "" {
		b.tracker.log(ctx, LogEntry{What: runID + " " + how})
	}
	return b.tracker.update(ctx, func(s *Status) { s.RunID, s.State, s.Summary = runID, Running, "runs as "+runID })
}

func (b *batchRun) enter(ctx workflow.Context, state State, summary string, choices ...string) error {
	b.choices = choices
	return b.tracker.update(ctx, func(s *Status) { s.State, s.Summary, s.Question = state, summary, nil })
}

// end is the last phase. A success is a success even when the workflow was being cancelled.
func (b *batchRun) end(ctx workflow.Context, state State, errorType, summary string) (phase, error) {
	b.choices = nil
	b.result.State, b.result.EndedAt = state, workflow.Now(ctx)
	b.tracker.log(ctx, LogEntry{What: summary})
	b.result.Log = b.tracker.status.Log
	b.tracker.failure = errorType
	err := b.tracker.update(ctx, func(s *Status) { s.State, s.Summary, s.Question = state, summary, nil })
	switch {
	case err != nil:
		return nil, err
	case state == Cancelled:
		return nil, temporal.NewCanceledError(b.result)
	case errorType != "":
		return nil, failure(errorType, fmt.Sprintf("%s for %s: %s", b.in.Code, b.in.AsOfDate, summary), b.result)
	}
	return nil, nil
}

func (b *batchRun) answer(message string) CommandResult {
	return CommandResult{State: b.tracker.status.State, RunID: b.result.RunID, Message: message}
}

func (b *batchRun) ref() activities.RunInput {
	return activities.RunInput{Connection: b.in.Connection, Code: b.in.Code, RunID: b.result.RunID}
}

// trigger is the call's input: the as-of date goes along unless the parameters say otherwise.
func (in RunBatchInput) trigger() activities.TriggerBatchInput {
	call := activities.TriggerBatchInput{
		Connection: in.Connection, Code: in.Code, Group: in.Group,
		IncludedTasks: in.IncludedTasks, ExcludedTasks: in.ExcludedTasks, HeldTasks: in.HeldTasks,
	}
	params := map[string]string{pipeline.ParamAsOf: in.AsOfDate}
	maps.Copy(params, in.Params)
	if !in.Group {
		call.Params = params
		return call
	}
	for _, member := range in.Batches {
		own := maps.Clone(params)
		maps.Copy(own, member.Params)
		call.Batches = append(call.Batches, activities.BatchParams{Code: member.Code, Params: own})
	}
	return call
}

// unknown tells that a post may have been carried out: the activity says so, or it timed
// out with "sending" as its last word.
func unknown(err error) bool {
	var timeout *temporal.TimeoutError
	if !errors.As(err, &timeout) {
		return errorType(err) == activities.OutcomeUnknown
	}
	var last activities.SubmissionHeartbeat
	return timeout.HasLastHeartbeatDetails() && (timeout.LastHeartbeatDetails(&last) != nil || last.Phase == activities.PhaseSending)
}
