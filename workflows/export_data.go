package workflows

import (
	"fmt"
	"strconv"

	"go.temporal.io/sdk/workflow"

	"github.com/pbsmflow/pbsmflow/activities"
)

// ExportData saves the files that a run of a data export wrote, as its manifest names them.
func ExportData(ctx workflow.Context, in ExportDataInput) (ExportDataResult, error) {
	if err := in.Validate(); err != nil {
		return ExportDataResult{}, endEarly(ctx, in.Connection, err)
	}
	ctx, r, err := newSimpleRun(ctx, in.initialStatus(), noLookups)
	if err != nil {
		return ExportDataResult{}, err
	}
	result, err := r.exportData(ctx, in)
	result.EndedAt = workflow.Now(ctx)
	return result, r.end(ctx, result.Summary(), err)
}

func (in ExportDataInput) initialStatus() Status {
	return Status{
		Connection: in.Connection, TimeZone: in.TimeZone, Subject: in.Code, AsOfDate: in.AsOfDate, Deadline: in.Deadline,
		State: Running, Summary: "about to be saved",
	}
}

func (r *simpleRun) exportData(ctx workflow.Context, in ExportDataInput) (ExportDataResult, error) {
	result := ExportDataResult{Connection: in.Connection, Code: in.Code, RunID: in.RunID, AsOfDate: in.AsOfDate, StartedAt: r.started}
	manifest, err := r.exportManifest(ctx, in)
	if err != nil {
		return result, err
	}
	result.AsOfDate, result.Rows = manifest.AsOfDate, manifest.Rows
	for _, f := range manifest.Files {
		file := FileResult{Connection: in.Connection, File: in.SaveTo + f.Name, Name: f.Name, StartedAt: workflow.Now(ctx)}
		err := r.transfer(ctx, in.Connection, func(cause error, unfinished activities.SealedTransfer) error {
			if cause != nil || expired(ctx, manifest) {
				if manifest, err = r.exportManifest(ctx, in); err != nil {
					return err
				}
			}
			par, ok := manifest.par(f.Name)
			if !ok {
				return failure(StepFailed, fmt.Sprintf("the manifest of %s, run %s, does not name %s any more", in.Code, in.RunID, f.Name))
			}
			return r.save(ctx, in.Connection, par, unfinished, &file)
		})
		if err != nil {
			return result, err
		}
		// No page says in which unit a size is: it never fails a file.
		if size, err := strconv.ParseInt(f.Size, 10, 64); err == nil && size != file.Bytes {
			file.Note = fmt.Sprintf("the manifest says %s, without a unit", f.Size)
		}
		result.Files = append(result.Files, file)
	}
	return result, nil
}

// exportManifest waits for the manifest. Each may have other URLs.
func (r *simpleRun) exportManifest(ctx workflow.Context, in ExportDataInput) (m manifestOf, err error) {
	return m, r.do(ctx, pollOptions, "wait for the manifest of "+in.Code+", run "+in.RunID, act.ExportManifest, activities.ExportManifestInput{
		Connection:  in.Connection,
		Code:        in.Code,
		RunID:       in.RunID,
		AsOfDate:    in.AsOfDate,
		Poll:        activities.Poll{Since: workflow.Now(ctx)},
		Application: activities.Application{ServiceID: in.ServiceID},
	}, &m)
}

type manifestOf activities.ExportManifest

func (m manifestOf) par(name string) (activities.SealedPAR, bool) {
	for _, f := range m.Files {
		if f.Name == name {
			return f.PAR, true
		}
	}
	return "", false
}

// expired reports whether the URLs of the manifest have expired, by what it says itself.
func expired(ctx workflow.Context, m manifestOf) bool {
	return !m.Expires.IsZero() && !workflow.Now(ctx).Before(m.Expires)
}
