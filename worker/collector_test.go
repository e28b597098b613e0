package main

import (
	"bytes"
	"context"
	"errors"
	"log/slog"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/mock"
	"github.com/stretchr/testify/require"
	commonpb "go.temporal.io/api/common/v1"
	"go.temporal.io/api/serviceerror"
	workflowpb "go.temporal.io/api/workflow/v1"
	"go.temporal.io/api/workflowservice/v1"
	"go.temporal.io/sdk/client"
	"go.temporal.io/sdk/converter"
	"go.temporal.io/sdk/mocks"

	"github.com/pbsmflow/pbsmflow/internal/calendar"
	"github.com/pbsmflow/pbsmflow/workflows"
)

// The calendar determines the latest night: over a weekend it is Friday's, and a new schedule has none.
func TestCollector_lastNight(t *testing.T) {
	known, err := calendar.Known(nil)
	require.NoError(t, err)
	zone, err := time.LoadLocation("America/New_York")
	require.NoError(t, err)
	c := &collector{calendars: known, payloads: converter.GetDefaultDataConverter()}
	friday := time.Date(2026, 11, 20, 22, 0, 0, 0, zone)
	sunday := time.Date(2026, 11, 22, 12, 0, 0, 0, zone)
	long := friday.AddDate(0, -1, 0)
	nightly := workflows.ScheduledCloseInput{Connection: "prod", Pipeline: "nightly", Calendar: "us-bank", TimeZone: "America/New_York", At: "22:00", On: "business-days"}
	unknown := nightly
	unknown.Calendar = "elsewhere"
	monthly := nightly
	monthly.On, monthly.AsOf = "month-end", "month-end"
	for name, tc := range map[string]struct {
		input   any
		created time.Time
		now     time.Time
		want    time.Time
		asOf    string
	}{
		"over a weekend":              {nightly, long, sunday, friday, "2026-11-20"},
		"at the very moment":          {nightly, long, friday, friday, "2026-11-20"},
		"just before":                 {nightly, long, friday.Add(-time.Second), friday.AddDate(0, 0, -1), "2026-11-19"},
		"a month's end":               {monthly, long.AddDate(0, -1, 0), sunday, time.Date(2026, 10, 30, 22, 0, 0, 0, zone), "2026-10-31"},
		"created since":               {nightly, friday.Add(time.Hour), sunday, time.Time{}, ""},
		"a calendar of other workers": {unknown, long, sunday, time.Time{}, ""},
		"not made by the starter":     {nil, long, sunday, time.Time{}, ""},
	} {
		t.Run(name, func(t *testing.T) {
			schedule := &client.ScheduleDescription{Info: client.ScheduleInfo{CreatedAt: tc.created}}
			if tc.input != nil {
				payload, err := converter.GetDefaultDataConverter().ToPayload(tc.input)
				require.NoError(t, err)
				schedule.Memo = &commonpb.Memo{Fields: map[string]*commonpb.Payload{workflows.ScheduleInputMemo: payload}}
			}
			night := c.lastNight(schedule, tc.now)
			if tc.want.IsZero() {
				require.Nil(t, night)
				return
			}
			require.NotNil(t, night)
			require.True(t, tc.want.Equal(night.Start), night.Start)
			require.Equal(t, tc.asOf, night.AsOf.Format(time.DateOnly))
		})
	}
}

