package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"os"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"
	commonpb "go.temporal.io/api/common/v1"
	enumspb "go.temporal.io/api/enums/v1"
	"go.temporal.io/sdk/client"
	"go.temporal.io/sdk/temporal"

	"github.com/pbsmflow/pbsmflow/internal/calendar"
	"github.com/pbsmflow/pbsmflow/internal/config"
	problems "github.com/pbsmflow/pbsmflow/internal/problem"
	"github.com/pbsmflow/pbsmflow/internal/version"
	"github.com/pbsmflow/pbsmflow/starter/internal/view"
	"github.com/pbsmflow/pbsmflow/workflows"
)

const exampleSchedule = "schedule/prod/nightly-close"

func newScheduleListCommand(a *app) *cobra.Command {
	return &cobra.Command{
		Use: "list", Short: "List the schedules: their next night, and what became of the last", Args: noArgs,
		Long: `List the schedules: their next night, and what became of the last scheduled time. One
that was just created can take a few seconds to show. Scheduled times that were not
started are counted: backfill their nights.`,
		Example: `  starter schedule list --output json`,
		RunE:    func(cmd *cobra.Command, _ []string) error { return a.listSchedules(cmd.Context()) },
	}
}

// scheduleDocument is a schedule in the list's JSON.
type scheduleDocument struct {
	ID     string                        `json:"schedule_id"`
	Paused bool                          `json:"paused"`
	Note   string                        `json:"note,omitempty"`
	Rule   workflows.ScheduledCloseInput `json:"rule"`
	Next   *nightDocument                `json:"next,omitempty"`
	// Unplanned says why the next night is not known here.
	Unplanned string `json:"unplanned,omitempty"`
	Last      string `json:"last,omitempty"`
	LastID    string `json:"last_workflow_id,omitempty"`
	// MissedCatchUp and SkippedOverlap count scheduled times that were not started: too late for
	// the catch-up, or because the one before was not over.
	MissedCatchUp  int `json:"missed_catch_up"`
	SkippedOverlap int `json:"skipped_overlap"`

	next string
}

func (a *app) listSchedules(ctx context.Context) error {
	known, err := config.LoadSchedules(a.config, os.Environ())
	if err != nil {
		return usage("%v", err)
	}
	s, err := a.connect(ctx)
	if err != nil {
		return err
	}
	defer s.close()
	list, err := s.schedules(ctx, known.Calendars)
	if err != nil {
		return err
	}
	if a.json() {
		a.printJSON(map[string]any{"schedules": list})
		return nil
	}
	if len(list) == 0 {
		a.print("There are no schedules in namespace " + s.namespace + ". Create one: starter schedule create --help")
		return nil
	}
	var shown []view.Schedule
	for _, d := range list {
		next := cmp.Or(d.next, d.Unplanned)
		if d.Paused && d.next != "" {
			next = "(would be " + d.next + ")"
		}
		shown = append(shown, view.Schedule{
			ID: d.ID, Paused: d.Paused, Next: next, Last: d.Last, Note: d.Note, Missed: d.MissedCatchUp, Skipped: d.SkippedOverlap,
		})
	}
	a.print(a.style.Schedules(shown, a.width())...)
	return nil
}

func (s *session) schedules(ctx context.Context, known calendar.Calendars) ([]scheduleDocument, error) {
	list := []scheduleDocument{}
	iterator, err := s.client.ScheduleClient().List(ctx, client.ScheduleListOptions{})
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
		description, err := s.client.ScheduleClient().GetHandle(ctx, entry.ID).Describe(ctx)
		if notFound(err) {
			continue
		}
		if err != nil {
			return nil, fmt.Errorf("look at %s: %w", entry.ID, err)
		}
		list = append(list, s.scheduleDocument(ctx, known, entry.ID, description))
	}
	return list, nil
}

func (s *session) scheduleDocument(ctx context.Context, known calendar.Calendars, id string, description *client.ScheduleDescription) scheduleDocument {
	state, info := description.Schedule.State, description.Info
	d := scheduleDocument{
		ID: id, Paused: state.Paused, Note: state.Note, MissedCatchUp: info.NumActionsMissedCatchupWindow, SkippedOverlap: info.NumActionsSkippedOverlap,
	}
	if err := s.memoField(description.Memo, workflows.ScheduleInputMemo, &d.Rule); err != nil {
		d.Unplanned = err.Error()
	} else if plan, err := known.Compile(rule(d.Rule)); err != nil {
		d.Unplanned = "not known here: " + strings.Join(problems.Texts(err), "; ")
	} else if parsed, _ := workflows.ParseID(id); !parsed.IsBackfill() { // a backfill has no night to come
		for _, v := range plan.From(time.Now(), 1) {
			if n := v.Night; n != nil {
				next := newNightDocument(v)
				d.Next, d.next = &next, n.Start.Format("Mon 2006-01-02 15:04 MST")+", as of "+n.AsOf.Format("Mon 2006-01-02")
			}
		}
	}
	if n := len(info.RecentActions); n > 0 && info.RecentActions[n-1].StartWorkflowResult != nil {
		d.LastID = info.RecentActions[n-1].StartWorkflowResult.WorkflowID
		d.Last = s.lastScheduled(ctx, d.LastID)
	}
	return d
}

