package pbsm

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"path"
	"strings"
	"time"
)

// ManifestRequest names one run of a data export. Source: 26B, chapter 7.
type ManifestRequest struct {
	Code     string // the tooltip over the name in the Data Export summary
	RunID    string // of Export Details, or of the batch with the export's task
	AsOfDate string // yyyy-mm-dd; any when empty
}

// Manifest is what a data export wrote. Its files are complete only if Ready.
type Manifest struct {
	Ready    bool // the export has succeeded, and there are files
	Failed   bool // it has failed
	RunID    string
	TaskID   string
	Status   string // the export's, as the service spells it
	AsOfDate string // yyyy-mm-dd
	Rows     string // of the whole run, as the service writes it
	Files    []ExportedFile
	Expires  time.Time // of the files' URLs; zero if the service does not say
}

// ExportedFile is a file of a data export.
type ExportedFile struct {
	Name string // the last part of its URL
	Size string // as the service writes it; no page says in which unit
	PAR  PAR
}

// ExportManifest asks for the files of a data export. It fails if the answer is about another run or another date. An
// export that is still running is not Ready. Each answer may have other URLs.
func (c *Client) ExportManifest(ctx context.Context, req ManifestRequest) (Manifest, error) {
	r := call{
		name: "export manifest", subject: strings.TrimSpace(req.Code + " " + req.RunID),
		method: http.MethodGet, path: "/dataextractor/getDataExportManifestFile",
		query:  url.Values{"code": {req.Code}, "batchRunId": {req.RunID}},
		header: c.service(), ifInvalid: "check the export's code and the run id",
	}
	var date error
	if req.AsOfDate != "" {
		date = checkDate(req.AsOfDate)
	}
	judge := func(a *response) (Manifest, error) { return a.manifest(req) }
	return ask(ctx, c, r, judge,
		checkHeaderValue("code of the export", req.Code), checkHeaderValue("run id", req.RunID), date)
}

type manifestBody struct {
	RunID      text `json:"batchRunId"`
	TaskID     text `json:"taskId"`
	Rows       text `json:"rowsLoaded"`
	AsOfDate   text `json:"asOfDate"`
	Expires    text `json:"parUrlExpiryTime"`
	DateFormat text `json:"dateFormat"`
	StatusCode text `json:"statusCode"`
	StatusName text `json:"statusName"`
	Files      []struct {
		Name text `json:"fileName"`
		Size text `json:"fileSize"`
	} `json:"fileDetails"`
}

// manifest judges by the payload: the outer status is about the call.
func (a *response) manifest(req ManifestRequest) (Manifest, error) {
	var body struct {
		Payload *manifestBody `json:"payload"`
	}
	if err := a.decode(&body); err != nil {
		return Manifest{}, err
	}
	switch {
	case !a.ok():
		return Manifest{}, a.asError(nil)
	case body.Payload == nil:
		return Manifest{}, a.fail("the response contains no manifest")
	}
	p := *body.Payload
	state := strings.ToUpper(string(p.StatusCode))
	ready := state == "SUCCESS" && len(p.Files) > 0
	// An answer that came too early may name no run yet.
	if got := p.RunID.id(); got != req.RunID && (got != "" || ready) {
		return Manifest{}, a.failFinally(fmt.Sprintf("the manifest is of another run, %q", oneLine(got, 80)))
	}
	m := Manifest{
		Ready:  ready,
		Failed: strings.HasPrefix(state, "FAIL") || strings.HasPrefix(state, "ERR") || strings.HasPrefix(state, "ABORT"),
		RunID:  req.RunID,
		TaskID: a.text(string(p.TaskID)),
		Status: a.text(string(p.StatusCode)),
		Rows:   a.text(string(p.Rows)),
	}
	if !m.Ready {
		return m, nil
	}
	return a.readyManifest(m, p, req)
}

