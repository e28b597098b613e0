// Package pipeline is the definition of a night: what goes up, which batches
// run, which reports come down, and what needs what. It parses, validates and
// renders definitions, and does nothing else: no clock, no network, no files.
//
// A definition is YAML (or JSON, which is YAML):
//
//	name: nightly-close
//	time_zone: America/New_York
//	steps:
//	  - id: ledger
//	    upload: {file: "inbox/gl_{{.AsOfDate}}.csv", wait_until: "01:30"}
//	  - id: allocate
//	    needs: [ledger]
//	    batch: {code: PBSM_ALLOC, restarts: 2, deadline: "05:00"}
//
// A file that is late is waited for until wait_until: until it is there, has not changed
// for stable_for, and its marker is there. What it holds is checked before it is sent:
//
//	upload:
//	  file: "inbox/gl_{{.AsOfDate}}.csv"
//	  wait_until: "01:30"
//	  stable_for: 30s
//	  marker: "inbox/gl_{{.AsOfDate}}.done"
//	  on_missing: skip                       # or fail; default: wait_for_person
//	  expect:
//	    manifest: "inbox/gl_{{.AsOfDate}}.manifest.json"
//	    totals: {BALANCE: "123.45"}          # also bytes, rows, min_rows, max_rows, sha256, delimiter
//
// Reports and downloads take expect, too, and are checked once they are saved.
//
// Every step has an id and exactly one kind. Steps without needs start at
// once, the others when everything they need is done.
//
// A time ("05:00") is the next such moment in the pipeline's time zone after
// the close started; a duration ("90m") counts from the start. See
// [ResolveDeadline]. String values may hold templates; see [Pipeline.Render].
package pipeline

import (
	"encoding/json"
	"fmt"
	"reflect"
	"strings"
	"time"
	_ "time/tzdata" // the time zones must be the same on every worker, also in an image without them

	"github.com/pbsmflow/pbsmflow/internal/verify"
)

// ParamAsOf is the run time parameter that carries the as-of date, yyyy-mm-dd.
// Source: chapter 10, Execution API.
const ParamAsOf = "$FICMISDATE$"

// Pipeline is one definition. Its JSON form is what a definition file holds.
type Pipeline struct {
	Name     string `json:"name"`
	Calendar string `json:"calendar,omitempty"`
	TimeZone string `json:"time_zone,omitempty"` // IANA name; UTC when empty
	Deadline string `json:"deadline,omitempty"`  // of the whole close
	// Audit is the store/path of the file that says who did what; see internal/audit. Two
	// closes at a time must not write one file. Default: a file with the names of pipeline and
	// connection and the date, beside the first one that a step saves; none where none does.
	Audit string `json:"audit,omitempty"`
	Steps []Step `json:"steps"`

	lines map[string]int // structural path -> line, when it came from a text
}

// Step is one node of the pipeline. Exactly one of the kinds is set.
type Step struct {
	ID          string   `json:"id"`
	Needs       []string `json:"needs,omitempty"`
	Description string   `json:"description,omitempty"`

	Upload   *Upload    `json:"upload,omitempty"`
	Batch    *Batch     `json:"batch,omitempty"`
	Group    *Group     `json:"group,omitempty"`
	Report   *Report    `json:"report,omitempty"`
	Download *Download  `json:"download,omitempty"`
	Export   *Migration `json:"export,omitempty"`
	Import   *Migration `json:"import,omitempty"`
	Approve  *Approve   `json:"approve,omitempty"`
}

// Kind names what a step does; it is the step's key in a definition.
type Kind string

const (
	KindUpload   Kind = "upload"
	KindBatch    Kind = "batch"
	KindGroup    Kind = "group"
	KindReport   Kind = "report"
	KindDownload Kind = "download"
	KindExport   Kind = "export"
	KindImport   Kind = "import"
	KindApprove  Kind = "approve"
)

// Upload sends a file of a store to the service.
type Upload struct {
	File      string `json:"file"`                 // store/path; with a "/" at its end a folder, all of whose files are sent
	ListTo    string `json:"list_to,omitempty"`    // of a folder: store/path of the list of what was sent
	Name      string `json:"name,omitempty"`       // remote file name; the base name of File when empty
	WaitUntil string `json:"wait_until,omitempty"` // how long to wait for a file that is late
	// StableFor: the file is complete once its size and time have not changed for so long.
	StableFor Duration `json:"stable_for,omitempty"`
	// Marker is the store/path of a file whose presence says that File is complete. The
	// manifest of Expect can be it.
	Marker string `json:"marker,omitempty"`
	// OnMissing is what becomes of the step when the file did not come, or not wholly.
	OnMissing OnMissing      `json:"on_missing,omitempty"`
	Expect    *verify.Expect `json:"expect,omitempty"`    // what the file must hold before it is sent
	MimeType  string         `json:"mime_type,omitempty"` // by extension when empty
	Prefix    string         `json:"prefix,omitempty"`
}

// OnMissing is what becomes of an upload whose file did not come.
type OnMissing string

const (
	WaitForPerson OnMissing = "wait_for_person" // the default: a person decides
	SkipStep      OnMissing = "skip"            // the night goes on without it
	FailStep      OnMissing = "fail"            // the step ends, and what needs it is not run
)

// IsFolder says that File is a folder.
func (u *Upload) IsFolder() bool { return strings.HasSuffix(u.File, "/") }

