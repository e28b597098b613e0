package workflows

import (
	"cmp"
	"fmt"
	"strings"

	"go.temporal.io/sdk/workflow"

	"github.com/pbsmflow/pbsmflow/activities"
)

const defaultStripe = "default"

// DownloadFile downloads a file to a store, by id or by name.
func DownloadFile(ctx workflow.Context, in DownloadFileInput) (FileResult, error) {
	if err := in.Validate(); err != nil {
		return FileResult{}, endEarly(ctx, in.Connection, err)
	}
	ctx, r, err := newSimpleRun(ctx, in.initialStatus(), noLookups)
	if err != nil {
		return FileResult{}, err
	}
	result, err := r.download(ctx, in)
	return result, r.end(ctx, fmt.Sprintf("saved as %s: %d bytes, %s", result.File, result.Bytes, result.rows()), err)
}

func (in DownloadFileInput) initialStatus() Status {
	return Status{Connection: in.Connection, TimeZone: in.TimeZone, Subject: in.Name + in.FileID + in.Object, Deadline: in.Deadline, State: Running, Summary: "about to be downloaded"}
}

func (r *simpleRun) download(ctx workflow.Context, in DownloadFileInput) (FileResult, error) {
	result := FileResult{Connection: in.Connection, File: in.SaveTo, Name: cmp.Or(in.Name, in.Object), FileID: in.FileID, StartedAt: r.started}
	err := r.transfer(ctx, in.Connection, func(_ error, unfinished activities.SealedTransfer) error {
		par, err := r.downloadPAR(ctx, in)
		if err != nil {
			return err
		}
		return r.save(ctx, in.Connection, par, unfinished, &result)
	})
	if err == nil {
		err = r.verify(ctx, in.Expect, &result)
	}
	return result, err
}

func (r *simpleRun) downloadPAR(ctx workflow.Context, in DownloadFileInput) (par activities.SealedPAR, err error) {
	if in.FileID != "" {
		return par, r.do(ctx, callOptions, "get a URL to download file id "+in.FileID, act.CreateDownloadPARByID,
			activities.CreateDownloadPARByIDInput{Connection: in.Connection, FileID: in.FileID}, &par)
	}
	if in.Object != "" {
		name := strings.ReplaceAll(workflow.GetInfo(ctx).WorkflowExecution.ID, "/", "_")
		return par, r.do(ctx, callOptions, "get a URL to download "+in.Object, act.PublishedReportPAR,
			activities.PublishedReportPARInput{Connection: in.Connection, Object: in.Object, Name: name}, &par)
	}
	stripe := in.Stripe
	if stripe == "" {
		stripe = defaultStripe
	}
	return par, r.do(ctx, callOptions, "get a URL to download "+in.Name, act.CreateDownloadPARByName,
		activities.CreateDownloadPARByNameInput{Connection: in.Connection, Name: in.Name, Stripe: stripe, Prefix: in.Prefix}, &par)
}

// save downloads from a pre-authenticated URL to result.File. It resumes an unfinished download whose URL
// expired.
func (r *simpleRun) save(
	ctx workflow.Context, connection string, par activities.SealedPAR, unfinished activities.SealedTransfer, result *FileResult,
) error {
	var saved activities.TransferResult
	err := r.do(ctx, transferOptions, "save "+result.File, act.GetFile,
		activities.GetFileInput{Connection: connection, PAR: par, SaveTo: result.File, Unfinished: unfinished}, &saved)
	if saved.StartOver != "" {
		result.Note = "downloaded again from the start: " + saved.StartOver
	}
	result.Bytes, result.Rows, result.SHA256, result.ETag = saved.Bytes, saved.Rows, saved.SHA256, saved.ETag
	result.EndedAt, result.Sender = workflow.Now(ctx), saved.Sender
	if unfinished == "" && cancelledBetweenAttempts(err) {
		r.dropTransfer(ctx, activities.DropTransferInput{Connection: connection, SaveTo: result.File})
	}
	return err
}
