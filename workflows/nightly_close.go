package workflows

import (
	"encoding/json"
	"fmt"
	"slices"
	"strings"

	"go.temporal.io/sdk/temporal"
	"go.temporal.io/sdk/workflow"

	"github.com/pbsmflow/pbsmflow/activities"
	"github.com/pbsmflow/pbsmflow/internal/audit"
	"github.com/pbsmflow/pbsmflow/internal/pipeline"
)

// NightlyClose runs a pipeline for one connection and one as-of date: each step as soon as
// what it needs is done, each in a workflow of its own. A step that fails waits for a
// person; it does not end the night.
//
// One workflow id stands for one night, CloseWorkflowID; under any other id the night is
// carried out by a child with the right one.
func NightlyClose(ctx workflow.Context, in NightlyCloseInput) (NightlyCloseResult, error) {
	if err := in.Validate(); err != nil {
		return NightlyCloseResult{}, endEarly(ctx, in.Connection, err)
	}
	over, err := reportStub(ctx, Status{
		Connection: in.Connection, AsOfDate: in.AsOfDate, Subject: in.Pipeline, State: Pending, Summary: "the pipeline is read and checked",
	})
	if err != nil {
		return NightlyCloseResult{}, err
	}
	var plan activities.Plan
	err = workflow.ExecuteActivity(options(ctx, callOptions, noDeadline, "read and check the pipeline"), act.PreparePipeline,
		activities.PreparePipelineInput{
			Connection: in.Connection, Name: in.Pipeline, Definition: in.Definition, AsOfDate: in.AsOfDate,
			StartedAt: workflow.GetInfo(ctx).WorkflowStartTime,
		}).Get(ctx, &plan)
	if err != nil {
		over(err)
		return NightlyCloseResult{}, endEarly(ctx, in.Connection, err)
	}
	id := CloseWorkflowID(in.Connection, plan.Name, in.AsOfDate)
	if workflow.GetInfo(ctx).WorkflowExecution.ID != id {
		over, err := delegateTo(ctx, in.Connection, plan.Name, id)
		if err != nil {
			return NightlyCloseResult{}, err
		}
		var result NightlyCloseResult
		err = runOrAttach(ctx, id, closeReusePolicy, noDeadline, plan.Name+" for "+in.AsOfDate, NightlyClose, in, &result)
		over(err)
		return result, err
	}
	if err := in.fourEyes(plan); err != nil {
		over(err)
		return NightlyCloseResult{}, endEarly(ctx, in.Connection, err)
	}
	n, err := newNight(ctx, in, plan)
	if err != nil {
		return NightlyCloseResult{}, err
	}
	return n.run(ctx)
}

// fourEyes refuses a close of which nobody could tell whether its approver is its starter.
func (in NightlyCloseInput) fourEyes(plan activities.Plan) error {
	var f faults
	for _, s := range plan.Steps {
		if s.Kind == pipeline.KindApprove && strings.TrimSpace(in.StartedBy) == "" {
			f.add("started_by is missing: step %s is approved by somebody else than who started the close", s.Step.ID)
		}
	}
	return f.err()
}

// night is a close on its way.
type night struct {
	in       NightlyCloseInput
	plan     activities.Plan
	reporter *statusReporter
	commands *commandInbox
	steps    []*step
	byID     map[string]*step
	events   []audit.Event // what steps did, as the audit file says it
}

// step is a step of the night. Its place in the status is the same as in night.steps.
type step struct {
	activities.PlanStep
	night   *night
	place   int
	result  StepResult
	detail  string
	waiting *Question // what a person is asked, by the step itself or by its batch
	choices []string  // what a person can say to the step itself
	failure string    // the type of the error with which the step failed
	late    string    // the warning, from when it is late until it ends
	word    *command  // what the person said
	// following: a batch's own workflow is on its way, tells how it stands and takes requests.
	following bool
	told      int // what the batch's workflow told last
}

func newNight(ctx workflow.Context, in NightlyCloseInput, plan activities.Plan) (*night, error) {
	n := &night{in: in, plan: plan, byID: map[string]*step{}}
	initial := Status{Connection: in.Connection, AsOfDate: in.AsOfDate, Subject: plan.Name}
	for i, p := range plan.Steps {
		s := &step{PlanStep: p, night: n, place: i, result: StepResult{ID: p.Step.ID, Kind: string(p.Kind), State: Pending}}
		n.steps = append(n.steps, s)
		n.byID[p.Step.ID] = s
		initial.Steps = append(initial.Steps, StepStatus{ID: p.Step.ID, Kind: string(p.Kind), Needs: p.Step.Needs, State: Pending})
	}
	initial.Summary = n.summary(initial)
	var err error
	if n.reporter, err = newStatusReporter(ctx, initial, plan.Deadline); err != nil {
		return nil, err
	}
	n.reporter.notifyOn(plan.NotifyOn, false)
	n.commands, err = openCommandInbox(ctx, n.applies, func(r *command, err error) {
		n.reporter.log(ctx, LogEntry{What: r.choice() + " ignored: " + reason(err), By: r.By, Why: r.Why})
	})
	return n, err
}

