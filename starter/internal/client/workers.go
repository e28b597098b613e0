package client

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

	"github.com/pbsmflow/pbsmflow/internal/clock"
	"github.com/pbsmflow/pbsmflow/internal/config"
	"github.com/pbsmflow/pbsmflow/internal/temporalclient"
	"github.com/pbsmflow/pbsmflow/starter/internal/cli"
	"github.com/pbsmflow/pbsmflow/workflows"
)

// PollLasts is how long ago a live worker can have begun its last poll: a poll ends after a minute, and
// the next one begins at once. Temporal remembers those of dead workers for minutes.
const PollLasts = 70 * time.Second

// Polls is what Temporal remembers of the workers of a task queue.
type Polls struct {
	queue string
	build string    // of the version that is meant; empty for any
	last  time.Time // zero: it remembers none
	now   time.Time
}

// Polls finds out when a worker last polled a task queue for workflows.
func (s *Session) Polls(ctx context.Context, queue string) (Polls, error) {
	return s.pollsFor(ctx, queue, "", enumspb.TASK_QUEUE_TYPE_WORKFLOW)
}

// VersionPolls is Polls for the workers of one version, a build id.
func (s *Session) VersionPolls(ctx context.Context, queue, build string) (Polls, error) {
	return s.pollsFor(ctx, queue, build, enumspb.TASK_QUEUE_TYPE_WORKFLOW)
}

// PollsOf is Polls for the workers that can serve a workflow: those of its version, where it has one.
func (s *Session) PollsOf(ctx context.Context, run workflows.Execution) (Polls, error) {
	return s.VersionPolls(ctx, run.TaskQueue, run.PinnedTo())
}

// connectionPolls finds out when a worker that has a connection last polled its queue.
func (s *Session) connectionPolls(ctx context.Context, connection string) (Polls, error) {
	return s.pollsFor(ctx, workflows.ConnectionTaskQueue(s.TaskQueue, connection), "", enumspb.TASK_QUEUE_TYPE_ACTIVITY)
}

func (s *Session) pollsFor(ctx context.Context, queue, build string, what enumspb.TaskQueueType) (Polls, error) {
	ctx, cancel := context.WithTimeout(ctx, temporalclient.AnswerTimeout)
	defer cancel()
	described, err := s.Temporal.DescribeTaskQueue(ctx, queue, what)
	p := Polls{queue: queue, build: build, now: time.Now()}
	for _, poller := range described.GetPollers() {
		if build != "" && poller.GetDeploymentOptions().GetBuildId() != build {
			continue
		}
		if at := poller.GetLastAccessTime().AsTime(); at.After(p.last) {
			p.last = at
		}
	}
	return p, err
}

// Last is when a worker last began to poll; zero: Temporal remembers none.
func (p Polls) Last() time.Time { return p.last }

// Idle reports whether no worker is alive.
func (p Polls) Idle() bool { return p.now.Sub(p.last) > PollLasts }

func (p Polls) String() string {
	if p.last.IsZero() {
		return fmt.Sprintf("no worker%s has polled the task queue %q recently", p.version(), p.queue)
	}
	return fmt.Sprintf("a worker%s last polled the task queue %q at %s, %s ago",
		p.version(), p.queue, clock.UTC.ExactAt(p.now, p.last), p.now.Sub(p.last).Round(time.Second))
}

func (p Polls) version() string {
	if p.build == "" {
		return ""
	}
	return " of version " + p.build
}

// StartWorker is what to do where no worker is alive.
const StartWorker = "Start one: worker --config pbsm.yaml"

// NoteIdle notes that no worker can serve a workflow, and reports whether that is so.
func (s *Session) NoteIdle(ctx context.Context, run workflows.Execution) bool {
	p, err := s.PollsOf(ctx, run)
	if err != nil || !p.Idle() {
		return false
	}
	s.Note("%s", s.IdleText(p))
	return true
}

// IdleText says that nothing happens because no worker polls.
func (s *Session) IdleText(p Polls) string {
	text := fmt.Sprintf("No worker%s polls the task queue %q (namespace %s at %s), so nothing happens until one does. %s",
		p.version(), p.queue, s.Namespace, s.Address, StartWorker)
	if p.build != "" {
		return text + " with TEMPORAL_WORKER_BUILD_ID=" + p.build
	}
	if p.queue == s.TaskQueue {
		text += "; or name another queue: --task-queue."
	}
	return text
}

