package workflows

import (
	"cmp"
	"fmt"
	"path"
	"strings"
	"time"

	enumspb "go.temporal.io/api/enums/v1"
	"go.temporal.io/sdk/client"
	"go.temporal.io/sdk/temporal"
	"go.temporal.io/sdk/workflow"

	"github.com/pbsmflow/pbsmflow/internal/pipeline"
)

// Input is the input of a workflow that Start starts: NightlyCloseInput, RunBatchInput, GenerateReportInput,
// UploadFileInput, DownloadFileInput, MigrateInput, DeleteFilesInput, SetAsOfDateInput or ExportDataInput.
type Input interface {
	// Validate names every problem that shows without contacting anything.
	Validate() error
	spec() startSpec
}

// startSpec says how the workflow of an input is started, by whomever: a client, a parent, Nexus or a schedule.
type startSpec struct {
	workflowType string
	id           string
	connection   string
	summary      string
	attributes   temporal.SearchAttributes // saves the workflow an event
	reuse        enumspb.WorkflowIdReusePolicy
}

// closeReusePolicy keeps a close that succeeded from running again.
const closeReusePolicy = enumspb.WORKFLOW_ID_REUSE_POLICY_ALLOW_DUPLICATE_FAILED_ONLY

func (in NightlyCloseInput) reusePolicy() enumspb.WorkflowIdReusePolicy {
	if in.Again != nil {
		return enumspb.WORKFLOW_ID_REUSE_POLICY_ALLOW_DUPLICATE
	}
	return closeReusePolicy
}

// WorkflowID is the id of this close. It is empty where only the definition has the pipeline's name:
// set Pipeline as well. A parameter that has its default adds nothing to the id under which the close runs in the
// end, which only the worker knows.
func (in NightlyCloseInput) WorkflowID() string {
	if in.Pipeline == "" {
		return ""
	}
	return KeyedCloseWorkflowID(in.Connection, in.Pipeline, in.AsOfDate, cmp.Or(in.Key, pipeline.ParamsKey(in.Params)))
}

// WorkflowID is the id of this submission.
func (in RunBatchInput) WorkflowID() string {
	return BatchWorkflowID(in.Connection, in.Code, in.AsOfDate, in.Key)
}

// WorkflowID is the id of this migration: it runs once at a time.
func (in MigrateInput) WorkflowID() string {
	return strings.Join([]string{"migrate", in.Connection, in.Direction, in.Code}, "/")
}

// ConnectionOf is the connection of an input.
func ConnectionOf(in Input) string { return in.spec().connection }

func (in NightlyCloseInput) spec() startSpec {
	return startSpec{
		workflowType: NightlyCloseType,
		id:           in.WorkflowID(),
		connection:   in.Connection,
		summary:      fmt.Sprintf("%s for %s on %s", in.Pipeline, in.AsOfDate, in.Connection),
		reuse:        in.reusePolicy(),
	}
}

func (in RunBatchInput) spec() startSpec {
	return startSpec{
		workflowType: RunBatchType,
		id:           in.WorkflowID(),
		connection:   in.Connection,
		summary:      fmt.Sprintf("%s for %s on %s", in.Code, in.AsOfDate, in.Connection),
		reuse:        enumspb.WORKFLOW_ID_REUSE_POLICY_ALLOW_DUPLICATE, // it finds and keeps an earlier success itself
	}
}

func (in GenerateReportInput) spec() startSpec {
	return startSpec{
		workflowType: GenerateReportType,
		id:           uniqueID(time.Now(), "report", in.Connection, in.Code),
		connection:   in.Connection,
		summary:      fmt.Sprintf("report %s to %s", in.Code, in.SaveTo),
		attributes:   startAttributes(in),
	}
}

func (in UploadFileInput) spec() startSpec {
	return startSpec{
		workflowType: UploadFileType,
		id:           uniqueID(time.Now(), "upload", in.Connection, cmp.Or(in.Name, path.Base(in.File))),
		connection:   in.Connection,
		summary:      "upload " + in.File,
		attributes:   startAttributes(in),
	}
}

func (in DownloadFileInput) spec() startSpec {
	return startSpec{
		workflowType: DownloadFileType,
		id:           uniqueID(time.Now(), "download", in.Connection, cmp.Or(in.FileID, in.Name, path.Base(in.Object))),
		connection:   in.Connection,
		summary:      "download to " + in.SaveTo,
		attributes:   startAttributes(in),
	}
}

