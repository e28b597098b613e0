package workflows

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"go.temporal.io/sdk/workflow"

	"github.com/pbsmflow/pbsmflow/activities"
	"github.com/pbsmflow/pbsmflow/internal/audit"
	"github.com/pbsmflow/pbsmflow/internal/pbsm"
)

// interruptChoices are the commands that apply while a run is going.
var interruptChoices = []string{InterruptCommand}

// runEnd is how a run ended.
type runEnd struct {
	status      activities.BatchStatus
	interrupted bool // the operator had interrupted it
}

func (e runEnd) code() pbsm.StatusCode { return pbsm.StatusCode(e.status.Code) }

// watch polls the run until it ends. It interrupts the run on command, and asks the operator what to do
// when the service does not give the status.
func (b *batchRun) watch(ctx workflow.Context) (runEnd, error) {
	for {
		b.choices = interruptChoices
		status, interrupt, err := b.pollOrCommand(ctx)
		switch {
		case interrupt != nil:
			if status, err = b.interrupt(ctx, interrupt, b.deadline); err != nil {
				return runEnd{}, err
			}
			if status == nil {
				continue
			}
		case err == nil:
		case ctx.Err() != nil:
			return runEnd{}, err
		case deadlineHit(err):
			if status = b.lastLook(ctx); status == nil {
				return runEnd{}, &batchEnd{state: Failed, errorType: DeadlinePassed, summary: "the deadline passed; the run may still be going" + lastTried(err)}
			}
		case errorType(err) == GivenUp:
			return runEnd{}, err
		default:
			if err := b.statusUnavailable(ctx, err); err != nil {
				return runEnd{}, err
			}
			continue
		}
		if err := b.record(ctx, *status); err != nil {
			return runEnd{}, err
		}
		if pbsm.StatusCode(status.Code).Terminal() {
			return b.stopped(*status), nil
		}
	}
}

// pollOrCommand waits for a change of the run's status, or for the operator's command to interrupt it.
func (b *batchRun) pollOrCommand(ctx workflow.Context) (*activities.BatchStatus, *command, error) {
	polling, stop := workflow.WithCancel(ctx)
	defer stop()
	change := b.poll(polling, b.deadline)
	for !change.IsReady() {
		if err := workflow.Await(ctx, func() bool { return change.IsReady() || b.commands.waiting() }); err != nil {
			return nil, nil, err
		}
		if c := b.commands.take(ctx); c != nil {
			return nil, c, nil
		}
	}
	var status activities.BatchStatus
	err := change.Get(ctx, &status)
	return &status, nil, err
}

// poll waits for a status that differs from the latest one.
func (b *batchRun) poll(ctx workflow.Context, until *deadline) workflow.Future {
	return b.caller.execute(ctx, pollOptions, until, "poll "+b.result.RunID, act.BatchStatus,
		activities.BatchStatusInput{
			RunInput:  b.ref(),
			Poll:      activities.Poll{Since: b.since, Known: b.known()},
			Submitted: b.submitted,
			Before:    b.before,
		})
}

// known is the fingerprint of the latest status, empty before the first.
func (b *batchRun) known() string {
	if b.last.RunID == "" {
		return ""
	}
	return b.last.Fingerprint()
}

// lastLook is the status of a run that has ended since the last poll, or nil.
func (b *batchRun) lastLook(ctx workflow.Context) *activities.BatchStatus {
	status, err := b.pollOnce(ctx, within(ctx, lastLook))
	if err != nil || !pbsm.StatusCode(status.Code).Terminal() {
		return nil
	}
	return &status
}

// pollOnce reads the status, whatever it is.
func (b *batchRun) pollOnce(ctx workflow.Context, until *deadline) (activities.BatchStatus, error) {
	var status activities.BatchStatus
	err := b.caller.execute(ctx, callOptions, until, "status of "+b.result.RunID, act.BatchStatus,
		activities.BatchStatusInput{RunInput: b.ref(), Poll: activities.Poll{Since: workflow.Now(ctx)}}).Get(ctx, &status)
	return status, err
}

// record publishes a status. Its code is that of the run, not that of the call.
func (b *batchRun) record(ctx workflow.Context, status activities.BatchStatus) error {
	b.last, b.submitted, b.before = status, false, ""
	b.result.StatusCode, b.result.Status = status.Code, status.Text
	b.result.Tasks, b.result.Batches = tasksOf(status), membersOf(status)
	return b.reporter.update(ctx, func(s *snapshot) {
		s.State, s.StatusCode, s.Tasks, s.Batches = Running, status.Code, b.result.Tasks, b.result.Batches
		s.Summary, s.Question = progressText(status), nil
		switch {
		case isHeld(status):
			s.State = Waiting
			s.Question = &Question{
				Why:      "the service holds the run, or a task of it: release it on the service's screens",
				Choices:  interruptChoices,
				Deadline: b.deadline.moment(),
			}
		case len(b.interrupts) > 0:
			s.State = Interrupting
		}
	})
}

