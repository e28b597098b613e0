package activities

import (
	"context"
	"errors"
	"time"

	"github.com/pbsmflow/pbsmflow/internal/proof"
)

// VerifyCommandInput is a command that a workflow has received, and its proof; empty: it has none.
type VerifyCommandInput struct {
	Proof string `json:"proof,omitempty"`
	// Expected is what the proof must be for.
	Expected proof.Expected `json:"expected"`
	// At is when the proof must be valid. Zero: now. A start is verified as of when it was started, however late that is.
	At time.Time `json:"at,omitzero"`
	// IsVouched marks a start by another workflow, which commands.require_proof does not refuse: schedules have no name.
	IsVouched bool `json:"is_vouched,omitempty"`
}

// VerifiedCommand is who sent a command, as far as this worker can tell.
type VerifiedCommand struct {
	// Proved is whether the name is proved; nil where the worker has no keys to prove any with.
	Proved *bool `json:"proved,omitempty"`
	// By and Groups are the proved ones.
	By     string   `json:"by,omitempty"`
	Groups []string `json:"groups,omitempty"`
	// ID is that of the proof, which is good for one command, and IssuedAt when it was signed.
	ID       string    `json:"id,omitempty"`
	IssuedAt time.Time `json:"issued_at,omitzero"`
	// Refusal is why the command must not be taken.
	Refusal string `json:"refusal,omitempty"`
}

// VerifyCommand verifies the proof of a command with the keys of this worker's configuration. It is a local activity:
// the workflow waits for it before it does anything with the command.
func (a *Activities) VerifyCommand(_ context.Context, in VerifyCommandInput) (VerifiedCommand, error) {
	var verified VerifiedCommand
	if a.verifier.HasKeys() {
		verified.Proved = new(bool)
	}
	if in.Proof == "" {
		if a.requireProof && !in.IsVouched {
			verified.Refusal = "it has no proof of who sent it, which commands.require_proof demands: send it through the console"
		}
		return verified, nil
	}
	at := in.At
	if at.IsZero() {
		at = time.Now()
	}
	claims, err := a.verifier.Verify(in.Proof, at, in.Expected)
	switch {
	case !a.verifier.HasKeys():
		err = errors.New("this worker has no keys to verify it with: set commands.keys to the console's public key")
	case err == nil:
		*verified.Proved = true
		verified.By, verified.Groups, verified.ID, verified.IssuedAt = claims.Who, claims.Groups, claims.ID, claims.IssuedAt.Time
	}
	if err != nil {
		verified.Refusal = "its proof is not valid: " + err.Error()
	}
	return verified, nil
}
