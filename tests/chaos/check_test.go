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

// verdict is what the service's journal says about a posting, against what its starts say.
type verdict struct {
	*night
	wanted
	starts []execution
	runs   []simulator.Run
	// hasty: a person said a word without looking. What came of it is the person's.
	hasty bool
}

// check compares a night that is over with the service's own record.
func (n *night) check(ctx context.Context) {
	n.checkEnd()
	for _, one := range n.postings {
		p := wanted{one, n.plan}
		starts, err := n.settledExecutions(ctx, one.workflowID)
		if err != nil {
			n.wrong("night %d: the starts of %s: %v", n.number, one.workflowID, err)
			return
		}
		v := verdict{night: n, wanted: p, starts: starts, runs: n.runs(p)}
		v.hasty = v.logged(bursting, "nothing had started")+v.logged(bursting, "given up") > 0 || n.stepWord(one.step) != ""
		v.checkTriggers()
		v.checkRestarts()
		v.checkRuns()
		v.checkResult()
	}
	n.checkFiles()
}

func (v verdict) fail(format string, args ...any) {
	var b strings.Builder
	fmt.Fprintf(&b, format, args...)
	fmt.Fprintf(&b, "\nnight %d, %s, %s; acts %v", v.number, v.date, v.code, v.acts)
	for _, s := range v.starts {
		fmt.Fprintf(&b, "\nstart at %s, %s: %s %s, run %s", clock(s.started), s.state, s.status.State, s.status.Summary, s.status.RunID)
		for _, e := range s.status.Log {
			fmt.Fprintf(&b, "\n    %s %s, by %s: %s", clock(e.At), e.What, e.By, e.Why)
		}
	}
	for _, r := range v.runs {
		fmt.Fprintf(&b, "\nrun %s of %q: %s, starts %d, created %s, ended %s", r.ID, r.Of, r.Text, r.Starts, clock(r.Created), clock(r.Ended))
	}
	for _, e := range v.posts("trigger", "restart", "rerun", "interrupt") {
		fmt.Fprintf(&b, "\n%s %s %s: HTTP %d, code %s, processed %t as %s, fault %s", clock(e.Time), e.Call, e.Subject, e.Status, e.Answered, e.Processed, e.Created, e.Fault)
	}
	v.wrong("%s", b.String())
}

func clock(t time.Time) string { return t.UTC().Format("15:04:05.000") }

// settledExecutions waits until every start of a posting is over and can tell.
func (w *world) settledExecutions(ctx context.Context, workflowID string) ([]execution, error) {
	deadline := time.Now().Add(time.Minute)
	for {
		starts, err := w.executions(ctx, workflowID)
		goesOn := slices.ContainsFunc(starts, func(e execution) bool { return e.state == enumspb.WORKFLOW_EXECUTION_STATUS_RUNNING })
		switch {
		case err == nil && !goesOn:
			return starts, nil
		case time.Now().After(deadline) && err == nil:
			return nil, fmt.Errorf("it goes on after the end of the close: %s", starts[len(starts)-1].status.Summary)
		case time.Now().After(deadline):
			return nil, err
		}
		sleep(ctx, time.Second)
	}
}

