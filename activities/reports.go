package activities

import (
	"context"
	"strings"
	"time"

	"go.temporal.io/sdk/activity"

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
	// SaveTo is the "store/path" where the report will be saved.
	SaveTo string `json:"save_to,omitempty"`
	Application
}

// ReportStatusInput asks for a report's status once the report has ended. Source: chapter 9.
type ReportStatusInput struct {
	Connection string `json:"connection"`
	Code       string `json:"code"`
	InstanceID string `json:"instance_id"`
	Poll
	Application
}

// Report is the status of a report's generation.
type Report struct {
	InstanceID string `json:"instance_id"`
	// Status is the service's text, for a failed report with its reason.
	Status string `json:"status"`
	Done   bool   `json:"done"`
	Failed bool   `json:"failed,omitempty"`
	// Link is the sealed pre-authenticated URL of the finished report.
	Link SealedPAR `json:"link,omitempty"`
}

// GenerateReport asks for a report and waits until it is generated. An attempt that finds an instance
// in its heartbeat polls that one instead of asking again. When the heartbeat is lost, another
// instance is generated, which does no harm.
func (a *Activities) GenerateReport(ctx context.Context, in GenerateReportInput) (Report, error) {
	conn, err := a.connection(in.Connection)
	if err != nil {
		return Report{}, err
	}
	var earlier pollState
	if activity.HasHeartbeatDetails(ctx) && activity.GetHeartbeatDetails(ctx, &earlier) == nil && earlier.InstanceID != "" {
		return a.pollReport(ctx, conn, ReportStatusInput{
			Connection:  in.Connection,
			Code:        in.Code,
			InstanceID:  earlier.InstanceID,
			Poll:        Poll{Since: earlier.Since},
			Application: in.Application,
		})
	}
	if in.SaveTo != "" { // a report that cannot be saved is not generated
		store, _, _ := strings.Cut(in.SaveTo, "/")
		if err := unknownStore(ctx, a.stores.Known(store)); err != nil {
			return Report{}, err
		}
	}
	instance, err := conn.serviceFor(in.Application).GenerateReport(ctx, pbsm.ReportRequest{
		ReportCode: in.Code, ReportType: in.Type, ReportDefType: in.DefinitionType,
		FilterCriteria: in.Filter, PlaceholderFilter: in.PlaceholderFilter,
	})
	if err != nil {
		return Report{}, classifyCall(ctx, err)
	}
	if instance.State == pbsm.ReportFailed {
		return conn.newReport(instance), nil
	}
	// One that is complete already waits too: only the status call has the link.
	now := time.Now()
	activity.RecordHeartbeat(ctx, pollState{InstanceID: instance.ID, Since: now})
	return Report{}, a.stillWaiting(ctx, now, "report %s, instance %s: %s", in.Code, instance.ID, instance.Status)
}

// ReportStatus waits until the report has ended, and answers with a link that is as fresh as it can be.
func (a *Activities) ReportStatus(ctx context.Context, in ReportStatusInput) (Report, error) {
	conn, err := a.connection(in.Connection)
	if err != nil {
		return Report{}, err
	}
	return a.pollReport(ctx, conn, in)
}

func (a *Activities) pollReport(ctx context.Context, conn *connection, in ReportStatusInput) (Report, error) {
	instance, err := conn.serviceFor(in.Application).ReportStatus(ctx, in.Code, in.InstanceID)
	if err != nil {
		return Report{}, a.classifyRequested(ctx, in.Since, "instance "+in.InstanceID, err)
	}
	report := conn.newReport(instance)
	if !report.Done && !report.Failed {
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
	if report.Failed && r.Message != "" {
		report.Status += ": " + r.Message
	}
	if report.Done {
		report.Link = c.seal(r.Download)
	}
	return report
}
