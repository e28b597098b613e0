package console

import (
	"cmp"
	"context"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/pbsmflow/pbsmflow/internal/clock"
	"github.com/pbsmflow/pbsmflow/internal/pbsm"
	"github.com/pbsmflow/pbsmflow/starter/internal/view"
	"github.com/pbsmflow/pbsmflow/workflows"
)

// workflowHead is the first line of a workflow's page.
type workflowHead struct {
	ID, Title, Of    string
	Look             look
	Line, Wrong      string
	Ends, Deadline   string
	Late             string
	Nights, Temporal string // links
	Commands         bool   // some apply to the whole workflow, further down
	Params           []string
	StartedBy        string
	Notes            []string
}

// stepView is a step with everything that is known of it.
type stepView struct {
	ID, Key, Name, Kind string
	Look                look
	Line                string
	Needs               string
	Facts               []fact
	Tasks               []taskView
	Progress            *progress
	Form                commandForm
	Open                bool
	Link, Temporal      string
}

// fact is a line of what is known: "based on", "ledger 5025, SHA-256 3d9b…".
type fact struct{ Name, Value string }

type taskView struct {
	Code, Text string
	Look       look
	Member     bool // a batch of a group, whose tasks follow
}

// progress is how far a transfer is, in percent, or -1 where the total is unknown.
type progress struct {
	Percent int64
	Text    string
}

// commandForm offers commands for a step, or for the whole workflow.
type commandForm struct {
	ID, Step, Key, Back string
	Button              []button
	Until               bool
	RunID               string // the command that wants a run id; empty: none does
	Heading             string
	Stopped             string // why the buttons have no effect now
}

// workflow makes the page of a close, or of any other workflow.
func (c *Console) workflow(ctx context.Context, p *page, id string) error {
	e, err := c.board.get(ctx, id)
	if err != nil {
		return err
	}
	if !p.Who.maySee(e) && !(e.Status.Type == "" && p.Who.may("viewer", connectionOf(id))) {
		return errNotFound
	}
	e = p.inZone(e)
	s := e.Status
	p.Title = cmp.Or(s.Subject, id)
	p.Zone = clock.In(s.TimeZone).Zone().String()
	var details view.Snapshot
	if p.Health.temporal {
		details = c.looks.details(ctx, id)
		details.Children = c.withFailed(ctx, details.Children, s.Steps)
	}
	e.Status.Steps = withDetails(e.Status.Steps, details)
	s = e.Status
	u := c.usualOf(ctx, e)
	spans, ends := p.expected(e, u)
	var asks []ask
	for _, q := range questions([]entry{e}) {
		asks = append(asks, c.ask(p, q))
	}
	head, whole := c.head(p, e, details, ends), c.wholeCommands(p, e)
	head.Commands = len(whole.Button) > 0
	return cmp.Or( // also what is empty at first: a fragment that the page lacks cannot be replaced later
		p.add("trouble", "trouble", p.Health.Troubles),
		p.add("head", "head", head),
		p.add("questions", "questions", asks),
		c.addGraph(p, s),
		p.add("timeline", "timeline", newTimeline(s, spans, u, ends, p.Now)),
		p.add("steps", "steps", c.steps(p, e, details, u)),
		p.add("tasks", "tasks", batchTasks(s)),
		p.add("commands", "commands", whole),
		p.add("log", "log", logViews(s, p.Now)),
		p.add("foot", "foot", c.foot(ctx, e)),
	)
}

// usualOf are the usual durations of a close; none of another workflow.
func (c *Console) usualOf(ctx context.Context, e entry) durations {
	id, ok := workflows.ParseID(e.ID)
	if !ok || !e.closing() {
		return durations{}
	}
	return c.ended.usual(ctx, e.Status.Connection, id.Name)
}

func (c *Console) head(p *page, e entry, details view.Snapshot, ends time.Time) workflowHead {
	s, times := e.Status, timesOf(e)
	h := workflowHead{
		ID: e.ID, Title: cmp.Or(s.Subject, e.ID), Of: of(s.Connection, s.AsOfDate),
		Look: lookOf(s.State), Line: lineOf(s, awaitsFile, p.Now), Wrong: s.AtRisk, StartedBy: s.StartedBy,
		Temporal: c.session.Link(e.ID), Notes: details.Notes,
	}
	if id, ok := workflows.ParseID(e.ID); ok && e.closing() {
		h.Nights = "/nights/" + s.Connection + "/" + id.Name
	} else if e.Type != "" {
		h.Of = strings.Join(nonEmpty(e.Type, h.Of), " · ")
	}
	h.Notes = append(h.Notes, nonEmpty(p.Health.unknown(e))...)
	for _, name := range slices.Sorted(maps.Keys(s.Params)) {
		h.Params = append(h.Params, name+" "+s.Params[name])
	}
	if s.Type == "" {
		return h
	}
	if s.State.Done() {
		h.Ends = h.Look.Word + " at " + times.TextAt(p.Now, s.ChangedAt) + " after " + spell(s.ChangedAt.Sub(s.StartedAt))
	} else {
		h.Ends = endsText(s, times, ends, p.Now)
	}
	if !s.Deadline.IsZero() {
		h.Deadline = "deadline " + times.TextAt(p.Now, s.Deadline)
	}
	h.Late = lateness(s, ends, p.Now)
	return h
}

