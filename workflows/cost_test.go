package workflows

import (
	"os"
	"regexp"
	"strconv"
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

// docs/operations.md says what a night costs at most. Recordings differ by a poll, or by how many
// events share a workflow task, so that its figures may be a little above those of a history.
func TestHistories_costWhatOperationsSays(t *testing.T) {
	const eventsAbove, actionsAbove = 12, 1
	histories := map[string]string{
		"a batch that succeeds": "RunBatch-succeeded",
		"an upload":             "UploadFile-succeeded",
		"an upload, with `scan_after_upload` off":       "UploadFile-unscanned",
		"an upload with a check of what the file holds": "UploadFile-verified",
		"a download": "DownloadFile-by-id",
		"a report":   "GenerateReport-succeeded",
		"an export":  "Migrate-export",
		"a close with a step of every kind, without its steps": "NightlyClose-succeeded",
		"what a schedule starts each night, without the close": "ScheduledClose-succeeded",
	}
	page, err := os.ReadFile("../docs/operations.md")
	require.NoError(t, err)
	rows := regexp.MustCompile(`(?m)^\| (.+) \| (\d+) \| (\d+) \|$`).FindAllStringSubmatch(string(page), -1)
	written := map[string]bool{}
	for _, row := range rows {
		name, known := histories[row[1]]
		if !known {
			continue
		}
		written[row[1]] = true
		history := readHistory(t, name)
		for _, c := range []struct {
			what, said   string
			found, above int
		}{{"events", row[2], len(history.Events), eventsAbove}, {"actions", row[3], actions(history), actionsAbove}} {
			said, err := strconv.Atoi(c.said)
			require.NoError(t, err)
			require.LessOrEqual(t, c.found, said, "%s: %s of %s", row[1], c.what, name)
			require.GreaterOrEqual(t, c.found+c.above, said, "%s: %s of %s", row[1], c.what, name)
		}
	}
	require.Len(t, written, len(histories), "a row is missing")
}
