package activities

import (
	"bufio"
	"cmp"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"hash"
	"io"
	"path"
	"slices"
	"strings"
	"sync"
	"time"

	"go.temporal.io/sdk/activity"
	"go.temporal.io/sdk/temporal"
	"golang.org/x/sync/errgroup"

	"github.com/pbsmflow/pbsmflow/internal/parstore"
	"github.com/pbsmflow/pbsmflow/internal/pbsm"
	"github.com/pbsmflow/pbsmflow/internal/stores"
)

// PutFolderInput moves the files of a folder into the service.
type PutFolderInput struct {
	Connection string `json:"connection"`
	// Folder is "store/path/". Its files are sent, those of folders in it are not.
	Folder string `json:"folder"`
	// MimeType is by each file's ending when empty.
	MimeType string `json:"mime_type,omitempty"`
	Prefix   string `json:"prefix,omitempty"`
	// ListTo is the "store/path" of the list of what was sent: a SentFile a line.
	ListTo string `json:"list_to"`
	// Marker is the "store/path" of the file that says that the folder is complete. It is not sent.
	Marker string `json:"marker,omitempty"`
}

// SentFile is a line of the list of what was sent.
type SentFile struct {
	File     string    `json:"file"`
	FileID   string    `json:"file_id"`
	Bytes    int64     `json:"bytes"`
	Rows     int64     `json:"rows"`
	SHA256   string    `json:"sha256"`
	ETag     string    `json:"etag,omitempty"`
	Modified time.Time `json:"modified"`
}

// ListSentFilesInput asks whether the service lists every file of a list.
type ListSentFilesInput struct {
	Connection string `json:"connection"`
	ListTo     string `json:"list_to"`
	Poll
}

// folderStreams is how many files of a folder are under way at least: each takes several
// exchanges, and a small one is mostly waiting.
const folderStreams = 8

// PutFolder sends the files of a folder, several at once, and notes each in a list as it
// arrives. A later attempt goes on behind what the list says (see [stores.StagedFile]), and sends what is
// missing of large files; other files that the list does not name yet are sent again, under new ids.
func (a *Activities) PutFolder(ctx context.Context, in PutFolderInput) (TransferResult, error) {
	conn, err := a.connection(in.Connection)
	if err != nil {
		return TransferResult{}, err
	}
	key := activity.GetInfo(ctx).WorkflowExecution.ID
	t := a.newTransfer(ctx, conn, savedTransfer{Folder: in.Folder, SaveTo: in.ListTo, Key: key}, "")
	return t.run(func(ctx context.Context) (TransferResult, error) {
		files, total, err := a.filesOf(ctx, conn, in)
		if refused := (*temporal.ApplicationError)(nil); errors.As(err, &refused) && refused.Type() == InvalidInput {
			_ = conn.dropUnderWay(ctx, t.saved.Engine) // the error has the problems, and no room for what is left
		}
		if err != nil {
			return TransferResult{}, err
		}
		list, err := a.openSentList(ctx, in.ListTo, key, files)
		if err != nil {
			return TransferResult{}, err
		}
		defer func() { _ = list.staging.Suspend() }() // harmless after the commit
		progress := newFolderProgress(ctx, t, files, total, list)
		group, sending := errgroup.WithContext(ctx)
		group.SetLimit(max(folderStreams, 2*int(conn.config.Transfer.Parallel)))
		for _, file := range files {
			if list.sent[file.Ref] {
				continue
			}
			group.Go(func() error {
				if sending.Err() != nil {
					return context.Cause(sending)
				}
				return a.putAndList(sending, progress, list, in, file)
			})
		}
		if err := group.Wait(); err != nil {
			return TransferResult{}, err
		}
		if err := a.confirmOwnership(ctx, t); err != nil {
			return TransferResult{}, err
		}
		err = list.commit()
		return list.sum, err
	})
}

// filesOf are the files of the folder, in order, and their bytes. Everything that the service
// would refuse is named at once, before anything is sent.
func (a *Activities) filesOf(ctx context.Context, conn *connection, in PutFolderInput) (files []stores.Info, total int64, err error) {
	for file, err := range a.stores.List(ctx, in.Folder) {
		if err != nil {
			return nil, 0, unknownStore(ctx, err)
		}
		if file.Ref != in.ListTo && file.Ref != in.Marker && !strings.Contains(strings.TrimPrefix(file.Ref, in.Folder), "/") {
			files = append(files, file)
			total += file.Size
		}
	}
	if len(files) == 0 {
		return nil, 0, fileMissing("%s holds no files: put them there, then retry", in.Folder)
	}
	slices.SortFunc(files, func(a, b stores.Info) int { return cmp.Compare(a.Ref, b.Ref) })
	var problems []string
	for _, file := range files {
		request := pbsm.UploadRequest{FileName: path.Base(file.Ref), FileSize: file.Size, MimeType: in.MimeType, Prefix: in.Prefix}
		if err := request.Check(conn.config.MaxFileSize); err != nil {
			problems = append(problems, fmt.Sprintf("%s: %v", file.Ref, err))
		}
	}
	if len(problems) > maxProblems {
		problems = append(problems[:maxProblems], fmt.Sprintf("and %d more", len(problems)-maxProblems))
	}
	if len(problems) > 0 {
		return nil, 0, InvalidInputError(problems...)
	}
	return files, total, nil
}

