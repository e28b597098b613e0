package pipeline

import (
	"errors"
	"fmt"
	"maps"
	"regexp"
	"slices"
	"strings"
	"text/template"
	"text/template/parse"
)

// expand fills in the templates of a text, and checks what they may put into a filter.
func (r rendering) expand(path, text string) (string, error) {
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
	values := r.values()
	if err := checkTemplate(t.Root, values); err != nil {
		return "", err
	}
	filter := strings.HasSuffix(path, "filter") && isPlain(text)
	if filter {
		markValues(values)
	}
	var out strings.Builder
	if err := t.Execute(&out, values); err != nil {
		return "", templateError(err)
	}
	if filter {
		return unmarkQuoted(out.String())
	}
	return out.String(), nil
}

// isUnsure reports whether a text reads a parameter of which only a sample is known.
func (r rendering) isUnsure(text string) bool {
	return strings.Contains(text, "{{") && slices.ContainsFunc(r.unsure, func(name string) bool { return reads(text, "Params", name) })
}

// reads reports whether a template in the text reads a value such as .Params.scenario.
func reads(text, group, name string) bool {
	return regexp.MustCompile(`\.` + group + `\.` + regexp.QuoteMeta(name) + `\b`).MatchString(text)
}

// marked is a value that is marked where a template puts it, so that it can be found in the result.
type marked string

const markBegin, markEnd = '\x01', '\x02'

func (m marked) String() string { return string(markBegin) + string(m) + string(markEnd) }

// markValues marks what a start chooses.
func markValues(values map[string]any) {
	for key, value := range values {
		switch value := value.(type) {
		case map[string]string:
			all := map[string]marked{}
			for name, text := range value {
				all[name] = marked(text)
			}
			values[key] = all
		case string:
			values[key] = marked(value)
		}
	}
}

// unmarkQuoted wants single quotes around every marked value that is not a number: outside of them, SQL would read
// it as the name of a column.
func unmarkQuoted(text string) (string, error) {
	var out strings.Builder
	quoted := false
	for rest := text; rest != ""; {
		at := strings.IndexAny(rest, "'"+string(markBegin))
		if at < 0 {
			out.WriteString(rest)
			break
		}
		out.WriteString(rest[:at])
		if rest[at] == '\'' {
			quoted = !quoted
			out.WriteByte('\'')
			rest = rest[at+1:]
			continue
		}
		value, after, _ := strings.Cut(rest[at+1:], string(markEnd))
		if !quoted && !digits.MatchString(value) {
			return "", fmt.Errorf("the value %q must be in single quotes, or SQL reads it as a name", value)
		}
		out.WriteString(value)
		rest = after
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
		if values, ok := values[n.Ident[0]].(map[string]string); ok {
			return checkNamed(n.Ident, values)
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

// checkNamed checks .Params.NAME.
func checkNamed(ident []string, values map[string]string) error {
	names := slices.Sorted(maps.Keys(values))
	if len(ident) != 2 || !slices.Contains(names, ident[1]) {
		return fmt.Errorf("template: unknown value .%s; known: %s", strings.Join(ident, "."),
			strings.Join(prefixEach("."+ident[0]+".", names), ", "))
	}
	return nil
}

func prefixEach(prefix string, texts []string) []string {
	var all []string
	for _, text := range texts {
		all = append(all, prefix+text)
	}
	return all
}

func checkMethods(names []string) error {
	for _, name := range names {
		if !slices.Contains(templateMethods, name) {
			return fmt.Errorf("template: .AsOf has no %s; it has %s", name, strings.Join(templateMethods, ", "))
		}
	}
	return nil
}
