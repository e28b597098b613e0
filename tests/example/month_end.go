// Package example shows how a workflow of another team runs a nightly close as a part of its own work.
package example

import (
	"go.temporal.io/sdk/workflow"

	"github.com/pbsmflow/pbsmflow/workflows"
)

// BooksSignal tells MonthEnd that the books were looked at.
const BooksSignal = "books"

// MonthEndInput names the night whose close belongs to the month's end.
type MonthEndInput struct {
	Connection string `json:"connection"`
	Pipeline   string `json:"pipeline"`
	AsOfDate   string `json:"as_of_date"`
}

// Books is what a controller says about the books.
type Books struct {
	Controller string `json:"controller"`
	Good       bool   `json:"good"`
	Why        string `json:"why"`
}

// MonthEnd runs a close as a child. While it goes on, a controller looks at the books:
// if they are good, the close's step sign-off is approved; if not, the step allocate is
// interrupted, and the operators of the close decide what becomes of it.
func MonthEnd(ctx workflow.Context, in MonthEndInput) (workflows.NightlyCloseResult, error) {
	night := workflows.NightlyCloseInput{Connection: in.Connection, Pipeline: in.Pipeline, AsOfDate: in.AsOfDate, StartedBy: "month-end"}
	nightly := workflows.ExecuteClose(ctx, workflows.TaskQueue, night) // on its workers, not ours

	var failed error
	workflow.NewSelector(ctx).
		AddReceive(workflow.GetSignalChannel(ctx, BooksSignal), func(said workflow.ReceiveChannel, _ bool) {
			var books Books
			said.Receive(ctx, &books)
			signal, word := workflows.ApproveCommand, workflows.Command{By: books.Controller, Why: books.Why, Step: "sign-off"}
			if !books.Good {
				signal, word.Step = workflows.InterruptCommand, "allocate"
			}
			failed = workflows.SignalCommand(ctx, night.WorkflowID(), signal, word).Get(ctx, nil)
		}).
		AddFuture(nightly, func(workflow.Future) {}). // it ended before anybody looked
		Select(ctx)
	var result workflows.NightlyCloseResult
	if failed != nil {
		return result, failed
	}
	err := nightly.Get(ctx, &result)
	return result, err
}
