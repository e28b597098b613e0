package workflows

import (
	"cmp"
	"fmt"

	"go.temporal.io/sdk/workflow"

	"github.com/pbsmflow/pbsmflow/activities"
)

const defaultReportType = "CSV"

// GenerateReport has the service generate a report, waits for it, and downloads it to a store.
func GenerateReport(ctx workflow.Context, in GenerateReportInput) (GenerateReportResult, error) {
	if err := in.Validate(); err != nil {
		return GenerateReportResult{}, endEarly(ctx, in.Connection, err)
	}
	ctx, r, err := newSimpleRun(ctx, in.initialStatus(), noLookups)
	if err != nil {
		return GenerateReportResult{}, err
	}
	result, err := r.report(ctx, in)
	return result, r.end(ctx, fmt.Sprintf("saved as %s: %d bytes, %s", in.SaveTo, result.File.Bytes, result.File.rows()), err)
}

func (in GenerateReportInput) initialStatus() Status {
	return Status{Connection: in.Connection, TimeZone: in.TimeZone, Subject: in.Code, Deadline: in.Deadline, State: Running, Summary: "about to be generated"}
}

func (r *simpleRun) report(ctx workflow.Context, in GenerateReportInput) (GenerateReportResult, error) {
	result := GenerateReportResult{Code: in.Code, File: FileResult{Connection: in.Connection, File: in.SaveTo, StartedAt: r.started}}
	var report activities.Report
	err := r.do(ctx, pollOptions, "generate "+in.Code, act.GenerateReport, activities.GenerateReportInput{
		Connection:        in.Connection,
		Code:              in.Code,
		Type:              cmp.Or(in.Type, defaultReportType),
		DefinitionType:    in.DefinitionType,
		Filter:            in.Filter,
		PlaceholderFilter: in.PlaceholderFilter,
		SaveTo:            in.SaveTo,
		Application:       in.application(),
	}, &report)
	if err != nil {
		return result, err
	}
	result.InstanceID = report.InstanceID
	err = r.transfer(ctx, in.Connection, func(cause error, unfinished activities.SealedTransfer) error {
		if cause != nil { // the link has expired
			if report, err = r.reportStatus(ctx, in, report.InstanceID); err != nil {
				return err
			}
		}
		if report.Failed {
			return failure(StepFailed, fmt.Sprintf("report %s, instance %s: the service says %s; check the report's log on its screens, then start it again",
				in.Code, report.InstanceID, report.Status))
		}
		return r.save(ctx, in.Connection, report.Link, unfinished, &result.File)
	})
	if err == nil {
		err = r.verify(ctx, in.Expect, &result.File)
	}
	return result, err
}

func (in GenerateReportInput) application() activities.Application {
	return activities.Application{ServiceID: in.ServiceID, AppID: in.AppID}
}

// reportStatus polls the report again, which returns a fresh link.
func (r *simpleRun) reportStatus(ctx workflow.Context, in GenerateReportInput, instanceID string) (report activities.Report, err error) {
	return report, r.do(ctx, pollOptions, "get a new link to report "+in.Code+", instance "+instanceID, act.ReportStatus, activities.ReportStatusInput{
		Connection:  in.Connection,
		Code:        in.Code,
		InstanceID:  instanceID,
		Poll:        activities.Poll{Since: workflow.Now(ctx)},
		Application: in.application(),
	}, &report)
}
