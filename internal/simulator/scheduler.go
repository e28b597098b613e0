package simulator

import (
	"cmp"
	"encoding/json"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"sync"
	"time"
)

const (
	kindBatch = "rest"
	kindGroup = "group"
	misDate   = "$FICMISDATE$"
)

// scheduler holds all runs. Source: chapter 10.
type scheduler struct {
	clock          *clock
	quirks         *quirkSet
	batches        map[string]Batch
	groups         map[string]Group
	queue          time.Duration
	interruptTakes time.Duration

	mu   sync.Mutex
	byID map[string]*run
	runs []*run
}

func newScheduler(c Catalog, clock *clock, quirks *quirkSet) *scheduler {
	s := &scheduler{
		clock: clock, quirks: quirks, batches: map[string]Batch{}, groups: map[string]Group{},
		queue: c.Queue, interruptTakes: c.InterruptTakes, byID: map[string]*run{},
	}
	for _, b := range c.Batches {
		s.batches[b.Code] = b
	}
	for _, g := range c.Groups {
		s.groups[g.Code] = g
	}
	return s
}

// order is what a trigger requests.
type order struct {
	code, kind               string
	params                   map[string]map[string]string            // by batch code
	tasks                    map[string]map[string]map[string]string // parameters by batch code and task
	date                     string                                  // of a group's members that have none
	included, excluded, held []string
}

func (o order) asOf(code string) string { return cmp.Or(o.params[code][misDate], o.date) }

// create registers the run of an order, not started. of is the run that it reruns or restarts, or nil.
func (s *scheduler) create(o order, of *run) *run {
	now := s.clock.Sim()
	r := s.newRun(o, o.code, of, now)
	r.kind = o.kind
	if o.kind == kindBatch {
		r.tasks = newTasks(s.batches[o.code], o)
		r.start, r.queue = now.Add(s.queue), s.queue
		return r
	}
	g := s.groups[o.code]
	r.parallel, r.start = g.Parallel, now
	for i, code := range g.Batches {
		var childOf *run
		if of != nil {
			childOf = of.children[i]
		}
		// All children have their ids at once: in the document's sample they are 0.2 and 0.3 s younger than the group's.
		child := s.newRun(o, code, childOf, now)
		child.kind, child.parent, child.queue = kindBatch, r.id, s.queue
		child.tasks = newTasks(s.batches[code], o)
		r.children = append(r.children, child)
	}
	return r
}

// newRun registers a run under a new id, CODE_yyyy-mm-dd_epochmillis_n; n distinguishes runs that were triggered in the
// same millisecond.
func (s *scheduler) newRun(o order, code string, of *run, now time.Time) *run {
	r := &run{code: code, order: o, asOf: o.asOf(code), params: o.params[code], taskParams: o.tasks[code], created: now, starts: 1, lineage: &lineage{map[string]int{}}}
	if of != nil {
		r.of, r.lineage = of.id, of.lineage
	}
	if r.asOf == "" && o.kind == kindGroup && code == o.code {
		for _, batch := range s.groups[o.code].Batches {
			if r.asOf == "" {
				r.asOf = o.asOf(batch)
			}
		}
	}
	if r.asOf == "" {
		r.asOf = now.Format(time.DateOnly) // an omitted date means today: a trap of the real service
	}
	for n := 1; r.id == "" || s.byID[r.id] != nil; n++ {
		r.id = fmt.Sprintf("%s_%s_%d_%d", code, r.asOf, now.UnixMilli(), n)
	}
	s.byID[r.id] = r
	s.runs = append(s.runs, r)
	return r
}

func newTasks(b Batch, o order) []*task {
	var list []*task
	for i, def := range b.Tasks {
		t := &task{Task: def, first: codeNotStarted}
		switch {
		case slices.Contains(o.excluded, def.Code), len(o.included) > 0 && !slices.Contains(o.included, def.Code):
			t.first = codeExcluded
		case slices.Contains(o.held, def.Code), def.Outcome == OutcomeHeld:
			t.first = codeHeld
		}
		t.code = t.first
		if def.Needs == nil && i > 0 {
			t.needs = list[i-1:]
		}
		for _, earlier := range list {
			if slices.Contains(def.Needs, earlier.Code) {
				t.needs = append(t.needs, earlier)
			}
		}
		list = append(list, t)
	}
	return list
}

