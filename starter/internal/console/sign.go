package console

import (
	"github.com/pbsmflow/pbsmflow/internal/proof"
	"github.com/pbsmflow/pbsmflow/workflows"
)

// Signer proves who sends a command or starts a close. nil proves nothing.
type Signer struct{ *proof.Signer }

// NewSigner signs with the key of a file.
func NewSigner(file string) (*Signer, error) {
	text, err := proof.ReadKeyFile(file)
	if err != nil {
		return nil, err
	}
	signs, err := proof.NewSigner(text)
	return &Signer{signs}, err
}

// command sets the proof of a command to the workflows with these ids.
func (s *Signer) command(p Person, workflowIDs []string, name string, c *workflows.Command) (err error) {
	if s == nil {
		return nil
	}
	c.By = p.Name
	c.Proof, err = s.Sign(proof.Claims{
		Who:      p.Name,
		Groups:   p.Groups,
		Audience: workflowIDs,
		Statement: proof.Statement{
			Command: name,
			Step:    c.Step,
			From:    c.From,
			Only:    c.Only,
			Choice:  c.Choice,
			RunID:   c.RunID,
			Until:   c.Until,
			Asked:   c.Asked,
			Why:     c.Why,
		},
	})
	return err
}

// start sets the proof of a close's start, for the id that its input says: under another one, such as that of a close
// which was started with a default value, the worker expects it for this one as well.
func (s *Signer) start(p Person, in *workflows.NightlyCloseInput) (err error) {
	if s == nil {
		return nil
	}
	in.StartedBy = p.Name
	in.Proof, err = s.Sign(proof.Claims{
		Who:      p.Name,
		Groups:   p.Groups,
		Audience: []string{in.WorkflowID()},
		Statement: proof.Statement{
			Command: workflows.StartProof,
			Why:     in.Why(),
			Input:   in.Digest(),
		},
	})
	return err
}
