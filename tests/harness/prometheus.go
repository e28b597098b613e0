package harness

import (
	"encoding/json"
	"fmt"
	"maps"
	"net/http"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"go.yaml.in/yaml/v3"
)

// Prometheus is a real Prometheus with the configuration and the rules of deploy/observability. Only its targets and
// intervals differ: it scrapes and evaluates four times a second.
type Prometheus struct {
	*Process
	URL string
	t   testing.TB
}

// StartPrometheus starts a Prometheus that scrapes a worker and a console, which listens at HOST:PORT.
func StartPrometheus(t testing.TB, worker *Worker, console string) *Prometheus {
	t.Helper()
	dir := Folder(t, "prometheus")
	p := &Prometheus{t: t, URL: "http://127.0.0.1:" + freePorts(t, 1)[0]}
	tests, _ := repository()
	deployed := filepath.Join(filepath.Dir(tests), "deploy", "observability")
	p.must(quicken(filepath.Join(deployed, "prometheus.yaml"), filepath.Join(dir, "prometheus.yaml"), strings.TrimPrefix(worker.Health, "http://"), console))
	rules, err := os.ReadFile(filepath.Join(deployed, "alerts.yaml"))
	p.must(err)
	rules = regexp.MustCompile(`(?m)^( +for: ).*$`).ReplaceAll(rules, []byte("${1}1s"))
	p.must(os.WriteFile(filepath.Join(dir, "alerts.yaml"), rules, 0o600))

	path, err := exec.LookPath("prometheus")
	p.must(err)
	p.Process, err = startAs(nil, dir, "prometheus", environment(dir), path, "--config.file=prometheus.yaml", "--storage.tsdb.path=data",
		"--web.listen-address="+strings.TrimPrefix(p.URL, "http://"))
	p.must(err)
	t.Cleanup(func() {
		p.Stop()
		showOnFailure(t, p.Process)
	})
	p.must(p.ready(p.Stderr, func(text []byte) bool {
		return strings.Contains(string(text), "Server is ready to receive web requests")
	}))
	return p
}

// quicken writes the configuration with other intervals, and with one target for each job.
func quicken(from, to string, targets ...string) error {
	text, err := os.ReadFile(from)
	if err != nil {
		return err
	}
	var config map[string]any
	if err := yaml.Unmarshal(text, &config); err != nil {
		return err
	}
	config["global"] = map[string]any{"scrape_interval": "250ms", "evaluation_interval": "250ms"}
	for i, target := range targets {
		job := config["scrape_configs"].([]any)[i].(map[string]any)
		delete(job, "dns_sd_configs")
		job["static_configs"] = []any{map[string]any{"targets": []string{target}}}
	}
	if text, err = yaml.Marshal(config); err != nil {
		return err
	}
	return os.WriteFile(to, text, 0o600)
}

func (p *Prometheus) must(err error) {
	p.t.Helper()
	if err != nil {
		p.t.Fatal(err)
	}
}

// Sample is a series and its current value, as text.
type Sample struct {
	Labels map[string]string
	Value  string
}

// Query evaluates an expression. The error is that of Prometheus.
func (p *Prometheus) Query(expr string) ([]Sample, error) {
	var found struct {
		Result []struct {
			Metric map[string]string
			Value  [2]any
		}
	}
	if err := p.get("query?query="+url.QueryEscape(expr), &found); err != nil {
		return nil, fmt.Errorf("%s: %w", expr, err)
	}
	var samples []Sample
	for _, r := range found.Result {
		samples = append(samples, Sample{r.Metric, fmt.Sprint(r.Value[1])})
	}
	return samples, nil
}

// Alert is an alert that is pending or firing.
type Alert struct {
	State       string
	Labels      map[string]string
	Annotations map[string]string
}

// Firing returns the alert that fires with the labels, if there is one.
func (p *Prometheus) Firing(labels map[string]string) (Alert, bool) {
	p.t.Helper()
	var found struct{ Alerts []Alert }
	p.must(p.get("alerts", &found))
	for _, a := range found.Alerts {
		have := maps.Clone(a.Labels)
		maps.DeleteFunc(have, func(name, value string) bool { return labels[name] != value || labels[name] == "" })
		if a.State == "firing" && len(have) == len(labels) {
			return a, true
		}
	}
	return Alert{}, false
}

func (p *Prometheus) get(path string, into any) error {
	response, err := http.Get(p.URL + "/api/v1/" + path)
	if err != nil {
		return err
	}
	defer response.Body.Close()
	answer := struct {
		Status, Error string
		Data          any
	}{Data: into}
	if err := json.NewDecoder(response.Body).Decode(&answer); err != nil {
		return err
	}
	if answer.Status != "success" {
		return fmt.Errorf("Prometheus says: %s", answer.Error)
	}
	return nil
}
