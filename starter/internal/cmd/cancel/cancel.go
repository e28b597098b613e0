// Package cancel has starter cancel.
package cancel

import (
	"context"
	"errors"
	"fmt"

	"github.com/spf13/cobra"

	"github.com/pbsmflow/pbsmflow/starter/internal/cli"
	"github.com/pbsmflow/pbsmflow/starter/internal/client"
	"github.com/pbsmflow/pbsmflow/starter/internal/follow"
)

// New makes the command, for a noun or, with an empty one, for any workflow.
func New(f *cli.Factory, noun string) *cobra.Command {
	var detach bool
	cmd := &cobra.Command{
		Use:   "cancel ID",
		Short: "Cancel a workflow; its run is interrupted",
		Long: `Cancel a workflow. Its run is interrupted, and the stop awaited; a run that has
ended is not touched. The exit code is 0 when the workflow has ended, however
it ended.`,
		Args:    cli.OneArg("workflow id"),
		Example: f.Example(noun, "cancel "+client.ExampleID(noun)),
		RunE: client.RunE(f, func(ctx context.Context, s *client.Session, args []string) error {
			return run(ctx, s, args[0], detach)
		}),
	}
	cmd.Flags().BoolVar(&detach, "detach", false, "do not wait for its end")
	return cmd
}

func run(ctx context.Context, s *client.Session, id string, detach bool) error {
	run, err := s.DescribeRunning(ctx, id)
	if err != nil {
		return err
	}
	seeStatus := "See its status: " + s.Starter("status "+id)
	switch err := s.Temporal.CancelWorkflow(ctx, id, run.RunID); {
	case client.NotFound(err):
		return s.HasEnded(ctx, id)
	case err != nil:
		return fmt.Errorf("cancel %s: %w", id, err)
	case detach:
		s.Detached(ctx, run, "The cancellation was sent. "+seeStatus)
		return nil
	}
	err = s.ReportCancelled(follow.Run(ctx, s, run, true))
	if p := (*cli.Problem)(nil); ctx.Err() != nil && errors.As(err, &p) && !p.Ended {
		p.Message, p.Next = "the cancellation was sent; its end was not waited for", []string{seeStatus}
	}
	return err
}
