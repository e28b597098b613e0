package workflows

import (
	"cmp"
	"fmt"
	"time"

	"go.temporal.io/sdk/temporal"
	"go.temporal.io/sdk/workflow"

	"github.com/pbsmflow/pbsmflow/activities"
	"github.com/pbsmflow/pbsmflow/internal/calendar"
	"github.com/pbsmflow/pbsmflow/internal/notify"
	"github.com/pbsmflow/pbsmflow/internal/pipeline"
)

// scheduledAttribute is set by the Temporal server on a workflow that a schedule starts: the scheduled
// time, also of one that is caught up or backfilled.
var scheduledAttribute = temporal.NewSearchAttributeKeyTime("TemporalScheduledStartTime")

// ScheduledCloseInput names the close that a schedule starts, and the rule that chooses its nights.
type ScheduledCloseInput struct {
	Connection string `json:"connection"`
	Pipeline   string `json:"pipeline"`
	// Calendar is a built-in one such as us-bank, or one of the worker's configuration.
	Calendar string `json:"calendar"`
	// TimeZone is an IANA name.
	TimeZone string `json:"time_zone"`
	// At is the time of day, HH:MM; empty with a cron rule.
	At string `json:"at,omitempty"`
	// On is business-days, daily, month-end, month-end+N, month-end-N or "cron TEXT".
	On string `json:"on"`
	// Roll is where a night moves that does not fall on a business day: forward, back or none.
	Roll string `json:"roll,omitempty"`
	// AsOf derives the as-of date from the night: business-day, business-day-N, day, day-N,
	// month-end, month-end-business-day. Default: business-day.
	AsOf string `json:"as_of,omitempty"`
	// Params are values for the pipeline's parameters, and Key tells the closes from others for the same dates.
	// Default: made from Params, such as scenario-7.
	Params map[string]string `json:"params,omitempty"`
	Key    string            `json:"key,omitempty"`
	// StartedBy is the id of the schedule, and the name of whoever started its closes. Who created the schedule is in
	// its memo; like whoever triggers or backfills it, they can approve.
	StartedBy string `json:"started_by,omitempty"`

	malformed error
}

func (in ScheduledCloseInput) rule() calendar.Rule {
	return calendar.Rule{Calendar: in.Calendar, TimeZone: in.TimeZone, At: in.At, On: in.On, Roll: in.Roll, AsOf: in.AsOf}
}

// ScheduleID is the id of the schedule with this input.
func (in ScheduledCloseInput) ScheduleID() string {
	return KeyedScheduleID(in.Connection, in.Pipeline, cmp.Or(in.Key, pipeline.ParamsKey(in.Params)))
}

// CloseInput is the input of the close for a date.
func (in ScheduledCloseInput) CloseInput(asOfDate string) NightlyCloseInput {
	return NightlyCloseInput{
		Connection: in.Connection,
		Pipeline:   in.Pipeline,
		AsOfDate:   asOfDate,
		Params:     in.Params,
		Key:        in.Key,
		StartedBy:  in.StartedBy,
	}
}

// ScheduledCloseResult says what happened for one scheduled time.
type ScheduledCloseResult struct {
	Connection string `json:"connection"`
	Pipeline   string `json:"pipeline"`
	// ScheduledAt is the scheduled time.
	ScheduledAt time.Time `json:"scheduled_at"`
	// Night is the local date of the night, yyyy-mm-dd.
	Night string `json:"night"`
	// AsOfDate is empty when there was no close.
	AsOfDate string `json:"as_of_date,omitempty"`
	// State is skipped when there was no close.
	State State `json:"state"`
	// Summary is one line for the operator, such as "no close on Thu 2026-11-26: Thanksgiving Day".
	Summary string `json:"summary"`
	// WorkflowID is the close's.
	WorkflowID string              `json:"workflow_id,omitempty"`
	Close      *NightlyCloseResult `json:"close,omitempty"`
}

// ScheduledClose is the workflow that a schedule starts. The calendar decides whether the scheduled time
// has a close, and for which as-of date; the close runs under its own id. A close that has succeeded is
// not run again. ScheduledClose fails when the close fails, with a ScheduledCloseResult as the details,
// so that a schedule can pause on failure.
func ScheduledClose(ctx workflow.Context, in ScheduledCloseInput) (ScheduledCloseResult, error) {
	scheduled, ok := workflow.GetTypedSearchAttributes(ctx).GetTime(scheduledAttribute)
	switch err := in.check(ok); {
	case !ok: // started by an operator, who reads the error
		return ScheduledCloseResult{}, err
	case err != nil:
		return ScheduledCloseResult{}, in.endUnplanned(ctx, err)
	}
	ended, err := reportStub(ctx, Status{Connection: in.Connection, TimeZone: in.TimeZone, Subject: in.Pipeline, State: Pending, Summary: "reading the calendar"})
	if err != nil {
		return ScheduledCloseResult{}, err
	}
	var night activities.PlannedNight
	err = workflow.ExecuteActivity(options(ctx, callOptions, "read the calendar"), act.PlanNight,
		activities.PlanNightInput{Connection: in.Connection, Rule: in.rule(), ScheduledAt: scheduled}).Get(ctx, &night)
	if err != nil {
		ended(err)
		return ScheduledCloseResult{}, in.endUnplanned(ctx, err)
	}
	result := in.planned(scheduled, night)
	ctx, reporter, err := newStatusReporter(ctx, Status{
		Connection: in.Connection,
		AsOfDate:   night.AsOfDate,
		TimeZone:   in.TimeZone,
		Subject:    in.Pipeline,
		State:      result.State,
		Summary:    result.Summary,
	})
	if err != nil {
		return result, err
	}
	if err := reporter.publish(ctx); err != nil || result.State == Skipped {
		return result, err
	}
	return result.runClose(ctx, in, reporter, night.NotifyOn)
}

