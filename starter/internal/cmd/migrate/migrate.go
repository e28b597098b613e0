// Package migrate has starter migrate.
package migrate

import (
	"fmt"
	"strings"

	"github.com/spf13/cobra"

	"github.com/pbsmflow/pbsmflow/starter/internal/cli"
	"github.com/pbsmflow/pbsmflow/starter/internal/cmd/command"
	"github.com/pbsmflow/pbsmflow/workflows"
)

// New makes the command.
func New(f *cli.Factory) *cobra.Command {
	return cli.Group(&cobra.Command{
		Use:     "migrate",
		Short:   "Export or import a migration definition",
		Example: f.Examples("migrate export MIG_EXPORT1 --connection prod"),
	}, append([]*cobra.Command{newMigration(f, workflows.Export, "Export"), newMigration(f, workflows.Import, "Import")},
		command.All(f, workflows.MigrateNoun)...)...)
}

func newMigration(f *cli.Factory, direction, verb string) *cobra.Command {
	in := workflows.MigrateInput{Direction: direction}
	cmd := cli.StartCommand(f, &cobra.Command{
		Use:   direction + " CODE --connection C",
		Short: verb + " a migration definition, and wait for the end",
		Long: `A migration runs once at a time: the same command follows the one that runs. One
that the service had completed before counts as done, and the result says so.`,
		Example: f.Examples(fmt.Sprintf("migrate %s MIG_%s1 --connection prod", direction, strings.ToUpper(direction))),
		Args:    cli.OneArg("migration code"),
	}, &in, &in.Connection, &in.Deadline, func(args []string, _ string) error {
		in.Code = args[0]
		return nil
	})
	cmd.Flags().StringVar(&in.CopyOf, "copy-of", "",
		"copy this `code`, which was run before, as the new one first: the service runs a definition once")
	if direction == workflows.Import {
		cmd.Flags().BoolVar(&in.Overwrite, "overwrite", false, "the import of a copy may replace what exists")
	}
	cmd.Flags().StringVar(&in.ServiceID, "service-id", "",
		"the `service` that has the definition (default the connection's)")
	return cmd
}
