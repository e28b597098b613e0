package view

import (
	"encoding/json"
	"maps"
	"slices"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/pbsmflow/pbsmflow/workflows"
)

// The document of a close has the same keys while it runs and when it is over, but for those that have no value yet, or
// none any more.
func TestCloseDocument_isOneShape(t *testing.T) {
	running := waitingClose()
	running.Status.Subject = "nightly-close/scenario-7"
	running.Status.Params = map[string]string{"scenario": "7"}
	running.Status.StartedBy = "alice"
	result := workflows.NightlyCloseResult{
		Connection: "prod", Pipeline: "nightly-close", Key: "scenario-7", AsOfDate: "2026-10-31", Params: running.Status.Params,
		TimeZone: running.Status.TimeZone, StartedBy: "alice", StartedAt: start,
	}
	for _, s := range running.Status.Steps {
		result.Steps = append(result.Steps, workflows.StepResult{ID: s.ID, Kind: s.Kind, State: s.State, WorkflowID: s.WorkflowID, StartedAt: s.StartedAt})
	}
	result.Steps[0].EndedAt, result.Steps[0].Result = now, "SHA-256 3d9b"
	result.Steps[0].Upload = &workflows.FileResult{FileID: "5025"}
	running.Status.Steps[0].Result = "SHA-256 3d9b"
	before := document(t, RunningClose(running, result))

	result.State, result.Summary, result.EndedAt = workflows.Succeeded, "every step is done", now
	over := document(t, EndedClose(&result))

	require.Equal(t, []string{"deadline", "ended_at", "notes", "question", "questions"}, differing(before, over))
	same := []string{"workflow_id", "type", "connection", "pipeline", "key", "as_of_date", "params", "time_zone", "started_by", "started_at"}
	running.ID = "close/prod/nightly-close/2026-10-31/scenario-7"
	before = document(t, RunningClose(running, result))
	for _, key := range same {
		require.Equal(t, before[key], over[key], key)
	}

	step := func(d map[string]any) map[string]any { return d["steps"].([]any)[0].(map[string]any) }
	require.Equal(t, []string{"deadline"}, differing(step(before), step(over)))
	require.Equal(t, step(before)["upload"], step(over)["upload"])
}

func document(t *testing.T, of any) (fields map[string]any) {
	text, err := json.Marshal(of)
	require.NoError(t, err)
	require.NoError(t, json.Unmarshal(text, &fields))
	return fields
}

// differing are the keys that only one of two documents has.
func differing(a, b map[string]any) (keys []string) {
	for _, key := range slices.Sorted(maps.Keys(a)) {
		if _, has := b[key]; !has {
			keys = append(keys, key)
		}
	}
	for _, key := range slices.Sorted(maps.Keys(b)) {
		if _, has := a[key]; !has {
			keys = append(keys, key)
		}
	}
	slices.Sort(keys)
	return keys
}
