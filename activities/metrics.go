package activities

import (
	"context"
	"strconv"
	"strings"
	"time"

	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/codes"
	"go.opentelemetry.io/otel/trace"
	"go.temporal.io/sdk/client"

	"github.com/pbsmflow/pbsmflow/internal/parstore"
	"github.com/pbsmflow/pbsmflow/internal/pbsm"
)

// Metrics of the activities. docs/metrics.md says what they mean.
const (
	serviceCallMetric   = "pbsm_service_call"
	transferBytesMetric = "pbsm_transfer_bytes"
)

// Directions of a transfer.
const (
	directionUpload   = "upload"
	directionDownload = "download"
)

// observer records the exchanges of a connection as metrics, and as spans of the activity that made them.
// Neither contains a URL: those of the object store are secrets.
type observer struct {
	metrics    client.MetricsHandler
	connection string
}

func newObserver(metrics client.MetricsHandler, connection string) observer {
	o := observer{metrics.WithTags(map[string]string{"connection": connection}), connection}
	for _, direction := range []string{directionUpload, directionDownload} {
		o.transferred(direction).Inc(0) // Prometheus cannot see the first increase of a counter that does not exist yet
	}
	return o
}

func (o observer) service(ctx context.Context, e pbsm.Exchange) {
	o.record(ctx, e.Call, e.Status, e.Began, e.Took)
}

func (o observer) objects(ctx context.Context, e parstore.Exchange) {
	o.record(ctx, "object "+strings.ToLower(e.Method), e.Status, e.Began, e.Took)
}

func (o observer) record(ctx context.Context, call string, status int, began time.Time, took time.Duration) {
	code := "none"
	if status != 0 {
		code = strconv.Itoa(status)
	}
	o.metrics.WithTags(map[string]string{"call": call, "code": code}).Timer(serviceCallMetric).Record(took)

	parent := trace.SpanFromContext(ctx)
	if !parent.IsRecording() {
		return
	}
	_, span := parent.TracerProvider().Tracer("pbsmflow").Start(ctx, call,
		trace.WithSpanKind(trace.SpanKindClient),
		trace.WithTimestamp(began),
		trace.WithAttributes(attribute.String("pbsm.connection", o.connection), attribute.String("pbsm.call", call)))
	switch {
	case status == 0:
		span.SetStatus(codes.Error, "no response")
	case status >= 400:
		span.SetStatus(codes.Error, "")
		fallthrough
	default:
		span.SetAttributes(attribute.Int("http.response.status_code", status))
	}
	span.End(trace.WithTimestamp(began.Add(took)))
}

func (o observer) transferred(direction string) client.MetricsCounter {
	return o.metrics.WithTags(map[string]string{"direction": direction}).Counter(transferBytesMetric)
}
