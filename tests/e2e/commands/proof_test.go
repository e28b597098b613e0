package commands

import (
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
	"go.temporal.io/sdk/client"

	"github.com/pbsmflow/pbsmflow/internal/proof"
	"github.com/pbsmflow/pbsmflow/tests/harness"
	"github.com/pbsmflow/pbsmflow/workflows"
)

// withProofs is an environment in which every command needs a proof of the signer, with more settings.
func withProofs(t *testing.T, settings map[string]string) (*harness.Env, *proof.Signer) {
	t.Helper()
	private, public, err := proof.NewKey()
	require.NoError(t, err)
	signer, err := proof.NewSigner(private)
	require.NoError(t, err)
	all := map[string]string{"commands.require_proof": "true", "commands.keys.console": public}
	maps.Copy(all, settings)
	return harness.New(t, harness.Options{Settings: all}), signer
}

// startSigned starts a close with the proof of who starts it.
func startSigned(t *testing.T, e *harness.Env, signer *proof.Signer, in workflows.NightlyCloseInput) client.WorkflowRun {
	t.Helper()
	var err error
	in.Proof, err = signer.Sign(proof.Claims{
		Who: in.StartedBy, Audience: []string{in.WorkflowID()},
		Statement: proof.Statement{Command: workflows.StartProof, Why: in.Why(), Input: in.Digest()},
	})
	require.NoError(t, err)
	return e.Start(in.WorkflowID(), workflows.NightlyClose, in)
}

// Where every command needs a proof, what was not signed has no effect, and what was is carried out under the proved name,
// also by the workflow of a step.
func TestProof_isRequired(t *testing.T) {
	t.Parallel()
	e, signer := withProofs(t, nil)
	e.Write(e.Pipelines, "proved.yaml", `
name: proved
audit: reports/proved.jsonl
steps:
  - id: allocate
    batch: {code: PBSM_FAIL_ONCE}
  - id: sign-off
    needs: [allocate]
    approve: {message: "The books are right", by: [controllers]}
`)
	in := workflows.NightlyCloseInput{Connection: e.Connection, Pipeline: "proved", AsOfDate: harness.AsOf, StartedBy: "tests"}
	run := startSigned(t, e, signer, in)
	waits := func(step string) workflows.Status {
		var status workflows.Status
		e.Until(step+" asks", func() bool {
			status, _ = e.Status(run.GetID())
			return slices.ContainsFunc(status.Steps, func(s workflows.StepStatus) bool {
				return s.ID == step && s.Question != nil
			})
		})
		return status
	}
	sign := func(name string, c workflows.Command, group string, audience ...string) workflows.Command {
		var err error
		c.Proof, err = signer.Sign(proof.Claims{
			Who: c.By, Groups: []string{group}, Audience: audience,
			Statement: proof.Statement{Command: name, Step: c.Step, Choice: c.Choice, Why: c.Why},
		})
		require.NoError(t, err)
		return c
	}
	batch := waits("allocate").Steps[0].WorkflowID
	typed := e.Want(2, "close", "restart", run.GetID(), "--reason", "space was added", "--by", "carol")
	require.Contains(t, typed.Stderr, "send it through the console")
	unsigned := workflows.Command{By: "carol", Why: "typed"}
	require.NoError(t, e.Temporal.SignalWorkflow(t.Context(), batch, "", workflows.RestartCommand, unsigned))

	restart := workflows.Command{By: "carol", Why: "space was added", Step: "allocate"}
	elsewhere := sign(workflows.RestartCommand, restart, "ops", "close/another/night/2026-10-31")
	_, err := e.Command(run.GetID(), workflows.RestartCommand, elsewhere)
	require.ErrorContains(t, err, "the proof is for close/another/night")
	proved := sign(workflows.RestartCommand, restart, "ops", run.GetID(), batch)
	_, err = e.Command(run.GetID(), workflows.RestartCommand, proved)
	require.NoError(t, err)

	waits("sign-off")
	_, err = e.Command(run.GetID(), workflows.RestartCommand, proved)
	require.ErrorContains(t, err, "its proof was used before")
	approval := workflows.Command{By: "dave", Why: "they agree", Step: "sign-off"}
	_, err = e.Command(run.GetID(), workflows.ApproveCommand, sign(workflows.ApproveCommand, approval, "ops", run.GetID()))
	require.ErrorContains(t, err, "dave is not in controllers")
	_, err = e.Command(run.GetID(), workflows.ApproveCommand, sign(workflows.ApproveCommand, approval, "controllers", run.GetID()))
	require.NoError(t, err)
	var result workflows.NightlyCloseResult
	require.NoError(t, e.Await(run, &result))

	file, err := os.ReadFile(filepath.Join(e.Reports, "proved.jsonl"))
	require.NoError(t, err)
	for _, parts := range [][]string{
		{`"event":"refused"`, "send it through the console", `"by":"carol"`, `"proved":false`},
		{`"event":"refused"`, "the proof is for close/another/night"},
		{`"event":"refused"`, "its proof was used before"},
		{`"event":"answered"`, `"what":"allocate: restart"`, `"proved":true`},
		{`"event":"approved"`, `"by":"dave"`, `"proved":true`},
	} {
		found := func(line string) bool { return containsAll(line, parts) }
		require.True(t, slices.ContainsFunc(strings.Split(string(file), "\n"), found), "%q in\n%s", parts, file)
	}
	_, err = e.Command(batch, workflows.CancelCommand, workflows.Command{By: "carol", Why: "late"})
	require.Error(t, err, "it has ended")
}

// Where every command needs a proof and the console is down, a close can still be cancelled, through Temporal.
func TestProof_cancelWithoutTheConsole(t *testing.T) {
	t.Parallel()
	e, signer := withProofs(t, map[string]string{"console.url": "http://127.0.0.1:1", "console.for_starter": "true"})
	e.Write(e.Pipelines, "waits.yaml", "name: waits\nsteps: [{id: sign-off, approve: {message: good}}]\n")
	in := workflows.NightlyCloseInput{Connection: e.Connection, Pipeline: "waits", AsOfDate: harness.AsOf, StartedBy: "tests"}
	run := startSigned(t, e, signer, in)
	e.Until("it asks", func() bool {
		status, ok := e.Status(run.GetID())
		return ok && status.State == workflows.Waiting
	})

	through := e.Run("cancel", run.GetID(), "--reason", "it must not run on")
	require.NotZero(t, through.Code, "%s", through)
	refused := e.Want(2, "close", "approve", run.GetID(), "--console", "", "--reason", "the figures agree")
	require.Contains(t, refused.Stderr, "send it through the console")
	e.Want(0, "cancel", run.GetID(), "--console", "", "--reason", "it must not run on")
	status, ok := e.Status(run.GetID())
	require.True(t, ok)
	require.Equal(t, workflows.Cancelled, status.State)
}
