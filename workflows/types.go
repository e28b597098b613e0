package workflows

import (
	"encoding/json"
	"time"
)

// TaskQueue is the queue that a worker polls unless its configuration names another.
const TaskQueue = "pbsm"

// NightlyCloseInput starts a close: a pipeline for one connection and one as-of date.
type NightlyCloseInput struct {
	// Connection names an entry of the worker's configuration.
	Connection string `json:"connection"`
	// Pipeline names a file in the worker's pipelines folder, without its ending.
	Pipeline string `json:"pipeline,omitempty"`
	// Definition is a whole pipeline instead: a JSON object, or a string of YAML.
	Definition json.RawMessage `json:"definition,omitempty"`
	// AsOfDate is the business date, yyyy-mm-dd. It is never today by default.
	AsOfDate string `json:"as_of_date"`
	// StartedBy is the person or system behind the start. An approve step refuses this name.
	StartedBy string `json:"started_by,omitempty"`
}

// RunBatchInput starts one posting of a batch or a batch group, and follows it to its end.
type RunBatchInput struct {
	Connection string `json:"connection"`
	// Code is the unique batch code, or the batch group's code.
	Code string `json:"code"`
	// Group says that Code is a batch group.
	Group bool `json:"group,omitempty"`
	// AsOfDate is passed as $FICMISDATE$, yyyy-mm-dd, unless Params say otherwise.
	AsOfDate string `json:"as_of_date"`
	// Key tells postings apart where a night runs one batch more than once on purpose.
	Key string `json:"key,omitempty"`
	// Params are run-time parameters; for a group, of each of its batches.
	Params map[string]string `json:"params,omitempty"`
	// Batches are the batches of a group to which parameters are passed.
	// A group needs them: the service takes the as-of date by batch only.
	Batches []GroupBatch `json:"batches,omitempty"`
	// IncludedTasks, ExcludedTasks and HeldTasks narrow a batch, where the service's release takes them.
	IncludedTasks []string `json:"included_tasks,omitempty"`
	ExcludedTasks []string `json:"excluded_tasks,omitempty"`
	HeldTasks     []string `json:"held_tasks,omitempty"`
	// Restarts is how often a failed run is restarted from its failed task before a person is asked.
	Restarts int `json:"restarts,omitempty"`
	// RestartDelay is the pause before such a restart, as a Go duration ("90s"). Default 30s.
	RestartDelay string `json:"restart_delay,omitempty"`
	// Deadline ends the workflow's patience, for the run and for a person; the remote run is left alone. Zero: none.
	Deadline time.Time `json:"deadline,omitzero"`
	// RunID takes over a run that was started elsewhere instead of triggering one.
	RunID string `json:"run_id,omitempty"`
	// Again is the reason to run a batch that already succeeded for this date.
	Again string `json:"again,omitempty"`
	// StartedBy is the person or system behind the start.
	StartedBy string `json:"started_by,omitempty"`
}

// GroupBatch is a batch of a group with its own parameters.
type GroupBatch struct {
	Code   string            `json:"code"`
	Params map[string]string `json:"params,omitempty"`
}

// GenerateReportInput generates a report and brings it down into a store.
type GenerateReportInput struct {
	Connection string `json:"connection"`
	// Code is the report code of the Report Details page.
	Code string `json:"code"`
	// Type is the file format. Default CSV.
	Type string `json:"type,omitempty"`
	// DefinitionType is the service's reportDefType. Default: the connection's (V, view).
	DefinitionType string `json:"definition_type,omitempty"`
	// Filter and PlaceholderFilter reach the service's SQL: never build them from unchecked text.
	Filter            string `json:"filter,omitempty"`
	PlaceholderFilter string `json:"placeholder_filter,omitempty"`
	// SaveTo is "store/path" of the worker's configuration.
	SaveTo string `json:"save_to"`
	// Expect is what the saved file must hold.
	Expect   *Expect   `json:"expect,omitempty"`
	Deadline time.Time `json:"deadline,omitzero"`
}

