// Package deployment has starter deployment.
package deployment

import (
	"cmp"
	"context"
	"fmt"
	"os"
	"time"

	"github.com/spf13/cobra"
	sdk "go.temporal.io/sdk/client"

	"github.com/pbsmflow/pbsmflow/internal/clock"
	"github.com/pbsmflow/pbsmflow/starter/internal/cli"
	"github.com/pbsmflow/pbsmflow/starter/internal/client"
	"github.com/pbsmflow/pbsmflow/starter/internal/view"
)

// New makes the command.
func New(f *cli.Factory) *cobra.Command {
	var name string
	cmd := cli.Group(&cobra.Command{
		Use:   "deployment",
		Short: "See the workers' versions, and choose that of new closes",
		Example: f.Examples(
			"deployment list",
			"deployment promote 1-2-3 --percent 10",
			"deployment promote 1-2-3",
		),
	}, newList(f, &name), newPromote(f, &name))
	own := cmp.Or(os.Getenv("TEMPORAL_DEPLOYMENT_NAME"), "pbsmflow")
	cmd.PersistentFlags().StringVar(&name, "deployment", own, "the workers' TEMPORAL_DEPLOYMENT_`NAME`")
	return cmd
}

func newList(f *cli.Factory, name *string) *cobra.Command {
	return &cobra.Command{
		Use:     "list",
		Short:   "List the versions: the current one, and which may be stopped",
		Args:    cli.NoArgs,
		Example: f.Examples("deployment list"),
		RunE: client.RunE(f, func(ctx context.Context, s *client.Session, _ []string) error {
			return list(ctx, s, *name)
		}),
	}
}

func newPromote(f *cli.Factory, name *string) *cobra.Command {
	var percent float32
	cmd := &cobra.Command{
		Use:   "promote BUILD_ID",
		Short: "Start new closes on a version; those that run end on theirs",
		Long: `Start new closes and batches on a version; those that run end on theirs. With
--percent only that share of them: to try a version out first.

It is refused while no worker of the version polls a task queue that the current
version has, for instance because its configuration lacks a connection.`,
		Example: f.Examples("deployment promote 1-2-3 --percent 10"),
		Args:    cli.OneArg("build id"),
		PreRunE: func(*cobra.Command, []string) error {
			if percent <= 0 || percent > 100 {
				return cli.Usage("--percent %g is not more than 0 and at most 100", percent)
			}
			return nil
		},
		RunE: client.RunE(f, func(ctx context.Context, s *client.Session, args []string) error {
			return promote(ctx, s, *name, args[0], percent)
		}),
	}
	cmd.Flags().Float32Var(&percent, "percent", 100,
		"`share` of the new ones that start on it; 100 makes it the current version")
	return cmd
}

func promote(ctx context.Context, s *client.Session, name, buildID string, percent float32) (err error) {
	handle := s.Temporal.WorkerDeploymentClient().GetHandle(name)
	if percent < 100 {
		options := sdk.WorkerDeploymentSetRampingVersionOptions{BuildID: buildID, Percentage: percent}
		_, err = handle.SetRampingVersion(ctx, options)
	} else {
		_, err = handle.SetCurrentVersion(ctx, sdk.WorkerDeploymentSetCurrentVersionOptions{BuildID: buildID})
	}
	if err != nil {
		return cli.OrUnavailable(err, cli.Failed("version %s of %s cannot be promoted: %v", buildID, name, err).
			Then("See the versions: "+s.Starter("deployment list --deployment "+name)))
	}
	return list(ctx, s, name)
}

// version is a version of the workers.
type version struct {
	BuildID string `json:"build_id"`
	// State is current, ramping, draining, drained or inactive.
	State   string    `json:"state"`
	Percent float32   `json:"percent,omitempty"`
	Created time.Time `json:"created"`
	// Idle: no worker of it is running, although closes need one.
	Idle bool `json:"idle,omitempty"`
}

func (v version) text() string {
	if v.Idle {
		return v.role() + "; no worker of it is running"
	}
	return v.role()
}

func (v version) role() string {
	switch v.State {
	case "current":
		return "current: new closes start on it"
	case "ramping":
		return fmt.Sprintf("ramping: %g %% of new closes start on it", v.Percent)
	case "draining":
		return "draining: closes that started on it still run; its workers are needed"
	case "drained":
		return "drained: its workers may be stopped"
	}
	return "inactive: nothing has started on it"
}

func list(ctx context.Context, s *client.Session, name string) error {
	handle := s.Temporal.WorkerDeploymentClient().GetHandle(name)
	described, err := handle.Describe(ctx, sdk.WorkerDeploymentDescribeOptions{})
	switch {
	case client.NotFound(err):
		return cli.Usage("there is no deployment %s in namespace %s", name, s.Namespace).
			Then("Workers that are started with TEMPORAL_DEPLOYMENT_NAME and TEMPORAL_WORKER_BUILD_ID create it.")
	case err != nil:
		return fmt.Errorf("describe deployment %s: %w", name, err)
	}
	versions := []version{}
	var rows [][]string
	for _, summary := range described.Info.VersionSummaries {
		v := newVersion(summary, described.Info.RoutingConfig)
		v.Idle = v.needed() && idle(ctx, s, handle, v.BuildID)
		versions = append(versions, v)
		rows = append(rows, []string{v.BuildID, clock.UTC.Text(v.Created), v.text()})
	}
	return s.Show(map[string]any{"deployment": name, "versions": versions},
		view.Table([]view.Column{{}, {Optional: true}, {}}, rows, s.Width())...)
}

func (v version) needed() bool { return v.State != "drained" && v.State != "inactive" }

// idle reports whether no worker of a version polls any of its task queues for workflows.
func idle(ctx context.Context, s *client.Session, handle sdk.WorkerDeploymentHandle, buildID string) bool {
	described, err := handle.DescribeVersion(ctx, sdk.WorkerDeploymentDescribeVersionOptions{BuildID: buildID})
	if err != nil {
		return false // not known
	}
	for _, queue := range described.Info.TaskQueuesInfos {
		if queue.Type != sdk.TaskQueueTypeWorkflow {
			continue
		}
		if polls, err := s.VersionPolls(ctx, queue.Name, buildID); err != nil || !polls.Idle() {
			return false
		}
	}
	return true
}

func newVersion(summary sdk.WorkerDeploymentVersionSummary, routing sdk.WorkerDeploymentRoutingConfig) version {
	v := version{BuildID: summary.Version.BuildID, State: "inactive", Created: summary.CreateTime}
	switch {
	case routing.CurrentVersion != nil && *routing.CurrentVersion == summary.Version:
		v.State = "current"
	case routing.RampingVersion != nil && *routing.RampingVersion == summary.Version:
		v.State, v.Percent = "ramping", routing.RampingVersionPercentage
	case summary.DrainageStatus == sdk.WorkerDeploymentVersionDrainageStatusDraining:
		v.State = "draining"
	case summary.DrainageStatus == sdk.WorkerDeploymentVersionDrainageStatusDrained:
		v.State = "drained"
	}
	return v
}
