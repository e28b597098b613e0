package pipeline

import (
	"fmt"
	"maps"
	"regexp"
	"slices"
	"strings"

	"github.com/pbsmflow/pbsmflow/internal/problem"
)

// Param is a value that a close is started with: --param NAME=VALUE, params of an input or of a schedule. Templates
// read it as .Params.NAME. A close with another value is another close, with an id of its own.
//
//	params:
//	  scenario: {description: "1 is the base case", one_of: [1, 7, 9], default: 1}
//	  restated: {description: The run that is restated, pattern: "[0-9]{1,6}"}
type Param struct {
	// Description says what the value chooses.
	Description string `json:"description,omitempty"`
	// Default is the value of a close that is started without one. Without a default, every start must give a value.
	Default string `json:"default,omitempty" jsonschema:"format=value"`
	// OneOf are the values that are allowed.
	OneOf []string `json:"one_of,omitempty" jsonschema:"oneof_required=one_of,format=value"`
	// Pattern is a regular expression (RE2) that the whole value must match.
	Pattern string `json:"pattern,omitempty" jsonschema:"oneof_required=pattern"`
}

const valueParts = `[A-Za-z0-9_]+(-[A-Za-z0-9_]+)*`

// A value may stand in a filter that reaches SQL, so it has nothing that could end a text or begin a comment.
const valueForm = `letters, digits, "_" and "-", at most 63, a single "-" only between others`

var (
	valuePattern     = regexp.MustCompile(`^` + valueParts + `$`)
	keyPattern       = regexp.MustCompile(`^` + valueParts + `(\.` + valueParts + `)*$`)
	paramNamePattern = regexp.MustCompile(`^[a-z][a-z0-9_]{0,30}$`)
)

const paramNameForm = `lower-case letters, digits and "_", at most 31, a letter first`

// CheckValue wants the form of a parameter's value.
func CheckValue(value string) error {
	if len(value) > 63 || !valuePattern.MatchString(value) {
		return fmt.Errorf("%s must be %s", quoted(value), valueForm)
	}
	return nil
}

// CheckKey wants the form of a close's key.
func CheckKey(key string) error {
	if len(key) > 128 || !keyPattern.MatchString(key) {
		return fmt.Errorf(`%s must be %s, and parts like that with "." between them`, quoted(key), valueForm)
	}
	return nil
}

// CheckParamName wants the form of a parameter's name.
func CheckParamName(name string) error {
	if !paramNamePattern.MatchString(name) {
		return fmt.Errorf("%s is not a parameter's name; use %s", quoted(name), paramNameForm)
	}
	return nil
}

func (p *Pipeline) checkParams(found *problem.List) {
	for _, name := range slices.Sorted(maps.Keys(p.Params)) {
		path := problem.Join("params", name)
		param := p.Params[name]
		found.Check(path, CheckParamName(name))
		for i, value := range param.OneOf {
			found.Check(fmt.Sprintf("%s.one_of[%d]", path, i), CheckValue(value))
		}
		if _, err := regexp.Compile(param.Pattern); err != nil {
			found.Addf(path+".pattern", "%s is not a regular expression: %v", quoted(param.Pattern), err)
		}
		found.Want((len(param.OneOf) > 0) != (param.Pattern != ""), path, "must have exactly one of one_of and pattern")
		if param.Default != "" && !found.Touches(path) {
			found.Check(path+".default", param.allows(param.Default))
		}
	}
}

// allows says why a value is not allowed, or nil.
func (p Param) allows(value string) error {
	if err := CheckValue(value); err != nil {
		return err
	}
	if len(p.OneOf) > 0 {
		if !slices.Contains(p.OneOf, value) {
			return fmt.Errorf("%q is not one of %s", value, strings.Join(p.OneOf, ", "))
		}
		return nil
	}
	whole, err := regexp.Compile(`^(?:` + p.Pattern + `)$`)
	if err != nil {
		return err
	}
	if !whole.MatchString(value) {
		return fmt.Errorf("%q does not match %s", value, p.Pattern)
	}
	return nil
}

