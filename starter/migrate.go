package main

import (
	"fmt"
	"time"

	"github.com/spf13/cobra"

	"github.com/pbsmflow/pbsmflow/workflows"
)

func newMigrateCommand(a *app) *cobra.Command {
	cmd := &cobra.Command{
		Use:     "migrate",
		Short:   "Export or import a migration definition",
		Example: `  starter migrate export MIG_EXPORT1 --connection prod`,
		Args:    noArgs,
		RunE:    func(cmd *cobra.Command, _ []string) error { return cmd.Help() },
	}
	cmd.AddCommand(newMigrationCommand(a, workflows.Export), newMigrationCommand(a, workflows.Import))
	return cmd
}

func newMigrationCommand(a *app, direction string) *cobra.Command {
	in := workflows.MigrateInput{Direction: direction}
	var deadline string
	var f following
	cmd := &cobra.Command{
		Use:   direction + " CODE --connection C",
		Short: fmt.Sprintf("%s a migration definition, and wait until that is over", map[string]string{workflows.Export: "Export", workflows.Import: "Import"}[direction]),
		Long: `A migration runs once at a time: the same command given again follows the one that runs.
One that the service had completed before is taken as done, and the result says so.

` + exitCodesHelp,
		Example: fmt.Sprintf("  starter migrate %s MIG_%s1 --connection prod", direction, map[string]string{workflows.Export: "EXPORT", workflows.Import: "IMPORT"}[direction]),
		Args:    oneArg("migration code"),
		RunE: func(cmd *cobra.Command, args []string) (err error) {
			in.Code = args[0]
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
	deadlineFlag(flags, &deadline)
	followFlags(flags, &f)
	return cmd
}
