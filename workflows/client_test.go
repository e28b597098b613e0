package workflows

import (
	"context"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"
	enumspb "go.temporal.io/api/enums/v1"
	"go.temporal.io/api/serviceerror"
	"go.temporal.io/api/workflowservice/v1"
	"go.temporal.io/sdk/client"
	"go.temporal.io/sdk/temporal"

	commonpb "go.temporal.io/api/common/v1"
	workflowpb "go.temporal.io/api/workflow/v1"
)

// cuttingTemporal cuts the calls about an update so many times: in turn the request and the wait for its answer.
type cuttingTemporal struct {
	client.Client
	client.WorkflowUpdateHandle
	cuts    int
	answers bool // short calls
	ids     []string
}

func (c *cuttingTemporal) cut() error {
	if c.cuts == 0 {
		return nil
	}
	c.cuts--
	time.Sleep(time.Minute)
	return serviceerror.NewCanceled("stream terminated by RST_STREAM with error code: CANCEL")
}

func (c *cuttingTemporal) UpdateWorkflow(_ context.Context, update client.UpdateWorkflowOptions) (client.WorkflowUpdateHandle, error) {
	c.ids = append(c.ids, update.UpdateID)
	if len(c.ids)%2 == 1 {
		return nil, client.NewWorkflowUpdateServiceTimeoutOrCanceledError(c.cut())
	}
	return c, nil
}

func (c *cuttingTemporal) Get(_ context.Context, answer any) error {
	if err := c.cut(); err != nil {
		return err
	}
	answer.(*CommandResult).Message = "it has stopped"
	return nil
}

func (c *cuttingTemporal) DescribeWorkflowExecution(context.Context, string, string) (*workflowservice.DescribeWorkflowExecutionResponse, error) {
	if !c.answers {
		return nil, serviceerror.NewUnavailable("gone")
	}
	return &workflowservice.DescribeWorkflowExecutionResponse{}, nil
}

// A command whose call was cut may be in effect: a second update would be a second command.
func TestSendCommand_repeatsACutCallUnderTheSameID(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := &cuttingTemporal{cuts: 3, answers: true}
		result, err := SendCommand(t.Context(), c, "id", InterruptCommand, Command{})
		require.NoError(t, err)
		require.Equal(t, "it has stopped", result.Message)
		require.Len(t, c.ids, 4)
		require.NotEmpty(t, c.ids[0])
		require.Len(t, slices.Compact(c.ids), 1)
	})
}

func TestSendCommand_endsWhenTemporalIsAway(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		_, err := SendCommand(t.Context(), &cuttingTemporal{cuts: 1000}, "id", InterruptCommand, Command{})
		require.Error(t, err)
	})
}

// takenTemporal has a workflow under every id.
type takenTemporal struct {
	client.Client
	info workflowpb.WorkflowExecutionInfo
}

func (c *takenTemporal) ExecuteWorkflow(context.Context, client.StartWorkflowOptions, any, ...any) (client.WorkflowRun, error) {
	return nil, serviceerror.NewWorkflowExecutionAlreadyStarted("there is one", "", "run")
}

func (c *takenTemporal) DescribeWorkflowExecution(context.Context, string, string) (*workflowservice.DescribeWorkflowExecutionResponse, error) {
	return &workflowservice.DescribeWorkflowExecutionResponse{WorkflowExecutionInfo: &c.info}, nil
}

func TestStart_findsWhatHasTheID(t *testing.T) {
	in := NightlyCloseInput{Connection: "prod", Pipeline: "nightly", AsOfDate: "2026-10-31"}
	c := &takenTemporal{info: workflowpb.WorkflowExecutionInfo{Type: &commonpb.WorkflowType{Name: NightlyCloseType}}}
	for status, done := range map[enumspb.WorkflowExecutionStatus]bool{
		enumspb.WORKFLOW_EXECUTION_STATUS_RUNNING:   false,
		enumspb.WORKFLOW_EXECUTION_STATUS_COMPLETED: true,
	} {
		c.info.Status = status
		found, err := Start(t.Context(), c, in, StartOptions{})
		require.NoError(t, err)
		require.Equal(t, in.WorkflowID(), found.ID)
		require.Equal(t, "run", found.RunID)
		require.False(t, found.Started)
		require.Equal(t, done, found.AlreadyDone())
	}
	c.info.Type.Name = "MonthEnd"
	_, err := Start(t.Context(), c, in, StartOptions{})
	require.ErrorIs(t, err, ErrIDTaken)
	require.ErrorContains(t, err, "MonthEnd")
}

