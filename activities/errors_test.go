package activities

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"
	"unicode/utf8"

	"github.com/stretchr/testify/mock"
	"github.com/stretchr/testify/require"
	"go.temporal.io/api/serviceerror"
	"go.temporal.io/sdk/activity"
	"go.temporal.io/sdk/converter"
	"go.temporal.io/sdk/log"
	"go.temporal.io/sdk/mocks"
	"go.temporal.io/sdk/temporal"
	"go.temporal.io/sdk/testsuite"
	"go.temporal.io/sdk/workflow"

	"github.com/pbsmflow/pbsmflow/internal/config"
	"github.com/pbsmflow/pbsmflow/internal/parstore"
	"github.com/pbsmflow/pbsmflow/internal/pbsm"
	"github.com/pbsmflow/pbsmflow/internal/simulator"
	"github.com/pbsmflow/pbsmflow/internal/stores"
)

func TestErrorsAreClassifiedOnce(t *testing.T) {
	uncapped := retryAfter{limit: func(d time.Duration) time.Duration { return d }}
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
		{"a refused post is final", &pbsm.Error{NotProcessed: true}, false, Refused, true, 0},
		{"an outage is waited out", &pbsm.Error{Temporary: true}, true, Unavailable, false, 0},
		{"the service's own delay counts", &pbsm.Error{Temporary: true, RetryAfter: time.Minute}, true, Unavailable, false, time.Minute},
		{"a post that was not processed is sent again", wrapped(&pbsm.Error{Temporary: true, NotProcessed: true}), false, Unavailable, false, 0},
		{"a post that may have been processed is not", &pbsm.Error{Temporary: true}, false, OutcomeUnknown, true, 0},
		{"not even when the answer looks final", &pbsm.Error{}, false, OutcomeUnknown, true, 0},
		{"an odd error of a post is unknown", errors.New("odd"), false, OutcomeUnknown, true, 0},
		{"an odd error of anything else is repeated", errors.New("odd"), true, Unavailable, false, 0},
		{"a PAR that is no longer good", &parstore.Error{Expired: true, Temporary: true}, true, PARExpired, true, 0},
		{"an object store that is down", &parstore.Error{Temporary: true, RetryAfter: time.Second}, true, Unavailable, false, time.Second},
		{"a store that does not let us", fmt.Errorf("read inbox/gl.csv: %w", &fs.PathError{Op: "open", Path: "/data/gl.csv", Err: syscall.EACCES}), true, Refused, true, 0},
		{"an object store that refuses", &parstore.Error{}, true, Refused, true, 0},
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

func TestPausesGrowWithTheTimeWaited(t *testing.T) {
	poll := config.Poll{Ratio: 0.05, Min: 2 * time.Second, Max: time.Minute}
	for waited, want := range map[time.Duration]time.Duration{
		0:                2 * time.Second,
		40 * time.Second: 2 * time.Second,
		10 * time.Minute: 30 * time.Second,
		20 * time.Minute: time.Minute,
		10 * time.Hour:   time.Minute,
	} {
		require.Equal(t, want, pause(poll, waited), waited)
	}
	looks := 0
	for waited := time.Duration(0); waited < 20*time.Minute; waited += pause(poll, waited) {
		looks++
	}
	require.InDelta(t, 90, looks, 10)
}

func TestTextsDoNotChangeAFingerprint(t *testing.T) {
	status := BatchStatus{RunID: "r", Code: "2", Text: "ONGOING", Tasks: []TaskStatus{{Code: "t1", StatusCode: "0", Text: "SUCCESSFUL"}, {Code: "t2", StatusCode: "2"}}}
	other := status
	other.Text = "On going"
	require.Equal(t, status.Fingerprint(), other.Fingerprint())
	other.Tasks = []TaskStatus{{Code: "t1", StatusCode: "0"}, {Code: "t2", StatusCode: "5"}}
	require.NotEqual(t, status.Fingerprint(), other.Fingerprint())
	over, all := status.Progress()
	require.Equal(t, []int{1, 2}, []int{over, all})
}

// The document promises no order of tasks and members.
func TestAnotherOrderIsNoChange(t *testing.T) {
	a, b := TaskStatus{Code: "t1", StatusCode: "0"}, TaskStatus{Code: "t2", StatusCode: "2"}
	first, second := BatchStatus{RunID: "m1", Code: "2", Tasks: []TaskStatus{a, b}}, BatchStatus{RunID: "m2", Code: "1"}
	status := BatchStatus{RunID: "r", Code: "2", Tasks: []TaskStatus{a, b}, Batches: []BatchStatus{first, second}}
	other := status
	first.Tasks = []TaskStatus{b, a}
	other.Tasks, other.Batches = []TaskStatus{b, a}, []BatchStatus{second, first}
	require.Equal(t, status.Fingerprint(), other.Fingerprint())
	second.Code = "2"
	other.Batches = []BatchStatus{second, first}
	require.NotEqual(t, status.Fingerprint(), other.Fingerprint())
}

// The looks at a run whose tasks come in another order each time wait as those at any other.
func TestALookAtAnotherOrderWaits(t *testing.T) {
	a, sim := withService(t, stores.Settings{URL: "file://" + t.TempDir()})
	run, err := a.connections["prod"].service.Trigger(t.Context(), pbsm.TriggerRequest{Code: "PBSM_ALLOC", Type: pbsm.Batch})
	require.NoError(t, err)
	sim.Advance(time.Second)
	watch := BatchStatusInput{RunInput: RunInput{Connection: "prod", RunID: run.ID}, Poll: Poll{Since: time.Now()}}
	answer, err := activityEnv(a).ExecuteActivity(a.BatchStatus, watch)
	require.NoError(t, err)
	var seen BatchStatus
	require.NoError(t, answer.Get(&seen))
	require.Greater(t, len(seen.Tasks), 1)
	slices.Reverse(seen.Tasks)
	watch.Known = seen.Fingerprint()
	last := applicationError(t, looksAt(a, watch, 2))
	require.Equal(t, StillWaiting, last.Type())
	require.Contains(t, last.Message(), " done; next look in ")
}

// looksAt makes so many attempts to see something new, and gives the error of the last one.
func looksAt(a *Activities, watch BatchStatusInput, attempts int32) error {
	var suite testsuite.WorkflowTestSuite
	suite.SetLogger(log.NewStructuredLogger(slog.New(slog.DiscardHandler)))
	env := suite.NewTestWorkflowEnvironment()
	env.RegisterActivity(a)
	env.ExecuteWorkflow(func(ctx workflow.Context) error {
		ctx = workflow.WithActivityOptions(ctx, workflow.ActivityOptions{
			StartToCloseTimeout: time.Minute, RetryPolicy: &temporal.RetryPolicy{MaximumAttempts: attempts},
		})
		return workflow.ExecuteActivity(ctx, a.BatchStatus, watch).Get(ctx, nil)
	})
	return env.GetWorkflowError()
}

// The look behind a change waits like every other: a group whose batches end one after the other would be looked
// at without a pause, and Temporal end the workflow for the size of its history.
func TestALookBehindAChangeWaits(t *testing.T) {
	a, sim := withService(t, stores.Settings{URL: "file://" + t.TempDir()})
	run, err := a.connections["prod"].service.Trigger(t.Context(), pbsm.TriggerRequest{Code: "PBSM_ALLOC", Type: pbsm.Batch})
	require.NoError(t, err)
	sim.Advance(time.Hour)
	watch := BatchStatusInput{RunInput: RunInput{Connection: "prod", RunID: run.ID}, Poll: Poll{Since: time.Now(), Known: "something else"}}
	require.Equal(t, StillWaiting, applicationError(t, looksAt(a, watch, 1)).Type())
	require.NoError(t, looksAt(a, watch, 2))
}

// An attempt behind the first one polls the instance that its heartbeat names, also through its end.
func TestGenerateReport_pollsTheInstanceOfItsHeartbeat(t *testing.T) {
	for code, word := range map[string]string{"RPT_FAIL_ONCE": "FAIL", "RPT002": "COMPLETE"} {
		t.Run(word, func(t *testing.T) {
			a, sim := withService(t, stores.Settings{URL: "file://" + t.TempDir()})
			in := GenerateReportInput{Connection: "prod", Code: code, Type: "CSV"}
			var asked generated
			env := activityEnv(a)
			env.SetOnActivityHeartbeatListener(func(_ *activity.Info, details converter.EncodedValues) { require.NoError(t, details.Get(&asked)) })
			_, err := env.ExecuteActivity(a.GenerateReport, in)
			require.Equal(t, StillWaiting, applicationError(t, err).Type())

			sim.Advance(time.Hour)
			env = activityEnv(a)
			env.SetHeartbeatDetails(asked)
			answer, err := env.ExecuteActivity(a.GenerateReport, in)
			require.NoError(t, err)
			var report Report
			require.NoError(t, answer.Get(&report))
			require.Equal(t, asked.InstanceID, report.InstanceID)
			require.Equal(t, word, report.Status)
			require.True(t, report.Done || report.Failed)
		})
	}
}

// Temporal may take the mark that goes before a post, and its answer be lost. Nothing was sent then,
// and the next attempt must not ask a person.
func TestAMarkThatWasNotConfirmedDoesNotStopThePost(t *testing.T) {
	for name, answer := range map[string]error{
		"lost":   serviceerror.NewUnavailable("connection closed"),
		"paused": activity.ErrActivityPaused,
	} {
		t.Run(name, func(t *testing.T) {
			a, sim := withService(t, stores.Settings{URL: "file://" + t.TempDir()})
			var taken SubmissionHeartbeat
			server := mocks.NewClient(t)
			server.On("RecordActivityHeartbeat", mock.Anything, mock.Anything, mock.Anything).
				Run(func(args mock.Arguments) { taken = args.Get(2).(SubmissionHeartbeat) }).
				Return(func(context.Context, []byte, ...any) error { return answer })
			a.temporal = server
			trigger := TriggerBatchInput{Connection: "prod", Code: "PBSM_QUICK"}
			_, err := activityEnv(a).ExecuteActivity(a.TriggerBatch, trigger)
			require.Equal(t, Unavailable, applicationError(t, err).Type())
			require.Empty(t, sim.Runs())

			answer = nil
			next := activityEnv(a)
			next.SetHeartbeatDetails(taken)
			_, err = next.ExecuteActivity(a.TriggerBatch, trigger)
			require.NoError(t, err)
			require.Len(t, sim.Runs(), 1)
		})
	}
}

// A gateway in maintenance may ask for an hour of patience, and be back in a minute. Temporal does not
// repeat what would come after the deadline: the watch would end with its error while there is time left.
func TestAServicesDelayDoesNotEndAWatchBeforeItsDeadline(t *testing.T) {
	a, sim := withService(t, stores.Settings{URL: "file://" + t.TempDir()})
	run, err := a.connections["prod"].service.Trigger(t.Context(), pbsm.TriggerRequest{Code: "PBSM_QUICK", Type: pbsm.Batch})
	require.NoError(t, err)
	sim.Advance(time.Hour)
	sim.Inject(simulator.Fault{Call: "status", Kind: simulator.FaultStatus, RetryAfter: "3600", Times: 1})
	var suite testsuite.WorkflowTestSuite
	suite.SetLogger(log.NewStructuredLogger(slog.New(slog.DiscardHandler)))
	env := suite.NewTestWorkflowEnvironment()
	env.RegisterActivity(a)
	env.ExecuteWorkflow(func(ctx workflow.Context) (seen BatchStatus, err error) {
		ctx = workflow.WithActivityOptions(ctx, workflow.ActivityOptions{StartToCloseTimeout: time.Minute, ScheduleToCloseTimeout: 20 * time.Minute})
		err = workflow.ExecuteActivity(ctx, a.BatchStatus, BatchStatusInput{RunInput: RunInput{Connection: "prod", RunID: run.ID}, Poll: Poll{Since: workflow.Now(ctx)}}).Get(ctx, &seen)
		return seen, err
	})
	require.NoError(t, env.GetWorkflowError())
	var seen BatchStatus
	require.NoError(t, env.GetWorkflowResult(&seen))
	require.Equal(t, "0", seen.Code)
}

// The same holds for every other call: what is safe to send again is sent again while there is time left.
func TestAServicesDelayDoesNotEndACallBeforeItsDeadline(t *testing.T) {
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

// What is larger than a message to Temporal never gets there.
func TestAnInputWithFaultsWithoutEndIsRefused(t *testing.T) {
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
