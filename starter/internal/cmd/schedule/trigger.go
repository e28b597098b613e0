package schedule

import (
	"context"
	"fmt"
	"time"

	"github.com/spf13/cobra"
	enumspb "go.temporal.io/api/enums/v1"
	sdk "go.temporal.io/sdk/client"

	"github.com/pbsmflow/pbsmflow/internal/calendar"
	"github.com/pbsmflow/pbsmflow/internal/clock"
	"github.com/pbsmflow/pbsmflow/starter/internal/cli"
	"github.com/pbsmflow/pbsmflow/starter/internal/client"
	"github.com/pbsmflow/pbsmflow/workflows"
)

func newTrigger(f *cli.Factory) *cobra.Command {
	var dryRun bool
	cmd := &cobra.Command{
		Use:   "trigger ID",
		Short: "Run the latest night that has begun, now",
		Long: `Run the latest night that has begun, now: this evening's after its time, before
that the night before. It waits while another night of the schedule runs. A
night that succeeded is not run again. It works on a paused schedule, too.`,
		Example: f.Examples("schedule trigger " + exampleID + " --dry-run"),
		Args:    cli.OneArg("schedule id"),
		RunE:    withSchedule(f, func(ctx context.Context, s existing) error { return s.trigger(ctx, dryRun) }),
	}
	cmd.Flags().BoolVar(&dryRun, "dry-run", false, "only show the night")
	return cmd
}

// trigger triggers the schedule even where the calendar here has no night: the worker's calendar decides.
func (s existing) trigger(ctx context.Context, dryRun bool) error {
	in, compiled, err := s.compiled()
	if err != nil {
		return err
	}
	verdict := compiled.At(time.Now())
	shown := nights{ID: s.id, Rule: in, verdicts: []calendar.Verdict{verdict}}
	if dryRun {
		shown.print(s.Factory, "")
		return nil
	}
	done := "starts nothing: " + verdict.Why
	if night := verdict.Night; night != nil {
		asOf := night.AsOf.Format(time.DateOnly)
		shown.WorkflowID = in.CloseInput(asOf).WorkflowID()
		if done, err = s.expect(ctx, asOf, &shown); err != nil {
			return err
		}
	}
	options := sdk.ScheduleTriggerOptions{Overlap: enumspb.SCHEDULE_OVERLAP_POLICY_BUFFER_ALL}
	if err := s.handle.Trigger(ctx, options); err != nil {
		return fmt.Errorf("trigger %s: %w", s.id, err)
	}
	if s.description.Schedule.State.Paused {
		shown.Paused = true
		done += "; the schedule is paused, and stays so"
	}
	shown.print(s.Factory, done)
	return nil
}

// expect says what a trigger will do, by the status of the night's close before it.
func (s existing) expect(ctx context.Context, asOf string, shown *nights) (string, error) {
	run, err := workflows.Describe(ctx, s.Temporal, shown.WorkflowID)
	if err != nil && !client.NotFound(err) {
		return "", err
	}
	times := clock.In(shown.Rule.TimeZone)
	switch run.Status {
	case enumspb.WORKFLOW_EXECUTION_STATUS_COMPLETED:
		shown.AlreadyDone = true
		ended := times.Text(run.EndedAt)
		return fmt.Sprintf("starts nothing: %s was already done, on %s; it is not run again", asOf, ended), nil
	case enumspb.WORKFLOW_EXECUTION_STATUS_RUNNING:
		return fmt.Sprintf("starts nothing: %s has been running since %s", asOf, times.Text(run.StartedAt)), nil
	}
	return "starts the close for " + asOf, nil
}
