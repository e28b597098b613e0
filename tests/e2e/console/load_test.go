package console

import (
	"bufio"
	"context"
	"fmt"
	"maps"
	"net"
	"net/http"
	"net/url"
	"os"
	"slices"
	"strings"
	"sync"
	"testing"
	"text/tabwriter"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"go.temporal.io/api/proxy"
	"go.temporal.io/api/workflowservice/v1"
	"golang.org/x/sync/errgroup"
	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials/insecure"

	"github.com/pbsmflow/pbsmflow/tests/harness"
	"github.com/pbsmflow/pbsmflow/workflows"
)

// load is how many closes and open pages there are.
type load struct {
	closes, viewers int
	pages           int           // served for each measurement
	changes         int           // made during each
	median, most    time.Duration // within which a page is served: half of them, and 95 %
}

const stepsOfAClose = 40

// Many closes and many open pages: PBSMFLOW_LARGE=1 is a night of 200 closes and 50 operators, on a machine of its own.
func TestConsole_load(t *testing.T) {
	l := load{closes: 15, viewers: 10, pages: 10, changes: 3, median: 250 * time.Millisecond, most: time.Second}
	if os.Getenv("PBSMFLOW_LARGE") == "" {
		t.Parallel() // with the other tests, which mostly wait
	} else {
		l = load{closes: 200, viewers: 50, pages: 50, changes: 10, median: 100 * time.Millisecond, most: 100 * time.Millisecond}
	}
	e := harness.New(t, harness.Options{Server: harness.StartServer(t)})
	counted := startCounter(t, e.Server.Address)
	c := openConsole(e, "login: {kind: none}", "TEMPORAL_ADDRESS="+counted.address)
	ids := manyCloses(t, e, l.closes)
	began := time.Now()
	e.Until("the first page has every close", func() bool {
		text := do(t, http.DefaultClient, mustRequest(t, c.address+"/")).text
		return strings.Count(text, `<li class="close waiting`) == l.closes
	})
	t.Logf("%d closes of %d steps were on the first page %s after the last start", l.closes, stepsOfAClose, time.Since(began).Round(time.Millisecond))

	var results []measured
	for _, viewers := range []int{0, 1, l.viewers} {
		results = append(results, measure(t, e, c, counted, l, ids, viewers))
	}
	t.Log(loadTable(results))
	none, all := results[0], results[2]
	assert.LessOrEqual(t, all.calls["QueryWorkflow"], none.calls["QueryWorkflow"]+l.changes, "queries do not grow with the viewers")
	for _, method := range []string{"DescribeWorkflowExecution", "ListWorkflowExecutions", "GetWorkflowExecutionHistory"} {
		perSecond := float64(all.calls[method]-none.calls[method]) / all.took.Seconds()
		assert.Less(t, perSecond, 8.0, "%s, which is for each close that somebody has open, not for each viewer", method)
	}
	for _, r := range results {
		assert.Less(t, r.first[0], l.median, "the first page, %d viewers", r.viewers)
		assert.Less(t, r.first[1], l.most, "the first page, %d viewers", r.viewers)
		assert.Less(t, r.close[0], l.median, "the page of a close, %d viewers", r.viewers)
		assert.Less(t, r.close[1], l.most, "the page of a close, %d viewers", r.viewers)
		for _, d := range r.shown {
			assert.Less(t, d, changeShows, "a change shows, %d viewers", r.viewers)
		}
	}
}

