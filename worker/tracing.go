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

// newTracing returns an interceptor that traces workflows, activities and calls, and a function that sends the last
// spans. OpenTelemetry's standard variables, such as OTEL_EXPORTER_OTLP_ENDPOINT, say where to send them; without them
// there is no interceptor, and no connection. The exporters and the provider read the other variables themselves:
// headers, certificates, sampler, batches, resource.
func newTracing(ctx context.Context, logger *slog.Logger) ([]interceptor.ClientInterceptor, func(), error) {
	if !tracingEnabled(os.Getenv) {
		return nil, func() {}, nil
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
	provider := sdktrace.NewTracerProvider(
		sdktrace.WithBatcher(exporter),
		sdktrace.WithResource(about),
		sdktrace.WithIDGenerator(ids),
	)
	tracer, err := opentelemetry.NewTracer(opentelemetry.TracerOptions{
		Tracer:                  provider.Tracer("pbsmflow"),
		DisableQueryTracing:     true,
		AllowInvalidParentSpans: true,
	})
	if err != nil {
		return nil, nil, err
	}
	flush := func() {
		ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), shutdownTimeout)
		defer cancel()
		if err := provider.Shutdown(ctx); err != nil {
			logger.Warn("the last spans could not be sent", "error", err)
		}
	}
	return []interceptor.ClientInterceptor{interceptor.NewTracingInterceptor(&stableTracer{tracer, ids})}, flush, nil
}

// tracingEnabled reports whether the environment names a receiver of traces.
func tracingEnabled(env func(string) string) bool {
	switch {
	case env("OTEL_SDK_DISABLED") == "true", env("OTEL_TRACES_EXPORTER") == "none":
		return false
	}
	return env("OTEL_TRACES_EXPORTER") == "otlp" ||
		env("OTEL_EXPORTER_OTLP_ENDPOINT") != "" ||
		env("OTEL_EXPORTER_OTLP_TRACES_ENDPOINT") != ""
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

// stableTracer gives the spans of a workflow the same ids whenever its history is replayed, on any worker, so that
// a close remains one trace when its worker dies. If the start of a workflow was not traced, the id of its trace is
// the hash of its run id.
type stableTracer struct {
	interceptor.Tracer
	ids *spanIDs
}

// runIDTag is the tag of the SDK's interceptor with the run id of a workflow.
const runIDTag = "temporalRunID"

func (t *stableTracer) StartSpan(o *interceptor.TracerStartSpanOptions) (interceptor.TracerSpan, error) {
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

// spanIDs generates random ids, except for a span whose id was set.
type spanIDs struct {
	starting sync.Mutex // held while the interceptor starts a span
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

// NewIDs returns the ids of the first span of a trace.
func (g *spanIDs) NewIDs(ctx context.Context) (trace.TraceID, trace.SpanID) {
	g.mu.Lock()
	id := g.next.trace
	g.mu.Unlock()
	for !id.IsValid() {
		fill(id[:])
	}
	return id, g.NewSpanID(ctx, id)
}

// NewSpanID returns the id of any other span. Unlike the interceptor's spans, those of calls have a parent in this
// process.
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
