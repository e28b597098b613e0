package activities

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"time"

	"go.temporal.io/sdk/activity"
	"go.temporal.io/sdk/temporal"

	"github.com/pbsmflow/pbsmflow/internal/pbsm"
	"github.com/pbsmflow/pbsmflow/internal/transfer"
)

// SealedPAR is a pre-authenticated URL that only workers with the same connection can open.
type SealedPAR string

// CreateUploadPARInput announces a file to upload. Source: chapter 3.
type CreateUploadPARInput struct {
	Connection string `json:"connection"`
	Name       string `json:"name"`
	// Size is in bytes.
	Size     int64  `json:"size"`
	MimeType string `json:"mime_type"`
	Prefix   string `json:"prefix,omitempty"`
}

// UploadPAR is a URL to upload to, and the id that the file will have at the service.
type UploadPAR struct {
	PAR    SealedPAR `json:"par"`
	FileID string    `json:"file_id"`
	// CreateDate is the service's text; it has no time zone.
	CreateDate string `json:"create_date,omitempty"`
	// Scan says that the file is to be scanned after the upload.
	Scan bool `json:"scan,omitempty"`
}

// ListFilesInput names an uploaded file of a stripe.
type ListFilesInput struct {
	Connection string `json:"connection"`
	// Stripe is "default" when empty.
	Stripe string `json:"stripe,omitempty"`
	// FileID is the one file to return: the whole list may be too long for a history.
	FileID string `json:"file_id"`
	Poll
}

// File is an uploaded file. Only its id identifies it: the service spells names and dates in several ways.
type File struct {
	ID         string `json:"id"`
	Name       string `json:"name"`
	UploadDate string `json:"upload_date"`
	Stripe     string `json:"stripe"`
}

// CreateDownloadPARByNameInput names a file to download by its name.
type CreateDownloadPARByNameInput struct {
	Connection string `json:"connection"`
	Name       string `json:"name"`
	Stripe     string `json:"stripe"`
	Prefix     string `json:"prefix,omitempty"`
}

// CreateDownloadPARByIDInput names a file to download by its id.
type CreateDownloadPARByIDInput struct {
	Connection string `json:"connection"`
	FileID     string `json:"file_id"`
}

// CreateUploadPAR asks for a URL to upload a file to. Repeating it creates another id; the unused one stays
// empty.
func (a *Activities) CreateUploadPAR(ctx context.Context, in CreateUploadPARInput) (UploadPAR, error) {
	conn, err := a.connection(in.Connection)
	if err != nil {
		return UploadPAR{}, err
	}
	par, err := conn.service.CreateUploadPAR(ctx, pbsm.UploadRequest{
		FileName: in.Name, FileSize: in.Size, MimeType: in.MimeType, Prefix: in.Prefix,
	})
	if err != nil {
		return UploadPAR{}, classifyCall(ctx, err)
	}
	return UploadPAR{
		PAR:        conn.seal(par.PAR),
		FileID:     par.FileID,
		CreateDate: par.CreateDate,
		Scan:       conn.config.ScanAfterUpload,
	}, nil
}

// ScanFileInput names an uploaded file to scan.
type ScanFileInput struct {
	Connection string `json:"connection"`
	FileID     string `json:"file_id"`
	Application
}

// Scan is the result of a scan.
type Scan struct {
	// Status is the service's answer, or why there was no scan.
	Status string `json:"status,omitempty"`
}

const (
	// scanWithin is how long a scan may be in progress before that counts as an outage, which operators hear of.
	scanWithin = 10 * time.Minute
	emptyScan  = "scanned: the service's answer was empty"
)

// ScanFile scans an uploaded file; some releases list a file only after that. It is requested again while it is in
// progress. A scan that fails or finds something is Refused. A tenant without this call, which the API guide does not have, is no failure: the status says that the file was not scanned,
// and the list of files shows whether that matters. Repeating it does no harm.
func (a *Activities) ScanFile(ctx context.Context, in ScanFileInput) (Scan, error) {
	conn, err := a.connection(in.Connection)
	if err != nil {
		return Scan{}, err
	}
	scan, err := conn.serviceFor(in.Application).ScanFile(ctx, in.FileID)
	var missing *pbsm.Error
	if errors.As(err, &missing) && missing.NoSuchCall() {
		activity.GetLogger(ctx).Warn("a file was not scanned", "file_id", in.FileID, "error", missing)
		return Scan{Status: transfer.NotScanned(missing)}, nil
	}
	if err != nil {
		return Scan{}, classifyCall(ctx, err)
	}
	if since := activity.GetInfo(ctx).ScheduledTime; scan.InProgress && time.Since(since) < scanWithin {
		return Scan{}, a.stillWaiting(ctx, since, "the scan of file id %s has not ended: %s", in.FileID, scan.Answer)
	}
	if scan.InProgress {
		return Scan{}, temporal.NewApplicationError(fmt.Sprintf("the scan of file id %s has not ended within %s: %s; "+
			"check it at the service", in.FileID, scanWithin, scan.Answer), Unavailable)
	}
	return Scan{Status: cmp.Or(scan.Answer, emptyScan)}, nil
}

// ListFiles returns a file's entry once the service lists it.
func (a *Activities) ListFiles(ctx context.Context, in ListFilesInput) (File, error) {
	conn, err := a.connection(in.Connection)
	if err != nil {
		return File{}, err
	}
	listed, err := conn.service.ListFiles(ctx, in.Stripe)
	if err != nil {
		return File{}, a.classifyPoll(ctx, in.Since, err)
	}
	for _, f := range listed {
		if f.ID == in.FileID {
			return File{ID: f.ID, Name: f.Name, UploadDate: f.UploadDate, Stripe: f.StripeName}, nil
		}
	}
	return File{}, a.stillWaiting(ctx, in.Since,
		"file id %s is not among the %d files that the service lists", in.FileID, len(listed))
}

// CreateDownloadPARByName asks for a URL to download the latest file of a name.
func (a *Activities) CreateDownloadPARByName(ctx context.Context, in CreateDownloadPARByNameInput) (SealedPAR, error) {
	conn, err := a.connection(in.Connection)
	if err != nil {
		return "", err
	}
	par, err := conn.service.CreateDownloadPARByName(ctx, pbsm.DownloadRequest{
		FileName: in.Name, StripeName: in.Stripe, Prefix: in.Prefix,
	})
	if err != nil {
		return "", classifyCall(ctx, err)
	}
	return conn.seal(par), nil
}

// CreateDownloadPARByID asks for a URL to download a file by its id.
func (a *Activities) CreateDownloadPARByID(ctx context.Context, in CreateDownloadPARByIDInput) (SealedPAR, error) {
	conn, err := a.connection(in.Connection)
	if err != nil {
		return "", err
	}
	par, err := conn.service.CreateDownloadPARByID(ctx, in.FileID)
	if err != nil {
		return "", classifyCall(ctx, err)
	}
	return conn.seal(par), nil
}

const parPurpose = "par"

func (c *connection) seal(par pbsm.PAR) SealedPAR {
	return SealedPAR(c.sealer.Seal(par.Expose(), parPurpose))
}

func (c *connection) open(sealed SealedPAR) (string, error) {
	return c.sealer.Open(string(sealed), parPurpose)
}
