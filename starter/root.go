package main

import (
	"cmp"
	"context"
	"fmt"
	"os"
	"os/user"
	"regexp"
	"strings"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"github.com/pbsmflow/pbsmflow/internal/config"
	"github.com/pbsmflow/pbsmflow/starter/internal/view"
	"github.com/pbsmflow/pbsmflow/workflows"
)

// app is what every command shares.
type app struct {
	*terminal
	config    string // path of pbsm.yaml
	taskQueue string
	output    string
	verbose   bool
	given     string         // of the flags config and task-queue, as they were typed, before a command
	commands  *regexp.Regexp // the starter's commands in a text
	// launch starts a workflow and follows it, as asked.
	launch func(context.Context, workflows.Input, following) error
}

// taskQueueVariable is the variable that overrides the worker's setting, so that one serves both.
const taskQueueVariable = "PBSM_WORKER__TASK_QUEUE"

func newRoot(a *app) *cobra.Command {
	root := &cobra.Command{
		Use:   "starter",
		Short: "Run and steer the nightly close of Profitability and Balance Sheet Management",
		Long: `Run and steer the nightly close of Profitability and Balance Sheet Management.

A job that was started goes on without this program: it can be left (Ctrl-C),
found again (starter status ID --follow), and steered from anywhere.

Temporal is found as by every Temporal tool: TEMPORAL_ADDRESS, TEMPORAL_NAMESPACE,
TEMPORAL_PROFILE, temporal.toml. With TEMPORAL_UI set to the address of the web
interface, links to it are printed.

The configuration is the worker's, or the parts of it that are needed here: doctor, file
list and notify want connections and channels, schedule the calendars, and every command
the keys of encryption where the worker has some.

` + exitCodesHelp,
		Example: `  starter close --connection prod --pipeline nightly-close --as-of 2026-10-31
  starter status close/prod/nightly-close/2026-10-31 --follow
  starter inbox
  starter doctor --connection prod`,
		SilenceUsage:  true,
		SilenceErrors: true,
		Args:          noArgs,
		RunE:          func(cmd *cobra.Command, _ []string) error { return cmd.Help() },
		PersistentPreRunE: func(cmd *cobra.Command, _ []string) error {
			if a.output != "text" && a.output != "json" {
				return usage("--output %q is neither text nor json", a.output)
			}
			a.given = givenOf(cmd.Flags())
			return checkNotEmpty(cmd.Flags())
		},
	}
	flags := root.PersistentFlags()
	flags.StringVar(&a.config, "config", "", "the configuration `file` (default $PBSM_CONFIG, else ./pbsm.yaml)")
	flags.StringVar(&a.taskQueue, "task-queue", cmp.Or(os.Getenv(taskQueueVariable), workflows.TaskQueue), "the `queue` that the workers poll")
	flags.StringVarP(&a.output, "output", "o", "text", "the `format`: text, or json, which is one document on stdout")
	flags.BoolVar(&a.verbose, "verbose", false, "show the Temporal client's own log on stderr")
	_ = root.RegisterFlagCompletionFunc("output", cobra.FixedCompletions([]string{"text", "json"}, cobra.ShellCompDirectiveNoFileComp))
	root.SetFlagErrorFunc(func(cmd *cobra.Command, err error) error {
		p := usage("%v", err)
		p.next = []string{cmd.CommandPath() + " --help"}
		return p
	})
	for _, group := range []struct {
		id, title string
		commands  []*cobra.Command
	}{
		{"run", "Run and follow:", []*cobra.Command{newCloseCommand(a), newBatchCommand(a), newReportCommand(a), newFileCommand(a), newMigrateCommand(a), newScheduleCommand(a)}},
		{"look", "See and answer:", []*cobra.Command{newInboxCommand(a), newStatusCommand(a, ""), newCancelCommand(a, ""), newAuditCommand(a)}},
		{"set-up", "Set up and check:", []*cobra.Command{
			newDoctorCommand(a), newPipelineCommand(a), newSchemaCommand(a), newNotifyCommand(a), newSearchAttributesCommand(a),
			newDeploymentCommand(a), newCodecServerCommand(a), newDemoCommand(a),
		}},
	} {
		root.AddGroup(&cobra.Group{ID: group.id, Title: group.title})
		for _, command := range group.commands {
			command.GroupID = group.id
			root.AddCommand(command)
		}
	}
	root.AddCommand(newVersionCommand(a))
	a.commands = commandsIn(root)
	fitHelp(root, a.width())
	return root
}

func commandsIn(root *cobra.Command) *regexp.Regexp {
	var names []string
	for _, command := range root.Commands() {
		names = append(names, command.Name())
	}
	return regexp.MustCompile(`\bstarter (` + strings.Join(names, "|") + `)\b`)
}

func givenOf(flags *pflag.FlagSet) (given string) {
	for _, name := range []string{"config", "task-queue"} {
		if flag := flags.Lookup(name); flag.Changed {
			given += " --" + name + " " + quoted(flag.Value.String())
		}
	}
	return given
}

// quoted is a word as a shell takes it.
func quoted(word string) string {
	if notInWord.MatchString(word) || word == "" {
		return "'" + strings.ReplaceAll(word, "'", `'\''`) + "'"
	}
	return word
}

