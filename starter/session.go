package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"time"

	enumspb "go.temporal.io/api/enums/v1"
	"go.temporal.io/api/serviceerror"
	"go.temporal.io/sdk/client"
	"go.temporal.io/sdk/converter"

	"github.com/pbsmflow/pbsmflow/internal/config"
	"github.com/pbsmflow/pbsmflow/internal/temporalclient"
	"github.com/pbsmflow/pbsmflow/internal/version"
	"github.com/pbsmflow/pbsmflow/workflows"
)

// session is a connection to Temporal.
type session struct {
	*app
	client    client.Client
	payloads  converter.DataConverter
	failures  converter.FailureConverter
	namespace string
	address   string
	ui        string // address of the web interface, may be empty
}

func (a *app) connect(ctx context.Context) (*session, error) {
	keys, err := config.LoadEncryption(a.config, os.Environ())
	if err != nil {
		return nil, usage("%v", err)
	}
	logs := io.Discard
	if a.verbose {
		logs = a.stderr
	}
	c, options, err := temporalclient.Dial(ctx, slog.New(slog.NewTextHandler(logs, nil)), nil, keys.ForClient())
	switch {
	case errors.Is(err, temporalclient.ErrUnreachable):
		return nil, err
	case err != nil:
		return nil, usage("%v", err)
	}
	return &session{app: a, client: c, payloads: options.DataConverter, failures: options.FailureConverter, namespace: options.Namespace, address: options.HostPort, ui: os.Getenv("TEMPORAL_UI")}, nil
}

func (s *session) close() { s.client.Close() }

// link is the workflow's page in the web interface, empty without one.
func (s *session) link(id string) string {
	return temporalclient.WorkflowURL(s.ui, s.namespace, id)
}

// start is a workflow to be started.
type start struct {
	id           string
	workflowType string
	input        any
	connection   string
	priority     int // as in following
	summary      string
	startedBy    string
	// once: one that succeeded under this id is not run again.
	once bool
	// againHint says how to run it again all the same.
	againHint string
}

// started is a workflow that was started, now or before.
type started struct {
	id, runID, workflowType string
	queue                   string
	attached                bool // it was running already
	done                    bool // it had succeeded already
	at                      time.Time
}

// start starts a workflow, or finds the one that has its id.
func (s *session) start(ctx context.Context, j start) (started, error) {
	reuse := enumspb.WORKFLOW_ID_REUSE_POLICY_ALLOW_DUPLICATE
	if j.once {
		reuse = enumspb.WORKFLOW_ID_REUSE_POLICY_ALLOW_DUPLICATE_FAILED_ONLY
	}
	run, err := s.client.ExecuteWorkflow(ctx, client.StartWorkflowOptions{
		ID:        j.id,
		TaskQueue: s.taskQueue,
		// To fail on a conflict tells what was found; the one that runs is then followed.
		WorkflowIDConflictPolicy:                 enumspb.WORKFLOW_ID_CONFLICT_POLICY_FAIL,
		WorkflowIDReusePolicy:                    reuse,
		WorkflowExecutionErrorWhenAlreadyStarted: true,
		StaticSummary:                            j.summary,
		Priority:                                 workflows.Priority(j.connection, j.priority),
		Memo:                                     map[string]any{"started_by": j.startedBy, "started_with": "starter " + version.Version},
	}, j.workflowType, j.input)
	var taken *serviceerror.WorkflowExecutionAlreadyStarted
	switch {
	case errors.As(err, &taken):
		return s.found(ctx, j, taken.RunId)
	case err != nil:
		return started{}, fmt.Errorf("start %s: %w", j.id, err)
	}
	return started{id: run.GetID(), runID: run.GetRunID(), workflowType: j.workflowType, queue: s.taskQueue, at: time.Now()}, nil
}

// exists tells that there is or was a workflow with an id.
func (s *session) exists(ctx context.Context, id string) bool {
	_, err := s.client.DescribeWorkflowExecution(ctx, id, "")
	return err == nil
}

func (s *session) found(ctx context.Context, j start, runID string) (started, error) {
	found := started{id: j.id, runID: runID, workflowType: j.workflowType}
	described, err := s.client.DescribeWorkflowExecution(ctx, j.id, runID)
	if err != nil {
		return started{}, fmt.Errorf("look at %s: %w", j.id, err)
	}
	info := described.GetWorkflowExecutionInfo()
	found.queue = s.queueOf(info)
	if name := info.GetType().GetName(); name != j.workflowType {
		return started{}, usage("%s is taken by a workflow of type %s", j.id, name)
	}
	if info.GetStatus() == enumspb.WORKFLOW_EXECUTION_STATUS_RUNNING {
		found.attached, found.at = true, info.GetStartTime().AsTime()
	} else {
		found.done, found.at = true, info.GetCloseTime().AsTime()
	}
	return found, nil
}

