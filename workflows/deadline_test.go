package workflows

import (
	"context"
	"encoding/json"
	"fmt"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"go.temporal.io/sdk/client"
	"go.temporal.io/sdk/temporal"
	"go.temporal.io/sdk/testsuite"
	"go.temporal.io/sdk/workflow"

	"github.com/pbsmflow/pbsmflow/activities"
)

func extendTo(until string) Command {
	return Command{By: "ann", Why: "the rates came late", Until: until}
}

func TestRunBatch_deadlineMoves(t *testing.T) {
	for _, c := range []struct {
		name     string
		deadline time.Duration // 0: none
		runs     time.Duration
		commands []timedCommand
		state    State
		took     time.Duration
		log      string
	}{
		{
			name: "later", deadline: time.Hour, runs: 2 * time.Hour,
			commands: []timedCommand{{after: 50 * time.Minute, name: ExtendCommand, Command: extendTo("100m")}},
			state:    Succeeded, took: 2 * time.Hour,
			log: "the deadline is Sun 2026-11-01 03:30 UTC now, before it was Sun 2026-11-01 02:00 UTC",
		},
		{
			name: "to a time of day", deadline: time.Hour, runs: 2 * time.Hour,
			commands: []timedCommand{{after: 50 * time.Minute, name: ExtendCommand, Command: extendTo("02:45")}},
			state:    Failed, took: 105 * time.Minute,
		},
		{
			name: "sooner", deadline: 5 * time.Hour, runs: 4 * time.Hour,
			commands: []timedCommand{{after: time.Hour, name: ExtendCommand, Command: extendTo("30m")}},
			state:    Failed, took: 90 * time.Minute,
		},
		{
			name: "one that had none", runs: 4 * time.Hour,
			commands: []timedCommand{{after: time.Hour, name: ExtendCommand, Command: extendTo("2026-11-01T04:00:00+01:00")}},
			state:    Failed, took: 2 * time.Hour, log: "the deadline is Sun 2026-11-01 03:00 UTC now, before it was none",
		},
		{
			name: "what is no moment is refused", deadline: time.Hour, runs: 10 * time.Minute,
			commands: []timedCommand{
				{after: time.Minute, name: ExtendCommand, Command: extendTo(""), refused: "until is missing"},
				{after: time.Minute, name: ExtendCommand, Command: extendTo("soon"), refused: `until: "soon" is neither a time of day`},
				{after: time.Minute, name: ExtendCommand, Command: extendTo("2026-11-01T00:00:00Z"), refused: "until: Sun 2026-11-01 00:00 UTC has passed"},
			},
			state: Succeeded, took: 10 * time.Minute,
		},
	} {
		t.Run(c.name, func(t *testing.T) {
			env := newEnv(t)
			service := fakeService{env: env, triggers: []func() (activities.Run, error){accepted}, ends: []stretch{{"0", c.runs}}}
			service.register()
			in := input
			if c.deadline > 0 {
				in.Deadline = start.Add(c.deadline)
			}
			answered := 0
			for i, command := range c.commands {
				sendAt(t, env, fmt.Sprint(i), command, &answered)
			}
			env.SetStartWorkflowOptions(client.StartWorkflowOptions{ID: in.WorkflowID()})
			env.ExecuteWorkflow(RunBatch, in)
			require.Equal(t, len(c.commands), answered)
			status := queryStatus(t, env)
			require.Equal(t, c.state, status.State, status.Summary)
			require.WithinDuration(t, start.Add(c.took), status.ChangedAt, time.Minute)
			if c.state == Failed {
				require.Equal(t, DeadlinePassed, errorType(env.GetWorkflowError()))
			}
			if c.log != "" {
				require.Contains(t, logTexts(status), c.log)
			}
		})
	}
}

func logTexts(s Status) (texts []string) {
	for _, e := range s.Log {
		texts = append(texts, e.What)
	}
	return texts
}

