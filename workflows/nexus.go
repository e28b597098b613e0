package workflows

import (
	"context"
	"fmt"
	"slices"

	"github.com/nexus-rpc/sdk-go/nexus"
	"go.temporal.io/sdk/client"
	"go.temporal.io/sdk/temporalnexus"
)

// NexusService is the name of the Nexus service that every worker offers, so that other teams'
// namespaces run and steer closes without sharing code. Its operations:
//
//	nightly_close  NightlyCloseInput -> NightlyCloseResult; cancelling it cancels the close
//	run_batch      RunBatchInput -> RunBatchResult; cancelling it interrupts the run
//	steer          NexusSteering -> nothing; a signal to a close or a batch
//	status         NexusStatus -> Status
const NexusService = "pbsm"

// NexusSteering is a signal to a workflow.
type NexusSteering struct {
	WorkflowID string `json:"workflow_id"`
	// Signal is interrupt, rerun, restart, decide or approve.
	Signal string `json:"signal"`
	Steering
}

// NexusStatus asks how a workflow stands.
type NexusStatus struct {
	WorkflowID string `json:"workflow_id"`
}

// NewNexusService makes the service for a worker to register.
func NewNexusService() (*nexus.Service, error) {
	service := nexus.NewService(NexusService)
	err := service.Register(
		temporalnexus.NewWorkflowRunOperation("nightly_close", NightlyClose,
			func(_ context.Context, in NightlyCloseInput, _ nexus.StartOperationOptions) (client.StartWorkflowOptions, error) {
				if err := in.Validate(); err != nil {
					return client.StartWorkflowOptions{}, badRequest(err)
				}
				if in.Pipeline == "" {
					return client.StartWorkflowOptions{}, badRequest(fmt.Errorf("pipeline is missing: with a definition, repeat its name, for it is a part of the close's id"))
				}
				return in.StartOptions(""), nil
			}),
		temporalnexus.NewWorkflowRunOperation("run_batch", RunBatch,
			func(_ context.Context, in RunBatchInput, _ nexus.StartOperationOptions) (client.StartWorkflowOptions, error) {
				if err := in.Validate(); err != nil {
					return client.StartWorkflowOptions{}, badRequest(err)
				}
				return in.StartOptions(""), nil
			}),
		nexus.NewSyncOperation("steer", steerByNexus),
		nexus.NewSyncOperation("status", statusByNexus),
	)
	return service, err
}

func steerByNexus(ctx context.Context, in NexusSteering, _ nexus.StartOperationOptions) (nexus.NoValue, error) {
	names := []string{InterruptSignal, RerunSignal, RestartSignal, DecideSignal, ApproveSignal}
	if !slices.Contains(names, in.Signal) {
		return nil, badRequest(fmt.Errorf("signal %q is none of %q", in.Signal, names))
	}
	return nil, temporalnexus.GetClient(ctx).SignalWorkflow(ctx, in.WorkflowID, "", in.Signal, in.Steering)
}

func statusByNexus(ctx context.Context, in NexusStatus, _ nexus.StartOperationOptions) (Status, error) {
	answer, err := temporalnexus.GetClient(ctx).QueryWorkflow(ctx, in.WorkflowID, "", StatusQuery)
	if err != nil {
		return Status{}, err
	}
	var status Status
	return status, answer.Get(&status)
}

func badRequest(err error) error {
	return nexus.NewHandlerErrorf(nexus.HandlerErrorTypeBadRequest, "%w", err)
}
