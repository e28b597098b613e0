package close

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"slices"
	"strconv"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/pbsmflow/pbsmflow/internal/simulator"
	"github.com/pbsmflow/pbsmflow/tests/harness"
	"github.com/pbsmflow/pbsmflow/workflows"
)

const (
	wantedFaults       = 1000
	closesAtOnce       = 20
	mostCloses         = 120
	faultPerCall       = 0.45 // probability of a fault for a request that is safe to repeat
	faultPerSubmission = 0.3
	faultPerToken      = 0.25

	// Pauses between attempts double up to a minute, and one of a hundred closes meets ten faults in a row.
	closeTimeout = 10 * time.Minute
)

// Kinds of faults by the calls that they are safe for: calls that are repeated, transfers, submissions, logins.
var (
	anyCall = []simulator.Fault{
		{Kind: simulator.FaultStatus}, {Kind: simulator.FaultStatus, Status: 500}, {Kind: simulator.FaultStatus, Status: 429, RetryAfter: "1"},
		{Kind: simulator.FaultStatus, Status: 503, RetryAfter: "1"}, {Kind: simulator.FaultEmpty}, {Kind: simulator.FaultHTML},
		{Kind: simulator.FaultUnauthorized}, {Kind: simulator.FaultCloseBefore}, {Kind: simulator.FaultExpireTokens}, {Kind: simulator.FaultExpireLogins},
		{Kind: simulator.FaultDelayBefore, Delay: 200 * time.Millisecond}, {Kind: simulator.FaultDelayAfter, Delay: 200 * time.Millisecond},
		{Kind: simulator.FaultCloseAfter}, {Kind: simulator.FaultStatusAfter}, {Kind: simulator.FaultHTMLAfter}, {Kind: simulator.FaultTruncate},
		{Kind: simulator.FaultMalform}, {Kind: simulator.FaultSlow, Delay: 200 * time.Millisecond}, {Kind: simulator.FaultWrongLength}, {Kind: simulator.FaultCorrupt, Bytes: 1},
		{Kind: simulator.FaultRedirect},
	}
	put = []simulator.Fault{
		{Kind: simulator.FaultStatus}, {Kind: simulator.FaultEmpty}, {Kind: simulator.FaultHTML}, {Kind: simulator.FaultStatus, Status: 429, RetryAfter: "1"},
		{Kind: simulator.FaultCloseBefore}, {Kind: simulator.FaultCloseAfter}, {Kind: simulator.FaultStatusAfter}, {Kind: simulator.FaultTruncate},
		{Kind: simulator.FaultCorrupt}, {Kind: simulator.FaultDelayAfter, Delay: 200 * time.Millisecond},
	}
	get = []simulator.Fault{
		{Kind: simulator.FaultStatus}, {Kind: simulator.FaultEmpty}, {Kind: simulator.FaultHTML}, {Kind: simulator.FaultStatus, Status: 429, RetryAfter: "1"},
		{Kind: simulator.FaultCloseBefore}, {Kind: simulator.FaultCloseAfter}, {Kind: simulator.FaultStatusAfter}, {Kind: simulator.FaultTruncate},
		{Kind: simulator.FaultCorrupt, Bytes: 77}, {Kind: simulator.FaultWrongLength, Bytes: 5}, {Kind: simulator.FaultSlow, Delay: 200 * time.Millisecond},
	}
	// The only ones after which a submission was certainly not carried out.
	once = []simulator.Fault{
		{Kind: simulator.FaultUnauthorized}, {Kind: simulator.FaultStatus, Status: 429, RetryAfter: "1"}, {Kind: simulator.FaultExpireTokens},
		{Kind: simulator.FaultExpireLogins}, {Kind: simulator.FaultDelayAfter, Delay: 200 * time.Millisecond}, {Kind: simulator.FaultSlow, Delay: 200 * time.Millisecond},
	}
	logins = []simulator.Fault{
		{Kind: simulator.FaultStatus}, {Kind: simulator.FaultStatus, Status: 429}, {Kind: simulator.FaultEmpty}, {Kind: simulator.FaultHTML},
		{Kind: simulator.FaultCloseBefore}, {Kind: simulator.FaultCloseAfter}, {Kind: simulator.FaultStatusAfter}, {Kind: simulator.FaultHTMLAfter},
		{Kind: simulator.FaultTruncate}, {Kind: simulator.FaultMalform}, {Kind: simulator.FaultDelayAfter, Delay: 200 * time.Millisecond},
	}
)

