package cli

import (
	"cmp"
	"context"
	"fmt"
	"os"
	"slices"
	"strings"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"github.com/pbsmflow/pbsmflow/internal/config"
	"github.com/pbsmflow/pbsmflow/workflows"
)

// NewRoot completes the root command with the global flags.
func NewRoot(f *Factory, root *cobra.Command) *cobra.Command {
	root.Annotations = map[string]string{cobra.CommandDisplayNameAnnotation: strings.TrimSpace(f.Starter(""))}
	root.SilenceUsage, root.SilenceErrors = true, true
	root.PersistentPreRunE = func(cmd *cobra.Command, _ []string) error {
		if f.Output != "text" && f.Output != "json" {
			return Usage("--output %q is neither text nor json", f.Output)
		}
		if err := cmd.ValidateRequiredFlags(); err != nil {
			return Usage("%s: %v", below(cmd), err).Then(cmd.CommandPath() + " --help")
		}
		f.useConfiguration(cmd.Flags())
		return checkNotEmpty(cmd.Flags())
	}
	flags := root.PersistentFlags()
	flags.StringVar(&f.Config, "config", "", "the configuration `file` (default $PBSM_CONFIG, else ./pbsm.yaml)")
	flags.StringVar(&f.TaskQueue, "task-queue", "",
		"the `queue` that the workers poll (default: worker.task_queue of the configuration)")
	flags.StringVarP(&f.Output, "output", "o", "text", "the `format`: text, or json, which is one document on stdout")
	flags.StringVar(&f.Console, "console", "",
		"send commands through the console at this `URL` (default: console.url where console.for_starter is set)")
	flags.BoolVar(&f.Verbose, "verbose", false, "show the Temporal client's own log on stderr")
	_ = root.RegisterFlagCompletionFunc("output",
		cobra.FixedCompletions([]string{"text", "json"}, cobra.ShellCompDirectiveNoFileComp))
	root.SetFlagErrorFunc(flagProblem)
	usage := strings.NewReplacer(
		".FlagUsages", fmt.Sprintf(".FlagUsagesWrapped %d", f.Width()),
		"for more information about a command", "for more about a command", // fits 80 columns
	)
	root.SetUsageTemplate(usage.Replace(root.UsageTemplate()))
	return Group(root)
}

// useConfiguration fills in what the worker's settings say here too. What is wrong with them is for the commands
// that need the rest of the configuration to say.
func (f *Factory) useConfiguration(flags *pflag.FlagSet) {
	worker, err := config.LoadWorker(f.Config, os.Environ())
	if err == nil && !flags.Changed("task-queue") {
		f.TaskQueue = worker.TaskQueue
	}
	f.TaskQueue = cmp.Or(f.TaskQueue, workflows.TaskQueue)
	if console, _ := config.LoadConsole(f.Config, os.Environ()); console.ForStarter && !flags.Changed("console") {
		f.Console = console.URL // its key and secrets are elsewhere, which is right
	}
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
	return flagValue(args, "--output") == "json" || flagValue(args, "-o") == "json" || slices.Contains(args, "-ojson")
}

// flagValue is the value of a flag on a command line that is not parsed.
func flagValue(args []string, flag string) string {
	for i, arg := range args {
		if value, ok := strings.CutPrefix(arg, flag+"="); ok {
			return value
		}
		if arg == flag && i+1 < len(args) {
			return args[i+1]
		}
	}
	return ""
}

// FindProgram finds out how operators call the starter: as the configuration says, or else as it was called. The
// commands are made with it, and so before they parse their flags.
func FindProgram(called string, args, env []string) config.Starter {
	worker, _ := config.LoadWorker(flagValue(args, "--config"), env) // its problems are for the commands to say
	return cmp.Or(worker.Starter, config.Starter(called))
}
