package view

import (
	"strings"
	"time"

	"github.com/pbsmflow/pbsmflow/internal/clock"
	"github.com/pbsmflow/pbsmflow/workflows"
)

// CloseDocument is what --output json prints of a close, while it runs and when it is over. Keys without a value are
// left out: a close that is over has no question, one that runs has not ended.
type CloseDocument struct {
	WorkflowID string `json:"workflow_id"`
	Type       string `json:"type"`
	Connection string `json:"connection"`
	Pipeline   string `json:"pipeline"`
	// Key tells the close from others for the same date, and Params are the pipeline's parameters.
	Key      string            `json:"key,omitempty"`
	AsOfDate string            `json:"as_of_date"`
	Params   map[string]string `json:"params,omitempty"`
	// TimeZone is the IANA zone in which operators read the times; empty is UTC.
	TimeZone  string          `json:"time_zone,omitempty"`
	State     workflows.State `json:"state"`
	Summary   string          `json:"summary"`
	StartedBy string          `json:"started_by,omitempty"`
	// StartedByProved is whether that name is proved; it is left out where the workers have no keys to prove a name with.
	StartedByProved *bool `json:"started_by_proved,omitempty"`

	StartedAt time.Time `json:"started_at"`
	ChangedAt time.Time `json:"changed_at"`
	EndedAt   time.Time `json:"ended_at,omitzero"`
	Deadline  time.Time `json:"deadline,omitzero"`
	AtRisk    string    `json:"at_risk,omitempty"`
	// Question is that of the first step that waits; Questions are all, with the commands that answer them.
	Question  *workflows.Question    `json:"question,omitempty"`
	Questions []Question             `json:"questions,omitempty"`
	Notes     []string               `json:"notes,omitempty"`
	Steps     []CloseStep            `json:"steps"`
	Log       []workflows.LogEntry   `json:"log,omitempty"`
	Audit     *workflows.AuditResult `json:"audit,omitempty"`
}

// CloseStep is a step of a close: how it stands, and what came of it.
type CloseStep struct {
	workflows.StepStatus
	workflows.StepOutcome
}

// RunningClose is the document of a close that runs. soFar is its result so far, empty if it is not known.
func RunningClose(latest Snapshot, soFar workflows.NightlyCloseResult) CloseDocument {
	status := latest.Status
	pipeline, key, _ := strings.Cut(status.Subject, "/")
	d := CloseDocument{
		WorkflowID: latest.ID,
		Type:       status.Type,
		Connection: status.Connection,
		Pipeline:   pipeline,
		Key:        key,
		AsOfDate:   status.AsOfDate,
		Params:     status.Params,
		TimeZone:   status.TimeZone,
		State:      status.State,
		Summary:    status.Summary,
		StartedBy:  status.StartedBy,
		StartedAt:  status.StartedAt,
		ChangedAt:  status.ChangedAt,
		Deadline:   status.Deadline,
		AtRisk:     status.AtRisk,
		Question:   status.Question,
		Questions:  Questions(latest),
		Notes:      latest.Notes,
		Log:        status.Log,
		Audit:      status.Audit,

		StartedByProved: status.StartedByProved,
	}
	outcomes := map[string]workflows.StepOutcome{}
	for _, step := range soFar.Steps {
		outcomes[step.ID] = step.StepOutcome
	}
	for _, step := range status.Steps {
		d.Steps = append(d.Steps, CloseStep{step, outcomes[step.ID]})
	}
	return d
}

// EndedClose is the document of a close that is over.
func EndedClose(r *workflows.NightlyCloseResult) CloseDocument {
	times := clock.In(r.TimeZone)
	d := CloseDocument{
		WorkflowID: workflows.KeyedCloseWorkflowID(r.Connection, r.Pipeline, r.AsOfDate, r.Key),
		Type:       workflows.NightlyCloseType,
		Connection: r.Connection,
		Pipeline:   r.Pipeline,
		Key:        r.Key,
		AsOfDate:   r.AsOfDate,
		Params:     r.Params,
		TimeZone:   r.TimeZone,
		State:      r.State,
		Summary:    r.Summary,
		StartedBy:  r.StartedBy,
		StartedAt:  r.StartedAt,
		ChangedAt:  r.EndedAt,
		EndedAt:    r.EndedAt,
		Log:        r.Log,
		Audit:      r.Audit,

		StartedByProved: r.StartedByProved,
	}
	for _, step := range r.Steps {
		d.Steps = append(d.Steps, CloseStep{
			StepStatus: workflows.StepStatus{
				ID:         step.ID,
				Kind:       step.Kind,
				State:      step.State,
				WorkflowID: step.WorkflowID,
				Detail:     stepOutcome(step, times),
				Result:     step.Result,
				BasedOn:    step.Basis.String(),
				KeptFrom:   step.KeptFrom,
				StartedAt:  step.StartedAt,
				EndedAt:    step.EndedAt,
			},
			StepOutcome: step.StepOutcome,
		})
	}
	return d
}

// Document is what --output json prints of a result.
func Document(result any) any {
	if r, ok := result.(*workflows.NightlyCloseResult); ok {
		return EndedClose(r)
	}
	return result
}
