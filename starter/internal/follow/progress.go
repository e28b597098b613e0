package follow

import (
	"github.com/pbsmflow/pbsmflow/starter/internal/client"
	"github.com/pbsmflow/pbsmflow/starter/internal/view"
)

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
		p.session.PrintStamped(view.Changes(p.before, latest))
	}
	p.before = latest
}

// notes go to stderr when stdout is for one document.
func (p *progress) notes(latest view.Snapshot) {
	before := view.Snapshot{Status: latest.Status, Notes: p.before.Notes, Children: latest.Children}
	for _, line := range view.Changes(before, latest) {
		p.session.Note("%s", line)
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
