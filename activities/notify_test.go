package activities

import (
	"context"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/mock"
	"github.com/stretchr/testify/require"
	"go.temporal.io/api/serviceerror"
	"go.temporal.io/sdk/activity"
	"go.temporal.io/sdk/log"
	"go.temporal.io/sdk/mocks"
	"go.temporal.io/sdk/testsuite"
	"go.temporal.io/sdk/workflow"

	"github.com/pbsmflow/pbsmflow/internal/notify"
)

// Temporal may record the heartbeat that precedes a message, and its response be lost. Nothing was sent then, so
// that the next attempt sends it.
func TestNotify_unconfirmedHeartbeat(t *testing.T) {
	for name, answer := range map[string]error{
		"lost":   serviceerror.NewUnavailable("connection closed"),
		"paused": activity.ErrActivityPaused,
	} {
		t.Run(name, func(t *testing.T) {
			sent := 0
			chat := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { sent++ }))
			defer chat.Close()
			channels, err := notify.Open(map[string]notify.Channel{"chat": {Kind: "slack", URL: chat.URL, On: notify.Events()}})
			require.NoError(t, err)
			var taken map[string]delivery
			server := mocks.NewClient(t)
			server.On("RecordActivityHeartbeat", mock.Anything, mock.Anything, mock.Anything).
				Run(func(args mock.Arguments) { taken = args.Get(2).(map[string]delivery) }).
				Return(func(context.Context, []byte, ...any) error { return answer })
			a := &Activities{temporal: server, channels: channels}
			message := notify.Message{Event: notify.Failed, Subject: "nightly-close", What: "it failed"}
			_, err = activityEnv(a).ExecuteActivity(a.Notify, message)
			require.Equal(t, Unavailable, applicationError(t, err).Type())
			require.Zero(t, sent)

			answer = nil
			next := activityEnv(a)
			next.SetHeartbeatDetails(taken)
			value, err := next.ExecuteActivity(a.Notify, message)
			require.NoError(t, err)
			var result NotifyResult
			require.NoError(t, value.Get(&result))
			require.Equal(t, NotifyResult{Sent: []string{"chat"}}, result)
			require.Equal(t, 1, sent)
		})
	}
}

// The commands of a message begin as operators type them: the workflow does not know how.
func TestNotify_commandsAsConfigured(t *testing.T) {
	var text []byte
	hook := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) { text, _ = io.ReadAll(r.Body) }))
	defer hook.Close()
	channels, err := notify.Open(map[string]notify.Channel{"hook": {Kind: "webhook", URL: hook.URL, On: notify.Events()}})
	require.NoError(t, err)
	server := mocks.NewClient(t)
	server.On("RecordActivityHeartbeat", mock.Anything, mock.Anything, mock.Anything).Return(nil)
	a := &Activities{temporal: server, channels: channels, starter: "docker compose run --rm starter"}
	a.console.URL, a.temporalUI = "https://console.bank.example/", "https://temporal.bank.example"
	message := notify.Message{Event: notify.Waiting, Commands: []string{"batch restart x"}}
	_, err = activityEnv(a).ExecuteActivity(a.Notify, message)
	require.NoError(t, err)
	require.Contains(t, string(text), `"commands":["docker compose run --rm starter batch restart x"]`)
	require.Contains(t, string(text), `"link":"https://console.bank.example/w/default-test-workflow-id#questions"`, "not that of Temporal")
}

