package workflows

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"

	"go.temporal.io/sdk/workflow"

	"github.com/pbsmflow/pbsmflow/internal/audit"
	"github.com/pbsmflow/pbsmflow/internal/basis"
	"github.com/pbsmflow/pbsmflow/internal/pipeline"
)

// exportDataKind runs ExportData for the run of another step.
type exportDataKind struct{ ownWorkflow }

func (exportDataKind) summary(s pipeline.Step) string {
	return s.ExportData.Code + " to " + s.ExportData.SaveTo
}

func (exportDataKind) input(s activeStep) ExportDataInput {
	e, c := s.planned().Step.ExportData, s.closeInput()
	in := ExportDataInput{
		Connection: c.Connection,
		Code:       e.Code,
		AsOfDate:   c.AsOfDate,
		SaveTo:     e.SaveTo,
		ServiceID:  e.ServiceID,
		Deadline:   s.ends(),
		TimeZone:   s.timeZone(),
	}
	if of, ok := s.resultOf(e.RunOf); ok && of.Batch != nil {
		in.RunID = of.Batch.RunID
	}
	return in
}

func (k exportDataKind) work(s activeStep) any { return k.input(s) }

func (k exportDataKind) run(ctx workflow.Context, s activeStep, result *StepResult) error {
	in := k.input(s)
	if in.RunID == "" {
		return failure(StepFailed, fmt.Sprintf("step %s has no run: it was skipped, or done outside without a run id",
			s.planned().Step.ExportData.RunOf))
	}
	var exported ExportDataResult
	err := s.runChild(ctx, stepChild{
		workflow: ExportData,
		input:    in,
		result:   &exported,
	})
	if err == nil {
		result.Export = &exported
	}
	return err
}

// identity is the digest of all files, in the order of the manifest.
func (exportDataKind) identity(_ activeStep, r StepResult) string {
	digest := sha256.New()
	for _, f := range r.Export.Files {
		digest.Write([]byte(f.Name + " " + f.SHA256 + "\n"))
	}
	return basis.FileResult(hex.EncodeToString(digest.Sum(nil)))
}

func (exportDataKind) outcome(r StepResult) string { return r.Export.Summary() }

func (exportDataKind) events(r StepResult) (events []audit.Event) {
	if r.Export == nil {
		return nil
	}
	for _, f := range r.Export.Files {
		e := auditedFile(audit.FileSaved, &f)
		e.What = r.Export.Code + ", run " + r.Export.RunID
		events = append(events, e)
	}
	return events
}
