package pbsm

import (
	"bytes"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"mime"
	"net/http"
	"net/url"
	"regexp"
	"slices"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"

	"github.com/pbsmflow/pbsmflow/internal/httpx"
)

const (
	maxID          = 255
	maxExplanation = 64 << 10 // bytes of an explanation that are considered
)

// response is what the service sent, at any HTTP status, ready to be judged.
type response struct {
	call       call
	status     int
	retryAfter time.Duration
	body       []byte // a JSON value; nil when there is none
	html       bool
	damaged    bool   // it was cut off or is not valid JSON: its content is unknown
	problem    error  // why there is no JSON value
	excerpt    string // of a body that is not JSON
	redact     func(string) string
}

func newResponse(r call, status int, header http.Header, content []byte, readErr error) *response {
	a := &response{
		call:       r,
		status:     status,
		retryAfter: httpx.RetryAfter(header, time.Now(), maxRetryAfter),
		redact:     redactPatterns,
	}
	if readErr == nil && len(content) > r.limit() {
		readErr = fmt.Errorf("it is larger than %d MiB", r.limit()>>20)
	}
	content = bytes.TrimSpace(bytes.TrimPrefix(content, []byte("\ufeff")))
	media, _, _ := mime.ParseMediaType(header.Get("Content-Type"))
	switch {
	case readErr != nil:
		a.damaged = true
		a.problem = fmt.Errorf("the response cannot be read: %w", readErr)
	case len(content) == 0:
		a.problem = errEmpty
	case content[0] == '<', media == "text/html" && !structured(content):
		// Servlets that set no type label their JSON as text/html.
		a.html = true
		a.problem = errors.New("the response is an HTML page, not JSON: it is from a gateway, not from the service")
		a.excerpt = pageTitle(content)
	default:
		if a.body = mend(content); a.body == nil {
			a.damaged = structured(content)
			a.problem = errors.New("the response is not JSON")
			// Some JSON escapes the slashes; a URL must remain recognisable, so that it is redacted.
			a.excerpt = strings.ReplaceAll(string(content), `\/`, "/")
		}
	}
	return a
}

// structured reports whether a text begins like a JSON object or array.
func structured(content []byte) bool { return content[0] == '{' || content[0] == '[' }

var errEmpty = errors.New("the response is empty")

func (a *response) ok() bool { return a.status/100 == 2 }

// decode fails without JSON, or if it has an unexpected shape.
func (a *response) decode(into any) error {
	if a.body == nil {
		return a.asError(a.problem)
	}
	if err := json.Unmarshal(a.body, into); err != nil {
		return a.fail("the response has an unexpected shape")
	}
	return nil
}

// text makes a text of the service safe to display.
func (a *response) text(s string) string {
	return oneLine(a.redact(s[:min(len(s), maxExplanation)]), maxErrorText)
}

// whole is the response, for calls of which no page says what matters in it. JSON is encoded anew, so that an escaped
// URL is recognised as a secret.
func (a *response) whole() string {
	if a.body == nil {
		return a.text(a.excerpt)
	}
	var body any
	_ = json.Unmarshal(a.body, &body)
	var out bytes.Buffer
	encoder := json.NewEncoder(&out)
	encoder.SetEscapeHTML(false)
	_ = encoder.Encode(body)
	return a.text(out.String())
}

// link decodes a pre-authenticated URL, which a success must contain.
func (a *response) link(raw text) (PAR, error) {
	par, err := NewPAR(string(raw))
	if err != nil {
		return PAR{}, a.asError(err)
	}
	return par, nil
}

// explanation holds the fields in which the service explains an outcome, of all chapters.
type explanation struct {
	StatusCode   text `json:"statusCode"`
	ErrorCode    text `json:"errorCode"`
	Code         text `json:"code"`
	Status       text `json:"status"`
	Summary      text `json:"summary"`
	Details      text `json:"details"`
	ErrorMessage text `json:"errorMessage"`
	Message      text `json:"message"`
	Error        text `json:"error"`
	Title        text `json:"title"`
	Detail       text `json:"detail"`
	BatchRunID   text `json:"batchRunId"`

	excerpt string
}

func (a *response) explanation() explanation {
	s := explanation{excerpt: a.excerpt}
	if a.body == nil {
		return s
	}
	_ = json.Unmarshal(a.body, &s) // an unexpected shape explains nothing
	if s.code() != "" || s.String() != "" {
		return s
	}
	var wrapped struct { // as in responses about files
		Payload explanation `json:"payload"`
	}
	_ = json.Unmarshal(a.body, &wrapped)
	return wrapped.Payload
}

func (s explanation) code() text {
	for _, code := range []text{s.StatusCode, s.ErrorCode, s.Code} {
		if code != "" {
			return text(oneLine(string(code), 80))
		}
	}
	return ""
}

// refusal reports whether the body says that the request was refused, which is valid at any HTTP status.
func (s explanation) refusal() bool {
	return StatusCode(s.StatusCode).Refusal() || MigrationCode(s.StatusCode) == MigrationCodeInvalidInput
}

// actedOn reports whether the body hints that the service acted on the request nevertheless: a code of success, or
// a run that the request did not name.
func (s explanation) actedOn(r call) bool {
	if !r.scheduler {
		return false
	}
	run := s.BatchRunID.id()
	return StatusCode(s.StatusCode) == CodeSuccess || run != "" && run != r.runID
}

