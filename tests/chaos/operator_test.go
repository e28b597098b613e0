package chaos

import (
	"context"
	"errors"
	"fmt"
	"hash/fnv"
	"math/rand/v2"
	"slices"
	"strings"
	"sync"
	"time"

	"go.temporal.io/sdk/client"
	"go.temporal.io/sdk/temporal"

	"github.com/pbsmflow/pbsmflow/workflows"
)

const (
	operatorName   = "operator"
	secondOperator = "second operator"
	handsAtOnce    = 12
)

// operator is a careful operator on duty, who answers every question, and checks the service before deciding.
type operator struct {
	*world
	mu        sync.Mutex
	busy      map[string]bool
	since     map[string]time.Time // when a question was first seen
	questions map[string]int       // how often a batch asked about a failed run
}

func newOperator(w *world) *operator {
	return &operator{world: w, busy: map[string]bool{}, since: map[string]time.Time{}, questions: map[string]int{}}
}

// work answers questions until the context ends.
func (o *operator) work(ctx context.Context) {
	hands := make(chan struct{}, handsAtOnce)
	var group sync.WaitGroup
	defer group.Wait()
	for ctx.Err() == nil {
		waiting, err := o.list(ctx, fmt.Sprintf("ExecutionStatus = 'Running' AND PbsmConnection = '%s' AND PbsmState = 'waiting'", o.env.Connection))
		if err == nil {
			for _, one := range waiting {
				id, runID := one.Execution.WorkflowId, one.Execution.RunId
				if !o.take(id) {
					continue
				}
				hands <- struct{}{}
				group.Go(func() {
					defer func() { <-hands; o.release(id) }()
					o.answer(ctx, id, runID, one.Type.Name)
				})
			}
		}
		select {
		case <-ctx.Done():
		case <-time.After(500 * time.Millisecond):
		}
	}
}

func (o *operator) take(id string) bool {
	o.mu.Lock()
	defer o.mu.Unlock()
	if o.busy[id] {
		return false
	}
	o.busy[id] = true
	return true
}

func (o *operator) release(id string) {
	o.mu.Lock()
	defer o.mu.Unlock()
	delete(o.busy, id)
}

// question is a question of a batch. Its key stays the same as long as the question.
type question struct {
	expectedBatch
	key     string
	waiting workflows.Question
	status  workflows.Status
	random  *rand.Rand
}

func (o *operator) answer(ctx context.Context, id, runID, kind string) {
	status, err := o.status(ctx, id, runID)
	if err != nil || status.Question == nil {
		return
	}
	if kind == workflows.NightlyCloseType {
		o.answerClose(ctx, id, status)
		return
	}
	p, ok := o.batch(id)
	if !ok {
		o.wrong("the batch %s was not expected", id)
		return
	}
	q := question{expectedBatch: p, key: fmt.Sprintf("%s %s %d", id, runID, status.ChangedAt.UnixNano()), waiting: *status.Question, status: status}
	// The choices depend on the batch and its progress, not on the clock.
	q.random = rand.New(rand.NewPCG(uint64(o.seed), hash(fmt.Sprintf("%s %d", id, len(status.Log)))))
	offered := func(choice string) bool { return slices.Contains(status.Question.Choices, choice) }
	switch {
	case offered("decide keep"):
		o.decideStale(ctx, q, offered("decide again"))
	case offered("decide nothing_started"):
		o.decideUnknown(ctx, q)
	case offered("decide adopt"):
		o.send(ctx, q, workflows.DecideCommand, workflows.Command{Choice: workflows.Retry})
	case offered("restart"):
		o.answerFailed(ctx, q)
	case offered("interrupt"):
		o.releaseTasks(q)
	default:
		o.wrong("%s asks a question that has no answer: %+v", id, status.Question)
	}
}

func hash(text string) uint64 {
	h := fnv.New64a()
	_, _ = h.Write([]byte(text))
	return h.Sum64()
}

// decideUnknown checks whether the service started a run that no workflow follows, and decides accordingly.
func (o *operator) decideUnknown(ctx context.Context, q question) {
	o.mu.Lock()
	first, seen := o.since[q.key]
	if !seen {
		o.since[q.key] = time.Now()
	}
	o.mu.Unlock()
	if !seen {
		o.figures.add("unknown outcomes", submissionKind(q.waiting.Why))
	}
	if !seen || time.Since(first) < settled {
		return
	}
	starts, err := o.executions(ctx, q.workflowID)
	if err != nil {
		return
	}
	decision := workflows.Command{Choice: workflows.NothingStarted, Why: "the service has no other run"}
	if runs := o.runs(q.expectedBatch); len(runs) > 0 {
		latest := runs[len(runs)-1]
		unended := latest.Ended.IsZero() || latest.Status == succeeded && latest.Ended.After(q.status.StartedAt)
		if unended || latest.Starts > followed(starts, latest.ID) {
			decision = workflows.Command{Choice: workflows.Adopt, RunID: latest.ID, Why: "it is on the service's screens"}
		}
	}
	if o.send(ctx, q, workflows.DecideCommand, decision) {
		o.figures.add("unknown outcomes resolved", submissionKind(q.waiting.Why)+": "+decision.Choice)
	}
}

