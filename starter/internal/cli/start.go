package cli

import (
	"time"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"github.com/pbsmflow/pbsmflow/workflows"
)

// StartOptions are the flags of commands that start a workflow.
type StartOptions struct {
	Detach bool
	Wait   bool
	By     string
	// Priority is 1 (served first) to 5 (served last), or 0 for Temporal's default.
	Priority int
}

// lowestPriority is the last that Temporal has unless its matching.priorityLevels says otherwise.
const lowestPriority = 5

// AddFlags adds the flags to those of a command.
func (o *StartOptions) AddFlags(flags *pflag.FlagSet) {
	flags.BoolVar(&o.Detach, "detach", false, "print the workflow id and exit")
	flags.BoolVar(&o.Wait, "wait", false, "keep following while an operator is asked, instead of exit code 3")
	flags.StringVar(&o.By, "by", Operator(), "`who` starts it")
	flags.IntVar(&o.Priority, "priority", 0,
		"`level` in queues that are full: 1 is served first, 5 last (default 3; a backfill has 4)")
}

// Validate checks the flags.
func (o *StartOptions) Validate() error {
	if o.Priority < 0 || o.Priority > lowestPriority {
		return Usage("--priority %d is not 1 to %d", o.Priority, lowestPriority)
	}
	return nil
}

// StartCommand completes a command that starts a workflow with in, which the command's own flags fill. connection
// and deadline are fields of it; deadline may be nil. prepare, which may be nil, does the rest before in is checked.
func StartCommand[I workflows.Input](
	f *Factory, cmd *cobra.Command, in *I, connection *string, deadline *time.Time,
	prepare func(args []string, by string) error,
) *cobra.Command {
	var o StartOptions
	var deadlineText string
	cmd.Long += "\n\n" + ExitCodesHelp
	ConnectionFlag(cmd.Flags(), connection)
	if deadline != nil {
		cmd.Flags().StringVar(&deadlineText, "deadline", "", "the `time` at which to stop waiting: 05:00, 90m or "+
			"2026-11-01T05:00:00-04:00; a run at the service continues")
	}
	o.AddFlags(cmd.Flags())
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		if deadline != nil {
			at, err := Moment("deadline", deadlineText, time.Now())
			if err != nil {
				return err
			}
			*deadline = at
		}
		if prepare != nil {
			if err := prepare(args, o.By); err != nil {
				return err
			}
		}
		if err := InputProblem((*in).Validate()); err != nil {
			return err
		}
		if err := confirmAhead(f.Terminal, cmd.Flags(), time.Now()); err != nil {
			return err
		}
		return f.Launch(cmd.Context(), *in, o)
	}
	return cmd
}
