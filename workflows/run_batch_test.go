package workflows

import (
	"context"
	"fmt"
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
)

// scheduler answers the activities of a batch as the service would, on the test's clock.
type scheduler struct {
	env *testsuite.TestWorkflowEnvironment
	// triggers are the answers to the triggers, in order; the last one goes on.
	triggers []func() (activities.Run, error)
	restart  func() (activities.Run, error)
	// ends are how the run's stretches end, in order: the trigger starts the first one, a
	// restart or a rerun the next.
	ends    []stretch
	started time.Time
	current int
	// interrupted is set once the interrupt took effect.
	interrupted bool
	slow        bool // an interrupt never takes effect
	mute        bool // after an interrupt the status is refused
	statusError error
	calls       map[string]int
	earlier     activities.EarlierSubmission
}

type stretch struct {
	code  string
	after time.Duration
}

func (s *scheduler) register() {
	s.calls = map[string]int{}
	for name, f := range map[string]any{
		"TriggerBatch": s.trigger, "RestartBatch": s.restartBatch, "RerunBatch": s.rerun,
		"InterruptBatch": s.interrupt, "BatchStatus": s.status,
		"EarlierSubmission": func(context.Context, activities.EarlierSubmissionInput) (activities.EarlierSubmission, error) {
			return s.earlier, nil
		},
	} {
		s.env.RegisterActivityWithOptions(f, activityName(name))
	}
}

const runID = "ALLOC_2026-10-31_1_1"

func accepted() (activities.Run, error) { return activities.Run{RunID: runID}, nil }

func lostAnswer() (activities.Run, error) {
	return activities.Run{}, temporal.NewNonRetryableApplicationError("the answer was lost", activities.OutcomeUnknown, nil, activities.Refusal{})
}

func notSent() (activities.Run, error) {
	return activities.Run{}, temporal.NewTimeoutError(enumspb.TIMEOUT_TYPE_SCHEDULE_TO_CLOSE, nil)
}

func refusedWith(code string) func() (activities.Run, error) {
	return func() (activities.Run, error) {
		return activities.Run{}, temporal.NewNonRetryableApplicationError("refused with "+code, activities.Refused, nil, activities.Refusal{Code: code})
	}
}

func (s *scheduler) trigger(context.Context, activities.TriggerBatchInput) (activities.Run, error) {
	answer := s.triggers[min(s.calls["trigger"], len(s.triggers)-1)]
	s.calls["trigger"]++
	s.started = s.env.Now()
	return answer()
}

func (s *scheduler) next(name string) {
	s.calls[name]++
	s.current = min(s.current+1, len(s.ends)-1)
	s.started, s.interrupted = s.env.Now(), false
}

func (s *scheduler) restartBatch(context.Context, activities.RunInput) (activities.Run, error) {
	s.next("restart")
	if s.restart != nil {
		return s.restart()
	}
	return accepted()
}

func (s *scheduler) rerun(context.Context, activities.RunInput) (activities.Run, error) {
	s.next("rerun")
	return activities.Run{RunID: runID + "_rerun"}, nil
}

func (s *scheduler) interrupt(context.Context, activities.RunInput) (activities.Run, error) {
	s.calls["interrupt"]++
	if s.code() != "2" {
		return refusedWith("-8")()
	}
	s.interrupted = !s.slow
	if s.mute {
		_, s.statusError = refusedWith("-3")()
	}
	return activities.Run{RunID: runID}, nil
}

func (s *scheduler) code() string {
	end := s.ends[s.current]
	switch {
	case s.interrupted:
		return "-2"
	case s.env.Now().Sub(s.started) >= end.after:
		return end.code
	}
	return "2"
}

func (s *scheduler) status(_ context.Context, in activities.BatchStatusInput) (activities.BatchStatus, error) {
	s.calls["status"]++
	if s.statusError != nil {
		return activities.BatchStatus{}, s.statusError
	}
	seen := activities.BatchStatus{RunID: in.RunID, Code: s.code(), Text: "said"}
	if seen.Fingerprint() == in.Known {
		return seen, temporal.NewApplicationErrorWithOptions("no change", activities.StillWaiting, temporal.ApplicationErrorOptions{
			NextRetryDelay: s.untilChange(), Category: temporal.ApplicationErrorCategoryBenign,
		})
	}
	return seen, nil
}