// A close that does not answer in time counts as one that waits for a decision, and delays nothing.
func TestCollector_waitingByQuestion(t *testing.T) {
	approve, decide := []string{workflows.ApproveCommand, "decide give_up"}, []string{"decide retry", "decide give_up"}
	waits := func(choices ...[]string) workflows.Status {
		status := workflows.Status{State: workflows.Waiting}
		for _, c := range choices {
			status.Steps = append(status.Steps, workflows.StepStatus{Question: &workflows.Question{Choices: c}})
		}
		return status
	}
	answers := map[string]workflows.Status{
		"one approval": waits(approve), "two approvals": waits(approve, approve), "a decision": waits(decide), "both": waits(approve, decide), "answered since": waits(),
	}
	listed := &workflowservice.ListWorkflowExecutionsResponse{}
	temporal := mocks.NewClient(t)
	add := func(id string, answer func(context.Context, string, string, string, ...any) (converter.EncodedValue, error)) {
		listed.Executions = append(listed.Executions, &workflowpb.WorkflowExecutionInfo{Execution: &commonpb.WorkflowExecution{WorkflowId: id}})
		temporal.On("QueryWorkflow", mock.Anything, id, "", workflows.StatusQuery).Return(answer)
	}
	for id, status := range answers {
		add(id, func(context.Context, string, string, string, ...any) (converter.EncodedValue, error) {
			payloads, err := converter.GetDefaultDataConverter().ToPayloads(status)
			return client.NewValue(payloads), err
		})
	}
	add("does not answer", func(ctx context.Context, _, _, _ string, _ ...any) (converter.EncodedValue, error) {
		<-ctx.Done()
		return nil, ctx.Err()
	})
	temporal.On("CountWorkflow", mock.Anything, mock.MatchedBy(func(q *workflowservice.CountWorkflowExecutionsRequest) bool {
		return q.Query == workflows.WaitingQuery("prod", workflows.NightlyCloseType)
	})).Return(&workflowservice.CountWorkflowExecutionsResponse{Count: 6}, nil)
	temporal.On("CountWorkflow", mock.Anything, mock.Anything).Return(&workflowservice.CountWorkflowExecutionsResponse{Count: 3}, nil)
	temporal.On("ListWorkflow", mock.Anything, mock.Anything).Return(listed, nil)

	querying, cancel := context.WithTimeout(t.Context(), 100*time.Millisecond)
	defer cancel()
	found := map[waitingKey]int64{}
	require.NoError(t, (&collector{temporal: temporal}).waiting(t.Context(), querying, "prod", found))
	want := map[waitingKey]int64{}
	for _, kind := range workflows.CommandTypes() {
		want[waitingKey{"prod", kind, decision}] = 3
	}
	want[waitingKey{"prod", workflows.NightlyCloseType, approval}], want[waitingKey{"prod", workflows.NightlyCloseType, decision}] = 2, 4
	require.Equal(t, want, found)
}

func TestCollector_storeHangs(t *testing.T) {
	listed := make(chan struct{})
	schedules := mocks.NewScheduleClient(t)
	schedules.On("List", mock.Anything, mock.Anything).Return(func(ctx context.Context, _ client.ScheduleListOptions) (client.ScheduleListIterator, error) {
		select {
		case listed <- struct{}{}:
		case <-ctx.Done():
		}
		return nil, errors.New("Temporal is away")
	})
	temporal := mocks.NewClient(t)
	temporal.On("ScheduleClient").Return(schedules)
	hangs := make(chan struct{})
	c := &collector{
		temporal: temporal, interval: time.Millisecond, logger: slog.New(slog.DiscardHandler),
		checkStores: func(context.Context) map[string]error { <-hangs; return nil },
	}
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan struct{})
	go func() { defer close(ended); c.run(ctx) }()
	defer func() { cancel(); close(hangs); <-ended }()
	for range 3 {
		select {
		case <-listed:
		case <-time.After(10 * time.Second):
			require.Fail(t, "Temporal is no longer read")
		}
	}
}

// The metrics show only that Temporal could not be read; the log says why, once.
func TestCollector_logsFirstFailure(t *testing.T) {
	schedules := mocks.NewScheduleClient(t)
	schedules.On("List", mock.Anything, mock.Anything).Return(nil, errors.New("the role may not list schedules"))
	temporal := mocks.NewClient(t)
	temporal.On("ScheduleClient").Return(schedules)
	var log bytes.Buffer
	c := &collector{temporal: temporal, logger: slog.New(slog.NewTextHandler(&log, nil))}
	c.update(t.Context())
	c.update(t.Context())
	require.Equal(t, 1, strings.Count(log.String(), "the role may not list schedules"), log.String())
}

