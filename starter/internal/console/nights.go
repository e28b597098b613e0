package console

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"sync"
	"time"

	enumspb "go.temporal.io/api/enums/v1"
	"go.temporal.io/api/workflowservice/v1"
	"golang.org/x/sync/errgroup"

	"github.com/pbsmflow/pbsmflow/internal/temporalclient"
	"github.com/pbsmflow/pbsmflow/starter/internal/follow"
	"github.com/pbsmflow/pbsmflow/workflows"
)

const (
	// nightsShown is how many closes of a pipeline the page of its nights has.
	nightsShown = 60
	// nightsLast is how long a list of ended closes is good for.
	nightsLast = 5 * time.Minute
	// usualOf is of how many nights the usual durations are.
	usualOf = 15
)

// night is a close that has ended.
type night struct {
	entry
	Started time.Time
	// Summary says how it ended, where its status is unknown.
	Summary string
}

// nights are the earlier closes of pipelines.
type nights struct {
	board *board

	mu    sync.Mutex
	known map[string]*earlier // by the prefix of the ids
}

type earlier struct {
	mu     sync.Mutex
	nights []night
	at     time.Time
	usual  usual
}

func newNights(b *board) *nights { return &nights{board: b, known: map[string]*earlier{}} }

// prefixOf is how the ids of the closes of a pipeline begin.
func prefixOf(connection, pipeline string) string {
	return workflows.CloseWorkflowID(connection, pipeline, "")
}

func (n *nights) of(connection, pipeline string) *earlier {
	n.mu.Lock()
	defer n.mu.Unlock()
	prefix := prefixOf(connection, pipeline)
	if n.known[prefix] == nil {
		n.known[prefix] = &earlier{}
	}
	return n.known[prefix]
}

// list are the newest closes of a pipeline that have ended, the newest first.
func (n *nights) list(ctx context.Context, connection, pipeline string) ([]night, usual, error) {
	e := n.of(connection, pipeline)
	e.mu.Lock()
	defer e.mu.Unlock()
	if time.Since(e.at) < nightsLast {
		return e.nights, e.usual, nil
	}
	found, err := n.find(ctx, connection, pipeline)
	if err != nil {
		return e.nights, e.usual, err
	}
	e.nights, e.at, e.usual = found, time.Now(), usualDurations(found)
	return e.nights, e.usual, nil
}

// usual are the usual durations of a pipeline's steps as far as they are known now. What is not known is looked up, so
// that a later page has it.
func (n *nights) usual(ctx context.Context, connection, pipeline string) usual {
	e := n.of(connection, pipeline)
	if !e.mu.TryLock() {
		return usual{}
	}
	known, old := e.usual, time.Since(e.at) >= nightsLast
	e.mu.Unlock()
	if old {
		go func() {
			if _, _, err := n.list(ctx, connection, pipeline); err == nil {
				n.board.update(func() {})
			}
		}()
	}
	return known
}

func (n *nights) find(ctx context.Context, connection, pipeline string) ([]night, error) {
	request := &workflowservice.ListWorkflowExecutionsRequest{
		PageSize: nightsShown,
		Query: fmt.Sprintf("WorkflowType = '%s' AND WorkflowId STARTS_WITH '%s' AND ExecutionStatus != 'Running'",
			workflows.NightlyCloseType, strings.ReplaceAll(prefixOf(connection, pipeline), "'", "")),
	}
	call, cancel := context.WithTimeout(ctx, temporalclient.AnswerTimeout)
	defer cancel()
	page, err := n.board.session.Temporal.ListWorkflow(call, request)
	if err != nil {
		return nil, fmt.Errorf("list the closes of %s: %w", pipeline, err)
	}
	found := make([]night, len(page.GetExecutions()))
	var group errgroup.Group
	group.SetLimit(follow.MaxAtOnce)
	for i, info := range page.GetExecutions() {
		group.Go(func() error {
			e := entry{ID: info.GetExecution().GetWorkflowId(), RunID: info.GetExecution().GetRunId(),
				Type: workflows.NightlyCloseType}
			e.Ended = info.GetCloseTime().AsTime()
			e.Status, e.Unknown = n.board.statusOfEnded(ctx, e.ID, e.RunID)
			found[i] = night{entry: e, Started: info.GetStartTime().AsTime()}
			if summary, ok := info.GetMemo().GetFields()[workflows.SummaryMemo]; ok {
				_ = n.board.session.Payloads.FromPayload(summary, &found[i].Summary) // what cannot be opened here says nothing
			}
			if e.Status.Type == "" {
				found[i].Status.State = endState(info.GetStatus())
			}
			return nil
		})
	}
	_ = group.Wait()
	return found, nil
}

// endState is the state of a close of which only Temporal's status is known.
func endState(status enumspb.WorkflowExecutionStatus) workflows.State {
	switch status {
	case enumspb.WORKFLOW_EXECUTION_STATUS_COMPLETED:
		return workflows.Succeeded
	case enumspb.WORKFLOW_EXECUTION_STATUS_CANCELED, enumspb.WORKFLOW_EXECUTION_STATUS_TERMINATED:
		return workflows.Cancelled
	}
	return workflows.Failed
}

// usual are the medians of the durations of a close, and of its steps by id.
type usual struct {
	whole time.Duration
	steps map[string]time.Duration
}

func usualDurations(nights []night) usual {
	var whole []time.Duration
	steps := map[string][]time.Duration{}
	for _, n := range nights {
		if !n.Status.State.Success() || len(whole) == usualOf {
			continue
		}
		whole = append(whole, n.Status.ChangedAt.Sub(n.Status.StartedAt))
		for _, s := range n.Status.Steps {
			if s.State == workflows.Succeeded && s.KeptFrom.IsZero() {
				steps[s.ID] = append(steps[s.ID], s.EndedAt.Sub(s.StartedAt))
			}
		}
	}
	u := usual{whole: median(whole), steps: map[string]time.Duration{}}
	for id, durations := range steps {
		u.steps[id] = median(durations)
	}
	return u
}

func median(durations []time.Duration) time.Duration {
	if len(durations) == 0 {
		return 0
	}
	slices.Sort(durations)
	return durations[len(durations)/2]
}

// span is when a step ran, or will run if it takes as long as usual. Its end is zero where nothing is known.
type span struct{ from, to time.Time }

// forecast says when each step that has not ended will run: after what it needs, for as long as usual. One that waits
// for an operator is taken to be answered now. The end of the close is that of its last step; it is zero unless the
// usual duration of every step that has not ended is known.
func forecast(s workflows.Status, u usual, now time.Time) (steps map[string]span, end time.Time) {
	steps = map[string]span{}
	known := true
	for _, step := range s.Steps { // a step comes after what it needs
		if step.State.Done() {
			steps[step.ID] = span{step.StartedAt, step.EndedAt}
			continue
		}
		from := now
		for _, id := range step.Needs {
			if to := steps[id].to; to.After(from) {
				from = to
			}
		}
		takes, ok := u.steps[step.ID]
		known = known && ok
		begun := from
		if !step.StartedAt.IsZero() {
			begun = step.StartedAt
		}
		to := begun.Add(takes)
		if to.Before(now) {
			to = now
		}
		steps[step.ID] = span{begun, to}
		if to.After(end) {
			end = to
		}
	}
	if !known || s.State.Done() {
		end = time.Time{}
	}
	return steps, end
}