// untilChange keeps within the ten attempts that the test environment allows.
func (s *scheduler) untilChange() time.Duration {
	if left := s.ends[s.current].after - s.env.Now().Sub(s.started); left > 0 {
		return left
	}
	return time.Hour
}

var input = RunBatchInput{Connection: "prod", Code: "ALLOC", AsOfDate: "2026-10-31", RestartDelay: "1m"}

type said struct {
	after time.Duration
	name  string
	Command
	refused string // what the refusal holds; empty: it must be accepted
}

func TestRunBatch(t *testing.T) {
	minute := time.Minute
	for _, c := range []struct {
		name      string
		service   scheduler
		input     func(*RunBatchInput)
		said      []said
		cancel    time.Duration
		state     State
		errorType string
		calls     map[string]int
	}{
		{
			name:    "a run that succeeds",
			service: scheduler{ends: []stretch{{"0", 10 * time.Hour}}},
			state:   Succeeded,
			calls:   map[string]int{"trigger": 1},
		},
		{
			name:    "a failed run is restarted as often as it may",
			service: scheduler{ends: []stretch{{"-1", minute}, {"3", minute}, {"0", minute}}},
			input:   func(in *RunBatchInput) { in.Restarts = 2 },
			state:   Succeeded,
			calls:   map[string]int{"trigger": 1, "restart": 2},
		},
		{
			name:    "a failed run waits for an operator, who restarts it",
			service: scheduler{ends: []stretch{{"-1", minute}, {"0", minute}}},
			said:    []said{{after: time.Hour, name: RestartCommand}},
			state:   Succeeded,
			calls:   map[string]int{"trigger": 1, "restart": 1},
		},
		{
			name:    "a rerun's new id is followed",
			service: scheduler{ends: []stretch{{"-1", minute}, {"0", minute}}},
			said:    []said{{after: time.Hour, name: RerunCommand}},
			state:   Succeeded,
			calls:   map[string]int{"trigger": 1, "rerun": 1},
		},
		{
			name:      "nobody decides before the deadline",
			service:   scheduler{ends: []stretch{{"-1", minute}}},
			input:     func(in *RunBatchInput) { in.Deadline = start.Add(2 * time.Hour) },
			state:     Failed,
			errorType: DeadlinePassed,
			calls:     map[string]int{"trigger": 1},
		},
		{
			name:      "the deadline passes while it runs; the run is left alone",
			service:   scheduler{ends: []stretch{{"0", 10 * time.Hour}}},
			input:     func(in *RunBatchInput) { in.Deadline = start.Add(2 * time.Hour) },
			state:     Failed,
			errorType: DeadlinePassed,
			calls:     map[string]int{"trigger": 1},
		},
		{
			name:      "the deadline passed before anything was posted",
			service:   scheduler{ends: []stretch{{"0", time.Hour}}},
			input:     func(in *RunBatchInput) { in.Deadline = start.Add(-minute) },
			state:     Failed,
			errorType: DeadlinePassed,
			calls:     map[string]int{},
		},
		{
			name:      "the deadline passes in the pause before a restart",
			service:   scheduler{ends: []stretch{{"-1", minute}, {"0", time.Hour}}},
			input:     func(in *RunBatchInput) { in.Restarts, in.Deadline = 1, start.Add(90*time.Second) },
			state:     Failed,
			errorType: DeadlinePassed,
			calls:     map[string]int{"trigger": 1},
		},
		{
			name:      "a run that does not stop before the deadline; the interrupt is answered",
			service:   scheduler{slow: true, ends: []stretch{{"2", 70 * minute}}}, // it goes on and on
			input:     func(in *RunBatchInput) { in.Deadline = start.Add(2 * time.Hour) },
			said:      []said{{after: time.Hour, name: InterruptCommand, refused: "the deadline passed; the run may still be going"}},
			state:     Failed,
			errorType: DeadlinePassed,
			calls:     map[string]int{"trigger": 1, "interrupt": 1},
		},
		{
			name:    "given up while a run is not seen to stop; the interrupt is answered",
			service: scheduler{mute: true, ends: []stretch{{"0", 10 * time.Hour}}},
			said: []said{
				{after: time.Hour, name: InterruptCommand, refused: "given up"},
				{after: 2 * time.Hour, name: DecideCommand, Command: Command{Choice: GiveUp}},
			},
			state:     Failed,
			errorType: GivenUp,
			calls:     map[string]int{"trigger": 1, "interrupt": 1},
		},
		{
			name:      "a restart that cannot be sent before the deadline; the person is answered",
			service:   scheduler{restart: notSent, ends: []stretch{{"-1", minute}}},
			input:     func(in *RunBatchInput) { in.Deadline = start.Add(2 * time.Hour) },
			said:      []said{{after: time.Hour, name: RestartCommand, refused: "no answer in time"}},
			state:     Failed,
			errorType: DeadlinePassed,
			calls:     map[string]int{"trigger": 1, "restart": 1},
		},
		{
			name:      "given up by a person",
			service:   scheduler{ends: []stretch{{"-1", minute}}},
			said:      []said{{after: time.Hour, name: DecideCommand, Command: Command{Choice: GiveUp}}},
			state:     Failed,
			errorType: GivenUp,
		},
		{
			name:      "a refused trigger is final",
			service:   scheduler{triggers: []func() (activities.Run, error){refusedWith("-4")}, ends: []stretch{{"0", minute}}},
			state:     Failed,
			errorType: BatchFailed,
			calls:     map[string]int{"trigger": 1},
		},
		{
			name:    "a lost answer: the run is adopted",
			service: scheduler{triggers: []func() (activities.Run, error){lostAnswer}, ends: []stretch{{"0", 2 * time.Hour}}},
			said: []said{
				{after: minute, name: RestartCommand, refused: "does not apply"},
				{after: time.Hour, name: DecideCommand, Command: Command{Choice: Adopt, RunID: "OTHER_1"}, refused: "does not belong"},
				{after: time.Hour, name: DecideCommand, Command: Command{Choice: Adopt, RunID: runID}},
			},
			state: Succeeded,
			calls: map[string]int{"trigger": 1},
		},
		{
			name:    "a lost answer: nothing had started",
			service: scheduler{triggers: []func() (activities.Run, error){lostAnswer, accepted}, ends: []stretch{{"0", minute}}},
			said:    []said{{after: time.Hour, name: DecideCommand, Command: Command{Choice: NothingStarted}}},
			state:   Succeeded,
			calls:   map[string]int{"trigger": 2},
		},
		{
			name:    "a lost answer to a restart shows in the status",
			service: scheduler{restart: lostAnswer, ends: []stretch{{"-1", minute}, {"0", time.Hour}}},
			input:   func(in *RunBatchInput) { in.Restarts = 1 },
			state:   Succeeded,
			calls:   map[string]int{"trigger": 1, "restart": 1},
		},
		{
			name:    "a lost answer to a restart that has succeeded already",
			service: scheduler{restart: lostAnswer, ends: []stretch{{"-1", minute}, {"0", 0}}},
			input:   func(in *RunBatchInput) { in.Restarts = 1 },
			state:   Succeeded,
			calls:   map[string]int{"trigger": 1, "restart": 1},
		},
		{
			name:    "interrupted by a person, restarted by a person",
			service: scheduler{ends: []stretch{{"0", 10 * time.Hour}, {"0", minute}}},
			input:   func(in *RunBatchInput) { in.Restarts = 2 },
			said: []said{
				{after: time.Hour, name: InterruptCommand},
				{after: 2 * time.Hour, name: InterruptCommand, refused: "does not apply"},
				{after: 2 * time.Hour, name: RestartCommand},
			},
			state: Succeeded,
			calls: map[string]int{"trigger": 1, "interrupt": 1, "restart": 1},
		},
		{
			name:      "cancelled while it runs",
			service:   scheduler{ends: []stretch{{"0", 10 * time.Hour}}},
			cancel:    time.Hour,
			state:     Cancelled,
			errorType: "canceled",
			calls:     map[string]int{"trigger": 1, "interrupt": 1},
		},
		{
			name:      "cancelled while it waits for an operator",
			service:   scheduler{ends: []stretch{{"-1", minute}}},
			cancel:    time.Hour,
			state:     Cancelled,
			errorType: "canceled",
			calls:     map[string]int{"trigger": 1},
		},
		{
			name:    "an unknown code is never a success",
			service: scheduler{ends: []stretch{{"7", minute}, {"0", minute}}},
			said:    []said{{after: time.Hour, name: InterruptCommand, refused: "-8"}, {after: 2 * time.Hour, name: InterruptCommand, refused: "-8"}},
			cancel:  3 * time.Hour,
			state:   Cancelled, errorType: "canceled",
		},
		{
			name:    "the service no longer knows the run",
			service: scheduler{statusError: temporal.NewNonRetryableApplicationError("-3", activities.Refused, nil), ends: []stretch{{"0", minute}}},
			said:    []said{{after: time.Hour, name: DecideCommand, Command: Command{Choice: GiveUp}}},
			state:   Failed, errorType: GivenUp,
		},
		{
			name:    "an earlier start left a run that goes on",
			service: scheduler{earlier: activities.EarlierSubmission{RunID: runID}, ends: []stretch{{"0", time.Hour}}},
			state:   Succeeded,
			calls:   map[string]int{},
		},
		{
			name:    "an earlier start left a run that failed",
			service: scheduler{earlier: activities.EarlierSubmission{RunID: runID}, ends: []stretch{{"-1", 0}, {"0", time.Hour}}},
			said:    []said{{after: time.Hour, name: RestartCommand}},
			state:   Succeeded,
			calls:   map[string]int{"trigger": 1, "restart": 1},
		},
		{
			name:    "an earlier start left an unknown outcome",
			service: scheduler{earlier: activities.EarlierSubmission{RunID: "?"}, ends: []stretch{{"0", time.Hour}}},
			said:    []said{{after: time.Hour, name: DecideCommand, Command: Command{Choice: NothingStarted}}},
			state:   Succeeded,
			calls:   map[string]int{"trigger": 1},
		},
		{
			name:    "an earlier start left a restart of unknown outcome that took effect",
			service: scheduler{earlier: activities.EarlierSubmission{RunID: runID + "?"}, ends: []stretch{{"0", time.Hour}}},
			state:   Succeeded,
			calls:   map[string]int{},
		},
		{
			name:    "a run that was started elsewhere",
			service: scheduler{ends: []stretch{{"0", minute}}},
			input:   func(in *RunBatchInput) { in.RunID = runID },
			state:   Succeeded,
			calls:   map[string]int{},
		},
	} {
		t.Run(c.name, func(t *testing.T) {
			env := newEnv(t)
			service := c.service
			service.env = env
			service.started = start
			if service.triggers == nil {
				service.triggers = []func() (activities.Run, error){accepted}
			}
			service.register()
			in := input
			if c.input != nil {
				c.input(&in)
			}
			env.SetStartWorkflowOptions(client.StartWorkflowOptions{ID: in.WorkflowID()})
			answered := 0
			for i, s := range c.said {
				say(t, env, fmt.Sprint(i), s, &answered)
			}
			if c.cancel > 0 {
				env.RegisterDelayedCallback(env.CancelWorkflow, c.cancel)
			}
			env.ExecuteWorkflow(RunBatch, in)

			require.True(t, env.IsWorkflowCompleted())
			err := env.GetWorkflowError()
			result := outcome(t, env, err)
			require.Equal(t, c.errorType, kindOf(err), "%v", err)
			require.Equal(t, c.state, result.State)
			for _, call := range []string{"trigger", "restart", "rerun", "interrupt"} {
				if c.calls != nil {
					require.Equal(t, c.calls[call], service.calls[call], call)
				}
			}
			require.Equal(t, len(c.said), answered)
			status := queryStatus(t, env)
			require.Equal(t, c.state, status.State)
			require.Nil(t, status.Question)
		})
	}
}