// stopped answers the operator's interrupts once the run has ended.
func (b *batchRun) stopped(status activities.BatchStatus) runEnd {
	end := runEnd{status: status, interrupted: len(b.interrupts) > 0}
	for _, c := range b.interrupts {
		c.reply(b.commandResult(fmt.Sprintf("%s ended as %s", b.result.RunID, end.code().Text())))
	}
	b.interrupts = nil
	return end
}

// interrupt asks the service to stop the run; the caller polls until it has stopped. For a run that had
// already ended it returns the status.
func (b *batchRun) interrupt(ctx workflow.Context, c *command, until *deadline) (*activities.BatchStatus, error) {
	var answer activities.Run
	err := b.caller.execute(ctx, commandOptions, until, "interrupt "+b.result.RunID, act.InterruptBatch, b.ref()).Get(ctx, &answer)
	switch {
	case err == nil:
		entry := c.entry("interrupt sent for " + b.result.RunID)
		entry.Event, entry.Sender = audit.Call, answer.Sender
		b.reporter.log(ctx, entry)
		b.since = workflow.Now(ctx)
		b.interrupts = append(b.interrupts, c)
		return nil, b.reporter.update(ctx, func(s *snapshot) {
			s.State, s.Summary = Interrupting, "interrupt sent; waiting for the run to stop"
		})
	case ctx.Err() != nil:
		return nil, err
	}
	b.reporter.log(ctx, c.refusal("interrupt", err))
	if refusalCode(err) == string(pbsm.CodeNotOngoing) {
		if status, pollErr := b.pollOnce(ctx, until); pollErr == nil && pbsm.StatusCode(status.Code).Terminal() {
			c.reply(b.commandResult(fmt.Sprintf("%s had ended as %s", b.result.RunID, status.Text)))
			return &status, nil
		}
	}
	c.refuse("%s", reason(err))
	if c == nil { // the interrupt of a cancelled workflow
		return nil, err
	}
	return nil, nil
}

// statusUnavailable asks the operator what to do about a run whose status the service does not give.
func (b *batchRun) statusUnavailable(ctx workflow.Context, cause error) error {
	why := b.unavailableText(cause)
	for {
		c, err := b.ask(ctx, why, DecideCommand+" "+Retry, DecideCommand+" "+Adopt, DecideCommand+" "+GiveUp)
		if err != nil {
			return err
		}
		switch c.Choice {
		case Retry:
			return b.watchAgain(ctx, c)
		case Adopt:
			if adopted, err := b.adoptNamed(ctx, c); adopted || err != nil {
				return err
			}
		default:
			return b.giveUp(ctx, c, reason(cause))
		}
	}
}

// cancelTimeout is how long a cancelled workflow tries to find out whether there is a run to interrupt.
const cancelTimeout = 10 * time.Minute

// cancelRun ends the run of a cancelled workflow: it interrupts a run that is still going, and waits for
// it to stop. ctx is not cancelled.
func (b *batchRun) cancelRun(ctx workflow.Context) error {
	b.choices = nil
	switch {
	case b.result.RunID == "":
		return b.cancelled("no run id is known yet: check on the service's screen %s whether a run started", runsScreen)
	case b.reporter.status().submitting:
		if err := b.findOutcome(ctx); err != nil {
			return err
		}
	case b.runCode().Terminal():
		return b.cancelled("%s had ended", b.result.RunID)
	}
	status, err := b.interrupt(ctx, nil, noDeadline)
	if err != nil {
		return b.cancelled("%s could not be interrupted and may still run: %s", b.result.RunID, reason(err))
	}
	for {
		if status == nil {
			status = new(activities.BatchStatus)
			if err := b.poll(ctx, noDeadline).Get(ctx, status); err != nil {
				return b.cancelled("%s", b.unavailableText(err))
			}
		}
		if err := b.record(ctx, *status); err != nil {
			return err
		}
		if pbsm.StatusCode(status.Code).Terminal() {
			break
		}
		status = nil
	}
	if b.stopped(*status).code() == pbsm.CodeSuccess {
		return b.succeeded()
	}
	b.logFailedRun(ctx)
	return b.cancelled("%s", b.failureText())
}

// findOutcome polls the run to find out whether a submission of unknown outcome was carried out. A restart
// continues under the same run id; a rerun gets another, which only the service's screens show.
func (b *batchRun) findOutcome(ctx workflow.Context) error {
	status, err := b.pollOnce(ctx, within(ctx, cancelTimeout))
	switch {
	case err != nil:
		return b.cancelled("it is not known whether %s was started again: check on the service's screen %s (%s)",
			b.result.RunID, runsScreen, reason(err))
	case pbsm.StatusCode(status.Code).Terminal():
		return b.cancelled("%s has ended, but it is not known whether it was started again under another run id: "+
			"check on the service's screen %s", b.result.RunID, runsScreen)
	}
	b.last = status
	b.reporter.stage(func(s *snapshot) { s.submitting = false })
	return nil
}

