package workflows

import (
	"errors"
	"slices"

	"go.temporal.io/sdk/temporal"
	"go.temporal.io/sdk/workflow"
)

// stepStateSignal is how the workflow of a step reports its status to the close that started it.
const stepStateSignal = "step_state"

// stepState is what the workflow of a step reports to its close.
type stepState struct {
	WorkflowID string `json:"workflow_id"`
	// Sequence counts the reports of this workflow: signals may overtake each other.
	Sequence int       `json:"sequence"`
	State    State     `json:"state"`
	Summary  string    `json:"summary"`
	Question *Question `json:"question,omitempty"`
}

// startedByClose reports whether a close started this workflow as a step.
func startedByClose(ctx workflow.Context) bool {
	parent := workflow.GetInfo(ctx).ParentWorkflowExecution
	if parent == nil {
		return false
	}
	id, ok := ParseID(parent.ID)
	return ok && id.Kind == CloseKind && workflow.GetInfo(ctx).WorkflowType.Name != NightlyCloseType // which has delegated
}

// parentSignal is the observer that signals the close when the status that the close shows of the step
// is outdated. A workflow that runs through sends nothing: its close awaits the result.
type parentSignal struct {
	notifier *notifier
	reported State  // the state that the close shows
	question string // the question that the close shows
	sent     int
	pending  int
}

func (o *parentSignal) changed(ctx workflow.Context, before, after snapshot) error {
	question := ""
	if after.Question != nil {
		question = after.Question.Why
	}
	switch {
	case after.State == Pending:
		return nil
	case after.State.Done():
		// The close gets the end from the result. This signal finds out whether the close still exists.
		if after.Type != RunBatchType || before.State.Done() || !slices.Contains(o.notifier.wanted, endEvents[after.State]) {
			return nil
		}
	case after.State == o.reported && question == o.question && !(o.sent > 0 && before.submitting && !after.submitting):
		return nil
	}
	o.reported, o.question = after.State, question
	o.send(ctx, after)
	return nil
}

// send signals the close, without waiting for the delivery.
func (o *parentSignal) send(ctx workflow.Context, s snapshot) {
	info := workflow.GetInfo(ctx)
	o.sent++
	o.pending++
	delivery := workflow.SignalExternalWorkflow(ctx, info.ParentWorkflowExecution.ID, info.ParentWorkflowExecution.RunID, stepStateSignal, stepState{
		WorkflowID: info.WorkflowExecution.ID,
		Sequence:   o.sent,
		State:      s.State,
		Summary:    s.Summary,
		Question:   s.Question,
	})
	workflow.Go(ctx, func(ctx workflow.Context) {
		err := delivery.Get(ctx, nil)
		o.pending--
		var gone *temporal.UnknownExternalWorkflowExecutionError
		if errors.As(err, &gone) { // it was terminated: nothing else would notify
			o.notifier.enable(ctx)
		}
	})
}

// delivered reports whether every signal has been delivered or refused.
func (o *parentSignal) delivered() bool { return o.pending == 0 || len(o.notifier.wanted) == 0 }
