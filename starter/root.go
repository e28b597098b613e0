package main

import (
	"github.com/spf13/cobra"

	"github.com/pbsmflow/pbsmflow/starter/internal/cli"
	"github.com/pbsmflow/pbsmflow/starter/internal/cmd/asofdate"
	"github.com/pbsmflow/pbsmflow/starter/internal/cmd/audit"
	"github.com/pbsmflow/pbsmflow/starter/internal/cmd/batch"
	"github.com/pbsmflow/pbsmflow/starter/internal/cmd/cancel"
	"github.com/pbsmflow/pbsmflow/starter/internal/cmd/close"
	"github.com/pbsmflow/pbsmflow/starter/internal/cmd/codecserver"
	"github.com/pbsmflow/pbsmflow/starter/internal/cmd/console"
	"github.com/pbsmflow/pbsmflow/starter/internal/cmd/demo"
	"github.com/pbsmflow/pbsmflow/starter/internal/cmd/deployment"
	"github.com/pbsmflow/pbsmflow/starter/internal/cmd/doctor"
	"github.com/pbsmflow/pbsmflow/starter/internal/cmd/exportdata"
	"github.com/pbsmflow/pbsmflow/starter/internal/cmd/file"
	"github.com/pbsmflow/pbsmflow/starter/internal/cmd/inbox"
	"github.com/pbsmflow/pbsmflow/starter/internal/cmd/initialize"
	"github.com/pbsmflow/pbsmflow/starter/internal/cmd/login"
	"github.com/pbsmflow/pbsmflow/starter/internal/cmd/migrate"
	"github.com/pbsmflow/pbsmflow/starter/internal/cmd/notify"
	"github.com/pbsmflow/pbsmflow/starter/internal/cmd/pipeline"
	"github.com/pbsmflow/pbsmflow/starter/internal/cmd/report"
	"github.com/pbsmflow/pbsmflow/starter/internal/cmd/schedule"
	"github.com/pbsmflow/pbsmflow/starter/internal/cmd/schema"
	"github.com/pbsmflow/pbsmflow/starter/internal/cmd/searchattributes"
	"github.com/pbsmflow/pbsmflow/starter/internal/cmd/status"
	"github.com/pbsmflow/pbsmflow/starter/internal/cmd/version"
)

const rootHelp = `Run the nightly close of Profitability and Balance Sheet Management, and send it
commands.

A workflow that was started runs without this program: leave it (Ctrl-C), find
it again (status ID --follow), and send it commands from anywhere.

The connection to Temporal is configured as for any Temporal client:
TEMPORAL_ADDRESS, TEMPORAL_NAMESPACE, TEMPORAL_PROFILE, temporal.toml. With
TEMPORAL_UI set to the address of the Temporal UI, links to it are printed.

The configuration is the worker's, or the parts of it that are needed here:
doctor, file list and notify need connections and channels, schedule the
calendars, and every command the keys of encryption where the worker has some.

` + cli.ExitCodesHelp

func newRoot(f *cli.Factory) *cobra.Command {
	root := cli.NewRoot(f, &cobra.Command{
		Use:   "starter",
		Short: "Run the nightly close, and send it commands",
		Long:  rootHelp,
		Example: f.Examples(
			"close --connection prod --pipeline nightly-close --as-of 2026-10-31",
			"status close/prod/nightly-close/2026-10-31 --follow",
			"inbox",
			"doctor --connection prod",
		),
	})
	addGroup(root, "run", "Run and follow:",
		close.New(f), batch.New(f), report.New(f), file.New(f), migrate.New(f),
		asofdate.New(f), exportdata.New(f), schedule.New(f))
	addGroup(root, "operate", "See and answer:",
		console.New(f), inbox.New(f), status.New(f, ""), cancel.New(f, ""), audit.New(f),
		login.New(f), login.NewLogout(f))
	addGroup(root, "set-up", "Set up and check:",
		initialize.New(f), doctor.New(f), pipeline.New(f), schema.New(f), notify.New(f), searchattributes.New(f),
		deployment.New(f), codecserver.New(f), demo.New(f))
	root.AddCommand(version.New(f))
	completeEverything(f, root)
	return root
}

func addGroup(root *cobra.Command, id, title string, commands ...*cobra.Command) {
	root.AddGroup(&cobra.Group{ID: id, Title: title})
	for _, command := range commands {
		command.GroupID = id
		root.AddCommand(command)
	}
}
