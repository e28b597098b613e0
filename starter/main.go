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
	signals := []os.Signal{os.Interrupt, syscall.SIGTERM}
	if !signal.Ignored(syscall.SIGHUP) { // nohup
		signals = append(signals, syscall.SIGHUP)
	}
	ctx, stop := signal.NotifyContext(context.Background(), signals...)
	code := run(ctx, newTerminal(os.Stdout, os.Stderr), os.Args[1:])
	stop()
	os.Exit(code)
}

// run carries out one command line and tells its exit code.
func run(ctx context.Context, term *terminal, args []string) int {
	a := &app{terminal: term}
	a.launch = a.startAndFollow
	root := newRoot(a)
	root.SetArgs(args)
	root.SetOut(term.stdout)
	root.SetErr(term.stderr)
	if err := root.ExecuteContext(ctx); err != nil {
		if asksForJSON(args) {
			a.output = "json" // a flag that is not known ends the parsing, perhaps before --output
		}
		return a.report(asProblem(stopped(ctx, err)))
	}
	return exitDone
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