var notInWord = regexp.MustCompile(`[^A-Za-z0-9._/:=@,+-]`)

// complete makes the commands in a text such as do the same when they are copied: with the flags that were given here.
func (a *app) complete(text string) string {
	if a.given == "" {
		return text
	}
	return a.commands.ReplaceAllStringFunc(text, func(command string) string {
		return "starter" + a.given + strings.TrimPrefix(command, "starter")
	})
}

func (a *app) completeAll(texts []string) []string {
	completed := make([]string, 0, len(texts))
	for _, text := range texts {
		completed = append(completed, a.complete(text))
	}
	return completed
}

func (a *app) print(lines ...string) { a.terminal.print(a.completeAll(lines)...) }

func (a *app) note(format string, args ...any) {
	a.terminal.note("%s", a.complete(fmt.Sprintf(format, args...)))
}

// fitHelp sets the help of all commands for a terminal. 0 is no limit.
func fitHelp(root *cobra.Command, width int) {
	root.SetUsageTemplate(strings.NewReplacer(
		".FlagUsages", fmt.Sprintf(".FlagUsagesWrapped %d", width), "for more information about a command", "for more about a command",
	).Replace(root.UsageTemplate()))
	var fit func(*cobra.Command)
	fit = func(cmd *cobra.Command) {
		cmd.Long, cmd.Example = view.Help(cmd.Long, width), view.Examples(cmd.Example, width)
		for _, sub := range cmd.Commands() {
			fit(sub)
		}
	}
	fit(root)
}

func (a *app) json() bool { return a.output == "json" }

// neverEmpty are flags without which a command does something else, such as to post a batch rather than to follow its
// run. Given empty, as by a script whose variable is not set, they are not taken for left out.
var neverEmpty = []string{"again", "exclude-task", "hold-task", "include-task", "key", "run-id", "sha256", "step"}

func checkNotEmpty(flags *pflag.FlagSet) error {
	var faults []string
	for _, name := range neverEmpty {
		flag := flags.Lookup(name)
		if flag == nil || !flag.Changed {
			continue
		}
		if text := flag.Value.String(); text == "" || text == "[]" {
			faults = append(faults, fmt.Sprintf("--%s is empty: give it a value, or leave it out", name))
		}
	}
	if len(faults) > 0 {
		return &problem{code: exitUsage, message: "the command has faults", faults: faults}
	}
	return nil
}

// typos is how many letters may be wrong in a word that is taken for a command's.
const typos = 2

// noArgs refuses words that are no command.
func noArgs(cmd *cobra.Command, args []string) error {
	if len(args) == 0 {
		return nil
	}
	p := usage("%s: unknown command or argument %q", cmd.CommandPath(), args[0])
	cmd.SuggestionsMinimumDistance = typos
	if near := cmd.SuggestionsFor(args[0]); len(near) > 0 {
		p.next = append(p.next, "Did you mean: "+cmd.CommandPath()+" "+strings.Join(near, ", "))
	}
	p.next = append(p.next, cmd.CommandPath()+" --help")
	return p
}

// oneArg wants exactly one argument.
func oneArg(what string) cobra.PositionalArgs {
	return func(cmd *cobra.Command, args []string) error {
		if len(args) == 1 && args[0] != "" {
			return nil
		}
		p := usage("%s wants one %s, not %d", cmd.CommandPath(), what, len(args))
		if len(args) == 1 {
			p = usage("%s wants one %s, not an empty text", cmd.CommandPath(), what)
		}
		p.next = []string{cmd.CommandPath() + " --help"}
		return p
	}
}

// report shows a problem and gives its exit code.
func (a *app) report(p *problem) int {
	p.next = a.completeAll(p.next)
	if a.json() {
		if p.document == nil {
			p.document = problemJSON(p)
		}
		a.printJSON(p.document)
		return p.code
	}
	if p.result != nil {
		a.print(a.style.Result(p.result, a.width())...)
	}
	if !p.shown {
		a.note("%s", errorLine(p))
	}
	for _, fault := range p.faults {
		a.note("  %s", strings.ReplaceAll(fault, "\n", "\n  "))
	}
	for _, next := range p.next {
		a.note("%s", next)
	}
	return p.code
}

func errorLine(p *problem) string {
	if p.id == "" {
		return "starter: " + p.message
	}
	return p.id + ": " + p.message
}

// errorDocument is what --output json prints when there is no result to print.
type errorDocument struct {
	Error      string   `json:"error"`
	Faults     []string `json:"faults,omitempty"`
	Next       []string `json:"next,omitempty"`
	WorkflowID string   `json:"workflow_id,omitempty"`
	Result     any      `json:"result,omitempty"`
	ExitCode   int      `json:"exit_code"`
}

func problemJSON(p *problem) errorDocument {
	return errorDocument{Error: p.message, Faults: p.faults, Next: p.next, WorkflowID: p.id, Result: p.result, ExitCode: p.code}
}

func (a *app) loadConfig() (*config.Config, error) {
	cfg, err := config.Load(a.config, os.Environ())
	if err != nil {
		return nil, usage("%v", err)
	}
	return cfg, nil
}

// person is who stands behind a request.
func person() string {
	if u, err := user.Current(); err == nil && u.Username != "" {
		return u.Username
	}
	return cmp.Or(os.Getenv("USER"), "unknown")
}
