package chaos

import (
	"context"
	"os"
	"strconv"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/pbsmflow/pbsmflow/internal/simulator"
	"github.com/pbsmflow/pbsmflow/tests/harness"
)

const (
	nightsByDefault = 6
	nightsAtOnce    = 48
	// quickly is for how long anything is killed where nobody says how many nights there are to be: a worker that dies
	// in the middle of a call may be missed for 90 seconds.
	quickly = 15 * time.Second
	speed   = 60 // simulated seconds in a second
)

// Whatever is killed, lost, cut off or commanded: no batch is submitted twice without a decision, no run is left
// without a workflow that follows it, every close ends, and every file is complete.
func TestChaos(t *testing.T) {
	t.Parallel()
	began := time.Now()
	w := &world{
		t: t, seed: number(t, "PBSMFLOW_SEED", began.UnixNano()), figures: newFigures(),
		expected: map[string]expectedBatch{}, words: map[string][]word{},
	}
	nights := int(number(t, "PBSMFLOW_NIGHTS", nightsByDefault))
	w.quick = os.Getenv("PBSMFLOW_NIGHTS") == ""
	t.Logf("PBSMFLOW_SEED=%d PBSMFLOW_NIGHTS=%d", w.seed, nights)

	t.Cleanup(func() { // registered first, so that it runs last
		t.Logf("PBSMFLOW_SEED=%d, %s\n%s", w.seed, time.Since(began).Round(time.Second), w.figures.table())
		for _, problem := range w.problems {
			t.Log("WRONG: " + problem)
		}
	})
	m := newMonkey(w)
	m.startServer()
	w.env = harness.New(t, harness.Options{
		Server: m.server, NoWorker: true,
		Simulator: simulator.Options{
			Catalog: catalog(), Seed: w.seed, Speed: speed, TokenTTL: 15 * time.Second, PARTTL: 20 * time.Second,
			Quirks: simulator.Quirks{simulator.RefreshRotates},
		},
		Settings: map[string]string{"connection.timeout": callTimeout.String(), "worker.poll.min": "200ms", "worker.poll.max": "1s"},
	})
	for range workersAtOnce {
		m.workers = append(m.workers, w.env.StartWorker())
	}

	ctx, over := context.WithCancel(t.Context())
	go func() {
		defer over()
		w.nights(ctx, nights)
	}()
	duty, off := context.WithCancel(t.Context())
	var operator sync.WaitGroup
	operator.Go(func() { newOperator(w).work(duty) })
	killing, calm := ctx, context.CancelFunc(func() {})
	if w.quick {
		killing, calm = context.WithTimeout(ctx, quickly)
	}
	m.work(killing)
	calm()
	<-ctx.Done()
	off()
	operator.Wait()
	w.summarize()
}

func number(t *testing.T, variable string, otherwise int64) int64 {
	given := os.Getenv(variable)
	if given == "" {
		return otherwise
	}
	n, err := strconv.ParseInt(given, 10, 64)
	require.NoError(t, err, variable)
	return n
}

// nights runs closes until the wanted number has each survived a kill, several in parallel.
func (w *world) nights(ctx context.Context, wantedNights int) {
	var (
		mu     sync.Mutex
		latest int
		calm   int // closes without a kill do not count
		group  sync.WaitGroup
	)
	next := func() (int, bool) {
		mu.Lock()
		defer mu.Unlock()
		if latest-calm == wantedNights || ctx.Err() != nil {
			return 0, false
		}
		latest++
		return latest, true
	}
	for range min(nightsAtOnce, wantedNights) {
		group.Go(func() {
			for number, more := next(); more; number, more = next() {
				n := &closeRun{world: w, plan: newPlan(w.seed, number, w.env.Connection)}
				if !n.run(ctx) {
					continue // which is a failure of the test
				}
				kills := n.killsBetween(n.started, time.Now())
				w.figures.addN("kills survived", "by all closes together", kills)
				if kills == 0 && !w.quick {
					w.figures.add("nights", "without a kill, not counted")
					mu.Lock()
					calm++
					mu.Unlock()
				}
				w.t.Logf("close %d, %s: %s after %d rounds, %s and %d kills", number, n.date, n.result.State,
					len(n.rounds), time.Since(n.started).Round(time.Second), kills)
			}
		})
	}
	group.Wait()
}

func (w *world) summarize() {
	owners := map[string]string{} // of runs
	for id, p := range w.expected {
		for _, run := range w.runs(p) {
			if other, taken := owners[run.ID]; taken {
				w.wrong("run %s belongs to %s and to %s", run.ID, other, id)
			}
			owners[run.ID] = id
		}
	}
	requests := 0
	for _, e := range w.env.Sim.Journal() {
		requests++
		if e.Fault != "" {
			w.figures.add("faults met, by kind", string(e.Fault))
		}
	}
	for _, run := range w.env.Sim.Runs() {
		if _, ours := owners[run.ID]; run.Parent == "" && !ours {
			w.wrong("run %s belongs to no batch", run.ID)
		}
	}
	w.figures.addN("requests and runs", "requests", requests)
	w.figures.addN("requests and runs", "runs", len(owners))
}
