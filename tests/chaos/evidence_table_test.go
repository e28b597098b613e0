package chaos

import (
	"slices"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/pbsmflow/pbsmflow/internal/simulator"
	"github.com/pbsmflow/pbsmflow/workflows"
)

var night = time.Date(2026, 11, 1, 1, 0, 0, 0, time.UTC)

func at(seconds int) time.Time { return night.Add(time.Duration(seconds) * time.Second) }

// goodNight is the evidence of a close that was started at 0 s and went straight through: the file arrived at 10, the
// batch was triggered at 20, the release approved at 40, the report generated at 50.
func goodNight() *evidence {
	allocate := batchStep{step: "allocate", code: "ALLOC"}
	p := plan{date: "2026-10-31", batches: []batchStep{allocate}, steps: []planStep{
		{id: "ledger"}, {id: "allocate", needs: []string{"ledger"}, batch: &allocate},
		{id: "release", needs: []string{"allocate"}, approve: true}, {id: "report", needs: []string{"release"}},
	}}
	now := version{params: map[string]int{}}
	e := &evidence{
		plan: p, claims: map[string]workflows.StepResult{},
		calls:    []simulator.Entry{{Call: "trigger", Subject: "ALLOC", Time: at(20), Status: 200, Processed: true, Created: "ALLOC_1"}},
		arrivals: []arrival{{at(10), "first"}}, versions: []fileVersion{{at(-10), "first"}},
		starts: []closeStart{{at(0), round{version: now}}},
		words: []word{
			{choice: startWord, steps: p.ids(), sent: at(0), heard: at(1)},
			{choice: workflows.ApproveCommand, steps: []string{"release"}, sent: at(40), heard: at(41)},
		},
		report: &generated{at(50), p.filter(now)},
	}
	e.addRun("ALLOC_1", 20, 30)
	for _, s := range p.steps {
		e.claims[s.id] = workflows.StepResult{ID: s.id, State: workflows.Succeeded}
	}
	e.claim("ALLOC_1")
	return e
}

func (e *evidence) addRun(id string, begun, ended int) {
	e.runs = append(e.runs, simulator.Run{
		ID: id, Code: "ALLOC", Params: map[string]string{runParam: "0"}, Status: succeeded, Created: at(begun), Ended: at(ended),
	})
}

// triggered adds a trigger, and a run that succeeds.
func (e *evidence) triggered(id string, begun int) {
	e.calls = append(e.calls, simulator.Entry{Call: "trigger", Subject: "ALLOC", Time: at(begun), Status: 200, Processed: true, Created: id})
	e.addRun(id, begun, begun+5)
}

func (e *evidence) claim(run string) {
	e.claims["allocate"] = workflows.StepResult{
		ID: "allocate", State: workflows.Succeeded, StepOutcome: workflows.StepOutcome{Batch: &workflows.RunBatchResult{RunID: run}},
	}
}

func (e *evidence) hears(second int, choice string, steps ...string) {
	e.words = append(e.words, word{choice: choice, steps: steps, sent: at(second), heard: at(second + 1)})
}

// startsAgain starts the close at a time, and says so.
func (e *evidence) startsAgain(second int, r round) {
	if r.version.params == nil {
		r.version = e.latest().version
	}
	e.starts = append(e.starts, closeStart{at(second), r})
	e.hears(second, startWord, e.ids()...)
	if r.again != nil {
		steps, only := e.chosen(*r.again)
		e.words = append(e.words, word{choice: workflows.AgainCommand, steps: steps, only: only, sent: at(second), heard: at(second + 1)})
	}
}

func (e *evidence) found() []string {
	return slices.Concat(e.submittedTwice(), e.wrongReport(), e.keptStale(), e.begunWhileHeld())
}

