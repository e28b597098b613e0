package close

import (
	"context"
	"fmt"
	"slices"
	"time"

	"github.com/spf13/cobra"
	workflowpb "go.temporal.io/api/workflow/v1"
	"golang.org/x/sync/errgroup"

	"github.com/pbsmflow/pbsmflow/internal/clock"
	"github.com/pbsmflow/pbsmflow/starter/internal/cli"
	"github.com/pbsmflow/pbsmflow/starter/internal/client"
	"github.com/pbsmflow/pbsmflow/starter/internal/follow"
	"github.com/pbsmflow/pbsmflow/starter/internal/view"
	"github.com/pbsmflow/pbsmflow/workflows"
)

// listedSince is how long ago a close that is listed may have ended.
const listedSince = 24 * time.Hour

func newList(f *cli.Factory) *cobra.Command {
	var connection string
	since := listedSince
	cmd := &cobra.Command{
		Use:   "list",
		Short: "List the closes that run, and those that have ended lately",
		Long: `List the closes that run and those that have ended lately, whoever started
them: those that wait for an operator first, then the newest.`,
		Example: f.Examples("close list", "close list --connection prod --since 72h"),
		Args:    cli.NoArgs,
		RunE: client.RunE(f, func(ctx context.Context, s *client.Session, _ []string) error {
			closes, err := list(ctx, s, connection, time.Now().Add(-since))
			if err != nil {
				return err
			}
			return s.Show(map[string]any{"closes": closes}, s.Style.Closes(closes, s.Width())...)
		}),
	}
	cmd.Flags().StringVarP(&connection, "connection", "c", "", "only of this `connection`")
	cmd.Flags().DurationVar(&since, "since", since, "how long ago a close may have `ended`")
	return cmd
}

// list finds the closes that have not ended before a time, and what each says of itself. An empty connection is any.
func list(ctx context.Context, s *client.Session, connection string, since time.Time) ([]view.Close, error) {
	found, err := find(ctx, s, connection, since)
	if err != nil {
		return nil, err
	}
	closes := make([]view.Close, len(found))
	var group errgroup.Group
	group.SetLimit(follow.MaxAtOnce)
	for i, info := range found {
		group.Go(func() error {
			closes[i] = newClose(ctx, s, info)
			return nil
		})
	}
	_ = group.Wait()
	slices.SortStableFunc(closes, func(a, b view.Close) int { return b.Rank() - a.Rank() })
	return closes, nil
}

// find lists the newest execution of each close, the newest first.
func find(
	ctx context.Context, s *client.Session, connection string, since time.Time,
) (found []*workflowpb.WorkflowExecutionInfo, err error) {
	all, err := s.List(ctx, workflows.ClosesQuery(since))
	if err != nil {
		return nil, fmt.Errorf("list the closes: %w", err)
	}
	seen := map[string]bool{}
	for _, info := range all {
		id := info.GetExecution().GetWorkflowId()
		parsed, ok := workflows.ParseID(id)
		isClose := ok && parsed.Kind == workflows.CloseKind
		if isClose && !seen[id] && (connection == "" || connection == parsed.Connection) {
			seen[id] = true
			found = append(found, info)
		}
	}
	return found, nil
}

// newClose is a close with its status, or with what Temporal says of it where no worker answers.
func newClose(ctx context.Context, s *client.Session, info *workflowpb.WorkflowExecutionInfo) view.Close {
	c := view.Close{
		ID:        info.GetExecution().GetWorkflowId(),
		State:     client.StatusText(info.GetStatus()),
		StartedAt: info.GetStartTime().AsTime(),
	}
	if ended := info.GetCloseTime(); ended != nil {
		at := ended.AsTime()
		c.EndedAt = &at
	}
	status, err := s.Status(ctx, c.ID)
	if err != nil {
		c.Summary = "no worker answers, so its status is not known"
		if !client.NoWorkerAnswered(err) {
			c.Summary = "its status cannot be read here: " + err.Error()
		}
		return c
	}
	c.State, c.Summary, c.Times = string(status.State), status.Summary, clock.In(status.TimeZone)
	return c
}
