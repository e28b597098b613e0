package console

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"

	"github.com/pbsmflow/pbsmflow/internal/clock"
	"github.com/pbsmflow/pbsmflow/internal/pipeline"
	"github.com/pbsmflow/pbsmflow/internal/temporalclient"
	"github.com/pbsmflow/pbsmflow/starter/internal/cli"
	"github.com/pbsmflow/pbsmflow/starter/internal/view"
	"github.com/pbsmflow/pbsmflow/workflows"
)

// effectTimeout is how long a page waits for the effect of a command. The command itself has no such limit.
const effectTimeout = 20 * time.Second

// maxForm is the size of a form in bytes.
const maxForm = 64 << 10

// maxLogged is how much of a text that was sent the log has, in cells of a terminal.
const maxLogged = 300

// order is a command as a form has it.
type order struct {
	entry
	Value     string // a choice of a status, such as "decide adopt"
	Name      string // of the command
	Command   workflows.Command
	Step      string
	Back      string
	Confirmed bool
}

// refused is why a command was not sent: the status of the answer, and the reason without "nothing was done".
type refused struct {
	code int
	why  string
}

// What the log says of a refusal.
const (
	refusedCommand = "refused a command"
	refusedStart   = "refused a start"
)

// logRefused writes into the log that something was refused. Of each text that somebody has sent it takes the beginning.
func (c *Console) logRefused(r *http.Request, who access, what, command, id, why string) {
	line := []any{"workflow", view.Clip(id, maxLogged), "by", who.Name, "from", r.RemoteAddr, "why", view.Clip(why, maxLogged)}
	if command != "" {
		line = append([]any{"command", view.Clip(command, maxLogged)}, line...)
	}
	c.Log.Warn(what, line...)
}

// admit finds the workflow of a command, and lets the order for it pass where the person may send it and it is complete.
// Forms and programs take the same way.
func (c *Console) admit(r *http.Request, who access, id string, take func(entry) order) (o order, no *refused) {
	e, err := c.board.get(r.Context(), id)
	if err != nil || !who.maySee(e) {
		c.logRefused(r, who, refusedCommand, "", id, "it is not theirs to see, or does not exist")
		c.metrics.refused.WithLabelValues(refusedRole).Inc()
		return o, &refused{http.StatusNotFound, errNotFound.Error()}
	}
	o = take(e)
	if !who.maySend(e.Status.Connection, o.needs()) {
		c.logRefused(r, who, refusedCommand, o.Value, e.ID, "the role does not allow it")
		c.metrics.refused.WithLabelValues(refusedRole).Inc()
		why := fmt.Sprintf("the roles of %s do not allow %s on %s", who.Name, o.Name, e.Status.Connection)
		return o, &refused{http.StatusForbidden, why}
	}
	if err := o.Command.Validate(); err != nil {
		return o, &refused{http.StatusBadRequest, strings.Join(cli.AsProblem(cli.InputProblem(err)).Problems, "; ")}
	}
	return o, nil
}

// notConfirmed is said of a command that was sent, and whose effect is not known yet.
const notConfirmed = "Sent. The workflow has not confirmed it yet"

// carryOut sends a command that was let pass, and logs what came of it.
func (c *Console) carryOut(r *http.Request, who access, o order) (string, error) {
	text, err := c.send(r.Context(), who.Person, o)
	if slices.Contains(workflows.CommandNames(), o.Name) { // else somebody made it up
		c.metrics.commands.WithLabelValues(o.Name, strconv.FormatBool(err == nil)).Inc()
	}
	line := []any{"command", view.Clip(o.Value, maxLogged), "workflow", o.ID, "step", view.Clip(o.Command.Step, maxLogged),
		"by", who.Name, "from", r.RemoteAddr, "ok", err == nil, "answer", text}
	if err != nil {
		c.Log.Warn("a command had no effect", append(line, "why", err)...)
	} else {
		c.Log.Info("a command", line...)
	}
	return text, err
}

// isRefusal reports whether a command is known to have had no effect.
func isRefusal(err error) bool {
	var p *cli.Problem
	return errors.As(err, &p) && p.Code == cli.ExitUsage
}

