package pipeline

import (
	"cmp"
	"fmt"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"github.com/pbsmflow/pbsmflow/internal/problem"
)

// reported returns problems as operators read them: with files and lines, in their order, and with the id of a step in
// place of its number. What several steps share, such as a default, is reported for the first of them. Until then paths are structural (steps[1].batch.code), which is how lines are known.
func (p *Pipeline) reported(found problem.List) error {
	found = slices.Clone(found)
	seen := map[mistake]bool{}
	var once problem.List
	for i := range found {
		at := placeOf(p.places, found[i].Path)
		if found[i].Line == 0 {
			found[i].File, found[i].Line = at.file, at.line
		}
		same := mistake{at, inStep.ReplaceAllString(found[i].Path, ""), found[i].Message}
		if at.line > 0 && seen[same] {
			continue
		}
		seen[same] = true
		found[i].Path = p.display(found[i].Path)
		once = append(once, found[i])
	}
	slices.SortStableFunc(once, func(a, b problem.Problem) int { return cmp.Or(cmp.Compare(a.File, b.File), a.Line-b.Line) })
	return once.Err()
}

// inStep matches what is in front of the keys of a step.
var inStep = regexp.MustCompile(`^(steps\[\d+\]|defaults)\.`)

// mistake is a problem of what was written once, for one step or for several.
type mistake struct {
	at           position
	key, message string
}

// placeOf finds where a path is, or its nearest parent: a missing key has no place of its own.
func placeOf(places map[string]position, path string) position {
	for path != "" {
		if at, ok := places[path]; ok {
			return at
		}
		path = path[:max(strings.LastIndexAny(path, ".["), 0)]
	}
	return position{}
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
