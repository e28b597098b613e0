package cli

import (
	"context"
	"errors"
	"fmt"
	"testing"

	enumspb "go.temporal.io/api/enums/v1"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"go.temporal.io/api/serviceerror"
	"go.temporal.io/sdk/temporal"

	"github.com/pbsmflow/pbsmflow/activities"
	"github.com/pbsmflow/pbsmflow/internal/pipeline"
	"github.com/pbsmflow/pbsmflow/internal/temporalclient"
	"github.com/pbsmflow/pbsmflow/workflows"
)

// failure is an error as it looks after it has passed through Temporal.
func failure(err error) error {
	c := temporal.GetDefaultFailureConverter()
	return c.FailureToError(c.ErrorToFailure(err))
}

func failed(errorType string, details ...any) error {
	return failure(temporal.NewNonRetryableApplicationError("the cause", errorType, nil, details...))
}

func TestEnded_exitCodes(t *testing.T) {
	run := workflows.RunBatchResult{Code: "A", State: workflows.Failed, RunID: "A_1_1"}
	interrupted := run
	interrupted.State = workflows.Interrupted
	cancelled := run
	cancelled.State, cancelled.Log = workflows.Cancelled, []workflows.LogEntry{{What: "cancelled; A_1_1 had ended"}}
	for name, test := range map[string]struct {
		workflowType string
		err          error
		code         int
		message      string
		result       any
	}{
		"failed":          {workflows.RunBatchType, failed(workflows.BatchFailed, run), ExitFailed, "the cause", &run},
		"interrupted":     {workflows.RunBatchType, failed(workflows.GivenUp, interrupted), ExitInterrupted, "the cause", &interrupted},
		"deadline":        {workflows.RunBatchType, failed(workflows.DeadlinePassed, run), ExitFailed, "the cause", &run},
		"close failed":    {workflows.NightlyCloseType, failed(workflows.CloseFailed, workflows.NightlyCloseResult{State: workflows.Failed}), ExitFailed, "the cause", &workflows.NightlyCloseResult{State: workflows.Failed}},
		"report failed":   {workflows.GenerateReportType, failed(workflows.StepFailed), ExitFailed, "the cause", nil},
		"refused":         {workflows.UploadFileType, failed(activities.Refused, activities.Refusal{Call: "file list"}), ExitFailed, "the cause", nil},
		"refused trigger": {workflows.RunBatchType, failed(activities.Refused, activities.Refusal{Call: "trigger"}), ExitFailed, "the cause", nil},
		"bad input":       {workflows.RunBatchType, failed(workflows.InvalidInput, []string{"one", "two"}), ExitUsage, "the input has problems", nil},
		"cancelled":       {workflows.UploadFileType, failure(temporal.NewCanceledError()), ExitInterrupted, "cancelled", nil},
		"batch cancelled": {workflows.RunBatchType, failure(temporal.NewCanceledError(cancelled)), ExitInterrupted, "cancelled; A_1_1 had ended", &cancelled},
		"timed out":       {workflows.RunBatchType, failure(temporal.NewTimeoutError(enumspb.TIMEOUT_TYPE_START_TO_CLOSE, nil)), ExitFailed, "timed out", nil},
		"unknown":         {workflows.RunBatchType, errors.New("strange"), ExitFailed, "strange", nil},
	} {
		t.Run(name, func(t *testing.T) {
			p := new(Factory).Ended("id", test.workflowType, fmt.Errorf("workflow execution error: %w", test.err))
			assert.Equal(t, test.code, p.Code)
			assert.Contains(t, p.Message, test.message)
			if test.result == nil {
				assert.Nil(t, p.Result)
			} else {
				assert.Equal(t, test.result, p.Result)
			}
			assert.Equal(t, p, AsProblem(fmt.Errorf("wrapped: %w", p)), "the exit code survives wrapping")
		})
	}
}

func TestExitCodes_areStable(t *testing.T) {
	assert.Equal(t, []int{0, 1, 2, 3, 4, 5},
		[]int{ExitDone, ExitFailed, ExitUsage, ExitWaiting, ExitInterrupted, ExitUnreachable}, "scripts depend on them")
}

