package pipeline

import (
	"errors"
	"fmt"
	"maps"
	"reflect"
	"regexp"
	"slices"
	"strings"
	"text/template"
	"text/template/parse"

	"github.com/pbsmflow/pbsmflow/internal/problem"
)

// Vars are the values for templates beside the as-of date.
type Vars struct {
	Connection string // the connection's name
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
//	{{if eq .Connection "prod"}}..{{end}}
//
// Nothing else is available. So the same definition and date always give the same result, and a value can
// consist only of what the definition itself says, of dates, and of names made of letters, digits, "_" and
// "-". The error is of type [problem.List] and names every problem.
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
	q := p.render(&found, asOf, vars)
	if err := p.reported(found); err != nil {
		return nil, err
	}
	return q, nil
}

// render collects every problem of the definition, of its templates, and of the values that they give.
func (p *Pipeline) render(found *problem.List, asOf Date, vars Vars) *Pipeline {
	if len(p.Steps) > maxSteps {
		found.Addf("steps", "there are %d steps; at most %d are allowed", len(p.Steps), maxSteps)
		return p
	}
	p.checkStructure(found)
	q, err := p.clone()
	if err != nil {
		found.Check("", err)
		return p
	}
	values := map[string]any{
		"AsOf": asOf, "AsOfDate": asOf.String(), "Connection": vars.Connection, "Pipeline": p.Name,
	}
	fill := func(path, text string) string {
		result, err := expand(text, values)
		found.Check(path, err)
		return result
	}
	for i := range q.Steps {
		eachString(reflect.ValueOf(&q.Steps[i]).Elem(), stepPath(i), fill)
		if _, a := q.Steps[i].action(); a != nil {
			a.setDefaults(asOf)
		}
	}
	if q.Audit = fill("audit", q.Audit); q.Audit == "" {
		q.Audit = q.besideFirstSaved(fmt.Sprintf("audit_%s_%s_%s.jsonl", p.Name, vars.Connection, asOf))
	}
	q.checkValues(found)
	return q
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

func expand(text string, values map[string]any) (string, error) {
	if !strings.Contains(text, "{{") {
		return text, nil
	}
	t, err := template.New("").Option("missingkey=error").Parse(text)
	if err != nil {
		return "", templateError(err)
	}
	if len(t.Templates()) > 1 || t.Tree == nil {
		return "", errors.New("template: define and block are not available")
	}
	if err := checkTemplate(t.Root, values); err != nil {
		return "", err
	}
	var out strings.Builder
	if err := t.Execute(&out, values); err != nil {
		return "", templateError(err)
	}
	return out.String(), nil
}

var templatePosition = regexp.MustCompile(`^template: :\d+(:\d+)?: (executing "" at )?`)

func templateError(err error) error {
	if exec := (template.ExecError{}); errors.As(err, &exec) {
		err = exec
	}
	return fmt.Errorf("template: %s", templatePosition.ReplaceAllString(err.Error(), ""))
}

var (
	templateFunctions = []string{"and", "eq", "ge", "gt", "le", "lt", "ne", "not", "or"}
	templateMethods   = []string{"AddDays", "AddMonths", "Format", "MonthEnd", "PrevMonthEnd"}
)

// checkTemplate allows values, comparisons and if. Loops and printf are not available because a short
// text could make their output endless.
func checkTemplate(node parse.Node, values map[string]any) error {
	var children []parse.Node
	switch n := node.(type) {
	case *parse.ListNode:
		if n != nil {
			children = n.Nodes
		}
	case *parse.ActionNode:
		children = append(children, n.Pipe)
	case *parse.IfNode:
		children = append(children, n.Pipe, n.List, n.ElseList)
	case *parse.PipeNode:
		if len(n.Decl) > 0 {
			return errors.New("template: variables are not available")
		}
		for _, command := range n.Cmds {
			children = append(children, command)
		}
	case *parse.CommandNode:
		children = n.Args
	case *parse.ChainNode:
		children = append(children, n.Node)
		if err := checkMethods(n.Field); err != nil {
			return err
		}
	case *parse.FieldNode:
		if _, ok := values[n.Ident[0]]; !ok {
			return fmt.Errorf("template: unknown value .%s; known: .%s", n.Ident[0],
				strings.Join(slices.Sorted(maps.Keys(values)), ", ."))
		}
		return checkMethods(n.Ident[1:])
	case *parse.IdentifierNode:
		if !slices.Contains(templateFunctions, n.Ident) {
			return fmt.Errorf("template: the function %s is not available; available: %s", n.Ident,
				strings.Join(templateFunctions, ", "))
		}
	case *parse.TextNode, *parse.CommentNode, *parse.StringNode, *parse.NumberNode, *parse.BoolNode:
	default:
		return fmt.Errorf("template: %s is not available", node)
	}
	for _, child := range children {
		if err := checkTemplate(child, values); err != nil {
			return err
		}
	}
	return nil
}

func checkMethods(names []string) error {
	for _, name := range names {
		if !slices.Contains(templateMethods, name) {
			return fmt.Errorf("template: .AsOf has no %s; it has %s", name, strings.Join(templateMethods, ", "))
		}
	}
	return nil
}
