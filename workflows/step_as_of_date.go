package workflows

import (
	"fmt"

	"go.temporal.io/sdk/workflow"

	"github.com/pbsmflow/pbsmflow/internal/audit"
	"github.com/pbsmflow/pbsmflow/internal/pipeline"
)

// asOfDateKind runs SetAsOfDate, one at a time for a user and an application.
type asOfDateKind struct{}

func (asOfDateKind) summary(s pipeline.Step) string { return s.AsOfDate.App + " to " + s.AsOfDate.Date }

func (asOfDateKind) input(s activeStep) SetAsOfDateInput {
	a := s.planned().Step.AsOfDate
	return SetAsOfDateInput{
		Connection: s.closeInput().Connection,
		App:        a.App,
		User:       a.User,
		AsOfDate:   a.Date,
		ServiceID:  a.ServiceID,
		Deadline:   s.ends(),
		TimeZone:   s.timeZone(),
	}
}

func (k asOfDateKind) workflowID(_ workflow.Context, s activeStep) string {
	return k.input(s).WorkflowID()
}

func (k asOfDateKind) work(s activeStep) any { return k.input(s) }

func (k asOfDateKind) run(ctx workflow.Context, s activeStep, result *StepResult) error {
	in := k.input(s)
	var set SetAsOfDateResult
	err := s.runChild(ctx, stepChild{
		workflow: SetAsOfDate,
		input:    in,
		result:   &set,
		joinable: func(running Status) error {
			if running.AsOfDate == in.AsOfDate {
				return nil
			}
			return fmt.Errorf("%s is being set to %s by another close", in.App, running.AsOfDate)
		},
	})
	if err == nil {
		result.AsOfDate = &set
	}
	return err
}

func (asOfDateKind) identity(_ activeStep, r StepResult) string {
	return r.AsOfDate.App + " at " + r.AsOfDate.AsOfDate
}

func (asOfDateKind) outcome(r StepResult) string { return r.AsOfDate.Summary() }

func (asOfDateKind) events(r StepResult) []audit.Event {
	a := r.AsOfDate
	if a == nil {
		return nil
	}
	return []audit.Event{{At: a.EndedAt, Event: audit.AsOfDateSet, What: a.App, AsOfDate: a.AsOfDate}}
}
