package observability

import (
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
	failedNight = `name: broken
steps:
  - id: ledger
    upload: {file: inbox/nowhere.csv, on_missing: fail}
`
	tonight = `name: tonight
steps:
  - id: ledger
    upload: {file: inbox/tonight.csv, wait_until: 2h}
`
)

// nextMinute is a time that a schedule can begin at, if it takes no more than 15 seconds to make it.
func nextMinute() time.Time {
	return time.Now().UTC().Add(15 * time.Second).Truncate(time.Minute).Add(time.Minute)
}

// watchedNight is a worker with something of everything that can happen in a night: a close that
// waits for its approval, one that failed, one that was mistyped, a batch that waits for a decision, one that runs
// beyond its deadline, a service that fails, a schedule that is paused, one whose pipeline is gone, one that
// begins then, code that fails. It gives the two that wait.
func watchedNight(t *testing.T, begins time.Time) (e *harness.Env, p *harness.Prometheus, approval, stuck client.WorkflowRun) {
	e = harness.New(t, harness.Options{Server: harness.StartServer(t), Settings: map[string]string{"worker.collect_interval": "200ms"}})
	p = harness.StartPrometheus(t, e.Worker)
	e.Write(e.Inbox, "gl.csv", harness.Ledger(100))
	e.Write(e.Pipelines, "observed.yaml", observedNight)
	e.Write(e.Pipelines, "broken.yaml", failedNight)
	e.Write(e.Pipelines, "tonight.yaml", tonight)
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
	stuck = e.StartBatch(workflows.RunBatchInput{Code: "PBSM_FAIL"})
	failed := e.StartClose("broken")
	mistyped := e.StartClose("obsrved")
	schedule("observed", begins.Add(-time.Hour))
	require.Zero(t, e.Run("schedule", "pause", workflows.ScheduleID(e.Connection, "observed"), "--reason", "tests").Code)
	schedule("gone", begins.Add(-time.Hour))
	require.Zero(t, e.Run("schedule", "trigger", workflows.ScheduleID(e.Connection, "gone")).Code)
	require.Error(t, e.Await(failed, nil))
	require.Error(t, e.Await(mistyped, nil))
	e.AwaitState(approval.GetID(), workflows.Waiting)
	e.AwaitState(stuck.GetID(), workflows.Waiting)
	return e, p, approval, stuck
}

// present tells whether an expression gives data.
func present(t *testing.T, p *harness.Prometheus, expr string) bool {
	t.Helper()
	samples, err := p.Query(expr)
	require.NoError(t, err)
	return len(samples) > 0
}

// A real Prometheus scrapes a real worker: alerts fire with the names of what they are about, and end
// when a person answered. Every series that a rule, the dashboard or the runbook asks for exists.
func TestPrometheus_alertsAndQueries(t *testing.T) {
	t.Parallel()
	begins := nextMinute()
	e, p, approval, stuck := watchedNight(t, begins)
	waits := map[string]string{"alertname": "PBSMWaitsForOperator", "connection": e.Connection, "severity": "critical"}
	e.Until("the batch that waits wakes somebody", func() bool { _, ok := p.Firing(waits); return ok })
	alert, _ := p.Firing(waits)
	assert.Equal(t, e.Connection+": the night waits for an operator", alert.Annotations["summary"])
	assert.Contains(t, alert.Annotations["description"], "At least 1 close or batch on connection "+e.Connection)
	for _, name := range []string{"PBSMCloseFailed", "PBSMAtRisk", "PBSMNightNotBegun"} {
		e.Until(name, func() bool {
			_, ok := p.Firing(map[string]string{"alertname": name, "connection": e.Connection})
			return ok
		})
	}
	for name, about := range map[string][2]string{"PBSMSchedulePaused": {"pipeline", "observed"}, "PBSMApprovalWaits": {"connection", e.Connection}} {
		e.Until(name+" is a ticket", func() bool {
			_, ok := p.Firing(map[string]string{"alertname": name, about[0]: about[1], "severity": "warning"})
			return ok
		})
	}

	awake, err := p.Query(`ALERTS{alertname="PBSMCloseFailed", alertstate="firing", connection="` + e.Connection + `"}`)
	require.NoError(t, err)
	require.Len(t, awake, 1, "who mistyped a close is told of it, not woken")
	require.Equal(t, "error", awake[0].Labels["reason"])

	_, err = e.Command(stuck.GetID(), workflows.DecideCommand, workflows.Command{By: "carla", Choice: workflows.GiveUp})
	require.NoError(t, err)
	e.Until("the alert ends, though a close waits for its approval", func() bool { _, ok := p.Firing(waits); return !ok })
	_, err = e.Command(approval.GetID(), workflows.ApproveCommand, workflows.Command{By: "carla", Step: "books"})
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

// closeTonight sees the night of a schedule begin and its close succeed as the alert of what was not
// closed does, which has the patience of 12 hours.
func closeTonight(t *testing.T, e *harness.Env, p *harness.Prometheus, begins time.Time) {
	t.Helper()
	const patience = "> 12 * 3600"
	var rule string
	for _, expr := range expressions(t, "../../../deploy/observability/alerts.yaml") {
		if strings.Contains(expr, patience) {
			rule = strings.Replace(expr, patience, "> 0", 1)
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
	e.Until("its close is seen to have succeeded", func() bool { // not: a scrape was missed, and a value is not there
		closed, err := p.Query(`pbsm_close_last_success_timestamp_seconds{pipeline="tonight"} > pbsm_schedule_last_night_timestamp_seconds`)
		require.NoError(t, err)
		return len(closed) == 1
	})
	require.False(t, notClosed("tonight"))
	require.False(t, notClosed("observed"), "its last night was before there was its schedule")
}

var selector = regexp.MustCompile(`\b(?:pbsm|temporal|process|up|ALERTS)(?:_\w+)?\b(?:\{[^}]*\})?`)

// checkQueries asks for every series of the rules, the dashboard and the runbook by itself, and
// evaluates the dashboard's queries as Grafana would.
func checkQueries(t *testing.T, p *harness.Prometheus) {
	t.Helper()
	const deployed = "../../../deploy/observability/"
	shown := expressions(t, deployed+"dashboard.json")
	variables := strings.NewReplacer("$connection", ".*", "$__rate_interval", "10s", "$__range", "5m")
	for _, expr := range append(append(expressions(t, deployed+"alerts.yaml"), runbookQueries(t)...), shown...) {
		series := selector.FindAllString(expr, -1)
		require.NotEmpty(t, series, expr)
		for _, s := range series {
			assert.True(t, present(t, p, "last_over_time("+variables.Replace(s)+"[5m])"), "no worker has %s, of %s", s, expr)
		}
	}
	for _, expr := range shown {
		assert.Eventually(t, func() bool { // a rate takes two scrapes of what has just begun
			samples, err := p.Query(variables.Replace(expr))
			return err == nil && len(samples) > 0
		}, 10*time.Second, 200*time.Millisecond, "a panel without data: %s", expr)
	}
}

// expressions are the values of every key "expr" of a file in YAML, of which JSON is a part.
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