// current returns the run, brought up to date, or nil.
func (s *scheduler) current(id string) *run {
	r := s.byID[id]
	if r == nil {
		return nil
	}
	s.byID[cmp.Or(r.parent, r.id)].advance(s.clock.Sim())
	return r
}

func (s *scheduler) list() []Run {
	s.mu.Lock()
	defer s.mu.Unlock()
	out := make([]Run, 0, len(s.runs))
	for _, r := range s.runs {
		out = append(out, s.current(r.id).public(s.clock))
	}
	return out
}

func (s *scheduler) find(id string) (Run, bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	r := s.current(id)
	if r == nil {
		return Run{}, false
	}
	return r.public(s.clock), true
}

// interrupt, restart and rerun return the code of a refusal, or success.
func (s *scheduler) interrupt(r *run) int {
	return r.interrupt(s.clock.Sim().Add(s.interruptTakes))
}

// restart is refused with -6 unless something failed, was aborted or was interrupted: an ongoing run executes its tasks
// already, and a successful one has none left, so neither has an executable job.
func (s *scheduler) restart(r *run) (*run, int) {
	if code := r.status(); !terminal(code) || code == codeSuccess {
		return nil, codeNothingToRun
	}
	if s.quirks.has(RestartNewID) && r.parent == "" {
		old := r
		r = s.create(old.order, old)
		r.inherit(old)
	}
	r.restart(s.clock.Sim())
	s.wake(r)
	return r, codeSuccess
}

// rerun is refused with -6 while the run is ongoing, for the same reason.
func (s *scheduler) rerun(r *run) (*run, int) {
	switch {
	case !r.over():
		return nil, codeNothingToRun
	case r.parent == "" && !s.quirks.has(RerunSameID):
		return s.create(r.order, r), codeSuccess
	}
	r.reset(s.clock.Sim())
	s.wake(r)
	return r, codeSuccess
}

// wake continues the group of a child that is started again.
func (s *scheduler) wake(r *run) {
	if r.parent != "" {
		group := s.byID[r.parent]
		group.ended, group.interruptAt, group.interrupted = time.Time{}, time.Time{}, false
	}
}

func (s *scheduler) operate(id, action, task string) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	r := s.current(id)
	if r == nil {
		return fmt.Errorf("no run %q", id)
	}
	var code int
	switch action {
	case "interrupt":
		code = s.interrupt(r)
	case "restart":
		_, code = s.restart(r)
	default:
		return r.operate(action, task, s.clock.Sim())
	}
	if code != codeSuccess {
		return fmt.Errorf("%s %s: refused with %d", action, id, code)
	}
	return nil
}

// Bodies of the calls. Missing fields are refused with -4.

type triggerRequest struct {
	BatchName        string          `json:"batchName"`
	BatchType        string          `json:"batchType"`
	DynamicParamList json.RawMessage `json:"dynamicParamList"`
	GroupDate        string          `json:"$FICMISDATE$"`
	IncludedTasks    taskList        `json:"includedTasks"`
	ExcludedTasks    taskList        `json:"excludedTasks"`
	HeldTasks        taskList        `json:"heldTasks"`
}

type runRequest struct {
	BatchName  string   `json:"batchName"`
	BatchRunID string   `json:"batchRunId"`
	Tasks      taskList `json:"tasks"`
}

// taskList is a list of codes in either form: an array, or one string with commas.
type taskList struct {
	codes []string
	array bool
}

