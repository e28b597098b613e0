package pipeline

import (
	"fmt"
	"slices"
	"strconv"
	"strings"
)

// Fault is one thing wrong with a definition.
type Fault struct {
	Path    string // the key, e.g. steps.allocate.batch.code
	Message string
	Line    int // in the definition's text; 0 when there is none
}

func (f Fault) String() string {
	text := f.Message
	if f.Path != "" {
		text = f.Path + ": " + text
	}
	if f.Line > 0 {
		text = fmt.Sprintf("line %d: %s", f.Line, text)
	}
	return text
}

// Faults is everything wrong with a definition, in the order of its lines.
type Faults []Fault

// Error lists all faults, one per line.
func (f Faults) Error() string {
	lines := make([]string, len(f))
	for i, fault := range f {
		lines[i] = fault.String()
	}
	return strings.Join(lines, "\n")
}

// collector gathers faults under structural paths (steps[1].batch.code), which
// is how the lines are known; people get to see the step's id instead.
type collector struct {
	faults Faults
}

func (c *collector) add(path, format string, args ...any) {
	c.faults = append(c.faults, Fault{Path: path, Message: fmt.Sprintf(format, args...)})
}

// covers tells whether a fault is known at the path, above it or below it.
func (c *collector) covers(path string) bool {
	return slices.ContainsFunc(c.faults, func(f Fault) bool {
		return f.Path == path || isBelow(f.Path, path) || isBelow(path, f.Path)
	})
}

func isBelow(path, parent string) bool {
	rest, ok := strings.CutPrefix(path, parent)
	return ok && rest != "" && (rest[0] == '.' || rest[0] == '[')
}

// result turns what was gathered into an error that people can read.
func (c *collector) result(p *Pipeline) error {
	if len(c.faults) == 0 {
		return nil
	}
	faults := slices.Clone(c.faults)
	for i := range faults {
		if faults[i].Line == 0 {
			faults[i].Line = lineOf(p.lines, faults[i].Path)
		}
		faults[i].Path = p.display(faults[i].Path)
	}
	slices.SortStableFunc(faults, func(a, b Fault) int { return a.Line - b.Line })
	return faults
}

// lineOf finds the line of a path, or of the nearest thing around it: a key
// that is missing has no line of its own.
func lineOf(lines map[string]int, path string) int {
	for path != "" {
		if line, ok := lines[path]; ok {
			return line
		}
		path = path[:max(strings.LastIndexAny(path, ".["), 0)]
	}
	return 0
}

// display puts the step's id, where it has one, in the place of its number.
func (p *Pipeline) display(path string) string {
	number, rest, _ := strings.Cut(strings.TrimPrefix(path, "steps["), "]")
	i, err := strconv.Atoi(number)
	if err != nil || i >= len(p.Steps) || !validID(p.Steps[i].ID) {
		return path
	}
	return "steps." + p.Steps[i].ID + rest
}

func stepPath(i int) string { return fmt.Sprintf("steps[%d]", i) }
