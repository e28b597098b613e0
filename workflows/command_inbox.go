package workflows

import (
	"fmt"
	"slices"
	"strings"

	"go.temporal.io/sdk/workflow"
)

// request is a signal or an update on its way: what is asked, and what came of it.
type request struct {
	name string
	Command
	done   bool
	answer CommandResult
	err    error
}

// choice is how a request is named among the choices of a status: "restart", "decide adopt".
func (r *request) choice() string {
	if r.name == DecideCommand {
		return DecideCommand + " " + r.Choice
	}
	return r.name
}

func (r *request) reply(answer CommandResult) { r.answer, r.done = answer, true }

func (r *request) refuse(format string, args ...any) {
	r.err, r.done = failure(Refused, fmt.Sprintf(format, args...)), true
}

// What the workflow does by itself has no request: the methods below take nil.

func (r *request) answered(answer CommandResult) {
	if r != nil {
		r.reply(answer)
	}
}

func (r *request) refused(err error) {
	if r != nil {
		r.refuse("%s", reason(err))
	}
}

func (r *request) by() string {
	if r == nil {
		return ""
	}
	return r.By
}

func (r *request) why() string {
	if r == nil {
		return ""
	}
	return r.Why
}

// Refused is the type of the error with which an update that does not apply is answered.
const Refused = "Refused"

// desk is where signals and updates arrive. One queue serves both: a signal that does
// not apply is logged and dropped, an update that does not is refused with the reason.
type desk struct {
	queue []*request
	// applies tells why a request cannot be taken now, or nil.
	applies func(*request) error
	// dropped is told of a signal that did not apply.
	dropped func(*request, error)
}

var steeringTexts = []struct{ name, text string }{
	{InterruptCommand, "Stop the remote run. It can be restarted or rerun afterwards."},
	{RestartCommand, "Continue a failed or interrupted run from the task that failed."},
	{RerunCommand, "Run a failed or interrupted run again from its first task."},
	{DecideCommand, "Answer what is asked: choice is adopt (with run_id), nothing_started, retry, skip or give_up."},
	{ApproveCommand, "Approve the step that waits for it. The approver is not the one who started the close."},
}

// inputOf shows the input of a signal or an update in the UI's dialog.
func inputOf(name string) string {
	if name == DecideCommand {
		return ` Input: {"by": "who", "why": "reason", "choice": "retry", "step": "of a close only"}`
	}
	return ` Input: {"by": "who", "why": "reason", "step": "of a close only"}`
}

func openDesk(ctx workflow.Context, applies func(*request) error, dropped func(*request, error)) (*desk, error) {
	d := &desk{applies: applies, dropped: dropped}
	for _, s := range steeringTexts {
		description := s.text + inputOf(s.name)
		d.receive(ctx, s.name, description)
		err := workflow.SetUpdateHandlerWithOptions(ctx, s.name, func(ctx workflow.Context, asked Command) (CommandResult, error) {
			r := &request{name: s.name, Command: asked}
			if err := d.applies(r); err != nil { // it may have changed since the validator looked
				return CommandResult{}, err
			}
			d.queue = append(d.queue, r)
			if workflow.Await(ctx, func() bool { return r.done }) != nil {
				return CommandResult{}, failure(Refused, fmt.Sprintf("the workflow is being cancelled: what comes of %s is not waited for", r.choice()))
			}
			return r.answer, r.err
		}, workflow.UpdateHandlerOptions{
			Description: description,
			Validator:   func(asked Command) error { return d.applies(&request{name: s.name, Command: asked}) },
		})
		if err != nil {
			return nil, err
		}
	}
	return d, nil
}

func (d *desk) receive(ctx workflow.Context, name, description string) {
	signals := workflow.GetSignalChannelWithOptions(ctx, name, workflow.SignalChannelOptions{Description: description})
	workflow.Go(ctx, func(ctx workflow.Context) {
		for {
			var asked Command
			if !signals.Receive(ctx, &asked) {
				return
			}
			r := &request{name: name, Command: asked}
			if err := d.applies(r); err != nil {
				d.dropped(r, err)
				continue
			}
			d.queue = append(d.queue, r)
		}
	})
}

func (d *desk) waiting() bool { return len(d.queue) > 0 }

// take gives the oldest request that still applies; those that no longer do are refused.
func (d *desk) take() *request {
	for len(d.queue) > 0 {
		r := d.queue[0]
		d.queue = d.queue[1:]
		err := d.applies(r)
		if err == nil {
			return r
		}
		r.err, r.done = err, true
		d.dropped(r, err)
	}
	return nil
}

// close refuses what is left and lets the handlers answer before the workflow ends.
func (d *desk) close(ctx workflow.Context, why string) {
	d.applies = func(*request) error { return failure(Refused, why) }
	d.take()
	ctx, _ = workflow.NewDisconnectedContext(ctx)
	_ = workflow.Await(ctx, func() bool { return workflow.AllHandlersFinished(ctx) })
}

// notApplicable refuses what is not among the choices.
func notApplicable(r *request, choices []string, situation string) error {
	if slices.Contains(choices, r.choice()) {
		return nil
	}
	what := "nothing"
	if len(choices) > 0 {
		what = strings.Join(choices, ", ")
	}
	return failure(Refused, fmt.Sprintf("%s does not apply: %s. What applies: %s", r.choice(), situation, what))
}
