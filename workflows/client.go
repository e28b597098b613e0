package workflows

import (
	"cmp"
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"strings"
	"time"

	enumspb "go.temporal.io/api/enums/v1"
	"go.temporal.io/api/serviceerror"
	"go.temporal.io/api/workflowservice/v1"
	"go.temporal.io/sdk/client"
	"go.temporal.io/sdk/temporal"

	"github.com/pbsmflow/pbsmflow/internal/temporalclient"
)

// StartOptions is what a start says beyond its input. The zero value is fine.
type StartOptions struct {
	// TaskQueue is the queue that the workers poll. Default: TaskQueue.
	TaskQueue string
	// Priority is 1 (served first) to 5 (served last), or 0 for Temporal's default, which is 3.
	Priority int
	// By is the operator or system behind the start, With the program. Both are kept in the memo.
	By, With string
}

// Execution is a workflow as Temporal knows it.
type Execution struct {
	ID        string
	RunID     string // Temporal's, not the service's
	Type      string
	TaskQueue string
	Status    enumspb.WorkflowExecutionStatus
	StartedAt time.Time
	EndedAt   time.Time // zero while it runs
	// Started is true when Start started it, and false when it was there already.
	Started bool

	described *workflowservice.DescribeWorkflowExecutionResponse
}

// Running reports whether the workflow has not ended.
func (e Execution) Running() bool { return e.Status == enumspb.WORKFLOW_EXECUTION_STATUS_RUNNING }

// ChildID is the id of the workflow that it has started and waits for; empty without one.
func (e Execution) ChildID() string {
	for _, child := range e.described.GetPendingChildren() {
		return child.GetWorkflowId()
	}
	return ""
}

// PinnedTo is the version of the workers, a build id, that it needs; empty when any will do.
func (e Execution) PinnedTo() string {
	versioning := e.described.GetWorkflowExecutionInfo().GetVersioningInfo()
	if versioning.GetBehavior() != enumspb.VERSIONING_BEHAVIOR_PINNED {
		return ""
	}
	return versioning.GetDeploymentVersion().GetBuildId()
}

// AlreadyDone reports whether Start started nothing because the workflow had succeeded before.
func (e Execution) AlreadyDone() bool { return !e.Started && !e.Running() }

// ErrIDTaken is the error of a start whose workflow id belongs to a workflow of another type.
var ErrIDTaken = errors.New("the workflow id is taken")

// Start starts the workflow of an input, or finds the one that has its id: one that runs, or one that
// succeeded before and must not run again. A batch that runs for something else, such as other parameters,
// is an application error of type OtherBasis.
func Start(ctx context.Context, c client.Client, in Input, o StartOptions) (Execution, error) {
	s := in.spec()
	o.TaskQueue = cmp.Or(o.TaskQueue, TaskQueue)
	options := s.options(o)
	// With a conflict Temporal must fail, else its answer does not say whether this call started the workflow.
	options.WorkflowIDConflictPolicy = enumspb.WORKFLOW_ID_CONFLICT_POLICY_FAIL
	options.WorkflowExecutionErrorWhenAlreadyStarted = true
	run, err := c.ExecuteWorkflow(ctx, options, s.workflowType, in)
	var exists *serviceerror.WorkflowExecutionAlreadyStarted
	switch {
	case errors.As(err, &exists):
		found, err := find(ctx, c, s, exists.RunId)
		return found, errors.Join(err, checkJoinable(ctx, c, in, found))
	case err != nil:
		return Execution{}, fmt.Errorf("start %s: %w", s.id, err)
	}
	return Execution{
		ID:        run.GetID(),
		RunID:     run.GetRunID(),
		Type:      s.workflowType,
		TaskQueue: o.TaskQueue,
		Status:    enumspb.WORKFLOW_EXECUTION_STATUS_RUNNING,
		StartedAt: time.Now(),
		Started:   true,
	}, nil
}

// checkJoinable refuses a batch that runs for something else than the input.
func checkJoinable(ctx context.Context, c client.Client, in Input, found Execution) error {
	if again, ok := in.(NightlyCloseInput); ok && again.Again != nil && found.Running() {
		return failure(CommandRefused, found.ID+" is running: send it the command again instead")
	}
	batch, ok := in.(RunBatchInput)
	if !ok || !found.Running() {
		return nil
	}
	status, err := StatusOf(ctx, c, found.ID)
	if err != nil {
		return fmt.Errorf("%s is running already, and it is not known whether it does what is asked for: %w", found.ID, err)
	}
	return batch.joinable(status)
}

