package workflows

import (
	"fmt"
	"strings"
	"time"

	"go.temporal.io/sdk/workflow"

	"github.com/pbsmflow/pbsmflow/activities"
	"github.com/pbsmflow/pbsmflow/internal/audit"
	"github.com/pbsmflow/pbsmflow/internal/basis"
	"github.com/pbsmflow/pbsmflow/internal/pipeline"
)

// uploadKind runs UploadFile.
type uploadKind struct{ ownWorkflow }

func (uploadKind) summary(s pipeline.Step) string { return s.Upload.File }

func (uploadKind) work(s activeStep) any {
	u := s.planned().Step.Upload
	return UploadFileInput{
		Connection: s.closeInput().Connection,
		File:       u.File,
		ListTo:     u.ListTo,
		Name:       u.Name,
		MimeType:   u.MimeType,
		Prefix:     u.Prefix,
		ServiceID:  u.ServiceID,
		WaitUntil:  s.planned().WaitUntil,
		StableFor:  durationText(u.StableFor),
		Marker:     u.Marker,
		Expect:     expected(u.Expect),
		Deadline:   s.ends(),
		TimeZone:   s.timeZone(),
	}
}

func (k uploadKind) run(ctx workflow.Context, s activeStep, result *StepResult) error {
	var file FileResult
	err := s.runChild(ctx, stepChild{
		workflow: UploadFile,
		input:    k.work(s),
		result:   &file,
	})
	if err == nil {
		result.Upload = &file
	}
	return err
}

// awaitLate waits for a missing file, or for the marker of a folder: late is not never.
func (k uploadKind) awaitLate(ctx workflow.Context, s activeStep, failed error) string {
	u := s.planned().Step.Upload
	in := activities.StatFileInput{
		File:      u.File,
		Marker:    u.Marker,
		StableFor: time.Duration(u.StableFor),
		Wait:      true,
		Poll:      activities.Poll{Since: workflow.Now(ctx)},
	}
	if strings.HasSuffix(u.File, "/") {
		in.File, in.Marker = u.Marker, ""
	}
	if errorType(failed) != activities.FileMissing || in.File == "" {
		return ""
	}
	err := s.call(ctx, pollOptions, "wait for "+in.File+", which is late", act.StatFile, in).Get(ctx, nil)
	if err != nil {
		return ""
	}
	return in.File + " has arrived"
}

// sourceChange reads the file, or the files of the folder, again.
func (uploadKind) sourceChange(ctx workflow.Context, s activeStep, earlier StepResult) (string, error) {
	was := earlier.Upload
	if was == nil {
		return "its result has no checksum", nil
	}
	var change string
	u := s.planned().Step.Upload
	err := s.call(ctx, transferOptions, "compare "+u.File+" with what was sent", act.SourceChange, activities.SourceChangeInput{
		File:     u.File,
		Marker:   u.Marker,
		SHA256:   was.SHA256,
		ListedIn: was.ListedIn,
	}).Get(ctx, &change)
	return change, err
}

func (uploadKind) identity(_ activeStep, r StepResult) string {
	return basis.FileResult(r.Upload.SHA256)
}

func (uploadKind) outcome(r StepResult) string {
	if r.Upload.Files > 0 {
		return fmt.Sprintf("%d files, %s, listed in %s", r.Upload.Files, r.Upload.rows(), r.Upload.ListedIn)
	}
	return fmt.Sprintf("file id %s, %s", r.Upload.FileID, r.Upload.rows())
}

func (uploadKind) events(r StepResult) []audit.Event {
	if r.Upload == nil {
		return nil
	}
	return []audit.Event{auditedFile(audit.FileSent, r.Upload)}
}
