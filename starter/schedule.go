package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"
	enumspb "go.temporal.io/api/enums/v1"
	"go.temporal.io/sdk/client"
	"go.temporal.io/sdk/temporal"

	"github.com/pbsmflow/pbsmflow/internal/calendar"
	"github.com/pbsmflow/pbsmflow/internal/config"
	"github.com/pbsmflow/pbsmflow/internal/pipeline"
	problems "github.com/pbsmflow/pbsmflow/internal/problem"
	"github.com/pbsmflow/pbsmflow/internal/version"
	"github.com/pbsmflow/pbsmflow/workflows"
)

const ruleHelp = `Which nights (--on):
  business-days    the calendar's (the default)
  daily            every calendar day
  month-end        the last day of each month; month-end+2 and month-end-1 are so many
                   business days after and before it
  cron TEXT        day, month and weekday of "cron 0 22 1,15 * mon-fri" must all match;
                   minute and hour are numbers, and stand for --at
A night that falls on no business day goes to the next (--roll forward) or the last one
before it (back, the default for a month's end), or stays where it is (none).

Which as-of date (--as-of), from the local date on which the night begins:
  business-day         the last business day on or before it (the default)
  business-day-N       N business days before that; for a close after midnight: business-day-1
  day, day-N           that date itself, or N days before
  month-end            the last day of the month whose end the night is about, else of the
                       last month that has ended
  month-end-business-day    that month's last business day`

func newScheduleCommand(a *app) *cobra.Command {
	cmd := &cobra.Command{
		Use:   "schedule",
		Short: "Run a close every night, as a calendar says",
		Long: `Run a close every night, as a calendar says.

The schedule starts ScheduledClose each day at its time. That asks the calendar of the
worker's configuration, as it is that night, and runs the close for the as-of date of the
scheduled time, or ends at once and says why there is none. So a holiday that is added
tomorrow counts tomorrow, and a night that is caught up or backfilled gets its own date.`,
		Example: `  starter schedule create --connection prod --pipeline nightly-close --at 22:00 --dry-run
  starter schedule list`,
		Args: noArgs,
		RunE: func(cmd *cobra.Command, _ []string) error { return cmd.Help() },
	}
	cmd.AddCommand(newScheduleCreateCommand(a), newScheduleListCommand(a))
	cmd.AddCommand(scheduleChanges(a)...)
	return cmd
}

// schedule is what the flags of create say.
type schedule struct {
	input          workflows.ScheduledCloseInput
	overlap        string
	catchUp        time.Duration
	pauseOnFailure bool
	note, by       string
	dryRun         bool
	nights         int
	from           string
	pipelines      string // the folder here
}

func (s schedule) id() string { return workflows.ScheduleID(s.input.Connection, s.input.Pipeline) }

// Overlap policies by name. A night waits with BUFFER_ALL: a BUFFER_ONE would keep the tick of a
// Saturday, on which there is no close, and lose the Monday's.
var overlaps = map[string]enumspb.ScheduleOverlapPolicy{
	"wait": enumspb.SCHEDULE_OVERLAP_POLICY_BUFFER_ALL,
	"skip": enumspb.SCHEDULE_OVERLAP_POLICY_SKIP,
}

const minCatchUp = time.Minute

