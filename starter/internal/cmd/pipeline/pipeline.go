// Package pipeline has starter pipeline.
package pipeline

import (
	"bytes"
	"encoding/json"
	"fmt"
	"os"
	"strings"

	"github.com/spf13/cobra"
	"go.yaml.in/yaml/v3"

	"github.com/pbsmflow/pbsmflow/internal/config"
	"github.com/pbsmflow/pbsmflow/internal/pipeline"
	"github.com/pbsmflow/pbsmflow/starter/internal/cli"
)

// New makes the command.
func New(f *cli.Factory) *cobra.Command {
	return cli.Group(&cobra.Command{
		Use:     "pipeline",
		Short:   "Check and show pipeline definitions",
		Example: f.Examples("pipeline check nightly-close.yaml --as-of 2026-10-31"),
	}, newCheck(f), newNights(f), newGraph(f))
}

func newCheck(f *cli.Factory) *cobra.Command {
	var asOf, connection, start string
	var params ParamFlags
	cmd := &cobra.Command{
		Use:   "check FILE",
		Short: "Report every problem of a definition, or show its plan",
		Long: `Report every problem of a definition with its line, or show its plan: the steps,
what they need, until when each may last and waits for its file if the close
starts now, or at --start, and with --as-of each step of the night with its
values for that date. With --connection it also knows, from the configuration,
whether the tenant takes one date for a whole batch group; otherwise it warns.
Nothing is contacted.`,
		Example: f.Examples("pipeline check nightly-close.yaml --as-of 2026-10-31"),
		Args:    cli.OneArg("file"),
		RunE: func(_ *cobra.Command, args []string) (err error) {
			vars := pipeline.Vars{Connection: connection}
			if vars.Params, vars.Key, err = params.Values(); err != nil {
				return err
			}
			if vars.Calendars, err = calendars(f); err != nil {
				return err
			}
			return check(f, args[0], asOf, start, vars)
		},
	}
	cli.AsOfFlag(cmd.Flags(), &asOf)
	cmd.Flags().StringVar(&start, "start", "",
		"when the close starts, for its deadlines: a `time` of day in the pipeline's zone, or a date and time (default now)")
	cmd.Flags().StringVarP(&connection, "connection", "c", "", "the `connection` that templates see")
	params.Add(cmd.Flags())
	return cmd
}

func check(f *cli.Factory, file, asOf, start string, vars pipeline.Vars) error {
	text, err := os.ReadFile(file)
	if err != nil {
		return cli.Usage("the pipeline: %v", err)
	}
	p, err := parse(file, text, asOf, vars)
	if err != nil {
		return of(file, err)
	}
	plan, err := newPlan(p, asOf, start)
	if err != nil {
		return err
	}
	lines, err := plan.lines(p, f.Width())
	if err != nil {
		return err
	}
	document := map[string]any{"valid": true, "as_of_date": asOf, "pipeline": p, "plan": plan}
	if warnings := undatedGroups(f, p, vars.Connection); len(warnings) > 0 {
		document["warnings"] = warnings
		lines = append(lines, "")
		for _, warning := range warnings {
			lines = append(lines, "warning: "+warning)
		}
	}
	return f.Show(document, lines...)
}

// undatedGroups warns of batches that may run for another day. Without the configuration, nobody knows what the tenant
// takes.
func undatedGroups(f *cli.Factory, p *pipeline.Pipeline, connection string) []string {
	if config.TakesGroupDate(f.Config, os.Environ(), connection) {
		return nil
	}
	problems, warnings := p.UndatedGroups()
	return append(problems, warnings...)
}

// stepValues is what a step does, as YAML in the order of its documentation.
func stepValues(s pipeline.Step) (string, error) {
	text, err := YAML(s)
	if err != nil {
		return "", fmt.Errorf("show step %s: %w", s.ID, err)
	}
	start := strings.Index(text, string(s.Kind())+":")
	return text[max(start, 0):], nil
}

// YAML writes a value that has a JSON form as YAML, in the same order.
func YAML(v any) (string, error) {
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

// plainStyle removes JSON's braces and quotes. A string that YAML would read as something else keeps its
// quotes because of its tag.
func plainStyle(n *yaml.Node) {
	n.Style = 0
	for _, child := range n.Content {
		plainStyle(child)
	}
}
