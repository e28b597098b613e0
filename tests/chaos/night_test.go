package chaos

import (
	"context"
	"errors"
	"math/rand/v2"
	"time"

	enumspb "go.temporal.io/api/enums/v1"
	"go.temporal.io/api/serviceerror"
	"go.temporal.io/sdk/client"
	"go.temporal.io/sdk/temporal"

	"github.com/pbsmflow/pbsmflow/workflows"
)

// nightPatience leaves room for pauses that double up to a minute: of 450 nights the longest took nearly five.
const nightPatience = 9 * time.Minute

// night is a close on its way through the chaos.
type night struct {
	*world
	plan
	started time.Time
	result  workflows.NightlyCloseResult
}

// run takes a night to its end, whatever is done to it, and tells whether it got there.
func (n *night) run(ctx context.Context) bool {
	ctx, cancel := context.WithTimeout(ctx, nightPatience)
	defer cancel()
	n.register(n.plan)
	n.env.Write(n.env.Inbox, "gl_"+n.date+".csv", n.ledger)
	n.started = time.Now()
	acting, over := context.WithCancel(ctx)
	defer over()
	for _, one := range n.acts {
		go n.act(acting, one)
	}
	for ctx.Err() == nil {
		n.start(ctx)
		if n.await(ctx) {
			return true
		}
		n.figures.add("starts", "close started again for the same night")
	}
	status, err := n.status(context.WithoutCancel(ctx), n.closeID, "")
	n.wrong("night %d, %s, did not end within %s (%v):\n%s", n.number, n.date, nightPatience, err, status.Markdown())
	return false
}

// start starts the close, or attaches to it, as often as Temporal being away demands.
func (n *night) start(ctx context.Context) {
	for ctx.Err() == nil {
		calling, cancel := context.WithTimeout(ctx, patience)
		_, err := n.env.Temporal.ExecuteWorkflow(calling, client.StartWorkflowOptions{
			ID: n.closeID, TaskQueue: n.env.TaskQueue, WorkflowIDConflictPolicy: enumspb.WORKFLOW_ID_CONFLICT_POLICY_USE_EXISTING,
		}, workflows.NightlyCloseType, n.input)
		cancel()
		if err == nil {
			return
		}
		sleep(ctx, 500*time.Millisecond)
	}
}

// await waits for the end of the close, and tells whether it ended by itself.
func (n *night) await(ctx context.Context) bool {
	for ctx.Err() == nil {
		sleep(ctx, time.Second)
		calling, cancel := context.WithTimeout(ctx, patience)
		described, err := n.env.Temporal.DescribeWorkflowExecution(calling, n.closeID, "")
		cancel()
		switch described.GetWorkflowExecutionInfo().GetStatus() {
		case enumspb.WORKFLOW_EXECUTION_STATUS_TERMINATED:
			return false
		case enumspb.WORKFLOW_EXECUTION_STATUS_COMPLETED, enumspb.WORKFLOW_EXECUTION_STATUS_FAILED:
			if n.fetch(ctx) {
				return true
			}
		case enumspb.WORKFLOW_EXECUTION_STATUS_RUNNING, enumspb.WORKFLOW_EXECUTION_STATUS_UNSPECIFIED:
		default:
			n.wrong("night %d, %s, is %s: %v", n.number, n.date, described.GetWorkflowExecutionInfo().GetStatus(), err)
			return true
		}
	}
	return false
}

// fetch reads the result; that of a failed close is in its error.
func (n *night) fetch(ctx context.Context) bool {
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	err := n.env.Temporal.GetWorkflow(ctx, n.closeID, "").Get(ctx, &n.result)
	var failed *temporal.ApplicationError
	if errors.As(err, &failed) {
		if failed.Type() != workflows.CloseFailed || failed.Details(&n.result) != nil {
			n.wrong("night %d, %s, failed: %v", n.number, n.date, err)
		}
		return true
	}
	return err == nil
}

