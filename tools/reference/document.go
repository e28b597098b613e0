package main

import (
	"fmt"
	"maps"
	"slices"
	"strings"
	"text/template"

	"github.com/invopop/jsonschema"
)

// section is a table of keys under a heading.
type section struct {
	Title, Text string
	Keys        []key
}

type key struct {
	Name, Variable, Value, Default, Text string
	Required                             bool
}

// book is a document and its sources.
type book struct {
	language
	root     *jsonschema.Schema
	comments *comments
	defaults map[string]any
	Sections []section
	seen     map[string]int // definition -> its section, if one section serves all occurrences
	lists    []string       // the paths of lists of keys, which no variable can override
}

// book returns a document with a section for each set of keys below the root, in the order of the fields.
func (l language) book(root *jsonschema.Schema, c *comments, defaults map[string]any) *book {
	b := &book{language: l, root: root, comments: c, defaults: defaults, seen: map[string]int{}}
	b.add("", "", l.root.Name(), root)
	for _, shared := range b.Sections {
		for _, title := range strings.Split(shared.Title, ", ") {
			b.point(title, shared.Title)
		}
	}
	return b
}

// point redirects the links to a title to the heading that it shares with others.
func (b *book) point(title, heading string) {
	for _, s := range b.Sections {
		for i := range s.Keys {
			s.Keys[i].Value = strings.ReplaceAll(s.Keys[i].Value, "(#"+anchor(title)+")", "(#"+anchor(heading)+")")
		}
	}
}

func (b *book) add(path, last, name string, s *jsonschema.Schema) {
	title := path
	if b.written { // the same keys everywhere, so they are described once
		title = last
		if at, ok := b.seen[name]; ok {
			if !slices.Contains(strings.Split(b.Sections[at].Title, ", "), last) {
				b.Sections[at].Title += ", " + last
			}
			return
		}
		b.seen[name] = len(b.Sections)
	}
	at := len(b.Sections)
	b.Sections = append(b.Sections, section{Title: title, Text: b.comments.types[name]})
	type below struct{ path, last, name string }
	var more []below
	for name, property := range properties(s) {
		keyPath := strings.TrimPrefix(path+"."+name, ".")
		b.Sections[at].Keys = append(b.Sections[at].Keys, b.key(keyPath, name, property, slices.Contains(s.Required, name)))
		switch target := definition(property); {
		case target == "" || target == secretName:
		case property.Type == "array":
			b.lists = append(b.lists, keyPath)
			more = append(more, below{keyPath, name, target})
		case property.Type == "object":
			more = append(more, below{keyPath + "." + placeholder, name, target})
		default:
			more = append(more, below{keyPath, name, target})
		}
	}
	for _, m := range more {
		b.add(m.path, m.last, m.name, b.root.Definitions[m.name])
	}
}

// definition returns the definition of a property, of the items of its list or of the values of its map.
func definition(s *jsonschema.Schema) string {
	for _, part := range []*jsonschema.Schema{s, s.Items, s.AdditionalProperties} {
		if part != nil && part.Ref != "" {
			return strings.TrimPrefix(part.Ref, "#/$defs/")
		}
	}
	return ""
}

func (b *book) key(path, name string, s *jsonschema.Schema, required bool) key {
	k := key{Name: name, Required: required, Text: s.Description, Value: b.value(path, name, s), Variable: b.variable(path, s)}
	value, ok := b.defaults[path]
	if !ok {
		value, ok = s.Default, s.Default != nil
	}
	if ok && !required {
		k.Default = "`" + literal(value) + "`"
		if bytes, isNumber := value.(int64); isNumber && bytes > 0 && bytes%(1<<20) == 0 {
			k.Default += fmt.Sprintf(" (%d MiB)", bytes>>20)
		}
	}
	return k
}

func literal(value any) string {
	if list, ok := value.([]string); ok {
		return strings.Join(list, ",")
	}
	return fmt.Sprint(value)
}

// variable returns the environment variable that overrides a key; only pbsm.yaml has them.
func (b *book) variable(path string, s *jsonschema.Schema) string {
	target := definition(s)
	inList := slices.ContainsFunc(b.lists, func(list string) bool { return strings.HasPrefix(path, list+".") })
	if b.written || inList || target != "" && target != secretName {
		return ""
	}
	name := "PBSM_" + strings.ToUpper(strings.ReplaceAll(path, ".", "__"))
	if s.Type == "object" {
		name += "__KEY"
	}
	return name
}

