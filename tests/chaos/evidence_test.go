package chaos

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/pbsmflow/pbsmflow/internal/simulator"
	"github.com/pbsmflow/pbsmflow/workflows"
)

// evidence is what is known about a close from outside: what the service received, which bytes lay in the stores, and
// what persons said. Only claims, how the close says that its steps ended, is from the product: it is what is checked.
type evidence struct {
	plan
	claims   map[string]workflows.StepResult
	calls    []simulator.Entry // triggers, restarts and reruns of the close's batches, and its reports, as they arrived
	runs     []simulator.Run   // as they were created, with those of a group's members
	arrivals []arrival
	versions []fileVersion
	words    []word
	starts   []closeStart
	report   *generated // whose bytes lie in the store
}

// arrival is a file that the service has, and fileVersion one that lay in the store from a time on.
type (
	arrival struct {
		at   time.Time
		text string
	}
	fileVersion struct {
		from time.Time
		text string
	}
	generated struct {
		at     time.Time
		filter string
	}
	closeStart struct {
		at time.Time
		round
	}
)

// submittedTwice finds triggers that nobody wanted: of two, of which the first may have been carried out, a person must
// have said in between that the batch is to be submitted again, or have started or retried it after the run had failed.
// One command stands for one trigger.
func (e evidence) submittedTwice() (found []string) {
	for _, b := range e.batches {
		used := map[int]bool{}
		triggers := slices.DeleteFunc(e.triggers(b), func(t simulator.Entry) bool { return !mayHaveRun(t) })
		for i := 1; i < len(triggers); i++ {
			before, now := e.attempted(b, triggers[i-1].Time), triggers[i].Time
			failed := triggers[i-1].Processed && e.failedBetween(b, triggers[i-1].Time, now)
			n := -1
			for i, w := range e.words {
				if n < 0 && !used[i] && w.means(b.step) && w.wantsSubmission(failed) && w.between(before, now) {
					n = i
				}
			}
			if n < 0 {
				found = append(found, fmt.Sprintf("%s was triggered at %s and at %s, and nobody said so", b.code, clock(before), clock(now)))
			}
			used[n] = true
		}
	}
	return found
}

// attempted is when a trigger was first sent that may have been refused and repeated until it arrived: a workflow that an
// earlier start of the close left running may repeat it after the next start, whose words are about another one.
func (e evidence) attempted(b batchStep, arrived time.Time) (first time.Time) {
	for _, t := range e.triggers(b) {
		if t.Time.After(arrived) {
			break
		}
		if first.IsZero() {
			first = t.Time
		}
		if mayHaveRun(t) && t.Time.Before(arrived) { // another submission
			first = time.Time{}
		}
	}
	return first
}

// wantsSubmission reports whether a command has a batch submitted again, or does so if its run has failed.
func (w word) wantsSubmission(failed bool) bool {
	switch w.choice {
	case "decide " + workflows.NothingStarted, "decide " + workflows.Again, workflows.AgainCommand:
		return true
	case startWord, "decide " + workflows.Retry:
		return failed
	}
	return false
}

func (e evidence) triggers(b batchStep) []simulator.Entry { return e.submissions(b, "trigger") }

// submissions are the calls of a batch, as they arrived.
func (e evidence) submissions(b batchStep, names ...string) (found []simulator.Entry) {
	for _, call := range e.calls {
		about := call.Subject == b.code
		if call.Call != "trigger" {
			about = slices.ContainsFunc(e.runs, func(r simulator.Run) bool { return r.Parent == "" && r.Code == b.code && r.ID == call.Subject })
		}
		if about && slices.Contains(names, call.Call) {
			found = append(found, call)
		}
	}
	return found
}

// failedBetween reports whether the last run of a batch that began in a time also ended in it, without success.
func (e evidence) failedBetween(b batchStep, from, to time.Time) bool {
	var last *simulator.Run
	for _, r := range e.runs {
		if r.Parent == "" && r.Code == b.code && r.Created.After(from.Add(-rounding)) && r.Created.Before(to) {
			last = &r
		}
	}
	return last != nil && failedRun(*last) && !last.Ended.IsZero() && last.Ended.Before(to)
}

// rounding is how far the times of the simulator's own clock may be off.
const rounding = 20 * time.Millisecond

// wrongReport finds a report that was not generated after the last submission of what it needs, or not with the filter
// of the pipeline.
func (e evidence) wrongReport() (found []string) {
	const step = "report"
	if e.claims[step].State != workflows.Succeeded || e.keptAnyway(step) {
		return nil
	}
	if e.report == nil {
		return []string{"the report is said to be there, and its bytes are of none that the service generated"}
	}
	if want := e.filter(e.latest().version); e.report.filter != want {
		found = append(found, fmt.Sprintf("the report was generated for %q, and the pipeline says %q", e.report.filter, want))
	}
	return append(found, e.builtTooEarly(step, e.report.at)...)
}