// droppingTemporal drops the first update, as Temporal does with one that arrives beside a cancellation.
type droppingTemporal struct {
	cuttingTemporal
	dropped bool
}

func (c *droppingTemporal) UpdateWorkflow(context.Context, client.UpdateWorkflowOptions) (client.WorkflowUpdateHandle, error) {
	if !c.dropped {
		c.dropped = true
		return nil, serviceerror.NewWorkflowNotReady("Unable to perform workflow execution update due to unexpected workflow task failure.")
	}
	return c, nil
}

func TestSendCommand_repeatsADroppedUpdate(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		result, err := SendCommand(t.Context(), &droppingTemporal{}, "id", InterruptCommand, Command{})
		require.NoError(t, err)
		require.Equal(t, "it has stopped", result.Message)
	})
}

// unreadyTemporal has a workflow that takes no updates until so many were sent.
type unreadyTemporal struct {
	cuttingTemporal
	info    workflowpb.WorkflowExecutionInfo
	refuses int
}

func (c *unreadyTemporal) UpdateWorkflow(_ context.Context, update client.UpdateWorkflowOptions) (client.WorkflowUpdateHandle, error) {
	c.ids = append(c.ids, update.UpdateID)
	return c, nil
}

func (c *unreadyTemporal) Get(ctx context.Context, answer any) error {
	if len(c.ids) <= c.refuses {
		return temporal.NewApplicationError("unknown update skip. KnownUpdates=[]", "")
	}
	return c.cuttingTemporal.Get(ctx, answer)
}

func (c *unreadyTemporal) DescribeWorkflowExecution(context.Context, string, string) (*workflowservice.DescribeWorkflowExecutionResponse, error) {
	return &workflowservice.DescribeWorkflowExecutionResponse{WorkflowExecutionInfo: &c.info}, nil
}

// A close takes commands once it has read its pipeline: one that is sent right after its start must not be lost.
func TestSendCommand_waitsUntilTheWorkflowTakesCommands(t *testing.T) {
	const running, ended = enumspb.WORKFLOW_EXECUTION_STATUS_RUNNING, enumspb.WORKFLOW_EXECUTION_STATUS_COMPLETED
	for name, c := range map[string]struct {
		workflow string
		status   enumspb.WorkflowExecutionStatus
		refuses  int
		sent     int
		fails    string
	}{
		"it takes the third": {NightlyCloseType, running, 2, 3, ""},
		"it takes none":      {NightlyCloseType, running, 1000, 12, "id takes no skip yet: it is still reading its pipeline"},
		"it has ended":       {NightlyCloseType, ended, 1000, 1, "unknown update"},
		"of another type":    {ScheduledCloseType, running, 1000, 1, "unknown update"},
		"of another program": {"MonthEnd", running, 1000, 1, "unknown update"},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				server := &unreadyTemporal{refuses: c.refuses, info: workflowpb.WorkflowExecutionInfo{
					Type: &commonpb.WorkflowType{Name: c.workflow}, Status: c.status,
				}}
				result, err := SendCommand(t.Context(), server, "id", SkipCommand, Command{})
				require.Len(t, server.ids, c.sent)
				require.Len(t, slices.Compact(server.ids), 1, "one command")
				if c.fails != "" {
					require.ErrorContains(t, err, c.fails)
					return
				}
				require.NoError(t, err)
				require.Equal(t, "it has stopped", result.Message)
			})
		})
	}
}
