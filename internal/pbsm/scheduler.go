package pbsm

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"net/http"
	"slices"
	"strings"
	"time"
)

// ObjectType is what a trigger starts, as the service spells it.
type ObjectType string

// Types of object.
const (
	Batch      ObjectType = "rest"
	BatchGroup ObjectType = "group"
)

// misDate is the documented parameter for a date, yyyy-mm-dd.
const misDate = "$FICMISDATE$"

// TriggerRequest is a batch or a batch group to run. Source: chapter 10, Execution API.
type TriggerRequest struct {
	Code    string
	Type    ObjectType
	Params  map[string]string // of a batch
	Batches []BatchParams     // of a group: the parameters of its batches
	// TaskParams are the parameters of single tasks of a batch, which override its own. Source: 25C, Batch Execution API.
	TaskParams map[string]map[string]string
	// AsOf is the date of a group's members that have none, as yyyy-mm-dd. It is sent if Config.GroupDate says that the
	// tenant takes it. Source: what is new in 26D.
	AsOf string

	// Task codes; later releases and sibling services accept them.
	IncludedTasks []string
	ExcludedTasks []string
	HeldTasks     []string
}

// BatchParams are the parameters of one batch of a group.
type BatchParams struct {
	BatchName  string
	Params     map[string]string
	TaskParams map[string]map[string]string // of its tasks
}

// Run is the response to a trigger, an interrupt, a rerun or a restart. From then on the run to follow is ID,
// whether or not it is a new one.
type Run struct {
	ID                 string
	Summary            string
	Details            string
	AlreadyInterrupted bool // the run had been interrupted before (code -7)
}

// RunStatus is the status of a run. Decide by Code; Text is for display.
type RunStatus struct {
	RunID   string
	Code    StatusCode
	Text    string
	Tasks   []TaskStatus
	Batches []RunStatus // of a group's run
}

// TaskStatus is the status of a task of a run.
type TaskStatus struct {
	Code   string // the task's
	Status StatusCode
	Text   string
}

// Trigger submits a batch or a batch group. It must not be repeated unless the error says NotProcessed: the service
// does not recognise a second submission. Source: chapter 10, Execution API.
func (c *Client) Trigger(ctx context.Context, req TriggerRequest) (Run, error) {
	r := c.schedulerCall("trigger", req.Code)
	r.once = true
	body, err := c.triggerBody(req)
	r.body, r.settings = body, triggerSettings(body)
	return ask(ctx, c, r, (*response).submitted, append(req.problems(), c.cfg.missing(req), err)...)
}

// Rerun runs the batch of a run again from its first task. Like a trigger it must not be repeated unless the error says
// NotProcessed. Source: chapter 10, Rerun API.
func (c *Client) Rerun(ctx context.Context, code, runID string) (Run, error) {
	return c.command(ctx, "rerun", true, code, runID, (*response).submitted)
}

// Restart continues a run from its failed task. Like a trigger it must not be repeated unless the error says
// NotProcessed. Source: chapter 10, Restart API.
func (c *Client) Restart(ctx context.Context, code, runID string) (Run, error) {
	return c.command(ctx, "restart", true, code, runID, (*response).submitted)
}

// Interrupt stops a run. It succeeds for a run that is already interrupted; for one that is not ongoing the error has
// CodeNotOngoing. It is safe to repeat. Source: chapter 10, Interrupt API.
func (c *Client) Interrupt(ctx context.Context, code, runID string) (Run, error) {
	return c.command(ctx, "interrupt", false, code, runID, (*response).interrupted)
}

// Status reads the status of a run and its tasks, or of those with the given codes.
// Source: chapter 10, Execution Status API.
func (c *Client) Status(ctx context.Context, runID string, tasks ...string) (RunStatus, error) {
	r := c.schedulerCall("status", runID)
	r.runID = runID
	body := map[string]any{"batchRunId": runID}
	if len(tasks) > 0 {
		body["tasks"], r.settings = c.cfg.StatusTasks.of(tasks), []string{"status_tasks"}
	}
	r.body = body
	return ask(ctx, c, r, (*response).runStatus, append(checkTasks("tasks", tasks), checkHeaderValue("run id", runID))...)
}

func (c *Client) command(
	ctx context.Context, name string, once bool, code, runID string, judge func(*response) (Run, error),
) (Run, error) {
	r := c.schedulerCall(name, strings.TrimSpace(code+" "+runID))
	r.once, r.runID = once, runID
	r.body = map[string]string{"batchName": code, "batchRunId": runID}
	return ask(ctx, c, r, judge, checkHeaderValue("code", code), checkHeaderValue("run id", runID))
}

func (c *Client) schedulerCall(name, subject string) call {
	return call{
		name: name, subject: subject, scheduler: true, header: c.service(),
		method: http.MethodPost, path: "/SchedulerService/rest-api/v1/external/" + name,
	}
}

// service is the header of all calls about batches and reports, and of the scan.
func (c *Client) service() map[string]string {
	return map[string]string{"ofs_service_id": c.cfg.ServiceID}
}

