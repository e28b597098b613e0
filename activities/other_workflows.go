package activities

import (
	"bytes"
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	commonpb "go.temporal.io/api/common/v1"
	enumspb "go.temporal.io/api/enums/v1"
	"go.temporal.io/api/serviceerror"
	workflowpb "go.temporal.io/api/workflow/v1"
	"go.temporal.io/api/workflowservice/v1"
	"go.temporal.io/sdk/activity"
	"go.temporal.io/sdk/client"
	"go.temporal.io/sdk/converter"
	"go.temporal.io/sdk/temporal"

	"github.com/pbsmflow/pbsmflow/internal/temporalclient"
)

// AwaitWorkflowInput names a workflow that was started elsewhere.
type AwaitWorkflowInput struct {
	WorkflowID string `json:"workflow_id"`
	// StatusQuery is the query for its status.
	StatusQuery string `json:"status_query"`
	// Known is the part of its status that the close shows already.
	Known AwaitedStatus `json:"known"`
	Poll
}

// AwaitedStatus is the part of a workflow's status that is shown where it is awaited.
type AwaitedStatus struct {
	State    string          `json:"state"`
	Question json.RawMessage `json:"question,omitempty"`
}

// AwaitedWorkflow is the end of a workflow, or a change of its status.
type AwaitedWorkflow struct {
	// Result is empty while the workflow runs.
	Result json.RawMessage `json:"result,omitempty"`
	// Status is its whole status, if that has changed.
	Status json.RawMessage `json:"status,omitempty"`
}

// AwaitWorkflow returns the result of a workflow once it has ended, or its status when its state or its question
// has changed. Temporal lets a workflow await only its own children, but the workflow of a batch or close may have
// been started elsewhere.
func (a *Activities) AwaitWorkflow(ctx context.Context, in AwaitWorkflowInput) (AwaitedWorkflow, error) {
	described, err := a.temporal.DescribeWorkflowExecution(ctx, in.WorkflowID, "")
	var gone *serviceerror.NotFound
	switch {
	case errors.As(err, &gone):
		message := in.WorkflowID + " was deleted from Temporal while its result was awaited: check on the service whether its run succeeded before you start it again"
		return AwaitedWorkflow{}, temporal.NewNonRetryableApplicationError(message, Refused, err)
	case err != nil:
		return AwaitedWorkflow{}, a.classifyPoll(ctx, in.Since, err)
	}
	if described.GetWorkflowExecutionInfo().GetStatus() == enumspb.WORKFLOW_EXECUTION_STATUS_RUNNING {
		if neverBegins(described.GetWorkflowExecutionInfo()) {
			return AwaitedWorkflow{}, temporal.NewNonRetryableApplicationError(fmt.Sprintf("%[1]s has not begun and never will: "+
				"Temporal lost its first task, as happens when its server dies while the close that started it is terminated. "+
				"It has done nothing. Terminate it (temporal workflow terminate --workflow-id %[1]s), then retry", in.WorkflowID), Refused, nil)
		}
		if changed := a.changedStatus(ctx, in); changed != nil {
			return AwaitedWorkflow{Status: changed}, nil
		}
		return AwaitedWorkflow{}, a.stillWaiting(ctx, in.Since, "%s was started elsewhere and is still running", in.WorkflowID)
	}
	var result json.RawMessage
	err = a.temporal.GetWorkflow(ctx, in.WorkflowID, "").Get(ctx, &result)
	var ended *temporal.WorkflowExecutionError
	if errors.As(err, &ended) {
		return AwaitedWorkflow{}, a.relay(in.WorkflowID, ended)
	}
	return AwaitedWorkflow{Result: result}, a.classifyPoll(ctx, in.Since, err)
}

// firstTaskWithin is far longer than Temporal takes from a workflow's start to its first task, which then waits for a
// worker as long as it takes.
const firstTaskWithin = time.Minute

// neverBegins reports whether a running workflow has no task and will get none: its history has only its start.
func neverBegins(info *workflowpb.WorkflowExecutionInfo) bool {
	return info.GetHistoryLength() == 1 && time.Since(info.GetExecutionTime().AsTime()) > firstTaskWithin
}

// changedStatus is the status of a workflow if it has changed, and if a worker answers: what is not known now
// shows at the next poll.
func (a *Activities) changedStatus(ctx context.Context, in AwaitWorkflowInput) json.RawMessage {
	var (
		text json.RawMessage
		now  AwaitedStatus
	)
	ctx, cancel := context.WithTimeout(ctx, temporalclient.AnswerTimeout)
	defer cancel()
	answer, err := a.temporal.QueryWorkflow(ctx, in.WorkflowID, "", in.StatusQuery)
	if err != nil || answer.Get(&text) != nil || json.Unmarshal(text, &now) != nil {
		return nil
	}
	if now.State == in.Known.State && bytes.Equal(now.Question, in.Known.Question) {
		return nil
	}
	return text
}

