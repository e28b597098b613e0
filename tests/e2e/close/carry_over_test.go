package close

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/pbsmflow/pbsmflow/tests/harness"
	"github.com/pbsmflow/pbsmflow/workflows"
)

const corrected = `
name: corrected
audit: reports/corrected.jsonl
steps:
  - id: ledger
    upload: {file: inbox/ledger.csv}
  - id: allocate
    needs: [ledger]
    batch: {code: PBSM_QUICK, params: {"$RUNSK$": "RUNSK"}}
  - id: check
    needs: [allocate]
    approve: {message: The figures agree}
  - id: figures
    needs: [check]
    report: {code: RPT001, save_to: reports/figures.csv}
`

// The ledger was wrong, or a parameter, and the close is started again: what still holds is kept, the batch is
// submitted again only when the operator says so, and the report is built on it.
func TestClose_startedAgainAfterACorrection(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		correct  func(*harness.Env)
		change   string // what the question says
		answer   string
		sent     int // uploads in both starts
		triggers int
	}{
		"nothing changed": {func(*harness.Env) {}, "", "", 1, 1},
		"another file, submitted again": {func(e *harness.Env) { e.Write(e.Inbox, "ledger.csv", "account,amount\n1,3\n") },
			"ledger was SHA-256 ", workflows.Again, 2, 2},
		"another file, kept": {func(e *harness.Env) { e.Write(e.Inbox, "ledger.csv", "account,amount\n1,3\n") },
			"ledger was SHA-256 ", workflows.Keep, 2, 1},
		"another parameter": {func(e *harness.Env) {
			e.Write(e.Pipelines, "corrected.yaml", strings.ReplaceAll(corrected, "RUNSK\"}", "2\"}"))
		},
			`params.$RUNSK$ was "1", and is "2"`, workflows.Again, 1, 2},
	} {
		t.Run(name, func(t *testing.T) {
			e := harness.New(t, harness.Options{})
			e.Write(e.Inbox, "ledger.csv", "account,amount\n1,2\n")
			e.Write(e.Pipelines, "corrected.yaml", strings.ReplaceAll(corrected, "RUNSK\"}", "1\"}"))
			id := workflows.CloseWorkflowID(e.Connection, "corrected", harness.AsOf)
			ask := func(step string) workflows.Question {
				var found workflows.Question
				e.Until(step+" asks", func() bool {
					status, _ := e.Status(id)
					for _, s := range status.Steps {
						if s.ID == step && s.Question != nil {
							found = *s.Question
						}
					}
					return found.Why != ""
				})
				return found
			}
			run := e.StartClose("corrected")
			ask("check")
			e.Want(0, "close", "decide", id, "--step", "check", "--choice", "give_up", "--reason", "the ledger is wrong")
			require.Error(t, e.Await(run, nil))

			c.correct(e)
			run = e.StartClose("corrected")
			if c.answer != "" {
				require.Contains(t, ask("allocate").Why, c.change)
				e.Want(0, "close", "decide", id, "--step", "allocate", "--choice", c.answer, "--reason", "the ledger was corrected")
			}
			ask("check")
			e.Want(0, "close", "approve", id, "--step", "check", "--reason", "they agree", "--by", "bob")
			var result workflows.NightlyCloseResult
			require.NoError(t, e.Await(run, &result))
			require.Equal(t, c.sent, len(e.Calls("upload-par", harness.Processed)), "uploads")
			require.Equal(t, c.triggers, len(e.Calls("trigger", harness.Processed)), "triggers")
			ledger, allocate, figures := result.Steps[0], result.Steps[1], result.Steps[3]
			require.Equal(t, c.sent == 1, !ledger.KeptFrom.IsZero())
			require.Equal(t, "run "+allocate.Batch.RunID, allocate.Result)
			require.Equal(t, ledger.Result, allocate.Basis.Needs[0].Result)
			require.Equal(t, "SHA-256 "+figures.Report.File.SHA256, figures.Result)
			audit, err := os.ReadFile(filepath.Join(e.Reports, "corrected.jsonl"))
			require.NoError(t, err)
			require.Contains(t, string(audit), `"based_on":"ledger SHA-256 `)
			if c.answer == "" {
				require.Contains(t, string(audit), `"event":"step_kept","step":"allocate"`)
				status := e.Want(0, "status", id).Stdout
				require.Contains(t, status, "kept from ")
			}
		})
	}
}

