package main

import (
	"net/http"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"
	"github.com/prometheus/client_golang/prometheus/promhttp"
	"go.opentelemetry.io/otel/attribute"
	otelprometheus "go.opentelemetry.io/otel/exporters/prometheus"
	otelmetric "go.opentelemetry.io/otel/metric"
	"go.opentelemetry.io/otel/sdk/metric"
	"go.temporal.io/sdk/client"
	"go.temporal.io/sdk/contrib/opentelemetry"
)

// series describes one of our metrics. Its labels never hold a run, an as-of date or a file, whose number is unbounded.
type series struct {
	labels labels
	help   string
}

type labels = []attribute.Key

var (
	perType     = labels{"connection", "workflow_type"}
	perPipeline = labels{"connection", "pipeline"}
)

// ourMetrics are our own metrics by name; Prometheus appends the unit and _total. A test compares them with
// docs/metrics.md.
var ourMetrics = map[string]series{
	"pbsm_workflows_ended": {labels{"connection", "workflow_type", "state", "reason"},
		"Workflows that ended, by how; reason says why one failed."},
	"pbsm_operator_wait": {perType, "How long a workflow waited for an operator, recorded when it continues."},
	"pbsm_overdue": {perType,
		"How long after its deadline a workflow ended that missed it; 0 if it gave up at the deadline."},
	"pbsm_deadline_margin": {perType, "How long before its deadline a workflow succeeded."},
	"pbsm_at_risk":         {perType, "Workflows and steps of closes that were not finished shortly before their deadline."},
	"pbsm_service_call": {labels{"connection", "call", "code"},
		"Time from a request to the header of its response, by call and HTTP status; the status is none without a " +
			"response."},
	"pbsm_transfer_bytes": {labels{"connection", "direction"}, "Bytes of files that were transferred."},
	waitingGauge: {labels{"connection", "workflow_type", "question"},
		"Workflows that wait for an operator now, according to Temporal, by the question; the same on every worker."},
	temporalUpGauge: {nil, "Whether this worker's collector last reached Temporal."},
	lastSuccessGauge: {perPipeline,
		"When a close of the pipeline last succeeded, according to Temporal; the same on every worker."},
	nightsMissedCounter: {labels{"connection", "pipeline", "reason"},
		"Days that a schedule did not start, as Temporal counts them, including days that are not a night by the " +
			"calendar; the same on every worker."},
	schedulePausedGauge: {perPipeline,
		"Whether a schedule is paused, according to Temporal; the same on every worker."},
	lastNightGauge: {perPipeline,
		"When the latest night of a schedule should have begun, by its calendar, whatever became of it; the same " +
			"on every worker."},
	nightBegunGauge: {perPipeline,
		"Whether there is a close of the schedule's last night, whoever started it and however it ended, " +
			"according to Temporal."},
	nightClosedGauge: {perPipeline,
		"Whether the close of the schedule's last night has succeeded, whoever started it, according to Temporal; " +
			"a worker remembers it for that night."},
	storeUpGauge: {labels{"store"}, "Whether this worker could reach the store when it last checked."},
	loginRefusedGauge: {labels{"connection"},
		"Whether the service refused the connection's credentials; this worker does not try them again."},
}

// newMetrics returns the handler that the SDK, the workflows and the activities record to, the meter of the
// collector, and the page that Prometheus scrapes.
func newMetrics() (client.MetricsHandler, otelmetric.Meter, http.Handler, error) {
	registry := prometheus.NewRegistry()
	registry.MustRegister(collectors.NewGoCollector(), collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}))
	exporter, err := otelprometheus.New(
		otelprometheus.WithRegisterer(registry),
		otelprometheus.WithoutScopeInfo(),
		otelprometheus.WithoutTargetInfo(),
	)
	if err != nil {
		return nil, nil, nil, err
	}
	provider := metric.NewMeterProvider(metric.WithReader(exporter), metric.WithView(view))
	meter := provider.Meter("pbsmflow")
	handler := opentelemetry.NewMetricsHandler(opentelemetry.MetricsHandlerOptions{
		Meter:                meter,
		UseMonotonicCounters: true,
		OnError:              func(error) {}, // a metric that cannot be recorded must not stop a close
	})
	return handler, meter, promhttp.HandlerFor(registry, promhttp.HandlerOpts{}), nil
}

// view spreads the buckets of every histogram from a fast call to an operator's night, in seconds, and gives our
// metrics their description and only the labels that they should have.
func view(i metric.Instrument) (metric.Stream, bool) {
	stream := metric.Stream{Name: i.Name, Description: i.Description, Unit: i.Unit}
	own, isOurs := ourMetrics[i.Name]
	if isOurs {
		stream.Description, stream.AttributeFilter = own.help, attribute.NewAllowKeysFilter(own.labels...)
	}
	if i.Kind == metric.InstrumentKindHistogram {
		stream.Aggregation = metric.AggregationExplicitBucketHistogram{
			Boundaries: []float64{0.005, 0.01, 0.05, 0.1, 0.5, 1, 5, 10, 60, 300, 900, 3600, 4 * 3600, 12 * 3600},
		}
		return stream, true
	}
	return stream, isOurs
}