// relay keeps the type and the details with which a workflow failed. For one that was cancelled it refers
// to the status, which says what became of the run.
func (a *Activities) relay(id string, ended *temporal.WorkflowExecutionError) error {
	var failed *temporal.ApplicationError
	var cancelled *temporal.CanceledError
	switch {
	case errors.As(ended, &failed):
		return temporal.NewApplicationErrorWithOptions(failed.Message(), failed.Type(),
			temporal.ApplicationErrorOptions{NonRetryable: true, Cause: ended, Details: []any{rawDetails(failed)}})
	case errors.As(ended, &cancelled):
		return temporal.NewNonRetryableApplicationError(fmt.Sprintf(
			"%s was cancelled; see what became of its run: %s", id, a.starter.Command("status "+id)), Refused, ended)
	}
	return temporal.NewNonRetryableApplicationError(ended.Error(), Refused, ended)
}

// rawDetails are the details of an error, nil if it has none.
func rawDetails(err interface{ Details(...any) error }) json.RawMessage {
	var details json.RawMessage
	if err.Details(&details) != nil {
		return nil
	}
	return details
}

// ResultQuery is the query that answers with the result of a close or a batch so far.
const ResultQuery = "result"

// EarlierSubmissionInput names a batch by its workflow id, and the search attribute with its run id.
type EarlierSubmissionInput struct {
	WorkflowID     string `json:"workflow_id"`
	RunIDAttribute string `json:"run_id_attribute"`
}

// EarlierSubmission is what the latest earlier start of a batch that submitted anything left on
// record. It is empty when there was none.
type EarlierSubmission struct {
	// WorkflowRunID is the Temporal run of that start.
	WorkflowRunID string `json:"workflow_run_id,omitempty"`
	// RunID is the value of the search attribute.
	RunID string `json:"run_id,omitempty"`
	// NamedInVain is the run that an operator has named since, which did not succeed.
	NamedInVain string `json:"named_in_vain,omitempty"`
	// Status is Temporal's name for how that start ended.
	Status string `json:"status,omitempty"`
	// StartedAt and EndedAt are those of that start.
	StartedAt time.Time `json:"started_at,omitzero"`
	EndedAt   time.Time `json:"ended_at,omitzero"`
	// Result is the workflow's, also if it failed or was terminated. It is empty if it could not be read.
	Result json.RawMessage `json:"result,omitempty"`
}

// Completed reports whether the workflow of that start succeeded.
func (s EarlierSubmission) Completed() bool {
	return s.Status == enumspb.WORKFLOW_EXECUTION_STATUS_COMPLETED.String()
}

// namedInVain reports whether that start submitted nothing, but followed a run that an operator had named, which did not
// succeed: it does not hide a run from before.
func (s EarlierSubmission) namedInVain() bool {
	var result struct {
		State       string    `json:"state"`
		TriggeredAt time.Time `json:"triggered_at"`
	}
	ended := json.Unmarshal(s.Result, &result) == nil && slices.Contains([]string{"failed", "interrupted", "cancelled"}, result.State)
	return ended && result.TriggeredAt.IsZero() && !strings.HasSuffix(s.RunID, "?")
}

// EarlierSubmission finds the latest earlier start of the same batch that submitted anything, whether it
// ended, was terminated or timed out. A start that submitted nothing is skipped, also one that followed a run that an
// operator had named, unless that succeeded.
func (a *Activities) EarlierSubmission(ctx context.Context, in EarlierSubmissionInput) (EarlierSubmission, error) {
	starts, err := a.earlierStarts(ctx, in.WorkflowID)
	if err != nil {
		return EarlierSubmission{}, err
	}
	var named string
	for _, start := range starts {
		found, err := a.describeSubmission(ctx, start.GetExecution(), in.RunIDAttribute)
		switch {
		case err != nil:
			return EarlierSubmission{}, err
		case found.namedInVain():
			named = cmp.Or(named, found.RunID)
		case found.RunID != "":
			found.NamedInVain = named
			return found, nil
		}
	}
	return EarlierSubmission{}, nil
}

