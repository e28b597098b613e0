package workflows

import (
	"encoding/json"
	"time"

	"github.com/pbsmflow/pbsmflow/internal/basis"
)

// TaskQueue is the queue that a worker polls unless its configuration names another.
const TaskQueue = "pbsm"

// NightlyCloseInput starts a close: a pipeline for one connection and one as-of date.
type NightlyCloseInput struct {
	// Connection names an entry of the worker's configuration.
	Connection string `json:"connection"`
	// Pipeline names a file in the worker's pipelines folder, without its extension.
	Pipeline string `json:"pipeline,omitempty"`
	// Definition is a whole pipeline instead: a JSON object, or a string of YAML.
	Definition json.RawMessage `json:"definition,omitempty"`
	// AsOfDate is the business date, yyyy-mm-dd. There is no default.
	AsOfDate string `json:"as_of_date"`
	// Params are values for the pipeline's parameters; a close with other values is another close.
	Params map[string]string `json:"params,omitempty"`
	// Key tells the close from others for the same date. Default: made from Params, such as scenario-7.
	Key string `json:"key,omitempty"`
	// StartedBy is the operator or system that starts it. An approve step does not accept this name.
	StartedBy string `json:"started_by,omitempty"`
	// Again runs steps of a close that has ended again, also if it succeeded.
	Again *AgainInput `json:"again,omitempty"`
	// Proof is the console's signature over all of this: StartedBy is then the name of whoever logged in there.
	Proof string `json:"proof,omitempty"`
	// Delegated is set by a start under another id on the one that runs in its place. Nobody vouches for that but a proof.
	Delegated bool `json:"delegated,omitempty"`

	malformed error
}

// RunBatchInput starts a batch or a batch group.
type RunBatchInput struct {
	Connection string `json:"connection"`
	// Code is the unique batch code, or the batch group's code.
	Code string `json:"code"`
	// Group says that Code is a batch group.
	Group bool `json:"group,omitempty"`
	// AsOfDate is passed as $FICMISDATE$, yyyy-mm-dd, unless Params override it.
	AsOfDate string `json:"as_of_date"`
	// Key distinguishes the workflows where a night runs one batch more than once on purpose.
	Key string `json:"key,omitempty"`
	// Params are run-time parameters, of a group for each of its batches.
	Params map[string]string `json:"params,omitempty"`
	// Batches are the batches of a group to which parameters are passed. All are needed, unless the tenant takes
	// one as-of date for the whole group: without it, a batch that is not listed runs for the service's own day.
	Batches []GroupBatch `json:"batches,omitempty"`
	// TaskParams are run-time parameters of single tasks of a batch, by task code, where the tenant takes them.
	TaskParams map[string]map[string]string `json:"task_params,omitempty"`
	// ServiceID is the service that the batch belongs to. Default: the connection's.
	ServiceID string `json:"service_id,omitempty"`
	// IncludedTasks, ExcludedTasks and HeldTasks limit a batch to some of its tasks, where the release of the
	// service supports that.
	IncludedTasks []string `json:"included_tasks,omitempty"`
	ExcludedTasks []string `json:"excluded_tasks,omitempty"`
	HeldTasks     []string `json:"held_tasks,omitempty"`
	// Restarts is how often a failed run is restarted automatically before the operator is asked.
	Restarts int `json:"restarts,omitempty"`
	// RestartDelay is the pause before such a restart, as a Go duration ("90s"). Default 30s.
	RestartDelay string `json:"restart_delay,omitempty"`
	// EndOnFailure ends the workflow when the run fails after the last restart, without asking the operator. What an
	// operator interrupted, and an unknown outcome, is asked about nevertheless.
	EndOnFailure bool `json:"end_on_failure,omitempty"`
	// Deadline ends the workflow, whether it waits for the run or for an answer. The run itself is not
	// interrupted. Zero: none.
	Deadline time.Time `json:"deadline,omitzero"`
	// RunID adopts a run that was started elsewhere instead of triggering one.
	RunID string `json:"run_id,omitempty"`
	// Again is the reason to run a batch that already succeeded for this date.
	Again string `json:"again,omitempty"`
	// AgainSince is when that was said; it does not hold for a run that was triggered later. Default: the start.
	AgainSince time.Time `json:"again_since,omitzero"`
	// Needs are the results that the batch is based on. A close names those of its steps; a batch that succeeded
	// with other ones is not kept without the operator.
	Needs []basis.Need `json:"needs,omitempty"`
	// StartedBy is the operator or system that starts it.
	StartedBy string `json:"started_by,omitempty"`
	// TimeZone is the IANA zone in which texts for operators have their times, a close's own. Default: UTC.
	TimeZone string `json:"time_zone,omitempty"`
	// Delegated is set by a start under another id on the one that runs in its place. Nobody vouches for that but a proof.
	Delegated bool `json:"delegated,omitempty"`

	malformed error
}

