package main

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	enumspb "go.temporal.io/api/enums/v1"
	"go.temporal.io/api/serviceerror"
	"go.temporal.io/api/workflowservice/v1"
	"go.temporal.io/sdk/client"
	"go.temporal.io/sdk/temporal"

	"github.com/pbsmflow/pbsmflow/activities"
	"github.com/pbsmflow/pbsmflow/internal/notify"
	"github.com/pbsmflow/pbsmflow/internal/pipeline"
	"github.com/pbsmflow/pbsmflow/internal/temporalclient"
	"github.com/pbsmflow/pbsmflow/workflows"
)

// sent is an error as it looks after its way through Temporal.
func sent(err error) error {
	c := temporal.GetDefaultFailureConverter()
	return c.FailureToError(c.ErrorToFailure(err))
}

func failed(errorType string, details ...any) error {
	return sent(temporal.NewNonRetryableApplicationError("the cause", errorType, nil, details...))
}

func TestHowAJobEndedIsItsExitCode(t *testing.T) {
	run := workflows.RunBatchResult{Code: "A", State: workflows.Failed, RunID: "A_1_1"}
	interrupted := run
	interrupted.State = workflows.Interrupted
	cancelled := run
	cancelled.State, cancelled.Log = workflows.Cancelled, []workflows.LogEntry{{What: "cancelled; A_1_1 was over"}}
	for name, test := range map[string]struct {
		workflowType string
		err          error
		code         int
		message      string
		result       any
	}{
		"failed":          {workflows.RunBatchType, failed(workflows.BatchFailed, run), exitFailed, "the cause", &run},
		"interrupted":     {workflows.RunBatchType, failed(workflows.GivenUp, interrupted), exitInterrupted, "the cause", &interrupted},
		"deadline":        {workflows.RunBatchType, failed(workflows.DeadlinePassed, run), exitFailed, "the cause", &run},
		"close failed":    {workflows.NightlyCloseType, failed(workflows.CloseFailed, workflows.NightlyCloseResult{State: workflows.Failed}), exitFailed, "the cause", &workflows.NightlyCloseResult{State: workflows.Failed}},
		"report failed":   {workflows.GenerateReportType, failed(workflows.StepFailed), exitFailed, "the cause", nil},
		"refused":         {workflows.UploadFileType, failed(activities.Refused, activities.Refusal{Call: "file list"}), exitFailed, "the cause", nil},
		"refused trigger": {workflows.RunBatchType, failed(activities.Refused, activities.Refusal{Call: "trigger"}), exitFailed, "the cause", nil},
		"bad input":       {workflows.RunBatchType, failed(workflows.InvalidInput, []string{"one", "two"}), exitUsage, "the input has faults", nil},
		"cancelled":       {workflows.UploadFileType, sent(temporal.NewCanceledError()), exitInterrupted, "cancelled", nil},
		"batch cancelled": {workflows.RunBatchType, sent(temporal.NewCanceledError(cancelled)), exitInterrupted, "cancelled; A_1_1 was over", &cancelled},
		"timed out":       {workflows.RunBatchType, sent(temporal.NewTimeoutError(enumspb.TIMEOUT_TYPE_START_TO_CLOSE, nil)), exitFailed, "its time was over", nil},
		"unknown":         {workflows.RunBatchType, errors.New("strange"), exitFailed, "strange", nil},
	} {
		t.Run(name, func(t *testing.T) {
			p := ended("id", test.workflowType, fmt.Errorf("workflow execution error: %w", test.err))
			assert.Equal(t, test.code, p.code)
			assert.Contains(t, p.message, test.message)
			if test.result == nil {
				assert.Nil(t, p.result)
			} else {
				assert.Equal(t, test.result, p.result)
			}
			assert.Equal(t, p, asProblem(fmt.Errorf("wrapped: %w", p)), "the exit code survives wrapping")
		})
	}
}

