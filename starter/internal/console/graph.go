package console

import (
	"html/template"

	"github.com/pbsmflow/pbsmflow/internal/graph"
	"github.com/pbsmflow/pbsmflow/workflows"
)

// addGraph draws the steps and what they need, each with its state in a word; a click leads to its details.
func (c *Console) addGraph(p *page, s workflows.Status) error {
	if len(s.Steps) == 0 {
		return p.add("graph", "graph", nil)
	}
	g := graph.Graph{Title: "The steps and what they need"}
	for _, step := range s.Steps {
		look := lookOfStep(step, p.Now)
		g.Nodes = append(g.Nodes, graph.Node{
			ID: step.ID, Label: step.ID, Note: look.Word, Class: look.Class,
			Title: step.Name() + ": " + step.Detail, Link: "#step-" + step.ID,
		})
		for _, needed := range step.Needs {
			g.Edges = append(g.Edges, graph.Edge{From: needed, To: step.ID})
		}
	}
	picture, err := g.SVG()
	if err != nil {
		return err
	}
	return p.add("graph", "graph", template.HTML(picture)) //nolint:gosec // graph has escaped it
}
