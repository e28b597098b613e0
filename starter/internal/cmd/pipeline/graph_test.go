package pipeline

import (
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/pbsmflow/pbsmflow/internal/graph"
	"github.com/pbsmflow/pbsmflow/internal/pipeline"
)

func TestStepGraph(t *testing.T) {
	p, err := pipeline.Parse([]byte(nightly))
	require.NoError(t, err)
	sample, err := p.Sample()
	require.NoError(t, err)
	assert.Equal(t, graph.Graph{
		Title: "nightly",
		Nodes: []graph.Node{
			{ID: "ledger", Label: "ledger", Note: "upload, 2 steps", Class: "kind-upload", Title: "ledger-a, ledger-b"},
			{ID: "month", Label: "month", Note: "batch M", Class: "kind-batch"},
			{ID: "year", Label: "year", Note: "batch Y", Class: "kind-batch"},
			{ID: "true-up", Label: "true-up", Note: "batch T", Class: "kind-batch"},
		},
		Edges: []graph.Edge{{From: "ledger", To: "month"}, {From: "month", To: "year"}},
	}, stepGraph(sample, false))

	each := stepGraph(sample, true)
	assert.Len(t, each.Nodes, 5)
	assert.Equal(t, []graph.Edge{
		{From: "ledger-a", To: "month"}, {From: "ledger-b", To: "month"}, {From: "month", To: "year"},
	}, each.Edges)

	asOf, err := pipeline.ParseDate("2026-11-30")
	require.NoError(t, err)
	rendered, err := p.Render(asOf, pipeline.Vars{Connection: "prod"})
	require.NoError(t, err)
	year := stepGraph(rendered, false).Nodes[2]
	assert.Equal(t, "kind-batch not-tonight", year.Class)
	assert.Equal(t, "batch Y, not tonight", year.Note)
	assert.Equal(t, "it is for year-end, and Mon 2026-11-30 is not", year.Title)
}
