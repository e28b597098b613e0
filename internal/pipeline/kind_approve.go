package pipeline

import "strings"

// KindApprove is the kind of [Approve].
const KindApprove Kind = "approve"

// Approve waits until an operator approves what the message says. Whoever started the close cannot
// approve it.
//
//	approve: {message: "Is the ledger complete?", deadline: "23:30", on_failure: fail}
type Approve struct {
	// Message is what the operator approves.
	Message string `json:"message" jsonschema:"minLength=1"`
	// Deadline is when the step ends as failed if nobody has approved it.
	Deadline string `json:"deadline,omitempty" jsonschema:"format=time"`

	Failing
}

func (a *Approve) traits() Traits { return Traits{OnFailure: a.OnFailure, Deadline: a.Deadline} }

func (*Approve) setDefaults(rendering) {}

func (a *Approve) check(c checker) {
	c.want(strings.TrimSpace(a.Message) != "", "message", "is missing: say what is to be approved")
}
