// Package exportdata has starter export-data.
package exportdata

import (
	"github.com/spf13/cobra"

	"github.com/pbsmflow/pbsmflow/starter/internal/cli"
	"github.com/pbsmflow/pbsmflow/starter/internal/cmd/command"
	"github.com/pbsmflow/pbsmflow/workflows"
)

// New makes the command.
func New(f *cli.Factory) *cobra.Command {
	var in workflows.ExportDataInput
	cmd := cli.StartCommand(f, &cobra.Command{
		Use:                   "export-data -c C --code CODE --run-id RUN --save-to STORE/PATH/",
		DisableFlagsInUseLine: true,
		Short:                 "Save the files of a data export",
		Long: `Save the files that one run of a data export wrote, as its manifest names them.
CODE is the tooltip over the export's name in the Data Export summary; the run
id is in its Export Details.`,
		Example: f.Examples(`export-data -c prod --code EXP_LEDGER --save-to reports/ledger/ \
      --run-id PBSM_EXPORT_2026-10-31_1761951600000_1`),
		Args: cli.NoArgs,
	}, &in, &in.Connection, &in.Deadline, nil)
	cmd.AddCommand(command.All(f, workflows.ExportDataNoun)...)
	flags := cmd.Flags()
	flags.StringVar(&in.Code, "code", "", "the export's `code`")
	flags.StringVar(&in.RunID, "run-id", "", "the `run` whose files are saved")
	flags.StringVar(&in.AsOfDate, "as-of", "", "the `date` that the manifest must have, yyyy-mm-dd (default any)")
	flags.StringVar(&in.SaveTo, "save-to", "",
		"the folder, `STORE/PATH/` of the worker's configuration, that ends with a /")
	flags.StringVar(&in.ServiceID, "service-id", "", "the `service` that has the export (default the connection's)")
	return cmd
}