// lastScheduled is what became of a scheduled time, in a line.
func (s *session) lastScheduled(ctx context.Context, id string) string {
	run, err := workflows.Describe(ctx, s.client, id)
	if err != nil {
		return id
	}
	if summary := run.EndSummary(s.payloads); summary != "" {
		return summary
	}
	known := fmt.Sprintf("%s (%s)", id, lower(run.Status))
	if run.Status != enumspb.WORKFLOW_EXECUTION_STATUS_FAILED {
		return known
	}
	// It ended before it had a summary: its night could not be planned.
	p := ended(id, workflows.ScheduledCloseType, s.client.GetWorkflow(ctx, id, run.RunID).Get(ctx, nil))
	return known + ": " + cmp.Or(strings.Join(p.faults, "; "), p.message)
}

func (s *session) memoField(memo *commonpb.Memo, name string, value any) error {
	payload, ok := memo.GetFields()[name]
	if !ok {
		return fmt.Errorf("it has no memo %q: it was not made by this program", name)
	}
	return s.payloads.FromPayload(payload, value)
}

// scheduleChanges are the commands that take a schedule's id.
func scheduleChanges(a *app) []*cobra.Command {
	var reason, by string
	change := func(name, short, done string, act func(context.Context, client.ScheduleHandle, string) error) *cobra.Command {
		cmd := &cobra.Command{
			Use: name + " ID", Short: short, Args: oneArg("schedule id"), Example: "  starter schedule " + name + " " + exampleSchedule,
			RunE: func(cmd *cobra.Command, args []string) error {
				return a.withSchedule(cmd.Context(), args[0], func(s *session, handle client.ScheduleHandle, description *client.ScheduleDescription) error {
					if name == "unpause" && !description.Schedule.State.Paused {
						a.scheduleChanged(args[0], "nothing: it was not paused")
						return nil
					}
					note := by + " " + done
					if reason != "" {
						note += ": " + reason
					}
					if err := act(cmd.Context(), handle, note); err != nil {
						return fmt.Errorf("%s %s: %w", name, args[0], err)
					}
					a.scheduleChanged(args[0], done)
					return nil
				})
			},
		}
		if name != "delete" {
			cmd.Example += ` --reason "the core system moves"`
			cmd.Flags().StringVarP(&reason, "reason", "r", "", "`why`; it becomes the schedule's note")
			cmd.Flags().StringVar(&by, "by", person(), "`who` asks")
		}
		return cmd
	}
	return []*cobra.Command{
		change("pause", "Start no more nights until it is unpaused; closes that run go on", "paused it", func(ctx context.Context, h client.ScheduleHandle, note string) error {
			return h.Pause(ctx, client.SchedulePauseOptions{Note: note})
		}),
		change("unpause", "Start the nights again; missed ones can be backfilled", "unpaused it", func(ctx context.Context, h client.ScheduleHandle, note string) error {
			return h.Unpause(ctx, client.ScheduleUnpauseOptions{Note: note})
		}),
		change("delete", "Delete a schedule; closes that run go on", "deleted it", func(ctx context.Context, h client.ScheduleHandle, _ string) error {
			return h.Delete(ctx)
		}),
		newBackfillCommand(a), newTriggerCommand(a),
	}
}

func (a *app) scheduleChanged(id, done string) {
	if a.json() {
		a.printJSON(map[string]any{"schedule_id": id, "done": done})
		return
	}
	a.print(id + ": " + done)
}

// withSchedule connects and finds a schedule.
func (a *app) withSchedule(ctx context.Context, id string, do func(*session, client.ScheduleHandle, *client.ScheduleDescription) error) error {
	s, err := a.connect(ctx)
	if err != nil {
		return err
	}
	defer s.close()
	handle := s.client.ScheduleClient().GetHandle(ctx, id)
	description, err := handle.Describe(ctx)
	switch {
	case notFound(err):
		return &problem{code: exitUsage, id: id, message: "no schedule has this id in namespace " + s.namespace, next: []string{"See which there are: starter schedule list"}}
	case err != nil:
		return fmt.Errorf("look at %s: %w", id, err)
	}
	return do(s, handle, description)
}

