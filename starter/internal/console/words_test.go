package console

import (
	"errors"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"

	"github.com/pbsmflow/pbsmflow/workflows"
)

// Every command and choice has words of its own, and says what will happen.
func TestWording_ofEveryCommand(t *testing.T) {
	values := workflows.CommandNames()
	for _, choice := range workflows.ChoiceNames() {
		values = append(values, workflows.DecideCommand+" "+choice)
	}
	seen := map[string]string{}
	for _, value := range values {
		if value == workflows.DecideCommand {
			continue
		}
		b := wording(value, "allocate", nil)
		assert.NotContains(t, []string{"", value}, b.Text, "the button of %s", value)
		assert.NotEmpty(t, b.Effect, "what %s does", value)
		assert.NotContains(t, []string{"OK", "Submit", "Resume"}, b.Text)
		if other, twice := seen[b.Text]; twice {
			assert.Equal(t, workflows.SkipCommand, other, "%s and %s have the same button", other, value)
		}
		seen[b.Text] = value
	}
	for _, dangerous := range []string{
		workflows.AgainCommand, workflows.CancelCommand, workflows.DecideCommand + " " + workflows.NothingStarted,
		workflows.DecideCommand + " " + workflows.Again,
	} {
		assert.True(t, wording(dangerous, "allocate", nil).Dangerous, dangerous)
	}
}

func TestWording_namesTheFailedTask(t *testing.T) {
	tasks := []workflows.Task{{Code: "T1", StatusCode: "0"}, {Code: "T2", StatusCode: "4"}, {Code: "T3", StatusCode: "-1"}, {Code: "T4", StatusCode: "1"}}
	b := wording(workflows.RestartCommand, "PBSM_ALLOC", tasks)
	assert.Equal(t, "Restart from T3", b.Text)
	assert.Equal(t, "PBSM_ALLOC continues from T3; 1 task that is done stays done.", b.Effect)
	assert.Equal(t, "Look again", wording(workflows.DecideCommand+" "+workflows.Retry, "PBSM_ALLOC", tasks).Text)
}

// A page has buttons, and no commands to type.
func TestInButtons_noCommandsToType(t *testing.T) {
	for text, want := range map[string]string{
		"ledger.csv is not in its store: put it there, then retry":       "ledger.csv is not in its store: put it there, then try it again",
		"it changed; retry once it is complete":                          "it changed; try it again once it is complete",
		"HTTP 503; retry 1 of 3 in 30s":                                  "HTTP 503; retry 1 of 3 in 30s",
		"the service holds the run: release it on the service's screens": "the service holds the run: release it on the service's screens",
		"allocate failed, profit not_run":                                "allocate failed, profit not run",
		"ledger: decide retry":                                           "ledger: Try again",
		"sign-off: approve":                                              "sign-off: Approve",
		"extend":                                                         "Move the deadline",
		"again refused: step allocate is running: interrupt it first":    "Run again from here refused: step allocate is running: interrupt it first",
		"ledger: decide skip refused: decide skip does not apply: step ledger is running. What applies: interrupt, skip, done": "ledger: Skip this step refused: " +
			"step ledger is running. What applies: Interrupt, Skip this step, Mark as done outside",
		"ledger: hold refused: start does not apply: it runs":              "ledger: Hold refused: Start now does not apply: it runs",
		"done needs the run_id of PBSM_ALLOC: the service must call it so": "Mark as done outside needs the run id of PBSM_ALLOC: the service must call it so",
		"Start does not apply: it has ended. What applies: nothing.":       "Start does not apply: it has ended. What applies: nothing.",
	} {
		assert.Equal(t, want, inButtons(text))
	}
}

func TestLineOf(t *testing.T) {
	start := []string{workflows.StartCommand}
	steps := []workflows.StepStatus{
		{ID: "rates", State: workflows.Succeeded}, {ID: "month-end", State: workflows.NotTonight},
		{ID: "ledger", State: workflows.Running, WaitUntil: ten.Add(time.Hour), Commands: start},
		{ID: "allocate", State: workflows.Running}, {ID: "profit", State: workflows.Pending},
		{ID: "sign-off", State: workflows.Waiting, Question: &workflows.Question{}},
	}
	s := workflows.Status{State: workflows.Running, Steps: steps, Summary: "1 of 5 steps done; ledger running, allocate running"}
	assert.Equal(t, "1 of 5 steps done; ledger waits for its file, allocate running, 1 not tonight", lineOf(s, awaitsFile, ten))
	assert.Contains(t, lineOf(s, mayAwait, ten), "ledger waits for its file, or sends it, allocate")
	s.State, s.Summary = workflows.Failed, "allocate failed"
	assert.Equal(t, "allocate failed", lineOf(s, awaitsFile, ten))
	assert.Equal(t, "reading the pipeline", lineOf(workflows.Status{Summary: "reading the pipeline"}, awaitsFile, ten))
}

func TestInterruptsFirst_saysSo(t *testing.T) {
	assert.Contains(t, interruptsFirst(wording(workflows.SkipCommand, "profit", nil)).Effect, "It is stopped first.")
	assert.NotContains(t, interruptsFirst(wording(workflows.HoldCommand, "profit", nil)).Effect, "stopped")
}

func TestLookOf_everyStateHasAWordAndAShape(t *testing.T) {
	for _, state := range []workflows.State{
		workflows.Pending, workflows.Running, workflows.Interrupting, workflows.Waiting, workflows.Succeeded,
		workflows.SucceededWithExceptions, workflows.Failed, workflows.Interrupted, workflows.Cancelled, workflows.Skipped,
		workflows.MarkedDone, workflows.NotRun, workflows.NotTonight,
	} {
		assert.NotEqual(t, "not known", lookOf(state).Word, state)
	}
	now := time.Now()
	assert.Equal(t, "kept", lookOfStep(workflows.StepStatus{State: workflows.Succeeded, KeptFrom: now}, now).Word)
	held := workflows.StepStatus{State: workflows.Pending, Commands: []string{workflows.ReleaseCommand}}
	assert.Equal(t, look{"held", "lock", "pending"}, lookOfStep(held, now))
	held.State = workflows.Waiting
	assert.Equal(t, "waiting", lookOfStep(held, now).Class, "now somebody is needed")
	awaits := workflows.StepStatus{State: workflows.Running, WaitUntil: now.Add(time.Hour), Commands: []string{workflows.StartCommand}}
	assert.Equal(t, "waits for its file", lookOfStep(awaits, now).Word)
}

func TestSentence(t *testing.T) {
	for text, want := range map[string]string{
		"":                          "",
		"hold does not apply":       "Hold does not apply.",
		"élise started this close.": "Élise started this close.",
		"one\ntwo":                  "One; two.",
	} {
		assert.Equal(t, want, sentence(errors.New(text)))
	}
}
