package workflows

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"go.temporal.io/sdk/converter"
	"go.temporal.io/sdk/workflow"

	"github.com/pbsmflow/pbsmflow/internal/audit"
)

// CommandRefused is the type of the error that a command gets which does not apply, or may not be sent.
const CommandRefused = "CommandRefused"

// command is a Command that a workflow has received, and the answer to it.
type command struct {
	name string
	Command
	proved *bool     // whether By is proved; nil where no name can be
	groups []string  // the proved ones
	asked  time.Time // when the question was asked that it answers; zero: it answers none
	done   bool
	answer CommandResult
	err    error
}

// unanswered is the command once more, from the same person, for somebody else to answer.
func (c *command) unanswered() *command {
	other := *c
	other.done, other.answer, other.err = false, CommandResult{}, nil
	return &other
}

// choice is how a command is named among the choices of a question: "restart", "decide adopt".
func (c *command) choice() string {
	if c.name == DecideCommand && c.Choice != "" {
		return DecideCommand + " " + c.Choice
	}
	return c.name
}

// label is choice, with the step that a command of a close names.
func (c *command) label() string {
	if c.Step != "" {
		return c.Step + ": " + c.choice()
	}
	return c.choice()
}

// The methods below accept nil, for what a workflow does without a command.

func (c *command) reply(answer CommandResult) {
	if c != nil {
		c.answer, c.done = answer, true
	}
}

func (c *command) refuse(format string, args ...any) {
	if c != nil {
		c.err, c.done = failure(CommandRefused, fmt.Sprintf(format, args...)), true
	}
}

// entry is a log entry about something that the command led to.
func (c *command) entry(what string) LogEntry {
	if c == nil {
		return LogEntry{What: what}
	}
	entry := LogEntry{What: what, By: c.By, Why: c.Why, Proved: c.proved, Event: audit.Command}
	if !c.asked.IsZero() {
		entry.Event, entry.Since = audit.Answered, c.asked
	}
	return entry
}

// refusal is a log entry about a command that had no effect.
func (c *command) refusal(what string, err error) LogEntry {
	entry := c.entry(what + " refused: " + reason(err))
	entry.Event = audit.Refused
	return entry
}

// commandInbox queues the commands that arrive, as signals or updates. One that does not apply is refused: an
// update gets the reason, and of both the log keeps it.
type commandInbox struct {
	queue []*command
	// applies says why a command cannot be taken now, or nil.
	applies func(*command) error
	// immediate are the commands that take effect at once, whatever the workflow is doing.
	immediate map[string]func(workflow.Context, *command)
	// answers takes a command at once, without the queue; nil: none.
	answers func(workflow.Context, *command) bool
	log     func(workflow.Context, LogEntry)
	proofs  proofs
}

func openCommandInbox(ctx workflow.Context, r *statusReporter, applies func(*command) error) (*commandInbox, error) {
	inbox := &commandInbox{log: r.log, applies: func(c *command) error {
		if !c.Asked.IsZero() && !r.status().isAsked(c.Asked) {
			return failure(CommandRefused, fmt.Sprintf("the question that %s answers is not open any more: read what is asked now", c.choice()))
		}
		return applies(c)
	}}
	inbox.immediate = map[string]func(workflow.Context, *command){CancelCommand: r.cancelBy, ExtendCommand: r.extend}
	for _, spec := range Commands() {
		inbox.receive(ctx, spec.Name, spec.Description())
		err := workflow.SetUpdateHandlerWithOptions(ctx, spec.Name,
			func(ctx workflow.Context, in Command) (CommandResult, error) {
				return inbox.execute(ctx, spec.Name, in)
			},
			workflow.UpdateHandlerOptions{
				Description: spec.Description(),
				Validator:   func(in Command) error { return in.Validate() },
			})
		if err != nil {
			return nil, err
		}
	}
	instead := "there is no such command; the commands are " + strings.Join(CommandNames(), ", ")
	refuseUnknownSignals(ctx, r, instead, append(CommandNames(), stepStateSignal)...)
	return inbox, nil
}

// receive queues the signals of a name.
func (i *commandInbox) receive(ctx workflow.Context, name, description string) {
	signals := workflow.GetSignalChannelWithOptions(ctx, name, workflow.SignalChannelOptions{Description: description})
	workflow.Go(ctx, func(ctx workflow.Context) {
		for {
			// The SDK drops a typed value that it cannot decode, without a trace, and decodes the next one on top of
			// what it has decoded so far.
			var raw converter.RawValue
			if !signals.Receive(ctx, &raw) {
				return
			}
			c := &command{name: name}
			if err := converter.GetDefaultDataConverter().FromPayload(raw.Payload(), &c.Command); err != nil {
				i.refuse(ctx, c, err)
				continue
			}
			i.put(ctx, c)
		}
	})
}

