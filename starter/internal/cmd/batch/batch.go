// Package batch has starter batch.
package batch

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/pbsmflow/pbsmflow/starter/internal/cli"
	"github.com/pbsmflow/pbsmflow/starter/internal/cmd/command"
	"github.com/pbsmflow/pbsmflow/workflows"
)

// New makes the command.
func New(f *cli.Factory) *cobra.Command {
	return cli.Group(&cobra.Command{
		Use:   "batch",
		Short: "Run a batch or a batch group, and send it commands",
		Example: f.Examples(
			"batch run --connection prod --code PBSM_ALLOC --as-of 2026-10-31",
			"batch interrupt batch/prod/PBSM_ALLOC/2026-10-31 \\\n      --reason \"wrong rates loaded\"",
		),
	}, append([]*cobra.Command{newRun(f)}, command.All(f, workflows.BatchKind)...)...)
}

func newRun(f *cli.Factory) *cobra.Command {
	var (
		in                          workflows.RunBatchInput
		params, taskParams, members []string
		restartDelay                time.Duration
		cmd                         *cobra.Command
	)
	cmd = cli.StartCommand(f, &cobra.Command{
		Use:   "run --connection C --code CODE --as-of DATE",
		Short: "Run a batch or a batch group once, and follow it",
		Long: `Run a batch or a batch group once for a business date, and follow it.

The id batch/CONNECTION/CODE/DATE[/KEY] stands for one submission. While it
runs, the same command follows it, whoever started it. One that failed is
submitted again. One that succeeded is done: its result is shown again, with
exit code 0, so that a scheduler may repeat the command; --again REASON runs it
again.

A group takes its parameters, the as-of date among them, by batch: name the
group's batches with --member. Only a tenant that takes one date for the whole
group (group_date of the connection) needs none.`,
		Example: f.Examples(
			"batch run -c prod --code PBSM_ALLOC --as-of 2026-10-31 --restarts 2",
			`batch run -c prod --code PBSM_PROFIT_GRP --as-of 2026-10-31 --group \
      --member PBSM_FTP --member PBSM_PROFIT`,
			`batch run -c prod --code PBSM_ALLOC --as-of 2026-10-31 \
      --again "rates were corrected"`,
		),
		Args: cli.NoArgs,
	}, &in, &in.Connection, &in.Deadline, func(_ []string, by string) (err error) {
		in.StartedBy = by
		for _, code := range members {
			in.Batches = append(in.Batches, workflows.GroupBatch{Code: code})
		}
		if cmd.Flags().Changed("restart-delay") {
			in.RestartDelay = restartDelay.String()
		}
		if in.Params, err = cli.Pairs("param", params); err != nil {
			return err
		}
		in.TaskParams, err = taskPairs(taskParams)
		return err
	})
	flags := cmd.Flags()
	flags.StringVar(&in.Code, "code", "", "the unique batch `code`, or the batch group's")
	flags.BoolVar(&in.Group, "group", false, "the code is that of a batch group")
	flags.StringSliceVar(&members, "member", nil,
		"a `batch` of the group, repeatable; each gets the as-of date and the parameters")
	cli.StartAsOfFlag(flags, &in.AsOfDate)
	flags.StringArrayVar(&params, "param", nil,
		"a run-time parameter `K=V`, repeatable; quote $ names: '$FICMISDATE$=2026-10-31'")
	flags.StringArrayVar(&taskParams, "task-param", nil,
		"a run-time parameter `TASK:K=V` of one task, repeatable, where the tenant takes them")
	flags.StringVar(&in.ServiceID, "service-id", "", "the `service` that the batch belongs to (default: the connection's)")
	flags.StringVar(&in.Key, "key", "", "a `key` for each submission, where a batch runs twice for a date on purpose")
	flags.IntVar(&in.Restarts, "restarts", 0,
		"how many `times` a failed run is restarted from its failed task before an operator is asked")
	flags.DurationVar(&restartDelay, "restart-delay", 30*time.Second, "the `pause` before such a restart")
	flags.StringSliceVar(&in.IncludedTasks, "include-task", nil, "run only this `task`, repeatable")
	flags.StringSliceVar(&in.ExcludedTasks, "exclude-task", nil, "skip this `task`, repeatable")
	flags.StringSliceVar(&in.HeldTasks, "hold-task", nil, "hold this `task`, repeatable")
	flags.StringVar(&in.RunID, "run-id", "", "follow this `run`, which was started elsewhere, and submit nothing")
	flags.StringVar(&in.Again, "again", "", "the `reason` to run a batch that already succeeded for this date")
	return cmd
}

// taskPairs reads TASK:K=V.
func taskPairs(texts []string) (map[string]map[string]string, error) {
	pairs, err := cli.Pairs("task-param", texts)
	if err != nil || len(pairs) == 0 {
		return nil, err
	}
	tasks := map[string]map[string]string{}
	var found []string
	for key, value := range pairs {
		task, name, ok := strings.Cut(key, ":")
		if !ok || task == "" || name == "" {
			found = append(found, fmt.Sprintf("--task-param %q is not TASK:KEY=VALUE", key+"="+value))
			continue
		}
		if tasks[task] == nil {
			tasks[task] = map[string]string{}
		}
		tasks[task][name] = value
	}
	slices.Sort(found)
	return tasks, cli.FlagProblems(found)
}