// GroupBatch is a batch of a group with its own parameters.
type GroupBatch struct {
	Code   string            `json:"code"`
	Params map[string]string `json:"params,omitempty"`
	// TaskParams are those of its tasks, by task code.
	TaskParams map[string]map[string]string `json:"task_params,omitempty"`
}

// GenerateReportInput generates a report and downloads it to a store.
type GenerateReportInput struct {
	Connection string `json:"connection"`
	// Code is the report code of the Report Details page.
	Code string `json:"code"`
	// Type is the file format. Default CSV.
	Type string `json:"type,omitempty"`
	// DefinitionType is the service's reportDefType. Default: the connection's (V, view).
	DefinitionType string `json:"definition_type,omitempty"`
	// Filter and PlaceholderFilter become part of the service's SQL: never build them from unchecked text.
	Filter            string `json:"filter,omitempty"`
	PlaceholderFilter string `json:"placeholder_filter,omitempty"`
	// SaveTo is "store/path" of the worker's configuration.
	SaveTo string `json:"save_to"`
	// ServiceID and AppID are the service and the application that have the report. Default: the connection's.
	ServiceID string `json:"service_id,omitempty"`
	AppID     string `json:"app_id,omitempty"`
	// Expect is what the saved file must hold.
	Expect   *Expect   `json:"expect,omitempty"`
	Deadline time.Time `json:"deadline,omitzero"`
	// TimeZone is the IANA zone in which texts for operators have their times, a close's own. Default: UTC.
	TimeZone string `json:"time_zone,omitempty"`

	malformed error
}

// UploadFileInput uploads a file from a store, or all files of a folder.
type UploadFileInput struct {
	Connection string `json:"connection"`
	// File is "store/path" of the worker's configuration. With a "/" at its end it is a folder, all of whose
	// files are uploaded, and whose folders must not have files; Name, StableFor and Expect cannot be combined with that, and WaitUntil waits for
	// Marker.
	File string `json:"file"`
	// ListTo is the "store/path" of the list of a folder's uploaded files: one JSON document a line, with each
	// file's id, bytes, rows and SHA-256. Default: the folder's name and ".sent.jsonl".
	ListTo string `json:"list_to,omitempty"`
	// Name is the file name at the service. Default: the last part of File.
	Name string `json:"name,omitempty"`
	// MimeType is Text/CSV, Text/plain or DAT. Default: by the extension of Name.
	MimeType string `json:"mime_type,omitempty"`
	Prefix   string `json:"prefix,omitempty"`
	// ServiceID is the service that scans the file. Default: the connection's.
	ServiceID string `json:"service_id,omitempty"`
	// WaitUntil is how long to wait for a file that is not there yet, or not complete: the service accepts none
	// of fewer than 2 bytes. Zero: not at all.
	WaitUntil time.Time `json:"wait_until,omitzero"`
	// StableFor is how long the size and time of a file must not have changed before it counts as complete,
	// as a Go duration ("30s").
	StableFor string `json:"stable_for,omitempty"`
	// Marker is the "store/path" of a file whose presence says that File is complete. A marker inside the
	// folder is not uploaded.
	Marker string `json:"marker,omitempty"`
	// Expect is what the file must hold before it is uploaded.
	Expect   *Expect   `json:"expect,omitempty"`
	Deadline time.Time `json:"deadline,omitzero"`
	// TimeZone is the IANA zone in which texts for operators have their times, a close's own. Default: UTC.
	TimeZone string `json:"time_zone,omitempty"`

	malformed error
}