// Batch runs one batch.
type Batch struct {
	Code          string            `json:"code"`
	Params        map[string]string `json:"params,omitempty"`
	Restarts      int               `json:"restarts,omitempty"` // automatic restarts from the failed task
	RestartDelay  Duration          `json:"restart_delay,omitempty"`
	Deadline      string            `json:"deadline,omitempty"`
	Key           string            `json:"key,omitempty"` // tells apart two runs of one code in one night
	IncludedTasks []string          `json:"included_tasks,omitempty"`
	ExcludedTasks []string          `json:"excluded_tasks,omitempty"`
	HeldTasks     []string          `json:"held_tasks,omitempty"`
}

// Group runs a batch group. The service takes parameters per member, so the
// as-of date reaches only the members that are listed.
type Group struct {
	Code         string        `json:"code"`
	Batches      []GroupMember `json:"batches"`
	Restarts     int           `json:"restarts,omitempty"`
	RestartDelay Duration      `json:"restart_delay,omitempty"`
	Deadline     string        `json:"deadline,omitempty"`
	Key          string        `json:"key,omitempty"`
}

// GroupMember is one batch of a group and its parameters.
type GroupMember struct {
	Code   string            `json:"code"`
	Params map[string]string `json:"params,omitempty"`
}

// Report generates a report and saves it.
//
// The service passes both filters to SQL. Templates can only put the as-of
// date, the connection's name and the pipeline's name into them, all of which
// consist of letters, digits, "_" and "-".
type Report struct {
	Code              string `json:"code"`
	Type              string `json:"type,omitempty"`     // CSV when empty
	DefType           string `json:"def_type,omitempty"` // the connection's when empty
	Filter            string `json:"filter,omitempty"`
	PlaceholderFilter string `json:"placeholder_filter,omitempty"`
	SaveTo            string `json:"save_to"` // store/path
	// Expect is what the saved file must hold.
	Expect   *verify.Expect `json:"expect,omitempty"`
	Deadline string         `json:"deadline,omitempty"`
}

// Download brings down a file that is in the service: exactly one of File and
// FileID says which.
type Download struct {
	File   string `json:"file,omitempty"`    // remote file name
	FileID string `json:"file_id,omitempty"` // digits
	SaveTo string `json:"save_to"`           // store/path
	Prefix string `json:"prefix,omitempty"`
	Stripe string `json:"stripe,omitempty"` // "default" when empty
	// Expect is what the saved file must hold.
	Expect   *verify.Expect `json:"expect,omitempty"`
	Deadline string         `json:"deadline,omitempty"`
}

// Migration exports or imports the migration definition with this code.
type Migration struct {
	Code     string `json:"code"`
	Deadline string `json:"deadline,omitempty"`
}

// Approve waits for a person's approval of what the message says.
type Approve struct {
	Message  string `json:"message"`
	Deadline string `json:"deadline,omitempty"`
}

// Kind tells which kind is set; empty when none or several are.
func (s Step) Kind() Kind {
	var found Kind
	for kind, value := range s.kinds() {
		if reflect.ValueOf(value).IsNil() {
			continue
		}
		if found != "" {
			return ""
		}
		found = kind
	}
	return found
}

// Deadline is what the step's kind says; empty when it says nothing.
func (s Step) Deadline() string {
	switch s.Kind() {
	case KindBatch:
		return s.Batch.Deadline
	case KindGroup:
		return s.Group.Deadline
	case KindReport:
		return s.Report.Deadline
	case KindDownload:
		return s.Download.Deadline
	case KindExport:
		return s.Export.Deadline
	case KindImport:
		return s.Import.Deadline
	case KindApprove:
		return s.Approve.Deadline
	}
	return ""
}

func (s Step) kinds() map[Kind]any {
	return map[Kind]any{
		KindUpload: s.Upload, KindBatch: s.Batch, KindGroup: s.Group, KindReport: s.Report,
		KindDownload: s.Download, KindExport: s.Export, KindImport: s.Import, KindApprove: s.Approve,
	}
}

// Location is the time zone in which the pipeline's times are meant.
func (p *Pipeline) Location() (*time.Location, error) {
	switch p.TimeZone {
	case "":
		return time.UTC, nil
	case "Local":
		return nil, fmt.Errorf("time zone %q differs from worker to worker; use an IANA name such as America/New_York", p.TimeZone)
	}
	loc, err := time.LoadLocation(p.TimeZone)
	if err != nil {
		return nil, fmt.Errorf("unknown time zone %q; use an IANA name such as America/New_York", p.TimeZone)
	}
	return loc, nil
}

func (p *Pipeline) clone() (*Pipeline, error) {
	text, err := json.Marshal(p)
	if err != nil {
		return nil, err
	}
	var q Pipeline
	if err := json.Unmarshal(text, &q); err != nil {
		return nil, err
	}
	return &q, nil
}

// StoreRefs are the files of stores that the step reads or writes.
func (s Step) StoreRefs() []string {
	var refs []string
	add := func(ref string) {
		if ref != "" {
			refs = append(refs, ref)
		}
	}
	if s.Upload != nil {
		add(strings.TrimSuffix(s.Upload.File, "/"))
		add(s.Upload.ListTo)
		add(s.Upload.Marker)
	}
	add(s.SaveTo())
	if e := s.expect(); e != nil {
		add(e.Manifest)
	}
	return refs
}

// SaveTo is where the step saves what it brings down; empty when it brings nothing.
func (s Step) SaveTo() string {
	switch s.Kind() {
	case KindReport:
		return s.Report.SaveTo
	case KindDownload:
		return s.Download.SaveTo
	}
	return ""
}

func (s Step) expect() *verify.Expect {
	switch s.Kind() {
	case KindUpload:
		return s.Upload.Expect
	case KindReport:
		return s.Report.Expect
	case KindDownload:
		return s.Download.Expect
	}
	return nil
}
