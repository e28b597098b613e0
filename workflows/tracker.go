package workflows

import (
	"errors"
	"fmt"
	"strings"
	"time"

	"go.temporal.io/sdk/temporal"
	"go.temporal.io/sdk/workflow"

	"github.com/pbsmflow/pbsmflow/internal/notify"
)

// Search attributes of the workflows here, all of type Keyword. The namespace must know
// them before a worker starts.
var (
	connectionAttribute = temporal.NewSearchAttributeKeyKeyword("PbsmConnection")
	batchAttribute      = temporal.NewSearchAttributeKeyKeyword("PbsmBatch")
	runIDAttribute      = temporal.NewSearchAttributeKeyKeyword("PbsmRunId")
	asOfDateAttribute   = temporal.NewSearchAttributeKeyKeyword("PbsmAsOfDate")
	stateAttribute      = temporal.NewSearchAttributeKeyKeyword("PbsmState")
)

// unknownOutcome ends the run id's search attribute from before a post until its answer. A
// later start of the same posting reads it, however the earlier one ended.
const unknownOutcome = "?"

// SummaryMemo is the memo field that says in one line how a workflow ended.
const SummaryMemo = "summary"

// SearchAttributes names the search attributes that a namespace needs, all of type Keyword.
func SearchAttributes() []string {
	return []string{
		connectionAttribute.GetName(), batchAttribute.GetName(), runIDAttribute.GetName(),
		asOfDateAttribute.GetName(), stateAttribute.GetName(),
	}
}

// tracker holds a workflow's status and shows it: as the answer of the query, as the
// current details of the UI, and as search attributes.
type tracker struct {
	status Status
	// posting: a post is under way, or its outcome is not known.
	posting bool
	told    int // how often the close was told
	telling int // how much of that is on its way
	// wanted is what people want to be told of: by the close, and by the batch itself once that is gone.
	wanted []string
	// waitingSince is when a person was asked.
	waitingSince time.Time
	// deadline is what the end is measured against. Zero: there is none.
	deadline time.Time
	// failure is the type of the error with which it ends as failed.
	failure  string
	notifier notifier
	shown    struct {
		state State
		runID string
	}
}

func track(ctx workflow.Context, initial Status) (*tracker, error) {
	t := &tracker{status: initial}
	t.status.Type = workflow.GetInfo(ctx).WorkflowType.Name
	t.status.StartedAt = workflow.GetInfo(ctx).WorkflowStartTime
	if t.status.State == "" {
		t.status.State = Running
	}
	err := workflow.SetQueryHandlerWithOptions(ctx, StatusQuery, func() (Status, error) { return t.status, nil },
		workflow.QueryHandlerOptions{Description: "Where it stands: state, run, tasks or steps, and what a person is asked."})
	if err != nil {
		return nil, err
	}
	attributes := []temporal.SearchAttributeUpdate{connectionAttribute.ValueSet(initial.Connection)}
	if initial.AsOfDate != "" {
		attributes = append(attributes, asOfDateAttribute.ValueSet(initial.AsOfDate))
	}
	if t.status.Type == RunBatchType {
		attributes = append(attributes, batchAttribute.ValueSet(initial.Subject))
	}
	return t, t.show(ctx, attributes...)
}

// update changes the status and shows it.
func (t *tracker) update(ctx workflow.Context, change func(*Status)) error {
	before := t.status.Question
	change(&t.status)
	if t.status.State.Done() { // what is over is late no more; the log still says that it was
		t.status.AtRisk = ""
	}
	t.stampQuestions(workflow.Now(ctx), before)
	t.tellOtherQuestion(ctx, before)
	err := t.show(ctx)
	t.notify(ctx)
	return err
}

// stampQuestions notes since when a person is asked. The same question asked again is the old one.
func (t *tracker) stampQuestions(now time.Time, before *Question) {
	for _, step := range t.status.Steps {
		if w := step.Question; w != nil && w.Since.IsZero() {
			w.Since = now
		}
	}
	if w := t.status.Question; w != nil && w.Since.IsZero() {
		w.Since = now
		if before != nil && before.Why == w.Why {
			w.Since = before.Since
		}
	}
}

// log adds an entry and shows it.
func (t *tracker) log(ctx workflow.Context, entry LogEntry) {
	entry.At = workflow.Now(ctx)
	t.status.Log = append(t.status.Log, entry)
	workflow.GetLogger(ctx).Info(entry.What + prefixed(", by ", entry.By) + prefixed(": ", entry.Why))
}

