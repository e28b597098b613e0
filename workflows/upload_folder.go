package workflows

import (
	"cmp"
	"fmt"
	"strings"

	"go.temporal.io/sdk/workflow"

	"github.com/pbsmflow/pbsmflow/activities"
	"github.com/pbsmflow/pbsmflow/internal/pipeline"
)

func (in UploadFileInput) isFolder() bool { return strings.HasSuffix(in.File, "/") }

// uploadFolder uploads all files of a folder, in one activity. The files are listed beside the folder, or
// where the input says.
func (r *simpleRun) uploadFolder(ctx workflow.Context, in UploadFileInput) (FileResult, error) {
	listTo := cmp.Or(in.ListTo, pipeline.SentList(in.File))
	result := FileResult{Connection: in.Connection, File: in.File, StartedAt: r.started}
	if in.Marker != "" {
		marker := in
		marker.File, marker.Marker = in.Marker, ""
		_, err := r.awaitFile(ctx, marker, 0)
		if r.startBy == nil && err != nil {
			return result, err
		}
		r.answerStart(ctx.Err()) // without its marker, the folder is sent once it has complete files
	}
	var uploaded activities.TransferResult
	err := r.do(ctx, transferOptions, "upload the files of "+in.File, act.PutFolder, activities.PutFolderInput{
		Connection: in.Connection,
		Folder:     in.File,
		MimeType:   in.MimeType,
		Prefix:     in.Prefix,
		ListTo:     listTo,
		Marker:     in.Marker,
		WaitUntil:  in.WaitUntil,

		Application: activities.Application{ServiceID: in.ServiceID},
	}, &uploaded)
	if err != nil {
		r.drop(ctx, in.Connection, unfinishedIn(err))
		return result, err
	}
	result.Files, result.Bytes, result.Rows = uploaded.Files, uploaded.Bytes, uploaded.Rows
	result.SHA256, result.ListedIn, result.Sender = uploaded.SHA256, listTo, uploaded.Sender
	if len(uploaded.LeftOut) > 0 {
		result.Note = "left out: " + strings.Join(uploaded.LeftOut, ", ")
	}
	result.Scan = uploaded.NotScanned
	now := workflow.Now(ctx)
	err = r.do(ctx, listedOptions, fmt.Sprintf("wait until the service lists %d files", uploaded.Files), act.ListSentFiles,
		activities.ListSentFilesInput{Connection: in.Connection, ListTo: listTo, Poll: activities.Poll{Since: now}}, nil)
	if deadlineHit(err) {
		err = failure(StepFailed, fmt.Sprintf("the files of %s were uploaded, but the service did not list all of them within %s: compare its file screen with %s. "+
			"If your tenant lists a file only after a scan, set scan_after_upload of the connection%s",
			in.File, listedWithin, listTo, lastTried(err)))
	}
	result.EndedAt = workflow.Now(ctx)
	return result, err
}
