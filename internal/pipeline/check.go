package pipeline

import (
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/pbsmflow/pbsmflow/internal/verify"
)

// sampleDate stands in for an as-of date where there is none yet.
var sampleDate, _ = ParseDate("2026-10-31")

// Validate names every fault of the definition at once, as [Faults]. Templates are tried with a sample
// date; what only the values of one date can break is found by Render.
func (p *Pipeline) Validate() error { return p.check().result(p) }

func (p *Pipeline) check() *collector {
	c := &collector{}
	p.render(c, sampleDate, Vars{Connection: "connection"})
	return c
}

const maxSteps = 1000 // a close with more would not fit into one workflow's history

// checkStructure checks what templates cannot change.
func (p *Pipeline) checkStructure(c *collector) {
	if !validID(p.Name) {
		c.add("name", "%q is not a name; use %s", p.Name, idForm)
	}
	if p.Calendar != "" && !validID(p.Calendar) {
		c.add("calendar", "%q is not a name; use %s", p.Calendar, idForm)
	}
	if _, err := p.Location(); err != nil {
		c.add("time_zone", "%s", err)
	}
	checkTime(c, "deadline", p.Deadline)
	if len(p.Steps) == 0 {
		c.add("steps", "a pipeline needs at least one step")
	}
	p.checkIDs(c)
	p.checkNeeds(c)
	for i, step := range p.Steps {
		step.checkStructure(c, stepPath(i))
	}
}

func (p *Pipeline) checkIDs(c *collector) {
	first := map[string]int{}
	for i, step := range p.Steps {
		path := stepPath(i) + ".id"
		if !validID(step.ID) {
			c.add(path, "%q is not an id; use %s", step.ID, idForm)
			continue
		}
		if other, ok := first[step.ID]; ok {
			c.add(path, "the id %s is already used by step %d", step.ID, other+1)
			continue
		}
		first[step.ID] = i
	}
}

func (p *Pipeline) checkNeeds(c *collector) {
	byID, index := map[string]Step{}, map[string]int{}
	for i, step := range p.Steps {
		byID[step.ID], index[step.ID] = step, i
	}
	for i, step := range p.Steps {
		for j, need := range step.Needs {
			path := fmt.Sprintf("%s.needs[%d]", stepPath(i), j)
			if _, ok := byID[need]; !ok {
				c.add(path, "there is no step %q", need)
			}
			if slices.Contains(step.Needs[:j], need) {
				c.add(path, "%s is named twice", need)
			}
		}
	}
	done := map[string]bool{}
	for _, step := range p.Steps {
		if cycle := findCycle(byID, step.ID, nil, done); cycle != nil {
			c.add(stepPath(index[cycle[0]])+".needs", "the steps form a cycle: %s", strings.Join(cycle, " needs "))
		}
	}
}

// findCycle follows needs from id and returns the first cycle that it finds, with its first step repeated
// at the end. Steps that are done are not visited again.
func findCycle(byID map[string]Step, id string, path []string, done map[string]bool) []string {
	if start := slices.Index(path, id); start >= 0 {
		return append(slices.Clone(path[start:]), id)
	}
	if done[id] {
		return nil
	}
	defer func() { done[id] = true }()
	for _, need := range byID[id].Needs {
		if cycle := findCycle(byID, need, append(path, id), done); cycle != nil {
			return cycle
		}
	}
	return nil
}

func (s Step) checkStructure(c *collector, path string) {
	kind, a := s.action()
	if a == nil {
		c.add(path, "must have exactly one of %s", strings.Join(kindNames(), ", "))
		return
	}
	path = join(path, string(kind))
	checkTime(c, path+".deadline", a.traits().Deadline)
	checkTime(c, path+".wait_until", a.traits().WaitUntil)
}

func checkTime(c *collector, path, text string) {
	if text == "" {
		return
	}
	if err := checkDeadline(text); err != nil {
		c.add(path, "%s", err)
	}
}

