package deploy

import (
	"maps"
	"os/exec"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"go.yaml.in/yaml/v3"
)

const rulesFile = deploy + "/observability/alerts.yaml"

// rule is an alerting rule.
type rule struct {
	Alert       string
	Expr        string
	For         string
	Labels      map[string]string
	Annotations map[string]string
}

func alerts(t *testing.T) map[string]rule {
	t.Helper()
	var file struct{ Groups []struct{ Rules []rule } }
	require.NoError(t, yaml.Unmarshal(readFile(t, rulesFile), &file))
	found := map[string]rule{}
	for _, group := range file.Groups {
		for _, r := range group.Rules {
			require.NotContains(t, found, r.Alert)
			found[r.Alert] = r
		}
	}
	require.NotEmpty(t, found)
	return found
}

func promtool(t *testing.T, args ...string) {
	t.Helper()
	out, err := exec.Command("promtool", args...).CombinedOutput()
	require.NoError(t, err, "%s", out)
}

// Exactly the right alerts fire in the cases of alerts.test.yaml and alerts_days.test.yaml, which cover every alert.
func TestAlerts_fireWhenTheyShould(t *testing.T) {
	t.Parallel()
	promtool(t, "check", "rules", "--lint-fatal", rulesFile)
	promtool(t, "test", "rules", "alerts.test.yaml", "alerts_days.test.yaml")
	cases := string(readFile(t, "alerts.test.yaml")) + string(readFile(t, "alerts_days.test.yaml"))
	for name := range alerts(t) {
		assert.Contains(t, cases, `labels: 'ALERTS{alertname="`+name+`"`, "no case in which it fires")
	}
}

// Every alert has a severity, a summary, a description and a section in the runbook, and every section has an alert.
func TestAlerts_areInTheRunbook(t *testing.T) {
	t.Parallel()
	const page = "https://github.com/pbsmflow/pbsmflow/blob/main/docs/runbook.md#"
	rules := alerts(t)
	headings := regexp.MustCompile(`(?m)^## (PBSM\w+)$`).FindAllStringSubmatch(string(readFile(t, root+"/docs/runbook.md")), -1)
	var sections []string
	for _, h := range headings {
		sections = append(sections, h[1])
	}
	assert.ElementsMatch(t, slices.Collect(maps.Keys(rules)), sections)
	for name, r := range rules {
		assert.Contains(t, []string{"critical", "warning"}, r.Labels["severity"], name)
		assert.NotEmpty(t, r.Annotations["summary"], name)
		assert.NotEmpty(t, r.Annotations["description"], name)
		assert.Equal(t, page+strings.ToLower(name), r.Annotations["runbook_url"], name)
		if strings.Contains(r.Expr, "by (connection") {
			assert.Contains(t, r.Annotations["summary"], "$labels.connection", name)
		}
	}
}