// A person's word may come at the deadline, when workers were away: that nothing had started is known then.
func TestWhatNothingStartedSaysIsKeptBehindTheDeadline(t *testing.T) {
	env := newEnv(t)
	known := "none"
	env.OnUpsertTypedSearchAttributes(mock.Anything).Run(func(args mock.Arguments) {
		if value, ok := args.Get(0).(temporal.SearchAttributes).GetKeyword(runIDAttribute); ok {
			known = value
		}
	}).Return(nil)
	late := input
	late.Deadline = start.Add(-time.Minute)
	env.ExecuteWorkflow(func(ctx workflow.Context) error {
		b, err := newBatchRun(ctx, late)
		if err != nil {
			return err
		}
		if err := b.reporter.update(ctx, func(s *snapshot) { s.State, s.submitting = Waiting, true }); err != nil {
			return err
		}
		_, err = b.submit(ctx, &submission{name: "trigger"})
		var end *batchEnd
		require.ErrorAs(t, err, &end)
		return b.end(ctx, *end)
	})
	require.Equal(t, DeadlinePassed, kindOf(env.GetWorkflowError()))
	require.Empty(t, known, "a later start need ask nobody")
}

// A run of which nobody knows whether it was started again is not left to run unsaid.
func TestACancelAfterALostAnswer(t *testing.T) {
	_, notTold := refusedWith("-3")()
	_, away := unavailable()
	for _, c := range []struct {
		name       string
		word       string
		lost       error // what the service says of the status when the answer is lost
		left       error // the same, when the workflow is cancelled
		ends       []stretch
		interrupts int
		summary    string
	}{
		{"a restart that took effect is interrupted", RestartCommand, notTold, nil, []stretch{{"-1", time.Minute}, {"0", 9 * time.Hour}}, 1, "cancelled; " + runID + " ended as Interrupted"},
		{"a restart of which the service tells nothing", RestartCommand, notTold, notTold, []stretch{{"-1", time.Minute}, {"0", 9 * time.Hour}}, 0, "it is not known whether " + runID + " was started again"},
		{"a restart while the service is away", RestartCommand, notTold, away, []stretch{{"-1", time.Minute}, {"0", 9 * time.Hour}}, 0, "it is not known whether " + runID + " was started again"},
		{"a rerun, which has a run id that nobody knows", RerunCommand, nil, nil, []stretch{{"-1", time.Minute}}, 0, "under another run id: check on the service's screens"},
	} {
		t.Run(c.name, func(t *testing.T) {
			env := newEnv(t)
			s := &scheduler{env: env, triggers: []func() (activities.Run, error){accepted}, ends: c.ends}
			s.restart = func() (activities.Run, error) {
				s.statusError = c.lost
				return lostAnswer()
			}
			s.register()
			env.OnActivity("RerunBatch", mock.Anything, mock.Anything).Return(func(context.Context, activities.RunInput) (activities.Run, error) { return lostAnswer() })
			env.RegisterDelayedCallback(func() { env.SignalWorkflow(c.word, Command{By: "alice"}) }, time.Hour)
			env.RegisterDelayedCallback(func() {
				require.Equal(t, Waiting, queryStatus(t, env).State)
				s.statusError = c.left
				env.CancelWorkflow()
			}, 2*time.Hour)
			env.SetStartWorkflowOptions(client.StartWorkflowOptions{ID: input.WorkflowID()})
			env.ExecuteWorkflow(RunBatch, input)
			require.True(t, temporal.IsCanceledError(env.GetWorkflowError()), "%v", env.GetWorkflowError())
			status := queryStatus(t, env)
			require.Equal(t, Cancelled, status.State)
			require.Contains(t, status.Summary, c.summary)
			require.Equal(t, c.interrupts, s.calls["interrupt"])
		})
	}
}

