package workflows

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/nexus-rpc/sdk-go/nexus"
	"go.temporal.io/api/serviceerror"
	"go.temporal.io/sdk/client"
	"go.temporal.io/sdk/temporalnexus"
)

// NexusService is the name of the Nexus service that every worker offers, so that other teams'
// namespaces run and steer closes without sharing code. Its operations:
//
//	nightly_close  NightlyCloseInput -> NightlyCloseResult; cancelling it cancels the close. One that
//	               succeeded before answers with its result at once
//	run_batch      RunBatchInput -> RunBatchResult; cancelling it interrupts the run. One that
//	               succeeded before answers with its result at once, unless again gives a reason
//	steer          NexusCommand -> nothing; a signal to a close or a batch
//	status         NexusStatus -> Status
const NexusService = "pbsm"

// NexusCommand is a signal to a workflow.
type NexusCommand struct {
	WorkflowID string `json:"workflow_id"`
	// Signal is interrupt, rerun, restart, decide or approve.
	Signal string `json:"signal"`
	Command
}

// NexusStatus asks how a workflow stands.
type NexusStatus struct {
	WorkflowID string `json:"workflow_id"`
}

// NewNexusService makes the service for a worker to register.
func NewNexusService() (*nexus.Service, error) {
	service := nexus.NewService(NexusService)
	err := service.Register(
		onceOperation[NightlyCloseInput, NightlyCloseResult]{temporalnexus.NewWorkflowRunOperation("nightly_close", NightlyClose,
			func(_ context.Context, in NightlyCloseInput, _ nexus.StartOperationOptions) (client.StartWorkflowOptions, error) {
				if err := in.Validate(); err != nil {
					return client.StartWorkflowOptions{}, badRequest(err)
				}
				if in.Pipeline == "" {
					return client.StartWorkflowOptions{}, badRequest(fmt.Errorf("pipeline is missing: with a definition, repeat its name, for it is a part of the close's id"))
				}
				return in.StartOptions(""), nil
			})},
		onceOperation[RunBatchInput, RunBatchResult]{temporalnexus.NewWorkflowRunOperation("run_batch", RunBatch,
			func(_ context.Context, in RunBatchInput, _ nexus.StartOperationOptions) (client.StartWorkflowOptions, error) {
				if err := in.Validate(); err != nil {
					return client.StartWorkflowOptions{}, badRequest(err)
				}
				return in.StartOptions(""), nil
			})},
		nexus.NewSyncOperation("steer", steerByNexus),
		nexus.NewSyncOperation("status", statusByNexus),
	)
	return service, err
}

// onceOperation answers what succeeded before with the result that it had.
type onceOperation[I interface{ WorkflowID() string }, O any] struct {
	nexus.Operation[I, O]
}

func (o onceOperation[I, O]) Start(ctx context.Context, in I, options nexus.StartOperationOptions) (nexus.HandlerStartOperationResult[O], error) {
	started, err := o.Operation.Start(ctx, in, options)
	var done *serviceerror.WorkflowExecutionAlreadyStarted
	if !errors.As(err, &done) {
		return started, err
	}
	var result O
	if err := temporalnexus.GetClient(ctx).GetWorkflow(ctx, in.WorkflowID(), done.RunId).Get(ctx, &result); err != nil {
		return nil, fmt.Errorf("the result of %s: %w", in.WorkflowID(), err)
	}
	return &nexus.HandlerStartOperationResultSync[O]{Value: result}, nil
}

func steerByNexus(ctx context.Context, in NexusCommand, _ nexus.StartOperationOptions) (nexus.NoValue, error) {
	var f faults
	f.require("workflow_id", in.WorkflowID)
	names := []string{InterruptCommand, RerunCommand, RestartCommand, DecideCommand, ApproveCommand}
	if !slices.Contains(names, in.Signal) {
		f.add("signal %q is none of %s", in.Signal, strings.Join(names, ", "))
	}
	if err := f.err(); err != nil {
		return nil, badRequest(err)
	}
	return nil, about(in.WorkflowID, temporalnexus.GetClient(ctx).SignalWorkflow(ctx, in.WorkflowID, "", in.Signal, in.Command))
}

func statusByNexus(ctx context.Context, in NexusStatus, _ nexus.StartOperationOptions) (Status, error) {
	var f faults
	f.require("workflow_id", in.WorkflowID)
	if err := f.err(); err != nil {
		return Status{}, badRequest(err)
	}
	answer, err := temporalnexus.GetClient(ctx).QueryWorkflow(ctx, in.WorkflowID, "", StatusQuery)
	if err != nil {
		return Status{}, about(in.WorkflowID, err)
	}
	var status Status
	return status, answer.Get(&status)
}

// about names the workflow where there is none, or none that still runs.
func about(id string, err error) error {
	var missing *serviceerror.NotFound
	if errors.As(err, &missing) {
		return nexus.NewHandlerErrorf(nexus.HandlerErrorTypeNotFound, "workflow %s: %w", id, err)
	}
	return err
}

func badRequest(err error) error {
	return nexus.NewHandlerErrorf(nexus.HandlerErrorTypeBadRequest, "%w", err)
}
