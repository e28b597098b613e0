package workflows

import (
	"go.temporal.io/sdk/workflow"

	"github.com/pbsmflow/pbsmflow/internal/pipeline"
)

// noopKind does nothing.
type noopKind struct{ withoutWorkflow }

func (noopKind) summary(s pipeline.Step) string { return s.Noop.Message }

func (noopKind) run(workflow.Context, activeStep, *StepResult) error { return nil }

func (noopKind) work(s activeStep) any { return s.planned().Step.Noop }

func (noopKind) identity(activeStep, StepResult) string { return "" }

func (noopKind) outcome(StepResult) string { return "did nothing" }
