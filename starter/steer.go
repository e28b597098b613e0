package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"
	enumspb "go.temporal.io/api/enums/v1"
	"go.temporal.io/api/serviceerror"
	"go.temporal.io/sdk/temporal"

	"github.com/pbsmflow/pbsmflow/internal/temporalclient"
	"github.com/pbsmflow/pbsmflow/workflows"
)

// steeringCommands are the commands that steer a close or a batch.
func steeringCommands(a *app, noun string) []*cobra.Command {
	commands := []*cobra.Command{newStatusCommand(a, noun), newCancelCommand(a, noun)}
	for _, spec := range workflows.Commands() {
		if !spec.CloseOnly || noun == "close" {
			commands = append(commands, newSteeringCommand(a, noun, spec))
		}
	}
	return commands
}

func exampleID(noun string) string {
	if noun == "batch" {
		return workflows.BatchWorkflowID("prod", "PBSM_ALLOC", "2026-10-31", "")
	}
	return workflows.CloseWorkflowID("prod", "nightly-close", "2026-10-31")
}

func newSteeringCommand(a *app, noun string, spec workflows.CommandSpec) *cobra.Command {
	var command workflows.Command
	cmd := &cobra.Command{
		Use:     spec.Name + " ID",
		Short:   spec.Help,
		Long:    longHelp(spec),
		Args:    oneArg("workflow id"),
		Example: steeringExample(noun, spec.Name),
		RunE: func(cmd *cobra.Command, args []string) error {
			if spec.HasChoice {
				if err := checkChoice(command); err != nil {
					return err
				}
				if !slices.Contains(workflows.ChoiceNames(), command.Choice) {
					return a.unknownChoice(cmd.Context(), args[0], command)
				}
			}
			return a.steer(cmd.Context(), args[0], spec.Name, command)
		},
	}
	flags := cmd.Flags()
	flags.StringVar(&command.By, "by", person(), "`who` sends it")
	flags.StringVarP(&command.Why, "reason", "r", "", "`why`; it is kept in the result")
	if noun == "close" {
		flags.StringVar(&command.Step, "step", "", "the `step` that is meant, where several could be")
	}
	if spec.HasChoice {
		flags.StringVar(&command.Choice, "choice", "", "the `choice`: "+strings.Join(workflows.ChoiceNames(), ", "))
		flags.StringVar(&command.RunID, "run-id", "", "the `run` to adopt")
		_ = cmd.RegisterFlagCompletionFunc("choice", cobra.FixedCompletions(workflows.ChoiceNames(), cobra.ShellCompDirectiveNoFileComp))
	}
	return cmd
}

func longHelp(spec workflows.CommandSpec) string {
	text := spec.Help + "."
	if spec.Details != "" {
		text += " " + spec.Details
	}
	if !spec.HasChoice {
		return text
	}
	text += " starter status ID shows the question and which choices apply:"
	for _, c := range workflows.Choices() {
		text += fmt.Sprintf("\n  %-15s  %s", c.Name, c.Help)
	}
	return text
}

// steeringExample is harmless where it is copied in a hurry: none posts again what may be running.
func steeringExample(noun, name string) string {
	example := map[string]struct{ step, rest string }{
		workflows.InterruptCommand: {"allocate", `--reason "wrong rates loaded"`},
		workflows.RestartCommand:   {"allocate", `--reason "table space was full"`},
		workflows.RerunCommand:     {"allocate", `--reason "rates were corrected"`},
		workflows.DecideCommand:    {"ledger", `--choice retry --reason "the file came late"`},
		workflows.ApproveCommand:   {"sign-off", `--reason "the figures agree"`},
	}[name]
	if noun == "close" {
		return fmt.Sprintf("  starter close %s %s --step %s %s", name, exampleID(noun), example.step, example.rest)
	}
	if name == workflows.DecideCommand {
		example.rest = `--choice retry --reason "mended on the service's screens"`
	}
	return fmt.Sprintf("  starter batch %s %s %s", name, exampleID(noun), example.rest)
}

func checkChoice(command workflows.Command) error {
	switch {
	case command.Choice == workflows.Adopt && command.RunID == "":
		return usage("--choice adopt needs the run to follow: --run-id RUN_ID")
	case command.Choice != workflows.Adopt && command.RunID != "":
		return usage("--run-id belongs to --choice adopt")
	}
	return nil
}

// unknownChoice refuses a decide without a word that there is, and names those that the job takes
// now, or all that there are where nobody tells.
func (a *app) unknownChoice(ctx context.Context, id string, asked workflows.Command) *problem {
	fault := "--choice is missing"
	if asked.Choice != "" {
		fault = fmt.Sprintf("--choice %q is unknown", asked.Choice)
	}
	ctx, cancel := context.WithTimeout(ctx, askTimeout)
	defer cancel()
	known := "one of " + strings.Join(workflows.ChoiceNames(), ", ")
	if s, err := a.connect(ctx); err == nil {
		defer s.close()
		if status, err := s.status(ctx, id); err == nil {
			known = decisions(status, asked.Step)
		}
	}
	return usage("%s: %s", fault, known)
}

