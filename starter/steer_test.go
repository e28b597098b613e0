package main

import (
	"bytes"
	"context"
	"errors"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	commonpb "go.temporal.io/api/common/v1"
	enumspb "go.temporal.io/api/enums/v1"
	"go.temporal.io/api/serviceerror"
	taskqueuepb "go.temporal.io/api/taskqueue/v1"
	workflowpb "go.temporal.io/api/workflow/v1"
	"go.temporal.io/api/workflowservice/v1"
	"go.temporal.io/sdk/client"
	"go.temporal.io/sdk/converter"
	"google.golang.org/protobuf/types/known/timestamppb"

	"github.com/pbsmflow/pbsmflow/workflows"
)

// runningTemporal has one workflow that runs, for ever.
type runningTemporal struct {
	client.Client
	client.WorkflowRun
	info   workflowpb.WorkflowExecutionInfo
	asked  error // what a question to it ends with
	cancel func()
	mu     sync.Mutex
	queues []string // that were looked at
	polled map[string]time.Time
}

func newRunning(workflowType, queue string) *runningTemporal {
	return &runningTemporal{asked: serviceerror.NewUnavailable("nobody"), info: workflowpb.WorkflowExecutionInfo{
		Execution: &commonpb.WorkflowExecution{WorkflowId: "id", RunId: "run"}, Type: &commonpb.WorkflowType{Name: workflowType},
		Status: enumspb.WORKFLOW_EXECUTION_STATUS_RUNNING, TaskQueue: queue,
	}}
}

func (r *runningTemporal) DescribeWorkflowExecution(context.Context, string, string) (*workflowservice.DescribeWorkflowExecutionResponse, error) {
	return &workflowservice.DescribeWorkflowExecutionResponse{WorkflowExecutionInfo: &r.info}, nil
}

func (r *runningTemporal) DescribeTaskQueue(_ context.Context, queue string, _ enumspb.TaskQueueType) (*workflowservice.DescribeTaskQueueResponse, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.queues = append(r.queues, queue)
	answer := &workflowservice.DescribeTaskQueueResponse{}
	if at, ok := r.polled[queue]; ok {
		answer.Pollers = []*taskqueuepb.PollerInfo{{LastAccessTime: timestamppb.New(at)}}
	}
	return answer, nil
}

func (r *runningTemporal) CancelWorkflow(context.Context, string, string) error {
	r.cancel()
	return nil
}

func (r *runningTemporal) QueryWorkflow(context.Context, string, string, string, ...any) (converter.EncodedValue, error) {
	return nil, r.asked
}

func (r *runningTemporal) GetWorkflow(context.Context, string, string) client.WorkflowRun { return r }

func (r *runningTemporal) Get(ctx context.Context, _ any) error {
	<-ctx.Done()
	return ctx.Err()
}

func sessionWith(temporal client.Client) (s *session, stdout, stderr *bytes.Buffer) {
	stdout, stderr = &bytes.Buffer{}, &bytes.Buffer{}
	return &session{app: &app{terminal: terminalOf(0, stdout, stderr), taskQueue: "pbsm"}, client: temporal}, stdout, stderr
}

func TestAWorkflowOfAnotherProgramIsNotCancelled(t *testing.T) {
	temporal := newRunning("MonthEnd", "pbsm")
	temporal.cancel = func() { t.Error("it was cancelled") }
	s, _, _ := sessionWith(temporal)
	p := asProblem(s.cancel(t.Context(), "id", true))
	assert.Equal(t, exitUsage, p.code)
	assert.Contains(t, p.message, "MonthEnd, which is none of ours")
}

func (r *runningTemporal) ListWorkflow(context.Context, *workflowservice.ListWorkflowExecutionsRequest) (*workflowservice.ListWorkflowExecutionsResponse, error) {
	return &workflowservice.ListWorkflowExecutionsResponse{}, nil
}

// That nothing waits on a connection whose name is mistyped is no good news.
func TestAnInboxOfAConnectionThatNobodyHasSaysSo(t *testing.T) {
	temporal := newRunning(workflows.RunBatchType, "pbsm")
	temporal.polled = map[string]time.Time{"pbsm": time.Now(), "pbsm/prod": time.Now()}
	for connection, asks := range map[string]bool{"": false, "prod": false, "prd": true} {
		s, stdout, stderr := sessionWith(temporal)
		require.NoError(t, s.inbox(t.Context(), connection))
		assert.Equal(t, "Nothing waits for an operator.\n", stdout.String())
		assert.Equal(t, asks, strings.Contains(stderr.String(), `no worker has the connection "prd"`), connection)
	}
}

func (r *runningTemporal) ExecuteWorkflow(context.Context, client.StartWorkflowOptions, any, ...any) (client.WorkflowRun, error) {
	return nil, serviceerror.NewWorkflowExecutionAlreadyStarted("there is one", "", "run")
}

