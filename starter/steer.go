package main

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"
	enumspb "go.temporal.io/api/enums/v1"
	"go.temporal.io/api/serviceerror"
	workflowpb "go.temporal.io/api/workflow/v1"
	"go.temporal.io/sdk/client"
	"go.temporal.io/sdk/temporal"

	"github.com/pbsmflow/pbsmflow/internal/temporalclient"
	"github.com/pbsmflow/pbsmflow/workflows"
)

// steering are the requests that a close or a batch takes.
var steering = []struct{ name, short, long string }{
	{workflows.InterruptCommand, "Stop the remote run; it can be restarted or rerun afterwards",
		"Stop the remote run. The answer comes when the service says that it has stopped."},
	{workflows.RestartCommand, "Continue a failed or interrupted run from the task that failed", ""},
	{workflows.RerunCommand, "Run a failed or interrupted run again from its first task", ""},
	{workflows.DecideCommand, "Answer what the job asks", `Answer what the job asks. starter status ID shows the question and which choices apply:
  adopt            the posting did start, as the run in --run-id: follow that run
  nothing_started  you have seen on the service's screens that no run exists: post again
  retry            look again, or do the failed step again
  skip             go on without the failed step
  give_up          end as failed`},
	{workflows.ApproveCommand, "Approve a step that waits for it", "Approve a step that waits for it. The one who started the close cannot."},
}

// steeringCommands are the commands that steer a close or a batch.
func steeringCommands(a *app, noun string) []*cobra.Command {
	commands := []*cobra.Command{newStatusCommand(a, noun), newCancelCommand(a, noun)}
	for _, s := range steering {
		if s.name == workflows.ApproveCommand && noun != "close" {
			continue
		}
		commands = append(commands, newSteeringCommand(a, noun, s.name, s.short, s.long))
	}
	return commands
}

func exampleID(noun string) string {
	if noun == "batch" {
		return workflows.BatchWorkflowID("prod", "PBSM_ALLOC", "2026-10-31", "")
	}
	return workflows.CloseWorkflowID("prod", "nightly-close", "2026-10-31")
}

func newSteeringCommand(a *app, noun, name, short, long string) *cobra.Command {
	var asked workflows.Command
	cmd := &cobra.Command{
		Use: name + " ID", Short: short, Long: long, Args: oneArg("workflow id"),
		Example: steeringExample(noun, name),
		RunE: func(cmd *cobra.Command, args []string) error {
			if err := checkSteering(name, asked); err != nil {
				return err
			}
			if name == workflows.DecideCommand && !slices.Contains(choices, asked.Choice) {
				return a.unknownChoice(cmd.Context(), args[0], asked)
			}
			return a.steer(cmd.Context(), args[0], name, asked)
		},
	}
	flags := cmd.Flags()
	flags.StringVar(&asked.By, "by", person(), "`who` asks")
	flags.StringVarP(&asked.Why, "reason", "r", "", "`why`; it is kept in the result")
	if noun == "close" {
		flags.StringVar(&asked.Step, "step", "", "the `step` that is meant, where several could be")
	}
	if name == workflows.DecideCommand {
		flags.StringVar(&asked.Choice, "choice", "", "the `word`: "+strings.Join(choices, ", "))
		flags.StringVar(&asked.RunID, "run-id", "", "the `run` to adopt")
		_ = cmd.RegisterFlagCompletionFunc("choice", cobra.FixedCompletions(choices, cobra.ShellCompDirectiveNoFileComp))
	}
	return cmd
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

var choices = []string{workflows.Adopt, workflows.NothingStarted, workflows.Retry, workflows.Skip, workflows.GiveUp}

func checkSteering(name string, asked workflows.Command) error {
	if name != workflows.DecideCommand {
		return nil
	}
	switch {
	case asked.Choice == workflows.Adopt && asked.RunID == "":
		return usage("--choice adopt wants the run to follow: --run-id RUN_ID")
	case asked.Choice != workflows.Adopt && asked.RunID != "":
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
	known := "one of " + strings.Join(choices, ", ")
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
		info, err := s.describe(ctx, id)
		if err == nil && s.noteIdle(ctx, s.queueOf(info)) {
			return
		}
		s.note("Waiting until the service has confirmed it. Ctrl-C ends the waiting, not the request.")
	})
	defer patience.Stop()
	answer, err := s.ask(ctx, id, name, asked)
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

// ask sends an update until it is answered: one id stands for one request, so to send it again takes up the same one
// where only the call was cut, as proxies do to long ones.
func (s *session) ask(ctx context.Context, id, name string, asked workflows.Command) (workflows.CommandResult, error) {
	var answer workflows.CommandResult
	update := client.UpdateWorkflowOptions{
		UpdateID: rand.Text(), WorkflowID: id, UpdateName: name, Args: []any{asked}, WaitForStage: client.WorkflowUpdateStageCompleted,
	}
	for {
		handle, err := s.client.UpdateWorkflow(ctx, update)
		if err == nil {
			err = handle.Get(ctx, &answer)
		}
		if ctx.Err() != nil || !temporary(err) || !s.answersFor(ctx, id) {
			return answer, err
		}
		select {
		case <-ctx.Done():
		case <-time.After(time.Second):
		}
	}
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
	case temporary(err):
		return &problem{
			code: exitUnreachable, id: id, message: fmt.Sprintf("Temporal does not answer (%s): it is not known whether the %s arrived, it may be in effect", temporalclient.Reason(err), name),
			next: []string{"See how it stands before it is sent again: starter status " + id, temporalclient.WhatToCheck},
		}
	}
	return fmt.Errorf("%s %s: %w", name, id, err)
}

