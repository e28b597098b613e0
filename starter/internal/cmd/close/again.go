package close

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"github.com/pbsmflow/pbsmflow/starter/internal/cli"
	"github.com/pbsmflow/pbsmflow/starter/internal/client"
	"github.com/pbsmflow/pbsmflow/starter/internal/view"
	"github.com/pbsmflow/pbsmflow/workflows"
)

type againOptions struct {
	workflows.AgainInput
	yes bool
	cli.StartOptions
}

func newAgain(f *cli.Factory) *cobra.Command {
	var o againOptions
	id := client.ExampleID(workflows.CloseKind)
	cmd := &cobra.Command{
		Use:   workflows.AgainCommand + " ID",
		Short: "Run steps again that have ended, also of a close that succeeded",
		Long: `Run steps of a close again: those given with --from and everything that needs
them, those given with --only alone, or all of them. The batches among them are
submitted again, with the reason. The rest is kept as far as it still holds.

It first shows what runs again and what is kept, and asks. While a close is
running, the steps must have ended, and nothing that needs them may be running:
interrupt it first.`,
		Args:    cli.OneArg("workflow id"),
		Example: f.Examples("close again " + id + " \\\n      --from allocate --reason \"the rates were corrected\""),
		RunE: func(cmd *cobra.Command, args []string) error {
			return again(cmd.Context(), f, args[0], o)
		},
	}
	flags := cmd.Flags()
	flags.StringSliceVar(&o.From, "from", nil, "a `step` to run again, with everything that needs it; may be repeated")
	flags.StringSliceVar(&o.Only, "only", nil, "a `step` to run again alone; may be repeated")
	flags.StringVarP(&o.Reason, "reason", "r", "", "`why`; the batches are submitted with it (required)")
	flags.BoolVar(&o.yes, "yes", false, "do not ask")
	o.AddFlags(flags)
	return cmd
}

func again(ctx context.Context, f *cli.Factory, id string, o againOptions) error {
	command := workflows.Command{By: o.By, Why: o.Reason, From: o.From, Only: o.Only}
	if err := command.Validate(); err != nil {
		return cli.InputFlags(err, "why:", "--reason", "by:", "--by")
	}
	var in *workflows.NightlyCloseInput
	err := client.With(ctx, f, func(s *client.Session) error {
		run, err := s.Describe(ctx, id)
		if err != nil {
			return err
		}
		status, err := s.Status(ctx, id)
		if err != nil {
			return s.StatusUnknown(ctx, run, err)
		}
		if status.Type != workflows.NightlyCloseType || len(status.Steps) == 0 {
			return cli.Usage("it has no steps that could run again").Of(id).Then("See its status: " + s.Starter("status "+id))
		}
		if err := inTheWay(status, o.AgainInput); run.Running() && err != nil {
			return err.Of(id)
		}
		if err := confirm(s, status, o); err != nil {
			return err
		}
		if run.Running() || s.Console != "" { // the console starts it, too
			result, err := s.SendCommand(ctx, id, workflows.AgainCommand, command)
			if err != nil {
				return err
			}
			return s.Show(result, id+": "+result.Message, "Follow it: "+s.Starter("status "+id+" --follow"))
		}
		found, err := workflows.InputOf(ctx, s.Temporal, id)
		if err != nil {
			return fmt.Errorf("read with what %s was started: %w", id, err)
		}
		in = &found
		return nil
	})
	if err != nil || in == nil {
		return err
	}
	in.StartedBy, in.Again = o.By, &o.AgainInput
	return f.Launch(ctx, *in, o.StartOptions)
}

// inTheWay is the problem of a running close whose steps cannot run again now: they have not begun, or they, or those
// that need them, have not ended. The close would refuse it as well, but only after the question.
func inTheWay(status workflows.Status, in workflows.AgainInput) *cli.Problem {
	named := slices.Concat(in.From, in.Only)
	touched, _ := workflows.AgainInput{From: named}.Chosen(status.Steps) // confirm names what does not exist
	for _, step := range status.Steps {
		switch {
		case !slices.Contains(touched, step.ID) || step.State.Done() || slices.Contains(step.Commands, workflows.AgainCommand):
		case step.State != workflows.Pending:
			return cli.Usage("step %s is %s, and cannot run again before it has ended; what applies to it: %s",
				step.ID, step.State, strings.Join(step.Commands, ", "))
		case slices.Contains(named, step.ID):
			return cli.Usage("step %s has not begun", step.ID)
		}
	}
	return nil
}

// confirm shows what runs again and what is kept, and asks for confirmation.
func confirm(s *client.Session, status workflows.Status, o againOptions) error {
	chosen, err := o.Chosen(status.Steps)
	if err != nil {
		return cli.InputFlags(err, "again.from:", "--from:", "again.only:", "--only:")
	}
	if !s.JSON() {
		var rows [][]string
		for _, step := range status.Steps {
			rows = append(rows, []string{"  " + step.ID, step.Kind,
				view.Outlook(step, slices.Contains(chosen, step.ID), len(o.Only) > 0)})
		}
		s.Print(view.Table([]view.Column{{}, {Optional: true}, {}}, rows, s.Width())...)
	}
	if o.yes {
		return nil
	}
	return s.Confirm("Run " + strings.Join(chosen, ", ") + " again?")
}
