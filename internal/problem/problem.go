// Package problem collects the mistakes of an input or a setting, so that all of them are reported at once.
package problem

import (
	"cmp"
	"errors"
	"fmt"
	"slices"
	"strings"
)

// Problem is one mistake, and where it is.
type Problem struct {
	Path    string // the key, such as steps.allocate.batch.code; empty for the input as a whole
	File    string // of the input that Line is in; empty for the input itself
	Line    int    // in the text of the input; 0 when unknown
	Message string
}

func (p Problem) String() string {
	text := p.Message
	if p.Path != "" {
		text = p.Path + ": " + text
	}
	if p.Line > 0 {
		text = fmt.Sprintf("line %d: %s", p.Line, text)
	}
	if p.File != "" {
		text = p.File + ": " + text
	}
	return text
}

// List holds problems in the order in which they were found. Its zero value is ready to use.
type List []Problem

// Add adds a problem.
func (l *List) Add(path, message string) { *l = append(*l, Problem{Path: path, Message: message}) }

// Addf adds a problem with a formatted message.
func (l *List) Addf(path, format string, args ...any) { l.Add(path, fmt.Sprintf(format, args...)) }

// Check adds err as a problem of path, and reports whether it is nil. A [List] keeps its parts: their
// paths continue path.
func (l *List) Check(path string, err error) bool {
	if err == nil {
		return true
	}
	var inner List
	if !errors.As(err, &inner) {
		l.Add(path, err.Error())
		return false
	}
	for _, p := range inner {
		p.Path = Join(path, p.Path)
		*l = append(*l, p)
	}
	return len(inner) == 0
}

// Want adds a problem unless ok, and returns ok.
func (l *List) Want(ok bool, path, format string, args ...any) bool {
	if !ok {
		l.Addf(path, format, args...)
	}
	return ok
}

// Require adds a problem when a value is blank, and reports whether it is not.
func (l *List) Require(path, value string) bool {
	return l.Want(strings.TrimSpace(value) != "", path, "is missing")
}

// Covers reports whether path, or what it is a part of, has a problem already.
func (l List) Covers(path string) bool {
	return slices.ContainsFunc(l, func(p Problem) bool { return Within(path, p.Path) })
}

// Touches reports whether path, what it is a part of, or a part of it has a problem already.
func (l List) Touches(path string) bool {
	return l.Covers(path) || slices.ContainsFunc(l, func(p Problem) bool { return Within(p.Path, path) })
}

// Sort orders the problems by file and line, then by path.
func (l List) Sort() {
	slices.SortStableFunc(l, func(a, b Problem) int {
		return cmp.Or(cmp.Compare(a.File, b.File), cmp.Compare(a.Line, b.Line), cmp.Compare(a.Path, b.Path))
	})
}

// Texts returns each problem as a text.
func (l List) Texts() []string {
	texts := make([]string, len(l))
	for i, p := range l {
		texts[i] = p.String()
	}
	return texts
}

// Texts returns the problems of an error, or the error itself where it is no [List], as texts.
func Texts(err error) []string {
	var found List
	switch {
	case err == nil:
		return nil
	case errors.As(err, &found):
		return found.Texts()
	}
	return []string{err.Error()}
}

// Error lists all problems, one per line.
func (l List) Error() string { return strings.Join(l.Texts(), "\n") }

// Err returns the list as an error, nil when it is empty.
func (l List) Err() error {
	if len(l) == 0 {
		return nil
	}
	return l
}

// Join appends a key or an index in brackets to a path. Either may be empty.
func Join(path, key string) string {
	if path == "" || key == "" || key[0] == '[' {
		return path + key
	}
	return path + "." + key
}

// Within reports whether path is parent or a part of it.
func Within(path, parent string) bool {
	rest, ok := strings.CutPrefix(path, parent)
	return ok && (rest == "" || rest[0] == '.' || rest[0] == '[')
}
