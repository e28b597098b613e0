package workflows

import (
	"strings"

	"go.temporal.io/sdk/workflow"

	"github.com/pbsmflow/pbsmflow/internal/audit"
	"github.com/pbsmflow/pbsmflow/internal/pipeline"
)

// deleteKind runs DeleteFiles for what earlier closes sent.
type deleteKind struct{ ownWorkflow }

func (deleteKind) summary(s pipeline.Step) string { return "files older than " + s.Delete.OlderThan }

func (deleteKind) work(s activeStep) any {
	d, c := s.planned().Step.Delete, s.closeInput()
	in := DeleteFilesInput{
		Connection: c.Connection,
		AsOfDate:   c.AsOfDate,
		Audit:      d.Record,
		Deadline:   s.ends(),
		TimeZone:   s.timeZone(),
	}
	// Both were checked when the plan was made; an empty date is refused by the workflow.
	if asOf, err := pipeline.ParseDate(c.AsOfDate); err == nil {
		if until, err := d.Until(asOf); err == nil {
			in.SentUntil = until.String()
		}
	}
	return in
}

func (k deleteKind) run(ctx workflow.Context, s activeStep, result *StepResult) error {
	var deleted DeleteFilesResult
	err := s.runChild(ctx, stepChild{
		workflow: DeleteFiles,
		input:    k.work(s),
		result:   &deleted,
	})
	if err == nil {
		result.Deleted = &deleted
	}
	return err
}

func (deleteKind) identity(s activeStep, r StepResult) string {
	return "deleted on " + s.times().Exact(r.Deleted.EndedAt)
}

func (deleteKind) outcome(r StepResult) string { return r.Deleted.Summary() }

func (deleteKind) events(r StepResult) []audit.Event {
	d := r.Deleted
	if d == nil {
		return nil
	}
	return []audit.Event{{At: d.EndedAt, Event: audit.FilesDeleted, What: "file ids " + strings.Join(d.FileIDs, ", "), Status: d.Summary()}}
}
