// Package version has starter version.
package version

import (
	"runtime"

	"github.com/spf13/cobra"
	"go.temporal.io/sdk/temporal"

	"github.com/pbsmflow/pbsmflow/internal/version"
	"github.com/pbsmflow/pbsmflow/starter/internal/cli"
)

// New makes the command.
func New(f *cli.Factory) *cobra.Command {
	return &cobra.Command{
		Use:     "version",
		Short:   "Show the version",
		Args:    cli.NoArgs,
		Example: f.Examples("version"),
		RunE: func(*cobra.Command, []string) error {
			return f.Show(
				map[string]string{"version": version.Version, "go": runtime.Version(), "temporal_sdk": temporal.SDKVersion},
				"starter "+version.Version+" ("+runtime.Version()+", Temporal SDK "+temporal.SDKVersion+")")
		},
	}
}
