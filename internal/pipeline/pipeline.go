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
//	  on_missing: skip                       # or fail; default: wait_for_operator
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
//
// The comments of [Pipeline]'s fields, and of theirs, are the text of docs/pipelines.md and of the
// JSON Schema (make generate), and so are the examples above the kinds of step, which show every
// key. The tag jsonschema says what an editor can check before [Parse] does; format= is one of
// [Forms]. A key without omitempty is required.
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

// Endings are those of a definition's file, in the order in which they are looked for.
var Endings = []string{".yaml", ".yml", ".json"}

// Pipeline is one definition: what a file of the pipelines folder holds.
type Pipeline struct {
	// Name is the name of the file without .yaml, and a part of the close's workflow id.
	Name string `json:"name" jsonschema:"format=id"`
	// Calendar tells schedules the business days: us-bank, or one of pbsm.yaml.
	Calendar string `json:"calendar,omitempty" jsonschema:"format=id"`
	// TimeZone is the IANA name of the zone in which times are meant; UTC where it is left out.
	TimeZone string `json:"time_zone,omitempty" jsonschema:"format=time-zone"`
	// Deadline is that of the whole close, and so of each step that has none of its own.
	Deadline string `json:"deadline,omitempty" jsonschema:"format=time"`
	// Audit is where the audit file goes, which says who did what. Two closes at a time must not write
	// one file. Where it is left out: a file with the names of pipeline and connection and the
	// date, beside the first one that a step saves; none where none does.
	Audit string `json:"audit,omitempty" jsonschema:"format=store/path"`
	// Steps are what the close does, 1 to 1000.
	Steps []Step `json:"steps" jsonschema:"minItems=1,maxItems=1000"`

	lines map[string]int // structural path -> line, when it came from a text
}

