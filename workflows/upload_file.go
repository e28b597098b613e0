package workflows

import (
	"fmt"
	"path"
	"time"

	"go.temporal.io/sdk/workflow"

	"github.com/pbsmflow/pbsmflow/activities"
	"github.com/pbsmflow/pbsmflow/internal/pbsm"
)

// listedWithin is how long the service may take to list a file whose bytes it has.
const listedWithin = 10 * time.Minute

// UploadFile moves a file from a store into the service through a pre-authenticated URL.
// It succeeds once the service lists the file under its id.
func UploadFile(ctx workflow.Context, in UploadFileInput) (FileResult, error) {
	if err := in.Validate(); err != nil {
		return FileResult{}, endEarly(ctx, in.Connection, err)
	}
	r, err := newSimpleRun(ctx, in.initialStatus(), in.Deadline, in.lookups(ctx))
	if err != nil {
		return FileResult{}, err
	}
	if in.isFolder() {
		result, err := r.uploadFolder(ctx, in)
		return result, r.end(ctx, fmt.Sprintf("uploaded %d files: %d bytes, %d rows", result.Files, result.Bytes, result.Rows), err)
	}
	result, err := r.upload(ctx, in)
	return result, r.end(ctx, fmt.Sprintf("uploaded as file id %s: %d bytes, %d rows", result.FileID, result.Bytes, result.Rows), err)
}

func (in UploadFileInput) initialStatus() Status {
	return Status{Connection: in.Connection, Subject: in.File, State: Running, Summary: "about to be uploaded"}
}

func (r *simpleRun) upload(ctx workflow.Context, in UploadFileInput) (FileResult, error) {
	result := FileResult{Connection: in.Connection, File: in.File, Name: in.Name, StartedAt: r.started}
	if result.Name == "" {
		result.Name = path.Base(in.File)
	}
	mimeType := in.MimeType
	if mimeType == "" {
		mimeType = pbsm.MimeTypeFor(result.Name)
	}
	var file activities.FileInfo
	find := func() (err error) {
		if file, err = r.awaitFile(ctx, in); err != nil {
			return err
		}
		return r.verify(ctx, in.Expect, &result)
	}
	if err := find(); err != nil {
		return result, err
	}
	var moved activities.TransferResult
	var par activities.UploadPAR
	err := r.transfer(ctx, in.Connection, func(before error, left activities.SealedTransfer) error {
		r.drop(ctx, in.Connection, left) // a new URL is for a new file id
		if before != nil {
			result.Note = "sent again from its start: " + reason(before)
		}
		if errorType(before) == activities.FileChanged {
			if err := find(); err != nil {
				return err
			}
		}
		par = activities.UploadPAR{}
		if err := r.do(ctx, callOptions, "ask where to upload "+result.Name, act.CreateUploadPAR, activities.CreateUploadPARInput{
			Connection: in.Connection, Name: result.Name, Size: file.Size, MimeType: mimeType, Prefix: in.Prefix,
		}, &par); err != nil {
			return err
		}
		result.FileID = par.FileID
		return r.do(ctx, transferOptions, fmt.Sprintf("send %s, %d bytes", result.Name, file.Size), act.PutFile,
			activities.PutFileInput{Connection: in.Connection, File: file, PAR: par.PAR}, &moved)
	})
	if err != nil {
		return result, err
	}
	if err := sentAsVerified(result, moved); err != nil {
		return result, err
	}
	result.Bytes, result.SHA256, result.ETag = moved.Bytes, moved.SHA256, moved.ETag
	if !result.Verified { // the check counts by the file's form, the transfer by a simpler rule
		result.Rows = moved.Rows
	}
	if par.Scan {
		var scan activities.Scan
		if err := r.do(ctx, callOptions, "have "+result.Name+" scanned", act.ScanFile,
			activities.ScanFileInput{Connection: in.Connection, FileID: result.FileID}, &scan); err != nil {
			return result, err
		}
		result.Scan = scan.Status
	}
	err = r.confirmListed(ctx, in.Connection, result.FileID)
	result.EndedAt = workflow.Now(ctx)
	return result, err
}

// confirmListed proves that the file is in the service and not only in the object store.
func (r *simpleRun) confirmListed(ctx workflow.Context, connection, fileID string) error {
	now := workflow.Now(ctx)
	err := r.doUntil(ctx, now.Add(listedWithin), pollOptions, "look for file id "+fileID+" in the service's list", act.ListFiles,
		activities.ListFilesInput{Connection: connection, FileID: fileID, Poll: activities.Poll{Since: now}}, nil)
	if deadlineHit(err) {
		return failure(StepFailed, fmt.Sprintf("file id %s was sent, but the service does not list it after %s: look at its file screen, then upload again", fileID, listedWithin))
	}
	return err
}

// lookups has a single file looked up along with the connection.
func (in UploadFileInput) lookups(ctx workflow.Context) activities.Lookups {
	stableFor, err := in.stableFor()
	if in.isFolder() || stableFor > 0 || err != nil {
		return noLookups
	}
	return activities.Lookups{File: &activities.StatFileInput{
		File:   in.File,
		Marker: in.Marker,
		Poll:   activities.Poll{Since: workflow.Now(ctx)},
	}}
}

// awaitFile finds the file once it is complete, and waits for it as long as the input allows.
func (r *simpleRun) awaitFile(ctx workflow.Context, in UploadFileInput) (activities.FileInfo, error) {
	if found := r.file; found != nil {
		r.file = nil // another search is for another version
		return *found, nil
	}
	var file activities.FileInfo
	stableFor, err := in.stableFor()
	if err != nil {
		return file, err
	}
	stat := activities.StatFileInput{
		File:      in.File,
		Marker:    in.Marker,
		StableFor: stableFor,
		Poll:      activities.Poll{Since: r.started},
	}
	if in.WaitUntil.After(r.started) {
		stat.Wait = true
		until := in.WaitUntil
		if !r.deadline.IsZero() && r.deadline.Before(until) {
			until = r.deadline
		}
		err = r.doUntil(ctx, until, pollOptions, "wait for "+in.File, act.StatFile, stat, &file)
		if !deadlineHit(err) {
			return file, err
		}
		stat.Last = true
	}
	return file, r.do(ctx, callOptions, "find "+in.File, act.StatFile, stat, &file)
}
