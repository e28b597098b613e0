package console

import (
	"testing"
	"time"

	"github.com/stretchr/testify/assert"

	"github.com/pbsmflow/pbsmflow/workflows"
)

// What happened is what the steps did as well, and what failed is red, not what was refused.
func TestLogViews_stepsAndCommands(t *testing.T) {
	at := func(minutes int) time.Time { return ten.Add(time.Duration(minutes) * time.Minute) }
	s := workflows.Status{
		State: workflows.Failed, StartedBy: "carol", StartedAt: ten, ChangedAt: at(30), Summary: "allocate failed",
		Steps: []workflows.StepStatus{
			{ID: "rates", State: workflows.Succeeded, KeptFrom: ten, StartedAt: ten, EndedAt: ten},
			{ID: "ledger", State: workflows.Succeeded, StartedAt: ten, EndedAt: at(5), Detail: "file id 5025"},
			{ID: "allocate", State: workflows.Failed, StartedAt: at(5), EndedAt: at(30), Detail: "it ended as Failure at T7"},
			{ID: "report", State: workflows.NotRun, EndedAt: at(30), Detail: "not run: a step that it needed did not succeed"},
		},
		Log: []workflows.LogEntry{
			{At: at(20), What: "allocate: restart", By: "dave", Why: "rates were reloaded", Since: at(10)},
			{At: at(25), What: "allocate: hold refused: hold does not apply: it runs", By: "dave", Event: "refused"},
		},
	}
	var lines []string
	for _, l := range logViews(s, ten) {
		lines = append(lines, l.When[:5]+" "+l.What+" ["+l.Class+"] "+l.By)
	}
	assert.Equal(t, []string{
		"22:30 failed: allocate failed [failed] ",
		"22:30 report: not run: a step that it needed did not succeed [] ",
		"22:30 allocate: failed: it ended as Failure at T7 [failed] ",
		"22:25 allocate: Hold refused: it runs [refused] dave",
		"22:20 allocate: Restart from the failed task [] dave",
		"22:10 allocate: an operator was asked [] ",
		"22:05 ledger: done: file id 5025 [] ",
		"22:05 allocate: began [] ",
		"22:00 ledger: began [] ",
		"22:00 started [] carol",
	}, lines)
}
