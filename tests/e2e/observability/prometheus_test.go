package observability

import (
	"fmt"
	"net/http"
	"net/url"
	"os"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"go.temporal.io/sdk/client"
	"go.yaml.in/yaml/v3"

	"github.com/pbsmflow/pbsmflow/internal/simulator"
	"github.com/pbsmflow/pbsmflow/tests/harness"
	"github.com/pbsmflow/pbsmflow/workflows"
)

const (
	failingPipeline = `name: broken
steps:
  - id: ledger
    upload: {file: inbox/nowhere.csv, on_failure: fail}
`
	tonightPipeline = `name: tonight
steps:
  - id: ledger
    upload: {file: inbox/tonight.csv, wait_until: 2h}
`
)

// nextMinute returns a time for a schedule that is created within 15 seconds.
func nextMinute() time.Time {
	return time.Now().UTC().Add(15 * time.Second).Truncate(time.Minute).Add(time.Minute)
}

// watchedNight starts a worker with everything that can happen in a night: a close that waits for its approval, a
// failed one, a mistyped one, a batch that waits for a decision, one that runs past its deadline, failing calls, a
// schedule that is paused, one whose pipeline is missing, one that begins at the given time, failing code. It returns
// the two that wait, and the address of a console.
func watchedNight(t *testing.T, begins time.Time) (e *harness.Env, p *harness.Prometheus, approval, failedBatch client.WorkflowRun, console string) {
	e = harness.New(t, harness.Options{Server: harness.StartServer(t), Settings: map[string]string{"worker.collect_interval": "200ms"}})
	listen, metrics := fmt.Sprintf("127.0.0.1:%d", harness.FreePort(t)), fmt.Sprintf("127.0.0.1:%d", harness.FreePort(t))
	e.LaunchStarterEnv([]string{"PBSM_CONSOLE__METRICS=" + metrics}, "console", "--listen", listen)
	p = harness.StartPrometheus(t, e.Worker, metrics)
	e.Write(e.Inbox, "gl.csv", harness.Ledger(100))
	e.Write(e.Pipelines, "observed.yaml", observedPipeline)
	e.Write(e.Pipelines, "broken.yaml", failingPipeline)
	e.Write(e.Pipelines, "tonight.yaml", tonightPipeline)
	schedule := func(pipeline string, at time.Time) {
		require.Zero(t, e.Run("schedule", "create", "-c", e.Connection, "-p", pipeline, "--at", at.Format("15:04"),
			"--time-zone", "UTC", "--calendar", "us-bank", "--on", "daily", "--as-of", "day").Code)
	}
	schedule("tonight", begins)
	e.Until("the worker is scraped", func() bool {
		return present(t, p, `up{job="pbsmflow"} == 1`) && present(t, p, "pbsm_workflows_ended_total")
	})

	e.Sim.Inject(simulator.Fault{Call: "trigger", Kind: simulator.FaultStatus, Status: 429, Times: 1})
	e.Sim.Inject(simulator.Fault{Call: "status", Kind: simulator.FaultStatus, Status: 503, Times: 2})
	e.Sim.Inject(simulator.Fault{Call: "object-put", Kind: simulator.FaultStatus, Status: 503, Times: 1})
	approval = e.StartClose("observed")
	e.Start("unknown", "NoSuchWorkflow", nil)
	e.StartBatch(workflows.RunBatchInput{Code: "PBSM_HANG", Deadline: time.Now().Add(4 * time.Second)})
	failedBatch = e.StartBatch(workflows.RunBatchInput{Code: "PBSM_FAIL"})
	failed := e.StartClose("broken")
	mistyped := e.StartClose("obsrved")
	schedule("observed", begins.Add(-time.Hour))
	require.Zero(t, e.Run("schedule", "pause", workflows.ScheduleID(e.Connection, "observed"), "--reason", "tests").Code)
	schedule("gone", begins.Add(-time.Hour))
	require.Zero(t, e.Run("schedule", "trigger", workflows.ScheduleID(e.Connection, "gone")).Code)
	require.Error(t, e.Await(failed, nil))
	require.Error(t, e.Await(mistyped, nil))
	e.AwaitState(approval.GetID(), workflows.Waiting)
	e.AwaitState(failedBatch.GetID(), workflows.Waiting)
	return e, p, approval, failedBatch, "http://" + listen
}

// present reports whether an expression returns data.
func present(t *testing.T, p *harness.Prometheus, expr string) bool {
	t.Helper()
	samples, err := p.Query(expr)
	require.NoError(t, err)
	return len(samples) > 0
}

