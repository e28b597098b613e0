package main

import (
	"github.com/spf13/cobra"
	"github.com/spf13/pflag"
)

func newCloseCommand(a *app) *cobra.Command {
	var connection, pipelineArg, asOf string
	var f following
	cmd := &cobra.Command{
		Use:   "close --connection C --pipeline NAME|FILE --as-of DATE",
		Short: "Run a night's close and follow it",
		Long: `Run a night's close: the steps of a pipeline, for one connection and one business date.

A night cannot run twice at once: the same command given again follows the close that
runs. A close that failed is started anew, and the batches that succeeded are not run
again. A close that succeeded is done: its result is shown again, with exit code 0.

` + exitCodesHelp,
		Example: `  starter close --connection prod --pipeline nightly-close --as-of 2026-10-31
  starter close --connection prod --pipeline ./nightly-close.yaml --as-of 2026-10-31 --detach
  starter close status close/prod/nightly-close/2026-10-31 --follow
  starter close restart close/prod/nightly-close/2026-10-31 --step allocate --reason "table space was full"`,
		Args: noArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			in, err := closeInput(connection, pipelineArg, asOf, f.by)
			if err != nil {
				return err
			}
			return a.launch(cmd.Context(), in, f)
		},
	}
	flags := cmd.Flags()
	flags.StringVarP(&connection, "connection", "c", "", "the `connection`, as the worker's configuration names it")
	flags.StringVarP(&pipelineArg, "pipeline", "p", "", "a pipeline's `name` in the worker's folder, or a file here, which is sent along")
	asOfFlag(flags, &asOf)
	followFlags(flags, &f)
	cmd.AddCommand(steeringCommands(a, "close")...)
	return cmd
}

func asOfFlag(flags *pflag.FlagSet, asOf *string) {
	flags.StringVar(asOf, "as-of", "", "the business `date`, yyyy-mm-dd; it is never today by default")
}

func followFlags(flags *pflag.FlagSet, f *following) {
	flags.BoolVar(&f.detach, "detach", false, "print the workflow id and leave")
	flags.BoolVar(&f.wait, "wait", false, "keep following while a person is asked, instead of exit code 3")
	flags.StringVar(&f.by, "by", person(), "`who` starts it")
	flags.IntVar(&f.priority, "priority", 0, "`level` in queues that are full: 1 is served first, 5 last (default 3; a backfill has 4)")
}

func deadlineFlag(flags *pflag.FlagSet, deadline *string) {
	flags.StringVar(deadline, "deadline", "", "the `time` at which to stop waiting: 05:00, 90m or 2026-11-01T05:00:00-04:00; the remote job is left alone")
}
