package pipeline

import (
	"cmp"
	"os"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"github.com/pbsmflow/pbsmflow/internal/graph"
	"github.com/pbsmflow/pbsmflow/internal/pipeline"
	"github.com/pbsmflow/pbsmflow/starter/internal/cli"
	"github.com/pbsmflow/pbsmflow/starter/internal/view"
)

// graphOptions are the flags of graph.
type graphOptions struct {
	asOf            string
	vars            pipeline.Vars
	params          ParamFlags
	mermaid, expand bool
}

func newGraph(f *cli.Factory) *cobra.Command {
	var o graphOptions
	cmd := &cobra.Command{
		Use:   "graph FILE",
		Short: "Draw the steps of a definition and what they need",
		Long: `Draw the steps of a definition and what they need, as an SVG or for Mermaid;
redirect it to a file.
Steps that come from one with "each" are one box, unless --expand draws each of
them. With --as-of, those that do not run for the date are shown as such.
Nothing is contacted.`,
		Example: f.Examples(
			"pipeline graph nightly-close.yaml",
			"pipeline graph nightly-close.yaml --as-of 2026-12-31 --mermaid",
		),
		Args: cli.OneArg("file"),
		RunE: func(_ *cobra.Command, args []string) (err error) {
			if o.vars.Params, o.vars.Key, err = o.params.Values(); err != nil {
				return err
			}
			if o.vars.Calendars, err = calendars(f); err != nil {
				return err
			}
			return drawGraph(f, args[0], o)
		},
	}
	flags := cmd.Flags()
	cli.AsOfFlag(flags, &o.asOf)
	flags.StringVarP(&o.vars.Connection, "connection", "c", "", "the `connection` that templates see")
	flags.BoolVar(&o.mermaid, "mermaid", false, "write a flowchart for Mermaid, as pages in Markdown show")
	flags.BoolVar(&o.expand, "expand", false, "draw each step that comes from one with each")
	o.params.Add(flags)
	return cmd
}

func drawGraph(f *cli.Factory, file string, o graphOptions) error {
	text, err := os.ReadFile(file)
	if err != nil {
		return cli.Usage("the pipeline: %v", err)
	}
	p, err := parse(file, text, o.asOf, o.vars)
	if err == nil && o.asOf == "" {
		p, err = p.Sample()
	}
	if err != nil {
		return of(file, err)
	}
	drawn := stepGraph(p, o.expand)
	if o.mermaid {
		flowchart, err := drawn.Mermaid()
		if err != nil {
			return of(file, err)
		}
		return f.Show(map[string]any{"pipeline": p.Name, "mermaid": flowchart}, strings.TrimSuffix(flowchart, "\n"))
	}
	picture, err := drawn.SVG()
	if err != nil {
		return of(file, err)
	}
	return f.Show(map[string]any{"pipeline": p.Name, "svg": string(picture)}, strings.TrimSuffix(string(picture), "\n"))
}

// stepGraph is the graph of a rendered pipeline. Unless expand says so, steps that come from one with each are one
// node.
func stepGraph(p *pipeline.Pipeline, expand bool) graph.Graph {
	g := graph.Graph{Title: p.Name}
	nodeOf, members := map[string]string{}, map[string][]string{}
	for i, s := range p.Steps {
		nodeOf[s.ID] = s.ID
		if of := p.Expansion(i).Of; of != "" && !expand {
			nodeOf[s.ID] = of
		}
		members[nodeOf[s.ID]] = append(members[nodeOf[s.ID]], s.ID)
	}
	for i, s := range p.Steps {
		id := nodeOf[s.ID]
		if members[id][0] == s.ID {
			g.Nodes = append(g.Nodes, stepNode(s, id, members[id], p.Expansion(i).NotTonight))
		}
		for _, need := range s.Needs {
			if edge := (graph.Edge{From: nodeOf[need], To: id}); edge.From != id && !slices.Contains(g.Edges, edge) {
				g.Edges = append(g.Edges, edge)
			}
		}
	}
	return g
}

func stepNode(s pipeline.Step, id string, members []string, notTonight string) graph.Node {
	n := graph.Node{ID: id, Label: id, Class: "kind-" + string(s.Kind()), Title: s.Description}
	n.Note = strings.TrimSpace(string(s.Kind()) + " " + s.Traits().Runs)
	if len(members) > 1 || id != s.ID {
		n.Note = string(s.Kind()) + ", " + view.Plural(len(members), "step")
		n.Title = strings.TrimSpace(s.Description + "\n" + strings.Join(members, ", "))
	}
	if notTonight != "" {
		n.Class += " not-tonight"
		n.Note += ", not tonight"
		n.Title = cmp.Or(n.Title, notTonight)
	}
	return n
}
