package workflows

import (
	"fmt"
	"os"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
	enumspb "go.temporal.io/api/enums/v1"
	historypb "go.temporal.io/api/history/v1"
)

// billed are the events that stand for an action of Temporal Cloud: docs.temporal.io/cloud/actions.
// An activity counts once here; each further attempt, such as a poll, is one more.
var billed = map[enumspb.EventType]bool{
	enumspb.EVENT_TYPE_WORKFLOW_EXECUTION_STARTED:         true,
	enumspb.EVENT_TYPE_ACTIVITY_TASK_SCHEDULED:            true,
	enumspb.EVENT_TYPE_MARKER_RECORDED:                    true, // the local activities of a workflow task
	enumspb.EVENT_TYPE_TIMER_STARTED:                      true,
	enumspb.EVENT_TYPE_UPSERT_WORKFLOW_SEARCH_ATTRIBUTES:  true,
	enumspb.EVENT_TYPE_WORKFLOW_EXECUTION_SIGNALED:        true,
	enumspb.EVENT_TYPE_WORKFLOW_EXECUTION_UPDATE_ACCEPTED: true,
}

func actions(h *historypb.History) (count int) {
	for _, e := range h.Events {
		if billed[e.EventType] {
			count++
		}
	}
	return count
}

// docs/operations.md says what a night costs. The limits keep it from growing unnoticed.
func TestHistories_costWhatOperationsSays(t *testing.T) {
	const path, from, to = "../docs/operations.md", "<!-- table of costs -->\n", "<!-- end of table -->"
	var table strings.Builder
	table.WriteString("| workflow | events | actions |\n|---|---|---|\n")
	for _, row := range []struct {
		what, history string
		events        int // at most
	}{
		{"a batch that succeeds", "RunBatch-succeeded", 22},
		{"an upload", "UploadFile-succeeded", 26},
		{"an upload with a check of what the file holds", "UploadFile-verified", 32},
		{"a download", "DownloadFile-by-id", 20},
		{"a report", "GenerateReport-succeeded", 20},
		{"an export", "Migrate-export", 20},
		{"a close with a step of every kind, without its steps", "NightlyClose-succeeded", 78},
		{"what a schedule starts each night, without the close", "ScheduledClose-succeeded", 24},
	} {
		history := readHistory(t, row.history)
		require.LessOrEqual(t, len(history.Events), row.events, row.history)
		fmt.Fprintf(&table, "| %s | %d | %d |\n", row.what, len(history.Events), actions(history))
	}
	page, err := os.ReadFile(path)
	require.NoError(t, err)
	_, rest, found := strings.Cut(string(page), from)
	require.True(t, found)
	written, _, found := strings.Cut(rest, to)
	require.True(t, found)
	require.Equal(t, table.String(), written, "%s is out of step with the histories", path)
}
