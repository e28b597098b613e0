package client

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"slices"
	"strings"
	"time"

	"go.temporal.io/sdk/temporal"

	"github.com/pbsmflow/pbsmflow/internal/clock"
	"github.com/pbsmflow/pbsmflow/internal/config"
	"github.com/pbsmflow/pbsmflow/internal/pipeline"
	"github.com/pbsmflow/pbsmflow/internal/temporalclient"
	"github.com/pbsmflow/pbsmflow/internal/version"
	"github.com/pbsmflow/pbsmflow/starter/internal/cli"
	"github.com/pbsmflow/pbsmflow/starter/internal/view"
	"github.com/pbsmflow/pbsmflow/workflows"
)

// CheckServed refuses an input whose connection no worker has, or whose pipeline is not in the folder that the
// configuration here names, or is sent along although that says not to, unless there is or was such a workflow: nothing
// is to be left behind that failed.
func (s *Session) CheckServed(ctx context.Context, in workflows.Input) error {
	err := s.Served(ctx, workflows.ConnectionOf(in))
	if closing, ok := in.(workflows.NightlyCloseInput); ok && err == nil {
		err = s.knownPipeline(closing)
	}
	known, ok := in.(interface{ WorkflowID() string })
	if err != nil && ok && temporalclient.Answers(ctx, s.Temporal, known.WorkflowID()) {
		return nil
	}
	return err
}

// knownPipeline is nil where there is no folder of pipelines here: the worker has its own.
func (s *Session) knownPipeline(in workflows.NightlyCloseInput) error {
	worker, _ := config.LoadWorker(s.Config, os.Environ())
	names, _ := pipeline.Names(worker.Pipelines)
	if len(in.Definition) > 0 && worker.Definitions == config.FolderDefinitions {
		return cli.Usage("the workers run only the pipelines of their folder (worker.definitions: folder), and %s would "+
			"be sent along", in.Pipeline).
			Then("Put the file into the workers' pipelines folder, and start it by its name: --pipeline " + in.Pipeline)
	}
	if len(in.Definition) > 0 || len(names) == 0 || slices.Contains(names, in.Pipeline) {
		return nil
	}
	return cli.Usage("there is no pipeline %q in %s, which has %s",
		in.Pipeline, worker.Pipelines, strings.Join(names, ", ")).
		Then("Check the name, or send a file along: --pipeline FILE")
}

// Start starts a workflow, or finds the one that has its id.
func (s *Session) Start(ctx context.Context, in workflows.Input, o cli.StartOptions) (workflows.Execution, error) {
	in, err := s.signed(ctx, in)
	if err != nil {
		return workflows.Execution{}, err
	}
	run, err := workflows.Start(ctx, s.Temporal, in, workflows.StartOptions{
		TaskQueue: s.TaskQueue,
		Priority:  o.Priority,
		By:        o.By,
		With:      "starter " + version.Version,
	})
	var other *temporal.ApplicationError
	if errors.As(err, &other) && other.Type() == workflows.OtherBasis {
		err = cli.Usage("%s", other.Message()).Of(run.ID).
			Then("Follow it: "+s.Starter("status "+run.ID+" --follow"), "Run both: add --key NAME")
	}
	return run, err
}

