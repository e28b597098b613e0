package main

import (
	"time"

	"github.com/spf13/cobra"

	"github.com/pbsmflow/pbsmflow/workflows"
)

func newBatchCommand(a *app) *cobra.Command {
	cmd := &cobra.Command{
		Use:   "batch",
		Short: "Run a batch or a batch group, and steer it",
		Example: `  starter batch run --connection prod --code PBSM_ALLOC --as-of 2026-10-31
  starter batch interrupt batch/prod/PBSM_ALLOC/2026-10-31 --reason "wrong rates"`,
		Args: noArgs,
		RunE: func(cmd *cobra.Command, _ []string) error { return cmd.Help() },
	}
	cmd.AddCommand(newBatchRunCommand(a))
	cmd.AddCommand(steeringCommands(a, "batch")...)
	return cmd
}

func newBatchRunCommand(a *app) *cobra.Command {
	var in workflows.RunBatchInput
	var params, codes []string
	var deadline string
	var delay time.Duration
	var f following
	cmd := &cobra.Command{
		Use:   "run --connection C --code CODE --as-of DATE",
		Short: "Run a batch or a batch group once, and follow it",
		Long: `Run a batch or a batch group once for a business date, and follow it.

The id batch/CONNECTION/CODE/DATE[/KEY] stands for one posting. While it runs, the same
command follows it, whoever started it. One that failed is posted again. One that
succeeded is done: its result is shown again, with exit code 0, so that a repeated job
of a scheduler does no harm; --again REASON runs it again.

A group takes its parameters, the as-of date among them, by batch: name the group's
batches with --member.

` + exitCodesHelp,
		Example: `  starter batch run --connection prod --code PBSM_ALLOC --as-of 2026-10-31 --restarts 2 --deadline 05:00
  starter batch run --connection prod --code PBSM_PROFIT_GRP --group --member PBSM_FTP --member PBSM_PROFIT --as-of 2026-10-31
  starter batch run --connection prod --code PBSM_ALLOC --as-of 2026-10-31 --again "rates were corrected"`,
		Args: noArgs,
		RunE: func(cmd *cobra.Command, _ []string) (err error) {
			if in.Params, err = pairs("param", params); err != nil {
				return err
			}
			if in.Deadline, err = moment("deadline", deadline, time.Now()); err != nil {
				return err
			}
			if cmd.Flags().Changed("restart-delay") {
				in.RestartDelay = delay.String()
			}
			in.Batches, in.StartedBy = members(codes), f.by
			if err := inputProblem(in.Validate()); err != nil {
				return err
			}
			return a.launch(cmd.Context(), in, f)
		},
	}
	flags := cmd.Flags()
	flags.StringVarP(&in.Connection, "connection", "c", "", "the `connection`, as the worker's configuration names it")
	flags.StringVar(&in.Code, "code", "", "the unique batch `code`, or the batch group's")
	flags.BoolVar(&in.Group, "group", false, "the code is a batch group's")
	flags.StringSliceVar(&codes, "member", nil, "a `batch` of the group, repeatable; each gets the as-of date and the parameters")
	asOfFlag(flags, &in.AsOfDate)
	flags.StringArrayVar(&params, "param", nil, "a run-time parameter `K=V`, repeatable; quote $ names: '$FICMISDATE$=2026-10-31'")
	flags.StringVar(&in.Key, "key", "", "a `word` that tells postings apart where one batch runs twice for a date on purpose")
	flags.IntVar(&in.Restarts, "restarts", 0, "how many `times` a failed run is restarted from its failed task before a person is asked")
	flags.DurationVar(&delay, "restart-delay", 30*time.Second, "the `pause` before such a restart")
	flags.StringSliceVar(&in.IncludedTasks, "include-task", nil, "run only this `task`, repeatable")
	flags.StringSliceVar(&in.ExcludedTasks, "exclude-task", nil, "leave this `task` out, repeatable")
	flags.StringSliceVar(&in.HeldTasks, "hold-task", nil, "hold this `task`, repeatable")
	flags.StringVar(&in.RunID, "run-id", "", "follow this `run`, started elsewhere, instead of posting")
	flags.StringVar(&in.Again, "again", "", "the `reason` to run a batch that already succeeded for this date")
	deadlineFlag(flags, &deadline)
	followFlags(flags, &f)
	return cmd
}
