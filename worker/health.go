package main

import (
	"context"
	"fmt"
	"net"
	"net/http"
	"sync/atomic"
	"time"

	"go.temporal.io/sdk/client"
)

const (
	healthTimeout   = 3 * time.Second
	headerTimeout   = 5 * time.Second
	shutdownTimeout = 2 * time.Second
)

// health serves /healthz, which is always 200, /readyz, which is 200 while the worker polls and Temporal can be
// reached, and /metrics for Prometheus.
type health struct {
	ready   atomic.Bool
	address string
	server  *http.Server
}

func serveHealth(address string, c client.Client, metrics http.Handler) (*health, error) {
	listener, err := net.Listen("tcp", address)
	if err != nil {
		return nil, fmt.Errorf("worker.health: %w", err)
	}
	h := &health{address: listener.Addr().String()}
	mux := http.NewServeMux()
	mux.HandleFunc("GET /healthz", func(w http.ResponseWriter, _ *http.Request) { fmt.Fprintln(w, "ok") })
	mux.Handle("GET /metrics", metrics)
	mux.HandleFunc("GET /readyz", func(w http.ResponseWriter, r *http.Request) {
		ctx, cancel := context.WithTimeout(r.Context(), healthTimeout)
		defer cancel()
		if !h.ready.Load() {
			http.Error(w, "the worker is not polling", http.StatusServiceUnavailable)
		} else if _, err := c.CheckHealth(ctx, nil); err != nil {
			http.Error(w, "Temporal cannot be reached: "+err.Error(), http.StatusServiceUnavailable)
		} else {
			fmt.Fprintln(w, "ready")
		}
	})
	h.server = &http.Server{Handler: mux, ReadHeaderTimeout: headerTimeout}
	go func() { _ = h.server.Serve(listener) }()
	return h, nil
}

func (h *health) close(ctx context.Context) {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), shutdownTimeout)
	defer cancel()
	_ = h.server.Shutdown(ctx)
}
