package workflows

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// What a person is asked can be answered by copying from the details into the dialog of the UI.
func TestMarkdownShowsHowToAnswer(t *testing.T) {
	t.Parallel()
	asked := time.Date(2026, 11, 1, 2, 14, 0, 0, time.UTC)
	w := &Question{Why: "R_1 ended\nas Failure", Choices: []string{"restart", "decide adopt"}, Since: asked, Deadline: asked.Add(3 * time.Hour)}
	batch := Status{State: Waiting, Subject: "ALLOC", Summary: w.Why, Question: w}.Markdown()
	require.Equal(t, "**waiting** ALLOC\n\n"+
		"**Question to the operator**, since 02:14 UTC, until Sun 2026-11-01 05:14 +00:00:\n\n"+
		"R_1 ended as Failure\n\n"+
		"Answer with *More Actions, Send a Signal*:\n\n"+
		"| signal | input |\n|---|---|\n"+
		"| `restart` | `{\"by\": \"you\", \"why\": \"\"}` |\n"+
		"| `decide` | `{\"by\": \"you\", \"why\": \"\", \"choice\": \"adopt\", \"run_id\": \"\"}` |\n", batch)

	approve := &Question{Why: "Are the books good", Choices: []string{"approve"}}
	night := Status{State: Waiting, Subject: "night", Summary: "0 of 2 steps done", Question: &Question{Why: "a: R_1"}, Steps: []StepStatus{
		{ID: "a", State: Waiting, Question: w}, {ID: "b", State: Waiting, Question: approve},
	}}.Markdown()
	require.Contains(t, night, "**Question to the operator about a**")
	require.Contains(t, night, "**Question to the operator about b**:\n\nAre the books good")
	require.Contains(t, night, "| `approve` | `{\"by\": \"you\", \"why\": \"\", \"step\": \"b\"}` |")
	require.NotContains(t, night, "a: R_1", "once")
}

// A question that is asked again is as old as it was, and another one is new.
func TestAQuestionKeepsItsTime(t *testing.T) {
	t.Parallel()
	first, later := start, start.Add(time.Hour)
	step := &Question{Why: "R_1 ended"}
	at := func(now time.Time, why string, s *snapshot) time.Time {
		before := s.Question
		s.Question = &Question{Why: why}
		s.stampQuestions(now, before)
		return s.Question.Since
	}
	tr := &snapshot{Status: Status{Steps: []StepStatus{{ID: "done"}, {ID: "a", Question: step}}}}
	require.Equal(t, first, at(first, "held", tr))
	require.Equal(t, first, at(later, "held", tr))
	require.Equal(t, later, at(later, "R_1 ended", tr))
	require.Equal(t, first, step.Since)
}
