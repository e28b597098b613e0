package workflows

import "strings"

const closePrefix = "close/"

// CloseWorkflowID is the id of a night's close: the same night cannot run twice at once.
func CloseWorkflowID(connection, pipeline, asOfDate string) string {
	return closePrefix + strings.Join([]string{connection, pipeline, asOfDate}, "/")
}

// BatchWorkflowID is the id of one posting of a batch or a batch group. The key may be empty.
func BatchWorkflowID(connection, code, asOfDate, key string) string {
	parts := []string{"batch", connection, code, asOfDate}
	if key != "" {
		parts = append(parts, key)
	}
	return strings.Join(parts, "/")
}

// StepWorkflowID is the id of a step of a close that is not a batch.
func StepWorkflowID(closeID, step string) string { return closeID + "/" + step }

// ScheduleID is the id of the schedule of a pipeline's nights.
func ScheduleID(connection, pipeline string) string {
	return strings.Join([]string{"schedule", connection, pipeline}, "/")
}

// ScheduleInputMemo is the memo field of a schedule that holds its ScheduledCloseInput.
const ScheduleInputMemo = "input"
