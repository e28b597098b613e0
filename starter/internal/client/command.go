package client

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"go.temporal.io/sdk/temporal"

	"github.com/pbsmflow/pbsmflow/internal/temporalclient"
	"github.com/pbsmflow/pbsmflow/starter/internal/cli"
	"github.com/pbsmflow/pbsmflow/starter/internal/login"
	"github.com/pbsmflow/pbsmflow/workflows"
)

// SendCommand sends a command and returns its result once it took effect.
func (s *Session) SendCommand(
	ctx context.Context, id, name string, command workflows.Command,
) (workflows.CommandResult, error) {
	if s.Console != "" {
		return s.sendThroughConsole(ctx, id, name, command)
	}
	note := time.AfterFunc(temporalclient.AnswerTimeout, func() { s.noteWaiting(ctx, id) })
	defer note.Stop()
	result, err := workflows.SendCommand(ctx, s.Temporal, id, name, command)
	if err != nil {
		return result, s.CommandProblem(ctx, id, name, err)
	}
	return result, nil
}

// noteWaiting says what a command waits for.
func (s *Session) noteWaiting(ctx context.Context, id string) {
	run, err := s.Describe(ctx, id)
	if err == nil && s.NoteIdle(ctx, run) {
		return
	}
	_, err = s.Status(ctx, id) // Temporal still counts workers that died a moment ago
	switch {
	case ctx.Err() != nil:
	case NoWorkerAnswered(err):
		s.Note("No worker answers. The command takes effect once one does, if this is still waiting then. %s", StartWorker)
	default:
		s.Note("Waiting until the service has confirmed it. Ctrl-C ends the waiting, not the command.")
	}
}

// ConsoleOf is the console through which the starter sends its commands.
func ConsoleOf(f *cli.Factory) (*login.Console, error) {
	if f.Console == "" {
		return nil, cli.Usage("which console? --console URL, or console.url with console.for_starter in the configuration")
	}
	file, err := login.DefaultFile()
	if err != nil {
		return nil, cli.Usage("%v", err)
	}
	c, err := login.New(f.Console, file)
	if err != nil {
		return nil, cli.Usage("%v", err)
	}
	return c, nil
}

// signed has the console sign the start of a close, where the starter sends its commands through one.
func (s *Session) signed(ctx context.Context, in workflows.Input) (workflows.Input, error) {
	start, ok := in.(workflows.NightlyCloseInput)
	if s.Console == "" || !ok {
		return in, nil
	}
	console, err := ConsoleOf(s.Factory)
	if err != nil {
		return nil, err
	}
	start, err = console.Sign(ctx, start)
	var refused *login.Refused
	switch {
	case errors.As(err, &refused):
		return nil, cli.Usage("%s", refused.Why).Of(start.WorkflowID())
	case errors.Is(err, login.ErrLoggedOut):
		return nil, s.loggedOut(err, start.WorkflowID())
	case err != nil:
		return nil, cli.NewProblem(cli.ExitUnreachable, "nothing was started, because the console does not answer: %v", err)
	}
	return start, nil
}

func (s *Session) loggedOut(err error, id string) error {
	return cli.Usage("%v", err).Of(id).Then("Log in: " + s.Starter("login --console "+s.Console))
}

// sendThroughConsole sends a command in the name of who is logged in at the console.
func (s *Session) sendThroughConsole(
	ctx context.Context, id, name string, command workflows.Command,
) (workflows.CommandResult, error) {
	console, err := ConsoleOf(s.Factory)
	if err != nil {
		return workflows.CommandResult{}, err
	}
	message, err := console.Send(ctx, id, name, command)
	var refused *login.Refused
	switch {
	case err == nil:
		return workflows.CommandResult{Message: message}, nil
	case errors.As(err, &refused):
		return workflows.CommandResult{}, cli.Usage("%s", refused.Why).Of(id).Then("See its status: " + s.Starter("status "+id))
	case errors.Is(err, login.ErrLoggedOut):
		return workflows.CommandResult{}, s.loggedOut(err, id)
	case errors.Is(err, login.ErrNotConfirmed):
		return workflows.CommandResult{}, cli.NewProblem(cli.ExitUnreachable, "%s was sent, but %v", name, err).Of(id).
			Then("See its status: " + s.Starter("status "+id))
	}
	return workflows.CommandResult{}, cli.NewProblem(cli.ExitUnreachable, "the console does not answer, and it is not known "+
		"whether the %s arrived: %v", name, err).Of(id).
		Then("See its status before you send it again: " + s.Starter("status "+id))
}

