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

	"github.com/pbsmflow/pbsmflow/internal/pipeline"
	"github.com/pbsmflow/pbsmflow/internal/temporalclient"
	"github.com/pbsmflow/pbsmflow/starter/internal/follow"
	"github.com/pbsmflow/pbsmflow/workflows"
)

const (
	// closesShown is how many closes of a pipeline the page of its nights has.
	closesShown = 60
	// listTTL is how long a list of ended closes is good for, and emptyTTL one without a close.
	listTTL  = 5 * time.Minute
	emptyTTL = time.Minute
	// A list in which a status is unknown is good for leastUnknownTTL, and for twice as long each time, up to
	// mostUnknownTTL: no worker may answer for a moment, or never again for what another version has run.
	leastUnknownTTL = 5 * time.Second
	mostUnknownTTL  = time.Minute
	// findTimeout is for finding them, whether or not the viewer waits.
	findTimeout = 30 * time.Second
	// usualSample is of how many closes the usual durations are, and leastSample of how many at least: one says nothing.
	usualSample = 15
	leastSample = 3
)

// endedClose is a close that has ended.
type endedClose struct {
	entry
	Started time.Time
	// Summary says how it ended, where its status is unknown.
	Summary string
}

// endedCloses are the closes of pipelines that have ended, read once for all viewers.
type endedCloses struct {
	board *board
	find  func(ctx context.Context, connection, pipeline string) ([]endedClose, error)

	mu    sync.Mutex
	known map[string]*cachedCloses // by the prefix of the ids
}

// cachedCloses are those of one pipeline.
type cachedCloses struct {
	mu     sync.Mutex
	closes []endedClose
	usual  durations
	at     time.Time
	ttl    time.Duration
	// unknownTTL is that of a list in which a status is unknown; zero after one in which none is.
	unknownTTL time.Duration
}

func (c *cachedCloses) old() bool { return time.Since(c.at) >= c.ttl }

// keep keeps what was found, for as long as it is good.
func (c *cachedCloses) keep(found []endedClose) {
	unknown := slices.ContainsFunc(found, func(n endedClose) bool { return n.Unknown != "" })
	switch {
	case unknown:
		c.unknownTTL = min(max(2*c.unknownTTL, leastUnknownTTL), mostUnknownTTL)
		c.ttl = c.unknownTTL
	case len(found) == 0:
		c.ttl, c.unknownTTL = emptyTTL, 0
	default:
		c.ttl, c.unknownTTL = listTTL, 0
	}
	c.closes, c.usual, c.at = found, usualDurations(found), time.Now()
}

func newEndedCloses(b *board) *endedCloses {
	return &endedCloses{board: b, find: b.findEnded, known: map[string]*cachedCloses{}}
}

// prefixOf is how the ids of the closes of a pipeline begin.
func prefixOf(connection, pipeline string) string {
	return workflows.CloseWorkflowID(connection, pipeline, "")
}

// cached are the closes of a pipeline, as far as they were read. A new pipeline first drops those that had no close when
// they were last read: anyone can make up names in the address of the page.
func (n *endedCloses) cached(connection, pipeline string) *cachedCloses {
	n.mu.Lock()
	defer n.mu.Unlock()
	prefix := prefixOf(connection, pipeline)
	if n.known[prefix] == nil {
		for other, e := range n.known {
			if e.mu.TryLock() {
				if len(e.closes) == 0 && e.old() {
					delete(n.known, other)
				}
				e.mu.Unlock()
			}
		}
		n.known[prefix] = &cachedCloses{}
	}
	return n.known[prefix]
}

// list are the newest closes of a pipeline that have ended, the newest first.
func (n *endedCloses) list(ctx context.Context, connection, pipeline string) ([]endedClose, durations, error) {
	c := n.cached(connection, pipeline)
	c.mu.Lock()
	defer c.mu.Unlock()
	if !c.old() {
		return c.closes, c.usual, nil
	}
	// What is found is for everybody, also if this viewer goes away.
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), findTimeout)
	defer cancel()
	found, err := n.find(ctx, connection, pipeline)
	if err == nil {
		c.keep(found)
	}
	return c.closes, c.usual, err
}

