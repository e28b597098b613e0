package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"slices"
	"strings"
	"time"

	enumspb "go.temporal.io/api/enums/v1"
	"go.temporal.io/api/serviceerror"
	"go.temporal.io/api/workflowservice/v1"

	"github.com/pbsmflow/pbsmflow/internal/config"
	"github.com/pbsmflow/pbsmflow/internal/temporalclient"
	"github.com/pbsmflow/pbsmflow/workflows"
)

// pollLasts is how long ago a worker that lives can have begun its last poll: a poll is over
// after a minute, and the next one begins at once. Temporal remembers those of the dead for minutes.
const pollLasts = 70 * time.Second

// polls are what Temporal remembers of the workers of a task queue.
type polls struct {
	queue string
	last  time.Time // zero: it remembers none
	now   time.Time
}

// polls looks up when a worker last polled a task queue for workflows.
func (s *session) polls(ctx context.Context, queue string) (polls, error) {
	return s.pollsFor(ctx, queue, enumspb.TASK_QUEUE_TYPE_WORKFLOW)
}

// connectionPolls looks up when a worker that has a connection last polled its queue.
func (s *session) connectionPolls(ctx context.Context, connection string) (polls, error) {
	return s.pollsFor(ctx, workflows.ConnectionTaskQueue(s.taskQueue, connection), enumspb.TASK_QUEUE_TYPE_ACTIVITY)
}

func (s *session) pollsFor(ctx context.Context, queue string, what enumspb.TaskQueueType) (polls, error) {
	ctx, cancel := context.WithTimeout(ctx, askTimeout)
	defer cancel()
	described, err := s.client.DescribeTaskQueue(ctx, queue, what)
	p := polls{queue: queue, now: time.Now()}
	for _, poller := range described.GetPollers() {
		if at := poller.GetLastAccessTime().AsTime(); at.After(p.last) {
			p.last = at
		}
	}
	return p, err
}

// idle tells that no worker lives.
func (p polls) idle() bool { return p.now.Sub(p.last) > pollLasts }

// text is the last poll, in words.
func (p polls) text() string {
	if p.last.IsZero() {
		return fmt.Sprintf("no worker has polled the task queue %q lately", p.queue)
	}
	return fmt.Sprintf("a worker last polled the task queue %q at %s, %s ago", p.queue, p.last.Local().Format("15:04:05"), p.now.Sub(p.last).Round(time.Second))
}

const startWorker = "Start one: worker --config pbsm.yaml"

// noteIdle says on stderr that nothing happens for want of a worker.
func (s *session) noteIdle(ctx context.Context, queue string) bool {
	p, err := s.polls(ctx, queue)
	if err != nil || !p.idle() {
		return false
	}
	s.note("%s", s.idleText(p))
	return true
}

func (s *session) idleText(p polls) string {
	text := fmt.Sprintf("No worker polls the task queue %q (namespace %s at %s), so nothing happens until one does. %s", p.queue, s.namespace, s.address, startWorker)
	if p.queue == s.taskQueue {
		text += "; or name another queue: --task-queue."
	}
	return text
}

// served refuses a connection that nobody has, as a worker would, but before there is a job that
// fails. A connection whose workers are away is not refused: the configuration here has it, or
// Temporal remembers their polls, which it does for minutes. Temporal keeps the work for them.
// Where no worker at all is there, it is for the first that comes to say.
func (s *session) served(ctx context.Context, connection string) error {
	there, err := s.connectionPolls(ctx, connection)
	if err != nil || !there.idle() {
		return nil // what Temporal has to say about it, it says to the start
	}
	if workers, err := s.polls(ctx, s.taskQueue); err != nil || workers.idle() {
		return nil
	}
	known := config.ConnectionNames(s.config, os.Environ())
	if there.last.IsZero() && !slices.Contains(known, connection) {
		p := usage("no worker has the connection %q", connection)
		if others := s.servedOf(ctx, known); len(others) > 0 {
			p.message += "; there are workers for " + strings.Join(others, ", ")
		}
		p.next = []string{"Check the name, or start a worker whose configuration has it."}
		return p
	}
	s.note("No worker that has the connection %s is there, only others: %s. %s", connection, there.text(), startWorker)
	return nil
}

// servedOf are those of some connections that workers poll for.
func (s *session) servedOf(ctx context.Context, connections []string) (served []string) {
	for _, name := range connections {
		if there, err := s.connectionPolls(ctx, name); err == nil && !there.idle() {
			served = append(served, name)
		}
	}
	return served
}

// untold is the problem of a running job that nobody tells of. How it stands is not known, so
// it is none of the job's own ends.
func (s *session) untold(ctx context.Context, run workflows.Execution, silence error) error {
	p := &problem{code: exitUnreachable, id: run.ID, next: []string{"Look again: starter status " + run.ID}}
	known := "it runs since " + run.StartedAt.Local().Format("Mon 2006-01-02 15:04:05")
	if state := run.LastState(); state != "" {
		known += ", and its last known state is " + string(state)
	}
	if !nobodyAnswered(silence) {
		p.message = fmt.Sprintf("%s; how it stands cannot be told: %v", known, silence)
		return p
	}
	last, err := s.polls(ctx, run.TaskQueue)
	if err != nil {
		p.message = fmt.Sprintf("%s; Temporal at %s does not tell more: %v", known, s.address, err)
		return p
	}
	p.message = fmt.Sprintf("no worker answers, so how it stands is not known: %s; %s", known, last.text())
	p.next = append([]string{"What was started at the service goes on; nothing else happens until a worker is there. " + startWorker}, p.next...)
	return p
}

// nobodyAnswered tells by the error of a question to a workflow that no worker took it.
func nobodyAnswered(err error) bool {
	var (
		notReady *serviceerror.WorkflowNotReady   // no worker has begun it
		noPoller *serviceerror.FailedPrecondition // none has been there lately
	)
	return temporalclient.Unavailable(err) || errors.As(err, &notReady) || errors.As(err, &noPoller)
}

// answers asks the workers of a task queue how the latest job there stands, over or not. Only one
// that lives can tell: Temporal still counts those that died a moment ago. Where there is no job
// to ask about, or it needs a worker of its own version, nobody is asked, and job is empty.
func (s *session) answers(ctx context.Context, queue string) (job string, err error) {
	ctx, cancel := context.WithTimeout(ctx, 2*askTimeout)
	defer cancel()
	page, err := s.client.ListWorkflow(ctx, &workflowservice.ListWorkflowExecutionsRequest{PageSize: 1, Query: workflows.WorkflowsQuery(queue)})
	if err != nil || len(page.GetExecutions()) == 0 {
		return "", err
	}
	latest := page.GetExecutions()[0]
	if latest.GetVersioningInfo().GetBehavior() == enumspb.VERSIONING_BEHAVIOR_PINNED {
		return "", nil
	}
	job = latest.GetExecution().GetWorkflowId()
	if _, err := workflows.StatusOf(ctx, s.client, job); nobodyAnswered(err) {
		return job, err
	}
	return job, nil
}