func TestExitCodesAreStable(t *testing.T) {
	assert.Equal(t, []int{0, 1, 2, 3, 4, 5},
		[]int{exitDone, exitFailed, exitUsage, exitWaiting, exitInterrupted, exitUnreachable}, "scripts decide by them")
}

func TestFaultsAreOneEach(t *testing.T) {
	p := ended("id", workflows.RunBatchType, failed(workflows.InvalidInput, []string{"one", "two"}))
	assert.Equal(t, []string{"one", "two"}, p.faults)
	assert.Empty(t, p.next)
	_, err := pipeline.Parse([]byte("steps: []"))
	require.Error(t, err)
	assert.NotEmpty(t, asProblem(fmt.Errorf("file: %w", err)).faults)
}

func TestOtherErrorsHaveExitCodes(t *testing.T) {
	for name, test := range map[string]struct {
		err  error
		code int
	}{
		"usage":       {usage("bad %s", "flag"), exitUsage},
		"dial":        {fmt.Errorf("%w at here", temporalclient.ErrUnreachable), exitUnreachable},
		"unavailable": {fmt.Errorf("start x: %w", serviceerror.NewUnavailable("gone")), exitUnreachable},
		"late":        {fmt.Errorf("start x: %w", serviceerror.NewDeadlineExceeded("late")), exitUnreachable},
		"cut":         {fmt.Errorf("follow x: %w", serviceerror.NewCanceled("stream terminated by RST_STREAM with error code: CANCEL")), exitUnreachable},
		"namespace":   {fmt.Errorf("start x: %w", serviceerror.NewNamespaceNotFound("nope")), exitUsage},
		"stopped":     {fmt.Errorf("x: %w", context.Canceled), exitInterrupted},
		"other":       {errors.New("other"), exitFailed},
	} {
		assert.Equal(t, test.code, asProblem(test.err).code, name)
	}
}

func TestWhatTemporalRefusesIsNoSilence(t *testing.T) {
	refused := usage("refused")
	assert.Equal(t, exitUsage, asProblem(answered(serviceerror.NewFailedPrecondition("no pollers"), refused)).code)
	assert.Equal(t, exitUnreachable, asProblem(answered(serviceerror.NewUnavailable("gone"), refused)).code)
	assert.Equal(t, exitInterrupted, asProblem(answered(fmt.Errorf("x: %w", context.Canceled), refused)).code)
}

func TestACallThatEndsWithCtrlCIsStopped(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	err := fmt.Errorf("start x: %w", serviceerror.NewCanceled("context canceled"))
	assert.Equal(t, exitUnreachable, asProblem(stopped(ctx, err)).code)
	cancel()
	assert.Equal(t, exitInterrupted, asProblem(stopped(ctx, err)).code)
	assert.Equal(t, exitUsage, asProblem(stopped(ctx, usage("bad"))).code)
	assert.Equal(t, exitInterrupted, asProblem(stopped(ctx, fmt.Errorf("%w at here: context canceled", temporalclient.ErrUnreachable))).code)
}

// cuttingTemporal cuts each long poll after a while, so many times; there tells whether it answers short questions.
type cuttingTemporal struct {
	client.Client
	client.WorkflowRun
	cuts  int
	after time.Duration
	there bool
}

func (c *cuttingTemporal) GetWorkflow(context.Context, string, string) client.WorkflowRun { return c }

func (c *cuttingTemporal) Get(context.Context, any) error {
	if c.cuts == 0 {
		return nil
	}
	c.cuts--
	time.Sleep(c.after)
	return serviceerror.NewCanceled("stream terminated by RST_STREAM with error code: CANCEL")
}

func (c *cuttingTemporal) DescribeWorkflowExecution(context.Context, string, string) (*workflowservice.DescribeWorkflowExecutionResponse, error) {
	if !c.there {
		return nil, serviceerror.NewUnavailable("gone")
	}
	return &workflowservice.DescribeWorkflowExecutionResponse{}, nil
}