func (s explanation) String() string {
	var parts []string
	fields := []text{s.Summary, s.Details, s.ErrorMessage, s.Message, s.Error, s.Title, s.Detail, text(s.excerpt)}
	for _, part := range fields {
		if part != "" && !slices.Contains(parts, string(part)) {
			parts = append(parts, string(part))
		}
	}
	if len(parts) == 0 && s.Status != "" {
		parts = append(parts, "status "+string(s.Status))
	}
	if s.BatchRunID != "" {
		parts = append(parts, "batchRunId "+string(s.BatchRunID))
	}
	return strings.Join(parts, ": ")
}

// text decodes a string or a number, because the service sends either. Anything else, including null, is empty.
type text string

func (t *text) UnmarshalJSON(b []byte) error {
	*t = ""
	switch {
	case len(b) == 0:
	case b[0] == '"':
		var s string
		if err := json.Unmarshal(b, &s); err != nil {
			return err
		}
		*t = text(strings.TrimSpace(s))
	case b[0] == '-' || '0' <= b[0] && b[0] <= '9' || b[0] == 't' || b[0] == 'f':
		*t = text(b)
	}
	return nil
}

// id is the text as an identifier, "" if it cannot be one.
func (t text) id() string {
	s := string(t)
	if s == "null" || len(s) > maxID || strings.ContainsFunc(s, unicode.IsControl) {
		return ""
	}
	return s
}

// mend returns the body as valid JSON, or nil. It repairs two mistakes of hand-written serialisers, which the
// document's samples show: control characters within strings, and commas before a closing bracket. What was cut off
// stays invalid.
func mend(body []byte) []byte {
	if json.Valid(body) {
		return body
	}
	mended := make([]byte, 0, len(body)+16)
	inString, escaped, comma := false, false, -1
	for _, b := range body {
		switch {
		case inString && b < ' ':
			mended = append(mended, `\u00`...)
			mended = append(mended, "0123456789abcdef"[b>>4], "0123456789abcdef"[b&15])
			escaped = false
			continue
		case inString:
			inString = escaped || b != '"'
			escaped = !escaped && b == '\\'
		case b == '"':
			inString, comma = true, -1
		case b == ',':
			comma = len(mended)
		case (b == '}' || b == ']') && comma >= 0:
			mended[comma] = ' '
			comma = -1
		case b != ' ' && b != '\t' && b != '\r' && b != '\n':
			comma = -1
		}
		mended = append(mended, b)
	}
	if !json.Valid(mended) {
		return nil
	}
	return mended
}

var titlePattern = regexp.MustCompile(`(?is)<title[^>]*>(.*?)</title>`)

func pageTitle(page []byte) string {
	if m := titlePattern.FindSubmatch(page[:min(len(page), maxExplanation)]); m != nil {
		return string(m[1])
	}
	return ""
}

// oneLine makes a text safe to display: valid UTF-8, no control or invisible characters, single spaces, at most limit
// bytes.
func oneLine(s string, limit int) string {
	s = strings.ToValidUTF8(s, "\ufffd")
	s = strings.Join(strings.FieldsFunc(s, func(r rune) bool { return unicode.IsSpace(r) || !unicode.IsPrint(r) }), " ")
	if len(s) <= limit {
		return s
	}
	cut := limit - len("...")
	for cut > 0 && !utf8.RuneStart(s[cut]) {
		cut--
	}
	return s[:cut] + "..."
}

var secretPatterns = []struct {
	pattern     *regexp.Regexp
	replacement string
}{
	{regexp.MustCompile(`(?i)(https?:)?//([^\s/"'<>]+)/p/[^\s"'<>]+`), "https://$2/[PAR]"},
	{regexp.MustCompile(`/p/[A-Za-z0-9_-]{8,}/n/[^\s"'<>]*`), "[PAR]"},
	{regexp.MustCompile(`(?i)\b(bearer|basic)\s+[A-Za-z0-9+/=._~-]{8,}`), "$1 [secret]"},
	{regexp.MustCompile(`\beyJ[A-Za-z0-9_-]{8,}(\.[A-Za-z0-9_-]*)*`), "[token]"},
	{regexp.MustCompile(`(?i)("?\b(?:password|client_secret|access_token|refresh_token|assertion)"?\s*[=:]\s*)("[^"]*"|[^\s&,;"]+)`), "$1[secret]"},
}

// redactPatterns removes what looks like a secret.
func redactPatterns(s string) string {
	for _, p := range secretPatterns {
		s = p.pattern.ReplaceAllString(s, p.replacement)
	}
	return s
}

// redact removes the given secrets, also as they are encoded in forms and headers, then everything that looks like a
// secret.
func redact(s string, secrets []string) string {
	for _, secret := range secrets {
		if len(secret) < 4 { // is no secret, and would remove common text
			continue
		}
		inBase64 := base64.StdEncoding.EncodeToString([]byte(secret))
		for _, form := range []string{secret, url.QueryEscape(secret), url.PathEscape(secret), inBase64} {
			s = strings.ReplaceAll(s, form, "[secret]")
		}
	}
	return redactPatterns(s)
}