// Announce prints what a start started or found, before it is followed.
func (s *Session) Announce(ctx context.Context, run workflows.Execution) {
	if s.JSON() {
		return
	}
	how := "started"
	switch {
	case run.AlreadyDone(): // the demo's, in a folder where it ran before
		how = "was already done, on " + s.TimesOf(ctx, run.ID).Text(run.EndedAt)
	case !run.Started:
		how = "has been running since " + s.TimesOf(ctx, run.ID).Text(run.StartedAt) + "; following it"
	}
	s.Print(run.ID + " " + how)
	s.PrintLink(run.ID)
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

// Detached prints the id of a workflow that is not followed, for scripts, and a note for the operator.
func (s *Session) Detached(ctx context.Context, run workflows.Execution, note string) {
	if s.JSON() {
		s.PrintJSON(detachedDocument{
			WorkflowID:  run.ID,
			RunID:       run.RunID,
			Attached:    !run.Started && run.Running(),
			AlreadyDone: run.AlreadyDone(),
			URL:         s.Link(run.ID),
		})
	} else {
		s.Print(run.ID)
		s.PrintLink(run.ID)
		if note != "" {
			s.Note("%s", note)
		}
	}
	if run.Running() {
		s.NoteIdle(ctx, run)
	}
}

// StartNote says what a start found instead of starting a workflow.
func (s *Session) StartNote(ctx context.Context, run workflows.Execution) string {
	switch {
	case run.AlreadyDone():
		return "It was already done, on " + s.TimesOf(ctx, run.ID).Text(run.EndedAt) + ". It is not run again."
	case !run.Started:
		return "It was running already, since " + s.TimesOf(ctx, run.ID).Text(run.StartedAt) + "."
	}
	return ""
}

// AlreadyDone shows the result of a workflow that had succeeded before.
func (s *Session) AlreadyDone(ctx context.Context, run workflows.Execution, in workflows.Input) error {
	result := workflows.NewResult(run.Type)
	switch err := s.Temporal.GetWorkflow(ctx, run.ID, run.RunID).Get(ctx, result); {
	case temporalclient.Unavailable(err):
		return fmt.Errorf("the result of %s: %w", run.ID, err)
	case err != nil:
		return s.End(run, err)
	}
	if s.JSON() {
		document, err := json.Marshal(view.Document(result))
		if err != nil {
			return err
		}
		s.PrintJSON(json.RawMessage(`{"already_done":true,` + string(document[1:]))) // no result is an empty object
		return nil
	}
	ended := clock.In(workflows.TimeZoneOf(result)).Text(run.EndedAt)
	s.Print(run.ID + " was already done, on " + ended + ". It is not run again.")
	s.Print(s.Style.Result(result, s.Width())...)
	if _, ok := in.(workflows.NightlyCloseInput); ok {
		s.Print("", "To run some of its steps again: "+s.Starter("close again "+run.ID+` --from STEP --reason "..."`))
	}
	return nil
}

// MaxSilence is how long Temporal may be away before the following ends.
const MaxSilence = 5 * time.Minute

// Await decodes the result once the workflow has ended. It waits while Temporal is away for a short time.
func (s *Session) Await(ctx context.Context, run workflows.Execution, result any) error {
	var awaySince time.Time
	for {
		err := s.Temporal.GetWorkflow(ctx, run.ID, run.RunID).Get(ctx, result)
		if ctx.Err() != nil || !temporalclient.Unavailable(err) {
			return cli.Stopped(ctx, err)
		}
		switch {
		case temporalclient.Answers(ctx, s.Temporal, run.ID): // only the call was cut, as happens in a long night
			awaySince = time.Time{}
		case awaySince.IsZero():
			awaySince = time.Now()
		case time.Since(awaySince) > MaxSilence:
			return err
		}
		select {
		case <-ctx.Done():
		case <-time.After(time.Second):
		}
	}
}

// End is the problem of a workflow that did not end well, nil for one that did.
func (s *Session) End(run workflows.Execution, err error) error {
	if err == nil || errors.Is(err, context.Canceled) {
		return err
	}
	comeBack := "Follow it again: " + s.Starter("status "+run.ID+" --follow")
	if temporalclient.Unavailable(err) {
		return cli.NewProblem(cli.ExitUnreachable, "Temporal has not answered for %s; the workflow continues when it is "+
			"back (%v)", MaxSilence, err).Of(run.ID).Then(comeBack)
	}
	if ended := (*temporal.WorkflowExecutionError)(nil); !errors.As(err, &ended) {
		return cli.NewProblem(cli.ExitUnreachable,
			"its status or result cannot be read here: %v; the workflow itself is not affected", err).Of(run.ID).Then(
			"Check the TLS and API key settings, and that the configuration has the encryption keys that the worker's has.",
			comeBack)
	}
	p := s.Ended(run.ID, run.Type, err)
	if link := s.Link(run.ID); link != "" && p.Code != cli.ExitUsage {
		p.Next = append(p.Next, link)
	}
	return p
}

// ShowResult prints the result of a workflow.
func (s *Session) ShowResult(result any) {
	_ = s.Show(view.Document(result), s.Style.Result(result, s.Width())...)
}
