package activities

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"time"

	"go.temporal.io/sdk/activity"
	"go.temporal.io/sdk/temporal"

	"github.com/pbsmflow/pbsmflow/internal/parstore"
	"github.com/pbsmflow/pbsmflow/internal/stores"
)

// FileInfo is a file in a store, in one version.
type FileInfo struct {
	File     string    `json:"file"`
	Size     int64     `json:"size"`
	Modified time.Time `json:"modified"`
	// ETag is the store's word for the version.
	ETag string `json:"etag,omitempty"`
}

func (f FileInfo) same(other FileInfo) bool {
	return f.File == other.File && f.Size == other.Size && f.Modified.Equal(other.Modified) && f.ETag == other.ETag
}

// PutFileInput moves a file from a store to a pre-authenticated URL.
type PutFileInput struct {
	Connection string    `json:"connection"`
	File       FileInfo  `json:"file"`
	PAR        SealedPAR `json:"par"`
}

// GetFileInput moves a file from a pre-authenticated URL into a store.
type GetFileInput struct {
	Connection string    `json:"connection"`
	PAR        SealedPAR `json:"par"`
	// SaveTo is "store/path". Nothing stands there until the file is whole and checked.
	SaveTo string `json:"save_to"`
	// Resume is what a transfer of the same file left whose URL is no longer good.
	Resume SealedTransfer `json:"resume,omitempty"`
}

// TransferResult is a file that arrived and was checked.
type TransferResult struct {
	Bytes  int64  `json:"bytes"`
	Rows   int64  `json:"rows"`
	SHA256 string `json:"sha256"`
	ETag   string `json:"etag,omitempty"`
	// Files is how many there were, of a folder; SHA256 is of their list then.
	Files int64 `json:"files,omitempty"`
	// StartOver says why what an earlier attempt had moved was of no use.
	StartOver string `json:"start_over,omitempty"`
}

// DropTransferInput names what a transfer left that nobody will go on with.
type DropTransferInput struct {
	Connection string         `json:"connection"`
	Left       SealedTransfer `json:"left"`
}

// PutFile sends a file to a pre-authenticated URL, in parts when it is large. A later
// attempt, on whichever worker, sends what is missing. Sending it again replaces it.
//
// The parts go to a URL of the upload's own, which may be good for longer than the one it
// began with. When neither is, the error is PARExpired: a new one is for a new file id, so
// that all of the file is sent again.
func (a *Activities) PutFile(ctx context.Context, in PutFileInput) (TransferResult, error) {
	conn, url, err := a.opened(in.Connection, in.PAR)
	if err != nil {
		return TransferResult{}, err
	}
	t := a.newTransfer(ctx, conn, savedTransfer{File: in.File}, "")
	return t.run(func(ctx context.Context) (TransferResult, error) {
		if err := a.sameVersion(ctx, in.File); err != nil {
			return TransferResult{}, err
		}
		rows := newRows(in.File.File)
		sent, err := conn.objects.Upload(ctx, url, parstore.Upload{
			Source: fileInStore{a.stores, in.File.File}, Size: in.File.Size, Digest: rows,
			Resume: t.saved.Engine, Save: t.save, Progress: func(done int64) { t.moved(done, in.File.Size) },
		})
		if err == nil {
			err = a.sameVersion(ctx, in.File)
		}
		return TransferResult{Bytes: sent.Bytes, Rows: rows.count(), SHA256: sent.SHA256, ETag: sent.ETag}, err
	})
}

// sameVersion fails when a file is not the version that was found.
func (a *Activities) sameVersion(ctx context.Context, found FileInfo) error {
	now, err := a.versionOf(ctx, found.File)
	if errors.Is(err, fs.ErrNotExist) {
		return fileMissing("%s is not in its store any more: put it there, then retry", found.File)
	}
	if err != nil {
		return err
	}
	if now.same(found) {
		return nil
	}
	return temporal.NewNonRetryableApplicationError(
		fmt.Sprintf("%s changed since it was found (%d bytes then, %d now): retry once it is complete", found.File, found.Size, now.Size), FileChanged, nil)
}

type fileInStore struct {
	stores *stores.Stores
	ref    string
}

func (f fileInStore) Section(ctx context.Context, offset, length int64) (io.ReadCloser, error) {
	return f.stores.Section(ctx, f.ref, offset, length)
}

