package console

import (
	"crypto/ed25519"
	"os"
	"path/filepath"
	"reflect"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/pbsmflow/pbsmflow/internal/proof"
	"github.com/pbsmflow/pbsmflow/workflows"
)

// newSigner is a signer, and the verifier of its key.
func newSigner(t *testing.T) (*Signer, *proof.Verifier) {
	t.Helper()
	private, _, err := proof.NewKey()
	require.NoError(t, err)
	file := filepath.Join(t.TempDir(), "console.key")
	require.NoError(t, os.WriteFile(file, private, 0o600))
	signer, err := NewSigner(file)
	require.NoError(t, err)
	return signer, proof.NewVerifier(map[string]ed25519.PublicKey{"console": signer.PublicKey()})
}

func TestSigner_provesCommandsAndStarts(t *testing.T) {
	signer, verifier := newSigner(t)
	carol := Person{Name: "carol", Groups: []string{"ops"}}
	c := workflows.Command{By: "somebody", Why: "loaded", Step: "allocate"}
	require.NoError(t, signer.command(carol, []string{closeID, "batch/1"}, workflows.RestartCommand, &c))
	require.Equal(t, "carol", c.By)
	claims, err := verifier.Verify(c.Proof, time.Now(), proof.Expected{
		WorkflowID: "batch/1", By: "carol", Statement: proof.Statement{Command: workflows.RestartCommand, Why: "loaded"},
	})
	require.NoError(t, err)
	require.Equal(t, []string{"ops"}, claims.Groups)

	in := workflows.NightlyCloseInput{Connection: "prod", Pipeline: "nightly-close", AsOfDate: "2026-10-31"}
	require.NoError(t, signer.start(carol, &in))
	start := proof.Expected{
		WorkflowID: closeID, By: in.StartedBy,
		Statement: proof.Statement{Command: workflows.StartProof, Why: in.Why(), Input: in.Digest()},
	}
	_, err = verifier.Verify(in.Proof, time.Now(), start)
	require.NoError(t, err)
	in.Params = map[string]string{"scenario": "7"}
	start.Input = in.Digest()
	_, err = verifier.Verify(in.Proof, time.Now(), start)
	require.ErrorContains(t, err, "input: ")
}

func TestSigner_signsEveryField(t *testing.T) {
	signer, verifier := newSigner(t)
	c := workflows.Command{
		Why: "loaded", Step: "ledger", Choice: workflows.Adopt, RunID: "ALLOC_1", Until: "2026-11-01T06:30:00Z",
		From: []string{"ledger"}, Only: []string{"profit"}, Asked: time.Unix(1, 0).UTC(),
	}
	require.NoError(t, signer.command(Person{Name: "carol"}, []string{closeID}, workflows.DecideCommand, &c))
	want := proof.Statement{
		Command: workflows.DecideCommand, Why: c.Why, Step: c.Step, Choice: c.Choice, RunID: c.RunID, Until: c.Until,
		From: c.From, Only: c.Only, Asked: c.Asked,
	}
	claims, err := verifier.Verify(c.Proof, time.Now(), proof.Expected{WorkflowID: closeID, HasSteps: true, Statement: want})
	require.NoError(t, err)
	require.Equal(t, want, claims.Statement)
	for i, field := range reflect.VisibleFields(reflect.TypeFor[proof.Statement]()) {
		if field.Name != "Input" { // of a start
			require.False(t, reflect.ValueOf(claims.Statement).Field(i).IsZero(), "%s is not signed", field.Name)
		}
	}
}

func TestSigner_withoutAKeyProvesNothing(t *testing.T) {
	c := workflows.Command{By: "carol", Why: "loaded"}
	require.NoError(t, (*Signer)(nil).command(Person{Name: "carol"}, []string{closeID}, workflows.RestartCommand, &c))
	require.Empty(t, c.Proof)
}
