package console

import (
	"context"
	"errors"
	"slices"
	"strings"
	"sync"
	"time"

	enumspb "go.temporal.io/api/enums/v1"
	"go.temporal.io/api/serviceerror"
	workflowpb "go.temporal.io/api/workflow/v1"
	"go.temporal.io/api/workflowservice/v1"

	"github.com/pbsmflow/pbsmflow/internal/temporalclient"
	"github.com/pbsmflow/pbsmflow/starter/internal/cli"
	"github.com/pbsmflow/pbsmflow/starter/internal/client"
	"github.com/pbsmflow/pbsmflow/starter/internal/follow"
	"github.com/pbsmflow/pbsmflow/workflows"
)

const (
	// listEvery is how often the closes are listed.
	listEvery = 2 * time.Second
	// tonightSince is how long an ended close stays on the first page.
	tonightSince = 20 * time.Hour
	// keepEnded is how many ended workflows' statuses are kept in memory.
	keepEnded = 2000
)

// entry is a workflow as the board knows it. Entries are replaced, never changed.
type entry struct {
	ID     string
	RunID  string // Temporal's
	Type   string
	Ended  time.Time // zero while it runs
	Status workflows.Status
	Queue  string
	Pinned bool // to one version of the workers
	// Unknown says why the status is not known, or not the newest.
	Unknown string
}

func (e entry) closing() bool { return e.Type == workflows.NightlyCloseType }

// board is one picture of all workflows for all viewers, so that what Temporal and the workers are asked does not
// grow with the viewers. Each running workflow is followed by a long poll of its history, which answers when
// something happens; only then is its status queried.
type board struct {
	session *client.Session

	mu        sync.Mutex
	entries   map[string]entry    // by workflow id
	following map[string]struct{} // by Temporal's run id
	ended     map[string]workflows.Status
	endedRuns []string // keys of ended, the oldest first
	changed   chan struct{}
	repeated  map[string][]repeat // by workflow id
	trouble   string              // why Temporal does not answer
	silent    silence             // of the workers
	answered  time.Time           // when a worker did last
	listed    time.Time           // when the closes were listed last
	loaded    bool

	slots          chan struct{} // bounds the queries under way
	queries, lists int64         // counted, for the metrics
}

func newBoard(s *client.Session) *board {
	return &board{
		session:   s,
		entries:   map[string]entry{},
		following: map[string]struct{}{},
		ended:     map[string]workflows.Status{},
		repeated:  map[string][]repeat{},
		answered:  time.Now(),
		listed:    time.Now(),
		changed:   make(chan struct{}),
		slots:     make(chan struct{}, follow.MaxAtOnce),
	}
}

// run keeps the board current until ctx ends.
func (b *board) run(ctx context.Context) {
	go b.lookForRepeats(ctx)
	go b.lookForWorkers(ctx)
	for ctx.Err() == nil {
		b.list(ctx)
		pause(ctx, listEvery)
	}
}

// changes is closed with the next change.
func (b *board) changes() <-chan struct{} {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.changed
}

// update changes the board, and wakes those who wait for a change.
func (b *board) update(change func()) {
	b.mu.Lock()
	defer b.mu.Unlock()
	change()
	close(b.changed)
	b.changed = make(chan struct{})
}

// all are the entries of the board, in no order.
func (b *board) all() []entry {
	b.mu.Lock()
	defer b.mu.Unlock()
	list := make([]entry, 0, len(b.entries))
	for _, e := range b.entries {
		list = append(list, e)
	}
	return list
}

// temporalTrouble is why Temporal does not answer; empty where it does.
func (b *board) temporalTrouble() string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.trouble
}

// list finds the closes of tonight, and whatever else waits for an operator.
func (b *board) list(ctx context.Context) {
	closes, err := b.find(ctx, workflows.ClosesQuery(time.Now().Add(-tonightSince)))
	var waiting []*workflowpb.WorkflowExecutionInfo
	if err == nil {
		waiting, err = b.find(ctx, workflows.WaitingQuery("", workflows.CommandTypes()...))
	}
	if err != nil {
		if ctx.Err() == nil {
			b.unreachable(err)
		}
		return
	}
	found := map[string]bool{}
	// A close that was started again is listed twice: the newest is first.
	for _, info := range slices.Concat(waiting, closes) {
		id := info.GetExecution().GetWorkflowId()
		if !found[id] {
			found[id] = true
			b.see(ctx, info)
		}
	}
	b.forget(found)
	b.mu.Lock()
	b.listed = time.Now()
	b.mu.Unlock()
}

// age is how old the list of the closes is.
func (b *board) age() time.Duration {
	b.mu.Lock()
	defer b.mu.Unlock()
	return time.Since(b.listed)
}

// unknown counts the closes that run, or may run, whose newest status is not known.
func (b *board) unknown() (n int) {
	for _, e := range b.all() {
		if e.Unknown != "" && e.Ended.IsZero() {
			n++
		}
	}
	return n
}