// decisions says which words of a decide a job takes now: for each step that asks for one, or for
// the one that is named.
func decisions(status workflows.Status, step string) string {
	var takes []string
	for _, s := range status.Steps {
		if words := decideWords(s.Question); len(words) > 0 && (step == "" || s.ID == step) {
			takes = append(takes, fmt.Sprintf("step %s takes %s", s.ID, strings.Join(words, ", ")))
		}
	}
	if words := decideWords(status.Question); len(words) > 0 && len(status.Steps) == 0 {
		takes = append(takes, "it takes "+strings.Join(words, ", "))
	}
	switch {
	case len(takes) > 0:
		return strings.Join(takes, "; ")
	case step != "":
		return fmt.Sprintf("no step %q waits for a decision now", step)
	}
	return "nothing waits for a decision now"
}

func decideWords(asks *workflows.Question) (words []string) {
	if asks == nil {
		return nil
	}
	for _, choice := range asks.Choices {
		if word, ok := strings.CutPrefix(choice, workflows.DecideCommand+" "); ok {
			words = append(words, word)
		}
	}
	return words
}

type steeredDocument struct {
	WorkflowID string `json:"workflow_id"`
	workflows.CommandResult
}

// steer sends an update and shows the answer, which comes when it took effect.
func (a *app) steer(ctx context.Context, id, name string, asked workflows.Command) error {
	s, err := a.connect(ctx)
	if err != nil {
		return err
	}
	defer s.close()
	patience := time.AfterFunc(askTimeout, func() {
		run, err := s.describe(ctx, id)
		if err == nil && s.noteIdle(ctx, run.TaskQueue) {
			return
		}
		s.note("Waiting until the service has confirmed it. Ctrl-C ends the waiting, not the request.")
	})
	defer patience.Stop()
	answer, err := workflows.SendCommand(ctx, s.client, id, name, asked)
	if err != nil {
		return s.unsteered(ctx, id, name, err)
	}
	if a.json() {
		a.printJSON(steeredDocument{WorkflowID: id, CommandResult: answer})
		return nil
	}
	a.print(fmt.Sprintf("%s: %s", id, answer.Message), "Follow it: starter status "+id+" --follow")
	return nil
}

// unsteered says why a request had no effect, or that it is not known whether it has.
func (s *session) unsteered(ctx context.Context, id, name string, err error) error {
	var refused *temporal.ApplicationError
	switch {
	case errors.As(err, &refused) && refused.Type() != workflows.Refused:
		return s.takesNoWord(ctx, id, name, refused)
	case errors.As(err, &refused):
		return &problem{code: exitUsage, id: id, message: refused.Message(), next: []string{"See how it stands: starter status " + id}}
	case ctx.Err() != nil:
		return &problem{code: exitInterrupted, id: id, message: "the " + name + " was sent; its effect was not waited for", next: []string{"See how it stands: starter status " + id}}
	case notFound(err):
		return s.missing(ctx, id)
	case temporalclient.Unavailable(err):
		return &problem{
			code: exitUnreachable, id: id, message: fmt.Sprintf("Temporal does not answer (%s): it is not known whether the %s arrived, it may be in effect", temporalclient.Reason(err), name),
			next: []string{"See how it stands before it is sent again: starter status " + id, temporalclient.WhatToCheck},
		}
	}
	return fmt.Errorf("%s %s: %w", name, id, err)
}

// takesNoWord says of a workflow that does not know a request what it is.
func (s *session) takesNoWord(ctx context.Context, id, name string, refused *temporal.ApplicationError) error {
	run, err := s.describe(ctx, id)
	if err != nil {
		return err
	}
	p := &problem{code: exitUsage, id: id, message: refused.Message(), next: []string{"See how it stands: starter status " + id}}
	switch known, ok := workflows.TypeByName(run.Type); {
	case !ok:
		return foreign(run)
	case !known.TakesCommands:
		p.message = fmt.Sprintf("it is of type %s, and only a close or a batch takes %s; any workflow can be cancelled", run.Type, name)
	}
	return p
}

func notFound(err error) bool {
	var missing *serviceerror.NotFound
	return errors.As(err, &missing)
}

// missing says what is known of a workflow that is not running.
func (s *session) missing(ctx context.Context, id string) error {
	run, err := s.describe(ctx, id)
	if err != nil {
		return err
	}
	return &problem{
		code: exitUsage, id: id,
		message: fmt.Sprintf("it is over (%s, %s)", lower(run.Status), run.EndedAt.Local().Format("Mon 2006-01-02 15:04:05")),
		next:    []string{"See how it ended: starter status " + id},
	}
}

func lower(status enumspb.WorkflowExecutionStatus) string { return strings.ToLower(status.String()) }

func (s *session) describe(ctx context.Context, id string) (workflows.Execution, error) {
	run, err := workflows.Describe(ctx, s.client, id)
	if notFound(err) {
		return run, &problem{
			code: exitUsage, id: id, message: fmt.Sprintf("no workflow has this id in namespace %s", s.namespace),
			next: []string{"Ids look like " + exampleID("close") + " and " + exampleID("batch")},
		}
	}
	run.TaskQueue = cmp.Or(run.TaskQueue, s.taskQueue)
	return run, err
}