// Step is one node of the pipeline: an id, what it needs, and exactly one kind.
type Step struct {
	// ID is the step's name, unique in the pipeline.
	ID string `json:"id" jsonschema:"format=id"`
	// Needs are the ids of the steps that must be done before this one starts. Without it, it
	// starts at once.
	Needs []string `json:"needs,omitempty" jsonschema:"uniqueItems=true,format=id"`
	// Description is for people.
	Description string `json:"description,omitempty"`

	// Upload sends a file of a store, or all files of a folder.
	Upload *Upload `json:"upload,omitempty" jsonschema:"oneof_required=upload"`
	// Batch runs one batch.
	Batch *Batch `json:"batch,omitempty" jsonschema:"oneof_required=batch"`
	// Group runs a batch group.
	Group *Group `json:"group,omitempty" jsonschema:"oneof_required=group"`
	// Report generates a report and saves it.
	Report *Report `json:"report,omitempty" jsonschema:"oneof_required=report"`
	// Download saves a file that is in the service.
	Download *Download `json:"download,omitempty" jsonschema:"oneof_required=download"`
	// Export exports a migration definition.
	Export *Migration `json:"export,omitempty" jsonschema:"oneof_required=export"`
	// Import imports a migration definition.
	Import *Migration `json:"import,omitempty" jsonschema:"oneof_required=import"`
	// Approve waits for an operator.
	Approve *Approve `json:"approve,omitempty" jsonschema:"oneof_required=approve"`
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

// Upload sends a file of a store to the service, or all files of a folder.
//
//	upload:
//	  file: "inbox/gl_{{.AsOfDate}}.csv"
//	  name: gl.csv
//	  wait_until: "01:30"
//	  stable_for: 30s
//	  marker: "inbox/gl_{{.AsOfDate}}.done"
//	  on_missing: skip
//	  expect: {manifest: "inbox/gl_{{.AsOfDate}}.manifest.json"}
//	  mime_type: Text/CSV
//	  prefix: ledgers
//
// A folder:
//
//	upload: {file: "inbox/extracts_{{.AsOfDate}}/", list_to: "reports/{{.AsOfDate}}/extracts.jsonl"}
type Upload struct {
	// File is what is sent. With a "/" at its end it is a folder, all of whose files are sent.
	File string `json:"file" jsonschema:"format=store/path/"`
	// ListTo is where the list of what was sent is saved; only of a folder. Where it is left out:
	// beside the folder, as its name with .sent.jsonl. Two steps must not write one list.
	ListTo string `json:"list_to,omitempty" jsonschema:"format=store/path"`
	// Name is what the file is called in the service; as in the store where it is left out.
	Name string `json:"name,omitempty" jsonschema:"format=file-name"`
	// WaitUntil is how long a file that is late is waited for.
	WaitUntil string `json:"wait_until,omitempty" jsonschema:"format=time"`
	// StableFor says when the file is complete: once its size and time have not changed for so long.
	StableFor Duration `json:"stable_for,omitempty"`
	// Marker is a file whose presence says that File is complete. The manifest of Expect can be it.
	// One in the folder that is sent stays behind.
	Marker string `json:"marker,omitempty" jsonschema:"format=store/path"`
	// OnMissing is what becomes of the step when the file did not come, or not wholly: a person
	// decides, the night goes on without it, or the step fails.
	OnMissing OnMissing `json:"on_missing,omitempty" jsonschema:"enum=wait_for_operator,enum=skip,enum=fail,default=wait_for_operator"`
	// Expect is what the file must hold before it is sent.
	Expect *verify.Expect `json:"expect,omitempty"`
	// MimeType is sent with the file: Text/CSV, Text/plain or DAT; by the name's ending where it is left out.
	MimeType string `json:"mime_type,omitempty" jsonschema:"format=type"`
	// Prefix is the folder of the file in the service.
	Prefix string `json:"prefix,omitempty" jsonschema:"format=prefix"`
}

// OnMissing is what becomes of an upload whose file did not come.
type OnMissing string

const (
	WaitForOperator OnMissing = "wait_for_operator" // the default: a person decides
	SkipStep        OnMissing = "skip"              // the night goes on without it
	FailStep        OnMissing = "fail"              // the step ends, and what needs it is not run
)

// IsFolder says that File is a folder.
func (u *Upload) IsFolder() bool { return strings.HasSuffix(u.File, "/") }

// SentList is where the list of what a folder's upload sent is saved, unless it says so itself.
func SentList(folder string) string { return strings.TrimSuffix(folder, "/") + ".sent.jsonl" }

// Batch runs one batch.
//
//	batch:
//	  code: PBSM_ALLOC
//	  params: {$FICMISDATE$: "{{.AsOfDate}}", $RUNSK$: "1"}
//	  restarts: 2
//	  restart_delay: 1m
//	  deadline: "05:00"
//	  key: second
//	  included_tasks: [TASK1, TASK2]
//	  excluded_tasks: [TASK3]
//	  held_tasks: [TASK4]
type Batch struct {
	// Code is the batch's code.
	Code string `json:"code" jsonschema:"format=code"`
	// Params are the run time parameters. The as-of date is among them, as $FICMISDATE$, unless
	// they say otherwise.
	Params map[string]string `json:"params,omitempty" jsonschema_extras:"date=$FICMISDATE$"`
	// Restarts is how often a run that failed is restarted, from the failed task, before a person is asked.
	Restarts int `json:"restarts,omitempty" jsonschema:"minimum=0,maximum=100"`
	// RestartDelay is the time before each restart.
	RestartDelay Duration `json:"restart_delay,omitempty"`
	// Deadline is when the step ends as failed, if it still works or waits for an operator; what runs
	// in the service is left alone.
	Deadline string `json:"deadline,omitempty" jsonschema:"format=time"`
	// Key tells apart two runs of one code in one night.
	Key string `json:"key,omitempty" jsonschema:"format=code"`
	// IncludedTasks are the only tasks that run.
	IncludedTasks []string `json:"included_tasks,omitempty" jsonschema:"format=code"`
	// ExcludedTasks are tasks that do not run.
	ExcludedTasks []string `json:"excluded_tasks,omitempty" jsonschema:"format=code"`
	// HeldTasks are tasks that wait until a person releases them in the service.
	HeldTasks []string `json:"held_tasks,omitempty" jsonschema:"format=code"`
}

// Group runs a batch group. The service takes parameters per member, so the
// as-of date reaches only the members that are listed.
//
//	group:
//	  code: PBSM_PROFIT_GRP
//	  batches:
//	    - {code: PBSM_CUST_PROFIT}
//	    - {code: PBSM_PROD_PROFIT, params: {$RUNSK$: "1"}}
//	  restarts: 1
//	  restart_delay: 5m
//	  deadline: "06:00"
//	  key: second
type Group struct {
	// Code is the group's code.
	Code string `json:"code" jsonschema:"format=code"`
	// Batches are the group's members.
	Batches []GroupMember `json:"batches" jsonschema:"minItems=1"`
	// Restarts is how often a run that failed is restarted, from the failed task, before a person is asked.
	Restarts int `json:"restarts,omitempty" jsonschema:"minimum=0,maximum=100"`
	// RestartDelay is the time before each restart.
	RestartDelay Duration `json:"restart_delay,omitempty"`
	// Deadline is when the step ends as failed, if it still works or waits for an operator; what runs
	// in the service is left alone.
	Deadline string `json:"deadline,omitempty" jsonschema:"format=time"`
	// Key tells apart two runs of one code in one night.
	Key string `json:"key,omitempty" jsonschema:"format=code"`
}

// GroupMember is one batch of a group and its parameters.
type GroupMember struct {
	// Code is the batch's code.
	Code string `json:"code" jsonschema:"format=code"`
	// Params are its run time parameters. The as-of date is among them, as $FICMISDATE$, unless
	// they say otherwise.
	Params map[string]string `json:"params,omitempty" jsonschema_extras:"date=$FICMISDATE$"`
}

// Report generates a report and saves it.
//
// The service passes both filters to SQL. Templates can only put the as-of
// date, the connection's name and the pipeline's name into them, all of which
// consist of letters, digits, "_" and "-".
//
//	report:
//	  code: RPT001
//	  type: CSV
//	  def_type: V
//	  filter: "AS_OF_DATE = '{{.AsOfDate}}'"
//	  placeholder_filter: "ORG_UNIT_ID = 1001"
//	  save_to: "reports/{{.AsOfDate}}/profitability.csv"
//	  expect: {min_rows: 1}
//	  deadline: 2h
type Report struct {
	// Code is the report's code.
	Code string `json:"code" jsonschema:"format=code"`
	// Type is the report's file type.
	Type string `json:"type,omitempty" jsonschema:"format=code,default=CSV"`
	// DefType is sent as reportDefType; the connection's report_def_type where it is left out.
	DefType string `json:"def_type,omitempty" jsonschema:"format=code"`
	// Filter is sent as filterCriteria.
	Filter string `json:"filter,omitempty"`
	// PlaceholderFilter is sent as placeholderFilter.
	PlaceholderFilter string `json:"placeholder_filter,omitempty"`
	// SaveTo is where the report is saved.
	SaveTo string `json:"save_to" jsonschema:"format=store/path"`
	// Expect is what the saved file must hold.
	Expect *verify.Expect `json:"expect,omitempty"`
	// Deadline is when the step ends as failed, if it still works or waits for an operator; what runs
	// in the service is left alone.
	Deadline string `json:"deadline,omitempty" jsonschema:"format=time"`
}

// Download brings down a file that is in the service: exactly one of File and
// FileID says which.
//
//	download:
//	  file: gl_copy.csv
//	  save_to: "reports/{{.AsOfDate}}/gl_copy.csv"
//	  prefix: ledgers
//	  stripe: default
//	  expect: {rows: 100, totals: {BALANCE: "1234567.89"}}
//	  deadline: 2h
//
// By its id, which names one file where a name may stand for several:
//
//	download: {file_id: "9916", save_to: "reports/{{.AsOfDate}}/gl_copy.csv"}
type Download struct {
	// File is the name of the file in the service.
	File string `json:"file,omitempty" jsonschema:"format=file-name,oneof_required=file"`
	// FileID is the number of the file in the service.
	FileID string `json:"file_id,omitempty" jsonschema:"format=number,oneof_required=file_id"`
	// SaveTo is where the file is saved.
	SaveTo string `json:"save_to" jsonschema:"format=store/path"`
	// Prefix is the folder of the file in the service.
	Prefix string `json:"prefix,omitempty" jsonschema:"format=prefix"`
	// Stripe is the part of the service's storage that holds it.
	Stripe string `json:"stripe,omitempty" jsonschema:"format=code,default=default"`
	// Expect is what the saved file must hold.
	Expect *verify.Expect `json:"expect,omitempty"`
	// Deadline is when the step ends as failed, if it still works or waits for an operator; what runs
	// in the service is left alone.
	Deadline string `json:"deadline,omitempty" jsonschema:"format=time"`
}

// Migration exports or imports the migration definition with this code.
//
//	export: {code: MIG001, deadline: 2h}
//
// The other way:
//
//	import: {code: MIG001}
type Migration struct {
	// Code is the migration definition's code.
	Code string `json:"code" jsonschema:"format=code"`
	// Deadline is when the step ends as failed, if it still works or waits for an operator; what runs
	// in the service is left alone.
	Deadline string `json:"deadline,omitempty" jsonschema:"format=time"`
}

// Approve waits for an operator's approval of what the message says. Who started the close cannot
// approve it.
//
//	approve: {message: "Is the ledger complete?", deadline: "23:30"}
type Approve struct {
	// Message is what the approver approves.
	Message string `json:"message" jsonschema:"minLength=1"`
	// Deadline is when the step ends as failed, if it still works or waits for an operator; what runs
	// in the service is left alone.
	Deadline string `json:"deadline,omitempty" jsonschema:"format=time"`
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
