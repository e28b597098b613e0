// Package client is the starter's side of Temporal: it connects, starts workflows or attaches to them,
// describes them and sends them commands, and turns what goes wrong into problems.
package client

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"strings"

	"github.com/spf13/cobra"
	commonpb "go.temporal.io/api/common/v1"
	enumspb "go.temporal.io/api/enums/v1"
	"go.temporal.io/api/serviceerror"
	workflowpb "go.temporal.io/api/workflow/v1"
	"go.temporal.io/api/workflowservice/v1"
	"go.temporal.io/sdk/client"
	"go.temporal.io/sdk/converter"

	"github.com/pbsmflow/pbsmflow/internal/clock"
	"github.com/pbsmflow/pbsmflow/internal/config"
	"github.com/pbsmflow/pbsmflow/internal/temporalclient"
	"github.com/pbsmflow/pbsmflow/starter/internal/cli"
	"github.com/pbsmflow/pbsmflow/workflows"
)

// Session is a connection to Temporal.
type Session struct {
	*cli.Factory
	Temporal  client.Client
	Payloads  converter.DataConverter
	Failures  converter.FailureConverter
	Namespace string
	Address   string
	UI        string // address of the Temporal UI, may be empty
}

// Connect connects to Temporal with the keys of the configuration.
func Connect(ctx context.Context, f *cli.Factory) (*Session, error) {
	keys, err := config.LoadEncryption(f.Config, os.Environ())
	if err != nil {
		return nil, cli.Usage("%v", err)
	}
	logs := io.Discard
	if f.Verbose {
		logs = f.Stderr
	}
	c, options, err := temporalclient.Dial(ctx, slog.New(slog.NewTextHandler(logs, nil)), nil, keys.ForClient())
	switch {
	case errors.Is(err, temporalclient.ErrUnreachable):
		return nil, err
	case err != nil:
		return nil, cli.Usage("%v", err)
	}
	return &Session{
		Factory:   f,
		Temporal:  c,
		Payloads:  options.DataConverter,
		Failures:  options.FailureConverter,
		Namespace: options.Namespace,
		Address:   options.HostPort,
		UI:        os.Getenv("TEMPORAL_UI"),
	}, nil
}

// With connects, and calls do with the session.
func With(ctx context.Context, f *cli.Factory, do func(*Session) error) error {
	s, err := Connect(ctx, f)
	if err != nil {
		return err
	}
	defer s.Close()
	return do(s)
}

// RunE is what a command does with a session and its arguments.
func RunE(
	f *cli.Factory, do func(ctx context.Context, s *Session, args []string) error,
) func(*cobra.Command, []string) error {
	return func(cmd *cobra.Command, args []string) error {
		return With(cmd.Context(), f, func(s *Session) error { return do(cmd.Context(), s, args) })
	}
}

// Close ends the connection.
func (s *Session) Close() { s.Temporal.Close() }

// Link is the page of a workflow in the Temporal UI, empty without one.
func (s *Session) Link(id string) string {
	return temporalclient.WorkflowURL(s.UI, s.Namespace, id)
}

// PrintLink prints the page of a workflow, where there is one.
func (s *Session) PrintLink(id string, before ...string) {
	if link := s.Link(id); link != "" {
		s.Print(append(before, link)...)
	}
}

// Describe finds a workflow by its id. One that does not exist is a problem.
func (s *Session) Describe(ctx context.Context, id string) (workflows.Execution, error) {
	run, err := workflows.Describe(ctx, s.Temporal, id)
	if NotFound(err) {
		return run, cli.Usage("no workflow has this id in namespace %s", s.Namespace).Of(id).
			Then("Ids look like " + ExampleID(workflows.CloseKind) + " and " + ExampleID(workflows.BatchKind))
	}
	run.TaskQueue = cmp.Or(run.TaskQueue, s.TaskQueue)
	return run, err
}

// DescribeRunning finds a workflow of pbsmflow that has not ended.
func (s *Session) DescribeRunning(ctx context.Context, id string) (workflows.Execution, error) {
	run, err := s.Describe(ctx, id)
	switch {
	case err != nil:
		return run, err
	case !run.Running():
		return run, s.HasEnded(ctx, id)
	}
	return run, Known(run)
}

// List lists the executions that a visibility query selects, the newest first.
func (s *Session) List(ctx context.Context, query string) (found []*workflowpb.WorkflowExecutionInfo, err error) {
	request := &workflowservice.ListWorkflowExecutionsRequest{Query: query}
	for {
		page, err := s.Temporal.ListWorkflow(ctx, request)
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

// Status queries the status of a workflow, for a short time.
func (s *Session) Status(ctx context.Context, id string) (workflows.Status, error) {
	ctx, cancel := context.WithTimeout(ctx, temporalclient.AnswerTimeout)
	defer cancel()
	return workflows.StatusOf(ctx, s.Temporal, id)
}

// ResultSoFar is what a running close has come to, as far as it answers within a short time.
func (s *Session) ResultSoFar(ctx context.Context, id string) (result workflows.NightlyCloseResult) {
	ctx, cancel := context.WithTimeout(ctx, temporalclient.AnswerTimeout)
	defer cancel()
	if answer, err := s.Temporal.QueryWorkflow(ctx, id, "", workflows.ResultQuery); err == nil {
		_ = answer.Get(&result)
	}
	return result
}

// TimesOf writes times as the operators of a workflow read them, in UTC where no worker says how.
func (s *Session) TimesOf(ctx context.Context, id string) clock.Clock {
	status, _ := s.Status(ctx, id)
	return clock.In(status.TimeZone)
}

// NotFound reports whether Temporal does not know a workflow, a schedule or a deployment.
func NotFound(err error) bool {
	var missing *serviceerror.NotFound
	return errors.As(err, &missing)
}

// HasEnded is the problem of a workflow that is not running.
func (s *Session) HasEnded(ctx context.Context, id string) error {
	run, err := s.Describe(ctx, id)
	if err != nil {
		return err
	}
	how := run.EndSummary(s.Payloads)
	if how != "" {
		how = ": " + how
	}
	return cli.Usage("it has ended (%s, %s)%s", StatusText(run.Status), s.TimesOf(ctx, id).Text(run.EndedAt), how).Of(id).
		Then("See how it ended: " + s.Starter("status "+id))
}

// Known refuses a workflow of another program.
func Known(run workflows.Execution) error {
	if _, ok := workflows.TypeByName(run.Type); !ok {
		return cli.Usage("%s is a %s workflow, which pbsmflow does not manage", run.ID, run.Type)
	}
	return nil
}

// StatusText is Temporal's status of a workflow in lower case.
func StatusText(status enumspb.WorkflowExecutionStatus) string {
	return strings.ToLower(status.String())
}

// ExampleID is the id in examples for a noun.
func ExampleID(noun string) string {
	if noun == workflows.BatchKind {
		return workflows.BatchWorkflowID("prod", "PBSM_ALLOC", "2026-10-31", "")
	}
	return workflows.CloseWorkflowID("prod", "nightly-close", "2026-10-31")
}

// MemoField decodes a memo field.
func (s *Session) MemoField(memo *commonpb.Memo, name string, value any) error {
	payload, ok := memo.GetFields()[name]
	if !ok {
		return fmt.Errorf("it has no memo %q: it was not created by this program", name)
	}
	return s.Payloads.FromPayload(payload, value)
}