// Served refuses a connection that no worker has, before there is a workflow that fails. A connection whose
// workers are away is not refused: the configuration here has it, or Temporal remembers their polls for
// minutes, and keeps the work for them. Without any worker the first one to come will say.
func (s *Session) Served(ctx context.Context, connection string) error {
	polls, err := s.connectionPolls(ctx, connection)
	if err != nil || !polls.Idle() {
		return nil //nolint:nilerr // an error of Temporal shows when the workflow is started
	}
	if workers, err := s.Polls(ctx, s.TaskQueue); err != nil || workers.Idle() {
		return nil //nolint:nilerr // as above
	}
	known := config.ConnectionNames(s.Config, os.Environ())
	if polls.last.IsZero() && !slices.Contains(known, connection) {
		p := cli.Usage("no worker has the connection %q", connection)
		if others := s.servedOf(ctx, known); len(others) > 0 {
			p.Message += "; there are workers for " + strings.Join(others, ", ")
		}
		p.Next = []string{"Check the name, or start a worker whose configuration has it."}
		return p
	}
	s.Note("No worker that has the connection %s is running, only others: %s. %s", connection, polls, StartWorker)
	return nil
}

// servedOf selects the connections that workers poll for.
func (s *Session) servedOf(ctx context.Context, connections []string) (served []string) {
	for _, name := range connections {
		if polls, err := s.connectionPolls(ctx, name); err == nil && !polls.Idle() {
			served = append(served, name)
		}
	}
	return served
}

// StatusUnknown is the problem of a running workflow whose status cannot be had. It is not an end of the
// workflow.
func (s *Session) StatusUnknown(ctx context.Context, run workflows.Execution, cause error) error {
	p := &cli.Problem{Code: cli.ExitUnreachable, ID: run.ID, Next: []string{"Try again: " + s.Starter("status "+run.ID)}}
	known := "it has been running since " + clock.UTC.Text(run.StartedAt)
	if state := run.LastState(); state != "" {
		known += ", and its last known state is " + string(state)
	}
	if !NoWorkerAnswered(cause) {
		p.Message = fmt.Sprintf("%s; its status cannot be read here: %v", known, cause)
		return p
	}
	last, err := s.PollsOf(ctx, run)
	if err != nil {
		p.Message = fmt.Sprintf("%s; Temporal at %s does not say more: %v", known, s.Address, err)
		return p
	}
	p.Message = fmt.Sprintf("no worker answers, so its status is not known: %s; %s", known, last)
	const until = "What was started at the service continues; nothing else happens until a worker is running. "
	p.Next = append([]string{until + StartWorker}, p.Next...)
	return p
}

// NoWorkerAnswered reports whether the error of a query says that no worker took it.
func NoWorkerAnswered(err error) bool {
	var (
		notReady *serviceerror.WorkflowNotReady   // no worker has begun the workflow
		noPoller *serviceerror.FailedPrecondition // no worker has polled recently
	)
	return temporalclient.Unavailable(err) || errors.As(err, &notReady) || errors.As(err, &noPoller)
}

// ProbeWorkers queries the latest workflow of a task queue, ended or not. Only a live worker can answer:
// Temporal still counts those that died a moment ago. The id is empty where there is no workflow to
// query, or it needs a worker of its own version.
func (s *Session) ProbeWorkers(ctx context.Context, queue string) (id string, err error) {
	ctx, cancel := context.WithTimeout(ctx, 2*temporalclient.AnswerTimeout)
	defer cancel()
	page, err := s.Temporal.ListWorkflow(ctx, &workflowservice.ListWorkflowExecutionsRequest{
		PageSize: 1,
		Query:    workflows.WorkflowsQuery(queue),
	})
	if err != nil || len(page.GetExecutions()) == 0 {
		return "", err
	}
	latest := page.GetExecutions()[0]
	if latest.GetVersioningInfo().GetBehavior() == enumspb.VERSIONING_BEHAVIOR_PINNED {
		return "", nil
	}
	id = latest.GetExecution().GetWorkflowId()
	if _, err := workflows.StatusOf(ctx, s.Temporal, id); NoWorkerAnswered(err) {
		return id, err
	}
	return id, nil
}