func newScheduleCreateCommand(a *app) *cobra.Command {
	var s schedule
	in := &s.input
	cmd := &cobra.Command{
		Use:   "create --connection C --pipeline NAME --at HH:MM",
		Short: "Create the schedule of a pipeline, or only show its nights",
		Long: `Create the schedule of a pipeline's nights, and show the next of them: when each begins,
and for which as-of date. --dry-run only shows them.

` + ruleHelp + `

Calendars are us-bank (the holidays of the Federal Reserve Banks) and those that the
configuration has under "calendars". Calendar and time zone are the pipeline's own, where
its definition is in the configured folder here.`,
		Example: `  starter schedule create -c prod -p nightly-close --at 22:00 --time-zone America/New_York --calendar us-bank --dry-run
  starter schedule create -c prod -p month-end-close --at 23:30 --on month-end+2 --as-of month-end
  starter schedule create -c prod -p nightly-close --at 01:30 --as-of business-day-1 --pause-on-failure`,
		Args: noArgs,
		RunE: func(cmd *cobra.Command, _ []string) error { return a.createSchedule(cmd.Context(), s) },
	}
	flags := cmd.Flags()
	flags.StringVarP(&in.Connection, "connection", "c", "", "the `connection`, as the worker's configuration names it")
	flags.StringVarP(&in.Pipeline, "pipeline", "p", "", "a `pipeline` of the worker's folder")
	flags.StringVar(&in.At, "at", "", "the `time` of day at which a night begins, HH:MM")
	flags.StringVar(&in.TimeZone, "time-zone", "", "the `zone` of that time, such as America/New_York (default: the pipeline's)")
	flags.StringVar(&in.Calendar, "calendar", "", "the `calendar` of business days (default: the pipeline's)")
	flags.StringVar(&in.On, "on", calendar.BusinessDays, "which `nights`: business-days, daily, month-end[+N|-N], \"cron TEXT\"")
	flags.StringVar(&in.Roll, "roll", "", "`where` a night goes that falls on no business day: forward, back, none")
	flags.StringVar(&in.AsOf, "as-of", calendar.BusinessDay, "the `rule` of the as-of date: business-day[-N], day[-N], month-end, month-end-business-day")
	flags.StringVar(&s.overlap, "overlap", "wait", "`what` a night does while the one before is not over: wait, or skip")
	flags.DurationVar(&s.catchUp, "catch-up", 6*time.Hour, "how late a night is still started after Temporal was down")
	flags.BoolVar(&s.pauseOnFailure, "pause-on-failure", false, "a close that fails pauses the schedule")
	flags.StringVar(&s.note, "note", "", "a `note`, shown in the list")
	flags.StringVar(&s.by, "by", person(), "`who` makes the schedule")
	flags.BoolVar(&s.dryRun, "dry-run", false, "only show the nights")
	flags.IntVar(&s.nights, "nights", 10, "show so many `nights`")
	flags.StringVar(&s.from, "from", "", "the `date` from which they are shown (default: now)")
	for name, words := range map[string][]string{
		"on": {calendar.BusinessDays, calendar.Daily, calendar.MonthEnd}, "roll": {calendar.Forward, calendar.Back, calendar.NoRoll},
		"as-of": {calendar.BusinessDay, calendar.Day, calendar.MonthEnd, calendar.MonthEndBusinessDay}, "overlap": {"wait", "skip"},
	} {
		_ = cmd.RegisterFlagCompletionFunc(name, cobra.FixedCompletions(words, cobra.ShellCompDirectiveNoFileComp))
	}
	return cmd
}

func (a *app) createSchedule(ctx context.Context, s schedule) error {
	plan, err := a.planSchedule(&s)
	if err != nil {
		return err
	}
	after := time.Now()
	if s.from != "" {
		date, _ := time.Parse(time.DateOnly, s.from) // checked with the rest
		after = midnight(date, plan.Location()).Add(-time.Second)
	}
	shown := nights{ID: s.id(), Rule: s.input, verdicts: plan.From(after, s.nights)}
	if s.dryRun {
		a.showNights(shown, "")
		a.hints(s, plan, shown)
		return nil
	}
	session, err := a.connect(ctx)
	if err != nil {
		return err
	}
	defer session.close()
	if err := session.served(ctx, s.input.Connection); err != nil {
		return err
	}
	_, err = session.client.ScheduleClient().Create(ctx, s.options(plan, time.Now(), a.taskQueue))
	switch {
	case errors.Is(err, temporal.ErrScheduleAlreadyRunning):
		return &problem{code: exitUsage, id: s.id(), message: "there is one already",
			next: []string{"See it: starter schedule list", "Make it anew: starter schedule delete " + s.id() + ", then create"}}
	case err != nil:
		return fmt.Errorf("create %s: %w", s.id(), err)
	}
	shown.Created = true
	a.showNights(shown, "created")
	a.hints(s, plan, shown)
	session.noteIdle(ctx, a.taskQueue)
	return nil
}

func (a *app) hints(s schedule, plan *calendar.Plan, n nights) {
	if others := otherPipelines(s.pipelines, s.input.Pipeline); len(others) > 0 {
		a.note("There is no pipeline %s in %s, which has %s. Where the workers' folder has none either, no night begins.", s.input.Pipeline, s.pipelines, strings.Join(others, ", "))
	}
	a.hintMorning(plan, n)
}

