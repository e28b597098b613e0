package main

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/spf13/cobra"
	"go.temporal.io/api/workflowservice/v1"
	"golang.org/x/sync/errgroup"

	"github.com/pbsmflow/pbsmflow/starter/internal/view"
	"github.com/pbsmflow/pbsmflow/workflows"
)

func newInboxCommand(a *app) *cobra.Command {
	var connection string
	cmd := &cobra.Command{
		Use:   "inbox",
		Short: "Show every question to an operator, and what answers it",
		Long: `Show everything that waits for an operator: why, since when, until when, and as commands to
copy what can be done about it. The exit code is 0 when nothing waits and 3 when something does.`,
		Example: "  starter inbox\n  starter inbox --connection prod --output json",
		Args:    noArgs,
		RunE:    func(cmd *cobra.Command, _ []string) error { return a.inbox(cmd.Context(), connection) },
	}
	cmd.Flags().StringVarP(&connection, "connection", "c", "", "only of this `connection`")
	return cmd
}

// inboxDocument is what --output json prints.
type inboxDocument struct {
	Waiting []view.Waiter `json:"waiting"`
}

func (a *app) inbox(ctx context.Context, connection string) error {
	s, err := a.connect(ctx)
	if err != nil {
		return err
	}
	defer s.close()
	return s.inbox(ctx, connection)
}

func (s *session) inbox(ctx context.Context, connection string) error {
	ids, err := s.waitingIDs(ctx, connection)
	if err != nil {
		return err
	}
	waiters := append([]view.Waiter{}, view.Inbox(s.lookAtAll(ctx, ids))...)
	for i := range waiters {
		waiters[i].Commands = s.completeAll(waiters[i].Commands)
	}
	document := inboxDocument{Waiting: waiters}
	if !s.json() {
		s.print(s.style.Inbox(waiters, time.Now(), s.width())...)
	} else if len(waiters) == 0 {
		s.printJSON(document)
	}
	if len(waiters) > 0 {
		return &problem{code: exitWaiting, shown: true, document: document}
	}
	if unknown := (*problem)(nil); connection != "" && errors.As(s.served(ctx, connection), &unknown) {
		s.note("Is the name right? %s.", unknown.message) // it may have been taken out: that nothing waits on it is an answer
	}
	return nil
}

// waitingIDs are the workflows whose search attribute says that a person is asked. It may be
// a moment behind; what they say themselves decides.
func (s *session) waitingIDs(ctx context.Context, connection string) ([]string, error) {
	request := &workflowservice.ListWorkflowExecutionsRequest{Query: workflows.WaitingQuery(connection, workflows.CommandTypes()...)}
	var ids []string
	for {
		page, err := s.client.ListWorkflow(ctx, request)
		if err != nil {
			return nil, fmt.Errorf("list what waits: %w", err)
		}
		for _, execution := range page.GetExecutions() {
			ids = append(ids, execution.GetExecution().GetWorkflowId())
		}
		if len(page.GetNextPageToken()) == 0 {
			return ids, nil
		}
		request.NextPageToken = page.GetNextPageToken()
	}
}

// lookAtAll asks every workflow how it stands.
func (s *session) lookAtAll(ctx context.Context, ids []string) []view.Job {
	jobs := make([]view.Job, len(ids))
	var group errgroup.Group
	group.SetLimit(maxAtOnce)
	for i, id := range ids {
		group.Go(func() error {
			jobs[i].ID = id
			status, err := s.status(ctx, id)
			if err != nil {
				jobs[i].Notes = []string{fmt.Sprintf("it waits for an operator, but nobody tells for what: %v", err)}
				return nil
			}
			jobs[i].Status = status
			return nil
		})
	}
	_ = group.Wait()
	return jobs
}
