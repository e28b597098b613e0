package workflows

import (
	"cmp"
	"fmt"
	"strings"
	"time"

	"github.com/pbsmflow/pbsmflow/internal/clock"
)

// Markdown is the status as the Temporal UI shows it, in a narrow column.
func (s Status) Markdown() string {
	var b strings.Builder
	fmt.Fprintf(&b, "**%s** %s\n", s.State, plain(s.Subject))
	if s.Question == nil || s.Question.Why != s.Summary {
		fmt.Fprintf(&b, "\n%s\n", plain(s.Summary))
	}
	if times := s.untilText(s.Deadline, s.WaitUntil); times != "" && !s.State.Done() {
		fmt.Fprintf(&b, "\n%s\n", times)
	}
	if s.AtRisk != "" {
		fmt.Fprintf(&b, "\n**%s**\n", plain(s.AtRisk))
	}
	if s.RunID != "" {
		fmt.Fprintf(&b, "\nRun `%s`\n", s.RunID)
	}
	for _, q := range s.questions() {
		q.markdown(&b, s.times())
	}
	s.tables(&b)
	if len(s.Log) > 0 {
		b.WriteString("\nWhat happened:\n\n")
	}
	var before time.Time
	for _, e := range s.Log {
		at := s.times().ExactAt(before, e.At)
		before = e.At
		fmt.Fprintf(&b, "- %s %s\n", at, plain(e.What+prefixed(", by ", e.Who())+prefixed(": ", e.Why)))
	}
	return b.String()
}

// markdown is a question, and how to answer it in the signal dialog of the UI.
func (q stepQuestion) markdown(b *strings.Builder, times clock.Clock) {
	b.WriteString("\n**Question to the operator" + prefixed(" about ", plain(q.step.Name())) + "**")
	if !q.Since.IsZero() {
		b.WriteString(", since " + times.Text(q.Since))
	}
	if !q.Deadline.IsZero() {
		b.WriteString(", until " + times.Text(q.Deadline))
	}
	fmt.Fprintf(b, ":\n\n%s\n\nAnswer with *More Actions, Send a Signal*:\n\n| signal | input |\n|---|---|\n", plain(q.Why))
	for _, choice := range q.Choices {
		name, argument, _ := strings.Cut(choice, " ")
		input := `{"by": "you", "why": ""`
		for _, field := range []struct{ key, value string }{{"step", q.step.ID}, {"choice", argument}} {
			if field.value != "" {
				input += fmt.Sprintf(`, %q: %q`, field.key, field.value)
			}
		}
		if needsRunID(q.step, choice) {
			input += `, "run_id": ""`
		}
		fmt.Fprintf(b, "| `%s` | `%s}` |\n", name, input)
	}
}

// untilText is a deadline, and until when a file is awaited.
func (s Status) untilText(deadline, waitUntil time.Time) string {
	var parts []string
	if !waitUntil.IsZero() {
		parts = append(parts, "waits for its file until "+s.times().Text(waitUntil))
	}
	if !deadline.IsZero() {
		parts = append(parts, "deadline "+s.times().Text(deadline))
	}
	return strings.Join(parts, "; ")
}

// stepUntil are the times of an unfinished step that are not those of its close.
func (s Status) stepUntil(step StepStatus) string {
	switch {
	case step.State.Done():
		return ""
	case step.Deadline.Equal(s.Deadline):
		step.Deadline = time.Time{}
	}
	if text := s.untilText(step.Deadline, step.WaitUntil); text != "" {
		return "(" + text + ")"
	}
	return ""
}

func (s Status) tables(b *strings.Builder) {
	if len(s.Steps) > 0 {
		b.WriteString("\n| step | kind | state | what |\n|---|---|---|---|\n")
	}
	for _, step := range s.Steps {
		what := plain(cmp.Or(step.Detail, step.Description)) + prefixed(" ", s.stepUntil(step))
		fmt.Fprintf(b, "| %s | %s | %s | %s |\n", step.ID, step.Kind, step.State, what)
	}
	if len(s.Tasks)+len(s.Batches) > 0 {
		b.WriteString("\n| task | status | code |\n|---|---|---|\n")
	}
	for _, task := range s.Tasks {
		fmt.Fprintf(b, "| %s | %s | %s |\n", plain(task.Code), plain(task.Status), task.StatusCode)
	}
	for _, m := range s.Batches {
		fmt.Fprintf(b, "| %s | %s | %s |\n", plain(m.RunID), plain(m.Status), m.StatusCode)
	}
}

// plain is a text on one line without what the UI would take for markup: what the status quotes, such as the name
// of a file, could hold a link.
func plain(text string) string { return markup.Replace(text) }

var markup = strings.NewReplacer(`\`, `\\`, "[", `\[`, "<", `\<`, "*", `\*`, "`", "\\`", "|", `\|`, "\n", " ")

// prefixed is the prefix and the text, or nothing without a text.
func prefixed(prefix, text string) string {
	if text == "" {
		return ""
	}
	return prefix + text
}
