// Command devserver runs Temporal on one machine: the official server with its four services on SQLite, and the
// official web UI, in one process.
//
// When both are ready, it prints one line of JSON to stdout; everything else goes to stderr:
//
//	{"address":"127.0.0.1:41233","ui":"http://127.0.0.1:41234","namespace":"default","db":"/data/temporal.db"}
//
// SIGINT and SIGTERM stop it with exit code 0. With --db it may also be killed: after a restart on the same file,
// running workflows continue.
package main

import (
	"context"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"io"
	"net"
	"os"
	"os/signal"
	"strconv"
	"syscall"
	"time"

	"go.temporal.io/server/common/log"
	"go.uber.org/zap"
	"go.uber.org/zap/zapcore"
)

const (
	startTimeout = time.Minute
	// stopTimeout bounds the graceful stop, which idle long polls may delay. Nothing is lost by exiting.
	stopTimeout = 3 * time.Second
)

// announcement is the line on stdout.
type announcement struct {
	Address   string `json:"address"` // gRPC, host:port
	UI        string `json:"ui"`
	Namespace string `json:"namespace"`
	DB        string `json:"db"` // absolute path
}

func main() {
	stdout := os.Stdout
	os.Stdout = os.Stderr // the UI's framework logs to stdout, which is reserved for the announcement

	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	o, err := parseOptions(os.Args[1:], os.Stderr)
	switch {
	case errors.Is(err, flag.ErrHelp):
		return
	case err != nil:
		fmt.Fprintln(os.Stderr, "devserver:", err)
		os.Exit(2)
	}
	if err := run(ctx, o, stdout); err != nil {
		fmt.Fprintln(os.Stderr, "devserver:", err)
		os.Exit(1)
	}
}

// run serves until ctx ends.
func run(ctx context.Context, o options, stdout io.Writer) error {
	db, removeDB, err := databaseFile(o.db)
	if err != nil {
		return err
	}
	defer removeDB()
	p, err := choosePorts(o)
	if err != nil {
		return err
	}
	store, err := openStore(db, o.namespaces, o.searchAttributes)
	if err != nil {
		return err
	}
	level := zap.NewAtomicLevelAt(o.logLevel)
	server, err := newServer(o, p, store, newLogger(level))
	if err != nil {
		return err
	}
	ui := newUI(o, p)
	if err := server.Start(); err != nil {
		return err
	}
	go func() { _ = ui.Start() }() // a failure exits the process, with the reason on stderr
	defer func() {
		level.SetLevel(zapcore.FatalLevel) // each service logs errors when the others stop
		ui.Stop()
		atMost(stopTimeout, func() { _ = server.Stop() })
	}()

	a := announcement{
		Address:   net.JoinHostPort(reachable(o.ip), strconv.Itoa(p.frontend)),
		UI:        "http://" + net.JoinHostPort(reachable(o.ip), strconv.Itoa(p.ui)),
		Namespace: o.namespaces[0],
		DB:        db,
	}
	readyCtx, cancel := context.WithTimeout(ctx, startTimeout)
	defer cancel()
	if err := awaitReady(readyCtx, o, a.Address, a.UI); err != nil {
		if ctx.Err() != nil {
			return nil
		}
		return err
	}
	if err := json.NewEncoder(stdout).Encode(a); err != nil {
		return err
	}
	<-ctx.Done()
	return nil
}

func newLogger(level zap.AtomicLevel) log.Logger {
	encoder := zapcore.NewJSONEncoder(log.DefaultZapEncoderConfig)
	return log.NewZapLogger(zap.New(zapcore.NewCore(encoder, zapcore.Lock(os.Stderr), level)))
}

func atMost(d time.Duration, f func()) {
	done := make(chan struct{})
	go func() { defer close(done); f() }()
	select {
	case <-done:
	case <-time.After(d):
	}
}