func sleep(ctx context.Context, d time.Duration) {
	select {
	case <-ctx.Done():
	case <-time.After(d):
	}
}

func (n *night) act(ctx context.Context, one act) {
	sleep(ctx, one.after)
	if ctx.Err() != nil {
		return
	}
	random := rand.New(rand.NewPCG(one.seed, 0))
	batch := n.postings[random.IntN(len(n.postings))]
	switch one.what {
	case terminateClose:
		n.terminate(ctx, n.closeID)
	case terminateBatch:
		n.terminate(ctx, batch.workflowID)
	case terminateBoth:
		n.terminate(ctx, batch.workflowID)
		n.terminate(ctx, n.closeID)
	case terminateTwice:
		n.terminate(ctx, batch.workflowID)
		for ctx.Err() == nil && !n.terminate(ctx, batch.workflowID) {
			sleep(ctx, 20*time.Millisecond)
		}
	case burst, careless:
		n.figures.add("bursts", string(one.what))
		n.burst(ctx, random, one.what == careless)
	case onTheScreens:
		for _, run := range n.env.Sim.Runs() {
			if run.AsOf == n.date && run.Parent == "" && n.env.Sim.Operate(run.ID, "interrupt", "") == nil {
				n.figures.add("interrupted", "by somebody on the service's screens")
			}
		}
	}
}

// terminate tells whether there was something to terminate.
func (n *night) terminate(ctx context.Context, id string) bool {
	for ctx.Err() == nil {
		calling, cancel := context.WithTimeout(ctx, patience)
		err := n.env.Temporal.TerminateWorkflow(calling, id, "", "chaos")
		cancel()
		var none *serviceerror.NotFound
		switch {
		case err == nil && id == n.closeID:
			n.figures.add("terminated", "NightlyClose")
			return true
		case err == nil:
			n.figures.add("terminated", "RunBatch")
			return true
		case errors.As(err, &none): // not yet, or no more
			return false
		}
		sleep(ctx, 500*time.Millisecond)
	}
	return false
}

const bursting = "somebody in a hurry"

// burst sends words at random, whether they apply or not. Careless ones may decide what only a look should.
func (n *night) burst(ctx context.Context, random *rand.Rand, careless bool) {
	type spoken struct{ name, choice string }
	words := []spoken{
		{workflows.InterruptCommand, ""}, {workflows.InterruptCommand, ""}, {workflows.RestartCommand, ""}, {workflows.RerunCommand, ""},
		{workflows.ApproveCommand, ""}, {workflows.DecideCommand, workflows.Retry}, {workflows.DecideCommand, workflows.Adopt}, {workflows.DecideCommand, "no such choice"},
	}
	if careless {
		words = append(words, spoken{workflows.DecideCommand, workflows.NothingStarted}, spoken{workflows.DecideCommand, workflows.GiveUp}, spoken{workflows.DecideCommand, workflows.Skip})
	}
	for range 4 + random.IntN(12) {
		one, batch := words[random.IntN(len(words))], n.postings[random.IntN(len(n.postings))]
		asked := workflows.Command{By: bursting, Why: "at random", Choice: one.choice}
		if one.choice == workflows.Adopt {
			asked.RunID = batch.code + "_2020-01-01_1_1"
		}
		id := batch.workflowID
		if random.IntN(2) == 0 {
			id = n.closeID
			if random.IntN(2) == 0 {
				asked.Step = batch.step
			}
		}
		for _, p := range n.postings { // a word to the close may reach any of its batches
			if id == n.closeID || id == p.workflowID {
				n.spoken(p.workflowID, newWord(bursting, one.name+" "+one.choice))
			}
		}
		calling, cancel := context.WithTimeout(ctx, patience)
		if n.env.Temporal.SignalWorkflow(calling, id, "", one.name, asked) == nil {
			n.figures.add("signals at random", one.name+" "+one.choice)
		}
		cancel()
		sleep(ctx, time.Duration(random.Int64N(int64(300*time.Millisecond))))
	}
}