// builtTooEarly finds what a step needs and what changed after the step had begun.
func (e evidence) builtTooEarly(step string, began time.Time) (found []string) {
	for _, need := range e.needsOf(step) {
		if e.claims[need].State != workflows.Succeeded || e.onlyThat(need) {
			continue
		}
		changed, what := e.lastChange(need)
		if changed.After(began) && !e.keptOn(step, changed) {
			found = append(found, fmt.Sprintf("%s rests on what was there at %s, but %s at %s", step, clock(began), what, clock(changed)))
		}
	}
	return found
}

// lastChange is when the result of a step that succeeded came to be what it is.
func (e evidence) lastChange(step string) (at time.Time, what string) {
	s := e.step(step)
	switch {
	case s.batch != nil:
		run := e.claims[step].Batch.RunID
		for _, call := range e.submissions(*s.batch, "trigger", "restart", "rerun") {
			if call.Processed && (call.Created == run || call.Subject == run) {
				at, what = call.Time, fmt.Sprintf("%s had its last %s", s.batch.code, call.Call)
			}
		}
	case s.approve:
		if w, ok := e.approval(step); ok {
			at, what = w.sent, "it was approved"
		}
	default: // the same bytes once more are no change
		for i, a := range e.arrivals {
			if i == 0 || a.text != e.arrivals[i-1].text {
				at, what = a.at, "the file came with other bytes"
			}
		}
	}
	return at, what
}

// keptStale finds steps that are said to have succeeded, although what they are based on has changed since.
func (e evidence) keptStale() (found []string) {
	for _, s := range e.steps {
		if e.claims[s.id].State != workflows.Succeeded || e.keptAnyway(s.id) {
			continue
		}
		switch {
		case s.batch != nil:
			found = append(found, e.staleBatch(*s.batch)...)
		case s.approve:
			found = append(found, e.staleApproval(s.id)...)
		case s.id == "ledger":
			found = append(found, e.staleFile(s.id)...)
		}
	}
	return found
}

// staleBatch compares the run of a batch with the parameters of the pipeline, and with what it needs.
func (e evidence) staleBatch(b batchStep) (found []string) {
	id := e.claims[b.step].Batch.RunID
	run, ok := e.run(id)
	if !ok || run.Status != succeeded {
		return []string{fmt.Sprintf("%s is said to have succeeded as %s, which did not", b.step, id)}
	}
	root := run
	for root.Of != "" {
		root, _ = e.run(root.Of)
	}
	if latest := e.latestRun(b); latest.ID != id && !e.keptOn(b.step, latest.Created) && !e.decidedBlindly(b.step) {
		found = append(found, fmt.Sprintf("%s is said to have succeeded as %s, but was submitted as %s after that", b.step, id, latest.ID))
	}
	want := fmt.Sprint(e.latest().version.params[b.step])
	for _, r := range e.runs {
		if got := r.Params[runParam]; (r.ID == root.ID && !b.group || r.Parent == root.ID) && got != want && !e.keptOn(b.step, e.paramsSince(b.step)) {
			found = append(found, fmt.Sprintf("%s ran with %s = %q, and the pipeline says %q", r.ID, runParam, got, want))
		}
	}
	for _, t := range e.triggers(b) {
		if t.Created == root.ID {
			return append(found, e.builtTooEarly(b.step, t.Time)...)
		}
	}
	return append(found, root.ID+" was never triggered")
}

// decidedBlindly reports whether a person submitted a batch again without a look at the service: a request that was
// still on its way may have begun another run.
func (e evidence) decidedBlindly(step string) bool {
	return slices.ContainsFunc(e.words, func(w word) bool {
		return w.by == hurriedOperator && w.choice == "decide "+workflows.NothingStarted && w.means(step)
	})
}

// approval is the last one that was taken. It is unknown while nobody knows whether a later one was.
func (e evidence) approval(step string) (last word, known bool) {
	for _, w := range e.words {
		if w.choice == workflows.ApproveCommand && w.means(step) && !w.refused {
			last, known = w, !w.heard.IsZero()
		}
	}
	return last, known
}

func (e evidence) staleApproval(step string) []string {
	last, known := e.approval(step)
	if !known {
		return nil
	}
	return e.builtTooEarly(step, last.heard)
}

// staleFile compares the bytes that the service has with those that lay in the store after the close was last started,
// or the step was last told to run again.
func (e evidence) staleFile(step string) []string {
	if len(e.arrivals) == 0 {
		return []string{"the file is said to be sent, and the service has none"}
	}
	since := e.latest().at
	for _, w := range e.words {
		if w.choice == workflows.AgainCommand && w.means(step) && !w.refused && !w.heard.IsZero() && w.sent.After(since) {
			since = w.sent
		}
	}
	received := e.arrivals[len(e.arrivals)-1].text
	for i, v := range e.versions {
		replaced := i+1 < len(e.versions) && e.versions[i+1].from.Before(since)
		if !replaced && v.text == received {
			return nil
		}
	}
	return []string{fmt.Sprintf("the service has %d bytes of an earlier version of the file than the one of %s", len(received), clock(since))}
}

