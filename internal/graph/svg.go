package graph

import (
	"bytes"
	"cmp"
	"fmt"
	"html/template"
	"strconv"
	"strings"

	"github.com/charmbracelet/x/ansi"
)

// SVG is the graph as an SVG that may stand in a page with a strict Content-Security-Policy: it has no style, no script,
// no identifiers and refers to nothing but the nodes' links. Its parts have the classes graph, edge, arrow, node (with
// those of the node), label and note; without a stylesheet it is black on nothing.
func (g Graph) SVG() ([]byte, error) {
	by, err := g.index()
	if err != nil {
		return nil, err
	}
	l, err := by.layout()
	if err != nil {
		return nil, err
	}
	picture := picture{Title: g.Title, Width: pixels(l.width), Height: pixels(l.height)}
	for _, layer := range l.layers {
		for _, p := range layer {
			picture.add(by, p)
		}
	}
	var out bytes.Buffer
	err = svg.Execute(&out, picture)
	return out.Bytes(), err
}

// picture is what the template writes.
type picture struct {
	Title         string
	Width, Height string
	Edges, Arrows []string // the d of paths
	Boxes         []box
}

type box struct {
	Node
	Class, Title        string
	X, Y, Width, Height string
	TextX               string
	Lines               []line
}

type line struct{ Class, Y, Text string }

func (pic *picture) add(g indexed, p *point) {
	right := p.x + p.width
	if p.passed() {
		pic.Edges = append(pic.Edges, fmt.Sprintf("M%s,%sH%s", pixels(p.x), pixels(p.y), pixels(right)))
	} else {
		pic.Boxes = append(pic.Boxes, g.nodes[p.node].box(p))
	}
	for _, to := range p.next {
		end := to.x
		if !to.passed() {
			end -= arrow
			pic.Arrows = append(pic.Arrows, fmt.Sprintf("M%s,%sl-%d,-4v8z", pixels(to.x), pixels(to.y), arrow+2))
		}
		half := pixels(end - betweenLayers/2)
		pic.Edges = append(pic.Edges, fmt.Sprintf("M%s,%sC%s,%s %s,%s %s,%s", pixels(right), pixels(p.y),
			half, pixels(p.y), half, pixels(to.y), pixels(end), pixels(to.y)))
	}
}

func (n Node) box(p *point) box {
	b := box{
		Node: n, Class: strings.TrimSpace("node " + n.Class), Title: n.Title,
		X: pixels(p.x), Y: pixels(p.y - p.height/2), Width: pixels(p.width), Height: pixels(p.height),
		TextX: pixels(p.x + padding),
	}
	label, note := shortened(n.Label), shortened(n.Note)
	if b.Title == "" && (label != n.Label || note != n.Note) {
		b.Title = strings.TrimSpace(n.Label + "\n" + n.Note)
	}
	baseline := p.y + 4.5
	if note != "" {
		baseline -= lineHeight / 2
		b.Lines = append(b.Lines, line{"note", pixels(baseline + lineHeight), note})
	}
	b.Lines = append([]line{{"label", pixels(baseline), cmp.Or(label, n.ID)}}, b.Lines...)
	return b
}

// maxText is how many cells a line of text has at most.
const maxText = 34

func shortened(text string) string { return ansi.Truncate(text, maxText, "…") }

// size is the width and the height of the node's box.
func (n Node) size() (width, height float64) {
	cells := max(ansi.StringWidth(shortened(cmp.Or(n.Label, n.ID))), ansi.StringWidth(shortened(n.Note)))
	height = lineHeight + padding
	if n.Note != "" {
		height += lineHeight
	}
	return float64(cells)*letter + 2*padding, height
}

// pixels is a length with one decimal at most.
func pixels(length float64) string {
	return strings.TrimSuffix(strconv.FormatFloat(length, 'f', 1, 64), ".0")
}

var svg = template.Must(template.New("svg").Parse(
	`<svg xmlns="http://www.w3.org/2000/svg" class="graph" role="group" aria-label="{{.Title}}"` +
		` width="{{.Width}}" height="{{.Height}}" viewBox="0 0 {{.Width}} {{.Height}}"` +
		` font-family="system-ui, sans-serif" font-size="13" fill="none" stroke="none">
{{range .Edges}}<path class="edge" stroke="currentColor" d="{{.}}"/>
{{end}}{{range .Arrows}}<path class="arrow" fill="currentColor" d="{{.}}"/>
{{end}}{{range .Boxes}}<g class="{{.Class}}">{{with .Title}}<title>{{.}}</title>{{end}}{{with .Link}}<a href="{{.}}">{{end -}}
<rect rx="5" stroke="currentColor" x="{{.X}}" y="{{.Y}}" width="{{.Width}}" height="{{.Height}}"/>
{{- $box := .}}{{range .Lines}}<text class="{{.Class}}" fill="currentColor" x="{{$box.TextX}}" y="{{.Y}}">{{.Text}}</text>{{end}}
{{- if .Link}}</a>{{end}}</g>
{{end}}</svg>
`))
