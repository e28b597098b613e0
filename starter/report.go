package main

import (
	"time"

	"github.com/spf13/cobra"

	"github.com/pbsmflow/pbsmflow/workflows"
)

func newReportCommand(a *app) *cobra.Command {
	var in workflows.GenerateReportInput
	var deadline string
	var f following
	cmd := &cobra.Command{
		Use:   "report --connection C --code CODE --save-to STORE/PATH",
		Short: "Generate a report and bring it into a store",
		Long: `Generate a report, wait for it, and bring it into a store of the worker's configuration.

The filters reach the service's SQL: never build them from text that others wrote.

` + exitCodesHelp,
		Example: `  starter report --connection prod --code RPT001 --save-to reports/2026-10-31/profitability.csv`,
		Args:    noArgs,
		RunE: func(cmd *cobra.Command, _ []string) (err error) {
			if in.Deadline, err = moment("deadline", deadline, time.Now()); err != nil {
				return err
			}
			if err := inputProblem(in.Validate()); err != nil {
				return err
			}
			return a.launch(cmd.Context(), in, f)
		},
	}
	flags := cmd.Flags()
	flags.StringVarP(&in.Connection, "connection", "c", "", "the `connection`, as the worker's configuration names it")
	flags.StringVar(&in.Code, "code", "", "the report `code` of the Report Details page")
	flags.StringVar(&in.Type, "type", "CSV", "the file `format`")
	flags.StringVar(&in.SaveTo, "save-to", "", "where to save it, `STORE/PATH` of the worker's configuration")
	flags.StringVar(&in.DefinitionType, "definition-type", "", "the service's reportDefType `letter` (default the connection's)")
	flags.StringVar(&in.Filter, "filter", "", "the filter `criteria`")
	flags.StringVar(&in.PlaceholderFilter, "placeholder-filter", "", "the placeholder `filter`")
	deadlineFlag(flags, &deadline)
	followFlags(flags, &f)
	return cmd
}
