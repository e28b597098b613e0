package pbsm

import (
	"context"
	"net/http"
	"strings"
)

// MigrationState is the state of an export or an import.
type MigrationState string

// States of a migration.
const (
	MigrationTriggered  MigrationState = "triggered"
	MigrationInProgress MigrationState = "in progress"
	MigrationDone       MigrationState = "done"
	MigrationFailed     MigrationState = "failed"
)

// Migration is what the service reports about an export or an import.
type Migration struct {
	State           MigrationState
	StatusCode      string // a MigrationCode
	Status          string
	Message         string // the field errorMessage, which also has the texts of a success
	AlreadyComplete bool   // it was complete before the request
}

// failedCall are the codes with which FAILED is about the call, not about the migration.
var failedCall = map[MigrationCode]bool{MigrationCodeInvalidInput: true, MigrationCodeInternalError: true, "": true}

type direction string

const (
	exporting direction = "export"
	importing direction = "import"
)

// ExportMigration starts an export. If it is already in progress or complete, that is a success with that state.
// Source: chapter 4.
func (c *Client) ExportMigration(ctx context.Context, code string) (Migration, error) {
	return c.migrate(ctx, exporting, code)
}

// ImportMigration starts an import. If it is already in progress or complete, that is a success with that state.
// Source: chapter 5.
func (c *Client) ImportMigration(ctx context.Context, code string) (Migration, error) {
	return c.migrate(ctx, importing, code)
}

// ExportStatus reads the state of an export. Source: chapter 6.
func (c *Client) ExportStatus(ctx context.Context, code string) (Migration, error) {
	return c.migrationStatus(ctx, exporting, code)
}

// ImportStatus reads the state of an import. Source: chapter 7.
func (c *Client) ImportStatus(ctx context.Context, code string) (Migration, error) {
	return c.migrationStatus(ctx, importing, code)
}

func (c *Client) migrate(ctx context.Context, d direction, code string) (Migration, error) {
	r := call{name: string(d), subject: code, method: http.MethodPost}
	return c.migration(ctx, r, "/public/migrate", d, code, (*response).migrationStarted)
}

func (c *Client) migrationStatus(ctx context.Context, d direction, code string) (Migration, error) {
	r := call{
		name:     string(d) + " status",
		subject:  code,
		method:   http.MethodGet,
		notFound: string(d) + "_status_path and the code",
	}
	root := c.cfg.ExportStatusPath
	if d == importing {
		root = c.cfg.ImportStatusPath
	}
	return c.migration(ctx, r, root, d, code, (*response).migrationStatus)
}

func (c *Client) migration(
	ctx context.Context, r call, root string, d direction, code string,
	judge func(*response, direction) (Migration, error),
) (Migration, error) {
	segment, err := pathSegment("migration code", code)
	r.path, r.ifInvalid = root+"/"+string(d)+"/"+segment, "check the migration's code"
	if c.cfg.ServiceIDOnExport {
		r.header = c.service()
	}
	return ask(ctx, c, r, func(a *response) (Migration, error) { return judge(a, d) }, err)
}

func (a *response) migrationStarted(d direction) (Migration, error) {
	m, err := a.migration(d)
	if err != nil || m.State != "" {
		return m, err
	}
	if m.Status == "SUCCESS" && a.ok() {
		m.State = MigrationTriggered
		return m, nil
	}
	const reason = "the migration was not started"
	if m.Status == "FAILED" && a.ok() && !failedCall[MigrationCode(m.StatusCode)] {
		return Migration{}, a.failFinally(reason)
	}
	return Migration{}, a.fail(reason)
}

func (a *response) migrationStatus(d direction) (Migration, error) {
	m, err := a.migration(d)
	if err != nil || m.State != "" {
		return m, err
	}
	switch code := MigrationCode(m.StatusCode); {
	case m.Status == "SUCCESS" && code == MigrationCodeSuccess && a.ok():
		m.State = MigrationDone
	case m.Status == "SUCCESS" && code == MigrationCodeTriggered && a.ok():
		m.State = MigrationTriggered
	case m.Status == "FAILED" && (a.ok() || a.status == http.StatusBadRequest) && !failedCall[code]:
		m.State = MigrationFailed
	default:
		return Migration{}, a.fail("the status of the migration is unknown")
	}
	return m, nil
}

// migration decodes the shape that all four calls have at every HTTP status. It sets the states that mean the same
// in all of them: in progress and already complete, which come with HTTP 400.
func (a *response) migration(d direction) (Migration, error) {
	var body struct {
		ErrorMessage text `json:"errorMessage"`
		StatusCode   text `json:"statusCode"`
		Status       text `json:"status"`
	}
	if err := a.decode(&body); err != nil {
		return Migration{}, err
	}
	m := Migration{
		StatusCode: strings.ToUpper(a.text(string(body.StatusCode))),
		Status:     strings.ToUpper(a.text(string(body.Status))),
		Message:    a.text(string(body.ErrorMessage)),
	}
	if a.status >= 500 || a.status == http.StatusUnauthorized || a.status == http.StatusTooManyRequests {
		return Migration{}, a.asError(nil)
	}
	prefix := strings.ToUpper(string(d))
	switch {
	case m.StatusCode == prefix+"_ALREADY_COMPLETE":
		m.State, m.AlreadyComplete = MigrationDone, true
	case m.StatusCode == prefix+"_INPROGRESS" || m.Status == "INPROGRESS":
		m.State = MigrationInProgress
	}
	return m, nil
}
