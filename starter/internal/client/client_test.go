package client

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	commonpb "go.temporal.io/api/common/v1"
	enumspb "go.temporal.io/api/enums/v1"
	"go.temporal.io/api/serviceerror"
	"go.temporal.io/api/workflowservice/v1"
	sdk "go.temporal.io/sdk/client"
	"go.temporal.io/sdk/converter"
	"go.temporal.io/sdk/temporal"

	"github.com/pbsmflow/pbsmflow/starter/internal/cli"
	"github.com/pbsmflow/pbsmflow/starter/internal/clitest"
	"github.com/pbsmflow/pbsmflow/workflows"
)

// session has a simulated Temporal, and keeps its output.
func session(temporal sdk.Client) (s *Session, stdout, stderr *bytes.Buffer) {
	f, stdout, stderr := clitest.Recorder()
	return &Session{Factory: f, Temporal: temporal}, stdout, stderr
}

// cuttingTemporal cuts a number of long polls, each after a while; there says whether it answers short calls.
type cuttingTemporal struct {
	sdk.Client
	sdk.WorkflowRun
	cuts  int
	after time.Duration
	there bool
}

func (c *cuttingTemporal) GetWorkflow(context.Context, string, string) sdk.WorkflowRun { return c }

func (c *cuttingTemporal) Get(context.Context, any) error {
	if c.cuts == 0 {
		return nil
	}
	c.cuts--
	time.Sleep(c.after)
	return serviceerror.NewCanceled("stream terminated by RST_STREAM with error code: CANCEL")
}

func (c *cuttingTemporal) DescribeWorkflowExecution(context.Context, string, string) (*workflowservice.DescribeWorkflowExecutionResponse, error) {
	if !c.there {
		return nil, serviceerror.NewUnavailable("gone")
	}
	return &workflowservice.DescribeWorkflowExecutionResponse{}, nil
}

// Long polls that are cut hours apart do not mean that Temporal is away.
func TestAwait_continuesWhileTemporalAnswers(t *testing.T) {
	for name, test := range map[string]struct {
		temporal  cuttingTemporal
		continues bool
	}{
		"cut every hour": {cuttingTemporal{cuts: 8, after: time.Hour, there: true}, true},
		"away a moment":  {cuttingTemporal{cuts: 8, after: time.Second}, true},
		"away for good":  {cuttingTemporal{cuts: 1000, after: time.Second}, false},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				s := &Session{Temporal: &test.temporal}
				err := s.Await(t.Context(), workflows.Execution{ID: "id"}, nil)
				assert.Equal(t, test.continues, err == nil, "%v", err)
			})
		})
	}
}

func TestCommandProblem_temporalIsAway(t *testing.T) {
	s, _, _ := session(nil)
	p := cli.AsProblem(s.CommandProblem(t.Context(), "id", workflows.InterruptCommand, serviceerror.NewCanceled("stream terminated")))
	assert.Equal(t, cli.ExitUnreachable, p.Code)
	assert.Contains(t, p.Message, "may be in effect")
	assert.Contains(t, p.Next[0], "starter status id")
}

// A script that sees exit code 1 starts the workflow again.
func TestEnd_ofTheCallIsNotThatOfTheWorkflow(t *testing.T) {
	s, _, _ := session(nil)
	run := workflows.Execution{ID: "id", Type: workflows.RunBatchType}
	for _, err := range []error{serviceerror.NewPermissionDenied("Request unauthorized.", ""), serviceerror.NewInternal("broken"), errors.New("payload item 0: unable to decode: no key k1")} {
		p := cli.AsProblem(s.End(run, err))
		assert.Equal(t, cli.ExitUnreachable, p.Code)
		assert.Contains(t, p.Message, err.Error())
		assert.False(t, p.Ended)
		assert.NotContains(t, strings.Join(p.Next, "\n"), "submits the batch again")
	}
	p := cli.AsProblem(s.End(run, &temporal.WorkflowExecutionError{}))
	assert.Equal(t, cli.ExitFailed, p.Code)
	assert.True(t, p.Ended)
}

// answering is a Temporal that answers every request for a result with an error.
type answering struct {
	sdk.Client
	sdk.WorkflowRun
	get func() error
}

func (a *answering) GetWorkflow(context.Context, string, string) sdk.WorkflowRun { return a }

func (a *answering) Get(context.Context, any) error { return a.get() }

