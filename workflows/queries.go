package workflows

import (
	"fmt"
	"strconv"
)

// WaitingQuery is the visibility query of the running workflows of a type that wait for a
// person. A close waits together with its batch.
func WaitingQuery(connection, workflowType string) string {
	return fmt.Sprintf("%s = %s AND %s = '%s' AND WorkflowType = '%s' AND ExecutionStatus = 'Running'",
		connectionAttribute.GetName(), strconv.Quote(connection), stateAttribute.GetName(), Waiting, workflowType)
}

// SucceededQuery is the visibility query of the closes that succeeded.
func SucceededQuery(connection string) string {
	return fmt.Sprintf("%s = %s AND %s = '%s' AND WorkflowType = '%s' AND ExecutionStatus = 'Completed'",
		connectionAttribute.GetName(), strconv.Quote(connection), stateAttribute.GetName(), Succeeded, NightlyCloseType)
}