// Long polls that are cut hours apart are no silence of Temporal's; only one that goes on ends the following.
func TestFollowingGoesOnWhileTemporalAnswers(t *testing.T) {
	for name, test := range map[string]struct {
		temporal cuttingTemporal
		goesOn   bool
	}{
		"cut every hour": {cuttingTemporal{cuts: 8, after: time.Hour, there: true}, true},
		"away a moment":  {cuttingTemporal{cuts: 8, after: time.Second}, true},
		"away for good":  {cuttingTemporal{cuts: 1000, after: time.Second}, false},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				s := &session{client: &test.temporal}
				err := s.await(t.Context(), workflows.Execution{ID: "id"}, nil)
				assert.Equal(t, test.goesOn, err == nil, "%v", err)
			})
		})
	}
}

func TestUnsteered_temporalIsAway(t *testing.T) {
	s, _, _ := sessionWith(nil)
	p := asProblem(s.unsteered(t.Context(), "id", workflows.InterruptCommand, serviceerror.NewCanceled("stream terminated")))
	assert.Equal(t, exitUnreachable, p.code)
	assert.Contains(t, p.message, "may be in effect")
	assert.Contains(t, p.next[0], "starter status id")
}

// A script that is told that a job failed starts it again.
func TestAnErrorThatIsNotTheJobsIsNoEndOfIt(t *testing.T) {
	s, _, _ := sessionWith(nil)
	run := workflows.Execution{ID: "id", Type: workflows.RunBatchType}
	for _, err := range []error{serviceerror.NewPermissionDenied("Request unauthorized.", ""), serviceerror.NewInternal("broken"), errors.New("payload item 0: unable to decode: no key k1")} {
		p := asProblem(s.ending(run, err))
		assert.Equal(t, exitUnreachable, p.code)
		assert.Contains(t, p.message, err.Error())
		assert.False(t, p.over)
		assert.NotContains(t, strings.Join(p.next, "\n"), "posts the batch again")
	}
	p := asProblem(s.ending(run, &temporal.WorkflowExecutionError{}))
	assert.Equal(t, exitFailed, p.code)
	assert.True(t, p.over)
}

// answering is a Temporal that answers every question for a result with an error.
type answering struct {
	client.Client
	client.WorkflowRun
	get func() error
}

func (a *answering) GetWorkflow(context.Context, string, string) client.WorkflowRun { return a }

func (a *answering) Get(context.Context, any) error { return a.get() }

func TestWhoLooksAtWhatIsDoneAndStopsIsNotToldOfTemporal(t *testing.T) {
	cut := serviceerror.NewCanceled("context canceled") // as the SDK has it
	run := workflows.Execution{ID: "id", Type: workflows.RunBatchType}
	for name, look := range map[string]func(context.Context, *session) error{
		"start":  func(ctx context.Context, s *session) error { return s.alreadyDone(ctx, run, "") },
		"status": func(ctx context.Context, s *session) error { return s.ending(run, s.await(ctx, run, nil)) },
	} {
		t.Run(name, func(t *testing.T) {
			for _, err := range []error{cut, context.Canceled} {
				ctx, cancel := context.WithCancel(t.Context())
				s, _, _ := sessionWith(&answering{get: func() error {
					cancel()
					return err
				}})
				assert.Equal(t, exitInterrupted, asProblem(stopped(ctx, look(ctx, s))).code)
			}
		})
	}
	s, _, _ := sessionWith(&answering{get: func() error { return serviceerror.NewUnavailable("gone") }})
	p := asProblem(s.alreadyDone(t.Context(), run, ""))
	assert.Equal(t, exitUnreachable, p.code)
	assert.NotContains(t, p.message, "the job goes on", "it is over, and nobody waited for Temporal")
}

// writing is called before each write.
type writing func()

