package schedule

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	enumspb "go.temporal.io/api/enums/v1"
	workflowpb "go.temporal.io/api/workflow/v1"
	"go.temporal.io/api/workflowservice/v1"
	"go.temporal.io/sdk/client"
	"go.temporal.io/sdk/converter"
	"go.temporal.io/sdk/temporal"

	"github.com/pbsmflow/pbsmflow/tests/harness"
	"github.com/pbsmflow/pbsmflow/workflows"
)

const (
	scheduledYAML = `name: night
calendar: my-bank
time_zone: America/New_York
steps:
  - id: ledger
    upload: {file: "inbox/gl_{{.AsOfDate}}.csv", on_failure: fail}
  - id: quick
    needs: [ledger]
    batch: {code: PBSM_QUICK}
`
	ownCalendar = `
calendars:
  my-bank: {base: us-bank, add: ["2025-11-28 Bridge day"]}
`
)

type scheduler struct {
	*harness.Env
	t *testing.T
}

// newScheduler creates an environment whose worker has a bank's own calendar.
func newScheduler(t *testing.T) scheduler {
	e := harness.New(t, harness.Options{NoWorker: true})
	s := scheduler{Env: e, t: t}
	s.AddToConfig(ownCalendar)
	e.Write(e.Pipelines, "night.yaml", scheduledYAML)
	e.StartWorker()
	return s
}

func (s scheduler) ledgers(dates ...string) {
	for _, date := range dates {
		s.Write(s.Inbox, "gl_"+date+".csv", harness.Ledger(10))
	}
}

// scheduled is the outcome of a scheduled time.
type scheduled struct {
	night, asOf string
	state       workflows.State
	summary     string
}

// ticks waits for n workflows that a schedule started, and returns their outcomes in the order of their scheduled
// times, and of their starts if two were triggered within a second.
func (s scheduler) ticks(pipeline string, n int) []scheduled {
	s.t.Helper()
	var listed *workflowservice.ListWorkflowExecutionsResponse
	s.Until(fmt.Sprintf("%d scheduled times of %s have ended", n, pipeline), func() bool {
		var err error
		listed, err = s.Temporal.ListWorkflow(s.t.Context(), &workflowservice.ListWorkflowExecutionsRequest{
			Query: fmt.Sprintf("WorkflowType = '%s' AND WorkflowId STARTS_WITH 'night/%s/%s-' AND ExecutionStatus != 'Running'", workflows.ScheduledCloseType, s.Connection, pipeline),
		})
		require.NoError(s.t, err)
		return len(listed.GetExecutions()) >= n
	})
	require.Len(s.t, listed.GetExecutions(), n)
	var all []scheduled
	slices.SortFunc(listed.GetExecutions(), func(a, b *workflowpb.WorkflowExecutionInfo) int {
		return cmp.Or(scheduledTime(s.t, a).Compare(scheduledTime(s.t, b)), a.GetStartTime().AsTime().Compare(b.GetStartTime().AsTime()))
	})
	for _, info := range listed.GetExecutions() {
		var result workflows.ScheduledCloseResult
		run := s.Temporal.GetWorkflow(s.t.Context(), info.GetExecution().GetWorkflowId(), info.GetExecution().GetRunId())
		if err := s.Await(run, &result); err != nil {
			result = failedResult(s.t, err)
		}
		require.True(s.t, scheduledTime(s.t, info).Equal(result.ScheduledAt), "%s is about %s", info.GetExecution().GetWorkflowId(), result.ScheduledAt)
		all = append(all, scheduled{result.Night, result.AsOfDate, result.State, result.Summary})
	}
	return all
}

func scheduledTime(t *testing.T, info *workflowpb.WorkflowExecutionInfo) (when time.Time) {
	t.Helper()
	require.NoError(t, converter.GetDefaultDataConverter().FromPayload(info.GetSearchAttributes().GetIndexedFields()["TemporalScheduledStartTime"], &when))
	return when
}

