// Command starter starts the close of a night and everything that a close
// consists of, follows it, and steers it. See starter --help.
package main

import (
	"context"
	"os"
	"os/signal"
	"syscall"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	code := run(ctx, newTerminal(os.Stdout, os.Stderr), os.Args[1:])
	stop()
	os.Exit(code)
}

// run carries out one command line and tells its exit code.
func run(ctx context.Context, term *terminal, args []string) int {
	a := &app{terminal: term}
	root := newRoot(a)
	root.SetArgs(args)
	root.SetOut(term.stdout)
	root.SetErr(term.stderr)
	if err := root.ExecuteContext(ctx); err != nil {
		return a.report(asProblem(err))
	}
	return exitDone
}