func nonEmpty(texts ...string) []string {
	return slices.DeleteFunc(texts, func(t string) bool { return t == "" })
}

func (c *Console) steps(p *page, e entry, details view.Snapshot, u durations) []stepView {
	var list []stepView
	for _, s := range e.Status.Steps {
		list = append(list, c.step(p, e, s, details, u))
	}
	return list
}

func (c *Console) step(p *page, e entry, s workflows.StepStatus, details view.Snapshot, u durations) stepView {
	times := timesOf(e)
	v := stepView{ID: s.ID, Key: "step-" + s.ID, Name: s.Name(), Kind: s.Kind, Look: lookOfStep(s, p.Now),
		Line: inButtons(s.Detail)}
	add := func(name, value string) {
		if value != "" {
			v.Facts = append(v.Facts, fact{name, value})
		}
	}
	at := func(t time.Time) string {
		if t.IsZero() {
			return ""
		}
		return times.TextAt(p.Now, t)
	}
	if len(s.Needs) > 0 {
		v.Needs = "after " + strings.Join(s.Needs, ", ")
		add("needs", strings.Join(s.Needs, ", "))
	}
	add("begun", at(s.StartedAt))
	add("ended", at(s.EndedAt))
	if !s.StartedAt.IsZero() && !s.EndedAt.IsZero() {
		add("took", spell(s.EndedAt.Sub(s.StartedAt)))
	}
	if d := u.steps[s.ID]; d > 0 {
		add("usually takes", spell(d))
	}
	add("kept from", at(s.KeptFrom))
	if !s.State.Done() {
		add("deadline", at(s.Deadline))
		add("its file is awaited until", at(s.WaitUntil))
	}
	add("result", s.Result)
	add("based on", s.BasedOn)
	if child, ok := details.Children[s.WorkflowID]; ok && (!s.State.Done() || v.Look.Class == "failed") {
		add("run", child.RunID)
		v.Tasks = append(taskViews(child.Tasks), memberViews(child.Batches)...)
		if child.State == workflows.Running && child.Summary != "" {
			v.Line = child.Summary
		}
	}
	if t, ok := details.Transfers[s.WorkflowID]; ok && !s.State.Done() {
		v.Progress = newProgress(t)
	}
	if s.WorkflowID != "" {
		v.Link, v.Temporal = "/w/"+s.WorkflowID, c.session.Link(s.WorkflowID)
	}
	v.Open = wantsAttention(e.Status, s, p.Now)
	v.Form = c.stepForm(p, e, s)
	return v
}

// withDetails are the steps as their own workflows know them: whether a file is still awaited.
func withDetails(steps []workflows.StepStatus, details view.Snapshot) []workflows.StepStatus {
	steps = slices.Clone(steps)
	for i, s := range steps {
		if child, ok := details.Children[s.WorkflowID]; ok && child.WaitUntil.IsZero() && !s.WaitUntil.IsZero() {
			steps[i].WaitUntil = time.Time{}
			steps[i].Commands = slices.DeleteFunc(slices.Clone(s.Commands),
				func(c string) bool { return c == workflows.StartCommand })
		}
	}
	return steps
}

// withFailed adds the workflows of batches that failed, with their tasks. The details have only those that run.
func (c *Console) withFailed(
	ctx context.Context, children map[string]workflows.Status, steps []workflows.StepStatus,
) map[string]workflows.Status {
	children = maps.Clone(children)
	for _, s := range steps {
		if s.WorkflowID == "" || !isBatch(s) || lookOf(s.State).Class != "failed" {
			continue
		}
		if child, err := c.board.get(ctx, s.WorkflowID); err == nil { // else the step itself says that it failed
			if children == nil {
				children = map[string]workflows.Status{}
			}
			children[s.WorkflowID] = child.Status
		}
	}
	return children
}

// wantsAttention reports whether the details of a step are open: it failed, an operator can answer, it waits for a file
// or a release, or it runs while its close is late.
func wantsAttention(whole workflows.Status, s workflows.StepStatus, now time.Time) bool {
	late := whole.AtRisk != "" || lateness(whole, time.Time{}, now) != ""
	switch s.State {
	case workflows.Waiting, workflows.Failed:
		return true
	case workflows.Running:
		return late || s.WaitUntil.After(now)
	}
	return false
}

func newProgress(t view.Transfer) *progress {
	if t.Total <= 0 {
		return &progress{-1, view.Bytes(t.Done)}
	}
	text := view.Bytes(t.Done) + " of " + view.Bytes(t.Total)
	if t.Rate > 0 {
		text += ", " + view.Bytes(t.Rate) + "/s"
	}
	if t.Remaining > 0 {
		text += ", " + spell(t.Remaining) + " left"
	}
	return &progress{t.Done * 100 / t.Total, text}
}

