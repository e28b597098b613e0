package cli

import (
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/pbsmflow/pbsmflow/internal/clock"
	"github.com/spf13/cobra"
	"github.com/spf13/pflag"
)

// ConnectionFlag adds --connection.
func ConnectionFlag(flags *pflag.FlagSet, connection *string) {
	flags.StringVarP(connection, "connection", "c", "", "the `connection`, as the worker's configuration names it")
}

// AsOfFlag adds --as-of.
func AsOfFlag(flags *pflag.FlagSet, asOf *string) {
	flags.StringVar(asOf, "as-of", "", "the business `date`, yyyy-mm-dd; it is never today by default")
}

// StartAsOfFlag adds --as-of to a command that starts something for the date, and --yes for a date that is ahead.
func StartAsOfFlag(flags *pflag.FlagSet, asOf *string) {
	AsOfFlag(flags, asOf)
	flags.Bool("yes", false, "do not ask about an as-of date that is ahead")
}

// confirmAhead asks about an as-of date that no place on Earth has reached: a mistyped year would run what nobody can
// take back.
func confirmAhead(t *Terminal, flags *pflag.FlagSet, now time.Time) error {
	asOf, _ := flags.GetString("as-of") // "" and false where the command has no such flag
	yes, _ := flags.GetBool("yes")
	date, _ := time.Parse(time.DateOnly, asOf) // what is no date is refused elsewhere
	today := now.UTC().Truncate(24 * time.Hour)
	const firstZone = 14 * time.Hour // UTC+14, where a day begins
	if yes || !date.After(now.UTC().Add(firstZone)) {
		return nil
	}
	return t.Confirm(fmt.Sprintf("The as-of date %s is %d days ahead. Start it?", asOf, int(date.Sub(today).Hours()/24)))
}

// Moment reads the value of a flag that is a time: a date and time (RFC 3339), the next such time of day
// here ("05:00"), or a duration from now ("90m"). Empty is none.
func Moment(flag, text string, now time.Time) (time.Time, error) {
	if at, err := time.Parse(time.RFC3339, text); err == nil {
		if !at.After(now) {
			return time.Time{}, Usage("--%s %s is in the past", flag, text)
		}
		return at, nil
	}
	at, err := clock.ResolveDeadline(now, text, now.Location())
	if err != nil {
		return time.Time{}, Usage("--%s: %v; write a date and time like 2026-11-01T05:00:00-04:00", flag, err)
	}
	return at, nil
}

// Pairs reads the values of a flag that are KEY=VALUE. A value may contain "=" and ",".
func Pairs(flag string, texts []string) (map[string]string, error) {
	if len(texts) == 0 {
		return nil, nil
	}
	values := map[string]string{}
	var found []string
	for _, text := range texts {
		key, value, ok := strings.Cut(text, "=")
		_, twice := values[key]
		switch {
		case !ok || key == "":
			found = append(found, fmt.Sprintf("--%s %q is not KEY=VALUE", flag, text))
		case twice:
			found = append(found, fmt.Sprintf("--%s %s is given twice", flag, key))
		}
		values[key] = value
	}
	return values, FlagProblems(found)
}

// FlagProblems is the problem of a command line, nil without any.
func FlagProblems(found []string) error {
	return Listing(ExitUsage, "the command line has problems", found)
}

// neverEmpty are flags whose absence changes what a command does, such as submitting a batch rather than
// following its run. An empty value, as from an unset variable of a script, does not count as absent.
var neverEmpty = []string{"again", "exclude-task", "hold-task", "include-task", "key", "run-id", "seal", "step",
	"store"}

// checkNotEmpty refuses empty values of flags for which that would be dangerous.
func checkNotEmpty(flags *pflag.FlagSet) error {
	var found []string
	for _, name := range neverEmpty {
		flag := flags.Lookup(name)
		if flag == nil || !flag.Changed {
			continue
		}
		if text := flag.Value.String(); text == "" || text == "[]" {
			found = append(found, fmt.Sprintf("--%s is empty: give it a value, or omit it", name))
		}
	}
	return FlagProblems(found)
}

// Group makes a command that only has subcommands.
func Group(cmd *cobra.Command, sub ...*cobra.Command) *cobra.Command {
	cmd.Args = NoArgs
	cmd.RunE = func(cmd *cobra.Command, _ []string) error { return cmd.Help() }
	cmd.AddCommand(sub...)
	return cmd
}

// typos is how many letters of a mistyped command may be wrong for it to be suggested.
const typos = 2

// NoArgs refuses arguments, and suggests the command that was mistyped.
func NoArgs(cmd *cobra.Command, args []string) error {
	if len(args) == 0 {
		return nil
	}
	p := Usage("unknown command or argument %q", args[0])
	if cmd.HasParent() {
		p.Message = below(cmd) + ": " + p.Message
	}
	cmd.SuggestionsMinimumDistance = typos
	if near := cmd.SuggestionsFor(args[0]); len(near) > 0 {
		p.Next = append(p.Next, "Did you mean: "+cmd.CommandPath()+" "+strings.Join(near, ", "))
	}
	p.Next = append(p.Next, cmd.CommandPath()+" --help")
	return p
}

// below is the path of a command below the program, whose name every problem begins with.
func below(cmd *cobra.Command) string {
	return strings.TrimPrefix(cmd.CommandPath(), cmd.Root().CommandPath()+" ")
}

// flagProblem is the problem of a flag that cannot be read, with the flags that could be meant.
func flagProblem(cmd *cobra.Command, err error) error {
	if args := cmd.Flags().Args(); cmd.HasSubCommands() && len(args) > 0 {
		return NoArgs(cmd, args[:1]) // a subcommand was mistyped, whose flag it is
	}
	p := Usage("%v", err)
	if unknown := (*pflag.NotExistError)(nil); errors.As(err, &unknown) {
		if unknown.GetSpecifiedName() == "json" {
			p.Next = append(p.Next, "Did you mean: --output json")
		}
		names := &cobra.Command{SuggestionsMinimumDistance: typos} // which knows how to look for what is near
		cmd.Flags().VisitAll(func(flag *pflag.Flag) {
			names.AddCommand(&cobra.Command{Use: flag.Name, Run: func(*cobra.Command, []string) {}})
		})
		if near := names.SuggestionsFor(unknown.GetSpecifiedName()); len(near) > 0 {
			p.Next = append(p.Next, "Did you mean: --"+strings.Join(near, ", --"))
		}
	}
	p.Next = append(p.Next, cmd.CommandPath()+" --help")
	return p
}

// OneArg wants exactly one argument.
func OneArg(what string) cobra.PositionalArgs {
	return func(cmd *cobra.Command, args []string) error {
		if len(args) == 1 && args[0] != "" {
			return nil
		}
		p := Usage("%s wants one %s, not %d", below(cmd), what, len(args))
		if len(args) == 1 {
			p = Usage("%s wants one %s, not an empty text", below(cmd), what)
		}
		p.Next = []string{cmd.CommandPath() + " --help"}
		return p
	}
}

// Example is [Factory.Examples] of one command, which stands below a noun or, for an empty noun, below the root.
func (f *Factory) Example(noun, rest string) string {
	return f.Examples(strings.TrimSpace(noun + " " + rest))
}

// Examples are the examples of a help text, from the words behind the name of the program on.
func (f *Factory) Examples(commands ...string) string {
	lines := make([]string, len(commands))
	for i, command := range commands {
		lines[i] = "  " + f.Starter(command)
	}
	return strings.Join(lines, "\n")
}
