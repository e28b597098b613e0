// Command starter starts nightly closes and what they consist of, follows them, and sends them an operator's
// commands. See starter --help.
package main

import (
	"context"
	"os"
	"os/signal"
	"syscall"

	"github.com/pbsmflow/pbsmflow/starter/internal/cli"
	"github.com/pbsmflow/pbsmflow/starter/internal/follow"
	"github.com/pbsmflow/pbsmflow/workflows"
)

func main() {
	signals := []os.Signal{os.Interrupt, syscall.SIGTERM}
	if !signal.Ignored(syscall.SIGHUP) { // nohup
		signals = append(signals, syscall.SIGHUP)
	}
	ctx, stop := signal.NotifyContext(context.Background(), signals...)
	f := &cli.Factory{
		Terminal: cli.NewTerminal(os.Stdout, os.Stderr),
		Program:  cli.FindProgram(os.Args[0], os.Args[1:], os.Environ()),
	}
	code := run(ctx, f, os.Args[1:])
	stop()
	os.Exit(code)
}

// run executes a command line and returns its exit code.
func run(ctx context.Context, f *cli.Factory, args []string) int {
	f.Launch = func(ctx context.Context, in workflows.Input, o cli.StartOptions) error {
		return follow.Launch(ctx, f, in, o)
	}
	return cli.Execute(ctx, f, newRoot(f), args)
}
