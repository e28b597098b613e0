package activities

import (
	"context"

	"github.com/pbsmflow/pbsmflow/internal/audit"
	"github.com/pbsmflow/pbsmflow/internal/pbsm"
)

// MigrationInput names a migration by its code. Source: chapters 4 to 7.
type MigrationInput struct {
	Connection string `json:"connection"`
	Code       string `json:"code"`
	Application
}

// MigrationStatusInput names a migration whose end is awaited.
type MigrationStatusInput struct {
	MigrationInput
	Poll
}

// Migration is the status of a migration.
type Migration struct {
	// Done: it has succeeded.
	Done bool `json:"done"`
	// Failed: it has failed.
	Failed bool `json:"failed,omitempty"`
	// AlreadyComplete: it was complete before this call.
	AlreadyComplete bool   `json:"already_complete,omitempty"`
	Status          string `json:"status,omitempty"`
	StatusCode      string `json:"status_code"`
	// Message is the field errorMessage, which has success texts too.
	Message string `json:"message,omitempty"`
	// Sender is the worker that made the call.
	Sender audit.Sender `json:"sender,omitzero"`
}

// ExportMigration starts an export. It is safe to repeat: the service says when one is in progress or complete.
func (a *Activities) ExportMigration(ctx context.Context, in MigrationInput) (Migration, error) {
	return a.migrate(ctx, in, (*pbsm.Client).ExportMigration)
}

// ImportMigration starts an import. It is safe to repeat: the service says when one is in progress or complete.
func (a *Activities) ImportMigration(ctx context.Context, in MigrationInput) (Migration, error) {
	return a.migrate(ctx, in, (*pbsm.Client).ImportMigration)
}

// ExportStatus returns once an export has ended.
func (a *Activities) ExportStatus(ctx context.Context, in MigrationStatusInput) (Migration, error) {
	return a.awaitMigration(ctx, in, (*pbsm.Client).ExportStatus)
}

// ImportStatus returns once an import has ended.
func (a *Activities) ImportStatus(ctx context.Context, in MigrationStatusInput) (Migration, error) {
	return a.awaitMigration(ctx, in, (*pbsm.Client).ImportStatus)
}

type migrationCall func(*pbsm.Client, context.Context, string) (pbsm.Migration, error)

func (a *Activities) migrate(ctx context.Context, in MigrationInput, call migrationCall) (Migration, error) {
	conn, err := a.connection(in.Connection)
	if err != nil {
		return Migration{}, err
	}
	m, err := call(conn.serviceFor(in.Application), ctx, in.Code)
	return conn.newMigration(m), classifyCall(ctx, err)
}

func (a *Activities) awaitMigration(
	ctx context.Context, in MigrationStatusInput, call migrationCall,
) (Migration, error) {
	conn, err := a.connection(in.Connection)
	if err != nil {
		return Migration{}, err
	}
	m, err := call(conn.serviceFor(in.Application), ctx, in.Code)
	if err != nil {
		return Migration{}, a.classifyPoll(ctx, in.Since, err)
	}
	status := conn.newMigration(m)
	if !status.Done && !status.Failed {
		return Migration{}, a.stillWaiting(ctx, in.Since, "migration %s: %s (%s)", in.Code, m.StatusCode, m.Message)
	}
	return status, nil
}

func (c *connection) newMigration(m pbsm.Migration) Migration {
	return Migration{
		Done:            m.State == pbsm.MigrationDone,
		Failed:          m.State == pbsm.MigrationFailed,
		AlreadyComplete: m.AlreadyComplete,
		Status:          m.Status,
		StatusCode:      m.StatusCode,
		Message:         m.Message,
		Sender:          c.sender(),
	}
}