// A batch that succeeded, or runs, with other parameters is never taken for the one that is asked for.
func TestBatch_otherParameters(t *testing.T) {
	t.Parallel()
	e := harness.New(t, harness.Options{})
	run := func(code, param string, more ...string) []string {
		return append([]string{"batch", "run", "-c", e.Connection, "--code", code, "--as-of", harness.AsOf, "--param", "$RUNSK$=" + param}, more...)
	}
	e.Want(0, run(harness.QuickBatch, "1")...)
	kept := e.Want(0, run(harness.QuickBatch, "1")...)
	require.Contains(t, kept.Stdout, "kept from ")
	require.Len(t, e.Calls("trigger", harness.Processed), 1)

	asks := e.Want(3, run(harness.QuickBatch, "2")...)
	require.Contains(t, asks.Stdout+asks.Stderr, `params.$RUNSK$ was "1", and is "2"`)
	require.Len(t, e.Calls("trigger", harness.Processed), 1)
	id := workflows.BatchWorkflowID(e.Connection, harness.QuickBatch, harness.AsOf, "")
	e.Want(0, "batch", "decide", id, "--choice", "again", "--reason", "the other scenario")
	e.AwaitState(id, workflows.Succeeded)
	require.Len(t, e.Calls("trigger", harness.Processed), 2)

	e.Want(0, run(harness.HangBatch, "1", "--detach")...)
	hanging := workflows.BatchWorkflowID(e.Connection, harness.HangBatch, harness.AsOf, "")
	e.AwaitState(hanging, workflows.Running)
	require.Contains(t, e.Want(0, run(harness.HangBatch, "1", "--detach")...).Stderr, "It was running already")
	refused := e.Want(2, run(harness.HangBatch, "2", "--detach")...)
	require.Contains(t, refused.Stderr, `params.$RUNSK$ was "1", and is "2"`)
	require.Contains(t, refused.Stderr, "--key")
	e.Want(0, run(harness.HangBatch, "2", "--detach", "--key", "second")...)
}

// A close that succeeded runs again from a step on, as does one that is running.
func TestClose_again(t *testing.T) {
	t.Parallel()
	e := harness.New(t, harness.Options{})
	e.Write(e.Inbox, "ledger.csv", "account,amount\n1,2\n")
	e.Write(e.Pipelines, "corrected.yaml", strings.ReplaceAll(corrected, "RUNSK\"}", "1\"}"))
	id := workflows.CloseWorkflowID(e.Connection, "corrected", harness.AsOf)
	asks := func() {
		e.Until("check asks", func() bool { s, _ := e.Status(id); return len(s.Steps) > 2 && s.Steps[2].State == workflows.Waiting })
	}
	approve := func() {
		e.Want(0, "close", "approve", id, "--reason", "they agree", "--by", "bob")
		e.AwaitState(id, workflows.Succeeded)
	}
	reason := []string{"--reason", "the rates were corrected"}
	again := func(code int, args ...string) harness.Result {
		return e.Want(code, append(append([]string{"close", "again", id}, args...), reason...)...)
	}
	run := e.StartClose("corrected")
	asks()
	early := again(2, "--from", "figures")
	require.Contains(t, early.Stderr, "step figures has not begun")
	require.Empty(t, early.Stdout, "no plan of what is refused")
	going := again(0, "--only", "allocate", "--yes")
	require.Contains(t, going.Stdout, "ledger    upload   kept: SHA-256 ")
	e.Until("allocate runs again", func() bool { return len(e.Calls("trigger", harness.Processed)) == 2 })
	e.Until("allocate is done again", func() bool { s, _ := e.Status(id); return s.Steps[1].State == workflows.Succeeded })
	approve()
	var first workflows.NightlyCloseResult
	require.NoError(t, e.Await(run, &first))

	require.Contains(t, again(2, "--from", "alocate", "--yes").Stderr, `--from: there is no step "alocate"; the steps are ledger, allocate, check, figures`)
	require.Contains(t, again(2, "--from", "allocate").Stderr, "add --yes to continue")
	require.Contains(t, e.Want(2, "close", "again", id, "--from", "allocate", "--yes").Stderr, "--reason is missing")
	require.Len(t, e.Calls("trigger", harness.Processed), 2)
	started := again(3, "--from", "allocate", "--yes", "--by", "carol")
	require.Contains(t, started.Stdout, "check     approve  runs again, it was approved by bob")
	approve()
	triggers, reports := e.Calls("trigger", harness.Processed), e.Calls("report", harness.Processed)
	require.Len(t, triggers, 3)
	require.Len(t, e.Calls("upload-par", harness.Processed), 1)
	if len(reports) > 0 {
		require.True(t, reports[len(reports)-1].Time.After(triggers[2].Time), "the report is built on the last run")
	}
	e.Until("the audit file says who wanted it", func() bool {
		audit, err := os.ReadFile(filepath.Join(e.Reports, "corrected.jsonl"))
		require.NoError(t, err)
		return strings.Contains(string(audit), `"what":"again from allocate","by":"carol","why":"the rates were corrected"`)
	})
}

