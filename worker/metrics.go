package main

import (
	"net/http"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"
	"github.com/prometheus/client_golang/prometheus/promhttp"
	otelprometheus "go.opentelemetry.io/otel/exporters/prometheus"
	"go.opentelemetry.io/otel/sdk/metric"
	"go.temporal.io/sdk/client"
	"go.temporal.io/sdk/contrib/opentelemetry"
)

// newMetrics gives the handler that the SDK, the workflows and the activities report to, and the
// page where Prometheus reads it.
func newMetrics() (client.MetricsHandler, http.Handler, error) {
	registry := prometheus.NewRegistry()
	registry.MustRegister(collectors.NewGoCollector(), collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}))
	exporter, err := otelprometheus.New(otelprometheus.WithRegisterer(registry), otelprometheus.WithoutScopeInfo(), otelprometheus.WithoutTargetInfo())
	if err != nil {
		return nil, nil, err
	}
	provider := metric.NewMeterProvider(metric.WithReader(exporter), metric.WithView(latencies))
	handler := opentelemetry.NewMetricsHandler(opentelemetry.MetricsHandlerOptions{
		Meter: provider.Meter("pbsmflow"), UseMonotonicCounters: true,
		OnError: func(error) {}, // a measure that cannot be taken stops nobody's night
	})
	return handler, promhttp.HandlerFor(registry, promhttp.HandlerOpts{}), nil
}

// latencies spreads the buckets of every histogram, in seconds, from a local call to a person's night.
var latencies = metric.NewView(
	metric.Instrument{Kind: metric.InstrumentKindHistogram},
	metric.Stream{Aggregation: metric.AggregationExplicitBucketHistogram{
		Boundaries: []float64{0.005, 0.01, 0.05, 0.1, 0.5, 1, 5, 10, 60, 300, 900, 3600, 4 * 3600, 12 * 3600},
	}},
)
