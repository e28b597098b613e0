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
		return RunBatchResult{}, err
	}
	if workflow.GetInfo(ctx).WorkflowExecution.ID != in.WorkflowID() {
		if err := redirect(ctx, in.Connection, in.Code, in.WorkflowID()); err != nil {
			return RunBatchResult{}, err
		}
		return carryOutBatch(ctx, in)
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
	b.desk.close(ctx, fmt.Sprintf("%s is over: %s", b.in.Code, b.tracker.status.Summary))
	return b.result, err
}

func (b *batchRun) begin(ctx workflow.Context) (phase, error) {
	if b.in.RunID != "" {
		return b.follow, b.adopt(ctx, b.in.RunID, "taken over")
	}
	var earlier activities.EarlierPosting
	err := workflow.ExecuteActivity(options(ctx, callOptions, b.in.Deadline, "look for an earlier start"), act.EarlierPosting,
		activities.EarlierPostingInput{WorkflowID: b.in.WorkflowID(), RunIDAttribute: runIDAttribute.GetName()}).Get(ctx, &earlier)
	if err != nil {
		return nil, err
	}
	trigger := posting{what: "trigger", activity: act.TriggerBatch, input: b.in.trigger()}
	runID, unknown := strings.CutSuffix(earlier.RunID, unknownOutcome)
	switch {
	case unknown:
		b.tracker.posting, b.result.RunID = true, runID
		cause := failure(activities.OutcomeUnknown, fmt.Sprintf("an earlier start of this posting ended (%s) while the outcome of its post was not known", earlier.Status))
		return func(ctx workflow.Context) (phase, error) { return b.undecided(ctx, trigger, cause) }, nil
	case runID != "":
		return b.takeUp(ctx, runID, trigger)
	}
	return b.post(ctx, trigger)
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
	b.tracker.posting = true
	err := b.enter(ctx, Running, p.what+" is on its way", InterruptSignal)
	if err != nil {
		return nil, err
	}
	var run activities.Run
	err = workflow.ExecuteActivity(options(ctx, postOptions, b.in.Deadline, p.what+" "+b.in.Code), p.activity, p.input).Get(ctx, &run)
	switch {
	case err == nil:
		return b.posted(ctx, p, run)
	case unknown(err):
		return func(ctx workflow.Context) (phase, error) { return b.undecided(ctx, p, err) }, nil
	case temporal.IsCanceledError(err):
		return nil, err
	}
	b.tracker.posting = false
	if deadlineHit(err) {
		return b.end(ctx, Failed, DeadlinePassed, fmt.Sprintf("the deadline passed before the %s could be sent", p.what))
	}
	p.request.refused(err)
	if p.what == "trigger" {
		return b.end(ctx, Failed, BatchFailed, fmt.Sprintf("the trigger was refused: %s", reason(err)))
	}
	why := fmt.Sprintf("the %s was refused: %s", p.what, reason(err))
	return func(ctx workflow.Context) (phase, error) { return b.park(ctx, why) }, nil
}

func (b *batchRun) posted(ctx workflow.Context, p posting, run activities.Run) (phase, error) {
	switch p.what {
	case "restart":
		b.result.Restarts++
	case "rerun":
		b.result.Reruns++
	}
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
	return b.tracker.update(ctx, func(s *Status) { s.RunID, s.State, s.Summary = runID, Running, "triggered" })
}

// follow looks at the run until it is over, and interrupts it when asked.
func (b *batchRun) follow(ctx workflow.Context) (phase, error) {
	b.choices = followChoices
	looking, stop := workflow.WithCancel(ctx)
	defer stop()
	look := b.look(looking)
	for !look.IsReady() {
		if err := workflow.Await(ctx, func() bool { return look.IsReady() || b.desk.waiting() }); err != nil {
			return nil, err
		}
		if r := b.desk.take(); r != nil {
			stop()
			return b.interrupt(ctx, r)
		}
	}
	var seen activities.BatchStatus
	switch err := look.Get(ctx, &seen); {
	case err == nil:
		return b.saw(ctx, seen)
	case ctx.Err() != nil:
		return nil, err
	case deadlineHit(err):
		return b.end(ctx, Failed, DeadlinePassed, "the deadline passed; the job may still run")
	default:
		return func(ctx workflow.Context) (phase, error) { return b.lost(ctx, err) }, nil
	}
}

var followChoices = []string{InterruptSignal}