// checkValues checks what the templates gave. A value whose template failed has its fault already.
func (p *Pipeline) checkValues(c *collector) {
	all := checker{collector: c, runs: map[string]string{}, saved: map[string]string{}}
	for i, step := range p.Steps {
		kind, a := step.action()
		if a == nil {
			continue
		}
		c := all
		c.step, c.path = step.ID, join(stepPath(i), string(kind))
		c.expect("expect", a.traits().Expect)
		a.check(c)
	}
	if p.Audit != "" && all.ref("audit", p.Audit) {
		other, taken := all.saved[p.Audit]
		all.want(!taken, "audit", "step %s already saves to %s", other, p.Audit)
	}
}

// checker checks the rendered keys of one step. Keys are relative to those of its kind.
type checker struct {
	*collector
	step, path string            // the step's id, and the path of its kind: steps[3].upload
	runs       map[string]string // code and key -> the step that runs it
	saved      map[string]string // "store/path" -> the step that saves there
}

func (c checker) at(key string) string { return join(c.path, key) }

// want adds a fault unless ok, or unless the key has a fault already.
func (c checker) want(ok bool, key, format string, args ...any) bool {
	if !ok && !c.covers(c.at(key)) {
		c.add(c.at(key), format, args...)
	}
	return ok
}

func (c checker) code(key, code string) bool {
	return c.want(code != "", key, "is missing") &&
		c.want(codePattern.MatchString(code), key, `%q is not a code; use letters, digits, "_", "." and "-"`, code)
}

// run ensures that no two steps mean the same run: code and key make the workflow's id.
func (c checker) run(code, key string) {
	okKey := c.want(key == "" || codePattern.MatchString(key), "key",
		`%q is not a key; use letters, digits, "_", "." and "-"`, key)
	if !c.code("code", code) || !okKey {
		return
	}
	name := code + "/" + key
	if other, ok := c.runs[name]; ok {
		c.add(c.path, "runs %s, as step %s does: give each its own key if the close runs it twice on purpose", code, other)
		return
	}
	c.runs[name] = c.step
}

func (c checker) restarts(restarts int, delay Duration) {
	c.want(restarts >= 0 && restarts <= 100, "restarts", "must be between 0 and 100")
	c.want(delay >= 0, "restart_delay", "must not be negative")
}

func (c checker) params(key string, params map[string]string) {
	for _, name := range slices.Sorted(maps.Keys(params)) {
		at := key + "." + name
		trimmed := name == strings.TrimSpace(name) && !strings.ContainsAny(name, "\n\t")
		c.want(name != "" && isPlain(name) && trimmed && !strings.Contains(name, "{{"), at, "%q is not a parameter name", name)
		c.plain(at, params[name])
	}
	_, err := ParseDate(params[ParamAsOf])
	c.want(err == nil, key+"."+ParamAsOf, "%q is not a date; give it as yyyy-mm-dd", params[ParamAsOf])
}

// save ensures that no two steps save to the same file.
func (c checker) save(key, ref string) {
	if !c.ref(key, ref) {
		return
	}
	if other, ok := c.saved[ref]; ok {
		c.add(c.at(key), "step %s already saves to %s", other, ref)
		return
	}
	c.saved[ref] = c.step
}

func (c checker) expect(key string, e *verify.Expect) {
	if e == nil {
		return
	}
	for _, f := range e.Faults() {
		at := key
		if f.Key != "" {
			at = join(key, f.Key)
		}
		c.want(false, at, "%s", f.Message)
	}
	if e.Manifest != "" {
		c.ref(join(key, "manifest"), e.Manifest)
	}
}

func (c checker) ref(key, ref string) bool {
	_, _, err := ParseRef(ref)
	return c.want(err == nil, key, "%v", err)
}

func (c checker) remoteName(key, name string) {
	ok := remotePattern.MatchString(name) && !strings.Contains(name, "..")
	c.want(ok, key, "%q is not a file name that the service takes: "+fileNameForm, name)
}

func (c checker) prefix(key, prefix string) {
	ok := prefix == "" || prefixPattern.MatchString(prefix) && !strings.Contains(prefix, "..")
	c.want(ok, key, "%q is not a prefix; use "+prefixForm, prefix)
}

func (c checker) plain(key, text string) {
	c.want(isPlain(text), key, "contains control characters")
}

func isPlain(text string) bool {
	return !strings.ContainsFunc(text, func(r rune) bool {
		return (r < ' ' && r != '\n' && r != '\t') || r == 0x7f || r == '\uFFFD'
	})
}
