// Package basis says what work was based on: what it was to do, and the results that it built on. The result of earlier
// work is kept only while its basis holds.
package basis

import (
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"
)

// Basis is what a piece of work was based on. Its zero value means that nobody knows.
type Basis struct {
	// Definition is what the work was to do, ordered by name.
	Definition []Setting `json:"definition,omitempty"`
	// Needs are the results that the work built on, in the order of the pipeline.
	Needs []Need `json:"needs,omitempty"`
}

// Setting is one part of a definition, such as params.$RUNSK$ and its value.
type Setting struct {
	Name  string `json:"name"`
	Value string `json:"value"`
}

// Need is a result that work built on.
type Need struct {
	Step string `json:"step"`
	// Result identifies the result: the SHA-256 of a file, a run, an approval.
	Result string `json:"result"`
	// At is when the result was there.
	At time.Time `json:"at,omitzero"`
}

// Known reports whether it is known what the work was based on.
func (b Basis) Known() bool { return len(b.Definition) > 0 }

// Work is the definition by name.
func (b Basis) Work() map[string]string { return settings(b.Definition) }

// Define returns the definition that JSON makes of a value, without some of its fields. Fields that are left out by
// omitempty are no part of it.
func Define(value any, except ...string) []Setting {
	text, err := json.Marshal(value)
	if err != nil {
		panic(fmt.Sprintf("basis: %v", err)) // only types of this program are defined
	}
	var parsed map[string]any
	if err := json.Unmarshal(text, &parsed); err != nil {
		panic(fmt.Sprintf("basis: %v", err))
	}
	for _, field := range except {
		delete(parsed, field)
	}
	var found []Setting
	flatten("", parsed, &found)
	slices.SortFunc(found, func(a, b Setting) int { return strings.Compare(a.Name, b.Name) })
	return found
}

func flatten(name string, value any, found *[]Setting) {
	switch v := value.(type) {
	case map[string]any:
		for key, inner := range v {
			flatten(join(name, key), inner, found)
		}
	case []any:
		for i, inner := range v {
			flatten(join(name, fmt.Sprint(i+1)), inner, found)
		}
	case nil:
	default:
		*found = append(*found, Setting{Name: name, Value: fmt.Sprint(v)})
	}
}

func join(name, key string) string {
	if name == "" {
		return key
	}
	return name + "." + key
}

// Changes lists in plain words how b differs from what earlier work, which began at a time, was based on; nothing
// when the earlier result can stand for b. A result that the earlier work did not name is no change if it was there
// before that work began. A zero time means that nobody knows when that was.
func (b Basis) Changes(earlier Basis, began time.Time) []string {
	if !earlier.Known() {
		return []string{"what it was based on is not known"}
	}
	changes := changed(settings(earlier.Definition), settings(b.Definition))
	before := map[string]Need{}
	for _, n := range earlier.Needs {
		before[n.Step] = n
	}
	for _, n := range b.Needs {
		was, named := before[n.Step]
		switch {
		case named && was.Result != n.Result:
			changes = append(changes, fmt.Sprintf("%s was %s, and is %s", n.Step, short(was.Result), short(n.Result)))
		case !named && began.IsZero():
			changes = append(changes, fmt.Sprintf("it is not known whether %s (%s) existed then", n.Step, short(n.Result)))
		case !named && n.At.After(began):
			changes = append(changes, fmt.Sprintf("%s (%s) was produced only after that", n.Step, short(n.Result)))
		}
	}
	return changes
}

func settings(list []Setting) map[string]string {
	found := map[string]string{}
	for _, s := range list {
		found[s.Name] = s.Value
	}
	return found
}

// changed compares two definitions, ordered by name.
func changed(before, now map[string]string) (changes []string) {
	names := slices.Concat(slices.Collect(maps.Keys(before)), slices.Collect(maps.Keys(now)))
	slices.Sort(names)
	for _, name := range slices.Compact(names) {
		was, had := before[name]
		is, has := now[name]
		if was == is && had == has {
			continue
		}
		changes = append(changes, fmt.Sprintf("%s was %s, and is %s", name, orNotSet(was, had), orNotSet(is, has)))
	}
	return changes
}

func orNotSet(text string, set bool) string {
	if !set {
		return "not set"
	}
	return fmt.Sprintf("%q", text)
}

// String names the results that the work built on: "ledger SHA-256 3d9b8a01…, check approved by bob".
func (b Basis) String() string {
	texts := make([]string, len(b.Needs))
	for i, n := range b.Needs {
		texts[i] = n.Step + " " + short(n.Result)
	}
	return strings.Join(texts, ", ")
}

// FileResult identifies a file by the SHA-256 of its bytes.
func FileResult(sha256 string) string { return "SHA-256 " + sha256 }

// short keeps the first digits of a SHA-256: enough for people to compare.
func short(result string) string {
	const digits = 12
	if sum, ok := strings.CutPrefix(result, "SHA-256 "); ok && len(sum) > digits {
		return "SHA-256 " + sum[:digits] + "…"
	}
	return result
}
