package pipeline

import (
	"bytes"
	"encoding"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"maps"
	"reflect"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"go.yaml.in/yaml/v3"

	"github.com/pbsmflow/pbsmflow/internal/problem"
)

const maxDefinition = 1 << 20 // bytes; a whole definition must fit into one message to the server

// Parse reads a definition, YAML or JSON, that includes no files; see [ParseIn].
func Parse(text []byte) (*Pipeline, error) { return ParseIn(text, nil) }

// ParseIn reads a definition, YAML or JSON, and the files of the folder that it includes, and validates it. An unknown
// key is a problem, too. The error is of type [problem.List] and names every problem with its line, and with the file
// if that is an included one.
//
// The result has no includes and defaults any more: what they say is in its steps.
func ParseIn(text []byte, folder fs.FS) (*Pipeline, error) {
	s := source{folder: folder, files: map[*yaml.Node]string{}}
	root := s.compose(text, "")
	if root == nil {
		return nil, s.found
	}
	s.include(root)
	s.applyDefaults(root)

	p := &Pipeline{places: map[string]position{}}
	d := decoder{places: p.places, files: s.files}
	d.decode(root, reflect.ValueOf(p).Elem(), "")
	p.included, p.Include, p.Defaults = p.Include, nil, Defaults{}

	// A value that could not even be decoded is reported once.
	found := slices.DeleteFunc(p.check(), func(one problem.Problem) bool { return d.found.Touches(one.Path) })
	if err := p.reported(slices.Concat(found, d.found, s.found)); err != nil {
		return nil, err
	}
	return p, nil
}

// Included are the files that the definition includes.
func (p *Pipeline) Included() []string { return p.included }

func parseYAML(text []byte) (*yaml.Node, error) {
	if len(text) > maxDefinition {
		return nil, refused("the definition has %d bytes; at most %d are allowed", len(text), maxDefinition)
	}
	if json.Valid(text) {
		text = escapes.ReplaceAllFunc(text, unescape)
	}
	var document, more yaml.Node
	reader := yaml.NewDecoder(bytes.NewReader(text))
	err := reader.Decode(&document)
	if errors.Is(err, io.EOF) {
		return nil, refused("the definition is empty")
	}
	if err != nil {
		return nil, syntaxProblem(err)
	}
	if err := reader.Decode(&more); !errors.Is(err, io.EOF) {
		return nil, refused("a definition is one document, and the text has more")
	}
	return document.Content[0], nil
}

// escapes matches the escapes of a JSON text: a surrogate pair, half of one, or any other.
var escapes = regexp.MustCompile(`\\(u[dD][89abAB][0-9a-fA-F]{2}\\u[dD][c-fC-F][0-9a-fA-F]{2}|u[dD][89a-fA-F][0-9a-fA-F]{2}|.)`)

// unescape decodes the escapes that the YAML library does not support.
func unescape(escape []byte) []byte {
	var text string
	known := len(escape) == 2 && escape[1] != '/'
	if known || json.Unmarshal(slices.Concat([]byte{'"'}, escape, []byte{'"'}), &text) != nil {
		return escape
	}
	return []byte(text)
}

var yamlLine = regexp.MustCompile(`^yaml: line (\d+): `)

func syntaxProblem(err error) problem.List {
	text := err.Error()
	if match := yamlLine.FindStringSubmatch(text); match != nil {
		line, _ := strconv.Atoi(match[1])
		return problem.List{{Line: line, Message: strings.TrimPrefix(text, match[0])}}
	}
	return refused("%s", strings.TrimPrefix(text, "yaml: "))
}

func refused(format string, args ...any) (found problem.List) {
	found.Addf("", format, args...)
	return found
}

// decoder fills Go values from YAML nodes. Unlike the library's own decoding it knows the path of every
// value, and continues after a problem.
type decoder struct {
	found  problem.List
	places map[string]position
	files  map[*yaml.Node]string
}

// position is where something was written.
type position struct {
	file         string // empty for the definition itself
	line, column int
}

func (d *decoder) position(node *yaml.Node) position {
	return position{d.files[node], node.Line, node.Column}
}

// nodeReader is a type whose YAML is not what its fields suggest.
type nodeReader interface {
	read(d *decoder, node *yaml.Node, path string)
}

