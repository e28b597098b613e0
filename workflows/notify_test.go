package workflows

import (
	"context"
	"testing"
	"time"

	"github.com/stretchr/testify/mock"
	"github.com/stretchr/testify/require"
	enumspb "go.temporal.io/api/enums/v1"
	"go.temporal.io/sdk/client"
	"go.temporal.io/sdk/temporal"
	"go.temporal.io/sdk/testsuite"
	"go.temporal.io/sdk/workflow"

	"github.com/pbsmflow/pbsmflow/activities"
	"github.com/pbsmflow/pbsmflow/internal/notify"
)

// fakeChannels stands in for the activity Notify: it collects the messages, and returns what answer says.
type fakeChannels struct {
	messages []notify.Message
	at       []time.Time
	answer   func() (activities.NotifyResult, error)
}

func (n *fakeChannels) register(env *testsuite.TestWorkflowEnvironment) *fakeChannels {
	env.RegisterActivityWithOptions(func(_ context.Context, m notify.Message) (activities.NotifyResult, error) {
		n.messages, n.at = append(n.messages, m), append(n.at, env.Now())
		if n.answer != nil {
			return n.answer()
		}
		return activities.NotifyResult{Sent: []string{"chat"}}, nil
	}, activityName("Notify"))
	return n
}

func (n *fakeChannels) events() []string {
	var events []string
	for _, m := range n.messages {
		events = append(events, m.Event+prefixed(" ", m.Step))
	}
	return events
}

// channelsWant sets the events on the connection that the channels want.
func channelsWant(env *testsuite.TestWorkflowEnvironment, events []string) {
	env.OnActivity("ResolveConnection", mock.Anything, mock.Anything).Return(activities.ResolvedConnection{NotifyOn: events}, nil)
}

func TestNotify_batch(t *testing.T) {
	failsTwice := []stretch{{"-1", time.Minute}, {"-1", time.Minute}, {"0", time.Minute}}
	for _, c := range []struct {
		name     string
		on       []string
		ends     []stretch
		commands []timedCommand
		deadline time.Duration
		cancel   time.Duration
		events   []string
	}{
		{name: "without channels", ends: []stretch{{"0", time.Minute}}},
		{name: "the end", on: notify.Events(), ends: []stretch{{"0", time.Minute}}, events: []string{"succeeded"}},
		{name: "only the events that a channel wants", on: []string{notify.AtRisk}, ends: []stretch{{"0", time.Minute}}},
		{name: "at risk, once", on: notify.Events(), ends: []stretch{{"0", 59 * time.Minute}}, deadline: time.Hour, events: []string{"at_risk", "succeeded"}},
		{name: "no answer before the deadline", on: notify.Events(), ends: []stretch{{"-1", time.Minute}}, deadline: time.Hour, events: []string{"waiting", "at_risk", "failed"}},
		{name: "the same question after the quiet time", on: notify.Events(), ends: failsTwice, events: []string{"waiting", "waiting", "succeeded"},
			commands: []timedCommand{{after: 10 * time.Minute, name: RestartCommand}, {after: 3 * time.Hour, name: RestartCommand}}},
		{name: "the same question within the quiet time is sent after it", on: notify.Events(), ends: failsTwice, events: []string{"waiting", "waiting", "succeeded"},
			commands: []timedCommand{{after: 2 * time.Minute, name: RestartCommand}, {after: time.Hour, name: RestartCommand}}},
		{name: "the same question within the quiet time, answered before its end", on: notify.Events(), ends: failsTwice, events: []string{"waiting", "succeeded"},
			commands: []timedCommand{{after: 2 * time.Minute, name: RestartCommand}, {after: 5 * time.Minute, name: RestartCommand}}},
		{name: "cancelled", on: notify.Events(), ends: []stretch{{"0", time.Hour}}, cancel: 10 * time.Minute, events: []string{"cancelled"}},
	} {
		t.Run(c.name, func(t *testing.T) {
			env := newEnv(t)
			n := new(fakeChannels).register(env)
			s := &fakeService{env: env, triggers: []func() (activities.Run, error){accepted}, ends: c.ends}
			s.register()
			channelsWant(env, c.on)
			for _, command := range c.commands {
				env.RegisterDelayedCallback(func() { env.SignalWorkflow(command.name, command.attributed()) }, command.after)
			}
			if c.cancel > 0 {
				env.RegisterDelayedCallback(env.CancelWorkflow, c.cancel)
			}
			in := input
			if c.deadline > 0 {
				in.Deadline = start.Add(c.deadline)
			}
			env.SetStartWorkflowOptions(client.StartWorkflowOptions{ID: in.WorkflowID()})
			env.ExecuteWorkflow(RunBatch, in)
			require.True(t, env.IsWorkflowCompleted())
			require.Equal(t, c.events, n.events())
		})
	}
}

