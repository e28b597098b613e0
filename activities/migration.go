package activities

import (
	"context"

	"github.com/pbsmflow/pbsmflow/internal/pbsm"
)

// MigrationInput names a migration by its code. Source: chapters 4 to 7.
type MigrationInput struct {
	Connection string `json:"connection"`
	Code       string `json:"code"`
}

// MigrationStatusInput asks for a migration's status once it is no longer in progress.
type MigrationStatusInput struct {
	MigrationInput
	Poll
}

// Migration is the service's answer about a migration.
type Migration struct {
	// Done is true when the migration is over and succeeded.
	Done bool `json:"done"`
	// Failed is true when it is over and failed.
	Failed bool `json:"failed,omitempty"`
	// AlreadyComplete: it was over before it was asked for.
	AlreadyComplete bool   `json:"already_complete,omitempty"`
	StatusCode      string `json:"status_code"`
	// Message is the field errorMessage, which carries success texts too.
	Message string `json:"message,omitempty"`
}

// ExportMigration starts an export. Safe to repeat: one in progress or complete is said to be so.
func (a *Activities) ExportMigration(ctx context.Context, in MigrationInput) (Migration, error) {
	return a.migrate(ctx, in, (*pbsm.Client).ExportMigration)
}

// ImportMigration starts an import. Safe to repeat: one in progress or complete is said to be so.
func (a *Activities) ImportMigration(ctx context.Context, in MigrationInput) (Migration, error) {
	return a.migrate(ctx, in, (*pbsm.Client).ImportMigration)
}

// ExportStatus answers when an export is over.
func (a *Activities) ExportStatus(ctx context.Context, in MigrationStatusInput) (Migration, error) {
	return a.awaitMigration(ctx, in, (*pbsm.Client).ExportStatus)
}

// ImportStatus answers when an import is over.
func (a *Activities) ImportStatus(ctx context.Context, in MigrationStatusInput) (Migration, error) {
	return a.awaitMigration(ctx, in, (*pbsm.Client).ImportStatus)
}

type migrationCall func(*pbsm.Client, context.Context, string) (pbsm.Migration, error)

func (a *Activities) migrate(ctx context.Context, in MigrationInput, call migrationCall) (Migration, error) {
	conn, err := a.connection(in.Connection)
	if err != nil {
		return Migration{}, err
	}
	m, err := call(conn.service, ctx, in.Code)
	return newMigration(m), classifyCall(ctx, err)
}

func (a *Activities) awaitMigration(ctx context.Context, in MigrationStatusInput, call migrationCall) (Migration, error) {
	conn, err := a.connection(in.Connection)
	if err != nil {
		return Migration{}, err
	}
	m, err := call(conn.service, ctx, in.Code)
	if err != nil {
		return Migration{}, a.classifyPoll(ctx, in.Since, err)
	}
	status := newMigration(m)
	if !status.Done && !status.Failed {
		return Migration{}, a.stillWaiting(ctx, in.Since, "migration %s: %s (%s)", in.Code, m.StatusCode, m.Message)
	}
	return status, nil
}

func newMigration(m pbsm.Migration) Migration {
	return Migration{
		Done:            m.State == pbsm.MigrationDone,
		Failed:          m.State == pbsm.MigrationFailed,
		AlreadyComplete: m.AlreadyComplete,
		StatusCode:      m.StatusCode,
		Message:         m.Message,
	}
}
