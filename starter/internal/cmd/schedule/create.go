package schedule

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/spf13/cobra"
	enumspb "go.temporal.io/api/enums/v1"
	sdk "go.temporal.io/sdk/client"
	"go.temporal.io/sdk/temporal"

	"github.com/pbsmflow/pbsmflow/internal/calendar"
	"github.com/pbsmflow/pbsmflow/internal/version"
	"github.com/pbsmflow/pbsmflow/starter/internal/cli"
	"github.com/pbsmflow/pbsmflow/starter/internal/client"
	"github.com/pbsmflow/pbsmflow/starter/internal/cmd/pipeline"
	"github.com/pbsmflow/pbsmflow/workflows"
)

// createOptions are the flags of create.
type createOptions struct {
	input          workflows.ScheduledCloseInput
	overlap        string
	catchUp        time.Duration
	pauseOnFailure bool
	note, by       string
	dryRun         bool
	nights         int
	from           string
	pipelines      string // the folder here, from the configuration
	params         pipeline.ParamFlags
}

func (o createOptions) id() string { return o.input.ScheduleID() }

// overlaps are Temporal's overlap policies by name. A night waits with BUFFER_ALL: BUFFER_ONE would keep the
// scheduled time of a Saturday, on which there is no close, and lose Monday's.
var overlaps = map[string]enumspb.ScheduleOverlapPolicy{
	"wait": enumspb.SCHEDULE_OVERLAP_POLICY_BUFFER_ALL,
	"skip": enumspb.SCHEDULE_OVERLAP_POLICY_SKIP,
}

func newCreate(f *cli.Factory) *cobra.Command {
	var o createOptions
	in := &o.input
	cmd := &cobra.Command{
		Use:   "create --connection C --pipeline NAME --at HH:MM",
		Short: "Create the schedule of a pipeline, or only show its nights",
		Long: `Create the schedule of a pipeline's closes, and show the next nights: when each
begins, and its as-of date. --dry-run only shows them.

Which nights (--on):
  business-days   those of the calendar (the default)
  daily           every calendar day
  month-end       the last day of each month; month-end+2 and month-end-1 are
                  that many business days after and before it
  cron TEXT       day, month and weekday of "cron 0 22 1,15 * mon-fri" must all
                  match; minute and hour are numbers, in place of --at
A night that falls on no business day moves to the next one (--roll forward) or
the one before (back, the default for a month's end), or stays (none).

Which as-of date (--as-of), from the local date on which the night begins:
  business-day    the last business day on or before it (the default)
  business-day-N  N business days before that; for a close after midnight:
                  business-day-1
  day, day-N      that date itself, or N days before
  month-end       the last day of the month whose end the night is for, else of
                  the last month that has ended
  month-end-business-day
                  that month's last business day

Calendars are the built-in ones, such as us-bank (the holidays of the Federal
Reserve Banks) and target2, and those that the configuration has under
"calendars". Calendar and time zone default to the pipeline's own, where its
definition is in the configured folder here.`,
		Example: f.Examples(
			`schedule create -c prod -p nightly-close --at 22:00 \
      --time-zone America/New_York --calendar us-bank --dry-run`,
			`schedule create -c prod -p month-end-close --at 23:30 \
      --on month-end+2 --as-of month-end`,
			`schedule create -c prod -p nightly-close --at 01:30 \
      --as-of business-day-1 --pause-on-failure`,
		),
		Args: cli.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) (err error) {
			if in.Params, in.Key, err = o.params.Values(); err != nil {
				return err
			}
			return create(cmd.Context(), f, o)
		},
	}
	flags := cmd.Flags()
	cli.ConnectionFlag(flags, &in.Connection)
	flags.StringVarP(&in.Pipeline, "pipeline", "p", "", "a `pipeline` of the worker's folder")
	flags.StringVar(&in.At, "at", "", "the `time` of day at which a night begins, HH:MM")
	flags.StringVar(&in.TimeZone, "time-zone", "",
		"the `zone` of that time, such as America/New_York (default: the pipeline's)")
	flags.StringVar(&in.Calendar, "calendar", "", "the `calendar` of business days (default: the pipeline's)")
	flags.StringVar(&in.On, "on", calendar.BusinessDays,
		"which `nights`: business-days, daily, month-end[+N|-N], \"cron TEXT\"")
	flags.StringVar(&in.Roll, "roll", "", "`where` a night moves that falls on no business day: forward, back, none")
	flags.StringVar(&in.AsOf, "as-of", calendar.BusinessDay,
		"the `rule` of the as-of date: business-day[-N], day[-N], month-end, month-end-business-day")
	o.params.Add(flags)
	flags.StringVar(&o.overlap, "overlap", "wait",
		"`what` a night does while the one before is still running: wait, or skip")
	flags.DurationVar(&o.catchUp, "catch-up", 6*time.Hour,
		"how long after its time a night is still started when Temporal was down")
	flags.BoolVar(&o.pauseOnFailure, "pause-on-failure", false, "a close that fails pauses the schedule")
	flags.StringVar(&o.note, "note", "", "a `note`, shown in the list")
	flags.StringVar(&o.by, "by", cli.Operator(), "`who` creates the schedule")
	flags.BoolVar(&o.dryRun, "dry-run", false, "only show the nights")
	flags.IntVar(&o.nights, "nights", 10, "show this many `nights`")
	flags.StringVar(&o.from, "from", "", "the `date` of the first one to show (default: now)")
	for name, values := range map[string][]string{
		"on":      {calendar.BusinessDays, calendar.Daily, calendar.MonthEnd},
		"roll":    {calendar.Forward, calendar.Back, calendar.NoRoll},
		"as-of":   {calendar.BusinessDay, calendar.Day, calendar.MonthEnd, calendar.MonthEndBusinessDay},
		"overlap": {"wait", "skip"},
	} {
		_ = cmd.RegisterFlagCompletionFunc(name, cobra.FixedCompletions(values, cobra.ShellCompDirectiveNoFileComp))
	}
	return cmd
}