func (in MigrateInput) spec() startSpec {
	return startSpec{
		workflowType: MigrateType,
		id:           in.WorkflowID(),
		connection:   in.Connection,
		summary:      in.Direction + " " + in.Code,
		attributes:   startAttributes(in),
		reuse:        enumspb.WORKFLOW_ID_REUSE_POLICY_ALLOW_DUPLICATE,
	}
}

// WorkflowID is the id of this preference: it is set by one at a time.
func (in SetAsOfDateInput) WorkflowID() string {
	parts := []string{"as-of-date", in.Connection, in.App}
	if in.User != "" {
		parts = append(parts, in.User)
	}
	return strings.Join(parts, "/")
}

func (in SetAsOfDateInput) spec() startSpec {
	return startSpec{
		workflowType: SetAsOfDateType,
		id:           in.WorkflowID(),
		connection:   in.Connection,
		summary:      "as-of date of " + in.App + ": " + in.AsOfDate,
		attributes:   startAttributes(in),
		reuse:        enumspb.WORKFLOW_ID_REUSE_POLICY_ALLOW_DUPLICATE,
	}
}

func (in DeleteFilesInput) spec() startSpec {
	return startSpec{
		workflowType: DeleteFilesType,
		id:           uniqueID(time.Now(), "delete", in.Connection, "files"),
		connection:   in.Connection,
		summary:      "delete " + in.subject(),
		attributes:   startAttributes(in),
	}
}

func (in ExportDataInput) spec() startSpec {
	return startSpec{
		workflowType: ExportDataType,
		id:           uniqueID(time.Now(), "export-data", in.Connection, in.Code),
		connection:   in.Connection,
		summary:      fmt.Sprintf("files of %s, run %s, to %s", in.Code, in.RunID, in.SaveTo),
		attributes:   startAttributes(in),
	}
}

// options start the workflow, or attach to the one that runs. One that succeeded before is an error,
// serviceerror.WorkflowExecutionAlreadyStarted, where it must not run again.
func (s startSpec) options(o StartOptions) client.StartWorkflowOptions {
	options := client.StartWorkflowOptions{
		ID:                       s.id,
		TaskQueue:                o.TaskQueue,
		WorkflowIDReusePolicy:    s.reuse,
		WorkflowIDConflictPolicy: enumspb.WORKFLOW_ID_CONFLICT_POLICY_USE_EXISTING,
		StaticSummary:            s.summary,
		TypedSearchAttributes:    s.attributes,
		Priority:                 Priority(s.connection, o.Priority),
	}
	for field, value := range map[string]string{"started_by": o.By, "started_with": o.With} {
		if value == "" {
			continue
		}
		if options.Memo == nil {
			options.Memo = map[string]any{}
		}
		options.Memo[field] = value
	}
	return options
}

// ExecuteClose runs a close as a child of a workflow in the same namespace. Cancelling the parent cancels
// the close and waits for it; terminating the parent leaves the close running. A close that runs, or
// succeeded before, is a temporal.ChildWorkflowExecutionAlreadyStartedError.
func ExecuteClose(ctx workflow.Context, taskQueue string, in NightlyCloseInput) workflow.ChildWorkflowFuture {
	return executeChild(ctx, taskQueue, in)
}

// ExecuteBatch runs a batch as a child of a workflow in the same namespace, as ExecuteClose does a close.
func ExecuteBatch(ctx workflow.Context, taskQueue string, in RunBatchInput) workflow.ChildWorkflowFuture {
	return executeChild(ctx, taskQueue, in)
}

func executeChild(ctx workflow.Context, taskQueue string, in Input) workflow.ChildWorkflowFuture {
	s := in.spec()
	ctx = workflow.WithChildOptions(ctx, workflow.ChildWorkflowOptions{
		WorkflowID:            s.id,
		TaskQueue:             taskQueue,
		WorkflowIDReusePolicy: s.reuse,
		WaitForCancellation:   true,
		ParentClosePolicy:     enumspb.PARENT_CLOSE_POLICY_ABANDON,
		Priority:              Priority(s.connection, 0),
	})
	return workflow.ExecuteChildWorkflow(ctx, s.workflowType, in)
}

// SignalCommand sends a command to a close or a batch from another workflow. The future resolves when the
// signal arrived; its effect shows in the status.
func SignalCommand(ctx workflow.Context, workflowID, name string, command Command) workflow.Future {
	return workflow.SignalExternalWorkflow(ctx, workflowID, "", name, command)
}