// The run ends between the last poll and the deadline.
func TestRunBatch_endsJustBeforeTheDeadline(t *testing.T) {
	env := newEnv(t)
	service := fakeService{env: env, triggers: []func() (activities.Run, error){accepted}, ends: []stretch{{"0", 59 * time.Minute}}}
	service.register()
	env.RegisterActivityWithOptions(func(ctx context.Context, in activities.BatchStatusInput) (activities.BatchStatus, error) {
		status, err := service.status(ctx, in)
		if err != nil {
			err = temporal.NewApplicationErrorWithOptions("no change", activities.StillWaiting, temporal.ApplicationErrorOptions{
				NextRetryDelay: 20 * time.Minute, Category: temporal.ApplicationErrorCategoryBenign})
		}
		return status, err
	}, replaced("BatchStatus"))
	in := input
	in.Deadline = start.Add(time.Hour - time.Second)
	env.SetStartWorkflowOptions(client.StartWorkflowOptions{ID: in.WorkflowID()})
	env.ExecuteWorkflow(RunBatch, in)
	require.NoError(t, env.GetWorkflowError())
	require.Equal(t, Succeeded, queryStatus(t, env).State)
}

// The warning that a deadline will be missed ends when the deadline moves, and comes again.
func TestRunBatch_isAtRiskUntilTheDeadlineMoves(t *testing.T) {
	env := newEnv(t)
	service := fakeService{env: env, triggers: []func() (activities.Run, error){accepted}, ends: []stretch{{"0", 5 * time.Hour}}}
	service.register()
	in := input
	in.Deadline = start.Add(2 * time.Hour)
	answered := 0
	sendAt(t, env, "1", timedCommand{after: 110 * time.Minute, name: ExtendCommand, Command: extendTo("4h")}, &answered)
	var seen []string
	for _, after := range []time.Duration{time.Hour, 100 * time.Minute, 2 * time.Hour, 5*time.Hour - time.Second} {
		env.RegisterDelayedCallback(func() { seen = append(seen, queryStatus(t, env).AtRisk) }, after)
	}
	env.SetStartWorkflowOptions(client.StartWorkflowOptions{ID: in.WorkflowID()})
	env.ExecuteWorkflow(RunBatch, in)
	require.NoError(t, env.GetWorkflowError())
	risk := func(deadline string) string {
		return "at risk: ALLOC has not ended, and its deadline is Sun 2026-11-01 " + deadline
	}
	require.Equal(t, []string{"", risk("03:00 UTC"), "", ""}, seen)
	require.Equal(t, start.Add(110*time.Minute+4*time.Hour), queryStatus(t, env).Deadline)
}

