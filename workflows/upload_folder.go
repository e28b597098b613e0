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

// uploadFolder moves all files of a folder into the service. The history holds one activity for
// all of them, and what became of each is in a list beside the folder, or where the input says.
func (r *simpleRun) uploadFolder(ctx workflow.Context, in UploadFileInput) (FileResult, error) {
	listTo := cmp.Or(in.ListTo, pipeline.SentList(in.File))
	result := FileResult{Connection: in.Connection, File: in.File, StartedAt: r.started}
	if in.Marker != "" {
		marker := in
		marker.File, marker.Marker = in.Marker, ""
		if _, err := r.awaitFile(ctx, marker); err != nil {
			return result, err
		}
	}
	var moved activities.TransferResult
	err := r.do(ctx, transferOptions, "send the files of "+in.File, act.PutFolder, activities.PutFolderInput{
		Connection: in.Connection, Folder: in.File, MimeType: in.MimeType, Prefix: in.Prefix, ListTo: listTo, Marker: in.Marker,
	}, &moved)
	if err != nil {
		r.drop(ctx, in.Connection, leftBy(err))
		return result, err
	}
	result.Files, result.Bytes, result.Rows, result.SHA256, result.ListedIn = moved.Files, moved.Bytes, moved.Rows, moved.SHA256, listTo
	now := workflow.Now(ctx)
	err = r.doUntil(ctx, now.Add(listedWithin), pollOptions, fmt.Sprintf("look for %d files in the service's list", moved.Files), act.ListSentFiles,
		activities.ListSentFilesInput{Connection: in.Connection, ListTo: listTo, Poll: activities.Poll{Since: now}}, nil)
	if deadlineHit(err) {
		err = failure(StepFailed, fmt.Sprintf("the files of %s were sent, but the service does not list all of them after %s: compare its file screen with %s", in.File, listedWithin, listTo))
	}
	result.EndedAt = workflow.Now(ctx)
	return result, err
}
