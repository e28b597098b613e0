package chaos

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"time"

	enumspb "go.temporal.io/api/enums/v1"

	"github.com/pbsmflow/pbsmflow/internal/simulator"
	"github.com/pbsmflow/pbsmflow/workflows"
)

// verdict compares the service's journal about a batch with the statuses of its starts.
type verdict struct {
	*closeRun
	expectedBatch
	starts []execution
	runs   []simulator.Run
	// unchecked: an operator decided without checking the service, so that two runs may be legitimate.
	unchecked bool
}

// check compares a close that has ended with the journal of the service.
func (n *closeRun) check(ctx context.Context) {
	n.checkEnd()
	for _, one := range n.batches {
		p := expectedBatch{one, n.plan}
		starts, err := n.settledExecutions(ctx, one.workflowID)
		if err != nil {
			n.wrong("close %d: the starts of %s: %v", n.number, one.workflowID, err)
			return
		}
		v := verdict{closeRun: n, expectedBatch: p, starts: starts, runs: n.runs(p)}
		v.unchecked = v.logged(hurriedOperator, "nothing had started")+v.logged(hurriedOperator, "given up") > 0 || n.decidedElsewise(one.step)
		v.checkOverlap()
		v.checkRestarts()
		v.checkRuns()
		v.checkResult()
	}
	n.checkFiles()
	n.checkEvidence()
}

// checkEvidence holds what the close says against what the service received.
func (n *closeRun) checkEvidence() {
	e := n.gather()
	found := slices.Concat(e.submittedTwice(), e.wrongReport(), e.keptStale(), e.begunWhileHeld())
	for i, problem := range found {
		if i == 0 {
			problem += "\n" + e.String()
		}
		n.wrong("close %d, %s, round %d: %s", n.number, n.date, len(e.starts), problem)
	}
	n.figures.add("ends of a close", "compared with the evidence")
}

// gather collects what is known about the close from outside.
func (n *closeRun) gather() evidence {
	e := evidence{
		plan: n.plan, claims: map[string]workflows.StepResult{}, versions: n.versions, words: n.saidAbout(n.closeID), starts: n.starts,
	}
	for _, s := range n.result.Steps {
		e.claims[s.ID] = s
	}
	for _, r := range n.env.Sim.Runs() {
		if r.AsOf == n.date {
			e.runs = append(e.runs, r)
		}
	}
	ids := map[string]bool{}
	for _, r := range e.runs {
		ids[r.ID] = true
	}
	arrived := map[string]time.Time{}
	for _, call := range n.env.Sim.Journal() {
		switch {
		case call.Call == "trigger" && call.AsOf == n.date, call.Call == "restart" && ids[call.Subject], call.Call == "rerun" && ids[call.Subject]:
			e.calls = append(e.calls, call)
		case call.Call == "object-put" && call.Processed:
			arrived[call.Subject] = call.Time
		}
	}
	slices.SortStableFunc(e.calls, func(a, b simulator.Entry) int { return a.Time.Compare(b.Time) })
	for _, f := range n.env.Sim.Files() {
		if f.Name != n.ledgerFile() || !f.Arrived {
			continue
		}
		text, err := n.receivedBytes(f.ID)
		if err != nil {
			n.wrong("close %d: file %d: %v", n.number, f.ID, err)
		}
		e.arrivals = append(e.arrivals, arrival{at: arrived[strconv.FormatInt(f.ID, 10)], text: text})
	}
	slices.SortStableFunc(e.arrivals, func(a, b arrival) int { return a.at.Compare(b.at) })
	e.report = n.savedReport()
	return e
}

func (n *closeRun) receivedBytes(fileID int64) (string, error) {
	object, err := n.env.Sim.Object(fileID)
	if err != nil {
		return "", err
	}
	defer object.Close()
	text, err := io.ReadAll(object)
	return string(text), err
}

