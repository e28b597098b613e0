// Package inbox has starter inbox.
package inbox

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/spf13/cobra"
	"golang.org/x/sync/errgroup"

	"github.com/pbsmflow/pbsmflow/starter/internal/cli"
	"github.com/pbsmflow/pbsmflow/starter/internal/client"
	"github.com/pbsmflow/pbsmflow/starter/internal/follow"
	"github.com/pbsmflow/pbsmflow/starter/internal/view"
	"github.com/pbsmflow/pbsmflow/workflows"
)

// New makes the command.
func New(f *cli.Factory) *cobra.Command {
	var connection string
	cmd := &cobra.Command{
		Use:   "inbox",
		Short: "Show every question, and the commands that answer it",
		Long: `Show everything that waits for an operator: why, since when, until when, and the
commands that answer it, to copy. The exit code is 0 when nothing waits and 3
when something does.`,
		Example: f.Examples("inbox", "inbox --connection prod --output json"),
		Args:    cli.NoArgs,
		RunE: client.RunE(f, func(ctx context.Context, s *client.Session, _ []string) error {
			return run(ctx, s, connection)
		}),
	}
	cmd.Flags().StringVarP(&connection, "connection", "c", "", "only of this `connection`")
	return cmd
}

type document struct {
	Waiting []view.Entry `json:"waiting"`
}

func run(ctx context.Context, s *client.Session, connection string) error {
	ids, err := waiting(ctx, s, connection)
	if err != nil {
		return err
	}
	entries := append([]view.Entry{}, view.Inbox(snapshots(ctx, s, ids))...) // never null in JSON
	if !s.JSON() {
		s.Print(s.Style.Inbox(entries, time.Now(), s.Width())...)
	} else if len(entries) == 0 {
		s.PrintJSON(document{entries})
	}
	if len(entries) > 0 {
		return &cli.Problem{Code: cli.ExitWaiting, Shown: true, Document: document{entries}}
	}
	// The connection may have been removed: that nothing waits for it is an answer.
	if unknown := (*cli.Problem)(nil); connection != "" && errors.As(s.Served(ctx, connection), &unknown) {
		s.Note("Is the name right? %s.", unknown.Message)
	}
	return nil
}

// waiting lists the workflows whose search attribute says that they wait. The list may lag behind; their
// statuses decide.
func waiting(ctx context.Context, s *client.Session, connection string) ([]string, error) {
	found, err := s.List(ctx, workflows.WaitingQuery(connection, workflows.CommandTypes()...))
	if err != nil {
		return nil, fmt.Errorf("list what waits: %w", err)
	}
	var ids []string
	for _, execution := range found {
		ids = append(ids, execution.GetExecution().GetWorkflowId())
	}
	return ids, nil
}

func snapshots(ctx context.Context, s *client.Session, ids []string) []view.Snapshot {
	all := make([]view.Snapshot, len(ids))
	var group errgroup.Group
	group.SetLimit(follow.MaxAtOnce)
	for i, id := range ids {
		group.Go(func() error {
			all[i] = view.Snapshot{ID: id, Starter: s.Program}
			status, err := s.Status(ctx, id)
			if err != nil {
				all[i] = unanswered(ctx, s, id, err)
				return nil
			}
			all[i].Status = status
			return nil
		})
	}
	_ = group.Wait()
	return all
}

// unanswered is a workflow that waits, and whose question nobody gives: what its id and Temporal say.
func unanswered(ctx context.Context, s *client.Session, id string, cause error) view.Snapshot {
	snapshot := view.Snapshot{
		ID:      id,
		Starter: s.Program,
		Notes:   []string{"it waits for an operator, but its question is unknown: Temporal does not answer"},
	}
	if parsed, ok := workflows.ParseID(id); ok {
		snapshot.Status.Connection, snapshot.Status.AsOfDate = parsed.Connection, parsed.AsOfDate
	}
	if run, err := s.Describe(ctx, id); err == nil {
		snapshot.Status.StartedAt = run.StartedAt
		snapshot.Notes = []string{"it waits for an operator, but its question is unknown: " +
			s.StatusUnknown(ctx, run, cause).Error()}
	}
	return snapshot
}