// The steps: allocate has the close's deadline, book one of its own.
func TestNightlyClose_deadlinesMove(t *testing.T) {
	newYork, err := time.LoadLocation("America/New_York") // at the start it is 21:00 there
	require.NoError(t, err)
	for _, c := range []struct {
		name    string
		command Command
		want    map[string]time.Time // "" is the close's
		sent    string               // to the workflow of allocate
		answer  string
	}{
		{
			name: "of the close", command: extendTo("23:30"), sent: "2026-10-31T23:30:00-04:00",
			want: map[string]time.Time{"": start.Add(150 * time.Minute), "allocate": start.Add(150 * time.Minute), "book": start.Add(2 * time.Hour)},
			answer: "the deadline is Sat 2026-10-31 23:30 EDT now, before it was Sat 2026-10-31 22:30 EDT. Steps with a deadline of " +
				"their own keep it, and extend moves it when it names the step: book keeps Sat 2026-10-31 23:00 EDT",
		},
		{
			name: "of a step", command: Command{By: "ann", Why: "late", Step: "allocate", Until: "3h"}, sent: "2026-10-31T23:00:01-04:00",
			want: map[string]time.Time{"": start.Add(90 * time.Minute), "allocate": start.Add(3*time.Hour + time.Minute), "book": start.Add(2 * time.Hour)},
		},
		{
			name: "of a step that has not begun", command: Command{By: "ann", Why: "late", Step: "book", Until: "3h"},
			want: map[string]time.Time{"": start.Add(90 * time.Minute), "allocate": start.Add(90 * time.Minute), "book": start.Add(3*time.Hour + time.Minute)},
		},
	} {
		t.Run(c.name, func(t *testing.T) {
			book := batchStep("book", "allocate")
			book.Deadline = start.Add(2 * time.Hour)
			p := plan(batchStep("allocate"), book)
			p.TimeZone, p.Deadline = newYork.String(), start.Add(90*time.Minute)
			var deadline time.Time
			fake := fakeSteps{env: newEnv(t), plan: p, batch: func(ctx workflow.Context, in RunBatchInput) (RunBatchResult, error) {
				deadline = in.Deadline
				return succeeds(ctx, in)
			}}
			fake.register()
			var sent []activities.SendCommandInput
			fake.env.RegisterActivityWithOptions(func(_ context.Context, in activities.SendCommandInput) (json.RawMessage, error) {
				sent = append(sent, in)
				return json.RawMessage(`{}`), nil
			}, activityName("SendCommand"))
			before := map[string]time.Time{"": p.Deadline, "allocate": p.Deadline, "book": book.Deadline}
			fake.env.RegisterDelayedCallback(func() { require.Equal(t, before, deadlinesOf(queryStatus(t, fake.env))) }, time.Second)
			answered := 0
			fake.env.RegisterDelayedCallback(func() {
				fake.env.UpdateWorkflow(ExtendCommand, "1", &testsuite.TestUpdateCallback{
					OnAccept: func() {}, OnReject: func(err error) { require.NoError(t, err) },
					OnComplete: func(result any, err error) {
						require.NoError(t, err)
						answered++
						if c.answer != "" {
							require.Equal(t, c.answer, result.(CommandResult).Message)
						}
					},
				}, c.command)
			}, time.Minute)
			fake.execute("alice")
			require.NoError(t, fake.env.GetWorkflowError())
			require.Equal(t, 1, answered)
			status := queryStatus(t, fake.env)
			require.Equal(t, c.want, deadlinesOf(status))
			require.Equal(t, c.want["book"], deadline.UTC(), "the step that begins later")
			if c.sent == "" {
				require.Empty(t, sent)
				return
			}
			require.Len(t, sent, 1)
			require.Equal(t, BatchWorkflowID("prod", "allocate", "2026-10-31", ""), sent[0].WorkflowID)
			passedOn := sent[0].Command.(map[string]any)
			require.WithinDuration(t, c.want["allocate"], mustParse(t, passedOn["until"].(string)), time.Second)
			require.Equal(t, "ann", passedOn["by"])
		})
	}
}

func mustParse(t *testing.T, text string) time.Time {
	t.Helper()
	at, err := time.Parse(time.RFC3339Nano, text)
	require.NoError(t, err)
	return at
}

func deadlinesOf(s Status) map[string]time.Time {
	all := map[string]time.Time{"": s.Deadline.UTC()}
	for _, step := range s.Steps {
		all[step.ID] = step.Deadline.UTC()
	}
	return all
}

