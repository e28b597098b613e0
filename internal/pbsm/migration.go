package pbsm

import (
	"context"
	"fmt"
	"net/http"
	"regexp"
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
	MigrationSaved      MigrationState = "saved" // a copy that nobody has run: neither running nor failed
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

// copiedCode is the form of the code of a copy. Source: DFCS 25A, Copy Export Definition.
var copiedCode = regexp.MustCompile(`^[A-Za-z0-9_-]{3,30}$`)

// IsCopiedCode reports whether a copy can have this code.
func IsCopiedCode(code string) bool { return copiedCode.MatchString(code) }

// CopyExport saves the definition of a successful export under a new code, and does not run it. The service refuses it
// if the new code exists: a repeated copy is refused, and the status of the new code shows whether it was made.
// Source: 24C, Re-Export API; 26D, its response.
func (c *Client) CopyExport(ctx context.Context, existing, code string) (Migration, error) {
	return c.copyOutline(ctx, exporting, map[string]string{"existingMigrationCode": existing, "newMigrationCode": code})
}

// CopyImport saves the definition of a successful import under a new code, like CopyExport. overwrite says whether the
// import may replace what exists. Source: 24D, Re-Import API; 26D, its response.
func (c *Client) CopyImport(ctx context.Context, existing, code string, overwrite bool) (Migration, error) {
	option := "N"
	if overwrite {
		option = "Y"
	}
	return c.copyOutline(ctx, importing, map[string]string{
		"existingMigrationCode": existing, "newMigrationCode": code, "overWriteOptions": option,
	})
}

func (c *Client) copyOutline(ctx context.Context, d direction, body map[string]string) (Migration, error) {
	existing, code := body["existingMigrationCode"], body["newMigrationCode"]
	r := call{
		name: "copy of " + string(d), subject: strings.TrimSpace(existing + " as " + code),
		method: http.MethodPost, path: "/public/migrate/" + string(d) + "/copyoutline", header: c.service(), body: body,
		ifInvalid: "the source must have been run with success, and the new code must not exist",
	}
	var form error
	if !IsCopiedCode(code) {
		form = fmt.Errorf("the new code %q must be 3 to 30 letters, digits, hyphens and underscores", oneLine(code, 80))
	}
	judge := func(a *response) (Migration, error) { return a.copied(d) }
	return ask(ctx, c, r, judge, checkHeaderValue("code of the source", existing), form)
}

// copied judges a copy by its own code: of the states of a migration, only saved is one of it.
func (a *response) copied(d direction) (Migration, error) {
	m, err := a.migration(d)
	if err != nil {
		return m, err
	}
	saved := map[direction]MigrationCode{exporting: MigrationCodeExportSaved, importing: MigrationCodeImportSaved}[d]
	switch {
	case m.State == MigrationInProgress:
		e := a.fail("the source is being exported or imported: it cannot be copied yet")
		e.NotProcessed, e.Temporary = true, true
		return Migration{}, e
	case a.ok() && m.Status == "SUCCESS" && MigrationCode(m.StatusCode) == saved:
		m.State = MigrationSaved
		return m, nil
	}
	return Migration{}, a.fail("the definition was not copied")
}

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
		typed:    true, // in chapters 6 and 7
		notFound: string(d) + "_status_path and the code",
	}
	root := c.cfg.ExportStatusPath
	if d == importing {
		root = c.cfg.ImportStatusPath
	}
	m, err := c.migration(ctx, r, root, d, code, (*response).migrationStatus)
	other, known := otherStatusPath[root]
	if !known || !noSuchCall(err) {
		return m, err
	}
	if found, err := c.migration(ctx, r, other, d, code, (*response).migrationStatus); !noSuchCall(err) {
		return found, err
	}
	return m, err
}

// otherStatusPath is the other spelling of a path: chapter 6 writes /Public, chapter 7 /public. A server may know only
// one of them, and reading a status twice does no harm.
var otherStatusPath = map[string]string{"/public/status": "/Public/status", "/Public/status": "/public/status"}

func (c *Client) migration(
	ctx context.Context, r call, root string, d direction, code string,
	judge func(*response, direction) (Migration, error),
) (Migration, error) {
	segment, err := pathSegment("migration code", code)
	r.path, r.ifInvalid = root+"/"+string(d)+"/"+segment, "check the migration's code"
	r.settings = []string{"service_id_on_export"}
	if c.cfg.ServiceIDOnExport {
		r.header, r.settings = c.service(), nil
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
	case m.Status == "SAVED" && (a.ok() || a.status == http.StatusBadRequest):
		m.State = MigrationSaved
	case m.Status == "SUCCESS" && (code == MigrationCodeSuccess || code == MigrationCodeFetched) && a.ok():
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
	code, status := letters(m.StatusCode), letters(m.Status)
	switch {
	case code == prefix+"ALREADYCOMPLETE" || code == prefix+"ALREADYCOMPLETED":
		m.State, m.AlreadyComplete = MigrationDone, true
	case code == prefix+"INPROGRESS" || status == "INPROGRESS" || status == "INPROCESS":
		m.State = MigrationInProgress
	}
	return m, nil
}

// letters leaves out what separates words: INPROGRESS is also spelled IN_PROGRESS.
func letters(word string) string { return strings.NewReplacer("_", "", "-", "", " ", "").Replace(word) }
