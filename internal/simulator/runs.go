package simulator

import (
	"fmt"
	"maps"
	"slices"
	"time"
)

// Status codes of runs and tasks, and of refused calls. Source: chapter 10, Table 10-1.
const (
	codeSuccess     = 0
	codeFailure     = -1
	codeInterrupted = -2
	codeNotStarted  = 1
	codeOngoing     = 2
	codeAborted     = 3
	codeExcluded    = 4
	codeHeld        = 5

	codeNoObject           = -3
	codeBadArguments       = -4
	codeBadHeaders         = -5
	codeNothingToRun       = -6
	codeAlreadyInterrupted = -7
	codeNotOngoing         = -8
)

func statusText(code int) string {
	return map[int]string{
		codeSuccess: "SUCCESSFUL", codeFailure: "FAILED", codeInterrupted: "INTERRUPTED", codeNotStarted: "NOT STARTED",
		codeOngoing: "ONGOING", codeAborted: "ABORTED", codeExcluded: "EXCLUDED", codeHeld: "HELD",
	}[code]
}

func terminal(code int) bool { return code <= 0 || code == codeAborted }

// Run is a run as the simulator knows it. Times are real; Duration is simulated.
type Run struct {
	ID     string
	Code   string
	Kind   string // rest or group
	Parent string
	Of     string // the run that this one reruns or restarts, under a new id
	AsOf   string
	Params map[string]string

	TaskParams map[string]map[string]string // by task code

	Status   int
	Text     string
	Tasks    []RunTask
	Children []string
	Starts   int // 1, plus one for each restart or rerun under the same id
	Polls    int // status calls answered
	Created  time.Time
	Ended    time.Time
	Duration time.Duration // simulated, from the last start until the end or now
}

// RunTask is a task of a batch run.
type RunTask struct {
	Code   string
	Status int
	Starts int
}

// run is the state of a batch or of a group; its times are simulated. It changes only when advance brings it up to the
// time of a request.
type run struct {
	id, code, kind string
	parent, of     string
	asOf           string
	order          order
	params         map[string]string
	taskParams     map[string]map[string]string
	lineage        *lineage
	starts, polls  int

	created, start time.Time // start is zero for a child that has not been started
	interruptAt    time.Time // zero unless an interrupt was accepted
	ended          time.Time
	begun          bool
	interrupted    bool

	tasks    []*task
	children []*run
	parallel bool
	queue    time.Duration // between start of the group or the trigger and the first task
}

// lineage counts the failures over a run, its restarts and its reruns.
type lineage struct{ failures map[string]int }

type task struct {
	Task
	needs  []*task
	first  int // initial code: not started, excluded or held
	code   int
	ends   time.Time // zero unless the task is ongoing and does not hang
	starts int
}

// advance brings the run up to now, event by event.
func (r *run) advance(now time.Time) {
	if r.kind == kindGroup {
		r.advanceGroup(now)
		return
	}
	for {
		at, event := r.next(now)
		if event == nil {
			return
		}
		event()
		r.startReady(at)
		if r.ended.IsZero() && r.over() {
			r.ended = at
		}
	}
}

// next returns the earliest event that is due, nil if there is none.
func (r *run) next(now time.Time) (at time.Time, event func()) {
	consider := func(t time.Time, e func()) {
		if !t.IsZero() && !t.After(now) && (event == nil || t.Before(at)) {
			at, event = t, e
		}
	}
	if r.start.IsZero() || r.over() {
		return at, nil
	}
	if !r.begun {
		consider(r.start, func() { r.begun = true })
	}
	for _, t := range r.tasks {
		if t.code == codeOngoing {
			consider(t.ends, func() { t.finish(r.lineage) })
		}
	}
	consider(r.interruptAt, r.stop)
	return at, event
}

func (t *task) finish(l *lineage) {
	t.ends = time.Time{}
	switch {
	case t.Outcome == OutcomeAbort:
		t.code = codeAborted
	case t.Outcome == OutcomeFail, l.failures[t.Code] < t.FailTimes:
		l.failures[t.Code]++
		t.code = codeFailure
	default:
		t.code = codeSuccess
	}
}

func (r *run) stop() {
	r.interrupted, r.begun = true, true
	for _, t := range r.tasks {
		if t.code == codeOngoing {
			t.code, t.ends = codeInterrupted, time.Time{}
		}
	}
}

func (r *run) startReady(at time.Time) {
	if !r.begun || r.interrupted {
		return
	}
	for started := true; started; { // a task without duration may release the next one at once
		started = false
		for _, t := range r.tasks {
			if t.code != codeNotStarted || slices.ContainsFunc(t.needs, func(n *task) bool { return n.code != codeSuccess && n.code != codeExcluded }) {
				continue
			}
			t.code, t.starts, started = codeOngoing, t.starts+1, true
			if t.Outcome != OutcomeHang {
				t.ends = at.Add(t.Duration)
			}
		}
	}
}

func (r *run) over() bool { return terminal(r.status()) }

