// Package transfer moves files between the stores and the pre-authenticated URLs of an object
// store: a file up, a file down, and a folder up.
//
// A transfer can be resumed, by another process too: it hands out its state whenever there is more
// to lose, and takes the state that an earlier attempt handed out last. See [Attempt].
package transfer

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"golang.org/x/time/rate"

	"github.com/pbsmflow/pbsmflow/internal/parstore"
	"github.com/pbsmflow/pbsmflow/internal/pbsm"
	"github.com/pbsmflow/pbsmflow/internal/stores"
)

// Mover moves files between the stores and one connection of the service.
type Mover struct {
	Stores  *stores.Stores
	Objects *parstore.Client

	// The files of a folder get their URLs from the service one by one.
	Service     *pbsm.Client
	Pace        *rate.Limiter // of the calls to the service
	MaxFileSize int64         // bytes
	Parallel    int           // parts of all transfers at once
	Scan        bool          // each file once it is uploaded
}

// FileInfo is a file in a store, in one version.
type FileInfo struct {
	File     string    `json:"file"`
	Size     int64     `json:"size"`
	Modified time.Time `json:"modified"`
	// ETag is the store's mark of the version.
	ETag string `json:"etag,omitempty"`
}

func (f FileInfo) same(other FileInfo) bool {
	return f.File == other.File && f.Size == other.Size && f.Modified.Equal(other.Modified) && f.ETag == other.ETag
}

// Result is a file that was moved and checked.
type Result struct {
	Bytes int64 `json:"bytes"`
	// Rows is nil where they cannot be counted; of a folder, where that is so of any file.
	Rows   *int64 `json:"rows,omitempty"`
	SHA256 string `json:"sha256"`
	ETag   string `json:"etag,omitempty"`
	// Files is the number of files of a folder; SHA256 is of their list then.
	Files int64 `json:"files,omitempty"`
	// LeftOut are files of a folder that were not sent, because of their names; at most [maxNamed].
	LeftOut []string `json:"left_out,omitempty"`
	// NotScanned says why files of a folder were not scanned although they should have been.
	NotScanned string `json:"not_scanned,omitempty"`
	// StartOver says why the bytes that an earlier attempt had moved could not be used.
	StartOver string `json:"start_over,omitempty"`
}

// Attempt is one attempt at a transfer: what it resumes, and how its caller follows it.
type Attempt struct {
	// State is what an earlier attempt saved last. The state of another transfer is ignored.
	State []byte
	// Save keeps what a later attempt needs to resume, and returns once it is kept. Calls do not
	// overlap. The state holds URLs, which are secrets; it is nil when there is nothing to resume.
	Save func(state []byte)
	// Confirm makes sure, right before a file is committed to its store, that no other attempt has
	// taken over. It returns [ErrNotConfirmed] when that is unknown.
	Confirm func(ctx context.Context) error
	// Moved counts the bytes that this attempt moves. A part that is sent again is counted once.
	Moved func(bytes int64)
	// Retry reports whether a file of a folder is worth another try, and after which pause.
	Retry func(err error) (pause time.Duration, again bool)

	progress meter
}

// ErrNotConfirmed is returned when another attempt may have taken over.
var ErrNotConfirmed = errors.New("could not confirm that this attempt is still current; the file was not committed")

// ErrBadState is returned for a saved state that cannot be read.
var ErrBadState = errors.New("the saved state of the transfer cannot be read")

// MissingError is of a file to upload that is not in its store, or of a folder that is not complete.
type MissingError struct{ Message string }

func (e *MissingError) Error() string { return e.Message }

// ChangedError is of a file to upload that is not the version that was found.
type ChangedError struct{ Message string }

func (e *ChangedError) Error() string { return e.Message }

// state is what a later attempt needs. It holds URLs, which are secrets.
type state struct {
	File   FileInfo `json:"file,omitzero"`     // of an upload
	Folder string   `json:"folder,omitempty"`  // of a folder
	SaveTo string   `json:"save_to,omitempty"` // of a download; of a folder: the list
	Key    string   `json:"key,omitempty"`     // of the staging file of SaveTo

	Transfer json.RawMessage         `json:"transfer,omitempty"` // parstore's state
	Staging  json.RawMessage         `json:"staging,omitempty"`  // the store's state
	Files    map[string]fileProgress `json:"files,omitempty"`    // of a folder, sent in parts
}

func (s state) sameAs(other state) bool {
	return s.File.same(other.File) && s.Folder == other.Folder && s.SaveTo == other.SaveTo && s.Key == other.Key
}

// resume returns the state of an earlier attempt at the same transfer, or begin when there is none.
func (a *Attempt) resume(begin state) state {
	var saved state
	if json.Unmarshal(a.State, &saved) == nil && saved.sameAs(begin) {
		return saved
	}
	return begin
}

// save ignores a state that cannot be written: it costs a later attempt what it would have resumed.
func (a *Attempt) save(s state) {
	if text, err := json.Marshal(s); err == nil {
		a.Save(text)
	}
}

func (a *Attempt) confirm(ctx context.Context, ref string) error {
	if err := a.Confirm(ctx); err != nil {
		return fmt.Errorf("%s: %w", ref, err)
	}
	return nil
}

// Discard removes what a transfer left that will not be resumed: parts at the object store, or the
// staging file of a download. The list of a folder stays.
func (m *Mover) Discard(ctx context.Context, saved []byte) error {
	var s state
	if err := json.Unmarshal(saved, &s); err != nil {
		return fmt.Errorf("%w: %w", ErrBadState, err)
	}
	switch {
	case s.Folder != "":
		var errs []error
		for _, file := range s.Files {
			errs = append(errs, m.Objects.Discard(ctx, file.UploadState))
		}
		return errors.Join(errs...)
	case s.SaveTo == "":
		return m.Objects.Discard(ctx, s.Transfer)
	}
	return m.discardStaging(ctx, s)
}

// DiscardStaging removes what a download left that nobody has the state of: its staging file, where that can be found
// by its key. A bucket keeps the parts that it has, until a rule of its own removes them.
func (m *Mover) DiscardStaging(ctx context.Context, saveTo, key string) error {
	return m.discardStaging(ctx, state{SaveTo: saveTo, Key: key})
}

func (m *Mover) discardStaging(ctx context.Context, s state) error {
	parts, err := m.Stores.Parts(ctx, s.SaveTo, s.Key, s.Staging)
	if err != nil {
		return err
	}
	return parts.Abort()
}