// A script takes the id from --detach, whatever there was.
func TestDetachPrintsTheIdOfAJobThatIsDone(t *testing.T) {
	temporal := newRunning(workflows.NightlyCloseType, "pbsm")
	temporal.info.Status = enumspb.WORKFLOW_EXECUTION_STATUS_COMPLETED
	done := workflows.NightlyCloseInput{Connection: "prod", Pipeline: "a", AsOfDate: "2026-10-31"}
	s, stdout, stderr := sessionWith(temporal)
	require.NoError(t, s.startAndFollow(t.Context(), done, following{detach: true}))
	assert.Equal(t, done.WorkflowID()+"\n", stdout.String())
	assert.Contains(t, stderr.String(), "It was already done")

	s, stdout, _ = sessionWith(temporal)
	s.output = "json"
	require.NoError(t, s.startAndFollow(t.Context(), done, following{detach: true}))
	assert.JSONEq(t, `{"workflow_id": "close/prod/a/2026-10-31", "run_id": "run", "already_done": true}`, stdout.String())
}

func TestWhatIsDoneAlreadyIsNotCalledStarted(t *testing.T) {
	s, stdout, _ := sessionWith(nil)
	s.announce(workflows.Execution{ID: "id"})
	assert.Contains(t, stdout.String(), "id was already done")
}

func TestAJobThatTakesNoWordSaysSo(t *testing.T) {
	unknown := sent(errors.New("unknown update interrupt. KnownUpdates=[]"))
	for workflowType, want := range map[string]string{
		workflows.UploadFileType:     "only a close or a batch takes interrupt",
		workflows.ScheduledCloseType: "it is of type ScheduledClose",
		"MonthEnd":                   "none of ours",
		workflows.RunBatchType:       "unknown update interrupt",
	} {
		s, _, _ := sessionWith(newRunning(workflowType, "pbsm"))
		p := asProblem(s.unsteered(t.Context(), "id", workflows.InterruptCommand, unknown))
		assert.Equal(t, exitUsage, p.code)
		assert.Contains(t, p.message, want)
	}
}

// Whatever queue the starter is told, only the workers of the job's own can tell how it stands.
func TestAJobIsAskedAboutOnItsOwnQueue(t *testing.T) {
	temporal := newRunning(workflows.RunBatchType, "second")
	s, _, _ := sessionWith(temporal)
	run, err := s.describe(t.Context(), "id")
	require.NoError(t, err)
	p := asProblem(s.snapshot(t.Context(), run))
	assert.Equal(t, exitUnreachable, p.code)
	assert.Contains(t, p.message, `no worker has polled the task queue "second" lately`)
	assert.Equal(t, []string{"second", "second"}, temporal.queues)
}

func TestAnAnswerThatCannotBeReadIsNoSilence(t *testing.T) {
	temporal := newRunning(workflows.RunBatchType, "pbsm")
	temporal.polled = map[string]time.Time{"pbsm": time.Now()}
	temporal.asked = errors.New(`the payload is sealed with key "k1", but no keys are configured`)
	s, _, _ := sessionWith(temporal)
	w := &watch{session: s, run: workflows.Execution{ID: "id", TaskQueue: "pbsm"}, heard: time.Now()}
	w.look(t.Context())
	require.Len(t, w.last.Notes, 1)
	assert.Contains(t, w.last.Notes[0], `sealed with key "k1"`)
}

func TestACancelThatIsNotWaitedForSaysThatItWasSent(t *testing.T) {
	temporal := newRunning(workflows.RunBatchType, "pbsm")
	temporal.cancel = func() {}
	s, stdout, stderr := sessionWith(temporal)
	require.NoError(t, s.cancel(t.Context(), "id", true))
	assert.Equal(t, "id\n", stdout.String())
	assert.Contains(t, stderr.String(), "The cancel was sent")
	assert.NotContains(t, stderr.String(), "already")

	ctx, stop := context.WithCancel(t.Context())
	temporal.cancel = stop // Ctrl-C, right afterwards
	s, _, _ = sessionWith(temporal)
	p := asProblem(s.cancel(ctx, "id", false))
	assert.Equal(t, exitInterrupted, p.code)
	assert.Contains(t, p.message, "the cancel was sent")
	assert.NotContains(t, p.next[0], "cancel")
}

// A help's example is copied in a hurry: that of decide posted the batch a second time.
func TestExamplesOfSteeringAreHarmlessAndFit(t *testing.T) {
	for _, noun := range []string{"close", "batch"} {
		for _, s := range workflows.Commands() {
			example := steeringExample(noun, s.Name)
			assert.NotContains(t, example, workflows.NothingStarted)
			assert.Equal(t, s.Name == workflows.RestartCommand, strings.Contains(example, "table space"), example)
		}
	}
	assert.Contains(t, steeringExample("close", workflows.ApproveCommand), "--step sign-off")
}