func find(ctx context.Context, c client.Client, s startSpec, runID string) (Execution, error) {
	found, err := describe(ctx, c, s.id, runID)
	if err == nil && found.Type != s.workflowType {
		return found, fmt.Errorf("%w: %s is a %s workflow", ErrIDTaken, s.id, found.Type)
	}
	return found, err
}

// Describe returns what Temporal knows of the latest workflow with an id. The error wraps
// serviceerror.NotFound when there is none.
func Describe(ctx context.Context, c client.Client, id string) (Execution, error) {
	return describe(ctx, c, id, "")
}

func describe(ctx context.Context, c client.Client, id, runID string) (Execution, error) {
	described, err := c.DescribeWorkflowExecution(ctx, id, runID)
	if err != nil {
		return Execution{}, fmt.Errorf("describe %s: %w", id, err)
	}
	info := described.GetWorkflowExecutionInfo()
	e := Execution{
		ID:        id,
		RunID:     cmp.Or(info.GetExecution().GetRunId(), runID),
		Type:      info.GetType().GetName(),
		TaskQueue: info.GetTaskQueue(),
		Status:    info.GetStatus(),
		StartedAt: info.GetStartTime().AsTime(),
		described: described,
	}
	if !e.Running() {
		e.EndedAt = info.GetCloseTime().AsTime()
	}
	return e, nil
}

// StatusOf returns the status of a workflow of this package. It needs a worker that answers.
func StatusOf(ctx context.Context, c client.Client, id string) (Status, error) {
	var status Status
	answer, err := c.QueryWorkflow(ctx, id, "", StatusQuery)
	if err == nil {
		err = answer.Get(&status)
	}
	return status, err
}

// InputOf returns the input with which a close was started. It needs a worker that answers.
func InputOf(ctx context.Context, c client.Client, id string) (NightlyCloseInput, error) {
	var in NightlyCloseInput
	answer, err := c.QueryWorkflow(ctx, id, "", InputQuery)
	if err == nil {
		err = answer.Get(&in)
	}
	in.Proof, in.Delegated = "", false // they are of that start
	return in, err
}

// SendCommand sends a command to a close or a batch and returns when it took effect. A command that does
// not apply is an application error of type CommandRefused, with the reason. A call that is cut, as proxies
// do to long ones, is repeated under the same update id while Temporal answers: the command acts once. So is one that
// Temporal dropped, as the workflow was cancelled at that moment, and for beginsWithin one that the workflow does not
// know yet.
func SendCommand(
	ctx context.Context, c client.Client, workflowID, name string, command Command,
) (CommandResult, error) {
	update := client.UpdateWorkflowOptions{
		UpdateID:   rand.Text(),
		WorkflowID: workflowID,
		UpdateName: name,
		Args:       []any{command},
	}
	var begun time.Time // by when the workflow takes commands, if it does
	for {
		var result CommandResult
		err := temporalclient.Update(ctx, c, update, &result)
		switch {
		case err == nil || ctx.Err() != nil:
			return result, err
		case knowsNoUpdate(err):
			if found, failed := Describe(ctx, c, workflowID); failed != nil || !found.takesCommands() {
				return result, err
			}
			err = failure(CommandRefused, fmt.Sprintf("%s takes no %s yet: it is still reading its pipeline, and the command can be "+
				"sent again, or it only waits for another workflow, which its status names", workflowID, name))
			if begun.IsZero() {
				begun = time.Now().Add(beginsWithin)
			} else if time.Now().After(begun) {
				return result, err
			}
		case !temporalclient.Aborted(err) &&
			(!temporalclient.Unavailable(err) || !temporalclient.Answers(ctx, c, workflowID)):
			return result, err
		}
		select {
		case <-ctx.Done():
			return result, err
		case <-time.After(time.Second):
		}
	}
}

// beginsWithin is how long a command is sent again to a workflow that takes none yet: a close reads its pipeline first.
const beginsWithin = 10 * time.Second

// knowsNoUpdate reports whether a workflow has refused an update because it takes none, or none yet. The SDK's error has
// no type of its own.
func knowsNoUpdate(err error) bool {
	var refused *temporal.ApplicationError
	return errors.As(err, &refused) && strings.HasPrefix(refused.Message(), "unknown update ") &&
		strings.HasSuffix(refused.Message(), "KnownUpdates=[]")
}

// takesCommands reports whether the workflow is running, and of a type that takes commands.
func (e Execution) takesCommands() bool {
	t, _ := TypeByName(e.Type)
	return e.Running() && t.TakesCommands
}
