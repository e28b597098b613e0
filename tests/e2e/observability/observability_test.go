package observability

import (
	"bytes"
	"compress/gzip"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"regexp"
	"slices"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	dto "github.com/prometheus/client_model/go"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	collector "go.opentelemetry.io/proto/otlp/collector/trace/v1"
	trace "go.opentelemetry.io/proto/otlp/trace/v1"
	"google.golang.org/grpc"
	"google.golang.org/protobuf/proto"

	"github.com/pbsmflow/pbsmflow/internal/simulator"
	"github.com/pbsmflow/pbsmflow/tests/harness"
	"github.com/pbsmflow/pbsmflow/workflows"
)

const observedPipeline = `name: observed
deadline: "23:59"
steps:
  - id: ledger
    upload: {file: inbox/gl.csv}
  - id: quick
    needs: [ledger]
    batch: {code: PBSM_QUICK}
  - id: books
    needs: [quick]
    approve: {message: Are the books good}
`

// waitingPipeline waits for an approval and for a decision at the same time.
const waitingPipeline = `name: waiting
steps:
  - id: books
    approve: {message: Are the books good}
  - id: failing
    batch: {code: PBSM_FAIL}
`

// Gauges of what waits come from Temporal, also on a worker that started later; counters count ends, transfers and
// calls.
func TestMetrics_afterANight(t *testing.T) {
	t.Parallel()
	e := harness.New(t, harness.Options{Server: harness.StartServer(t), Settings: map[string]string{"worker.collect_interval": "200ms"}})
	e.Write(e.Inbox, "gl.csv", harness.Ledger(100))
	e.Write(e.Pipelines, "observed.yaml", observedPipeline)
	e.Write(e.Pipelines, "waiting.yaml", waitingPipeline)
	run := e.StartClose("observed")
	e.AwaitState(run.GetID(), workflows.Waiting)
	require.EqualValues(t, len(harness.Ledger(100)), harness.Series(e.Scrape(e.Worker)["pbsm_transfer_bytes_total"], map[string]string{"direction": "upload"})[0].GetCounter().GetValue())
	e.RestartWorker()

	waiting := func(kind, question string) float64 {
		found := harness.Series(e.Scrape(e.Worker)["pbsm_workflows_waiting"], map[string]string{"connection": e.Connection, "workflow_type": kind, "question": question})
		if len(found) == 0 {
			return -1
		}
		return found[0].GetGauge().GetValue()
	}
	e.Until("the close is counted as waiting for its approval", func() bool {
		return waiting(workflows.NightlyCloseType, "approval") == 1 && waiting(workflows.NightlyCloseType, "decision") == 0
	})
	both := e.StartClose("waiting")
	e.AwaitState(both.GetID(), workflows.Waiting)
	e.Until("a close that waits for both is counted for the decision", func() bool {
		return waiting(workflows.NightlyCloseType, "approval") == 1 && waiting(workflows.NightlyCloseType, "decision") == 1 && waiting(workflows.RunBatchType, "decision") == 1
	})
	// Not with the starter, whose queries may make the SDK replay the last task and count it again.
	require.NoError(t, e.Temporal.CancelWorkflow(t.Context(), both.GetID(), ""))
	require.Error(t, e.Await(both, nil))
	_, err := e.Command(run.GetID(), workflows.ApproveCommand, workflows.Command{By: "carla", Why: "checked", Step: "books"})
	require.NoError(t, err)
	require.NoError(t, e.Await(run, nil))
	e.Until("nothing waits", func() bool {
		return waiting(workflows.NightlyCloseType, "approval") == 0 && waiting(workflows.NightlyCloseType, "decision") == 0
	})
	e.Sim.Inject(simulator.Fault{Call: "status", Kind: simulator.FaultDelayBefore, Delay: 5 * time.Second, Times: 1})
	require.Error(t, e.Await(e.StartBatch(workflows.RunBatchInput{Code: "PBSM_HANG", Deadline: time.Now().Add(3 * time.Second)}), nil), "its deadline passes while a poll hangs")
	require.Error(t, e.Await(e.StartBatch(workflows.RunBatchInput{Code: "PBSM_HANG", Key: "again", Deadline: time.Now().Add(4 * time.Second)}), nil), "the next poll would be after the deadline")
	e.Until("the success is recorded", func() bool { return e.Scrape(e.Worker)["pbsm_close_last_success_timestamp_seconds"] != nil })

	metrics := e.Scrape(e.Worker)
	for _, c := range []struct {
		labels map[string]string
		count  int
	}{
		{map[string]string{"workflow_type": workflows.NightlyCloseType, "state": "succeeded", "reason": ""}, 1},
		{map[string]string{"workflow_type": workflows.RunBatchType, "state": "failed", "reason": "deadline_passed"}, 2},
		{map[string]string{"workflow_type": workflows.RunBatchType, "state": "failed", "reason": "error"}, 0},
	} {
		ended := harness.Series(metrics["pbsm_workflows_ended_total"], c.labels)
		require.Len(t, ended, 1, "it is the series that began with zero")
		assert.EqualValues(t, c.count, ended[0].GetCounter().GetValue(), "%v", c.labels)
	}
	assert.EqualValues(t, 2, harness.Series(metrics["pbsm_overdue_seconds"], map[string]string{"workflow_type": workflows.RunBatchType})[0].GetHistogram().GetSampleCount())
	assert.Empty(t, harness.Series(metrics["pbsm_deadline_margin_seconds"], map[string]string{"workflow_type": workflows.RunBatchType}), "the batch that met its deadline ran on the earlier worker")
	assert.EqualValues(t, 2, harness.Series(metrics["pbsm_operator_wait_seconds"], map[string]string{"workflow_type": workflows.NightlyCloseType})[0].GetHistogram().GetSampleCount())
	assert.EqualValues(t, 1, harness.Series(metrics["pbsm_deadline_margin_seconds"], map[string]string{"workflow_type": workflows.NightlyCloseType})[0].GetHistogram().GetSampleCount())
	assert.EqualValues(t, 1, metrics["pbsm_temporal_up"].GetMetric()[0].GetGauge().GetValue())
	assert.EqualValues(t, 0, metrics["pbsm_login_refused"].GetMetric()[0].GetGauge().GetValue())
	assert.Equal(t, "observed", harness.Labels(metrics["pbsm_close_last_success_timestamp_seconds"].GetMetric()[0])["pipeline"])
	checkDocumented(t, metrics)

	reports := func() float64 {
		return harness.Series(e.Scrape(e.Worker)["pbsm_store_up"], map[string]string{"store": "reports"})[0].GetGauge().GetValue()
	}
	require.EqualValues(t, 1, reports())
	require.NoError(t, os.Rename(e.Reports, e.Reports+".away"))
	e.Until("the missing store is reported", func() bool { return reports() == 0 })
	require.NoError(t, os.Rename(e.Reports+".away", e.Reports))
	e.Until("it is back", func() bool { return reports() == 1 })
}

