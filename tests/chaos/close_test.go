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

// closeTimeout leaves room for pauses that double up to a minute: of 450 closes the longest took nearly five minutes.
const closeTimeout = 9 * time.Minute

// closeRun is a close under chaos.
type closeRun struct {
	*world
	plan
	started time.Time
	result  workflows.NightlyCloseResult
}

// run runs a close to its end, starting it again after it was terminated. It reports whether the close has ended.
func (n *closeRun) run(ctx context.Context) bool {
	ctx, cancel := context.WithTimeout(ctx, closeTimeout)
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
		n.figures.add("starts", "close started again")
	}
	status, err := n.status(context.WithoutCancel(ctx), n.closeID, "")
	n.wrong("close %d, %s, did not end within %s (%v):\n%s", n.number, n.date, closeTimeout, err, status.Markdown())
	return false
}

// start starts the close, or attaches to it. It retries while Temporal is down.
func (n *closeRun) start(ctx context.Context) {
	for ctx.Err() == nil {
		calling, cancel := context.WithTimeout(ctx, temporalTimeout)
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

// await waits for the end of the close, and reports whether it ended without being terminated.
func (n *closeRun) await(ctx context.Context) bool {
	for ctx.Err() == nil {
		sleep(ctx, time.Second)
		calling, cancel := context.WithTimeout(ctx, temporalTimeout)
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
			n.wrong("close %d, %s, is %s: %v", n.number, n.date, described.GetWorkflowExecutionInfo().GetStatus(), err)
			return true
		}
	}
	return false
}

// fetch reads the result, which a failed close has in its error.
func (n *closeRun) fetch(ctx context.Context) bool {
	ctx, cancel := context.WithTimeout(ctx, temporalTimeout)
	defer cancel()
	err := n.env.Temporal.GetWorkflow(ctx, n.closeID, "").Get(ctx, &n.result)
	var failed *temporal.ApplicationError
	if errors.As(err, &failed) {
		if failed.Type() != workflows.CloseFailed || failed.Details(&n.result) != nil {
			n.wrong("close %d, %s, failed: %v", n.number, n.date, err)
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

func (n *closeRun) act(ctx context.Context, one act) {
	sleep(ctx, one.after)
	if ctx.Err() != nil {
		return
	}
	random := rand.New(rand.NewPCG(one.seed, 0))
	batch := n.batches[random.IntN(len(n.batches))]
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
				n.figures.add("interrupted", "on the service's screens")
			}
		}
	}
}

// terminate terminates a workflow, and reports whether it was running.
func (n *closeRun) terminate(ctx context.Context, id string) bool {
	for ctx.Err() == nil {
		calling, cancel := context.WithTimeout(ctx, temporalTimeout)
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
		case errors.As(err, &none): // not started, or ended
			return false
		}
		sleep(ctx, 500*time.Millisecond)
	}
	return false
}

const hurriedOperator = "hurried operator"

// burst sends random commands, whether they apply or not. Careless ones include decisions that require a check first.
func (n *closeRun) burst(ctx context.Context, random *rand.Rand, careless bool) {
	type choice struct{ name, choice string }
	choices := []choice{
		{workflows.InterruptCommand, ""}, {workflows.InterruptCommand, ""}, {workflows.RestartCommand, ""}, {workflows.RerunCommand, ""},
		{workflows.ApproveCommand, ""}, {workflows.DecideCommand, workflows.Retry}, {workflows.DecideCommand, workflows.Adopt}, {workflows.DecideCommand, "no such choice"},
	}
	if careless {
		choices = append(choices, choice{workflows.DecideCommand, workflows.NothingStarted}, choice{workflows.DecideCommand, workflows.GiveUp}, choice{workflows.DecideCommand, workflows.Skip})
	}
	for range 4 + random.IntN(12) {
		one, batch := choices[random.IntN(len(choices))], n.batches[random.IntN(len(n.batches))]
		command := workflows.Command{By: hurriedOperator, Why: "at random", Choice: one.choice}
		if one.choice == workflows.Adopt {
			command.RunID = batch.code + "_2020-01-01_1_1"
		}
		id := batch.workflowID
		if random.IntN(2) == 0 {
			id = n.closeID
			if random.IntN(2) == 0 {
				command.Step = batch.step
			}
		}
		for _, p := range n.batches { // a command to the close may reach any of its batches
			if id == n.closeID || id == p.workflowID {
				n.record(p.workflowID, newCommand(hurriedOperator, one.name+" "+one.choice))
			}
		}
		calling, cancel := context.WithTimeout(ctx, temporalTimeout)
		if n.env.Temporal.SignalWorkflow(calling, id, "", one.name, command) == nil {
			n.figures.add("signals at random", one.name+" "+one.choice)
		}
		cancel()
		sleep(ctx, time.Duration(random.Int64N(int64(300*time.Millisecond))))
	}
}
