package workflows

import (
	"cmp"
	"crypto/sha256"
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"time"

	"go.temporal.io/sdk/workflow"

	"github.com/pbsmflow/pbsmflow/activities"
	"github.com/pbsmflow/pbsmflow/internal/proof"
)

// proofs verifies who sent the commands of a workflow, one after the other: they keep the order in which they arrived.
type proofs struct {
	hasSteps          bool // the workflow is a close
	takesParts        bool // ... is a batch: a close has it give up a run that failed, as a part of what was signed
	arrived, verified int
	used              []string // the ids of the proofs that were good for a command already
}

var verifyOptions = workflow.LocalActivityOptions{
	ScheduleToCloseTimeout: 10 * time.Second,
	RetryPolicy:            retryPolicy,
	Summary:                "verify who sent a command",
}

// verify gives a command the name that its proof proves. The error says why the command must be refused.
func (p *proofs) verify(ctx workflow.Context, c *command) error {
	turn := p.arrived
	p.arrived++
	ctx, _ = workflow.NewDisconnectedContext(ctx) // who cancels a workflow is known to the end
	_ = workflow.Await(ctx, func() bool { return p.verified == turn })
	defer func() { p.verified++ }()
	expected := c.expected(ctx, p.hasSteps)
	if p.takesParts && c.PartOf != "" {
		expected.Command, expected.Choice = c.PartOf, ""
	}
	found, err := verifyProof(ctx, activities.VerifyCommandInput{Proof: c.Proof, Expected: expected})
	c.proved = found.Proved
	if err != nil || found.ID == "" {
		return err
	}
	if slices.Contains(p.used, found.ID) {
		c.proved = new(bool)
		return failure(CommandRefused, "its proof was used before, and is good for one command")
	}
	p.used = append(p.used, found.ID)
	c.By, c.groups = found.By, found.Groups
	return nil
}

// allVerified reports whether no command is being verified.
func (p *proofs) allVerified() bool { return p.arrived == p.verified }

func (c *command) expected(ctx workflow.Context, hasSteps bool) proof.Expected {
	info := workflow.GetInfo(ctx)
	return proof.Expected{
		WorkflowID: info.WorkflowExecution.ID,
		Since:      info.WorkflowStartTime,
		HasSteps:   hasSteps,
		By:         c.By,
		Statement:  c.statement(),
	}
}

// statement is what the console signs of a command: everything but the name that was typed, and PartOf.
func (c *command) statement() proof.Statement {
	return proof.Statement{
		Command: c.name,
		Step:    c.Step,
		From:    c.From,
		Only:    c.Only,
		Choice:  c.Choice,
		RunID:   c.RunID,
		Until:   c.Until,
		Asked:   c.Asked,
		Why:     c.Why,
	}
}

// StartProof is the command of a proof with which a close is started.
const StartProof = "close"

// Digest is the SHA-256, in hexadecimal digits, of what the start of a close says: a proof of the start has it.
func (in NightlyCloseInput) Digest() string {
	in.StartedBy, in.Proof, in.Delegated = "", "", false
	text, err := json.Marshal(in)
	if err != nil {
		return "" // a definition that is no JSON; Validate says so
	}
	return fmt.Sprintf("%x", sha256.Sum256(text))
}

// Why is the reason of a start.
func (in NightlyCloseInput) Why() string {
	if in.Again != nil {
		return in.Again.Reason
	}
	return "start"
}

// verifyStart gives the close the name of who started it, where that is proved. Where commands need a proof, a start
// does as well, but for that of a schedule.
func (c *closeRun) verifyStart(ctx workflow.Context) error {
	found, err := verifyProof(ctx, activities.VerifyCommandInput{
		Proof:     c.in.Proof,
		At:        workflow.GetInfo(ctx).WorkflowStartTime,
		IsVouched: c.in.Again == nil && !startsAlone(ctx, c.in.Delegated),
		Expected: proof.Expected{
			WorkflowID: cmp.Or(c.in.WorkflowID(), workflow.GetInfo(ctx).WorkflowExecution.ID), // a default may have another
			Since:      c.earlierStart,                                                        // which may have used the same proof
			By:         c.in.StartedBy,
			Statement:  proof.Statement{Command: StartProof, Why: c.in.Why(), Input: c.in.Digest()},
		},
	})
	if err != nil {
		return refuseStart(ctx, fmt.Sprintf("the start%s is refused: %s", prefixed(" by ", c.in.StartedBy), reason(err)))
	}
	if c.started = found.Proved; found.By != "" {
		c.in.StartedBy = found.By
	}
	c.addStarter(c.in.StartedBy)
	c.reporter.stage(func(s *snapshot) { s.StartedBy, s.StartedByProved = c.in.StartedBy, c.started })
	return nil
}

// refuseStart logs on the worker that a workflow is refused, and returns its error. The next start of a close notes it in
// its audit file.
func refuseStart(ctx workflow.Context, why string) error {
	workflow.GetLogger(ctx).Warn("refused a start", "why", why)
	return failure(activities.StartRefused, why)
}

// addStarter notes who has started the close, or a part of it again.
func (c *closeRun) addStarter(name string) {
	if strings.TrimSpace(name) != "" && !slices.Contains(c.starters, name) {
		c.starters = append(c.starters, name)
	}
}

// verifyProof asks the worker. A command that it cannot judge is refused.
func verifyProof(ctx workflow.Context, in activities.VerifyCommandInput) (found activities.VerifiedCommand, err error) {
	local := workflow.WithLocalActivityOptions(ctx, verifyOptions)
	err = workflow.ExecuteLocalActivity(local, "VerifyCommand", in).Get(ctx, &found)
	switch {
	case err != nil:
		return found, failure(CommandRefused, "it could not be verified who sent it: "+reason(err))
	case found.Refusal != "":
		return found, failure(CommandRefused, found.Refusal)
	}
	return found, nil
}
