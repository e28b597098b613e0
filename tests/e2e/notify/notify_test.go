package notify

import (
	"fmt"
	"net/http"
	"os"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
	enumspb "go.temporal.io/api/enums/v1"
	workflowpb "go.temporal.io/api/workflow/v1"

	"github.com/pbsmflow/pbsmflow/internal/notify"
	"github.com/pbsmflow/pbsmflow/tests/harness"
	"github.com/pbsmflow/pbsmflow/workflows"
)

// A close that asks, is at risk, is answered and fails sends one notification of each to every channel, although its
// worker is killed several times in between.
func TestNotify_onceDespiteWorkerKills(t *testing.T) {
	t.Parallel()
	n := harness.NewNotified(t, harness.Options{})
	n.Write(n.Pipelines, "notified.yaml", "name: notified\nsteps:\n"+
		"  - id: allocate\n    batch: {code: PBSM_FAIL, deadline: 90s}\n"+
		"  - id: sign-off\n    approve: {message: Are the books good, deadline: 20s}\n")
	run := n.StartClose("notified")
	// A worker that is killed before it knows that a mail has arrived leaves that unknown, and what is to be sent next
	// waits until it is missed.
	known := func() bool {
		described, err := n.Temporal.DescribeWorkflowExecution(t.Context(), run.GetID(), "")
		return err == nil && !slices.ContainsFunc(described.PendingActivities, func(a *workflowpb.PendingActivityInfo) bool {
			return a.ActivityType.Name == "Notify"
		})
	}
	for _, want := range []int{2, 3} { // both questions; at risk
		n.Until(fmt.Sprintf("%d messages", want), func() bool { return n.Fewest() >= want && known() })
		n.Worker.Kill()
		n.StartWorker()
	}
	n.Until("the deadline of sign-off", func() bool {
		status, _ := n.Status(run.GetID())
		return len(status.Steps) == 2 && status.Steps[1].State == workflows.Failed
	})
	_, err := n.Command(run.GetID(), workflows.DecideCommand, workflows.Command{By: "ann", Why: "checked", Choice: workflows.GiveUp, Step: "allocate"})
	require.NoError(t, err)
	require.Error(t, n.Await(run, nil))

	want := []string{"at_risk", "failed", "waiting allocate", "waiting sign-off"}
	n.Until("all notifications are delivered", func() bool { return n.Fewest() >= len(want) })
	got := n.Hook.Events()
	slices.Sort(got)
	require.Equal(t, want, got)
	require.Len(t, n.Chat.IDs(), len(want))
	require.Len(t, n.Box.Mails(), len(want))
	for _, m := range n.Hook.Accepted() {
		require.Equal(t, run.GetID(), m.WorkflowID)
		require.Equal(t, "https://temporal.bank.example/namespaces/default/workflows/"+strings.ReplaceAll(run.GetID(), "/", "%2F"), m.Link)
		if m.Step == "allocate" {
			require.Contains(t, m.What, "PBSM_FAIL_")
			require.Contains(t, m.Commands, "starter close restart "+run.GetID()+` --step allocate --reason "..."`)
			require.False(t, m.Deadline.IsZero())
		}
	}
}

// A scheduled close that cannot begin is notified and counted once, whether its plan or the close itself fails. The
// list of schedules says why.
func TestNotify_scheduledCloseCannotBegin(t *testing.T) {
	t.Parallel()
	n := harness.NewNotified(t, harness.Options{})
	s := n.Env
	s.AddToConfig("\ncalendars:\n  my-bank: {base: us-bank}\n") // the running worker does not know it
	for i, c := range []struct{ name, calendar, what, problem string }{
		{"no-calendar", "my-bank", "the night could not be planned: ", `calendar "my-bank" is not known`},
		{"no-pipeline", "us-bank", "night of ", `pipeline "no-pipeline" is not in the worker's pipelines folder`},
	} {
		id := workflows.ScheduleID(n.Connection, c.name)
		s.Want(0, "schedule", "create", "-c", n.Connection, "-p", c.name, "--at", "22:00", "--time-zone", "UTC", "--calendar", c.calendar, "--on", "daily")
		s.Want(0, "schedule", "trigger", id)
		n.Until("the list says why it did not begin", func() bool {
			listed := s.ListedSchedule(id)
			return listed != nil && strings.Contains(fmt.Sprint(listed["last"]), c.problem)
		})
		night := s.ListedSchedule(id)["last_workflow_id"].(string)
		require.Contains(t, s.Want(2, "status", night).Stderr, c.problem)
		messages := n.Hook.Accepted()
		require.Len(t, messages, i+1)
		require.Equal(t, notify.Failed, messages[i].Event)
		require.Equal(t, night, messages[i].WorkflowID)
		require.Contains(t, messages[i].What, c.what)
		require.Contains(t, messages[i].What, c.problem)
		require.Len(t, n.Chat.IDs(), i+1)
		require.Len(t, n.Box.Mails(), i+1)
		s.Want(0, "schedule", "delete", id)
	}
	counted := harness.Series(n.Scrape(n.Worker)["pbsm_workflows_ended_total"],
		map[string]string{"connection": n.Connection, "workflow_type": workflows.ScheduledCloseType, "state": "failed", "reason": "invalid_input"})
	require.Len(t, counted, 1)
	require.EqualValues(t, 2, counted[0].GetCounter().GetValue())
}

