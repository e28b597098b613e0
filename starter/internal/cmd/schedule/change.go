package schedule

import (
	"context"
	"fmt"
	"regexp"
	"strings"

	"github.com/spf13/cobra"
	sdk "go.temporal.io/sdk/client"

	"github.com/pbsmflow/pbsmflow/starter/internal/cli"
)

func newPause(f *cli.Factory) *cobra.Command {
	return withReason(f, "pause", "Start no more nights; closes that run continue", "paused it",
		func(ctx context.Context, s existing, note string) error {
			return s.handle.Pause(ctx, sdk.SchedulePauseOptions{Note: note})
		})
}

func newUnpause(f *cli.Factory) *cobra.Command {
	return withReason(f, "unpause", "Start the nights again; missed ones can be backfilled", "unpaused it",
		func(ctx context.Context, s existing, note string) error {
			return s.handle.Unpause(ctx, sdk.ScheduleUnpauseOptions{Note: note})
		})
}

func newDelete(f *cli.Factory) *cobra.Command {
	return newChange(f, "delete", "Delete a schedule; closes that run continue", "deleted it",
		func(ctx context.Context, s existing) error { return s.handle.Delete(ctx) })
}

// withReason is a change whose reason becomes the schedule's note.
func withReason(
	f *cli.Factory, name, short, done string, act func(ctx context.Context, s existing, note string) error,
) *cobra.Command {
	var reason, by string
	cmd := newChange(f, name, short, done, func(ctx context.Context, s existing) error {
		return act(ctx, s, noteWith(s.description.Schedule.State.Note, by+" "+done+": "+reason))
	})
	cmd.Example += " \\\n      --reason \"the core system is moved\""
	cmd.Flags().StringVarP(&reason, "reason", "r", "", "`why`; it becomes the schedule's note (required)")
	_ = cmd.MarkFlagRequired("reason")
	cmd.Flags().StringVar(&by, "by", cli.Operator(), "`who` does it")
	return cmd
}

const noteSeparator = " | "

// changeNote is a note of this program, or of a server that paused the schedule because a close failed.
var changeNote = regexp.MustCompile(`^(paused due to |\S.* (un)?paused it(: |$))`)

// noteWith keeps the note that the schedule was created with in front of the latest change.
func noteWith(before, change string) string {
	note, _, _ := strings.Cut(before, noteSeparator)
	if note == "" || changeNote.MatchString(note) {
		return change
	}
	return note + noteSeparator + change
}

func newChange(
	f *cli.Factory, name, short, done string, act func(ctx context.Context, s existing) error,
) *cobra.Command {
	return &cobra.Command{
		Use:     name + " ID",
		Short:   short,
		Args:    cli.OneArg("schedule id"),
		Example: f.Examples("schedule " + name + " " + exampleID),
		RunE: withSchedule(f, func(ctx context.Context, s existing) error {
			done := done
			if name == "unpause" && !s.description.Schedule.State.Paused {
				done = "nothing: it was not paused"
			} else if err := act(ctx, s); err != nil {
				return fmt.Errorf("%s %s: %w", name, s.id, err)
			}
			return f.Show(map[string]any{"schedule_id": s.id, "done": done}, s.id+": "+done)
		}),
	}
}
