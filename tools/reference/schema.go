package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"path"
	"reflect"
	"regexp"
	"slices"
	"strings"
	"time"

	"github.com/invopop/jsonschema"

	"github.com/pbsmflow/pbsmflow/internal/calendar"
	"github.com/pbsmflow/pbsmflow/internal/config"
	"github.com/pbsmflow/pbsmflow/internal/pipeline"
)

// form is a form of texts, of either package.
type form struct {
	pattern, rule string
	fixed         bool // a template cannot replace it
}

// language is one kind of document: pbsm.yaml or a pipeline.
type language struct {
	name, title string
	root        reflect.Type
	tag         string          // of the keys
	forms       map[string]form // by the name in the tag format=
	// written: any scalar is read as the text that is written, and templates may replace texts below steps.
	written bool
}

func configuration() language {
	forms := map[string]form{"duration": {pipeline.Forms["duration"].Pattern, "a duration such as 500ms, 30s or 2m", true}}
	for name, f := range config.Forms {
		forms[name] = form{f.Pattern, f.Rule, true}
	}
	return language{name: "pbsm", title: "pbsm.yaml, the configuration of pbsmflow", root: reflect.TypeFor[config.Config](), tag: "koanf", forms: forms}
}

func pipelines() language {
	forms := map[string]form{}
	for name, f := range pipeline.Forms {
		forms[name] = form{f.Pattern, f.Rule, f.Fixed}
	}
	return language{name: "pipeline", title: "A pipeline of pbsmflow: what one night's close does", root: reflect.TypeFor[pipeline.Pipeline](), tag: "json", forms: forms, written: true}
}

const secretName, durationFormat = "Secret", "duration"

// reflect derives the schema from the Go types. Its formats are still names of forms.
func (l language) reflect(c *comments) (*jsonschema.Schema, error) {
	r := jsonschema.Reflector{
		Anonymous:                  true,
		ExpandedStruct:             true,
		FieldNameTag:               l.tag,
		RequiredFromJSONSchemaTags: l.tag != "json",
		Namer:                      func(t reflect.Type) string { return l.typeName(t) },
		Mapper:                     mapped,
		LookupComment: func(t reflect.Type, field string) string {
			if field != "" {
				return firstProse(c.of(t, field), field, l.keys(t))
			}
			c.types[l.typeName(t)] = prose(c.of(t, ""), t.Name(), l.keys(t))
			return firstProse(c.of(t, ""), t.Name(), l.keys(t))
		},
	}
	s := r.ReflectFromType(l.root)
	s.Title = l.title
	s.Definitions[secretName] = secretSchema(c)
	var problems []error
	for name, s := range objects(s) {
		for key, property := range properties(s) {
			if property.Description == "" || property.Description == "." {
				problems = append(problems, fmt.Errorf("%s: the key %s has no comment; write one above its field", name, key))
			}
		}
	}
	return s, errors.Join(problems...)
}

func (l language) typeName(t reflect.Type) string {
	if t.PkgPath() == l.root.PkgPath() || t.PkgPath() == "" {
		return t.Name()
	}
	return path.Base(t.PkgPath()) + "." + t.Name() // two packages may have a type of the same name
}

// keys returns the keys of a struct's fields, by the names of the fields.
func (l language) keys(t reflect.Type) map[string]string {
	keys := map[string]string{}
	if t.Kind() == reflect.Struct {
		for field := range t.Fields() {
			if key, _, _ := strings.Cut(field.Tag.Get(l.tag), ","); key != "" {
				keys[field.Name] = key
			}
		}
	}
	return keys
}

// mapped returns the schema of types whose documents differ from their fields.
func mapped(t reflect.Type) *jsonschema.Schema {
	switch t {
	case reflect.TypeFor[config.Secret]():
		return &jsonschema.Schema{Ref: "#/$defs/" + secretName}
	case reflect.TypeFor[pipeline.When]():
		return whenSchema()
	case reflect.TypeFor[pipeline.Defaults]():
		return &jsonschema.Schema{Type: "object"}
	case reflect.TypeFor[time.Duration](), reflect.TypeFor[pipeline.Duration]():
		return &jsonschema.Schema{Type: "string", Format: durationFormat}
	}
	return nil
}

