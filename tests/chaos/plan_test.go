package chaos

import (
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"strings"
	"time"

	"github.com/pbsmflow/pbsmflow/internal/simulator"
	"github.com/pbsmflow/pbsmflow/tests/harness"
	"github.com/pbsmflow/pbsmflow/workflows"
)

const (
	pipelineName   = "chaos"
	reportCode     = "RPT_CHAOS"
	reportVariants = 4
	startedBy      = "night shift"
)

// How the batches of the catalog behave. A doomed one never succeeds, and the operator gives up.
var behaviours = []string{"FINE", "FINE", "FINE", "FINE", "FLAKY", "FLAKY", "FLAKY", "STUBBORN", "STUBBORN", "HELD", "DOOMED"}

// catalog returns batches of every behaviour for every step of the pipeline, so that runs can be attributed. A batch
// takes two to three seconds at the speed of the test.
func catalog() simulator.Catalog {
	c := simulator.Catalog{
		Queue: 6 * time.Second, InterruptTakes: 30 * time.Second,
		Reports: []simulator.Report{{Code: reportCode, Kind: simulator.Profitability, Rows: 60, AsOf: harness.AsOf, Queue: 5 * time.Second, Duration: time.Minute}},
	}
	for i, one := range []struct {
		name string
		simulator.Task
	}{
		{name: "FINE"}, {name: "FLAKY", Task: simulator.Task{FailTimes: 1}}, {name: "STUBBORN", Task: simulator.Task{FailTimes: 3}},
		{name: "HELD", Task: simulator.Task{Outcome: simulator.OutcomeHeld}}, {name: "DOOMED", Task: simulator.Task{Outcome: simulator.OutcomeAbort}},
	} {
		one.Code, one.Duration = "T2_CALCULATE", time.Minute
		tasks := []simulator.Task{{Code: "T1_LOAD", Duration: 30 * time.Second}, one.Task, {Code: "T3_PUBLISH", Duration: 30 * time.Second}}
		for _, step := range []string{"ALLOC", "SIDE", "MEMBER"} {
			c.Batches = append(c.Batches, simulator.Batch{Code: step + "_" + one.name, Tasks: tasks})
		}
		c.Groups = append(c.Groups, simulator.Group{Code: "GROUP_" + one.name, Batches: members(one.name), Parallel: i%2 == 0})
	}
	return c
}

// members returns the batches of the group with a behaviour.
func members(behaviour string) []string {
	if behaviour == "FINE" {
		return []string{"MEMBER_FINE"}
	}
	return []string{"MEMBER_FINE", "MEMBER_" + behaviour}
}

// batchStep is a batch step of a close.
type batchStep struct {
	step, code string
	group      bool
	doomed     bool
	workflowID string
}

// plan is a close and what will be done to it, derived from the seed.
type plan struct {
	number  int
	date    string
	closeID string
	input   workflows.NightlyCloseInput
	batches []batchStep
	ledger  string
	variant int
	acts    []act
}

// act is something done to a close at a time after its start.
type act struct {
	after time.Duration
	what  actKind
	seed  uint64
}

type actKind string

const (
	terminateClose actKind = "close terminated"
	terminateBatch actKind = "batch terminated"
	terminateBoth  actKind = "close and batch terminated"
	terminateTwice actKind = "batch terminated, and its next start at once"
	burst          actKind = "burst of signals"
	careless       actKind = "burst with careless decisions"
	onTheScreens   actKind = "interrupt on the service's screens"
)

func newPlan(seed int64, number int, connection string) plan {
	random := rand.New(rand.NewPCG(uint64(seed), uint64(number)))
	date := time.Date(2020, 1, 1, 0, 0, 0, 0, time.UTC).AddDate(0, 0, number).Format(time.DateOnly)
	p := plan{
		number: number, date: date, closeID: workflows.CloseWorkflowID(connection, pipelineName, date),
		ledger: harness.Ledger(20 + number), variant: random.IntN(reportVariants),
	}
	var steps strings.Builder
	fmt.Fprintf(&steps, "name: %s\nsteps:\n  - id: ledger\n    upload: {file: %q}\n", pipelineName, "inbox/gl_"+date+".csv")
	batch := func(step, code, needs string) {
		behaviour := behaviours[random.IntN(len(behaviours))]
		restart := fmt.Sprintf("restarts: %d, restart_delay: 200ms", random.IntN(3))
		one := batchStep{step: step, code: code + "_" + behaviour, doomed: behaviour == "DOOMED", group: code == "GROUP"}
		one.workflowID = workflows.BatchWorkflowID(connection, one.code, date, "")
		p.batches = append(p.batches, one)
		fmt.Fprintf(&steps, "  - id: %s\n    needs: [%s]\n", step, needs)
		if !one.group {
			fmt.Fprintf(&steps, "    batch: {code: %s, %s}\n", one.code, restart)
			return
		}
		var list []string
		for _, member := range members(behaviour) {
			list = append(list, "{code: "+member+"}")
		}
		fmt.Fprintf(&steps, "    group: {code: %s, batches: [%s], %s}\n", one.code, strings.Join(list, ", "), restart)
	}
	batch("allocate", "ALLOC", "ledger")
	last := "allocate"
	if random.IntN(2) == 0 {
		batch("profit", "GROUP", "allocate")
		last = "profit"
	}
	if random.IntN(2) == 0 {
		batch("side", "SIDE", "")
	}
	if random.IntN(3) == 0 {
		fmt.Fprintf(&steps, "  - id: release\n    needs: [%s]\n    approve: {message: Release the figures}\n", last)
		last = "release"
	}
	fmt.Fprintf(&steps, "  - id: report\n    needs: [%s]\n    report: {code: %s, filter: %q, save_to: %q}\n",
		last, reportCode, filter(p.variant), "reports/"+date+".csv")
	definition, err := json.Marshal(steps.String())
	if err != nil {
		panic(err)
	}
	p.input = workflows.NightlyCloseInput{Connection: connection, Definition: definition, AsOfDate: date, StartedBy: startedBy}
	p.acts = acts(random)
	return p
}

// acts returns what is done to a close: for most nothing, for some one act, for a few two.
func acts(random *rand.Rand) []act {
	kinds := []actKind{terminateClose, terminateBatch, terminateBoth, terminateTwice, burst, burst, careless, onTheScreens}
	var list []act
	for random.IntN(2) == 0 && len(list) < 2 {
		list = append(list, act{
			after: time.Second + time.Duration(random.Int64N(int64(15*time.Second))),
			what:  kinds[random.IntN(len(kinds))], seed: random.Uint64(),
		})
	}
	return list
}

// filter returns one of a few filters, on which the content of the report depends.
func filter(variant int) string { return fmt.Sprintf("ORG_UNIT_ID = %d", 1000+variant) }
