package cli

import (
	"cmp"
	"context"
	"maps"
	"os"
	"os/user"
	"slices"
	"strings"

	"github.com/pbsmflow/pbsmflow/internal/config"
	"github.com/pbsmflow/pbsmflow/workflows"
)

// Factory is what every command gets: the terminal, the global flags, and what starts a workflow.
type Factory struct {
	*Terminal
	Config    string // path of pbsm.yaml
	TaskQueue string
	Output    string
	Verbose   bool
	// Program is how operators call the starter where they are: worker.starter of the configuration, or else as it
	// was called.
	Program config.Starter
	// Console is the address of the console through which commands are sent; empty: they go to Temporal.
	Console string
	// Launch starts a workflow and follows it, as the options say.
	Launch func(context.Context, workflows.Input, StartOptions) error
}

// JSON reports whether the output is one JSON document.
func (f *Factory) JSON() bool { return f.Output == "json" }

// Show prints a document with --output json, else lines. It returns nil.
func (f *Factory) Show(document any, lines ...string) error {
	if f.JSON() {
		f.PrintJSON(document)
	} else {
		f.Print(lines...)
	}
	return nil
}

// Starter is a command of the starter as operators type it, from the words behind the name of the program.
func (f *Factory) Starter(arguments string) string { return f.Program.Command(arguments) }

// LoadConfig loads the configuration.
func (f *Factory) LoadConfig() (*config.Config, error) {
	cfg, err := config.Load(f.Config, os.Environ())
	if err != nil {
		return nil, Usage("%v", err)
	}
	return cfg, nil
}

// PickConnection finds a connection by name; the name may be omitted when there is only one.
func PickConnection(cfg *config.Config, name string) (string, config.Connection, error) {
	known := Names(cfg.Connections)
	if name == "" && len(cfg.Connections) == 1 {
		name = known
	}
	conn, ok := cfg.Connections[name]
	switch {
	case ok:
		return name, conn, nil
	case name == "":
		return "", conn, Usage("--connection is missing; the configuration has %s", known)
	}
	return "", conn, Usage("connection %q is not in the configuration, which has %s", name, known)
}

// Names lists the keys of a map.
func Names[T any](from map[string]T) string {
	if len(from) == 0 {
		return "none"
	}
	return strings.Join(slices.Sorted(maps.Keys(from)), ", ")
}

// Operator is the name of whoever runs the program.
func Operator() string {
	if u, err := user.Current(); err == nil && u.Username != "" {
		return u.Username
	}
	return cmp.Or(os.Getenv("USER"), "unknown")
}