// earlierStarts are the earlier starts of the workflow that executes the activity, latest first. Temporal's list
// of workflows lags behind: as long as it does not show this start, it may lack others too.
func (a *Activities) earlierStarts(ctx context.Context, id string) ([]*workflowpb.WorkflowExecutionInfo, error) {
	listed, err := a.temporal.ListWorkflow(ctx, &workflowservice.ListWorkflowExecutionsRequest{
		Query: fmt.Sprintf("WorkflowId = '%s'", id),
	})
	if err != nil {
		return nil, err
	}
	starts := listed.GetExecutions()
	slices.SortFunc(starts, func(a, b *workflowpb.WorkflowExecutionInfo) int { // latest first
		return b.GetStartTime().AsTime().Compare(a.GetStartTime().AsTime())
	})
	own := slices.IndexFunc(starts, func(e *workflowpb.WorkflowExecutionInfo) bool {
		return e.GetExecution().GetRunId() == activity.GetInfo(ctx).WorkflowExecution.RunID
	})
	if own < 0 {
		return nil, temporal.NewApplicationErrorWithOptions("Temporal's list of workflows does not show this start yet", Unavailable,
			temporal.ApplicationErrorOptions{NextRetryDelay: listLag, Category: temporal.ApplicationErrorCategoryBenign})
	}
	return starts[own+1:], nil
}

// listLag is roughly how far the list of workflows lags behind.
const listLag = 250 * time.Millisecond

// describeSubmission describes a start again, because the list may be behind.
func (a *Activities) describeSubmission(ctx context.Context, start *commonpb.WorkflowExecution, attribute string) (EarlierSubmission, error) {
	described, err := a.temporal.DescribeWorkflowExecution(ctx, start.GetWorkflowId(), start.GetRunId())
	if err != nil {
		return EarlierSubmission{}, err
	}
	info := described.GetWorkflowExecutionInfo()
	found := EarlierSubmission{
		WorkflowRunID: start.GetRunId(),
		Status:        info.GetStatus().String(),
		StartedAt:     info.GetStartTime().AsTime(),
		EndedAt:       info.GetCloseTime().AsTime(),
	}
	if value, ok := info.GetSearchAttributes().GetIndexedFields()[attribute]; ok {
		err = converter.GetDefaultDataConverter().FromPayload(value, &found.RunID)
	}
	if err == nil && found.RunID != "" {
		if found.Result, err = a.resultOf(ctx, start); isUnreadable(err) {
			err = nil // then nobody knows what the run was based on
		}
	}
	return found, err
}

// EarlierCloseInput names a close by its workflow id.
type EarlierCloseInput struct {
	WorkflowID string `json:"workflow_id"`
}

// EarlierClose is what the latest earlier start of a close that began any step came to. It is empty when there was
// none.
type EarlierClose struct {
	// StartedAt is that of the latest earlier start, whether it began any step or not.
	StartedAt time.Time `json:"started_at,omitzero"`
	// WorkflowRunID is that of the start with the result.
	WorkflowRunID string `json:"workflow_run_id,omitempty"`
	// Result is the workflow's, also if it failed or was terminated.
	Result json.RawMessage `json:"result,omitempty"`
	// Unreadable says why there is no result, although the start may have begun a step.
	Unreadable string `json:"unreadable,omitempty"`
	// Refused are the starts since that one that were refused, latest first: the latest twenty of them.
	Refused []RefusedStart `json:"refused,omitempty"`
}

const maxRefused = 20

// RefusedStart is a start that was refused, and why.
type RefusedStart struct {
	At  time.Time `json:"at"`
	Why string    `json:"why"`
}

// refusal is why a start was refused; empty: it was not.
func (a *Activities) refusal(ctx context.Context, start *commonpb.WorkflowExecution) string {
	err := a.temporal.GetWorkflow(ctx, start.GetWorkflowId(), start.GetRunId()).Get(ctx, nil)
	if failed := (*temporal.ApplicationError)(nil); errors.As(err, &failed) && failed.Type() == StartRefused {
		return failed.Message()
	}
	return ""
}

// EarlierClose finds the latest earlier start of the same close that began any step. It does not look behind one of
// which nobody can tell: that may have replaced what the one before came to.
func (a *Activities) EarlierClose(ctx context.Context, in EarlierCloseInput) (EarlierClose, error) {
	starts, err := a.earlierStarts(ctx, in.WorkflowID)
	if err != nil {
		return EarlierClose{}, err
	}
	var found EarlierClose
	for i, start := range starts {
		if i == 0 {
			found.StartedAt = start.GetStartTime().AsTime()
		}
		result, err := a.resultOf(ctx, start.GetExecution())
		began := err == nil && beganAny(result)
		switch {
		case isUnreadable(err):
			found.WorkflowRunID, found.Unreadable = start.GetExecution().GetRunId(), err.Error()
			return found, nil
		case err != nil:
			return EarlierClose{}, err
		case began:
			found.WorkflowRunID, found.Result = start.GetExecution().GetRunId(), result
			return found, nil
		}
		if why := a.refusal(ctx, start.GetExecution()); why != "" && len(found.Refused) < maxRefused {
			found.Refused = append(found.Refused, RefusedStart{start.GetStartTime().AsTime(), why})
		}
	}
	return found, nil
}

