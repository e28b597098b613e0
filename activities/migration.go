package activities

import (
	"context"
	"errors"
	"strings"

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
	AlreadyComplete bool `json:"already_complete,omitempty"`
	// Saved: it is a copy that nobody has run.
	Saved bool `json:"saved,omitempty"`
	// AlreadyCopied: the copy had been made before this call.
	AlreadyCopied bool `json:"already_copied,omitempty"`
	// Note says why a copy counts as made although the service did not confirm it.
	Note       string `json:"note,omitempty"`
	Status     string `json:"status,omitempty"`
	StatusCode string `json:"status_code"`
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

// CopyMigrationInput copies a migration under a new code. Source: 24C, Re-Export API; 24D, Re-Import API.
type CopyMigrationInput struct {
	MigrationInput
	// CopyOf is the code of the source, which was run with success.
	CopyOf string `json:"copy_of"`
	// Overwrite says that an import may replace what exists.
	Overwrite bool `json:"overwrite,omitempty"`
}

// CopyExport copies an export. See copyMigration.
func (a *Activities) CopyExport(ctx context.Context, in CopyMigrationInput) (Migration, error) {
	return a.copyMigration(ctx, in, (*pbsm.Client).ExportStatus, func(service *pbsm.Client) (pbsm.Migration, error) {
		return service.CopyExport(ctx, in.CopyOf, in.Code)
	})
}

// CopyImport copies an import. See copyMigration.
func (a *Activities) CopyImport(ctx context.Context, in CopyMigrationInput) (Migration, error) {
	return a.copyMigration(ctx, in, (*pbsm.Client).ImportStatus, func(service *pbsm.Client) (pbsm.Migration, error) {
		return service.CopyImport(ctx, in.CopyOf, in.Code, in.Overwrite)
	})
}

// copyMigration makes a copy, and does not run it. The service refuses a repeated copy, as its code exists then: so a
// refusal is followed by a look at the status of the new code. If the service knows it, the copy was made before. It may
// give no status of a code that nobody has run (SERVICE_LATER.md, section 4): then the copy counts as made if an earlier
// attempt of this activity may have been carried out.
func (a *Activities) copyMigration(
	ctx context.Context, in CopyMigrationInput, status migrationCall, do func(*pbsm.Client) (pbsm.Migration, error),
) (Migration, error) {
	conn, err := a.connection(in.Connection)
	if err != nil {
		return Migration{}, err
	}
	repeated, err := a.announceRepeatable(ctx, "the copy of "+in.CopyOf+" as "+in.Code)
	if err != nil {
		return Migration{}, err
	}
	service := conn.serviceFor(in.Application)
	m, err := do(service)
	var refused *pbsm.Error
	if !errors.As(err, &refused) {
		return conn.newMigration(m), classifyCall(ctx, err)
	}
	if refused.NotProcessed && !repeated {
		a.heartbeatNotSent(ctx)
	}
	if pbsm.MigrationCode(refused.Code) != pbsm.MigrationCodeInvalidInput {
		return Migration{}, classifyCall(ctx, err)
	}
	earlier, unknown := status(service, ctx, in.Code)
	exists := strings.Contains(strings.ToLower(refused.Text), "already exist")
	switch {
	case unknown == nil:
		copied := conn.newMigration(earlier)
		copied.AlreadyCopied = true
		return copied, nil
	case exists && repeated:
		copied := conn.newMigration(pbsm.Migration{State: pbsm.MigrationSaved, StatusCode: refused.Code})
		copied.Note = "the answer to the copy was lost; as the code " + in.Code + " exists now, the copy was made"
		return copied, nil
	case exists:
		refused.Advice = "if that code is the copy that is wanted, run it without naming what it is a copy of"
	}
	return Migration{}, classifyCall(ctx, err)
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
		return Migration{}, a.classifyRequested(ctx, in.Since, "migration "+in.Code, err)
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
		Saved:           m.State == pbsm.MigrationSaved,
		AlreadyComplete: m.AlreadyComplete,
		Status:          m.Status,
		StatusCode:      m.StatusCode,
		Message:         m.Message,
		Sender:          c.sender(),
	}
}