// A night is closed by the close of its own as-of date, even by one before the night should have begun, and not by
// that of another date. It stays closed when Temporal's retention has removed the close.
func TestCollector_nightIsClosedByItsOwnClose(t *testing.T) {
	known, err := calendar.Known(nil)
	require.NoError(t, err)
	input := workflows.ScheduledCloseInput{Connection: "prod", Pipeline: "nightly", Calendar: "us-bank", TimeZone: "UTC", At: "00:00", On: "daily", AsOf: "day-1"}
	payload, err := converter.GetDefaultDataConverter().ToPayload(input)
	require.NoError(t, err)
	temporal := withSchedule(t, workflows.ScheduleID("prod", "nightly"), &client.ScheduleDescription{
		Schedule: client.Schedule{State: &client.ScheduleState{}},
		Memo:     &commonpb.Memo{Fields: map[string]*commonpb.Payload{workflows.ScheduleInputMemo: payload}},
	})
	succeeded := map[string]bool{} // by id; one that did not succeed exists as well
	temporal.On("CountWorkflow", mock.Anything, mock.Anything).Return(
		func(_ context.Context, q *workflowservice.CountWorkflowExecutionsRequest) (*workflowservice.CountWorkflowExecutionsResponse, error) {
			answer := &workflowservice.CountWorkflowExecutionsResponse{}
			for id, did := range succeeded {
				query := "WorkflowId = \"" + id + "\""
				if q.Query == query || did && q.Query == query+" AND ExecutionStatus = 'Completed'" {
					answer.Count++
				}
			}
			return answer, nil
		})

	c := &collector{temporal: temporal, connections: []string{"prod"}, calendars: known, payloads: converter.GetDefaultDataConverter()}
	key := pipelineKey{"prod", "nightly"}
	closed := func() bool {
		found := map[pipelineKey]scheduleFindings{}
		require.NoError(t, c.schedules(t.Context(), found))
		c.last.schedules = found
		require.NotNil(t, found[key].lastNight)
		return found[key].closed
	}
	require.False(t, closed(), "nothing has run")
	asOf := c.last.schedules[key].lastNight.AsOf
	night, older := workflows.CloseWorkflowID("prod", "nightly", asOf.Format(time.DateOnly)), workflows.CloseWorkflowID("prod", "nightly", asOf.AddDate(0, 0, -1).Format(time.DateOnly))
	succeeded[older] = true
	require.False(t, closed(), "a backfill of an older date")
	require.False(t, c.last.schedules[key].begun)
	succeeded[night] = false
	require.False(t, closed(), "it failed")
	require.True(t, c.last.schedules[key].begun)
	succeeded[night] = true
	require.True(t, closed())
	clear(succeeded)
	require.True(t, closed(), "its retention is over")
	require.True(t, c.last.schedules[key].begun)
	before := *c.last.schedules[key].lastNight
	before.AsOf = asOf.AddDate(0, 0, -2)
	c.last.schedules[key] = scheduleFindings{lastNight: &before, closed: true}
	require.False(t, closed(), "a new night")
}

// The list still has a schedule for a moment after it was deleted.
func TestCollector_scheduleIsGone(t *testing.T) {
	temporal := withSchedule(t, workflows.ScheduleID("prod", "nightly"), nil)
	found := map[pipelineKey]scheduleFindings{}
	require.NoError(t, (&collector{temporal: temporal, connections: []string{"prod"}}).schedules(t.Context(), found))
	require.Empty(t, found)
}

// withSchedule mocks a Temporal with one schedule in its list; without a description the schedule is gone.
func withSchedule(t *testing.T, id string, is *client.ScheduleDescription) *mocks.Client {
	t.Helper()
	handle := mocks.NewScheduleHandle(t)
	if is == nil {
		handle.On("Describe", mock.Anything).Return(nil, serviceerror.NewNotFound("schedule not found"))
	} else {
		handle.On("Describe", mock.Anything).Return(is, nil)
	}
	schedules := mocks.NewScheduleClient(t)
	schedules.On("List", mock.Anything, mock.Anything).Return(func(context.Context, client.ScheduleListOptions) (client.ScheduleListIterator, error) {
		list := mocks.NewScheduleListIterator(t)
		list.On("HasNext").Return(true).Once()
		list.On("HasNext").Return(false)
		list.On("Next").Return(&client.ScheduleListEntry{ID: id}, nil)
		return list, nil
	})
	schedules.On("GetHandle", mock.Anything, id).Return(handle)
	temporal := mocks.NewClient(t)
	temporal.On("ScheduleClient").Return(schedules)
	return temporal
}
