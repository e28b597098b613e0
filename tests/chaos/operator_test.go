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

// operator is the careful person on duty: looks at everything that waits, and at the service, before saying a word.
type operator struct {
	*world
	mu        sync.Mutex
	busy      map[string]bool
	since     map[string]time.Time // when a question was seen first
	questions map[string]int       // how often a posting asked what becomes of a run that is over
}

func newOperator(w *world) *operator {
	return &operator{world: w, busy: map[string]bool{}, since: map[string]time.Time{}, questions: map[string]int{}}
}

// work attends to what waits until the context ends.
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
					o.attend(ctx, id, runID, one.Type.Name)
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

// question is one thing that a posting asks. Its key stays the same while the question does.
type question struct {
	wanted
	key     string
	waiting workflows.Question
	status  workflows.Status
	random  *rand.Rand
}

func (o *operator) attend(ctx context.Context, id, runID, kind string) {
	status, err := o.status(ctx, id, runID)
	if err != nil || status.Question == nil {
		return
	}
	if kind == workflows.NightlyCloseType {
		o.attendClose(ctx, id, status)
		return
	}
	p, ok := o.posting(id)
	if !ok {
		o.wrong("nobody ordered the posting %s", id)
		return
	}
	q := question{wanted: p, key: fmt.Sprintf("%s %s %d", id, runID, status.ChangedAt.UnixNano()), waiting: *status.Question, status: status}
	// The night and how far it has come decide, not the clock.
	q.random = rand.New(rand.NewPCG(uint64(o.seed), hash(fmt.Sprintf("%s %d", id, len(status.Log)))))
	asked := func(choice string) bool { return slices.Contains(status.Question.Choices, choice) }
	switch {
	case asked("decide nothing_started"):
		o.undecided(ctx, q)
	case asked("decide adopt"):
		o.say(ctx, q, workflows.DecideCommand, workflows.Command{Choice: workflows.Retry})
	case asked("restart"):
		o.over(ctx, q)
	case asked("interrupt"):
		o.letGo(q)
	default:
		o.wrong("%s asks for what nobody can answer: %+v", id, status.Question)
	}
}

func hash(text string) uint64 {
	h := fnv.New64a()
	_, _ = h.Write([]byte(text))
	return h.Sum64()
}

// undecided: look into the service whether a run started that nobody follows.
func (o *operator) undecided(ctx context.Context, q question) {
	o.mu.Lock()
	first, seen := o.since[q.key]
	if !seen {
		o.since[q.key] = time.Now()
	}
	o.mu.Unlock()
	if !seen {
		o.figures.add("unknown outcomes", whatWasPosted(q.waiting.Why))
	}
	if !seen || time.Since(first) < settled {
		return
	}
	starts, err := o.executions(ctx, q.workflowID)
	if err != nil {
		return
	}
	word := workflows.Command{Choice: workflows.NothingStarted, Why: "no run on the service's screens that nobody follows"}
	if runs := o.runs(q.wanted); len(runs) > 0 {
		latest := runs[len(runs)-1]
		if !stuck(latest) || latest.Starts > followed(starts, latest.ID) {
			word = workflows.Command{Choice: workflows.Adopt, RunID: latest.ID, Why: "it is on the service's screens"}
		}
	}
	if o.say(ctx, q, workflows.DecideCommand, word) {
		o.figures.add("unknown outcomes resolved", whatWasPosted(q.waiting.Why)+": "+word.Choice)
	}
}

// whatWasPosted is the kind of post that a question is about.
func whatWasPosted(why string) string {
	for _, what := range []string{"trigger", "restart", "rerun", "earlier start"} {
		if strings.Contains(why, what) {
			return what
		}
	}
	return "other: " + why
}

