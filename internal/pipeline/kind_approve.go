package pipeline

import (
	"fmt"
	"strings"
)

// KindApprove is the kind of [Approve].
const KindApprove Kind = "approve"

// Approve waits until an operator approves what the message says. Whoever started the close cannot approve it; with By,
// neither can whoever started it before, or ran steps of it again.
//
//	approve: {message: "Is the ledger complete?", by: [controllers], of: 2, deadline: "23:30", on_failure: fail}
type Approve struct {
	// Message is what the operator approves.
	Message string `json:"message" jsonschema:"minLength=1"`
	// By are the groups whose members can approve. Their names must be proved: they approve on the console. Without it,
	// anybody can.
	By []string `json:"by,omitempty"`
	// Of is how many different members of those groups must approve. Default: 1.
	Of int `json:"of,omitempty" jsonschema:"minimum=0,maximum=9"`
	// Deadline is when the step ends as failed if nobody has approved it.
	Deadline string `json:"deadline,omitempty" jsonschema:"format=time"`
	// OnFailure is what happens when the step fails: an operator decides, or what needs it does not run. It is not
	// skipped: what nobody has approved is not approved.
	OnFailure OnFailure `json:"on_failure,omitempty" jsonschema:"enum=wait_for_operator,enum=fail,default=wait_for_operator"`
}

func (a *Approve) traits() Traits { return Traits{OnFailure: a.OnFailure, Deadline: a.Deadline} }

func (*Approve) setDefaults(rendering) {}

func (a *Approve) check(c checker) {
	c.want(strings.TrimSpace(a.Message) != "", "message", "is missing: say what is to be approved")
	for i, group := range a.By {
		c.want(strings.TrimSpace(group) != "", fmt.Sprintf("by[%d]", i), "is empty: name a group")
	}
	c.want(a.OnFailure != SkipStep, "on_failure", "must not be skip: what nobody has approved is not approved")
	c.want(a.Of >= 0 && a.Of <= 9, "of", "must be between 1 and 9")
	c.want(a.Of == 0 || len(a.By) > 0, "of", "needs by: without it, names are not proved, and one operator could have two")
}

// Needed is how many must approve.
func (a *Approve) Needed() int { return max(a.Of, 1) }