func TestEnded_listsTheProblems(t *testing.T) {
	p := new(Factory).Ended("id", workflows.RunBatchType, failed(workflows.InvalidInput, []string{"one", "two"}))
	assert.Equal(t, []string{"one", "two"}, p.Problems)
	assert.Empty(t, p.Next)
	_, err := pipeline.Parse([]byte("steps: []"))
	require.Error(t, err)
	assert.NotEmpty(t, AsProblem(fmt.Errorf("file: %w", err)).Problems)
}

func TestAsProblem_exitCodes(t *testing.T) {
	for name, test := range map[string]struct {
		err  error
		code int
	}{
		"usage":       {Usage("bad %s", "flag"), ExitUsage},
		"dial":        {fmt.Errorf("%w at here", temporalclient.ErrUnreachable), ExitUnreachable},
		"unavailable": {fmt.Errorf("start x: %w", serviceerror.NewUnavailable("gone")), ExitUnreachable},
		"late":        {fmt.Errorf("start x: %w", serviceerror.NewDeadlineExceeded("late")), ExitUnreachable},
		"cut":         {fmt.Errorf("follow x: %w", serviceerror.NewCanceled("stream terminated by RST_STREAM with error code: CANCEL")), ExitUnreachable},
		"namespace":   {fmt.Errorf("start x: %w", serviceerror.NewNamespaceNotFound("nope")), ExitUsage},
		"stopped":     {fmt.Errorf("x: %w", context.Canceled), ExitInterrupted},
		"other":       {errors.New("other"), ExitFailed},
	} {
		assert.Equal(t, test.code, AsProblem(test.err).Code, name)
	}
}

func TestOrUnavailable(t *testing.T) {
	refused := Usage("refused")
	assert.Equal(t, ExitUsage, AsProblem(OrUnavailable(serviceerror.NewFailedPrecondition("no pollers"), refused)).Code)
	assert.Equal(t, ExitUnreachable, AsProblem(OrUnavailable(serviceerror.NewUnavailable("gone"), refused)).Code)
	assert.Equal(t, ExitInterrupted, AsProblem(OrUnavailable(fmt.Errorf("x: %w", context.Canceled), refused)).Code)
}

func TestStopped_isTheEndOfTheContext(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	err := fmt.Errorf("start x: %w", serviceerror.NewCanceled("context canceled"))
	assert.Equal(t, ExitUnreachable, AsProblem(Stopped(ctx, err)).Code)
	cancel()
	assert.Equal(t, ExitInterrupted, AsProblem(Stopped(ctx, err)).Code)
	assert.Equal(t, ExitUsage, AsProblem(Stopped(ctx, Usage("bad"))).Code)
	assert.Equal(t, ExitInterrupted, AsProblem(Stopped(ctx, fmt.Errorf("%w at here: context canceled", temporalclient.ErrUnreachable))).Code)
}

func TestEnded_advice(t *testing.T) {
	assert.Equal(t, []string{
		"When the cause is fixed, start it again; what succeeded and still holds is kept:",
		"  starter close --connection C --pipeline NAME|FILE --as-of DATE",
	}, new(Factory).Ended("id", workflows.NightlyCloseType, failed(workflows.CloseFailed)).Next)
	scenario := workflows.NightlyCloseResult{
		Connection: "prod",
		Pipeline:   "forecast",
		AsOfDate:   "2026-10-31",
		State:      workflows.Failed,
		Key:        "high",
		Params:     map[string]string{"scenario": "7", "note": "it's high"},
	}
	assert.Equal(t, `  starter close --connection prod --pipeline forecast --as-of 2026-10-31 --param 'note=it'\''s high' --param scenario=7 --key high`,
		new(Factory).Ended("id", workflows.NightlyCloseType, failed(workflows.CloseFailed, scenario)).Next[1])
	late := new(Factory).Ended("id", workflows.RunBatchType, failed(workflows.DeadlinePassed, workflows.RunBatchResult{State: workflows.Failed, RunID: "A_1_1"}))
	assert.Contains(t, late.Next[0], "may still be running")
	assert.Contains(t, late.Next[1], "--run-id A_1_1")
}
