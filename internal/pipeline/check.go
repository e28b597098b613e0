package pipeline

import (
	"maps"
	"slices"
	"strings"

	"github.com/pbsmflow/pbsmflow/internal/clock"
	"github.com/pbsmflow/pbsmflow/internal/problem"
	"github.com/pbsmflow/pbsmflow/internal/verify"
)

// sampleDate stands in for an as-of date where there is none yet.
var sampleDate, _ = ParseDate("2026-10-31")

// check finds every problem of the definition. Templates are tried with a sample date; what only the values of
// one date can break is found by Render.
func (p *Pipeline) check() (found problem.List) {
	p.render(&found, p.sample())
	return found
}

// sample renders every step, whatever the date.
func (p *Pipeline) sample() rendering {
	values, unsure := p.sampleValues()
	return rendering{asOf: sampleDate, connection: "connection", params: values, key: p.CloseKey(values), unsure: unsure}
}

const maxSteps = 1000 // a close with more would not fit into one workflow's history

// checkStructure checks what templates cannot change.
func (p *Pipeline) checkStructure(found *problem.List) {
	found.Want(validID(p.Name), "name", "%q is not a name; use %s", p.Name, idForm)
	found.Want(p.Calendar == "" || validID(p.Calendar), "calendar", "%q is not a name; use %s", p.Calendar, idForm)
	_, err := p.Location()
	found.Check("time_zone", err)
	found.Check("deadline", clock.CheckDeadline(p.Deadline))
	p.checkParams(found)
	found.Want(len(p.Steps) > 0, "steps", "a pipeline needs at least one step")
	for i, step := range p.Steps {
		found.Want(validID(step.ID), stepPath(i)+".id", "%q is not an id; use %s", step.ID, idForm)
		p.checkWhen(found, step, stepPath(i)+".when")
		step.checkEach(found, stepPath(i))
		step.checkStructure(found, stepPath(i))
	}
}

// checkIDs wants different ids, also of the steps that come from one with each: its own id stands for all of them.
func (p *Pipeline) checkIDs(found *problem.List, steps []Step) {
	first := map[string]int{}
	check := func(id string, origin int, of Expansion) {
		path := stepPath(origin) + ".id"
		other, taken := first[id]
		if !taken {
			first[id] = origin
		}
		reported := slices.ContainsFunc(*found, func(one problem.Problem) bool { return one.Path == path })
		if !reported && !found.Touches(stepPath(origin)+".each") &&
			found.Want(validID(id), path, "%q is not an id; use %s%s", id, idForm, of.note()) {
			found.Want(!taken, path, "the id %s is already used by step %d%s", id, other+1, of.note())
		}
	}
	for i, step := range steps {
		if len(step.Each) > 0 {
			check(step.ID, i, Expansion{})
		}
	}
	for i, step := range p.Steps {
		check(step.ID, p.expansions[i].origin, p.expansions[i])
	}
}

