// Package close has starter close.
package close

import (
	"github.com/spf13/cobra"

	"github.com/pbsmflow/pbsmflow/starter/internal/cli"
	"github.com/pbsmflow/pbsmflow/starter/internal/cmd/command"
	"github.com/pbsmflow/pbsmflow/starter/internal/cmd/pipeline"
	"github.com/pbsmflow/pbsmflow/workflows"
)

// New makes the command.
func New(f *cli.Factory) *cobra.Command {
	var in workflows.NightlyCloseInput
	var name string
	var params pipeline.ParamFlags
	cmd := cli.StartCommand(f, &cobra.Command{
		Use:   "close --connection C --pipeline NAME|FILE --as-of DATE",
		Short: "Run a nightly close and follow it",
		Long: `Run a nightly close: the steps of a pipeline, for one connection and one
business date.

A close cannot run twice at once: the same command follows the close that runs.
A close that failed is started again: what succeeded and still holds is kept,
and a batch that was based on something else asks. A close that succeeded is
done: its result is shown again, with exit code 0; see close again.

A close with other parameters (--param) is another close for the date. Its id
has a key: close/prod/nightly-close/2026-10-31/scenario-7.`,
		Example: f.Examples(
			"close --connection prod --pipeline nightly-close --as-of 2026-10-31",
			"close -c prod -p ./nightly-close.yaml --as-of 2026-10-31 --detach",
			"close -c prod -p forecast --as-of 2026-10-31 --param scenario=7",
			"close status close/prod/nightly-close/2026-10-31 --follow",
			"close restart close/prod/nightly-close/2026-10-31 \\\n      --step allocate --reason \"table space was full\"",
		),
		Args: cli.NoArgs,
	}, &in, &in.Connection, nil, func(_ []string, by string) (err error) {
		if in.Params, in.Key, err = params.Values(); err != nil {
			return err
		}
		in.StartedBy = by
		in, err = pipeline.CloseInput(f, in, name)
		return err
	})
	flags := cmd.Flags()
	flags.StringVarP(&name, "pipeline", "p", "",
		"a pipeline's `name` in the worker's folder, or a file here, which is sent along")
	cli.StartAsOfFlag(flags, &in.AsOfDate)
	params.Add(flags)
	cmd.AddCommand(command.All(f, workflows.CloseKind)...)
	cmd.AddCommand(newAgain(f), newList(f))
	return cmd
}
