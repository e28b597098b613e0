package workflows

import (
	"fmt"
	"strconv"
	"strings"
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
