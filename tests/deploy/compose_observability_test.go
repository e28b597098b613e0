package deploy

import (
	"net"
	"path/filepath"
	"strings"
	"testing"

	"github.com/compose-spec/compose-go/v2/types"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"go.yaml.in/yaml/v3"
)

// mounted returns the file on the host for a mount of a service.
func mounted(t *testing.T, service types.ServiceConfig, target string) string {
	t.Helper()
	for _, v := range service.Volumes {
		if v.Target == target {
			return v.Source
		}
	}
	t.Fatalf("%s mounts nothing at %s", service.Name, target)
	return ""
}

// Prometheus scrapes every worker and the console at their ports, and finds the rules beside its configuration.
func TestCompose_prometheusScrapesTheWorkers(t *testing.T) {
	project := everything(t)
	service := project.Services["prometheus"]
	require.Contains(t, service.Command, "--config.file=/etc/prometheus/prometheus.yaml")
	file := mounted(t, service, "/etc/prometheus/prometheus.yaml")
	promtool(t, "check", "config", file)

	var config struct {
		RuleFiles     []string `yaml:"rule_files"`
		ScrapeConfigs []struct {
			JobName      string `yaml:"job_name"`
			DNSSDConfigs []struct {
				Names []string
				Port  int
			} `yaml:"dns_sd_configs"`
			StaticConfigs []struct{ Targets []string } `yaml:"static_configs"`
		} `yaml:"scrape_configs"`
	}
	require.NoError(t, yaml.Unmarshal(readFile(t, file), &config))
	for _, rules := range config.RuleFiles {
		mounted(t, service, "/etc/prometheus/"+rules)
	}
	require.Len(t, config.ScrapeConfigs, 2)
	assert.Equal(t, "pbsmflow", config.ScrapeConfigs[0].JobName)
	found := config.ScrapeConfigs[0].DNSSDConfigs[0]
	require.Contains(t, project.Services, found.Names[0])
	assert.Equal(t, 9090, found.Port, "the port of the worker's health check")
	_, together := project.Services[found.Names[0]].Networks["default"]
	_, here := service.Networks["default"]
	assert.True(t, together && here)

	assert.Equal(t, "pbsmflow-console", config.ScrapeConfigs[1].JobName)
	address := project.Services["console"].Environment["PBSM_CONSOLE__METRICS"]
	require.NotNil(t, address)
	_, port, err := net.SplitHostPort(*address)
	require.NoError(t, err)
	assert.Equal(t, []string{"console:" + port}, config.ScrapeConfigs[1].StaticConfigs[0].Targets)
}

// Grafana queries the Prometheus of the compose file, and shows the mounted dashboard.
func TestCompose_grafanaIsProvisioned(t *testing.T) {
	project := everything(t)
	service := project.Services["grafana"]
	folder := mounted(t, service, "/etc/grafana/provisioning")
	var sources struct {
		Datasources []struct{ Type, URL string }
	}
	require.NoError(t, yaml.Unmarshal(readFile(t, filepath.Join(folder, "datasources/prometheus.yaml")), &sources))
	require.Equal(t, "prometheus", sources.Datasources[0].Type)
	require.Contains(t, project.Services, "prometheus")
	require.Equal(t, "http://prometheus:9090", sources.Datasources[0].URL)

	var providers struct {
		Providers []struct {
			Type    string
			Options struct{ Path string }
		}
	}
	require.NoError(t, yaml.Unmarshal(readFile(t, filepath.Join(folder, "dashboards/pbsmflow.yaml")), &providers))
	require.Equal(t, "file", providers.Providers[0].Type)
	home := *service.Environment["GF_DASHBOARDS_DEFAULT_HOME_DASHBOARD_PATH"]
	require.True(t, strings.HasPrefix(home, providers.Providers[0].Options.Path+"/"))
	require.Contains(t, string(readFile(t, mounted(t, service, home))), `"uid": "pbsmflow"`)
}
