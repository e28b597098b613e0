package console

import (
	"slices"
	"strings"

	"github.com/pbsmflow/pbsmflow/workflows"
)

// question is an open question, and the workflow that answers it.
type question struct {
	entry
	Step workflows.StepStatus // the zero value for a workflow without steps
	workflows.Question
}

// questions are those of all workflows, the most urgent first. That of a batch which its close asks is listed once.
func questions(entries []entry) (list []question) {
	asked := map[string]bool{}
	for _, e := range entries {
		for _, step := range e.Status.Steps {
			if step.Question != nil {
				asked[step.WorkflowID] = true
				list = append(list, question{e, step, *step.Question})
			}
		}
	}
	for _, e := range entries {
		if q := e.Status.Question; q != nil && len(e.Status.Steps) == 0 && !asked[e.ID] {
			list = append(list, question{e, workflows.StepStatus{}, *q})
		}
	}
	slices.SortStableFunc(list, func(a, b question) int {
		if a.Deadline.IsZero() != b.Deadline.IsZero() {
			if a.Deadline.IsZero() {
				return 1
			}
			return -1
		}
		if c := a.Deadline.Compare(b.Deadline); c != 0 {
			return c
		}
		if c := a.Since.Compare(b.Since); c != 0 {
			return c
		}
		return strings.Compare(a.ID+a.Step.ID, b.ID+b.Step.ID)
	})
	return list
}