// over: a run ended without success.
func (o *operator) over(ctx context.Context, q question) {
	o.mu.Lock()
	o.questions[q.workflowID]++
	often := o.questions[q.workflowID]
	o.mu.Unlock()
	run, ok := o.env.Sim.Run(q.status.RunID)
	draw := q.random.IntN(10)
	switch {
	case !ok:
		o.wrong("%s waits for %s, which the service does not know", q.workflowID, q.status.RunID)
	case !stuck(run) || draw == 0:
		o.say(ctx, q, workflows.DecideCommand, workflows.Command{Choice: workflows.Retry})
	case q.doomed && often > 2:
		o.say(ctx, q, workflows.DecideCommand, workflows.Command{Choice: workflows.GiveUp, Why: "it will not succeed tonight"})
	case draw == 1:
		o.say(ctx, q, workflows.RerunCommand, workflows.Command{})
	default:
		o.say(ctx, q, workflows.RestartCommand, workflows.Command{})
	}
}

// letGo releases what the service holds, on its own screens.
func (o *operator) letGo(q question) {
	for _, run := range o.env.Sim.Runs() {
		if run.AsOf != q.night.date {
			continue
		}
		for _, task := range run.Tasks {
			if task.Status == held && o.env.Sim.Operate(run.ID, "release", task.Code) == nil {
				o.figures.add("words", "release on the service's screens")
			}
		}
	}
}

// attendClose answers what a close asks itself; what its batches ask is answered there.
func (o *operator) attendClose(ctx context.Context, id string, status workflows.Status) {
	for _, step := range status.Steps {
		if step.Question == nil {
			continue
		}
		name, word := "", workflows.Command{By: operatorName, Step: step.ID, Why: "it may work now"}
		switch {
		case slices.Contains(step.Question.Choices, workflows.ApproveCommand):
			name, word.By, word.Why = workflows.ApproveCommand, secondOperator, "the figures are right"
		case slices.Contains(step.Question.Choices, "decide skip"):
			name, word.Choice = workflows.DecideCommand, workflows.Retry
		default:
			continue
		}
		if err := o.update(ctx, id, "", name, word); err == nil {
			o.figures.add("words", fmt.Sprintf("close: %s %s %s", step.Kind, name, word.Choice))
		}
	}
}

// say gives a word to a posting, directly or through the close that follows it. It tells whether the word took effect.
// The same question never takes the same word twice, however often a call is repeated.
func (o *operator) say(ctx context.Context, q question, name string, word workflows.Command) bool {
	word.By = operatorName
	if word.Why == "" {
		word.Why = "on duty"
	}
	choice := strings.TrimSpace(name + " " + word.Choice)
	o.spoken(q.workflowID, newWord(operatorName, choice))
	err := error(refusedFirst)
	if q.random.IntN(3) == 0 {
		word.Step = q.step
		err = o.update(ctx, q.night.closeID, q.key+choice, name, word)
	}
	if refused(err) {
		word.Step = ""
		err = o.update(ctx, q.workflowID, q.key+choice, name, word)
	}
	switch {
	case err == nil:
		o.figures.add("words", choice)
	case refused(err):
		o.figures.add("words refused", choice)
	}
	return err == nil
}

func newWord(by, choice string) word { return word{at: time.Now(), by: by, choice: choice} }

var refusedFirst = temporal.NewApplicationError("not asked yet", workflows.Refused)

// refused tells that a word certainly had no effect.
func refused(err error) bool {
	var no *temporal.ApplicationError
	return errors.As(err, &no)
}

func (o *operator) update(ctx context.Context, id, updateID, name string, word workflows.Command) error {
	ctx, cancel := context.WithTimeout(ctx, 2*patience)
	defer cancel()
	if updateID != "" {
		updateID = fmt.Sprintf("%x", hash(updateID))
	}
	handle, err := o.env.Temporal.UpdateWorkflow(ctx, client.UpdateWorkflowOptions{
		WorkflowID: id, UpdateID: updateID, UpdateName: name, Args: []any{word}, WaitForStage: client.WorkflowUpdateStageCompleted,
	})
	if err != nil {
		return err
	}
	return handle.Get(ctx, nil)
}
