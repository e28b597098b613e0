package main

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"go.temporal.io/api/serviceerror"
	"go.temporal.io/sdk/temporal"
	"golang.org/x/sync/errgroup"

	"github.com/pbsmflow/pbsmflow/internal/temporalclient"
	"github.com/pbsmflow/pbsmflow/starter/internal/view"
	"github.com/pbsmflow/pbsmflow/workflows"
)

const (
	livePace  = 500 * time.Millisecond
	plainPace = time.Second
	// askTimeout bounds one question to a worker or to Temporal.
	askTimeout = temporalclient.AnswerTimeout
	// maxSilence is how long Temporal may be gone before following ends.
	maxSilence = 5 * time.Minute
	// maxAtOnce bounds the questions under way about a close's steps.
	maxAtOnce = 8
)

// follow shows a workflow's progress until it ends, waits for an operator, or ctx
// ends; then it shows the result.
func (s *session) follow(ctx context.Context, run workflows.Execution, wait bool) error {
	result := workflows.NewResult(run.Type)
	if err := s.followTo(ctx, run, wait, result); err != nil {
		return err
	}
	s.showResult(result)
	return nil
}

// followTo is follow without showing the result, which it fills in.
func (s *session) followTo(ctx context.Context, run workflows.Execution, wait bool, result any) error {
	watching, stop := context.WithCancel(ctx)
	defer stop()
	ends := make(chan error, 1)
	go func() { ends <- s.await(watching, run, result) }()
	jobs := make(chan view.Job)
	w := &watch{session: s, run: run, heard: time.Now()}
	go w.loop(watching, jobs)

	show := s.newProgress()
	defer show.finish()
	tick := time.NewTicker(s.pace())
	defer tick.Stop()
	job := view.Job{ID: run.ID, Now: time.Now()}
	for {
		select {
		case <-ctx.Done():
			show.finish()
			return leaving(ctx, run.ID)
		case err := <-ends:
			if errors.Is(err, context.Canceled) { // of the waiting, not of the job
				show.finish()
				return leaving(ctx, run.ID)
			}
			show.last(job)
			return s.ending(run, err)
		case job = <-jobs:
			show.update(job)
			if job.Status.State == workflows.Waiting && !wait {
				show.last(job)
				return s.waits(job)
			}
		case <-tick.C:
			job.Now = time.Now()
			show.update(job)
		}
	}
}

func (s *session) pace() time.Duration {
	if s.live {
		return livePace
	}
	return plainPace
}

// await fills in the result once the workflow has ended. Temporal being away for a while does not matter.
func (s *session) await(ctx context.Context, run workflows.Execution, result any) error {
	gone := time.Time{}
	for {
		err := s.client.GetWorkflow(ctx, run.ID, run.RunID).Get(ctx, result)
		if ctx.Err() != nil || !temporalclient.Unavailable(err) {
			return stopped(ctx, err)
		}
		switch {
		case temporalclient.Answers(ctx, s.client, run.ID): // only the call was cut, as happens every now and then in a long night
			gone = time.Time{}
		case gone.IsZero():
			gone = time.Now()
		case time.Since(gone) > maxSilence:
			return err
		}
		select {
		case <-ctx.Done():
		case <-time.After(time.Second):
		}
	}
}

func leaving(ctx context.Context, id string) error {
	if p := (*problem)(nil); errors.As(context.Cause(ctx), &p) {
		return p
	}
	return &problem{
		code: exitInterrupted, id: id, message: "no longer followed; the job goes on",
		next: []string{"Come back: starter status " + id + " --follow", "Cancel it: starter cancel " + id},
	}
}