// savedReport finds out which report of the service has the bytes of the one in the store; nil if none has.
func (n *closeRun) savedReport() *generated {
	text, err := os.ReadFile(filepath.Join(n.env.Reports, n.date+".csv"))
	if err != nil {
		return nil
	}
	lines := strings.Split(strings.TrimSpace(string(text)), "\n")
	_, rest, _ := strings.Cut(lines[len(lines)-1], ",")
	instance, _, _ := strings.Cut(rest, ",") // the report is numbered
	object, filter, err := n.env.Sim.Report(instance)
	if err != nil {
		return nil
	}
	defer object.Close()
	if want, err := io.ReadAll(object); err != nil || string(want) != string(text) {
		return nil
	}
	for _, call := range n.env.Sim.Journal() {
		if call.Call == "report" && call.Created == instance && call.AsOf == n.date {
			return &generated{at: call.Time, filter: filter}
		}
	}
	return nil
}

func (v verdict) fail(format string, args ...any) {
	var b strings.Builder
	fmt.Fprintf(&b, format, args...)
	fmt.Fprintf(&b, "\nclose %d, %s, %s; rounds %+v", v.number, v.date, v.code, v.rounds)
	for _, s := range v.starts {
		fmt.Fprintf(&b, "\nstart at %s, %s: %s %s, run %s", clock(s.started), s.state, s.status.State, s.status.Summary, s.status.RunID)
		for _, e := range s.status.Log {
			fmt.Fprintf(&b, "\n    %s %s, by %s: %s", clock(e.At), e.What, e.By, e.Why)
		}
	}
	for _, r := range v.runs {
		fmt.Fprintf(&b, "\nrun %s of %q: %s, starts %d, created %s, ended %s", r.ID, r.Of, r.Text, r.Starts, clock(r.Created), clock(r.Ended))
	}
	for _, e := range v.submissions("trigger", "restart", "rerun", "interrupt") {
		fmt.Fprintf(&b, "\n%s %s %s: HTTP %d, code %s, processed %t as %s, fault %s", clock(e.Time), e.Call, e.Subject, e.Status, e.Answered, e.Processed, e.Created, e.Fault)
	}
	v.wrong("%s", b.String())
}

func clock(t time.Time) string { return t.UTC().Format("15:04:05.000") }

// settledExecutions waits until every start of a batch has ended, and returns their statuses.
func (w *world) settledExecutions(ctx context.Context, workflowID string) ([]execution, error) {
	deadline := time.Now().Add(time.Minute)
	for {
		starts, err := w.executions(ctx, workflowID)
		running := slices.ContainsFunc(starts, func(e execution) bool { return e.state == enumspb.WORKFLOW_EXECUTION_STATUS_RUNNING })
		switch {
		case err == nil && !running:
			return starts, nil
		case time.Now().After(deadline) && err == nil:
			return nil, fmt.Errorf("it is still running after the end of the close: %s", starts[len(starts)-1].status.Summary)
		case time.Now().After(deadline):
			return nil, err
		}
		sleep(ctx, time.Second)
	}
}

// submissions returns the journal entries of a batch, in the order of their arrival.
func (v verdict) submissions(calls ...string) []simulator.Entry {
	mine := slices.DeleteFunc(v.env.Sim.Journal(), func(e simulator.Entry) bool {
		if !slices.Contains(calls, e.Call) {
			return true
		}
		if e.Call == "trigger" {
			return e.Subject != v.code || e.AsOf != v.date
		}
		return !slices.ContainsFunc(v.runs, func(r simulator.Run) bool { return r.ID == e.Subject })
	})
	slices.SortFunc(mine, func(a, b simulator.Entry) int { return a.Time.Compare(b.Time) })
	return mine
}

// mayHaveRun reports whether the client cannot be certain that a submission was not carried out.
func mayHaveRun(e simulator.Entry) bool { return e.Status != 401 && e.Status != 429 }

