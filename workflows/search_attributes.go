package workflows

import (
	"go.temporal.io/sdk/temporal"
	"go.temporal.io/sdk/workflow"
)

// Search attributes of the workflows, all of type Keyword. The namespace must have them before a
// worker starts.
var (
	connectionAttribute = temporal.NewSearchAttributeKeyKeyword("PbsmConnection")
	batchAttribute      = temporal.NewSearchAttributeKeyKeyword("PbsmBatch")
	runIDAttribute      = temporal.NewSearchAttributeKeyKeyword("PbsmRunId")
	asOfDateAttribute   = temporal.NewSearchAttributeKeyKeyword("PbsmAsOfDate")
	stateAttribute      = temporal.NewSearchAttributeKeyKeyword("PbsmState")
)

// unknownOutcome ends the run id's search attribute from before a submission until its answer. A
// later start of the same batch reads it, however the earlier one ended.
const unknownOutcome = "?"

// SummaryMemo is the memo field that says in one line how a close ended.
const SummaryMemo = "summary"

// SearchAttributes names the search attributes that a namespace needs, all of type Keyword.
func SearchAttributes() []string {
	return []string{
		connectionAttribute.GetName(), batchAttribute.GetName(), runIDAttribute.GetName(),
		asOfDateAttribute.GetName(), stateAttribute.GetName(),
	}
}

// searchAttributes is the observer that makes a workflow findable: by what it is about, its state
// and its run id; and the memo that says how a close ended.
type searchAttributes struct {
	pending []temporal.SearchAttributeUpdate // to be sent with the next change
}

func newSearchAttributes(initial Status) *searchAttributes {
	o := &searchAttributes{pending: []temporal.SearchAttributeUpdate{connectionAttribute.ValueSet(initial.Connection)}}
	if initial.AsOfDate != "" {
		o.pending = append(o.pending, asOfDateAttribute.ValueSet(initial.AsOfDate))
	}
	if initial.Type == RunBatchType {
		o.pending = append(o.pending, batchAttribute.ValueSet(initial.Subject))
	}
	return o
}

func (o *searchAttributes) changed(ctx workflow.Context, before, after snapshot) error {
	updates := o.pending
	o.pending = nil
	if after.State != before.State {
		updates = append(updates, stateAttribute.ValueSet(string(after.State)))
	}
	if runID := searchableRunID(after); runID != searchableRunID(before) {
		updates = append(updates, runIDAttribute.ValueSet(runID))
	}
	isClose := after.Type == NightlyCloseType || after.Type == ScheduledCloseType
	if isClose && after.State.Done() && after.State != before.State {
		if err := workflow.UpsertMemo(ctx, map[string]any{SummaryMemo: after.Summary}); err != nil {
			return err
		}
	}
	if len(updates) == 0 {
		return nil
	}
	return workflow.UpsertTypedSearchAttributes(ctx, updates...)
}

func searchableRunID(s snapshot) string {
	if s.submitting {
		return s.RunID + unknownOutcome
	}
	return s.RunID
}
