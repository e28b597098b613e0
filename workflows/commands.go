package workflows

import (
	"fmt"
	"strings"
)

// Signals, and updates of the same names, of RunBatch and NightlyClose.
// A signal suits the UI and other workflows; an update answers when the service
// confirmed the effect, and is refused with the reason when it does not apply.
const (
	InterruptCommand = "interrupt"
	RerunCommand     = "rerun"
	RestartCommand   = "restart"
	DecideCommand    = "decide"
	ApproveCommand   = "approve"
)

// Command is the input of every signal and update: who asks, why, and for which step.
type Command struct {
	// By is the person or system that asks.
	By string `json:"by"`
	// Why is kept in the result.
	Why string `json:"why,omitempty"`
	// Step names the step of a close; it may be left out when only one can be meant.
	Step string `json:"step,omitempty"`
	// Choice is the word of a decide: one of the constants below.
	Choice string `json:"choice,omitempty"`
	// RunID goes with the choice "adopt".
	RunID string `json:"run_id,omitempty"`
}

// Choices of a decide.
const (
	// Adopt: the posting did start, as the run in RunID; follow that run.
	Adopt = "adopt"
	// NothingStarted: a person has seen that no run exists; post (again).
	NothingStarted = "nothing_started"
	// Retry: look again, or do the failed step again.
	Retry = "retry"
	// Skip: go on without the failed step.
	Skip = "skip"
	// GiveUp: end as failed.
	GiveUp = "give_up"
)

// CommandResult is the answer of an update.
type CommandResult struct {
	State   State  `json:"state"`
	RunID   string `json:"run_id,omitempty"`
	Message string `json:"message"`
}

// nouns are the commands of the starter that steer a workflow of a type.
var nouns = map[string]string{NightlyCloseType: "close", RunBatchType: "batch"}

// CommandLine is a choice of a status ("restart", "decide adopt") as it is typed. step is
// empty but for a close.
func CommandLine(workflowType, id, step, choice string) string {
	name, word, _ := strings.Cut(choice, " ")
	text := fmt.Sprintf("starter %s %s %s", nouns[workflowType], name, id)
	if step != "" {
		text += " --step " + step
	}
	if word != "" {
		text += " --choice " + word
	}
	if word == Adopt {
		text += " --run-id RUN_ID"
	}
	return text + ` --reason "..."`
}
