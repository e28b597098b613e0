package workflows

import (
	"fmt"
	"time"

	"github.com/pbsmflow/pbsmflow/internal/audit"
	"github.com/pbsmflow/pbsmflow/internal/basis"
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

// RunBatchResult says how a batch ended.
type RunBatchResult struct {
	WorkflowID string `json:"workflow_id"`
	Connection string `json:"connection"`
	Code       string `json:"code"`
	Group      bool   `json:"group,omitempty"`
	AsOfDate   string `json:"as_of_date"`
	// TimeZone is the IANA zone in which operators read the times; empty is UTC.
	TimeZone string `json:"time_zone,omitempty"`
	State    State  `json:"state"`
	// RunID is the latest run id that the service returned; RunIDs are all of them, oldest first.
	RunID  string   `json:"run_id,omitempty"`
	RunIDs []string `json:"run_ids,omitempty"`
	// StatusCode and Status are those of the run, not of the call that returned them.
	StatusCode string      `json:"status_code,omitempty"`
	Status     string      `json:"status,omitempty"`
	Tasks      []Task      `json:"tasks,omitempty"`
	Batches    []MemberRun `json:"batches,omitempty"`
	// FailedTasks are the tasks that the service lists as failed, interrupted or aborted, although it says that the run
	// has succeeded; at most 100. A task of a group comes after the run id of its batch.
	FailedTasks []Task `json:"failed_tasks,omitempty"`
	Restarts    int    `json:"restarts,omitempty"`
	Reruns      int    `json:"reruns,omitempty"`
	// TriggeredAt is when the trigger of the run was about to be sent. It is zero for a run that an operator named.
	TriggeredAt time.Time `json:"triggered_at,omitzero"`
	EndedAt     time.Time `json:"ended_at,omitzero"`
	// Basis is what was submitted, and the results of other steps that it was based on.
	Basis basis.Basis `json:"basis,omitzero"`
	// KeptFrom is when the run ended, if an earlier start of the batch submitted it.
	KeptFrom time.Time `json:"kept_from,omitzero"`
	// Log is what happened and who commanded it, oldest first.
	Log []LogEntry `json:"log,omitempty"`
}

// LogEntry is something that happened: a call that changed something, or a command.
type LogEntry struct {
	At   time.Time `json:"at"`
	What string    `json:"what"`
	By   string    `json:"by,omitempty"`
	Why  string    `json:"why,omitempty"`
	// Proved is whether By is proved; it is left out where the worker has no keys to prove a name with, or there is none.
	Proved *bool `json:"proved,omitempty"`
	// Event is the kind of entry, where it has one: command, answered, refused, cancelled, submitted, outcome_unknown,
	// call or run_failed.
	Event string `json:"event,omitempty"`
	// Since is when the question was asked that is answered; of an unknown outcome, when the submission was handed to a
	// worker.
	Since time.Time `json:"since,omitzero"`
	// Sent is what was submitted, and Sender the worker that the service answered.
	Sent   *Sent  `json:"sent,omitempty"`
	Sender Sender `json:"sender,omitzero"`
	// Tasks are the tasks of the run that failed.
	Tasks []Task `json:"tasks,omitempty"`
}

// Who is By, and whether that is proved.
func (e LogEntry) Who() string {
	switch {
	case e.By == "" || e.Proved == nil:
		return e.By
	case *e.Proved:
		return e.By + " (proved)"
	}
	return e.By + " (unproved)"
}

// Sent is what a submission said to the service.
type Sent = audit.Sent

// Sender is a worker, and as whom it calls the service.
type Sender = audit.Sender

// FileResult is a file, or a folder, that was transferred and verified.
type FileResult struct {
	Connection string `json:"connection"`
	// File is the "store/path" in the store.
	File string `json:"file"`
	// Name and FileID are the service's.
	Name   string `json:"name,omitempty"`
	FileID string `json:"file_id,omitempty"`
	Bytes  int64  `json:"bytes"`
	// Rows are the records below the header of a CSV file; of other files, the lines. It is nil where they cannot
	// be counted for certain.
	Rows   *int64 `json:"rows,omitempty"`
	SHA256 string `json:"sha256"`
	// Totals are the sums of the columns for which totals were expected. Verified: everything is as expected.
	Totals   map[string]string `json:"totals,omitempty"`
	Verified bool              `json:"verified,omitempty"`
	// Scan is the result of the service's virus scan, where the connection requires one, or why there was none.
	Scan string `json:"scan,omitempty"`
	// Files is the number of files of a folder, and ListedIn the "store/path" of the list of them. Bytes and
	// Rows are then sums (no Rows where those of any file are missing), and SHA256 is that of the list.
	Files    int64  `json:"files,omitempty"`
	ListedIn string `json:"listed_in,omitempty"`
	// Note says why the transfer was reset, if it was, and which files of a folder were left out.
	Note string `json:"note,omitempty"`
	// ETag is the object store's.
	ETag      string    `json:"etag,omitempty"`
	StartedAt time.Time `json:"started_at"`
	// FoundAt is when a file to upload was complete.
	FoundAt time.Time `json:"found_at,omitzero"`
	EndedAt time.Time `json:"ended_at"`
	// Sender is the worker that moved it.
	Sender Sender `json:"sender,omitzero"`
}

func (f FileResult) rows() string {
	if f.Rows == nil {
		return "rows not counted"
	}
	if *f.Rows == 1 {
		return "1 row"
	}
	return fmt.Sprintf("%d rows", *f.Rows)
}

// GenerateReportResult is a report that was generated and downloaded.
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
	// Message is the service's text, which it returns as errorMessage even for a success.
	Message string `json:"message,omitempty"`
	// AlreadyComplete: the service had completed it before, and refused to repeat it.
	AlreadyComplete bool `json:"already_complete,omitempty"`
	// CopyOf is the code that was copied, and Copied says whether that was done now, or had been before. Note says why
	// the copy counts as made where the service did not confirm it.
	CopyOf    string    `json:"copy_of,omitempty"`
	Copied    string    `json:"copied,omitempty"`
	Note      string    `json:"note,omitempty"`
	StartedAt time.Time `json:"started_at"`
	EndedAt   time.Time `json:"ended_at"`
	// Sender is the worker that made the call.
	Sender Sender `json:"sender,omitzero"`
}