func (p *Pipeline) checkCycles(found *problem.List) {
	byID, origin := map[string]Step{}, map[string]int{}
	for i, step := range p.Steps {
		byID[step.ID], origin[step.ID] = step, p.expansions[i].origin
	}
	done := map[string]bool{}
	for _, step := range p.Steps {
		if cycle := findCycle(byID, step.ID, nil, done); cycle != nil {
			found.Addf(stepPath(origin[cycle[0]])+".needs", "the steps form a cycle: %s", strings.Join(cycle, " needs "))
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

func (s Step) checkStructure(found *problem.List, path string) {
	kind, a := s.action()
	if a == nil {
		found.Addf(path, "must have exactly one of %s", kindNames())
		return
	}
	path = problem.Join(path, string(kind))
	found.Check(path+".deadline", clock.CheckDeadline(a.traits().Deadline))
	found.Check(path+".wait_until", clock.CheckDeadline(a.traits().WaitUntil))
}

// checkValues checks what the templates gave. A value whose template failed has its problem already.
func (p *Pipeline) checkValues(found *problem.List) {
	all := checker{found: found, runs: map[string]string{}, saved: map[string]string{}}
	for i, step := range p.Steps {
		kind, a := step.action()
		if a == nil {
			continue
		}
		c, before := all, len(*found)
		if from := p.expansions[i]; from.NotTonight != "" || from.conditional && !p.chosen { // another may run in its place
			c.runs, c.saved = map[string]string{}, map[string]string{}
		}
		c.step, c.path = step.ID, problem.Join(stepPath(p.expansions[i].origin), string(kind))
		c.expect("expect", a.traits().Expect)
		c.failing(a.traits())
		a.check(c)
		for k := before; k < len(*found); k++ {
			(*found)[k].Message += p.expansions[i].note()
		}
	}
	if p.Audit != "" && all.ref("audit", p.Audit) {
		other, taken := all.saved[p.Audit]
		all.want(!taken, "audit", "step %s already saves to %s", other, p.Audit)
	}
}

// checker checks the rendered keys of one step. Of steps that come from one with each, the first that has a problem
// with a key reports it. Keys are relative to those of its kind.
type checker struct {
	found      *problem.List
	step, path string            // the step's id, and the path of its kind: steps[3].upload
	runs       map[string]string // code and key -> the step that runs it
	saved      map[string]string // "store/path" -> the step that saves there
}

func (c checker) at(key string) string { return problem.Join(c.path, key) }

func (c checker) has(key string) bool { return c.found.Touches(c.at(key)) }

// want adds a problem unless ok, or unless the key has one already.
func (c checker) want(ok bool, key, format string, args ...any) bool {
	return ok || c.has(key) || c.found.Want(false, c.at(key), format, args...)
}

func (c checker) code(key, code string) bool {
	return c.want(code != "", key, "is missing") && c.form(key, code)
}

func (c checker) optionalCode(key, code string) {
	if code != "" {
		c.form(key, code)
	}
}

func (c checker) taskParams(key string, tasks map[string]map[string]string) {
	for _, task := range slices.Sorted(maps.Keys(tasks)) {
		at := problem.Join(key, task)
		c.form(at, task)
		c.paramNames(at, tasks[task])
	}
}

func (c checker) form(key, code string) bool {
	err := CheckCode(code)
	return err == nil || c.want(false, key, "%s", err)
}

// run ensures that no two steps mean the same run: code and key make the workflow's id.
func (c checker) run(code, key string) {
	okKey := key == "" || c.form("key", key)
	if !c.code("code", code) || !okKey {
		return
	}
	name := code + "/" + key
	if other, ok := c.runs[name]; ok {
		c.want(false, "", "runs %s, as step %s does: give each its own key if the close runs it twice on purpose", code, other)
		return
	}
	c.runs[name] = c.step
}

func (c checker) restarts(restarts int, delay Duration) {
	c.want(restarts >= 0 && restarts <= 100, "restarts", "must be between 0 and 100")
	c.want(delay >= 0, "restart_delay", "must not be negative")
}

func (c checker) params(key string, params map[string]string) {
	c.paramNames(key, params)
	_, err := ParseDate(params[ParamAsOf])
	c.want(err == nil, key+"."+ParamAsOf, "%q is not a date; give it as yyyy-mm-dd", params[ParamAsOf])
}

func (c checker) paramNames(key string, params map[string]string) {
	for _, name := range slices.Sorted(maps.Keys(params)) {
		at := key + "." + name
		trimmed := name == strings.TrimSpace(name) && !strings.ContainsAny(name, "\n\t")
		c.want(name != "" && isPlain(name) && trimmed && !strings.Contains(name, "{{"), at, "%q is not a parameter name", name)
		c.plain(at, params[name])
	}
}

// save ensures that no two steps save to the same file.
func (c checker) save(key, ref string) {
	if !c.ref(key, ref) {
		return
	}
	if other, ok := c.saved[ref]; ok {
		c.want(false, key, "step %s already saves to %s", other, ref)
		return
	}
	c.saved[ref] = c.step
}

func (c checker) expect(key string, e *verify.Expect) {
	if e == nil {
		return
	}
	for _, p := range e.Problems() {
		c.want(false, problem.Join(key, p.Path), "%s", p.Message)
	}
	if e.Manifest != "" {
		c.ref(problem.Join(key, "manifest"), e.Manifest)
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
