package pipeline

import "fmt"

// KindGroup is the kind of [Group].
const KindGroup Kind = "group"

// Group runs a batch group. The as-of date reaches the members that are listed, and all others only on a tenant
// that takes one date for the whole group (group_date of the connection). Elsewhere those run for the service's
// own day, in UTC.
//
//	group:
//	  code: PBSM_PROFIT_GRP
//	  batches:
//	    - {code: PBSM_CUST_PROFIT}
//	    - {code: PBSM_PROD_PROFIT, params: {$RUNSK$: "1"}, task_params: {TASK1: {PARAM: "7"}}}
//	  restarts: 1
//	  restart_delay: 5m
//	  on_failure: fail
//	  deadline: "06:00"
//	  key: second
//	  service_id: OFS_FTP
type Group struct {
	// Code is the group's code.
	Code string `json:"code" jsonschema:"format=code"`
	// Batches are the group's members. All are needed, unless the tenant takes one date for the whole group.
	Batches []GroupMember `json:"batches,omitempty"`
	// Restarts is how often a failed run is restarted from its failed task before an operator is asked.
	Restarts int `json:"restarts,omitempty" jsonschema:"minimum=0,maximum=100"`
	// RestartDelay is the pause before each restart.
	RestartDelay Duration `json:"restart_delay,omitempty"`
	// Deadline is when the step ends as failed if it is still running or waiting for an operator. The run
	// in the service is not interrupted.
	Deadline string `json:"deadline,omitempty" jsonschema:"format=time"`
	// Key distinguishes two runs of the same code in one close.
	Key string `json:"key,omitempty" jsonschema:"format=code"`
	// ServiceID is the service that the group belongs to, if it is not that of the connection.
	ServiceID string `json:"service_id,omitempty" jsonschema:"format=code"`

	Failing
}

// GroupMember is one batch of a group, with its parameters.
type GroupMember struct {
	// Code is the batch's code.
	Code string `json:"code" jsonschema:"format=code"`
	// Params are its run-time parameters. The as-of date is added as $FICMISDATE$ unless it is given here.
	Params map[string]string `json:"params,omitempty" jsonschema_extras:"date=$FICMISDATE$"`
	// TaskParams are run-time parameters of its tasks, by the task's code. The connection's task_params says
	// whether the tenant takes them.
	TaskParams map[string]map[string]string `json:"task_params,omitempty"`
}

func (g *Group) traits() Traits {
	return Traits{OnFailure: g.OnFailure, Deadline: g.Deadline, Runs: g.Code, Key: g.Key}
}

func (g *Group) setDefaults(r rendering) {
	g.Key = joinKeys(r.runKey, g.Key)
	for i := range g.Batches {
		g.Batches[i].Params = withDate(g.Batches[i].Params, r.asOf)
	}
}

func (g *Group) check(c checker) {
	c.run(g.Code, g.Key)
	c.restarts(g.Restarts, g.RestartDelay)
	c.optionalCode("service_id", g.ServiceID)

	seen := map[string]bool{}
	for i, member := range g.Batches {
		at := fmt.Sprintf("batches[%d]", i)
		c.code(at+".code", member.Code)
		c.want(!seen[member.Code], at+".code", "the batch %s is listed twice", member.Code)
		seen[member.Code] = true
		c.params(at+".params", member.Params)
		c.taskParams(at+".task_params", member.TaskParams)
	}
}

// UndatedGroups says of which groups some members would not get the as-of date, on a tenant that takes no date for a
// whole group: problems are those that list no member, and warnings all others, as nobody knows here which members a
// group has.
func (p *Pipeline) UndatedGroups() (problems, warnings []string) {
	const where = "set group_date of the connection if the tenant takes one date for the whole group"
	for _, s := range p.Steps {
		switch {
		case s.Group == nil:
		case len(s.Group.Batches) == 0:
			problems = append(problems, fmt.Sprintf("step %s: no batch of the group %s would get the as-of date: list its batches, or %s",
				s.ID, s.Group.Code, where))
		default:
			warnings = append(warnings, fmt.Sprintf("step %s: batches of the group %s that are not listed run for the service's own day, in UTC; "+
				"list them, or %s", s.ID, s.Group.Code, where))
		}
	}
	return problems, warnings
}