// ending is the problem of a workflow that did not end well.
func (s *session) ending(run workflows.Execution, err error) error {
	if err == nil || errors.Is(err, context.Canceled) {
		return err
	}
	if temporalclient.Unavailable(err) {
		return &problem{
			code: exitUnreachable, id: run.ID, message: fmt.Sprintf("Temporal has not answered for %s; the job goes on when it is back (%v)", maxSilence, err),
			next: []string{"Come back: starter status " + run.ID + " --follow"},
		}
	}
	if over := (*temporal.WorkflowExecutionError)(nil); !errors.As(err, &over) {
		return &problem{
			code: exitUnreachable, id: run.ID, message: fmt.Sprintf("how it stands, or ended, cannot be told here: %v; the job itself is not touched by that", err),
			next: []string{"Check the TLS and API key settings, and that the configuration has the keys of encryption that the worker's has.", "Come back: starter status " + run.ID + " --follow"},
		}
	}
	p := ended(run.ID, run.Type, err)
	if link := s.link(run.ID); link != "" && p.code != exitUsage {
		p.next = append(p.next, link)
	}
	return p
}

func (s *session) showResult(result any) {
	if s.json() {
		s.printJSON(result)
		return
	}
	s.print(s.style.Result(result, s.width())...)
}

// standing is the whole status, once; a log has told most of it already.
func (s *session) standing(job view.Job) []string {
	if s.live {
		return s.style.Snapshot(job, s.width())
	}
	return s.style.Questions(job, s.width())
}

// waitingDocument is what --output json prints of a job that runs, or waits for an operator.
type waitingDocument struct {
	WorkflowID string `json:"workflow_id"`
	workflows.Status
	Asks  []view.Ask `json:"asks,omitempty"`
	Notes []string   `json:"notes,omitempty"`
}

func (a *app) asks(job view.Job) []view.Ask {
	asks := view.Asks(job)
	for i := range asks {
		asks[i].Commands = a.completeAll(asks[i].Commands)
	}
	return asks
}

// waits ends the following of a job that needs a person.
func (s *session) waits(job view.Job) error {
	asks := s.asks(job)
	if !s.json() {
		s.print(s.standing(job)...)
		s.print("", "Afterwards: starter status "+job.ID+" --follow")
		if link := s.link(job.ID); link != "" {
			s.print(link)
		}
	}
	return &problem{
		code: exitWaiting, id: job.ID, message: "waits for an operator", shown: !s.json(),
		document: waitingDocument{WorkflowID: job.ID, Status: job.Status, Asks: asks, Notes: job.Notes},
	}
}

// progress shows a job again and again.
type progress struct {
	session *session
	screen  *view.Screen
	before  view.Job
}

func (s *session) newProgress() *progress {
	p := &progress{session: s}
	if s.live && !s.json() {
		p.screen = view.NewScreen(s.stdout, s.size)
	}
	return p
}

func (p *progress) update(job view.Job) {
	switch {
	case p.screen != nil && (job.Status.Type != "" || len(job.Notes) > 0):
		width, height := p.screen.Size()
		_ = p.screen.Draw(p.session.completeAll(p.session.style.Live(job, width, height)))
	case p.session.json():
		p.notes(job)
	case p.screen == nil:
		p.session.stamped(view.Changes(p.before, job))
	}
	p.before = job
}

// notes go to stderr when stdout is for one document.
func (p *progress) notes(job view.Job) {
	for _, line := range view.Changes(view.Job{Status: job.Status, Notes: p.before.Notes, Children: job.Children}, job) {
		p.session.note("%s", line)
	}
}

// last is the final drawing: it gives way to the result.
func (p *progress) last(job view.Job) {
	if p.screen != nil {
		_ = p.screen.Clear()
		p.screen = nil
	}
	p.before = job
}

// finish leaves the last drawing where it is.
func (p *progress) finish() { p.screen = nil }

// watch asks a workflow and its steps how they stand.
type watch struct {
	*session
	run    workflows.Execution
	last   view.Job
	heard  time.Time // when a worker last answered
	silent error     // why the last question had no answer
}

func (w *watch) loop(ctx context.Context, jobs chan<- view.Job) {
	for {
		began := time.Now()
		w.look(ctx)
		select {
		case <-ctx.Done():
			return
		case jobs <- w.last:
		}
		select {
		case <-ctx.Done():
			return
		case <-time.After(w.pace() - time.Since(began)):
		}
	}
}