// values are those of all parameters for a start that gives some of them.
func (p *Pipeline) values(found *problem.List, given map[string]string) map[string]string {
	known := slices.Sorted(maps.Keys(p.Params))
	for _, name := range slices.Sorted(maps.Keys(given)) {
		if _, ok := p.Params[name]; !ok {
			found.Addf("", "there is no parameter %s; %s", quoted(name), knownParams(known))
		}
	}
	values := map[string]string{}
	for _, name := range known {
		param, path := p.Params[name], problem.Join("params", name)
		value, ok := given[name]
		switch {
		case ok:
			found.Check(path, param.allows(value))
		case param.Default != "":
			value = param.Default
		default:
			found.Addf(path, "has no default, so a start must give its value%s", prefixed(": ", strings.Join(param.OneOf, ", ")))
		}
		values[name] = value
	}
	return values
}

// CheckStart checks the parameters that a start gives. The error is a [problem.List].
func (p *Pipeline) CheckStart(given map[string]string) error {
	var found problem.List
	p.values(&found, given)
	return p.reported(found)
}

func knownParams(names []string) string {
	if len(names) == 0 {
		return "the pipeline has none"
	}
	return "the pipeline has " + strings.Join(names, ", ")
}

// sampleValues stand in for the parameters where no start gives them. Of one that has neither a default nor a list
// nothing is known: it is unsure.
func (p *Pipeline) sampleValues() (values map[string]string, unsure []string) {
	values = map[string]string{}
	for name, param := range p.Params {
		switch {
		case param.Default != "":
			values[name] = param.Default
		case len(param.OneOf) > 0:
			values[name] = param.OneOf[0]
		default:
			values[name] = "1"
			unsure = append(unsure, name)
		}
	}
	return values, unsure
}

// CloseKey is the key of a close with these parameters: those that do not have their default, such as scenario-7.
// It is empty for a close that has nothing but defaults. No two sets of values have the same key: a name has no
// "-", and a value no ".".
func (p *Pipeline) CloseKey(values map[string]string) string {
	others := map[string]string{}
	for name, value := range values {
		if value != p.Params[name].Default {
			others[name] = value
		}
	}
	return ParamsKey(others)
}

// ParamsKey is the key of a close that is started with these parameters, as far as it is known without the
// definition: a value that is the default adds nothing to the close's key, see [Pipeline.CloseKey].
func ParamsKey(given map[string]string) string {
	var parts []string
	for _, name := range slices.Sorted(maps.Keys(given)) {
		parts = append(parts, name+"-"+given[name])
	}
	return joinKeys(parts...)
}

// joinKeys joins the parts of a key, of which some may be empty.
func joinKeys(parts ...string) string {
	return strings.Join(slices.DeleteFunc(slices.Clone(parts), func(part string) bool { return part == "" }), ".")
}

// checkSaved wants a file that is saved to have another name in every other close for the same date: closes with other
// parameters must not overwrite each other's files.
func (p *Pipeline) checkSaved(found *problem.List, path, ref string, r rendering) {
	if ref == "" {
		return
	}
	for _, other := range p.otherCloses(r) {
		seen := map[string]bool{}
		for _, r := range other.closes {
			result, err := r.expand(path, ref)
			if err != nil {
				return // reported where it is filled in
			}
			if seen[result] {
				found.Addf(path, "%s is also what closes with another %s save, which would overwrite each other's files; use %s in it",
					quoted(result), other.what, other.use)
				return
			}
			seen[result] = true
		}
	}
}

// otherCloses are closes that differ in one thing, of all things in which they can.
type otherCloses struct {
	what, use string
	closes    []rendering
}

func (p *Pipeline) otherCloses(r rendering) (all []otherCloses) {
	if r.keyGiven {
		other := r
		other.key += "-other"
		return []otherCloses{{"key", "{{.Key}}", []rendering{r, other}}}
	}
	for _, name := range slices.Sorted(maps.Keys(p.Params)) {
		values := p.Params[name].OneOf
		if len(values) == 0 {
			values = []string{"1", "2"}
		}
		other := otherCloses{what: "value of " + name, use: "{{.Params." + name + "}} or {{.Key}}"}
		for _, value := range values {
			r.params = maps.Clone(r.params)
			r.params[name] = value
			r.key = p.CloseKey(r.params)
			other.closes = append(other.closes, r)
		}
		all = append(all, other)
	}
	return all
}

func prefixed(prefix, text string) string {
	if text == "" {
		return ""
	}
	return prefix + text
}