func TestNotify_messageSaysHowToAnswer(t *testing.T) {
	env := newEnv(t)
	n := new(fakeChannels).register(env)
	s := &fakeService{env: env, triggers: []func() (activities.Run, error){accepted}, ends: []stretch{{"-1", time.Minute}}}
	s.register()
	channelsWant(env, notify.Events())
	in := input
	in.Deadline = start.Add(8 * time.Hour)
	env.SetStartWorkflowOptions(client.StartWorkflowOptions{ID: in.WorkflowID()})
	env.ExecuteWorkflow(RunBatch, in)
	m := n.messages[0]
	require.Equal(t, "ALLOC 2026-10-31 on prod waits for an operator", m.Title())
	require.Equal(t, runID, m.RunID)
	require.True(t, in.Deadline.Equal(m.Deadline))
	require.Contains(t, m.What, runID)
	require.Contains(t, m.Commands, `batch restart batch/prod/ALLOC/2026-10-31 --reason "..."`)
	require.Contains(t, m.Commands, `batch decide batch/prod/ALLOC/2026-10-31 --choice give_up --reason "..."`)
}

// Unavailable channels neither delay a batch nor change how it ends. Only the end of the workflow waits for
// the last message, and not for long.
func TestNotify_channelsUnavailable(t *testing.T) {
	env := newEnv(t)
	channels := &fakeChannels{answer: func() (activities.NotifyResult, error) {
		return activities.NotifyResult{}, temporal.NewApplicationError("chat: it answered 503", activities.Unavailable)
	}}
	channels.register(env)
	s := &fakeService{env: env, triggers: []func() (activities.Run, error){accepted}, ends: []stretch{{"0", time.Minute}}}
	s.register()
	channelsWant(env, notify.Events())
	env.SetStartWorkflowOptions(client.StartWorkflowOptions{ID: input.WorkflowID()})
	env.ExecuteWorkflow(RunBatch, input)
	require.NoError(t, env.GetWorkflowError())
	var result RunBatchResult
	require.NoError(t, env.GetWorkflowResult(&result))
	require.Equal(t, Succeeded, result.State)
	require.Less(t, result.EndedAt.Sub(start), 2*time.Minute)
	require.Greater(t, len(channels.messages), 3)
	require.LessOrEqual(t, env.Now().Sub(result.EndedAt), lastNotifyTimeout)
	log := queryStatus(t, env).Log
	require.Equal(t, "not every notification was delivered (succeeded): chat: it answered 503", log[len(log)-1].What)
	require.Equal(t, log[len(log)-1].What, result.Log[len(result.Log)-1].What, "the batch is over when it is known")
}

