// Package report has starter report.
package report

import (
	"context"
	"time"

	"github.com/spf13/cobra"

	"github.com/pbsmflow/pbsmflow/starter/internal/cli"
	"github.com/pbsmflow/pbsmflow/workflows"
)

type options struct {
	cli.StartOptions
	input    workflows.GenerateReportInput
	deadline string
}

// New makes the command.
func New(f *cli.Factory) *cobra.Command {
	var o options
	cmd := &cobra.Command{
		Use:   "report --connection C --code CODE --save-to STORE/PATH",
		Short: "Generate a report and download it into a store",
		Long: `Generate a report, wait for it, and download it into a store of the worker's
configuration.

The filters reach the service's SQL: never build them from text that others
wrote.

` + cli.ExitCodesHelp,
		Example: `  starter report --connection prod --code RPT001 --save-to reports/profit.csv`,
		Args:    cli.NoArgs,
		RunE:    func(cmd *cobra.Command, _ []string) error { return run(cmd.Context(), f, o) },
	}
	flags, in := cmd.Flags(), &o.input
	cli.ConnectionFlag(flags, &in.Connection)
	flags.StringVar(&in.Code, "code", "", "the report `code` of the Report Details page")
	flags.StringVar(&in.Type, "type", "CSV", "the file `format`")
	flags.StringVar(&in.SaveTo, "save-to", "", "where to save it, `STORE/PATH` of the worker's configuration")
	flags.StringVar(&in.DefinitionType, "definition-type", "", "the service's reportDefType `letter` (default the connection's)")
	flags.StringVar(&in.Filter, "filter", "", "the filter `criteria`")
	flags.StringVar(&in.PlaceholderFilter, "placeholder-filter", "", "the placeholder `filter`")
	cli.DeadlineFlag(flags, &o.deadline)
	o.AddFlags(flags)
	return cmd
}

func run(ctx context.Context, f *cli.Factory, o options) (err error) {
	in := o.input
	if in.Deadline, err = cli.Moment("deadline", o.deadline, time.Now()); err != nil {
		return err
	}
	return f.Start(ctx, in, o.StartOptions)
}