func (w writing) Write(p []byte) (int, error) {
	w()
	return len(p), nil
}

// Ctrl-C may come while something is printed: then the waiting has ended as well when it is noticed.
func TestWhoStopsFollowingIsNeverToldOfTemporal(t *testing.T) {
	for range 20 {
		synctest.Test(t, func(t *testing.T) {
			ctx, cancel := context.WithCancel(t.Context())
			s, _, _ := sessionWith(newRunning(workflows.RunBatchType, "pbsm"))
			s.stdout = writing(func() {
				cancel()
				time.Sleep(time.Second)
			})
			err := s.follow(ctx, workflows.Execution{ID: "id", Type: workflows.RunBatchType, TaskQueue: "pbsm"}, true)
			require.Equal(t, exitInterrupted, asProblem(err).code, "%v", err)
		})
	}
}

func TestAdviceFitsTheEnd(t *testing.T) {
	assert.Contains(t, ended("id", workflows.NightlyCloseType, failed(workflows.CloseFailed)).next[0], "batches that succeeded are not run again")
	late := ended("id", workflows.RunBatchType, failed(workflows.DeadlinePassed, workflows.RunBatchResult{State: workflows.Failed, RunID: "A_1_1"}))
	assert.Contains(t, late.next[0], "may still run")
	assert.Contains(t, late.next[1], "--run-id A_1_1")
}

func TestAChannelThatWasTriedSaysWhatIsNotKnown(t *testing.T) {
	for name, test := range map[string]struct {
		err  notify.Error
		want string
		not  string
	}{
		"partly":  {notify.Error{Partial: true, Text: "some addresses did not get the message: a@b.example: no such mailbox"}, "a@b.example", "it is not known"},
		"unknown": {notify.Error{Text: "closed without a response"}, "it is not known", "Check"},
		"refused": {notify.Error{NotDelivered: true, Text: "the receiver answered 404"}, "404", "it is not known"},
	} {
		p := asProblem(notTaken("night", &test.err))
		assert.Equal(t, exitFailed, p.code, name)
		assert.Contains(t, p.message, test.want, name)
		assert.NotContains(t, p.message, test.not, name)
	}
}

func TestWithField(t *testing.T) {
	text, err := withField(struct {
		A int `json:"a"`
	}{1}, "already_done", true)
	require.NoError(t, err)
	assert.JSONEq(t, `{"already_done": true, "a": 1}`, string(text))
	text, err = withField(struct{}{}, "already_done", true)
	require.NoError(t, err)
	assert.JSONEq(t, `{"already_done": true}`, string(text))
}

func TestDoctorsVerdict(t *testing.T) {
	good, config, tls, temporal := finding{OK: true}, finding{code: exitUsage}, finding{code: exitFailed}, finding{code: exitUnreachable}
	for _, test := range []struct {
		findings []finding
		code     int
	}{
		{[]finding{good}, exitDone},
		{[]finding{good, temporal}, exitUnreachable},
		{[]finding{tls, good, temporal}, exitFailed},
		{[]finding{tls, config}, exitUsage},
		{[]finding{config, temporal}, exitUsage},
	} {
		d := &doctor{app: &app{}, findings: test.findings}
		code := exitDone
		if err := d.verdict(); err != nil {
			code = asProblem(err).code
		}
		assert.Equal(t, test.code, code, "%v", test.findings)
	}
}

func TestUnicodeOnlyWhereTheLocaleHasIt(t *testing.T) {
	for _, test := range []struct {
		env  map[string]string
		want bool
	}{
		{map[string]string{"LANG": "en_US.UTF-8"}, true},
		{map[string]string{"LC_ALL": "C", "LANG": "en_US.UTF-8"}, false},
		{map[string]string{"LC_CTYPE": "C.utf8"}, true},
		{nil, false},
	} {
		assert.Equal(t, test.want, unicodeLocale(func(name string) string { return test.env[name] }))
	}
}