// StepResult is how a step of a close ended.
type StepResult struct {
	ID         string    `json:"id"`
	Kind       string    `json:"kind"`
	State      State     `json:"state"`
	WorkflowID string    `json:"workflow_id,omitempty"`
	StartedAt  time.Time `json:"started_at,omitzero"`
	EndedAt    time.Time `json:"ended_at,omitzero"`
	// Result identifies what a step that succeeded came to: the SHA-256 of a file, a run, an approval. Summary says it
	// in one line.
	Result  string `json:"result,omitempty"`
	Summary string `json:"summary,omitempty"`
	// KeptFrom is when the step ended, if that was in an earlier start of the close.
	KeptFrom time.Time `json:"kept_from,omitzero"`
	// Decision is by whom and why the step was skipped, or marked as done: a later start of the close does not run it.
	Decision string `json:"decision,omitempty"`
	StepOutcome
}

// StepOutcome is what came of a step; one of the pointers is set when it succeeded.
type StepOutcome struct {
	Error string `json:"error,omitempty"`
	// Basis is what the step did, and the results that it was based on. A later start of the close keeps the
	// step as long as that holds.
	Basis     basis.Basis           `json:"basis,omitzero"`
	Approvals []LogEntry            `json:"approvals,omitempty"`
	Batch     *RunBatchResult       `json:"batch,omitempty"`
	Upload    *FileResult           `json:"upload,omitempty"`
	Download  *FileResult           `json:"download,omitempty"`
	Report    *GenerateReportResult `json:"report,omitempty"`
	Migration *MigrateResult        `json:"migration,omitempty"`
	Deleted   *DeleteFilesResult    `json:"deleted,omitempty"`
	AsOfDate  *SetAsOfDateResult    `json:"as_of_date,omitempty"`
	Export    *ExportDataResult     `json:"export,omitempty"`
}

