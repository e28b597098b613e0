package activities

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"strings"
	"syscall"
	"testing"
	"time"
	"unicode/utf8"

	"github.com/stretchr/testify/mock"
	"github.com/stretchr/testify/require"
	"go.temporal.io/sdk/log"
	"go.temporal.io/sdk/mocks"
	"go.temporal.io/sdk/temporal"
	"go.temporal.io/sdk/testsuite"
	"go.temporal.io/sdk/workflow"

	"github.com/pbsmflow/pbsmflow/internal/parstore"
	"github.com/pbsmflow/pbsmflow/internal/pbsm"
	"github.com/pbsmflow/pbsmflow/internal/simulator"
	"github.com/pbsmflow/pbsmflow/internal/stores"
)

func TestClassify_typeRetryAndDelay(t *testing.T) {
	uncapped := func(requested time.Duration) time.Duration { return requested }
	wrapped := func(e *pbsm.Error) error { return fmt.Errorf("trigger was not sent: %w", e) }
	for _, c := range []struct {
		name         string
		err          error
		safeToRepeat bool
		want         string
		final        bool
		delay        time.Duration
	}{
		{"a refusal is final", &pbsm.Error{NotProcessed: true}, true, Refused, true, 0},
		{"a refused submission is final", &pbsm.Error{NotProcessed: true}, false, Refused, true, 0},
		{"an outage is retried", &pbsm.Error{Temporary: true}, true, Unavailable, false, 0},
		{"Retry-After is used", &pbsm.Error{Temporary: true, RetryAfter: time.Minute}, true, Unavailable, false, time.Minute},
		{"a submission that was not processed is retried", wrapped(&pbsm.Error{Temporary: true, NotProcessed: true}), false, Unavailable, false, 0},
		{"a submission that may have been processed is not retried", &pbsm.Error{Temporary: true}, false, OutcomeUnknown, true, 0},
		{"nor one with a final error", &pbsm.Error{}, false, OutcomeUnknown, true, 0},
		{"an unexpected error of a submission: outcome unknown", errors.New("unexpected"), false, OutcomeUnknown, true, 0},
		{"an unexpected error of any other call is retried", errors.New("unexpected"), true, Unavailable, false, 0},
		{"a PAR has expired", &parstore.Error{Expired: true, Temporary: true}, true, PARExpired, true, 0},
		{"the object store is down", &parstore.Error{Temporary: true, RetryAfter: time.Second}, true, Unavailable, false, time.Second},
		{"a store denies access", fmt.Errorf("read inbox/gl.csv: %w", &fs.PathError{Op: "open", Path: "/data/gl.csv", Err: syscall.EACCES}), true, Refused, true, 0},
		{"a store is not trusted", fmt.Errorf("stat inbox/gl.csv: %w", &stores.HandshakeError{Err: errors.New("another key")}), true, Refused, true, 0},
		{"the object store refuses", &parstore.Error{}, true, Refused, true, 0},
	} {
		t.Run(c.name, func(t *testing.T) {
			var failed *temporal.ApplicationError
			require.ErrorAs(t, classify(c.err, c.safeToRepeat, uncapped), &failed)
			require.Equal(t, c.want, failed.Type())
			require.Equal(t, c.final, failed.NonRetryable())
			require.Equal(t, c.delay, failed.NextRetryDelay())
		})
	}
	require.NoError(t, classify(nil, true, uncapped))
	require.ErrorIs(t, classify(context.Canceled, false, uncapped), context.Canceled)
	known := InvalidInputError("a", "b")
	require.Equal(t, known, classify(known, false, uncapped))
}

// A gateway in maintenance may send Retry-After: 3600 and be back in a minute. Temporal does not retry
// after the deadline, so that the call would fail while there is still time.
func TestClassify_retriesDespiteALongRetryAfter(t *testing.T) {
	a, sim := withService(t, stores.Settings{URL: "file://" + t.TempDir()})
	server := mocks.NewClient(t)
	server.On("RecordActivityHeartbeat", mock.Anything, mock.Anything, mock.Anything).Return(nil)
	a.temporal = server
	for call, c := range map[string]struct {
		activity, input any
		status          int
	}{
		"trigger":    {a.TriggerBatch, TriggerBatchInput{Connection: "prod", Code: "PBSM_QUICK"}, 429},
		"upload-par": {a.CreateUploadPAR, CreateUploadPARInput{Connection: "prod", Name: "gl.csv", Size: 2}, 503},
	} {
		t.Run(call, func(t *testing.T) {
			sim.Inject(simulator.Fault{Call: call, Kind: simulator.FaultStatus, Status: c.status, RetryAfter: "3600", Times: 2})
			var suite testsuite.WorkflowTestSuite
			suite.SetLogger(log.NewStructuredLogger(slog.New(slog.DiscardHandler)))
			env := suite.NewTestWorkflowEnvironment()
			env.RegisterActivity(a)
			env.ExecuteWorkflow(func(ctx workflow.Context) error {
				ctx = workflow.WithActivityOptions(ctx, workflow.ActivityOptions{StartToCloseTimeout: time.Minute, ScheduleToCloseTimeout: 20 * time.Minute})
				return workflow.ExecuteActivity(ctx, c.activity, c.input).Get(ctx, nil)
			})
			require.NoError(t, env.GetWorkflowError())
		})
	}
}

// An error that exceeds the size of a message to Temporal never arrives there.
func TestInvalidInputError_limitsItsSize(t *testing.T) {
	text := []byte("name: x\nsteps: [{id: " + strings.Repeat("ä", 20_000) + "}]\n")
	for i := range 20_000 {
		text = fmt.Appendf(text, "k%d: 1\n", i)
	}
	definition, err := json.Marshal(string(text))
	require.NoError(t, err)
	a, _ := withInbox(t)
	a.connections = map[string]*connection{"prod": {}}
	_, err = activityEnv(a).ExecuteActivity(a.PreparePipeline, PreparePipelineInput{Connection: "prod", Definition: definition, AsOfDate: "2026-10-31"})
	failed := applicationError(t, err)
	require.Equal(t, InvalidInput, failed.Type())
	var problems []string
	require.NoError(t, failed.Details(&problems))
	require.Less(t, len(failed.Message()), 100<<10)
	require.Less(t, len(strings.Join(problems, "")), 100<<10)
	require.True(t, utf8.ValidString(failed.Message()))
	require.Contains(t, failed.Message(), "line 3: k0: unknown key")
	require.Regexp(t, `^and \d{5} more$`, problems[len(problems)-1])
}