// A real Prometheus scrapes a real worker and a real console: alerts fire with the names of their subjects, and end once an operator has
// answered. Every series that a rule, the dashboard or the runbook queries exists.
func TestPrometheus_alertsAndQueries(t *testing.T) {
	t.Parallel()
	begins := nextMinute()
	e, p, approval, failedBatch, console := watchedNight(t, begins)
	waits := map[string]string{"alertname": "PBSMWaitsForOperator", "connection": e.Connection, "severity": "critical"}
	e.Until("the alert about the failed batch fires", func() bool { _, ok := p.Firing(waits); return ok })
	alert, _ := p.Firing(waits)
	assert.Equal(t, e.Connection+": the night waits for an operator", alert.Annotations["summary"])
	assert.Contains(t, alert.Annotations["description"], "At least 1 workflow on connection "+e.Connection)
	for _, name := range []string{"PBSMCloseFailed", "PBSMAtRisk", "PBSMNightNotBegun"} {
		e.Until(name, func() bool {
			_, ok := p.Firing(map[string]string{"alertname": name, "connection": e.Connection})
			return ok
		})
	}
	for name, about := range map[string][2]string{"PBSMSchedulePaused": {"pipeline", "observed"}, "PBSMApprovalWaits": {"connection", e.Connection}} {
		e.Until(name+" fires as a warning", func() bool {
			_, ok := p.Firing(map[string]string{"alertname": name, about[0]: about[1], "severity": "warning"})
			return ok
		})
	}

	firing, err := p.Query(`ALERTS{alertname="PBSMCloseFailed", alertstate="firing", connection="` + e.Connection + `"}`)
	require.NoError(t, err)
	require.Len(t, firing, 1, "a mistyped close does not page anybody")
	require.Equal(t, "error", firing[0].Labels["reason"])

	for _, value := range []string{workflows.ApproveCommand, workflows.DecideCommand + " " + workflows.GiveUp} { // the first is refused
		response, err := http.PostForm(console+"/w/"+failedBatch.GetID(), url.Values{"value": {value}, "why": {"checked"}})
		require.NoError(t, err)
		response.Body.Close()
		require.Equal(t, http.StatusOK, response.StatusCode)
	}
	e.Until("the alert ends, though a close waits for its approval", func() bool { _, ok := p.Firing(waits); return !ok })
	_, err = e.Command(approval.GetID(), workflows.ApproveCommand, workflows.Command{By: "carla", Why: "checked", Step: "books"})
	require.NoError(t, err)
	require.NoError(t, e.Await(approval, nil))
	e.Until("the success is scraped", func() bool { return present(t, p, "pbsm_close_last_success_timestamp_seconds") })
	e.Until("the missed deadline is scraped", func() bool { return present(t, p, "pbsm_overdue_seconds_count") })
	for _, name := range []string{"PBSMNoWorker", "PBSMTemporalUnreachable", "PBSMLoginRefused", "PBSMConnectionGone", "PBSMNightMissed"} {
		_, ok := p.Firing(map[string]string{"alertname": name})
		assert.False(t, ok, name)
	}
	closeTonight(t, e, p, begins)
	checkQueries(t, p)
}

// closeTonight checks the alert about nights that were not closed: it begins with the night of a schedule, and ends
// with the success of its close. The alert waits for 12 hours, the test does not.
func closeTonight(t *testing.T, e *harness.Env, p *harness.Prometheus, begins time.Time) {
	t.Helper()
	const twelveHours = "> 12 * 3600"
	var rule string
	for _, expr := range expressions(t, "../../../deploy/observability/alerts.yaml") {
		if strings.Contains(expr, twelveHours) {
			rule = strings.Replace(expr, twelveHours, "> 0", 1)
		}
	}
	require.NotEmpty(t, rule)
	notClosed := func(pipeline string) bool {
		samples, err := p.Query(rule)
		require.NoError(t, err)
		return slices.ContainsFunc(samples, func(s harness.Sample) bool { return s.Labels["pipeline"] == pipeline })
	}
	time.Sleep(time.Until(begins))
	e.Until("the night of the schedule began", func() bool { return notClosed("tonight") })
	e.Write(e.Inbox, "tonight.csv", harness.Ledger(10))
	e.Until("the success of its close is scraped", func() bool { // rather than a missing value after a missed scrape
		closed, err := p.Query(`pbsm_close_last_success_timestamp_seconds{pipeline="tonight"} > pbsm_schedule_last_night_timestamp_seconds`)
		require.NoError(t, err)
		return len(closed) == 1
	})
	require.False(t, notClosed("tonight"))
	require.False(t, notClosed("observed"), "its last night was before the schedule was created")
}

var selector = regexp.MustCompile(`\b(?:pbsm|temporal|process|up|ALERTS)(?:_\w+)?\b(?:\{[^}]*\})?`)

// checkQueries queries every series of the rules, the dashboard and the runbook, and evaluates the dashboard's queries
// like Grafana.
func checkQueries(t *testing.T, p *harness.Prometheus) {
	t.Helper()
	const deployed = "../../../deploy/observability/"
	shown := expressions(t, deployed+"dashboard.json")
	variables := strings.NewReplacer("$connection", ".*", "$__rate_interval", "10s", "$__range", "5m")
	for _, expr := range append(append(expressions(t, deployed+"alerts.yaml"), runbookQueries(t)...), shown...) {
		series := selector.FindAllString(expr, -1)
		require.NotEmpty(t, series, expr)
		for _, s := range series {
			assert.True(t, present(t, p, "last_over_time("+variables.Replace(s)+"[5m])"), "nothing has %s, of %s", s, expr)
		}
	}
	for _, expr := range shown {
		assert.Eventually(t, func() bool { // a rate needs two scrapes of a new series
			samples, err := p.Query(variables.Replace(expr))
			return err == nil && len(samples) > 0
		}, 10*time.Second, 200*time.Millisecond, "this panel has no data: %s", expr)
	}
}

// expressions returns the values of every key "expr" in a YAML or JSON file.
func expressions(t *testing.T, file string) (found []string) {
	t.Helper()
	text, err := os.ReadFile(file)
	require.NoError(t, err)
	var document yaml.Node
	require.NoError(t, yaml.Unmarshal(text, &document))
	var collect func(n *yaml.Node)
	collect = func(n *yaml.Node) {
		for i, child := range n.Content {
			if n.Kind == yaml.MappingNode && i%2 == 1 && n.Content[i-1].Value == "expr" {
				found = append(found, child.Value)
			}
			collect(child)
		}
	}
	collect(&document)
	require.NotEmpty(t, found)
	return found
}

func runbookQueries(t *testing.T) []string {
	t.Helper()
	_, blocks := harness.Page(t, "../../../docs/runbook.md")
	var queries []string
	for _, b := range harness.InLanguage(blocks, "promql") {
		queries = append(queries, b.Text)
	}
	require.NotEmpty(t, queries)
	return queries
}