// everyFault returns all kinds for all calls, each with its share of the probability. Expired PARs are rare, because a
// transfer fails after five in a row, by design.
func everyFault(random *rand.Rand) []simulator.Fault {
	var armed []simulator.Fault
	arm := func(call string, chance float64, kinds []simulator.Fault) {
		for _, fault := range kinds {
			fault.Call, fault.Probability = call, chance/float64(len(kinds))
			armed = append(armed, fault)
		}
	}
	for _, call := range []string{"upload-par", "list-files", "download-by-name", "download-by-id", "export", "import", "export-status", "import-status",
		"report", "report-status", "status"} {
		arm(call, faultPerCall, anyCall)
	}
	armed = append(armed, simulator.Fault{Call: "report-status", Kind: simulator.FaultNoLink, Probability: 0.1})
	for _, call := range []string{"object-put", "object-get"} {
		armed = append(armed, simulator.Fault{Call: call, Kind: simulator.FaultExpirePAR, Probability: 0.05})
	}
	arm("object-put", faultPerCall, put)
	arm("object-get", faultPerCall, get)
	for _, call := range []string{"trigger", "restart"} {
		arm(call, faultPerSubmission, once)
	}
	arm("token", faultPerToken, logins)
	random.Shuffle(len(armed), func(i, j int) { armed[i], armed[j] = armed[j], armed[i] })
	return armed
}

const faultyPipeline = `name: %s
steps:
  - id: ledger
    upload: {file: "inbox/gl.csv", name: "gl_%[1]s.csv"}
  - id: quick
    batch: {code: PBSM_FAIL_ONCE, restarts: 3, restart_delay: 100ms}
  - id: group
    group: {code: PBSM_PROFIT_GRP, batches: [{code: PBSM_CUST_PROFIT}, {code: PBSM_PROD_PROFIT}]}
  - id: copy
    needs: [ledger]
    download: {file: "gl_%[1]s.csv", save_to: "reports/%[1]s/copy.csv"}
  - id: report
    report: {code: RPT_SMALL, save_to: "reports/%[1]s/report.csv"}
  - id: out
    export: {code: MIG_EXPORT1}
  - id: in
    import: {code: MIG_IMPORT1}
`

// With a thousand faults of all kinds, in every call that is safe to repeat, every close still succeeds, nothing is
// submitted twice, and the downloads equal what the service holds.
func TestClose_survivesAThousandFaults(t *testing.T) {
	t.Parallel()
	seed := time.Now().UnixNano()
	if given := os.Getenv("PBSMFLOW_SEED"); given != "" {
		var err error
		seed, err = strconv.ParseInt(given, 10, 64)
		require.NoError(t, err)
	}
	t.Logf("PBSMFLOW_SEED=%d", seed)

	catalog := simulator.DefaultCatalog()
	catalog.Reports = append(catalog.Reports, simulator.Report{Code: "RPT_SMALL", Kind: simulator.Profitability, Rows: 20, AsOf: harness.AsOf, Duration: 10 * time.Minute})
	e := harness.New(t, harness.Options{
		Simulator: simulator.Options{Catalog: catalog, Seed: seed, Speed: 300, Quirks: simulator.Quirks{simulator.RefreshRotates}},
		Settings:  map[string]string{"connection.timeout": "10s", "worker.poll.min": "200ms", "worker.poll.max": "500ms"},
	})
	ledger := harness.Ledger(50)
	e.Write(e.Inbox, "gl.csv", ledger)
	require.NoError(t, e.Await(e.Start("before/"+e.Connection, workflows.GenerateReport,
		workflows.GenerateReportInput{Connection: e.Connection, Code: "RPT_SMALL", SaveTo: "reports/before.csv"}), nil))
	report, err := os.ReadFile(e.Reports + "/before.csv") // every instance of a report has the same rows
	require.NoError(t, err)
	e.Sim.Inject(everyFault(rand.New(rand.NewPCG(uint64(seed), 2)))...)

	var (
		mu    sync.Mutex
		ended int
		group sync.WaitGroup
	)
	next := func() (number int, more bool) {
		mu.Lock()
		defer mu.Unlock()
		if ended == mostCloses || injected(e) >= wantedFaults {
			return 0, false
		}
		ended++
		return ended, true
	}
	// Then the service recovers: otherwise the last close may wait minutes, for the end of a pause that has doubled often.
	over := make(chan struct{})
	go func() {
		for injected(e) < wantedFaults {
			select {
			case <-over:
				return
			case <-time.After(500 * time.Millisecond):
			}
		}
		e.Sim.ClearFaults()
	}()
	for range closesAtOnce {
		group.Go(func() {
			for {
				number, more := next()
				if !more || t.Failed() {
					return
				}
				runClose(t, e, fmt.Sprintf("faulty-%d", number), ledger, string(report))
			}
		})
	}
	group.Wait()
	close(over)
	require.GreaterOrEqual(t, injected(e), wantedFaults)
	requireEveryKindSeen(t, e)
	for _, entry := range e.Sim.Journal() {
		require.NotContains(t, entry.Note, "leak", "%s %s", entry.Call, entry.Path)
		require.NotContains(t, entry.Note, "redirect", "%s %s", entry.Call, entry.Path)
	}
	roots := slices.DeleteFunc(e.Sim.Runs(), func(r simulator.Run) bool { return r.Parent != "" })
	require.Len(t, e.Calls("trigger", harness.Processed), 2*ended, "two triggers of each close, processed once")
	require.Len(t, roots, 2*ended, "runs of %d closes", ended)
	t.Logf("%d closes, %d requests, %d faults", ended, len(e.Sim.Journal()), injected(e))
}

