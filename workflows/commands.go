package workflows

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/pbsmflow/pbsmflow/internal/pipeline"
)

// A new command is a name below and a row of Commands. Its effect is in step_commands.go for a step of a close, in
// nightly_close_commands.go for the close as a whole, in run_batch.go for a batch, and in status_reporter.go for any
// workflow (a row of immediate in command_inbox.go, which delivers the others). The starter has an example of it (starter/internal/cmd/command), the console
// a button (words.go, and rank and wholeCommands in workflow.go, of starter/internal/console).

// Names of the commands. Each is a signal and an update of that name, of the workflows that the table of Commands names.
// A signal suits the Temporal UI and other workflows; an update returns when the service confirmed
// the effect, and is refused with the reason when the command does not apply.
const (
	InterruptCommand = "interrupt"
	RestartCommand   = "restart"
	RerunCommand     = "rerun"
	DecideCommand    = "decide"
	ApproveCommand   = "approve"
	HoldCommand      = "hold"
	ReleaseCommand   = "release"
	SkipCommand      = "skip"
	DoneCommand      = "done"
	AgainCommand     = "again"
	StartCommand     = "start"
	ExtendCommand    = "extend"
	CancelCommand    = "cancel"
)

// Choices of decide.
const (
	Adopt          = "adopt"
	NothingStarted = "nothing_started"
	Retry          = "retry"
	Skip           = "skip"
	GiveUp         = "give_up"
	Again          = "again"
	Keep           = "keep"
)

// Command is the input of every signal and update: who sends it, why, and for which step.
type Command struct {
	// By is the operator or system that sends it. Required.
	By string `json:"by"`
	// Why is the reason, which is kept in the result. Required.
	Why string `json:"why"`
	// Step names the step of a close, or by its id in the pipeline all that come from one with each; it may be omitted
	// when only one can be meant.
	Step string `json:"step,omitempty"`
	// Choice is the choice of a decide: one of the constants above.
	Choice string `json:"choice,omitempty"`
	// RunID goes with the choice "adopt", and with the command "done" for a batch.
	RunID string `json:"run_id,omitempty"`
	// Until goes with the command "extend": a time of day ("06:30") in the pipeline's time zone (UTC where there is no
	// pipeline), a duration from now on ("90m"), or a point in time ("2026-11-01T06:30:00-05:00").
	Until string `json:"until,omitempty"`
	// From and Only are the steps of the command "again": those that run again with everything that needs them,
	// and those that run again alone.
	From []string `json:"from,omitempty"`
	Only []string `json:"only,omitempty"`
	// Asked is that of the question which the command answers (see [Question.Asked]): the command is refused if that one is
	// not open any more. Zero: it answers whatever is asked.
	Asked time.Time `json:"asked,omitzero"`
	// PartOf is set by a close that gives up the failed run of a batch before it carries out a command, which is skip, done
	// or again: the proof is for that one.
	PartOf string `json:"part_of,omitempty"`
	// Proof is the console's signature over all of this: By is then the name of whoever logged in there. A new field is
	// therefore also one of proof.Statement.
	Proof string `json:"proof,omitempty"`

	malformed error
}

// placeholders are texts of the examples that were copied instead of filled in.
var placeholders = []string{"...", "…", "you", "who", "your name", "name", "reason", "why"}

// Validate names every problem of the command that does not depend on what it is sent to.
func (c Command) Validate() error {
	p := c.problems()
	return p.err()
}

func (c Command) problems() (p problems) {
	p.decoded(c.malformed)
	for _, text := range []struct{ path, value string }{{"by", c.By}, {"why", c.Why}} {
		if p.Require(text.path, text.value) {
			p.realText(text.path, text.value)
		}
	}
	if c.PartOf != "" {
		part := slices.Contains([]string{SkipCommand, DoneCommand, AgainCommand}, c.PartOf) && c.Choice == GiveUp
		p.Want(part, "part_of", "must be skip, done or again, with the choice give_up, and not %q", c.PartOf)
	}
	if c.Until != "" {
		_, err := c.UntilAt(time.Unix(0, 0), time.UTC)
		p.Check("until", err)
	}
	return p
}

// realText refuses a text that was only copied from an example.
func (p *problems) realText(path, text string) {
	bare := strings.ToLower(strings.Trim(text, " <>()[]\"'"))
	p.Want(!slices.Contains(placeholders, bare), path, "%q is the placeholder of an example", text)
}

// CommandResult is the answer to an update.
type CommandResult struct {
	State   State  `json:"state"`
	RunID   string `json:"run_id,omitempty"`
	Message string `json:"message"`
}

// CommandSpec describes a command.
type CommandSpec struct {
	Name string
	// Help says in a sentence what the command does; Details is what else an operator should know.
	Help, Details string
	// Nouns are the starter's nouns of the workflows that take it.
	Nouns []string
	// HasChoice marks a command that needs a Choice, and a RunID with Adopt.
	HasChoice bool
	// HasRunID marks a command that takes a RunID, and HasSteps one that takes From and Only in place of Step.
	HasRunID, HasSteps bool
	// HasUntil marks a command that needs Until.
	HasUntil bool
}

// Kinds of workflows that take a command, as the starter's nouns for them.
var (
	closeOnly     = []string{CloseKind}
	closeAndBatch = []string{CloseKind, BatchKind}
	closeAndFile  = []string{CloseKind, FileNoun}
	everyKind     = []string{CloseKind, BatchKind, FileNoun, ReportNoun, MigrateNoun, AsOfDateNoun, ExportDataNoun}
)

