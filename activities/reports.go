package activities

import (
	"context"

	"github.com/pbsmflow/pbsmflow/internal/pbsm"
)

// GenerateReportInput is a report to generate. Source: chapter 8.
type GenerateReportInput struct {
	Connection        string `json:"connection"`
	Code              string `json:"code"`
	Type              string `json:"type"`
	DefinitionType    string `json:"definition_type,omitempty"`
	Filter            string `json:"filter,omitempty"`
	PlaceholderFilter string `json:"placeholder_filter,omitempty"`
}

// ReportStatusInput asks for a report's status once it differs from Poll.Known or is an end. Source: chapter 9.
type ReportStatusInput struct {
	Connection string `json:"connection"`
	Code       string `json:"code"`
	InstanceID string `json:"instance_id"`
	Poll
}

// Report is where the generation of a report stands.
type Report struct {
	InstanceID string `json:"instance_id"`
	// Status is the service's word.
	Status string `json:"status"`
	Done   bool   `json:"done"`
	Failed bool   `json:"failed,omitempty"`
	// Link is the sealed pre-authenticated URL of the finished report.
	Link SealedPAR `json:"link,omitempty"`
}

// GenerateReport asks for a report. Repeating it makes another instance, which does no harm.
func (a *Activities) GenerateReport(ctx context.Context, in GenerateReportInput) (Report, error) {
	conn, err := a.connection(in.Connection)
	if err != nil {
		return Report{}, err
	}
	instance, err := conn.service.GenerateReport(ctx, pbsm.ReportRequest{
		ReportCode: in.Code, ReportType: in.Type, ReportDefType: in.DefinitionType,
		FilterCriteria: in.Filter, PlaceholderFilter: in.PlaceholderFilter,
	})
	if err != nil {
		return Report{}, classifyCall(ctx, err)
	}
	return conn.newReport(instance), nil
}

// ReportStatus answers when the report is over, or its status differs from what the workflow knows.
func (a *Activities) ReportStatus(ctx context.Context, in ReportStatusInput) (Report, error) {
	conn, err := a.connection(in.Connection)
	if err != nil {
		return Report{}, err
	}
	instance, err := conn.service.ReportStatus(ctx, pbsm.ReportStatusRequest{ReportCode: in.Code, InstanceID: in.InstanceID})
	if err != nil {
		return Report{}, a.classifyPoll(ctx, in.Since, err)
	}
	report := conn.newReport(instance)
	// An end is an end even when it is known: a short report may have been over in the answer to its request.
	if !report.Done && !report.Failed && report.Status == in.Known {
		return Report{}, a.stillWaiting(ctx, in.Since, "report %s, instance %s: %s", in.Code, in.InstanceID, instance.Status)
	}
	return report, nil
}

func (c *connection) newReport(r pbsm.ReportInstance) Report {
	report := Report{
		InstanceID: r.ID,
		Status:     r.Status,
		Done:       r.State == pbsm.ReportCompleted,
		Failed:     r.State == pbsm.ReportFailed,
	}
	if report.Done {
		report.Link = c.seal(r.Download)
	}
	return report
}
