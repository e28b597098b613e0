package simulator

import (
	"regexp"
	"strings"
	"sync"
	"time"
)

const (
	exportKind = "export"
	importKind = "import"
)

// migrations holds the definitions of the tenant and their progress. Source: chapters 4 to 7.
type migrations struct {
	mu     sync.Mutex
	byCode map[string]*migration
}

type migration struct {
	Migration
	ends     time.Time // simulated; zero if it was never started
	saved    bool      // a copy that nobody has run
	failures int
	outcome  string // of the current or last attempt
}

func newMigrations(c Catalog) *migrations {
	m := &migrations{byCode: map[string]*migration{}}
	for _, one := range c.Migrations {
		state := &migration{Migration: one}
		if one.Complete {
			state.outcome, state.ends = OutcomeOK, time.Unix(1, 0)
		}
		m.byCode[one.Code] = state
	}
	return m
}

func (m *migration) start(now time.Time) {
	m.saved = false
	m.outcome, m.ends = OutcomeOK, now.Add(m.Duration)
	if m.Outcome == OutcomeFail || m.failures < m.FailTimes {
		m.failures++
		m.outcome = OutcomeFail
	}
}

func migrationAnswer(status int, text, code, word string) *response {
	return codedResponse(status, code, fields{"errorMessage": text, "statusCode": code, "status": word})
}

func migrationError(status int, text string) *response {
	if status >= 500 {
		return migrationAnswer(status, "Internal Server Error", "INTERNAL_ERROR", "FAILED")
	}
	return migrationAnswer(status, text, "INVALID_INPUT", "FAILED")
}

func subjectCode(_ *Simulator, c *call) { c.entry.Subject = c.r.PathValue("code") }

func migrate(kind string) func(*Simulator, *call) *response {
	return func(s *Simulator, c *call) *response {
		if kind == exportKind && s.quirks.has(ServiceIDOnExport) && c.r.Header.Get("ofs_service_id") != s.opts.ServiceID {
			return migrationAnswer(400, "Input validation failed", "INVALID_INPUT", "FAILED")
		}
		s.migrations.mu.Lock()
		defer s.migrations.mu.Unlock()
		m := s.migrations.byCode[c.entry.Subject]
		now := s.clock.Sim()
		switch {
		case m == nil || m.Kind != kind:
			return migrationAnswer(400, "Code does not exist", "INVALID_INPUT", "FAILED")
		case now.Before(m.ends):
			return s.inProgress(kind)
		case m.outcome == OutcomeOK:
			return migrationAnswer(400, title(kind)+" already completed", strings.ToUpper(kind)+"_ALREADY_COMPLETE", "FAILED")
		}
		m.start(now)
		return migrationAnswer(s.accepted(), "Object Migration Triggered", "TRIGGERED_SUCCESS", "SUCCESS")
	}
}

// migrationStatus serves one of the two spellings of the path; the quirk disables it.
// The document has no sample of a failed migration: the response has the shape of the others, with status FAILED and
// HTTP 400, because 500 would be a failed call.
func migrationStatus(kind string, shut Quirk) func(*Simulator, *call) *response {
	return func(s *Simulator, c *call) *response {
		if s.quirks.has(shut) {
			return migrationAnswer(404, "Not Found", "INVALID_INPUT", "FAILED")
		}
		s.migrations.mu.Lock()
		defer s.migrations.mu.Unlock()
		m := s.migrations.byCode[c.entry.Subject]
		switch {
		case m != nil && m.Kind == kind && m.saved && !s.quirks.has(CopyNotInStatus):
			return s.migrationFound(200, "Status fetched Successfully", "SUCCESS", "SAVED")
		case m == nil || m.Kind != kind || m.ends.IsZero():
			return migrationAnswer(400, "Code does not exist", "INVALID_INPUT", "FAILED")
		case s.clock.Sim().Before(m.ends):
			return s.inProgress(kind)
		case m.outcome == OutcomeOK:
			return s.migrationFound(200, "Status fetched Successfully", "SUCCESS", "SUCCESS")
		}
		return s.migrationFound(400, title(kind)+" failed", strings.ToUpper(kind)+"_FAILED", "FAILED")
	}
}

// migrationFound is the answer of a status call, in the dialect of the siblings with the quirk.
func (s *Simulator) migrationFound(status int, text, code, word string) *response {
	if !s.quirks.has(StatusFetched) {
		return migrationAnswer(status, text, code, word)
	}
	words := map[string]string{"SUCCESS": "Success", "FAILED": "Failed", "SAVED": "Saved"}
	return migrationAnswer(200, "", "STATUS_FETCHED", words[word])
}

var copiedCode = regexp.MustCompile(`^[A-Za-z0-9_-]{3,30}$`)

type copyRequest struct {
	Existing  string `json:"existingMigrationCode"`
	Code      string `json:"newMigrationCode"`
	Overwrite string `json:"overWriteOptions"`
}

func subjectCopy(_ *Simulator, c *call) {
	var body copyRequest
	_ = decodeStrict(c.body, &body)
	c.entry.Subject, c.entry.Name = body.Code, body.Existing
}

// copyOutline saves a copy, and does not run it. Source: 24C, Re-Export API; 24D, Re-Import API; 26D, their responses.
func copyOutline(kind string) func(*Simulator, *call) *response {
	return func(s *Simulator, c *call) *response {
		var body copyRequest
		refuse := func(text string) *response {
			return migrationAnswer(400, text, "INVALID_INPUT", "FAILED")
		}
		if decodeStrict(c.body, &body) != nil {
			return refuse("Input validation failed")
		}
		s.migrations.mu.Lock()
		defer s.migrations.mu.Unlock()
		source, now := s.migrations.byCode[body.Existing], s.clock.Sim()
		switch {
		case source == nil || source.Kind != kind:
			return refuse("Code does not exist")
		case !copiedCode.MatchString(body.Code):
			return refuse("Length or characters of the new migration code are invalid")
		case s.migrations.byCode[body.Code] != nil:
			return refuse("New migration code already exists")
		case kind == importKind && body.Overwrite != "Y" && body.Overwrite != "N":
			return refuse("overWriteOptions is missing or invalid")
		case kind == exportKind && now.Before(source.ends):
			return migrationAnswer(400, "Export in progress", "EXPORT_INPROGRESS", "INPROGRESS")
		case source.outcome != OutcomeOK || now.Before(source.ends):
			return refuse("The source is in status SAVED or FAILED and cannot be copied")
		}
		copied := source.Migration
		copied.Code, copied.Complete = body.Code, false
		s.migrations.byCode[body.Code] = &migration{Migration: copied, saved: true}
		return codedResponse(200, strings.ToUpper(kind)+"_OUTLINE_SAVED", fields{
			"errorMessage": "", "statusCode": strings.ToUpper(kind) + "_OUTLINE_SAVED", "status": "SUCCESS", "migrationCode": body.Code,
		})
	}
}

func (s *Simulator) inProgress(kind string) *response {
	status := 400
	if s.quirks.has(Progress200) {
		status = 200
	}
	if s.quirks.has(StatusFetched) {
		return migrationAnswer(200, "", "STATUS_FETCHED", "In Process")
	}
	return migrationAnswer(status, title(kind)+" in progress", strings.ToUpper(kind)+"_INPROGRESS", "INPROGRESS")
}

// accepted returns the HTTP status of the response to a request that started something.
func (s *Simulator) accepted() int {
	if s.quirks.has(CreatedStatuses) {
		return 202
	}
	return 200
}

func title(word string) string { return strings.ToUpper(word[:1]) + word[1:] }
