// Package status has starter status.
package status

import (
	"context"

	"github.com/spf13/cobra"

	"github.com/pbsmflow/pbsmflow/starter/internal/cli"
	"github.com/pbsmflow/pbsmflow/starter/internal/client"
	"github.com/pbsmflow/pbsmflow/starter/internal/follow"
	"github.com/pbsmflow/pbsmflow/workflows"
)

// New makes the command, for a noun or, with an empty one, for any workflow.
func New(f *cli.Factory, noun string) *cobra.Command {
	var keepFollowing, wait bool
	cmd := &cobra.Command{
		Use:   "status ID",
		Short: "Show the status of a workflow, or follow it",
		Long: `Show the status of a workflow. The exit code says it too: 0 while it runs and
when it is done, 1 failed, 3 waits for an operator, 4 interrupted or cancelled,
5 not known, because Temporal or the workers do not answer, or their answer
cannot be read here.`,
		Args:    cli.OneArg("workflow id"),
		Example: f.Example(noun, "status "+client.ExampleID(noun)+" --follow"),
		RunE: client.RunE(f, func(ctx context.Context, s *client.Session, args []string) error {
			run, err := s.Describe(ctx, args[0])
			if err == nil {
				err = client.Known(run)
			}
			switch {
			case err != nil:
				return err
			case !run.Running():
				result := workflows.NewResult(run.Type)
				if err := s.End(run, s.Await(ctx, run, result)); err != nil {
					return err
				}
				s.ShowResult(result)
				return nil
			case keepFollowing:
				s.Announce(ctx, run)
				return follow.Run(ctx, s, run, wait)
			}
			return follow.Once(ctx, s, run)
		}),
	}
	cmd.Flags().BoolVarP(&keepFollowing, "follow", "f", false, "follow it to its end")
	cmd.Flags().BoolVar(&wait, "wait", false, "with --follow: keep following while an operator is asked")
	return cmd
}
