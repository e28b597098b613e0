package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"

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

// start starts a workflow, or finds the one that has its id.
func (s *session) start(ctx context.Context, in workflows.Input, f following) (workflows.Execution, error) {
	return workflows.Start(ctx, s.client, in, workflows.StartOptions{
		TaskQueue: s.taskQueue,
		Priority:  f.priority,
		By:        f.by,
		With:      "starter " + version.Version,
	})
}

// exists reports whether there is or was a workflow with the id of an input.
func (s *session) exists(ctx context.Context, in workflows.Input) bool {
	known, ok := in.(interface{ WorkflowID() string })
	return ok && temporalclient.Answers(ctx, s.client, known.WorkflowID())
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
func (a *app) startAndFollow(ctx context.Context, in workflows.Input, f following) error {
	if f.priority < 0 || f.priority > lowestPriority {
		return usage("--priority %d is not 1 to %d", f.priority, lowestPriority)
	}
	s, err := a.connect(ctx)
	if err != nil {
		return err
	}
	defer s.close()
	if err := s.served(ctx, workflows.ConnectionOf(in)); err != nil && !s.exists(ctx, in) {
		return err
	}
	return s.startAndFollow(ctx, in, f)
}

func (s *session) startAndFollow(ctx context.Context, in workflows.Input, f following) error {
	run, err := s.start(ctx, in, f)
	switch {
	case err != nil:
		return err
	case f.detach: // scripts take the id from it, also where there is nothing to be started
		s.detached(ctx, run, news(run))
		return nil
	case run.AlreadyDone():
		return s.alreadyDone(ctx, run, againHint(in))
	}
	s.announce(run)
	return s.follow(ctx, run, f.wait)
}

// againHint says how to run again what succeeded.
func againHint(in workflows.Input) string {
	switch in.(type) {
	case workflows.NightlyCloseInput:
		return `To run one of its batches again: starter batch run ... --again "reason"`
	case workflows.RunBatchInput:
		return `To run it again, add: --again "reason"`
	}
	return ""
}

func (s *session) announce(run workflows.Execution) {
	if s.json() {
		return
	}
	how := "started"
	switch {
	case run.AlreadyDone(): // the demo's, in a folder where it ran before
		how = "was already done, on " + run.EndedAt.Local().Format("Mon 2006-01-02 15:04:05")
	case !run.Started:
		how = "runs since " + run.StartedAt.Local().Format("Mon 15:04:05") + "; following it"
	}
	s.print(run.ID + " " + how)
	if link := s.link(run.ID); link != "" {
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
func news(run workflows.Execution) string {
	switch {
	case run.AlreadyDone():
		return "It was already done, on " + run.EndedAt.Local().Format("Mon 2006-01-02 15:04:05") + ". It is not run again."
	case !run.Started:
		return "It was running already, since " + run.StartedAt.Local().Format("Mon 15:04:05") + "."
	}
	return ""
}

func (s *session) detached(ctx context.Context, run workflows.Execution, note string) {
	if s.json() {
		s.printJSON(detachedDocument{WorkflowID: run.ID, RunID: run.RunID, Attached: !run.Started && run.Running(), AlreadyDone: run.AlreadyDone(), URL: s.link(run.ID)})
	} else {
		s.print(run.ID)
		if link := s.link(run.ID); link != "" {
			s.print(link)
		}
		if note != "" {
			s.note("%s", note)
		}
	}
	if run.Running() {
		s.noteIdle(ctx, run.TaskQueue)
	}
}

// alreadyDone shows what an earlier workflow of the same id achieved.
func (s *session) alreadyDone(ctx context.Context, run workflows.Execution, againHint string) error {
	result := workflows.NewResult(run.Type)
	switch err := s.client.GetWorkflow(ctx, run.ID, run.RunID).Get(ctx, result); {
	case temporalclient.Unavailable(err):
		return fmt.Errorf("the result of %s: %w", run.ID, err)
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
	s.print(fmt.Sprintf("%s was already done, on %s. It is not run again.", run.ID, run.EndedAt.Local().Format("Mon 2006-01-02 15:04:05")))
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
