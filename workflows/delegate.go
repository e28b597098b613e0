package workflows

import (
	"go.temporal.io/sdk/workflow"
)

// startsAlone reports whether no workflow vouches for this one: it was started from outside, or in the place of one that
// was. A close vouches for its steps, and a schedule's workflow for its close.
func startsAlone(ctx workflow.Context, delegated bool) bool {
	return delegated || workflow.GetInfo(ctx).ParentWorkflowExecution == nil
}

// delegateTo reports the status of a workflow that runs another one, under the right id.
func delegateTo(ctx workflow.Context, connection, subject, id string) (ended func(error), err error) {
	return reportStub(ctx, Status{Connection: connection, Subject: subject, State: Running, Summary: "run by workflow " + id})
}

// reportStub reports the status of a workflow that has no status reporter, or none yet, so that there are
// no observers. The caller calls ended with the error of the workflow, or nil.
func reportStub(ctx workflow.Context, status Status) (ended func(error), err error) {
	info := workflow.GetInfo(ctx)
	status.Type, status.StartedAt, status.ChangedAt = info.WorkflowType.Name, info.WorkflowStartTime, workflow.Now(ctx)
	workflow.SetCurrentDetails(ctx, status.Markdown())
	ended = func(err error) {
		status.State, status.ChangedAt = Succeeded, workflow.Now(ctx)
		switch {
		case err != nil && ctx.Err() != nil:
			status.State = Cancelled
		case err != nil:
			status.State = Failed
			status.Summary += ": " + reason(err)
		}
		workflow.SetCurrentDetails(ctx, status.Markdown())
	}
	return ended, workflow.SetQueryHandler(ctx, StatusQuery, func() (Status, error) { return status, nil })
}
