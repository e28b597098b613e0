package workflows

import (
	"slices"
	"time"

	"github.com/pbsmflow/pbsmflow/activities"
	"github.com/pbsmflow/pbsmflow/internal/basis"
	"github.com/pbsmflow/pbsmflow/internal/clock"
)

// State is the state of a workflow or a step.
type State string

// States. In Waiting, the operator has a question to answer: Question in the status.
const (
	Pending      State = "pending"
	Running      State = "running"
	Interrupting State = "interrupting"
	Waiting      State = "waiting"
	Succeeded    State = "succeeded"
	Failed       State = "failed"
	Interrupted  State = "interrupted"
	Cancelled    State = "cancelled"
	Skipped      State = "skipped"
	NotRun       State = "not_run"
	// NotTonight is the state of a step that does not run for the as-of date.
	NotTonight State = "not_tonight"
	// MarkedDone is the end of a step that was done outside, as an operator says.
	MarkedDone State = "marked_done"
	// SucceededWithExceptions is the end of a close of which a step was skipped, or marked as done, or a batch succeeded
	// although the service lists a task of it as failed.
	SucceededWithExceptions State = "succeeded_with_exceptions"
)

// StatusQuery is the query that every workflow of this package answers with a Status.
const StatusQuery = "status"

// ResultQuery is the query that a close and a batch answer with their result so far.
const ResultQuery = activities.ResultQuery

// InputQuery is the query that a close answers with its NightlyCloseInput.
const InputQuery = "input"

// Status is the status of a workflow.
type Status struct {
	// Type is the workflow type.
	Type       string `json:"type"`
	Connection string `json:"connection"`
	AsOfDate   string `json:"as_of_date,omitempty"`
	// TimeZone is the IANA zone in which operators read the times of the workflow: the pipeline's; empty is UTC.
	TimeZone string `json:"time_zone,omitempty"`
	// Subject is what the workflow is about: a pipeline, a batch code, a report code, a file.
	// A close with a key has it behind the pipeline: nightly-close/scenario-7.
	Subject string `json:"subject"`
	// Params are the pipeline's parameters, those with their default included.
	Params map[string]string `json:"params,omitempty"`
	State  State             `json:"state"`
	// Summary is one line for the operator.
	Summary   string `json:"summary"`
	StartedBy string `json:"started_by,omitempty"`
	// StartedByProved is whether the name is proved; it is left out where the worker has no keys to prove a name with.
	StartedByProved *bool     `json:"started_by_proved,omitempty"`
	StartedAt       time.Time `json:"started_at"`
	ChangedAt       time.Time `json:"changed_at"`
	// Deadline is when the work ends as failed. Zero: never. The command extend moves it.
	Deadline time.Time `json:"deadline,omitzero"`
	// WaitUntil is until when a file is awaited that is not there yet, or not complete.
	WaitUntil time.Time `json:"wait_until,omitzero"`
	// AtRisk is set while the work is unfinished and its deadline will probably be missed, or has passed.
	AtRisk string `json:"at_risk,omitempty"`
	// Question is set while the workflow waits for the operator; of a close, it is that of the first step
	// that waits.
	Question *Question `json:"question,omitempty"`
	// RunID, StatusCode, Tasks and Batches are those of a batch's run.
	RunID      string      `json:"run_id,omitempty"`
	StatusCode string      `json:"status_code,omitempty"`
	Tasks      []Task      `json:"tasks,omitempty"`
	Batches    []MemberRun `json:"batches,omitempty"`
	// Basis is what a batch submits, and the results that it is based on.
	Basis basis.Basis `json:"basis,omitzero"`
	// Steps are those of a close, in the order of the pipeline.
	Steps []StepStatus `json:"steps,omitempty"`
	Log   []LogEntry   `json:"log,omitempty"`
	// Audit is the audit file of a close that has ended.
	Audit *AuditResult `json:"audit,omitempty"`
}

