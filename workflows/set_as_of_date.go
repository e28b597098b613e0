package workflows

import (
	"go.temporal.io/sdk/workflow"

	"github.com/pbsmflow/pbsmflow/activities"
)

// SetAsOfDate sets the as-of date of a user's preferences for an application, and reads it back.
func SetAsOfDate(ctx workflow.Context, in SetAsOfDateInput) (SetAsOfDateResult, error) {
	if err := in.Validate(); err != nil {
		return SetAsOfDateResult{}, endEarly(ctx, in.Connection, err)
	}
	ctx, r, err := newSimpleRun(ctx, in.initialStatus(), noLookups)
	if err != nil {
		return SetAsOfDateResult{}, err
	}
	result, err := r.setAsOfDate(ctx, in)
	return result, r.end(ctx, result.Summary(), err)
}

func (in SetAsOfDateInput) initialStatus() Status {
	return Status{
		Connection: in.Connection, TimeZone: in.TimeZone, Subject: in.App, AsOfDate: in.AsOfDate, Deadline: in.Deadline,
		State: Running, Summary: "about to be set",
	}
}

func (r *simpleRun) setAsOfDate(ctx workflow.Context, in SetAsOfDateInput) (SetAsOfDateResult, error) {
	result := SetAsOfDateResult{Connection: in.Connection, App: in.App, User: in.User, AsOfDate: in.AsOfDate, StartedAt: r.started}
	call := activities.AsOfDateInput{
		Connection:  in.Connection,
		App:         in.App,
		User:        in.User,
		Date:        in.AsOfDate,
		Application: activities.Application{ServiceID: in.ServiceID},
	}
	err := r.do(ctx, callOptions, "set the as-of date for "+in.App+" to "+in.AsOfDate, act.SetAsOfDate, call, nil)
	if err == nil {
		err = r.do(ctx, callOptions, "read the as-of date for "+in.App, act.CheckAsOfDate, call, nil)
	}
	result.EndedAt = workflow.Now(ctx)
	return result, err
}
