package activities

import (
	"context"
	"errors"
	"strings"
	"time"

	"go.temporal.io/sdk/activity"
	"go.temporal.io/sdk/temporal"

	"github.com/pbsmflow/pbsmflow/internal/audit"
	"github.com/pbsmflow/pbsmflow/internal/transfer"
)

// FileInfo is a file in a store, in one version.
type FileInfo = transfer.FileInfo

// TransferResult is a file that was moved and checked.
type TransferResult struct {
	transfer.Result
	// Sender is the worker that moved the last of it.
	Sender audit.Sender `json:"sender,omitzero"`
}

// SentFile is a line of the list of a folder's files that were sent.
type SentFile = transfer.SentFile

// PutFileInput names a file in a store, and the pre-authenticated URL that it is sent to.
type PutFileInput struct {
	Connection string    `json:"connection"`
	File       FileInfo  `json:"file"`
	PAR        SealedPAR `json:"par"`
}

// GetFileInput names what is behind a pre-authenticated URL, and the file that it is saved to.
type GetFileInput struct {
	Connection string    `json:"connection"`
	PAR        SealedPAR `json:"par"`
	// SaveTo is "store/path". Nothing appears there before the file is whole and checked.
	SaveTo string `json:"save_to"`
	// Unfinished is the state of a transfer of the same file that is resumed with a new URL, as its own had expired.
	Unfinished SealedTransfer `json:"unfinished,omitempty"`
}

// PutFolderInput names a folder whose files are sent to the service.
type PutFolderInput struct {
	Connection string `json:"connection"`
	// Folder is "store/path/". Its files are sent; it is refused if folders in it have files.
	Folder string `json:"folder"`
	// MimeType is that of every file. When it is empty, each file has that of its ending.
	MimeType string `json:"mime_type,omitempty"`
	Prefix   string `json:"prefix,omitempty"`
	// ListTo is the "store/path" of the list of what was sent: a SentFile a line.
	ListTo string `json:"list_to"`
	// Marker is the "store/path" of the file whose presence says that the folder is complete. It is not sent.
	Marker string `json:"marker,omitempty"`
	// WaitUntil is how long to wait for a folder that holds no files yet, or some that are not complete.
	WaitUntil time.Time `json:"wait_until,omitzero"`
	Application
}

// ListSentFilesInput names the list of a folder's files that were sent.
type ListSentFilesInput struct {
	Connection string `json:"connection"`
	ListTo     string `json:"list_to"`
	Poll
}

// DropTransferInput names an unfinished transfer that will not be resumed.
type DropTransferInput struct {
	Connection string         `json:"connection"`
	Unfinished SealedTransfer `json:"unfinished"`
	// SaveTo is the "store/path" of a download of the same workflow, for one whose state nobody has.
	SaveTo string `json:"save_to,omitempty"`
}

// PutFile sends a file to a pre-authenticated URL, in parts when it is large. A later attempt, on any
// worker, sends what is missing. Repeating it replaces the file.
//
// The parts go to a URL of the upload's own, which may be valid for longer than the one it began with.
// When neither is valid, the error is PARExpired: a new URL comes with a new file id, so that the whole
// file is sent again.
func (a *Activities) PutFile(ctx context.Context, in PutFileInput) (TransferResult, error) {
	conn, url, err := a.openPAR(in.Connection, in.PAR)
	if err != nil {
		return TransferResult{}, err
	}
	t := a.newTransfer(ctx, conn, directionUpload, "")
	return t.run(func(ctx context.Context) (transfer.Result, error) {
		return a.mover(conn, Application{}).UploadFile(ctx, &t.attempt, in.File, url)
	})
}

// GetFile saves what is behind a pre-authenticated URL, in parallel ranges when it is large. Nothing
// appears under the final name before the file is whole and checked. A later attempt resumes what was
// received: in a folder on any worker that shares it, on an SFTP server and in a bucket on any worker.
func (a *Activities) GetFile(ctx context.Context, in GetFileInput) (TransferResult, error) {
	conn, url, err := a.openPAR(in.Connection, in.PAR)
	if err != nil {
		return TransferResult{}, err
	}
	t := a.newTransfer(ctx, conn, directionDownload, in.Unfinished)
	return t.run(func(ctx context.Context) (transfer.Result, error) {
		result, err := a.mover(conn, Application{}).DownloadFile(ctx, &t.attempt, url, in.SaveTo, stagingKey(ctx))
		return result, unknownStore(ctx, err)
	})
}

