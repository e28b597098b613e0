package activities

import (
	"context"
	"time"

	"github.com/pbsmflow/pbsmflow/internal/calendar"
	"github.com/pbsmflow/pbsmflow/internal/problem"
)

// PlanNightInput is a scheduled time, and the rule by which the schedule chooses its nights.
type PlanNightInput struct {
	// Connection is the one whose events NotifyOn lists.
	Connection  string        `json:"connection,omitempty"`
	Rule        calendar.Rule `json:"rule"`
	ScheduledAt time.Time     `json:"scheduled_at"`
}

// PlannedNight is the night of a scheduled time: with an as-of date, or with the reason why there is no close.
type PlannedNight struct {
	// Night is the local date, yyyy-mm-dd.
	Night string `json:"night"`
	// AsOfDate is empty when there is no close.
	AsOfDate string `json:"as_of_date,omitempty"`
	// Start is when the night begins.
	Start time.Time `json:"start,omitzero"`
	// Why is the reason why there is no close, or what is unusual about the night.
	Why string `json:"why,omitempty"`
	// NotifyOn are the events on the connection that a channel of this worker wants.
	NotifyOn []string `json:"notify_on,omitempty"`
}

// PlanNight derives the night and its as-of date from the scheduled time, never from the current time,
// with the calendars of this worker's current configuration.
func (a *Activities) PlanNight(_ context.Context, in PlanNightInput) (*PlannedNight, error) {
	compiled, err := a.calendars.Compile(in.Rule)
	if err != nil {
		return nil, InvalidInputError(problem.Texts(err)...)
	}
	v := compiled.At(in.ScheduledAt)
	planned := &PlannedNight{Night: v.Date.Format(time.DateOnly), Why: v.Why, NotifyOn: a.channels.Events(in.Connection)}
	if n := v.Night; n != nil {
		planned.AsOfDate, planned.Start, planned.Why = n.AsOf.Format(time.DateOnly), n.Start, n.Note
	}
	return planned, nil
}
