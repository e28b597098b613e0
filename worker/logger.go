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

// newLogger returns a logger that writes to standard error, its level, which can be changed at any time, and a
// function that flushes it.
func newLogger(cfg config.Log) (*slog.Logger, zap.AtomicLevel, func(), error) {
	level, err := zap.ParseAtomicLevel(cfg.Level)
	if err != nil {
		return nil, level, nil, fmt.Errorf("worker.log.level: %w", err)
	}
	settings := zap.NewProductionConfig()
	if cfg.Format == "text" {
		settings = zap.NewDevelopmentConfig()
	}
	settings.Level = level
	settings.EncoderConfig.EncodeTime = zapcore.ISO8601TimeEncoder
	settings.Sampling = nil // the log of a night is evidence: it must be complete
	logger, err := settings.Build()
	if err != nil {
		return nil, level, nil, err
	}
	// The stack of the SDK's logging call says nothing about the error.
	slogger := slog.New(zapslog.NewHandler(logger.Core(), zapslog.AddStacktraceAt(slog.LevelError+1)))
	return slogger, level, func() { _ = logger.Sync() }, nil
}

// reloadLevel rereads the log level from the configuration at each SIGHUP, until ctx is done. After that SIGHUP does
// nothing: its default action would end the process, and with it running activities such as a submission that waits for
// its response. Only the worker's own user on its host can send a signal; /metrics, which others can reach, changes
// nothing.
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
				logger.Error("the log level is unchanged: the configuration has problems", "level", before, "error", err)
				continue
			}
			// A warning, so that it is logged at either level.
			logger.Warn("the log level was read again; other settings need a restart", "before", before, "now", level.String())
		}
	}()
}