// DownloadFileInput downloads a file to a store, by id or by name.
type DownloadFileInput struct {
	Connection string `json:"connection"`
	FileID     string `json:"file_id,omitempty"`
	Name       string `json:"name,omitempty"`
	// Object is what BI Publisher delivered a report to, such as BIP/BIP_Report, instead of a file.
	Object string `json:"object,omitempty"`
	// Stripe and Prefix belong to Name. Default stripe: "default".
	Stripe string `json:"stripe,omitempty"`
	Prefix string `json:"prefix,omitempty"`
	// SaveTo is "store/path" of the worker's configuration.
	SaveTo string `json:"save_to"`
	// Expect is what the saved file must hold.
	Expect   *Expect   `json:"expect,omitempty"`
	Deadline time.Time `json:"deadline,omitzero"`
	// TimeZone is the IANA zone in which texts for operators have their times, a close's own. Default: UTC.
	TimeZone string `json:"time_zone,omitempty"`

	malformed error
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
	Direction string `json:"direction"`
	Code      string `json:"code"`
	// CopyOf is the code of a definition that was run with success. It is copied as Code before that is run, as the
	// service runs a definition only once. A copy that was made before is used.
	CopyOf string `json:"copy_of,omitempty"`
	// Overwrite says that the import of a copy may replace what exists.
	Overwrite bool `json:"overwrite,omitempty"`
	// ServiceID is the service that has the definition. Default: the connection's.
	ServiceID string    `json:"service_id,omitempty"`
	Deadline  time.Time `json:"deadline,omitzero"`
	// TimeZone is the IANA zone in which texts for operators have their times, a close's own. Default: UTC.
	TimeZone string `json:"time_zone,omitempty"`

	malformed error
}

// DeleteFilesInput deletes files of the service. Exactly one of FileIDs, Names, Prefix with Everything, and SentUntil says
// which.
type DeleteFilesInput struct {
	Connection string `json:"connection"`
	// FileIDs are ids: the only thing that identifies a file.
	FileIDs []string `json:"file_ids,omitempty"`
	// Names are file names, each of one listed file. Prefix is their folder at the service.
	Names  []string `json:"names,omitempty"`
	Prefix string   `json:"prefix,omitempty"`
	// Everything deletes all files of Prefix. Whether the service takes that for one folder, or for every name that
	// begins so, its documentation does not say.
	Everything bool `json:"everything,omitempty"`
	// SentUntil deletes what earlier closes sent, up to this as-of date, yyyy-mm-dd. Audit is the audit file of the close
	// for AsOfDate, "store/path": those of the earlier ones have their date instead.
	SentUntil string    `json:"sent_until,omitempty"`
	Audit     string    `json:"audit,omitempty"`
	AsOfDate  string    `json:"as_of_date,omitempty"`
	Deadline  time.Time `json:"deadline,omitzero"`
	// TimeZone is the IANA zone in which texts for operators have their times, a close's own. Default: UTC.
	TimeZone string `json:"time_zone,omitempty"`

	malformed error
}

// SetAsOfDateInput sets the as-of date of a user's preferences for an application, and reads it back.
type SetAsOfDateInput struct {
	Connection string `json:"connection"`
	// App is the application's name, such as FTP.
	App string `json:"app"`
	// User is whose preference it is. Default: the connection's remote_user.
	User string `json:"user,omitempty"`
	// AsOfDate is yyyy-mm-dd.
	AsOfDate string `json:"as_of_date"`
	// ServiceID is the service of the application. Default: the connection's.
	ServiceID string    `json:"service_id,omitempty"`
	Deadline  time.Time `json:"deadline,omitzero"`
	// TimeZone is the IANA zone in which texts for operators have their times, a close's own. Default: UTC.
	TimeZone string `json:"time_zone,omitempty"`

	malformed error
}

// ExportDataInput saves the files of one run of a data export.
type ExportDataInput struct {
	Connection string `json:"connection"`
	// Code is the export's code: the tooltip over its name in the Data Export summary.
	Code string `json:"code"`
	// RunID is the run whose files are saved.
	RunID string `json:"run_id"`
	// AsOfDate is the date that the manifest must have, yyyy-mm-dd. Default: any.
	AsOfDate string `json:"as_of_date,omitempty"`
	// SaveTo is a folder, "store/path/", that ends with a "/".
	SaveTo string `json:"save_to"`
	// ServiceID is the service that has the export. Default: the connection's.
	ServiceID string    `json:"service_id,omitempty"`
	Deadline  time.Time `json:"deadline,omitzero"`
	// TimeZone is the IANA zone in which texts for operators have their times, a close's own. Default: UTC.
	TimeZone string `json:"time_zone,omitempty"`

	malformed error
}
