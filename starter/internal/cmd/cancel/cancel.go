// Package cancel has starter cancel.
package cancel

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"

	"github.com/spf13/cobra"
	commonpb "go.temporal.io/api/common/v1"
	"go.temporal.io/api/workflowservice/v1"

	"github.com/pbsmflow/pbsmflow/internal/temporalclient"
	"github.com/pbsmflow/pbsmflow/starter/internal/cli"
	"github.com/pbsmflow/pbsmflow/starter/internal/client"
	"github.com/pbsmflow/pbsmflow/starter/internal/follow"
	"github.com/pbsmflow/pbsmflow/workflows"
)

// New makes the command, for a noun or, with an empty one, for any workflow.
func New(f *cli.Factory, noun string) *cobra.Command {
	var o options
	cmd := &cobra.Command{
		Use:   "cancel ID",
		Short: "Cancel a workflow; its run is interrupted",
		Long: `Cancel a workflow. Its run is interrupted, and the stop awaited; a run that has
ended is not touched. The exit code is 0 when the workflow has ended, however
it ended.`,
		Args:    cli.OneArg("workflow id"),
		Example: f.Example(noun, "cancel "+client.ExampleID(noun)+" \\\n      --reason \"the wrong date was started\""),
		RunE: func(cmd *cobra.Command, args []string) error {
			if err := o.command.Validate(); err != nil {
				return cli.InputFlags(err, "why:", "--reason", "by:", "--by")
			}
			return client.With(cmd.Context(), f, func(s *client.Session) error { return run(cmd.Context(), s, args[0], o) })
		},
	}
	flags := cmd.Flags()
	flags.StringVar(&o.command.By, "by", cli.Operator(), "`who` cancels it")
	flags.StringVarP(&o.command.Why, "reason", "r", "", "`why`; it is kept in the result (required)")
	flags.BoolVar(&o.detach, "detach", false, "do not wait for its end")
	return cmd
}

type options struct {
	command workflows.Command
	detach  bool
}

func run(ctx context.Context, s *client.Session, id string, o options) error {
	run, err := s.DescribeRunning(ctx, id)
	if err != nil {
		return err
	}
	seeStatus := "See its status: " + s.Starter("status "+id)
	switch err := cancel(ctx, s, run, o.command); {
	case client.NotFound(err):
		return s.HasEnded(ctx, id)
	case err != nil && s.Console != "":
		return err
	case err != nil:
		return fmt.Errorf("cancel %s: %w", id, err)
	case o.detach:
		s.Detached(ctx, run, "The cancellation was sent. "+seeStatus)
		return nil
	}
	err = s.ReportCancelled(follow.Run(ctx, s, run, true))
	if p := (*cli.Problem)(nil); ctx.Err() != nil && errors.As(err, &p) && !p.Ended {
		p.Message, p.Next = "the cancellation was sent; its end was not waited for", []string{seeStatus}
	}
	return err
}

// cancel sends the command, which says who cancels and why. A workflow that does not take it, or that no worker serves,
// is cancelled through Temporal, whose history keeps both.
func cancel(ctx context.Context, s *client.Session, run workflows.Execution, command workflows.Command) error {
	if s.Console != "" { // whose right it is, the console decides
		_, err := s.SendCommand(ctx, run.ID, workflows.CancelCommand, command)
		return err
	}
	answered, stop := context.WithTimeout(ctx, temporalclient.AnswerTimeout)
	defer stop()
	if _, err := workflows.SendCommand(answered, s.Temporal, run.ID, workflows.CancelCommand, command); err == nil {
		return nil
	}
	_, err := s.Temporal.WorkflowService().RequestCancelWorkflowExecution(ctx,
		&workflowservice.RequestCancelWorkflowExecutionRequest{
			Namespace:         s.Namespace,
			WorkflowExecution: &commonpb.WorkflowExecution{WorkflowId: run.ID, RunId: run.RunID},
			Identity:          command.By,
			RequestId:         rand.Text(),
			Reason:            command.Why,
		})
	return err
}
