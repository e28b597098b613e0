package commands

import (
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/pbsmflow/pbsmflow/tests/harness"
	"github.com/pbsmflow/pbsmflow/workflows"
)

// A deadline is moved while the batch runs, first away and then near: Temporal ends nothing at the old one.
func TestExtend_movesTheDeadlineOfWhatRuns(t *testing.T) {
	t.Parallel()
	e := harness.New(t, harness.Options{})
	e.Write(e.Pipelines, "late.yaml", "name: late\ndeadline: 12s\nsteps:\n  - id: allocate\n    batch: {code: PBSM_HELD}\n")
	id := workflows.CloseWorkflowID(e.Connection, "late", harness.AsOf)
	run := e.StartClose("late")
	e.AwaitState(id, workflows.Waiting)
	before, _ := e.Status(id)
	require.False(t, before.Steps[0].Deadline.IsZero())
	require.Contains(t, e.Want(2, "close", "extend", id, "--until", "tomorrow", "--reason", "it is late").Stderr, `"tomorrow" is neither a time of day`)
	moved := e.Want(0, "close", "extend", id, "--until", "1h", "--reason", "agreed with treasury").Stdout
	require.Contains(t, moved, "the deadline is ")

	batch := workflows.BatchWorkflowID(e.Connection, "PBSM_HELD", harness.AsOf, "")
	e.Until("the batch has the new deadline", func() bool {
		status, _ := e.Status(batch)
		return status.Deadline.After(before.Deadline)
	})
	time.Sleep(time.Until(before.Deadline.Add(2 * time.Second)))
	after, _ := e.Status(id)
	require.Equal(t, workflows.Waiting, after.State, "the old deadline has passed")

	e.Want(0, "close", "extend", id, "--step", "allocate", "--until", "3s", "--reason", "it is enough")
	e.Until("the step has failed", func() bool {
		status, _ := e.Status(id)
		return status.Steps[0].State == workflows.Failed
	})
	require.Error(t, e.Await(run, nil))
	status, _ := e.Status(id)
	require.Contains(t, status.Steps[0].Detail, "the deadline passed; the run may still be going")
	require.Equal(t, []string{"agreed with treasury", "it is enough"}, reasonsOf(status, "the deadline is "))
}

// reasonsOf are the reasons of the entries that begin with a text.
func reasonsOf(s workflows.Status, text string) (reasons []string) {
	for _, entry := range s.Log {
		if strings.HasPrefix(entry.What, text) || strings.HasPrefix(entry.What, "allocate: extend") && len(reasons) > 0 {
			reasons = append(reasons, entry.Why)
		}
	}
	return slices.Compact(reasons)
}

// The operator knows that the file is complete although its marker is missing; another is cancelled by name.
func TestStart_takesTheFileAsItIs(t *testing.T) {
	t.Parallel()
	e := harness.New(t, harness.Options{})
	e.Write(e.Pipelines, "marked.yaml", `
name: marked
steps:
  - id: ledger
    upload: {file: inbox/gl.csv, marker: inbox/gl.done, wait_until: 1h}
  - id: rates
    upload: {file: inbox/rates.csv, wait_until: 1h}
`)
	e.Write(e.Inbox, "gl.csv", harness.Ledger(100))
	id := workflows.CloseWorkflowID(e.Connection, "marked", harness.AsOf)
	run := e.StartClose("marked")
	e.Until("the file is awaited", func() bool {
		status, _ := e.Status(id + "/ledger")
		return !status.WaitUntil.IsZero()
	})
	require.Contains(t, e.Want(0, "close", "start", id, "--step", "ledger", "--reason", "the sender says that it is complete").Stdout, "is taken as it is now")
	e.Until("the ledger is uploaded", func() bool {
		status, _ := e.Status(id)
		return status.Steps[0].State == workflows.Succeeded
	})
	require.NoFileExists(t, filepath.Join(e.Inbox, "gl.done"))

	e.Want(0, "cancel", id, "--reason", "the wrong date was started", "--by", "ann")
	require.Error(t, e.Await(run, nil))
	status, _ := e.Status(id)
	require.Equal(t, "cancelled by ann (the wrong date was started): rates cancelled", status.Summary)
	entries, err := os.ReadDir(e.Inbox)
	require.NoError(t, err)
	require.Len(t, entries, 1)
}
