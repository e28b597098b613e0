package pipeline

import (
	"fmt"
	"slices"
	"strconv"
	"strings"

	"github.com/pbsmflow/pbsmflow/internal/problem"
)

// reported returns problems as operators read them: with lines, in their order, and with the id of a step in
// place of its number. Until then paths are structural (steps[1].batch.code), which is how lines are known.
func (p *Pipeline) reported(found problem.List) error {
	found = slices.Clone(found)
	for i := range found {
		if found[i].Line == 0 {
			found[i].Line = lineOf(p.lines, found[i].Path)
		}
		found[i].Path = p.display(found[i].Path)
	}
	slices.SortStableFunc(found, func(a, b problem.Problem) int { return a.Line - b.Line })
	return found.Err()
}

// lineOf finds the line of a path, or of the nearest parent: a missing key has no line of its own.
func lineOf(lines map[string]int, path string) int {
	for path != "" {
		if line, ok := lines[path]; ok {
			return line
		}
		path = path[:max(strings.LastIndexAny(path, ".["), 0)]
	}
	return 0
}

func (p *Pipeline) display(path string) string {
	number, rest, _ := strings.Cut(strings.TrimPrefix(path, "steps["), "]")
	i, err := strconv.Atoi(number)
	if err != nil || i >= len(p.Steps) || !validID(p.Steps[i].ID) {
		return path
	}
	return "steps." + p.Steps[i].ID + rest
}

func stepPath(i int) string { return fmt.Sprintf("steps[%d]", i) }
