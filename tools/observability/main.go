// Command observability writes the generated files in deploy/observability: the dashboard, and the alert rules in the
// form of the Prometheus operator. Its tests hold them, the rules and the runbook to each other where no worker runs;
// what needs one is in tests/e2e/observability.
//
//	observability ROOT   writes below the folder ROOT, the repository's
package main

import (
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"strings"
)

// deployed is the folder below the root.
const deployed = "deploy/observability"

func main() {
	if len(os.Args) != 2 {
		fmt.Fprintln(os.Stderr, "usage: observability ROOT")
		os.Exit(2)
	}
	if err := write(os.Args[1]); err != nil {
		fmt.Fprintln(os.Stderr, "observability:", err)
		os.Exit(1)
	}
}

func write(root string) error {
	files, err := generate(root)
	if err != nil {
		return err
	}
	for name, text := range files {
		if err := os.WriteFile(filepath.Join(root, deployed, name), text, 0o644); err != nil {
			return err
		}
	}
	return nil
}

// generate returns all files, by name.
func generate(root string) (map[string][]byte, error) {
	board, err := boardJSON()
	if err != nil {
		return nil, err
	}
	rules, err := os.ReadFile(filepath.Join(root, deployed, "alerts.yaml"))
	if err != nil {
		return nil, err
	}
	return map[string][]byte{"dashboard.json": board, "prometheusrule.yaml": operatorRule(string(rules))}, nil
}

// boardJSON returns the dashboard in the format of Grafana.
func boardJSON() ([]byte, error) {
	board, err := overview().Build()
	if err != nil {
		return nil, err
	}
	for i := range board.Panels { // links refer to ids
		id := uint32(i + 1)
		if row := board.Panels[i].RowPanel; row != nil {
			row.Id = id
		} else {
			board.Panels[i].Panel.Id = &id
		}
	}
	text, err := json.MarshalIndent(board, "", "  ")
	return append(text, '\n'), err
}

// operatorRule turns a file of rules into a resource of the Prometheus operator.
func operatorRule(rules string) []byte {
	var b strings.Builder
	b.WriteString(`# alerts.yaml in the form of the Prometheus operator; written by make generate.
apiVersion: monitoring.coreos.com/v1
kind: PrometheusRule
metadata: {name: pbsmflow}
spec:
`)
	_, groups, _ := strings.Cut(rules, "\ngroups:")
	for line := range strings.Lines("groups:" + groups) {
		if line != "\n" {
			line = "  " + line
		}
		b.WriteString(line)
	}
	return []byte(b.String())
}
