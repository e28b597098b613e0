package clitest

import (
	"context"
	"sync"
	"time"

	commonpb "go.temporal.io/api/common/v1"
	deploymentpb "go.temporal.io/api/deployment/v1"
	enumspb "go.temporal.io/api/enums/v1"
	"go.temporal.io/api/serviceerror"
	taskqueuepb "go.temporal.io/api/taskqueue/v1"
	workflowpb "go.temporal.io/api/workflow/v1"
	"go.temporal.io/api/workflowservice/v1"
	sdk "go.temporal.io/sdk/client"
	"go.temporal.io/sdk/converter"
	"google.golang.org/grpc"
	"google.golang.org/protobuf/types/known/timestamppb"
)

// Temporal is a simulated Temporal with one workflow, which never ends.
type Temporal struct {
	sdk.Client
	sdk.WorkflowRun
	Info       workflowpb.WorkflowExecutionInfo
	Pending    []*workflowpb.PendingChildExecutionInfo
	QueryError error
	OnCancel   func()
	Polled     map[string]time.Time // by task queue
	Build      string               // of the workers that polled
	Described  []string             // the task queues that were described
	mu         sync.Mutex
}

// NewTemporal has a running workflow "id" of a type on a task queue.
func NewTemporal(workflowType, queue string) *Temporal {
	return &Temporal{QueryError: serviceerror.NewUnavailable("no worker"), Info: workflowpb.WorkflowExecutionInfo{
		Execution: &commonpb.WorkflowExecution{WorkflowId: "id", RunId: "run"},
		Type:      &commonpb.WorkflowType{Name: workflowType},
		Status:    enumspb.WORKFLOW_EXECUTION_STATUS_RUNNING,
		TaskQueue: queue,
	}}
}

func (c *Temporal) DescribeWorkflowExecution(
	context.Context, string, string,
) (*workflowservice.DescribeWorkflowExecutionResponse, error) {
	return &workflowservice.DescribeWorkflowExecutionResponse{
		WorkflowExecutionInfo: &c.Info,
		PendingChildren:       c.Pending,
	}, nil
}

func (c *Temporal) DescribeTaskQueue(
	_ context.Context, queue string, _ enumspb.TaskQueueType,
) (*workflowservice.DescribeTaskQueueResponse, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.Described = append(c.Described, queue)
	response := &workflowservice.DescribeTaskQueueResponse{}
	if at, ok := c.Polled[queue]; ok {
		response.Pollers = []*taskqueuepb.PollerInfo{{
			LastAccessTime:    timestamppb.New(at),
			DeploymentOptions: &deploymentpb.WorkerDeploymentOptions{BuildId: c.Build},
		}}
	}
	return response, nil
}

func (c *Temporal) UpdateWorkflow(context.Context, sdk.UpdateWorkflowOptions) (sdk.WorkflowUpdateHandle, error) {
	return nil, c.QueryError
}

func (c *Temporal) WorkflowService() workflowservice.WorkflowServiceClient {
	return service{onCancel: c.OnCancel}
}

type service struct {
	workflowservice.WorkflowServiceClient
	onCancel func()
}

func (s service) RequestCancelWorkflowExecution(
	context.Context, *workflowservice.RequestCancelWorkflowExecutionRequest, ...grpc.CallOption,
) (*workflowservice.RequestCancelWorkflowExecutionResponse, error) {
	s.onCancel()
	return &workflowservice.RequestCancelWorkflowExecutionResponse{}, nil
}

func (c *Temporal) QueryWorkflow(context.Context, string, string, string, ...any) (converter.EncodedValue, error) {
	return nil, c.QueryError
}

func (c *Temporal) ListWorkflow(
	context.Context, *workflowservice.ListWorkflowExecutionsRequest,
) (*workflowservice.ListWorkflowExecutionsResponse, error) {
	return &workflowservice.ListWorkflowExecutionsResponse{}, nil
}

func (c *Temporal) ExecuteWorkflow(context.Context, sdk.StartWorkflowOptions, any, ...any) (sdk.WorkflowRun, error) {
	return nil, serviceerror.NewWorkflowExecutionAlreadyStarted("there is one", "", "run")
}

func (c *Temporal) GetWorkflow(context.Context, string, string) sdk.WorkflowRun { return c }

// Get blocks until ctx ends, since the workflow does not.
func (c *Temporal) Get(ctx context.Context, _ any) error {
	<-ctx.Done()
	return ctx.Err()
}