func (b *batchRun) look(ctx workflow.Context) workflow.Future {
	known := ""
	if b.seen.RunID != "" {
		known = b.seen.Fingerprint()
	}
	return workflow.ExecuteActivity(options(ctx, watchOptions, b.deadline(), "wait for "+b.result.RunID), act.BatchStatus,
		activities.BatchStatusInput{RunInput: b.ref(), Watch: activities.Watch{Since: b.since, Known: known}})
}

// deadline is the job's, except while leaving: then the stop of the run is awaited without one.
func (b *batchRun) deadline() time.Time {
	if b.leaving {
		return time.Time{}
	}
	return b.in.Deadline
}

// saw takes in a status. Only the run's own code decides, never the call's.
func (b *batchRun) saw(ctx workflow.Context, seen activities.BatchStatus) (phase, error) {
	b.seen = seen
	b.result.StatusCode, b.result.Status = seen.Code, seen.Text
	b.result.Tasks, b.result.Batches = tasksOf(seen), membersOf(seen)
	code := pbsm.StatusCode(seen.Code)
	state := Running
	if b.stopping {
		state = Interrupting
	}
	err := b.tracker.update(ctx, func(s *Status) {
		s.State, s.StatusCode, s.Tasks, s.Batches = state, seen.Code, b.result.Tasks, b.result.Batches
		s.Summary, s.Waiting = progressText(seen), nil
		if held(seen) {
			s.State = Waiting
			s.Waiting = &WaitingFor{Why: "the service holds the run, or a task of it: release it on the service's screens", Choices: followChoices, Deadline: b.in.Deadline}
		}
	})
	switch {
	case err != nil:
		return nil, err
	case !code.Terminal():
		return b.follow, nil
	}
	for _, r := range b.asked {
		r.reply(b.answer(fmt.Sprintf("%s ended as %s", b.result.RunID, code.Text())))
	}
	b.asked = nil
	if code == pbsm.CodeSuccess {
		return b.end(ctx, Succeeded, "", "succeeded")
	}
	return b.stuck, nil
}

// interrupt asks the service to stop the run; the run is followed until it has stopped.
func (b *batchRun) interrupt(ctx workflow.Context, r *request) (phase, error) {
	err := workflow.ExecuteActivity(options(ctx, callOptions, b.deadline(), "interrupt "+b.result.RunID), act.InterruptBatch, b.ref()).Get(ctx, nil)
	switch {
	case err == nil:
		b.tracker.log(ctx, LogEntry{What: "interrupt sent for " + b.result.RunID, By: r.by(), Why: r.why()})
		b.stopping, b.since = true, workflow.Now(ctx)
		if r != nil {
			b.asked = append(b.asked, r)
		}
		return b.follow, b.tracker.update(ctx, func(s *Status) {
			s.State, s.Summary = Interrupting, "interrupt sent; waiting until the run has stopped"
		})
	case ctx.Err() != nil:
		return nil, err
	}
	b.tracker.log(ctx, LogEntry{What: "interrupt refused: " + reason(err), By: r.by(), Why: r.why()})
	if refusalCode(err) == string(pbsm.CodeNotOngoing) {
		if seen, lookErr := b.statusNow(ctx); lookErr == nil && pbsm.StatusCode(seen.Code).Terminal() {
			r.answered(b.answer(fmt.Sprintf("%s had ended as %s", b.result.RunID, seen.Text)))
			return b.saw(ctx, seen)
		}
	}
	r.refused(err)
	if b.leaving {
		return b.end(ctx, Cancelled, "", fmt.Sprintf("cancelled; %s could not be interrupted and may still run: %s", b.result.RunID, reason(err)))
	}
	return b.follow, nil
}

// stuck is a run that ended without success: restarted while it may be, then a person is asked.
func (b *batchRun) stuck(ctx workflow.Context) (phase, error) {
	why := fmt.Sprintf("%s ended as %s%s", b.result.RunID, pbsm.StatusCode(b.seen.Code).Text(), failedTasks(b.seen))
	switch {
	case b.leaving:
		return b.end(ctx, Cancelled, "", "cancelled; "+why)
	case b.stopping || pbsm.StatusCode(b.seen.Code) == pbsm.CodeInterrupted || b.result.Restarts >= b.in.Restarts:
		return b.park(ctx, why)
	}
	delay, _ := b.in.restartDelay()
	err := b.enter(ctx, Running, fmt.Sprintf("%s; restart %d of %d in %s", why, b.result.Restarts+1, b.in.Restarts, delay), parkedChoices...)
	if err != nil {
		return nil, err
	}
	spoken, err := workflow.AwaitWithOptions(ctx, workflow.AwaitOptions{
		Timeout: delay, TimerOptions: workflow.TimerOptions{Summary: "pause before the restart"},
	}, b.desk.waiting)
	switch {
	case err != nil:
		return nil, err
	case spoken:
		return b.park(ctx, why)
	}
	return b.post(ctx, b.restart(nil))
}