// look makes the next picture. Without an answer the last one stays, with a note.
func (w *watch) look(ctx context.Context) {
	job := view.Job{ID: w.run.ID, Now: time.Now(), Status: w.last.Status, Children: w.last.Children, Transfers: w.last.Transfers}
	status, err := w.status(ctx, w.run.ID)
	w.silent = err
	if err != nil {
		job.Notes = w.silence(ctx, err)
	} else {
		w.heard = time.Now()
		job.Status = status
		job.Children, job.Transfers, job.Notes = w.details(ctx, status)
	}
	w.last = job
}

func (s *session) status(ctx context.Context, id string) (workflows.Status, error) {
	ctx, cancel := context.WithTimeout(ctx, askTimeout)
	defer cancel()
	return workflows.StatusOf(ctx, s.client, id)
}

// silence says why there was no answer. The job itself is not touched by it.
func (w *watch) silence(ctx context.Context, err error) []string {
	workers, unreachable := w.polls(ctx, w.run.TaskQueue)
	var notReady *serviceerror.WorkflowNotReady
	switch {
	case ctx.Err() != nil:
		return nil
	case unreachable != nil:
		return []string{fmt.Sprintf("Temporal at %s does not answer since %s; trying again. The job does not need this program.", w.address, w.heard.Format("15:04:05"))}
	case workers.idle():
		return []string{w.idleText(workers)}
	case !nobodyAnswered(err):
		return []string{fmt.Sprintf("How it stands cannot be told here: %v. What was started at the service goes on.", err)}
	case errors.As(err, &notReady) || time.Since(w.heard) < 2*askTimeout:
		return w.last.Notes
	}
	return []string{fmt.Sprintf("No worker has answered since %s; trying again. What was started at the service goes on.", w.heard.Format("15:04:05"))}
}

// details asks the workflows of the steps that are under way. Its notes are on what is tried again and again.
func (w *watch) details(ctx context.Context, status workflows.Status) (map[string]workflows.Status, map[string]view.Transfer, []string) {
	children, transfers, failures := map[string]workflows.Status{}, map[string]view.Transfer{}, map[string]string{}
	var mu sync.Mutex
	var group errgroup.Group
	group.SetLimit(maxAtOnce)
	ask := func(id string, known *workflows.Status) {
		group.Go(func() error {
			child := workflows.Status{}
			if known != nil {
				child = *known
			} else if answer, err := w.status(ctx, id); err == nil {
				child = answer
			}
			described := w.activitiesOf(ctx, id)
			mu.Lock()
			defer mu.Unlock()
			if known == nil && child.Type != "" {
				children[id] = child
			}
			if transfer, moving := described.Progress(w.payloads); moving {
				transfers[id] = transfer
			}
			if failure := described.RetryReason(w.failures); failure != "" {
				failures[id] = failure
			}
			return nil
		})
	}
	ask(w.run.ID, &status)
	for _, step := range status.Steps {
		if step.WorkflowID != "" && !step.State.Done() {
			ask(step.WorkflowID, nil)
		}
	}
	_ = group.Wait()
	var notes []string
	note := func(what, id string) {
		if failure, ok := failures[id]; ok {
			notes = append(notes, what+" is tried again: "+failure)
		}
	}
	for _, step := range status.Steps {
		note(step.ID, step.WorkflowID)
	}
	note(status.Subject, w.run.ID)
	return children, transfers, notes
}

// activitiesOf is what Temporal knows of a workflow's activities; nothing without an answer.
func (w *watch) activitiesOf(ctx context.Context, id string) workflows.Execution {
	ctx, cancel := context.WithTimeout(ctx, askTimeout)
	defer cancel()
	described, _ := workflows.Describe(ctx, w.client, id) // without an answer it knows nothing
	return described
}
