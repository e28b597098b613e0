// Package audit writes and verifies the audit file of a close: JSON lines, each with the SHA-256 of the line before
// it, and a last line, the seal, with the SHA-256 of everything. Changing, dropping or adding a line breaks the
// chain; a new chain has another final hash than the one in the result of the close.
package audit

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"time"
)

// Events. A seal ends the record of each close.
const (
	CloseStarted = "close_started"
	CloseEnded   = "close_ended"
	StepStarted  = "step_started"
	StepJoined   = "step_joined" // its workflow was started elsewhere, and is awaited
	StepFailed   = "step_failed" // an attempt failed; an operator or the pipeline decides what follows
	StepEnded    = "step_ended"
	StepKept     = "step_kept" // the result of an earlier start of the close still holds

	Asked     = "asked"     // a question to the operator
	Answered  = "answered"  // a command that answered a question
	Withdrawn = "withdrawn" // a question that ended without an answer to this close
	Command   = "command"   // any other command that took effect
	Refused   = "refused"   // a command that had none, and why
	Cancelled = "cancelled" // the close is cancelled
	Approved  = "approved"  // what was approved, as it was shown

	Submitted      = "submitted" // a trigger, rerun or restart, with what was sent
	OutcomeUnknown = "outcome_unknown"
	Call           = "call"       // what the service answered about a run
	RunFailed      = "run_failed" // a run ended without success; with the tasks that failed
	RunEnded       = "run_ended"
	FileSent       = "file_sent"
	FileSaved      = "file_saved"
	ReportSaved    = "report_saved"
	Migrated       = "migrated"
	FilesDeleted   = "files_deleted"
	AsOfDateSet    = "as_of_date_set"
	Noted          = "noted" // a warning, or what else was found
	seal           = "seal"
)

// Event is one thing that happened. Unknown fields are left out.
type Event struct {
	At      time.Time `json:"at,omitzero"`
	Event   string    `json:"event"`
	Step    string    `json:"step,omitempty"`
	Kind    string    `json:"kind,omitempty"` // of the step
	What    string    `json:"what,omitempty"`
	By      string    `json:"by,omitempty"`
	Why     string    `json:"why,omitempty"`
	Proved  *bool     `json:"proved,omitempty"` // whether By is proved; left out where no name can be
	Outcome string    `json:"outcome,omitempty"`
	Result  string    `json:"result,omitempty"`   // what identifies the step's result
	BasedOn string    `json:"based_on,omitempty"` // the results that it was built on

	// Of a close.
	Connection       string `json:"connection,omitempty"`
	Pipeline         string `json:"pipeline,omitempty"`
	DefinitionFrom   string `json:"definition_from,omitempty"`
	DefinitionSHA256 string `json:"definition_sha256,omitempty"`
	AsOfDate         string `json:"as_of_date,omitempty"`
	// DefinitionIncludes are the SHA-256 of the files that the definition includes, by name.
	DefinitionIncludes map[string]string `json:"definition_includes,omitempty"`
	// Params are the values of the pipeline's parameters.
	Params map[string]string `json:"params,omitempty"`

	// Work is what a step is to do: its rendered definition.
	Work map[string]string `json:"work,omitempty"`

	// Since is when the answered question was asked; of an unknown outcome, when the submission was handed to a worker.
	Since time.Time `json:"since,omitzero"`
	// Choices are the commands that answer a question, and Until is when it expires.
	Choices []string  `json:"choices,omitempty"`
	Until   time.Time `json:"until,omitzero"`

	WorkflowID string   `json:"workflow_id,omitempty"`
	Sent       *Sent    `json:"sent,omitempty"`
	RunIDs     []string `json:"run_ids,omitempty"` // the service's
	InstanceID string   `json:"instance_id,omitempty"`
	StatusCode string   `json:"status_code,omitempty"` // the service's
	Status     string   `json:"status,omitempty"`
	Tasks      []Task   `json:"tasks,omitempty"` // that failed
	File       *File    `json:"file,omitempty"`
	Sender
}

// Sent is what a submission said to the service: a trigger the code and all parameters, a rerun or restart the run.
type Sent struct {
	Code          string            `json:"code"`
	Group         bool              `json:"group,omitempty"`
	RunID         string            `json:"run_id,omitempty"`
	Params        map[string]string `json:"params,omitempty"`
	Batches       []SentBatch       `json:"batches,omitempty"`
	IncludedTasks []string          `json:"included_tasks,omitempty"`
	ExcludedTasks []string          `json:"excluded_tasks,omitempty"`
	HeldTasks     []string          `json:"held_tasks,omitempty"`
	// TaskParams are by task code. GroupDate is that of a group's batches that are not listed.
	TaskParams map[string]map[string]string `json:"task_params,omitempty"`
	GroupDate  string                       `json:"group_date,omitempty"`
	// ServiceID is set where it is not the connection's.
	ServiceID string `json:"service_id,omitempty"`
}

// SentBatch is a batch of a group, with its parameters.
type SentBatch struct {
	Code       string                       `json:"code"`
	Params     map[string]string            `json:"params,omitempty"`
	TaskParams map[string]map[string]string `json:"task_params,omitempty"`
}

// Task is a task of a run with the service's code (chapter 10, table 10-1) and text.
type Task struct {
	Code       string `json:"code"`
	StatusCode string `json:"status_code"`
	Status     string `json:"status"`
}