// beganAny reports whether the result of a close has a step that began. What is not a result has none: a close that
// ended before it ran has the problems of its input, or nothing.
func beganAny(result json.RawMessage) bool {
	var some struct{ Steps []struct{ State string } }
	err := json.Unmarshal(result, &some)
	return err == nil && slices.ContainsFunc(some.Steps, func(s struct{ State string }) bool { return s.State != "pending" })
}

// unreadableError is why the result of a workflow that has ended cannot be read here, although it may have one.
type unreadableError struct{ error }

func isUnreadable(err error) bool {
	var unreadable unreadableError
	return errors.As(err, &unreadable)
}

// resultOf is the result of a workflow that has ended: what it returned, the details with which it failed or was
// cancelled, or the answer to ResultQuery of one that was terminated. It is empty if the workflow ended before it could
// have one.
func (a *Activities) resultOf(ctx context.Context, start *commonpb.WorkflowExecution) (json.RawMessage, error) {
	var result json.RawMessage
	err := a.temporal.GetWorkflow(ctx, start.GetWorkflowId(), start.GetRunId()).Get(ctx, &result)
	var (
		ended     *temporal.WorkflowExecutionError
		failed    *temporal.ApplicationError
		cancelled *temporal.CanceledError
	)
	switch {
	case err == nil || !errors.As(err, &ended):
		return result, err
	case errors.As(ended, &failed):
		return detailsOf(failed)
	case errors.As(ended, &cancelled):
		return detailsOf(cancelled)
	}
	return a.resultSoFar(ctx, start)
}

// detailsOf are the details of an error, nil if it has none.
func detailsOf(err interface {
	HasDetails() bool
	Details(...any) error
}) (details json.RawMessage, unreadable error) {
	if !err.HasDetails() {
		return nil, nil
	}
	if err := err.Details(&details); err != nil {
		return nil, unreadableError{err}
	}
	return details, nil
}

// resultSoFar is what a workflow that was terminated, or timed out, had come to.
func (a *Activities) resultSoFar(ctx context.Context, start *commonpb.WorkflowExecution) (result json.RawMessage, err error) {
	answer, err := a.temporal.QueryWorkflow(ctx, start.GetWorkflowId(), start.GetRunId(), ResultQuery)
	var (
		notBegun *serviceerror.WorkflowNotReady
		unable   *serviceerror.QueryFailed
	)
	switch {
	case errors.As(err, &notBegun): // no worker has ever had it
		return nil, nil
	case errors.As(err, &unable) && strings.Contains(unable.Message, "unknown queryType"): // it ended before it ran
		return nil, nil
	case errors.As(err, &unable):
		return nil, unreadableError{err}
	case err != nil:
		return nil, err
	}
	if err := answer.Get(&result); err != nil {
		return nil, unreadableError{err}
	}
	return result, nil
}

// SendCommandInput sends a command to the workflow of a step.
type SendCommandInput struct {
	WorkflowID string `json:"workflow_id"`
	// Update is the name of the update.
	Update string `json:"update"`
	// Command is the input of the update, passed on unchanged.
	Command any `json:"command"`
}

// SendCommand sends an update to a workflow and returns when it has taken effect. A refusal is final and
// carries the reason. All attempts use the same update id, so that the command acts only once.
func (a *Activities) SendCommand(ctx context.Context, in SendCommandInput) (json.RawMessage, error) {
	info := activity.GetInfo(ctx)
	var answer json.RawMessage
	err := temporalclient.Update(ctx, a.temporal, client.UpdateWorkflowOptions{
		WorkflowID: in.WorkflowID,
		UpdateID:   fmt.Sprintf("%s-%s", info.WorkflowExecution.RunID, info.ActivityID),
		UpdateName: in.Update,
		Args:       []any{in.Command},
	}, &answer)
	var (
		gone    *serviceerror.NotFound
		refused *temporal.ApplicationError
	)
	switch {
	case errors.As(err, &gone):
		return nil, temporal.NewNonRetryableApplicationError(in.WorkflowID+" has ended", Refused, err)
	case errors.As(err, &refused):
		return nil, temporal.NewNonRetryableApplicationError(refused.Message(), Refused, err)
	}
	return answer, err
}
