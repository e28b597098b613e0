package workflows

import (
	"fmt"
	"time"

	"go.temporal.io/sdk/workflow"

	"github.com/pbsmflow/pbsmflow/activities"
	"github.com/pbsmflow/pbsmflow/internal/audit"
	"github.com/pbsmflow/pbsmflow/internal/basis"
	"github.com/pbsmflow/pbsmflow/internal/clock"
	"github.com/pbsmflow/pbsmflow/internal/pipeline"
)

// stepKind is what a close knows about a kind of step. Each kind implements it in a file of its own, step_*.go.
type stepKind interface {
	// summary says in one line what the step does.
	summary(s pipeline.Step) string
	// workflowID is the id of the step's own workflow; empty if it has none.
	workflowID(ctx workflow.Context, s activeStep) string
	// run makes one attempt. What came of it is put into the result, also if it failed.
	run(ctx workflow.Context, s activeStep, result *StepResult) error
	// work is what the step does: the input of its workflow. A step that did the same before may be kept.
	work(s activeStep) any
	// identity identifies the result of a step that succeeded.
	identity(s activeStep, r StepResult) string
	// outcome says in one line what a step that succeeded did.
	outcome(r StepResult) string
	// events are what the last attempt adds to the audit file. One without a time happened now.
	events(r StepResult) []audit.Event
}

// stepKinds is the table of step kinds. A new one is a row here, and its methods in step_NAME.go; a field of
// pipeline.Step, and its keys in internal/pipeline/kind_NAME.go. What came of it is a field of
// StepOutcome. A kind with a workflow of its own also needs a row of WorkflowTypes.
var stepKinds = map[pipeline.Kind]stepKind{
	pipeline.KindUpload:   uploadKind{},
	pipeline.KindBatch:    batchKind{batchInput},
	pipeline.KindGroup:    batchKind{groupInput},
	pipeline.KindReport:   reportKind{},
	pipeline.KindDownload: downloadKind{},
	pipeline.KindExport:   migrationKind{direction: Export},
	pipeline.KindImport:   migrationKind{direction: Import},
	pipeline.KindApprove:  approveKind{},

	pipeline.KindDelete:     deleteKind{},
	pipeline.KindAsOfDate:   asOfDateKind{},
	pipeline.KindExportData: exportDataKind{},
}

// activeStep is what a kind sees of the step that it runs.
type activeStep interface {
	planned() activities.PlanStep
	closeInput() NightlyCloseInput
	// startedBy are those who have started the close, also earlier or in part, and the start whose starter is not known.
	startedBy() (known []string, unknown string)
	// timeZone is that of the pipeline, and times writes times in it.
	timeZone() string
	times() clock.Clock
	// ends is the step's deadline. Zero: it has none.
	ends() time.Time
	// runsAgain is why the step runs again although it succeeded before, or empty, and when that was said.
	runsAgain() (why string, since time.Time)
	// outsideRun is the run of a batch that was run outside, or empty.
	outsideRun() string
	// resultsNeeded are the results of the steps above.
	resultsNeeded() []basis.Need
	// resultOf is the result of a step above.
	resultOf(id string) (StepResult, bool)
	// runChild runs the step's workflow, or attaches to the one that runs already.
	runChild(ctx workflow.Context, child stepChild) error
	// call executes an activity until the step's deadline.
	call(ctx workflow.Context, profile workflow.ActivityOptions, summary string, activity, input any) workflow.Future
	// ask asks the operator a question: nil if the deadline passed or the close is cancelled.
	ask(ctx workflow.Context, why string, choices ...string) *command
}

// stepChild is the workflow of a step.
type stepChild struct {
	workflow, input, result any
	summary                 string                     // default: the kind's
	takesCommands           bool                       // it takes every command, not only the answer to its question
	joinable                func(running Status) error // refuses one that was started elsewhere for something else
}

// stepError is a failed attempt about which the kind knows more than its error says.
type stepError struct {
	error
	why string // what an operator should read of it
}

func (e *stepError) Unwrap() error { return e.error }

// ownWorkflow is for kinds whose workflow has the id of the step.
type ownWorkflow struct{}

func (ownWorkflow) workflowID(ctx workflow.Context, s activeStep) string {
	return StepWorkflowID(workflow.GetInfo(ctx).WorkflowExecution.ID, s.planned().Step.ID)
}

// withoutWorkflow is for kinds that have no workflow, and nothing to audit.
type withoutWorkflow struct{}

func (withoutWorkflow) summary(s pipeline.Step) string { return s.Description }

func (withoutWorkflow) workflowID(workflow.Context, activeStep) string { return "" }

func (withoutWorkflow) events(StepResult) []audit.Event { return nil }

// lateKind is a kind whose failed attempt may turn out to be only late.
type lateKind interface {
	// awaitLate waits until the attempt can be repeated, and says why. It is empty when there is nothing to wait for.
	awaitLate(ctx workflow.Context, s activeStep, failed error) string
}

// inputChecker is a kind that needs something of the close's input.
type inputChecker interface {
	checkInput(p *problems, in NightlyCloseInput, s pipeline.Step)
}

// checkSteps checks the input against the steps that it starts.
func (in NightlyCloseInput) checkSteps(plan activities.Plan) error {
	var p problems
	for _, s := range plan.Steps {
		if kind, ok := stepKindOf(s.Kind).(inputChecker); ok {
			kind.checkInput(&p, in, s.Step)
		}
	}
	return p.err()
}

func stepKindOf(kind pipeline.Kind) stepKind {
	if known, ok := stepKinds[kind]; ok {
		return known
	}
	return unknownKind{}
}

// unknownKind is that of a step which a newer worker has planned: it can be retried once this one is replaced.
type unknownKind struct{ withoutWorkflow }

func (unknownKind) run(_ workflow.Context, s activeStep, _ *StepResult) error {
	p := s.planned()
	return failure(InvalidInput, fmt.Sprintf("step %s: this worker does not know the kind %q", p.Step.ID, p.Kind))
}

func (unknownKind) work(s activeStep) any { return s.planned().Step }

func (unknownKind) identity(activeStep, StepResult) string { return "" }

func (unknownKind) outcome(StepResult) string { return "" }
