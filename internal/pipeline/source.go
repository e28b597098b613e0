package pipeline

import (
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"path"
	"slices"
	"strings"

	"go.yaml.in/yaml/v3"

	"github.com/pbsmflow/pbsmflow/internal/problem"
)

// source composes a definition from its text and from the files that it includes, before it is decoded: aliases and
// merge keys are replaced by what they stand for, and defaults are written out. Each node keeps the place at which
// it was written.
type source struct {
	folder fs.FS // of the files that can be included; nil: none
	found  problem.List
	files  map[*yaml.Node]string // the included file that a node is from
	nodes  int
}

const (
	maxNodes = 200_000 // of a definition: a few aliases could stand for billions
	maxDepth = 100
)

// compose returns the mapping that a definition is, or nil.
func (s *source) compose(text []byte, file string) *yaml.Node {
	root, err := parseYAML(text)
	var found problem.List
	if errors.As(err, &found) {
		for _, one := range found {
			one.File = file
			s.found = append(s.found, one)
		}
		return nil
	}
	root = s.resolve(root, file, nil)
	if root == nil || root.Kind != yaml.MappingNode {
		return root
	}
	dropExtensions(root)
	return root
}

// dropExtensions removes the keys that begin with x-, which are places for anchors.
func dropExtensions(root *yaml.Node) {
	for i := len(root.Content) - 2; i >= 0; i -= 2 {
		if strings.HasPrefix(root.Content[i].Value, "x-") {
			root.Content = slices.Delete(root.Content, i, i+2)
		}
	}
}

// resolve copies a node without aliases and merge keys. above are the aliases of which it is a part.
func (s *source) resolve(node *yaml.Node, file string, above []*yaml.Node) *yaml.Node {
	if node.Kind == yaml.AliasNode {
		if slices.Contains(above, node.Alias) {
			s.problem(node, file, "*%s is a part of itself", node.Value)
			return &yaml.Node{Kind: yaml.ScalarNode, Tag: "!!null", Line: node.Line, Column: node.Column}
		}
		return s.resolve(node.Alias, file, append(slices.Clone(above), node.Alias))
	}
	if s.nodes++; s.nodes > maxNodes || len(above) > maxDepth {
		if s.nodes == maxNodes+1 {
			s.problem(node, file, "with everything that its aliases stand for, the definition is too large")
		}
		return &yaml.Node{Kind: yaml.ScalarNode, Tag: "!!null", Line: node.Line, Column: node.Column}
	}
	found := *node
	found.Content, found.Anchor = nil, ""
	s.files[&found] = file
	for _, child := range node.Content {
		found.Content = append(found.Content, s.resolve(child, file, above))
	}
	if found.Kind == yaml.MappingNode {
		s.merge(&found, file)
	}
	return &found
}

// merge replaces merge keys (<<) by what they add: keys that the mapping does not have itself. Of several mappings,
// the first one counts.
func (s *source) merge(mapping *yaml.Node, file string) {
	var own, merged []*yaml.Node
	for i := 0; i+1 < len(mapping.Content); i += 2 {
		key, value := mapping.Content[i], mapping.Content[i+1]
		if key.Kind != yaml.ScalarNode || key.ShortTag() != "!!merge" {
			own = append(own, key, value)
			continue
		}
		parts := []*yaml.Node{value}
		if value.Kind == yaml.SequenceNode {
			parts = value.Content
		}
		for _, part := range parts {
			if part.Kind != yaml.MappingNode {
				s.problem(key, file, "<< must be keys and values or a list of them, not %s", describe(part))
				continue
			}
			merged = append(merged, part.Content...)
		}
	}
	mapping.Content = own
	addMissing(mapping, merged)
}

// addMissing adds keys and values to a mapping that does not have them.
func addMissing(mapping *yaml.Node, content []*yaml.Node) {
	for i := 0; i+1 < len(content); i += 2 {
		if valueOf(mapping, content[i].Value) == nil {
			mapping.Content = append(mapping.Content, content[i], content[i+1])
		}
	}
}

// valueOf is the value of a key, nil without it.
func valueOf(mapping *yaml.Node, key string) *yaml.Node {
	if mapping == nil || mapping.Kind != yaml.MappingNode {
		return nil
	}
	for i := 0; i+1 < len(mapping.Content); i += 2 {
		if mapping.Content[i].Value == key {
			return mapping.Content[i+1]
		}
	}
	return nil
}

// partKeys are what an included file may have. Its steps come before those of the definition.
var partKeys = []string{"defaults", "params", "steps"}

