package workflows

import (
	"cmp"
	"context"
	"encoding/json"
	"fmt"
	"slices"
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

// fakeService stands in for the activities of a batch: it answers as the service would, on the clock of the test.
type fakeService struct {
	env *testsuite.TestWorkflowEnvironment
	// triggers are the responses to the triggers, in order; the last one repeats.
	triggers []func() (activities.Run, error)
	restart  func() (activities.Run, error)
	// ends are how the run ends, in order: after the trigger, and after each restart or rerun.
	ends    []stretch
	started time.Time
	current int
	// interrupted is set once the interrupt took effect.
	interrupted       bool
	ignoresInterrupts bool
	statusRefused     bool // once an interrupt was sent
	statusError       error
	calls             map[string]int
	earlier           activities.EarlierSubmission
	tasks             []activities.TaskStatus
	polls             []activities.BatchStatusInput
}

type stretch struct {
	code  string
	after time.Duration
}

func (s *fakeService) register() {
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

// forgotten is the error of a status that the service does not know.
var forgotten = func() error {
	_, err := refusedWith("-3")()
	return err
}()

// earlierResult is the result so far of an earlier start that was terminated.
var earlierResult = func() json.RawMessage {
	text, err := json.Marshal(RunBatchResult{RunID: runID, Basis: input.basis()})
	if err != nil {
		panic(err)
	}
	return text
}()

func accepted() (activities.Run, error) { return activities.Run{RunID: runID}, nil }

func outcomeUnknown() (activities.Run, error) {
	return activities.Run{}, temporal.NewNonRetryableApplicationError("the response was lost", activities.OutcomeUnknown, nil, activities.Refusal{})
}

func refusedWith(code string) func() (activities.Run, error) {
	return func() (activities.Run, error) {
		return activities.Run{}, temporal.NewNonRetryableApplicationError("refused with "+code, activities.Refused, nil, activities.Refusal{Code: code})
	}
}

func (s *fakeService) trigger(context.Context, activities.TriggerBatchInput) (activities.Run, error) {
	answer := s.triggers[min(s.calls["trigger"], len(s.triggers)-1)]
	s.calls["trigger"]++
	s.started = s.env.Now()
	return answer()
}

func (s *fakeService) next(name string) {
	s.calls[name]++
	s.current = min(s.current+1, len(s.ends)-1)
	s.started, s.interrupted = s.env.Now(), false
}

func (s *fakeService) restartBatch(context.Context, activities.RunInput) (activities.Run, error) {
	s.next("restart")
	if s.restart != nil {
		return s.restart()
	}
	return accepted()
}

func (s *fakeService) rerun(context.Context, activities.RunInput) (activities.Run, error) {
	s.next("rerun")
	return activities.Run{RunID: runID + "_rerun"}, nil
}

func (s *fakeService) interrupt(context.Context, activities.RunInput) (activities.Run, error) {
	s.calls["interrupt"]++
	if s.code() != "2" {
		return refusedWith("-8")()
	}
	s.interrupted = !s.ignoresInterrupts
	if s.statusRefused {
		_, s.statusError = refusedWith("-3")()
	}
	return activities.Run{RunID: runID}, nil
}

func (s *fakeService) code() string {
	end := s.ends[s.current]
	switch {
	case s.interrupted:
		return "-2"
	case s.env.Now().Sub(s.started) >= end.after:
		return end.code
	}
	return "2"
}

func (s *fakeService) status(_ context.Context, in activities.BatchStatusInput) (activities.BatchStatus, error) {
	s.calls["status"]++
	s.polls = append(s.polls, in)
	if s.statusError != nil {
		return activities.BatchStatus{}, s.statusError
	}
	status := activities.BatchStatus{RunID: in.RunID, Code: s.code(), Text: "text", Tasks: s.tasks}
	if status.Fingerprint() == in.Known {
		return status, temporal.NewApplicationErrorWithOptions("no change", activities.StillWaiting, temporal.ApplicationErrorOptions{
			NextRetryDelay: s.untilChange(), Category: temporal.ApplicationErrorCategoryBenign,
		})
	}
	return status, nil
}

// untilChange is long enough for the ten attempts that the test environment allows.
func (s *fakeService) untilChange() time.Duration {
	if left := s.ends[s.current].after - s.env.Now().Sub(s.started); left > 0 {
		return left
	}
	return time.Hour
}

var input = RunBatchInput{Connection: "prod", Code: "ALLOC", AsOfDate: "2026-10-31", RestartDelay: "1m"}

type timedCommand struct {
	after time.Duration
	name  string
	Command
	refused string // part of the refusal; empty: the command must be accepted
}

func TestRunBatch(t *testing.T) {
	minute := time.Minute
	for _, c := range []struct {
		name      string
		service   fakeService
		input     func(*RunBatchInput)
		commands  []timedCommand
		cancel    time.Duration
		state     State
		errorType string
		calls     map[string]int
	}{
		{
			name:    "a run that succeeds",
			service: fakeService{ends: []stretch{{"0", 10 * time.Hour}}},
			state:   Succeeded,
			calls:   map[string]int{"trigger": 1},
		},
		{
			name:    "a failed run is restarted as often as the input allows",
			service: fakeService{ends: []stretch{{"-1", minute}, {"3", minute}, {"0", minute}}},
			input:   func(in *RunBatchInput) { in.Restarts = 2 },
			state:   Succeeded,
			calls:   map[string]int{"trigger": 1, "restart": 2},
		},
		{
			name:    "a run that fails after its last restart ends without a question, where the input says so",
			service: fakeService{ends: []stretch{{"-1", minute}, {"-1", minute}, {"0", minute}}},
			input:   func(in *RunBatchInput) { in.Restarts, in.EndOnFailure = 1, true },
			state:   Failed, errorType: BatchFailed,
			calls: map[string]int{"trigger": 1, "restart": 1},
		},
		{
			name:    "a run that an operator interrupted is a question even then",
			service: fakeService{ends: []stretch{{"0", 10 * time.Hour}, {"0", minute}}},
			input:   func(in *RunBatchInput) { in.EndOnFailure = true },
			commands: []timedCommand{
				{after: time.Hour, name: InterruptCommand},
				{after: 2 * time.Hour, name: RestartCommand},
			},
			state: Succeeded,
			calls: map[string]int{"trigger": 1, "interrupt": 1, "restart": 1},
		},
		{
			name:     "a failed run waits for an operator, who restarts it",
			service:  fakeService{ends: []stretch{{"-1", minute}, {"0", minute}}},
			commands: []timedCommand{{after: time.Hour, name: RestartCommand}},
			state:    Succeeded,
			calls:    map[string]int{"trigger": 1, "restart": 1},
		},
		{
			name:     "a rerun has a new run id",
			service:  fakeService{ends: []stretch{{"-1", minute}, {"0", minute}}},
			commands: []timedCommand{{after: time.Hour, name: RerunCommand}},
			state:    Succeeded,
			calls:    map[string]int{"trigger": 1, "rerun": 1},
		},
		{
			name:      "no answer before the deadline",
			service:   fakeService{ends: []stretch{{"-1", minute}}},
			input:     func(in *RunBatchInput) { in.Deadline = start.Add(2 * time.Hour) },
			state:     Failed,
			errorType: DeadlinePassed,
			calls:     map[string]int{"trigger": 1},
		},
		{
			name:      "the deadline passes during the run, which is not interrupted",
			service:   fakeService{ends: []stretch{{"0", 10 * time.Hour}}},
			input:     func(in *RunBatchInput) { in.Deadline = start.Add(2 * time.Hour) },
			state:     Failed,
			errorType: DeadlinePassed,
			calls:     map[string]int{"trigger": 1},
		},
		{
			name:      "the deadline passed before the trigger",
			service:   fakeService{ends: []stretch{{"0", time.Hour}}},
			input:     func(in *RunBatchInput) { in.Deadline = start.Add(-minute) },
			state:     Failed,
			errorType: DeadlinePassed,
			calls:     map[string]int{},
		},
		{
			name:      "the deadline passes in the pause before an automatic restart",
			service:   fakeService{ends: []stretch{{"-1", minute}, {"0", time.Hour}}},
			input:     func(in *RunBatchInput) { in.Restarts, in.Deadline = 1, start.Add(90*time.Second) },
			state:     Failed,
			errorType: DeadlinePassed,
			calls:     map[string]int{"trigger": 1},
		},
		{
			name:    "an interrupt in the pause before an automatic restart: an operator decides instead",
			service: fakeService{ends: []stretch{{"-1", minute}, {"0", minute}}},
			input:   func(in *RunBatchInput) { in.Restarts, in.RestartDelay = 1, "3h" },
			commands: []timedCommand{
				{after: time.Hour, name: InterruptCommand},
				{after: 10 * time.Hour, name: DecideCommand, Command: Command{Choice: GiveUp}},
			},
			state:     Failed,
			errorType: GivenUp,
			calls:     map[string]int{"trigger": 1},
		},
		{
			name:      "the run does not stop before the deadline; the interrupt is refused",
			service:   fakeService{ignoresInterrupts: true, ends: []stretch{{"2", 70 * minute}}}, // still going
			input:     func(in *RunBatchInput) { in.Deadline = start.Add(2 * time.Hour) },
			commands:  []timedCommand{{after: time.Hour, name: InterruptCommand, refused: "the deadline passed; the run may still be going"}},
			state:     Failed,
			errorType: DeadlinePassed,
			calls:     map[string]int{"trigger": 1, "interrupt": 1},
		},
		{
			name:    "given up before the run stopped; the interrupt is refused",
			service: fakeService{statusRefused: true, ends: []stretch{{"0", 10 * time.Hour}}},
			commands: []timedCommand{
				{after: time.Hour, name: InterruptCommand, refused: "given up"},
				{after: 2 * time.Hour, name: DecideCommand, Command: Command{Choice: GiveUp}},
			},
			state:     Failed,
			errorType: GivenUp,
			calls:     map[string]int{"trigger": 1, "interrupt": 1},
		},
		{
			name:      "a restart cannot be sent before the deadline; the command is refused",
			service:   fakeService{restart: unavailable, ends: []stretch{{"-1", minute}}},
			input:     func(in *RunBatchInput) { in.Deadline = start.Add(2 * time.Hour) },
			commands:  []timedCommand{{after: time.Hour, name: RestartCommand, refused: "the deadline passed"}},
			state:     Failed,
			errorType: DeadlinePassed,
			calls:     map[string]int{"trigger": 1, "restart": 1},
		},
		{
			name:      "given up by an operator",
			service:   fakeService{ends: []stretch{{"-1", minute}}},
			commands:  []timedCommand{{after: time.Hour, name: DecideCommand, Command: Command{Choice: GiveUp}}},
			state:     Failed,
			errorType: GivenUp,
		},
		{
			name:      "a refused trigger is final",
			service:   fakeService{triggers: []func() (activities.Run, error){refusedWith("-4")}, ends: []stretch{{"0", minute}}},
			state:     Failed,
			errorType: BatchFailed,
			calls:     map[string]int{"trigger": 1},
		},
		{
			name:    "outcome of the trigger unknown: the run is adopted",
			service: fakeService{triggers: []func() (activities.Run, error){outcomeUnknown}, ends: []stretch{{"0", 2 * time.Hour}}},
			commands: []timedCommand{
				{after: minute, name: RestartCommand, refused: "does not apply"},
				{after: time.Hour, name: DecideCommand, Command: Command{Choice: Adopt, RunID: "OTHER_1"}, refused: "does not belong"},
				{after: time.Hour, name: DecideCommand, Command: Command{Choice: Adopt, RunID: runID}},
			},
			state: Succeeded,
			calls: map[string]int{"trigger": 1},
		},
		{
			name:     "outcome of the trigger unknown: nothing had started",
			service:  fakeService{triggers: []func() (activities.Run, error){outcomeUnknown, accepted}, ends: []stretch{{"0", minute}}},
			commands: []timedCommand{{after: time.Hour, name: DecideCommand, Command: Command{Choice: NothingStarted}}},
			state:    Succeeded,
			calls:    map[string]int{"trigger": 2},
		},
		{
			name:    "outcome of a restart unknown: it shows in the status",
			service: fakeService{restart: outcomeUnknown, ends: []stretch{{"-1", minute}, {"0", time.Hour}}},
			input:   func(in *RunBatchInput) { in.Restarts = 1 },
			state:   Succeeded,
			calls:   map[string]int{"trigger": 1, "restart": 1},
		},
		{
			name:    "outcome of a restart unknown: it has succeeded already",
			service: fakeService{restart: outcomeUnknown, ends: []stretch{{"-1", minute}, {"0", 0}}},
			input:   func(in *RunBatchInput) { in.Restarts = 1 },
			state:   Succeeded,
			calls:   map[string]int{"trigger": 1, "restart": 1},
		},
		{
			name:    "interrupted and restarted by an operator",
			service: fakeService{ends: []stretch{{"0", 10 * time.Hour}, {"0", minute}}},
			input:   func(in *RunBatchInput) { in.Restarts = 2 },
			commands: []timedCommand{
				{after: time.Hour, name: InterruptCommand},
				{after: 2 * time.Hour, name: InterruptCommand, refused: "does not apply"},
				{after: 2 * time.Hour, name: RestartCommand},
			},
			state: Succeeded,
			calls: map[string]int{"trigger": 1, "interrupt": 1, "restart": 1},
		},
		{
			name:      "cancelled during the run",
			service:   fakeService{ends: []stretch{{"0", 10 * time.Hour}}},
			cancel:    time.Hour,
			state:     Cancelled,
			errorType: "canceled",
			calls:     map[string]int{"trigger": 1, "interrupt": 1},
		},
		{
			name:      "cancelled while it waits for an operator",
			service:   fakeService{ends: []stretch{{"-1", minute}}},
			cancel:    time.Hour,
			state:     Cancelled,
			errorType: "canceled",
			calls:     map[string]int{"trigger": 1},
		},
		{
			name:     "an unknown code is never a success",
			service:  fakeService{ends: []stretch{{"7", minute}, {"0", minute}}},
			commands: []timedCommand{{after: time.Hour, name: InterruptCommand, refused: "-8"}, {after: 2 * time.Hour, name: InterruptCommand, refused: "-8"}},
			cancel:   3 * time.Hour,
			state:    Cancelled, errorType: "canceled",
		},
		{
			name:     "the service no longer knows the run",
			service:  fakeService{statusError: forgotten, ends: []stretch{{"0", minute}}},
			commands: []timedCommand{{after: time.Hour, name: DecideCommand, Command: Command{Choice: GiveUp}}},
			state:    Failed, errorType: GivenUp,
		},
		{
			name:    "an earlier start has a run that is still going",
			service: fakeService{earlier: activities.EarlierSubmission{RunID: runID, Result: earlierResult}, ends: []stretch{{"0", time.Hour}}},
			state:   Succeeded,
			calls:   map[string]int{},
		},
		{
			name:     "an earlier start has a run that failed",
			service:  fakeService{earlier: activities.EarlierSubmission{RunID: runID}, ends: []stretch{{"-1", 0}, {"0", time.Hour}}},
			commands: []timedCommand{{after: time.Hour, name: RestartCommand}},
			state:    Succeeded,
			calls:    map[string]int{"trigger": 1, "restart": 1},
		},
		{
			name: "an earlier start succeeded, and an operator has named a run since that did not",
			service: fakeService{
				earlier: activities.EarlierSubmission{RunID: runID, Status: "Completed", Result: earlierSuccess(nil), NamedInVain: "ALLOC_9"},
				ends:    []stretch{{"0", 0}},
			},
			commands: []timedCommand{{after: time.Hour, name: DecideCommand, Command: Command{Choice: Keep}}},
			state:    Succeeded,
			calls:    map[string]int{},
		},
		{
			name: "an earlier start has a run that the service has forgotten",
			service: fakeService{
				earlier: activities.EarlierSubmission{RunID: runID, Result: earlierResult}, statusError: forgotten, ends: []stretch{{"0", minute}},
			},
			commands: []timedCommand{{after: time.Hour, name: DecideCommand, Command: Command{Choice: GiveUp}}},
			state:    Failed, errorType: GivenUp,
			calls: map[string]int{},
		},
		{
			name: "an earlier start has a run that failed, and that the service has forgotten",
			service: fakeService{
				earlier:     activities.EarlierSubmission{RunID: runID, Result: json.RawMessage(`{"run_id":"` + runID + `","status_code":"-1"}`)},
				statusError: forgotten, ends: []stretch{{"0", minute}},
			},
			commands: []timedCommand{{after: time.Hour, name: DecideCommand, Command: Command{Choice: GiveUp}}},
			state:    Failed, errorType: GivenUp,
			calls: map[string]int{"trigger": 1},
		},
		{
			name:     "an earlier start has an unknown outcome",
			service:  fakeService{earlier: activities.EarlierSubmission{RunID: "?"}, ends: []stretch{{"0", time.Hour}}},
			commands: []timedCommand{{after: time.Hour, name: DecideCommand, Command: Command{Choice: NothingStarted}}},
			state:    Succeeded,
			calls:    map[string]int{"trigger": 1},
		},
		{
			name:    "an earlier start has a restart of unknown outcome that took effect",
			service: fakeService{earlier: activities.EarlierSubmission{RunID: runID + "?", Result: earlierResult}, ends: []stretch{{"0", time.Hour}}},
			state:   Succeeded,
			calls:   map[string]int{},
		},
		{
			name:    "the input names a run that was started elsewhere",
			service: fakeService{ends: []stretch{{"0", minute}}},
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
			for i, s := range c.commands {
				sendAt(t, env, fmt.Sprint(i), s, &answered)
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
			require.Equal(t, len(c.commands), answered)
			status := queryStatus(t, env)
			require.Equal(t, c.state, status.State)
			require.Nil(t, status.Question)
		})
	}
}

// Whoever answers has to know for which run to look, where, and from when on.
func TestRunBatch_outcomeUnknownSaysWhatToLookFor(t *testing.T) {
	env := newEnv(t)
	service := fakeService{env: env, triggers: []func() (activities.Run, error){outcomeUnknown}}
	service.register()
	in := input
	in.TimeZone = "America/New_York"
	env.SetStartWorkflowOptions(client.StartWorkflowOptions{ID: in.WorkflowID()})
	env.RegisterDelayedCallback(func() {
		require.Equal(t, "the response was lost. It was sent on Sat 2026-10-31 21:00 EDT: look on the service's screen Monitor Batch "+
			"for a run of ALLOC for 2026-10-31 that began then. If there is one, follow it; send it again only if nothing had started",
			queryStatus(t, env).Question.Why)
		env.SignalWorkflow(DecideCommand, Command{By: "ann", Why: "a test", Choice: GiveUp})
	}, time.Hour)
	env.ExecuteWorkflow(RunBatch, in)
	require.Equal(t, GivenUp, kindOf(env.GetWorkflowError()))

	b := &batchRun{in: in}
	require.Equal(t, "between Sat 2026-10-31 21:00 EDT and Sun 2026-11-01 00:30 EDT", b.between(start, start.Add(210*time.Minute)))
	require.Equal(t, "at a time that is not known", b.between(time.Time{}, time.Time{}))
}

// The operator may answer just before the deadline, while no worker is running. That nothing had started is
// known then, although it is too late to submit again.
func TestRunBatch_nothingStartedIsRecordedAfterTheDeadline(t *testing.T) {
	env := newEnv(t)
	recorded := "none"
	env.OnUpsertTypedSearchAttributes(mock.Anything).Run(func(args mock.Arguments) {
		if value, ok := args.Get(0).(temporal.SearchAttributes).GetKeyword(runIDAttribute); ok {
			recorded = value
		}
	}).Return(nil)
	overdue := input
	overdue.Deadline = start.Add(-time.Minute)
	env.ExecuteWorkflow(func(ctx workflow.Context) error {
		ctx, b, err := newBatchRun(ctx, overdue)
		if err != nil {
			return err
		}
		if err := b.reporter.update(ctx, func(s *snapshot) { s.State, s.submitting = Waiting, true }); err != nil {
			return err
		}
		_, err = b.submit(ctx, &submission{name: "trigger"})
		var end *batchEnd
		require.ErrorAs(t, err, &end)
		if err := b.end(ctx, *end); err != nil {
			return err
		}
		return b.outcome(*end)
	})
	require.Equal(t, DeadlinePassed, kindOf(env.GetWorkflowError()))
	require.Empty(t, recorded, "a later start must not ask the operator again")
}

// The log answers an auditor: what was sent, since when its outcome was unknown, which tasks failed, and who decided.
func TestRunBatch_logAnswersAnAuditor(t *testing.T) {
	env := newEnv(t)
	sender := Sender{Version: "1.2.3", Service: "https://tenant", RemoteUser: "BATCH"}
	s := &fakeService{
		env: env,
		triggers: []func() (activities.Run, error){outcomeUnknown, func() (activities.Run, error) {
			return activities.Run{RunID: runID, Sender: sender}, nil
		}},
		ends:  []stretch{{"-1", time.Minute}, {"0", time.Minute}},
		tasks: []activities.TaskStatus{{Code: "T1", StatusCode: "0"}, {Code: "T2", StatusCode: "-1", Text: "ORA-01555"}},
	}
	s.register()
	answered := 0
	for i, c := range []timedCommand{
		{after: time.Hour, name: DecideCommand, Command: Command{Choice: Adopt, RunID: "OTHER_1"}, refused: "does not belong"},
		{after: 2 * time.Hour, name: DecideCommand, Command: Command{Choice: NothingStarted, By: "bob", Why: "not on the screen"}},
		{after: 3 * time.Hour, name: RestartCommand, Command: Command{By: "carol", Why: "space was added"}},
	} {
		sendAt(t, env, fmt.Sprint(i), c, &answered)
	}
	in := input
	in.Params = map[string]string{"$RUNSK$": "7"}
	in.ExcludedTasks = []string{"T9"}
	env.SetStartWorkflowOptions(client.StartWorkflowOptions{ID: in.WorkflowID()})
	env.ExecuteWorkflow(RunBatch, in)
	require.NoError(t, env.GetWorkflowError())
	require.Equal(t, 3, answered)

	log := outcome(t, env, nil).Log
	var events []string
	for _, e := range log {
		events = append(events, e.Event+prefixed(" by ", e.By))
	}
	require.Equal(t, []string{
		"submitted", "outcome_unknown", "refused by ops", "answered by bob", "submitted", "call", "run_failed",
		"submitted by carol", "call by carol", "",
	}, events)
	trigger := &Sent{Code: "ALLOC", Params: map[string]string{"$FICMISDATE$": "2026-10-31", "$RUNSK$": "7"}, ExcludedTasks: []string{"T9"}}
	require.Equal(t, trigger, log[0].Sent)
	require.Equal(t, start, log[1].Since)
	require.Equal(t, log[1].At, log[3].Since, "when it was asked")
	require.Equal(t, trigger, log[4].Sent)
	require.Equal(t, sender, log[5].Sender)
	require.Equal(t, []Task{{Code: "T2", StatusCode: "-1", Status: "ORA-01555"}}, log[6].Tasks)
	require.Equal(t, &Sent{Code: "ALLOC", RunID: runID}, log[7].Sent)
}

// A run can have more tasks than a log should have.
func TestBatchRun_failedTasks(t *testing.T) {
	failed := activities.TaskStatus{Code: "T1", StatusCode: "-1", Text: "no"}
	require.Equal(t, []Task{{"G_1", "-1", "failed"}, {"G_1: T1", "-1", "no"}, {"G_2: T1", "-1", "no"}}, tasksFailedIn(activities.BatchStatus{Batches: []activities.BatchStatus{
		{RunID: "G_1", Code: "-1", Text: "failed", Tasks: []activities.TaskStatus{failed, {Code: "T2", StatusCode: "0"}}},
		{RunID: "G_2", Code: "0", Tasks: []activities.TaskStatus{failed}},
	}}))
	env := newEnv(t)
	env.ExecuteWorkflow(func(ctx workflow.Context) error {
		ctx, b, err := newBatchRun(ctx, input)
		if err != nil {
			return err
		}
		b.last = activities.BatchStatus{RunID: runID, Code: "-1", Tasks: slices.Repeat([]activities.TaskStatus{failed}, 130)}
		b.logFailedRun(ctx)
		entry := b.reporter.status().Log[0]
		require.Len(t, entry.Tasks, maxFailedTasks)
		require.Contains(t, entry.What, "(30 more are not listed here)")
		return nil
	})
	require.NoError(t, env.GetWorkflowError())
}

// The code of the run decides, but a task with another one is not silent. Only the last status counts: a task that
// failed before a restart, and not after it, is no exception.
func TestRunBatch_failedTasksOfASuccess(t *testing.T) {
	done, failed := activities.TaskStatus{Code: "T1", StatusCode: "0"}, activities.TaskStatus{Code: "T2", StatusCode: "-1", Text: "FAILED"}
	aborted, excluded := activities.TaskStatus{Code: "T3", StatusCode: "3"}, activities.TaskStatus{Code: "T4", StatusCode: "4"}
	repaired := activities.TaskStatus{Code: "T2", StatusCode: "0"}
	for name, c := range map[string]struct {
		ends    []stretch
		tasks   []activities.TaskStatus
		after   []activities.TaskStatus // the restart
		failed  []Task
		summary string
	}{
		"every task succeeded": {
			ends: []stretch{{"0", time.Minute}}, tasks: []activities.TaskStatus{done, excluded}, summary: "succeeded, 2 of 2 tasks done",
		},
		"two did not": {
			ends: []stretch{{"0", time.Minute}}, tasks: []activities.TaskStatus{done, failed, aborted, excluded},
			failed:  []Task{{"T2", "-1", "FAILED"}, {"T3", "3", ""}},
			summary: "succeeded, 4 of 4 tasks done, but the service lists T2 as Failure, T3 as Aborted",
		},
		"repaired by a restart": {
			ends: []stretch{{"-1", time.Minute}, {"0", time.Minute}}, tasks: []activities.TaskStatus{done, failed},
			after: []activities.TaskStatus{done, repaired}, summary: "succeeded, 2 of 2 tasks done",
		},
	} {
		t.Run(name, func(t *testing.T) {
			env := newEnv(t)
			s := &fakeService{env: env, triggers: []func() (activities.Run, error){accepted}, ends: c.ends, tasks: c.tasks}
			s.restart = func() (activities.Run, error) {
				s.tasks = c.after
				return accepted()
			}
			s.register()
			in := input
			in.Restarts = 1
			env.SetStartWorkflowOptions(client.StartWorkflowOptions{ID: in.WorkflowID()})
			env.ExecuteWorkflow(RunBatch, in)
			require.NoError(t, env.GetWorkflowError())
			status, result := queryStatus(t, env), outcome(t, env, nil)
			require.Equal(t, Succeeded, status.State)
			require.Equal(t, c.summary, status.Summary)
			require.Equal(t, c.failed, result.FailedTasks)
			end := result.Log[len(result.Log)-1]
			require.Equal(t, c.summary, end.What)
			require.Equal(t, c.failed, end.Tasks)
		})
	}
}

// The run may have been started again, so that the result must not say that nothing is running.
func TestRunBatch_cancelledWithUnknownOutcome(t *testing.T) {
	_, statusRefused := refusedWith("-3")()
	_, outage := unavailable()
	for _, c := range []struct {
		name       string
		command    string
		unknown    error // of the status, while the outcome is unknown
		cancelled  error // of the status, once the workflow is cancelled
		ends       []stretch
		interrupts int
		summary    string
	}{
		{"a restart that took effect is interrupted", RestartCommand, statusRefused, nil, []stretch{{"-1", time.Minute}, {"0", 9 * time.Hour}}, 1, "cancelled; " + runID + " ended as Interrupted"},
		{"the status of a restart is refused", RestartCommand, statusRefused, statusRefused, []stretch{{"-1", time.Minute}, {"0", 9 * time.Hour}}, 0, "it is not known whether " + runID + " was started again"},
		{"a restart during an outage", RestartCommand, statusRefused, outage, []stretch{{"-1", time.Minute}, {"0", 9 * time.Hour}}, 0, "it is not known whether " + runID + " was started again"},
		{"a rerun, whose run id is not known", RerunCommand, nil, nil, []stretch{{"-1", time.Minute}}, 0, "under another run id: check on the service's screen Monitor Batch"},
	} {
		t.Run(c.name, func(t *testing.T) {
			env := newEnv(t)
			s := &fakeService{env: env, triggers: []func() (activities.Run, error){accepted}, ends: c.ends}
			s.restart = func() (activities.Run, error) {
				s.statusError = c.unknown
				return outcomeUnknown()
			}
			s.register()
			env.OnActivity("RerunBatch", mock.Anything, mock.Anything).Return(func(context.Context, activities.RunInput) (activities.Run, error) { return outcomeUnknown() })
			env.RegisterDelayedCallback(func() { env.SignalWorkflow(c.command, Command{By: "alice", Why: "checked"}) }, time.Hour)
			env.RegisterDelayedCallback(func() {
				require.Equal(t, Waiting, queryStatus(t, env).State)
				s.statusError = c.cancelled
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

// attributed is the command with a name and a reason, which every command needs.
func (s timedCommand) attributed() Command {
	s.By, s.Why = cmp.Or(s.By, "ops"), cmp.Or(s.Why, "checked")
	return s.Command
}

func sendAt(t *testing.T, env *testsuite.TestWorkflowEnvironment, id string, s timedCommand, answered *int) {
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
		}, s.attributed())
	}, s.after)
}

// outcome is the result: returned, or in the details of the error.
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

func TestRunBatch_delegatesToTheRightID(t *testing.T) {
	env := newEnv(t)
	service := fakeService{env: env, ends: []stretch{{"0", time.Minute}}, triggers: []func() (activities.Run, error){accepted}}
	service.register()
	env.RegisterWorkflow(RunBatch)
	env.SetStartWorkflowOptions(client.StartWorkflowOptions{ID: "typed-by-hand"})
	env.ExecuteWorkflow(RunBatch, input)
	require.NoError(t, env.GetWorkflowError())
	var result RunBatchResult
	require.NoError(t, env.GetWorkflowResult(&result))
	require.Equal(t, "batch/prod/ALLOC/2026-10-31", result.WorkflowID)
	require.Equal(t, 1, service.calls["trigger"])
	require.Equal(t, Succeeded, queryStatus(t, env).State)
}

func TestRunBatch_failsAsItsDelegateDoes(t *testing.T) {
	env := newEnv(t)
	service := fakeService{env: env, triggers: []func() (activities.Run, error){refusedWith("-5")}}
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
	require.Len(t, named, 6, "%q", named)
}

// Otherwise the run of another batch would count as that of this one.
func TestRunBatch_doesNotAdoptTheRunOfAnotherBatch(t *testing.T) {
	env := newEnv(t)
	s := &fakeService{env: env, ends: []stretch{{"0", time.Minute}}}
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

func TestSearchAttributes_areKeywords(t *testing.T) {
	require.Equal(t, enumspb.INDEXED_VALUE_TYPE_KEYWORD, stateAttribute.GetValueType())
	require.Len(t, SearchAttributes(), 5)
}

// A release of the service may have codes that the document does not list.
func TestProgressText_unknownCode(t *testing.T) {
	tasks := []activities.TaskStatus{{Code: "t1", StatusCode: "0"}, {Code: "t2", StatusCode: "7"}}
	require.Equal(t, "ongoing, 1 of 2 tasks done", progressText(activities.BatchStatus{Code: "2", Text: "On going", Tasks: tasks}))
	require.Equal(t, "in an unknown state, code 7 (paused), 1 of 2 tasks done", progressText(activities.BatchStatus{Code: "7", Text: "PAUSED", Tasks: tasks}))
	require.Equal(t, "in an unknown state, code 7", progressText(activities.BatchStatus{Code: "7"}))
}

// Otherwise its status would show a question that no longer matters, or an unknown outcome.
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
				ctx, b, err := newBatchRun(ctx, input)
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
	s := &fakeService{env: env, triggers: []func() (activities.Run, error){accepted}, ends: []stretch{{"0", 9 * time.Hour}}}
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

// The worker had the answer, and died before it could return it.
func TestRunBatch_takesTheAnswerFromTheLastHeartbeat(t *testing.T) {
	env := newEnv(t)
	answered := func() (activities.Run, error) {
		return activities.Run{}, temporal.NewTimeoutError(enumspb.TIMEOUT_TYPE_SCHEDULE_TO_CLOSE, nil,
			activities.SubmissionHeartbeat{Phase: activities.PhaseAnswered, Run: &activities.Run{RunID: runID}})
	}
	s := &fakeService{env: env, triggers: []func() (activities.Run, error){answered}, ends: []stretch{{"0", time.Minute}}}
	s.register()
	env.SetStartWorkflowOptions(client.StartWorkflowOptions{ID: input.WorkflowID()})
	env.ExecuteWorkflow(RunBatch, input)
	require.NoError(t, env.GetWorkflowError())
	require.Equal(t, 1, s.calls["trigger"])
	require.Equal(t, runID, outcome(t, env, nil).RunID)
}

// Otherwise a service that still shows the failure for a moment would be sent another restart.
func TestRunBatch_pollsKnowWhatARestartHasEnded(t *testing.T) {
	for name, c := range map[string]struct {
		named string
		want  []string
	}{
		"submitted": {"", []string{"submitted", "", "submitted, before: " + runID + "=-1", ""}},
		"adopted":   {runID, []string{"", "submitted, before: " + runID + "=-1", ""}},
	} {
		t.Run(name, func(t *testing.T) {
			env := newEnv(t)
			s := &fakeService{env: env, started: env.Now(), triggers: []func() (activities.Run, error){accepted}, ends: []stretch{{"-1", time.Minute}, {"0", time.Minute}}}
			s.register()
			in := input
			in.RunID, in.Restarts = c.named, 1
			env.SetStartWorkflowOptions(client.StartWorkflowOptions{ID: in.WorkflowID()})
			env.ExecuteWorkflow(RunBatch, in)
			require.NoError(t, env.GetWorkflowError())
			require.Equal(t, 1, s.calls["restart"])
			var polls []string
			for _, p := range s.polls {
				text := ""
				if p.Submitted {
					text = "submitted"
				}
				if p.Before != "" {
					text += ", before: " + p.Before
				}
				polls = append(polls, text)
			}
			require.Equal(t, c.want, slices.Compact(polls))
		})
	}
}

// Otherwise a run that was adopted would count as one that began after what was there by then.
func TestRunBatch_adoptedRunKeepsItsTriggerTime(t *testing.T) {
	text, err := json.Marshal(RunBatchResult{RunID: runID, Basis: input.basis(), TriggeredAt: start.Add(-time.Hour)})
	require.NoError(t, err)
	for name, c := range map[string]struct {
		earlier activities.EarlierSubmission
		named   string
		want    time.Time
	}{
		"triggered":                {activities.EarlierSubmission{}, "", start},
		"of an earlier start":      {activities.EarlierSubmission{RunID: runID, Status: "Terminated", Result: text}, "", start.Add(-time.Hour)},
		"named by an operator":     {activities.EarlierSubmission{}, runID, time.Time{}},
		"adopted, its start known": {activities.EarlierSubmission{RunID: "?", Status: "Terminated", Result: text}, "", start.Add(-time.Hour)},
	} {
		t.Run(name, func(t *testing.T) {
			env := newEnv(t)
			s := &fakeService{env: env, started: env.Now(), triggers: []func() (activities.Run, error){accepted}, ends: []stretch{{"0", 5 * time.Hour}}, earlier: c.earlier}
			s.register()
			in := input
			in.RunID = c.named
			env.SetStartWorkflowOptions(client.StartWorkflowOptions{ID: in.WorkflowID()})
			env.RegisterDelayedCallback(func() {
				if c.earlier.RunID == "?" {
					env.SignalWorkflow(DecideCommand, Command{By: "ann", Why: "seen", Choice: Adopt, RunID: runID})
				}
			}, time.Hour)
			env.ExecuteWorkflow(RunBatch, in)
			require.NoError(t, env.GetWorkflowError())
			require.WithinDuration(t, c.want, outcome(t, env, nil).TriggeredAt, time.Minute)
		})
	}
}

// The command again holds for the runs from before. A retry of the step must not submit the batch once more.
func TestRunBatch_againHoldsForOlderRuns(t *testing.T) {
	said := start.Add(-2 * time.Hour)
	for name, c := range map[string]struct {
		triggered time.Time
		since     time.Time
		triggers  int
		question  string
	}{
		"before it":                {said.Add(-time.Hour), said, 1, ""},
		"because of it":            {said.Add(time.Minute), said, 0, ""},
		"this start is the word":   {said.Add(time.Minute), time.Time{}, 1, ""},
		"nobody knows when it was": {time.Time{}, said, 0, "when it was triggered is not known"},
	} {
		t.Run(name, func(t *testing.T) {
			text, err := json.Marshal(RunBatchResult{RunID: runID, RunIDs: []string{runID}, State: Succeeded, Basis: input.basis(), TriggeredAt: c.triggered})
			require.NoError(t, err)
			env := newEnv(t)
			s := &fakeService{env: env, triggers: []func() (activities.Run, error){accepted}, ends: []stretch{{"0", time.Minute}},
				earlier: activities.EarlierSubmission{RunID: runID, Status: "Completed", Result: text}}
			s.register()
			in := input
			in.Again, in.AgainSince = "new rates", c.since
			env.SetStartWorkflowOptions(client.StartWorkflowOptions{ID: in.WorkflowID()})
			env.RegisterDelayedCallback(func() {
				if c.question != "" {
					require.Contains(t, queryStatus(t, env).Question.Why, c.question)
					env.SignalWorkflow(DecideCommand, Command{By: "ann", Why: "seen", Choice: Keep})
				}
			}, time.Hour)
			env.ExecuteWorkflow(RunBatch, in)
			require.NoError(t, env.GetWorkflowError())
			require.Equal(t, c.triggers, s.calls["trigger"])
		})
	}
}

// Whoever adopts the run of an earlier start must know that it was based on something else.
func TestRunBatch_earlierUnknownOutcomeOfAnotherBasis(t *testing.T) {
	other := input
	other.Params = map[string]string{"$RUNSK$": "2"}
	text, err := json.Marshal(RunBatchResult{Basis: other.basis(), TriggeredAt: start.Add(-time.Hour)})
	require.NoError(t, err)
	env := newEnv(t)
	s := &fakeService{env: env, started: env.Now(), ends: []stretch{{"0", 5 * time.Hour}}, earlier: activities.EarlierSubmission{RunID: "?", Status: "Terminated", Result: text}}
	s.register()
	env.SetStartWorkflowOptions(client.StartWorkflowOptions{ID: input.WorkflowID()})
	env.RegisterDelayedCallback(func() {
		require.Contains(t, queryStatus(t, env).Question.Why, `it was based on something else: params.$RUNSK$ was "2", and is not set`)
		answer, err := env.QueryWorkflow(activities.ResultQuery)
		require.NoError(t, err)
		var soFar RunBatchResult
		require.NoError(t, answer.Get(&soFar))
		require.Equal(t, other.basis(), soFar.Basis, "the next start must learn what is on its way")
		env.SignalWorkflow(DecideCommand, Command{By: "ann", Why: "seen", Choice: Adopt, RunID: runID})
	}, time.Hour)
	env.ExecuteWorkflow(RunBatch, input)
	require.NoError(t, env.GetWorkflowError())
	require.Equal(t, input.basis(), outcome(t, env, nil).Basis)
}

// The service would run a group without batches for its own day.
func TestRunBatch_groupWithoutADateIsRefused(t *testing.T) {
	env := newEnv(t)
	service := fakeService{env: env, triggers: []func() (activities.Run, error){accepted}}
	service.register()
	env.RegisterActivityWithOptions(func(context.Context, activities.ResolveConnectionInput) (activities.ResolvedConnection, error) {
		return activities.ResolvedConnection{NoGroupDate: true}, nil
	}, replaced("ResolveConnection"))
	in := input
	in.Group = true
	env.SetStartWorkflowOptions(client.StartWorkflowOptions{ID: in.WorkflowID()})
	env.ExecuteWorkflow(RunBatch, in)
	require.Equal(t, InvalidInput, errorType(env.GetWorkflowError()))
	require.ErrorContains(t, env.GetWorkflowError(), "list the group's batches")
	require.Zero(t, service.calls["trigger"])
}