func (a *Activities) putAndList(ctx context.Context, progress *folderProgress, list *sentList, in PutFolderInput, file stores.Info) error {
	sent, err := a.putOne(ctx, progress, in, file)
	if err == nil {
		err = list.add(sent)
	}
	if err == nil { // otherwise the next attempt must find that all of it is there
		progress.sent(sent)
	}
	return err
}

// maxProblems is how many files are named that cannot be sent.
const maxProblems = 20

const fileAttempts = 3

// putOne sends one file. What may work later is tried again here: a file is small beside its folder.
func (a *Activities) putOne(ctx context.Context, progress *folderProgress, in PutFolderInput, file stores.Info) (SentFile, error) {
	for attempt := 1; ; attempt++ {
		sent, err := a.putOnce(ctx, progress, in, file)
		var known *temporal.ApplicationError
		if !errors.As(classifyCall(ctx, err), &known) {
			return sent, err
		}
		if !strings.Contains(known.Message(), file.Ref) {
			err = withMessage(known, file.Ref+": "+known.Message())
		}
		expired := known.Type() == PARExpired
		if expired {
			progress.drop(ctx, file.Ref)
		}
		if known.NonRetryable() && !expired || attempt == fileAttempts || ctx.Err() != nil {
			return sent, err
		}
		select {
		case <-ctx.Done():
			return sent, err
		case <-time.After(max(known.NextRetryDelay(), time.Duration(attempt)*200*time.Millisecond)):
		}
	}
}

func (a *Activities) putOnce(ctx context.Context, progress *folderProgress, in PutFolderInput, file stores.Info) (SentFile, error) {
	// A look at one file may tell its time in seconds where the list has milliseconds: two looks are compared.
	before, err := a.versionOf(ctx, file.Ref)
	if err != nil {
		return SentFile{}, err
	}
	if before.Size != file.Size {
		return SentFile{}, fmt.Errorf("%s changed since it was listed (%d bytes then, %d now); the next attempt lists it again", file.Ref, file.Size, before.Size)
	}
	conn := progress.t.conn
	underWay, err := a.underWay(ctx, progress, in, before)
	if err != nil {
		return SentFile{}, err
	}
	rows := newRows(path.Base(file.Ref))
	sent, err := conn.objects.Upload(ctx, underWay.PAR, parstore.Upload{
		Source: fileInStore{a.stores, file.Ref}, Size: file.Size, Digest: rows, Resume: underWay.Engine,
		Save: func(state []byte) { progress.saved(file.Ref, state) }, Progress: func(done int64) { progress.moved(file.Ref, done) },
	})
	if err != nil {
		return SentFile{}, err
	}
	now, err := a.versionOf(ctx, file.Ref)
	if err != nil {
		return SentFile{}, err
	}
	if !now.same(before) {
		return SentFile{}, fmt.Errorf("%s changed while it was being sent; the next attempt sends it again", file.Ref)
	}
	if conn.config.ScanAfterUpload {
		if err := conn.folderPace.Wait(ctx); err != nil {
			return SentFile{}, err
		}
		if _, err := conn.service.ScanFile(ctx, underWay.FileID); err != nil {
			return SentFile{}, err
		}
	}
	// The time is the list's: openSentList compares it with a later list's.
	return SentFile{File: file.Ref, FileID: underWay.FileID, Bytes: sent.Bytes, Rows: rows.count(), SHA256: sent.SHA256, ETag: sent.ETag, Modified: file.ModTime}, nil
}

func (a *Activities) versionOf(ctx context.Context, ref string) (FileInfo, error) {
	info, err := a.stores.Stat(ctx, ref)
	return FileInfo{File: ref, Size: info.Size, Modified: info.ModTime, ETag: info.ETag}, err
}

