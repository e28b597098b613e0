package workflows

import (
	"fmt"
	"strconv"
	"strings"
	"time"
)

// WaitingQuery is the visibility query of the running workflows of some types that wait for an
// operator; an empty connection selects all connections. A close waits together with its batch.
func WaitingQuery(connection string, workflowTypes ...string) string {
	query := fmt.Sprintf("%s = '%s' AND %s AND ExecutionStatus = 'Running'", stateAttribute.GetName(), Waiting, typeIn(workflowTypes))
	if connection != "" {
		query += fmt.Sprintf(" AND %s = %s", connectionAttribute.GetName(), strconv.Quote(connection))
	}
	return query
}

// SucceededQuery is the visibility query of the closes that succeeded, with or without exceptions.
func SucceededQuery(connection string) string {
	return fmt.Sprintf("%s = %s AND %s IN ('%s', '%s') AND WorkflowType = '%s' AND ExecutionStatus = 'Completed'",
		connectionAttribute.GetName(), strconv.Quote(connection), stateAttribute.GetName(), Succeeded, SucceededWithExceptions, NightlyCloseType)
}

// ClosesQuery is the visibility query of the closes that run, or have ended since a time, and of the workflows that
// were started for one under another id.
func ClosesQuery(since time.Time) string {
	return fmt.Sprintf("WorkflowType = '%s' AND (ExecutionStatus = 'Running' OR CloseTime > '%s')",
		NightlyCloseType, since.UTC().Format(time.RFC3339))
}

// WorkflowsQuery is the visibility query of this package's workflows on a task queue. Each of them answers StatusQuery.
func WorkflowsQuery(taskQueue string) string {
	return fmt.Sprintf("TaskQueue = %s AND %s", strconv.Quote(taskQueue), typeIn(typeNames()))
}

func typeIn(names []string) string {
	return fmt.Sprintf("WorkflowType IN ('%s')", strings.Join(names, "', '"))
}
