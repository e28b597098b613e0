package activities

import (
	"context"
	"fmt"
	"time"

	"go.temporal.io/sdk/temporal"

	"github.com/pbsmflow/pbsmflow/internal/pbsm"
)

// ExportManifestInput names one run of a data export. Source: 26B, chapter 7.
type ExportManifestInput struct {
	Connection string `json:"connection"`
	Code       string `json:"code"`
	RunID      string `json:"run_id"`
	// AsOfDate is the date that the manifest must have, yyyy-mm-dd; empty: any.
	AsOfDate string `json:"as_of_date,omitempty"`
	Poll
	Application
}

// ExportManifest is what a data export wrote.
type ExportManifest struct {
	RunID    string         `json:"run_id"`
	TaskID   string         `json:"task_id,omitempty"`
	AsOfDate string         `json:"as_of_date"`
	Rows     string         `json:"rows,omitempty"`
	Files    []ExportedFile `json:"files"`
	// Expires is when the files' URLs expire. Zero: the service does not say.
	Expires time.Time `json:"expires,omitzero"`
}

// ExportedFile is a file of a data export.
type ExportedFile struct {
	Name string    `json:"name"`
	Size string    `json:"size,omitempty"` // as the service writes it, without a unit
	PAR  SealedPAR `json:"par"`
}

// ExportManifest returns the manifest once the export has succeeded. Whether it is there right after the end of the run,
// no page says, so it waits for it. One of another run or date is Refused.
func (a *Activities) ExportManifest(ctx context.Context, in ExportManifestInput) (ExportManifest, error) {
	conn, err := a.connection(in.Connection)
	if err != nil {
		return ExportManifest{}, err
	}
	m, err := conn.serviceFor(in.Application).ExportManifest(ctx, pbsm.ManifestRequest{
		Code: in.Code, RunID: in.RunID, AsOfDate: in.AsOfDate,
	})
	switch {
	case err != nil:
		return ExportManifest{}, a.classifyRequested(ctx, in.Since, "the manifest of run "+in.RunID, err)
	case m.Failed:
		message := fmt.Sprintf("data export %s, run %s: the service says %s", in.Code, in.RunID, m.Status)
		return ExportManifest{}, temporal.NewNonRetryableApplicationError(message, Refused, nil, Refusal{Call: "export manifest", Text: m.Status})
	case !m.Ready:
		return ExportManifest{}, a.stillWaiting(ctx, in.Since, "data export %s, run %s: %s, %d files", in.Code, in.RunID, m.Status, len(m.Files))
	}
	manifest := ExportManifest{RunID: m.RunID, TaskID: m.TaskID, AsOfDate: m.AsOfDate, Rows: m.Rows, Expires: m.Expires}
	for _, f := range m.Files {
		manifest.Files = append(manifest.Files, ExportedFile{Name: f.Name, Size: f.Size, PAR: conn.seal(f.PAR)})
	}
	return manifest, nil
}

// PublishedReportPARInput names what BI Publisher delivered. Source: 25D, 3.1.
type PublishedReportPARInput struct {
	Connection string `json:"connection"`
	// Object is the object that the report was delivered to, such as BIP/BIP_Report.
	Object string `json:"object"`
	// Name is one that no other call has.
	Name string `json:"name"`
	Application
}

// PublishedReportPAR asks for a URL to download what BI Publisher delivered.
func (a *Activities) PublishedReportPAR(ctx context.Context, in PublishedReportPARInput) (SealedPAR, error) {
	conn, err := a.connection(in.Connection)
	if err != nil {
		return "", err
	}
	name := fmt.Sprintf("%s_%d", in.Name, time.Now().UnixNano()) // an attempt whose answer was lost has used its name
	par, err := conn.serviceFor(in.Application).PublishedReportPAR(ctx, name, in.Object)
	if err != nil {
		return "", classifyCall(ctx, err)
	}
	return conn.seal(par), nil
}