// The operator holds, skips and marks steps before they begin, and the night shows that it had exceptions.
func TestClose_stepsThatHaveNotBegun(t *testing.T) {
	t.Parallel()
	e := harness.New(t, harness.Options{})
	outside := e.StartBatch(workflows.RunBatchInput{Code: harness.QuickBatch, Key: "by-hand"})
	var byHand workflows.RunBatchResult
	require.NoError(t, e.Await(outside, &byHand))
	e.Write(e.Pipelines, "steps.yaml", `
name: steps
steps:
  - id: first
    hold: true
    batch: {code: PBSM_QUICK}
  - id: second
    needs: [first]
    report: {code: RPT001, save_to: reports/second.csv}
`)
	id := workflows.CloseWorkflowID(e.Connection, "steps", harness.AsOf)
	run := e.StartClose("steps")
	e.AwaitState(id, workflows.Waiting)
	inbox := e.Want(3, "inbox").Stdout
	require.Contains(t, inbox, "held by the pipeline")
	require.Contains(t, inbox, "starter close release "+id)
	e.Want(0, "close", "skip", id, "--step", "second", "--reason", "not needed tonight")
	refused := e.Want(2, "close", "done", id, "--step", "first", "--reason", "ran by hand").Stderr
	require.Contains(t, refused, "done needs the run_id of PBSM_QUICK")
	e.Want(0, "close", "done", id, "--step", "first", "--reason", "ran by hand", "--run-id", byHand.RunID)
	var result workflows.NightlyCloseResult
	require.NoError(t, e.Await(run, &result))
	require.Equal(t, workflows.SucceededWithExceptions, result.State)
	require.Equal(t, workflows.MarkedDone, result.Steps[0].State)
	require.Equal(t, workflows.Skipped, result.Steps[1].State)
	require.Len(t, e.Calls("trigger", harness.Processed), 1)
	require.Contains(t, e.Want(0, "status", id).Stdout, "succeeded with exceptions")

	again := e.Want(0, "close", "again", id, "--from", "second", "--reason", "needed after all", "--yes").Stdout
	require.Regexp(t, `first +batch +kept: PBSM_QUICK_.*, run outside, as .* says: ran by hand`, again)
	require.Contains(t, again, "runs again, it was skipped by")
	require.Len(t, e.Calls("trigger", harness.Processed), 1, "what was marked as done stays so, and is not held again")
	require.Contains(t, e.Want(0, "status", id).Stdout, "succeeded with exceptions")
}
