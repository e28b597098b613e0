// Package command has the commands that an operator sends to a close or a batch.
package command

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"github.com/pbsmflow/pbsmflow/starter/internal/cli"
	"github.com/pbsmflow/pbsmflow/starter/internal/client"
	"github.com/pbsmflow/pbsmflow/starter/internal/cmd/cancel"
	"github.com/pbsmflow/pbsmflow/starter/internal/cmd/status"
	"github.com/pbsmflow/pbsmflow/starter/internal/view"
	"github.com/pbsmflow/pbsmflow/workflows"
)

// All makes the commands below a noun: status, and those that its workflows take, but for again, which is in cmd/close.
func All(f *cli.Factory, noun string) []*cobra.Command {
	commands := []*cobra.Command{status.New(f, noun)}
	for _, spec := range workflows.Commands() {
		switch {
		case spec.HasSteps || !spec.TakenBy(noun):
		case spec.Name == workflows.CancelCommand:
			commands = append(commands, cancel.New(f, noun))
		default:
			commands = append(commands, newCommand(f, noun, spec))
		}
	}
	return commands
}

type options struct {
	id      string
	spec    workflows.CommandSpec
	command workflows.Command
	yes     bool // submit again without confirmation
}

func newCommand(f *cli.Factory, noun string, spec workflows.CommandSpec) *cobra.Command {
	o := options{spec: spec}
	cmd := &cobra.Command{
		Use:     spec.Name + " ID",
		Short:   spec.Help,
		Long:    longHelp(spec),
		Args:    cli.OneArg("workflow id"),
		Example: example(f, noun, spec.Name),
		RunE: func(cmd *cobra.Command, args []string) error {
			o.id = args[0]
			return run(cmd.Context(), f, o)
		},
	}
	flags := cmd.Flags()
	flags.StringVar(&o.command.By, "by", cli.Operator(), "`who` sends it")
	flags.StringVarP(&o.command.Why, "reason", "r", "", "`why`; it is kept in the result (required)")
	if noun == workflows.CloseKind {
		flags.StringVar(&o.command.Step, "step", "", "the `step` that is meant, where several could be")
	}
	if spec.HasUntil {
		flags.StringVar(&o.command.Until, "until", "", "the new deadline, a `time`: 06:30, 90m, 2026-11-01T06:30:00-05:00 (required)")
		_ = cmd.MarkFlagRequired("until")
	}
	if spec.HasRunID {
		flags.StringVar(&o.command.RunID, "run-id", "", "the `run` of a batch, which the service must call a success")
	}
	if spec.HasChoice {
		choices := workflows.ChoiceNames()
		flags.StringVar(&o.command.Choice, "choice", "", "the `choice`: "+strings.Join(choices, ", "))
		flags.StringVar(&o.command.RunID, "run-id", "", "the `run` to adopt")
		flags.BoolVar(&o.yes, "yes", false, "do not ask before nothing_started submits again")
		_ = cmd.RegisterFlagCompletionFunc("choice", cobra.FixedCompletions(choices, cobra.ShellCompDirectiveNoFileComp))
	}
	return cmd
}

func longHelp(spec workflows.CommandSpec) string {
	text := spec.Help + "."
	if spec.Details != "" {
		text += "\n" + spec.Details
	}
	if !spec.HasChoice {
		return text
	}
	text += " The status of the workflow shows it, and which choices apply:"
	for _, c := range workflows.Choices() {
		text += fmt.Sprintf("\n  %-15s  %s", c.Name, c.Help)
	}
	return text
}

// exampleOf is the step and the flags of each command's example.
var exampleOf = map[string]struct{ step, flags string }{
	workflows.InterruptCommand: {"allocate", `--reason "wrong rates loaded"`},
	workflows.RestartCommand:   {"allocate", `--reason "table space was full"`},
	workflows.RerunCommand:     {"allocate", `--reason "rates were corrected"`},
	workflows.DecideCommand:    {"ledger", `--choice retry --reason "the file came late"`},
	workflows.ApproveCommand:   {"sign-off", `--reason "the figures agree"`},
	workflows.HoldCommand:      {"allocate", `--reason "the rates must be checked first"`},
	workflows.ReleaseCommand:   {"allocate", `--reason "the rates are right"`},
	workflows.SkipCommand:      {"risk-report", `--reason "not needed tonight"`},
	workflows.DoneCommand:      {"ledger", `--reason "sent by hand"`},
	workflows.StartCommand:     {"ledger", `--reason "nothing more comes tonight"`},
	workflows.ExtendCommand:    {"allocate", `--until 06:30 --reason "the regulator agreed"`},
}

// example is harmless where it is copied in a hurry: none submits again what may be running.
func example(f *cli.Factory, noun, name string) string {
	e := exampleOf[name]
	if noun == workflows.CloseKind {
		return f.Examples(fmt.Sprintf("close %s %s \\\n      --step %s %s", name, client.ExampleID(noun), e.step, e.flags))
	}
	if noun != workflows.BatchKind {
		if name == workflows.DecideCommand {
			e.flags = `--choice give_up --reason "not needed tonight"`
		}
		return f.Examples(noun + " " + name + " ID " + e.flags)
	}
	if name == workflows.DecideCommand {
		e.flags = `--choice retry --reason "repaired on the service's screens"`
	}
	return f.Examples(fmt.Sprintf("batch %s %s \\\n      %s", name, client.ExampleID(noun), e.flags))
}

type document struct {
	WorkflowID string `json:"workflow_id"`
	workflows.CommandResult
}

func run(ctx context.Context, f *cli.Factory, o options) error {
	if err := o.command.Validate(); err != nil {
		return cli.InputFlags(err, "why:", "--reason", "by:", "--by")
	}
	if o.spec.HasChoice {
		if err := checkChoice(ctx, f, o); err != nil {
			return err
		}
	}
	return client.With(ctx, f, func(s *client.Session) error {
		if o.command.Choice == workflows.NothingStarted && !o.yes {
			if err := confirmNothingStarted(ctx, s, o); err != nil {
				return err
			}
		}
		result, err := s.SendCommand(ctx, o.id, o.spec.Name, o.command)
		if err != nil {
			return err
		}
		return s.Show(document{WorkflowID: o.id, CommandResult: result},
			o.id+": "+result.Message, "Follow it: "+f.Starter("status "+o.id+" --follow"))
	})
}

// confirmNothingStarted shows the question once more, and has the operator confirm that there is no run. Where no
// question can be had, the workflow decides whether the answer applies.
func confirmNothingStarted(ctx context.Context, s *client.Session, o options) error {
	status, _ := s.Status(ctx, o.id)
	open := view.Questions(view.Snapshot{ID: o.id, Status: status})
	for _, q := range open {
		if o.command.Step == "" || o.command.Step == q.Subject {
			s.Note("%s: %s", q.Subject, q.Why)
		}
	}
	return s.Confirm("It is submitted again: a run that exists would run twice. Is there certainly no run?")
}

func checkChoice(ctx context.Context, f *cli.Factory, o options) error {
	switch c := o.command; {
	case c.Choice == workflows.Adopt && c.RunID == "":
		return cli.Usage("--choice adopt needs the run to follow: --run-id RUN_ID")
	case c.Choice != workflows.Adopt && c.RunID != "":
		return cli.Usage("--run-id belongs to --choice adopt")
	case !slices.Contains(workflows.ChoiceNames(), c.Choice):
		return client.UnknownChoice(ctx, f, o.id, c)
	}
	return nil
}