func runClose(t *testing.T, e *harness.Env, name, ledger, report string) {
	definition, err := json.Marshal(fmt.Sprintf(faultyPipeline, name))
	if !requireNoError(t, err) {
		return
	}
	// Each close has a date of its own, and therefore batches of its own.
	in := workflows.NightlyCloseInput{Connection: e.Connection, Definition: definition, AsOfDate: dateOf(name)}
	run := e.Start(workflows.CloseWorkflowID(e.Connection, name, in.AsOfDate), workflows.NightlyClose, in)
	var result workflows.NightlyCloseResult
	if !requireNoError(t, e.AwaitWithin(closeTimeout, run, &result)) {
		if status, ok := e.Status(run.GetID()); ok {
			t.Logf("%s", status.Markdown())
		}
		return
	}
	for _, step := range result.Steps {
		if step.State != workflows.Succeeded {
			t.Errorf("%s: step %s is %s: %s", name, step.ID, step.State, step.Error)
			return
		}
		switch {
		case step.Upload != nil:
			requireArrived(t, e, *step.Upload, ledger)
		case step.Download != nil:
			requireSaved(t, e.Reports+"/"+name+"/copy.csv", *step.Download, ledger)
		case step.Report != nil:
			requireSaved(t, e.Reports+"/"+name+"/report.csv", step.Report.File, report)
		}
	}
}

// requireArrived compares what the service holds with what was uploaded.
func requireArrived(t *testing.T, e *harness.Env, result workflows.FileResult, want string) {
	id, err := strconv.ParseInt(result.FileID, 10, 64)
	if !requireNoError(t, err) {
		return
	}
	object, err := e.Sim.Object(id)
	if !requireNoError(t, err) {
		return
	}
	defer object.Close()
	got, err := io.ReadAll(object)
	if requireNoError(t, err) && string(got) != want {
		t.Errorf("file %d is not what was uploaded", id)
	}
}

// requireSaved compares the saved file and the result with what the service holds.
func requireSaved(t *testing.T, path string, result workflows.FileResult, want string) {
	got, err := os.ReadFile(path)
	if !requireNoError(t, err) {
		return
	}
	sum := sha256.Sum256([]byte(want))
	if string(got) != want || result.SHA256 != hex.EncodeToString(sum[:]) || result.Bytes != int64(len(want)) {
		t.Errorf("%s is not what the service holds (%d bytes against %d; %+v)", path, len(got), len(want), result)
	}
}

// requireNoError is for goroutines, which must not stop the test.
func requireNoError(t *testing.T, err error) bool {
	if err != nil {
		t.Error(err)
	}
	return err == nil
}

func dateOf(name string) string {
	var number int
	_, _ = fmt.Sscanf(name, "faulty-%d", &number)
	return time.Date(2026, 1, number, 0, 0, 0, 0, time.UTC).Format(time.DateOnly)
}

func injected(e *harness.Env) int {
	count := 0
	for _, entry := range e.Sim.Journal() {
		if entry.Fault != "" {
			count++
		}
	}
	return count
}

func requireEveryKindSeen(t *testing.T, e *harness.Env) {
	seen := map[simulator.Kind]int{}
	for _, entry := range e.Sim.Journal() {
		seen[entry.Fault]++
	}
	for _, kinds := range [][]simulator.Fault{anyCall, put, get, once, logins} {
		for _, fault := range kinds {
			require.NotZero(t, seen[fault.Kind], "no fault of kind %s was met", fault.Kind)
		}
	}
	t.Logf("%v", seen)
}
