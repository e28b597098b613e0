package activities

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	activitypb "go.temporal.io/api/activity/v1"
	enumspb "go.temporal.io/api/enums/v1"
	taskqueuepb "go.temporal.io/api/taskqueue/v1"
	workflowpb "go.temporal.io/api/workflow/v1"
	"go.temporal.io/sdk/activity"
	"go.temporal.io/sdk/converter"
	"go.temporal.io/sdk/temporal"
	"google.golang.org/protobuf/types/known/timestamppb"

	"github.com/pbsmflow/pbsmflow/internal/parstore"
	"github.com/pbsmflow/pbsmflow/internal/pbsm"
	"github.com/pbsmflow/pbsmflow/internal/simulator"
	"github.com/pbsmflow/pbsmflow/internal/stores"
	"github.com/pbsmflow/pbsmflow/internal/transfer"
)

func TestPendingActivity_trouble(t *testing.T) {
	payloads, failures := converter.GetDefaultDataConverter(), temporal.GetDefaultFailureConverter()
	now := time.Date(2026, 10, 31, 3, 0, 0, 0, time.UTC)
	ago := func(d time.Duration) *timestamppb.Timestamp { return timestamppb.New(now.Add(-d)) }
	beat := func(details any, p *workflowpb.PendingActivityInfo) *workflowpb.PendingActivityInfo {
		sealed, err := payloads.ToPayloads(details)
		require.NoError(t, err)
		p.HeartbeatDetails = sealed
		return p
	}
	moved := TransferProgress{Progress: transfer.Progress{Done: 5, Total: 10, Rate: 1}}
	down := failures.ErrorToFailure(temporal.NewApplicationError("HTTP 500", Unavailable))
	waiting := failures.ErrorToFailure(temporal.NewApplicationErrorWithOptions("it runs; next poll in 2s", StillWaiting,
		temporal.ApplicationErrorOptions{Category: temporal.ApplicationErrorCategoryBenign}))
	const started, scheduled = enumspb.PENDING_ACTIVITY_STATE_STARTED, enumspb.PENDING_ACTIVITY_STATE_SCHEDULED
	for name, c := range map[string]struct {
		info    *workflowpb.PendingActivityInfo
		trouble string
		since   time.Duration // ago; 0: since the activity began
		last    string
	}{
		"its first attempt runs": {info: &workflowpb.PendingActivityInfo{State: started, Attempt: 1, LastStartedTime: ago(time.Second)}},
		"a poll found nothing new": {
			info: &workflowpb.PendingActivityInfo{State: scheduled, Attempt: 90, LastFailure: waiting, ScheduledTime: ago(-time.Second)}, last: "it runs",
		},
		"one failure": {
			info: &workflowpb.PendingActivityInfo{State: scheduled, Attempt: 2, LastFailure: down, ScheduledTime: ago(-time.Second)}, last: "HTTP 500",
		},
		"a call fails": {
			info:    &workflowpb.PendingActivityInfo{State: scheduled, Attempt: 9, LastFailure: down, ScheduledTime: ago(-time.Second)},
			trouble: "is being retried: HTTP 500", last: "HTTP 500",
		},
		"a poll fails, which once succeeded": {
			info: beat(pollState{FailingSince: now.Add(-time.Hour)},
				&workflowpb.PendingActivityInfo{State: scheduled, Attempt: 90, LastFailure: down, ScheduledTime: ago(-time.Second)}),
			trouble: "is being retried: HTTP 500", since: time.Hour, last: "HTTP 500",
		},
		"no worker takes it": {
			info: &workflowpb.PendingActivityInfo{State: scheduled, Attempt: 1, ScheduledTime: ago(time.Hour),
				ActivityOptions: &activitypb.ActivityOptions{TaskQueue: &taskqueuepb.TaskQueue{Name: "pbsm/prod"}}},
			trouble: "waits for a worker of the task queue pbsm/prod", since: time.Hour,
		},
		"it is paused": {
			info: &workflowpb.PendingActivityInfo{State: enumspb.PENDING_ACTIVITY_STATE_PAUSED, Attempt: 4, Paused: true, LastFailure: down,
				PauseInfo: &workflowpb.PendingActivityInfo_PauseInfo{PauseTime: ago(time.Hour), PausedBy: &workflowpb.PendingActivityInfo_PauseInfo_Manual_{
					Manual: &workflowpb.PendingActivityInfo_PauseInfo_Manual{Identity: "ann"}}}},
			trouble: "is paused in Temporal by ann; before that: HTTP 500", since: time.Hour, last: "HTTP 500",
		},
		"a transfer runs": {
			info: beat(moved, &workflowpb.PendingActivityInfo{State: started, Attempt: 9, LastFailure: down,
				LastStartedTime: ago(time.Hour), LastHeartbeatTime: ago(time.Second)}), last: "HTTP 500",
		},
		"a transfer's worker died": {
			info: beat(moved, &workflowpb.PendingActivityInfo{State: started, Attempt: 1,
				LastStartedTime: ago(time.Hour), LastHeartbeatTime: ago(10 * time.Second)}),
			trouble: "sends no heartbeats: if its worker has died, Temporal starts another attempt", since: 10 * time.Second,
		},
		"a transfer fails again and again": {
			info: beat(moved, &workflowpb.PendingActivityInfo{State: started, Attempt: 9, LastFailure: down,
				LastStartedTime: ago(time.Second), LastHeartbeatTime: ago(30 * time.Second)}),
			trouble: "is being retried: HTTP 500", since: time.Nanosecond, last: "HTTP 500",
		},
	} {
		t.Run(name, func(t *testing.T) {
			found := NewPendingActivity(c.info, payloads, failures, now)
			require.Equal(t, c.trouble, found.Trouble)
			require.Equal(t, c.last, found.Last)
			if c.since == 0 {
				require.True(t, found.Since.IsZero())
			} else {
				require.WithinDuration(t, now.Add(-c.since), found.Since, time.Second)
			}
		})
	}
}