// readyManifest reads what only a finished export has. What cannot be read is final: it would be the same again.
func (a *response) readyManifest(m Manifest, p manifestBody, req ManifestRequest) (Manifest, error) {
	var err error
	if m.AsOfDate, err = manifestDate(string(p.AsOfDate), string(p.DateFormat)); err != nil {
		return Manifest{}, a.failFinally("its as-of date: " + err.Error())
	}
	if req.AsOfDate != "" && m.AsOfDate != req.AsOfDate {
		return Manifest{}, a.failFinally("the manifest is for another as-of date, " + m.AsOfDate)
	}
	if p.Expires != "" {
		if m.Expires, err = manifestTime(string(p.Expires), string(p.DateFormat)); err != nil {
			return Manifest{}, a.failFinally("the expiry of its URLs: " + err.Error())
		}
	}
	seen := map[string]int{}
	for i, f := range p.Files {
		par, err := NewPAR(string(f.Name))
		if err != nil {
			return Manifest{}, a.failFinally(fmt.Sprintf("file %d: %v", i+1, err))
		}
		name := exportedName(par, i+1)
		if seen[name]++; seen[name] > 1 {
			name = fmt.Sprintf("%d_%s", i+1, name)
		}
		m.Files = append(m.Files, ExportedFile{Name: name, Size: a.text(string(f.Size)), PAR: par})
	}
	return m, nil
}

// exportedName is the name of the object behind a URL, or a number if that is no name for a file.
func exportedName(par PAR, number int) string {
	u, err := url.Parse(par.Expose())
	if err == nil {
		if name := path.Base(u.Path); fileNamePattern.MatchString(name) && !strings.Contains(name, "..") {
			return name
		}
	}
	return fmt.Sprintf("file_%d", number)
}

// manifestTime reads a time in the form that the manifest names for it, in UTC. The sample's times lack the UTC at the
// end of their own form.
func manifestTime(value, format string) (time.Time, error) {
	layout, err := goLayout(format)
	if err != nil {
		return time.Time{}, err
	}
	for _, l := range []string{layout, strings.TrimSuffix(layout, " UTC")} {
		if at, err := time.Parse(l, value); err == nil {
			return at.UTC(), nil
		}
	}
	return time.Time{}, fmt.Errorf("%q is not in the form %q", oneLine(value, 80), oneLine(format, 80))
}

// manifestDate reads a day: in the form's own order, or as yyyy-mm-dd, which no other form can be taken for.
func manifestDate(value, format string) (string, error) {
	if checkDate(value) == nil {
		return value, nil
	}
	layout, err := goLayout(format)
	if err != nil {
		return "", err
	}
	day, _, _ := strings.Cut(strings.ReplaceAll(layout, "T15", " 15"), " ")
	at, err := time.Parse(day, value)
	if err != nil {
		return "", fmt.Errorf("%q is not in the form %q", oneLine(value, 80), oneLine(format, 80))
	}
	return at.Format(time.DateOnly), nil
}

// patternLetters are the runs of letters of a date pattern that are understood, and UTC, which the sample writes as it
// stands.
var patternLetters = map[string]string{
	"yyyy": "2006", "MM": "01", "MMM": "Jan", "dd": "02", "HH": "15", "hh": "03", "mm": "04", "ss": "05", "a": "PM",
	"SSS": "000", "UTC": "UTC", "T": "T",
}

// goLayout translates a date pattern. A pattern with anything else is an error, because a guess could swap a day and a
// month.
func goLayout(pattern string) (string, error) {
	if pattern == "" {
		return "", errors.New("the manifest does not say in which form its dates are")
	}
	unknown := fmt.Errorf("the form of the dates, %q, is not understood", oneLine(pattern, 80))
	var layout strings.Builder
	letters := ""
	flush := func() bool {
		if letters == "" {
			return true
		}
		known, ok := patternLetters[letters]
		layout.WriteString(known)
		letters = ""
		return ok
	}
	for _, r := range strings.ReplaceAll(pattern, "'", "") {
		switch {
		case 'a' <= r && r <= 'z' || 'A' <= r && r <= 'Z':
			if letters != "" && letters[0] != byte(r) && letters+string(r) != "UT" && letters+string(r) != "UTC" && !flush() {
				return "", unknown
			}
			letters += string(r)
		case strings.ContainsRune(" -/.:,", r):
			if !flush() {
				return "", unknown
			}
			layout.WriteRune(r)
		default:
			return "", unknown
		}
	}
	if !flush() || !strings.Contains(layout.String(), "2006") {
		return "", unknown
	}
	return layout.String(), nil
}