// otherPipelines are those that a folder has, where it lacks the one that is named. The workers' may be another folder.
func otherPipelines(folder, name string) (others []string) {
	files, err := os.ReadDir(folder)
	if folder == "" || err != nil {
		return nil
	}
	for _, file := range files {
		ending := filepath.Ext(file.Name())
		switch known := strings.TrimSuffix(file.Name(), ending); {
		case file.IsDir() || !slices.Contains(pipeline.Endings, ending):
		case known == name:
			return nil
		default:
			others = append(others, known)
		}
	}
	return others
}

// hintMorning tells of a close after midnight that is for the day which has just begun.
func (a *app) hintMorning(plan *calendar.Plan, n nights) {
	hour, _ := plan.Clock()
	for _, v := range n.verdicts {
		if v.Night != nil && hour < 12 && v.Night.AsOf.Equal(v.Night.Date) {
			a.note("The as-of date is the day that begins with the night. For the business day before it: --as-of business-day-1")
			return
		}
	}
}

// planSchedule checks what was asked. Every fault is named.
func (a *app) planSchedule(s *schedule) (*calendar.Plan, error) {
	known, err := config.LoadSchedules(a.config, os.Environ())
	if err != nil {
		return nil, usage("%v", err)
	}
	s.pipelines = known.Pipelines
	var faults []string
	if err := inputProblem(s.input.Validate()); err != nil {
		faults = append(faults, asProblem(err).faults...)
	} else if err := fromPipeline(known.Pipelines, &s.input); err != nil {
		faults = append(faults, err.Error())
	}
	plan, err := known.Calendars.Compile(rule(s.input))
	faults = append(faults, problems.Texts(err)...)
	if _, ok := overlaps[s.overlap]; !ok {
		faults = append(faults, fmt.Sprintf("overlap %q is neither wait nor skip", s.overlap))
	}
	if s.catchUp < minCatchUp {
		faults = append(faults, fmt.Sprintf("catch-up %s is less than %s", s.catchUp, minCatchUp))
	}
	if s.nights < 1 || s.nights > 1000 {
		faults = append(faults, fmt.Sprintf("nights %d is not between 1 and 1000", s.nights))
	}
	if _, err := time.Parse(time.DateOnly, s.from); err != nil && s.from != "" {
		faults = append(faults, fmt.Sprintf("from %q is not a date; write it like 2026-10-31", s.from))
	}
	if len(faults) > 0 {
		return nil, &problem{code: exitUsage, message: "the schedule has faults", faults: faults}
	}
	return plan, nil
}

func rule(in workflows.ScheduledCloseInput) calendar.Rule {
	return calendar.Rule{Calendar: in.Calendar, TimeZone: in.TimeZone, At: in.At, On: in.On, Roll: in.Roll, AsOf: in.AsOf}
}

// fromPipeline takes what was not said from the pipeline's definition, where that is here.
func fromPipeline(folder string, in *workflows.ScheduledCloseInput) error {
	if folder == "" {
		return nil
	}
	for _, ending := range pipeline.Endings {
		file := filepath.Join(folder, in.Pipeline+ending)
		text, err := os.ReadFile(file)
		if errors.Is(err, os.ErrNotExist) {
			continue
		}
		if err != nil {
			return fmt.Errorf("the pipeline: %w", err)
		}
		p, err := pipeline.Parse(text)
		if err == nil {
			err = p.Validate()
		}
		if err != nil {
			return fmt.Errorf("%s has faults; see starter pipeline check %s", file, file)
		}
		if in.Calendar == "" {
			in.Calendar = p.Calendar
		}
		if in.TimeZone == "" {
			in.TimeZone = p.TimeZone
		}
		return nil
	}
	return nil
}

// skippedYears is how far ahead the nights are looked up whose time of day the clocks skip.
const skippedYears = 10

// options are the schedule as Temporal takes it: every calendar day at the time of day, for the
// calendar is asked that night.
func (s schedule) options(plan *calendar.Plan, now time.Time, taskQueue string) client.ScheduleOptions {
	hour, minute := plan.Clock()
	spec := client.ScheduleSpec{TimeZoneName: s.input.TimeZone, Calendars: []client.ScheduleCalendarSpec{{
		Hour: at(hour), Minute: at(minute), Comment: "every day; the calendar decides: " + s.input.On + " of " + s.input.Calendar,
	}}}
	spec.Calendars = append(spec.Calendars, skipped(plan, now, now.AddDate(skippedYears, 0, 0))...)
	s.input.StartedBy = s.id()
	return client.ScheduleOptions{
		ID: s.id(), Spec: spec, Overlap: overlaps[s.overlap], CatchupWindow: s.catchUp, PauseOnFailure: s.pauseOnFailure, Note: s.note,
		Memo: map[string]any{workflows.ScheduleInputMemo: s.input, "created_by": s.by, "created_with": "starter " + version.Version},
		Action: &client.ScheduleWorkflowAction{
			ID: workflows.ScheduledCloseID(s.input.Connection, s.input.Pipeline), Workflow: workflows.ScheduledCloseType, Args: []any{s.input}, TaskQueue: taskQueue,
			StaticSummary: fmt.Sprintf("%s on %s, by its schedule", s.input.Pipeline, s.input.Connection),
			Priority:      workflows.Priority(s.input.Connection, 0),
			Memo:          map[string]any{"started_by": s.id()},
		},
	}
}

