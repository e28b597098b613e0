package view

import (
	"time"

	"github.com/pbsmflow/pbsmflow/internal/clock"
	"github.com/pbsmflow/pbsmflow/workflows"
)

// Close is one in the list of closes.
type Close struct {
	ID        string     `json:"workflow_id"`
	State     string     `json:"state"`
	StartedAt time.Time  `json:"started_at"`
	EndedAt   *time.Time `json:"ended_at,omitempty"`
	Summary   string     `json:"summary"`

	Times clock.Clock `json:"-"` // of its pipeline
}

// Rank is the higher, the sooner an operator is to see the close.
func (c Close) Rank() int {
	switch {
	case workflows.State(c.State) == workflows.Waiting:
		return 2
	case c.EndedAt == nil:
		return 1
	}
	return 0
}

// Closes are a table of closes.
func (s Style) Closes(closes []Close, width int) []string {
	if len(closes) == 0 {
		return []string{"No close runs, and none has ended lately."}
	}
	rows := [][]string{{"CLOSE", "STATE", "STARTED", ""}}
	for _, c := range closes {
		rows = append(rows, []string{c.ID, s.state(workflows.State(c.State)), c.Times.Text(c.StartedAt), oneLine(c.Summary)})
	}
	return Table([]Column{{}, {}, {Optional: true}, {}}, rows, width)
}
