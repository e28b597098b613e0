// Package follow shows the progress of a workflow until it ends or waits for an operator.
package follow

import (
	"context"
	"errors"
	"time"

	"github.com/pbsmflow/pbsmflow/internal/clock"
	"github.com/pbsmflow/pbsmflow/starter/internal/cli"
	"github.com/pbsmflow/pbsmflow/starter/internal/client"
	"github.com/pbsmflow/pbsmflow/starter/internal/view"
	"github.com/pbsmflow/pbsmflow/workflows"
)

// Launch connects, starts a workflow and follows it to its end, or does not, as the options say.
func Launch(ctx context.Context, f *cli.Factory, in workflows.Input, o cli.StartOptions) error {
	if err := o.Validate(); err != nil {
		return err
	}
	return client.With(ctx, f, func(s *client.Session) error {
		if err := s.CheckServed(ctx, in); err != nil {
			return err
		}
		return Start(ctx, s, in, o)
	})
}

// Start starts a workflow or attaches to it, and follows it unless the options say otherwise.
func Start(ctx context.Context, s *client.Session, in workflows.Input, o cli.StartOptions) error {
	run, err := s.Start(ctx, in, o)
	switch {
	case err != nil:
		return err
	case o.Detach: // scripts take the id from it, also where there is nothing to start
		s.Detached(ctx, run, s.StartNote(ctx, run))
		return nil
	case run.AlreadyDone():
		return s.AlreadyDone(ctx, run, in)
	}
	s.Announce(ctx, run)
	return Run(ctx, s, run, o.Wait)
}

// Run shows the progress of a workflow until it ends, waits for an operator (unless wait is set), or ctx
// ends; then it shows the result.
func Run(ctx context.Context, s *client.Session, run workflows.Execution, wait bool) error {
	result := workflows.NewResult(run.Type)
	if err := Until(ctx, s, run, wait, result); err != nil {
		return err
	}
	s.ShowResult(result)
	return nil
}

// Until is Run without showing the result, which it decodes.
func Until(ctx context.Context, s *client.Session, run workflows.Execution, wait bool, result any) error {
	watching, stop := context.WithCancel(ctx)
	defer stop()
	ends := make(chan error, 1)
	go func() { ends <- s.Await(watching, run, result) }()
	snapshots := make(chan view.Snapshot)
	w := &watch{Session: s, run: run, answered: time.Now()}
	go w.loop(watching, snapshots)

	show := newProgress(s)
	defer show.keep()
	tick := time.NewTicker(pace(s))
	defer tick.Stop()
	latest := view.Snapshot{ID: run.ID, Now: time.Now(), Starter: s.Program}
	for {
		select {
		case <-ctx.Done():
			return notFollowed(ctx, s, run.ID)
		case err := <-ends:
			if errors.Is(err, context.Canceled) { // the waiting was cancelled, not the workflow
				return notFollowed(ctx, s, run.ID)
			}
			show.clear()
			return s.End(run, err)
		case latest = <-snapshots:
			show.update(latest)
			if latest.Status.State == workflows.Waiting && !wait {
				show.clear()
				return waits(ctx, s, latest)
			}
		case <-tick.C:
			latest.Now = time.Now()
			show.update(latest)
		}
	}
}

const (
	livePace  = 500 * time.Millisecond
	plainPace = time.Second
)

func pace(s *client.Session) time.Duration {
	if s.Live {
		return livePace
	}
	return plainPace
}

func notFollowed(ctx context.Context, s *client.Session, id string) error {
	if p := (*cli.Problem)(nil); errors.As(context.Cause(ctx), &p) {
		return p
	}
	return cli.NewProblem(cli.ExitInterrupted, "no longer followed; the workflow continues").Of(id).
		Then("Follow it again: "+s.Starter("status "+id+" --follow"), "Cancel it: "+s.Starter("cancel "+id))
}

// statusDocument is what --output json prints of another workflow than a close that runs, or waits for an operator.
type statusDocument struct {
	WorkflowID string `json:"workflow_id"`
	workflows.Status
	Questions []view.Question `json:"questions,omitempty"`
	Notes     []string        `json:"notes,omitempty"`
}

func newDocument(ctx context.Context, s *client.Session, latest view.Snapshot) any {
	if latest.Status.Type == workflows.NightlyCloseType {
		return view.RunningClose(latest, s.ResultSoFar(ctx, latest.ID))
	}
	return statusDocument{
		WorkflowID: latest.ID,
		Status:     latest.Status,
		Questions:  view.Questions(latest),
		Notes:      latest.Notes,
	}
}

// waits ends the following of a workflow that needs an operator. A log has most of the status already.
func waits(ctx context.Context, s *client.Session, latest view.Snapshot) error {
	if !s.JSON() {
		if s.Live {
			s.Print(s.Style.Snapshot(latest, s.Width())...)
		} else {
			s.Print(s.Style.Questions(latest, s.Width())...)
		}
		s.Print("", "Afterwards: "+s.Starter("status "+latest.ID+" --follow"))
		s.PrintLink(latest.ID)
	}
	p := &cli.Problem{Code: cli.ExitWaiting, ID: latest.ID, Message: "waits for an operator", Shown: !s.JSON()}
	if s.JSON() {
		p.Document = newDocument(ctx, s, latest)
	}
	return p
}

// Once shows the status of a running workflow once.
func Once(ctx context.Context, s *client.Session, run workflows.Execution) error {
	w := &watch{Session: s, run: run, answered: run.StartedAt}
	w.poll(ctx)
	if w.last.Status.Type == "" {
		return s.StatusUnknown(ctx, run, w.failed)
	}
	waiting := w.last.Status.State == workflows.Waiting
	switch {
	case s.JSON() && waiting:
		return &cli.Problem{Code: cli.ExitWaiting, Document: newDocument(ctx, s, w.last)}
	case s.JSON():
		s.PrintJSON(newDocument(ctx, s, w.last))
		return nil
	}
	s.Print(s.Style.Snapshot(w.last, s.Width())...)
	s.PrintLink(run.ID, "")
	if waiting {
		return &cli.Problem{Code: cli.ExitWaiting, Shown: true}
	}
	return nil
}

// progress shows a workflow again and again: redrawn on a screen, as news in a log.
type progress struct {
	session *client.Session
	screen  *view.Screen
	before  view.Snapshot
}

func newProgress(s *client.Session) *progress {
	p := &progress{session: s}
	if s.Live && !s.JSON() {
		p.screen = view.NewScreen(s.Stdout, s.Size)
	}
	return p
}

func (p *progress) update(latest view.Snapshot) {
	switch {
	case p.screen != nil && (latest.Status.Type != "" || len(latest.Notes) > 0):
		width, height := p.screen.Size()
		_ = p.screen.Draw(p.session.Style.Live(latest, width, height))
	case p.session.JSON():
		p.notes(latest)
	case p.screen == nil:
		p.session.PrintStamped(clock.In(latest.Status.TimeZone), view.Changes(p.before, latest))
	}
	p.before = latest
}

// notes go to stderr when stdout is for one document.
func (p *progress) notes(latest view.Snapshot) {
	before := view.Snapshot{Status: latest.Status, Notes: p.before.Notes, Children: latest.Children}
	for _, line := range view.Changes(before, latest) {
		p.session.Note("%s", line.Text)
	}
}

// clear removes the last drawing: the result takes its place.
func (p *progress) clear() {
	if p.screen != nil {
		_ = p.screen.Clear()
		p.screen = nil
	}
}

// keep leaves the last drawing on the screen.
func (p *progress) keep() { p.screen = nil }