func create(ctx context.Context, f *cli.Factory, o createOptions) error {
	compiled, err := o.compile(f)
	if err != nil {
		return err
	}
	after := time.Now()
	if o.from != "" {
		date, _ := time.Parse(time.DateOnly, o.from) // compile has checked it
		after = midnight(date, compiled.Location()).Add(-time.Second)
	}
	shown := nights{ID: o.id(), Rule: o.input, verdicts: compiled.From(after, o.nights)}
	if o.dryRun {
		shown.print(f, "")
		o.hint(f, compiled, shown)
		return nil
	}
	return client.With(ctx, f, func(s *client.Session) error {
		if err := s.Served(ctx, o.input.Connection); err != nil {
			return err
		}
		_, err := s.Temporal.ScheduleClient().Create(ctx, o.schedule(compiled, time.Now(), f.TaskQueue))
		switch {
		case errors.Is(err, temporal.ErrScheduleAlreadyRunning):
			return cli.Usage("it exists already").Of(o.id()).
				Then("See it: "+s.Starter("schedule list"), "Replace it: "+s.Starter("schedule delete "+o.id())+", then create")
		case err != nil:
			return fmt.Errorf("create %s: %w", o.id(), err)
		}
		shown.Created = true
		shown.print(f, "created")
		o.hint(f, compiled, shown)
		s.NoteIdle(ctx, workflows.Execution{TaskQueue: f.TaskQueue})
		return nil
	})
}

// skippedYears is how far ahead to find nights whose time of day the clocks skip.
const skippedYears = 10

// schedule is what Temporal gets: every calendar day at the time of day, since the calendar is consulted
// that night.
func (o createOptions) schedule(compiled *calendar.CompiledRule, now time.Time, taskQueue string) sdk.ScheduleOptions {
	hour, minute := compiled.Clock()
	spec := sdk.ScheduleSpec{TimeZoneName: o.input.TimeZone, Calendars: []sdk.ScheduleCalendarSpec{{
		Hour:    at(hour),
		Minute:  at(minute),
		Comment: "every day; the calendar decides: " + o.input.On + " of " + o.input.Calendar,
	}}}
	spec.Calendars = append(spec.Calendars, skipped(compiled, now, now.AddDate(skippedYears, 0, 0))...)
	o.input.StartedBy = o.id()
	return sdk.ScheduleOptions{
		ID:             o.id(),
		Spec:           spec,
		Overlap:        overlaps[o.overlap],
		CatchupWindow:  o.catchUp,
		PauseOnFailure: o.pauseOnFailure,
		Note:           o.note,
		Memo: map[string]any{
			workflows.ScheduleInputMemo: o.input,
			"created_by":                o.by,
			"created_with":              "starter " + version.Version,
		},
		Action: &sdk.ScheduleWorkflowAction{
			ID:            workflows.ScheduledCloseID(o.id()),
			Workflow:      workflows.ScheduledCloseType,
			Args:          []any{o.input},
			TaskQueue:     taskQueue,
			StaticSummary: fmt.Sprintf("%s on %s, by its schedule", o.input.Pipeline, o.input.Connection),
			Priority:      workflows.Priority(o.input.Connection, 0),
			Memo:          map[string]any{"started_by": o.id()},
		},
	}
}

// skipped lists the nights between two dates whose time of day the clocks skip. Temporal takes the time
// literally: on a day without that time it would start nothing.
func skipped(compiled *calendar.CompiledRule, first, last time.Time) []sdk.ScheduleCalendarSpec {
	var nights []sdk.ScheduleCalendarSpec
	hour, minute := compiled.Clock()
	for _, start := range compiled.SkippedStarts(first, last) {
		nights = append(nights, sdk.ScheduleCalendarSpec{
			Year:       at(start.Year()),
			Month:      at(int(start.Month())),
			DayOfMonth: at(start.Day()),
			Hour:       at(start.Hour()),
			Minute:     at(start.Minute()),
			Comment:    fmt.Sprintf("the clocks skip %02d:%02d", hour, minute),
		})
	}
	return nights
}

func at(n int) []sdk.ScheduleRange { return []sdk.ScheduleRange{{Start: n}} }

// midnight is the beginning of a date in a time zone.
func midnight(date time.Time, zone *time.Location) time.Time {
	return time.Date(date.Year(), date.Month(), date.Day(), 0, 0, 0, 0, zone)
}