// A mail server that puts a new sender off for five minutes does not make a close lose its last message.
func TestNotify_greylistedAtTheEnd(t *testing.T) {
	env := newEnv(t)
	channels := &fakeChannels{}
	channels.answer = func() (activities.NotifyResult, error) {
		if channels.at[len(channels.at)-1].Sub(channels.at[0]) > 5*time.Minute {
			return activities.NotifyResult{Sent: []string{"mail"}}, nil
		}
		return activities.NotifyResult{}, temporal.NewApplicationErrorWithOptions("mail: 451 greylisted", activities.Unavailable,
			temporal.ApplicationErrorOptions{NextRetryDelay: time.Minute})
	}
	channels.register(env)
	s := &fakeService{env: env, triggers: []func() (activities.Run, error){accepted}, ends: []stretch{{"0", time.Minute}}}
	s.register()
	channelsWant(env, notify.Events())
	env.SetStartWorkflowOptions(client.StartWorkflowOptions{ID: input.WorkflowID()})
	env.ExecuteWorkflow(RunBatch, input)
	require.NoError(t, env.GetWorkflowError())
	for _, entry := range queryStatus(t, env).Log {
		require.NotContains(t, entry.What, NotDelivered)
	}
}

// A close sends the notifications of its batches, one for each question.
func TestNotify_close(t *testing.T) {
	env := newEnv(t)
	n := new(fakeChannels).register(env)
	fake := fakeSteps{env: env, uploads: 1, batch: succeeds, plan: plan(uploadStep("ledger"), approveStep("sign-off", "ledger"))}
	fake.plan.NotifyOn = notify.Events()
	fake.register()
	env.RegisterDelayedCallback(func() { env.SignalWorkflow(DecideCommand, Command{By: "ann", Why: "checked", Choice: Retry}) }, time.Hour)
	env.RegisterDelayedCallback(func() { env.SignalWorkflow(ApproveCommand, Command{By: "ann", Why: "checked"}) }, 2*time.Hour)
	in := NightlyCloseInput{Connection: "prod", Pipeline: "nightly", AsOfDate: "2026-10-31", StartedBy: "bob"}
	env.SetStartWorkflowOptions(client.StartWorkflowOptions{ID: in.WorkflowID()})
	env.ExecuteWorkflow(NightlyClose, in)
	require.NoError(t, env.GetWorkflowError())
	require.Equal(t, []string{"waiting ledger", "waiting sign-off", "succeeded"}, n.events())
	require.Contains(t, n.messages[0].Commands, `close decide close/prod/nightly/2026-10-31 --step ledger --choice retry --reason "..."`)
	require.Equal(t, "every step is done", n.messages[2].What)
}

// The state of the batch does not change with its question, so that the close is signalled because of the
// question alone.
func TestNotify_questionOfABatchChanges(t *testing.T) {
	env := newEnv(t)
	n := new(fakeChannels).register(env)
	p := plan(batchStep("ALLOC"))
	p.NotifyOn = notify.DefaultEvents()
	env.RegisterActivityWithOptions(func(context.Context, activities.PreparePipelineInput) (*activities.Plan, error) { return &p, nil }, activityName("PreparePipeline"))
	s := &fakeService{env: env, triggers: []func() (activities.Run, error){accepted}, ends: []stretch{{"5", time.Minute}}}
	s.register()
	env.RegisterWorkflow(RunBatch)
	env.RegisterDelayedCallback(func() { _, s.statusError = refusedWith("-3")() }, time.Hour)
	env.RegisterDelayedCallback(func() {
		status := queryStatus(t, env)
		require.Contains(t, status.Steps[0].Question.Why, "the service does not give the status")
		require.Contains(t, status.Question.Choices, DecideCommand+" "+Adopt)
		env.CancelWorkflow()
	}, 5*time.Hour)
	in := NightlyCloseInput{Connection: "prod", Pipeline: "nightly", AsOfDate: "2026-10-31"}
	env.SetStartWorkflowOptions(client.StartWorkflowOptions{ID: in.WorkflowID()})
	env.ExecuteWorkflow(NightlyClose, in)
	require.True(t, temporal.IsCanceledError(env.GetWorkflowError()))
	require.Equal(t, []string{"waiting ALLOC", "waiting ALLOC"}, n.events())
}