// takesNoWord says of a workflow that does not know a request what it is.
func (s *session) takesNoWord(ctx context.Context, id, name string, refused *temporal.ApplicationError) error {
	info, err := s.describe(ctx, id)
	if err != nil {
		return err
	}
	p := &problem{code: exitUsage, id: id, message: refused.Message(), next: []string{"See how it stands: starter status " + id}}
	switch kind := info.GetType().GetName(); {
	case newResult(kind) == nil:
		return foreign(started{id: id, workflowType: kind})
	case kind != workflows.NightlyCloseType && kind != workflows.RunBatchType:
		p.message = fmt.Sprintf("it is of type %s, and only a close or a batch takes %s; any job can be cancelled", kind, name)
	}
	return p
}

func notFound(err error) bool {
	var missing *serviceerror.NotFound
	return errors.As(err, &missing)
}

// missing says what is known of a workflow that is not running.
func (s *session) missing(ctx context.Context, id string) error {
	info, err := s.describe(ctx, id)
	if err != nil {
		return err
	}
	return &problem{
		code: exitUsage, id: id,
		message: fmt.Sprintf("it is over (%s, %s)", lower(info.GetStatus()), info.GetCloseTime().AsTime().Local().Format("Mon 2006-01-02 15:04:05")),
		next:    []string{"See how it ended: starter status " + id},
	}
}

func lower(status enumspb.WorkflowExecutionStatus) string { return strings.ToLower(status.String()) }

func (s *session) describe(ctx context.Context, id string) (*workflowpb.WorkflowExecutionInfo, error) {
	described, err := s.client.DescribeWorkflowExecution(ctx, id, "")
	if notFound(err) {
		return nil, &problem{
			code: exitUsage, id: id, message: fmt.Sprintf("no workflow has this id in namespace %s", s.namespace),
			next: []string{"Ids look like " + exampleID("close") + " and " + exampleID("batch")},
		}
	}
	if err != nil {
		return nil, fmt.Errorf("look at %s: %w", id, err)
	}
	return described.GetWorkflowExecutionInfo(), nil
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
	info, err := s.describe(ctx, id)
	if err != nil {
		return err
	}
	run := started{id: id, runID: info.GetExecution().GetRunId(), workflowType: info.GetType().GetName(), queue: s.queueOf(info), at: info.GetStartTime().AsTime()}
	switch {
	case newResult(run.workflowType) == nil:
		return foreign(run)
	case info.GetStatus() != enumspb.WORKFLOW_EXECUTION_STATUS_RUNNING:
		result := newResult(run.workflowType)
		if err := s.ending(run, s.await(ctx, run, result)); err != nil {
			return err
		}
		s.showResult(result)
		return nil
	case follow:
		run.attached = true
		s.announce(run)
		return s.follow(ctx, run, wait)
	}
	return s.snapshot(ctx, run, info)
}

// foreign refuses a workflow of another program.
func foreign(run started) error {
	return usage("%s is a workflow of type %s, which is none of ours", run.id, run.workflowType)
}

// snapshot shows a running job once.
func (s *session) snapshot(ctx context.Context, run started, info *workflowpb.WorkflowExecutionInfo) error {
	w := &watch{session: s, run: run, heard: run.at}
	w.look(ctx)
	job := w.last
	if job.Status.Type == "" {
		return s.untold(ctx, info, w.silent)
	}
	waiting := job.Status.State == workflows.Waiting
	if s.json() {
		document := waitingDocument{WorkflowID: run.id, Status: job.Status, Asks: s.asks(job), Notes: job.Notes}
		if !waiting {
			s.printJSON(document)
			return nil
		}
		return &problem{code: exitWaiting, document: document}
	}
	s.print(s.style.Snapshot(job, s.width())...)
	if link := s.link(run.id); link != "" {
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
	info, err := s.describe(ctx, id)
	if err != nil {
		return err
	}
	if info.GetStatus() != enumspb.WORKFLOW_EXECUTION_STATUS_RUNNING {
		return s.missing(ctx, id)
	}
	run := started{id: id, runID: info.GetExecution().GetRunId(), workflowType: info.GetType().GetName(), queue: s.queueOf(info), attached: true, at: info.GetStartTime().AsTime()}
	if newResult(run.workflowType) == nil {
		return foreign(run)
	}
	switch err := s.client.CancelWorkflow(ctx, id, run.runID); {
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
