// Package close has starter close.
package close

import (
	"context"

	"github.com/spf13/cobra"

	"github.com/pbsmflow/pbsmflow/starter/internal/cli"
	"github.com/pbsmflow/pbsmflow/starter/internal/cmd/command"
	"github.com/pbsmflow/pbsmflow/starter/internal/cmd/pipeline"
	"github.com/pbsmflow/pbsmflow/workflows"
)

type options struct {
	cli.StartOptions
	connection, pipeline, asOf string
}

// New makes the command.
func New(f *cli.Factory) *cobra.Command {
	var o options
	cmd := &cobra.Command{
		Use:   "close --connection C --pipeline NAME|FILE --as-of DATE",
		Short: "Run a nightly close and follow it",
		Long: `Run a nightly close: the steps of a pipeline, for one connection and one
business date.

A close cannot run twice at once: the same command follows the close that runs.
A close that failed is started again, without the batches that succeeded. A
close that succeeded is done: its result is shown again, with exit code 0.

` + cli.ExitCodesHelp,
		Example: `  starter close --connection prod --pipeline nightly-close --as-of 2026-10-31
  starter close -c prod -p ./nightly-close.yaml --as-of 2026-10-31 --detach
  starter close status close/prod/nightly-close/2026-10-31 --follow
  starter close restart close/prod/nightly-close/2026-10-31 --step allocate`,
		Args: cli.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error { return run(cmd.Context(), f, o) },
	}
	flags := cmd.Flags()
	cli.ConnectionFlag(flags, &o.connection)
	flags.StringVarP(&o.pipeline, "pipeline", "p", "", "a pipeline's `name` in the worker's folder, or a file here, which is sent along")
	cli.AsOfFlag(flags, &o.asOf)
	o.AddFlags(flags)
	cmd.AddCommand(command.All(f, workflows.CloseKind)...)
	return cmd
}

func run(ctx context.Context, f *cli.Factory, o options) error {
	in, err := pipeline.CloseInput(o.connection, o.pipeline, o.asOf, o.By)
	if err != nil {
		return err
	}
	return f.Start(ctx, in, o.StartOptions)
}