// UploadFileInput moves one file from a store into the service.
type UploadFileInput struct {
	Connection string `json:"connection"`
	// File is "store/path" of the worker's configuration. With a "/" at its end it is a folder,
	// all of whose files are sent; Name, StableFor and Expect do not go with that, and WaitUntil
	// waits for Marker.
	File string `json:"file"`
	// ListTo is the "store/path" where the list of a folder's files goes, a JSON document a line
	// with each file's id, bytes, rows and SHA-256. Default: the folder's name and ".sent.jsonl".
	ListTo string `json:"list_to,omitempty"`
	// Name is the remote file name. Default: the last part of File.
	Name string `json:"name,omitempty"`
	// MimeType is Text/CSV, Text/plain or DAT. Default: by the ending of Name.
	MimeType string `json:"mime_type,omitempty"`
	Prefix   string `json:"prefix,omitempty"`
	// WaitUntil is how long a file that is not there yet is waited for. Zero: not at all.
	WaitUntil time.Time `json:"wait_until,omitzero"`
	// StableFor says that the file is complete once its size and time have not changed for so
	// long, as a Go duration ("30s").
	StableFor string `json:"stable_for,omitempty"`
	// Marker is the "store/path" of a file whose presence says that File is complete.
	// One in the folder that is sent stays behind.
	Marker string `json:"marker,omitempty"`
	// Expect is what the file must hold before it is sent.
	Expect   *Expect   `json:"expect,omitempty"`
	Deadline time.Time `json:"deadline,omitzero"`
}

// DownloadFileInput brings one file of the service into a store, by id or by name.
type DownloadFileInput struct {
	Connection string `json:"connection"`
	FileID     string `json:"file_id,omitempty"`
	Name       string `json:"name,omitempty"`
	// Stripe and Prefix go with Name. Default stripe: "default".
	Stripe string `json:"stripe,omitempty"`
	Prefix string `json:"prefix,omitempty"`
	// SaveTo is "store/path" of the worker's configuration.
	SaveTo string `json:"save_to"`
	// Expect is what the saved file must hold.
	Expect   *Expect   `json:"expect,omitempty"`
	Deadline time.Time `json:"deadline,omitzero"`
}

// Migration directions.
const (
	Export = "export"
	Import = "import"
)

// MigrateInput exports or imports a migration definition.
type MigrateInput struct {
	Connection string `json:"connection"`
	// Direction is "export" or "import".
	Direction string    `json:"direction"`
	Code      string    `json:"code"`
	Deadline  time.Time `json:"deadline,omitzero"`
}

// State is where a workflow or a step stands.
type State string

// States. Waiting is the one that asks for a person; Waiting.For in the status says for what.
const (
	Pending      State = "pending"
	Running      State = "running"
	Interrupting State = "interrupting"
	Waiting      State = "waiting"
	Succeeded    State = "succeeded"
	Failed       State = "failed"
	Interrupted  State = "interrupted"
	Cancelled    State = "cancelled"
	Skipped      State = "skipped"
	NotRun       State = "not_run"
)

// Task is a task of a batch with the service's code (chapter 10, table 10-1) and text.
type Task struct {
	Code       string `json:"code"`
	StatusCode string `json:"status_code"`
	Status     string `json:"status"`
}

// MemberRun is a batch of a group's run.
type MemberRun struct {
	RunID      string `json:"run_id"`
	StatusCode string `json:"status_code"`
	Status     string `json:"status"`
	Tasks      []Task `json:"tasks,omitempty"`
}

// RunBatchResult says how a posting ended.
type RunBatchResult struct {
	WorkflowID string `json:"workflow_id"`
	Connection string `json:"connection"`
	Code       string `json:"code"`
	Group      bool   `json:"group,omitempty"`
	AsOfDate   string `json:"as_of_date"`
	State      State  `json:"state"`
	// RunID is the last run id that the service answered; RunIDs are all of them, oldest first.
	RunID  string   `json:"run_id,omitempty"`
	RunIDs []string `json:"run_ids,omitempty"`
	// StatusCode and Status are the run's own, never the call's.
	StatusCode  string      `json:"status_code,omitempty"`
	Status      string      `json:"status,omitempty"`
	Tasks       []Task      `json:"tasks,omitempty"`
	Batches     []MemberRun `json:"batches,omitempty"`
	Restarts    int         `json:"restarts,omitempty"`
	Reruns      int         `json:"reruns,omitempty"`
	TriggeredAt time.Time   `json:"triggered_at,omitzero"`
	EndedAt     time.Time   `json:"ended_at,omitzero"`
	// Log is what was done to the run and by whom, oldest first.
	Log []LogEntry `json:"log,omitempty"`
}

