package view

import "github.com/pbsmflow/pbsmflow/workflows"

// Outlook is what becomes of a step of a close when the chosen ones run again, or only those.
func Outlook(step workflows.StepStatus, chosen, only bool) string {
	what := ""
	if step.Result != "" {
		what = ": " + step.Result
	}
	switch passed := step.State == workflows.Succeeded || step.State == workflows.Skipped ||
		step.State == workflows.MarkedDone; {
	case step.State == workflows.NotTonight:
		return "does not run for this date"
	case chosen && step.State == workflows.Pending:
		return "runs: it has not begun"
	case chosen && passed:
		return "runs again, it was " + step.Detail
	case chosen:
		return "runs again"
	case !step.State.Done():
		return "continues"
	case step.Decided && !step.KeptFrom.IsZero():
		return step.Detail
	case step.Decided:
		return "kept: " + step.Detail
	case passed && (only || step.State == workflows.Succeeded):
		return "kept" + what
	case only:
		return "not run: it has not succeeded, and only other steps run again"
	}
	return "runs: it has not succeeded"
}
