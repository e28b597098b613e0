package pipeline

import (
	"encoding/json"
	"fmt"
	"maps"
	"reflect"
	"slices"
	"strings"

	"go.yaml.in/yaml/v3"

	"github.com/pbsmflow/pbsmflow/internal/problem"
)

// Expansion is what became of a step of the definition in a rendered pipeline.
type Expansion struct {
	// Of is the id in the definition, and Each the values of a step that has each; otherwise both are empty.
	Of   string
	Each map[string]string
	// AtOnce is how many of the steps with the same Of may run at once; 0: all of them.
	AtOnce int

	// NotTonight is why the step does not run for the date; empty if it does.
	NotTonight string

	origin      int  // the number in the definition
	conditional bool // it has when
}

// Expansion is what became of the step with this number, once the pipeline is rendered.
func (p *Pipeline) Expansion(i int) Expansion { return p.expansions[i] }

func (s Step) checkEach(found *problem.List, path string) {
	for _, name := range slices.Sorted(maps.Keys(s.Each)) {
		at, values := problem.Join(path+".each", name), s.Each[name]
		found.Check(at, CheckParamName(name))
		found.Want(len(values) > 0, at, "must have at least one value")
		for i, value := range values {
			at := fmt.Sprintf("%s[%d]", at, i)
			if found.Check(at, CheckValue(value)) {
				found.Want(!slices.Contains(values[:i], value), at, "%s is given twice", value)
			}
		}
	}
	found.Want(s.AtOnce >= 0, path+".at_once", "must not be negative")
	found.Want(s.AtOnce == 0 || len(s.Each) > 0, path+".at_once", "is for a step with each")
}

// combinations are the values of each of the steps that come from this one. The last name changes fastest.
func (s Step) combinations() []map[string]string {
	all := []map[string]string{nil}
	for _, name := range slices.Sorted(maps.Keys(s.Each)) {
		var longer []map[string]string
		for _, values := range all {
			for _, value := range s.Each[name] {
				with := maps.Clone(values)
				if with == nil {
					with = map[string]string{}
				}
				with[name] = value
				longer = append(longer, with)
			}
		}
		all = longer
	}
	return all
}

// count is how many steps the definition comes to.
func (p *Pipeline) count() int {
	total := 0
	for _, s := range p.Steps {
		n := 1
		for _, values := range s.Each {
			n = min(n*len(values), maxSteps*maxSteps) // it must not overflow
		}
		total += n
	}
	return total
}

// expand returns the steps of the definition, one for each combination of values. Their templates are not filled in.
func (p *Pipeline) expand() (steps []Step, expansions []Expansion, err error) {
	for i, step := range p.Steps {
		for _, values := range step.combinations() {
			clone, err := step.clone()
			if err != nil {
				return nil, nil, err
			}
			from := Expansion{origin: i}
			if len(step.Each) > 0 {
				clone.ID = strings.ToLower(strings.Join(append([]string{step.ID}, inOrder(values)...), "-"))
				from.Of, from.Each, from.AtOnce = step.ID, values, step.AtOnce
			}
			clone.Each, clone.AtOnce = nil, 0
			steps, expansions = append(steps, clone), append(expansions, from)
		}
	}
	return steps, expansions, nil
}

func (s Step) clone() (clone Step, err error) {
	text, err := json.Marshal(s)
	if err == nil {
		err = json.Unmarshal(text, &clone)
	}
	return clone, err
}

// inOrder are the values in the order of their names.
func inOrder(values map[string]string) (ordered []string) {
	for _, name := range slices.Sorted(maps.Keys(values)) {
		ordered = append(ordered, values[name])
	}
	return ordered
}

// eachKey is what tells the runs of an expanded step apart: those values that are not in its code or key anyway.
func (e Expansion) eachKey(texts ...string) string {
	var parts []string
	for _, name := range slices.Sorted(maps.Keys(e.Each)) {
		if !slices.ContainsFunc(texts, func(text string) bool { return reads(text, "Each", name) }) {
			parts = append(parts, e.Each[name])
		}
	}
	return joinKeys(parts...)
}

// note says for which values something is, behind a problem.
func (e Expansion) note() string {
	if len(e.Each) == 0 {
		return ""
	}
	var parts []string
	for _, name := range slices.Sorted(maps.Keys(e.Each)) {
		parts = append(parts, name+" "+e.Each[name])
	}
	return " (for " + strings.Join(parts, ", ") + ")"
}

// maxNeeds is how many needs all steps may have: each is a part of the plan, and of the status.
const maxNeeds = 10_000

// resolveNeeds replaces a need of a step that has each by all that come from it, and checks what is needed.
func (p *Pipeline) resolveNeeds(found *problem.List) {
	members, total := map[string][]string{}, 0
	for i, step := range p.Steps {
		members[step.ID] = []string{step.ID}
		if of := p.expansions[i].Of; of != "" {
			members[of] = append(members[of], step.ID)
		}
	}
	for i := range p.Steps {
		var needs []string
		for j, need := range p.Steps[i].Needs {
			need = strings.ToLower(need) // a template may put a value in it
			path := fmt.Sprintf("%s.needs[%d]", stepPath(p.expansions[i].origin), j)
			if found.Touches(path) {
				continue
			}
			found.Want(len(members[need]) > 0, path, "there is no step %q%s", need, p.expansions[i].note())
			for _, id := range members[need] {
				if found.Touches(path) || !found.Want(!slices.Contains(needs, id), path, "%s is named twice", need) {
					break
				}
				needs = append(needs, id)
			}
		}
		p.Steps[i].Needs = needs
		total += len(needs)
	}
	p.bypass()
	found.Want(total <= maxNeeds, "steps", "the steps have %d needs in all, and at most %d are allowed: "+
		"put an approve step, or another one, between steps that have each", total, maxNeeds)
}

// Defaults are keys that the steps of a kind have unless they give them themselves, by the name of the kind. Keys and
// values such as params are completed, everything else is replaced.
//
//	defaults:
//	  batch: {restarts: 2, restart_delay: 1m}
//	  report: {type: CSV}
type Defaults struct{}

// read checks the keys; their values were already added to the steps.
func (*Defaults) read(d *decoder, node *yaml.Node, path string) {
	d.mapping(node, path, func(key, value *yaml.Node) {
		at := problem.Join(path, key.Value)
		keys, ok := kindTypes[Kind(key.Value)]
		if !ok {
			d.problem(key, at, "there is no such kind of step; there are %s", kindNames())
			return
		}
		d.decode(value, reflect.New(keys).Elem(), at)
	})
}

var kindTypes = func() map[Kind]reflect.Type {
	types := map[Kind]reflect.Type{}
	for _, k := range kinds {
		types[k.kind] = reflect.TypeFor[Step]().Field(k.field).Type.Elem()
	}
	return types
}()

// KindTypes are the structs with the keys of each kind.
func KindTypes() map[Kind]reflect.Type { return maps.Clone(kindTypes) }
