package chaos

import (
	"context"
	"math/rand/v2"
	"net"
	"path/filepath"
	"time"

	"github.com/pbsmflow/pbsmflow/tests/harness"
)

const (
	workersAtOnce = 3
	longestOutage = 4 * time.Second
)

// monkey kills processes and starts them again. It runs in the goroutine of the test, which alone may stop the test.
type monkey struct {
	*world
	random  *rand.Rand
	db      string
	port    string
	server  *harness.Server
	workers []*harness.Worker

	betweenKills time.Duration // at most
}

func (m *monkey) startServer() {
	args := []string{"--db", m.db}
	if m.port != "" {
		args = append(args, "--port", m.port)
	}
	m.server = harness.StartServer(m.t, args...)
	_, m.port, _ = net.SplitHostPort(m.server.Address)
}

// work breaks things until the context ends.
func (m *monkey) work(ctx context.Context) {
	m.env.Sim.Inject(backgroundFaults(m.random)...)
	for ctx.Err() == nil {
		m.pause(ctx, m.betweenKills)
		switch m.random.IntN(14) {
		case 0, 1:
			m.killServer(ctx)
		case 2:
			m.killWorker(m.random.IntN(workersAtOnce), func() { m.killServer(ctx) })
		case 3:
			m.figures.add("outages", "IAM down")
			m.env.Sim.ClearFaults()
			m.env.Sim.Inject(identityOutage(m.random))
			m.env.Sim.ExpireTokens(m.random.IntN(2) == 0)
			m.pause(ctx, longestOutage)
			m.env.Sim.ClearFaults()
			m.env.Sim.Inject(backgroundFaults(m.random)...)
		case 4:
			m.figures.add("outages", "all tokens expired")
			m.env.Sim.ExpireTokens(m.random.IntN(2) == 0)
		case 5:
			m.figures.add("outages", "all pre-authenticated URLs expired")
			m.env.Sim.ExpirePARs()
		case 6, 7, 8:
			m.powerFailure(ctx)
		default:
			m.killWorker(m.random.IntN(workersAtOnce), func() {})
		}
	}
	m.env.Sim.ClearFaults()
}

func (m *monkey) killWorker(i int, meanwhile func()) {
	m.workers[i].Kill()
	m.killed("worker")
	meanwhile()
	m.workers[i] = m.env.StartWorker()
}

// powerFailure kills all workers at the worst moment: just after the service has carried out a submission.
func (m *monkey) powerFailure(ctx context.Context) {
	submissions := func() (count int) {
		for _, run := range m.env.Sim.Runs() {
			count += run.Starts
		}
		return count
	}
	before := submissions()
	for timeout := time.After(m.betweenKills); ctx.Err() == nil && submissions() == before; {
		select {
		case <-timeout:
			return
		case <-time.After(10 * time.Millisecond):
		}
	}
	for i := range m.workers {
		m.workers[i].Kill()
		m.killed("worker, just after a submission")
	}
	for i := range m.workers {
		m.workers[i] = m.env.StartWorker()
	}
}

func (m *monkey) killServer(ctx context.Context) {
	m.server.Kill()
	m.killed("Temporal server")
	m.pause(ctx, longestOutage/2)
	m.startServer()
}

func (m *monkey) pause(ctx context.Context, longest time.Duration) {
	select {
	case <-ctx.Done():
	case <-time.After(time.Duration(m.random.Int64N(int64(longest)))):
	}
}

func newMonkey(w *world) *monkey {
	between := 8 * time.Second
	if w.quick {
		between = 3 * time.Second
	}
	return &monkey{
		world: w, betweenKills: between, random: rand.New(rand.NewPCG(uint64(w.seed), hash("monkey"))),
		db: filepath.Join(harness.Folder(w.t, "database"), "temporal.db"),
	}
}
