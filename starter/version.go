package main

import (
	"runtime"

	"github.com/spf13/cobra"
	"go.temporal.io/sdk/temporal"

	"github.com/pbsmflow/pbsmflow/internal/version"
)

func newVersionCommand(a *app) *cobra.Command {
	return &cobra.Command{
		Use: "version", Short: "Show the version", Args: noArgs, Example: "  starter version",
		RunE: func(*cobra.Command, []string) error {
			if a.json() {
				a.printJSON(map[string]string{"version": version.Version, "go": runtime.Version(), "temporal_sdk": temporal.SDKVersion})
				return nil
			}
			a.print("starter " + version.Version + " (" + runtime.Version() + ", Temporal SDK " + temporal.SDKVersion + ")")
			return nil
		},
	}
}