// manyCloses starts closes of which one step asks, and the others wait for it.
func manyCloses(t *testing.T, e *harness.Env, closes int) (ids []string) {
	t.Helper()
	var definition strings.Builder
	definition.WriteString("name: wide\nsteps:\n  - id: first\n    approve: {message: May it begin}\n")
	for i := range stepsOfAClose - 1 {
		fmt.Fprintf(&definition, "  - id: s%02d\n    needs: [first]\n    batch: {code: PBSM_QUICK, key: s%02d}\n", i, i)
	}
	e.Write(e.Pipelines, "wide.yaml", definition.String())
	var group errgroup.Group
	group.SetLimit(8)
	day := time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)
	for i := range closes {
		in := workflows.NightlyCloseInput{
			Connection: e.Connection, Pipeline: "wide", AsOfDate: day.AddDate(0, 0, i).Format(time.DateOnly), StartedBy: "scheduler",
		}
		ids = append(ids, in.WorkflowID())
		group.Go(func() error {
			_, err := workflows.Start(t.Context(), e.Temporal, in, workflows.StartOptions{TaskQueue: e.TaskQueue, By: "scheduler", With: "tests"})
			return err
		})
	}
	require.NoError(t, group.Wait())
	return ids
}

// measured is what so many viewers cost. A pair is the median and the 95th percentile.
type measured struct {
	viewers      int
	took         time.Duration
	calls        map[string]int
	first, close [2]time.Duration
	shown        []time.Duration // each change, on the last of the pages that show it
}

// watched is how many different closes the viewers have open.
const watched = 3

// measure serves pages and makes changes while viewers have pages open.
func measure(t *testing.T, e *harness.Env, c *console, counted *counter, l load, ids []string, viewers int) measured {
	t.Helper()
	ctx, stop := context.WithCancel(t.Context())
	var open sync.WaitGroup
	defer open.Wait()
	defer stop()
	seen := &arrivals{at: map[string][]time.Time{}}
	watching := map[string]int{} // viewers by close
	for i := range viewers {
		page := "/"
		if i%2 == 0 {
			id := ids[i/2%watched]
			watching[id]++
			page = "/w/" + id
		}
		open.Go(func() { watch(ctx, c.address, page, seen) })
	}
	e.Until("the pages are open", func() bool { return seen.pages() == viewers })

	m := measured{viewers: viewers}
	before, began := counted.all(), time.Now()
	var first, page []time.Duration
	for i := range l.changes {
		id := ids[i%watched]
		why := fmt.Sprintf("change %d of %d", i, viewers)
		_, err := e.Command(id, workflows.ExtendCommand, workflows.Command{By: "load", Why: why, Until: fmt.Sprintf("%dm", 60+i)})
		require.NoError(t, err)
		changed := time.Now()
		for range l.pages / l.changes {
			first = append(first, served(t, c.address+"/"))
			page = append(page, served(t, c.address+"/w/"+id))
		}
		if watching[id] > 0 {
			e.Until("the change shows", func() bool { return len(seen.of(why)) >= watching[id] })
			m.shown = append(m.shown, slices.MaxFunc(seen.of(why), time.Time.Compare).Sub(changed))
		}
		time.Sleep(time.Until(began.Add(time.Duration(i+1) * time.Second)))
	}
	m.took = time.Since(began)
	m.calls = counted.since(before)
	m.first, m.close = percentiles(first), percentiles(page)
	return m
}

func served(t *testing.T, address string) time.Duration {
	t.Helper()
	began := time.Now()
	require.Equal(t, http.StatusOK, do(t, http.DefaultClient, mustRequest(t, address)).code)
	return time.Since(began)
}

func percentiles(all []time.Duration) [2]time.Duration {
	slices.Sort(all)
	return [2]time.Duration{all[len(all)/2], all[len(all)*95/100]}
}

func mustRequest(t *testing.T, address string) *http.Request {
	t.Helper()
	r, err := newRequest(t, http.MethodGet, address, nil)
	require.NoError(t, err)
	return r
}

// arrivals are the times at which texts arrived on open pages.
type arrivals struct {
	mu   sync.Mutex
	open int
	at   map[string][]time.Time
}

func (a *arrivals) pages() int {
	a.mu.Lock()
	defer a.mu.Unlock()
	return a.open
}

func (a *arrivals) of(text string) []time.Time {
	a.mu.Lock()
	defer a.mu.Unlock()
	return slices.Clone(a.at[text])
}