// put queues a command, or refuses it, once it is known who sent it.
func (i *commandInbox) put(ctx workflow.Context, c *command) {
	err := c.Validate()
	if err == nil {
		err = i.proofs.verify(ctx, c)
	}
	immediate := i.immediate[c.name]
	if err == nil && immediate == nil {
		err = i.applies(c)
	}
	if err != nil {
		i.refuse(ctx, c, err)
		return
	}
	if immediate != nil {
		if immediate(ctx, c); c.err != nil {
			i.refuse(ctx, c, c.err)
		}
		return
	}
	if i.answers != nil && i.answers(ctx, c) {
		return
	}
	i.queue = append(i.queue, c)
}

func (i *commandInbox) refuse(ctx workflow.Context, c *command, err error) {
	c.err, c.done = err, true
	i.log(ctx, c.refusal(c.label(), err))
}

// execute queues an update and waits for its answer.
func (i *commandInbox) execute(ctx workflow.Context, name string, in Command) (CommandResult, error) {
	c := &command{name: name, Command: in}
	i.put(ctx, c)
	if workflow.Await(ctx, func() bool { return c.done }) != nil {
		return CommandResult{}, failure(CommandRefused, fmt.Sprintf("the workflow is being cancelled and does not wait for %s to take effect", c.choice()))
	}
	return c.answer, c.err
}

// refuseUnknownSignals logs the signals that no handler receives, such as a misspelt command, and what there is
// instead.
func refuseUnknownSignals(ctx workflow.Context, r *statusReporter, instead string, known ...string) {
	workflow.Go(ctx, func(ctx workflow.Context) {
		for {
			var unknown []string
			err := workflow.Await(ctx, func() bool {
				unknown = slices.DeleteFunc(workflow.GetUnhandledSignalNames(ctx), func(name string) bool {
					return slices.Contains(known, name)
				})
				return len(unknown) > 0
			})
			if err != nil {
				return
			}
			slices.Sort(unknown) // they come from a map
			for _, name := range unknown {
				workflow.GetSignalChannel(ctx, name).ReceiveAsync(nil)
				r.log(ctx, LogEntry{What: fmt.Sprintf("signal %q refused: %s", name, instead), Event: audit.Refused})
			}
		}
	})
}

func (i *commandInbox) waiting() bool { return len(i.queue) > 0 }

// Next waits for a command that applies. It returns nil when the deadline passes first.
func (i *commandInbox) Next(ctx workflow.Context, until *deadline, summary string) (*command, error) {
	for {
		arrived, err := until.await(ctx, summary, i.waiting)
		if err != nil || !arrived {
			return nil, err
		}
		if c := i.take(ctx); c != nil {
			return c, nil
		}
	}
}

// take returns the oldest command that still applies, or nil. Those that no longer apply are refused.
func (i *commandInbox) take(ctx workflow.Context) *command {
	for len(i.queue) > 0 {
		c := i.queue[0]
		i.queue = i.queue[1:]
		err := i.applies(c)
		if err == nil {
			return c
		}
		i.refuse(ctx, c, err)
	}
	return nil
}

// close refuses what is still queued or being verified, and lets the update handlers answer before the workflow ends.
func (i *commandInbox) close(ctx workflow.Context, why string) {
	i.applies, i.immediate = func(*command) error { return failure(CommandRefused, why) }, nil
	i.take(ctx)
	ctx, _ = workflow.NewDisconnectedContext(ctx)
	_ = workflow.Await(ctx, func() bool { return i.proofs.allVerified() && workflow.AllHandlersFinished(ctx) })
}

// notApplicable returns an error for a command that is not among the choices.
func notApplicable(c *command, choices []string, situation string) error {
	if slices.Contains(choices, c.choice()) {
		return nil
	}
	return doesNotApply(c, choices, situation)
}

// doesNotApply refuses a command, and says what applies instead.
func doesNotApply(c *command, applies []string, situation string) error {
	what := "nothing"
	if len(applies) > 0 {
		what = strings.Join(applies, ", ")
	}
	return failure(CommandRefused, fmt.Sprintf("%s does not apply: %s. What applies: %s", c.choice(), situation, what))
}
