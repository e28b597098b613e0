package workflows

import (
	"context"
	"encoding/json"
	"flag"
	"fmt"
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"go.temporal.io/sdk/client"
	"go.temporal.io/sdk/temporal"
	"go.temporal.io/sdk/testsuite"
	"go.temporal.io/sdk/workflow"

	"github.com/pbsmflow/pbsmflow/activities"
)

var updateDocs = flag.Bool("update", false, "write docs/commands.md anew")

// situations are the states of a run, each one hour after the start.
var situations = []struct {
	name    string
	service fakeService
	input   func(*RunBatchInput)
	before  []timedCommand
}{
	{name: "the trigger is in flight", service: fakeService{triggers: []func() (activities.Run, error){unavailable, unavailable, accepted}, ends: []stretch{{"0", 4 * time.Hour}}}},
	{name: "running", service: fakeService{ends: []stretch{{"0", 8 * time.Hour}}}},
	{name: "held (5) by the service", service: fakeService{ends: []stretch{{"5", time.Minute}}}},
	{name: "an unknown status code", service: fakeService{ends: []stretch{{"7", time.Minute}}}},
	{name: "interrupting", service: fakeService{ends: []stretch{{"0", 8 * time.Hour}}, ignoresInterrupts: true}, before: []timedCommand{{after: 50 * time.Minute, name: InterruptCommand}}},
	{name: "pause before an automatic restart", service: fakeService{ends: []stretch{{"-1", time.Minute}, {"0", time.Minute}}}, input: func(in *RunBatchInput) { in.Restarts, in.RestartDelay = 1, "3h" }},
	{name: "waiting after a failure (-1)", service: fakeService{ends: []stretch{{"-1", time.Minute}, {"0", time.Minute}}}},
	{name: "waiting after an interrupt (-2), by anybody", service: fakeService{ends: []stretch{{"-2", time.Minute}, {"0", time.Minute}}}, input: func(in *RunBatchInput) { in.Restarts = 1 }},
	{name: "waiting after an abort (3)", service: fakeService{ends: []stretch{{"3", time.Minute}, {"0", time.Minute}}}},
	{name: "waiting: the outcome of a submission is unknown", service: fakeService{triggers: []func() (activities.Run, error){outcomeUnknown, accepted}, ends: []stretch{{"0", time.Minute}}}},
	{name: "waiting: an earlier run succeeded, based on something else", service: fakeService{earlier: activities.EarlierSubmission{
		RunID: runID, Status: "Completed", Result: earlierSuccess(map[string]string{"$RUNSK$": "2"}),
	}, ends: []stretch{{"0", time.Minute}}}},
	{name: "waiting: an earlier run is going on, based on something else", service: fakeService{
		earlier: activities.EarlierSubmission{RunID: runID, Status: "Terminated"}, ends: []stretch{{"0", 8 * time.Hour}}}},
	{name: "waiting: the service does not know the run (-3)", service: fakeService{statusError: temporal.NewNonRetryableApplicationError("-3", activities.Refused, nil), ends: []stretch{{"0", time.Minute}}}},
}

func unavailable() (activities.Run, error) {
	return activities.Run{}, temporal.NewApplicationErrorWithOptions("down", activities.Unavailable, temporal.ApplicationErrorOptions{NextRetryDelay: 2 * time.Hour})
}

var allCommands = []struct {
	name, choice string
}{
	{InterruptCommand, ""}, {RestartCommand, ""}, {RerunCommand, ""}, {ExtendCommand, ""}, {CancelCommand, ""}, {ApproveCommand, ""},
	{DecideCommand, Adopt}, {DecideCommand, NothingStarted}, {DecideCommand, Retry}, {DecideCommand, Skip}, {DecideCommand, Again}, {DecideCommand, Keep}, {DecideCommand, GiveUp},
}

// The test sends each command in each state of a run, and compares the result with the table in docs/commands.md.
func TestCommands_matchTheTableInDocs(t *testing.T) {
	var table strings.Builder
	table.WriteString("| a run is |")
	for _, c := range allCommands {
		fmt.Fprintf(&table, " %s |", strings.TrimSpace(c.name+" "+c.choice))
	}
	table.WriteString("\n|---|" + strings.Repeat("---|", len(allCommands)) + "\n")
	for _, s := range situations {
		fmt.Fprintf(&table, "| %s |", s.name)
		for _, c := range allCommands {
			accepted := accepts(t, s.service, s.input, s.before, c.name, c.choice)
			fmt.Fprintf(&table, " %s |", map[bool]string{true: "yes", false: "refused"}[accepted])
		}
		table.WriteString("\n")
	}
	fmt.Fprintf(&table, "| ended |%s\n", strings.Repeat(" refused |", len(allCommands)))
	compareWithDocs(t, table.String(), "<!-- table -->\n", "<!-- end of table -->")
}

