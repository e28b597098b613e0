package transfer

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"path"
	"slices"
	"strings"
	"sync/atomic"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/pbsmflow/pbsmflow/internal/parstore"
	"github.com/pbsmflow/pbsmflow/internal/pbsm"
	"github.com/pbsmflow/pbsmflow/internal/problem"
	"github.com/pbsmflow/pbsmflow/internal/stores"
	"github.com/pbsmflow/pbsmflow/internal/verify"
)

// Folder is a folder to upload. It must not hold folders with files that are meant.
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
	// maxNamed is how many files are named that cannot be sent, or are left out.
	maxNamed = 20
)

// UploadFolder sends the files of a folder, several at once, and adds each to a list as it arrives.
// A later attempt continues the list and resumes large files; other files that the list does not name
// yet are sent again, under new ids.
func (m *Mover) UploadFolder(ctx context.Context, a *Attempt, folder Folder) (Result, error) {
	files, leftOut, err := m.filesOf(ctx, folder)
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
	result, err := list.commit()
	result.LeftOut = leftOut
	if missing := u.noScan.Load(); missing != nil {
		result.NotScanned = NotScanned(missing)
	}
	return result, err
}

// Unscanned begins what takes the place of a scan's answer.
const Unscanned = "not scanned"

// NotScanned is what takes the place of a scan's answer where the tenant lacks the call.
func NotScanned(missing *pbsm.Error) string {
	return fmt.Sprintf(Unscanned+": the service has no such call (HTTP %d); "+
		"if that is so, set scan_after_upload of the connection to false", missing.HTTPStatus)
}

// filesOf returns the files of a folder, in order, and the names of those that are left out. Everything that the
// service would refuse is named at once, as a [problem.List], before anything is sent; if nothing but files that are
// not complete yet, as a [MissingError].
func (m *Mover) filesOf(ctx context.Context, folder Folder) (files []stores.Info, leftOut []string, err error) {
	var problems, incomplete problem.List
	for file, err := range m.Stores.List(ctx, folder.Path) {
		name := strings.TrimPrefix(file.Ref, folder.Path)
		switch {
		case err != nil:
			return nil, nil, err
		case file.Ref == folder.Marker, folder.isList(file.Ref):
		case file.Ignored:
			leftOut = append(leftOut, name)
		case file.Unfinished:
			incomplete.Add(file.Ref, "is still being written, its name says")
		case strings.Contains(name, "/"):
			problems.Add(file.Ref, "is in a folder of the folder, which is not uploaded: move the file, or upload its folder "+
				"in a step of its own")
		case file.Size < pbsm.MinFileSize:
			incomplete.Addf(file.Ref, "has %d bytes; the service accepts %d and more", file.Size, pbsm.MinFileSize)
		default:
			problems.Check(file.Ref, folder.request(file.Ref, file.Size).Check(m.MaxFileSize))
			files = append(files, file)
		}
	}
	slices.SortFunc(files, func(a, b stores.Info) int { return cmp.Compare(a.Ref, b.Ref) })
	slices.Sort(leftOut)
	switch {
	case len(problems) > 0:
		return nil, nil, named(append(problems, incomplete...))
	case len(incomplete) > 0:
		return nil, nil, &MissingError{fmt.Sprintf("%s is not complete: %s; wait until it is, or remove what nobody "+
			"completes, then retry", folder.Path, strings.Join(named(incomplete).Texts(), ", "))}
	case len(files) == 0:
		return nil, nil, &MissingError{folder.Path + " holds no files: put them there, then retry"}
	}
	if more := len(leftOut) - maxNamed; more > 0 {
		leftOut = append(leftOut[:maxNamed], fmt.Sprintf("and %d more", more))
	}
	return files, leftOut, nil
}

// named shortens a list to those that are named.
func named(problems problem.List) problem.List {
	problems.Sort()
	if more := len(problems) - maxNamed; more > 0 {
		problems = problems[:maxNamed]
		problems.Addf("", "and %d more", more)
	}
	return problems
}

// isList reports whether a file is the list of what was sent, or its staging file.
func (f Folder) isList(ref string) bool {
	dir, base := path.Split(f.ListTo)
	return ref == f.ListTo || strings.HasPrefix(ref, dir+"."+base+".")
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
	noScan   atomic.Pointer[pbsm.Error] // the tenant lacks the call
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
	if u.Scan && u.noScan.Load() == nil {
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

// scan scans a file, and requests that again while the scan is in progress.
func (u *folderUpload) scan(ctx context.Context, fileID string) error {
	for pause, until := time.Second, time.Now().Add(scanWithin); ; pause = min(2*pause, maxScanPause) {
		if err := u.Pace.Wait(ctx); err != nil {
			return err
		}
		scan, err := u.Service.ScanFile(ctx, fileID)
		var missing *pbsm.Error
		switch {
		case errors.As(err, &missing) && missing.NoSuchCall():
			u.noScan.Store(missing)
			return nil
		case err != nil || !scan.InProgress:
			return err
		case time.Now().After(until):
			return fmt.Errorf("the scan of file id %s has not ended within %s: %s", fileID, scanWithin, scan.Answer)
		}
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-time.After(pause):
		}
	}
}

const (
	scanWithin   = 10 * time.Minute
	maxScanPause = 15 * time.Second
)