var documented = regexp.MustCompile("(?m)^\\| `(pbsm_\\w+)` \\| ([\\w, ]*)\\| (.*) \\|$")

// checkDocumented compares the metrics with docs/metrics.md: names, labels and help texts.
func checkDocumented(t *testing.T, page map[string]*dto.MetricFamily) {
	t.Helper()
	text, err := os.ReadFile("../../../docs/metrics.md")
	require.NoError(t, err)
	rows := map[string][]string{}
	for _, row := range documented.FindAllStringSubmatch(string(text), -1) {
		rows[row[1]] = row[2:]
	}
	require.NotEmpty(t, rows)
	for name, family := range page {
		if !strings.HasPrefix(name, "pbsm_") {
			continue
		}
		if !assert.Contains(t, rows, name, "docs/metrics.md") {
			continue
		}
		assert.Equal(t, rows[name][1], family.GetHelp(), name)
		for _, m := range family.GetMetric() {
			var have []string
			for label := range harness.Labels(m) {
				have = append(have, label)
			}
			slices.Sort(have)
			assert.Equal(t, strings.TrimSpace(rows[name][0]), strings.Join(have, ", "), name)
		}
	}
}

// receiver receives traces by OTLP, over HTTP at its URL and over gRPC at its target.
type receiver struct {
	*httptest.Server
	collector.UnimplementedTraceServiceServer
	target string
	mu     sync.Mutex
	spans  []*trace.Span
	raw    []byte
}

