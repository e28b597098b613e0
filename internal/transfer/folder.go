package transfer

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"path"
	"slices"
	"strings"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/pbsmflow/pbsmflow/internal/parstore"
	"github.com/pbsmflow/pbsmflow/internal/pbsm"
	"github.com/pbsmflow/pbsmflow/internal/problem"
	"github.com/pbsmflow/pbsmflow/internal/stores"
	"github.com/pbsmflow/pbsmflow/internal/verify"
)

// Folder is a folder to upload. Its own files are sent, those of folders in it are not.
type Folder struct {
	Path     string // "store/path/"
	MimeType string // by each file's ending when empty
	Prefix   string
	ListTo   string // "store/path" of the list of what was sent, a [SentFile] per line
	Marker   string // "store/path" of the file whose presence says that the folder is complete; not sent
	Key      string // tells apart those who write the same list
}

const (
	// folderStreams is the minimum number of files in progress: each takes several exchanges, and a
	// small one is mostly waiting.
	folderStreams = 8
	fileAttempts  = 3
	// maxProblems is how many files are named that cannot be sent.
	maxProblems = 20
)

// UploadFolder sends the files of a folder, several at once, and adds each to a list as it arrives.
// A later attempt continues the list and resumes large files; other files that the list does not name
// yet are sent again, under new ids.
func (m *Mover) UploadFolder(ctx context.Context, a *Attempt, folder Folder) (Result, error) {
	files, err := m.filesOf(ctx, folder)
	if err != nil {
		return Result{}, err
	}
	list, err := m.openSentList(ctx, folder.ListTo, folder.Key, files)
	if err != nil {
		return Result{}, err
	}
	defer func() { _ = list.file.Suspend() }() // harmless after the commit

	u := &folderUpload{Mover: m, folder: folder, list: list}
	u.progress = m.newFolderProgress(ctx, a, folder, files, list)
	group, sending := errgroup.WithContext(ctx)
	group.SetLimit(max(folderStreams, 2*m.Parallel))
	for _, file := range files {
		if list.sent[file.Ref] {
			continue
		}
		group.Go(func() error {
			if sending.Err() != nil {
				return context.Cause(sending)
			}
			return u.sendAndList(sending, file)
		})
	}
	if err := group.Wait(); err != nil {
		return Result{}, err
	}
	if err := a.confirm(ctx, folder.ListTo); err != nil {
		return Result{}, err
	}
	return list.commit()
}

// filesOf returns the files of a folder, in order. Everything that the service would refuse is named at
// once, as a [problem.List], before anything is sent.
func (m *Mover) filesOf(ctx context.Context, folder Folder) (files []stores.Info, err error) {
	for file, err := range m.Stores.List(ctx, folder.Path) {
		if err != nil {
			return nil, err
		}
		nested := strings.Contains(strings.TrimPrefix(file.Ref, folder.Path), "/")
		if nested || file.Ref == folder.ListTo || file.Ref == folder.Marker {
			continue
		}
		files = append(files, file)
	}
	if len(files) == 0 {
		return nil, &MissingError{folder.Path + " holds no files: put them there, then retry"}
	}
	slices.SortFunc(files, func(a, b stores.Info) int { return cmp.Compare(a.Ref, b.Ref) })

	var problems problem.List
	for _, file := range files {
		problems.Check(file.Ref, folder.request(file.Ref, file.Size).Check(m.MaxFileSize))
	}
	if more := len(problems) - maxProblems; more > 0 {
		problems = problems[:maxProblems]
		problems.Addf("", "and %d more", more)
	}
	return files, problems.Err()
}

func (f Folder) request(ref string, size int64) pbsm.UploadRequest {
	return pbsm.UploadRequest{FileName: path.Base(ref), FileSize: size, MimeType: f.MimeType, Prefix: f.Prefix}
}

// folderUpload is one attempt at the files of a folder.
type folderUpload struct {
	*Mover
	folder   Folder
	list     *sentList
	progress *folderProgress
}

