// Package schedule has starter schedule.
package schedule

import (
	"context"
	"fmt"

	"github.com/spf13/cobra"
	sdk "go.temporal.io/sdk/client"

	"github.com/pbsmflow/pbsmflow/internal/calendar"
	"github.com/pbsmflow/pbsmflow/starter/internal/cli"
	"github.com/pbsmflow/pbsmflow/starter/internal/client"
	"github.com/pbsmflow/pbsmflow/workflows"
)

const exampleID = "schedule/prod/nightly-close"

// New makes the command.
func New(f *cli.Factory) *cobra.Command {
	return cli.Group(&cobra.Command{
		Use:   "schedule",
		Short: "Run a close every night, by a calendar",
		Long: `Run a close every night, by a calendar.

The schedule starts ScheduledClose every day at its time. That consults the
calendar of the worker's configuration, as it is that night, and runs the close
for the as-of date of the scheduled time, or ends at once and says why there is
none. So a holiday that is added tomorrow counts tomorrow, and a night that is
caught up or backfilled gets its own date.`,
		Example: f.Examples(
			"schedule create -c prod -p nightly-close --at 22:00 --dry-run",
			"schedule list",
		),
	}, newCreate(f), newList(f), newPause(f), newUnpause(f), newDelete(f), newBackfill(f), newTrigger(f))
}

// existing is a schedule that exists.
type existing struct {
	*client.Session
	id          string
	handle      sdk.ScheduleHandle
	description *sdk.ScheduleDescription
}

// withSchedule is what a command does with the schedule that its argument names.
func withSchedule(f *cli.Factory, do func(context.Context, existing) error) func(*cobra.Command, []string) error {
	return client.RunE(f, func(ctx context.Context, s *client.Session, args []string) error {
		id := args[0]
		handle := s.Temporal.ScheduleClient().GetHandle(ctx, id)
		description, err := handle.Describe(ctx)
		switch {
		case client.NotFound(err):
			return cli.Usage("no schedule has this id in namespace %s", s.Namespace).Of(id).
				Then("See the schedules: " + s.Starter("schedule list"))
		case err != nil:
			return fmt.Errorf("describe %s: %w", id, err)
		}
		return do(ctx, existing{s, id, handle, description})
	})
}

func rule(in workflows.ScheduledCloseInput) calendar.Rule {
	return calendar.Rule{Calendar: in.Calendar, TimeZone: in.TimeZone, At: in.At, On: in.On, Roll: in.Roll, AsOf: in.AsOf}
}