// GetFile saves what is behind a pre-authenticated URL, in parallel ranges when it is large.
// Under the final name stands nothing, or the whole file. A later attempt goes on with what was
// received: in a folder on any worker that shares it, on an SFTP server and in a bucket on any.
func (a *Activities) GetFile(ctx context.Context, in GetFileInput) (TransferResult, error) {
	conn, url, err := a.opened(in.Connection, in.PAR)
	if err != nil {
		return TransferResult{}, err
	}
	key := activity.GetInfo(ctx).WorkflowExecution.ID
	t := a.newTransfer(ctx, conn, savedTransfer{SaveTo: in.SaveTo, Key: key}, in.Resume)
	return t.run(func(ctx context.Context) (TransferResult, error) {
		parts, err := a.stores.Parts(ctx, in.SaveTo, key, t.saved.Parts)
		if err != nil {
			return TransferResult{}, unknownStore(ctx, err)
		}
		t.parts = parts
		rows := newRows(in.SaveTo)
		received, err := conn.objects.Download(ctx, url, parstore.Download{
			Target: parts, Digest: rows, Resume: t.saved.Engine, Save: t.save, Progress: t.moved,
		})
		if err == nil {
			err = a.confirmOwnership(ctx, t)
		}
		if err == nil {
			err = parts.Commit()
		}
		if err != nil && (len(t.saved.Engine) > 0 || errors.Is(err, errMayBeOver) && parts.State() == nil) {
			err = errors.Join(err, parts.Suspend()) // an attempt that has taken over may be writing to what has this name
		}
		_ = parts.Abort() // harmless after either
		return TransferResult{Bytes: received.Bytes, Rows: rows.count(), SHA256: received.SHA256, ETag: received.ETag, StartOver: received.StartOver}, err
	})
}

var errMayBeOver = errors.New("not known from Temporal whether this attempt still counts, so the file is not put under its name")

// confirmOwnership asks Temporal for leave to commit. An attempt that Temporal has given up may still
// reach the store, where another one writes a draft of the same name: to commit would put that
// one's half under the final name.
//
// Nobody can take over within the heartbeat timeout from the answer on. An attempt that stands
// still for that long between the answer and the commit, cut off from Temporal, is what remains.
func (a *Activities) confirmOwnership(ctx context.Context, t *transfer) error {
	if a.temporal == nil {
		return nil
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	limited, cancel := context.WithTimeout(ctx, beatTimeout)
	defer cancel()
	p := TransferProgress{Done: t.bytes.Load(), Total: t.total.Load(), State: t.state}
	err := a.temporal.RecordActivityHeartbeat(limited, activity.GetInfo(ctx).TaskToken, p)
	if err == nil {
		return nil
	}
	activity.RecordHeartbeat(ctx, p) // where the attempt is over, the SDK ends its context
	if temporal.IsCanceledError(err) {
		return err // it counts, and is to end
	}
	return fmt.Errorf("%s: %w: %w", t.saved.SaveTo, errMayBeOver, err)
}

// DropTransfer removes what a transfer left that nobody will go on with: parts at the object
// store, or a part of a file beside its final name. Of a folder the list of what was sent stays.
func (a *Activities) DropTransfer(ctx context.Context, in DropTransferInput) error {
	conn, err := a.connection(in.Connection)
	if err != nil {
		return err
	}
	left, err := conn.openTransfer(in.Left)
	if err != nil {
		return temporal.NewNonRetryableApplicationError(err.Error(), Refused, nil)
	}
	if left.Folder != "" {
		return classifyCall(ctx, conn.dropUnderWay(ctx, left.Engine))
	}
	if left.SaveTo == "" {
		return classifyCall(ctx, conn.objects.Discard(ctx, left.Engine))
	}
	parts, err := a.stores.Parts(ctx, left.SaveTo, left.Key, left.Parts)
	if err != nil {
		return classifyCall(ctx, err)
	}
	return classifyCall(ctx, parts.Abort())
}

func (a *Activities) opened(name string, sealed SealedPAR) (*connection, string, error) {
	conn, err := a.connection(name)
	if err != nil {
		return nil, "", err
	}
	url, err := conn.open(sealed)
	if err != nil {
		return nil, "", temporal.NewNonRetryableApplicationError(err.Error(), PARExpired, nil)
	}
	return conn, url, nil
}