func TestResult_ctrlCIsNotAnOutage(t *testing.T) {
	cut := serviceerror.NewCanceled("context canceled") // as the SDK has it
	run := workflows.Execution{ID: "id", Type: workflows.RunBatchType}
	for name, get := range map[string]func(context.Context, *Session) error{
		"start":  func(ctx context.Context, s *Session) error { return s.AlreadyDone(ctx, run, nil) },
		"status": func(ctx context.Context, s *Session) error { return s.End(run, s.Await(ctx, run, nil)) },
	} {
		t.Run(name, func(t *testing.T) {
			for _, err := range []error{cut, context.Canceled} {
				ctx, cancel := context.WithCancel(t.Context())
				s, _, _ := session(&answering{get: func() error {
					cancel()
					return err
				}})
				assert.Equal(t, cli.ExitInterrupted, cli.AsProblem(cli.Stopped(ctx, get(ctx, s))).Code)
			}
		})
	}
	s, _, _ := session(&answering{get: func() error { return serviceerror.NewUnavailable("gone") }})
	p := cli.AsProblem(s.AlreadyDone(t.Context(), run, nil))
	assert.Equal(t, cli.ExitUnreachable, p.Code)
	assert.NotContains(t, p.Message, "the workflow continues", "it has ended, and nothing waited for Temporal")
}

func TestAlreadyDone_asJSON(t *testing.T) {
	for _, workflowType := range []string{workflows.RunBatchType, workflows.NightlyCloseType, workflows.UploadFileType} {
		s, stdout, _ := session(&answering{get: func() error { return nil }})
		s.Output = "json"
		require.NoError(t, s.AlreadyDone(t.Context(), workflows.Execution{ID: "id", Type: workflowType}, nil))
		var document map[string]any
		require.NoError(t, json.Unmarshal(stdout.Bytes(), &document), stdout)
		assert.Equal(t, true, document["already_done"])
		assert.Greater(t, len(document), 1)
	}
}

func TestAnnounce_alreadyDone(t *testing.T) {
	s, stdout, _ := session(clitest.NewTemporal(workflows.NightlyCloseType, "pbsm"))
	s.Announce(t.Context(), workflows.Execution{ID: "id"})
	assert.Contains(t, stdout.String(), "id was already done")
}

func TestCommandProblem_ofAWorkflowWithoutCommands(t *testing.T) {
	unknown := clitest.Failure(errors.New("unknown update interrupt. KnownUpdates=[]"))
	for workflowType, want := range map[string]string{
		workflows.UploadFileType:     "unknown update interrupt",
		workflows.ScheduledCloseType: "it is a ScheduledClose workflow",
		"MonthEnd":                   "which pbsmflow does not manage",
		workflows.RunBatchType:       "unknown update interrupt",
	} {
		s, _, _ := session(clitest.NewTemporal(workflowType, "pbsm"))
		p := cli.AsProblem(s.CommandProblem(t.Context(), "id", workflows.InterruptCommand, unknown))
		assert.Equal(t, cli.ExitUsage, p.Code)
		assert.Contains(t, p.Message, want)
	}
}

func TestOpenChoices(t *testing.T) {
	question := func(choices ...string) *workflows.Question { return &workflows.Question{Choices: choices} }
	night := workflows.Status{
		Question: question("decide retry", "decide skip"),
		Steps:    []workflows.StepStatus{{ID: "a", Question: question("decide retry", "decide skip")}, {ID: "b"}, {ID: "c", Question: question("restart", "decide retry", "decide adopt")}},
	}
	for _, test := range []struct {
		status     workflows.Status
		step, want string
	}{
		{night, "", "step a takes retry, skip; step c takes retry, adopt"},
		{night, "c", "step c takes retry, adopt"},
		{night, "b", `no step "b" waits for a decision now`},
		{night, "x", `no step "x" waits for a decision now`},
		{workflows.Status{Question: question("rerun", "decide give_up")}, "", "it takes give_up"},
		{workflows.Status{}, "", "nothing waits for a decision now"},
	} {
		assert.Equal(t, test.want, openChoices(test.status, test.step))
	}
}

// An update that the workflow accepted may not be answered before it ends.
func TestCommandProblem_saysHowTheWorkflowEnded(t *testing.T) {
	server := clitest.NewTemporal(workflows.NightlyCloseType, "pbsm")
	server.Info.Status = enumspb.WORKFLOW_EXECUTION_STATUS_CANCELED
	summary, err := converter.GetDefaultDataConverter().ToPayload("cancelled: ledger cancelled")
	require.NoError(t, err)
	server.Info.Memo = &commonpb.Memo{Fields: map[string]*commonpb.Payload{workflows.SummaryMemo: summary}}
	for _, err := range []error{
		temporal.NewApplicationError("Workflow Update failed because the Workflow completed before the Update completed.", endedFirst),
		serviceerror.NewNotFound("workflow execution already completed"),
	} {
		s, _, _ := session(server)
		s.Payloads = converter.GetDefaultDataConverter()
		p := cli.AsProblem(s.CommandProblem(t.Context(), "id", workflows.DecideCommand, err))
		assert.Equal(t, cli.ExitUsage, p.Code)
		assert.Contains(t, p.Message, "it has ended (canceled, ")
		assert.Contains(t, p.Message, ": cancelled: ledger cancelled")
	}
}