var start = time.Date(2026, 11, 1, 1, 0, 0, 0, time.UTC)

func say(t *testing.T, env *testsuite.TestWorkflowEnvironment, id string, s said, answered *int) {
	env.RegisterDelayedCallback(func() {
		env.UpdateWorkflow(s.name, id, &testsuite.TestUpdateCallback{
			OnAccept: func() {},
			OnReject: func(err error) {
				*answered++
				require.NotEmpty(t, s.refused, "%v", err)
				require.ErrorContains(t, err, s.refused)
			},
			OnComplete: func(_ any, err error) {
				*answered++
				if s.refused == "" {
					require.NoError(t, err)
				} else {
					require.ErrorContains(t, err, s.refused)
				}
			},
		}, s.Command)
	}, s.after)
}

// outcome is the result, wherever it is: returned, or in the details of the error.
func outcome(t *testing.T, env *testsuite.TestWorkflowEnvironment, err error) RunBatchResult {
	var result RunBatchResult
	var failed *temporal.ApplicationError
	var canceled *temporal.CanceledError
	switch {
	case err == nil:
		require.NoError(t, env.GetWorkflowResult(&result))
	case asError(err, &failed):
		require.NoError(t, failed.Details(&result))
	case asError(err, &canceled):
		require.NoError(t, canceled.Details(&result))
	}
	return result
}