func newStatusCommand(a *app, noun string) *cobra.Command {
	var follow, wait bool
	cmd := &cobra.Command{
		Use: "status ID", Short: "Show how a job stands, or follow it", Args: oneArg("workflow id"),
		Long: `Show how a job stands. The exit code says it too: 0 while it runs well and when it
is done, 1 failed, 3 waits for an operator, 4 interrupted or cancelled, 5 not known, as no
worker or no Temporal answers, or what they answer cannot be read here.`,
		Example: strings.ReplaceAll(fmt.Sprintf("  starter %s status %s --follow", noun, exampleID(noun)), "  status", " status"),
		RunE: func(cmd *cobra.Command, args []string) error {
			return a.status(cmd.Context(), args[0], follow, wait)
		},
	}
	cmd.Flags().BoolVarP(&follow, "follow", "f", false, "follow it to its end")
	cmd.Flags().BoolVar(&wait, "wait", false, "with --follow: keep following while a person is asked")
	return cmd
}

func (a *app) status(ctx context.Context, id string, follow, wait bool) error {
	s, err := a.connect(ctx)
	if err != nil {
		return err
	}
	defer s.close()
	run, err := s.describe(ctx, id)
	if err != nil {
		return err
	}
	result := workflows.NewResult(run.Type)
	switch {
	case result == nil:
		return foreign(run)
	case !run.Running():
		if err := s.ending(run, s.await(ctx, run, result)); err != nil {
			return err
		}
		s.showResult(result)
		return nil
	case follow:
		s.announce(run)
		return s.follow(ctx, run, wait)
	}
	return s.snapshot(ctx, run)
}

// foreign refuses a workflow of another program.
func foreign(run workflows.Execution) error {
	return usage("%s is a workflow of type %s, which is none of ours", run.ID, run.Type)
}

// snapshot shows a running job once.
func (s *session) snapshot(ctx context.Context, run workflows.Execution) error {
	w := &watch{session: s, run: run, heard: run.StartedAt}
	w.look(ctx)
	job := w.last
	if job.Status.Type == "" {
		return s.untold(ctx, run, w.silent)
	}
	waiting := job.Status.State == workflows.Waiting
	if s.json() {
		document := waitingDocument{WorkflowID: run.ID, Status: job.Status, Asks: s.asks(job), Notes: job.Notes}
		if !waiting {
			s.printJSON(document)
			return nil
		}
		return &problem{code: exitWaiting, document: document}
	}
	s.print(s.style.Snapshot(job, s.width())...)
	if link := s.link(run.ID); link != "" {
		s.print("", link)
	}
	if waiting {
		return &problem{code: exitWaiting, shown: true}
	}
	return nil
}

func newCancelCommand(a *app, noun string) *cobra.Command {
	var detach bool
	cmd := &cobra.Command{
		Use: "cancel ID", Short: "Cancel a job; a remote run that goes on is interrupted", Args: oneArg("workflow id"),
		Long: `Cancel a job. A remote run that goes on is interrupted, and its stop awaited; one that is
over is left alone. The exit code is 0 when the job is over, however it ended.`,
		Example: strings.ReplaceAll(fmt.Sprintf("  starter %s cancel %s", noun, exampleID(noun)), "  cancel", " cancel"),
		RunE: func(cmd *cobra.Command, args []string) error {
			return a.cancel(cmd.Context(), args[0], detach)
		},
	}
	cmd.Flags().BoolVar(&detach, "detach", false, "do not wait until it is over")
	return cmd
}

func (a *app) cancel(ctx context.Context, id string, detach bool) error {
	s, err := a.connect(ctx)
	if err != nil {
		return err
	}
	defer s.close()
	return s.cancel(ctx, id, detach)
}

func (s *session) cancel(ctx context.Context, id string, detach bool) error {
	run, err := s.describe(ctx, id)
	switch {
	case err != nil:
		return err
	case !run.Running():
		return s.missing(ctx, id)
	case workflows.NewResult(run.Type) == nil:
		return foreign(run)
	}
	switch err := s.client.CancelWorkflow(ctx, id, run.RunID); {
	case notFound(err):
		return s.missing(ctx, id)
	case err != nil:
		return fmt.Errorf("cancel %s: %w", id, err)
	case detach:
		s.detached(ctx, run, "The cancel was sent. See how it stands: starter status "+id)
		return nil
	}
	err = s.cancelled(s.follow(ctx, run, true))
	if p := (*problem)(nil); ctx.Err() != nil && errors.As(err, &p) && !p.over {
		p.message, p.next = "the cancel was sent; its end was not waited for", []string{"See how it stands: starter status " + id}
	}
	return err
}

// cancelled turns the end of a job that was to be cancelled into success.
func (s *session) cancelled(err error) error {
	var p *problem
	if !errors.As(err, &p) || !p.over {
		return err
	}
	if s.json() {
		p.next = s.completeAll(p.next)
		s.printJSON(problemJSON(p))
		return nil
	}
	s.print(s.style.Result(p.result, s.width())...)
	s.print(errorLine(p))
	return nil
}
