package workflows_test

import (
	"context"
	"fmt"
	"log"
	"log/slog"
	"time"

	"go.temporal.io/sdk/client"
	sdklog "go.temporal.io/sdk/log"
	"go.temporal.io/sdk/testsuite"
	"go.temporal.io/sdk/workflow"

	"github.com/pbsmflow/pbsmflow/workflows"
)

// A Go program starts a close, or attaches to the one that runs or succeeded, and waits for its result.
func ExampleStart() {
	ctx := context.Background()
	c, err := client.Dial(client.Options{})
	if err != nil {
		log.Fatal(err)
	}
	defer c.Close()

	started, err := workflows.Start(ctx, c,
		workflows.NightlyCloseInput{Connection: "prod", Pipeline: "nightly-close", AsOfDate: "2026-10-31", StartedBy: "alice"},
		workflows.StartOptions{With: "month-end"})
	if err != nil {
		log.Fatal(err)
	}
	var result workflows.NightlyCloseResult
	if err := c.GetWorkflow(ctx, started.ID, started.RunID).Get(ctx, &result); err != nil {
		log.Fatal(err)
	}
	fmt.Println(started.ID, "already done:", started.AlreadyDone(), "ended:", result.State)
}

// A Go program restarts the failed batch of a close. The call returns when the service accepted the restart.
func ExampleSendCommand() {
	ctx := context.Background()
	c, err := client.Dial(client.Options{})
	if err != nil {
		log.Fatal(err)
	}
	defer c.Close()

	id := workflows.CloseWorkflowID("prod", "nightly-close", "2026-10-31")
	result, err := workflows.SendCommand(ctx, c, id, workflows.RestartCommand,
		workflows.Command{By: "alice", Why: "the table space was full", Step: "allocate"})
	if err != nil {
		log.Fatal(err) // of type workflows.CommandRefused when it does not apply
	}
	fmt.Println(result.Message)
}

// Books is what a controller says about the books.
type Books struct {
	Controller string `json:"controller"`
	Good       bool   `json:"good"`
	Why        string `json:"why"`
}

// MonthEnd is a workflow of another team. It runs a close as a child. Meanwhile a controller checks the
// books: good books approve the close's step sign-off; bad ones interrupt its step allocate, and the
// operators of the close decide how to continue.
func MonthEnd(ctx workflow.Context, in workflows.NightlyCloseInput) (result workflows.NightlyCloseResult, err error) {
	nightly := workflows.ExecuteClose(ctx, workflows.TaskQueue, in) // on the workers of pbsmflow
	var failed error
	workflow.NewSelector(ctx).
		AddReceive(workflow.GetSignalChannel(ctx, "books"), func(signals workflow.ReceiveChannel, _ bool) {
			var books Books
			signals.Receive(ctx, &books)
			name, command := workflows.ApproveCommand, workflows.Command{By: books.Controller, Why: books.Why, Step: "sign-off"}
			if !books.Good {
				name, command.Step = workflows.InterruptCommand, "allocate"
			}
			failed = workflows.SignalCommand(ctx, in.WorkflowID(), name, command).Get(ctx, nil)
		}).
		AddFuture(nightly, func(workflow.Future) {}). // the close ended before anybody checked the books
		Select(ctx)
	if failed != nil {
		return result, failed
	}
	return result, nightly.Get(ctx, &result)
}

// A workflow of another team runs a close as a child, and approves a step of it.
func ExampleExecuteClose() {
	in := workflows.NightlyCloseInput{Connection: "prod", Pipeline: "nightly-close", AsOfDate: "2026-10-31", StartedBy: "month-end"}

	// In production these are a worker of the other team, and the workers of pbsmflow with the real close.
	var suite testsuite.WorkflowTestSuite
	suite.SetLogger(sdklog.NewStructuredLogger(slog.New(slog.DiscardHandler)))
	env := suite.NewTestWorkflowEnvironment()
	env.RegisterWorkflow(MonthEnd)
	env.RegisterWorkflowWithOptions(func(ctx workflow.Context, _ workflows.NightlyCloseInput) (workflows.NightlyCloseResult, error) {
		var command workflows.Command
		workflow.GetSignalChannel(ctx, workflows.ApproveCommand).Receive(ctx, &command)
		fmt.Printf("%s approved %s: %s\n", command.By, command.Step, command.Why)
		return workflows.NightlyCloseResult{State: workflows.Succeeded}, nil
	}, workflow.RegisterOptions{Name: workflows.NightlyCloseType})
	env.RegisterDelayedCallback(func() {
		env.SignalWorkflow("books", Books{Controller: "carla", Good: true, Why: "the figures agree"})
	}, time.Minute)
	env.ExecuteWorkflow(MonthEnd, in)

	var result workflows.NightlyCloseResult
	fmt.Println(env.GetWorkflowResult(&result), result.State)
	// Output:
	// carla approved sign-off: the figures agree
	// <nil> succeeded
}
