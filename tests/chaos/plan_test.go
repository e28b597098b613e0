package chaos

import (
	"encoding/json"
	"fmt"
	"maps"
	"math/rand/v2"
	"slices"
	"strconv"
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
	runParam       = "$RUNSK$"
)

// How the batches of the catalog behave. A doomed one never succeeds, and the operator gives up.
var behaviours = []string{"FINE", "FINE", "FINE", "FINE", "FLAKY", "FLAKY", "FLAKY", "STUBBORN", "STUBBORN", "HELD", "DOOMED"}

// catalog returns batches of every behaviour for every step of the pipeline, so that runs can be attributed. A batch
// takes two to three seconds at the speed of the test.
func catalog() simulator.Catalog {
	c := simulator.Catalog{
		Queue: 6 * time.Second, InterruptTakes: 30 * time.Second,
		Reports: []simulator.Report{{
			Code: reportCode, Kind: simulator.Profitability, Rows: 60, Numbered: true, AsOf: harness.AsOf,
			Queue: 5 * time.Second, Duration: time.Minute,
		}},
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

// planStep is a step of a close, and the batch of one that has a batch.
type planStep struct {
	id      string
	needs   []string
	batch   *batchStep // or nil
	approve bool
}

// batchStep is a batch step of a close.
type batchStep struct {
	step, code string
	behaviour  string
	restarts   int
	group      bool
	doomed     bool
	workflowID string
}

// plan is a close and what will be done to it, derived from the seed.
type plan struct {
	number     int
	connection string
	date       string
	closeID    string
	steps      []planStep // in the order of the pipeline
	batches    []batchStep
	rounds     []round
}

// round is a start of the close, with what is corrected before it and done while it runs.
type round struct {
	replaceFile bool // before the start
	version     version
	again       *workflows.AgainInput
	acts        []act
}

// version is what changes between two starts of a close: a parameter of each batch, and the filter of the report.
type version struct {
	params  map[string]int // by step
	variant int
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

	replaceFile actKind = "file replaced while the close runs"
	holdStep    actKind = "step held, and released"
	skipStep    actKind = "step skipped"
	markDone    actKind = "step marked as done"
	interrupt   actKind = "step interrupted"
	extend      actKind = "deadline moved"
	runAgain    actKind = "steps run again"
)

var (
	mishaps     = []actKind{terminateClose, terminateBatch, terminateBoth, terminateTwice, burst, burst, careless, onTheScreens}
	corrections = []actKind{
		replaceFile, holdStep, holdStep, skipStep, markDone, interrupt, interrupt, extend, runAgain, runAgain, runAgain,
	}
)

func newPlan(seed int64, number int, connection string) plan {
	random := rand.New(rand.NewPCG(uint64(seed), uint64(number)))
	date := time.Date(2020, 1, 1, 0, 0, 0, 0, time.UTC).AddDate(0, 0, number).Format(time.DateOnly)
	p := plan{number: number, connection: connection, date: date, closeID: workflows.CloseWorkflowID(connection, pipelineName, date)}
	p.steps = []planStep{{id: "ledger"}}
	last := p.addBatch(random, "allocate", "ALLOC", "ledger")
	if random.IntN(2) == 0 {
		last = p.addBatch(random, "profit", "GROUP", last)
	}
	if random.IntN(2) == 0 {
		p.addBatch(random, "side", "SIDE")
	}
	if random.IntN(3) == 0 {
		p.steps = append(p.steps, planStep{id: "release", needs: []string{last}, approve: true})
		last = "release"
	}
	p.steps = append(p.steps, planStep{id: "report", needs: []string{last}})
	p.addRounds(random)
	return p
}

func (p *plan) addBatch(random *rand.Rand, step, code string, needs ...string) string {
	behaviour := behaviours[random.IntN(len(behaviours))]
	one := batchStep{
		step: step, code: code + "_" + behaviour, behaviour: behaviour, restarts: random.IntN(3),
		doomed: behaviour == "DOOMED", group: code == "GROUP",
	}
	one.workflowID = workflows.BatchWorkflowID(p.connection, one.code, p.date, "")
	p.batches = append(p.batches, one)
	p.steps = append(p.steps, planStep{id: step, needs: needs, batch: &one})
	return step
}

const mostRounds = 3

// addRounds plans the starts of the close: the first one, and those after something was corrected.
func (p *plan) addRounds(random *rand.Rand) {
	now := version{params: map[string]int{}, variant: random.IntN(reportVariants)}
	for n := range 1 + random.IntN(mostRounds) {
		r := round{acts: acts(random)}
		if n > 0 {
			r.replaceFile = random.IntN(2) == 0
			now = now.change(random, p.batches)
			r.again = p.again(random)
		}
		r.version = now
		p.rounds = append(p.rounds, r)
	}
}

// change changes the parameter of one batch, the filter of the report, or nothing.
func (v version) change(random *rand.Rand, batches []batchStep) version {
	v.params = maps.Clone(v.params)
	switch random.IntN(4) {
	case 0:
		v.variant = (v.variant + 1) % reportVariants
	case 1, 2:
		v.params[batches[random.IntN(len(batches))].step]++
	}
	return v
}

// again returns which steps run again: none, all, some with what needs them, or some alone.
func (p *plan) again(random *rand.Rand) *workflows.AgainInput {
	in := &workflows.AgainInput{Reason: "the figures were wrong"}
	switch step := p.steps[random.IntN(len(p.steps))].id; random.IntN(5) {
	case 0, 1:
		return nil
	case 2:
		in.From = []string{step}
	case 3:
		in.Only = []string{step}
	}
	return in
}

// acts returns what is done to a close while it runs: in half of the starts a mishap, and up to four corrections.
func acts(random *rand.Rand) []act {
	var list []act
	add := func(kinds []actKind, within time.Duration) {
		list = append(list, act{
			after: time.Duration(random.Int64N(int64(within))),
			what:  kinds[random.IntN(len(kinds))], seed: random.Uint64(),
		})
	}
	if random.IntN(2) == 0 {
		add(mishaps, 16*time.Second)
	}
	for range 1 + random.IntN(4) {
		add(corrections, 12*time.Second)
	}
	return list
}

// ledgerFile is the name of the file that a close uploads.
func (p plan) ledgerFile() string { return "gl_" + p.date + ".csv" }

// input starts the close with a version of its pipeline.
func (p plan) input(r round) workflows.NightlyCloseInput {
	definition, err := json.Marshal(p.definition(r.version))
	if err != nil {
		panic(err)
	}
	return workflows.NightlyCloseInput{Connection: p.connection, Definition: definition, AsOfDate: p.date, StartedBy: startedBy, Again: r.again}
}

func (p plan) definition(v version) string {
	var text strings.Builder
	fmt.Fprintf(&text, "name: %s\nsteps:\n", pipelineName)
	for _, s := range p.steps {
		fmt.Fprintf(&text, "  - id: %s\n    needs: [%s]\n    ", s.id, strings.Join(s.needs, ", "))
		switch {
		case s.batch != nil:
			text.WriteString(s.batch.definition(v.params[s.id]))
		case s.approve:
			text.WriteString("approve: {message: Release the figures}\n")
		case s.id == "ledger":
			fmt.Fprintf(&text, "upload: {file: %q}\n", "inbox/"+p.ledgerFile())
		default:
			fmt.Fprintf(&text, "report: {code: %s, filter: %q, save_to: %q}\n", reportCode, p.filter(v), "reports/"+p.date+".csv")
		}
	}
	return text.String()
}

func (b batchStep) definition(param int) string {
	restart := fmt.Sprintf("restarts: %d, restart_delay: 200ms", b.restarts)
	params := fmt.Sprintf("params: {%q: %q}", runParam, strconv.Itoa(param))
	if !b.group {
		return fmt.Sprintf("batch: {code: %s, %s, %s}\n", b.code, params, restart)
	}
	var list []string
	for _, member := range members(b.behaviour) {
		list = append(list, fmt.Sprintf("{code: %s, %s}", member, params))
	}
	return fmt.Sprintf("group: {code: %s, batches: [%s], %s}\n", b.code, strings.Join(list, ", "), restart)
}

// filter is that of the report of a version, on which its rows depend.
func (p plan) filter(v version) string {
	return fmt.Sprintf("ORG_UNIT_ID = %d AND AS_OF_DATE = '%s'", 1000+v.variant, p.date)
}

// below returns a step, and every step that needs it.
func (p plan) below(step string) []string {
	found := []string{step}
	for _, s := range p.steps { // a step comes after what it needs
		if slices.ContainsFunc(s.needs, func(id string) bool { return slices.Contains(found, id) }) {
			found = append(found, s.id)
		}
	}
	return found
}
