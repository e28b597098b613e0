package workflows

import (
	"context"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/pbsmflow/pbsmflow/activities"
)

// The code of a migration that failed may be SUCCESS: that of the call.
func TestMigrate_failed(t *testing.T) {
	env := newEnv(t)
	env.RegisterActivityWithOptions(func(context.Context, activities.MigrationInput) (activities.Migration, error) {
		return activities.Migration{Failed: true, Status: "FAILED", StatusCode: "SUCCESS", Message: "disk full"}, nil
	}, activityName("ExportMigration"))
	env.ExecuteWorkflow(Migrate, MigrateInput{Connection: "prod", Direction: Export, Code: "MIG"})
	require.ErrorContains(t, env.GetWorkflowError(), "export of MIG: the service says status FAILED, code SUCCESS (disk full)")
}
