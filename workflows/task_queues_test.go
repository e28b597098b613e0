package workflows

import (
	"context"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"go.temporal.io/sdk/activity"
	"go.temporal.io/sdk/client"
	"go.temporal.io/sdk/converter"
	"go.temporal.io/sdk/temporal"

	"github.com/pbsmflow/pbsmflow/activities"
)

func TestCaller_taskQueueOfEachActivity(t *testing.T) {
	env := newEnv(t)
	s := &fakeService{env: env, triggers: []func() (activities.Run, error){accepted}, ends: []stretch{{"0", 2 * time.Hour}}}
	s.register()
	env.RegisterWorkflow(RunBatch)
	queues := map[string]string{}
	env.SetOnActivityStartedListener(func(info *activity.Info, _ context.Context, _ converter.EncodedValues) {
		queues[info.ActivityType.Name] = info.TaskQueue
	})
	env.RegisterDelayedCallback(func() { env.SignalWorkflow(InterruptCommand, Command{By: "ann", Why: "checked"}) }, time.Hour)
	env.RegisterDelayedCallback(env.CancelWorkflow, 3*time.Hour)
	in := RunBatchInput{Connection: "prod", Code: "ALLOC", AsOfDate: "2026-10-31"}
	env.SetStartWorkflowOptions(client.StartWorkflowOptions{ID: in.WorkflowID()})
	env.ExecuteWorkflow(RunBatch, in)
	for name, queue := range queues {
		own := strings.HasSuffix(queue, "/prod")
		require.Equal(t, name != "EarlierSubmission" && name != "ResolveConnection", own, "%s is on %s", name, queue)
	}
	require.Contains(t, queues, "TriggerBatch")
	require.Contains(t, queues, "InterruptBatch")
}

// Otherwise an activity would wait forever on the queue of a connection that no worker has.
func TestResolveConnection_unknownConnection(t *testing.T) {
	const date = "2026-10-31"
	for name, c := range map[string]struct{ workflow, input any }{
		RunBatchType:       {RunBatch, RunBatchInput{Connection: "unknown", Code: "X", AsOfDate: date}},
		UploadFileType:     {UploadFile, UploadFileInput{Connection: "unknown", File: "inbox/x.csv"}},
		DownloadFileType:   {DownloadFile, DownloadFileInput{Connection: "unknown", FileID: "1", SaveTo: "reports/x"}},
		GenerateReportType: {GenerateReport, GenerateReportInput{Connection: "unknown", Code: "X", SaveTo: "reports/x"}},
		MigrateType:        {Migrate, MigrateInput{Connection: "unknown", Direction: Export, Code: "X"}},
	} {
		t.Run(name, func(t *testing.T) {
			env := newEnv(t)
			env.RegisterWorkflow(c.workflow)
			if in, ok := c.input.(RunBatchInput); ok {
				env.SetStartWorkflowOptions(client.StartWorkflowOptions{ID: in.WorkflowID()})
			}
			env.ExecuteWorkflow(c.workflow, c.input)
			var failed *temporal.ApplicationError
			require.True(t, asError(env.GetWorkflowError(), &failed), "%v", env.GetWorkflowError())
			require.Equal(t, activities.InvalidInput, failed.Type())
			require.Contains(t, failed.Message(), "/unknown")
			status := queryStatus(t, env)
			require.Equal(t, Failed, status.State)
			require.Contains(t, status.Summary, "connection unknown is not known")
		})
	}
}

// Temporal refuses a longer fairness key, and the workflow would fail.
func TestPriority_limitsTheFairnessKey(t *testing.T) {
	require.Equal(t, temporal.Priority{PriorityKey: BackfillPriority, FairnessKey: "prod"}, Priority("prod", BackfillPriority))
	require.Len(t, Priority(strings.Repeat("x", 65), 0).FairnessKey, 64)
}