// decideStale decides about the run of an earlier start that was based on something else.
func (o *operator) decideStale(ctx context.Context, q question, mayRunAgain bool) {
	decision := workflows.Command{Choice: workflows.Keep, Why: "the difference does not matter"}
	if mayRunAgain && q.random.IntN(3) > 0 {
		decision = workflows.Command{Choice: workflows.Again, Why: "the figures have changed"}
	}
	if o.send(ctx, q, workflows.DecideCommand, decision) {
		o.figures.add("stale runs", decision.Choice)
	}
}

// submissionKind returns the kind of submission that a question is about.
func submissionKind(why string) string {
	for _, what := range []string{"trigger", "restart", "rerun", "earlier start"} {
		if strings.Contains(why, what) {
			return what
		}
	}
	return "other: " + why
}

// answerFailed decides about a run that ended without success.
func (o *operator) answerFailed(ctx context.Context, q question) {
	o.mu.Lock()
	o.questions[q.workflowID]++
	often := o.questions[q.workflowID]
	o.mu.Unlock()
	run, ok := o.env.Sim.Run(q.status.RunID)
	draw := q.random.IntN(10)
	switch {
	case !ok:
		o.wrong("%s waits for %s, which the service does not know", q.workflowID, q.status.RunID)
	case !failedRun(run) || draw == 0:
		o.send(ctx, q, workflows.DecideCommand, workflows.Command{Choice: workflows.Retry})
	case q.doomed && often > 2:
		o.send(ctx, q, workflows.DecideCommand, workflows.Command{Choice: workflows.GiveUp, Why: "it will not succeed tonight"})
	case draw == 1:
		o.send(ctx, q, workflows.RerunCommand, workflows.Command{})
	default:
		o.send(ctx, q, workflows.RestartCommand, workflows.Command{})
	}
}

// releaseTasks releases held tasks on the service's screens.
func (o *operator) releaseTasks(q question) {
	for _, run := range o.env.Sim.Runs() {
		if run.AsOf != q.plan.date {
			continue
		}
		for _, task := range run.Tasks {
			if task.Status == held && o.env.Sim.Operate(run.ID, "release", task.Code) == nil {
				o.figures.add("commands", "release on the service's screens")
			}
		}
	}
}

// answerClose answers the questions of the close itself; those of its batches are answered there.
func (o *operator) answerClose(ctx context.Context, id string, status workflows.Status) {
	for _, step := range status.Steps {
		if step.Question == nil {
			continue
		}
		name, command := "", workflows.Command{By: operatorName, Step: step.ID, Why: "it may work now"}
		switch {
		case slices.Contains(step.Question.Choices, workflows.ApproveCommand):
			name, command.By, command.Why = workflows.ApproveCommand, secondOperator, "the figures are right"
		case slices.Contains(step.Question.Choices, "decide skip"):
			name, command.Choice = workflows.DecideCommand, workflows.Retry
			if strings.Contains(step.Question.Why, "never will") {
				o.terminate(ctx, step.WorkflowID, "a workflow that Temporal had lost")
			}
		case slices.Contains(step.Question.Choices, workflows.ReleaseCommand):
			name = workflows.ReleaseCommand
		default:
			continue
		}
		heard := o.say(id, word{by: command.By, choice: strings.TrimSpace(name + " " + command.Choice), steps: []string{step.ID}})
		heard(o.update(ctx, id, "", name, command))
	}
}

// send sends a command to a batch, directly or through its close. It reports whether the command took effect. The
// update id prevents that a repeated call answers the same question twice.
func (o *operator) send(ctx context.Context, q question, name string, command workflows.Command) bool {
	command.By = operatorName
	if command.Why == "" {
		command.Why = "on duty"
	}
	choice := strings.TrimSpace(name + " " + command.Choice)
	heard := o.say(q.plan.closeID, word{by: operatorName, choice: choice, steps: []string{q.step}})
	err := error(refusedFirst)
	if q.random.IntN(3) == 0 {
		command.Step = q.step
		err = o.update(ctx, q.plan.closeID, q.key+choice, name, command)
	}
	if refused(err) {
		command.Step = ""
		err = o.update(ctx, q.workflowID, q.key+choice, name, command)
	}
	heard(err)
	return err == nil
}

var refusedFirst = temporal.NewApplicationError("not sent yet", workflows.CommandRefused)

// refused reports whether a command certainly had no effect.
func refused(err error) bool {
	var no *temporal.ApplicationError
	return errors.As(err, &no)
}

func (w *world) update(ctx context.Context, id, updateID, name string, command workflows.Command) error {
	ctx, cancel := context.WithTimeout(ctx, 2*temporalTimeout)
	defer cancel()
	if updateID != "" {
		updateID = fmt.Sprintf("%x", hash(updateID))
	}
	handle, err := w.env.Temporal.UpdateWorkflow(ctx, client.UpdateWorkflowOptions{
		WorkflowID: id, UpdateID: updateID, UpdateName: name, Args: []any{command}, WaitForStage: client.WorkflowUpdateStageCompleted,
	})
	if err != nil {
		return err
	}
	return handle.Get(ctx, nil)
}
