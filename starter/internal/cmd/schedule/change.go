package schedule

import (
	"context"
	"fmt"

	"github.com/spf13/cobra"
	sdk "go.temporal.io/sdk/client"

	"github.com/pbsmflow/pbsmflow/starter/internal/cli"
)

// change is a command that changes a schedule.
type change struct {
	name, short, done string
	// act changes it; note is what becomes the schedule's note.
	act func(ctx context.Context, handle sdk.ScheduleHandle, note string) error
}

type changeOptions struct{ id, reason, by string }

func newPause(f *cli.Factory) *cobra.Command {
	return withReason(f, change{
		name:  "pause",
		short: "Start no more nights; closes that run continue",
		done:  "paused it",
		act: func(ctx context.Context, handle sdk.ScheduleHandle, note string) error {
			return handle.Pause(ctx, sdk.SchedulePauseOptions{Note: note})
		},
	})
}

func newUnpause(f *cli.Factory) *cobra.Command {
	return withReason(f, change{
		name:  "unpause",
		short: "Start the nights again; missed ones can be backfilled",
		done:  "unpaused it",
		act: func(ctx context.Context, handle sdk.ScheduleHandle, note string) error {
			return handle.Unpause(ctx, sdk.ScheduleUnpauseOptions{Note: note})
		},
	})
}

func newDelete(f *cli.Factory) *cobra.Command {
	return newChange(f, &changeOptions{}, change{
		name:  "delete",
		short: "Delete a schedule; closes that run continue",
		done:  "deleted it",
		act: func(ctx context.Context, handle sdk.ScheduleHandle, _ string) error {
			return handle.Delete(ctx)
		},
	})
}

func withReason(f *cli.Factory, c change) *cobra.Command {
	var o changeOptions
	cmd := newChange(f, &o, c)
	cmd.Example += " \\\n      --reason \"the core system is moved\""
	cmd.Flags().StringVarP(&o.reason, "reason", "r", "", "`why`; it becomes the schedule's note")
	cmd.Flags().StringVar(&o.by, "by", cli.Operator(), "`who` does it")
	return cmd
}

func newChange(f *cli.Factory, o *changeOptions, c change) *cobra.Command {
	return &cobra.Command{
		Use:     c.name + " ID",
		Short:   c.short,
		Args:    cli.OneArg("schedule id"),
		Example: "  starter schedule " + c.name + " " + exampleID,
		RunE: func(cmd *cobra.Command, args []string) error {
			o.id = args[0]
			return c.run(cmd.Context(), f, *o)
		},
	}
}

func (c change) run(ctx context.Context, f *cli.Factory, o changeOptions) error {
	return withSchedule(ctx, f, o.id, func(s existing) error {
		done := c.done
		if c.name == "unpause" && !s.description.Schedule.State.Paused {
			done = "nothing: it was not paused"
		} else if err := c.act(ctx, s.handle, c.note(o)); err != nil {
			return fmt.Errorf("%s %s: %w", c.name, o.id, err)
		}
		if f.JSON() {
			f.PrintJSON(map[string]any{"schedule_id": o.id, "done": done})
			return nil
		}
		f.Print(o.id + ": " + done)
		return nil
	})
}

func (c change) note(o changeOptions) string {
	note := o.by + " " + c.done
	if o.reason != "" {
		note += ": " + o.reason
	}
	return note
}
