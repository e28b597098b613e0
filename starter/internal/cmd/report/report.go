// Package report has starter report.
package report

import (
	"github.com/spf13/cobra"

	"github.com/pbsmflow/pbsmflow/starter/internal/cli"
	"github.com/pbsmflow/pbsmflow/starter/internal/cmd/command"
	"github.com/pbsmflow/pbsmflow/workflows"
)

// New makes the command.
func New(f *cli.Factory) *cobra.Command {
	var in workflows.GenerateReportInput
	cmd := cli.StartCommand(f, &cobra.Command{
		Use:   "report --connection C --code CODE --save-to STORE/PATH",
		Short: "Generate a report and download it into a store",
		Long: `Generate a report, wait for it, and download it into a store of the worker's
configuration.

The filters reach the service's SQL: never build them from text that others
wrote.`,
		Example: f.Examples("report --connection prod --code RPT001 --save-to reports/profit.csv"),
		Args:    cli.NoArgs,
	}, &in, &in.Connection, &in.Deadline, nil)
	cmd.AddCommand(command.All(f, workflows.ReportNoun)...)
	flags := cmd.Flags()
	flags.StringVar(&in.Code, "code", "", "the report `code` of the Report Details page")
	flags.StringVar(&in.Type, "type", "CSV", "the file `format`")
	flags.StringVar(&in.SaveTo, "save-to", "", "where to save it, `STORE/PATH` of the worker's configuration")
	flags.StringVar(&in.DefinitionType, "definition-type", "",
		"the service's reportDefType `letter` (default the connection's)")
	flags.StringVar(&in.ServiceID, "service-id", "", "the `service` that has the report (default the connection's)")
	flags.StringVar(&in.AppID, "app-id", "", "the `application` that has the report (default the connection's)")
	flags.StringVar(&in.Filter, "filter", "", "the filter `criteria`")
	flags.StringVar(&in.PlaceholderFilter, "placeholder-filter", "", "the placeholder `filter`")
	return cmd
}
