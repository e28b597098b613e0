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
)

// NightlyClose runs a pipeline for one connection and one as-of date: each step as soon as what it needs
// is done, and in a workflow of its own. A step that fails asks the operator; it does not end the close.
//
// One workflow id stands for one close, CloseWorkflowID; a start under any other id runs the close in a
// child with the right one.
func NightlyClose(ctx workflow.Context, in NightlyCloseInput) (NightlyCloseResult, error) {
	if err := in.Validate(); err != nil {
		return NightlyCloseResult{}, endEarly(ctx, in.Connection, err)
	}
	plan, err := in.prepare(ctx)
	if err != nil {
		return NightlyCloseResult{}, endEarly(ctx, in.Connection, err)
	}
	if id := KeyedCloseWorkflowID(in.Connection, plan.Name, in.AsOfDate, plan.Key); workflow.GetInfo(ctx).WorkflowExecution.ID != id {
		return in.delegate(ctx, plan.Name, id)
	}
	ctx, c, err := newCloseRun(ctx, in, plan)
	if err != nil {
		return NightlyCloseResult{}, err
	}
	if err := c.lookUpEarlier(ctx); err != nil && ctx.Err() == nil {
		return NightlyCloseResult{}, endEarly(ctx, in.Connection, err)
	}
	if err := c.verifyStart(ctx); err != nil {
		return NightlyCloseResult{}, endEarly(ctx, in.Connection, err)
	}
	if err := c.markAgain(ctx); err != nil {
		return NightlyCloseResult{}, endEarly(ctx, in.Connection, err)
	}
	if err := c.runSteps(ctx); err != nil {
		return NightlyCloseResult{}, err
	}
	return c.end(ctx)
}

// prepare has the pipeline read, checked and rendered.
func (in NightlyCloseInput) prepare(ctx workflow.Context) (plan activities.Plan, err error) {
	ended, err := reportStub(ctx, Status{
		Connection: in.Connection,
		AsOfDate:   in.AsOfDate,
		Subject:    in.Pipeline,
		State:      Pending,
		Summary:    "reading and checking the pipeline",
	})
	if err != nil {
		return plan, err
	}
	activity := options(ctx, callOptions, "read and check the pipeline")
	err = workflow.ExecuteActivity(activity, act.PreparePipeline, activities.PreparePipelineInput{
		Connection: in.Connection,
		Name:       in.Pipeline,
		Definition: in.Definition,
		AsOfDate:   in.AsOfDate,
		Params:     in.Params,
		Key:        in.Key,
		StartedAt:  workflow.GetInfo(ctx).WorkflowStartTime,
	}).Get(ctx, &plan)
	if err == nil {
		err = in.checkSteps(plan)
	}
	if err != nil {
		ended(err)
	}
	return plan, err
}

// delegate runs the close under its own id.
func (in NightlyCloseInput) delegate(ctx workflow.Context, pipeline, id string) (result NightlyCloseResult, err error) {
	in.Delegated = startsAlone(ctx, in.Delegated)
	ended, err := delegateTo(ctx, in.Connection, pipeline, id)
	if err != nil {
		return result, err
	}
	err = runOrAttach(ctx, childRun{
		id:       id,
		workflow: NightlyClose,
		input:    in,
		result:   &result,
		summary:  pipeline + " for " + in.AsOfDate,
		once:     in.Again == nil,
	})
	ended(err)
	return result, err
}

// closeRun is a running close.
type closeRun struct {
	in       NightlyCloseInput
	plan     activities.Plan
	reporter *statusReporter
	caller   caller
	commands *commandInbox
	steps    []*step
	active   int // steps that have not ended
	audit    closeAudit
	earlier  map[string]StepResult // those of an earlier start, by step
	starters []string              // who started the close, also earlier or in part
	// unknownStarter is the run of an earlier start of which nobody can tell who it was; empty: there is none.
	unknownStarter string
	started        *bool // whether the name of who started it now is proved; nil where none can be

	earlierStart time.Time // the latest one; zero: there was none
}