var parkedChoices = []string{RestartSignal, RerunSignal, DecideSignal + " " + Retry, DecideSignal + " " + GiveUp}

// park asks a person what becomes of a run that is over.
func (b *batchRun) park(ctx workflow.Context, why string) (phase, error) {
	r, next, err := b.ask(ctx, why, parkedChoices...)
	if r == nil {
		return next, err
	}
	switch r.choice() {
	case RestartSignal:
		return b.post(ctx, b.restart(r))
	case RerunSignal:
		return b.post(ctx, b.rerun(r))
	case DecideSignal + " " + Retry:
		return b.lookAgain(ctx, r)
	}
	return b.giveUp(ctx, r, why)
}

// undecided is a post of which nobody knows whether it was carried out. It is never
// repeated without a person's word; a restart that took effect shows in the status.
func (b *batchRun) undecided(ctx workflow.Context, p posting, cause error) (phase, error) {
	if p.what == "restart" {
		if seen, err := b.statusNow(ctx); err == nil && !pbsm.StatusCode(seen.Code).Terminal() {
			return b.posted(ctx, p, activities.Run{RunID: b.result.RunID})
		}
	}
	p.request.refused(cause)
	choices := []string{DecideSignal + " " + Adopt, DecideSignal + " " + NothingStarted, DecideSignal + " " + GiveUp}
	r, next, err := b.ask(ctx, reason(cause)+". Look on the service's screens whether a run started", choices...)
	if r == nil {
		return next, err
	}
	again := func(ctx workflow.Context) (phase, error) {
		return b.undecided(ctx, posting{what: p.what, activity: p.activity, input: p.input}, cause)
	}
	switch r.Choice {
	case Adopt:
		return b.adoptWord(ctx, r, again)
	case NothingStarted:
		b.decided(ctx, r, "nothing had started; the "+p.what+" is posted again")
		return b.post(ctx, posting{what: p.what, activity: p.activity, input: p.input})
	}
	return b.giveUp(ctx, r, reason(cause))
}

// lost is a run whose status the service will not tell.
func (b *batchRun) lost(ctx workflow.Context, cause error) (phase, error) {
	choices := []string{DecideSignal + " " + Retry, DecideSignal + " " + Adopt, DecideSignal + " " + GiveUp}
	if b.leaving {
		return b.end(ctx, Cancelled, "", fmt.Sprintf("cancelled; the service does not tell the status of %s: %s", b.result.RunID, reason(cause)))
	}
	r, next, err := b.ask(ctx, fmt.Sprintf("the service does not tell the status of %s: %s", b.result.RunID, reason(cause)), choices...)
	if r == nil {
		return next, err
	}
	switch r.Choice {
	case Retry:
		return b.lookAgain(ctx, r)
	case Adopt:
		return b.adoptWord(ctx, r, func(ctx workflow.Context) (phase, error) { return b.lost(ctx, cause) })
	}
	return b.giveUp(ctx, r, reason(cause))
}

// ask waits for one of the choices until the deadline. Without a request it gives the next phase.
func (b *batchRun) ask(ctx workflow.Context, why string, choices ...string) (*request, phase, error) {
	b.choices = choices
	err := b.tracker.update(ctx, func(s *Status) {
		s.State, s.Summary = Waiting, why
		s.Waiting = &WaitingFor{Why: why, Choices: choices, Deadline: b.in.Deadline}
	})
	if err != nil {
		return nil, nil, err
	}
	for {
		spoken, err := awaitUntil(ctx, b.in.Deadline, "a person's word", b.desk.waiting)
		if err != nil {
			return nil, nil, err
		}
		if !spoken {
			next, err := b.end(ctx, Failed, DeadlinePassed, why+"; the deadline passed and nobody decided")
			return nil, next, err
		}
		if r := b.desk.take(); r != nil {
			b.tracker.status.Waiting = nil
			return r, nil, nil
		}
	}
}