// endedFirst is the type of Temporal's error about an update whose workflow ended before it was answered.
const endedFirst = "AcceptedUpdateCompletedWorkflow"

// CommandProblem says why a command had no effect, or that its effect is unknown.
func (s *Session) CommandProblem(ctx context.Context, id, name string, err error) error {
	seeStatus := "See its status: " + s.Starter("status "+id)
	var refused *temporal.ApplicationError
	switch {
	case errors.As(err, &refused) && refused.Type() == endedFirst:
		return s.HasEnded(ctx, id)
	case errors.As(err, &refused) && refused.Type() != workflows.CommandRefused:
		return s.takesNoCommand(ctx, id, name, refused)
	case errors.As(err, &refused):
		return cli.Usage("%s", refused.Message()).Of(id).Then(seeStatus)
	case ctx.Err() != nil:
		return cli.NewProblem(cli.ExitInterrupted, "the %s was sent; its effect was not waited for", name).
			Of(id).Then(seeStatus)
	case NotFound(err):
		return s.HasEnded(ctx, id)
	case temporalclient.Unavailable(err):
		return cli.NewProblem(cli.ExitUnreachable, "Temporal does not answer (%s): it is not known whether the %s arrived, "+
			"it may be in effect", temporalclient.Reason(err), name).Of(id).
			Then("See its status before you send it again: "+s.Starter("status "+id), temporalclient.WhatToCheck)
	}
	return fmt.Errorf("%s %s: %w", name, id, err)
}

// takesNoCommand is the problem of a workflow that does not know a command.
func (s *Session) takesNoCommand(ctx context.Context, id, name string, refused *temporal.ApplicationError) error {
	run, err := s.Describe(ctx, id)
	if err == nil {
		err = Known(run)
	}
	if err != nil {
		return err
	}
	p := cli.Usage("%s", refused.Message()).Of(id).Then("See its status: " + s.Starter("status "+id))
	if t, _ := workflows.TypeByName(run.Type); !t.TakesCommands {
		p.Message = fmt.Sprintf("it is a %s workflow, which takes no %s; any workflow can be cancelled", run.Type, name)
	}
	return p
}

// UnknownChoice refuses a decide without a known choice, and names those that the workflow takes now, or
// all that there are where no worker answers.
func UnknownChoice(ctx context.Context, f *cli.Factory, id string, command workflows.Command) error {
	wrong := "--choice is missing"
	if command.Choice != "" {
		wrong = fmt.Sprintf("--choice %q is unknown", command.Choice)
	}
	ctx, cancel := context.WithTimeout(ctx, temporalclient.AnswerTimeout)
	defer cancel()
	known := "one of " + strings.Join(workflows.ChoiceNames(), ", ")
	if s, err := Connect(ctx, f); err == nil {
		defer s.Close()
		if status, err := s.Status(ctx, id); err == nil {
			known = openChoices(status, command.Step)
		}
	}
	return cli.Usage("%s: %s", wrong, known)
}

// openChoices says which choices apply now: for each step with a question, or for the one that is named.
func openChoices(status workflows.Status, step string) string {
	var open []string
	for _, s := range status.Steps {
		if choices := choicesOf(s.Question); len(choices) > 0 && (step == "" || s.ID == step) {
			open = append(open, fmt.Sprintf("step %s takes %s", s.ID, strings.Join(choices, ", ")))
		}
	}
	if choices := choicesOf(status.Question); len(choices) > 0 && len(status.Steps) == 0 {
		open = append(open, "it takes "+strings.Join(choices, ", "))
	}
	switch {
	case len(open) > 0:
		return strings.Join(open, "; ")
	case step != "":
		return fmt.Sprintf("no step %q waits for a decision now", step)
	}
	return "nothing waits for a decision now"
}

func choicesOf(q *workflows.Question) (choices []string) {
	if q == nil {
		return nil
	}
	for _, c := range q.Choices {
		if choice, ok := strings.CutPrefix(c, workflows.DecideCommand+" "); ok {
			choices = append(choices, choice)
		}
	}
	return choices
}
