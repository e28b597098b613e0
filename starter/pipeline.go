package main

import (
	"bytes"
	"encoding/json"
	"fmt"
	"os"
	"strings"

	"github.com/spf13/cobra"
	"go.yaml.in/yaml/v3"

	"github.com/pbsmflow/pbsmflow/internal/pipeline"
	"github.com/pbsmflow/pbsmflow/starter/internal/view"
)

func newPipelineCommand(a *app) *cobra.Command {
	cmd := &cobra.Command{
		Use:     "pipeline",
		Short:   "Check pipeline definitions",
		Example: `  starter pipeline check nightly-close.yaml --as-of 2026-10-31`,
		Args:    noArgs,
		RunE:    func(cmd *cobra.Command, _ []string) error { return cmd.Help() },
	}
	cmd.AddCommand(newPipelineCheckCommand(a))
	return cmd
}

func newPipelineCheckCommand(a *app) *cobra.Command {
	var asOf, connection string
	cmd := &cobra.Command{
		Use:   "check FILE",
		Short: "Name every fault of a definition, or show what it will do",
		Long: `Name every fault of a definition with its line, or show its plan: the steps, what they
need, and with --as-of the values as they will be that night. Nothing is contacted.`,
		Example: `  starter pipeline check nightly-close.yaml --as-of 2026-10-31`,
		Args:    oneArg("file"),
		RunE: func(_ *cobra.Command, args []string) error {
			text, err := os.ReadFile(args[0])
			if err != nil {
				return usage("the pipeline: %v", err)
			}
			p, err := checkPipeline(text, asOf, connection)
			if err != nil {
				problem := asProblem(err)
				problem.message = args[0] + ": " + problem.message
				return problem
			}
			return a.showPlan(p, asOf)
		},
	}
	flags := cmd.Flags()
	asOfFlag(flags, &asOf)
	flags.StringVarP(&connection, "connection", "c", "", "the `connection` that templates see")
	return cmd
}

func (a *app) showPlan(p *pipeline.Pipeline, asOf string) error {
	if a.json() {
		a.printJSON(map[string]any{"valid": true, "as_of_date": asOf, "pipeline": p})
		return nil
	}
	lines, err := planLines(p, asOf, a.width())
	if err != nil {
		return err
	}
	a.print(lines...)
	return nil
}

// planLines is a pipeline as a person reads it: an overview, then each step's values.
func planLines(p *pipeline.Pipeline, asOf string, width int) ([]string, error) {
	head := p.Name + ": " + view.Plural(len(p.Steps), "step")
	for _, fact := range []struct{ name, value string }{
		{"as of", asOf}, {"calendar", p.Calendar}, {"times of", p.TimeZone}, {"deadline", p.Deadline},
	} {
		if fact.value != "" {
			head += ", " + fact.name + " " + fact.value
		}
	}
	rows := [][]string{{"STEP", "KIND", "AFTER", "DESCRIPTION"}}
	for _, s := range p.Steps {
		after := "-"
		if len(s.Needs) > 0 {
			after = strings.Join(s.Needs, ", ")
		}
		rows = append(rows, []string{s.ID, string(s.Kind()), after, s.Description})
	}
	lines := append([]string{head, ""}, view.Table([]view.Column{{}, {}, {}, {}}, rows, width)...)
	for _, s := range p.Steps {
		s.Description, s.Needs = "", nil
		values, err := stepValues(s)
		if err != nil {
			return nil, err
		}
		lines = append(lines, "", s.ID)
		for line := range strings.Lines(values) {
			lines = append(lines, "  "+strings.TrimRight(line, "\n"))
		}
	}
	return lines, nil
}

// stepValues is what a step does, as YAML in the order of its documentation.
func stepValues(s pipeline.Step) (string, error) {
	text, err := yamlText(s)
	if err != nil {
		return "", fmt.Errorf("show step %s: %w", s.ID, err)
	}
	start := strings.Index(text, string(s.Kind())+":")
	return text[max(start, 0):], nil
}

// yamlText writes what has a JSON form as YAML, in the same order.
func yamlText(v any) (string, error) {
	text, err := json.Marshal(v)
	if err != nil {
		return "", err
	}
	var node yaml.Node
	if err := yaml.Unmarshal(text, &node); err != nil {
		return "", err
	}
	plainStyle(&node)
	var out bytes.Buffer
	encoder := yaml.NewEncoder(&out)
	encoder.SetIndent(2)
	err = encoder.Encode(&node)
	return out.String(), err
}

// plainStyle drops JSON's braces and quotes; strings that YAML would take for
// something else get theirs back from their tag.
func plainStyle(n *yaml.Node) {
	n.Style = 0
	for _, child := range n.Content {
		plainStyle(child)
	}
}
