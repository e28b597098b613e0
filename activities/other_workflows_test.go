package activities

import (
	"context"
	"encoding/json"
	"testing"
	"time"

	"github.com/stretchr/testify/mock"
	"github.com/stretchr/testify/require"
	"go.temporal.io/api/common/v1"
	enumspb "go.temporal.io/api/enums/v1"
	"go.temporal.io/api/serviceerror"
	"go.temporal.io/api/workflow/v1"
	"go.temporal.io/api/workflowservice/v1"
	"go.temporal.io/sdk/mocks"
	"go.temporal.io/sdk/temporal"
	"go.temporal.io/sdk/testsuite"
	sdk "go.temporal.io/sdk/workflow"
	"google.golang.org/protobuf/types/known/timestamppb"
)

// ended returns the error that a client gets from a workflow which fails with err.
func ended(t *testing.T, err error) error {
	t.Helper()
	var suite testsuite.WorkflowTestSuite
	env := suite.NewTestWorkflowEnvironment()
	env.ExecuteWorkflow(func(sdk.Context) error { return err })
	require.Error(t, env.GetWorkflowError())
	return env.GetWorkflowError()
}

func TestAwaitWorkflow_failsAsTheWorkflowDid(t *testing.T) {
	const id = "batch/prod/PBSM_ALLOC/2026-10-31"
	for name, c := range map[string]struct {
		end     error
		kind    string
		message string
	}{
		"failed":    {temporal.NewNonRetryableApplicationError("PBSM_ALLOC_1 failed", "BatchFailed", nil, map[string]string{"run_id": "PBSM_ALLOC_1"}), "BatchFailed", "PBSM_ALLOC_1 failed"},
		"cancelled": {temporal.NewCanceledError(), Refused, id + " was cancelled; see what became of its run: starter status " + id},
	} {
		t.Run(name, func(t *testing.T) {
			run := mocks.NewWorkflowRun(t)
			run.On("Get", mock.Anything, mock.Anything).Return(ended(t, c.end))
			server := mocks.NewClient(t)
			server.On("DescribeWorkflowExecution", mock.Anything, id, "").Return(&workflowservice.DescribeWorkflowExecutionResponse{
				WorkflowExecutionInfo: &workflow.WorkflowExecutionInfo{Status: enumspb.WORKFLOW_EXECUTION_STATUS_COMPLETED},
			}, nil)
			server.On("GetWorkflow", mock.Anything, id, "").Return(run)
			a := &Activities{temporal: server}
			_, err := activityEnv(a).ExecuteActivity(a.AwaitWorkflow, AwaitWorkflowInput{WorkflowID: id})
			failed := applicationError(t, err)
			require.Equal(t, c.kind, failed.Type())
			require.Equal(t, c.message, failed.Message())
			require.True(t, failed.NonRetryable())
			if name == "failed" {
				var details map[string]string
				require.NoError(t, failed.Details(&details))
				require.Equal(t, "PBSM_ALLOC_1", details["run_id"])
			}
		})
	}
}

// A workflow that was deleted never ends, so that waiting for it would never end either.
func TestAwaitWorkflow_deleted(t *testing.T) {
	const id = "batch/prod/PBSM_ALLOC/2026-10-31"
	server := mocks.NewClient(t)
	server.On("DescribeWorkflowExecution", mock.Anything, id, "").Return(nil, serviceerror.NewNotFound("workflow not found"))
	a := &Activities{temporal: server}
	_, err := activityEnv(a).ExecuteActivity(a.AwaitWorkflow, AwaitWorkflowInput{WorkflowID: id})
	failed := applicationError(t, err)
	require.True(t, failed.NonRetryable(), "%v", failed)
	require.Equal(t, Refused, failed.Type())
	require.Contains(t, failed.Message(), id+" was deleted from Temporal")
}

// Temporal may lose the first task of a workflow whose parent was terminated: it would be awaited for ever, in silence.
func TestAwaitWorkflow_neverBegins(t *testing.T) {
	const id = "close/prod/nightly/2026-10-31/ledger"
	for name, c := range map[string]struct {
		events int64
		age    time.Duration
		want   string
	}{
		"lost its first task":   {1, time.Hour, "Terminate it (temporal workflow terminate --workflow-id " + id + "), then retry"},
		"has just been started": {1, time.Second, "is still running"},
		"has its first task":    {2, time.Hour, "is still running"},
	} {
		t.Run(name, func(t *testing.T) {
			server := mocks.NewClient(t)
			server.On("DescribeWorkflowExecution", mock.Anything, id, "").Return(&workflowservice.DescribeWorkflowExecutionResponse{
				WorkflowExecutionInfo: &workflow.WorkflowExecutionInfo{
					Status:        enumspb.WORKFLOW_EXECUTION_STATUS_RUNNING,
					HistoryLength: c.events,
					ExecutionTime: timestamppb.New(time.Now().Add(-c.age)),
				},
			}, nil)
			server.On("QueryWorkflow", mock.Anything, id, "", "status").Return(nil, serviceerror.NewWorkflowNotReady("")).Maybe()
			a := &Activities{temporal: server}
			_, err := activityEnv(a).ExecuteActivity(a.AwaitWorkflow, AwaitWorkflowInput{WorkflowID: id, StatusQuery: "status"})
			require.ErrorContains(t, err, c.want)
		})
	}
}

