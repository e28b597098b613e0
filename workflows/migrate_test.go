package workflows

import (
	"context"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/pbsmflow/pbsmflow/activities"
)

// A copy whose answer was lost is run like any other, and the result says why it counts as made.
func TestMigrate_copyWithoutAnAnswer(t *testing.T) {
	env := newEnv(t)
	env.RegisterActivityWithOptions(func(context.Context, activities.CopyMigrationInput) (activities.Migration, error) {
		return activities.Migration{Saved: true, Note: "the answer was lost"}, nil
	}, activityName("CopyExport"))
	env.RegisterActivityWithOptions(func(context.Context, activities.MigrationInput) (activities.Migration, error) {
		return activities.Migration{Done: true, StatusCode: "SUCCESS", Message: "complete"}, nil
	}, activityName("ExportMigration"))
	env.ExecuteWorkflow(Migrate, MigrateInput{Connection: "prod", Direction: Export, Code: "MIG_NEW", CopyOf: "MIG"})
	require.NoError(t, env.GetWorkflowError())
	var result MigrateResult
	require.NoError(t, env.GetWorkflowResult(&result))
	require.Equal(t, "now", result.Copied)
	require.Equal(t, "the answer was lost", result.Note)
	require.Equal(t, "export of MIG_NEW: complete; the answer was lost", queryStatus(t, env).Summary)
	step := StepResult{StepOutcome: StepOutcome{Migration: &result}}
	require.Equal(t, "complete; the answer was lost", migrationKind{}.outcome(step))
	require.Equal(t, "export MIG_NEW; the answer was lost", migrationKind{}.events(step)[0].What)
}

// The code of a migration that failed may be SUCCESS: that of the call.
func TestMigrate_failed(t *testing.T) {
	env := newEnv(t)
	env.RegisterActivityWithOptions(func(context.Context, activities.MigrationInput) (activities.Migration, error) {
		return activities.Migration{Failed: true, Status: "FAILED", StatusCode: "SUCCESS", Message: "disk full"}, nil
	}, activityName("ExportMigration"))
	env.ExecuteWorkflow(Migrate, MigrateInput{Connection: "prod", Direction: Export, Code: "MIG"})
	require.ErrorContains(t, env.GetWorkflowError(), "export of MIG: the service says status FAILED, code SUCCESS (disk full)")
}