// posts are the journal's entries for a posting, in order of arrival.
func (v verdict) posts(calls ...string) []simulator.Entry {
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

// open tells that whoever sent a post cannot be certain that it was not carried out.
func open(e simulator.Entry) bool { return e.Status != 401 && e.Status != 429 }

// logged counts the entries of all starts' logs that hold a text and are somebody's; anybody's when by is empty.
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

// stepWord is how a person ended a step of the close without its batch, or empty.
func (n *night) stepWord(id string) string {
	for _, s := range n.result.Steps {
		if s.ID == id && (s.State == workflows.Skipped || strings.Contains(s.Error, "given up")) {
			return s.Error
		}
	}
	return ""
}

// checkTriggers: between two triggers of which the first may have been carried out stands a person's word, or a new
// start that found the earlier run over without success.
func (v verdict) checkTriggers() {
	triggers := slices.DeleteFunc(v.posts("trigger"), func(e simulator.Entry) bool { return !open(e) })
	for i := 1; i < len(triggers); i++ {
		before, now := triggers[i-1], triggers[i]
		word := v.loggedBetween("", "nothing had started; the trigger is posted again", before.Time, now.Time) > 0
		anew := slices.ContainsFunc(v.starts, func(s execution) bool { return s.started.After(before.Time) && s.started.Before(now.Time) }) && before.Processed
		if !word && !anew {
			v.fail("triggered twice without a person's word")
		}
		v.figures.add("second triggers", map[bool]string{true: "by the word nothing_started", false: "by a new start after a run without success"}[word])
	}
	for i, run := range v.runs {
		for _, earlier := range v.runs[:i] {
			if !v.hasty && (earlier.Ended.IsZero() || earlier.Ended.After(run.Created) || !stuck(earlier)) {
				v.fail("%s began beside %s", run.ID, earlier.ID)
			}
		}
	}
}

// checkRestarts: each restart and rerun is one that the pipeline allows, or a person's word.
func (v verdict) checkRestarts() {
	allowed, reruns, all := 0, 0, 0
	for _, e := range v.posts("restart", "rerun") {
		if e.Answered == "-6" && !v.hasty {
			v.fail("%s of %s, which was not over", e.Call, e.Subject)
		}
		if !open(e) {
			continue
		}
		all++
		if e.Call == "rerun" {
			reruns++
		}
	}
	spokenReruns, spokenAll := 0, 0
	for _, w := range v.said(v.workflowID) {
		switch strings.TrimSpace(w.choice) {
		case workflows.RerunCommand, "decide nothing_started":
			spokenReruns++
			spokenAll++
		case workflows.RestartCommand, "decide adopt": // a restart that was adopted is not one that the workflow counted
			spokenAll++
		}
	}
	allowed = 2 * len(v.starts) // what the plans allow at most, by start
	if reruns > spokenReruns || all > spokenAll+allowed {
		v.fail("%d reruns and restarts, %d of them reruns; the words were %d and %d, and %d may go by themselves", all, reruns, spokenAll, spokenReruns, allowed)
	}
}

// checkRuns: every run is followed by a start of its own posting, and none goes on.
func (v verdict) checkRuns() {
	for _, run := range v.runs {
		var known bool
		for _, s := range v.starts {
			for _, e := range s.status.Log {
				known = known || strings.Contains(e.What, run.ID)
			}
		}
		given := v.logged("", "given up") > 0 || v.stepWord(v.step) != ""
		switch {
		case !known && !v.hasty && !given:
			v.fail("nobody follows %s", run.ID)
		case run.Ended.IsZero() && !v.hasty && !given:
			v.fail("%s goes on, and nobody watches it", run.ID)
		}
	}
}

// checkResult: the step succeeded with a run that did, or ended as a person said.
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
			v.fail("the result names %s, which is no run of this posting", id)
		}
	}
}

// checkEnd: the night succeeded, or a person gave something up.
func (n *night) checkEnd() {
	given := false
	for _, s := range n.result.Steps {
		given = given || strings.Contains(s.Error, "given up")
		switch s.State {
		case workflows.Succeeded, workflows.Skipped:
		case workflows.NotRun:
		case workflows.Failed:
			if !strings.Contains(s.Error, "given up") {
				n.wrong("night %d, %s: step %s failed without a person's word: %s", n.number, n.date, s.ID, s.Error)
			}
		default:
			n.wrong("night %d, %s: step %s ended as %s: %s", n.number, n.date, s.ID, s.State, s.Error)
		}
	}
	switch {
	case n.result.State == workflows.Succeeded:
		n.figures.add("nights", "succeeded")
	case n.result.State == workflows.Failed && given:
		n.figures.add("nights", "given up by a person")
	default:
		n.wrong("night %d, %s, ended as %s", n.number, n.date, n.result.State)
	}
}

// checkFiles: what went up is what was there, what came down is what the service holds.
func (n *night) checkFiles() {
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

func (n *night) checkUpload(result workflows.FileResult) {
	id, err := strconv.ParseInt(result.FileID, 10, 64)
	if err != nil {
		n.wrong("night %d: the file id: %v", n.number, err)
		return
	}
	listed := slices.DeleteFunc(n.env.Sim.Files(), func(f simulator.File) bool { return f.ID != id || !f.Arrived || f.Name != "gl_"+n.date+".csv" })
	object, err := n.env.Sim.Object(id)
	if err != nil || len(listed) != 1 {
		n.wrong("night %d: file %d is listed %d times: %v", n.number, id, len(listed), err)
		return
	}
	defer object.Close()
	got, err := io.ReadAll(object)
	if err != nil || string(got) != n.ledger {
		n.wrong("night %d: file %d is not what was sent (%v)", n.number, id, err)
	}
	n.figures.add("files", "uploads compared")
}

func (n *night) checkReport(result workflows.FileResult) {
	want := n.reports[n.variant]
	got, err := os.ReadFile(filepath.Join(n.env.Reports, n.date+".csv"))
	sum := sha256.Sum256([]byte(want))
	if err != nil || string(got) != want || result.SHA256 != hex.EncodeToString(sum[:]) {
		n.wrong("night %d: the report is not what the service holds (%v): %d bytes against %d, %+v", n.number, err, len(got), len(want), result)
	}
	n.figures.add("files", "reports compared")
}
