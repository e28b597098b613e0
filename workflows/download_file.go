package workflows

import (
	"fmt"

	"go.temporal.io/sdk/workflow"

	"github.com/pbsmflow/pbsmflow/activities"
)

const defaultStripe = "default"

// DownloadFile brings a file of the service into a store, by id or by name.
func DownloadFile(ctx workflow.Context, in DownloadFileInput) (FileResult, error) {
	if err := in.Validate(); err != nil {
		return FileResult{}, endEarly(ctx, in.Connection, err)
	}
	r, err := newSimpleRun(ctx, in.initialStatus(), in.Deadline, noLookups)
	if err != nil {
		return FileResult{}, err
	}
	result, err := r.download(ctx, in)
	return result, r.end(ctx, fmt.Sprintf("saved as %s: %d bytes, %d rows", result.File, result.Bytes, result.Rows), err)
}

func (in DownloadFileInput) initialStatus() Status {
	return Status{Connection: in.Connection, Subject: in.Name + in.FileID, State: Running, Summary: "about to be downloaded"}
}

func (r *simpleRun) download(ctx workflow.Context, in DownloadFileInput) (FileResult, error) {
	result := FileResult{Connection: in.Connection, File: in.SaveTo, Name: in.Name, FileID: in.FileID, StartedAt: r.started}
	err := r.transfer(ctx, in.Connection, func(_ error, left activities.SealedTransfer) error {
		par, err := r.downloadPAR(ctx, in)
		if err != nil {
			return err
		}
		return r.save(ctx, in.Connection, par, left, &result)
	})
	if err == nil {
		err = r.verify(ctx, in.Expect, &result)
	}
	return result, err
}

func (r *simpleRun) downloadPAR(ctx workflow.Context, in DownloadFileInput) (par activities.SealedPAR, err error) {
	if in.FileID != "" {
		return par, r.do(ctx, callOptions, "ask where file id "+in.FileID+" is", act.CreateDownloadPARByID,
			activities.CreateDownloadPARByIDInput{Connection: in.Connection, FileID: in.FileID}, &par)
	}
	stripe := in.Stripe
	if stripe == "" {
		stripe = defaultStripe
	}
	return par, r.do(ctx, callOptions, "ask where "+in.Name+" is", act.CreateDownloadPARByName,
		activities.CreateDownloadPARByNameInput{Connection: in.Connection, Name: in.Name, Stripe: stripe, Prefix: in.Prefix}, &par)
}

// save moves the bytes behind a pre-authenticated URL to result.File. It goes on with what a
// transfer left whose URL is no longer good.
func (r *simpleRun) save(ctx workflow.Context, connection string, par activities.SealedPAR, left activities.SealedTransfer, result *FileResult) error {
	var moved activities.TransferResult
	err := r.do(ctx, transferOptions, "save "+result.File, act.GetFile,
		activities.GetFileInput{Connection: connection, PAR: par, SaveTo: result.File, Resume: left}, &moved)
	if moved.StartOver != "" {
		result.Note = "received again from its start: " + moved.StartOver
	}
	result.Bytes, result.Rows, result.SHA256, result.ETag = moved.Bytes, moved.Rows, moved.SHA256, moved.ETag
	result.EndedAt = workflow.Now(ctx)
	return err
}