func (c *Console) serveCommand(w http.ResponseWriter, r *http.Request, who access) {
	r.Body = http.MaxBytesReader(w, r.Body, maxForm)
	if err := r.ParseForm(); err != nil {
		c.logRefused(r, who, refusedCommand, "", r.PathValue("id"), "the form could not be read: "+err.Error())
		c.refuse(w, http.StatusBadRequest, "The form could not be read, so nothing was done: "+err.Error())
		return
	}
	o, no := c.admit(r, who, r.PathValue("id"), func(e entry) order { return newOrder(e, r.PostForm, who) })
	switch {
	case no != nil && no.code == http.StatusBadRequest:
		c.logRefused(r, who, refusedCommand, o.Value, o.ID, no.why)
		c.answer(w, r, o, outcome{Text: "Nothing was done. " + sentence(errors.New(inFields(no.why)))})
		return
	case no != nil:
		c.refuseOrder(w, no)
		return
	case wording(o.Value, "", nil).Dangerous && !o.Confirmed:
		c.confirm(w, r, who, o)
		return
	}
	text, err := c.carryOut(r, who, o)
	result := outcome{OK: err == nil, Text: text}
	switch {
	case text == notConfirmed:
		result.Text += "; this page shows when it has."
	case isRefusal(err):
		result.Text = "Nothing was done. " + sentence(err)
	case err != nil:
		result.Text = "Nothing was done, or it is not known: " + sentence(err)
	}
	c.answer(w, r, o, result)
}

// refuseOrder is the page of a command that was not let pass.
func (c *Console) refuseOrder(w http.ResponseWriter, no *refused) {
	why := no.why
	if no.code == http.StatusForbidden {
		why = sentence(errors.New(no.why + ", so nothing was done"))
	}
	c.refuse(w, no.code, why)
}

// serveConfirm asks about a dangerous command at once: a link leads to it, without a reason typed before.
func (c *Console) serveConfirm(w http.ResponseWriter, r *http.Request, who access) {
	o, no := c.admit(r, who, r.PathValue("id"), func(e entry) order { return newOrder(e, r.URL.Query(), who) })
	switch {
	case no != nil && no.code != http.StatusBadRequest: // the reason is still to come
		c.refuseOrder(w, no)
	case !wording(o.Value, "", nil).Dangerous:
		http.Redirect(w, r, "/w/"+o.ID, http.StatusSeeOther)
	case !o.applies():
		c.answer(w, r, o, outcome{Text: "Nothing was done: " + wording(o.Value, "", nil).Text +
			" does not apply any longer."})
	default:
		c.confirm(w, r, who, o)
	}
}

func newOrder(e entry, form url.Values, who access) order {
	o := order{entry: e, Value: form.Get("value"), Back: "/w/" + e.ID, Confirmed: form.Get("confirmed") == "yes"}
	if back := form.Get("back"); back == "/" || back == "/inbox" {
		o.Back = back
	}
	name, choice, _ := strings.Cut(o.Value, " ")
	o.Name = name
	o.Command = workflows.Command{By: who.Name, Why: strings.TrimSpace(form.Get("why")), Choice: choice}
	o.Step = form.Get("step")
	step := o.Step
	switch {
	case name == workflows.AgainCommand && step != "" && form.Get("only") == "yes":
		o.Command.Only = []string{step}
	case name == workflows.AgainCommand && step != "":
		o.Command.From = []string{step}
	case name != workflows.AgainCommand:
		o.Command.Step = step
	}
	if asked := form.Get("asked"); asked != "" {
		o.Command.Asked, _ = time.Parse(time.RFC3339Nano, asked) // zero is any question, and no form of ours has another
	}
	if choice == workflows.Adopt || name == workflows.DoneCommand {
		o.Command.RunID = strings.TrimSpace(form.Get("run_id"))
	}
	if name == workflows.ExtendCommand {
		o.Command.Until = strings.TrimSpace(form.Get("until"))
	}
	return o
}

// applies reports whether a dangerous command still applies, as far as the page knows.
func (o order) applies() bool {
	s := o.Status
	for _, step := range s.Steps {
		if step.ID == o.Step {
			return slices.Contains(step.Commands, o.Value)
		}
	}
	switch o.Name {
	case workflows.CancelCommand:
		return !s.State.Done()
	case workflows.AgainCommand:
		return o.closing() && s.State.Done()
	}
	return s.Question != nil && slices.Contains(s.Question.Choices, o.Value)
}

