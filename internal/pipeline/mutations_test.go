package pipeline

import (
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
	"go.yaml.in/yaml/v3"

	"github.com/pbsmflow/pbsmflow/internal/problem"
)

// A mistake in a definition never crashes and never passes silently: each of 200 changes of the examples is a problem
// with its line (but for a name or steps that are missing), or another definition.
func TestParse_mutations(t *testing.T) {
	examples, err := filepath.Glob("../../deploy/pipelines/*.yaml")
	require.NoError(t, err)
	require.GreaterOrEqual(t, len(examples), 5)
	refused := 0
	for seed := range 200 {
		file := examples[seed%len(examples)]
		text, err := os.ReadFile(file)
		require.NoError(t, err)
		before, err := Parse(text)
		require.NoError(t, err)
		mutant, what := mutate(t, text, rand.New(rand.NewPCG(uint64(seed), 16)))
		about := fmt.Sprintf("%s, seed %d: %s", filepath.Base(file), seed, what)

		after, err := Parse(mutant)
		if err != nil {
			refused++
			for _, text := range problem.Texts(err) {
				require.Regexp(t, `^(line \d+: .|(name|steps): )`, text, about)
			}
			continue
		}
		require.NotEqual(t, definitionJSON(t, before), definitionJSON(t, after), "%s: it makes no difference", about)
		_, err = after.Render(sampleDate, Vars{Connection: "prod", Params: map[string]string{}})
		if err != nil {
			require.NotEmpty(t, problem.Texts(err), about)
		}
	}
	require.Greater(t, refused, 100, "most changes are mistakes")
}

func definitionJSON(t *testing.T, p *Pipeline) string {
	text, err := json.Marshal(p)
	require.NoError(t, err)
	return string(text)
}

// mutate changes one thing in a definition, and says what.
func mutate(t *testing.T, text []byte, random *rand.Rand) (mutant []byte, what string) {
	var document yaml.Node
	require.NoError(t, yaml.Unmarshal(text, &document))
	var parents []*yaml.Node // mappings and sequences that have something
	var collect func(n *yaml.Node)
	collect = func(n *yaml.Node) {
		if n.Kind != yaml.DocumentNode && len(n.Content) > 0 {
			parents = append(parents, n)
		}
		for _, child := range n.Content {
			collect(child)
		}
	}
	collect(&document)
	parent := parents[random.IntN(len(parents))]
	i := random.IntN(len(parent.Content))
	at := ""
	if parent.Kind == yaml.MappingNode {
		i -= i % 2
		at = parent.Content[i].Value
	}
	what = change(parent, i, random)
	mutant, err := yaml.Marshal(&document)
	require.NoError(t, err)
	return mutant, strings.TrimSpace(fmt.Sprintf("%s of line %d %s", what, parent.Line, at))
}

// change changes the item or the key with this number.
func change(parent *yaml.Node, i int, random *rand.Rand) string {
	width := 1
	value := parent.Content[i]
	if parent.Kind == yaml.MappingNode {
		width = 2
		value = parent.Content[i+1]
		if key := parent.Content[i]; random.IntN(4) == 0 && !strings.HasPrefix(key.Value, "x-") {
			key.Value += "x"
			return "misspelt key"
		}
	}
	if random.IntN(4) == 0 {
		twice := append([]*yaml.Node{}, parent.Content[i:i+width]...)
		if value.Anchor == "" {
			parent.Content = append(parent.Content, twice...)
			return "twice"
		}
	}
	if random.IntN(3) == 0 && value.Anchor == "" {
		parent.Content = append(parent.Content[:i:i], parent.Content[i+width:]...)
		return "left out"
	}
	other := []*yaml.Node{
		{Kind: yaml.ScalarNode, Value: "-7"},
		{Kind: yaml.ScalarNode, Value: "a b; c"},
		{Kind: yaml.ScalarNode, Value: "{{.Nothing}}", Style: yaml.DoubleQuotedStyle},
		{Kind: yaml.ScalarNode, Value: "../../etc/passwd"},
		{Kind: yaml.SequenceNode, Content: []*yaml.Node{{Kind: yaml.ScalarNode, Value: "x"}, {Kind: yaml.ScalarNode, Value: "x"}}},
		{Kind: yaml.MappingNode, Content: []*yaml.Node{{Kind: yaml.ScalarNode, Value: "x"}, {Kind: yaml.ScalarNode, Value: "y"}}},
	}[random.IntN(6)]
	anchor := value.Anchor
	*value = *other
	value.Anchor = anchor
	return "replaced by " + other.Value
}
