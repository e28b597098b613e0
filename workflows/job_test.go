package workflows

import (
	"fmt"
	"slices"
	"testing"

	"github.com/stretchr/testify/require"
	commonpb "go.temporal.io/api/common/v1"
	enumspb "go.temporal.io/api/enums/v1"
	historypb "go.temporal.io/api/history/v1"
	"go.temporal.io/sdk/converter"
	"go.temporal.io/sdk/workflow"

	"github.com/pbsmflow/pbsmflow/activities"
	"github.com/pbsmflow/pbsmflow/internal/notify"
)

// A transfer may be at its end when it is cancelled: a file that arrived all the same was not cancelled.
func TestAJobThatIsCancelledTooLateSucceeded(t *testing.T) {
	env := newEnv(t)
	env.ExecuteWorkflow(func(ctx workflow.Context) error {
		j, err := newJob(ctx, "prod", "reports/gl.csv", "about to be downloaded", noDeadline)
		if err != nil {
			return err
		}
		cancelled, cancel := workflow.WithCancel(ctx)
		cancel()
		return j.end(cancelled, "saved as reports/gl.csv", nil)
	})
	require.NoError(t, env.GetWorkflowError())
	status := queryStatus(t, env)
	require.Equal(t, Succeeded, status.State)
	require.Equal(t, "saved as reports/gl.csv", status.Summary)
}

// A job from before was told as cancelled, and waits until people know.
func TestAJobThatWasCancelledTooLateGoesOnAsItBegan(t *testing.T) {
	history := readHistory(t, "UploadFile-on-its-queue")
	for _, e := range history.Events {
		if marker := e.GetMarkerRecordedEventAttributes(); marker.GetMarkerName() == "LocalActivity" {
			found, err := converter.GetDefaultDataConverter().ToPayloads(activities.FoundConnection{NotifyOn: []string{notify.Cancelled}})
			require.NoError(t, err)
			marker.Details["result"] = found
		}
	}
	var ended int // the events of the last task, whose commands show how it ended
	for i, e := range history.Events {
		if e.EventType == enumspb.EVENT_TYPE_ACTIVITY_TASK_COMPLETED {
			ended = i + 1
		}
	}
	cancel := &historypb.HistoryEvent{EventType: enumspb.EVENT_TYPE_WORKFLOW_EXECUTION_CANCEL_REQUESTED, Attributes: &historypb.HistoryEvent_WorkflowExecutionCancelRequestedEventAttributes{
		WorkflowExecutionCancelRequestedEventAttributes: &historypb.WorkflowExecutionCancelRequestedEventAttributes{}}}
	history.Events = slices.Insert(history.Events, ended, cancel)
	for i := ended; i < len(history.Events); i++ {
		e := history.Events[i]
		e.EventId = int64(i + 1)
		switch {
		case e.GetWorkflowTaskStartedEventAttributes() != nil:
			e.GetWorkflowTaskStartedEventAttributes().ScheduledEventId++
		case e.GetWorkflowTaskCompletedEventAttributes() != nil:
			e.GetWorkflowTaskCompletedEventAttributes().ScheduledEventId++
			e.GetWorkflowTaskCompletedEventAttributes().StartedEventId++
		}
	}
	last := history.Events[len(history.Events)-1]
	last.EventType = enumspb.EVENT_TYPE_ACTIVITY_TASK_SCHEDULED
	last.Attributes = &historypb.HistoryEvent_ActivityTaskScheduledEventAttributes{ActivityTaskScheduledEventAttributes: &historypb.ActivityTaskScheduledEventAttributes{
		ActivityId: fmt.Sprint(last.EventId), ActivityType: &commonpb.ActivityType{Name: "Notify"},
	}}
	require.NoError(t, replay(t, history))
}