// A week with a federal holiday, a holiday of the bank, a weekend and a close that fails: each night ends as the
// calendar says, for the date of its scheduled time, even months later.
func TestSchedule_weekOfNights(t *testing.T) {
	t.Parallel()
	s := newScheduler(t)
	s.ledgers("2025-11-24", "2025-11-26") // Tuesday's is missing
	id := workflows.ScheduleID(s.Connection, "night")

	created := s.JSON(0, "schedule", "create", "-c", s.Connection, "-p", "night", "--at", "22:00", "--pause-on-failure", "--note", "every night")
	require.Equal(t, id, created["schedule_id"])
	require.Equal(t, "my-bank", created["rule"].(map[string]any)["calendar"], "the pipeline's")
	require.Len(t, created["nights"].([]any)[:10], 10)
	again := s.Want(2, "schedule", "create", "-c", s.Connection, "-p", "night", "--at", "23:00")
	require.Contains(t, again.Stderr, "starter schedule delete "+id)

	week := []string{"schedule", "backfill", id, "--from", "2025-11-24", "--to", "2025-11-30"}
	preview := s.Want(0, append(week, "--dry-run")...)
	require.Contains(t, preview.Stdout, "Thanksgiving Day")
	require.Empty(t, s.Calls("trigger"), "a dry run does nothing")
	s.Want(0, week...)
	require.Equal(t, []scheduled{
		{"2025-11-24", "2025-11-24", workflows.Succeeded, s.done("Mon 2025-11-24")},
		{"2025-11-25", "2025-11-25", workflows.Failed, "night of Tue 2025-11-25: night for 2025-11-25: ledger failed, quick not_run"},
		{"2025-11-26", "2025-11-26", workflows.Succeeded, s.done("Wed 2025-11-26")},
		{"2025-11-27", "", workflows.Skipped, "no close on Thu 2025-11-27: Thanksgiving Day"},
		{"2025-11-28", "", workflows.Skipped, "no close on Fri 2025-11-28: Bridge day"},
		{"2025-11-29", "", workflows.Skipped, "no close on Sat 2025-11-29: Saturday"},
		{"2025-11-30", "", workflows.Skipped, "no close on Sun 2025-11-30: Sunday"},
	}, s.ticks("night", 7))
	require.Len(t, s.Calls("trigger"), 2, "one batch for each night with a ledger")

	require.Equal(t, false, s.ListedSchedule(id)["paused"], "a failed night of a backfill does not stop tonight's")
	failedID := "night/" + s.Connection + "/night-2025-11-26T03:00:00Z"
	require.Contains(t, s.Want(1, "status", failedID).Stderr, "ledger failed")
	require.Contains(t, s.Want(0, "status", "night/"+s.Connection+"/night-2025-11-28T03:00:00Z").Stdout, "Thanksgiving Day")

	// The ledger is there: the same backfill runs what failed, and nothing twice.
	s.ledgers("2025-11-25")
	s.Want(0, week...)
	second := s.ticks("night", 14)
	require.Equal(t, 2, count(second, s.done("Mon 2025-11-24")), "it was reported twice")
	require.Equal(t, 1, count(second, s.done("Tue 2025-11-25")), "it had failed before")
	require.Len(t, s.Calls("trigger"), 3)
	require.Len(t, s.Sim.Runs(), 3)
	require.Len(t, s.Calls("upload-par"), 3, "a close that succeeded is not run again")

	// A trigger starts the latest night that has begun.
	latest := s.JSON(0, "schedule", "trigger", id, "--dry-run")["nights"].([]any)[0].(map[string]any)
	asOf := latest["as_of_date"].(string)
	require.Contains(t, s.Want(0, "schedule", "trigger", id).Stdout, id+" starts the close for "+asOf+"\n")
	s.Until("the failed night has paused the schedule", func() bool {
		listed := s.ListedSchedule(id)
		return listed != nil && listed["paused"] == true && strings.Contains(fmt.Sprint(listed["note"]), "ledger failed")
	})
	s.Want(0, "schedule", "unpause", id, "--reason", "the ledger arrived", "--by", "ann")
	s.Until("it is active again", func() bool {
		listed := s.ListedSchedule(id)
		return listed["paused"] == false && listed["note"] == "ann unpaused it: the ledger arrived"
	})
	require.Contains(t, s.Want(0, "schedule", "unpause", id, "--reason", "tests").Stdout, "nothing: it was not paused")
	require.NotContains(t, s.listLine(id), "would be")
	s.Want(2, "schedule", "pause", id)
	s.Want(0, "schedule", "pause", id, "--reason", "tests")
	s.Until("the list shows the pause", func() bool { return strings.Contains(s.listLine(id), "(would be ") })

	s.ledgers(asOf)
	require.Contains(t, s.Want(0, "schedule", "trigger", id).Stdout, id+" starts the close for "+asOf+"; the schedule is paused, and stays so\n")
	closeID := workflows.CloseWorkflowID(s.Connection, "night", asOf)
	s.AwaitState(closeID, workflows.Succeeded)
	triggered := s.ticks("night", 16)[15]
	require.Equal(t, scheduled{latest["night"].(string), asOf, workflows.Succeeded, triggered.summary}, triggered)
	again = s.Want(0, "schedule", "trigger", id)
	require.Contains(t, again.Stdout, asOf+" was already done, on ")
	require.Contains(t, again.Stdout, "See it: starter status "+closeID+"\n")
	s.ticks("night", 17)
	require.Equal(t, true, s.JSON(0, "schedule", "trigger", id)["already_done"])
	s.ticks("night", 18) // a running one would have both of the next nights skipped

	// Skipped nights are counted. The starter's own backfill queues nights instead.
	monday, err := time.Parse(time.RFC3339, "2025-11-25T03:00:00Z") // 22:00 in New York
	require.NoError(t, err)
	require.NoError(t, s.Temporal.ScheduleClient().GetHandle(t.Context(), id).Backfill(t.Context(), client.ScheduleBackfillOptions{Backfill: []client.ScheduleBackfill{{
		Start: monday, End: monday.Add(24 * time.Hour), Overlap: enumspb.SCHEDULE_OVERLAP_POLICY_SKIP,
	}}}))
	s.Until("the second night is counted as skipped", func() bool { return s.ListedSchedule(id)["skipped_overlap"] == 1.0 })
	require.Contains(t, s.Want(0, "schedule", "list").Stdout, "1 scheduled time not started")

	s.Want(0, "schedule", "delete", id)
	s.Want(2, "schedule", "pause", id, "--reason", "tests")
	s.Until("the schedule is deleted", func() bool { return s.ListedSchedule(id) == nil })
}