// A run that an operator named, and that failed, does not hide one that had succeeded: the batch would run twice.
func TestEarlierSubmission_namedInVain(t *testing.T) {
	for name, c := range map[string]struct {
		run, result string
		want        bool
	}{
		"named, and failed":           {"ALLOC_2", `{"state":"failed","run_id":"ALLOC_2"}`, true},
		"named, and succeeded":        {"ALLOC_2", `{"state":"succeeded","run_id":"ALLOC_2"}`, false},
		"named, and running":          {"ALLOC_2", `{"state":"running","run_id":"ALLOC_2"}`, false},
		"restarted, and nobody knows": {"ALLOC_2?", `{"state":"failed"}`, false},
		"triggered, and failed":       {"ALLOC_2", `{"state":"failed","triggered_at":"2026-11-01T01:00:00Z"}`, false},
		"no result":                   {"ALLOC_2", ``, false},
	} {
		t.Run(name, func(t *testing.T) {
			found := EarlierSubmission{RunID: c.run, Result: json.RawMessage(c.result)}
			require.Equal(t, c.want, found.namedInVain())
		})
	}
}

// A start that was terminated before it began a step hides nothing.
func TestBeganAny(t *testing.T) {
	for result, want := range map[string]bool{
		``: false, `{"steps":7}`: false, `{"steps":[]}`: false, `{"steps":[{"state":"pending"}]}`: false,
		`{"steps":[{"state":"running"},{"state":"pending"}]}`: true,
	} {
		require.Equal(t, want, beganAny(json.RawMessage(result)), result)
	}
}

// A start of a close that did nothing hides nothing, and one of which nobody can tell what it did hides what was before.
func TestEarlierClose(t *testing.T) {
	const id = "close/prod/nightly/2026-10-31"
	terminated := serviceerror.NewQueryFailed("unknown queryType result. KnownQueryTypes=[status]")
	for name, c := range map[string]struct {
		latest error // of the query to the latest start, which was terminated
		want   EarlierClose
	}{
		"terminated before a worker had it":    {serviceerror.NewWorkflowNotReady("closed before WorkflowTaskStarted event"), EarlierClose{WorkflowRunID: "first", Result: json.RawMessage(`{"steps":[{"state":"succeeded"}]}`)}},
		"terminated before it ran":             {terminated, EarlierClose{WorkflowRunID: "first", Result: json.RawMessage(`{"steps":[{"state":"succeeded"}]}`)}},
		"a worker cannot tell what it came to": {serviceerror.NewQueryFailed("nondeterministic"), EarlierClose{WorkflowRunID: "second", Unreadable: "nondeterministic"}},
	} {
		t.Run(name, func(t *testing.T) {
			server := mocks.NewClient(t)
			listed := &workflowservice.ListWorkflowExecutionsResponse{}
			for i, run := range []string{"default-test-run-id", "second", "first"} {
				listed.Executions = append(listed.Executions, &workflow.WorkflowExecutionInfo{
					Execution: &common.WorkflowExecution{WorkflowId: id, RunId: run},
					StartTime: timestamppb.New(time.Unix(int64(100-i), 0)),
				})
			}
			server.On("ListWorkflow", mock.Anything, mock.Anything).Return(listed, nil)
			second, first := mocks.NewWorkflowRun(t), mocks.NewWorkflowRun(t)
			second.On("Get", mock.Anything, mock.Anything).Return(ended(t, &temporal.TerminatedError{}))
			server.On("GetWorkflow", mock.Anything, id, "second").Return(second)
			server.On("QueryWorkflow", mock.Anything, id, "second", ResultQuery).Return(nil, c.latest)
			if c.want.WorkflowRunID == "first" {
				first.On("Get", mock.Anything, mock.Anything).Return(func(_ context.Context, result any) error {
					return json.Unmarshal([]byte(`{"steps":[{"state":"succeeded"}]}`), result)
				})
				server.On("GetWorkflow", mock.Anything, id, "first").Return(first)
			}
			a := &Activities{temporal: server}
			value, err := activityEnv(a).ExecuteActivity(a.EarlierClose, EarlierCloseInput{WorkflowID: id})
			require.NoError(t, err)
			var got EarlierClose
			require.NoError(t, value.Get(&got))
			c.want.StartedAt = time.Unix(99, 0).UTC()
			require.Equal(t, c.want, got)
		})
	}
}