// whenSchema is a word for days, a list of them, {not: ...}, or a list with {not: ...} in it.
func whenSchema() *jsonschema.Schema {
	one := uint64(1)
	word := &jsonschema.Schema{Type: "string", Pattern: calendar.DaysPattern, Extras: map[string]any{
		"patternErrorMessage": "Must be one of " + calendar.DaysForm,
	}}
	list := func(items *jsonschema.Schema) *jsonschema.Schema {
		return &jsonschema.Schema{Type: "array", Items: items, MinItems: &one}
	}
	words := &jsonschema.Schema{AnyOf: []*jsonschema.Schema{word, list(word)}}
	keys := &jsonschema.Schema{
		Type:                 "object",
		MinProperties:        &one,
		AdditionalProperties: jsonschema.FalseSchema,
		Properties:           jsonschema.NewProperties(),
	}
	keys.Properties.Set("on", words)
	keys.Properties.Set("not", words)
	wordOrNot := &jsonschema.Schema{AnyOf: []*jsonschema.Schema{word, keys}}
	return &jsonschema.Schema{AnyOf: []*jsonschema.Schema{word, list(wordOrNot), keys}}
}

func secretSchema(*comments) *jsonschema.Schema {
	source := func(key, description string) *jsonschema.Schema {
		s := &jsonschema.Schema{Type: "object", Required: []string{key}, AdditionalProperties: jsonschema.FalseSchema, Properties: jsonschema.NewProperties()}
		one := uint64(1)
		s.Properties.Set(key, &jsonschema.Schema{Type: "string", MinLength: &one, Description: description})
		return s
	}
	return &jsonschema.Schema{
		Description: "A secret: a text, {env: NAME} or {file: PATH}.",
		OneOf: []*jsonschema.Schema{
			{Type: "string", Description: "The secret itself."},
			source("env", "The environment variable that holds the secret."),
			source("file", "The file that holds the secret, one line; a relative path starts at the folder of pbsm.yaml."),
		},
	}
}

// objects returns the root and all definitions, by name.
func objects(root *jsonschema.Schema) map[string]*jsonschema.Schema {
	all := maps.Clone(map[string]*jsonschema.Schema(root.Definitions))
	all["the document"] = root
	return all
}

// properties iterates over the properties in the order of the fields.
func properties(s *jsonschema.Schema) func(yield func(string, *jsonschema.Schema) bool) {
	return func(yield func(string, *jsonschema.Schema) bool) {
		if s.Properties == nil {
			return
		}
		for pair := s.Properties.Oldest(); pair != nil; pair = pair.Next() {
			if !yield(pair.Key, pair.Value) {
				return
			}
		}
	}
}

// publish returns the schema for editors: forms become patterns, and defaults are added.
func (l language) publish(root *jsonschema.Schema, defaults map[string]any) ([]byte, error) {
	l.putDefaults(root, root, "", defaults)
	var problems []error
	for _, name := range slices.Sorted(maps.Keys(objects(root))) {
		s := objects(root)[name]
		for key, property := range properties(s) {
			if slices.Contains(s.Required, key) {
				notEmpty(property)
			}
			templates := l.written && name != "the document" || key == "audit"
			if err := l.finish(property, templates); err != nil {
				problems = append(problems, fmt.Errorf("%s: %s: %w", name, key, err))
			}
		}
	}
	if l.written {
		addDefaults(root)
	}
	text, err := json.MarshalIndent(root, "", "  ")
	return append(text, '\n'), errors.Join(append(problems, err)...)
}

// addDefaults allows what is not in the Go types of a pipeline: defaults, which have the keys of the kinds but require
// none of them, and keys that begin with x-.
func addDefaults(root *jsonschema.Schema) {
	defaults, _ := root.Properties.Get("defaults")
	defaults.AdditionalProperties, defaults.Properties = jsonschema.FalseSchema, jsonschema.NewProperties()
	for _, kind := range pipeline.Kinds() {
		name := pipeline.KindTypes()[kind].Name()
		keys := *root.Definitions[name]
		keys.Required, keys.OneOf = nil, nil
		root.Definitions[name+"Defaults"] = &keys
		defaults.Properties.Set(string(kind), &jsonschema.Schema{Ref: "#/$defs/" + name + "Defaults"})
	}
	root.PatternProperties = map[string]*jsonschema.Schema{"^x-": jsonschema.TrueSchema}
}

// notEmpty forbids empty values of required secrets and objects.
func notEmpty(s *jsonschema.Schema) {
	one := uint64(1)
	switch {
	case s.Ref == "#/$defs/"+secretName:
		s.MinLength = &one
	case s.Type == "object":
		s.MinProperties = &one
	}
}

// valuesOf is the schema of the texts in a map, or in a map of lists.
func valuesOf(s *jsonschema.Schema) *jsonschema.Schema {
	if s.AdditionalProperties.Type == "array" {
		return s.AdditionalProperties.Items
	}
	return s.AdditionalProperties
}