// scheduledPlan is the plan of a schedule that exists, by the calendars that are known here.
func (s *session) scheduledPlan(description *client.ScheduleDescription) (workflows.ScheduledCloseInput, *calendar.Plan, error) {
	var in workflows.ScheduledCloseInput
	if err := s.memoField(description.Memo, workflows.ScheduleInputMemo, &in); err != nil {
		return in, nil, usage("%v", err)
	}
	known, err := config.LoadSchedules(s.config, os.Environ())
	if err != nil {
		return in, nil, usage("%v", err)
	}
	plan, err := known.Calendars.Compile(rule(in))
	if err != nil {
		return in, nil, &problem{code: exitUsage, message: "its nights are not known here", faults: problems.Texts(err)}
	}
	return in, plan, nil
}

func newBackfillCommand(a *app) *cobra.Command {
	var from, to string
	var dryRun bool
	cmd := &cobra.Command{
		Use: "backfill ID --from DATE --to DATE", Short: "Run the nights of a time that is over, one after the other",
		Long: `Run the nights of a time that is over, one after the other, each for its own as-of date.
Dates are the local ones on which the nights begin, both included. A night that has
succeeded is not run again. It works on a paused schedule, too.

A backfill is a schedule of its own, ID/backfill/FROM..TO: tonight's close neither waits
for it nor is paused by it, and is served first where both ask for the same. What has not
begun of it is called off with starter schedule delete. Temporal forgets it a week after
its last night.`,
		Example: "  starter schedule backfill " + exampleSchedule + " --from 2026-11-02 --to 2026-11-06 --dry-run",
		Args:    oneArg("schedule id"),
		RunE: func(cmd *cobra.Command, args []string) error {
			first, last, err := dates(from, to)
			if err != nil {
				return err
			}
			return a.withSchedule(cmd.Context(), args[0], func(s *session, handle client.ScheduleHandle, description *client.ScheduleDescription) error {
				return s.backfill(cmd.Context(), handle, description, first, last, dryRun)
			})
		},
	}
	cmd.Flags().StringVar(&from, "from", "", "the `date` of the first night")
	cmd.Flags().StringVar(&to, "to", "", "the `date` of the last night")
	cmd.Flags().BoolVar(&dryRun, "dry-run", false, "only show the nights")
	return cmd
}

// maxBackfill is how many days are backfilled at once: Temporal keeps 1,000 starts that wait.
const maxBackfill = 366

func dates(from, to string) (first, last time.Time, err error) {
	var faults []string
	read := func(flag, text string) time.Time {
		date, err := time.Parse(time.DateOnly, text)
		if err != nil {
			faults = append(faults, fmt.Sprintf("--%s %q is not a date; write it like 2026-10-31", flag, text))
		}
		return date
	}
	first, last = read("from", from), read("to", to)
	switch days := last.Sub(first).Hours() / 24; {
	case len(faults) > 0:
	case days < 0:
		faults = append(faults, fmt.Sprintf("--to %s is before --from %s", to, from))
	case days >= maxBackfill:
		faults = append(faults, fmt.Sprintf("from %s to %s is more than %d days", from, to, maxBackfill))
	}
	if len(faults) > 0 {
		return first, last, &problem{code: exitUsage, message: "the command has faults", faults: faults}
	}
	return first, last, nil
}

func (s *session) backfill(ctx context.Context, handle client.ScheduleHandle, description *client.ScheduleDescription, first, last time.Time, dryRun bool) error {
	in, plan, err := s.scheduledPlan(description)
	if err != nil {
		return err
	}
	shown := nights{ID: handle.GetID(), Rule: in, verdicts: plan.Between(first, last)}
	count := 0
	for _, v := range shown.verdicts {
		if v.Night == nil {
			continue
		}
		count++
		if v.Night.Start.After(time.Now()) {
			return usage("the night of %s has not begun; a backfill is for a time that is over", v.Date.Format("Mon 2006-01-02"))
		}
	}
	if count == 0 {
		return usage("there is no night from %s to %s", first.Format(time.DateOnly), last.Format(time.DateOnly))
	}
	if dryRun {
		s.showNights(shown, "")
		return nil
	}
	past := client.ScheduleBackfill{
		Start:   midnight(first, plan.Location()),
		End:     midnight(last.AddDate(0, 0, 1), plan.Location()).Add(-time.Second),
		Overlap: enumspb.SCHEDULE_OVERLAP_POLICY_BUFFER_ALL,
	}
	own := backfillOptions(handle.GetID(), description, in, plan, past)
	_, err = s.client.ScheduleClient().Create(ctx, own)
	if errors.Is(err, temporal.ErrScheduleAlreadyRunning) { // the same nights before: those that failed are run again
		err = s.client.ScheduleClient().GetHandle(ctx, own.ID).Backfill(ctx, client.ScheduleBackfillOptions{Backfill: own.ScheduleBackfill})
	}
	if err != nil {
		return fmt.Errorf("backfill %s: %w", handle.GetID(), err)
	}
	shown.ID = own.ID
	s.showNights(shown, "runs "+view.Plural(count, "night")+", one after the other")
	return nil
}

