package console

import (
	"context"
	"sync"
	"time"

	"github.com/pbsmflow/pbsmflow/starter/internal/follow"
	"github.com/pbsmflow/pbsmflow/starter/internal/view"
)

// lookEvery is how often the details of a workflow are read while its page is open.
const lookEvery = 2 * time.Second

// lookers read the details of the workflows whose pages are open: tasks, progress, what is repeated. Each is read once,
// however many look at it.
type lookers struct {
	board *board

	mu    sync.Mutex
	known map[string]*looker
}

type looker struct {
	viewers  int
	stop     context.CancelFunc
	snapshot view.Snapshot
}

func newLookers(b *board) *lookers { return &lookers{board: b, known: map[string]*looker{}} }

// open keeps the details of a workflow current until it is released.
func (l *lookers) open(id string) (release func()) {
	l.mu.Lock()
	defer l.mu.Unlock()
	w := l.known[id]
	if w == nil {
		ctx, stop := context.WithCancel(context.Background())
		w = &looker{stop: stop}
		l.known[id] = w
		go l.watch(ctx, id, w)
	}
	w.viewers++
	return func() {
		l.mu.Lock()
		defer l.mu.Unlock()
		if w.viewers--; w.viewers == 0 {
			w.stop()
			delete(l.known, id)
		}
	}
}

func (l *lookers) watch(ctx context.Context, id string, w *looker) {
	for ctx.Err() == nil {
		if snapshot, ok := l.look(ctx, id); ok {
			l.board.update(func() {
				l.mu.Lock()
				w.snapshot = snapshot
				l.mu.Unlock()
			})
			if snapshot.Status.State.Done() {
				return
			}
		}
		pause(ctx, lookEvery)
	}
}

// look reads the details of a workflow now.
func (l *lookers) look(ctx context.Context, id string) (view.Snapshot, bool) {
	e, err := l.board.get(ctx, id)
	if err != nil || e.Status.Type == "" {
		return view.Snapshot{}, false
	}
	run, err := l.board.describe(ctx, id)
	if err != nil {
		return view.Snapshot{}, false
	}
	return follow.Look(ctx, l.board.session, run, e.Status), true
}

// details are those of a page that is open, or of the moment.
func (l *lookers) details(ctx context.Context, id string) view.Snapshot {
	l.mu.Lock()
	w := l.known[id]
	var snapshot view.Snapshot
	if w != nil {
		snapshot = w.snapshot
	}
	l.mu.Unlock()
	if snapshot.ID == "" {
		snapshot, _ = l.look(ctx, id)
	}
	return snapshot
}