func (l language) finish(s *jsonschema.Schema, templates bool) error {
	extra := func(name string) (string, bool) { text, ok := s.Extras[name].(string); return text, ok }
	if name, ok := extra("keys"); ok {
		f, err := l.form(name)
		if err != nil {
			return err
		}
		s.PropertyNames = &jsonschema.Schema{Pattern: f.pattern}
	}
	if name, ok := extra("values"); ok {
		valuesOf(s).Format = name
	}
	if key, ok := extra("date"); ok {
		s.Properties = jsonschema.NewProperties()
		s.Properties.Set(key, &jsonschema.Schema{Type: "string", Format: "date", Description: "The as-of date of the run, yyyy-mm-dd."})
	}
	s.Extras = nil
	for _, part := range slices.Concat([]*jsonschema.Schema{s.Items, s.AdditionalProperties}, slices.Collect(maps.Values(maps.Collect(properties(s))))) {
		if part != nil && part != jsonschema.FalseSchema {
			if err := l.finish(part, templates); err != nil {
				return err
			}
		}
	}
	if s.Type != "string" {
		return nil
	}
	f, err := l.form(s.Format)
	if err != nil {
		return err
	}
	s.Format, s.Pattern = "", f.pattern
	if f.pattern != "" {
		s.Extras = map[string]any{"patternErrorMessage": "Must be " + f.rule} // what editors show instead of the pattern
	}
	templates = templates && !f.fixed
	switch {
	case templates && s.Enum != nil:
		s.AnyOf = []*jsonschema.Schema{{Enum: s.Enum}, {Type: "string", Pattern: templatePattern}}
		s.Enum = nil
	case templates && s.Pattern != "":
		s.Pattern = templatePattern + "|" + s.Pattern
	}
	if l.written && s.AnyOf == nil && s.Enum == nil {
		asWritten(s, regexp.MustCompile(f.pattern))
	}
	return nil
}

// asWritten also allows a number or a truth value if its text has the form.
func asWritten(s *jsonschema.Schema, form *regexp.Regexp) {
	types := []string{"string"}
	switch {
	case form.MatchString("2.5"):
		types = append(types, "number")
	case form.MatchString("7"):
		types = append(types, "integer")
	}
	if len(types) > 1 && !form.MatchString("-1") {
		s.Minimum = "0"
	}
	if form.MatchString("true") {
		types = append(types, "boolean")
	}
	if len(types) > 1 {
		s.Type = ""
		if s.Extras == nil {
			s.Extras = map[string]any{}
		}
		s.Extras["type"] = types
	}
}

// templatePattern matches texts with templates.
const templatePattern = `\{\{`

func (l language) form(name string) (form, error) {
	f, ok := l.forms[name]
	if !ok && name != "" {
		return form{}, fmt.Errorf("format=%s is not one of %s", name, strings.Join(slices.Sorted(maps.Keys(l.forms)), ", "))
	}
	return f, nil
}

func (l language) putDefaults(root, s *jsonschema.Schema, at string, defaults map[string]any) {
	for key, property := range properties(s) {
		path := strings.TrimPrefix(at+"."+key, ".")
		if value, ok := defaults[path]; ok && !slices.Contains(s.Required, key) {
			property.Default = value
		}
		target := property
		if property.Type == "object" && property.AdditionalProperties != nil {
			target, path = property.AdditionalProperties, path+"."+placeholder
		}
		if definition := root.Definitions[strings.TrimPrefix(target.Ref, "#/$defs/")]; definition != nil {
			l.putDefaults(root, definition, path, defaults)
		}
	}
}

// placeholder stands for the name of a connection, a store, ...
const placeholder = "NAME"

// defaultsOf returns the values of a configuration by the paths of their keys, in the form of a document.
func defaultsOf(v reflect.Value, at string, into map[string]any) map[string]any {
	switch value := v.Interface().(type) {
	case config.Secret:
		return into
	case time.Duration:
		if value > 0 {
			into[at] = durationText(value)
		}
		return into
	}
	switch v.Kind() {
	case reflect.Struct:
		for field, value := range v.Fields() {
			if key := field.Tag.Get("koanf"); key != "" {
				defaultsOf(value, strings.TrimPrefix(at+"."+key, "."), into)
			}
		}
	case reflect.Map:
		for _, key := range v.MapKeys() {
			defaultsOf(v.MapIndex(key), at+"."+key.String(), into)
		}
	case reflect.Bool, reflect.Int, reflect.Int64, reflect.Float64:
		into[at] = v.Interface()
	case reflect.String, reflect.Slice:
		if v.Len() > 0 {
			into[at] = v.Interface()
		}
	}
	return into
}

func durationText(d time.Duration) string {
	text := d.String()
	for _, zero := range []struct{ end, without string }{{"m0s", "m"}, {"h0m", "h"}} {
		if rest, ok := strings.CutSuffix(text, zero.end); ok {
			text = rest + zero.without
		}
	}
	return text
}
