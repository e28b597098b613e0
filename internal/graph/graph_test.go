package graph

import (
	"encoding/xml"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

func night() Graph {
	return Graph{
		Title: "nightly-close",
		Nodes: []Node{
			{ID: "ledger", Note: "upload", Class: "done"},
			{ID: "rates", Note: "upload", Class: "done"},
			{ID: "allocate", Label: "✋ allocate", Note: "batch PBSM_ALLOC", Class: "waiting late", Link: "/close/1#allocate"},
			{ID: "profit", Note: "report"},
			{ID: "balance", Note: "report"},
			{ID: "sign-off", Title: "controllers, 2"},
		},
		Edges: []Edge{
			{"ledger", "allocate"}, {"rates", "allocate"}, {"allocate", "profit"}, {"allocate", "balance"},
			{"profit", "sign-off"}, {"balance", "sign-off"}, {"rates", "sign-off"},
		},
	}
}

func TestSVG(t *testing.T) {
	text, err := night().SVG()
	require.NoError(t, err)
	if file := os.Getenv("GRAPH"); file != "" {
		require.NoError(t, os.WriteFile(file, text, 0o600))
	}
	again, err := night().SVG()
	require.NoError(t, err)
	assert.Equal(t, string(text), string(again))
	picture := string(text)
	for _, part := range []string{
		`<g class="node waiting late"><a href="/close/1#allocate"><rect `, `>✋ allocate</text>`,
		`>batch PBSM_ALLOC</text></a></g>`, `<title>controllers, 2</title>`, `aria-label="nightly-close"`,
	} {
		assert.Contains(t, picture, part)
	}
	assert.Equal(t, 6, strings.Count(picture, `class="node`))
	assert.Equal(t, 7, strings.Count(picture, `class="arrow"`))
}

// What comes from a definition or an operator stays text, also in a strict Content-Security-Policy.
func TestSVG_textsAreOnlyTexts(t *testing.T) {
	const evil = `"><script>alert(1)</script><g style="x" onclick='y'>&`
	text, err := Graph{
		Title: evil,
		Nodes: []Node{
			{ID: evil, Label: evil, Note: evil, Title: evil, Class: evil, Link: "javascript:alert(1)"},
			{ID: "b", Link: `/a?b="c"&d=<e>`},
		},
		Edges: []Edge{{evil, "b"}},
	}.SVG()
	require.NoError(t, err)
	decoder := xml.NewDecoder(strings.NewReader(string(text)))
	for {
		token, err := decoder.Token()
		if errors.Is(err, io.EOF) {
			break
		}
		require.NoError(t, err, "it must be well-formed XML")
		element, ok := token.(xml.StartElement)
		if !ok {
			continue
		}
		assert.Contains(t, []string{"svg", "path", "g", "title", "a", "rect", "text"}, element.Name.Local)
		for _, attribute := range element.Attr {
			name := attribute.Name.Local
			assert.False(t, name == "style" || name == "id" || strings.HasPrefix(name, "on"), name)
			assert.NotContains(t, attribute.Value, "javascript")
		}
	}
}

func TestSVG_problems(t *testing.T) {
	for _, c := range []struct {
		name  string
		graph Graph
		want  string
	}{
		{"unknown", Graph{Nodes: []Node{{ID: "a"}}, Edges: []Edge{{"a", "b"}}}, `edges[0]: there is no node "b"`},
		{"twice", Graph{Nodes: []Node{{ID: "a"}, {ID: "a"}}}, "nodes[1]: a is there twice"},
		{"cycle", Graph{Nodes: []Node{{ID: "a"}, {ID: "b"}}, Edges: []Edge{{"a", "b"}, {"b", "a"}}}, "a is part of a cycle"},
		{"itself", Graph{Nodes: []Node{{ID: "a"}}, Edges: []Edge{{"a", "a"}}}, "a is part of a cycle"},
	} {
		t.Run(c.name, func(t *testing.T) {
			_, err := c.graph.SVG()
			assert.ErrorContains(t, err, c.want)
			_, err = c.graph.Mermaid()
			assert.ErrorContains(t, err, c.want)
		})
	}
}

func TestMermaid(t *testing.T) {
	text, err := Graph{
		Nodes: []Node{{ID: "end", Label: `the "end"`, Note: "a<b"}, {ID: "b", Label: "b"}}, Edges: []Edge{{"end", "b"}},
	}.Mermaid()
	require.NoError(t, err)
	assert.Equal(t, `flowchart LR
  n0["the #quot;end#quot;<br/>a#lt;b"]
  n1["b"]
  n0 --> n1
`, text)
}

// In any graph nodes stand behind what they need, and nothing lies on anything else.
func TestLayout_nothingOverlaps(t *testing.T) {
	for seed := range uint64(300) {
		random := rand.New(rand.NewPCG(seed, 1))
		var g Graph
		for i := range random.IntN(40) {
			g.Nodes = append(g.Nodes, Node{ID: fmt.Sprint(i), Label: strings.Repeat("x", random.IntN(50))})
			for range random.IntN(4) {
				if i > 0 {
					g.Edges = append(g.Edges, Edge{fmt.Sprint(random.IntN(i)), fmt.Sprint(i)})
				}
			}
		}
		by, err := g.index()
		require.NoError(t, err)
		l, err := by.layout()
		require.NoError(t, err)
		for _, layer := range l.layers {
			require.NotEmpty(t, layer)
			for i, p := range layer {
				require.True(t, p.y-p.height/2 >= 0 && p.y+p.height/2 <= l.height && p.x+p.width <= l.width)
				if i > 0 {
					require.GreaterOrEqual(t, p.y-layer[i-1].y, layer[i-1].gap(p)-1e-6, "seed %d", seed)
				}
				for _, to := range p.next {
					require.Greater(t, to.x, p.x+p.width)
				}
			}
		}
	}
}

// The largest pipeline has 1000 steps and 10,000 needs. The worst case is one in which all of them need what is far away.
func TestSVG_large(t *testing.T) {
	var g Graph
	for i := range 1000 {
		g.Nodes = append(g.Nodes, Node{ID: fmt.Sprint(i)})
		for n := range min(10, i) {
			g.Edges = append(g.Edges, Edge{fmt.Sprint(i - 1 - n*i/10), fmt.Sprint(i)})
		}
	}
	text, err := g.SVG()
	require.NoError(t, err)
	assert.Less(t, len(text), 4<<20)
}
