package transfer

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"

	"github.com/pbsmflow/pbsmflow/internal/parstore"
	"github.com/pbsmflow/pbsmflow/internal/stores"
	"github.com/pbsmflow/pbsmflow/internal/verify"
)

// UploadFile sends a file to a pre-authenticated URL, in parts when it is large. It fails when the
// file is not, or no longer, the version that was found.
func (m *Mover) UploadFile(ctx context.Context, a *Attempt, file FileInfo, url string) (Result, error) {
	if err := m.checkVersion(ctx, file); err != nil {
		return Result{}, err
	}
	saved := a.resume(state{File: file})
	a.progress.resumes = len(saved.Transfer) > 0
	rows := verify.NewRows(file.File)
	sent, err := m.Objects.Upload(ctx, url, parstore.Upload{
		Source:   source{m.Stores, file.File},
		Size:     file.Size,
		Digest:   rows,
		Resume:   saved.Transfer,
		Save:     func(transfer []byte) { saved.Transfer = transfer; a.saveFile(saved) },
		Progress: func(done int64) { a.moved(done, file.Size) },
	})
	if err == nil {
		err = m.checkVersion(ctx, file)
	}
	return Result{Bytes: sent.Bytes, Rows: rows.Count(), SHA256: sent.SHA256, ETag: sent.ETag}, err
}

// saveFile saves the state of one file. Without a state of its parts there is nothing to resume.
func (a *Attempt) saveFile(s state) {
	if s.Transfer == nil {
		a.Save(nil)
		return
	}
	a.save(s)
}

func (m *Mover) checkVersion(ctx context.Context, found FileInfo) error {
	now, err := m.version(ctx, found.File)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return &MissingError{found.File + " is not in its store any more: put it there, then retry"}
	case err != nil:
		return err
	case !now.same(found):
		return &ChangedError{fmt.Sprintf("%s changed since it was found (%d bytes then, %d now): retry once it is complete",
			found.File, found.Size, now.Size)}
	}
	return nil
}

func (m *Mover) version(ctx context.Context, ref string) (FileInfo, error) {
	info, err := m.Stores.Stat(ctx, ref)
	return FileInfo{File: ref, Size: info.Size, Modified: info.ModTime, ETag: info.ETag}, err
}

// source reads a file of a store in sections.
type source struct {
	stores *stores.Stores
	ref    string
}

func (s source) Section(ctx context.Context, offset, length int64) (io.ReadCloser, error) {
	return s.stores.Section(ctx, s.ref, offset, length)
}

// DownloadFile saves what is behind a pre-authenticated URL, in parallel ranges when it is large.
// Nothing appears under the final name before the file is whole and checked. The key tells apart
// those who write the same file; see [stores.Stores.Parts].
func (m *Mover) DownloadFile(ctx context.Context, a *Attempt, url, saveTo, key string) (Result, error) {
	saved := a.resume(state{SaveTo: saveTo, Key: key})
	a.progress.resumes = len(saved.Transfer) > 0
	parts, err := m.Stores.Parts(ctx, saveTo, key, saved.Staging)
	if err != nil {
		return Result{}, err
	}
	rows := verify.NewRows(saveTo)
	received, err := m.Objects.Download(ctx, url, parstore.Download{
		Target: parts,
		Digest: rows,
		Resume: saved.Transfer,
		Save: func(transfer []byte) {
			saved.Transfer, saved.Staging = transfer, parts.State()
			a.saveFile(saved)
		},
		Progress: a.moved,
	})
	if err == nil {
		err = a.confirm(ctx, saveTo)
	}
	if err == nil {
		err = parts.Commit()
	}
	if err != nil && (len(saved.Transfer) > 0 || mayBelongToAnother(err, parts)) {
		err = errors.Join(err, parts.Suspend())
	}
	_ = parts.Abort() // harmless after either
	return Result{
		Bytes:     received.Bytes,
		Rows:      rows.Count(),
		SHA256:    received.SHA256,
		ETag:      received.ETag,
		StartOver: received.StartOver,
	}, err
}

// mayBelongToAnother reports whether another attempt may be writing to a staging file of this name.
func mayBelongToAnother(err error, parts stores.Parts) bool {
	return errors.Is(err, ErrNotConfirmed) && parts.State() == nil
}
