package workflows

import (
	"fmt"
	"strings"

	"github.com/pbsmflow/pbsmflow/activities"
	"github.com/pbsmflow/pbsmflow/internal/pbsm"
)

func tasksOf(s activities.BatchStatus) []Task {
	var tasks []Task
	for _, t := range s.Tasks {
		tasks = append(tasks, Task{Code: t.Code, StatusCode: t.StatusCode, Status: t.Text})
	}
	return tasks
}

func membersOf(s activities.BatchStatus) []MemberRun {
	var members []MemberRun
	for _, m := range s.Batches {
		members = append(members, MemberRun{RunID: m.RunID, StatusCode: m.Code, Status: m.Text, Tasks: tasksOf(m)})
	}
	return members
}

// held tells that the service waits for somebody to release the run, a task or a member of it.
func held(s activities.BatchStatus) bool {
	if pbsm.StatusCode(s.Code).Terminal() {
		return false
	}
	if pbsm.StatusCode(s.Code) == pbsm.CodeHeld {
		return true
	}
	for _, t := range s.Tasks {
		if pbsm.StatusCode(t.StatusCode) == pbsm.CodeHeld {
			return true
		}
	}
	for _, m := range s.Batches {
		if held(m) {
			return true
		}
	}
	return false
}

func progressText(s activities.BatchStatus) string {
	return strings.ToLower(s.State()) + countText(s)
}

// countText says how much of a run is done, behind what it is.
func countText(s activities.BatchStatus) string {
	over, all := s.Progress()
	switch {
	case all == 0:
		return ""
	case len(s.Batches) > 0:
		return fmt.Sprintf(", %d of %d batches done", over, all)
	}
	return fmt.Sprintf(", %d of %d tasks done", over, all)
}

// failedTasks names what a person looks at first.
func failedTasks(s activities.BatchStatus) string {
	var failed []string
	for _, t := range s.Tasks {
		if code := pbsm.StatusCode(t.StatusCode); code.Terminal() && code != pbsm.CodeSuccess {
			failed = append(failed, t.Code)
		}
	}
	for _, m := range s.Batches {
		if code := pbsm.StatusCode(m.Code); code.Terminal() && code != pbsm.CodeSuccess {
			failed = append(failed, m.RunID)
		}
	}
	if len(failed) == 0 {
		return ""
	}
	return " at " + strings.Join(failed, ", ")
}
