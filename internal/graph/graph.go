// Package graph draws steps and what they need: as an SVG for a page or a file, or as a text for Mermaid. It is pure,
// and the same graph always gives the same picture.
//
// The layout is by layers from left to right (Sugiyama, Tagawa and Toda, 1981): a node stands in the layer behind the
// last one that it needs; sweeps over the layers order their nodes so that few lines cross; then each layer moves as
// close to its neighbours as its order allows. It is written here because the one library that is kept, go-graphviz,
// compiles a WebAssembly module when a program that imports it starts, draws one graph at a time, and writes a cache to
// the user's folder: too much for a command line that every TAB starts, and for a page that is drawn per request.
package graph

import (
	"fmt"
	"slices"
	"strings"

	"github.com/pbsmflow/pbsmflow/internal/problem"
)

// Graph is a directed graph without cycles.
type Graph struct {
	// Title is what the picture shows, for those who hear it.
	Title string
	Nodes []Node
	Edges []Edge
}

// Node is a box.
type Node struct {
	// ID is the node's name in edges.
	ID string
	// Label is the first line of text, Note the second; without a Note there is one.
	Label, Note string
	// Class are the names of CSS classes, separated by spaces.
	Class string
	// Title is what a browser shows while the pointer rests on the node. Default: the texts, if they were shortened.
	Title string
	// Link is where a click leads.
	Link string
}

// Edge is a line from a node to one that needs it.
type Edge struct{ From, To string }

// indexed is a graph by the numbers of its nodes.
type indexed struct {
	nodes []Node
	// next are the nodes that need this one, before those that it needs, each in the order of the edges.
	next, before [][]int
}

// index checks a graph. The error is a [problem.List].
func (g Graph) index() (indexed, error) {
	var found problem.List
	by := indexed{g.Nodes, make([][]int, len(g.Nodes)), make([][]int, len(g.Nodes))}
	numbers := map[string]int{}
	for i, node := range g.Nodes {
		_, known := numbers[node.ID]
		found.Want(!known, fmt.Sprintf("nodes[%d]", i), "%s is there twice", node.ID)
		numbers[node.ID] = i
	}
	for i, edge := range g.Edges {
		from, known := numbers[edge.From]
		to, alsoKnown := numbers[edge.To]
		at := fmt.Sprintf("edges[%d]", i)
		if found.Want(known, at, "there is no node %q", edge.From) && found.Want(alsoKnown, at, "there is no node %q", edge.To) &&
			!slices.Contains(by.next[from], to) {
			by.next[from], by.before[to] = append(by.next[from], to), append(by.before[to], from)
		}
	}
	return by, found.Err()
}

// layers numbers the layers, from 0: of each node the one behind the last that it needs. One that needs nothing stands
// just before the first that needs it.
func (g indexed) layers() ([]int, error) {
	layer, open := make([]int, len(g.nodes)), make([]int, len(g.nodes))
	var order []int
	for i := range g.nodes {
		if open[i] = len(g.before[i]); open[i] == 0 {
			order = append(order, i)
		}
	}
	for n := 0; n < len(order); n++ {
		for _, to := range g.next[order[n]] {
			layer[to] = max(layer[to], layer[order[n]]+1)
			if open[to]--; open[to] == 0 {
				order = append(order, to)
			}
		}
	}
	if len(order) < len(g.nodes) {
		return nil, fmt.Errorf("%s is part of a cycle", g.nodes[slices.IndexFunc(open, func(n int) bool { return n > 0 })].ID)
	}
	for i := range g.nodes {
		if len(g.before[i]) > 0 || len(g.next[i]) == 0 {
			continue
		}
		layer[i] = layer[g.next[i][0]] - 1
		for _, to := range g.next[i] {
			layer[i] = min(layer[i], layer[to]-1)
		}
	}
	return layer, nil
}

// Mermaid is the graph as a flowchart of Mermaid.
func (g Graph) Mermaid() (string, error) {
	by, err := g.index()
	if err != nil {
		return "", err
	}
	if _, err := by.layers(); err != nil {
		return "", err
	}
	var out strings.Builder
	out.WriteString("flowchart LR\n")
	for i, node := range by.nodes {
		text := mermaidText(node.Label)
		if node.Note != "" {
			text += "<br/>" + mermaidText(node.Note)
		}
		fmt.Fprintf(&out, "  n%d[\"%s\"]\n", i, text)
	}
	for from, all := range by.next {
		for _, to := range all {
			fmt.Fprintf(&out, "  n%d --> n%d\n", from, to)
		}
	}
	return out.String(), nil
}

// mermaidText writes what has a meaning in Mermaid's texts as entities.
func mermaidText(text string) string {
	return strings.NewReplacer("#", "#35;", `"`, "#quot;", "<", "#lt;", ">", "#gt;", "&", "#amp;", "`", "#96;", "\n", " ").Replace(text)
}
