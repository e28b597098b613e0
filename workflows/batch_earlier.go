package workflows

import (
	"cmp"
	"encoding/json"
	"fmt"
	"strings"
	"time"

	"go.temporal.io/sdk/workflow"

	"github.com/pbsmflow/pbsmflow/activities"
	"github.com/pbsmflow/pbsmflow/internal/clock"
	"github.com/pbsmflow/pbsmflow/internal/pbsm"
)

// earlierRun is the run of an earlier start of the batch.
type earlierRun struct {
	RunBatchResult // empty if it could not be read
	runID          string
	ended          bool // with success; otherwise it is still going
}

// failed reports whether the earlier start saw that its run had ended without success.
func (r earlierRun) failed() bool {
	code := pbsm.StatusCode(r.StatusCode)
	return code.Terminal() && code != pbsm.CodeSuccess
}

// continueEarlier adopts the run of an earlier start if it is still going, or has succeeded, and was based on the same
// as this one; the operator decides about any other. A run that failed is no reason not to trigger the batch.
func (b *batchRun) continueEarlier(ctx workflow.Context, found activities.EarlierSubmission) (*submission, error) {
	run := earlierRun{runID: found.RunID, ended: found.Completed()}
	if json.Unmarshal(found.Result, &run.RunBatchResult) != nil || run.RunID != run.runID {
		run.RunBatchResult, run.ended = RunBatchResult{}, false
	}
	if !run.ended {
		b.result.RunID = run.runID
		status, err := b.pollOnce(ctx, b.deadline)
		code := pbsm.StatusCode(status.Code)
		switch {
		case err != nil && refusalCode(err) != string(pbsm.CodeNoObject):
			return nil, b.statusUnavailable(ctx, err)
		case err != nil && found.Completed(): // it succeeded, although the service has forgotten it
			code = pbsm.CodeSuccess
		case err != nil && !run.failed():
			b.result.RunID = ""
			why := fmt.Sprintf("an earlier start of this batch was submitted as %s, and the service does not know that run any more, "+
				"so that nobody can tell how it ended", run.runID)
			return b.resolveOutcome(ctx, b.trigger(), failure(activities.OutcomeUnknown, why), b.between(found.StartedAt, found.EndedAt))
		case err != nil || code.Terminal() && code != pbsm.CodeSuccess:
			b.result.RunID = ""
			return b.trigger(), nil //nolint:nilerr // the service does not know the run, and it had failed
		}
		run.ended = code == pbsm.CodeSuccess
	}
	changes := b.basis.Changes(run.Basis, run.TriggeredAt)
	if found.NamedInVain != "" {
		changes = append(changes, fmt.Sprintf("an operator has named %s since, which did not succeed", found.NamedInVain))
	}
	switch {
	case run.ended && b.in.Again != "" && run.TriggeredAt.IsZero():
		changes = append(changes, "when it was triggered is not known, so it may be the one that was to run again")
	case run.ended && b.in.Again != "" && run.TriggeredAt.Before(b.againSince(ctx)):
		b.result.RunID = ""
		return b.trigger(), nil
	}
	if len(changes) > 0 {
		return b.askAboutStale(ctx, run, changes)
	}
	return nil, b.keep(ctx, run)
}

// againSince is when it was said that the batch is to run again. That holds for the runs from before: the one that it
// has led to is not repeated when the batch is retried.
func (b *batchRun) againSince(ctx workflow.Context) time.Time {
	if b.in.AgainSince.IsZero() {
		return workflow.GetInfo(ctx).WorkflowStartTime
	}
	return b.in.AgainSince
}

// askAboutStale asks the operator about a run that was based on something else: it must not stand for this batch in
// silence, nor may the batch be submitted twice.
func (b *batchRun) askAboutStale(ctx workflow.Context, run earlierRun, changes []string) (*submission, error) {
	why := fmt.Sprintf("an earlier start of this batch is still running as %s", run.runID)
	choices := []string{DecideCommand + " " + Keep, DecideCommand + " " + GiveUp}
	if run.ended {
		why = fmt.Sprintf("an earlier start of this batch succeeded as %s", run.runID)
		choices = append([]string{DecideCommand + " " + Again}, choices...)
	}
	why += ", but it was based on something else: " + strings.Join(changes, "; ")
	b.result.RunID = "" // until the operator says so, this start has no run
	c, err := b.ask(ctx, why, choices...)
	if err != nil {
		return nil, err
	}
	switch c.Choice {
	case Again:
		b.answered(ctx, c, "the batch is submitted again")
		return b.trigger(), nil
	case Keep:
		b.answered(ctx, c, run.runID+" is kept")
		return nil, b.keep(ctx, run)
	}
	return nil, b.giveUp(ctx, c, why)
}

// keep makes the result of an earlier start that of the batch, or adopts its run where there is no result.
func (b *batchRun) keep(ctx workflow.Context, run earlierRun) error {
	if run.RunID == "" || !run.ended || run.State != Succeeded {
		b.result.TriggeredAt = run.TriggeredAt
		return b.adopt(ctx, run.runID, "adopted from an earlier start")
	}
	own := b.result
	b.result = run.RunBatchResult
	b.result.WorkflowID, b.result.Basis, b.result.KeptFrom = own.WorkflowID, own.Basis, cmp.Or(run.KeptFrom, run.EndedAt)
	b.reporter.stage(func(s *snapshot) {
		s.RunID, s.StatusCode, s.Tasks, s.Batches = run.runID, run.StatusCode, run.Tasks, run.Batches
	})
	return &batchEnd{state: Succeeded, summary: fmt.Sprintf("kept from %s: %s", clock.In(b.in.TimeZone).Text(b.result.KeptFrom), run.runID) +
		b.result.Exception()}
}