// following are the flags of commands that start something.
type following struct {
	detach bool
	wait   bool
	by     string
	// priority is of what is started: 1, served first, to 5, or 0 for Temporal's default.
	priority int
}

// lowestPriority is the last that Temporal has unless its matching.priorityLevels says otherwise.
const lowestPriority = 5

// startAndFollow starts a workflow and follows it to its end, or does not, as asked.
func (a *app) startAndFollow(ctx context.Context, j start, f following) error {
	if f.priority < 0 || f.priority > lowestPriority {
		return usage("--priority %d is not 1 to %d", f.priority, lowestPriority)
	}
	s, err := a.connect(ctx)
	if err != nil {
		return err
	}
	defer s.close()
	if err := s.served(ctx, j.connection); err != nil && !s.exists(ctx, j.id) {
		return err
	}
	j.startedBy, j.priority = f.by, f.priority
	return s.startAndFollow(ctx, j, f)
}

func (s *session) startAndFollow(ctx context.Context, j start, f following) error {
	run, err := s.start(ctx, j)
	switch {
	case err != nil:
		return err
	case f.detach: // scripts take the id from it, also where there is nothing to be started
		s.detached(ctx, run, run.news())
		return nil
	case run.done:
		return s.alreadyDone(ctx, run, j.againHint)
	}
	s.announce(run)
	return s.follow(ctx, run, f.wait)
}

func (s *session) announce(run started) {
	if s.json() {
		return
	}
	how := "started"
	switch {
	case run.done: // the demo's, in a folder where it ran before
		how = "was already done, on " + run.at.Local().Format("Mon 2006-01-02 15:04:05")
	case run.attached:
		how = "runs since " + run.at.Local().Format("Mon 15:04:05") + "; following it"
	}
	s.print(run.id + " " + how)
	if link := s.link(run.id); link != "" {
		s.print(link)
	}
}

type detachedDocument struct {
	WorkflowID string `json:"workflow_id"`
	RunID      string `json:"run_id"`
	// Attached: it was running already.
	Attached bool `json:"attached,omitempty"`
	// AlreadyDone: it had succeeded, and nothing was started.
	AlreadyDone bool   `json:"already_done,omitempty"`
	URL         string `json:"url,omitempty"`
}

// news is what a start found that was not asked for.
func (r started) news() string {
	switch {
	case r.done:
		return "It was already done, on " + r.at.Local().Format("Mon 2006-01-02 15:04:05") + ". It is not run again."
	case r.attached:
		return "It was running already, since " + r.at.Local().Format("Mon 15:04:05") + "."
	}
	return ""
}

func (s *session) detached(ctx context.Context, run started, note string) {
	if s.json() {
		s.printJSON(detachedDocument{WorkflowID: run.id, RunID: run.runID, Attached: run.attached, AlreadyDone: run.done, URL: s.link(run.id)})
	} else {
		s.print(run.id)
		if link := s.link(run.id); link != "" {
			s.print(link)
		}
		if note != "" {
			s.note("%s", note)
		}
	}
	if !run.done {
		s.noteIdle(ctx, run.queue)
	}
}

// alreadyDone shows what an earlier workflow of the same id achieved.
func (s *session) alreadyDone(ctx context.Context, run started, againHint string) error {
	result := newResult(run.workflowType)
	switch err := s.client.GetWorkflow(ctx, run.id, run.runID).Get(ctx, result); {
	case temporary(err):
		return fmt.Errorf("the result of %s: %w", run.id, err)
	case err != nil:
		return s.ending(run, err)
	}
	if s.json() {
		document, err := withField(result, "already_done", true)
		if err != nil {
			return err
		}
		s.printJSON(document)
		return nil
	}
	s.print(fmt.Sprintf("%s was already done, on %s. It is not run again.", run.id, run.at.Local().Format("Mon 2006-01-02 15:04:05")))
	s.print(s.style.Result(result, s.width())...)
	if againHint != "" {
		s.print("", againHint)
	}
	return nil
}

// withField puts one more field in front of those of a JSON object.
func withField(object any, name string, value any) (json.RawMessage, error) {
	text, err := json.Marshal(object)
	if err != nil {
		return nil, err
	}
	field, err := json.Marshal(map[string]any{name: value})
	if err != nil {
		return nil, err
	}
	rest := text[1:]
	if string(rest) == "}" {
		return field, nil
	}
	return json.RawMessage(string(field[:len(field)-1]) + "," + string(rest)), nil
}