func receive(t *testing.T) *receiver {
	r := &receiver{}
	r.Server = httptest.NewServer(r)
	t.Cleanup(r.Close)
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	r.target = "http://" + listener.Addr().String()
	server := grpc.NewServer()
	collector.RegisterTraceServiceServer(server, r)
	go func() { _ = server.Serve(listener) }()
	t.Cleanup(server.Stop)
	return r
}

func (r *receiver) ServeHTTP(w http.ResponseWriter, q *http.Request) {
	body := io.Reader(q.Body)
	if q.Header.Get("Content-Encoding") == "gzip" {
		body, _ = gzip.NewReader(body)
	}
	text, _ := io.ReadAll(body)
	var request collector.ExportTraceServiceRequest
	if q.URL.Path != "/v1/traces" || proto.Unmarshal(text, &request) != nil {
		http.Error(w, "not OTLP", http.StatusBadRequest)
		return
	}
	r.take(&request, text)
	w.Header().Set("Content-Type", "application/x-protobuf")
}

// Export implements the collector's service, over gRPC.
func (r *receiver) Export(_ context.Context, request *collector.ExportTraceServiceRequest) (*collector.ExportTraceServiceResponse, error) {
	text, err := proto.Marshal(request)
	r.take(request, text)
	return &collector.ExportTraceServiceResponse{}, err
}

func (r *receiver) take(request *collector.ExportTraceServiceRequest, text []byte) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.raw = append(r.raw, text...)
	for _, resource := range request.GetResourceSpans() {
		for _, scope := range resource.GetScopeSpans() {
			r.spans = append(r.spans, scope.GetSpans()...)
		}
	}
}

// has reports whether a span of the name arrived.
func (r *receiver) has(name string) bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	return slices.ContainsFunc(r.spans, func(s *trace.Span) bool { return s.GetName() == name })
}

// Spans are sent over gRPC if the variables say so; a variable for traces overrides the general one.
func TestTraces_overGRPC(t *testing.T) {
	t.Parallel()
	r, other := receive(t), receive(t)
	e := harness.New(t, harness.Options{NoWorker: true})
	e.StartWorker("OTEL_EXPORTER_OTLP_ENDPOINT="+other.URL, "OTEL_EXPORTER_OTLP_TRACES_ENDPOINT="+r.target,
		"OTEL_EXPORTER_OTLP_TRACES_PROTOCOL=grpc", "OTEL_BSP_SCHEDULE_DELAY=200", "OTEL_RESOURCE_ATTRIBUTES=deployment.environment.name=tests")
	require.NoError(t, e.Await(e.StartBatch(workflows.RunBatchInput{Code: "PBSM_QUICK"}), nil))
	e.Until("the call's span arrived", func() bool { return r.has("trigger") })
	e.Worker.Stop()
	require.True(t, r.has("RunWorkflow:RunBatch"), "the rest is sent at shutdown")
	require.Empty(t, other.spans)
	require.Contains(t, string(r.raw), "deployment.environment.name")
	log, err := os.ReadFile(e.Worker.Stderr)
	require.NoError(t, err)
	require.NotContains(t, string(log), "spans could not be sent")
}

