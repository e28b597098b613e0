package workflows

import (
	"fmt"

	"go.temporal.io/sdk/workflow"

	"github.com/pbsmflow/pbsmflow/activities"
)

// Migrate exports or imports a migration definition and waits until that has ended. One that the service
// completed before counts as done, and the result says so.
func Migrate(ctx workflow.Context, in MigrateInput) (MigrateResult, error) {
	if err := in.Validate(); err != nil {
		return MigrateResult{}, endEarly(ctx, in.Connection, err)
	}
	ctx, r, err := newSimpleRun(ctx, in.initialStatus(), noLookups)
	if err != nil {
		return MigrateResult{}, err
	}
	result, err := r.migrate(ctx, in)
	return result, r.end(ctx, fmt.Sprintf("%s of %s: %s", in.Direction, in.Code, result.Message)+prefixed("; ", result.Note), err)
}

func (in MigrateInput) initialStatus() Status {
	return Status{Connection: in.Connection, TimeZone: in.TimeZone, Subject: in.Code, Deadline: in.Deadline, State: Running, Summary: "about to be started"}
}

func (r *simpleRun) migrate(ctx workflow.Context, in MigrateInput) (MigrateResult, error) {
	trigger, status := act.ExportMigration, act.ExportStatus
	if in.Direction == Import {
		trigger, status = act.ImportMigration, act.ImportStatus
	}
	migration := activities.MigrationInput{
		Connection:  in.Connection,
		Code:        in.Code,
		Application: activities.Application{ServiceID: in.ServiceID},
	}
	copied, note, err := r.copyMigration(ctx, in, migration)
	if err != nil {
		return MigrateResult{}, err
	}
	var current activities.Migration
	err = r.do(ctx, callOptions, in.Direction+" "+in.Code, trigger, migration, &current)
	if err == nil && !current.Done && !current.Failed {
		err = r.do(ctx, pollOptions, "wait for the "+in.Direction+" of "+in.Code, status,
			activities.MigrationStatusInput{MigrationInput: migration, Poll: activities.Poll{Since: workflow.Now(ctx)}}, &current)
	}
	if err == nil && current.Failed {
		err = failure(StepFailed, fmt.Sprintf("%s of %s: the service says status %s, code %s (%s)",
			in.Direction, in.Code, current.Status, current.StatusCode, current.Message))
	}
	return MigrateResult{
		Connection:      in.Connection,
		Direction:       in.Direction,
		Code:            in.Code,
		StatusCode:      current.StatusCode,
		Message:         current.Message,
		AlreadyComplete: current.AlreadyComplete,
		CopyOf:          in.CopyOf,
		Copied:          copied,
		Note:            note,
		StartedAt:       r.started,
		EndedAt:         workflow.Now(ctx),
		Sender:          current.Sender,
	}, err
}

// copyMigration copies a definition under the code of the input, and says whether it did that now, with a note where
// the service did not confirm it. It does not run it.
func (r *simpleRun) copyMigration(
	ctx workflow.Context, in MigrateInput, migration activities.MigrationInput,
) (copied, note string, err error) {
	if in.CopyOf == "" {
		return "", "", nil
	}
	call := act.CopyExport
	if in.Direction == Import {
		call = act.CopyImport
	}
	var answer activities.Migration
	err = r.do(ctx, callOptions, "copy "+in.CopyOf+" as "+in.Code, call, activities.CopyMigrationInput{
		MigrationInput: migration,
		CopyOf:         in.CopyOf,
		Overwrite:      in.Overwrite,
	}, &answer)
	if answer.AlreadyCopied {
		return "before", "", err
	}
	return "now", answer.Note, err
}
