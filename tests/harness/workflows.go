package harness

import (
	"context"
	"encoding/json"
	"fmt"
	"strings"
	"testing"
	"time"

	enumspb "go.temporal.io/api/enums/v1"
	historypb "go.temporal.io/api/history/v1"
	"go.temporal.io/sdk/client"

	"github.com/pbsmflow/pbsmflow/workflows"
)

// Start starts a workflow of the project under an id.
func (e *Env) Start(id string, workflow, input any) client.WorkflowRun {
	e.T.Helper()
	run, err := e.Temporal.ExecuteWorkflow(e.T.Context(), client.StartWorkflowOptions{ID: id, TaskQueue: e.TaskQueue}, workflow, input)
	e.must(err)
	return run
}

// Await waits for a workflow's result, for at most four minutes.
func (e *Env) Await(run client.WorkflowRun, result any) error {
	return e.AwaitWithin(4*time.Minute, run, result)
}

// AwaitWithin waits for a workflow's result, for at most wait. If it is still running, the error says what it is doing.
func (e *Env) AwaitWithin(wait time.Duration, run client.WorkflowRun, result any) error {
	ctx, cancel := context.WithTimeout(e.T.Context(), wait)
	defer cancel()
	err := run.Get(ctx, result)
	if ctx.Err() != nil {
		return fmt.Errorf("%s is still running after %s%s: %w", run.GetID(), wait, e.pending(run.GetID()), err)
	}
	return err
}

// pending describes the pending activities of a workflow and its children.
func (e *Env) pending(id string) string {
	described, err := e.Temporal.DescribeWorkflowExecution(e.T.Context(), id, "")
	if err != nil {
		return ""
	}
	var text strings.Builder
	for _, activity := range described.GetPendingActivities() {
		fmt.Fprintf(&text, "\n%s: %s, %s, attempt %d, scheduled for %s, last failure: %s", id, activity.GetActivityType().GetName(),
			activity.GetState(), activity.GetAttempt(), activity.GetScheduledTime().AsTime().Format(time.RFC3339), activity.GetLastFailure().GetMessage())
	}
	for _, child := range described.GetPendingChildren() {
		text.WriteString(e.pending(child.GetWorkflowId()))
	}
	return text.String()
}

// StartBatch starts a batch under its id.
func (e *Env) StartBatch(in workflows.RunBatchInput) client.WorkflowRun {
	e.T.Helper()
	if in.Connection == "" {
		in.Connection = e.Connection
	}
	if in.AsOfDate == "" {
		in.AsOfDate = AsOf
	}
	return e.Start(workflows.BatchWorkflowID(in.Connection, in.Code, in.AsOfDate, in.Key), workflows.RunBatch, in)
}

// StartClose starts the close of a pipeline in the pipelines folder.
func (e *Env) StartClose(pipeline string) client.WorkflowRun {
	e.T.Helper()
	return e.Start(workflows.CloseWorkflowID(e.Connection, pipeline, AsOf), workflows.NightlyClose,
		workflows.NightlyCloseInput{Connection: e.Connection, Pipeline: pipeline, AsOfDate: AsOf, StartedBy: "tests"})
}

// Definition returns a whole pipeline in the form that the input of a close takes.
func Definition(t testing.TB, name, steps string) json.RawMessage {
	t.Helper()
	text, err := json.Marshal("name: " + name + "\nsteps:\n" + steps)
	if err != nil {
		t.Fatal(err)
	}
	return text
}

// Status queries the status of a workflow; false while it cannot answer.
func (e *Env) Status(id string) (workflows.Status, bool) {
	ctx, cancel := context.WithTimeout(e.T.Context(), 10*time.Second)
	defer cancel()
	var status workflows.Status
	answer, err := e.Temporal.QueryWorkflow(ctx, id, "", workflows.StatusQuery)
	if err != nil {
		return status, false
	}
	return status, answer.Get(&status) == nil
}

// AwaitState waits until a workflow is in a state, and returns its status.
func (e *Env) AwaitState(id string, state workflows.State) workflows.Status {
	e.T.Helper()
	var status workflows.Status
	e.Until(id+" is "+string(state), func() bool {
		var ok bool
		status, ok = e.Status(id)
		return ok && status.State == state
	})
	return status
}

// Command sends a command as an update, like the starter, and returns its result.
func (e *Env) Command(id, name string, in workflows.Command) (workflows.CommandResult, error) {
	ctx, cancel := context.WithTimeout(e.T.Context(), time.Minute)
	defer cancel()
	return workflows.SendCommand(ctx, e.Temporal, id, name, in)
}

// History returns the events of a workflow's run, of the latest if runID is empty.
func (e *Env) History(id, runID string) []*historypb.HistoryEvent {
	e.T.Helper()
	var events []*historypb.HistoryEvent
	iterator := e.Temporal.GetWorkflowHistory(e.T.Context(), id, runID, false, enumspb.HISTORY_EVENT_FILTER_TYPE_ALL_EVENT)
	for iterator.HasNext() {
		event, err := iterator.Next()
		e.must(err)
		events = append(events, event)
	}
	return events
}