// PutFolder sends the files of a folder, and lists each as it arrives. A later attempt, on any worker,
// sends what is missing.
func (a *Activities) PutFolder(ctx context.Context, in PutFolderInput) (TransferResult, error) {
	conn, err := a.connection(in.Connection)
	if err != nil {
		return TransferResult{}, err
	}
	folder := transfer.Folder{
		Path:     in.Folder,
		MimeType: in.MimeType,
		Prefix:   in.Prefix,
		ListTo:   in.ListTo,
		Marker:   in.Marker,
		Key:      stagingKey(ctx),
	}
	t := a.newTransfer(ctx, conn, directionUpload, "")
	result, err := t.run(func(ctx context.Context) (transfer.Result, error) {
		result, err := a.mover(conn, in.Application).UploadFolder(ctx, &t.attempt, folder)
		return result, unknownStore(ctx, err)
	})
	if isInvalidInput(err) {
		_ = a.mover(conn, Application{}).Discard(ctx, t.attempt.State) // an error that lists problems has no room for the state
	}
	var failed *temporal.ApplicationError
	if errors.As(err, &failed) && failed.Type() == FileMissing && time.Now().Before(in.WaitUntil) {
		return result, a.stillWaiting(ctx, activity.GetInfo(ctx).ScheduledTime, "%s", failed.Message())
	}
	if len(result.LeftOut) > 0 {
		activity.GetLogger(ctx).Warn("files were left out of the upload of their folder",
			"folder", in.Folder, "files", strings.Join(result.LeftOut, ", "))
	}
	return result, err
}

// ListSentFiles returns once the service lists every file of a list.
func (a *Activities) ListSentFiles(ctx context.Context, in ListSentFilesInput) error {
	conn, err := a.connection(in.Connection)
	if err != nil {
		return err
	}
	listed, err := conn.service.ListFiles(ctx, "")
	if err != nil {
		return a.classifyPoll(ctx, in.Since, err)
	}
	sent, err := a.mover(conn, Application{}).SentFiles(ctx, in.ListTo)
	if err != nil {
		return a.classifyPoll(ctx, in.Since, err)
	}
	known := map[string]bool{}
	for _, file := range listed {
		known[file.ID] = true
	}
	var missing []SentFile
	for _, file := range sent {
		if !known[file.FileID] {
			missing = append(missing, file)
		}
	}
	if len(missing) == 0 {
		return nil
	}
	return a.stillWaiting(ctx, in.Since,
		"%d files are not among the %d that the service lists, the first is %s, file id %s",
		len(missing), len(listed), missing[0].File, missing[0].FileID)
}

// DropTransfer removes what a transfer left that will not be resumed: parts at the object store, or the
// staging file of a download. The list of a folder stays.
func (a *Activities) DropTransfer(ctx context.Context, in DropTransferInput) error {
	conn, err := a.connection(in.Connection)
	if err != nil {
		return err
	}
	if in.Unfinished == "" {
		return classifyCall(ctx, a.mover(conn, Application{}).DiscardStaging(ctx, in.SaveTo, stagingKey(ctx)))
	}
	state, err := conn.openState(in.Unfinished)
	if err != nil {
		return temporal.NewNonRetryableApplicationError(err.Error(), Refused, nil)
	}
	return classifyCall(ctx, a.mover(conn, Application{}).Discard(ctx, state))
}

func (a *Activities) mover(conn *connection, app Application) *transfer.Mover {
	return &transfer.Mover{
		Stores:      a.stores,
		Objects:     conn.objects,
		Service:     conn.serviceFor(app),
		Pace:        conn.folderPace,
		MaxFileSize: conn.config.MaxFileSize,
		Parallel:    int(conn.config.Transfer.Parallel),
		Scan:        conn.config.ScanAfterUpload,
	}
}

// stagingKey is the same for every attempt and every run of a workflow: a later one resumes what an
// earlier one left.
func stagingKey(ctx context.Context) string { return activity.GetInfo(ctx).WorkflowExecution.ID }

func (a *Activities) openPAR(name string, sealed SealedPAR) (*connection, string, error) {
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