func kindOf(err error) string {
	if temporal.IsCanceledError(err) {
		return "canceled"
	}
	return errorType(err)
}

func TestAWrongIDIsCarriedOutUnderTheRightOne(t *testing.T) {
	env := newEnv(t)
	service := scheduler{env: env, ends: []stretch{{"0", time.Minute}}, triggers: []func() (activities.Run, error){accepted}}
	service.register()
	env.RegisterWorkflow(RunBatch)
	env.SetStartWorkflowOptions(client.StartWorkflowOptions{ID: "typed-by-hand"})
	env.ExecuteWorkflow(RunBatch, input)
	require.NoError(t, env.GetWorkflowError())
	var result RunBatchResult
	require.NoError(t, env.GetWorkflowResult(&result))
	require.Equal(t, "batch/prod/ALLOC/2026-10-31", result.WorkflowID)
	require.Equal(t, 1, service.calls["trigger"])
	require.Equal(t, Succeeded, queryStatus(t, env).State, "what is over does not run")
}

func TestAWrongIDFailsWithTheRightOne(t *testing.T) {
	env := newEnv(t)
	service := scheduler{env: env, triggers: []func() (activities.Run, error){refusedWith("-5")}}
	service.register()
	env.RegisterWorkflow(RunBatch)
	env.SetStartWorkflowOptions(client.StartWorkflowOptions{ID: "typed-by-hand"})
	env.ExecuteWorkflow(RunBatch, input)
	require.Equal(t, BatchFailed, errorType(env.GetWorkflowError()))
	status := queryStatus(t, env)
	require.Equal(t, Failed, status.State)
	require.Contains(t, status.Summary, "run by workflow batch/prod/ALLOC/2026-10-31: ALLOC for 2026-10-31: the trigger was refused")
}