// cancelled is the end of a cancelled workflow, with what became of its run.
func (b *batchRun) cancelled(format string, args ...any) error {
	return &batchEnd{state: Cancelled, summary: b.reporter.cancellation() + "; " + fmt.Sprintf(format, args...)}
}

func (b *batchRun) unavailableText(cause error) string {
	return fmt.Sprintf("the service does not give the status of %s: %s", b.result.RunID, reason(cause))
}

// failureText says how the run ended, and at which tasks.
func (b *batchRun) failureText() string {
	return fmt.Sprintf("%s ended as %s%s", b.result.RunID, b.runCode().Text(), failedTasks(b.last))
}

// maxFailedTasks is how many failed tasks a log entry, and a result, lists.
const maxFailedTasks = 100

// listedTasks are the first of them, and a text that says how many more there are.
func listedTasks(tasks []Task) (listed []Task, notListed string) {
	if more := len(tasks) - maxFailedTasks; more > 0 {
		return tasks[:maxFailedTasks], fmt.Sprintf(" (%d more are not listed here)", more)
	}
	return tasks, ""
}

// logFailedRun logs how the run ended, with the codes of the tasks that failed.
func (b *batchRun) logFailedRun(ctx workflow.Context) {
	tasks, notListed := listedTasks(tasksFailedIn(b.last))
	b.reporter.log(ctx, LogEntry{Event: audit.RunFailed, What: b.failureText() + notListed, Tasks: tasks})
}

// tasksFailedIn are the tasks of a run that failed, also below a batch that succeeded; those of a group come after their
// batch's run id.
func tasksFailedIn(s activities.BatchStatus) []Task {
	failed := func(code string) bool { c := pbsm.StatusCode(code); return c.Terminal() && c != pbsm.CodeSuccess }
	tasks := slices.DeleteFunc(tasksOf(s), func(t Task) bool { return !failed(t.StatusCode) })
	for _, m := range s.Batches {
		if failed(m.Code) {
			tasks = append(tasks, Task{Code: m.RunID, StatusCode: m.Code, Status: m.Text})
		}
		for _, t := range tasksFailedIn(m) {
			t.Code = m.RunID + ": " + t.Code
			tasks = append(tasks, t)
		}
	}
	return tasks
}

func tasksOf(s activities.BatchStatus) []Task {
	var tasks []Task
	for _, t := range s.Tasks {
		tasks = append(tasks, Task{Code: t.Code, StatusCode: t.StatusCode, Status: t.Text})
	}
	return tasks
}

func membersOf(s activities.BatchStatus) []MemberRun {
	var members []MemberRun
	for _, m := range s.Batches {
		members = append(members, MemberRun{RunID: m.RunID, StatusCode: m.Code, Status: m.Text, Tasks: tasksOf(m)})
	}
	return members
}

// isHeld reports whether the service waits for a release of the run, a task or a member of it.
func isHeld(s activities.BatchStatus) bool {
	if pbsm.StatusCode(s.Code).Terminal() {
		return false
	}
	if pbsm.StatusCode(s.Code) == pbsm.CodeHeld {
		return true
	}
	for _, t := range s.Tasks {
		if pbsm.StatusCode(t.StatusCode) == pbsm.CodeHeld {
			return true
		}
	}
	for _, m := range s.Batches {
		if isHeld(m) {
			return true
		}
	}
	return false
}

func progressText(s activities.BatchStatus) string {
	return strings.ToLower(s.State()) + countText(s)
}

// countText says how much of a run is done. It is appended to the state.
func countText(s activities.BatchStatus) string {
	ended, all := s.Progress()
	switch {
	case all == 0:
		return ""
	case len(s.Batches) > 0:
		return fmt.Sprintf(", %d of %d batches done", ended, all)
	}
	return fmt.Sprintf(", %d of %d tasks done", ended, all)
}

// failedTasks names the tasks of a batch, or the batches of a group, that did not succeed.
func failedTasks(s activities.BatchStatus) string {
	var failed []string
	for _, t := range s.Tasks {
		if code := pbsm.StatusCode(t.StatusCode); code.Terminal() && code != pbsm.CodeSuccess {
			failed = append(failed, t.Code)
		}
	}
	for _, m := range s.Batches {
		if code := pbsm.StatusCode(m.Code); code.Terminal() && code != pbsm.CodeSuccess {
			failed = append(failed, m.RunID)
		}
	}
	if len(failed) == 0 {
		return ""
	}
	return " at " + strings.Join(failed, ", ")
}
