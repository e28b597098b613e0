package workflows

import (
	"fmt"
	"time"

	"go.temporal.io/sdk/temporal"
	"go.temporal.io/sdk/workflow"

	"github.com/pbsmflow/pbsmflow/internal/audit"
	"github.com/pbsmflow/pbsmflow/internal/pbsm"
	"github.com/pbsmflow/pbsmflow/internal/pipeline"
)

// batchKind runs RunBatch for a batch or a batch group.
type batchKind struct {
	definition func(pipeline.Step) RunBatchInput
}

func batchInput(s pipeline.Step) RunBatchInput {
	b := s.Batch
	return RunBatchInput{
		Code:          b.Code,
		Key:           b.Key,
		Params:        b.Params,
		Restarts:      b.Restarts,
		RestartDelay:  durationText(b.RestartDelay),
		IncludedTasks: b.IncludedTasks,
		ExcludedTasks: b.ExcludedTasks,
		HeldTasks:     b.HeldTasks,
		TaskParams:    b.TaskParams,
		ServiceID:     b.ServiceID,
	}
}

func groupInput(s pipeline.Step) RunBatchInput {
	g := s.Group
	in := RunBatchInput{
		Group:        true,
		Code:         g.Code,
		Key:          g.Key,
		Restarts:     g.Restarts,
		RestartDelay: durationText(g.RestartDelay),
		ServiceID:    g.ServiceID,
	}
	for _, member := range g.Batches {
		in.Batches = append(in.Batches, GroupBatch(member))
	}
	return in
}

func (k batchKind) input(s activeStep) RunBatchInput {
	in, c := k.definition(s.planned().Step), s.closeInput()
	in.Connection, in.AsOfDate, in.StartedBy, in.Deadline = c.Connection, c.AsOfDate, c.StartedBy, s.ends()
	in.TimeZone = s.timeZone()
	in.Needs, in.RunID = s.resultsNeeded(), s.outsideRun()
	in.Again, in.AgainSince = s.runsAgain()
	in.EndOnFailure = endsOnFailure(s.planned().Step)
	return in
}

func (k batchKind) summary(s pipeline.Step) string { return k.definition(s).Code }

func (k batchKind) workflowID(_ workflow.Context, s activeStep) string {
	return k.input(s).WorkflowID()
}

func (k batchKind) run(ctx workflow.Context, s activeStep, result *StepResult) error {
	in := k.input(s)
	var batch RunBatchResult
	err := s.runChild(ctx, stepChild{
		workflow:      RunBatch,
		input:         in,
		result:        &batch,
		summary:       fmt.Sprintf("%s for %s", in.Code, in.AsOfDate),
		takesCommands: true,
		joinable:      in.joinable,
	})
	detailsOf(err, &batch)
	result.Batch = &batch
	if log := batch.Log; temporal.IsCanceledError(err) && len(log) > 0 {
		return &stepError{error: err, why: log[len(log)-1].What} // only the log says what became of the run
	}
	return err
}

func (k batchKind) work(s activeStep) any { return k.input(s).triggerInput() }

// identity is the run, which is another one once it was restarted or rerun.
func (batchKind) identity(_ activeStep, r StepResult) string {
	text := "run " + r.Batch.RunID
	if n := r.Batch.Restarts; n > 0 {
		text += fmt.Sprintf(", restarted %d times", n)
	}
	if n := r.Batch.Reruns; n > 0 {
		text += fmt.Sprintf(", rerun %d times", n)
	}
	return text
}

func (batchKind) outcome(r StepResult) string { return r.Batch.RunID + r.Batch.Exception() }

// Exception says which tasks the service lists as failed although the run has succeeded, for the end of a sentence.
// It is empty where there is none.
func (r *RunBatchResult) Exception() string {
	if r == nil || len(r.FailedTasks) == 0 {
		return ""
	}
	var tasks []string
	for _, t := range r.FailedTasks {
		tasks = append(tasks, t.Code+" as "+pbsm.StatusCode(t.StatusCode).Text())
	}
	return ", but the service lists " + listed(tasks)
}

func (batchKind) events(r StepResult) []audit.Event {
	b := r.Batch
	if b == nil || b.State == "" {
		return nil
	}
	var events []audit.Event
	for _, entry := range b.Log {
		events = append(events, auditedEntry(entry))
	}
	return append(events, audit.Event{
		Event:      audit.RunEnded,
		What:       b.Code,
		Outcome:    string(b.State),
		RunIDs:     b.allRunIDs(),
		StatusCode: b.StatusCode,
		Status:     b.Status,
		Tasks:      auditedTasks(b.FailedTasks),
	})
}

// allRunIDs are the run ids of the batch itself, then those of a group's members.
func (r *RunBatchResult) allRunIDs() []string {
	ids := r.RunIDs[:len(r.RunIDs):len(r.RunIDs)]
	for _, member := range r.Batches {
		ids = append(ids, member.RunID)
	}
	return ids
}

func durationText(d pipeline.Duration) string {
	if d == 0 {
		return ""
	}
	return time.Duration(d).String()
}
