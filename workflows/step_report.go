package workflows

import (
	"fmt"

	"go.temporal.io/sdk/workflow"

	"github.com/pbsmflow/pbsmflow/internal/audit"
	"github.com/pbsmflow/pbsmflow/internal/basis"
	"github.com/pbsmflow/pbsmflow/internal/pipeline"
)

// reportKind runs GenerateReport.
type reportKind struct{ ownWorkflow }

func (reportKind) summary(s pipeline.Step) string { return s.Report.Code + " to " + s.Report.SaveTo }

func (reportKind) work(s activeStep) any {
	r := s.planned().Step.Report
	return GenerateReportInput{
		Connection:        s.closeInput().Connection,
		Code:              r.Code,
		Type:              r.Type,
		DefinitionType:    r.DefType,
		Filter:            r.Filter,
		PlaceholderFilter: r.PlaceholderFilter,
		SaveTo:            r.SaveTo,
		Expect:            expected(r.Expect),
		ServiceID:         r.ServiceID,
		AppID:             r.AppID,
		Deadline:          s.ends(),
		TimeZone:          s.timeZone(),
	}
}

func (k reportKind) run(ctx workflow.Context, s activeStep, result *StepResult) error {
	var report GenerateReportResult
	err := s.runChild(ctx, stepChild{
		workflow: GenerateReport,
		input:    k.work(s),
		result:   &report,
	})
	if err == nil {
		result.Report = &report
	}
	return err
}

func (reportKind) identity(_ activeStep, r StepResult) string {
	return basis.FileResult(r.Report.File.SHA256)
}

func (reportKind) outcome(r StepResult) string {
	return fmt.Sprintf("%s, %s", r.Report.File.File, r.Report.File.rows())
}

func (reportKind) events(r StepResult) []audit.Event {
	if r.Report == nil {
		return nil
	}
	e := auditedFile(audit.ReportSaved, &r.Report.File)
	e.What, e.InstanceID = r.Report.Code, r.Report.InstanceID
	return []audit.Event{e}
}
