package activities

import (
	"context"
	"time"

	"github.com/pbsmflow/pbsmflow/internal/calendar"
	"github.com/pbsmflow/pbsmflow/internal/problem"
)

// PlanNightInput asks what a scheduled time is about.
type PlanNightInput struct {
	// Connection is of whose events NotifyOn tells.
	Connection  string        `json:"connection,omitempty"`
	Rule        calendar.Rule `json:"rule"`
	ScheduledAt time.Time     `json:"scheduled_at"`
}

// PlannedNight is a night on which a close runs, or says why there is none.
type PlannedNight struct {
	// Night is the local date, yyyy-mm-dd.
	Night string `json:"night"`
	// AsOfDate is empty when there is no close.
	AsOfDate string `json:"as_of_date,omitempty"`
	// Start is when the night begins.
	Start time.Time `json:"start,omitzero"`
	// Why there is no close, or what is unusual about the night.
	Why string `json:"why,omitempty"`
	// NotifyOn are the events on the connection that a channel of this worker wants to be told of.
	NotifyOn []string `json:"notify_on,omitempty"`
}

// PlanNight derives the night and its as-of date from a scheduled time, by the calendars of this
// worker's configuration as it is now: never from the present time.
func (a *Activities) PlanNight(_ context.Context, in PlanNightInput) (*PlannedNight, error) {
	plan, err := a.calendars.Compile(in.Rule)
	if err != nil {
		return nil, InvalidInputError(problem.Texts(err)...)
	}
	v := plan.At(in.ScheduledAt)
	planned := &PlannedNight{Night: v.Date.Format(time.DateOnly), Why: v.Why, NotifyOn: a.channels.Events(in.Connection)}
	if n := v.Night; n != nil {
		planned.AsOfDate, planned.Start, planned.Why = n.AsOf.Format(time.DateOnly), n.Start, n.Note
	}
	return planned, nil
}
