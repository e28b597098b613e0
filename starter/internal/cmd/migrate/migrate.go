// Package migrate has starter migrate.
package migrate

import (
	"context"
	"fmt"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/pbsmflow/pbsmflow/starter/internal/cli"
	"github.com/pbsmflow/pbsmflow/workflows"
)

// New makes the command.
func New(f *cli.Factory) *cobra.Command {
	return cli.Group(&cobra.Command{
		Use:     "migrate",
		Short:   "Export or import a migration definition",
		Example: `  starter migrate export MIG_EXPORT1 --connection prod`,
	}, newMigration(f, workflows.Export, "Export"), newMigration(f, workflows.Import, "Import"))
}

type options struct {
	cli.StartOptions
	input    workflows.MigrateInput
	deadline string
}

func newMigration(f *cli.Factory, direction, verb string) *cobra.Command {
	o := options{input: workflows.MigrateInput{Direction: direction}}
	cmd := &cobra.Command{
		Use:   direction + " CODE --connection C",
		Short: verb + " a migration definition, and wait for the end",
		Long: `A migration runs once at a time: the same command follows the one that runs. One
that the service had completed before counts as done, and the result says so.

` + cli.ExitCodesHelp,
		Example: fmt.Sprintf("  starter migrate %s MIG_%s1 --connection prod", direction, strings.ToUpper(direction)),
		Args:    cli.OneArg("migration code"),
		RunE: func(cmd *cobra.Command, args []string) error {
			o.input.Code = args[0]
			return run(cmd.Context(), f, o)
		},
	}
	cli.ConnectionFlag(cmd.Flags(), &o.input.Connection)
	cli.DeadlineFlag(cmd.Flags(), &o.deadline)
	o.AddFlags(cmd.Flags())
	return cmd
}

func run(ctx context.Context, f *cli.Factory, o options) (err error) {
	in := o.input
	if in.Deadline, err = cli.Moment("deadline", o.deadline, time.Now()); err != nil {
		return err
	}
	return f.Start(ctx, in, o.StartOptions)
}