// A receiver may request a longer delay than the time that is left, and be back earlier. Temporal does not retry
// after the deadline, so that the message would not be sent while there is still time.
func TestNotify_retriesDespiteALongRetryAfter(t *testing.T) {
	calls := 0
	chat := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		if calls++; calls == 1 {
			w.Header().Set("Retry-After", "600")
			w.WriteHeader(http.StatusServiceUnavailable)
		}
	}))
	defer chat.Close()
	channels, err := notify.Open(map[string]notify.Channel{"chat": {Kind: "slack", URL: chat.URL, On: notify.Events()}})
	require.NoError(t, err)
	server := mocks.NewClient(t)
	server.On("RecordActivityHeartbeat", mock.Anything, mock.Anything, mock.Anything).Return(nil)
	a := &Activities{temporal: server, channels: channels}
	var suite testsuite.WorkflowTestSuite
	suite.SetLogger(log.NewStructuredLogger(slog.New(slog.DiscardHandler)))
	env := suite.NewTestWorkflowEnvironment()
	env.RegisterActivity(a)
	env.ExecuteWorkflow(func(ctx workflow.Context) (result NotifyResult, err error) {
		ctx = workflow.WithActivityOptions(ctx, workflow.ActivityOptions{StartToCloseTimeout: time.Minute, ScheduleToCloseTimeout: 5 * time.Minute})
		err = workflow.ExecuteActivity(ctx, a.Notify, notify.Message{Event: notify.Failed, Subject: "nightly-close"}).Get(ctx, &result)
		return result, err
	})
	require.NoError(t, env.GetWorkflowError())
	require.Equal(t, 2, calls)
}

// A channel that asks for a long pause does not hold up the others, and is not asked before it is over.
func TestNotify_pauseOfEachChannel(t *testing.T) {
	var suite testsuite.WorkflowTestSuite
	suite.SetLogger(log.NewStructuredLogger(slog.New(slog.DiscardHandler)))
	env := suite.NewTestWorkflowEnvironment()
	started := env.Now()
	var mutex sync.Mutex
	at := map[string][]time.Duration{}
	receiver := func(name string, failures int, wait string) notify.Channel {
		server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
			mutex.Lock()
			defer mutex.Unlock()
			at[name] = append(at[name], env.Now().Sub(started).Round(time.Second))
			if len(at[name]) <= failures {
				w.Header().Set("Retry-After", wait)
				w.WriteHeader(http.StatusServiceUnavailable)
			}
		}))
		t.Cleanup(server.Close)
		return notify.Channel{Kind: "slack", URL: server.URL, On: notify.Events()}
	}
	channels, err := notify.Open(map[string]notify.Channel{
		"up": receiver("up", 0, ""), "chat": receiver("chat", 3, ""), "hook": receiver("hook", 1, "20"),
		"date": receiver("date", 1, time.Now().Add(time.Hour).UTC().Format(http.TimeFormat)),
	})
	require.NoError(t, err)
	server := mocks.NewClient(t)
	var marks map[string]delivery
	server.On("RecordActivityHeartbeat", mock.Anything, mock.Anything, mock.Anything).Return(
		func(_ context.Context, _ []byte, details ...any) error {
			marks = details[0].(map[string]delivery)
			return nil
		})
	a := &Activities{temporal: server, channels: channels}
	env.RegisterActivityWithOptions(func(ctx context.Context, m notify.Message) (NotifyResult, error) {
		defer func() { activity.RecordHeartbeat(ctx, marks) }()
		return a.Notify(ctx, m)
	}, activity.RegisterOptions{Name: "Notify"})
	env.ExecuteWorkflow(func(ctx workflow.Context) (result NotifyResult, err error) {
		ctx = workflow.WithActivityOptions(ctx, workflow.ActivityOptions{StartToCloseTimeout: time.Minute, ScheduleToCloseTimeout: time.Hour})
		err = workflow.ExecuteActivity(ctx, "Notify", notify.Message{Event: notify.Failed}).Get(ctx, &result)
		return result, err
	})
	require.NoError(t, env.GetWorkflowError())
	var result NotifyResult
	require.NoError(t, env.GetWorkflowResult(&result))
	require.Equal(t, NotifyResult{Sent: []string{"chat", "date", "hook", "up"}}, result)
	seconds := func(all ...time.Duration) []time.Duration {
		for i := range all {
			all[i] *= time.Second //nolint:durationcheck // each is a number of seconds
		}
		return all
	}
	require.Equal(t, map[string][]time.Duration{
		"up": seconds(0), "chat": seconds(0, 1, 3, 7), "hook": seconds(0, 20), "date": seconds(0, 600),
	}, at)
}
