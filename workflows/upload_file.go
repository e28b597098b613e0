package workflows

import (
	"fmt"
	"path"
	"time"

	"go.temporal.io/sdk/workflow"

	"github.com/pbsmflow/pbsmflow/activities"
	"github.com/pbsmflow/pbsmflow/internal/pbsm"
)

// listedWithin is how long the service may take to list an uploaded file.
const listedWithin = 10 * time.Minute

// UploadFile uploads a file from a store through a pre-authenticated URL, or all files of a folder. It
// succeeds once the service lists the file under its id.
func UploadFile(ctx workflow.Context, in UploadFileInput) (FileResult, error) {
	if err := in.Validate(); err != nil {
		return FileResult{}, endEarly(ctx, in.Connection, err)
	}
	ctx, r, err := newSimpleRun(ctx, in.initialStatus(), in.lookups(ctx))
	if err != nil {
		return FileResult{}, err
	}
	if in.isFolder() {
		result, err := r.uploadFolder(ctx, in)
		return result, r.end(ctx, fmt.Sprintf("uploaded %d files: %d bytes, %s", result.Files, result.Bytes, result.rows()), err)
	}
	result, err := r.upload(ctx, in)
	return result, r.end(ctx, fmt.Sprintf("uploaded as file id %s: %d bytes, %s", result.FileID, result.Bytes, result.rows()), err)
}

func (in UploadFileInput) initialStatus() Status {
	return Status{Connection: in.Connection, TimeZone: in.TimeZone, Subject: in.File, Deadline: in.Deadline, State: Running, Summary: "about to be uploaded"}
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
		result.SHA256, result.Verified = "", false // those of an older version
		file, err = r.awaitFile(ctx, in, pbsm.MinFileSize)
		if r.answerStart(err); err != nil {
			return err
		}
		result.FoundAt = workflow.Now(ctx)
		return r.verify(ctx, in.Expect, &result)
	}
	if err := find(); err != nil {
		return result, err
	}
	var uploaded activities.TransferResult
	var par activities.UploadPAR
	err := r.transfer(ctx, in.Connection, func(cause error, unfinished activities.SealedTransfer) error {
		r.drop(ctx, in.Connection, unfinished) // a new URL is for a new file id
		if cause != nil {
			result.Note = "uploaded again from the start: " + reason(cause)
		}
		if errorType(cause) == activities.FileChanged {
			if err := find(); err != nil {
				return err
			}
		}
		par = activities.UploadPAR{}
		err := r.do(ctx, callOptions, "get a URL to upload "+result.Name, act.CreateUploadPAR, activities.CreateUploadPARInput{
			Connection: in.Connection,
			Name:       result.Name,
			Size:       file.Size,
			MimeType:   mimeType,
			Prefix:     in.Prefix,
		}, &par)
		if err != nil {
			return err
		}
		result.FileID = par.FileID
		return r.do(ctx, transferOptions, fmt.Sprintf("upload %s, %d bytes", result.Name, file.Size), act.PutFile,
			activities.PutFileInput{Connection: in.Connection, File: file, PAR: par.PAR}, &uploaded)
	})
	if err != nil {
		return result, err
	}
	if err := uploadedAsVerified(result, uploaded); err != nil {
		return result, err
	}
	result.Bytes, result.SHA256, result.ETag, result.Sender = uploaded.Bytes, uploaded.SHA256, uploaded.ETag, uploaded.Sender
	if !result.Verified { // the check may know the delimiter
		result.Rows = uploaded.Rows
	}
	if par.Scan {
		var scan activities.Scan
		if err := r.do(ctx, callOptions, "scan "+result.Name, act.ScanFile,
			activities.ScanFileInput{
				Connection:  in.Connection,
				FileID:      result.FileID,
				Application: activities.Application{ServiceID: in.ServiceID},
			}, &scan); err != nil {
			return result, err
		}
		result.Scan = scan.Status
	}
	err = r.confirmListed(ctx, in.Connection, result.FileID, par.Scan)
	result.EndedAt = workflow.Now(ctx)
	return result, err
}