// StepStatus is the status of a step of a close.
type StepStatus struct {
	ID string `json:"id"`
	// Of is the id in the pipeline, of a step that is one of several there.
	Of string `json:"of,omitempty"`
	// Description is what the pipeline says that the step is for.
	Description string   `json:"description,omitempty"`
	Kind        string   `json:"kind"`
	Needs       []string `json:"needs,omitempty"`
	State       State    `json:"state"`
	// WorkflowID is the step's own workflow, which answers the same query with more detail.
	WorkflowID string `json:"workflow_id,omitempty"`
	Detail     string `json:"detail,omitempty"`
	// Result identifies what the step came to, and BasedOn names the results that it was based on.
	Result  string `json:"result,omitempty"`
	BasedOn string `json:"based_on,omitempty"`
	// Deadline and WaitUntil are those of the step, of one without a deadline of its own that of the close.
	Deadline  time.Time `json:"deadline,omitzero"`
	WaitUntil time.Time `json:"wait_until,omitzero"`
	// KeptFrom is when the step ended, if that was in an earlier start of the close.
	KeptFrom time.Time `json:"kept_from,omitzero"`
	// Decided says that an operator skipped the step, or marked it as done: a later start of the close does not run it.
	Decided bool `json:"decided,omitempty"`
	// Question is set while this step waits for the operator.
	Question *Question `json:"question,omitempty"`
	// Commands are those that apply to the step now, as the choices of a question.
	Commands  []string  `json:"commands,omitempty"`
	StartedAt time.Time `json:"started_at,omitzero"`
	EndedAt   time.Time `json:"ended_at,omitzero"`
}

// Name is the step's id, and what it is for in brackets.
func (s StepStatus) Name() string {
	if s.Description == "" {
		return s.ID
	}
	return s.ID + " (" + s.Description + ")"
}

// isNamed reports whether a name stands for the step: its id, or that of all with which it comes from one step.
func (s StepStatus) isNamed(name string) bool { return name == s.ID || name == s.Of && name != "" }

// Question is what the operator is asked, and until when.
type Question struct {
	// Why is what happened.
	Why string `json:"why"`
	// Choices are the signals (and updates) that apply, for example "restart" or "decide adopt".
	Choices []string `json:"choices"`
	// Since is when the operator was first asked.
	Since time.Time `json:"since,omitzero"`
	// First is the Since of the first question where several approvals are needed, and some are given. Zero: this is it.
	First time.Time `json:"first,omitzero"`
	// Deadline is when the workflow stops waiting. Zero: it does not.
	Deadline time.Time `json:"deadline,omitzero"`
}

// Asked is the time that the field of the same name in a Command has for an answer to the question.
func (q Question) Asked() time.Time {
	if q.First.IsZero() {
		return q.Since
	}
	return q.First
}

// times writes times as the operators of the workflow read them.
func (s Status) times() clock.Clock { return clock.In(s.TimeZone) }

// AwaitsApproval reports whether every open question is for an approval.
func (s Status) AwaitsApproval() bool {
	questions := s.questions()
	for _, q := range questions {
		if !slices.Contains(q.Choices, ApproveCommand) {
			return false
		}
	}
	return len(questions) > 0
}

// phrase is the state in a sentence, behind what has it.
func (s State) phrase() string {
	switch s {
	case Pending:
		return "has not begun"
	case Interrupting:
		return "is being interrupted"
	case Waiting:
		return "waits for an operator"
	case Succeeded, Failed:
		return "has " + string(s)
	case SucceededWithExceptions:
		return "has succeeded with exceptions"
	case Interrupted, Cancelled, Skipped:
		return "was " + string(s)
	case NotRun:
		return "was not run"
	case NotTonight:
		return "does not run tonight"
	case MarkedDone:
		return "was marked as done"
	}
	return "is " + string(s)
}

// Done reports whether the state is an end.
func (s State) Done() bool {
	switch s {
	case Succeeded, SucceededWithExceptions, Failed, Interrupted, Cancelled, Skipped, MarkedDone, NotRun, NotTonight:
		return true
	}
	return false
}

// Success reports whether the state is the end of a close that succeeded, with or without exceptions.
func (s State) Success() bool { return s == Succeeded || s == SucceededWithExceptions }
