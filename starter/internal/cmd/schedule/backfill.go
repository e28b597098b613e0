package schedule

import (
	"context"
	"errors"
	"fmt"
	"os"
	"slices"
	"time"

	"github.com/spf13/cobra"
	enumspb "go.temporal.io/api/enums/v1"
	sdk "go.temporal.io/sdk/client"
	"go.temporal.io/sdk/temporal"

	"github.com/pbsmflow/pbsmflow/internal/calendar"
	"github.com/pbsmflow/pbsmflow/internal/config"
	"github.com/pbsmflow/pbsmflow/internal/problem"
	"github.com/pbsmflow/pbsmflow/internal/version"
	"github.com/pbsmflow/pbsmflow/starter/internal/cli"
	"github.com/pbsmflow/pbsmflow/starter/internal/view"
	"github.com/pbsmflow/pbsmflow/workflows"
)

func newBackfill(f *cli.Factory) *cobra.Command {
	var (
		from, to    string
		first, last time.Time
		dryRun      bool
	)
	cmd := &cobra.Command{
		Use:   "backfill ID --from DATE --to DATE",
		Short: "Run past nights, one after the other",
		Long: `Run past nights, one after the other, each for its own as-of date. Dates are the
local ones on which the nights begin, both included. A night that succeeded is
not run again. It works on a paused schedule, too.

A backfill is a schedule of its own, ID/backfill/FROM..TO: tonight's close does
not wait for it, is not paused by it, and is served first where both need the
same. Delete it (schedule delete) to cancel the nights that have not
begun. Temporal forgets it a week after its last night.`,
		Example: f.Examples("schedule backfill " + exampleID + " \\\n      --from 2026-11-02 --to 2026-11-06 --dry-run"),
		Args:    cli.OneArg("schedule id"),
		PreRunE: func(*cobra.Command, []string) (err error) {
			first, last, err = dates(from, to)
			return err
		},
		RunE: withSchedule(f, func(ctx context.Context, s existing) error { return s.backfill(ctx, first, last, dryRun) }),
	}
	cmd.Flags().StringVar(&from, "from", "", "the `date` of the first night")
	cmd.Flags().StringVar(&to, "to", "", "the `date` of the last night")
	cmd.Flags().BoolVar(&dryRun, "dry-run", false, "only show the nights")
	return cmd
}

// maxBackfill is how many days are backfilled at once: Temporal buffers 1,000 starts.
const maxBackfill = 366

func dates(from, to string) (first, last time.Time, err error) {
	var found []string
	parse := func(flag, text string) time.Time {
		date, err := time.Parse(time.DateOnly, text)
		if err != nil {
			found = append(found, fmt.Sprintf("--%s %q is not a date; write it like 2026-10-31", flag, text))
		}
		return date
	}
	first, last = parse("from", from), parse("to", to)
	switch days := last.Sub(first).Hours() / 24; {
	case len(found) > 0:
	case days < 0:
		found = append(found, fmt.Sprintf("--to %s is before --from %s", to, from))
	case days >= maxBackfill:
		found = append(found, fmt.Sprintf("from %s to %s is more than %d days", from, to, maxBackfill))
	}
	return first, last, cli.FlagProblems(found)
}

// compiled is the rule of the schedule, by the calendars that are known here.
func (s existing) compiled() (workflows.ScheduledCloseInput, *calendar.CompiledRule, error) {
	var in workflows.ScheduledCloseInput
	if err := s.MemoField(s.description.Memo, workflows.ScheduleInputMemo, &in); err != nil {
		return in, nil, cli.Usage("%v", err)
	}
	known, err := config.LoadPlanning(s.Config, os.Environ())
	if err != nil {
		return in, nil, cli.Usage("%v", err)
	}
	compiled, err := known.Calendars.Compile(rule(in))
	return in, compiled, cli.Listing(cli.ExitUsage, "its nights are not known here", problem.Texts(err))
}

func (s existing) backfill(ctx context.Context, first, last time.Time, dryRun bool) error {
	in, compiled, err := s.compiled()
	if err != nil {
		return err
	}
	shown := nights{ID: s.id, Rule: in, verdicts: compiled.Between(first, last)}
	count, err := countPast(shown.verdicts)
	switch {
	case err != nil:
		return err
	case count == 0:
		return cli.Usage("there is no night from %s to %s", first.Format(time.DateOnly), last.Format(time.DateOnly))
	case dryRun:
		shown.print(s.Factory, "")
		return nil
	}
	past := sdk.ScheduleBackfill{
		Start:   midnight(first, compiled.Location()),
		End:     midnight(last.AddDate(0, 0, 1), compiled.Location()).Add(-time.Second),
		Overlap: enumspb.SCHEDULE_OVERLAP_POLICY_BUFFER_ALL,
	}
	own := backfillSchedule(s.id, s.description, in, compiled, past)
	_, err = s.Temporal.ScheduleClient().Create(ctx, own)
	if errors.Is(err, temporal.ErrScheduleAlreadyRunning) { // the same nights again: those that failed are run again
		again := sdk.ScheduleBackfillOptions{Backfill: own.ScheduleBackfill}
		err = s.Temporal.ScheduleClient().GetHandle(ctx, own.ID).Backfill(ctx, again)
	}
	if err != nil {
		return fmt.Errorf("backfill %s: %w", s.id, err)
	}
	shown.ID = own.ID
	shown.print(s.Factory, "runs "+view.Plural(count, "night")+", one after the other")
	return nil
}

// countPast counts the nights, and refuses one that has not begun.
func countPast(verdicts []calendar.Verdict) (count int, err error) {
	for _, v := range verdicts {
		if v.Night == nil {
			continue
		}
		count++
		if v.Night.Start.After(time.Now()) {
			return count, cli.Usage("the night of %s has not begun; a backfill is for past nights",
				v.Date.Format("Mon 2006-01-02"))
		}
	}
	return count, nil
}

// backfillSchedule is a schedule beside the original that has nothing but a past, and the lower priority.
// The original has the nights that the clocks skip only from its creation on.
func backfillSchedule(
	id string, description *sdk.ScheduleDescription, in workflows.ScheduledCloseInput, compiled *calendar.CompiledRule,
	past sdk.ScheduleBackfill,
) sdk.ScheduleOptions {
	spec := *description.Schedule.Spec
	spec.EndAt = past.End
	spec.Calendars = append(slices.Clone(spec.Calendars), skipped(compiled, past.Start, past.End)...)
	action := *description.Schedule.Action.(*sdk.ScheduleWorkflowAction)
	action.Priority = workflows.Priority(in.Connection, workflows.BackfillPriority)
	return sdk.ScheduleOptions{
		ID:               workflows.BackfillID(id, past.Start.Format(time.DateOnly), past.End.Format(time.DateOnly)),
		Spec:             spec,
		Action:           &action,
		Overlap:          past.Overlap,
		ScheduleBackfill: []sdk.ScheduleBackfill{past},
		Note:             "a backfill: delete it to cancel the nights that have not begun",
		Memo:             map[string]any{workflows.ScheduleInputMemo: in, "created_with": "starter " + version.Version},
	}
}