// LogEntry is one thing that happened: a call that changed something, or a person's word.
type LogEntry struct {
	At   time.Time `json:"at"`
	What string    `json:"what"`
	By   string    `json:"by,omitempty"`
	Why  string    `json:"why,omitempty"`
}

// FileResult is a file that was moved and checked.
type FileResult struct {
	Connection string `json:"connection"`
	// File is "store/path" on our side.
	File string `json:"file"`
	// Name and FileID are the service's.
	Name   string `json:"name,omitempty"`
	FileID string `json:"file_id,omitempty"`
	Bytes  int64  `json:"bytes"`
	// Rows are the records below the header of a CSV file; of other files, the lines.
	Rows   int64  `json:"rows"`
	SHA256 string `json:"sha256"`
	// Totals are the sums that were expected, and Verified says that all was as expected.
	Totals   map[string]string `json:"totals,omitempty"`
	Verified bool              `json:"verified,omitempty"`
	// Scan is the service's word on the scan, where the connection asks for one.
	Scan string `json:"scan,omitempty"`
	// Files is how many there were, of a folder, and ListedIn the "store/path" where each of them
	// is listed. Bytes and Rows are of all of them, SHA256 is the list's.
	Files    int64  `json:"files,omitempty"`
	ListedIn string `json:"listed_in,omitempty"`
	// Note says why the file was moved again from its start, where it was.
	Note string `json:"note,omitempty"`
	// ETag is the object store's.
	ETag      string    `json:"etag,omitempty"`
	StartedAt time.Time `json:"started_at"`
	EndedAt   time.Time `json:"ended_at"`
}

// GenerateReportResult is a report that was generated and brought down.
type GenerateReportResult struct {
	Code       string     `json:"code"`
	InstanceID string     `json:"instance_id"`
	File       FileResult `json:"file"`
}

// MigrateResult says how a migration ended.
type MigrateResult struct {
	Connection string `json:"connection"`
	Direction  string `json:"direction"`
	Code       string `json:"code"`
	StatusCode string `json:"status_code"`
	// Message is the service's text; its field is called errorMessage even for a success.
	Message string `json:"message,omitempty"`
	// AlreadyComplete: the service had done it before, and refused to do it again.
	AlreadyComplete bool      `json:"already_complete,omitempty"`
	StartedAt       time.Time `json:"started_at"`
	EndedAt         time.Time `json:"ended_at"`
}

// StepResult is how a step of a close ended; one of the pointers is set when it succeeded.
type StepResult struct {
	ID         string                `json:"id"`
	Kind       string                `json:"kind"`
	State      State                 `json:"state"`
	WorkflowID string                `json:"workflow_id,omitempty"`
	Error      string                `json:"error,omitempty"`
	StartedAt  time.Time             `json:"started_at,omitzero"`
	EndedAt    time.Time             `json:"ended_at,omitzero"`
	Batch      *RunBatchResult       `json:"batch,omitempty"`
	Upload     *FileResult           `json:"upload,omitempty"`
	Download   *FileResult           `json:"download,omitempty"`
	Report     *GenerateReportResult `json:"report,omitempty"`
	Migration  *MigrateResult        `json:"migration,omitempty"`
}

// NightlyCloseResult says how a night ended. Beyond 1 MB it is without the tasks, members and logs of
// its batches: those are in the results of their own workflows.
type NightlyCloseResult struct {
	Connection string       `json:"connection"`
	Pipeline   string       `json:"pipeline"`
	AsOfDate   string       `json:"as_of_date"`
	State      State        `json:"state"`
	StartedAt  time.Time    `json:"started_at"`
	EndedAt    time.Time    `json:"ended_at"`
	Steps      []StepResult `json:"steps"`
	Log        []LogEntry   `json:"log,omitempty"`
	// Audit is the file that says who did what, where the pipeline wants one.
	Audit *AuditResult `json:"audit,omitempty"`
}

// AuditResult is the audit file of a close. `starter audit verify` tells whether a file is
// the one that was written: its last seal's SHA-256 is this one.
type AuditResult struct {
	// File is "store/path".
	File   string `json:"file"`
	Lines  int64  `json:"lines,omitempty"`
	SHA256 string `json:"sha256,omitempty"`
	// Note says why the record stands in another file than the pipeline says, or in none.
	Note string `json:"note,omitempty"`
}
