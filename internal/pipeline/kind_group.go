package pipeline

import "fmt"

// KindGroup is the kind of [Group].
const KindGroup Kind = "group"

// Group runs a batch group. The service takes parameters per member, so the as-of date reaches only the
// members that are listed.
//
//	group:
//	  code: PBSM_PROFIT_GRP
//	  batches:
//	    - {code: PBSM_CUST_PROFIT}
//	    - {code: PBSM_PROD_PROFIT, params: {$RUNSK$: "1"}}
//	  restarts: 1
//	  restart_delay: 5m
//	  deadline: "06:00"
//	  key: second
type Group struct {
	// Code is the group's code.
	Code string `json:"code" jsonschema:"format=code"`
	// Batches are the group's members.
	Batches []GroupMember `json:"batches" jsonschema:"minItems=1"`
	// Restarts is how often a failed run is restarted from its failed task before an operator is asked.
	Restarts int `json:"restarts,omitempty" jsonschema:"minimum=0,maximum=100"`
	// RestartDelay is the pause before each restart.
	RestartDelay Duration `json:"restart_delay,omitempty"`
	// Deadline is when the step ends as failed if it is still running or waiting for an operator. The run
	// in the service is not interrupted.
	Deadline string `json:"deadline,omitempty" jsonschema:"format=time"`
	// Key distinguishes two runs of the same code in one close.
	Key string `json:"key,omitempty" jsonschema:"format=code"`
}

// GroupMember is one batch of a group, with its parameters.
type GroupMember struct {
	// Code is the batch's code.
	Code string `json:"code" jsonschema:"format=code"`
	// Params are its run-time parameters. The as-of date is added as $FICMISDATE$ unless it is given here.
	Params map[string]string `json:"params,omitempty" jsonschema_extras:"date=$FICMISDATE$"`
}

func (g *Group) traits() Traits { return Traits{Deadline: g.Deadline} }

func (g *Group) setDefaults(r rendering) {
	g.Key = joinKeys(r.key, g.Key)
	for i := range g.Batches {
		g.Batches[i].Params = withDate(g.Batches[i].Params, r.asOf)
	}
}

func (g *Group) check(c checker) {
	c.run(g.Code, g.Key)
	c.restarts(g.Restarts, g.RestartDelay)
	c.want(len(g.Batches) > 0, "batches",
		"is missing: list the group's batches, because the as-of date is passed only to those that are listed")

	seen := map[string]bool{}
	for i, member := range g.Batches {
		at := fmt.Sprintf("batches[%d]", i)
		c.code(at+".code", member.Code)
		c.want(!seen[member.Code], at+".code", "the batch %s is listed twice", member.Code)
		seen[member.Code] = true
		c.params(at+".params", member.Params)
	}
}
