package pipeline

import (
	"fmt"
	"maps"
	"reflect"
	"slices"
	"strings"

	"github.com/pbsmflow/pbsmflow/internal/calendar"
	"github.com/pbsmflow/pbsmflow/internal/problem"
)

// Vars are the values for templates beside the as-of date.
type Vars struct {
	Connection string             // the connection's name
	Params     map[string]string  // the parameters that the start gives
	Calendars  calendar.Calendars // nil: the built-in ones
	Key        string             // the key that the start gives to the close; empty: see [Pipeline.CloseKey]
}

// rendering is what a definition is rendered for.
type rendering struct {
	asOf       Date
	connection string
	pipeline   string
	params     map[string]string  // of every parameter
	key        string             // of the close
	each       map[string]string  // of the step
	runKey     string             // of what the step runs, without its own
	keyGiven   bool               // rather than made from params
	choose     bool               // leave out the steps that do not run for the date
	calendar   *calendar.Calendar // nil: the pipeline names none
	unsure     []string           // parameters whose values are only samples
}

// values are what templates see.
func (r rendering) values() map[string]any {
	values := map[string]any{
		"AsOf": r.asOf, "AsOfDate": r.asOf.String(), "Connection": r.connection, "Pipeline": r.pipeline, "Key": r.key,
	}
	if len(r.params) > 0 {
		values["Params"] = r.params
	}
	if len(r.each) > 0 {
		values["Each"] = r.each
	}
	return values
}

// Render fills in the templates of the definition for one as-of date and returns the result with all
// defaults written out: the remote name of an upload, the type of a report, the path of the audit file, and
// the as-of date as [ParamAsOf] for every batch and listed member that does not set it. p is not modified.
// The result can be marshalled as JSON.
//
// Templates are those of text/template, in the string values of steps and in audit:
//
//	{{.AsOfDate}}                        2026-10-31
//	{{.AsOf.Format "20060102"}}          20261031
//	{{(.AsOf.AddDays -1).Format "0102"}} also AddMonths, MonthEnd, PrevMonthEnd
//	{{.Connection}} {{.Pipeline}}        names
//	{{.Params.scenario}}                 a parameter
//	{{.Key}}                             the key of the close
//	{{if eq .Connection "prod"}}..{{end}}
//
// Nothing else is available. So the same definition, date and parameters always give the same result, and a value
// can consist only of what the definition itself says, of dates, and of names and values made of letters, digits,
// "_" and "-". The error is of type [problem.List] and names every problem.
func (p *Pipeline) Render(asOf Date, vars Vars) (*Pipeline, error) {
	var found problem.List
	if asOf.IsZero() {
		found.Add("", "the as-of date is missing; give it as yyyy-mm-dd")
		asOf = sampleDate
	}
	if !validID(vars.Connection) {
		found.Addf("", "the connection's name %q is not valid; use %s", vars.Connection, idForm)
		vars.Connection = "invalid"
	}
	r := rendering{asOf: asOf, connection: vars.Connection, params: p.values(&found, vars.Params)}
	r.key = p.CloseKey(r.params)
	r.choose, r.calendar = true, p.calendarFor(&found, vars.Calendars)
	if vars.Key != "" && found.Check("key", CheckKey(vars.Key)) {
		r.key, r.keyGiven = vars.Key, true
	}
	q := p.render(&found, r)
	if err := p.reported(found); err != nil {
		return nil, err
	}
	q.rendered, q.Params, q.places, q.chosen = r, nil, nil, false
	return q, nil
}

// Sample is the definition with all of its steps, each of those with each, as for a sample date and with sample values:
// what its texts are for a date only Render says.
func (p *Pipeline) Sample() (*Pipeline, error) {
	var found problem.List
	q := p.render(&found, p.sample())
	return q, p.reported(found)
}

// Key is the key of the close for which the pipeline was rendered.
func (p *Pipeline) Key() string { return p.rendered.key }

// Values are all parameters of the close for which the pipeline was rendered.
func (p *Pipeline) Values() map[string]string { return p.rendered.params }