func (l *taskList) UnmarshalJSON(text []byte) error {
	if l.array = firstByteIs(text, '['); l.array {
		return json.Unmarshal(text, &l.codes)
	}
	var joined string
	if err := json.Unmarshal(text, &joined); err != nil || joined == "" {
		return err
	}
	for code := range strings.SplitSeq(joined, ",") {
		l.codes = append(l.codes, strings.TrimSpace(code))
	}
	return nil
}

// wrongForm reports whether the codes are not in the form that the tenant takes.
func (l taskList) wrongForm(arrays bool) bool { return l.codes != nil && l.array != arrays }

func subjectTrigger(_ *Simulator, c *call) {
	var t triggerRequest
	_ = decodeStrict(c.body, &t)
	c.entry.Subject = t.BatchName
	c.entry.AsOf = cmp.Or(datePattern.FindString(string(t.DynamicParamList)), t.GroupDate)
}

func subjectRun(_ *Simulator, c *call) {
	var r runRequest
	_ = decodeStrict(c.body, &r)
	c.entry.Subject = r.BatchRunID
}

func (s *Simulator) trigger(c *call) *response {
	s.scheduler.mu.Lock()
	defer s.scheduler.mu.Unlock()
	o, no := s.scheduler.order(c.body)
	if no != nil {
		return s.refuse(no.code, no.text)
	}
	r := s.scheduler.create(o, nil)
	c.entry.AsOf, c.entry.Created = r.asOf, r.id
	return s.triggered(r, "Object triggered successfully with Run Id: ")
}

// refusal is a code of Table 10-1 and its reason.
type refusal struct {
	code int
	text string
}

// order reads and checks a trigger.
func (s *scheduler) order(body []byte) (order, *refusal) {
	var t triggerRequest
	if err := decodeStrict(body, &t); err != nil || t.BatchName == "" {
		return order{}, &refusal{codeBadArguments, "Invalid arguments passed in request"}
	}
	arrays := s.quirks.has(TaskArrays)
	if t.IncludedTasks.wrongForm(arrays) || t.ExcludedTasks.wrongForm(arrays) || t.HeldTasks.wrongForm(arrays) {
		return order{}, &refusal{codeBadArguments, "includedTasks, excludedTasks and heldTasks have the wrong type"}
	}
	o := order{
		code: t.BatchName, kind: t.BatchType,
		included: t.IncludedTasks.codes, excluded: t.ExcludedTasks.codes, held: t.HeldTasks.codes,
	}
	if t.BatchType == kindGroup && s.quirks.has(GroupLevelDate) {
		if _, err := time.Parse(time.DateOnly, t.GroupDate); t.GroupDate != "" && err != nil {
			return order{}, &refusal{codeBadArguments, misDate + " must be yyyy-mm-dd"}
		}
		o.date = t.GroupDate
	}
	var batches []string
	switch t.BatchType {
	case kindBatch:
		if _, ok := s.batches[t.BatchName]; ok {
			batches = []string{t.BatchName}
		}
	case kindGroup:
		batches = s.groups[t.BatchName].Batches
	default:
		return order{}, &refusal{codeBadArguments, "Invalid batchType"}
	}
	if len(batches) == 0 {
		return order{}, &refusal{codeNoObject, "Object does not exist"}
	}
	if wrong := s.params(&o, batches, t.DynamicParamList); wrong != "" {
		return order{}, &refusal{codeBadArguments, wrong}
	}
	var tasks []*task
	for _, b := range batches {
		tasks = append(tasks, newTasks(s.batches[b], o)...)
	}
	for _, named := range slices.Concat(o.included, o.excluded, o.held) {
		if !slices.ContainsFunc(tasks, func(t *task) bool { return t.Code == named }) {
			return order{}, &refusal{codeBadArguments, "Unknown task " + named}
		}
	}
	if !slices.ContainsFunc(tasks, func(t *task) bool { return t.first != codeExcluded }) {
		return order{}, &refusal{codeNothingToRun, "No executable job is present"}
	}
	return o, nil
}

