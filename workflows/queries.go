package workflows

import (
	"fmt"
	"strconv"
	"strings"

	workflowpb "go.temporal.io/api/workflow/v1"
	"go.temporal.io/sdk/converter"
)

// WaitingQuery is the visibility query of the running workflows of some types that wait for a
// person, of all connections when it is empty. A close waits together with its batch.
func WaitingQuery(connection string, workflowTypes ...string) string {
	query := fmt.Sprintf("%s = '%s' AND WorkflowType IN ('%s') AND ExecutionStatus = 'Running'",
		stateAttribute.GetName(), Waiting, strings.Join(workflowTypes, "', '"))
	if connection != "" {
		query += fmt.Sprintf(" AND %s = %s", connectionAttribute.GetName(), strconv.Quote(connection))
	}
	return query
}

// SucceededQuery is the visibility query of the closes that succeeded.
func SucceededQuery(connection string) string {
	return fmt.Sprintf("%s = %s AND %s = '%s' AND WorkflowType = '%s' AND ExecutionStatus = 'Completed'",
		connectionAttribute.GetName(), strconv.Quote(connection), stateAttribute.GetName(), Succeeded, NightlyCloseType)
}

// WorkflowsQuery is the visibility query of the workflows on a task queue that answer StatusQuery.
func WorkflowsQuery(taskQueue string) string {
	types := []string{NightlyCloseType, RunBatchType, GenerateReportType, UploadFileType, DownloadFileType, MigrateType}
	return fmt.Sprintf("TaskQueue = %s AND WorkflowType IN ('%s')", strconv.Quote(taskQueue), strings.Join(types, "', '"))
}

// LastState is the state in a workflow's search attributes, for when no worker tells its status.
// Empty: it has none yet.
func LastState(info *workflowpb.WorkflowExecutionInfo) State {
	var state State
	if value, ok := info.GetSearchAttributes().GetIndexedFields()[stateAttribute.GetName()]; ok {
		_ = converter.GetDefaultDataConverter().FromPayload(value, &state) // it is a Keyword
	}
	return state
}
