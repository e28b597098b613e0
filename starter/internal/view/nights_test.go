package view

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"

	"github.com/pbsmflow/pbsmflow/workflows"
)

func TestSchedules(t *testing.T) {
	lines := Style{}.Schedules([]Schedule{
		{ID: "schedule/prod/nightly-close", NextText: "Mon 2026-11-30 22:00 EST, as of Mon 2026-11-30", Last: "no close on Sun 2026-11-29: Sunday", Skipped: 2},
		{ID: "schedule/prod/month-end", Paused: true, Unplanned: "not known here", Note: "ann paused it:\x1b[31m no", Missed: 1},
	}, 0)
	assert.Equal(t, `SCHEDULE                     STATE   NEXT NIGHT
schedule/prod/nightly-close  active  Mon 2026-11-30 22:00 EST, as of Mon 2026-11-30
                                     last: no close on Sun 2026-11-29: Sunday
                                     2 scheduled times not started: the one before was still running
schedule/prod/month-end      paused  not known here
                                     note: ann paused it: [31m no
                                     1 scheduled time not started: past the catch-up window`, strings.Join(lines, "\n"))
}

// Nothing is cut: an operator reads here why the last night did not begin.
func TestSchedules_onANarrowTerminal(t *testing.T) {
	lines := Style{}.Schedules([]Schedule{
		{ID: "schedule/prod/nightly-close", NextText: "Mon 2026-11-30 22:00 EST, as of Mon 2026-11-30", Last: "night/prod/nightly-close-2026-11-28T03:00:00Z (failed): pipeline \"nightly-close\" is not in the worker's pipelines folder"},
		{ID: "schedule/prod/month-end", Paused: true, Missed: 1},
	}, 80)
	assert.Equal(t, `schedule/prod/nightly-close  active
  next: Mon 2026-11-30 22:00 EST, as of Mon 2026-11-30
  last: night/prod/nightly-close-2026-11-28T03:00:00Z (failed): pipeline
  "nightly-close" is not in the worker's pipelines folder
schedule/prod/month-end  paused
  1 scheduled time not started: past the catch-up window`, strings.Join(lines, "\n"))
}

func TestResult_ofAScheduledClose(t *testing.T) {
	assert.Equal(t, []string{"~ no close on Thu 2026-11-26: Thanksgiving Day"},
		Style{}.Result(&workflows.ScheduledCloseResult{State: workflows.Skipped, Summary: "no close on Thu 2026-11-26: Thanksgiving Day"}, 0))
	lines := Style{}.Result(&workflows.ScheduledCloseResult{State: workflows.Failed, Summary: "night of Wed 2026-11-25: ledger failed", Close: &workflows.NightlyCloseResult{
		Pipeline: "nightly-close", AsOfDate: "2026-11-25", State: workflows.Failed, Steps: []workflows.StepResult{
			{ID: "ledger", Kind: "upload", State: workflows.Failed, StepOutcome: workflows.StepOutcome{Error: "it is missing"}},
		},
	}}, 0)
	assert.Equal(t, "x night of Wed 2026-11-25: ledger failed", lines[0])
	assert.Contains(t, strings.Join(lines, "\n"), "it is missing")
}