// Sender is who called the service, and as whom.
type Sender struct {
	// Version is that of the worker.
	Version string `json:"version,omitempty"`
	// Service is the address of the tenant, and RemoteUser the user that the worker is there.
	Service    string `json:"service,omitempty"`
	RemoteUser string `json:"remote_user,omitempty"`
}

// File is a file that was transferred, or the files of a folder: then Bytes and Rows are sums, and SHA256 is that of
// the list of them.
type File struct {
	Path     string            `json:"path"`           // STORE/PATH
	Name     string            `json:"name,omitempty"` // at the service
	FileID   string            `json:"file_id,omitempty"`
	Bytes    int64             `json:"bytes"`
	Rows     *int64            `json:"rows,omitempty"`
	SHA256   string            `json:"sha256"`
	ETag     string            `json:"etag,omitempty"`
	Totals   map[string]string `json:"totals,omitempty"`
	Verified bool              `json:"verified,omitempty"`
	Scan     string            `json:"scan,omitempty"`
	Files    int64             `json:"files,omitempty"`
	ListedIn string            `json:"listed_in,omitempty"` // STORE/PATH of the list
	// AwaitedAt is when the wait for the file began, and FoundAt when it was complete.
	AwaitedAt time.Time `json:"awaited_at,omitzero"`
	FoundAt   time.Time `json:"found_at,omitzero"`
}

// Record is everything that happened in one execution of a close.
type Record struct {
	// Execution identifies this execution of the close.
	Execution string  `json:"execution"`
	Events    []Event `json:"events"`
}

// Seal is the content of the last line of a record.
type Seal struct {
	Lines  int64  `json:"lines"`  // before the seal
	SHA256 string `json:"sha256"` // of all bytes before the seal
}

// line is an event with its place in the chain.
type line struct {
	Seq       int64  `json:"seq"`
	Prev      string `json:"prev"` // SHA-256 of the line before, without its line break; zeros for the first
	Execution string `json:"execution"`
	Event
}

type sealLine struct {
	Seq       int64  `json:"seq"`
	Prev      string `json:"prev"`
	Execution string `json:"execution"`
	Event     string `json:"event"`
	Seal
}

var noLine = strings.Repeat("0", 2*sha256.Size)

func hash(text []byte) string {
	sum := sha256.Sum256(text)
	return hex.EncodeToString(sum[:])
}

// Append returns the file with a record appended to the records that it contains already: another execution of a
// close continues the chain. Appending the same record again, as a retry does, returns the same bytes, even if
// other records have been appended since. The error is a [Broken] if the file is not intact.
func Append(file []byte, r Record) ([]byte, Seal, error) {
	before, after, err := around(file, r.Execution)
	if err != nil {
		return nil, Seal{}, err
	}
	with, end, err := appended(before, r)
	if err != nil || len(after) == 0 || bytes.HasPrefix(file, with) {
		return append(with, after...), end, err
	}
	return appended(file, r) // the record differs from the one before, and the records after that must stay
}

func appended(file []byte, r Record) ([]byte, Seal, error) {
	w := &writer{file: slices.Clone(file), lines: int64(bytes.Count(file, []byte{'\n'})), prev: lastHash(file)}
	events := slices.Clone(r.Events)
	slices.SortStableFunc(events, func(a, b Event) int { return a.At.Compare(b.At) })
	for _, e := range events {
		e.At = e.At.UTC()
		if err := w.add(line{Seq: w.lines + 1, Prev: w.prev, Execution: r.Execution, Event: e}); err != nil {
			return nil, Seal{}, err
		}
	}
	end := Seal{Lines: w.lines, SHA256: hash(w.file)}
	err := w.add(sealLine{Seq: w.lines + 1, Prev: w.prev, Execution: r.Execution, Event: seal, Seal: end})
	return w.file, end, err
}

type writer struct {
	file  []byte
	lines int64
	prev  string
}

func (w *writer) add(v any) error {
	text, err := encode(v)
	if err != nil {
		return err
	}
	w.file = append(append(w.file, text...), '\n')
	w.lines, w.prev = w.lines+1, hash(text)
	return nil
}

func encode(v any) ([]byte, error) {
	var out bytes.Buffer
	encoder := json.NewEncoder(&out)
	encoder.SetEscapeHTML(false)
	if err := encoder.Encode(v); err != nil {
		return nil, fmt.Errorf("audit: %w", err)
	}
	return bytes.TrimSuffix(out.Bytes(), []byte{'\n'}), nil
}

// around is what an intact file contains before the last record of an execution, and after it.
func around(file []byte, execution string) (before, after []byte, err error) {
	if len(file) == 0 {
		return nil, nil, nil
	}
	if _, err := Verify(bytes.NewReader(file)); err != nil {
		return nil, nil, err
	}
	begin, end, at, within := len(file), len(file), 0, false
	for text := range bytes.Lines(file) {
		var l struct {
			Execution string `json:"execution"`
			Event     string `json:"event"`
		}
		if err := json.Unmarshal(text, &l); err != nil {
			return nil, nil, err
		}
		if !within && l.Execution == execution {
			begin = at
		}
		at += len(text)
		within = l.Event != seal
		if l.Execution == execution {
			end = at
		}
	}
	return file[:begin], file[end:], nil
}

func lastHash(file []byte) string {
	if len(file) == 0 {
		return noLine
	}
	text := bytes.TrimSuffix(file, []byte{'\n'})
	return hash(text[bytes.LastIndexByte(text, '\n')+1:])
}