// Each check finds what it is for, and does not object to what somebody has said.
func TestEvidence(t *testing.T) {
	t.Parallel()
	only := func(step string) round { return round{again: &workflows.AgainInput{Only: []string{step}}} }
	for name, c := range map[string]struct {
		change func(e *evidence)
		want   string // empty: nothing is wrong
	}{
		"straight through": {change: func(*evidence) {}},

		"triggered twice": {func(e *evidence) {
			e.triggered("ALLOC_2", 32)
			e.claim("ALLOC_2")
		}, "nobody said so"},
		"triggered twice, the second refused": {change: func(e *evidence) {
			e.calls = append(e.calls, simulator.Entry{Call: "trigger", Subject: "ALLOC", Time: at(32), Status: 429})
		}},
		"triggered twice, and the second got lost": {func(e *evidence) {
			e.calls = append(e.calls, simulator.Entry{Call: "trigger", Subject: "ALLOC", Time: at(32)})
		}, "nobody said so"},
		"triggered twice, as somebody said": {change: func(e *evidence) {
			e.hears(31, "decide nothing_started", "allocate")
			e.triggered("ALLOC_2", 32)
			e.claim("ALLOC_2")
		}},
		"triggered twice, and the word was refused": {func(e *evidence) {
			e.hears(31, "decide nothing_started", "allocate")
			e.words[len(e.words)-1].refused = true
			e.triggered("ALLOC_2", 32)
			e.claim("ALLOC_2")
		}, "nobody said so"},
		"triggered twice, and the word was about another step": {func(e *evidence) {
			e.hears(31, workflows.AgainCommand, "report")
			e.triggered("ALLOC_2", 32)
			e.claim("ALLOC_2")
		}, "nobody said so"},
		"triggered twice, and the word was heard before": {func(e *evidence) {
			e.hears(15, workflows.AgainCommand, "allocate")
			e.triggered("ALLOC_2", 32)
			e.claim("ALLOC_2")
		}, "nobody said so"},
		"triggered three times after one word": {func(e *evidence) {
			e.hears(21, "decide again", "allocate")
			e.words[len(e.words)-1].heard = time.Time{}
			e.triggered("ALLOC_2", 25)
			e.triggered("ALLOC_3", 32)
			e.claim("ALLOC_3")
		}, "nobody said so"},
		"triggered twice, the first repeated by an earlier start": {change: func(e *evidence) {
			e.hears(25, workflows.AgainCommand, "allocate")
			e.calls = append(e.calls, simulator.Entry{Call: "trigger", Subject: "ALLOC", Time: at(28), Status: 401})
			e.hears(30, workflows.AgainCommand, "allocate")
			e.triggered("ALLOC_2", 32)
			e.triggered("ALLOC_3", 36)
			e.claim("ALLOC_3")
		}},
		"triggered twice after two words before the first": {func(e *evidence) {
			e.hears(25, workflows.AgainCommand, "allocate")
			e.hears(30, workflows.AgainCommand, "allocate")
			e.triggered("ALLOC_2", 32)
			e.triggered("ALLOC_3", 36)
			e.claim("ALLOC_3")
		}, "nobody said so"},
		"triggered by a start after a failure": {change: func(e *evidence) {
			e.runs[0].Status = failed
			e.startsAgain(31, round{})
			e.triggered("ALLOC_2", 32)
			e.claim("ALLOC_2")
		}},
		"triggered by a start after a success": {func(e *evidence) {
			e.startsAgain(31, round{})
			e.triggered("ALLOC_2", 32)
			e.claim("ALLOC_2")
		}, "nobody said so"},

		"report before the run was restarted": {func(e *evidence) {
			e.calls = append(e.calls, simulator.Entry{Call: "restart", Subject: "ALLOC_1", Time: at(60), Processed: true, Created: "ALLOC_1"})
			e.claims["release"] = workflows.StepResult{State: workflows.Skipped}
			e.steps[3].needs = []string{"allocate"}
		}, "report rests on"},
		"report before the release was approved": {func(e *evidence) { e.hears(60, workflows.ApproveCommand, "release") }, "report rests on"},
		"release approved before the run":        {func(e *evidence) { e.words[1].sent, e.words[1].heard = at(15), at(16) }, "release rests on"},
		"report with the filter of before": {func(e *evidence) {
			e.startsAgain(60, round{version: version{params: map[string]int{}, variant: 1}})
		}, "the pipeline says"},
		"report of nobody": {func(e *evidence) { e.report = nil }, "none that the service generated"},
		"report kept, as only the batch runs again": {change: func(e *evidence) {
			e.startsAgain(60, only("allocate"))
			e.triggered("ALLOC_2", 62)
			e.claim("ALLOC_2")
		}},
		"and then started as usual": {func(e *evidence) {
			e.startsAgain(60, only("allocate"))
			e.triggered("ALLOC_2", 62)
			e.claim("ALLOC_2")
			e.startsAgain(80, round{})
		}, "release rests on"},

		"batch kept on a file that came again": {func(e *evidence) {
			e.versions = append(e.versions, fileVersion{at(55), "second"})
			e.startsAgain(60, round{})
			e.arrivals = append(e.arrivals, arrival{at(62), "second"})
		}, "allocate rests on"},
		"batch kept on a file that came again, as somebody said": {change: func(e *evidence) {
			e.versions = append(e.versions, fileVersion{at(55), "second"})
			e.startsAgain(60, round{})
			e.arrivals = append(e.arrivals, arrival{at(62), "second"})
			e.hears(65, "decide keep", "allocate")
		}},
		"the same file came again": {change: func(e *evidence) {
			e.startsAgain(60, round{again: &workflows.AgainInput{Only: []string{"ledger"}}})
			e.startsAgain(70, round{})
			e.arrivals = append(e.arrivals, arrival{at(62), "first"})
		}},
		"file kept that was replaced": {func(e *evidence) {
			e.versions = append(e.versions, fileVersion{at(55), "second"})
			e.startsAgain(60, round{})
		}, "an earlier version of the file"},
		"file replaced while the close runs": {change: func(e *evidence) { e.versions = append(e.versions, fileVersion{at(55), "second"}) }},
		"file kept that was to be sent again": {func(e *evidence) {
			e.versions = append(e.versions, fileVersion{at(55), "second"})
			e.hears(60, workflows.AgainCommand, "ledger")
		}, "an earlier version of the file"},
		"no file": {func(e *evidence) { e.arrivals = nil }, "the service has none"},

		"batch kept with another parameter": {func(e *evidence) {
			e.startsAgain(60, round{version: version{params: map[string]int{"allocate": 1}}})
		}, "and the pipeline says"},
		"batch kept with another parameter, as somebody said": {change: func(e *evidence) {
			e.startsAgain(60, round{version: version{params: map[string]int{"allocate": 1}}})
			e.hears(65, "decide keep", "allocate")
			e.startsAgain(70, round{})
		}},
		"batch kept that was submitted again": {func(e *evidence) {
			e.hears(31, workflows.AgainCommand, "allocate")
			e.triggered("ALLOC_2", 32)
		}, "was submitted as ALLOC_2 after that"},
		"batch that failed":           {func(e *evidence) { e.runs[0].Status = failed }, "which did not"},
		"batch that nobody triggered": {func(e *evidence) { e.calls = nil }, "never triggered"},

		"batch begun while it was held": {func(e *evidence) { e.hears(12, workflows.HoldCommand, "allocate") }, "held from"},
		"batch begun once it was released": {change: func(e *evidence) {
			e.hears(12, workflows.HoldCommand, "allocate")
			e.hears(15, workflows.ReleaseCommand, "allocate")
		}},
	} {
		t.Run(name, func(t *testing.T) {
			e := goodNight()
			c.change(e)
			if c.want == "" {
				require.Empty(t, e.found())
				return
			}
			require.Len(t, e.found(), 1, "%v", e.found())
			require.Contains(t, e.found()[0], c.want)
		})
	}
}