// TakenBy reports whether the workflows of a noun of the starter take the command.
func (c CommandSpec) TakenBy(noun string) bool { return slices.Contains(c.Nouns, noun) }

// Commands lists every command. Signals, updates, Nexus and the starter take their commands from it.
func Commands() []CommandSpec {
	return []CommandSpec{
		{
			Name:    InterruptCommand,
			Nouns:   closeAndBatch,
			Help:    "Stop the run; it can be restarted or rerun afterwards",
			Details: "The command returns when the service says that the run has stopped.",
		},
		{
			Name:  RestartCommand,
			Nouns: closeAndBatch,
			Help:  "Continue a failed or interrupted run from its failed task",
		},
		{
			Name:  RerunCommand,
			Nouns: closeAndBatch,
			Help:  "Run a failed or interrupted run again from its first task",
		},
		{
			Name:      DecideCommand,
			Nouns:     everyKind,
			Help:      "Answer a question",
			HasChoice: true,
		},
		{
			Name:    ApproveCommand,
			Help:    "Approve a step that waits for approval",
			Details: "Whoever started the close cannot approve its steps.",
			Nouns:   closeOnly,
		},
		{
			Name:  HoldCommand,
			Help:  "Hold a step that has not begun",
			Nouns: closeOnly,
		},
		{
			Name:  ReleaseCommand,
			Help:  "Let a held step begin",
			Nouns: closeOnly,
		},
		{
			Name:    SkipCommand,
			Help:    "Continue without a step: not begun, failed, or running",
			Details: "One that runs is interrupted first; a batch must have failed, or been\ninterrupted.",
			Nouns:   closeOnly,
		},
		{
			Name:     DoneCommand,
			Help:     "Take a step as done outside: not begun, failed, or running",
			Details:  "One that runs is interrupted first. A batch needs a run id that succeeded.",
			Nouns:    closeOnly,
			HasRunID: true,
		},
		{
			Name:     AgainCommand,
			Help:     "Run steps again that have ended",
			Details:  "The batches among them are submitted again.",
			Nouns:    closeOnly,
			HasSteps: true,
		},
		{
			Name:    StartCommand,
			Help:    "Do not wait for a file any longer: continue with what is there",
			Details: "It waits neither for the file's marker nor until the file is stable.",
			Nouns:   closeAndFile,
		},
		{
			Name:     ExtendCommand,
			Help:     "Move the deadline",
			Details:  "Without a step: of the close, and of the steps without one of their own.",
			Nouns:    everyKind,
			HasUntil: true,
		},
		{
			Name:    CancelCommand,
			Help:    "Cancel the workflow; its run is interrupted",
			Details: "A run that has ended is not touched.",
			Nouns:   everyKind,
		},
	}
}

// CommandNames lists the names of the commands, of whatever workflow.
func CommandNames() []string { return names(Commands(), func(c CommandSpec) string { return c.Name }) }

// Description is the help for the signal dialog of the Temporal UI, with the input to type.
func (c CommandSpec) Description() string {
	input := `{"by": "who", "why": "reason"`
	if c.HasChoice {
		input += `, "choice": "` + Retry + `"`
	}
	text := c.Help + ". "
	if c.Details != "" {
		text += c.Details + " "
	}
	if c.HasChoice {
		text += "The choices are " + strings.Join(ChoiceNames(), ", ") + ` (adopt needs run_id). `
	}
	if c.HasUntil {
		input += `, "until": "06:30"`
	}
	if c.HasRunID {
		input += `, "run_id": "of a batch"`
	}
	if c.HasSteps {
		return text + `Input: ` + input + `, "from": ["step"]} or "only" in place of "from"`
	}
	return text + `Input: ` + input + `, "step": "of a close only"}`
}

// ChoiceSpec describes a choice of decide.
type ChoiceSpec struct{ Name, Help string }

// Choices lists the choices of decide.
func Choices() []ChoiceSpec {
	return []ChoiceSpec{
		{Adopt, "it did start a run: follow the one given as run id"},
		{NothingStarted, "Monitor Batch at the service has no such run: submit again"},
		{Retry, "poll again, or do the failed step again"},
		{Skip, "continue without the failed step"},
		{Again, "submit the batch again, on what is there now"},
		{Keep, "keep the earlier result nevertheless"},
		{GiveUp, "end as failed"},
	}
}

// ChoiceNames lists the names of the choices.
func ChoiceNames() []string { return names(Choices(), func(c ChoiceSpec) string { return c.Name }) }

// needsRunID reports whether a choice of a step, or of what is no step, is sent with the id of a run.
func needsRunID(step StepStatus, choice string) bool {
	isBatch := step.Kind == string(pipeline.KindBatch) || step.Kind == string(pipeline.KindGroup)
	return choice == DecideCommand+" "+Adopt || choice == DoneCommand && isBatch
}

// CommandLine is the starter's command line for a choice of a status ("restart", "decide adopt"), from the words
// behind the name of the program on: how operators call that, the configuration of whoever shows the command says.
// step is the one of a close that the choice is for; without an id there is none.
func CommandLine(workflowType, id string, step StepStatus, choice string) string {
	t, _ := TypeByName(workflowType)
	name, argument, _ := strings.Cut(choice, " ")
	text := fmt.Sprintf("%s %s %s", t.Noun, name, id)
	if step.ID != "" {
		text += " --step " + step.ID
	}
	if argument != "" {
		text += " --choice " + argument
	}
	if needsRunID(step, choice) {
		text += " --run-id RUN_ID"
	}
	return text + ` --reason "..."`
}
