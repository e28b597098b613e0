package schedule

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	enumspb "go.temporal.io/api/enums/v1"

	"github.com/pbsmflow/pbsmflow/tests/harness"
	"github.com/pbsmflow/pbsmflow/workflows"
)

// A backfill of many nights is queued on a connection with a low rate; tonight's close overtakes it.
func TestBackfill_isOvertakenByTonight(t *testing.T) {
	t.Parallel()
	const nights = 40 // on a slow machine some end before the starter has begun
	backfilled := func(i int) string {
		return time.Date(2026, 9, 1+i, 0, 0, 0, 0, time.UTC).Format(time.DateOnly)
	}
	e := harness.New(t, harness.Options{NoWorker: true, Settings: map[string]string{"connection.rate": "3"}})
	e.Write(e.Pipelines, "night.yaml", "name: night\nsteps:\n  - id: quick\n    batch: {code: PBSM_QUICK}\n")
	for i := range nights {
		in := workflows.NightlyCloseInput{Connection: e.Connection, Pipeline: "night", AsOfDate: backfilled(i)}
		_, err := workflows.Start(t.Context(), e.Temporal, in, workflows.StartOptions{TaskQueue: e.TaskQueue, Priority: workflows.BackfillPriority})
		require.NoError(t, err)
	}
	e.StartWorker()
	e.Until("the backfill has begun", func() bool { return len(e.Calls("trigger")) > 0 })
	e.Want(0, "close", "-c", e.Connection, "-p", "night", "--as-of", harness.AsOf)

	// The first triggers of the backfill were submitted before tonight's close was started.
	waited := 0
	for _, call := range e.Calls("trigger") {
		if call.AsOf == harness.AsOf {
			break
		}
		waited++
	}
	ended := 0
	for i := range nights {
		described, err := e.Temporal.DescribeWorkflowExecution(t.Context(), workflows.CloseWorkflowID(e.Connection, "night", backfilled(i)), "")
		require.NoError(t, err)
		if described.GetWorkflowExecutionInfo().GetStatus() == enumspb.WORKFLOW_EXECUTION_STATUS_COMPLETED {
			ended++
		}
	}
	t.Logf("tonight's close was triggered after %d of %d nights, and ended after %d of them", waited, nights, ended)
	require.Less(t, waited, nights*3/4)
	require.Less(t, ended, nights/2, "its polls overtook as well")
	require.Equal(t, priority(e.Connection, workflows.BackfillPriority), priorityOf(e, workflows.BatchWorkflowID(e.Connection, harness.QuickBatch, backfilled(0), "")), "children inherit the priority of their close")
	require.Equal(t, priority(e.Connection, 0), priorityOf(e, workflows.BatchWorkflowID(e.Connection, harness.QuickBatch, harness.AsOf, "")))
}

func priority(connection string, key int32) string {
	return fmt.Sprintf("%d %s", key, connection)
}

// priorityOf returns the priority with which a workflow was started.
func priorityOf(e *harness.Env, id string) string {
	p := e.History(id, "")[0].GetWorkflowExecutionStartedEventAttributes().GetPriority()
	return priority(p.GetFairnessKey(), p.GetPriorityKey())
}

// Tonight's close does not wait for the end of a backfill of its schedule.
func TestBackfill_runsBesideItsSchedule(t *testing.T) {
	t.Parallel()
	s := newScheduler(t)
	s.Write(s.Pipelines, "night.yaml", strings.Replace(scheduledYAML, "upload: {file: \"inbox/gl_{{.AsOfDate}}.csv\", on_failure: fail}", "approve: {message: Are the books good}", 1))
	id := workflows.ScheduleID(s.Connection, "night")
	s.Want(0, "schedule", "create", "-c", s.Connection, "-p", "night", "--at", "22:00")
	backfill := s.JSON(0, "schedule", "backfill", id, "--from", "2025-11-24", "--to", "2025-11-26")
	require.Equal(t, id+"/backfill/2025-11-24..2025-11-26", backfill["schedule_id"])
	night := func(asOf string) string { return workflows.CloseWorkflowID(s.Connection, "night", asOf) }
	s.AwaitState(night("2025-11-24"), workflows.Waiting)

	latest := s.JSON(0, "schedule", "trigger", id)["nights"].([]any)[0].(map[string]any)["as_of_date"].(string)
	s.AwaitState(night(latest), workflows.Waiting)
	require.Equal(t, priority(s.Connection, workflows.BackfillPriority), priorityOf(s.Env, night("2025-11-24")))
	require.Equal(t, priority(s.Connection, 0), priorityOf(s.Env, night(latest)))
	_, waits := s.Status(night("2025-11-25"))
	require.False(t, waits, "the nights of a backfill run in sequence")

	require.Nil(t, s.ListedSchedule(backfill["schedule_id"].(string))["next"], "it has no next night")
	s.Want(0, "schedule", "delete", backfill["schedule_id"].(string))
	approve := func(asOf string) {
		_, err := s.Command(night(asOf), workflows.ApproveCommand, workflows.Command{By: "carla", Why: "checked"})
		require.NoError(t, err)
		s.AwaitState(night(asOf), workflows.Succeeded)
	}
	approve("2025-11-24")
	approve(latest)
	_, began := s.Status(night("2025-11-25"))
	require.False(t, began, "nights that had not begun were dropped")
}