// stepForm offers the commands that apply to a step beside the answers to its question.
func (c *Console) stepForm(p *page, e entry, s workflows.StepStatus) commandForm {
	f := commandForm{ID: e.ID, Step: s.ID, Key: "do-" + s.ID, Back: p.Path, Stopped: p.Health.stopped(e)}
	for _, value := range s.Commands {
		command, _, _ := strings.Cut(value, " ")
		answered := s.Question != nil && slices.Contains(s.Question.Choices, value)
		if answered || !p.Who.maySend(e.Status.Connection, command) {
			continue
		}
		b := wording(value, s.ID, nil)
		if s.State == workflows.Running {
			b = interruptsFirst(b)
		}
		b = needsRun(b, s)
		f.Button = append(f.Button, b)
		f.Until = f.Until || value == workflows.ExtendCommand
		if value == workflows.DoneCommand && isBatch(s) {
			f.RunID = b.Text
		}
	}
	slices.SortStableFunc(f.Button, func(a, b button) int { return rank(a.Value) - rank(b.Value) })
	return f
}

// rank puts first what lets a step continue, and last what only gives it time.
func rank(command string) int {
	order := []string{
		workflows.StartCommand, workflows.ReleaseCommand, workflows.InterruptCommand, workflows.HoldCommand, workflows.SkipCommand,
		workflows.DoneCommand, workflows.AgainCommand,
	}
	if i := slices.Index(order, command); i >= 0 {
		return i
	}
	return len(order)
}

// wholeCommands are those for the workflow as a whole.
func (c *Console) wholeCommands(p *page, e entry) commandForm {
	f := commandForm{ID: e.ID, Key: "do", Back: p.Path, Heading: "The whole " + e.noun(), Stopped: p.Health.stopped(e)}
	s := e.Status
	t, _ := workflows.TypeByName(e.Type)
	offer := func(command string) {
		if t.TakesCommands && p.Who.maySend(s.Connection, command) {
			f.Button = append(f.Button, e.about(wording(command, cmp.Or(s.Subject, e.ID), nil), ""))
		}
	}
	if s.State.Done() {
		if e.closing() {
			offer(workflows.AgainCommand)
		}
		return f
	}
	if e.Type == workflows.RunBatchType && s.Question == nil {
		offer(workflows.InterruptCommand)
	}
	offer(workflows.ExtendCommand)
	offer(workflows.CancelCommand)
	f.Until = len(f.Button) > 0
	return f
}

func taskViews(tasks []workflows.Task) (list []taskView) {
	for _, t := range tasks {
		list = append(list, taskView{Code: t.Code, Text: codeText(t.StatusCode, t.Status), Look: lookOfCode(t.StatusCode)})
	}
	return list
}

func memberViews(members []workflows.MemberRun) (list []taskView) {
	for _, m := range members {
		list = append(list, taskView{m.RunID, codeText(m.StatusCode, m.Status), lookOfCode(m.StatusCode), true})
		list = append(list, taskViews(m.Tasks)...)
	}
	return list
}

func batchTasks(s workflows.Status) []taskView {
	return append(taskViews(s.Tasks), memberViews(s.Batches)...)
}

func codeText(code, text string) string {
	text = cmp.Or(text, pbsm.StatusCode(code).Text())
	if code == "" {
		return text
	}
	return fmt.Sprintf("%s (%s)", text, code)
}

// lookOfCode is how a code of the service looks.
func lookOfCode(code string) look {
	switch c := pbsm.StatusCode(code); {
	case c == pbsm.CodeSuccess:
		return lookOf(workflows.Succeeded)
	case c == pbsm.CodeExcluded:
		return lookOf(workflows.NotTonight)
	case c == pbsm.CodeOngoing:
		return lookOf(workflows.Running)
	case c == pbsm.CodeHeld:
		return look{"held", "lock", "waiting"}
	case c.Terminal():
		return lookOf(workflows.Failed)
	}
	return lookOf(workflows.Pending)
}

// foot is where an auditor and an engineer look further.
func (c *Console) foot(ctx context.Context, e entry) []fact {
	var facts []fact
	if a := e.Status.Audit; a != nil {
		facts = append(facts, fact{"audit file", a.File})
		if a.SHA256 != "" {
			facts = append(facts, fact{"sealed with", a.SHA256})
		}
		if a.Note != "" {
			facts = append(facts, fact{"note", a.Note})
		}
		facts = append(facts, fact{"verified", c.auditor.verdict(ctx, *a)})
	}
	if b := e.Status.Basis.String(); b != "" {
		facts = append(facts, fact{"based on", b})
	}
	return append(facts, fact{"workflow id", e.ID}, fact{"in a terminal",
		c.session.Starter("status " + e.ID + " --follow")})
}