// Temporal keeps only the last failure: since when a poll fails is in its heartbeat, until it succeeds.
func TestPoll_keepsSinceWhenItFails(t *testing.T) {
	a, sim := withService(t, stores.Settings{URL: "file://" + t.TempDir()})
	in := MigrationStatusInput{MigrationInput: MigrationInput{Connection: "prod", Code: "MIG_EXPORT1"}, Poll: Poll{Since: time.Now()}}
	_, err := activityEnv(a).ExecuteActivity(a.ExportMigration, in.MigrationInput)
	require.NoError(t, err)
	var state *pollState
	attempt := func(before *pollState) {
		state = nil
		env := activityEnv(a)
		if before != nil {
			env.SetHeartbeatDetails(*before)
		}
		env.SetOnActivityHeartbeatListener(func(_ *activity.Info, details converter.EncodedValues) {
			state = new(pollState)
			require.NoError(t, details.Get(state))
		})
		_, err := env.ExecuteActivity(a.ExportStatus, in)
		require.Error(t, err)
	}
	attempt(nil)
	require.Nil(t, state, "a poll that succeeds sends no heartbeat")
	sim.Inject(simulator.Fault{Call: "export-status", Kind: simulator.FaultStatus, Status: 500, Times: 2})
	attempt(nil)
	require.NotNil(t, state)
	require.WithinDuration(t, time.Now(), state.FailingSince, time.Minute)
	first := *state
	attempt(&first)
	require.Nil(t, state, "the failure goes on")
	attempt(&first)
	require.NotNil(t, state)
	require.True(t, state.FailingSince.IsZero(), "it has recovered")
}

// Of a call that is being retried, who was called and what it said is known.
func TestPendingActivity_repeatedCall(t *testing.T) {
	payloads, failures := converter.GetDefaultDataConverter(), temporal.GetDefaultFailureConverter()
	atOnce := func(time.Duration) time.Duration { return 0 }
	for name, c := range map[string]struct {
		err  error
		want *Refusal
	}{
		"a login": {
			classify(&pbsm.Error{Call: "token", HTTPStatus: 503, NotProcessed: true, Temporary: true}, true, atOnce),
			&Refusal{Call: "token", HTTPStatus: 503},
		},
		"the object store": {
			classify(&parstore.Error{Op: "put", Host: "objects.example", Temporary: true}, true, atOnce),
			&Refusal{Call: "put", Subject: "objects.example", Host: "objects.example"},
		},
		"a store of ours":    {temporal.NewApplicationError("no route to host", Unavailable), nil},
		"nothing new so far": {temporal.NewApplicationError("it runs", StillWaiting), nil},
	} {
		t.Run(name, func(t *testing.T) {
			found := NewPendingActivity(&workflowpb.PendingActivityInfo{
				State: enumspb.PENDING_ACTIVITY_STATE_SCHEDULED, Attempt: 9, LastFailure: failures.ErrorToFailure(c.err),
			}, payloads, failures, time.Now())
			require.Equal(t, c.want, found.Repeats)
		})
	}
}