// paramsSince is since when the pipeline has had the parameters of a step that it has now.
func (e evidence) paramsSince(step string) time.Time {
	since := e.latest().at
	for i := len(e.starts) - 1; i >= 0 && e.starts[i].version.params[step] == e.latest().version.params[step]; i-- {
		since = e.starts[i].at
	}
	return since
}

// keptOn reports whether a person may have said of a batch, after a change, that its run is to stand.
func (e evidence) keptOn(step string, changed time.Time) bool {
	return slices.ContainsFunc(e.words, func(w word) bool {
		stands := slices.Contains([]string{"decide " + workflows.Keep, "decide " + workflows.Adopt, workflows.DoneCommand}, w.choice)
		return stands && w.means(step) && w.between(changed, time.Now())
	})
}

// keptAnyway reports whether the close was last started for other steps alone, so that this one is kept.
func (e evidence) keptAnyway(step string) bool {
	again := e.latest().again
	return again != nil && len(again.Only) > 0 && !slices.Contains(again.Only, step)
}

// onlyThat reports whether a step may have run again alone since the close was last started, so that what needs it is
// kept.
func (e evidence) onlyThat(step string) bool {
	return slices.ContainsFunc(e.words, func(w word) bool {
		return w.only && w.means(step) && w.between(e.latest().at, time.Now())
	})
}

// begunWhileHeld finds submissions of a batch between the answer to a hold and what could have ended it.
func (e evidence) begunWhileHeld() (found []string) {
	for _, w := range e.words {
		if w.choice != workflows.HoldCommand || w.refused || w.heard.IsZero() {
			continue
		}
		until := time.Now()
		for _, other := range e.words {
			ends := other.choice == startWord || other.choice == workflows.ReleaseCommand && other.means(w.steps[0]) ||
				other.choice == workflows.DoneCommand && other.means(w.steps[0])
			if ends && !other.refused && other.sent.After(w.sent) && other.sent.Before(until) {
				until = other.sent
			}
		}
		s := e.step(w.steps[0])
		if s.batch == nil {
			continue
		}
		for _, call := range e.triggers(*s.batch) {
			if call.Time.After(w.heard) && call.Time.Before(until) {
				found = append(found, fmt.Sprintf("%s was triggered at %s, and held from %s to %s", s.batch.code, clock(call.Time), clock(w.heard), clock(until)))
			}
		}
	}
	return found
}

func (e evidence) latest() closeStart { return e.starts[len(e.starts)-1] }

func (e evidence) step(id string) planStep {
	return e.steps[slices.IndexFunc(e.steps, func(s planStep) bool { return s.id == id })]
}

func (e evidence) needsOf(id string) []string { return e.step(id).needs }

func (e evidence) run(id string) (simulator.Run, bool) {
	i := slices.IndexFunc(e.runs, func(r simulator.Run) bool { return r.ID == id })
	if i < 0 {
		return simulator.Run{}, false
	}
	return e.runs[i], true
}

func (e evidence) latestRun(b batchStep) (latest simulator.Run) {
	for _, r := range e.runs {
		if r.Parent == "" && r.Code == b.code {
			latest = r
		}
	}
	return latest
}

// String shows the evidence in the order of time.
func (e evidence) String() string {
	type line struct {
		at   time.Time
		text string
	}
	var lines []line
	add := func(at time.Time, format string, args ...any) {
		lines = append(lines, line{at, fmt.Sprintf(format, args...)})
	}
	for _, c := range e.calls {
		add(c.Time, "%s %s: HTTP %d, code %s, processed %t as %s, fault %s", c.Call, c.Subject, c.Status, c.Answered, c.Processed, c.Created, c.Fault)
	}
	for _, r := range e.runs {
		add(r.Created, "run %s of %q begins, params %v: now %s, starts %d, ended %s", r.ID, r.Of, r.Params, r.Text, r.Starts, clock(r.Ended))
	}
	for _, a := range e.arrivals {
		add(a.at, "the file arrives, %d bytes", len(a.text))
	}
	for _, v := range e.versions {
		add(v.from, "the file in the store has %d bytes", len(v.text))
	}
	for _, w := range e.words {
		add(w.sent, "%s says %s of %v (only %t): heard %s, refused %t", w.by, w.choice, w.steps, w.only, clock(w.heard), w.refused)
	}
	for _, s := range e.starts {
		add(s.at, "the close is started, again %+v, params %v, filter %d", s.again, s.version.params, s.version.variant)
	}
	if e.report != nil {
		add(e.report.at, "the report in the store is generated")
	}
	slices.SortStableFunc(lines, func(a, b line) int { return a.at.Compare(b.at) })
	var b strings.Builder
	for _, s := range e.steps {
		fmt.Fprintf(&b, "\n%s claims %s %s %s", s.id, e.claims[s.id].State, e.claims[s.id].Result, e.claims[s.id].Error)
	}
	for _, l := range lines {
		fmt.Fprintf(&b, "\n%s %s", clock(l.at), l.text)
	}
	return b.String()
}
