package workflows

import (
	"cmp"

	"go.temporal.io/sdk/workflow"

	"github.com/pbsmflow/pbsmflow/internal/audit"
	"github.com/pbsmflow/pbsmflow/internal/pipeline"
)

// migrationKind runs Migrate in one direction.
type migrationKind struct {
	ownWorkflow
	direction string
}

func (migrationKind) summary(s pipeline.Step) string { return cmp.Or(s.Export, s.Import).Code }

func (k migrationKind) work(s activeStep) any {
	m := cmp.Or(s.planned().Step.Export, s.planned().Step.Import)
	return MigrateInput{
		Connection: s.closeInput().Connection,
		Direction:  k.direction,
		Code:       m.Code,
		CopyOf:     m.CopyOf,
		Overwrite:  m.Overwrite,
		ServiceID:  m.ServiceID,
		Deadline:   s.ends(),
		TimeZone:   s.timeZone(),
	}
}

func (k migrationKind) run(ctx workflow.Context, s activeStep, result *StepResult) error {
	var migration MigrateResult
	err := s.runChild(ctx, stepChild{
		workflow: Migrate,
		input:    k.work(s),
		result:   &migration,
	})
	if err == nil {
		result.Migration = &migration
	}
	return err
}

func (migrationKind) identity(s activeStep, r StepResult) string {
	return r.Migration.Code + " on " + s.times().Exact(r.Migration.EndedAt)
}

func (migrationKind) outcome(r StepResult) string {
	return r.Migration.Message + prefixed("; ", r.Migration.Note)
}

func (migrationKind) events(r StepResult) []audit.Event {
	m := r.Migration
	if m == nil {
		return nil
	}
	return []audit.Event{{
		At:         m.EndedAt,
		Event:      audit.Migrated,
		What:       m.Direction + " " + m.Code + prefixed("; ", m.Note),
		StatusCode: m.StatusCode,
		Status:     m.Message,
		Sender:     m.Sender,
	}}
}