// compareWithDocs compares a table with that in docs/commands.md between two marks, or writes it.
func compareWithDocs(t *testing.T, table, from, to string) {
	t.Helper()
	const path = "../docs/commands.md"
	text, err := os.ReadFile(path)
	require.NoError(t, err)
	before, rest, _ := strings.Cut(string(text), from)
	documented, after, _ := strings.Cut(rest, to)
	if *updateDocs {
		require.NoError(t, os.WriteFile(path, []byte(before+from+table+to+after), 0o644))
		return
	}
	require.Equal(t, documented, table, "docs/commands.md says otherwise: go test ./workflows -run TestCommands -update")
}

// steps are the situations of a step of a close, one hour after the start.
var steps = []struct {
	name   string
	steps  []activities.PlanStep // the last one is meant
	failed int                   // uploads that fail
	asks   []string              // what the batch asks
}{
	{name: "waits for what it needs", steps: []activities.PlanStep{batchStep("slow"), batchStep("step", "slow")}},
	{name: "is held", steps: []activities.PlanStep{heldStep(batchStep("step"))}},
	{name: "a batch runs", steps: []activities.PlanStep{batchStep("step")}},
	{name: "a batch waits after a failed run", steps: []activities.PlanStep{batchStep("step")}, asks: runChoices},
	{name: "the outcome of a batch's submission is unknown", steps: []activities.PlanStep{batchStep("step")}, asks: unknownChoices},
	{name: "an upload waits for its file", steps: []activities.PlanStep{awaitingStep(uploadStep("step"))}},
	{name: "a transfer, a report or a migration runs", steps: []activities.PlanStep{uploadStep("step")}},
	{name: "waits for its next attempt (`retries`)", steps: []activities.PlanStep{retried(uploadStep("step"), 1, 8*time.Hour)}, failed: 1},
	{name: "waits after a failure", steps: []activities.PlanStep{uploadStep("step")}, failed: 1},
	{name: "waits for approval", steps: []activities.PlanStep{approveStep("step")}},
	{name: "has succeeded", steps: []activities.PlanStep{batchStep("slow"), uploadStep("step")}},
}

func awaitingStep(s activities.PlanStep) activities.PlanStep {
	s.WaitUntil = start.Add(8 * time.Hour)
	return s
}

var stepCommands = []struct {
	name, choice string
}{
	{HoldCommand, ""}, {ReleaseCommand, ""}, {SkipCommand, ""}, {DoneCommand, ""}, {StartCommand, ""}, {ExtendCommand, ""},
	{InterruptCommand, ""}, {RestartCommand, ""}, {RerunCommand, ""}, {ApproveCommand, ""},
	{DecideCommand, Retry}, {DecideCommand, Skip}, {DecideCommand, GiveUp}, {AgainCommand, ""},
}

// The test sends each command to a step in each state, and compares the result with the table in docs/commands.md.
func TestCommands_forStepsMatchTheTableInDocs(t *testing.T) {
	var table strings.Builder
	table.WriteString("| a step |")
	for _, c := range stepCommands {
		fmt.Fprintf(&table, " %s |", strings.TrimSpace(c.name+" "+c.choice))
	}
	table.WriteString("\n|---|" + strings.Repeat("---|", len(stepCommands)) + "\n")
	for _, s := range steps {
		fmt.Fprintf(&table, "| %s |", s.name)
		for _, c := range stepCommands {
			fmt.Fprintf(&table, " %s |", stepAnswer(t, s.steps, s.failed, s.asks, strings.HasPrefix(s.name, "a transfer"), c.name, c.choice))
		}
		table.WriteString("\n")
	}
	compareWithDocs(t, table.String(), "<!-- steps -->\n", "<!-- end of steps -->")
}

// stepAnswer is what becomes of a command to the last step: yes, refused, or passed on to the step's workflow.
func stepAnswer(t *testing.T, planned []activities.PlanStep, failed int, asks []string, slowUpload bool, name, choice string) string {
	t.Helper()
	fake := fakeSteps{env: newEnv(t), plan: plan(planned...), uploads: failed, sha256: "aaaa"}
	fake.batch = func(ctx workflow.Context, in RunBatchInput) (RunBatchResult, error) {
		if asks != nil {
			reportQuestion(ctx, asks)
		}
		return RunBatchResult{RunID: in.Code + "_1", State: Succeeded}, workflow.Sleep(ctx, 8*time.Hour)
	}
	if slowUpload || !planned[len(planned)-1].WaitUntil.IsZero() {
		fake.uploading = 8 * time.Hour
	}
	fake.register()
	answer := "refused"
	fake.env.RegisterActivityWithOptions(func(context.Context, activities.SendCommandInput) (json.RawMessage, error) {
		if answer = "passed on"; name == SkipCommand || name == DoneCommand || name == AgainCommand {
			answer = "yes" // once the batch has given up its run
		}
		return json.RawMessage("{}"), nil
	}, activityName("SendCommand"))
	var listed []string
	fake.env.RegisterDelayedCallback(func() {
		shown := queryStatus(t, fake.env).Steps
		listed = shown[len(shown)-1].Commands
		command := Command{By: "bob", Why: "checked", Choice: choice, Until: "7h", RunID: "step_1", Step: "step"}
		if name == AgainCommand {
			command = Command{By: "bob", Why: "checked", Only: []string{"step"}}
		}
		fake.env.UpdateWorkflow(name, "update", &testsuite.TestUpdateCallback{
			OnAccept: func() {}, OnReject: func(error) {}, OnComplete: func(_ any, err error) {
				if err == nil && answer == "refused" {
					answer = "yes"
				}
			},
		}, command)
	}, time.Hour)
	fake.env.RegisterDelayedCallback(func() { fake.env.CancelWorkflow() }, 2*time.Hour)
	fake.execute("alice")
	require.True(t, fake.env.IsWorkflowCompleted())
	whole := strings.TrimSpace(name + " " + choice)
	if slices.Contains(listed, whole) || name == SkipCommand && slices.Contains(listed, skipChoice) {
		require.NotEqual(t, "refused", answer, "the status lists %s", whole)
	} else {
		require.NotEqual(t, "yes", answer, "the status does not list %s, only %s", whole, listed)
	}
	return answer
}

