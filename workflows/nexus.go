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
	"go.temporal.io/sdk/workflow"
)

// NexusService is the name of the Nexus service that every worker offers, so that other teams'
// namespaces run closes and send them commands without sharing code. Its operations:
//
//	nightly_close  NightlyCloseInput -> NightlyCloseResult; cancelling it cancels the close. One that
//	               succeeded before answers with its result at once
//	run_batch      RunBatchInput -> RunBatchResult; cancelling it interrupts the run. One that
//	               succeeded before answers with its result at once, unless again gives a reason
//	command        NexusCommand -> nothing; a signal to a close or a batch
//	status         NexusStatus -> Status
const NexusService = "pbsm"

// NexusCommand is a command to a close or a batch.
type NexusCommand struct {
	WorkflowID string `json:"workflow_id"`
	// Signal is the name of the command.
	Signal string `json:"signal"`
	Command
}

// NexusStatus is the input of the operation status.
type NexusStatus struct {
	WorkflowID string `json:"workflow_id"`
}

// NewNexusService makes the service for a worker to register.
func NewNexusService() (*nexus.Service, error) {
	service := nexus.NewService(NexusService)
	err := service.Register(
		runOperation("nightly_close", NightlyClose),
		runOperation("run_batch", RunBatch),
		nexus.NewSyncOperation("command", nexusCommand),
		nexus.NewSyncOperation("status", nexusStatus),
	)
	return service, err
}

// runnable is an input whose workflow has an id of its own.
type runnable interface {
	Input
	WorkflowID() string
}

func runOperation[I runnable, O any](
	name string, run func(workflow.Context, I) (O, error),
) nexus.RegisterableOperation {
	start := func(ctx context.Context, in I, _ nexus.StartOperationOptions) (client.StartWorkflowOptions, error) {
		if err := in.Validate(); err != nil {
			return client.StartWorkflowOptions{}, badRequest(err)
		}
		if in.WorkflowID() == "" {
			return client.StartWorkflowOptions{}, badRequest(errors.New("pipeline is missing: with a definition, repeat its name, which is a part of the close's id"))
		}
		c := temporalnexus.GetClient(ctx)
		running, err := Describe(ctx, c, in.WorkflowID())
		if missing := (*serviceerror.NotFound)(nil); err != nil && !errors.As(err, &missing) {
			return client.StartWorkflowOptions{}, err
		}
		if err := checkJoinable(ctx, c, in, running); err != nil {
			return client.StartWorkflowOptions{}, nexus.NewHandlerErrorf(nexus.HandlerErrorTypeConflict, "%w", err)
		}
		return in.spec().options(StartOptions{}), nil
	}
	return onceOperation[I, O]{temporalnexus.NewWorkflowRunOperation(name, run, start)}
}

// onceOperation answers with the earlier result when the workflow succeeded before.
type onceOperation[I runnable, O any] struct {
	nexus.Operation[I, O]
}

func (o onceOperation[I, O]) Start(
	ctx context.Context, in I, options nexus.StartOperationOptions,
) (nexus.HandlerStartOperationResult[O], error) {
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

func nexusCommand(ctx context.Context, in NexusCommand, _ nexus.StartOperationOptions) (nexus.NoValue, error) {
	p := in.problems()
	p.Require("workflow_id", in.WorkflowID)
	names := CommandNames()
	p.Want(slices.Contains(names, in.Signal), "signal", "%q is not one of %s", in.Signal, strings.Join(names, ", "))
	if err := p.err(); err != nil {
		return nil, badRequest(err)
	}
	return nil, about(in.WorkflowID, temporalnexus.GetClient(ctx).SignalWorkflow(ctx, in.WorkflowID, "", in.Signal, in.Command))
}

func nexusStatus(ctx context.Context, in NexusStatus, _ nexus.StartOperationOptions) (Status, error) {
	var p problems
	p.Require("workflow_id", in.WorkflowID)
	if err := p.err(); err != nil {
		return Status{}, badRequest(err)
	}
	status, err := StatusOf(ctx, temporalnexus.GetClient(ctx), in.WorkflowID)
	return status, about(in.WorkflowID, err)
}

// about names the workflow in an error that says that there is none, or none that still runs.
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