func (req TriggerRequest) problems() []error {
	problems := []error{checkHeaderValue("code", req.Code)}
	add := func(format string, args ...any) { problems = append(problems, fmt.Errorf(format, args...)) }
	switch req.Type {
	case Batch:
		if len(req.Batches) > 0 {
			add("a batch has parameters of its own, not those of a group's batches")
		}
		if req.AsOf != "" {
			add("a batch has its date among its parameters")
		}
	case BatchGroup:
		if len(req.Params)+len(req.TaskParams) > 0 {
			add("a batch group has the parameters of its batches, and none of its own")
		}
	default:
		add("type %q is neither %q (a batch) nor %q (a batch group)", req.Type, Batch, BatchGroup)
	}
	problems = append(problems, checkParams("parameter", req.Params)...)
	named := map[string]bool{}
	for i, b := range req.Batches {
		if err := checkHeaderValue(fmt.Sprintf("name of batch %d", i+1), b.BatchName); err != nil {
			problems = append(problems, err)
		} else if named[b.BatchName] {
			add("batch %s is named twice", b.BatchName)
		}
		named[b.BatchName] = true
		problems = append(problems, checkParams("parameter of batch "+b.BatchName, b.Params)...)
		problems = append(problems, checkTaskParams("parameters of batch "+b.BatchName, b.TaskParams)...)
	}
	problems = append(problems, checkTaskParams("parameters", req.TaskParams)...)
	if req.AsOf != "" {
		problems = append(problems, checkParams("the group's", map[string]string{misDate: req.AsOf})...)
	}
	problems = append(problems, checkTasks("included tasks", req.IncludedTasks)...)
	problems = append(problems, checkTasks("excluded tasks", req.ExcludedTasks)...)
	return append(problems, checkTasks("held tasks", req.HeldTasks)...)
}

func checkParams(what string, params map[string]string) []error {
	var problems []error
	for _, name := range slices.Sorted(maps.Keys(params)) {
		if err := checkHeaderValue(what, name); err != nil {
			problems = append(problems, err)
		}
		if name != misDate {
			continue
		}
		if _, err := time.Parse(time.DateOnly, params[name]); err != nil {
			problems = append(problems, fmt.Errorf("%s %s %q is not a date as yyyy-mm-dd", what, misDate, params[name]))
		}
	}
	return problems
}

func checkTaskParams(what string, tasks map[string]map[string]string) []error {
	var problems []error
	for _, task := range slices.Sorted(maps.Keys(tasks)) {
		problems = append(problems, checkHeaderValue(what+": task", task))
		problems = append(problems, checkParams(what+": parameter of task "+task, tasks[task])...)
	}
	return problems
}

// missing is what the request needs and the tenant, by its settings, does not take.
func (c Config) missing(req TriggerRequest) error {
	ofMembers := slices.ContainsFunc(req.Batches, func(b BatchParams) bool { return len(b.TaskParams) > 0 })
	switch {
	case req.Type == BatchGroup && len(req.Batches) == 0 && req.AsOf != "" && !c.GroupDate:
		return errors.New("no batch of the group would get the as-of date: list its batches, or set group_date of the " +
			"connection if the tenant takes one date for the whole group")
	case ofMembers && c.TaskParams != TaskParamsMembers:
		return errors.New("it has parameters of tasks: set task_params of the connection to members if the tenant takes " +
			"them for the batches of a group")
	case len(req.TaskParams) > 0 && c.TaskParams != TaskParamsMembers && c.TaskParams != TaskParamsBatches:
		return errors.New("it has parameters of tasks: set task_params of the connection to batches if the tenant takes them")
	}
	return nil
}

// of is a list of task codes as it is sent.
func (form TaskLists) of(tasks []string) any {
	if form == TaskListsArray {
		return tasks
	}
	return strings.Join(tasks, ",")
}

func checkTasks(what string, tasks []string) []error {
	var problems []error
	for i, task := range tasks {
		problems = append(problems, checkHeaderValue(fmt.Sprintf("%s: code %d", what, i+1), task))
		if strings.Contains(task, ",") {
			problems = append(problems, fmt.Errorf("%s: code %q contains a comma, which separates codes", what, task))
		}
	}
	return problems
}

func (c *Client) triggerBody(req TriggerRequest) (map[string]any, error) {
	body := map[string]any{"batchName": req.Code, "batchType": req.Type}
	for name, tasks := range map[string][]string{
		"includedTasks": req.IncludedTasks,
		"excludedTasks": req.ExcludedTasks,
		"heldTasks":     req.HeldTasks,
	} {
		if len(tasks) > 0 {
			body[name] = c.cfg.TaskLists.of(tasks)
		}
	}
	if req.AsOf != "" && c.cfg.GroupDate {
		body[misDate] = req.AsOf
	}
	params := req.dynamicParams()
	if params == nil {
		return body, nil
	}
	if c.cfg.DynamicParams == DynamicParamsString {
		encoded, err := json.Marshal(params)
		if err != nil {
			return nil, err
		}
		params = string(encoded)
	}
	body["dynamicParamList"] = params
	return body, nil
}