// A batch outlives a close that is terminated, and then sends its own notifications.
func TestNotify_closeOfABatchIsGone(t *testing.T) {
	for _, c := range []struct {
		name string
		gone time.Duration // after the start
		want []string
	}{
		{"before the question", 30 * time.Second, []string{"waiting", "failed"}},
		{"between the question and the end", 119 * time.Minute, []string{"failed"}},
		{"not before the batch ends", 3 * time.Hour, nil},
	} {
		t.Run(c.name, func(t *testing.T) {
			env := newEnv(t)
			s := &fakeService{env: env, triggers: []func() (activities.Run, error){accepted}, ends: []stretch{{"-1", time.Minute}}}
			s.register()
			n := new(fakeChannels).register(env)
			channelsWant(env, notify.DefaultEvents())
			env.RegisterWorkflow(RunBatch)
			env.RegisterWorkflowWithOptions(func(ctx workflow.Context) error {
				in := input
				in.Deadline = start.Add(2 * time.Hour)
				ctx = workflow.WithChildOptions(ctx, workflow.ChildWorkflowOptions{WorkflowID: in.WorkflowID(), ParentClosePolicy: enumspb.PARENT_CLOSE_POLICY_ABANDON})
				workflow.ExecuteChildWorkflow(ctx, RunBatch, in)
				return workflow.Sleep(ctx, c.gone)
			}, workflow.RegisterOptions{Name: "close"})
			env.ExecuteWorkflow(func(ctx workflow.Context) error {
				id := CloseWorkflowID("prod", "nightly", "2026-10-31")
				workflow.ExecuteChildWorkflow(workflow.WithChildOptions(ctx, workflow.ChildWorkflowOptions{WorkflowID: id}), "close")
				return workflow.Sleep(ctx, 9*time.Hour)
			})
			require.NoError(t, env.GetWorkflowError())
			require.Equal(t, c.want, n.events())
		})
	}
}

func TestNotify_closeCancelled(t *testing.T) {
	env := newEnv(t)
	n := new(fakeChannels).register(env)
	fake := fakeSteps{env: env, batch: succeeds, plan: plan(approveStep("sign-off"))}
	fake.plan.NotifyOn = notify.Events()
	fake.register()
	env.RegisterDelayedCallback(env.CancelWorkflow, time.Hour)
	in := NightlyCloseInput{Connection: "prod", Pipeline: "nightly", AsOfDate: "2026-10-31", StartedBy: "bob"}
	env.SetStartWorkflowOptions(client.StartWorkflowOptions{ID: in.WorkflowID()})
	env.ExecuteWorkflow(NightlyClose, in)
	require.Error(t, env.GetWorkflowError())
	require.Equal(t, []string{"waiting sign-off", "cancelled"}, n.events())
}

// A close that failed has sent its own notification; one that never started has not.
func TestNotify_scheduledCloseWhoseCloseFailed(t *testing.T) {
	for kind, want := range map[string][]string{CloseFailed: nil, InvalidInput: {"failed"}} {
		env, _ := scheduledEnv(t, activities.PlannedNight{Night: "2026-10-30", AsOfDate: "2026-10-30", NotifyOn: notify.Events()},
			func(NightlyCloseInput) (NightlyCloseResult, error) {
				return NightlyCloseResult{}, failure(kind, "it failed")
			})
		n := new(fakeChannels).register(env)
		atScheduledTime(t, env, start)
		env.ExecuteWorkflow(ScheduledClose, scheduledInput)
		require.Error(t, env.GetWorkflowError())
		require.Equal(t, want, n.events(), kind)
	}
}

func TestNotify_scheduledCloseCannotBePlanned(t *testing.T) {
	env := newEnv(t)
	n := new(fakeChannels).register(env)
	env.RegisterActivityWithOptions(func(context.Context, activities.PlanNightInput) (*activities.PlannedNight, error) {
		return nil, activities.InvalidInputError("calendar my-bank is not known")
	}, activityName("PlanNight"))
	env.RegisterWorkflow(ScheduledClose)
	atScheduledTime(t, env, start)
	env.ExecuteWorkflow(ScheduledClose, scheduledInput)
	require.Error(t, env.GetWorkflowError())
	require.Equal(t, []string{"failed"}, n.events())
	require.Contains(t, n.messages[0].What, "calendar my-bank is not known")
}