func newCloseRun(ctx workflow.Context, in NightlyCloseInput, plan activities.Plan) (workflow.Context, *closeRun, error) {
	c := &closeRun{in: in, plan: plan}
	initial := Status{
		Connection: in.Connection,
		AsOfDate:   in.AsOfDate,
		TimeZone:   plan.TimeZone,
		Subject:    plan.Name + prefixed("/", plan.Key),
		Params:     plan.Params,
		StartedBy:  in.StartedBy,
		Deadline:   plan.Deadline,
	}
	byID, siblings := map[string]*step{}, map[string][]*step{}
	for i, p := range plan.Steps {
		s := newStep(c, i, p)
		c.steps = append(c.steps, s)
		byID[p.Step.ID] = s
		siblings[p.Of] = append(siblings[p.Of], s)
		line := StepStatus{
			ID:          p.Step.ID,
			Of:          p.Of,
			Description: p.Step.Description,
			Kind:        string(p.Kind),
			Needs:       p.Step.Needs,
		}
		s.describe(&line)
		initial.Steps = append(initial.Steps, line)
	}
	for _, s := range c.steps {
		for _, id := range s.Step.Needs {
			s.needs = append(s.needs, byID[id])
		}
		s.siblings = siblings[s.Of]
	}
	initial.Summary = closeSummary(initial)

	var err error
	if ctx, c.reporter, err = newStatusReporter(ctx, initial); err != nil {
		return ctx, nil, err
	}
	c.caller.supervisor = superviseUntilEnd(ctx, 0, c.reporter)
	c.reporter.notifyOn(plan.NotifyOn, false)
	err = errors.Join(
		workflow.SetQueryHandler(ctx, activities.ResultQuery, func() (NightlyCloseResult, error) { return c.result().fitting(), nil }),
		workflow.SetQueryHandler(ctx, InputQuery, func() (NightlyCloseInput, error) { return in, nil }),
	)
	if err != nil {
		return ctx, nil, err
	}
	c.watchCancellation(ctx)
	if c.commands, err = openCommandInbox(ctx, c.reporter, c.applies); err != nil {
		return ctx, nil, err
	}
	c.commands.immediate[ExtendCommand], c.commands.proofs.hasSteps = c.extend, true
	return ctx, c, nil
}

// runSteps runs every step to its end, also when the close is cancelled: then they end as cancelled.
func (c *closeRun) runSteps(ctx workflow.Context) error {
	for _, s := range c.steps {
		c.launch(ctx, s)
	}
	workflow.Go(ctx, c.dispatchCommands)
	workflow.Go(ctx, c.receiveReports)
	uncancelled, _ := workflow.NewDisconnectedContext(ctx)
	return workflow.Await(uncancelled, func() bool { return c.active == 0 })
}

func (c *closeRun) launch(ctx workflow.Context, s *step) {
	c.active++
	workflow.Go(ctx, func(ctx workflow.Context) {
		defer func() { c.active-- }()
		s.run(ctx)
	})
}

// end sums the close up, writes its audit file, and returns how the workflow ends.
func (c *closeRun) end(ctx workflow.Context) (NightlyCloseResult, error) {
	result := c.sumUp(ctx)
	summary := c.reporter.status().Summary
	c.commands.close(ctx, "the close has ended: "+summary)
	if c.plan.Audit != "" {
		result.Audit = c.writeAudit(ctx, result)
		_ = c.reporter.update(ctx, func(s *snapshot) { s.Audit, s.auditPending = result.Audit, false })
	}
	c.reporter.flush(ctx)
	result.Log = c.reporter.status().Log
	result = result.fitting()
	switch result.State {
	case Succeeded, SucceededWithExceptions:
		return result, nil
	case Cancelled:
		return result, temporal.NewCanceledError(result)
	}
	return result, failure(CloseFailed, fmt.Sprintf("%s for %s: %s", c.reporter.status().Subject, c.in.AsOfDate, summary), result)
}

