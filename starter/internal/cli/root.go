package cli

import (
	"cmp"
	"context"
	"fmt"
	"os"
	"strings"

	"github.com/spf13/cobra"

	"github.com/pbsmflow/pbsmflow/workflows"
)

// taskQueueVariable overrides the worker's setting; it is the same here, so that one variable serves both.
const taskQueueVariable = "PBSM_WORKER__TASK_QUEUE"

// NewRoot completes the root command with the global flags.
func NewRoot(f *Factory, root *cobra.Command) *cobra.Command {
	root.SilenceUsage, root.SilenceErrors = true, true
	root.PersistentPreRunE = func(cmd *cobra.Command, _ []string) error {
		if f.Output != "text" && f.Output != "json" {
			return Usage("--output %q is neither text nor json", f.Output)
		}
		return checkNotEmpty(cmd.Flags())
	}
	flags := root.PersistentFlags()
	queue := cmp.Or(os.Getenv(taskQueueVariable), workflows.TaskQueue)
	flags.StringVar(&f.Config, "config", "", "the configuration `file` (default $PBSM_CONFIG, else ./pbsm.yaml)")
	flags.StringVar(&f.TaskQueue, "task-queue", queue, "the `queue` that the workers poll")
	flags.StringVarP(&f.Output, "output", "o", "text", "the `format`: text, or json, which is one document on stdout")
	flags.BoolVar(&f.Verbose, "verbose", false, "show the Temporal client's own log on stderr")
	_ = root.RegisterFlagCompletionFunc("output", cobra.FixedCompletions([]string{"text", "json"}, cobra.ShellCompDirectiveNoFileComp))
	root.SetFlagErrorFunc(flagProblem)
	usage := strings.NewReplacer(
		".FlagUsages", fmt.Sprintf(".FlagUsagesWrapped %d", f.Width()),
		"for more information about a command", "for more about a command", // fits 80 columns
	)
	root.SetUsageTemplate(usage.Replace(root.UsageTemplate()))
	return Group(root)
}

// Execute executes a command line and returns its exit code.
func Execute(ctx context.Context, f *Factory, root *cobra.Command, args []string) int {
	root.SetArgs(args)
	root.SetOut(f.Stdout)
	root.SetErr(f.Stderr)
	err := root.ExecuteContext(ctx)
	if err == nil {
		return ExitDone
	}
	if asksForJSON(args) {
		f.Output = "json" // an unknown flag ends the parsing, perhaps before --output
	}
	return f.Report(AsProblem(Stopped(ctx, err)))
}

func asksForJSON(args []string) bool {
	for i, arg := range args {
		switch arg {
		case "--output=json", "-o=json", "-ojson":
			return true
		case "--output", "-o":
			return i+1 < len(args) && args[i+1] == "json"
		}
	}
	return false
}