// watch has a page open, as its script does, and notes when each change arrived first.
func watch(ctx context.Context, address, page string, seen *arrivals) {
	r, err := http.NewRequestWithContext(ctx, http.MethodGet, address+"/events?page="+url.QueryEscape(page), nil)
	if err != nil {
		return
	}
	response, err := http.DefaultClient.Do(r)
	if err != nil {
		return
	}
	defer response.Body.Close()
	known := map[string]bool{}
	lines := bufio.NewScanner(response.Body)
	lines.Buffer(nil, 8<<20)
	for lines.Scan() {
		line, now := lines.Text(), time.Now()
		seen.mu.Lock()
		if !known[""] {
			known[""] = true
			seen.open++
		}
		for rest := line; ; {
			_, after, found := strings.Cut(rest, "change ")
			if !found {
				break
			}
			why, _, _ := strings.Cut(after, `\u003c`) // the end of the element
			if text := "change " + why; !known[text] {
				known[text] = true
				seen.at[text] = append(seen.at[text], now)
			}
			rest = after
		}
		seen.mu.Unlock()
	}
}

func loadTable(results []measured) string {
	var text strings.Builder
	w := tabwriter.NewWriter(&text, 0, 0, 2, ' ', tabwriter.AlignRight)
	fmt.Fprintln(w, "\nviewers\tqueries/s\tdescribes/s\tlists/s\tlong polls/s\tfirst page\t95 %\ta close\t95 %\ta change shows within\t")
	ms := func(d time.Duration) time.Duration { return d.Round(100 * time.Microsecond) }
	for _, r := range results {
		rate := func(method string) float64 { return float64(r.calls[method]) / r.took.Seconds() }
		shown := "-"
		if len(r.shown) > 0 {
			shown = slices.Max(r.shown).Round(time.Millisecond).String()
		}
		fmt.Fprintf(w, "%d\t%.1f\t%.1f\t%.1f\t%.1f\t%s\t%s\t%s\t%s\t%s\t\n", r.viewers, rate("QueryWorkflow"), rate("DescribeWorkflowExecution"),
			rate("ListWorkflowExecutions"), rate("GetWorkflowExecutionHistory"), ms(r.first[0]), ms(r.first[1]), ms(r.close[0]), ms(r.close[1]), shown)
	}
	_ = w.Flush()
	return text.String()
}

// counter is a proxy of Temporal that counts the calls by method.
type counter struct {
	address string

	mu    sync.Mutex
	calls map[string]int
}

func startCounter(t *testing.T, temporal string) *counter {
	t.Helper()
	c := &counter{calls: map[string]int{}}
	const most = 64 << 20
	connection, err := grpc.NewClient(temporal, grpc.WithTransportCredentials(insecure.NewCredentials()),
		grpc.WithDefaultCallOptions(grpc.MaxCallRecvMsgSize(most), grpc.MaxCallSendMsgSize(most)))
	require.NoError(t, err)
	forwards, err := proxy.NewWorkflowServiceProxyServer(proxy.WorkflowServiceProxyOptions{Client: workflowservice.NewWorkflowServiceClient(connection)})
	require.NoError(t, err)
	server := grpc.NewServer(grpc.MaxRecvMsgSize(most), grpc.UnaryInterceptor(
		func(ctx context.Context, request any, info *grpc.UnaryServerInfo, next grpc.UnaryHandler) (any, error) {
			c.mu.Lock()
			c.calls[info.FullMethod[strings.LastIndex(info.FullMethod, "/")+1:]]++
			c.mu.Unlock()
			return next(ctx, request)
		}))
	workflowservice.RegisterWorkflowServiceServer(server, forwards)
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	c.address = listener.Addr().String()
	go func() { _ = server.Serve(listener) }()
	t.Cleanup(func() {
		server.Stop()
		_ = connection.Close()
	})
	return c
}

func (c *counter) all() map[string]int {
	c.mu.Lock()
	defer c.mu.Unlock()
	return maps.Clone(c.calls)
}

func (c *counter) since(before map[string]int) map[string]int {
	all := c.all()
	for method := range all {
		all[method] -= before[method]
	}
	return all
}