// result is what the close has come to so far.
func (c *closeRun) result() NightlyCloseResult {
	status := c.reporter.status()
	result := NightlyCloseResult{
		Connection: c.in.Connection,
		Pipeline:   c.plan.Name,
		AsOfDate:   c.in.AsOfDate,
		Key:        c.plan.Key,
		Params:     c.plan.Params,
		TimeZone:   c.plan.TimeZone,
		State:      status.State,
		Summary:    status.Summary,
		StartedBy:  c.in.StartedBy,
		StartedAt:  status.StartedAt,
		Starters:   c.starters,

		StartedByProved: c.started,
		UnknownStarter:  c.unknownStarter,
	}
	for _, s := range c.steps {
		step := s.result
		if step.State == Succeeded {
			step.Summary = s.kind.outcome(step)
		}
		result.Steps = append(result.Steps, step)
	}
	return result
}

// maxListed is how many steps a summary names: it is in the memo, in messages and on one line of a screen.
const maxListed = 20

// listed names the first of them.
func listed(steps []string) string {
	if n := len(steps) - maxListed; n > 0 {
		return strings.Join(steps[:maxListed], ", ") + fmt.Sprintf(" and %d more", n)
	}
	return strings.Join(steps, ", ")
}

// sumUp publishes how the close ended.
func (c *closeRun) sumUp(ctx workflow.Context) NightlyCloseResult {
	result := c.result()
	result.State, result.EndedAt = Succeeded, workflow.Now(ctx)
	var failed, exceptions []string
	for _, s := range c.steps {
		switch said := s.Step.ID + " " + string(s.result.State); {
		case !s.passed():
			failed = append(failed, said)
		case s.result.State != Succeeded && s.result.State != NotTonight:
			exceptions = append(exceptions, said)
		case s.result.Batch.Exception() != "":
			exceptions = append(exceptions, said+" with failed tasks")
		}
	}
	summary, errorType := "every step is done", ""
	if n := countIn(NotTonight, c.reporter.status().Steps); n > 0 {
		summary = fmt.Sprintf("every step of this night is done, %d not tonight", n)
	}
	if len(exceptions) > 0 {
		result.State, summary = SucceededWithExceptions, "done with exceptions: "+listed(exceptions)
	}
	switch {
	case ctx.Err() != nil && len(failed) > 0:
		result.State, summary = Cancelled, c.reporter.cancellation()+": "+listed(failed)
	case len(failed) > 0:
		result.State, summary, errorType = Failed, listed(failed), c.errorType()
	}
	result.Summary = summary
	_ = c.reporter.update(ctx, func(s *snapshot) {
		s.State, s.Summary, s.Question, s.failure = result.State, summary, nil, errorType
		s.auditPending = c.plan.Audit != ""
	})
	return result
}

// errorType is the type of error with which the close failed. It is given up only if an operator gave up
// every step that failed: then nobody has to be alerted.
func (c *closeRun) errorType() string {
	worst := GivenUp
	for _, s := range c.steps {
		switch {
		case s.result.State != Failed || s.failure == GivenUp:
		case s.failure == DeadlinePassed:
			worst = DeadlinePassed
		default:
			return CloseFailed
		}
	}
	return worst
}

// maxResult is well below the 2 MB that Temporal accepts: a workflow with a larger result cannot end.
const maxResult = 1 << 20

// fitting shortens a result that is too large by what the workflows of the batches return as well.
func (r NightlyCloseResult) fitting() NightlyCloseResult {
	if text, err := json.Marshal(r); err != nil || len(text) <= maxResult {
		return r
	}
	r.Steps = slices.Clone(r.Steps)
	for i, s := range r.Steps {
		if s.Batch != nil {
			short := *s.Batch
			short.Tasks, short.Batches, short.Log = nil, nil, nil
			short.FailedTasks = short.FailedTasks[:min(1, len(short.FailedTasks))] // it stays an exception
			r.Steps[i].Batch = &short
		}
	}
	return r
}