// render collects every problem of the definition, of its templates, and of the values that they give.
func (p *Pipeline) render(found *problem.List, r rendering) *Pipeline {
	if n := p.count(); n > maxSteps {
		found.Addf("steps", "there are %d steps; at most %d are allowed", n, maxSteps)
		return p
	}
	p.checkStructure(found)
	r.pipeline = p.Name
	q := *p
	var err error
	q.Steps, q.expansions, err = p.expand()
	if err != nil {
		found.Check("", err)
		return p
	}
	q.chosen = r.choose
	q.chooseSteps(r)
	var unsure problem.List
	for i := range q.Steps {
		unsure = append(unsure, r.forStep(q.expansions[i], q.Steps[i]).fillStep(found, p, &q.Steps[i], q.expansions[i])...)
	}
	q.checkIDs(found, p.Steps)
	q.resolveNeeds(found)
	q.checkCycles(found)
	q.checkRunsOf(found)
	p.checkSaved(found, "audit", q.Audit, r)
	q.Audit, err = r.expand("audit", q.Audit)
	if found.Check("audit", err) && q.Audit == "" {
		q.Audit = q.besideFirstSaved("audit_" + strings.Join(nonEmpty(p.Name, r.connection, r.asOf.String(), r.key), "_") + ".jsonl")
	}
	for _, step := range q.Steps {
		if step.Delete != nil && step.Delete.Record == "" {
			step.Delete.Record = q.Audit
		}
	}
	certain := len(*found)
	q.checkValues(found)
	for i, step := range q.Steps {
		found.Want(r.key == "" || step.ID != r.key, stepPath(q.expansions[i].origin)+".id",
			"%s is also the key of this close, and so the workflow of the step would have the id of a close", step.ID)
	}
	*found = append((*found)[:certain], slices.DeleteFunc((*found)[certain:], func(one problem.Problem) bool {
		return unsure.Covers(one.Path)
	})...)
	return &q
}

// forStep is the rendering of one step.
func (r rendering) forStep(e Expansion, step Step) rendering {
	r.each = e.Each
	r.runKey = joinKeys(r.key, e.eachKey(step.Traits().Runs, step.Traits().Key))
	return r
}

// fillStep fills in the templates of a step, and its defaults. It returns the paths of what is only a sample.
func (r rendering) fillStep(found *problem.List, p *Pipeline, step *Step, e Expansion) (unsure problem.List) {
	path := stepPath(e.origin)
	saves, keys := step.Traits(), problem.Join(path, string(step.Kind()))
	p.checkSaved(found, problem.Join(keys, "save_to"), saves.SaveTo, r)
	p.checkSaved(found, problem.Join(keys, "list_to"), saves.ListTo, r)
	id := step.ID // has no templates
	eachString(reflect.ValueOf(step).Elem(), path, func(path, text string) string {
		if r.isUnsure(text) {
			unsure.Add(path, text)
		}
		result, err := r.expand(path, text)
		if err != nil && !found.Touches(path) {
			found.Addf(path, "%v%s", err, e.note())
		}
		return result
	})
	step.ID = id
	if _, a := step.action(); a != nil {
		a.setDefaults(r)
	}
	return unsure
}

func nonEmpty(texts ...string) []string {
	return slices.DeleteFunc(texts, func(text string) bool { return text == "" })
}

// eachString replaces every string below v, except the keys of maps.
func eachString(v reflect.Value, path string, replace func(path, text string) string) {
	switch v.Kind() {
	case reflect.Pointer:
		if !v.IsNil() {
			eachString(v.Elem(), path, replace)
		}
	case reflect.Struct:
		for i := range v.NumField() {
			eachString(v.Field(i), problem.Join(path, keyOf(v.Type().Field(i))), replace)
		}
	case reflect.Slice:
		for i := range v.Len() {
			eachString(v.Index(i), fmt.Sprintf("%s[%d]", path, i), replace)
		}
	case reflect.Map:
		if nested, ok := v.Interface().(map[string]map[string]string); ok {
			for _, key := range slices.Sorted(maps.Keys(nested)) {
				eachString(reflect.ValueOf(nested[key]), problem.Join(path, key), replace)
			}
		}
		if texts, ok := v.Interface().(map[string]string); ok {
			for _, key := range slices.Sorted(maps.Keys(texts)) {
				texts[key] = replace(problem.Join(path, key), texts[key])
			}
		}
	case reflect.String:
		v.SetString(replace(path, v.String()))
	}
}

// besideFirstSaved is a file in the folder of the first file that a step saves; empty if no step saves one.
func (p *Pipeline) besideFirstSaved(name string) string {
	for _, s := range p.Steps {
		saved := s.Traits().SaveTo
		if _, _, err := ParseRef(saved); err == nil {
			return saved[:strings.LastIndex(saved, "/")+1] + name
		}
	}
	return ""
}
