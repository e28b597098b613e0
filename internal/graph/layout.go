package graph

import (
	"cmp"
	"math"
	"slices"
)

// Sizes in pixels. Texts are of 13 pixels, of which a wide font takes 8 for a letter.
const (
	letter        = 8
	padding       = 12
	lineHeight    = 17
	betweenLayers = 44
	betweenNodes  = 14
	betweenLines  = 8
	margin        = 8
	arrow         = 6
)

// sweeps is how often the order and the heights are improved, there and back.
const sweeps = 12

// point is a node, or a place where the lines of a node pass a layer.
type point struct {
	node          int // its number; -1 for a place that lines pass
	layer         int
	x, y          float64 // of its left side and its middle
	width, height float64
	next, before  []*point
}

func (p *point) passed() bool { return p.node < 0 }

// gap is how far the middles of two points of a layer are apart at least.
func (p *point) gap(below *point) float64 {
	between := float64(betweenNodes)
	if p.passed() || below.passed() {
		between = betweenLines
	}
	return (p.height+below.height)/2 + between
}

// layout is where everything is.
type layout struct {
	layers        [][]*point
	width, height float64
}

func (g indexed) layout() (layout, error) {
	layer, err := g.layers()
	if err != nil {
		return layout{}, err
	}
	l := layout{layers: g.points(layer)}
	for range sweeps {
		l.sweep(orderBy)
	}
	for _, layer := range l.layers {
		for i, p := range layer[min(1, len(layer)):] {
			p.y = layer[i].y + layer[i].gap(p)
		}
	}
	for range sweeps {
		l.sweep(moveTo)
	}
	l.place()
	return l, nil
}

// maxPassing is how many places lines pass at most; the lines behind go straight to their ends. Nobody can read a
// picture with that many lines, but it must not take long.
const maxPassing = 10_000

// points are the nodes by layers, with the places that lines pass. All lines of a node share these, so that many of
// them do not make a picture of lines alone.
func (g indexed) points(layer []int) (layers [][]*point) {
	passing := 0
	points := make([]*point, len(g.nodes))
	for i, node := range g.nodes {
		width, height := node.size()
		points[i] = &point{node: i, layer: layer[i], width: width, height: height}
		for len(layers) <= layer[i] {
			layers = append(layers, nil)
		}
	}
	for i, p := range points {
		layers[p.layer] = append(layers[p.layer], p)
		last := p // the point of the node's lines in the layer before the next target
		targets := slices.Clone(g.next[i])
		slices.SortStableFunc(targets, func(a, b int) int { return cmp.Compare(layer[a], layer[b]) })
		for _, to := range targets {
			for last.layer < layer[to]-1 && passing < maxPassing {
				passing++
				passed := &point{node: -1, layer: last.layer + 1}
				layers[passed.layer] = append(layers[passed.layer], passed)
				connect(last, passed)
				last = passed
			}
			connect(last, points[to])
		}
	}
	return layers
}

func connect(from, to *point) {
	from.next, to.before = append(from.next, to), append(to.before, from)
}

// sweep improves each layer by the one before it, then each by the one behind it.
func (l layout) sweep(improve func(layer []*point, neighbours func(*point) []*point)) {
	for _, layer := range l.layers {
		improve(layer, func(p *point) []*point { return p.before })
	}
	for _, layer := range slices.Backward(l.layers) {
		improve(layer, func(p *point) []*point { return p.next })
	}
}

// orderBy orders a layer by the middle of each point's neighbours. y is the rank in the layer here.
func orderBy(layer []*point, neighbours func(*point) []*point) {
	for i, p := range layer {
		p.y = float64(i)
	}
	wanted := make(map[*point]float64, len(layer))
	for _, p := range layer {
		wanted[p] = middle(p, neighbours(p))
	}
	slices.SortStableFunc(layer, func(a, b *point) int { return cmp.Compare(wanted[a], wanted[b]) })
	for i, p := range layer {
		p.y = float64(i)
	}
}

func middle(p *point, of []*point) float64 {
	if len(of) == 0 {
		return p.y
	}
	sum := 0.0
	for _, q := range of {
		sum += q.y
	}
	return sum / float64(len(of))
}

// block are points of a layer that touch, so that they move together: in the middle of where they want to be.
type block struct {
	points       []*point
	wanted, size float64 // the sum of the wished heights of the first point, by weight; the sum of the weights
}

// moveTo moves the points of a layer to the middle of their neighbours as far as their order and their gaps allow, by
// least squares (the pool adjacent violators algorithm).
func moveTo(layer []*point, neighbours func(*point) []*point) {
	var blocks []block
	offset := 0.0 // of a point behind the first one, if all touch
	offsets := make([]float64, len(layer))
	for i, p := range layer {
		if i > 0 {
			offset += layer[i-1].gap(p)
		}
		offsets[i] = offset
		weight := 1.0
		if p.passed() {
			weight = 8 // long lines are straight
		}
		last := block{layer[i : i+1], (middle(p, neighbours(p)) - offset) * weight, weight}
		for n := len(blocks); n > 0 && blocks[n-1].wanted/blocks[n-1].size > last.wanted/last.size; n-- {
			above := blocks[n-1]
			from := i + 1 - len(last.points) - len(above.points)
			last = block{layer[from : i+1], above.wanted + last.wanted, above.size + last.size}
			blocks = blocks[:n-1]
		}
		blocks = append(blocks, last)
	}
	i := 0
	for _, b := range blocks {
		for _, p := range b.points {
			p.y = b.wanted/b.size + offsets[i]
			i++
		}
	}
}

// place gives the layers their columns, moves everything below the margin, and measures the whole.
func (l *layout) place() {
	top, x := math.Inf(1), float64(margin)
	for _, layer := range l.layers {
		width := 0.0
		for _, p := range layer {
			width, top = max(width, p.width), min(top, p.y-p.height/2)
		}
		for _, p := range layer {
			p.x = x
			if p.passed() {
				p.width = width
			}
		}
		x += width + betweenLayers
	}
	for _, layer := range l.layers {
		for _, p := range layer {
			p.y += margin - top
			l.height = max(l.height, p.y+p.height/2+margin)
		}
	}
	l.width = max(0, x-betweenLayers) + margin
}