// params reads dynamicParamList: an object for a batch, an array for a group, either of them as JSON in a string if the
// quirk is active. It returns what is wrong with it.
func (s *scheduler) params(o *order, batches []string, raw json.RawMessage) (wrong string) {
	o.params, o.tasks = map[string]map[string]string{}, map[string]map[string]map[string]string{}
	if len(raw) == 0 || string(raw) == "null" {
		return ""
	}
	if s.quirks.has(ParamsAsString) {
		var text string
		if json.Unmarshal(raw, &text) != nil {
			return "dynamicParamList must be a JSON-encoded string"
		}
		raw = json.RawMessage(text)
	}
	type entry struct {
		BatchName   string            `json:"batchName"`
		BatchParams map[string]string `json:"batchParams"`

		TaskRuntimeParams map[string]map[string]string `json:"taskRuntimeParams"`
	}
	list := make([]entry, 1)
	if o.kind == kindBatch {
		if !firstByteIs(raw, '{') || json.Unmarshal(raw, &list[0]) != nil {
			return "dynamicParamList of a batch must be an object"
		}
		list[0].BatchName = o.code
	} else if !firstByteIs(raw, '[') || json.Unmarshal(raw, &list) != nil {
		return "dynamicParamList of a batch group must be an array"
	}
	for _, e := range list {
		if date, ok := e.BatchParams[misDate]; ok {
			if _, err := time.Parse(time.DateOnly, date); err != nil {
				return misDate + " must be yyyy-mm-dd"
			}
		}
		switch {
		case !slices.Contains(batches, e.BatchName):
			return "Unknown batch in dynamicParamList: " + e.BatchName
		case len(e.TaskRuntimeParams) > 0 && !s.quirks.has(TaskParamsMembers) &&
			(o.kind == kindGroup || !s.quirks.has(TaskParamsBatches)):
			return "Unknown attribute taskRuntimeParams"
		}
		o.params[e.BatchName], o.tasks[e.BatchName] = e.BatchParams, e.TaskRuntimeParams
	}
	return ""
}

// named returns the run that a request is about. It checks the batch code, which some calls require.
func (s *Simulator) named(body []byte, needsCode bool) (*run, runRequest, *response) {
	refuse := func(code int, text string) (*run, runRequest, *response) {
		return nil, runRequest{}, s.refuse(code, text)
	}
	var req runRequest
	if decodeStrict(body, &req) != nil || req.BatchRunID == "" || needsCode && req.BatchName == "" {
		return refuse(codeBadArguments, "Invalid arguments passed in request/not enough params in Request body")
	}
	r := s.scheduler.current(req.BatchRunID)
	if r == nil {
		return refuse(codeNoObject, "Object does not exist")
	}
	if req.BatchName != "" && req.BatchName != r.code {
		return refuse(codeBadArguments, "The run does not belong to this batch")
	}
	return r, req, nil
}

func (s *Simulator) runStatus(c *call) *response {
	s.scheduler.mu.Lock()
	defer s.scheduler.mu.Unlock()
	r, req, refusal := s.named(c.body, false)
	if refusal != nil {
		return refusal
	}
	if req.Tasks.wrongForm(!s.quirks.has(StatusTasksString)) {
		return s.refuse(codeBadArguments, "tasks has the wrong type")
	}
	only, tasks := req.Tasks.codes, []fields{}
	for _, t := range r.tasks {
		if len(only) == 0 || slices.Contains(only, t.Code) {
			tasks = append(tasks, fields{"taskCode": t.Code, "taskStatus": s.text(t.code), "statusCode": s.code(t.code)})
		}
	}
	if len(only) > 0 && len(tasks) == 0 {
		return s.refuse(codeNoObject, "Object does not exist")
	}
	code := r.status()
	if r.polls++; s.quirks.has(UnknownCode) && !terminal(code) && r.polls%3 == 0 {
		code = 7
	}
	children := []fields{}
	for _, child := range r.children {
		children = append(children, fields{
			"batchRunId": child.id, "batchStatusCode": s.code(child.status()), "batchStatus": s.text(child.status()),
		})
	}
	body := fields{
		"severity": "info", "batchRunId": r.id, "batchStatusCode": s.code(code), "batchStatus": s.text(code),
		"batchList": children, "status": "success", "statusCode": s.code(codeSuccess),
	}
	if r.kind == kindBatch { // the sample of a group has no such list
		body["taskStatusList"] = tasks
	}
	return codedResponse(200, fmt.Sprint(code), body)
}