// accepts sends a command one hour after the start, as a signal and as an update, which must agree, and
// reports whether it was accepted.
func accepts(t *testing.T, service fakeService, change func(*RunBatchInput), before []timedCommand, name, choice string) bool {
	t.Helper()
	command := Command{By: "alice", Why: "checked", Choice: choice, RunID: runID, Until: "7h"}
	start := func() (*testsuite.TestWorkflowEnvironment, RunBatchInput) {
		env := newEnv(t)
		s := service
		s.env, s.started = env, env.Now()
		if s.triggers == nil {
			s.triggers = []func() (activities.Run, error){accepted}
		}
		s.register()
		in := input
		if change != nil {
			change(&in)
		}
		in.Deadline = env.Now().Add(9 * time.Hour)
		env.SetStartWorkflowOptions(client.StartWorkflowOptions{ID: in.WorkflowID()})
		ignored := 0
		for i, b := range before {
			sendAt(t, env, fmt.Sprint("before", i), b, &ignored)
		}
		return env, in
	}

	env, in := start()
	accepted := false
	env.RegisterDelayedCallback(func() {
		env.UpdateWorkflow(name, "update", &testsuite.TestUpdateCallback{
			OnAccept: func() {}, OnReject: func(error) {}, OnComplete: func(_ any, err error) { accepted = err == nil || !refusedAtOnce(err) },
		}, command)
	}, time.Hour)
	env.ExecuteWorkflow(RunBatch, in)
	require.True(t, env.IsWorkflowCompleted())

	env, in = start()
	env.RegisterDelayedCallback(func() { env.SignalWorkflow(name, command) }, time.Hour)
	env.ExecuteWorkflow(RunBatch, in)
	require.True(t, env.IsWorkflowCompleted())
	refused := false
	for _, entry := range queryStatus(t, env).Log {
		refused = refused || strings.Contains(entry.What, " does not apply: ") && entry.By == "alice"
	}
	require.Equal(t, accepted, !refused, "signal and update disagree on %s %s", name, choice)
	return accepted
}

// refusedAtOnce reports whether a command did not apply when it arrived.
func refusedAtOnce(err error) bool { return strings.Contains(err.Error(), " does not apply: ") }

func TestRunBatch_burstOfSignalsActsOnce(t *testing.T) {
	env := newEnv(t)
	service := fakeService{env: env, triggers: []func() (activities.Run, error){accepted}, ends: []stretch{{"-1", time.Minute}, {"0", time.Hour}}}
	service.register()
	env.SetStartWorkflowOptions(client.StartWorkflowOptions{ID: input.WorkflowID()})
	env.RegisterDelayedCallback(func() {
		for range 20 {
			env.SignalWorkflow(RestartCommand, Command{By: "alice", Why: "checked"})
		}
	}, time.Hour)
	env.ExecuteWorkflow(RunBatch, input)
	require.NoError(t, env.GetWorkflowError())
	require.Equal(t, 1, service.calls["restart"])
	refused := 0
	for _, entry := range queryStatus(t, env).Log {
		if strings.Contains(entry.What, "restart refused") {
			refused++
		}
	}
	require.Equal(t, 19, refused)
}

func TestRunBatch_warnsOnceAtRisk(t *testing.T) {
	env := newEnv(t)
	service := fakeService{env: env, triggers: []func() (activities.Run, error){accepted}, ends: []stretch{{"0", 100 * time.Minute}}}
	service.register()
	in := input
	in.Deadline = start.Add(2 * time.Hour)
	env.SetStartWorkflowOptions(client.StartWorkflowOptions{ID: in.WorkflowID()})
	env.ExecuteWorkflow(RunBatch, in)
	require.NoError(t, env.GetWorkflowError())
	var warned []time.Time
	for _, entry := range queryStatus(t, env).Log {
		if strings.HasPrefix(entry.What, "at risk:") {
			warned = append(warned, entry.At)
		}
	}
	require.Equal(t, []time.Time{in.Deadline.Add(-atRiskBefore)}, warned)
	require.Empty(t, queryStatus(t, env).AtRisk)
}
