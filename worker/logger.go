package main

import (
	"fmt"
	"log/slog"

	"go.uber.org/zap"
	"go.uber.org/zap/exp/zapslog"
	"go.uber.org/zap/zapcore"

	"github.com/pbsmflow/pbsmflow/internal/config"
)

// newLogger writes to standard error with zap, behind the slog face that the SDK takes.
func newLogger(cfg config.Log) (*slog.Logger, func(), error) {
	level, err := zap.ParseAtomicLevel(cfg.Level)
	if err != nil {
		return nil, nil, fmt.Errorf("worker.log.level: %w", err)
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
		return nil, nil, err
	}
	// The SDK's own stack says nothing about the error that it logs.
	slogger := slog.New(zapslog.NewHandler(logger.Core(), zapslog.AddStacktraceAt(slog.LevelError+1)))
	return slogger, func() { _ = logger.Sync() }, nil
}