func (s *Simulator) interrupt(c *call) *response {
	s.scheduler.mu.Lock()
	defer s.scheduler.mu.Unlock()
	r, _, refusal := s.named(c.body, true)
	if refusal != nil {
		return refusal
	}
	switch s.scheduler.interrupt(r) {
	case codeAlreadyInterrupted:
		return s.refuse(codeAlreadyInterrupted, "Job is already interrupted")
	case codeNotOngoing:
		return s.refuse(codeNotOngoing, "Job is not ongoing/aborted")
	}
	return codedResponse(200, "0", fields{
		"severity": "info", "batchRunId": r.id, "details": "Execution interrupted successfully.",
		"statusCode": s.code(codeSuccess), "status": "success",
	})
}

func (s *Simulator) rerun(c *call) *response {
	return s.again(c, s.scheduler.rerun, "Object triggered successfully for rerun with Run Id: ")
}

func (s *Simulator) restart(c *call) *response {
	return s.again(c, s.scheduler.restart, "Object triggered successfully for restart with Run Id: ")
}

func (s *Simulator) again(c *call, do func(*run) (*run, int), summary string) *response {
	s.scheduler.mu.Lock()
	defer s.scheduler.mu.Unlock()
	r, _, refusal := s.named(c.body, true)
	if refusal != nil {
		return refusal
	}
	r, code := do(r)
	if code != codeSuccess {
		return s.refuse(code, "No executable job is present")
	}
	c.entry.AsOf, c.entry.Created = r.asOf, r.id
	return s.triggered(r, summary)
}

func (s *Simulator) triggered(r *run, summary string) *response {
	return codedResponse(s.accepted(), "0", fields{
		"severity": "info", "summary": summary + r.id, "batchRunId": r.id, "details": "Object triggered successfully.",
		"statusCode": s.code(codeSuccess), "status": "success",
	})
}

// refuse returns the scheduler's response to a request that it does not carry out.
func (s *Simulator) refuse(code int, text string) *response {
	status, _ := s.schedulerErrorStatus()
	resp := schedulerFailure(status, s.code(code), text)
	resp.refused = true
	return resp
}

func schedulerFailure(status int, code any, text string) *response {
	return codedResponse(status, fmt.Sprint(code), fields{
		"severity": "error", "summary": text, "details": text, "statusCode": code, "status": "failed",
	})
}

// schedulerErrorStatus returns the HTTP status of refusals, which the document does not give; ok means that a quirk
// chose it.
func (s *Simulator) schedulerErrorStatus() (status int, ok bool) {
	switch {
	case s.quirks.has(SchedulerErrors200):
		return http.StatusOK, true
	case s.quirks.has(SchedulerErrors500):
		return http.StatusInternalServerError, true
	}
	return http.StatusBadRequest, false
}

// schedulerError returns the response to a call that did not reach the scheduler's rules: of Table 10-1 only code -1
// fits.
func schedulerError(status int, text string) *response { return schedulerFailure(status, "-1", text) }

func schedulerHeaders(text string) *response { return schedulerFailure(400, "-5", text) }

func (s *Simulator) code(code int) any {
	if s.quirks.has(CodesAsNumbers) {
		return code
	}
	return fmt.Sprint(code)
}

func (s *Simulator) text(code int) string {
	text := cmp.Or(statusText(code), "UNKNOWN")
	if !s.quirks.has(TextNoise) {
		return text
	}
	if code == codeOngoing {
		return "Successful so far"
	}
	return " " + strings.ToLower(text) + "!"
}
