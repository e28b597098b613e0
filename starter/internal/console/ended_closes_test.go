package console

import (
	"context"
	"fmt"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/pbsmflow/pbsmflow/workflows"
)

var ten = time.Date(2026, 10, 31, 22, 0, 0, 0, time.UTC)

// ran is a step that ran for so long.
func ran(id string, from time.Time, took time.Duration) workflows.StepStatus {
	return workflows.StepStatus{ID: id, State: workflows.Succeeded, StartedAt: from, EndedAt: from.Add(took)}
}

func closeOf(state workflows.State, steps ...workflows.StepStatus) endedClose {
	var last time.Time
	for _, s := range steps {
		if s.EndedAt.After(last) {
			last = s.EndedAt
		}
	}
	return endedClose{entry: entry{Status: workflows.Status{State: state, StartedAt: ten, ChangedAt: last, Steps: steps}}}
}

func TestUsualDurations_ofClosesThatSucceeded(t *testing.T) {
	kept := ran("ledger", ten, time.Second)
	kept.KeptFrom = ten.Add(-time.Hour)
	u := usualDurations([]endedClose{
		closeOf(workflows.Succeeded, ran("ledger", ten, 10*time.Minute)),
		closeOf(workflows.Failed, ran("ledger", ten, 10*time.Hour)),
		closeOf(workflows.SucceededWithExceptions, ran("ledger", ten, 30*time.Minute)),
		closeOf(workflows.Succeeded, ran("ledger", ten, 12*time.Minute)),
		closeOf(workflows.Succeeded, kept),
	})
	assert.Equal(t, 12*time.Minute, u.steps["ledger"], "neither the failed close nor the kept step counts")
	assert.Equal(t, 12*time.Minute, u.whole)
	assert.Empty(t, usualDurations(nil).steps)
}

// An operator who sleeps is not what a batch usually takes, and an approval usually takes what its approver does.
func TestUsualDurations_withoutTheWaits(t *testing.T) {
	approval := ran("sign-off", ten.Add(time.Hour), 20*time.Minute)
	approval.Kind = "approve"
	waited := closeOf(workflows.Succeeded, ran("allocate", ten, time.Hour), approval)
	waited.Status.Log = []workflows.LogEntry{
		{What: "allocate: restart", Since: ten.Add(10 * time.Minute), At: ten.Add(40 * time.Minute)},
		{What: "sign-off: approve", Since: ten.Add(time.Hour), At: ten.Add(80 * time.Minute)},
	}
	u := usualDurations([]endedClose{waited, waited, waited})
	assert.Equal(t, 30*time.Minute, u.steps["allocate"])
	assert.Equal(t, 20*time.Minute, u.steps["sign-off"])
	assert.Equal(t, 50*time.Minute, u.whole)
	u = usualDurations([]endedClose{waited, waited})
	assert.Zero(t, u.whole, "two nights are no habit")
	assert.Empty(t, u.steps)
}

// A night that failed has no margin.
func TestNightView_marginOfWhatSucceeded(t *testing.T) {
	n := closeOf(workflows.Failed, ran("ledger", ten, time.Minute))
	n.Ended, n.Status.Deadline = ten.Add(time.Minute), ten.Add(time.Hour)
	assert.Empty(t, newNightView(n, time.Minute, ten).Margin)
	n.Status.State = workflows.Succeeded
	assert.Equal(t, "59 min before its deadline", newNightView(n, time.Minute, ten).Margin)
}

// withFind are the ended closes that find finds. It counts how often it was called.
func withFind(find func(ctx context.Context, pipeline string) ([]endedClose, error)) (n *endedCloses, calls *int) {
	n, calls = newEndedCloses(newBoard(nil)), new(int)
	n.find = func(ctx context.Context, _, pipeline string) ([]endedClose, error) {
		*calls++
		return find(ctx, pipeline)
	}
	return n, calls
}

// What is found is kept for everybody, so it is found to its end also if the viewer goes away.
func TestEndedCloses_areFoundToTheEnd(t *testing.T) {
	n, _ := withFind(func(ctx context.Context, _ string) ([]endedClose, error) {
		_, limited := ctx.Deadline()
		assert.True(t, limited)
		return []endedClose{closeOf(workflows.Succeeded, ran("ledger", ten, time.Minute))}, ctx.Err()
	})
	gone, cancel := context.WithCancel(t.Context())
	cancel()
	found, _, err := n.list(gone, "prod", "night")
	require.NoError(t, err)
	require.Len(t, found, 1)
}

// A list with an unknown status is looked up again soon, and less and less often where that never changes.
func TestEndedCloses_unknownStatusesAreNotKept(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		unknown := closeOf(workflows.Failed)
		unknown.Unknown = "No worker answers"
		result := []endedClose{closeOf(workflows.Succeeded), unknown}
		n, calls := withFind(func(context.Context, string) ([]endedClose, error) { return result, nil })
		during := func(d time.Duration) int {
			before := *calls
			for range d / time.Second {
				_, _, err := n.list(t.Context(), "prod", "night")
				require.NoError(t, err)
				time.Sleep(time.Second)
			}
			return *calls - before
		}
		require.Equal(t, 2, during(leastUnknownTTL+time.Second))
		during(time.Hour)
		require.Equal(t, 10, during(10*mostUnknownTTL))
		result = result[:1]
		during(mostUnknownTTL)
		require.LessOrEqual(t, during(2*listTTL), 2)
	})
}

// A first unknown status is looked up again soon, also where there was no close before.
func TestEndedCloses_unknownAfterNone(t *testing.T) {
	unknown := closeOf(workflows.Failed)
	unknown.Unknown = "No worker answers"
	var c cachedCloses
	for _, step := range []struct {
		found []endedClose
		want  time.Duration
	}{
		{nil, emptyTTL},
		{[]endedClose{unknown}, leastUnknownTTL},
		{[]endedClose{unknown}, 2 * leastUnknownTTL},
		{[]endedClose{closeOf(workflows.Succeeded)}, listTTL},
		{[]endedClose{unknown}, leastUnknownTTL},
	} {
		c.keep(step.found)
		require.Equal(t, step.want, c.ttl)
	}
}

// Names that somebody has made up are not kept, and those of pipelines are.
func TestEndedCloses_madeUpNamesAreDropped(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		n, calls := withFind(func(_ context.Context, pipeline string) ([]endedClose, error) {
			if pipeline == "night" {
				return []endedClose{closeOf(workflows.Succeeded)}, nil
			}
			return nil, nil
		})
		list := func(pipeline string) {
			_, _, err := n.list(t.Context(), "prod", pipeline)
			require.NoError(t, err)
		}
		list("night")
		for i := range 1000 {
			list(fmt.Sprint("made-up-", i))
			list("made-up-0")
			time.Sleep(time.Second)
		}
		require.Less(t, len(n.known), 100)
		require.Contains(t, n.known, prefixOf("prod", "night"))
		require.Less(t, *calls, 1100, "a pipeline without an ended close is not looked up for each page")
	})
}

func TestForecast(t *testing.T) {
	known := durations{steps: map[string]time.Duration{"ledger": 10 * time.Minute, "allocate": time.Hour, "report": 20 * time.Minute}}
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
