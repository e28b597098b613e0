package main

import (
	"cmp"
	"context"
	"fmt"
	"os"
	"time"

	"github.com/spf13/cobra"
	"go.temporal.io/sdk/client"

	"github.com/pbsmflow/pbsmflow/starter/internal/view"
)

func newDeploymentCommand(a *app) *cobra.Command {
	var name string
	cmd := &cobra.Command{
		Use:   "deployment",
		Short: "See the workers' versions, and choose that of new closes",
		Example: `  starter deployment list
  starter deployment promote 1-2-3 --percent 10
  starter deployment promote 1-2-3`,
		Args: noArgs,
		RunE: func(cmd *cobra.Command, _ []string) error { return cmd.Help() },
	}
	cmd.PersistentFlags().StringVar(&name, "deployment", cmp.Or(os.Getenv("TEMPORAL_DEPLOYMENT_NAME"), "pbsmflow"), "the workers' TEMPORAL_DEPLOYMENT_`NAME`")
	list := &cobra.Command{
		Use: "list", Short: "List the versions: the current one, and which may be stopped", Args: noArgs,
		Example: "  starter deployment list",
		RunE:    func(cmd *cobra.Command, _ []string) error { return a.listVersions(cmd.Context(), name) },
	}
	cmd.AddCommand(list, newPromoteCommand(a, &name))
	return cmd
}

func newPromoteCommand(a *app, name *string) *cobra.Command {
	var percent float32
	cmd := &cobra.Command{
		Use: "promote BUILD_ID", Short: "Let new closes begin on a version; those that run end on theirs",
		Long: `Let new closes and batches begin on a version; those that run end on theirs. With
--percent only so many of them: a version that is tried out first.

It is refused while no worker of the version polls a task queue that the current version has,
as where its configuration lacks a connection.`,
		Example: "  starter deployment promote 1-2-3 --percent 10",
		Args:    oneArg("build id"),
		RunE: func(cmd *cobra.Command, args []string) error {
			if percent <= 0 || percent > 100 {
				return usage("--percent %g is not more than 0 and at most 100", percent)
			}
			return a.promote(cmd.Context(), *name, args[0], percent)
		},
	}
	cmd.Flags().Float32Var(&percent, "percent", 100, "how `many` of the new ones begin on it; 100 makes it the current version")
	return cmd
}

func (a *app) promote(ctx context.Context, name, buildID string, percent float32) error {
	s, err := a.connect(ctx)
	if err != nil {
		return err
	}
	defer s.close()
	handle := s.client.WorkerDeploymentClient().GetHandle(name)
	if percent < 100 {
		_, err = handle.SetRampingVersion(ctx, client.WorkerDeploymentSetRampingVersionOptions{BuildID: buildID, Percentage: percent})
	} else {
		_, err = handle.SetCurrentVersion(ctx, client.WorkerDeploymentSetCurrentVersionOptions{BuildID: buildID})
	}
	if err != nil {
		return answered(err, &problem{code: exitFailed, message: fmt.Sprintf("version %s of %s cannot be promoted: %v", buildID, name, err),
			next: []string{"See which versions there are: starter deployment list --deployment " + name}})
	}
	return s.listVersions(ctx, name)
}

// versionDocument is a version of the workers.
type versionDocument struct {
	BuildID string `json:"build_id"`
	// State is current, ramping, draining, drained or inactive.
	State   string    `json:"state"`
	Percent float32   `json:"percent,omitempty"`
	Created time.Time `json:"created"`
}

var versionTexts = map[string]string{
	"current":  "current: new closes begin on it",
	"draining": "draining: closes that began on it go on; its workers are needed",
	"drained":  "drained: its workers may be stopped",
	"inactive": "inactive: nothing has begun on it",
}

func (v versionDocument) text() string {
	if v.State == "ramping" {
		return fmt.Sprintf("ramping: %g %% of new closes begin on it", v.Percent)
	}
	return versionTexts[v.State]
}

func (a *app) listVersions(ctx context.Context, name string) error {
	s, err := a.connect(ctx)
	if err != nil {
		return err
	}
	defer s.close()
	return s.listVersions(ctx, name)
}

func (s *session) listVersions(ctx context.Context, name string) error {
	described, err := s.client.WorkerDeploymentClient().GetHandle(name).Describe(ctx, client.WorkerDeploymentDescribeOptions{})
	switch {
	case notFound(err):
		return &problem{code: exitUsage, message: fmt.Sprintf("there is no deployment %s in namespace %s", name, s.namespace),
			next: []string{"Workers that are started with TEMPORAL_DEPLOYMENT_NAME and TEMPORAL_WORKER_BUILD_ID make it."}}
	case err != nil:
		return fmt.Errorf("look at deployment %s: %w", name, err)
	}
	versions := []versionDocument{}
	var rows [][]string
	for _, version := range described.Info.VersionSummaries {
		v := versionState(version, described.Info.RoutingConfig)
		versions = append(versions, v)
		rows = append(rows, []string{v.BuildID, v.Created.Local().Format("2006-01-02 15:04"), v.text()})
	}
	if s.json() {
		s.printJSON(map[string]any{"deployment": name, "versions": versions})
		return nil
	}
	s.print(view.Table([]view.Column{{}, {Spare: true}, {}}, rows, s.width())...)
	return nil
}

func versionState(version client.WorkerDeploymentVersionSummary, routing client.WorkerDeploymentRoutingConfig) versionDocument {
	v := versionDocument{BuildID: version.Version.BuildID, State: "inactive", Created: version.CreateTime}
	switch {
	case routing.CurrentVersion != nil && *routing.CurrentVersion == version.Version:
		v.State = "current"
	case routing.RampingVersion != nil && *routing.RampingVersion == version.Version:
		v.State, v.Percent = "ramping", routing.RampingVersionPercentage
	case version.DrainageStatus == client.WorkerDeploymentVersionDrainageStatusDraining:
		v.State = "draining"
	case version.DrainageStatus == client.WorkerDeploymentVersionDrainageStatusDrained:
		v.State = "drained"
	}
	return v
}
