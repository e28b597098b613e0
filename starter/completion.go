package main

import (
	"cmp"
	"context"
	"os"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"
	"go.temporal.io/api/workflowservice/v1"
	sdk "go.temporal.io/sdk/client"

	"github.com/pbsmflow/pbsmflow/internal/config"
	"github.com/pbsmflow/pbsmflow/internal/pipeline"
	"github.com/pbsmflow/pbsmflow/starter/internal/cli"
	"github.com/pbsmflow/pbsmflow/starter/internal/client"
	"github.com/pbsmflow/pbsmflow/workflows"
)

// completionTimeout is how long a key press may take.
const completionTimeout = 2 * time.Second

// completeEverything completes the flags and arguments whose values are known here, or to Temporal.
func completeEverything(f *cli.Factory, root *cobra.Command) {
	flags := map[string]cobra.CompletionFunc{
		"connection": values(func(context.Context, []string) []string {
			return config.ConnectionNames(f.Config, os.Environ())
		}),
		"pipeline": pipelines(f),
		"step":     fromTemporal(f, steps),
	}
	for _, cmd := range root.Commands() {
		completeEverything(f, cmd)
	}
	for name, complete := range flags {
		if root.Flags().Lookup(name) != nil {
			_ = root.RegisterFlagCompletionFunc(name, complete)
		}
	}
	switch _, argument, _ := strings.Cut(root.Use, " "); {
	case argument != "ID":
	case root.Parent().Name() == workflows.ScheduleKind:
		root.ValidArgsFunction = fromTemporal(f, schedules)
	default:
		root.ValidArgsFunction = fromTemporal(f, ids(root))
	}
}

// values completes with the texts that begin with what is typed.
func values(list func(ctx context.Context, args []string) []string) cobra.CompletionFunc {
	return func(cmd *cobra.Command, args []string, typed string) ([]cobra.Completion, cobra.ShellCompDirective) {
		ctx, cancel := context.WithTimeout(cmd.Context(), completionTimeout)
		defer cancel()
		found := slices.DeleteFunc(list(ctx, args), func(text string) bool { return !strings.HasPrefix(text, typed) })
		return found, cobra.ShellCompDirectiveNoFileComp
	}
}

// pipelines are those of the configured folder, and files.
func pipelines(f *cli.Factory) cobra.CompletionFunc {
	complete := values(func(context.Context, []string) (names []string) {
		worker, _ := config.LoadWorker(f.Config, os.Environ())
		names, _ = pipeline.Names(worker.Pipelines)
		return names
	})
	return func(cmd *cobra.Command, args []string, typed string) ([]cobra.Completion, cobra.ShellCompDirective) {
		found, _ := complete(cmd, args, typed)
		return found, cobra.ShellCompDirectiveDefault
	}
}

// fromTemporal completes with nothing where Temporal does not answer.
func fromTemporal(
	f *cli.Factory, list func(context.Context, *client.Session, []string) []string,
) cobra.CompletionFunc {
	return values(func(ctx context.Context, args []string) (found []string) {
		_ = client.With(ctx, f, func(s *client.Session) error {
			found = list(ctx, s, args)
			return nil
		})
		return found
	})
}

// ids are those of the latest workflows of the command's noun. What has ended is only of interest to its status.
func ids(cmd *cobra.Command) func(context.Context, *client.Session, []string) []string {
	return func(ctx context.Context, s *client.Session, args []string) (found []string) {
		if len(args) > 0 {
			return nil
		}
		worker, _ := config.LoadWorker(s.Config, os.Environ())
		query := workflows.WorkflowsQuery(cmp.Or(s.TaskQueue, worker.TaskQueue))
		if cmd.Name() != "status" {
			query += " AND ExecutionStatus = 'Running'"
		}
		page, err := s.Temporal.ListWorkflow(ctx, &workflowservice.ListWorkflowExecutionsRequest{Query: query, PageSize: 200})
		if err != nil {
			return nil
		}
		noun := cmd.Parent().Name()
		for _, execution := range page.GetExecutions() {
			id := execution.GetExecution().GetWorkflowId()
			if !cmd.Parent().HasParent() || strings.HasPrefix(id, noun+"/") {
				found = append(found, id)
			}
		}
		return found
	}
}

func steps(ctx context.Context, s *client.Session, args []string) (found []string) {
	if len(args) == 0 {
		return nil
	}
	status, _ := s.Status(ctx, args[0])
	for _, step := range status.Steps {
		found = append(found, step.ID)
	}
	return found
}

func schedules(ctx context.Context, s *client.Session, args []string) (found []string) {
	iterator, err := s.Temporal.ScheduleClient().List(ctx, sdk.ScheduleListOptions{})
	for err == nil && len(args) == 0 && iterator.HasNext() {
		var entry *sdk.ScheduleListEntry
		if entry, err = iterator.Next(); err == nil && entry.WorkflowType.Name == workflows.ScheduledCloseType {
			found = append(found, entry.ID)
		}
	}
	return found
}