func TestValidate_namesEveryProblem(t *testing.T) {
	env := newEnv(t)
	env.ExecuteWorkflow(RunBatch, RunBatchInput{Code: "A/B", Group: true, Restarts: -1, RestartDelay: "soon", HeldTasks: []string{"t"}})
	var failed *temporal.ApplicationError
	require.True(t, asError(env.GetWorkflowError(), &failed))
	require.Equal(t, InvalidInput, failed.Type())
	require.True(t, failed.NonRetryable())
	var named []string
	require.NoError(t, failed.Details(&named))
	require.Len(t, named, 7, "%q", named)
}

// The run of another batch would pass for this one, which would count as done for the night.
func TestTheRunOfAnotherBatchIsNotTakenOver(t *testing.T) {
	env := newEnv(t)
	s := &scheduler{env: env, ends: []stretch{{"0", time.Minute}}}
	s.register()
	in := input
	in.RunID = "FX_2026-10-31_1_1"
	env.SetStartWorkflowOptions(client.StartWorkflowOptions{ID: in.WorkflowID()})
	env.ExecuteWorkflow(RunBatch, in)
	require.Equal(t, InvalidInput, errorType(env.GetWorkflowError()))
	require.ErrorContains(t, env.GetWorkflowError(), "its run ids begin with ALLOC_")
	status := queryStatus(t, env)
	require.Equal(t, Failed, status.State)
	require.Empty(t, status.RunID)
	require.Empty(t, s.calls)
}

