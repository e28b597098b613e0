package schedule

import (
	"cmp"
	"context"
	"fmt"
	"os"
	"strings"
	"time"

	"github.com/spf13/cobra"
	enumspb "go.temporal.io/api/enums/v1"
	sdk "go.temporal.io/sdk/client"

	"github.com/pbsmflow/pbsmflow/internal/calendar"
	"github.com/pbsmflow/pbsmflow/internal/config"
	"github.com/pbsmflow/pbsmflow/internal/problem"
	"github.com/pbsmflow/pbsmflow/starter/internal/cli"
	"github.com/pbsmflow/pbsmflow/starter/internal/client"
	"github.com/pbsmflow/pbsmflow/starter/internal/view"
	"github.com/pbsmflow/pbsmflow/workflows"
)

func newList(f *cli.Factory) *cobra.Command {
	return &cobra.Command{
		Use:   "list",
		Short: "List the schedules, their next nights and last outcomes",
		Long: `List the schedules: the next night of each, and the outcome of its last
scheduled time. One that was just created can take a few seconds to appear.
Scheduled times that were not started are counted: backfill their nights.`,
		Example: f.Examples("schedule list --output json"),
		Args:    cli.NoArgs,
		RunE:    func(cmd *cobra.Command, _ []string) error { return list(cmd.Context(), f) },
	}
}

func list(ctx context.Context, f *cli.Factory) error {
	known, err := config.LoadPlanning(f.Config, os.Environ())
	if err != nil {
		return cli.Usage("%v", err)
	}
	return client.With(ctx, f, func(s *client.Session) error {
		found, err := List(ctx, s, known.Calendars)
		switch {
		case err != nil:
			return err
		case s.JSON():
			s.PrintJSON(map[string]any{"schedules": found})
		case len(found) == 0:
			s.Print("There are no schedules in namespace " + s.Namespace + ". Create one: " +
				s.Starter("schedule create --help"))
		default:
			s.Print(s.Style.Schedules(found, s.Width())...)
		}
		return nil
	})
}

// List describes the schedules of this program, with their next nights and last outcomes.
func List(ctx context.Context, s *client.Session, known calendar.Calendars) ([]view.Schedule, error) {
	found := []view.Schedule{}
	iterator, err := s.Temporal.ScheduleClient().List(ctx, sdk.ScheduleListOptions{})
	if err != nil {
		return nil, fmt.Errorf("list the schedules: %w", err)
	}
	for iterator.HasNext() {
		entry, err := iterator.Next()
		if err != nil {
			return nil, fmt.Errorf("list the schedules: %w", err)
		}
		if entry.WorkflowType.Name != workflows.ScheduledCloseType {
			continue
		}
		// The list lags behind; the schedule itself does not.
		description, err := s.Temporal.ScheduleClient().GetHandle(ctx, entry.ID).Describe(ctx)
		if client.NotFound(err) {
			continue
		}
		if err != nil {
			return nil, fmt.Errorf("describe %s: %w", entry.ID, err)
		}
		found = append(found, newSchedule(ctx, s, known, entry.ID, description))
	}
	return found, nil
}

func newSchedule(
	ctx context.Context, s *client.Session, known calendar.Calendars, id string, description *sdk.ScheduleDescription,
) view.Schedule {
	state, info := description.Schedule.State, description.Info
	d := view.Schedule{
		ID:      id,
		Paused:  state.Paused,
		Note:    state.Note,
		Missed:  info.NumActionsMissedCatchupWindow,
		Skipped: info.NumActionsSkippedOverlap,
	}
	if err := s.MemoField(description.Memo, workflows.ScheduleInputMemo, &d.Rule); err != nil {
		d.Unplanned = err.Error()
	} else if compiled, err := known.Compile(rule(d.Rule)); err != nil {
		d.Unplanned = "not known here: " + strings.Join(problem.Texts(err), "; ")
	} else if parsed, _ := workflows.ParseID(id); !parsed.IsBackfill() { // a backfill has no next night
		for _, v := range compiled.From(time.Now(), 1) { // dates without a close, and the night
			if v.Night != nil {
				d.SetNext(v)
			}
		}
	}
	if n := len(info.RecentActions); n > 0 && info.RecentActions[n-1].StartWorkflowResult != nil {
		d.LastID, d.Last = outcome(ctx, s, info.RecentActions[n-1].StartWorkflowResult.WorkflowID)
	}
	return d
}

// outcome is that of a scheduled time, in a line. While its close runs, that is what is named.
func outcome(ctx context.Context, s *client.Session, id string) (workflow, text string) {
	run, err := workflows.Describe(ctx, s.Temporal, id)
	if err != nil {
		return id, id
	}
	if closing := run.ChildID(); closing != "" {
		if child, err := workflows.Describe(ctx, s.Temporal, closing); err == nil {
			state := cmp.Or(string(child.LastState()), client.StatusText(child.Status))
			return closing, fmt.Sprintf("%s (%s)", closing, state)
		}
	}
	if summary := run.EndSummary(s.Payloads); summary != "" {
		return id, summary
	}
	known := fmt.Sprintf("%s (%s)", id, client.StatusText(run.Status))
	if run.Status != enumspb.WORKFLOW_EXECUTION_STATUS_FAILED {
		return id, known
	}
	// It ended before it had a summary: its night could not be planned.
	p := s.Ended(id, workflows.ScheduledCloseType, s.Temporal.GetWorkflow(ctx, id, run.RunID).Get(ctx, nil))
	return id, known + ": " + cmp.Or(strings.Join(p.Problems, "; "), p.Message)
}