func (t *tracker) show(ctx workflow.Context, attributes ...temporal.SearchAttributeUpdate) error {
	t.status.ChangedAt = workflow.Now(ctx)
	workflow.SetCurrentDetails(ctx, t.status.Markdown())
	if t.status.State != t.shown.state {
		t.measure(ctx)
		attributes = append(attributes, stateAttribute.ValueSet(string(t.status.State)))
	}
	runID := t.status.RunID
	if t.posting {
		runID += unknownOutcome
	}
	if runID != t.shown.runID {
		attributes = append(attributes, runIDAttribute.ValueSet(runID))
	}
	if len(attributes) == 0 {
		return nil
	}
	news := t.status.State != t.shown.state || !t.posting // of a state, or of a run id
	if news && t.status.Type == RunBatchType && t.status.State != Pending {
		t.tellClose(ctx)
	}
	t.shown.state, t.shown.runID = t.status.State, runID
	if t.status.State.Done() {
		if err := workflow.UpsertMemo(ctx, map[string]any{SummaryMemo: t.status.Summary}); err != nil {
			return err
		}
	}
	return workflow.UpsertTypedSearchAttributes(ctx, attributes...)
}

// tellOtherQuestion tells the close that another question took the place of the one before. The
// state does not change with it, so that show does not tell.
func (t *tracker) tellOtherQuestion(ctx workflow.Context, before *Question) {
	now := t.status.Question
	if now == nil || before == nil || now.Why == before.Why || t.status.State != t.shown.state || t.status.Type != RunBatchType || !startedByClose(ctx) {
		return
	}
	t.tellClose(ctx)
}

// tellClose tells the close that started this batch, if one did, how it stands now. The work does
// not wait for the answer.
func (t *tracker) tellClose(ctx workflow.Context) {
	if !startedByClose(ctx) {
		return
	}
	parent := workflow.GetInfo(ctx).ParentWorkflowExecution
	t.told++
	told := workflow.SignalExternalWorkflow(ctx, parent.ID, parent.RunID, stepStateSignal, stepState{
		WorkflowID: workflow.GetInfo(ctx).WorkflowExecution.ID, Sequence: t.told,
		State: t.status.State, Summary: t.status.Summary, Question: t.status.Question,
	})
	t.telling++
	workflow.Go(ctx, func(ctx workflow.Context) {
		err := told.Get(ctx, nil)
		t.telling--
		t.tellWithoutClose(ctx, err)
	})
}

// tellWithoutClose tells people from here when the close is gone, such as one that was terminated:
// else nobody would learn that its batch waits, or how it ended.
func (t *tracker) tellWithoutClose(ctx workflow.Context, err error) {
	var gone *temporal.UnknownExternalWorkflowExecutionError
	if len(t.notifier.on) > 0 || len(t.wanted) == 0 || !errors.As(err, &gone) {
		return
	}
	t.notifier.on = t.wanted
	t.notify(ctx)
}

// awaitClose waits until it is known whether the close took the last of what it was told.
func (t *tracker) awaitClose(ctx workflow.Context) {
	if t.telling == 0 || len(t.wanted) == 0 {
		return
	}
	ctx, _ = workflow.NewDisconnectedContext(ctx)
	_ = workflow.Await(ctx, func() bool { return t.telling == 0 })
}

// redirect answers for a workflow whose work is done under another id. over is told how that ended.
func redirect(ctx workflow.Context, connection, subject, id string) (over func(error), err error) {
	return tell(ctx, Status{Connection: connection, Subject: subject, State: Running, Summary: "carried out by workflow " + id})
}

// tell answers for a workflow that has no tracker, or none yet. over is told how it ended.
func tell(ctx workflow.Context, status Status) (over func(error), err error) {
	info := workflow.GetInfo(ctx)
	status.Type, status.StartedAt, status.ChangedAt = info.WorkflowType.Name, info.WorkflowStartTime, workflow.Now(ctx)
	workflow.SetCurrentDetails(ctx, status.Markdown())
	over = func(err error) {
		status.State, status.ChangedAt = Succeeded, workflow.Now(ctx)
		switch {
		case err != nil && ctx.Err() != nil:
			status.State = Cancelled
		case err != nil:
			status.State = Failed
			status.Summary += ": " + reason(err)
		}
		workflow.SetCurrentDetails(ctx, status.Markdown())
	}
	return over, workflow.SetQueryHandler(ctx, StatusQuery, func() (Status, error) { return status, nil })
}

// warnWhenLate is the warning of a job of its own. The steps of a close are the close's to warn of.
func (t *tracker) warnWhenLate(ctx workflow.Context, deadline time.Time) {
	if startedByClose(ctx) {
		return
	}
	warnWhenLate(ctx, deadline, t.status.Subject, func(warning string) {
		if !t.status.State.Done() {
			t.warn(ctx, warning)
		}
	})
}

// warn says that the work is late.
func (t *tracker) warn(ctx workflow.Context, warning string) {
	t.log(ctx, LogEntry{What: warning})
	t.countLateWarning(ctx)
	_ = t.update(ctx, func(s *Status) { s.AtRisk = warning })
	t.sendBeside(ctx, notify.Message{Event: notify.AtRisk, What: warning}, notifyPatience)
}