// logged counts the log entries of all starts that contain a text and are by one operator, or by anyone if by is empty.
func (v verdict) logged(by, text string) int {
	return v.loggedBetween(by, text, time.Time{}, time.Now())
}

func (v verdict) loggedBetween(by, text string, from, to time.Time) int {
	count := 0
	for _, s := range v.starts {
		for _, e := range s.status.Log {
			if (by == "" || e.By == by) && strings.Contains(e.What, text) && e.At.After(from) && !e.At.After(to) {
				count++
			}
		}
	}
	return count
}

// decidedElsewise reports whether a step ended by somebody's word rather than by its batch, or could have: then a run
// may have been left behind.
func (n *closeRun) decidedElsewise(id string) bool {
	for _, s := range n.result.Steps {
		if s.ID == id && s.State != workflows.Succeeded {
			return true
		}
	}
	return slices.ContainsFunc(n.saidAbout(n.closeID), func(w word) bool {
		leaves := slices.Contains([]string{workflows.SkipCommand, workflows.DoneCommand, workflows.ExtendCommand, "decide " + workflows.Skip}, w.choice)
		return leaves && w.means(id) && !w.refused
	})
}

// checkOverlap verifies that no run began while another one of the batch was going on.
func (v verdict) checkOverlap() {
	for i, run := range v.runs {
		for _, earlier := range v.runs[:i] {
			if !v.unchecked && (earlier.Ended.IsZero() || earlier.Ended.After(run.Created)) {
				v.fail("%s began while %s was running", run.ID, earlier.ID)
			}
		}
	}
}

// checkRestarts verifies that each restart and rerun is one that the pipeline allows, or a command.
func (v verdict) checkRestarts() {
	allowed, reruns, all := 0, 0, 0
	for _, e := range v.submissions("restart", "rerun") {
		if e.Answered == "-6" && !v.unchecked {
			v.fail("%s of %s, which had not ended", e.Call, e.Subject)
		}
		if !mayHaveRun(e) {
			continue
		}
		all++
		if e.Call == "rerun" {
			reruns++
		}
	}
	sentReruns, sentAll := 0, 0
	for _, w := range v.saidAbout(v.closeID) {
		if !w.means(v.step) { // a refusal may say that the outcome is unknown
			continue
		}
		switch w.choice {
		case workflows.RerunCommand, "decide nothing_started":
			sentReruns++
			sentAll++
		case workflows.RestartCommand, "decide adopt": // the workflow does not count a restart that was adopted
			sentAll++
		}
	}
	allowed = 2 * len(v.starts) // the most that a pipeline allows for each start
	if reruns > sentReruns || all > sentAll+allowed {
		v.fail("%d reruns and restarts, %d of them reruns; commands: %d and %d; automatic at most: %d", all, reruns, sentAll, sentReruns, allowed)
	}
}

// checkRuns verifies that every run is followed by a start of its batch, and has ended.
func (v verdict) checkRuns() {
	for _, run := range v.runs {
		var known bool
		for _, s := range v.starts {
			for _, e := range s.status.Log {
				known = known || strings.Contains(e.What, run.ID)
			}
		}
		given := v.logged("", "given up") > 0 || v.decidedElsewise(v.step)
		switch {
		case !known && !v.unchecked && !given:
			v.fail("no workflow follows %s", run.ID)
		case run.Ended.IsZero() && !v.unchecked && !given:
			v.fail("%s is still running, and no workflow follows it", run.ID)
		}
	}
}

