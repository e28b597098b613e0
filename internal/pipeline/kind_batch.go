package pipeline

import (
	"fmt"
	"slices"
)

// KindBatch is the kind of [Batch].
const KindBatch Kind = "batch"

// Batch runs one batch.
//
//	batch:
//	  code: PBSM_ALLOC
//	  params: {$FICMISDATE$: "{{.AsOfDate}}", $RUNSK$: "1"}
//	  restarts: 2
//	  restart_delay: 1m
//	  on_failure: fail
//	  deadline: "05:00"
//	  key: second
//	  included_tasks: [TASK1, TASK2]
//	  excluded_tasks: [TASK3]
//	  held_tasks: [TASK4]
//	  task_params: {TASK1: {PARAM: "7"}}
//	  service_id: OFS_FTP
type Batch struct {
	// Code is the batch's code.
	Code string `json:"code" jsonschema:"format=code"`
	// Params are the run-time parameters. The as-of date is added as $FICMISDATE$ unless it is given here.
	Params map[string]string `json:"params,omitempty" jsonschema_extras:"date=$FICMISDATE$"`
	// Restarts is how often a failed run is restarted from its failed task before an operator is asked.
	Restarts int `json:"restarts,omitempty" jsonschema:"minimum=0,maximum=100"`
	// RestartDelay is the pause before each restart.
	RestartDelay Duration `json:"restart_delay,omitempty"`
	// Deadline is when the step ends as failed if it is still running or waiting for an operator. The run
	// in the service is not interrupted.
	Deadline string `json:"deadline,omitempty" jsonschema:"format=time"`
	// Key distinguishes two runs of the same code in one close.
	Key string `json:"key,omitempty" jsonschema:"format=code"`
	// IncludedTasks are the only tasks that run.
	IncludedTasks []string `json:"included_tasks,omitempty" jsonschema:"format=code"`
	// ExcludedTasks are tasks that do not run.
	ExcludedTasks []string `json:"excluded_tasks,omitempty" jsonschema:"format=code"`
	// HeldTasks are tasks that wait until an operator releases them in the service.
	HeldTasks []string `json:"held_tasks,omitempty" jsonschema:"format=code"`
	// TaskParams are run-time parameters of single tasks, by the task's code. The connection's task_params says
	// whether the tenant takes them.
	TaskParams map[string]map[string]string `json:"task_params,omitempty"`
	// ServiceID is the service that the batch belongs to, if it is not that of the connection.
	ServiceID string `json:"service_id,omitempty" jsonschema:"format=code"`

	Failing
}

func (b *Batch) traits() Traits {
	return Traits{OnFailure: b.OnFailure, Deadline: b.Deadline, Runs: b.Code, Key: b.Key}
}

func (b *Batch) setDefaults(r rendering) {
	b.Params = withDate(b.Params, r.asOf)
	b.Key = joinKeys(r.runKey, b.Key)
}

func (b *Batch) check(c checker) {
	c.run(b.Code, b.Key)
	c.restarts(b.Restarts, b.RestartDelay)
	c.params("params", b.Params)
	c.taskParams("task_params", b.TaskParams)
	c.optionalCode("service_id", b.ServiceID)

	for key, tasks := range map[string][]string{
		"included_tasks": b.IncludedTasks,
		"excluded_tasks": b.ExcludedTasks,
		"held_tasks":     b.HeldTasks,
	} {
		for i, task := range tasks {
			c.code(fmt.Sprintf("%s[%d]", key, i), task)
		}
	}
	for i, task := range b.ExcludedTasks {
		c.want(!slices.Contains(b.IncludedTasks, task), fmt.Sprintf("excluded_tasks[%d]", i),
			"the task %s is also included", task)
	}
}

// withDate adds the as-of date to parameters that do not have it.
func withDate(params map[string]string, asOf Date) map[string]string {
	if params == nil {
		params = map[string]string{}
	}
	if _, ok := params[ParamAsOf]; !ok {
		params[ParamAsOf] = asOf.String()
	}
	return params
}