// backfillOptions are a schedule beside the nights' own that has nothing but a past, and the
// lower priority. The nights' own schedule has those that the clocks skip only from its creation on.
func backfillOptions(id string, description *client.ScheduleDescription, in workflows.ScheduledCloseInput, plan *calendar.Plan, past client.ScheduleBackfill) client.ScheduleOptions {
	spec := *description.Schedule.Spec
	spec.EndAt = past.End
	spec.Calendars = append(slices.Clone(spec.Calendars), skipped(plan, past.Start, past.End)...)
	action := *description.Schedule.Action.(*client.ScheduleWorkflowAction)
	action.Priority = workflows.Priority(in.Connection, workflows.BackfillPriority)
	from, to := past.Start.Format(time.DateOnly), past.End.Format(time.DateOnly)
	return client.ScheduleOptions{
		ID: workflows.BackfillID(id, from, to), Spec: spec, Action: &action, Overlap: past.Overlap,
		ScheduleBackfill: []client.ScheduleBackfill{past},
		Note:             "a backfill: what has not begun is called off by deleting it",
		Memo:             map[string]any{workflows.ScheduleInputMemo: in, "created_with": "starter " + version.Version},
	}
}

func newTriggerCommand(a *app) *cobra.Command {
	var dryRun bool
	cmd := &cobra.Command{
		Use: "trigger ID", Short: "Run the latest night that has begun, now",
		Long: `Run the latest night that has begun, now: this evening's after its time, before that the
night before. It waits while another night of the schedule runs. A night that has
succeeded is not run again. It works on a paused schedule, too.`,
		Example: "  starter schedule trigger " + exampleSchedule + " --dry-run",
		Args:    oneArg("schedule id"),
		RunE: func(cmd *cobra.Command, args []string) error {
			return a.withSchedule(cmd.Context(), args[0], func(s *session, handle client.ScheduleHandle, description *client.ScheduleDescription) error {
				return s.trigger(cmd.Context(), handle, description, dryRun)
			})
		},
	}
	cmd.Flags().BoolVar(&dryRun, "dry-run", false, "only show the night")
	return cmd
}

// trigger has the worker look at the latest night even where nothing is to be started by what is
// known here: its calendar decides.
func (s *session) trigger(ctx context.Context, handle client.ScheduleHandle, description *client.ScheduleDescription, dryRun bool) error {
	in, plan, err := s.scheduledPlan(description)
	if err != nil {
		return err
	}
	verdict := plan.At(time.Now())
	shown := nights{ID: handle.GetID(), Rule: in, verdicts: []calendar.Verdict{verdict}}
	if dryRun {
		s.showNights(shown, "")
		return nil
	}
	done := "starts nothing: " + verdict.Why
	if night := verdict.Night; night != nil {
		asOf := night.AsOf.Format(time.DateOnly)
		shown.WorkflowID = workflows.CloseWorkflowID(in.Connection, in.Pipeline, asOf)
		if done, err = s.whatIsTriggered(ctx, asOf, &shown); err != nil {
			return err
		}
	}
	if err := handle.Trigger(ctx, client.ScheduleTriggerOptions{Overlap: enumspb.SCHEDULE_OVERLAP_POLICY_BUFFER_ALL}); err != nil {
		return fmt.Errorf("trigger %s: %w", handle.GetID(), err)
	}
	if description.Schedule.State.Paused {
		shown.Paused = true
		done += "; the schedule is paused, and stays so"
	}
	s.showNights(shown, done)
	return nil
}

// whatIsTriggered says what a trigger leads to, by how the night's close stands before it.
func (s *session) whatIsTriggered(ctx context.Context, asOf string, shown *nights) (string, error) {
	run, err := workflows.Describe(ctx, s.client, shown.WorkflowID)
	if err != nil && !notFound(err) {
		return "", err
	}
	clock := func(at time.Time) string { return at.Local().Format("Mon 2006-01-02 15:04:05") }
	switch run.Status {
	case enumspb.WORKFLOW_EXECUTION_STATUS_COMPLETED:
		shown.AlreadyDone = true
		return fmt.Sprintf("starts nothing: %s was already done, on %s; it is not run again", asOf, clock(run.EndedAt)), nil
	case enumspb.WORKFLOW_EXECUTION_STATUS_RUNNING:
		return fmt.Sprintf("starts nothing: %s runs since %s", asOf, clock(run.StartedAt)), nil
	}
	return "starts the close for " + asOf, nil
}