// underWay is what was sent before of a version of a file, or nothing yet, with a new URL and id.
func (a *Activities) underWay(ctx context.Context, progress *folderProgress, in PutFolderInput, version FileInfo) (fileUnderWay, error) {
	if file, ok := progress.of(version); ok {
		return file, nil
	}
	progress.drop(ctx, version.File)
	conn := progress.t.conn
	if err := conn.folderPace.Wait(ctx); err != nil {
		return fileUnderWay{}, err
	}
	par, err := conn.service.CreateUploadPAR(ctx, pbsm.UploadRequest{FileName: path.Base(version.File), FileSize: version.Size, MimeType: in.MimeType, Prefix: in.Prefix})
	if err != nil {
		return fileUnderWay{}, err
	}
	file := fileUnderWay{Version: version, FileID: par.FileID, PAR: par.PAR.Expose()}
	progress.begin(file)
	return file, nil
}

// ListSentFiles answers once the service lists every file of a list.
func (a *Activities) ListSentFiles(ctx context.Context, in ListSentFilesInput) error {
	conn, err := a.connection(in.Connection)
	if err != nil {
		return err
	}
	listed, err := conn.service.ListFiles(ctx, "")
	if err != nil {
		return a.classifyPoll(ctx, in.Since, err)
	}
	known := map[string]bool{}
	for _, f := range listed {
		known[f.ID] = true
	}
	list, err := a.stores.Open(ctx, in.ListTo)
	if err != nil {
		return a.classifyPoll(ctx, in.Since, err)
	}
	defer list.Close()
	sent, err := readSentList(list)
	if err != nil {
		return a.classifyPoll(ctx, in.Since, fmt.Errorf("read the list of what was sent, %s: %w; if it stays so, send the folder again", in.ListTo, err))
	}
	missing, first := 0, SentFile{}
	for _, file := range sent {
		if !known[file.FileID] {
			if missing == 0 {
				first = file
			}
			missing++
		}
	}
	if missing > 0 {
		return a.stillWaiting(ctx, in.Since, "%d files are not among the %d that the service lists, the first is %s, file id %s", missing, len(listed), first.File, first.FileID)
	}
	return nil
}

// sentList is the list of what was sent while it grows.
type sentList struct {
	mu      sync.Mutex
	staging stores.StagedFile
	sent    map[string]bool // by an earlier attempt
	sum     TransferResult
	hash    hash.Hash
}

// openSentList goes on with the list of an earlier attempt. Lines of files that have changed
// since are left out: these files are sent again.
func (a *Activities) openSentList(ctx context.Context, ref, key string, files []stores.Info) (*sentList, error) {
	staging, err := a.stores.Stage(ctx, ref, key)
	if err != nil {
		return nil, unknownStore(ctx, err)
	}
	l := &sentList{staging: staging, sent: map[string]bool{}, hash: sha256.New()}
	there := map[string]stores.Info{}
	for _, file := range files {
		there[file.Ref] = file
	}
	held, _ := staging.Existing()
	before, err := readSentList(held)
	if err != nil && !errors.Is(err, errBadLine) { // a worker may have died while it wrote the last one
		return nil, errors.Join(fmt.Errorf("read what was sent before, %s: %w", ref, err), staging.Suspend())
	}
	err = staging.Truncate(0)
	for _, line := range before {
		file, ok := there[line.File]
		if ok && err == nil && file.Size == line.Bytes && file.ModTime.Equal(line.Modified) && !l.sent[line.File] {
			l.sent[line.File] = true
			err = l.add(line)
		}
	}
	if err != nil {
		return nil, errors.Join(err, staging.Suspend())
	}
	return l, nil
}

var errBadLine = errors.New("is cut off or damaged")

// readSentList reads a list to its end. Where a line is bad, those before it are right all the same.
func readSentList(r io.Reader) ([]SentFile, error) {
	var files []SentFile
	for lines := bufio.NewReader(r); ; {
		line, err := lines.ReadBytes('\n')
		if err == io.EOF && len(line) == 0 {
			return files, nil
		}
		if err != nil && err != io.EOF {
			return files, err
		}
		var file SentFile
		if err == io.EOF || json.Unmarshal(line, &file) != nil {
			return files, fmt.Errorf("line %d %w", len(files)+1, errBadLine)
		}
		files = append(files, file)
	}
}

func (l *sentList) add(file SentFile) error {
	line, err := json.Marshal(file)
	if err != nil {
		return err
	}
	line = append(line, '\n')
	l.mu.Lock()
	defer l.mu.Unlock()
	l.hash.Write(line)
	l.sum.Files++
	l.sum.Bytes += file.Bytes
	l.sum.Rows += file.Rows
	_, err = l.staging.Write(line)
	return err
}

func (l *sentList) commit() error {
	l.sum.SHA256 = hex.EncodeToString(l.hash.Sum(nil))
	return l.staging.Commit()
}