// The operator continues with the file that is there, without its marker and before it is stable.
func TestUploadFile_startsNow(t *testing.T) {
	env := newEnv(t)
	var last activities.StatFileInput
	env.RegisterActivityWithOptions(func(_ context.Context, in activities.StatFileInput) (activities.FileInfo, error) {
		if last = in; in.Last {
			return activities.FileInfo{}, temporal.NewNonRetryableApplicationError("inbox/gl.csv is missing", activities.FileMissing, nil)
		}
		return activities.FileInfo{}, temporal.NewApplicationErrorWithOptions("not there", activities.StillWaiting, temporal.ApplicationErrorOptions{
			NextRetryDelay: 3 * time.Hour, Category: temporal.ApplicationErrorCategoryBenign,
		})
	}, activityName("StatFile"))
	answered := 0
	sendAt(t, env, "1", timedCommand{after: time.Hour, name: StartCommand, Command: Command{By: "ann", Why: "nothing more comes"},
		refused: "inbox/gl.csv cannot be taken as it is, and is not waited for any longer: inbox/gl.csv is missing"}, &answered)
	env.RegisterDelayedCallback(func() { require.Equal(t, start.Add(4*time.Hour), queryStatus(t, env).WaitUntil.UTC()) }, time.Minute)
	env.ExecuteWorkflow(UploadFile, UploadFileInput{
		Connection: "prod", File: "inbox/gl.csv", StableFor: "10m", Marker: "inbox/gl.done", WaitUntil: start.Add(4 * time.Hour),
	})
	require.Equal(t, 1, answered)
	require.Equal(t, activities.FileMissing, errorType(env.GetWorkflowError()))
	require.WithinDuration(t, start.Add(time.Hour), env.Now(), time.Minute)
	require.True(t, last.Last && last.Marker == "" && last.StableFor == 0, "%+v", last)
	status := queryStatus(t, env)
	require.Contains(t, logTexts(status), "no more waiting for inbox/gl.csv")
	require.True(t, status.WaitUntil.IsZero())
}

// Every workflow that takes commands is cancelled by one, and says by whom.
func TestCancel_saysByWhom(t *testing.T) {
	by := Command{By: "ann", Why: "the wrong date"}
	t.Run("a batch", func(t *testing.T) {
		env := newEnv(t)
		service := fakeService{env: env, triggers: []func() (activities.Run, error){accepted}, ends: []stretch{{"0", 5 * time.Hour}}}
		service.register()
		answered := 0
		sendAt(t, env, "1", timedCommand{after: time.Hour, name: CancelCommand, Command: by}, &answered)
		env.SetStartWorkflowOptions(client.StartWorkflowOptions{ID: input.WorkflowID()})
		env.ExecuteWorkflow(RunBatch, input)
		require.True(t, temporal.IsCanceledError(env.GetWorkflowError()))
		require.Equal(t, 1, answered)
		require.Equal(t, 1, service.calls["interrupt"])
		status := queryStatus(t, env)
		require.Equal(t, Cancelled, status.State)
		require.Contains(t, status.Summary, "cancelled by ann (the wrong date); "+runID+" ended as Interrupted")
		require.Contains(t, logTexts(status), "cancel")
	})
	t.Run("a close", func(t *testing.T) {
		fake := fakeSteps{env: newEnv(t), plan: plan(batchStep("allocate"), batchStep("book", "allocate")), batch: succeeds}
		fake.register()
		answered := 0
		sendAt(t, fake.env, "1", timedCommand{after: time.Minute, name: CancelCommand, Command: by}, &answered)
		fake.execute("alice")
		require.True(t, temporal.IsCanceledError(fake.env.GetWorkflowError()))
		require.Equal(t, 1, answered)
		status := queryStatus(t, fake.env)
		require.Equal(t, "cancelled by ann (the wrong date): allocate cancelled, book cancelled", status.Summary)
	})
	t.Run("an upload", func(t *testing.T) {
		env := newEnv(t)
		env.RegisterActivityWithOptions(func(context.Context, activities.StatFileInput) (activities.FileInfo, error) {
			return activities.FileInfo{}, temporal.NewApplicationErrorWithOptions("not there", activities.StillWaiting, temporal.ApplicationErrorOptions{
				NextRetryDelay: 3 * time.Hour, Category: temporal.ApplicationErrorCategoryBenign})
		}, activityName("StatFile"))
		answered := 0
		sendAt(t, env, "1", timedCommand{after: time.Minute, name: CancelCommand, Command: by}, &answered)
		env.ExecuteWorkflow(UploadFile, UploadFileInput{Connection: "prod", File: "inbox/gl.csv", WaitUntil: start.Add(4 * time.Hour)})
		require.True(t, temporal.IsCanceledError(env.GetWorkflowError()))
		require.Equal(t, 1, answered)
		require.Equal(t, "cancelled by ann (the wrong date)", queryStatus(t, env).Summary)
	})
}