func TestSearchAttributesAreKeywords(t *testing.T) {
	require.Equal(t, enumspb.INDEXED_VALUE_TYPE_KEYWORD, stateAttribute.GetValueType())
	require.Len(t, SearchAttributes(), 5)
}

// A release may know codes that the document does not list.
func TestAnUnknownCodeIsShown(t *testing.T) {
	tasks := []activities.TaskStatus{{Code: "t1", StatusCode: "0"}, {Code: "t2", StatusCode: "7"}}
	require.Equal(t, "ongoing, 1 of 2 tasks done", progressText(activities.BatchStatus{Code: "2", Text: "On going", Tasks: tasks}))
	require.Equal(t, "in an unknown state, code 7 (paused), 1 of 2 tasks done", progressText(activities.BatchStatus{Code: "7", Text: "PAUSED", Tasks: tasks}))
	require.Equal(t, "in an unknown state, code 7", progressText(activities.BatchStatus{Code: "7"}))
}

// What a cancelled workflow does on its way out must not look like a question or a submission.
func TestRunBatch_asksAndSubmitsNothingWhenCancelled(t *testing.T) {
	for name, step := range map[string]func(workflow.Context, *batchRun) error{
		"ask": func(ctx workflow.Context, b *batchRun) error {
			_, err := b.askAboutRun(ctx, "the restart was refused")
			return err
		},
		"submit": func(ctx workflow.Context, b *batchRun) error {
			_, err := b.submit(ctx, b.restart(nil))
			return err
		},
	} {
		t.Run(name, func(t *testing.T) {
			env := newEnv(t)
			env.ExecuteWorkflow(func(ctx workflow.Context) error {
				b, err := newBatchRun(ctx, input)
				if err != nil {
					return err
				}
				cancelled, cancel := workflow.WithCancel(ctx)
				cancel()
				err = step(cancelled, b)
				require.False(t, b.reporter.status().submitting)
				return err
			})
			require.True(t, temporal.IsCanceledError(env.GetWorkflowError()), "%v", env.GetWorkflowError())
			require.Equal(t, Pending, queryStatus(t, env).State)
		})
	}
}

// The run may end between the last poll and the interrupt of a cancelled workflow.
func TestRunBatch_cancelledAfterItsRunEnded(t *testing.T) {
	env := newEnv(t)
	s := &scheduler{env: env, triggers: []func() (activities.Run, error){accepted}, ends: []stretch{{"0", 9 * time.Hour}}}
	s.register()
	env.RegisterActivityWithOptions(func(context.Context, activities.RunInput) (activities.Run, error) {
		s.ends[0].after = time.Minute
		return refusedWith("-8")()
	}, activityName("InterruptBatch"))
	env.RegisterDelayedCallback(env.CancelWorkflow, time.Hour)
	env.SetStartWorkflowOptions(client.StartWorkflowOptions{ID: input.WorkflowID()})
	env.ExecuteWorkflow(RunBatch, input)
	require.NoError(t, env.GetWorkflowError())
	result := outcome(t, env, nil)
	require.Equal(t, Succeeded, result.State)
	require.Equal(t, "0", result.StatusCode)
}