// triggerSettings are those that decide the form of what a trigger sends.
func triggerSettings(body map[string]any) (settings []string) {
	for _, one := range []struct{ setting, field string }{
		{"dynamic_params", "dynamicParamList"},
		{"task_lists", "includedTasks"},
		{"task_lists", "excludedTasks"},
		{"task_lists", "heldTasks"},
		{"group_date", misDate},
	} {
		if _, sent := body[one.field]; sent && !slices.Contains(settings, one.setting) {
			settings = append(settings, one.setting)
		}
	}
	return settings
}

// dynamicParams is an object for a batch, an array for a group, nil for no parameters.
func (req TriggerRequest) dynamicParams() any {
	if len(req.Params)+len(req.TaskParams) > 0 {
		return runtimeParams(req.Params, req.TaskParams)
	}
	var list []any
	for _, b := range req.Batches {
		params := runtimeParams(b.Params, b.TaskParams)
		params["batchName"] = b.BatchName
		list = append(list, params)
	}
	if list == nil {
		return nil
	}
	return list
}

func runtimeParams(params map[string]string, tasks map[string]map[string]string) map[string]any {
	if params == nil {
		params = map[string]string{}
	}
	body := map[string]any{"batchParams": params}
	if len(tasks) > 0 {
		body["taskRuntimeParams"] = tasks
	}
	return body
}

type runBody struct {
	Summary    text `json:"summary"`
	Details    text `json:"details"`
	BatchRunID text `json:"batchRunId"`
	StatusCode text `json:"statusCode"`
}

func (a *response) run() (runBody, Run, error) {
	var body runBody
	if err := a.decode(&body); err != nil {
		return body, Run{}, err
	}
	return body, Run{
		ID: body.BatchRunID.id(), Summary: a.text(string(body.Summary)), Details: a.text(string(body.Details)),
	}, nil
}

// submitted judges the response to a submission: only HTTP 2xx, code 0 and a run id prove its success.
func (a *response) submitted() (Run, error) {
	body, run, err := a.run()
	if err != nil {
		return Run{}, err
	}
	switch {
	case !a.ok() || StatusCode(body.StatusCode) != CodeSuccess:
		return Run{}, a.asError(nil)
	case run.ID == "":
		return Run{}, a.fail("the response contains no run id")
	}
	return run, nil
}

func (a *response) interrupted() (Run, error) {
	body, run, err := a.run()
	if err != nil {
		return Run{}, err
	}
	run.ID = cmp.Or(run.ID, a.call.runID)
	switch code := StatusCode(body.StatusCode); {
	case code == CodeAlreadyInterrupted:
		run.AlreadyInterrupted = true
		return run, nil
	case a.ok() && code == CodeSuccess:
		return run, nil
	}
	return Run{}, a.asError(nil)
}

type statusBody struct {
	BatchRunID      text `json:"batchRunId"`
	BatchStatusCode text `json:"batchStatusCode"`
	BatchStatus     text `json:"batchStatus"`
	Tasks           []struct {
		TaskCode   text `json:"taskCode"`
		TaskStatus text `json:"taskStatus"`
		StatusCode text `json:"statusCode"`
	} `json:"taskStatusList"`
	Batches []statusBody `json:"batchList"`
}

// runStatus reads the status of a run from the run's own code. The outer code is about the call: it can only say
// that the call failed.
func (a *response) runStatus() (RunStatus, error) {
	var body struct {
		StatusCode text `json:"statusCode"`
		statusBody
	}
	if err := a.decode(&body); err != nil {
		return RunStatus{}, err
	}
	outer, id := StatusCode(body.StatusCode), body.BatchRunID.id()
	switch {
	case !a.ok() || outer != "" && outer != CodeSuccess:
		return RunStatus{}, a.asError(nil)
	case body.BatchStatusCode.id() == "":
		return RunStatus{}, a.fail("the response contains no batchStatusCode")
	case id != "" && id != a.call.runID:
		return RunStatus{}, a.fail("the response is about another run")
	}
	status := a.runStatusOf(body.statusBody)
	status.RunID = a.call.runID
	return status, nil
}

func (a *response) runStatusOf(b statusBody) RunStatus {
	status := RunStatus{
		RunID: b.BatchRunID.id(),
		Code:  StatusCode(b.BatchStatusCode.id()),
		Text:  a.text(string(b.BatchStatus)),
	}
	for _, t := range b.Tasks {
		status.Tasks = append(status.Tasks, TaskStatus{
			Code: a.text(string(t.TaskCode)), Status: StatusCode(t.StatusCode.id()), Text: a.text(string(t.TaskStatus)),
		})
	}
	for _, inner := range b.Batches {
		status.Batches = append(status.Batches, a.runStatusOf(inner))
	}
	return status
}