// confirmListed waits until the service lists the file, which proves that it is not only in the object store.
func (r *simpleRun) confirmListed(ctx workflow.Context, connection, fileID string, scanned bool) error {
	now := workflow.Now(ctx)
	err := r.do(ctx, listedOptions, "wait until the service lists file id "+fileID, act.ListFiles,
		activities.ListFilesInput{Connection: connection, FileID: fileID, Poll: activities.Poll{Since: now}}, nil)
	if deadlineHit(err) {
		return failure(StepFailed, fmt.Sprintf("file id %s was uploaded, but the service did not list it within %s: %s%s",
			fileID, listedWithin, unlistedAdvice(scanned), lastTried(err)))
	}
	return err
}

// unlistedAdvice says what to do about a file that the service does not list.
func unlistedAdvice(scanned bool) string {
	advice := "check its file screen, then upload again"
	if !scanned {
		advice += ". If your tenant lists a file only after a scan, set scan_after_upload of the connection first"
	}
	return advice
}

// lookups asks for a single file along with the connection.
func (in UploadFileInput) lookups(ctx workflow.Context) activities.Lookups {
	stableFor, err := in.stableFor()
	if in.isFolder() || stableFor > 0 || err != nil {
		return noLookups
	}
	return activities.Lookups{File: &activities.StatFileInput{
		File:    in.File,
		Marker:  in.Marker,
		MinSize: pbsm.MinFileSize,
		Poll:    activities.Poll{Since: workflow.Now(ctx)},
	}}
}

// awaitFile waits until the file is complete, as long as the input allows. minSize is that of a complete file.
func (r *simpleRun) awaitFile(ctx workflow.Context, in UploadFileInput, minSize int64) (activities.FileInfo, error) {
	if found := r.file; found != nil {
		r.file = nil // the next call must find a newer version
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
		MinSize:   minSize,
		Poll:      activities.Poll{Since: r.started},
	}
	until := r.deadline
	if in.WaitUntil.After(r.started) && r.startBy == nil {
		stat.Wait = true
		err = r.doWaiting(ctx, in.WaitUntil, "wait for "+in.File, act.StatFile, stat, &file)
		if !deadlineHit(err) {
			return file, err
		}
		stat.Last, until = true, within(ctx, lastLook)
	}
	if r.startBy != nil {
		stat.Marker, stat.StableFor = "", 0
	}
	return file, r.doUntil(ctx, until, callOptions, "find "+in.File, act.StatFile, stat, &file)
}

// doWaiting executes an activity that waits for a file. It ends as if its deadline had passed when the operator wants
// no more waiting.
func (r *simpleRun) doWaiting(ctx workflow.Context, until time.Time, summary string, activity, input, result any) error {
	r.waiting = &deadline{at: until, outer: r.deadline}
	r.stage(func(s *snapshot) { s.WaitUntil = until })
	err := r.doUntil(ctx, r.waiting, pollOptions, summary, activity, input, result)
	r.waiting = nil
	r.stage(func(s *snapshot) { s.WaitUntil = time.Time{} })
	return err
}

// startNow ends the waiting for a file, as the operator wants.
func (r *simpleRun) startNow(ctx workflow.Context, c *command) {
	status := r.status()
	if r.waiting == nil || r.startBy != nil {
		c.refuse("%s waits for no file that could be left out: %s", status.Subject, status.Summary)
		return
	}
	r.startBy = c
	r.waiting.at = workflow.Now(ctx)
	r.log(ctx, c.entry("no more waiting for "+status.Subject))
}

// answerStart answers the command that ended the waiting, once it is known whether the file can be taken as it is.
func (r *simpleRun) answerStart(err error) {
	c, status := r.startBy, r.status()
	switch {
	case c == nil || c.done:
	case err != nil:
		c.refuse("%s cannot be taken as it is, and is not waited for any longer: %s", status.Subject, reason(err))
	default:
		c.reply(CommandResult{State: status.State, Message: status.Subject + " is taken as it is now"})
	}
}
