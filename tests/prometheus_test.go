package tests

import (
	"os"
	"regexp"
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

const failedNight = `name: broken
steps:
  - id: ledger
    upload: {file: inbox/nowhere.csv, on_missing: fail}
`

// watchedNight is a worker with something of everything that can happen in a night: a close that
// waits, one that failed, a batch that waits beyond its deadline, a service that fails, a schedule that is paused,
// code that fails. It gives the close that waits.
func watchedNight(t *testing.T) (*harness.Env, *harness.Prometheus, client.WorkflowRun) {
	e := harness.New(t, harness.Options{Server: harness.StartServer(t), Settings: map[string]string{"worker.census_interval": "200ms"}})
	p := harness.StartPrometheus(t, e.Worker)
	e.Write(e.Inbox, "gl.csv", harness.Ledger(100))
	e.Write(e.Pipelines, "observed.yaml", observedNight)
	e.Write(e.Pipelines, "broken.yaml", failedNight)
	e.Until("the worker is scraped", func() bool {
		return present(t, p, `up{job="pbsmflow"} == 1`) && present(t, p, "pbsm_workflows_ended_total")
	})

	e.Sim.Inject(simulator.Fault{Call: "trigger", Kind: simulator.FaultStatus, Status: 429, Times: 1})
	e.Sim.Inject(simulator.Fault{Call: "status", Kind: simulator.FaultStatus, Status: 503, Times: 2})
	run := e.StartClose("observed")
	e.Start("unknown", "NoSuchWorkflow", nil)
	e.StartBatch(workflows.RunBatchInput{Code: "PBSM_FAIL", Deadline: time.Now().Add(4 * time.Second)})
	failed := e.StartClose("broken")
	schedule := []string{"schedule", "create", "-c", e.Connection, "-p", "observed", "--at", "22:00", "--time-zone", "UTC", "--calendar", "us-bank"}
	require.Zero(t, e.Run(schedule...).Code)
	require.Zero(t, e.Run("schedule", "pause", workflows.ScheduleID(e.Connection, "observed"), "--reason", "tests").Code)
	require.Error(t, e.Await(failed, nil))
	e.AwaitState(run.GetID(), workflows.Waiting)
	return e, p, run
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
func TestPrometheus(t *testing.T) {
	t.Parallel()
	e, p, run := watchedNight(t)
	waits := map[string]string{"alertname": "PBSMWaitsForPerson", "connection": e.Connection, "severity": "critical"}
	e.Until("the waiting close wakes somebody", func() bool { _, ok := p.Firing(waits); return ok })
	alert, _ := p.Firing(waits)
	assert.Equal(t, e.Connection+": the night waits for a person", alert.Annotations["summary"])
	assert.Contains(t, alert.Annotations["description"], "At least 1 close or batch on connection "+e.Connection)
	for _, name := range []string{"PBSMCloseFailed", "PBSMLate"} {
		e.Until(name, func() bool {
			_, ok := p.Firing(map[string]string{"alertname": name, "connection": e.Connection})
			return ok
		})
	}
	e.Until("the pause is a ticket", func() bool {
		_, ok := p.Firing(map[string]string{"alertname": "PBSMSchedulePaused", "pipeline": "observed", "severity": "warning"})
		return ok
	})

	_, err := e.Steer(run.GetID(), workflows.ApproveSignal, workflows.Steering{By: "carla", Step: "books"})
	require.NoError(t, err)
	require.NoError(t, e.Await(run, nil))
	e.Until("the alert ends", func() bool { _, ok := p.Firing(waits); return !ok })
	e.Until("the success is scraped", func() bool { return present(t, p, "pbsm_close_last_success_timestamp_seconds") })
	e.Until("the missed deadline is scraped", func() bool { return present(t, p, "pbsm_lateness_seconds_count") })
	for _, name := range []string{"PBSMNoWorker", "PBSMTemporalUnreachable", "PBSMLoginRefused", "PBSMConnectionGone", "PBSMNightMissed"} {
		_, ok := p.Firing(map[string]string{"alertname": name})
		assert.False(t, ok, name)
	}
	checkQueries(t, p)
}

var (
	selector = regexp.MustCompile(`\b(?:pbsm|temporal|process|up|ALERTS)(?:_\w+)?\b(?:\{[^}]*\})?`)
	// absent are the series that this night has none of: no night of its schedule has begun.
	absent = []string{"pbsm_schedule_last_night_timestamp_seconds"}
)

// checkQueries asks for every series of the rules, the dashboard and the runbook by itself, and
// evaluates the dashboard's queries as Grafana would.
func checkQueries(t *testing.T, p *harness.Prometheus) {
	t.Helper()
	const deployed = "../deploy/observability/"
	shown := expressions(t, deployed+"dashboard.json")
	variables := strings.NewReplacer("$connection", ".*", "$__rate_interval", "10s", "$__range", "5m")
	for _, expr := range append(append(expressions(t, deployed+"alerts.yaml"), runbookQueries(t)...), shown...) {
		series := selector.FindAllString(expr, -1)
		require.NotEmpty(t, series, expr)
		for _, s := range series {
			if !isAbsent(s) {
				assert.True(t, present(t, p, "last_over_time("+variables.Replace(s)+"[5m])"), "no worker has %s, of %s", s, expr)
			}
		}
	}
	for _, expr := range shown {
		if !isAbsent(expr) {
			assert.Eventually(t, func() bool { // a rate takes two scrapes of what has just begun
				samples, err := p.Query(variables.Replace(expr))
				return err == nil && len(samples) > 0
			}, 10*time.Second, 200*time.Millisecond, "a panel without data: %s", expr)
		}
	}
}

func isAbsent(expr string) bool {
	for _, name := range absent {
		if strings.Contains(expr, name) {
			return true
		}
	}
	return false
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
	_, blocks := page(t, "../docs/runbook.md")
	var queries []string
	for _, b := range inLanguage(blocks, "promql") {
		queries = append(queries, b.text)
	}
	require.NotEmpty(t, queries)
	return queries
}