// sendAndList sends one file and adds it to the list. While its line is not written it stays in
// progress: the next attempt must find that all of it has arrived.
func (u *folderUpload) sendAndList(ctx context.Context, file stores.Info) error {
	sent, err := u.send(ctx, file)
	if err == nil {
		err = u.list.add(sent)
	}
	if err == nil {
		u.progress.listed(sent)
	}
	return err
}

// send sends one file. What may work later is tried again here: a file is small beside its folder.
func (u *folderUpload) send(ctx context.Context, file stores.Info) (SentFile, error) {
	for attempt := 1; ; attempt++ {
		sent, err := u.sendOnce(ctx, file)
		if err == nil || errors.Is(err, context.Canceled) {
			return sent, err
		}
		if !strings.Contains(err.Error(), file.Ref) {
			err = fmt.Errorf("%s: %w", file.Ref, err)
		}
		pause, again := u.progress.attempt.Retry(err)
		if e := (*parstore.Error)(nil); errors.As(err, &e) && e.Expired {
			u.progress.drop(ctx, file.Ref)
			again = true
		}
		if !again || attempt == fileAttempts || ctx.Err() != nil {
			return sent, err
		}
		select {
		case <-ctx.Done():
			return sent, err
		case <-time.After(max(pause, time.Duration(attempt)*200*time.Millisecond)):
		}
	}
}

func (u *folderUpload) sendOnce(ctx context.Context, file stores.Info) (SentFile, error) {
	// Versions are compared by Stat, before and after: it may give a time in seconds where the list of
	// the folder has milliseconds.
	version, err := u.version(ctx, file.Ref)
	if err != nil {
		return SentFile{}, err
	}
	if version.Size != file.Size {
		return SentFile{}, fmt.Errorf("%s changed since it was listed (%d bytes then, %d now); "+
			"the next attempt lists it again", file.Ref, file.Size, version.Size)
	}
	target, err := u.target(ctx, version)
	if err != nil {
		return SentFile{}, err
	}
	rows := verify.NewRows(file.Ref)
	sent, err := u.Objects.Upload(ctx, target.PAR, parstore.Upload{
		Source:   source{u.Stores, file.Ref},
		Size:     file.Size,
		Digest:   rows,
		Resume:   target.UploadState,
		Save:     func(state []byte) { u.progress.saved(file.Ref, state) },
		Progress: func(done int64) { u.progress.moved(file.Ref, done) },
	})
	if err != nil {
		return SentFile{}, err
	}
	now, err := u.version(ctx, file.Ref)
	if err != nil {
		return SentFile{}, err
	}
	if !now.same(version) {
		return SentFile{}, fmt.Errorf("%s changed while it was being sent; the next attempt sends it again", file.Ref)
	}
	if u.Scan {
		if err := u.scan(ctx, target.FileID); err != nil {
			return SentFile{}, err
		}
	}
	return SentFile{
		File:     file.Ref,
		FileID:   target.FileID,
		Bytes:    sent.Bytes,
		Rows:     rows.Count(),
		SHA256:   sent.SHA256,
		ETag:     sent.ETag,
		Modified: file.ModTime, // the list's, which openSentList compares with a later list's
	}, nil
}

// target returns what was sent before of this version of a file, or a new URL and id.
func (u *folderUpload) target(ctx context.Context, version FileInfo) (fileProgress, error) {
	if file, ok := u.progress.resume(version); ok {
		return file, nil
	}
	u.progress.drop(ctx, version.File)
	if err := u.Pace.Wait(ctx); err != nil {
		return fileProgress{}, err
	}
	par, err := u.Service.CreateUploadPAR(ctx, u.folder.request(version.File, version.Size))
	if err != nil {
		return fileProgress{}, err
	}
	file := fileProgress{Version: version, FileID: par.FileID, PAR: par.PAR.Expose()}
	u.progress.begin(file)
	return file, nil
}

func (u *folderUpload) scan(ctx context.Context, fileID string) error {
	if err := u.Pace.Wait(ctx); err != nil {
		return err
	}
	_, err := u.Service.ScanFile(ctx, fileID)
	return err
}
