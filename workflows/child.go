package workflows

import (
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"time"

	enumspb "go.temporal.io/api/enums/v1"
	"go.temporal.io/sdk/temporal"
	"go.temporal.io/sdk/workflow"

	"github.com/pbsmflow/pbsmflow/activities"
	"github.com/pbsmflow/pbsmflow/internal/clock"
)

// childRun is a workflow to run as a child under a given id.
type childRun struct {
	id                      string
	workflow, input, result any
	summary                 string
	caller                  caller    // executes the wait for one that was started elsewhere
	deadline                *deadline // of that wait
	once                    bool      // not again after a success
	// joined gets each status of a workflow that was started elsewhere and has the id, the last time with its
	// result. Its error ends the wait.
	joined func(Status) error
}

// runOrAttachBatch runs a batch as a child, under the batch's own id. If it is already running, wherever it was
// started, it awaits that result instead.
func runOrAttachBatch(ctx workflow.Context, in RunBatchInput) (result RunBatchResult, err error) {
	err = runOrAttach(ctx, childRun{
		id:       in.WorkflowID(),
		workflow: RunBatch,
		input:    in,
		result:   &result,
		summary:  fmt.Sprintf("%s for %s", in.Code, in.AsOfDate),
		deadline: &deadline{at: in.Deadline},
		joined:   in.joinable,
	})
	return result, err
}

// joinable refuses a running batch that is based on something else.
func (in RunBatchInput) joinable(running Status) error {
	changes := in.basis().Changes(running.Basis, running.StartedAt)
	if len(changes) == 0 {
		return nil
	}
	return failure(OtherBasis, fmt.Sprintf("%s is running already, %s, but it is based on something else: %s. "+
		"Wait until it has ended, then retry; or give this one a key of its own, so that both run",
		in.WorkflowID(), startedBy(running, clock.In(in.TimeZone)), strings.Join(changes, "; ")))
}

// startedBy says who started a workflow, and when, by the clock of who reads it.
func startedBy(s Status, times clock.Clock) string {
	return "started" + prefixed(" by ", s.StartedBy) + " on " + times.Text(s.StartedAt)
}

// runOrAttach runs a workflow as a child. If another workflow has the id, it awaits that one's result until the
// deadline, as the other workflow may have none of its own. The child outlives a parent that is terminated, so that
// its run is still polled.
func runOrAttach(ctx workflow.Context, c childRun) error {
	reuse := enumspb.WORKFLOW_ID_REUSE_POLICY_ALLOW_DUPLICATE
	if c.once {
		reuse = closeReusePolicy
	}
	err := workflow.ExecuteChildWorkflow(workflow.WithChildOptions(ctx, workflow.ChildWorkflowOptions{
		WorkflowID:            c.id,
		WorkflowIDReusePolicy: reuse,
		WaitForCancellation:   true,
		ParentClosePolicy:     enumspb.PARENT_CLOSE_POLICY_ABANDON,
		StaticSummary:         c.summary,
		TypedSearchAttributes: startAttributes(c.input),
	}), c.workflow, c.input).Get(ctx, c.result)
	var taken *temporal.ChildWorkflowExecutionAlreadyStartedError
	if !errors.As(err, &taken) {
		return err
	}
	workflow.GetLogger(ctx).Info("started elsewhere; awaiting its result", "workflowID", c.id)
	err = c.await(ctx)
	if deadlineHit(err) {
		return failure(DeadlinePassed, "the deadline passed before "+c.id+", which was started elsewhere, had ended")
	}
	return err
}

// await waits for the result of a workflow that was started elsewhere.
func (c childRun) await(ctx workflow.Context) error {
	in := activities.AwaitWorkflowInput{WorkflowID: c.id, StatusQuery: StatusQuery, Poll: activities.Poll{Since: workflow.Now(ctx)}}
	for {
		var found activities.AwaitedWorkflow
		if err := c.caller.execute(ctx, pollOptions, c.deadline, "await "+c.id, act.AwaitWorkflow, in).Get(ctx, &found); err != nil {
			return err
		}
		if err := c.join(found); err != nil {
			return err
		}
		if len(found.Result) > 0 {
			return json.Unmarshal(found.Result, c.result)
		}
		if err := json.Unmarshal(found.Status, &in.Known); err != nil {
			return fmt.Errorf("the status of %s: %w", c.id, err)
		}
	}
}

func (c childRun) join(found activities.AwaitedWorkflow) error {
	if c.joined == nil {
		return nil
	}
	var status struct {
		Status
		TriggeredAt time.Time `json:"triggered_at"` // of a result: its run may be older than the workflow
	}
	text := found.Status
	if len(text) == 0 {
		text = found.Result // has the basis as well
	}
	if err := json.Unmarshal(text, &status); err != nil {
		return fmt.Errorf("the status of %s: %w", c.id, err)
	}
	if len(found.Status) == 0 {
		status.StartedAt = status.TriggeredAt
	}
	return c.joined(status.Status)
}
