package workflows

import (
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// An operator answers by copying from the details into the signal dialog of the UI.
func TestMarkdown_saysHowToAnswer(t *testing.T) {
	t.Parallel()
	since := time.Date(2026, 11, 1, 2, 14, 0, 0, time.UTC)
	question := &Question{Why: "R_1 ended\nas Failure", Choices: []string{"restart", "decide adopt"}, Since: since, Deadline: since.Add(3 * time.Hour)}
	batch := Status{State: Waiting, TimeZone: "America/New_York", Subject: "ALLOC", Summary: question.Why, Question: question}.Markdown()
	require.Equal(t, "**waiting** ALLOC\n\n"+
		"**Question to the operator**, since Sat 2026-10-31 22:14 EDT, until Sun 2026-11-01 01:14 EDT:\n\n"+
		"R_1 ended as Failure\n\n"+
		"Answer with *More Actions, Send a Signal*:\n\n"+
		"| signal | input |\n|---|---|\n"+
		"| `restart` | `{\"by\": \"you\", \"why\": \"\"}` |\n"+
		"| `decide` | `{\"by\": \"you\", \"why\": \"\", \"choice\": \"adopt\", \"run_id\": \"\"}` |\n", batch)

	approve := &Question{Why: "Are the books good", Choices: []string{"approve"}}
	status := Status{State: Waiting, Subject: "night", Summary: "0 of 2 steps done", Question: &Question{Why: "a: R_1"}, Steps: []StepStatus{
		{ID: "a", State: Waiting, Question: question}, {ID: "b", State: Waiting, Question: approve},
	}}.Markdown()
	require.Contains(t, status, "**Question to the operator about a**")
	require.Contains(t, status, "**Question to the operator about b**:\n\nAre the books good")
	require.Contains(t, status, "| `approve` | `{\"by\": \"you\", \"why\": \"\", \"step\": \"b\"}` |")
	require.NotContains(t, status, "a: R_1", "the same question twice")
}

// What a batch needs to be done outside is in what is to be copied.
func TestCommandLine_doneOfABatchNeedsItsRun(t *testing.T) {
	t.Parallel()
	for kind, c := range map[string]struct{ run, input string }{
		"batch": {" --run-id RUN_ID", `, "run_id": ""`}, "group": {" --run-id RUN_ID", `, "run_id": ""`}, "upload": {"", ""},
	} {
		step := StepStatus{ID: "a", Kind: kind, Question: &Question{Choices: []string{DoneCommand}}}
		require.Equal(t, "close done x --step a"+c.run+` --reason "..."`, CommandLine(NightlyCloseType, "x", step, DoneCommand))
		require.Contains(t, Status{Steps: []StepStatus{step}}.Markdown(), `| `+"`done` | `"+`{"by": "you", "why": "", "step": "a"`+c.input+"}` |\n")
	}
}

// The day is written where it changes.
func TestMarkdown_logHasDaysAndZones(t *testing.T) {
	t.Parallel()
	at := func(hour int) LogEntry {
		return LogEntry{At: time.Date(2026, 11, 1, hour, 14, 5, 0, time.UTC), What: "restart"}
	}
	text := Status{TimeZone: "America/New_York", Log: []LogEntry{at(2), at(3), at(5)}}.Markdown()
	require.Contains(t, text, "- Sat 2026-10-31 22:14:05 EDT restart\n- 23:14:05 EDT restart\n- Sun 2026-11-01 01:14:05 EDT restart\n")
}

// A link that a file's name or an operator's reason holds is shown, and leads nowhere.
func TestMarkdown_escapesMarkup(t *testing.T) {
	t.Parallel()
	const quoted = "[Approve here](http://evil.example/x) <b>|`*"
	question := &Question{Why: "why " + quoted}
	text := Status{
		Subject: quoted, Summary: quoted, AtRisk: quoted, Question: question,
		Steps:   []StepStatus{{ID: "a", Detail: quoted, Question: question}},
		Tasks:   []Task{{Code: quoted, Status: quoted}},
		Batches: []MemberRun{{RunID: quoted, Status: quoted}},
		Log:     []LogEntry{{What: quoted, By: quoted, Why: quoted}},
	}.Markdown()
	escaped := "\\[Approve here](http://evil.example/x) \\<b>\\|\\`\\*"
	require.Equal(t, 12, strings.Count(text, escaped))
	require.NotContains(t, strings.ReplaceAll(text, escaped, ""), "Approve")
}

func TestStampQuestions_sameQuestionKeepsItsTime(t *testing.T) {
	t.Parallel()
	first, later := start, start.Add(time.Hour)
	step := &Question{Why: "R_1 ended"}
	at := func(now time.Time, why string, s *snapshot) time.Time {
		before := s.Question
		s.Question = &Question{Why: why}
		s.stampQuestions(now, before)
		return s.Question.Since
	}
	s := &snapshot{Status: Status{Steps: []StepStatus{{ID: "done"}, {ID: "a", Question: step}}}}
	require.Equal(t, first, at(first, "held", s))
	require.Equal(t, first, at(later, "held", s))
	require.Equal(t, later, at(later, "R_1 ended", s))
	require.Equal(t, first, step.Since)
}

func TestMarkdown_hasDeadlinesFromTheStart(t *testing.T) {
	t.Parallel()
	at := time.Date(2026, 11, 1, 2, 0, 0, 0, time.UTC)
	text := Status{State: Running, TimeZone: "America/New_York", Deadline: at, Steps: []StepStatus{
		{ID: "ledger", Kind: "upload", State: Running, Detail: "inbox/gl.csv", Deadline: at, WaitUntil: at.Add(-time.Hour)},
		{ID: "allocate", Kind: "batch", State: Pending, Deadline: at.Add(time.Hour)},
		{ID: "rates", Kind: "upload", State: Succeeded, Detail: "file id 7", Deadline: at.Add(time.Hour), WaitUntil: at},
	}}.Markdown()
	require.Contains(t, text, "\ndeadline Sat 2026-10-31 22:00 EDT\n")
	require.Contains(t, text, "| ledger | upload | running | inbox/gl.csv (waits for its file until Sat 2026-10-31 21:00 EDT) |\n")
	require.Contains(t, text, "| allocate | batch | pending |  (deadline Sat 2026-10-31 23:00 EDT) |\n")
	require.Contains(t, text, "| rates | upload | succeeded | file id 7 |\n")
}