// checkResult verifies that the step succeeded with a successful run, or ended as an operator decided.
func (v verdict) checkResult() {
	i := slices.IndexFunc(v.result.Steps, func(s workflows.StepResult) bool { return s.ID == v.step })
	if i < 0 {
		v.fail("the close has no step %s", v.step)
		return
	}
	step := v.result.Steps[i]
	if step.State != workflows.Succeeded {
		return
	}
	run, ok := v.env.Sim.Run(step.Batch.RunID)
	switch {
	case !ok || run.Status != succeeded:
		v.fail("the step succeeded with %s, which did not", step.Batch.RunID)
	case !slices.Contains(step.Batch.RunIDs, step.Batch.RunID):
		v.fail("the run ids %v lack the last one, %s", step.Batch.RunIDs, step.Batch.RunID)
	}
	for _, id := range step.Batch.RunIDs {
		if !slices.ContainsFunc(v.runs, func(r simulator.Run) bool { return r.ID == id }) {
			v.fail("the result has %s, which is not a run of this batch", id)
		}
	}
}

// checkEnd verifies that the close succeeded, or ended otherwise by somebody's word.
func (n *closeRun) checkEnd() {
	decided := false
	for _, s := range n.result.Steps {
		switch s.State {
		case workflows.Succeeded, workflows.Skipped, workflows.MarkedDone:
		case workflows.NotRun:
			decided = true
		case workflows.Failed:
			decided = true
			gaveUp := strings.Contains(s.Error, "given up") || strings.Contains(s.Error, "refused by") // an approval
			if !gaveUp && !(strings.Contains(s.Error, "deadline") && n.movedDeadline()) {
				n.wrong("close %d, %s: step %s failed without a decision: %s", n.number, n.date, s.ID, s.Error)
			}
		default:
			n.wrong("close %d, %s: step %s ended as %s: %s", n.number, n.date, s.ID, s.State, s.Error)
		}
	}
	switch state := n.result.State; {
	case state == workflows.Succeeded, state == workflows.SucceededWithExceptions, state == workflows.Failed && decided:
		n.figures.add("ends of a close, by state", string(state))
	default:
		n.wrong("close %d, %s, ended as %s", n.number, n.date, state)
	}
}

// movedDeadline reports whether somebody has given the close a deadline.
func (n *closeRun) movedDeadline() bool {
	return slices.ContainsFunc(n.saidAbout(n.closeID), func(w word) bool { return w.choice == workflows.ExtendCommand && !w.refused })
}

// checkFiles verifies that uploads equal a file of the store, and reports what the service holds.
func (n *closeRun) checkFiles() {
	for _, s := range n.result.Steps {
		if s.State != workflows.Succeeded {
			continue
		}
		switch {
		case s.Upload != nil:
			n.checkUpload(*s.Upload)
		case s.Report != nil:
			n.checkReport(s.Report.File)
		}
	}
}

func (n *closeRun) checkUpload(result workflows.FileResult) {
	id, err := strconv.ParseInt(result.FileID, 10, 64)
	if err != nil {
		n.wrong("close %d: the file id: %v", n.number, err)
		return
	}
	listed := slices.DeleteFunc(n.env.Sim.Files(), func(f simulator.File) bool { return f.ID != id || !f.Arrived || f.Name != n.ledgerFile() })
	got, err := n.receivedBytes(id)
	whole := slices.ContainsFunc(n.versions, func(v fileVersion) bool { return v.text == got && digest(v.text) == result.SHA256 })
	if err != nil || len(listed) != 1 || !whole {
		n.wrong("close %d: file %d is listed %d times, or is not what was uploaded (%v)", n.number, id, len(listed), err)
	}
	n.figures.add("files", "uploads compared")
}

func (n *closeRun) checkReport(result workflows.FileResult) {
	got, err := os.ReadFile(filepath.Join(n.env.Reports, n.date+".csv"))
	if err != nil || n.savedReport() == nil || result.SHA256 != digest(string(got)) {
		n.wrong("close %d: the report is not what the service holds (%v): %d bytes, %+v", n.number, err, len(got), result)
	}
	n.figures.add("files", "reports compared")
}

func digest(text string) string {
	sum := sha256.Sum256([]byte(text))
	return hex.EncodeToString(sum[:])
}
