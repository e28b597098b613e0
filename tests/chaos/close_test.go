package chaos

import (
	"context"
	"errors"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"time"

	enumspb "go.temporal.io/api/enums/v1"
	"go.temporal.io/api/serviceerror"
	"go.temporal.io/sdk/client"
	"go.temporal.io/sdk/temporal"

	"github.com/pbsmflow/pbsmflow/tests/harness"
	"github.com/pbsmflow/pbsmflow/workflows"
)

// closeTimeout leaves room for pauses that double up to a minute: of 450 closes the longest took nearly five minutes.
const closeTimeout = 9 * time.Minute

// closeRun is a close under chaos.
type closeRun struct {
	*world
	plan
	started  time.Time
	starts   []closeStart
	result   workflows.NightlyCloseResult
	replaced sync.Mutex // guards what follows, and the file in the store
	versions []fileVersion
}

// run runs a close through its rounds, each to its end. It reports whether the close has ended every time.
func (n *closeRun) run(ctx context.Context) bool {
	n.register(n.plan)
	n.started = time.Now()
	n.replaceFile()
	if n.quick {
		n.rounds = n.rounds[:min(len(n.rounds), 2)]
	}
	for _, r := range n.rounds {
		if !n.runRound(ctx, r) {
			return false
		}
		n.check(ctx)
	}
	return true
}

// runRound runs a close to its end, starting it again after it was terminated.
func (n *closeRun) runRound(ctx context.Context, r round) bool {
	ctx, cancel := context.WithTimeout(ctx, closeTimeout)
	defer cancel()
	if r.replaceFile {
		n.replaceFile()
	}
	var acts sync.WaitGroup
	defer acts.Wait()
	acting, over := context.WithCancel(ctx)
	defer over()
	for _, one := range r.acts {
		acts.Go(func() { n.act(acting, one) })
	}
	for ctx.Err() == nil {
		n.start(ctx, r)
		if n.await(ctx) {
			return true
		}
		n.figures.add("starts", "close started again")
	}
	status, err := n.status(context.WithoutCancel(ctx), n.closeID, "")
	n.wrong("close %d, %s, did not end within %s (%v):\n%s", n.number, n.date, closeTimeout, err, status.Markdown())
	return false
}

// replaceFile puts another version of the file into the store, as a transfer program does.
func (n *closeRun) replaceFile() {
	n.replaced.Lock()
	defer n.replaced.Unlock()
	text := harness.Ledger(20 + n.number + len(n.versions))
	n.env.Write(n.env.Inbox, "."+n.ledgerFile(), text)
	if err := os.Rename(filepath.Join(n.env.Inbox, "."+n.ledgerFile()), filepath.Join(n.env.Inbox, n.ledgerFile())); err != nil {
		n.wrong("close %d: %v", n.number, err)
	}
	n.versions = append(n.versions, fileVersion{from: time.Now(), text: text})
	if len(n.versions) > 1 {
		n.figures.add("corrections", "file replaced")
	}
}

// start starts the close, or attaches to it. It retries while Temporal is down.
func (n *closeRun) start(ctx context.Context, r round) {
	n.starts = append(n.starts, closeStart{time.Now(), r})
	heard := []func(error){n.say(n.closeID, word{by: startedBy, choice: startWord, steps: n.ids()})}
	if r.again != nil {
		steps, only := n.chosen(*r.again)
		heard = append(heard, n.say(n.closeID, word{by: startedBy, choice: workflows.AgainCommand, steps: steps, only: only}))
	}
	for ctx.Err() == nil {
		calling, cancel := context.WithTimeout(ctx, temporalTimeout)
		_, err := n.env.Temporal.ExecuteWorkflow(calling, client.StartWorkflowOptions{
			ID: n.closeID, TaskQueue: n.env.TaskQueue, WorkflowIDConflictPolicy: enumspb.WORKFLOW_ID_CONFLICT_POLICY_USE_EXISTING,
		}, workflows.NightlyCloseType, n.input(r))
		cancel()
		if err == nil {
			for _, h := range heard {
				h(nil)
			}
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
		return // the close has ended
	}
	random := rand.New(rand.NewPCG(one.seed, 0))
	batch := n.batches[random.IntN(len(n.batches))]
	switch one.what {
	case terminateClose:
		n.terminate(ctx, n.closeID, workflows.NightlyCloseType)
	case terminateBatch:
		n.terminate(ctx, batch.workflowID, workflows.RunBatchType)
	case terminateBoth:
		n.terminate(ctx, batch.workflowID, workflows.RunBatchType)
		n.terminate(ctx, n.closeID, workflows.NightlyCloseType)
	case terminateTwice:
		n.terminate(ctx, batch.workflowID, workflows.RunBatchType)
		for ctx.Err() == nil && !n.terminate(ctx, batch.workflowID, workflows.RunBatchType) {
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
	default:
		n.correct(ctx, random, one.what)
	}
}

// terminate terminates a workflow, and reports whether it was running.
func (w *world) terminate(ctx context.Context, id, what string) bool {
	for ctx.Err() == nil {
		calling, cancel := context.WithTimeout(ctx, temporalTimeout)
		err := w.env.Temporal.TerminateWorkflow(calling, id, "", "chaos")
		cancel()
		var none *serviceerror.NotFound
		switch {
		case err == nil:
			w.figures.add("terminated", what)
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
		id, means := batch.workflowID, []string{batch.step}
		if random.IntN(2) == 0 {
			id, means = n.closeID, n.ids()
			if random.IntN(2) == 0 {
				command.Step, means = batch.step, []string{batch.step}
			}
		}
		// Nobody hears whether a signal took effect.
		n.say(n.closeID, word{by: hurriedOperator, choice: strings.TrimSpace(one.name + " " + one.choice), steps: means})
		calling, cancel := context.WithTimeout(ctx, temporalTimeout)
		if n.env.Temporal.SignalWorkflow(calling, id, "", one.name, command) == nil {
			n.figures.add("signals at random", one.name+" "+one.choice)
		}
		cancel()
		sleep(ctx, time.Duration(random.Int64N(int64(300*time.Millisecond))))
	}
}
