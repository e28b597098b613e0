package workflows

import (
	"fmt"

	"go.temporal.io/sdk/workflow"

	"github.com/pbsmflow/pbsmflow/internal/audit"
	"github.com/pbsmflow/pbsmflow/internal/basis"
	"github.com/pbsmflow/pbsmflow/internal/pipeline"
)

// downloadKind runs DownloadFile.
type downloadKind struct{ ownWorkflow }

func (downloadKind) summary(s pipeline.Step) string { return s.Download.SaveTo }

func (downloadKind) work(s activeStep) any {
	d := s.planned().Step.Download
	return DownloadFileInput{
		Connection: s.closeInput().Connection,
		FileID:     d.FileID,
		Name:       d.File,
		Object:     d.Object,
		Stripe:     d.Stripe,
		Prefix:     d.Prefix,
		SaveTo:     d.SaveTo,
		Expect:     expected(d.Expect),
		Deadline:   s.ends(),
		TimeZone:   s.timeZone(),
	}
}

func (k downloadKind) run(ctx workflow.Context, s activeStep, result *StepResult) error {
	var file FileResult
	err := s.runChild(ctx, stepChild{
		workflow: DownloadFile,
		input:    k.work(s),
		result:   &file,
	})
	if err == nil {
		result.Download = &file
	}
	return err
}

func (downloadKind) identity(_ activeStep, r StepResult) string {
	return basis.FileResult(r.Download.SHA256)
}

func (downloadKind) outcome(r StepResult) string {
	return fmt.Sprintf("%s, %s", r.Download.File, r.Download.rows())
}

func (downloadKind) events(r StepResult) []audit.Event {
	if r.Download == nil {
		return nil
	}
	return []audit.Event{auditedFile(audit.FileSaved, r.Download)}
}
