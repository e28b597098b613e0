package console

import (
	"testing"
	"time"

	"github.com/stretchr/testify/assert"

	"github.com/pbsmflow/pbsmflow/workflows"
)

// What runs looks otherwise than what has run, and the legend says what there is.
func TestTimeline_barsByState(t *testing.T) {
	step := func(id string, state workflows.State, ended time.Duration) workflows.StepStatus {
		s := workflows.StepStatus{ID: id, State: state, StartedAt: ten}
		if ended > 0 {
			s.EndedAt = ten.Add(ended)
		}
		return s
	}
	waits := step("waits", workflows.Waiting, 0)
	waits.Question = &workflows.Question{Since: ten.Add(time.Hour)}
	s := workflows.Status{State: workflows.Running, StartedAt: ten, Steps: []workflows.StepStatus{
		step("runs", workflows.Running, 0), step("done", workflows.Succeeded, time.Hour), step("failed", workflows.Failed, time.Hour),
		step("skipped", workflows.Skipped, time.Hour), waits,
	}}
	picture := newTimeline(s, nil, durations{}, time.Time{}, ten.Add(2*time.Hour))
	classes := map[string][]string{}
	for _, row := range picture.Rows {
		for _, b := range row.Bars {
			classes[row.ID] = append(classes[row.ID], b.Class)
		}
	}
	assert.Equal(t, map[string][]string{
		"runs": {"running", "edge"}, "done": {"was"}, "failed": {"failed"}, "skipped": {"skipped"}, "waits": {"running", "waited"},
	}, classes)
	bars := picture.Rows[4].Bars
	assert.LessOrEqual(t, bars[0].X+bars[0].Width, bars[1].X, "it has not run while it waited")
	var known []string
	for _, l := range picture.Legend {
		known = append(known, l.Class)
	}
	assert.Equal(t, []string{"was", "running", "failed", "skipped", "waited"}, known)
	assert.Equal(t, "play", picture.Rows[0].Look.Icon)
}
