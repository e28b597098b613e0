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
	// nightsLast is how long a list of ended closes is good for. One in which a status is unknown is good for
	// nightsAgain, and for twice as long each time, up to nightsDoubt: no worker may answer for a moment, or never again
	// for what another version has run. So is one without a close.
	nightsLast  = 5 * time.Minute
	nightsAgain = 5 * time.Second
	nightsDoubt = time.Minute
	// nightsTimeout is for finding them, whether or not the viewer waits.
	nightsTimeout = 30 * time.Second
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
	find  func(ctx context.Context, connection, pipeline string) ([]night, error)

	mu    sync.Mutex
	known map[string]*earlier // by the prefix of the ids
}

type earlier struct {
	mu     sync.Mutex
	nights []night
	usual  usual
	at     time.Time
	lasts  time.Duration
}

func (e *earlier) old() bool { return time.Since(e.at) >= e.lasts }

// keep keeps what was found, for as long as it is good.
func (e *earlier) keep(found []night) {
	unknown := slices.ContainsFunc(found, func(n night) bool { return n.Unknown != "" })
	switch {
	case len(found) == 0:
		e.lasts = nightsDoubt
	case !unknown:
		e.lasts = nightsLast
	case e.lasts < nightsAgain || e.lasts > nightsDoubt: // the first time
		e.lasts = nightsAgain
	default:
		e.lasts = min(2*e.lasts, nightsDoubt)
	}
	e.nights, e.usual, e.at = found, usualDurations(found), time.Now()
}

func newNights(b *board) *nights {
	return &nights{board: b, find: b.findNights, known: map[string]*earlier{}}
}

// prefixOf is how the ids of the closes of a pipeline begin.
func prefixOf(connection, pipeline string) string {
	return workflows.CloseWorkflowID(connection, pipeline, "")
}

// of are the closes of a pipeline. Making room for one drops the names that somebody has made up.
func (n *nights) of(connection, pipeline string) *earlier {
	n.mu.Lock()
	defer n.mu.Unlock()
	prefix := prefixOf(connection, pipeline)
	if n.known[prefix] == nil {
		for other, e := range n.known {
			if e.mu.TryLock() {
				if len(e.nights) == 0 && e.old() {
					delete(n.known, other)
				}
				e.mu.Unlock()
			}
		}
		n.known[prefix] = &earlier{lasts: nightsLast}
	}
	return n.known[prefix]
}

// list are the newest closes of a pipeline that have ended, the newest first.
func (n *nights) list(ctx context.Context, connection, pipeline string) ([]night, usual, error) {
	e := n.of(connection, pipeline)
	e.mu.Lock()
	defer e.mu.Unlock()
	if !e.old() {
		return e.nights, e.usual, nil
	}
	// What is found is for everybody, also if this viewer goes away.
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), nightsTimeout)
	defer cancel()
	found, err := n.find(ctx, connection, pipeline)
	if err == nil {
		e.keep(found)
	}
	return e.nights, e.usual, err
}

// usual are the usual durations of a pipeline's steps as far as they are known now. What is not known is looked up, so
// that a later page has it.
func (n *nights) usual(ctx context.Context, connection, pipeline string) usual {
	e := n.of(connection, pipeline)
	if !e.mu.TryLock() {
		return usual{}
	}
	known, old := e.usual, e.old()
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

// findNights finds the newest closes of a pipeline that have ended. Those whose status is not known say why.
func (b *board) findNights(ctx context.Context, connection, pipeline string) ([]night, error) {
	request := &workflowservice.ListWorkflowExecutionsRequest{
		PageSize: nightsShown,
		Query: fmt.Sprintf("WorkflowType = '%s' AND WorkflowId STARTS_WITH '%s' AND ExecutionStatus != 'Running'",
			workflows.NightlyCloseType, strings.ReplaceAll(prefixOf(connection, pipeline), "'", "")),
	}
	call, cancel := context.WithTimeout(ctx, temporalclient.AnswerTimeout)
	defer cancel()
	page, err := b.session.Temporal.ListWorkflow(call, request)
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
			e.Status, e.Unknown = b.statusOfEnded(ctx, e.ID, e.RunID)
			found[i] = night{entry: e, Started: info.GetStartTime().AsTime()}
			if summary, ok := info.GetMemo().GetFields()[workflows.SummaryMemo]; ok {
				_ = b.session.Payloads.FromPayload(summary, &found[i].Summary) // what cannot be opened here says nothing
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