func (b *book) value(path, name string, s *jsonschema.Schema) string {
	target := definition(s)
	switch {
	case target == secretName:
		return "a [secret](#secrets)"
	case target != "" && s.Type == "array" && b.written:
		return "a list of [" + name + "](#" + anchor(name) + ")"
	case target != "" && s.Type == "array":
		return "a list, each with the keys of [" + path + "](#" + anchor(path) + ")"
	case target != "" && s.Type == "object" && b.written:
		return fmt.Sprintf("names, each with the keys of [%s](#%s)", name, anchor(name))
	case target != "" && s.Type == "object":
		return fmt.Sprintf("names, each with the keys of [%s](#%s)", path+"."+placeholder, anchor(path+"."+placeholder))
	case target != "":
		title := path
		if b.written {
			title = name
		}
		return "the keys of [" + title + "](#" + anchor(title) + ")"
	}
	if len(s.AnyOf) > 0 {
		return "[days](#steps-that-do-not-run-every-night)"
	}
	switch s.Type {
	case "array":
		return "a list of: " + b.value(path, name, s.Items)
	case "object":
		if name, ok := s.Extras["values"].(string); ok && s.AdditionalProperties.Type == "array" {
			return "names, each with a list of " + b.value(path, name, &jsonschema.Schema{Type: "string", Format: name})
		} else if ok {
			return "keys, each with a " + b.value(path, name, &jsonschema.Schema{Type: "string", Format: name})
		}
		return "keys and values"
	case "boolean":
		return "`true` or `false`"
	case "integer", "number":
		return number(s)
	}
	if s.Enum != nil {
		var values []string
		for _, value := range s.Enum {
			values = append(values, fmt.Sprintf("`%v`", value))
		}
		return strings.Join(values, ", ")
	}
	switch rule := b.forms[s.Format].rule; {
	case rule != "" && b.written: // many keys share few forms
		return "[" + s.Format + "](#values)"
	case rule != "":
		return rule
	}
	return "a text"
}

func number(s *jsonschema.Schema) string {
	text := map[string]string{"integer": "a whole number", "number": "a number"}[s.Type]
	switch {
	case s.ExclusiveMinimum != "":
		text += ", more than " + s.ExclusiveMinimum.String()
	case s.Minimum != "":
		text += ", at least " + s.Minimum.String()
	}
	if s.Maximum != "" {
		text += ", at most " + s.Maximum.String()
	}
	return text
}

// anchor returns the anchor of a heading, like GitHub.
func anchor(title string) string {
	return strings.ReplaceAll(strings.Map(func(r rune) rune {
		if strings.ContainsRune(".,`", r) {
			return -1
		}
		return r
	}, strings.ToLower(title)), " ", "-")
}

// Table returns the keys as a table in Markdown.
func (s section) Table() string {
	var b strings.Builder
	b.WriteString("| key | value | default | what it does |\n|---|---|---|---|\n")
	for _, k := range s.Keys {
		name := "`" + k.Name + "`"
		if k.Required {
			name += ", required"
		}
		if k.Variable != "" {
			name += "<br>`" + k.Variable + "`"
		}
		fmt.Fprintf(&b, "| %s | %s | %s | %s |\n", name, cell(k.Value), k.Default, cell(k.Text))
	}
	return b.String()
}

// Forms returns the forms of texts, sorted by name.
func (b *book) Forms() [][2]string {
	var forms [][2]string
	for _, name := range slices.Sorted(maps.Keys(b.forms)) {
		forms = append(forms, [2]string{name, cell(b.forms[name].rule)})
	}
	return forms
}

func cell(text string) string {
	return strings.NewReplacer("|", `\|`, "*", `\*`, "\n", " ").Replace(text)
}

func (b *book) markdown(source string) (string, error) {
	t, err := template.New(b.name).Parse(source)
	if err != nil {
		return "", err
	}
	var text strings.Builder
	err = t.Execute(&text, b)
	return text.String(), err
}