// usual are the usual durations of a pipeline's steps as far as they are known now. What is not known is looked up, so
// that a later page has it.
func (n *endedCloses) usual(ctx context.Context, connection, pipeline string) durations {
	c := n.cached(connection, pipeline)
	if !c.mu.TryLock() {
		return durations{}
	}
	known, old := c.usual, c.old()
	c.mu.Unlock()
	if old {
		go func() {
			if _, _, err := n.list(ctx, connection, pipeline); err == nil {
				n.board.update(func() {})
			}
		}()
	}
	return known
}

// findEnded finds the newest closes of a pipeline that have ended. Those whose status is not known say why.
func (b *board) findEnded(ctx context.Context, connection, pipeline string) ([]endedClose, error) {
	request := &workflowservice.ListWorkflowExecutionsRequest{
		PageSize: closesShown,
		Query: fmt.Sprintf("WorkflowType = '%s' AND WorkflowId STARTS_WITH '%s' AND ExecutionStatus != 'Running'",
			workflows.NightlyCloseType, strings.ReplaceAll(prefixOf(connection, pipeline), "'", "")),
	}
	call, cancel := context.WithTimeout(ctx, temporalclient.AnswerTimeout)
	defer cancel()
	page, err := b.session.Temporal.ListWorkflow(call, request)
	if err != nil {
		return nil, fmt.Errorf("list the closes of %s: %w", pipeline, err)
	}
	found := make([]endedClose, len(page.GetExecutions()))
	var group errgroup.Group
	group.SetLimit(follow.MaxAtOnce)
	for i, info := range page.GetExecutions() {
		group.Go(func() error {
			e := entry{ID: info.GetExecution().GetWorkflowId(), RunID: info.GetExecution().GetRunId(),
				Type: workflows.NightlyCloseType}
			e.Ended = info.GetCloseTime().AsTime()
			e.Status, e.Unknown = b.statusOfEnded(ctx, e.ID, e.RunID)
			found[i] = endedClose{entry: e, Started: info.GetStartTime().AsTime()}
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

// durations are the usual ones, medians, of a close, and of its steps by id, without the time in which an operator was
// awaited. Of an approval that is what it takes.
type durations struct {
	whole time.Duration
	steps map[string]time.Duration
}

func usualDurations(closes []endedClose) durations {
	var whole []time.Duration
	steps := map[string][]time.Duration{}
	for _, n := range closes {
		if !n.Status.State.Success() || len(whole) == usualSample {
			continue
		}
		var waited time.Duration
		for _, s := range n.Status.Steps {
			waits := waitsOf(s, n.Status.Log)
			waited += waits
			if s.State == workflows.Succeeded && s.KeptFrom.IsZero() {
				steps[s.ID] = append(steps[s.ID], s.EndedAt.Sub(s.StartedAt)-waits)
			}
		}
		whole = append(whole, max(n.Status.ChangedAt.Sub(n.Status.StartedAt)-waited, 0))
	}
	u := durations{whole: median(whole), steps: map[string]time.Duration{}}
	for id, took := range steps {
		if d := median(took); d > 0 {
			u.steps[id] = d
		}
	}
	return u
}

// waitsOf is how long a step waited for an operator, of one that is no approval.
func waitsOf(s workflows.StepStatus, log []workflows.LogEntry) (waited time.Duration) {
	if s.Kind == string(pipeline.KindApprove) {
		return 0
	}
	for _, l := range log {
		if answers(l, s.ID) {
			waited += l.At.Sub(l.Since)
		}
	}
	return waited
}

// answers reports whether an entry of a log is the answer to a question of a step.
func answers(l workflows.LogEntry, step string) bool {
	return strings.HasPrefix(l.What, step+": ") && !l.Since.IsZero()
}

// median is the middle of some durations, and 0 of too few.
func median(durations []time.Duration) time.Duration {
	if len(durations) < leastSample {
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
func forecast(s workflows.Status, u durations, now time.Time) (steps map[string]span, end time.Time) {
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