// include adds what the files hold that the definition includes.
func (s *source) include(root *yaml.Node) {
	list := valueOf(root, "include")
	if list == nil || list.Kind != yaml.SequenceNode {
		return // the decoder refuses what is no list
	}
	var steps []*yaml.Node
	seen := map[string]bool{}
	for _, item := range list.Content {
		name := item.Value
		if item.Kind != yaml.ScalarNode || !s.canInclude(item, name, seen) {
			continue
		}
		text, err := fs.ReadFile(s.folder, name)
		if err != nil {
			s.problem(item, s.files[item], "%s cannot be read: %s", quoted(name), plainly(err))
			continue
		}
		part := s.compose(text, name)
		if part == nil {
			continue
		}
		if part.Kind != yaml.MappingNode {
			s.problem(part, name, "must be keys and values, not %s", describe(part))
			continue
		}
		steps = append(steps, s.addPart(root, part, name)...)
	}
	if len(steps) == 0 {
		return
	}
	own := valueOf(root, "steps")
	switch {
	case own == nil:
		key := &yaml.Node{Kind: yaml.ScalarNode, Tag: "!!str", Value: "steps"}
		root.Content = append(root.Content, key, &yaml.Node{Kind: yaml.SequenceNode, Tag: "!!seq", Content: steps})
	case own.Kind == yaml.SequenceNode:
		own.Content = append(steps, own.Content...)
	}
}

// canInclude wants a file of the folder, which is not included twice.
func (s *source) canInclude(item *yaml.Node, name string, seen map[string]bool) bool {
	switch {
	case s.folder == nil:
		s.problem(item, s.files[item], "%s cannot be included: the definition does not come from a folder", quoted(name))
	case !fs.ValidPath(name) || strings.ContainsAny(name, "\\\x00") || !slices.Contains(Endings, path.Ext(name)):
		s.problem(item, s.files[item], "%s is not a file of the definition's folder; write a path in it that ends with %s",
			quoted(name), strings.Join(Endings, ", "))
	case seen[name]:
		s.problem(item, s.files[item], "%s is included twice", quoted(name))
	default:
		seen[name] = true
		return true
	}
	return false
}

func plainly(err error) string {
	var path *fs.PathError
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return "there is no such file in the definition's folder"
	case errors.As(err, &path):
		return path.Err.Error()
	}
	return err.Error()
}

// addPart adds what an included file has, and returns its steps.
func (s *source) addPart(root, part *yaml.Node, file string) (steps []*yaml.Node) {
	for i := 0; i+1 < len(part.Content); i += 2 {
		key, value := part.Content[i], part.Content[i+1]
		switch {
		case !slices.Contains(partKeys, key.Value):
			s.problem(key, file, "%s: unknown key; known in an included file: %s", key.Value, strings.Join(partKeys, ", "))
		case key.Value == "steps" && value.Kind == yaml.SequenceNode:
			steps = append(steps, value.Content...)
		case key.Value == "steps":
			s.problem(value, file, "steps: must be a list, not %s", describe(value))
		case value.Kind != yaml.MappingNode:
			s.problem(value, file, "%s: must be keys and values, not %s", key.Value, describe(value))
		case valueOf(root, key.Value) == nil:
			root.Content = append(root.Content, key, value)
		default:
			s.addKeys(valueOf(root, key.Value), value, key.Value, file)
		}
	}
	return steps
}

// addKeys adds the parameters or defaults of an included file. None may be given twice, or it would depend on the
// order of the files which of them counts.
func (s *source) addKeys(into, from *yaml.Node, what, file string) {
	for i := 0; i+1 < len(from.Content); i += 2 {
		key := from.Content[i]
		if other := valueOf(into, key.Value); other != nil {
			s.problem(key, file, "%s.%s: is given in %s as well", what, key.Value, place(s.files[other], other.Line))
			continue
		}
		into.Content = append(into.Content, key, from.Content[i+1])
	}
}

func place(file string, line int) string {
	if file == "" {
		return fmt.Sprintf("line %d of the definition", line)
	}
	return fmt.Sprintf("line %d of %s", line, file)
}

// applyDefaults adds to every step what the defaults of its kind say and the step does not.
func (s *source) applyDefaults(root *yaml.Node) {
	defaults, steps := valueOf(root, "defaults"), valueOf(root, "steps")
	if defaults == nil || steps == nil {
		return
	}
	for _, step := range steps.Content {
		for _, kind := range slices.Sorted(maps.Keys(kindTypes)) {
			own, added := valueOf(step, string(kind)), valueOf(defaults, string(kind))
			if own != nil && added != nil && added.Kind == yaml.MappingNode {
				addDeep(own, added)
			}
		}
	}
}

// addDeep adds keys and values to a mapping, and to the mappings in it.
func addDeep(into, from *yaml.Node) {
	if into.Kind != yaml.MappingNode || from.Kind != yaml.MappingNode {
		return
	}
	for i := 0; i+1 < len(from.Content); i += 2 {
		if own := valueOf(into, from.Content[i].Value); own != nil {
			addDeep(own, from.Content[i+1])
		}
	}
	addMissing(into, from.Content)
}

func (s *source) problem(node *yaml.Node, file, format string, args ...any) {
	s.found = append(s.found, problem.Problem{File: file, Line: node.Line, Message: fmt.Sprintf(format, args...)})
}
