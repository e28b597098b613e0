package main

import (
	"context"
	"crypto/sha256"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"os"
	"sync"

	"go.opentelemetry.io/otel"
	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/exporters/otlp/otlptrace/otlptracegrpc"
	"go.opentelemetry.io/otel/exporters/otlp/otlptrace/otlptracehttp"
	"go.opentelemetry.io/otel/sdk/resource"
	sdktrace "go.opentelemetry.io/otel/sdk/trace"
	"go.opentelemetry.io/otel/trace"
	"go.temporal.io/sdk/contrib/opentelemetry"
	"go.temporal.io/sdk/interceptor"

	"github.com/pbsmflow/pbsmflow/internal/version"
)

// newTracing follows every workflow, activity and call in spans, and sends them where the
// standard variables of OpenTelemetry say: OTEL_EXPORTER_OTLP_ENDPOINT and its kin. Without
// them it gives no interceptor, and nothing is dialled. The exporters and the provider read
// the other variables themselves: headers, certificates, sampler, batches, resource.
func newTracing(ctx context.Context, logger *slog.Logger) ([]interceptor.ClientInterceptor, func(context.Context) error, error) {
	if !tracingWanted(os.Getenv) {
		return nil, func(context.Context) error { return nil }, nil
	}
	exporter, err := newSpanExporter(ctx, os.Getenv)
	if err != nil {
		return nil, nil, &badConfig{fmt.Errorf("traces (OTEL_EXPORTER_OTLP_*): %w", err)}
	}
	otel.SetErrorHandler(otel.ErrorHandlerFunc(func(err error) { logger.Warn("spans could not be sent", "error", err) }))
	about, err := resource.New(ctx, resource.WithAttributes(
		attribute.String("service.name", "pbsmflow-worker"), attribute.String("service.version", version.Version)),
		resource.WithHost(), resource.WithFromEnv(), resource.WithTelemetrySDK())
	if err != nil {
		return nil, nil, &badConfig{fmt.Errorf("traces (OTEL_RESOURCE_ATTRIBUTES): %w", err)}
	}
	ids := &spanIDs{}
	provider := sdktrace.NewTracerProvider(sdktrace.WithBatcher(exporter), sdktrace.WithResource(about), sdktrace.WithIDGenerator(ids))
	tracer, err := opentelemetry.NewTracer(opentelemetry.TracerOptions{
		Tracer: provider.Tracer("pbsmflow"), DisableQueryTracing: true, AllowInvalidParentSpans: true,
	})
	if err != nil {
		return nil, nil, err
	}
	return []interceptor.ClientInterceptor{interceptor.NewTracingInterceptor(&steadyTracer{tracer, ids})}, provider.Shutdown, nil
}

// tracingWanted tells whether the environment names a receiver of traces.
func tracingWanted(env func(string) string) bool {
	switch {
	case env("OTEL_SDK_DISABLED") == "true", env("OTEL_TRACES_EXPORTER") == "none":
		return false
	}
	return env("OTEL_TRACES_EXPORTER") == "otlp" || env("OTEL_EXPORTER_OTLP_ENDPOINT") != "" || env("OTEL_EXPORTER_OTLP_TRACES_ENDPOINT") != ""
}

func newSpanExporter(ctx context.Context, env func(string) string) (sdktrace.SpanExporter, error) {
	if exporter := env("OTEL_TRACES_EXPORTER"); exporter != "" && exporter != "otlp" {
		return nil, fmt.Errorf("OTEL_TRACES_EXPORTER=%s is not one of otlp, none", exporter)
	}
	protocol := env("OTEL_EXPORTER_OTLP_TRACES_PROTOCOL")
	if protocol == "" {
		protocol = env("OTEL_EXPORTER_OTLP_PROTOCOL")
	}
	switch protocol {
	case "", "http/protobuf":
		return otlptracehttp.New(ctx)
	case "grpc":
		return otlptracegrpc.New(ctx)
	}
	return nil, fmt.Errorf("OTEL_EXPORTER_OTLP_PROTOCOL=%s is not one of http/protobuf, grpc", protocol)
}

// steadyTracer gives the spans of a workflow the same ids whenever its history is replayed, on
// whichever worker: a night stays one trace when its worker dies. The trace of a workflow that
// nothing traced had started has the hash of its run id for an id.
type steadyTracer struct {
	interceptor.Tracer
	ids *spanIDs
}

// runIDTag is where the interceptor of the SDK keeps the run id of a workflow.
const runIDTag = "temporalRunID"

func (t *steadyTracer) StartSpan(o *interceptor.TracerStartSpanOptions) (interceptor.TracerSpan, error) {
	t.ids.starting.Lock()
	defer t.ids.starting.Unlock()
	var next spanID
	if run := o.Tags[runIDTag]; o.Parent == nil && run != "" {
		hash := sha256.Sum256([]byte(run))
		next.trace = trace.TraceID(hash[:16])
	}
	if o.IdempotencyKey != "" {
		hash := sha256.Sum256([]byte(o.IdempotencyKey))
		next.span = trace.SpanID(hash[:8])
	}
	t.ids.set(next)
	defer t.ids.set(spanID{})
	return t.Tracer.StartSpan(o)
}

// spanIDs are random, except for a span that was given its own.
type spanIDs struct {
	starting sync.Mutex // one span of the interceptor at a time
	mu       sync.Mutex
	next     spanID
}

type spanID struct {
	trace trace.TraceID
	span  trace.SpanID
}

func (g *spanIDs) set(next spanID) {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.next = next
}

// NewIDs is asked for the first span of a trace.
func (g *spanIDs) NewIDs(ctx context.Context) (trace.TraceID, trace.SpanID) {
	g.mu.Lock()
	id := g.next.trace
	g.mu.Unlock()
	for !id.IsValid() {
		fill(id[:])
	}
	return id, g.NewSpanID(ctx, id)
}

// NewSpanID is asked for any span. Those of calls have a parent in this process, which those of the interceptor have not.
func (g *spanIDs) NewSpanID(ctx context.Context, _ trace.TraceID) trace.SpanID {
	var id trace.SpanID
	if !trace.SpanFromContext(ctx).IsRecording() {
		g.mu.Lock()
		id = g.next.span
		g.mu.Unlock()
	}
	for !id.IsValid() {
		fill(id[:])
	}
	return id
}

func fill(b []byte) {
	for i := range b {
		b[i] = byte(rand.Uint32())
	}
}