// A channel that is down gets the notification once it is up again; the others get it only once.
func TestNotify_channelDownForAWhile(t *testing.T) {
	t.Parallel()
	n := harness.NewNotified(t, harness.Options{})
	n.Hook.Fault = func(w http.ResponseWriter, attempt int) bool {
		switch attempt {
		case 1:
			http.Error(w, "down", http.StatusServiceUnavailable)
		case 2:
			panic(http.ErrAbortHandler) // it may have the message: the id is for that
		}
		return attempt <= 2
	}
	run := n.StartBatch(workflows.RunBatchInput{Code: "PBSM_SHORT"})
	require.NoError(t, n.Await(run, nil), "the workflow ended after the delivery")
	require.Equal(t, []string{"succeeded"}, n.Hook.Events())
	require.Len(t, n.Hook.IDs(), 3)
	require.Len(t, slices.Compact(n.Hook.IDs()), 1, "every attempt has the same id")
	require.Len(t, n.Chat.IDs(), 1)
	require.Len(t, n.Box.Mails(), 1)
}

// An address that the mail server puts off is tried again, on its own.
func TestNotify_addressPutOff(t *testing.T) {
	t.Parallel()
	n := harness.NewNotified(t, harness.Options{Settings: map[string]string{
		"notifications.box.to": "night@bank.example,late@bank.example,nobody@bank.example",
	}})
	tries := map[string]int{}
	n.Box.RefuseAddress = func(to string) error {
		if tries[to]++; to == "late@bank.example" && tries[to] <= 2 {
			return harness.Later
		}
		return nil
	}
	run := n.StartBatch(workflows.RunBatchInput{Code: "PBSM_SHORT"})
	require.NoError(t, n.Await(run, nil), "the workflow ended after the delivery")
	require.Equal(t, map[string]int{"night@bank.example": 1, "late@bank.example": 3}, tries)
	require.Len(t, n.Box.Mails(), 2)
	status, ok := n.Status(run.GetID())
	require.True(t, ok)
	last := status.Log[len(status.Log)-1].What
	require.Contains(t, last, "box nobody@bank.example: ")
	require.NotContains(t, last, "late@")
}

// Deliveries that were refused, or whose outcome is unknown, are logged, and do not affect the batch.
func TestNotify_channelDownForGood(t *testing.T) {
	t.Parallel()
	n := harness.NewNotified(t, harness.Options{})
	n.Hook.Fault = func(w http.ResponseWriter, _ int) bool {
		http.Error(w, harness.HookSecret, http.StatusNotFound)
		return true
	}
	n.Chat.Fault = func(http.ResponseWriter, int) bool { panic(http.ErrAbortHandler) }
	n.Box.Password = "changed"
	run := n.StartBatch(workflows.RunBatchInput{Code: "PBSM_SHORT"})
	require.NoError(t, n.Await(run, nil))
	require.Len(t, n.Hook.IDs(), 1)
	require.Len(t, n.Chat.IDs(), 1, "a chat does not get a second time what it may have")
	status, ok := n.Status(run.GetID())
	require.True(t, ok)
	last := status.Log[len(status.Log)-1].What
	for _, part := range []string{"not every notification was delivered (succeeded)", "hook: the receiver answered 404", "chat: it is not known whether the message arrived", "box night@bank.example: ", "authentication failed"} {
		require.Contains(t, last, part)
	}
	log, err := os.ReadFile(n.Worker.Stderr)
	require.NoError(t, err)
	require.Contains(t, string(log), "a notification was not delivered")
	require.NotContains(t, string(log), "hook-secret")
}

// Without channels a history has no trace of notifications; with three channels it has one activity for each event, and
// neither a timer nor a marker.
func TestNotify_costsOneActivity(t *testing.T) {
	t.Parallel()
	type cost struct{ notifications, markers, timers int }
	costs := func(e *harness.Env) (all cost) {
		run := e.StartBatch(workflows.RunBatchInput{Code: "PBSM_SHORT"})
		require.NoError(t, e.Await(run, nil))
		for _, event := range e.History(run.GetID(), run.GetRunID()) {
			switch {
			case event.GetActivityTaskScheduledEventAttributes().GetActivityType().GetName() == "Notify":
				all.notifications++
			case event.EventType == enumspb.EVENT_TYPE_MARKER_RECORDED:
				all.markers++
			case event.EventType == enumspb.EVENT_TYPE_TIMER_STARTED:
				all.timers++
			}
		}
		return all
	}
	without := costs(harness.New(t, harness.Options{}))
	require.Zero(t, without.notifications)
	without.notifications = 1
	require.Equal(t, without, costs(harness.NewNotified(t, harness.Options{TaskQueue: t.Name() + "-notified", Name: "-notified"}).Env))
}

func TestNotify_testCommand(t *testing.T) {
	t.Parallel()
	n := harness.NewNotified(t, harness.Options{NoWorker: true})
	for _, channel := range []string{"hook", "box"} {
		result := n.Run("notify", "test", channel)
		require.Zero(t, result.Code, "%s", result)
		require.Contains(t, result.Stdout, channel+" accepted the message")
	}
	require.Equal(t, []string{"test"}, n.Hook.Events())
	require.Len(t, n.Box.Mails(), 1)
	n.Hook.Fault = func(w http.ResponseWriter, _ int) bool { http.Error(w, "gone", http.StatusGone); return true }
	result := n.Run("notify", "test", "hook")
	require.Equal(t, 1, result.Code)
	require.Contains(t, result.Stderr, "the receiver answered 410 Gone")
	require.NotContains(t, result.String(), "hook-secret")
	require.Equal(t, 2, n.Run("notify", "test", "pager").Code)
	doctor := n.Run("doctor", "--connection", n.Connection)
	require.Contains(t, doctor.Stdout, "ok    channel hook: webhook, receives waiting, at_risk, failed, cancelled, succeeded on every connection")
	require.NotContains(t, doctor.Stdout, "hook-secret")
}
