package console

import (
	"context"
	"time"

	commonpb "go.temporal.io/api/common/v1"
	"go.temporal.io/api/workflowservice/v1"

	"github.com/pbsmflow/pbsmflow/internal/temporalclient"
	"github.com/pbsmflow/pbsmflow/starter/internal/client"
	"github.com/pbsmflow/pbsmflow/workflows"
)

// follow keeps the entry of a workflow current until it ends.
func (b *board) follow(ctx context.Context, e entry) {
	defer func() {
		b.mu.Lock()
		delete(b.following, e.RunID)
		b.mu.Unlock()
	}()
	if !e.Ended.IsZero() {
		e.Status, e.Unknown = b.statusOfEnded(ctx, e.ID, e.RunID)
		b.put(e)
		return
	}
	news := b.historyGrows(ctx, e)
	for {
		status, err := b.status(ctx, e.ID, e.RunID)
		if err == nil {
			e.Status, e.Unknown = status, ""
		} else if ctx.Err() == nil {
			e.Unknown = unknownBecause(err)
		}
		b.put(e)
		if !b.await(ctx, news, err != nil) {
			break
		}
	}
	if ctx.Err() != nil {
		return
	}
	if status, err := b.status(ctx, e.ID, e.RunID); err == nil && status.State.Done() {
		e.Status = status
	}
	b.put(e) // the list says when it ended
}

// await waits for news of a workflow, and reports whether it is still running. Where its status is unknown it waits
// for a moment only.
func (b *board) await(ctx context.Context, news <-chan struct{}, unknown bool) bool {
	var again <-chan time.Time
	if unknown {
		again = time.After(listEvery)
	}
	select {
	case _, open := <-news:
		return open
	case <-again:
		return ctx.Err() == nil
	}
}

// settle is how long a burst of events may last before the status is queried.
const settle = 200 * time.Millisecond

// historyGrows has a value whenever the history of a workflow has grown, and is closed when the workflow has ended.
func (b *board) historyGrows(ctx context.Context, e entry) <-chan struct{} {
	news := make(chan struct{}, 1)
	go func() {
		defer close(news)
		request := &workflowservice.GetWorkflowExecutionHistoryRequest{
			Namespace:       b.session.Namespace,
			Execution:       &commonpb.WorkflowExecution{WorkflowId: e.ID, RunId: e.RunID},
			WaitNewEvent:    true,
			MaximumPageSize: 250, // the server warns of more
		}
		for ctx.Err() == nil {
			page, err := b.session.Temporal.WorkflowService().GetWorkflowExecutionHistory(ctx, request)
			switch {
			case client.NotFound(err):
				return
			case err != nil:
				pause(ctx, listEvery)
				continue
			}
			request.NextPageToken = page.GetNextPageToken()
			if len(page.GetHistory().GetEvents())+len(page.GetRawHistory()) > 0 {
				pause(ctx, settle)
				select {
				case news <- struct{}{}:
				default:
				}
			}
			if len(request.NextPageToken) == 0 {
				return // it has ended
			}
		}
	}()
	return news
}

func pause(ctx context.Context, d time.Duration) {
	select {
	case <-ctx.Done():
	case <-time.After(d):
	}
}

func (b *board) status(ctx context.Context, id, runID string) (status workflows.Status, err error) {
	select {
	case b.slots <- struct{}{}:
		defer func() { <-b.slots }()
	case <-ctx.Done():
		return status, ctx.Err()
	}
	b.count(&b.queries)
	ctx, cancel := context.WithTimeout(ctx, temporalclient.AnswerTimeout)
	defer cancel()
	answer, err := b.session.Temporal.QueryWorkflow(ctx, id, runID, workflows.StatusQuery)
	if err == nil {
		err = answer.Get(&status)
	}
	return status, err
}

// unknownBecause says why the status of a workflow is not known, or not the newest.
func unknownBecause(err error) string {
	if client.NoWorkerAnswered(err) {
		return "No worker answers, so this is not the newest. It continues as soon as one does; what was started at the " +
			"service runs meanwhile."
	}
	return "Its status is not known: " + temporalclient.Reason(err)
}

// statusOfEnded is the status of a workflow that has ended, which is queried once.
func (b *board) statusOfEnded(ctx context.Context, id, runID string) (workflows.Status, string) {
	b.mu.Lock()
	status, known := b.ended[runID]
	b.mu.Unlock()
	if known {
		return status, ""
	}
	status, err := b.status(ctx, id, runID)
	if err != nil {
		return workflows.Status{}, unknownBecause(err)
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	b.ended[runID] = status
	b.endedRuns = append(b.endedRuns, runID)
	if len(b.endedRuns) > keepEnded {
		delete(b.ended, b.endedRuns[0])
		b.endedRuns = b.endedRuns[1:]
	}
	return status, ""
}
