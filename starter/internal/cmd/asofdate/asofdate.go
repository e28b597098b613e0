// Package asofdate has starter as-of-date.
package asofdate

import (
	"github.com/spf13/cobra"

	"github.com/pbsmflow/pbsmflow/starter/internal/cli"
	"github.com/pbsmflow/pbsmflow/starter/internal/cmd/command"
	"github.com/pbsmflow/pbsmflow/workflows"
)

// New makes the command.
func New(f *cli.Factory) *cobra.Command {
	var in workflows.SetAsOfDateInput
	cmd := cli.StartCommand(f, &cobra.Command{
		Use:   "as-of-date --app APP --as-of DATE --connection C",
		Short: "Set the as-of date of a user's preferences",
		Long: `Set the as-of date of a user's preferences for an application, such as FTP, and
read it back. It is a preference of a person: whoever sets it next changes it.`,
		Example: f.Examples("as-of-date --app FTP --as-of 2026-10-31 -c prod"),
		Args:    cli.NoArgs,
	}, &in, &in.Connection, &in.Deadline, nil)
	cmd.AddCommand(command.All(f, workflows.AsOfDateNoun)...)
	flags := cmd.Flags()
	flags.StringVar(&in.App, "app", "", "the `application`, such as FTP")
	cli.StartAsOfFlag(flags, &in.AsOfDate)
	flags.StringVar(&in.User, "user", "", "the `user` whose preference it is (default the connection's remote_user)")
	flags.StringVar(&in.ServiceID, "service-id", "", "the `service` of the application (default the connection's)")
	return cmd
}