// needs is the command whose right is needed: to refuse an approval takes that of approving. Where it is not known what
// the steps are, it may be one.
func (o order) needs() string {
	if o.Name != workflows.DecideCommand || o.Command.Choice != workflows.GiveUp {
		return o.Name
	}
	for _, s := range o.Status.Steps {
		if o.mayMean(s) && s.Kind == string(pipeline.KindApprove) && !s.State.Done() {
			return workflows.ApproveCommand
		}
	}
	if o.Status.Type == "" {
		return workflows.ApproveCommand
	}
	return o.Name
}

// mayMean reports whether a command can be for a step: it names the step, or the one that it comes from with each, or none.
func (o order) mayMean(s workflows.StepStatus) bool {
	return o.Command.Step == "" || s.ID == o.Command.Step || s.Of == o.Command.Step
}

// audience are the workflows that take the command: the one that it is sent to, and those that it is forwarded to.
func (o order) audience() []string {
	ids := []string{o.ID}
	for _, s := range o.Status.Steps {
		if o.mayMean(s) && s.WorkflowID != "" && !s.State.Done() {
			ids = append(ids, s.WorkflowID)
		}
	}
	return ids
}

// send sends a command, and says what came of it.
func (c *Console) send(ctx context.Context, who Person, o order) (string, error) {
	if o.Name == workflows.AgainCommand && o.Status.State.Done() {
		return c.startAgain(ctx, who, o)
	}
	if !slices.Contains(workflows.CommandNames(), o.Name) {
		return "", cli.Usage("there is no command %q", o.Name)
	}
	if o.Name == workflows.ExtendCommand {
		if o.Command.Until == "" {
			return "", cli.Usage("the new deadline is missing: a time such as 06:30, or 90m")
		}
		at, err := o.Command.UntilAt(time.Now(), clock.In(o.Status.TimeZone).Zone())
		if err != nil {
			return "", cli.Usage("the new deadline %v", err)
		}
		o.Command.Until = at.Format(time.RFC3339)
	}
	if err := c.Sign.command(who, o.audience(), o.Name, &o.Command); err != nil {
		return "", err
	}
	// The command is sent to its end, also if the browser goes away.
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), effectTimeout)
	defer cancel()
	result, err := workflows.SendCommand(ctx, c.session.Temporal, o.ID, o.Name, o.Command)
	var accepted *temporalclient.AcceptedError
	switch {
	case errors.As(err, &accepted):
		return notConfirmed, nil
	case err != nil && ctx.Err() != nil:
		return "", fmt.Errorf("no worker has taken it within %s: look at the status before you send it again", spell(effectTimeout))
	case err != nil:
		return "", c.session.CommandProblem(ctx, o.ID, o.Name, err)
	}
	if o.Command.Step != "" && !strings.HasPrefix(result.Message, o.Command.Step) {
		result.Message = o.Command.Step + ": " + result.Message
	}
	if strings.HasPrefix(result.Message, "is ") {
		result.Message = cmp.Or(o.Status.Subject, o.ID) + " " + result.Message
	}
	return result.Message, nil
}

// startAgain starts a close again that has ended.
func (c *Console) startAgain(ctx context.Context, who Person, o order) (string, error) {
	in, err := workflows.InputOf(ctx, c.session.Temporal, o.ID)
	if err != nil {
		return "", fmt.Errorf("with what %s was started is not known: %w", o.ID, err)
	}
	in.StartedBy = who.Name
	in.Again = &workflows.AgainInput{From: o.Command.From, Only: o.Command.Only, Reason: o.Command.Why}
	if err := c.Sign.start(who, &in); err != nil {
		return "", err
	}
	run, err := workflows.Start(ctx, c.session.Temporal, in, workflows.StartOptions{
		TaskQueue: c.session.TaskQueue, By: who.Name, With: "console",
	})
	switch {
	case err != nil:
		return "", err
	case !run.Started:
		return "", cli.Usage("it is running already")
	}
	return "It is started again.", nil
}

// plan is what becomes of a step when a close runs again.
type plan struct {
	Step, What string
	Again      bool
}

