package follow

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"go.temporal.io/api/serviceerror"
	"golang.org/x/sync/errgroup"

	"github.com/pbsmflow/pbsmflow/internal/clock"
	"github.com/pbsmflow/pbsmflow/internal/temporalclient"
	"github.com/pbsmflow/pbsmflow/starter/internal/client"
	"github.com/pbsmflow/pbsmflow/starter/internal/view"
	"github.com/pbsmflow/pbsmflow/workflows"
)

// MaxAtOnce bounds the queries under way at a time.
const MaxAtOnce = 8

// watch queries a workflow and its steps.
type watch struct {
	*client.Session
	run      workflows.Execution
	last     view.Snapshot
	answered time.Time // when a worker last answered
	failed   error     // why the last query had no answer
}

func (w *watch) loop(ctx context.Context, snapshots chan<- view.Snapshot) {
	for {
		began := time.Now()
		w.poll(ctx)
		select {
		case <-ctx.Done():
			return
		case snapshots <- w.last:
		}
		select {
		case <-ctx.Done():
			return
		case <-time.After(pace(w.Session) - time.Since(began)):
		}
	}
}

// poll takes the next snapshot. Without an answer the last one is kept, with a note.
func (w *watch) poll(ctx context.Context) {
	next := view.Snapshot{
		ID:        w.run.ID,
		Now:       time.Now(),
		Status:    w.last.Status,
		Children:  w.last.Children,
		Transfers: w.last.Transfers,
		Starter:   w.Program,
	}
	status, err := w.Status(ctx, w.run.ID)
	w.failed = err
	if err != nil {
		next.Notes = w.explain(ctx, err)
	} else {
		w.answered = time.Now()
		next = Look(ctx, w.Session, w.run, status)
	}
	w.last = next
}

// Look is a snapshot of a workflow whose status is known: with the statuses, the transfers and the troubles of
// the steps that are running.
func Look(ctx context.Context, s *client.Session, run workflows.Execution, status workflows.Status) view.Snapshot {
	d := (&watch{Session: s, run: run}).details(ctx, status)
	return view.Snapshot{
		ID:        run.ID,
		Now:       time.Now(),
		Status:    status,
		Children:  d.children,
		Transfers: d.transfers,
		Notes:     d.notes(status),
		Starter:   s.Program,
	}
}

// explain says why there was no answer. The workflow itself is not affected.
func (w *watch) explain(ctx context.Context, err error) []string {
	workers, unreachable := w.PollsOf(ctx, w.run)
	since := clock.In(w.last.Status.TimeZone).ExactAt(time.Now(), w.answered)
	var notReady *serviceerror.WorkflowNotReady
	switch {
	case ctx.Err() != nil:
		return nil
	case unreachable != nil:
		return []string{fmt.Sprintf("Temporal at %s has not answered since %s; retrying. The workflow does not need this "+
			"program.", w.Address, since)}
	case workers.Idle():
		return []string{w.IdleText(workers)}
	case !client.NoWorkerAnswered(err):
		return []string{fmt.Sprintf("Its status cannot be read here: %v. What was started at the service continues.", err)}
	case errors.As(err, &notReady) || time.Since(w.answered) < 2*temporalclient.AnswerTimeout:
		return w.last.Notes
	}
	return []string{fmt.Sprintf("No worker has answered since %s; retrying. What was started at the service continues.",
		since)}
}

// details queries the workflows of the steps that are running.
func (w *watch) details(ctx context.Context, status workflows.Status) *details {
	d := newDetails(w)
	d.query(ctx, w.run.ID, &status)
	for _, step := range status.Steps {
		if step.WorkflowID != "" && !step.State.Done() {
			d.query(ctx, step.WorkflowID, nil)
		}
	}
	_ = d.group.Wait()
	return d
}

// details are what the workflows of a close's steps, or a workflow itself, say of their progress.
type details struct {
	*watch
	group     errgroup.Group
	mu        sync.Mutex
	children  map[string]workflows.Status
	transfers map[string]view.Transfer
	troubles  map[string]string
}

func newDetails(w *watch) *details {
	d := &details{
		watch:     w,
		children:  map[string]workflows.Status{},
		transfers: map[string]view.Transfer{},
		troubles:  map[string]string{},
	}
	d.group.SetLimit(MaxAtOnce)
	return d
}

// query asks a workflow for its status, unless that is known, and for its transfer and troubles.
func (d *details) query(ctx context.Context, id string, known *workflows.Status) {
	d.group.Go(func() error {
		var child workflows.Status
		if known == nil {
			child, _ = d.Status(ctx, id) // without an answer the step's own detail is shown
		}
		run := d.describe(ctx, id)
		d.mu.Lock()
		defer d.mu.Unlock()
		if child.Type != "" {
			d.children[id] = child
		}
		if transfer, moving := run.Progress(d.Payloads, d.Failures); moving {
			d.transfers[id] = transfer
		}
		if found := run.Troubles(d.Payloads, d.Failures); len(found) > 0 {
			d.troubles[id] = found[0].Text
		}
		return nil
	})
}

// describe is what Temporal knows of a workflow; nothing without an answer.
func (d *details) describe(ctx context.Context, id string) workflows.Execution {
	ctx, cancel := context.WithTimeout(ctx, temporalclient.AnswerTimeout)
	defer cancel()
	run, _ := workflows.Describe(ctx, d.Temporal, id)
	return run
}

// notes says what makes no progress.
func (d *details) notes(status workflows.Status) (notes []string) {
	add := func(what, id string) {
		if trouble, ok := d.troubles[id]; ok {
			notes = append(notes, what+" "+trouble)
		}
	}
	for _, step := range status.Steps {
		add(step.ID, step.WorkflowID)
	}
	add(status.Subject, d.run.ID)
	return notes
}
