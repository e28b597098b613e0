package console

import (
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