// awaitUntil waits for a condition, for ever when the deadline is zero. It tells whether the condition came true.
func awaitUntil(ctx workflow.Context, deadline time.Time, summary string, condition func() bool) (bool, error) {
	if deadline.IsZero() {
		return true, workflow.Await(ctx, condition)
	}
	return workflow.AwaitWithOptions(ctx, workflow.AwaitOptions{
		Timeout: deadline.Sub(workflow.Now(ctx)), TimerOptions: workflow.TimerOptions{Summary: summary},
	}, condition)
}

// adoptWord follows the run that a person named, if it exists and belongs to this batch.
func (b *batchRun) adoptWord(ctx workflow.Context, r *request, otherwise phase) (phase, error) {
	if !strings.HasPrefix(r.RunID, b.in.Code+"_") {
		r.refuse("run %q does not belong to %s: its run ids begin with %s_", r.RunID, b.in.Code, b.in.Code)
		return otherwise, nil
	}
	before := b.result.RunID
	b.result.RunID = r.RunID
	if _, err := b.statusNow(ctx); err != nil {
		b.result.RunID = before
		r.refuse("run %q cannot be adopted: %s", r.RunID, reason(err))
		return otherwise, nil
	}
	b.seen = activities.BatchStatus{}
	b.decided(ctx, r, r.RunID+" is adopted")
	return b.follow, b.adopt(ctx, r.RunID, "")
}

func (b *batchRun) lookAgain(ctx workflow.Context, r *request) (phase, error) {
	b.seen, b.since, b.stopping = activities.BatchStatus{}, workflow.Now(ctx), false
	b.decided(ctx, r, "the run is looked at again")
	return b.follow, b.tracker.update(ctx, func(s *Status) { s.State, s.Summary = Running, "looking again" })
}

func (b *batchRun) giveUp(ctx workflow.Context, r *request, why string) (phase, error) {
	b.decided(ctx, r, "given up")
	state := Failed
	if pbsm.StatusCode(b.seen.Code) == pbsm.CodeInterrupted {
		state = Interrupted
	}
	return b.end(ctx, state, GivenUp, "given up: "+why)
}

func (b *batchRun) decided(ctx workflow.Context, r *request, what string) {
	b.tracker.log(ctx, LogEntry{What: what, By: r.By, Why: r.Why})
	r.reply(b.answer(what))
}

// statusNow reads the status once, whatever it is.
func (b *batchRun) statusNow(ctx workflow.Context) (activities.BatchStatus, error) {
	var seen activities.BatchStatus
	err := workflow.ExecuteActivity(options(ctx, callOptions, b.deadline(), "look at "+b.result.RunID), act.BatchStatus,
		activities.BatchStatusInput{RunInput: b.ref(), Watch: activities.Watch{Since: workflow.Now(ctx)}}).Get(ctx, &seen)
	return seen, err
}

// leave is a cancellation: a run that goes on is interrupted and its stop awaited; one that
// is over is left alone.
func (b *batchRun) leave(ctx workflow.Context) (phase, error) {
	b.choices = nil
	switch {
	case b.result.RunID == "":
		return b.end(ctx, Cancelled, "", "cancelled before a run id was known: look on the service's screens whether a run started")
	case pbsm.StatusCode(b.seen.Code).Terminal():
		return b.end(ctx, Cancelled, "", fmt.Sprintf("cancelled; %s was over", b.result.RunID))
	}
	return b.interrupt(ctx, nil)
}

func (b *batchRun) enter(ctx workflow.Context, state State, summary string, choices ...string) error {
	b.choices = choices
	return b.tracker.update(ctx, func(s *Status) { s.State, s.Summary, s.Waiting = state, summary, nil })
}

// end is the last phase. A success is a success even when the workflow was being cancelled.
func (b *batchRun) end(ctx workflow.Context, state State, errorType, summary string) (phase, error) {
	b.choices = nil
	b.result.State, b.result.EndedAt = state, workflow.Now(ctx)
	b.tracker.log(ctx, LogEntry{What: summary})
	b.result.Log = b.tracker.status.Log
	err := b.tracker.update(ctx, func(s *Status) { s.State, s.Summary, s.Waiting = state, summary, nil })
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

func (b *batchRun) answer(message string) SteeringResult {
	return SteeringResult{State: b.tracker.status.State, RunID: b.result.RunID, Message: message}
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
	var last activities.Posting
	return timeout.HasLastHeartbeatDetails() && (timeout.LastHeartbeatDetails(&last) != nil || last.Phase == activities.PhaseSending)
}
