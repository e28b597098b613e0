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

// measure says what one of our measures means, and by what it is told apart: never by a run,
// an as-of date or a file, of which there is no end.
type measure struct {
	help   string
	labels []attribute.Key
}

// measures are ours, by the name they are reported under; Prometheus adds the unit and _total.
// docs/metrics.md is the same list; a test compares it with the page.
var measures = map[string]measure{
	"pbsm_workflows_ended": {"Workflows that ended, by how; reason says why one failed.", []attribute.Key{"connection", "workflow_type", "state", "reason"}},
	"pbsm_operator_wait":   {"How long a workflow waited for an operator, counted when it goes on.", []attribute.Key{"connection", "workflow_type"}},
	"pbsm_overdue":         {"How long after its deadline a workflow ended that had one and missed it; 0 for one that gave up then.", []attribute.Key{"connection", "workflow_type"}},
	"pbsm_deadline_margin": {"How long before its deadline a workflow succeeded that had one.", []attribute.Key{"connection", "workflow_type"}},
	"pbsm_at_risk":         {"Jobs and steps of closes that were not over shortly before their deadline.", []attribute.Key{"connection", "workflow_type"}},
	"pbsm_service_call":    {"Time from a request to the header of its answer, by call and HTTP status; none when there was no answer.", []attribute.Key{"connection", "call", "code"}},
	"pbsm_transfer_bytes":  {"Bytes of files that moved.", []attribute.Key{"connection", "direction"}},

	waitingGauge:        {"Workflows that wait for an operator now, as Temporal says, by what is asked; the same from every worker.", []attribute.Key{"connection", "workflow_type", "asked"}},
	temporalUpGauge:     {"Whether Temporal answered this worker's last census.", nil},
	lastSuccessGauge:    {"When a close of the pipeline last succeeded, as Temporal says; the same from every worker.", []attribute.Key{"connection", "pipeline"}},
	nightsMissedCounter: {"Days that a schedule did not start, as Temporal counts them: days that are no night by the calendar, too. The same from every worker.", []attribute.Key{"connection", "pipeline", "reason"}},
	schedulePausedGauge: {"Whether a schedule is paused, as Temporal says; the same from every worker.", []attribute.Key{"connection", "pipeline"}},
	lastNightGauge:      {"When the latest night of a schedule was to begin, by its calendar, whatever became of it; the same from every worker.", []attribute.Key{"connection", "pipeline"}},
	nightBegunGauge:     {"Whether there is a close of the schedule's last night, whoever started it and however it ended, as Temporal says.", []attribute.Key{"connection", "pipeline"}},
	nightClosedGauge:    {"Whether the close of the schedule's last night has succeeded, whoever started it, as Temporal says; a worker remembers it of that night.", []attribute.Key{"connection", "pipeline"}},
	storeUpGauge:        {"Whether this worker could reach the store when it last looked.", []attribute.Key{"store"}},
	loginRefusedGauge:   {"Whether the service refused the connection's credentials; this worker does not try them again.", []attribute.Key{"connection"}},
}

// newMetrics gives the handler that the SDK, the workflows and the activities report to, the
// meter of what is observed, and the page where Prometheus reads it.
func newMetrics() (client.MetricsHandler, otelmetric.Meter, http.Handler, error) {
	registry := prometheus.NewRegistry()
	registry.MustRegister(collectors.NewGoCollector(), collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}))
	exporter, err := otelprometheus.New(otelprometheus.WithRegisterer(registry), otelprometheus.WithoutScopeInfo(), otelprometheus.WithoutTargetInfo())
	if err != nil {
		return nil, nil, nil, err
	}
	provider := metric.NewMeterProvider(metric.WithReader(exporter), metric.WithView(view))
	meter := provider.Meter("pbsmflow")
	handler := opentelemetry.NewMetricsHandler(opentelemetry.MetricsHandlerOptions{
		Meter: meter, UseMonotonicCounters: true,
		OnError: func(error) {}, // a measure that cannot be taken stops nobody's night
	})
	return handler, meter, promhttp.HandlerFor(registry, promhttp.HandlerOpts{}), nil
}

// view spreads the buckets of every histogram, in seconds, from a local call to a person's
// night, and gives ours their text and no other labels than they should have.
func view(i metric.Instrument) (metric.Stream, bool) {
	stream := metric.Stream{Name: i.Name, Description: i.Description, Unit: i.Unit}
	own, isOurs := measures[i.Name]
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