func (s scheduler) done(night string) string {
	date := night[len("Mon "):]
	return fmt.Sprintf("night of %s, as of %s: done by workflow %s", night, date, workflows.CloseWorkflowID(s.Connection, "night", date))
}

func count(all []scheduled, summary string) int {
	return len(slices.DeleteFunc(slices.Clone(all), func(one scheduled) bool { return one.summary != summary }))
}

// listLine returns the first line of a schedule in the list, which also has the schedules of other tests.
func (s scheduler) listLine(id string) string {
	for line := range strings.Lines(s.Want(0, "schedule", "list").Stdout) {
		if strings.HasPrefix(line, id+" ") {
			return line
		}
	}
	s.t.Fatalf("%s is not in the list", id)
	return ""
}

// When the clocks change, the server's scheduled times match the calendar's nights: a skipped time has its night, a
// repeated time has one.
func TestSchedule_clockChanges(t *testing.T) {
	t.Parallel()
	s := newScheduler(t)
	for _, c := range []struct {
		pipeline, zone, at, note string
		ticks                    int
	}{
		{"spring", "America/New_York", "02:30", "the clocks skip 02:30", 1},
		{"autumn", "America/New_York", "01:30", "the clocks show 01:30 twice; starts at the first", 2},
		{"london", "Europe/London", "01:30", "the clocks show 01:30 twice; starts at the second", 1},
	} {
		s.Write(s.Pipelines, c.pipeline+".yaml", strings.Replace(scheduledYAML, "night", c.pipeline, 1))
		created := s.JSON(0, "schedule", "create", "-c", s.Connection, "-p", c.pipeline, "--time-zone", c.zone, "--at", c.at, "--on", "daily", "--as-of", "day-1", "--nights", "400")
		s.Want(0, "schedule", "pause", workflows.ScheduleID(s.Connection, c.pipeline), "--reason", "tests")
		var change map[string]any
		for _, entry := range created["nights"].([]any) {
			if night := entry.(map[string]any); strings.HasPrefix(fmt.Sprint(night["note"]), c.note) {
				change = night
				break
			}
		}
		require.NotNil(t, change, "a year has such a night")
		start, err := time.Parse(time.RFC3339, change["start"].(string))
		require.NoError(t, err)
		s.ledgers(change["as_of_date"].(string))

		// The starter refuses future nights; the server accepts any range.
		handle := s.Temporal.ScheduleClient().GetHandle(t.Context(), workflows.ScheduleID(s.Connection, c.pipeline))
		require.NoError(t, handle.Backfill(t.Context(), client.ScheduleBackfillOptions{Backfill: []client.ScheduleBackfill{{
			Start: start.Add(-12 * time.Hour), End: start.Add(12 * time.Hour), Overlap: enumspb.SCHEDULE_OVERLAP_POLICY_BUFFER_ALL,
		}}}))
		all := s.ticks(c.pipeline, c.ticks)
		require.Equal(t, []string{change["night"].(string), change["as_of_date"].(string), "succeeded"}, []string{all[0].night, all[0].asOf, string(all[0].state)})
		if c.ticks == 2 {
			require.Equal(t, workflows.Skipped, all[1].state)
			require.Contains(t, all[1].summary, "a second time")
		}
	}
	require.Len(t, s.Calls("trigger"), 3)

	// The same for a spring before the schedule was created.
	s.ledgers("2025-03-08")
	s.Want(0, "schedule", "backfill", workflows.ScheduleID(s.Connection, "spring"), "--from", "2025-03-09", "--to", "2025-03-09")
	all := s.ticks("spring", 2)
	require.Equal(t, []string{"2025-03-09", "2025-03-08", "succeeded"}, []string{all[0].night, all[0].asOf, string(all[0].state)})
}

// failedResult returns the result in the error of a failed scheduled close.
func failedResult(t *testing.T, err error) workflows.ScheduledCloseResult {
	t.Helper()
	var failed *temporal.ApplicationError
	require.ErrorAs(t, err, &failed)
	var result workflows.ScheduledCloseResult
	require.NoError(t, failed.Details(&result))
	require.NotNil(t, result.Close, "the details include the result of the close")
	return result
}
