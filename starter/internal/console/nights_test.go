package console

import (
	"testing"
	"time"

	"github.com/stretchr/testify/assert"

	"github.com/pbsmflow/pbsmflow/workflows"
)

var ten = time.Date(2026, 10, 31, 22, 0, 0, 0, time.UTC)

// ran is a step that ran for so long.
func ran(id string, from time.Time, took time.Duration) workflows.StepStatus {
	return workflows.StepStatus{ID: id, State: workflows.Succeeded, StartedAt: from, EndedAt: from.Add(took)}
}

func nightOf(state workflows.State, steps ...workflows.StepStatus) night {
	var last time.Time
	for _, s := range steps {
		if s.EndedAt.After(last) {
			last = s.EndedAt
		}
	}
	return night{entry: entry{Status: workflows.Status{State: state, StartedAt: ten, ChangedAt: last, Steps: steps}}}
}

func TestUsualDurations_ofNightsThatSucceeded(t *testing.T) {
	kept := ran("ledger", ten, time.Second)
	kept.KeptFrom = ten.Add(-time.Hour)
	u := usualDurations([]night{
		nightOf(workflows.Succeeded, ran("ledger", ten, 10*time.Minute)),
		nightOf(workflows.Failed, ran("ledger", ten, 10*time.Hour)),
		nightOf(workflows.SucceededWithExceptions, ran("ledger", ten, 30*time.Minute)),
		nightOf(workflows.Succeeded, ran("ledger", ten, 12*time.Minute)),
		nightOf(workflows.Succeeded, kept),
	})
	assert.Equal(t, 12*time.Minute, u.steps["ledger"], "neither the failed night nor the kept step counts")
	assert.Equal(t, 12*time.Minute, u.whole)
	assert.Empty(t, usualDurations(nil).steps)
}

func TestForecast(t *testing.T) {
	known := usual{steps: map[string]time.Duration{"ledger": 10 * time.Minute, "allocate": time.Hour, "report": 20 * time.Minute}}
	running := workflows.StepStatus{ID: "allocate", State: workflows.Running, Needs: []string{"ledger"}, StartedAt: ten.Add(10 * time.Minute)}
	report := workflows.StepStatus{ID: "report", State: workflows.Pending, Needs: []string{"allocate"}}
	unknown := workflows.StepStatus{ID: "new", State: workflows.Pending}
	for name, c := range map[string]struct {
		steps []workflows.StepStatus
		now   time.Duration
		want  time.Duration // after ten; 0 is not known
	}{
		"on time":                       {[]workflows.StepStatus{ran("ledger", ten, 10*time.Minute), running, report}, 30 * time.Minute, 90 * time.Minute},
		"a step takes longer than ever": {[]workflows.StepStatus{ran("ledger", ten, 10*time.Minute), running, report}, 3 * time.Hour, 200 * time.Minute},
		"nothing has begun":             {[]workflows.StepStatus{{ID: "ledger", State: workflows.Pending}, report}, 0, 30 * time.Minute},
		"a step that never ran":         {[]workflows.StepStatus{running, unknown}, time.Hour, 0},
	} {
		t.Run(name, func(t *testing.T) {
			s := workflows.Status{State: workflows.Running, StartedAt: ten, Steps: c.steps}
			if name == "nothing has begun" {
				s.Steps[1].Needs = []string{"ledger"}
			}
			_, end := forecast(s, known, ten.Add(c.now))
			if c.want == 0 {
				assert.Zero(t, end)
				return
			}
			assert.Equal(t, ten.Add(c.want), end)
		})
	}
}

func TestLateness(t *testing.T) {
	s := workflows.Status{State: workflows.Running, Deadline: ten}
	assert.Equal(t, "late by 12 min", lateness(s, time.Time{}, ten.Add(12*time.Minute)))
	assert.Equal(t, "10 min late", lateness(s, ten.Add(10*time.Minute), ten.Add(-time.Hour)))
	assert.Empty(t, lateness(s, ten.Add(-time.Minute), ten.Add(-time.Hour)))
	s.State = workflows.Succeeded
	assert.Empty(t, lateness(s, time.Time{}, ten.Add(time.Hour)))
}

func TestSpell(t *testing.T) {
	for d, want := range map[time.Duration]string{
		-time.Second: "0 s", 31 * time.Second: "31 s", 4*time.Minute + 12*time.Second: "4 min 12 s", 5 * time.Minute: "5 min",
		59*time.Minute + 50*time.Second: "60 min", 72 * time.Minute: "1 h 12 min", 26*time.Hour + 29*time.Second: "26 h 00 min",
	} {
		assert.Equal(t, want, spell(d))
	}
}
