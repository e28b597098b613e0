package commands

import (
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/pbsmflow/pbsmflow/tests/harness"
	"github.com/pbsmflow/pbsmflow/workflows"
)

// Lists every open question, with commands that work as printed.
func TestInbox_printsCommandsThatWork(t *testing.T) {
	t.Parallel()
	s := harness.New(t, harness.Options{})
	inbox := []string{"inbox", "--connection", s.Connection}
	require.Contains(t, s.Want(0, inbox...).Stdout, "Nothing waits")

	s.Write(s.Pipelines, "waits.yaml", "name: waits\nsteps:\n  - id: allocate\n    batch: {code: PBSM_FAIL}\n  - id: sign-off\n    approve: {message: Are the books good}\n")
	deadline := time.Now().Add(time.Hour)
	closing := s.StartClose("waits")
	alone := s.StartBatch(workflows.RunBatchInput{Code: "PBSM_ABORT", Deadline: deadline})
	var waiting []any
	s.Until("three questions are open", func() bool {
		result := s.Run(append(inbox, "--output", "json")...)
		waiting, _ = s.OneDocument(result)["waiting"].([]any)
		return len(waiting) == 3 && result.Code == 3
	})
	var subjects []string
	for _, w := range waiting {
		w := w.(map[string]any)
		require.NotEmpty(t, w["since"])
		require.NotEmpty(t, w["why"])
		require.Equal(t, harness.AsOf, w["as_of_date"])
		subjects = append(subjects, w["workflow_id"].(string)+" "+w["subject"].(string))
	}
	require.Equal(t, alone.GetID()+" PBSM_ABORT", subjects[0], "the only one with a deadline comes first")
	require.ElementsMatch(t, []string{closing.GetID() + " allocate", closing.GetID() + " sign-off"}, subjects[1:], "the close asks for its batch, which is not listed itself")

	listed := s.Want(3, inbox...).Stdout
	answer := func(parts ...string) { // executes the printed command that contains all parts
		t.Helper()
		for line := range strings.Lines(listed) {
			line = strings.TrimSpace(line)
			if command, found := strings.CutPrefix(line, "starter "); found && containsAll(line, parts) {
				s.Want(0, append(strings.Fields(strings.ReplaceAll(command, `"..."`, "seen")), "--by", "ann")...)
				return
			}
		}
		t.Fatalf("no command with %q:\n%s", parts, listed)
	}
	answer("batch decide", alone.GetID(), "give_up")
	answer("close decide", "--step allocate", "give_up")
	answer("close approve", "--step sign-off")
	require.Error(t, s.Await(closing, nil))
	require.Error(t, s.Await(alone, nil))
	s.Until("no question is open", func() bool { return s.Run(inbox...).Code == 0 })
}

// Questions are listed even if no worker can describe them, but not for another connection.
func TestInbox_connectionWithoutWorker(t *testing.T) {
	t.Parallel()
	s := harness.New(t, harness.Options{})
	run := s.StartBatch(workflows.RunBatchInput{Code: "PBSM_ABORT"})
	s.AwaitState(run.GetID(), workflows.Waiting)
	s.Worker.Kill()
	s.Want(0, "inbox", "--connection", "another")
	s.Until("it is listed", func() bool { return s.Run("inbox", "--connection", s.Connection).Code == 3 })
	require.Contains(t, s.Want(3, "inbox", "--connection", s.Connection).Stdout, run.GetID())
}

func containsAll(text string, parts []string) bool {
	for _, part := range parts {
		if !strings.Contains(text, part) {
			return false
		}
	}
	return true
}
