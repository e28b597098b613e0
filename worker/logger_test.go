package main

import (
	"context"
	"log/slog"
	"os"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"go.uber.org/zap"

	"github.com/pbsmflow/pbsmflow/internal/config"
)

// A worker that stops may have submissions in flight. By default SIGHUP would end the process, here the test's.
func TestReloadLevel_ignoresSIGHUPWhileStopping(t *testing.T) {
	ctx, stop := context.WithCancel(t.Context())
	loads := make(chan struct{}, 1)
	reloadLevel(ctx, zap.NewAtomicLevel(), slog.New(slog.DiscardHandler), func() (*config.Config, error) {
		loads <- struct{}{}
		return &config.Config{}, nil
	})
	hangup := func() { require.NoError(t, syscall.Kill(os.Getpid(), syscall.SIGHUP)) }
	hangup()
	<-loads
	stop()
	time.Sleep(100 * time.Millisecond) // until it has been noticed
	hangup()
	time.Sleep(100 * time.Millisecond) // until the signal has arrived
	require.Empty(t, loads, "nothing is read after the stop")
}
