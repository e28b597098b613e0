package main

import (
	"context"
	"fmt"
	"log/slog"
	"os"
	"os/signal"
	"syscall"

	"go.uber.org/zap"
	"go.uber.org/zap/exp/zapslog"
	"go.uber.org/zap/zapcore"

	"github.com/pbsmflow/pbsmflow/internal/config"
)

// newLogger writes to standard error with zap, behind the slog face that the SDK takes.
// The level can be changed while it logs.
func newLogger(cfg config.Log) (*slog.Logger, zap.AtomicLevel, func(), error) {
	level, err := zap.ParseAtomicLevel(cfg.Level)
	if err != nil {
		return nil, level, nil, fmt.Errorf("worker.log.level: %w", err)
	}
	settings := zap.NewProductionConfig()
	if cfg.Format == "console" {
		settings = zap.NewDevelopmentConfig()
	}
	settings.Level = level
	settings.EncoderConfig.EncodeTime = zapcore.ISO8601TimeEncoder
	settings.Sampling = nil // a night's log is evidence: nothing is left out
	logger, err := settings.Build()
	if err != nil {
		return nil, level, nil, err
	}
	// The SDK's own stack says nothing about the error that it logs.
	slogger := slog.New(zapslog.NewHandler(logger.Core(), zapslog.AddStacktraceAt(slog.LevelError+1)))
	return slogger, level, func() { _ = logger.Sync() }, nil
}

// reloadLevel takes the log level from the configuration anew at each SIGHUP, until ctx is
// done. From then on SIGHUP does nothing: by default it would end the process, and with it what
// may still finish, such as a posting whose answer is awaited. A signal comes from the worker's own
// host and user only; the address of /metrics, which is open to more, changes nothing.
func reloadLevel(ctx context.Context, level zap.AtomicLevel, logger *slog.Logger, load func() (*config.Config, error)) {
	hangups := make(chan os.Signal, 1)
	signal.Notify(hangups, syscall.SIGHUP)
	go func() {
		for {
			select {
			case <-ctx.Done():
				return
			case <-hangups:
			}
			before := level.String()
			cfg, err := load()
			if err == nil {
				err = level.UnmarshalText([]byte(cfg.Worker.Log.Level))
			}
			if err != nil {
				logger.Error("the log level stays as it is: the configuration has faults", "now", before, "error", err)
				continue
			}
			// A warning, so that both levels show it.
			logger.Warn("the log level was read again; other settings need a restart", "before", before, "now", level.String())
		}
	}()
}
