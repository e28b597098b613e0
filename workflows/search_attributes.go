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

// outcomeUnknownSuffix is appended to the search attribute of the run id while the outcome of a submission is
// unknown. A later start of the same batch reads it, however the earlier one ended.
const outcomeUnknownSuffix = "?"

// Memo fields of a close that has ended.
const (
	// SummaryMemo says in one line how it ended.
	SummaryMemo = "summary"
	// AuditMemo is its AuditResult: a copy of the seal that who can write the audit file cannot change.
	AuditMemo = "audit"
)

// SearchAttributes names the search attributes that a namespace needs, all of type Keyword.
func SearchAttributes() []string {
	var names []string
	for _, a := range attributesOf(snapshot{}) {
		names = append(names, a.key.GetName())
	}
	return names
}

type searchAttribute struct {
	key   temporal.SearchAttributeKeyKeyword
	value string
}

// attributesOf are the search attributes of a workflow: what it is about, its state and its run id.
func attributesOf(s snapshot) []searchAttribute {
	batch, runID := "", s.RunID
	if s.Type == RunBatchType {
		batch = s.Subject
	}
	if s.submitting {
		runID += outcomeUnknownSuffix
	}
	return []searchAttribute{
		{connectionAttribute, s.Connection},
		{batchAttribute, batch},
		{runIDAttribute, runID},
		{asOfDateAttribute, s.AsOfDate},
		{stateAttribute, string(s.State)},
	}
}

// startAttributes are the search attributes with which a workflow is started, by a client or as a step, which
// saves an event. A workflow that is started without them sets them with its first change.
func startAttributes(in any) temporal.SearchAttributes {
	var updates []temporal.SearchAttributeUpdate
	if known, ok := in.(interface{ initialStatus() Status }); ok {
		for _, a := range attributesOf(snapshot{Status: known.initialStatus()}) {
			if a.value != "" {
				updates = append(updates, a.key.ValueSet(a.value))
			}
		}
	}
	return temporal.NewSearchAttributes(updates...)
}

// searchAttributes is the observer that makes a workflow findable, and leaves the memo that says how a
// close ended, and with which seal.
type searchAttributes struct {
	known map[string]string
}

func newSearchAttributes(ctx workflow.Context) *searchAttributes {
	o := &searchAttributes{known: map[string]string{}}
	started := workflow.GetTypedSearchAttributes(ctx)
	for _, a := range attributesOf(snapshot{}) {
		o.known[a.key.GetName()], _ = started.GetKeyword(a.key)
	}
	return o
}

func (o *searchAttributes) changed(ctx workflow.Context, before, after snapshot) error {
	if err := leaveMemo(ctx, before, after); err != nil {
		return err
	}
	var updates []temporal.SearchAttributeUpdate
	for _, a := range attributesOf(after) {
		if name := a.key.GetName(); o.known[name] != a.value {
			o.known[name] = a.value
			updates = append(updates, a.key.ValueSet(a.value))
		}
	}
	if len(updates) == 0 {
		return nil
	}
	return workflow.UpsertTypedSearchAttributes(ctx, updates...)
}

// leaveMemo waits for the audit file: each change of the memo is an event, and is written to Temporal's visibility.
func leaveMemo(ctx workflow.Context, before, after snapshot) error {
	memo := map[string]any{}
	isClose := after.Type == NightlyCloseType || after.Type == ScheduledCloseType
	if isClose && after.ended() && !before.ended() {
		memo[SummaryMemo] = after.Summary
	}
	if after.Audit != nil && before.Audit == nil {
		memo[AuditMemo] = after.Audit
	}
	if len(memo) == 0 {
		return nil
	}
	return workflow.UpsertMemo(ctx, memo)
}
