package workflows

import (
	"compress/gzip"
	"log/slog"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/nexus-rpc/sdk-go/nexus"
	"github.com/stretchr/testify/require"
	enumspb "go.temporal.io/api/enums/v1"
	historypb "go.temporal.io/api/history/v1"
	"go.temporal.io/sdk/client"
	"go.temporal.io/sdk/log"
	"go.temporal.io/sdk/worker"
	"go.temporal.io/sdk/workflow"
)

const histories = "../tests/histories/v1"

var historyRow = regexp.MustCompile(`(?m)^\| (\w+-[\w-]+) \| ([\w ]+) \|`)

// recorded returns the names of the histories that README.md lists, and how each ends.
func recorded(t *testing.T) (names []string, ends map[string]string) {
	t.Helper()
	text, err := os.ReadFile(filepath.Join(histories, "README.md"))
	require.NoError(t, err)
	ends = map[string]string{}
	for _, row := range historyRow.FindAllStringSubmatch(string(text), -1) {
		names, ends[row[1]] = append(names, row[1]), row[2]
	}
	require.NotEmpty(t, names)
	return names, ends
}

func readHistory(t *testing.T, name string) *historypb.History {
	t.Helper()
	file, err := os.Open(filepath.Join(histories, name+".json.gz"))
	require.NoError(t, err)
	defer file.Close()
	unpacked, err := gzip.NewReader(file)
	require.NoError(t, err)
	history, err := client.HistoryFromJSON(unpacked, client.HistoryJSONOptions{})
	require.NoError(t, err)
	return history
}

// registry collects the workflows that a worker registers.
type registry struct {
	worker.Registry
	workflows []any
}

func (r *registry) RegisterWorkflow(w any)              { r.workflows = append(r.workflows, w) }
func (r *registry) RegisterNexusService(*nexus.Service) {}

func registered(t *testing.T) []any {
	t.Helper()
	var r registry
	require.NoError(t, Register(&r))
	return r.workflows
}

func replay(t *testing.T, history *historypb.History) error {
	t.Helper()
	replayer, err := worker.NewWorkflowReplayerWithOptions(worker.WorkflowReplayerOptions{DisableDeadlockDetection: true})
	require.NoError(t, err)
	for _, w := range registered(t) {
		replayer.RegisterWorkflow(w)
	}
	started := history.Events[0].GetWorkflowExecutionStartedEventAttributes()
	return replayer.ReplayWorkflowHistoryWithOptions(log.NewStructuredLogger(slog.New(slog.DiscardHandler)), history, worker.ReplayWorkflowHistoryOptions{
		OriginalExecution: workflow.Execution{ID: started.WorkflowId, RunID: started.OriginalExecutionRunId},
	})
}

// A close that is running during a deployment continues with the new code.
func TestReplay_recordedHistories(t *testing.T) {
	names, ends := recorded(t)
	files, err := filepath.Glob(filepath.Join(histories, "*.json.gz"))
	require.NoError(t, err)
	for i, file := range files {
		files[i] = strings.TrimSuffix(filepath.Base(file), ".json.gz")
	}
	require.ElementsMatch(t, names, files, "the table in README.md must list the files")
	types := map[string]bool{}
	for _, name := range names {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			history := readHistory(t, name)
			require.NoError(t, replay(t, history), "the change breaks running workflows: guard it with workflow.GetVersion")
			last := history.Events[len(history.Events)-1]
			require.True(t, strings.HasPrefix(ends[name], endWords[last.EventType]), "ends as %s, not %s", last.EventType, ends[name])
		})
		types[strings.Split(name, "-")[0]] = true
	}
	require.Len(t, types, len(registered(t)), "a workflow has no history, or a history has no workflow")
}

var endWords = map[enumspb.EventType]string{
	enumspb.EVENT_TYPE_WORKFLOW_EXECUTION_COMPLETED: "succeeded",
	enumspb.EVENT_TYPE_WORKFLOW_EXECUTION_FAILED:    "failed ",
	enumspb.EVENT_TYPE_WORKFLOW_EXECUTION_CANCELED:  "cancelled",
}

// The replay must detect a changed command: it fails for every history in which one is altered.
func TestReplay_alteredHistory(t *testing.T) {
	altered := map[string]func(*historypb.HistoryEvent) bool{
		"another activity": func(e *historypb.HistoryEvent) bool {
			a := e.GetActivityTaskScheduledEventAttributes()
			if a != nil {
				a.ActivityType.Name = "RerunBatch"
			}
			return a != nil
		},
		"another timer": func(e *historypb.HistoryEvent) bool {
			a := e.GetTimerStartedEventAttributes()
			if a != nil {
				a.TimerId = "other"
			}
			return a != nil
		},
		"another child": func(e *historypb.HistoryEvent) bool {
			a := e.GetStartChildWorkflowExecutionInitiatedEventAttributes()
			if a != nil {
				a.WorkflowType.Name = MigrateType
			}
			return a != nil
		},
		"another signal": func(e *historypb.HistoryEvent) bool {
			a := e.GetSignalExternalWorkflowExecutionInitiatedEventAttributes()
			if a != nil {
				a.SignalName = "other"
			}
			return a != nil
		},
	}
	names, _ := recorded(t)
	for what, alter := range altered {
		t.Run(what, func(t *testing.T) {
			t.Parallel()
			found := 0
			for _, name := range names {
				history := readHistory(t, name)
				if slices.ContainsFunc(history.Events, alter) { // alters the first match
					found++
					require.Error(t, replay(t, history), name)
				}
			}
			require.NotZero(t, found)
		})
	}
}
