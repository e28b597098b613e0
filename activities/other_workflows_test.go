package activities

import (
	"encoding/json"
	"testing"

	"github.com/stretchr/testify/mock"
	"github.com/stretchr/testify/require"
	enumspb "go.temporal.io/api/enums/v1"
	"go.temporal.io/api/serviceerror"
	"go.temporal.io/api/workflow/v1"
	"go.temporal.io/api/workflowservice/v1"
	"go.temporal.io/sdk/mocks"
	"go.temporal.io/sdk/temporal"
	"go.temporal.io/sdk/testsuite"
	sdk "go.temporal.io/sdk/workflow"
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

// A start that was terminated before it began a step hides nothing.
func TestBeganAny(t *testing.T) {
	for result, want := range map[string]bool{
		``: false, `{"steps":7}`: false, `{"steps":[]}`: false, `{"steps":[{"state":"pending"}]}`: false,
		`{"steps":[{"state":"running"},{"state":"pending"}]}`: true,
	} {
		require.Equal(t, want, beganAny(json.RawMessage(result)), result)
	}
}
