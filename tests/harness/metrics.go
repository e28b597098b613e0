package harness

import (
	"net/http"

	dto "github.com/prometheus/client_model/go"
	"github.com/prometheus/common/expfmt"
	"github.com/prometheus/common/model"
	"github.com/stretchr/testify/require"
)

// Scrape reads the metrics of a worker.
func (e *Env) Scrape(w *Worker) map[string]*dto.MetricFamily {
	e.T.Helper()
	response, err := http.Get(w.Health + "/metrics")
	require.NoError(e.T, err)
	defer response.Body.Close()
	parser := expfmt.NewTextParser(model.LegacyValidation)
	families, err := parser.TextToMetricFamilies(response.Body)
	require.NoError(e.T, err)
	return families
}

// Labels are those of a series.
func Labels(m *dto.Metric) map[string]string {
	found := map[string]string{}
	for _, l := range m.GetLabel() {
		found[l.GetName()] = l.GetValue()
	}
	return found
}

// Series are those of a family that have the labels.
func Series(family *dto.MetricFamily, want map[string]string) []*dto.Metric {
	var found []*dto.Metric
	for _, m := range family.GetMetric() {
		have := Labels(m)
		same := true
		for name, value := range want {
			same = same && have[name] == value
		}
		if same {
			found = append(found, m)
		}
	}
	return found
}