// NightlyCloseResult says how a close ended. Beyond 1 MB it omits the tasks, members and logs of its
// batches, which are in the results of their own workflows.
type NightlyCloseResult struct {
	Connection string `json:"connection"`
	Pipeline   string `json:"pipeline"`
	AsOfDate   string `json:"as_of_date"`
	// Key tells the close from others for the same date, and Params are the pipeline's parameters.
	Key    string            `json:"key,omitempty"`
	Params map[string]string `json:"params,omitempty"`
	// TimeZone is the IANA zone in which operators read the times; empty is UTC.
	TimeZone string `json:"time_zone,omitempty"`
	State    State  `json:"state"`
	// Summary is one line for the operator, and StartedBy the operator or system that started the close.
	Summary   string `json:"summary,omitempty"`
	StartedBy string `json:"started_by,omitempty"`
	// StartedByProved is whether that name is proved, and Starters are also those who started the close earlier, or ran
	// steps of it again.
	StartedByProved *bool    `json:"started_by_proved,omitempty"`
	Starters        []string `json:"starters,omitempty"`
	// UnknownStarter is the workflow run of an earlier start whose result could not be read: who started that is not known,
	// so approvals by members of a group need one person more.
	UnknownStarter string       `json:"unknown_starter,omitempty"`
	StartedAt      time.Time    `json:"started_at"`
	EndedAt        time.Time    `json:"ended_at"`
	Steps          []StepResult `json:"steps"`
	Log            []LogEntry   `json:"log,omitempty"`
	// Audit is the audit file, where the pipeline has one.
	Audit *AuditResult `json:"audit,omitempty"`
}

// AuditResult is the audit file of a close. `starter audit verify` checks that a file is the one that was
// written: the SHA-256 of its last seal is this one.
type AuditResult struct {
	// File is "store/path".
	File   string `json:"file"`
	Lines  int64  `json:"lines,omitempty"`
	SHA256 string `json:"sha256,omitempty"`
	// Note says why the record is in another file than the pipeline says, or in none.
	Note string `json:"note,omitempty"`
}

// DeleteFilesResult says which files were deleted.
type DeleteFilesResult struct {
	Connection string `json:"connection"`
	// FileIDs are the ids that were deleted; AlreadyGone those that the service did not list any more.
	FileIDs     []string `json:"file_ids,omitempty"`
	AlreadyGone []string `json:"already_gone,omitempty"`
	// Audits is the number of audit files that named the files.
	Audits    int       `json:"audits,omitempty"`
	Note      string    `json:"note,omitempty"`
	StartedAt time.Time `json:"started_at"`
	EndedAt   time.Time `json:"ended_at"`
}

// Summary says in one line which files were deleted.
func (r DeleteFilesResult) Summary() string {
	text := fmt.Sprintf("%d files deleted", len(r.FileIDs))
	if n := len(r.AlreadyGone); n > 0 {
		text += fmt.Sprintf(", %d were gone before", n)
	}
	if r.Note != "" {
		text += "; " + r.Note
	}
	return text
}

// SetAsOfDateResult says which date a user's preference has, as the service read it back.
type SetAsOfDateResult struct {
	Connection string `json:"connection"`
	App        string `json:"app"`
	// User is empty for the connection's remote_user.
	User      string    `json:"user,omitempty"`
	AsOfDate  string    `json:"as_of_date"`
	StartedAt time.Time `json:"started_at"`
	EndedAt   time.Time `json:"ended_at"`
}

// Summary says in one line which date the preference has.
func (r SetAsOfDateResult) Summary() string { return r.App + " is at " + r.AsOfDate }

// ExportDataResult says which files of a data export were saved.
type ExportDataResult struct {
	Connection string `json:"connection"`
	Code       string `json:"code"`
	RunID      string `json:"run_id"`
	AsOfDate   string `json:"as_of_date"`
	// Rows is the number of rows of the whole run, as the service writes it.
	Rows      string       `json:"rows,omitempty"`
	Files     []FileResult `json:"files,omitempty"`
	StartedAt time.Time    `json:"started_at"`
	EndedAt   time.Time    `json:"ended_at"`
}

// Summary says in one line which files were saved.
func (r ExportDataResult) Summary() string {
	return fmt.Sprintf("%d files of run %s, %s rows", len(r.Files), r.RunID, r.Rows)
}