type confirmation struct {
	order

	Of       string // the close that it is about
	Look     look   // how it stands
	Facts    []string
	Button   button
	Effect   string
	Runs     string // the steps that run now
	Plan     []plan
	Question string
	Stopped  string // why it would have no effect now
}

// running are the steps that run or wait now.
func running(s workflows.Status) string {
	var ids []string
	for _, step := range s.Steps {
		if step.State != workflows.Pending && !step.State.Done() {
			ids = append(ids, step.ID)
		}
	}
	return strings.Join(ids, ", ")
}

// factsOf is what somebody should know of a workflow who came to the page by a link.
func factsOf(o order, now time.Time) (facts []string) {
	s, times := o.Status, timesOf(o.entry)
	if text := why(s); text != "" {
		facts = append(facts, text)
	}
	if s.StartedBy != "" {
		facts = append(facts, "started by "+s.StartedBy+" at "+times.TextAt(now, s.StartedAt))
	}
	if !s.Deadline.IsZero() && !s.State.Done() {
		facts = append(facts, "deadline "+times.TextAt(now, s.Deadline))
	}
	return facts
}

// confirm says what a dangerous command will do, and asks once more.
func (c *Console) confirm(w http.ResponseWriter, r *http.Request, who access, o order) {
	p := c.newPage("/w/"+o.ID, who, time.Now())
	subject := cmp.Or(o.Step, o.Status.Subject)
	v := confirmation{
		order: o, Button: o.about(wording(o.Value, subject, nil), o.Step), Stopped: p.Health.stopped(o.entry),
	}
	v.Of = strings.Join(nonEmpty(cmp.Or(o.Status.Subject, o.ID), of(o.Status.Connection, o.Status.AsOfDate)), " · ")
	v.Look, v.Facts = lookOf(o.Status.State), factsOf(o, time.Now())
	v.Effect = v.Button.Effect
	if o.Name == workflows.CancelCommand {
		v.Runs = running(o.Status)
	}
	for _, s := range o.Status.Steps {
		if s.ID == o.Command.Step && s.Question != nil {
			v.Question = inButtons(s.Question.Why)
		}
	}
	if v.Question == "" && o.Status.Question != nil {
		v.Question = inButtons(o.Status.Question.Why)
	}
	if o.Name == workflows.AgainCommand {
		in := workflows.AgainInput{From: o.Command.From, Only: o.Command.Only}
		chosen, err := in.Chosen(o.Status.Steps)
		if err != nil {
			c.logRefused(r, who, refusedCommand, o.Value, o.ID, err.Error())
			c.answer(w, r, o, outcome{Text: "Nothing was done. " + sentence(err)})
			return
		}
		v.Question = ""
		for _, s := range o.Status.Steps {
			again := slices.Contains(chosen, s.ID)
			v.Plan = append(v.Plan, plan{s.ID, view.Outlook(s, again, len(in.Only) > 0), again})
		}
	}
	p.Title = v.Button.Text
	if err := cmp.Or(p.add("trouble", "trouble", p.Health.Troubles), p.add("confirm", "confirm", v)); err != nil {
		c.refusePage(w, err)
		return
	}
	c.render(w, http.StatusOK, p)
}

// answer sends the browser to the page that the form came from, where it sees what came of its command.
func (c *Console) answer(w http.ResponseWriter, r *http.Request, o order, result outcome) {
	if !result.OK && o.Command.Why != "" {
		result.Text += fmt.Sprintf(" Your reason was: %q.", o.Command.Why)
	}
	leaveOutcome(w, result)
	http.Redirect(w, r, o.Back, http.StatusSeeOther)
}

// sentence is an error as a sentence of a page, with what can be done.
func sentence(err error) string {
	text := err.Error()
	if p := (*cli.Problem)(nil); errors.As(err, &p) && len(p.Problems) > 0 {
		text = strings.Join(p.Problems, "; ")
	}
	text = strings.TrimRight(strings.ReplaceAll(inButtons(text), "\n", "; "), ". ")
	if text == "" {
		return ""
	}
	first, size := utf8.DecodeRuneInString(text)
	return string(unicode.ToUpper(first)) + text[size:] + "."
}