func (n *night) run(ctx workflow.Context) (NightlyCloseResult, error) {
	over := 0
	for _, s := range n.steps {
		workflow.Go(ctx, func(ctx workflow.Context) {
			defer func() { over++ }()
			s.run(ctx)
		})
	}
	workflow.Go(ctx, n.attend)
	workflow.Go(ctx, n.listen)
	uncancelled, _ := workflow.NewDisconnectedContext(ctx)
	if err := workflow.Await(uncancelled, func() bool { return over == len(n.steps) }); err != nil {
		return NightlyCloseResult{}, err
	}
	result := n.close(ctx)
	n.commands.close(ctx, "the close is over: "+n.reporter.status().Summary)
	result.Audit = n.audit(ctx, result)
	n.reporter.flush(ctx)
	result.Log = n.reporter.status().Log
	result = result.fitting()
	switch result.State {
	case Succeeded:
		return result, nil
	case Cancelled:
		return result, temporal.NewCanceledError(result)
	}
	return result, failure(CloseFailed, fmt.Sprintf("%s for %s: %s", n.plan.Name, n.in.AsOfDate, n.reporter.status().Summary), result)
}

// maxResult is well below the 2 MB that Temporal takes: a workflow with a larger result cannot end.
const maxResult = 1 << 20

// fitting leaves out of a result that is too large what the batches' own workflows have, too.
func (r NightlyCloseResult) fitting() NightlyCloseResult {
	if text, err := json.Marshal(r); err != nil || len(text) <= maxResult {
		return r
	}
	r.Steps = slices.Clone(r.Steps)
	for i, s := range r.Steps {
		if s.Batch != nil {
			short := *s.Batch
			short.Tasks, short.Batches, short.Log = nil, nil, nil
			r.Steps[i].Batch = &short
		}
	}
	return r
}

// close sums the night up.
func (n *night) close(ctx workflow.Context) NightlyCloseResult {
	result := NightlyCloseResult{
		Connection: n.in.Connection, Pipeline: n.plan.Name, AsOfDate: n.in.AsOfDate, State: Succeeded,
		StartedAt: n.reporter.status().StartedAt, EndedAt: workflow.Now(ctx), Log: n.reporter.status().Log,
	}
	var failed []string
	for _, s := range n.steps {
		result.Steps = append(result.Steps, s.result)
		if s.result.State != Succeeded && s.result.State != Skipped {
			failed = append(failed, s.Step.ID+" "+string(s.result.State))
		}
	}
	summary, errorType := "every step is done", ""
	switch {
	case ctx.Err() != nil && len(failed) > 0:
		result.State, summary = Cancelled, "cancelled: "+strings.Join(failed, ", ")
	case len(failed) > 0:
		result.State, summary = Failed, strings.Join(failed, ", ")
		errorType = n.failure()
	}
	_ = n.reporter.update(ctx, func(s *snapshot) { s.State, s.Summary, s.Question, s.failure = result.State, summary, nil, errorType })
	return result
}

// failure is the type of error for which the night failed: given up only when a person gave up
// every step that failed, for then nobody need be told.
func (n *night) failure() string {
	worst := GivenUp
	for _, s := range n.steps {
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

// show sets a step's line in the status, and the night's state with it.
func (n *night) show(ctx workflow.Context, s *step) {
	err := n.reporter.update(ctx, func(status *snapshot) {
		line := &status.Steps[s.place]
		line.State, line.Detail, line.Question = s.result.State, s.detail, s.waiting
		line.WorkflowID, line.StartedAt, line.EndedAt = s.result.WorkflowID, s.result.StartedAt, s.result.EndedAt
		status.State, status.Question = Running, nil
		for _, other := range n.steps {
			if w := other.waiting; w != nil && status.Question == nil {
				status.State = Waiting
				status.Question = &Question{Why: other.Step.ID + ": " + w.Why, Choices: w.Choices, Deadline: w.Deadline}
			}
		}
		status.Summary, status.AtRisk = n.summary(status.Status), n.late()
	})
	if err != nil {
		workflow.GetLogger(ctx).Error("the status could not be shown", "error", err)
	}
}

// late says which steps are late now.
func (n *night) late() string {
	var warnings []string
	for _, s := range n.steps {
		if s.late != "" {
			warnings = append(warnings, s.late)
		}
	}
	return strings.Join(warnings, "; ")
}

func (n *night) summary(s Status) string {
	done := 0
	var now []string
	for _, line := range s.Steps {
		switch {
		case line.State.Done():
			done++
		case line.State != Pending:
			now = append(now, line.ID+" "+string(line.State))
		}
	}
	text := fmt.Sprintf("%d of %d steps done", done, len(s.Steps))
	if len(now) > 0 {
		text += "; " + strings.Join(now, ", ")
	}
	return text
}