// skipped are the nights between two dates whose time of day the clocks skip. Temporal takes the
// clock literally: where it is put forward over the time of day, nothing would start.
func skipped(plan *calendar.Plan, first, last time.Time) []client.ScheduleCalendarSpec {
	var nights []client.ScheduleCalendarSpec
	hour, minute := plan.Clock()
	for _, start := range plan.Starts(first, last) {
		nights = append(nights, client.ScheduleCalendarSpec{
			Year: at(start.Year()), Month: at(int(start.Month())), DayOfMonth: at(start.Day()), Hour: at(start.Hour()), Minute: at(start.Minute()),
			Comment: fmt.Sprintf("the clocks skip %02d:%02d", hour, minute),
		})
	}
	return nights
}

func at(n int) []client.ScheduleRange { return []client.ScheduleRange{{Start: n}} }

// midnight is the beginning of a date on the clocks of a time zone.
func midnight(date time.Time, zone *time.Location) time.Time {
	return time.Date(date.Year(), date.Month(), date.Day(), 0, 0, 0, 0, zone)
}

// nights are those of a schedule, to be shown.
type nights struct {
	ID      string                        `json:"schedule_id"`
	Rule    workflows.ScheduledCloseInput `json:"rule"`
	Created bool                          `json:"created,omitempty"`
	Nights  []nightDocument               `json:"nights"`
	// WorkflowID is the close's that was started, or that there was.
	WorkflowID string `json:"workflow_id,omitempty"`
	// AlreadyDone: it had succeeded, and nothing was started.
	AlreadyDone bool `json:"already_done,omitempty"`
	// Paused: nothing but the one night was started.
	Paused   bool `json:"paused,omitempty"`
	verdicts []calendar.Verdict
}

// nightDocument is a night, or a date without a close.
type nightDocument struct {
	Night    string `json:"night"`
	Weekday  string `json:"weekday"`
	Start    string `json:"start,omitempty"`
	StartUTC string `json:"start_utc,omitempty"`
	AsOfDate string `json:"as_of_date,omitempty"`
	// NoClose says why there is none.
	NoClose string `json:"no_close,omitempty"`
	Note    string `json:"note,omitempty"`
}

func newNightDocument(v calendar.Verdict) nightDocument {
	d := nightDocument{Night: v.Date.Format(time.DateOnly), Weekday: v.Date.Weekday().String(), NoClose: v.Why}
	if n := v.Night; n != nil {
		d.Start, d.StartUTC = n.Start.Format(time.RFC3339), n.Start.UTC().Format(time.RFC3339)
		d.AsOfDate, d.Note = n.AsOf.Format(time.DateOnly), n.Note
	}
	return d
}

// showNights prints nights under a line that says what they are, or what was done.
func (a *app) showNights(n nights, done string) {
	if a.json() {
		n.Nights = []nightDocument{}
		for _, v := range n.verdicts {
			n.Nights = append(n.Nights, newNightDocument(v))
		}
		a.printJSON(n)
		return
	}
	r := n.Rule
	head := n.ID + ": " + r.On + " of " + r.Calendar
	if r.At != "" {
		head += " at " + r.At
	}
	head += ", " + r.TimeZone
	if r.Roll != "" {
		head += ", rolled " + r.Roll
	}
	if r.AsOf != "" {
		head += ", as of " + r.AsOf
	}
	if done != "" {
		a.print(n.ID + " " + done)
	}
	a.print(head, "")
	a.print(a.style.Nights(n.verdicts, a.width())...)
	switch {
	case n.AlreadyDone:
		a.print("", "See it: starter status "+n.WorkflowID)
	case n.WorkflowID != "":
		a.print("", "Follow it: starter status "+n.WorkflowID+" --follow")
	}
}