// advanceGroup starts each child in its turn.
func (r *run) advanceGroup(now time.Time) {
	turn := r.start
	for _, child := range r.children {
		if child.start.IsZero() {
			stopped := !r.interruptAt.IsZero() && !r.interruptAt.After(turn)
			if turn.IsZero() || turn.After(now) || stopped {
				break
			}
			child.start, child.interruptAt = turn.Add(child.queue), r.interruptAt
		}
		child.advance(now)
		if r.parallel {
			continue
		}
		if turn = child.ended; child.status() != codeSuccess {
			break
		}
	}
	if !r.interruptAt.IsZero() && !r.interruptAt.After(now) && r.status() == codeNotStarted {
		r.interrupted = true
	}
	if r.ended.IsZero() && r.over() {
		ends := []time.Time{r.ended}
		for _, child := range r.children {
			ends = append(ends, child.ended)
		}
		if r.interrupted {
			ends = append(ends, r.interruptAt)
		}
		r.ended = slices.MaxFunc(ends, time.Time.Compare)
	}
}

// status derives the run's code from its tasks or children. The document does not say how; here ongoing comes first,
// then the ends, worst first.
func (r *run) status() int {
	var codes []int
	for _, t := range r.tasks {
		codes = append(codes, t.code)
	}
	for _, c := range r.children {
		codes = append(codes, c.status())
	}
	has := func(code int) bool { return slices.Contains(codes, code) }
	switch {
	case has(codeOngoing):
		return codeOngoing
	case r.interrupted:
		return codeInterrupted
	case r.kind == kindBatch && !r.begun:
		return codeNotStarted
	}
	for _, code := range []int{codeInterrupted, codeAborted, codeFailure, codeHeld} {
		if has(code) {
			return code
		}
	}
	switch {
	case !has(codeNotStarted):
		return codeSuccess
	case has(codeSuccess):
		return codeOngoing
	}
	return codeNotStarted
}

// interrupt stops the run at the given time. It returns the code of the refusal, or success.
func (r *run) interrupt(at time.Time) int {
	switch {
	case r.status() == codeInterrupted, !r.interruptAt.IsZero() && !r.over():
		return codeAlreadyInterrupted
	case r.over():
		return codeNotOngoing
	}
	r.interruptAt = at
	for _, c := range r.children {
		if !c.start.IsZero() && !c.over() && c.interruptAt.IsZero() {
			c.interruptAt = at
		}
	}
	return codeSuccess
}

// restart resets what failed, was aborted or was interrupted to not started, and continues.
func (r *run) restart(now time.Time) {
	for _, t := range r.tasks {
		if t.code < 0 || t.code == codeAborted {
			t.code = codeNotStarted
		}
	}
	for _, c := range r.children {
		if !c.start.IsZero() && c.status() != codeSuccess {
			c.restart(now)
		}
	}
	r.rewind(now)
}

// reset returns everything to its initial code, and starts again.
func (r *run) reset(now time.Time) {
	for _, t := range r.tasks {
		t.code = t.first
	}
	for _, c := range r.children {
		c.reset(now)
		c.start = time.Time{}
	}
	r.rewind(now)
}

func (r *run) rewind(now time.Time) {
	r.starts++
	r.begun, r.interrupted = false, false
	r.interruptAt, r.ended = time.Time{}, time.Time{}
	r.start = now.Add(r.queue)
}

// inherit copies the progress of another run of the same batch or group.
func (r *run) inherit(from *run) {
	r.start, r.ended, r.begun = from.start, from.ended, from.begun
	for i, t := range from.tasks {
		r.tasks[i].code = t.code
	}
	for i, c := range from.children {
		r.children[i].inherit(c)
	}
}

func (r *run) public(c *clock) Run {
	until := r.ended
	if until.IsZero() {
		until = c.Sim()
	}
	out := Run{
		ID: r.id, Code: r.code, Kind: r.kind, Parent: r.parent, Of: r.of, AsOf: r.asOf, Params: maps.Clone(r.params), TaskParams: r.taskParams,
		Status: r.status(), Starts: r.starts, Polls: r.polls, Created: c.Real(r.created),
	}
	out.Text = statusText(out.Status)
	if !r.start.IsZero() {
		out.Duration = max(until.Sub(r.start), 0)
	}
	if !r.ended.IsZero() {
		out.Ended = c.Real(r.ended)
	}
	for _, t := range r.tasks {
		out.Tasks = append(out.Tasks, RunTask{Code: t.Code, Status: t.code, Starts: t.starts})
	}
	for _, child := range r.children {
		out.Children = append(out.Children, child.id)
	}
	return out
}

// operate holds or releases a task, as an operator can on the service's screens.
func (r *run) operate(action, code string, now time.Time) error {
	i := slices.IndexFunc(r.tasks, func(t *task) bool { return t.Code == code })
	if i < 0 {
		return fmt.Errorf("run %s has no task %q", r.id, code)
	}
	t := r.tasks[i]
	switch {
	case action == "hold" && t.code == codeNotStarted:
		t.code = codeHeld
	case action == "release" && t.code == codeHeld && !r.over():
		t.code = codeNotStarted
		r.startReady(now)
	default:
		return fmt.Errorf("%s task %s of run %s: it is %s", action, code, r.id, statusText(t.code))
	}
	return nil
}