// planned is the result before the close runs: skipped where the calendar has none.
func (in ScheduledCloseInput) planned(scheduled time.Time, night activities.PlannedNight) ScheduledCloseResult {
	result := ScheduledCloseResult{
		Connection:  in.Connection,
		Pipeline:    in.Pipeline,
		ScheduledAt: scheduled,
		Night:       night.Night,
		AsOfDate:    night.AsOfDate,
		State:       Running,
	}
	if night.AsOfDate == "" {
		result.State, result.Summary = Skipped, fmt.Sprintf("no close on %s: %s", weekday(night.Night), night.Why)
		return result
	}
	result.WorkflowID = in.CloseInput(night.AsOfDate).WorkflowID()
	result.Summary = fmt.Sprintf("night of %s, as of %s: run by workflow %s%s",
		weekday(night.Night), night.AsOfDate, result.WorkflowID, prefixed("; ", night.Why))
	return result
}

// runClose runs the close under its own id and returns its result.
func (r ScheduledCloseResult) runClose(
	ctx workflow.Context, in ScheduledCloseInput, reporter *statusReporter, notifyOn []string,
) (ScheduledCloseResult, error) {
	r.Close = &NightlyCloseResult{}
	err := runOrAttach(ctx, childRun{
		id:       r.WorkflowID,
		workflow: NightlyClose,
		input:    in.CloseInput(r.AsOfDate),
		result:   r.Close,
		summary:  in.Pipeline + " for " + r.AsOfDate,
		once:     true,
	})
	r.State, r.Summary = Succeeded, fmt.Sprintf("night of %s, as of %s: done by workflow %s", weekday(r.Night), r.AsOfDate, r.WorkflowID)
	switch {
	case err != nil && ctx.Err() != nil:
		r.State, r.Summary = Cancelled, "cancelled"
	case err != nil:
		r.State, r.Summary = Failed, fmt.Sprintf("night of %s: %s", weekday(r.Night), reason(err))
	}
	if r.State == Failed && errorType(err) != CloseFailed { // otherwise the close has notified
		reporter.notifyOn(notifyOn, false)
	}
	published := reporter.update(ctx, func(s *snapshot) { s.State, s.Summary, s.failure = r.State, r.Summary, errorType(err) })
	if published != nil {
		return r, published
	}
	reporter.flush(ctx)
	if err != nil && !detailsOf(err, r.Close) {
		r.Close = nil
	}
	switch {
	case r.State == Cancelled && temporal.IsCanceledError(err):
		return r, temporal.NewCanceledError(r)
	case r.State != Failed:
		return r, err
	}
	return r, failure(cmp.Or(errorType(err), CloseFailed), r.Summary, r)
}

// endUnplanned records and notifies that there was no close, because it could not be planned.
func (in ScheduledCloseInput) endUnplanned(ctx workflow.Context, err error) error {
	_ = endEarly(ctx, in.Connection, err)
	if ctx.Err() != nil {
		return err
	}
	n := &notifier{wanted: []string{notify.Failed}, enabled: true, log: func(workflow.Context, LogEntry) {}}
	_ = n.changed(ctx, snapshot{}, snapshot{Status: Status{
		Type:       ScheduledCloseType,
		Connection: in.Connection,
		TimeZone:   in.TimeZone,
		Subject:    in.Pipeline,
		State:      Failed,
		Summary:    "the night could not be planned: " + reason(err),
	}})
	_ = workflow.Await(ctx, n.lastDelivered)
	return err
}

// Validate names every problem of the input that can be found without the worker's calendars.
func (in ScheduledCloseInput) Validate() error {
	p := in.problems()
	return p.err()
}

func (in ScheduledCloseInput) problems() (p problems) {
	p.decoded(in.malformed)
	p.idPart("connection", in.Connection)
	p.idPart("pipeline", in.Pipeline)
	p.params(in.Params, in.Key)
	return p
}

func (in ScheduledCloseInput) check(scheduled bool) error {
	p := in.problems()
	if !scheduled {
		p.Add("", "there is no scheduled time to derive the as-of date from: only a schedule starts this; start NightlyClose instead")
	}
	return p.err()
}

// weekday is a date with its day of the week in front.
func weekday(date string) string {
	day, err := time.Parse(time.DateOnly, date)
	if err != nil {
		return date
	}
	return day.Format("Mon ") + date
}