// A close is one trace, down to its calls, even if its worker is killed; no span contains a secret.
func TestTraces_areConnected(t *testing.T) {
	t.Parallel()
	r := receive(t)
	e := harness.New(t, harness.Options{Server: harness.StartServer(t), NoWorker: true}) // a close without a worker is in every inbox
	variables := []string{"OTEL_EXPORTER_OTLP_ENDPOINT=" + r.URL, "OTEL_BSP_SCHEDULE_DELAY=200"}
	e.StartWorker(variables...)
	e.Write(e.Inbox, "gl.csv", harness.Ledger(100))
	e.Write(e.Pipelines, "observed.yaml", observedPipeline)
	run := e.StartClose("observed")
	e.AwaitState(run.GetID(), workflows.Waiting)
	e.Until("the batch's spans arrived", func() bool { return r.has("RunWorkflow:RunBatch") })
	e.Worker.Kill()
	e.StartWorker(variables...)
	_, err := e.Command(run.GetID(), workflows.ApproveCommand, workflows.Command{By: "carla", Why: "checked", Step: "books"})
	require.NoError(t, err)
	require.NoError(t, e.Await(run, nil))
	e.Worker.Stop()

	r.mu.Lock()
	defer r.mu.Unlock()
	hash := sha256.Sum256([]byte(run.GetRunID()))
	traceID := hex.EncodeToString(hash[:16])
	byID := map[string]*trace.Span{}
	for _, s := range r.spans {
		if hex.EncodeToString(s.GetTraceId()) == traceID {
			byID[string(s.GetSpanId())] = s
		}
	}
	path := func(s *trace.Span) string {
		names := []string{s.GetName()}
		for s = byID[string(s.GetParentSpanId())]; s != nil && len(names) < 20; s = byID[string(s.GetParentSpanId())] {
			names = append(names, s.GetName())
		}
		slices.Reverse(names)
		return strings.Join(names, " > ")
	}
	var paths []string
	for _, s := range byID {
		paths = append(paths, path(s))
	}
	slices.Sort(paths)
	all := strings.Join(paths, "\n")
	require.Contains(t, paths, "RunWorkflow:NightlyClose > StartChildWorkflow:RunBatch > RunWorkflow:RunBatch > StartActivity:TriggerBatch > RunActivity:TriggerBatch > trigger", all)
	require.Contains(t, paths, "RunWorkflow:NightlyClose > StartChildWorkflow:UploadFile > RunWorkflow:UploadFile > StartActivity:PutFile > RunActivity:PutFile > object put", all)
	for _, s := range byID {
		// Commands come from a client that does not trace: they are roots of their own in the same trace, above the
		// activity that verifies who sent them.
		root, _, _ := strings.Cut(path(s), " > ")
		command := strings.HasPrefix(root, "HandleUpdate:") || strings.HasPrefix(root, "ValidateUpdate:")
		assert.True(t, command || root == "RunWorkflow:NightlyClose", "an orphan: %s", path(s))
	}
	for _, secret := range []string{e.Sim.Options().ClientSecret, e.Sim.Options().Password, "/p/", "Bearer"} {
		require.NotEmpty(t, secret)
		assert.NotContains(t, string(r.raw), secret)
	}
}

// The level follows the configuration at SIGHUP; a problem leaves it unchanged; lines name workflow and run.
func TestLogLevel_followsTheConfiguration(t *testing.T) {
	t.Parallel()
	e := harness.New(t, harness.Options{})
	e.Write(e.Pipelines, "one.yaml", "name: one\nsteps:\n  - id: quick\n    batch: {code: PBSM_QUICK}\n")
	logged := func(text string) bool {
		log, err := os.ReadFile(e.Worker.Stderr)
		require.NoError(t, err)
		return bytes.Contains(log, []byte(text))
	}
	config, err := os.ReadFile(e.Config)
	require.NoError(t, err)
	set := func(level string) {
		text := strings.Replace(string(config), "worker:\n", "worker:\n  log: {level: "+level+"}\n", 1)
		require.NoError(t, os.WriteFile(e.Config, []byte(text), 0o600))
		require.NoError(t, syscall.Kill(e.Worker.PID(), syscall.SIGHUP))
	}
	require.False(t, logged(`"level":"debug"`))
	set("loud")
	e.Until("the problem is named", func() bool { return logged("worker.log.level") })
	set("debug")
	e.Until("the level is debug", func() bool { return logged(`"before":"info","now":"debug"`) })
	run := e.StartClose("one")
	require.NoError(t, e.Await(run, nil))
	e.Until("the SDK logs at debug", func() bool { return logged(`{"level":"debug"`) })

	log, err := os.ReadFile(e.Worker.Stderr)
	require.NoError(t, err)
	found := false
	for line := range bytes.Lines(log) {
		var entry map[string]any
		require.NoError(t, json.Unmarshal(line, &entry), "%s", line)
		found = found || entry["WorkflowID"] == run.GetID() && entry["RunID"] == run.GetRunID()
	}
	require.True(t, found, "no line names the close")
}
