package console

import (
	"net/http"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/promhttp"
)

// Reasons for which the console refuses a request.
const (
	refusedRole  = "role"
	refusedSite  = "site"
	refusedHost  = "host"
	refusedLogin = "login"
)

// metrics are the console's own. Their labels never hold a person, a workflow or an address, whose number is unbounded.
type metrics struct {
	registry *prometheus.Registry
	pages    *prometheus.HistogramVec
	commands *prometheus.CounterVec
	refused  *prometheus.CounterVec
	viewers  prometheus.Gauge
}

func newMetrics(b *board) *metrics {
	m := &metrics{
		registry: prometheus.NewRegistry(),
		pages: prometheus.NewHistogramVec(prometheus.HistogramOpts{
			Name: "pbsm_console_page_seconds", Help: "Time to make a page, by its kind.",
			Buckets: []float64{.005, .01, .025, .05, .1, .25, 1, 5},
		}, []string{"page"}),
		commands: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "pbsm_console_commands_total", Help: "Commands that were sent, by whether they were taken.",
		}, []string{"command", "taken"}),
		refused: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "pbsm_console_refused_total",
			Help: "Requests that were refused: for the role, the site of the form, the host's name, or want of a login.",
		}, []string{"reason"}),
		viewers: prometheus.NewGauge(prometheus.GaugeOpts{
			Name: "pbsm_console_viewers", Help: "Pages that are open and receive changes.",
		}),
	}
	counter := func(name, help string, value *int64) prometheus.Collector {
		return prometheus.NewCounterFunc(prometheus.CounterOpts{Name: name, Help: help}, func() float64 {
			b.mu.Lock()
			defer b.mu.Unlock()
			return float64(*value)
		})
	}
	m.registry.MustRegister(m.pages, m.commands, m.refused, m.viewers,
		counter("pbsm_console_queries_total", "Statuses that workers were queried for.", &b.queries),
		counter("pbsm_console_lists_total", "Lists of workflows that were read from Temporal.", &b.lists),
		prometheus.NewGaugeFunc(prometheus.GaugeOpts{
			Name: "pbsm_console_age_seconds", Help: "Age of the list of closes that the pages show.",
		}, func() float64 { return b.age().Seconds() }),
		prometheus.NewGaugeFunc(prometheus.GaugeOpts{
			Name: "pbsm_console_status_unknown", Help: "Closes that run whose newest status is not known.",
		}, func() float64 { return float64(b.unknown()) }),
		prometheus.NewGaugeFunc(prometheus.GaugeOpts{
			Name: "pbsm_console_temporal_up", Help: "Whether Temporal answered the last list.",
		}, func() float64 {
			if len(b.temporalTrouble()) > 0 {
				return 0
			}
			return 1
		}))
	for _, reason := range []string{refusedRole, refusedSite, refusedHost, refusedLogin} {
		m.refused.WithLabelValues(reason)
	}
	return m
}

func (m *metrics) page(kind string, began time.Time) {
	m.pages.WithLabelValues(kind).Observe(time.Since(began).Seconds())
}

func (m *metrics) handler() http.Handler {
	return promhttp.HandlerFor(m.registry, promhttp.HandlerOpts{})
}