func (d *decoder) decode(node *yaml.Node, into reflect.Value, path string) {
	d.places[path] = d.position(node)
	if reader, ok := into.Addr().Interface().(nodeReader); ok {
		reader.read(d, node, path)
		return
	}
	if unmarshaler, ok := into.Addr().Interface().(encoding.TextUnmarshaler); ok {
		if text, ok := d.scalar(node, path, "a text"); ok {
			if err := unmarshaler.UnmarshalText([]byte(text)); err != nil {
				d.problem(node, path, "%s", err)
			}
		}
		return
	}
	switch into.Kind() {
	case reflect.Pointer:
		into.Set(reflect.New(into.Type().Elem()))
		d.decode(node, into.Elem(), path)
	case reflect.Struct:
		d.mapping(node, path, func(key, value *yaml.Node) {
			d.field(key, value, into, path)
		})
	case reflect.Map:
		into.Set(reflect.MakeMap(into.Type()))
		d.mapping(node, path, func(key, value *yaml.Node) {
			item := reflect.New(into.Type().Elem()).Elem()
			d.decode(value, item, problem.Join(path, key.Value))
			into.SetMapIndex(reflect.ValueOf(key.Value), item)
		})
	case reflect.Slice:
		if node.Kind != yaml.SequenceNode {
			d.problem(node, path, "must be a list, not %s", describe(node))
			return
		}
		into.Set(reflect.MakeSlice(into.Type(), len(node.Content), len(node.Content)))
		for i, item := range node.Content {
			d.decode(item, into.Index(i), fmt.Sprintf("%s[%d]", path, i))
		}
	case reflect.Int, reflect.Int64:
		// The library would decode 2.5 as 2.
		if node.Kind != yaml.ScalarNode || node.ShortTag() != "!!int" || node.Decode(into.Addr().Interface()) != nil {
			d.problem(node, path, "must be a whole number, not %s", describe(node))
		}
	case reflect.Bool:
		if node.Kind != yaml.ScalarNode || node.ShortTag() != "!!bool" || node.Decode(into.Addr().Interface()) != nil {
			d.problem(node, path, "must be true or false, not %s", describe(node))
		}
	case reflect.String:
		if text, ok := d.scalar(node, path, "a text"); ok {
			into.SetString(text)
		}
	default:
		panic("pipeline: a definition has no " + into.Kind().String())
	}
}

func (d *decoder) field(key, value *yaml.Node, into reflect.Value, path string) {
	fields := map[string][]int{}
	for _, field := range reflect.VisibleFields(into.Type()) {
		if key := keyOf(field); key != "" {
			fields[key] = field.Index
		}
	}
	index, ok := fields[key.Value]
	if !ok {
		known := strings.Join(slices.Sorted(maps.Keys(fields)), ", ")
		d.problem(key, problem.Join(path, key.Value), "unknown key; known here: %s", known)
		return
	}
	d.decode(value, into.FieldByIndex(index), problem.Join(path, key.Value))
}

func (d *decoder) mapping(node *yaml.Node, path string, each func(key, value *yaml.Node)) {
	if node.Kind != yaml.MappingNode {
		d.problem(node, path, "must be keys and values, not %s", describe(node))
		return
	}
	seen := map[string]bool{}
	for i := 0; i+1 < len(node.Content); i += 2 {
		key, value := node.Content[i], node.Content[i+1]
		switch {
		case key.Kind != yaml.ScalarNode:
			d.problem(key, path, "a key must be a text, not %s", describe(key))
		case seen[key.Value]:
			d.problem(key, problem.Join(path, key.Value), "the key is given twice")
		default:
			seen[key.Value] = true
			each(key, value)
		}
	}
}

// scalar returns a scalar as it is written: in code: 0042, it is the text 0042.
func (d *decoder) scalar(node *yaml.Node, path, want string) (string, bool) {
	if node.Kind != yaml.ScalarNode || node.ShortTag() == "!!null" {
		d.problem(node, path, "must be %s, not %s", want, describe(node))
		return "", false
	}
	return node.Value, true
}

func (d *decoder) problem(node *yaml.Node, path, format string, args ...any) {
	at := d.position(node)
	if _, known := d.places[path]; !known {
		d.places[path] = at
	}
	d.found = append(d.found, problem.Problem{Path: path, File: at.file, Line: at.line, Message: fmt.Sprintf(format, args...)})
}

func describe(node *yaml.Node) string {
	switch {
	case node.Kind == yaml.MappingNode:
		return "keys and values"
	case node.Kind == yaml.SequenceNode:
		return "a list"
	case node.ShortTag() == "!!null":
		return "nothing"
	}
	return quoted(node.Value)
}