func (b *board) find(ctx context.Context, query string) (found []*workflowpb.WorkflowExecutionInfo, err error) {
	request := &workflowservice.ListWorkflowExecutionsRequest{Query: query, PageSize: 500}
	for {
		b.count(&b.lists)
		call, cancel := context.WithTimeout(ctx, temporalclient.AnswerTimeout)
		page, err := b.session.Temporal.ListWorkflow(call, request)
		cancel()
		if err != nil {
			return nil, err
		}
		found = append(found, page.GetExecutions()...)
		if len(page.GetNextPageToken()) == 0 {
			return found, nil
		}
		request.NextPageToken = page.GetNextPageToken()
	}
}

func (b *board) count(what *int64) {
	b.mu.Lock()
	*what++
	b.mu.Unlock()
}

func (b *board) unreachable(err error) {
	text := temporalclient.Reason(err)
	b.mu.Lock()
	known := b.trouble == text
	b.mu.Unlock()
	if !known {
		b.update(func() { b.trouble = text })
	}
}

// see takes in a workflow from the list: a running one is followed, an ended one is queried once.
func (b *board) see(ctx context.Context, info *workflowpb.WorkflowExecutionInfo) {
	e := entry{
		ID:     info.GetExecution().GetWorkflowId(),
		RunID:  info.GetExecution().GetRunId(),
		Type:   info.GetType().GetName(),
		Queue:  info.GetTaskQueue(),
		Pinned: info.GetVersioningInfo().GetBehavior() == enumspb.VERSIONING_BEHAVIOR_PINNED,
	}
	if info.GetStatus() != enumspb.WORKFLOW_EXECUTION_STATUS_RUNNING {
		e.Ended = info.GetCloseTime().AsTime()
	}
	b.mu.Lock()
	known, seen := b.entries[e.ID]
	_, followed := b.following[e.RunID]
	start := !followed && (!seen || known.RunID != e.RunID || known.Status.Type == "" ||
		known.Ended.IsZero() != e.Ended.IsZero())
	if start {
		b.following[e.RunID] = struct{}{}
	}
	b.mu.Unlock()
	if start {
		go b.follow(ctx, e)
	}
}

// forget drops what is listed no longer.
func (b *board) forget(listed map[string]bool) {
	gone := func(e entry) bool {
		_, followed := b.following[e.RunID]
		return !listed[e.ID] && !followed
	}
	b.mu.Lock()
	drop := b.trouble != "" || !b.loaded
	for _, e := range b.entries {
		drop = drop || gone(e)
	}
	b.mu.Unlock()
	if !drop {
		return
	}
	b.update(func() {
		b.trouble, b.loaded = "", true
		for id, e := range b.entries {
			if gone(e) {
				delete(b.entries, id)
				delete(b.repeated, id)
			}
		}
	})
}

func (b *board) put(e entry) {
	b.update(func() {
		if known, ok := b.entries[e.ID]; ok && known.RunID != e.RunID && known.Status.StartedAt.After(e.Status.StartedAt) {
			return // an earlier start of the same close
		}
		b.entries[e.ID] = e
	})
}

// get is a workflow of the board; another one is looked up in Temporal.
func (b *board) get(ctx context.Context, id string) (entry, error) {
	b.mu.Lock()
	e, ok := b.entries[id]
	b.mu.Unlock()
	if ok && e.Status.Type != "" {
		return e, nil
	}
	run, err := b.describe(ctx, id)
	if err != nil {
		return entry{}, err
	}
	e = entry{
		ID: id, RunID: run.RunID, Type: run.Type, Ended: run.EndedAt, Queue: run.TaskQueue, Pinned: run.PinnedTo() != "",
	}
	if !run.Running() {
		e.Status, e.Unknown = b.statusOfEnded(ctx, id, run.RunID)
		return e, nil
	}
	if e.Status, err = b.status(ctx, id, run.RunID); err != nil {
		e.Unknown = "its status is not known: " + b.session.StatusUnknown(ctx, run, err).Error()
	}
	return e, nil
}

// describe finds a workflow of this program in Temporal. What is none, or cannot be one, is not found: nobody learns
// from the answer which workflows there are.
func (b *board) describe(ctx context.Context, id string) (workflows.Execution, error) {
	odd := func(r rune) bool { return r < ' ' || r > '~' } // the client sends the id in a header as well
	if id == "" || strings.ContainsFunc(id, odd) {
		return workflows.Execution{}, errNotFound
	}
	ctx, cancel := context.WithTimeout(ctx, temporalclient.AnswerTimeout)
	defer cancel()
	run, err := b.session.Describe(ctx, id)
	if err == nil {
		err = client.Known(run)
	}
	var invalid *serviceerror.InvalidArgument
	if p := (*cli.Problem)(nil); errors.As(err, &p) && p.Code == cli.ExitUsage || errors.As(err, &invalid) {
		err = errNotFound
	}
	return run, err
}