func startedByClose(ctx workflow.Context) bool {
	parent := workflow.GetInfo(ctx).ParentWorkflowExecution
	return parent != nil && strings.HasPrefix(parent.ID, closePrefix)
}

// lateWarning is how long before a deadline a job that is not over is called late, once. A
// short patience is not cut by more than a quarter.
const lateWarning = 30 * time.Minute

// warnWhenLate tells, once, that a deadline comes near while the work goes on. It ends with ctx.
func warnWhenLate(ctx workflow.Context, deadline time.Time, what string, warn func(string)) {
	if deadline.IsZero() {
		return
	}
	workflow.Go(ctx, func(ctx workflow.Context) {
		left := deadline.Sub(workflow.Now(ctx))
		wait := left - min(lateWarning, left/4)
		timer := workflow.NewTimerWithOptions(ctx, wait, workflow.TimerOptions{Summary: "late warning for " + what})
		if timer.Get(ctx, nil) == nil {
			warn(fmt.Sprintf("late: %s is not over, and its deadline is %s", what, deadline.UTC().Format(time.RFC3339)))
		}
	})
}

// Markdown is the status as the Temporal UI shows it, in a narrow column.
func (s Status) Markdown() string {
	var b strings.Builder
	fmt.Fprintf(&b, "**%s** %s\n", s.State, s.Subject)
	if s.Question == nil || s.Question.Why != s.Summary {
		fmt.Fprintf(&b, "\n%s\n", s.Summary)
	}
	if s.AtRisk != "" {
		fmt.Fprintf(&b, "\n**%s**\n", s.AtRisk)
	}
	if s.RunID != "" {
		fmt.Fprintf(&b, "\nRun `%s`\n", s.RunID)
	}
	s.questions(&b)
	s.tables(&b)
	if len(s.Log) > 0 {
		b.WriteString("\nWhat happened (UTC):\n\n")
	}
	for _, e := range s.Log {
		fmt.Fprintf(&b, "- %s %s%s%s\n", e.At.UTC().Format("15:04:05"), e.What, prefixed(", by ", e.By), prefixed(": ", e.Why))
	}
	return b.String()
}

func (s Status) questions(b *strings.Builder) {
	for _, q := range s.asks() {
		q.question(b, q.step)
	}
}

// question says what is asked, and how it is answered with the signal dialog of the UI.
func (w Question) question(b *strings.Builder, step string) {
	b.WriteString("\n**A person is asked" + prefixed(" about ", step) + "**")
	if !w.Since.IsZero() {
		b.WriteString(", since " + w.Since.UTC().Format("15:04 MST"))
	}
	if !w.Deadline.IsZero() {
		b.WriteString(", until " + w.Deadline.Format("Mon 2006-01-02 15:04 -07:00"))
	}
	fmt.Fprintf(b, ":\n\n%s\n\nAnswer with *More Actions, Send a Signal*:\n\n| signal | input |\n|---|---|\n", strings.ReplaceAll(w.Why, "\n", " "))
	for _, choice := range w.Choices {
		name, word, _ := strings.Cut(choice, " ")
		input := `{"by": "you", "why": ""`
		for _, field := range []struct{ key, value string }{{"step", step}, {"choice", word}} {
			if field.value != "" {
				input += fmt.Sprintf(`, %q: %q`, field.key, field.value)
			}
		}
		if word == Adopt {
			input += `, "run_id": ""`
		}
		fmt.Fprintf(b, "| `%s` | `%s}` |\n", name, input)
	}
}

func (s Status) tables(b *strings.Builder) {
	if len(s.Steps) > 0 {
		b.WriteString("\n| step | kind | state | what |\n|---|---|---|---|\n")
	}
	for _, step := range s.Steps {
		fmt.Fprintf(b, "| %s | %s | %s | %s |\n", step.ID, step.Kind, step.State, cell(step.Detail))
	}
	if len(s.Tasks)+len(s.Batches) > 0 {
		b.WriteString("\n| task | status | code |\n|---|---|---|\n")
	}
	for _, task := range s.Tasks {
		fmt.Fprintf(b, "| %s | %s | %s |\n", cell(task.Code), cell(task.Status), task.StatusCode)
	}
	for _, m := range s.Batches {
		fmt.Fprintf(b, "| %s | %s | %s |\n", cell(m.RunID), cell(m.Status), m.StatusCode)
	}
}

func cell(text string) string {
	return strings.NewReplacer("|", `\|`, "\n", " ").Replace(text)
}

func prefixed(prefix, text string) string {
	if text == "" {
		return ""
	}
	return prefix + text
}
