package pipeline

import (
	"cmp"
	"fmt"
	"maps"
	"regexp"
	"slices"
	"strings"

	"github.com/pbsmflow/pbsmflow/internal/verify"
)

// sampleDate stands for the night when there is none yet.
var sampleDate, _ = ParseDate("2026-10-31")

// Validate names every fault of the definition at once, as [Faults]. Templates
// are tried with a sample date; what only one night's values can break is found
// by Render.
func (p *Pipeline) Validate() error { return p.check().result(p) }

func (p *Pipeline) check() *collector {
	c := &collector{}
	p.render(c, sampleDate, Vars{Connection: "connection"})
	return c
}

const maxSteps = 1000 // a close with more would not fit into one workflow's history

// idRule is a name's form, fit for workflow ids, file names and environment variables.
const idRule = `use ` + idForm

const idForm = `lower-case letters, digits, "-" and "_", at most 63, a letter or digit first`

var (
	idPattern     = regexp.MustCompile(`^[a-z0-9][a-z0-9_-]{0,62}$`)
	codePattern   = regexp.MustCompile(`^[A-Za-z0-9][A-Za-z0-9_.-]{0,127}$`)
	remotePattern = regexp.MustCompile(`^[A-Za-z0-9][A-Za-z0-9._-]{0,254}$`)
	prefixPattern = regexp.MustCompile(`^[A-Za-z0-9._-]+(/[A-Za-z0-9._-]+)*/?$`)
	mimePattern   = regexp.MustCompile(`^([Tt][Ee][Xx][Tt]/([Cc][Ss][Vv]|[Pp][Ll][Aa][Ii][Nn])|[Dd][Aa][Tt])$`) // see pbsm.UploadRequest
	digits        = regexp.MustCompile(`^[0-9]{1,19}$`)
)

// Form is a form that texts of a definition have.
type Form struct {
	Pattern string // of a regular expression, as RE2 and ECMAScript both read it
	Rule    string // in words
	Fixed   bool   // a template cannot stand for it
}

const (
	durationPattern = `[+-]?(([0-9]+(\.[0-9]*)?|\.[0-9]+)(ns|us|µs|μs|ms|s|m|h))+|[+-]?0`
	segmentPattern  = `(/[^./\\\x00-\x1f\x7f][^/\\\x00-\x1f\x7f]*)`
	storePattern    = `^[a-z0-9][a-z0-9_-]{0,62}`
)

// Forms are the forms by the name in the tag jsonschema:"format=NAME", those of verify.Expect
// among them. An editor checks by the pattern; it refuses nothing that [Parse] takes.
var Forms = map[string]Form{
	"id":          {idPattern.String(), idForm, true},
	"time-zone":   {`^[A-Za-z0-9+_-]+(/[A-Za-z0-9+_-]+)*$`, "an IANA name such as America/New_York", true},
	"time":        {`^([01][0-9]|2[0-3]):[0-5][0-9]$|^(` + durationPattern + `)$`, `a time of day such as "05:00": the next one in the pipeline's time zone after the close started; or a duration such as 90m, from the start`, true},
	"duration":    {`^(` + durationPattern + `)$`, "a duration such as 90s, 5m or 1h30m", true},
	"store/path":  {storePattern + segmentPattern + `+$`, "a file: the name of a store of pbsm.yaml, then the path in it, no part of which may be empty or start with a dot", false},
	"store/path/": {storePattern + segmentPattern + `+/?$`, "the same, or a folder, with a / at its end", false},
	"code":        {codePattern.String(), `letters, digits, "_", "." and "-", at most 128, a letter or digit first`, false},
	"file-name":   {remotePattern.String(), `letters, digits, ".", "_" and "-", at most 255, a letter or digit first, no ".."`, false},
	"number":      {digits.String(), "digits, at most 19", false},
	"prefix":      {prefixPattern.String(), `letters, digits, ".", "_", "-" and "/", no ".."`, false},
	"type":        {mimePattern.String(), "Text/CSV, Text/plain or DAT", false},
	"date":        {`^[0-9]{4}-[0-9]{2}-[0-9]{2}$`, "a date, yyyy-mm-dd", false},
	"decimal":     {`^\s*[+-]?([0-9]+(\.[0-9]*)?|\.[0-9]+)\s*$`, "a decimal such as 1234567.89", false},
	"sha256":      {`^[0-9A-Fa-f]{64}$`, "64 hex digits", false},
	"delimiter":   {`^[\t!#-~]$`, "one character such as ; or |", false},
}

func validID(text string) bool { return idPattern.MatchString(text) }

// checkStructure looks at what templates cannot change.
func (p *Pipeline) checkStructure(c *collector) {
	if !validID(p.Name) {
		c.add("name", "%q is not a name; %s", p.Name, idRule)
	}
	if p.Calendar != "" && !validID(p.Calendar) {
		c.add("calendar", "%q is not a name; %s", p.Calendar, idRule)
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
		step.checkKind(c, stepPath(i))
	}
}

func (p *Pipeline) checkIDs(c *collector) {
	first := map[string]int{}
	for i, step := range p.Steps {
		path := stepPath(i) + ".id"
		if !validID(step.ID) {
			c.add(path, "%q is not an id; %s", step.ID, idRule)
			continue
		}
		if other, ok := first[step.ID]; ok {
			c.add(path, "the id %s is taken by step %d", step.ID, other+1)
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
		if circle := findCircle(byID, step.ID, nil, done); circle != nil {
			c.add(stepPath(index[circle[0]])+".needs", "steps need each other in a circle: %s", strings.Join(circle, " needs "))
		}
	}
}

// findCircle follows needs from id and returns the first circle that it meets,
// with its first step repeated at the end. What is done is not looked at again.
func findCircle(byID map[string]Step, id string, path []string, done map[string]bool) []string {
	if start := slices.Index(path, id); start >= 0 {
		return append(slices.Clone(path[start:]), id)
	}
	if done[id] {
		return nil
	}
	defer func() { done[id] = true }()
	for _, need := range byID[id].Needs {
		if circle := findCircle(byID, need, append(path, id), done); circle != nil {
			return circle
		}
	}
	return nil
}

func (s Step) checkKind(c *collector, path string) {
	if s.Kind() == "" {
		kinds := slices.Sorted(maps.Keys(s.kinds()))
		c.add(path, "must have exactly one of %s", joinTexts(kinds))
		return
	}
	path = join(path, string(s.Kind()))
	checkTime(c, path+".deadline", s.Deadline())
	switch s.Kind() {
	case KindUpload:
		checkTime(c, path+".wait_until", s.Upload.WaitUntil)
		if s.Upload.StableFor < 0 {
			c.add(path+".stable_for", "must not be negative")
		}
	case KindBatch:
		checkRestarts(c, path, s.Batch.Restarts, s.Batch.RestartDelay)
	case KindGroup:
		checkRestarts(c, path, s.Group.Restarts, s.Group.RestartDelay)
	}
}

func checkTime(c *collector, path, text string) {
	if text == "" {
		return
	}
	if err := checkDeadline(text); err != nil {
		c.add(path, "%s", err)
	}
}

func checkRestarts(c *collector, path string, restarts int, delay Duration) {
	if restarts < 0 || restarts > 100 {
		c.add(path+".restarts", "must be between 0 and 100")
	}
	if delay < 0 {
		c.add(path+".restart_delay", "must not be negative")
	}
}

// checkValues looks at values that come out of templates. A value whose
// template failed has its fault already.
func (p *Pipeline) checkValues(c *collector) {
	v := checker{collector: c, runs: map[string]string{}, saved: map[string]string{}}
	for i, step := range p.Steps {
		if kind := step.Kind(); kind != "" {
			v.step(step, join(stepPath(i), string(kind)))
		}
	}
	if p.Audit != "" && v.ref(p.Audit, "audit") {
		other, taken := v.saved[p.Audit]
		v.want(!taken, "audit", "step %s saves to %s as well", other, p.Audit)
	}
}

type checker struct {
	*collector
	runs  map[string]string // code and key -> step that runs it
	saved map[string]string // reference -> step that saves there
}

// want adds a fault unless ok, and unless the value has a fault already.
func (v checker) want(ok bool, path, format string, args ...any) bool {
	if !ok && !v.covers(path) {
		v.add(path, format, args...)
	}
	return ok
}

// folder checks what goes with a folder and what with one file.
func (v checker) folder(id string, u *Upload, path string) {
	if !u.IsFolder() {
		v.want(u.ListTo == "", path+".list_to", "is for a folder: end file with a /")
		return
	}
	if list := cmp.Or(u.ListTo, SentList(u.File)); !v.covers(path + ".file") {
		v.save(id, list, path+".list_to")
	}
	v.want(u.Name == "", path+".name", "is for one file, and file is a folder")
	v.want(u.StableFor == 0, path+".stable_for", "is for one file, and file is a folder")
	v.want(u.Expect == nil, path+".expect", "is for one file, and file is a folder")
	v.want(u.WaitUntil == "" || u.Marker != "", path+".wait_until", "needs a marker: that a folder is complete cannot be seen from it")
}

func (v checker) step(s Step, path string) {
	if e := s.expect(); e != nil {
		v.expect(e, path+".expect")
	}
	switch s.Kind() {
	case KindUpload:
		v.ref(strings.TrimSuffix(s.Upload.File, "/"), path+".file")
		v.folder(s.ID, s.Upload, path)
		if s.Upload.Name != "" { // it comes from the file when that is sound
			v.remoteName(s.Upload.Name, path+".name")
		}
		if s.Upload.Marker != "" {
			v.ref(s.Upload.Marker, path+".marker")
		}
		v.want(slices.Contains([]OnMissing{"", WaitForOperator, SkipStep, FailStep}, s.Upload.OnMissing), path+".on_missing",
			"%q is not one of %s, %s, %s", s.Upload.OnMissing, WaitForOperator, SkipStep, FailStep)
		v.prefix(s.Upload.Prefix, path)
		v.want(s.Upload.MimeType == "" || mimePattern.MatchString(s.Upload.MimeType), path+".mime_type",
			"%q is not one of the types that the service takes: Text/CSV, Text/plain, DAT", s.Upload.MimeType)
	case KindBatch:
		v.run(s.ID, s.Batch.Code, s.Batch.Key, path)
		v.params(s.Batch.Params, path)
		v.tasks(s.Batch, path)
	case KindGroup:
		v.run(s.ID, s.Group.Code, s.Group.Key, path)
		v.members(s.Group, path)
	case KindReport:
		v.code(s.Report.Code, path+".code")
		v.want(codePattern.MatchString(s.Report.Type), path+".type", "%q is not a type; use for example CSV", s.Report.Type)
		v.want(s.Report.DefType == "" || codePattern.MatchString(s.Report.DefType), path+".def_type", "%q is not a definition type; use for example V", s.Report.DefType)
		v.plain(s.Report.Filter, path+".filter")
		v.plain(s.Report.PlaceholderFilter, path+".placeholder_filter")
		v.save(s.ID, s.Report.SaveTo, path+".save_to")
	case KindDownload:
		v.source(s.Download, path)
		v.prefix(s.Download.Prefix, path)
		v.want(codePattern.MatchString(s.Download.Stripe), path+".stripe", "%q is not a stripe name", s.Download.Stripe)
		v.save(s.ID, s.Download.SaveTo, path+".save_to")
	case KindExport:
		v.code(s.Export.Code, path+".code")
	case KindImport:
		v.code(s.Import.Code, path+".code")
	case KindApprove:
		v.want(strings.TrimSpace(s.Approve.Message) != "", path+".message", "is missing: say what the approver approves")
	}
}

func (v checker) code(code, path string) bool {
	return v.want(code != "", path, "is missing") &&
		v.want(codePattern.MatchString(code), path, `%q is not a code; use letters, digits, "_", "." and "-"`, code)
}

// run keeps two steps from meaning one run: code and key make the workflow's id.
func (v checker) run(id, code, key, path string) {
	okKey := v.want(key == "" || codePattern.MatchString(key), path+".key", `%q is not a key; use letters, digits, "_", "." and "-"`, key)
	if !v.code(code, path+".code") || !okKey {
		return
	}
	name := code + "/" + key
	if other, ok := v.runs[name]; ok {
		v.add(path, "runs %s, and so does step %s: give each a key of its own if the night runs it twice on purpose", code, other)
		return
	}
	v.runs[name] = id
}

func (v checker) params(params map[string]string, path string) {
	for _, name := range slices.Sorted(maps.Keys(params)) {
		at := path + ".params." + name
		trimmed := name == strings.TrimSpace(name) && !strings.ContainsAny(name, "\n\t")
		v.want(name != "" && isPlain(name) && trimmed && !strings.Contains(name, "{{"), at, "%q is not a parameter's name", name)
		v.plain(params[name], at)
	}
	_, err := ParseDate(params[ParamAsOf])
	v.want(err == nil, path+".params."+ParamAsOf, "%q is not a date; give it as yyyy-mm-dd", params[ParamAsOf])
}

func (v checker) tasks(b *Batch, path string) {
	for name, tasks := range map[string][]string{
		"included_tasks": b.IncludedTasks, "excluded_tasks": b.ExcludedTasks, "held_tasks": b.HeldTasks,
	} {
		for i, task := range tasks {
			v.code(task, fmt.Sprintf("%s.%s[%d]", path, name, i))
		}
	}
	for i, task := range b.ExcludedTasks {
		v.want(!slices.Contains(b.IncludedTasks, task), fmt.Sprintf("%s.excluded_tasks[%d]", path, i), "the task %s is also included", task)
	}
}

func (v checker) members(g *Group, path string) {
	v.want(len(g.Batches) > 0, path+".batches", "is missing: list the group's batches, for the as-of date reaches only those that are listed")
	seen := map[string]bool{}
	for i, member := range g.Batches {
		at := fmt.Sprintf("%s.batches[%d]", path, i)
		v.code(member.Code, at+".code")
		v.want(!seen[member.Code], at+".code", "the batch %s is listed twice", member.Code)
		seen[member.Code] = true
		v.params(member.Params, at)
	}
}

func (v checker) source(d *Download, path string) {
	if !v.want((d.File == "") != (d.FileID == ""), path, "must have exactly one of file and file_id") {
		return
	}
	if d.File != "" {
		v.remoteName(d.File, path+".file")
		return
	}
	v.want(digits.MatchString(d.FileID), path+".file_id", "%q is not a file id; it is a number", d.FileID)
}

func (v checker) save(id, ref, path string) {
	if !v.ref(ref, path) {
		return
	}
	if other, ok := v.saved[ref]; ok {
		v.add(path, "step %s saves to %s as well", other, ref)
		return
	}
	v.saved[ref] = id
}

func (v checker) expect(e *verify.Expect, path string) {
	for _, f := range e.Faults() {
		at := path
		if f.Key != "" {
			at = join(path, f.Key)
		}
		v.want(false, at, "%s", f.Message)
	}
	if e.Manifest != "" {
		v.ref(e.Manifest, path+".manifest")
	}
}

func (v checker) ref(ref, path string) bool {
	_, _, err := ParseRef(ref)
	return v.want(err == nil, path, "%v", err)
}

func (v checker) remoteName(name, path string) {
	ok := remotePattern.MatchString(name) && !strings.Contains(name, "..")
	v.want(ok, path, `%q is not a file name that the service takes: letters, digits, ".", "_" and "-", a letter or digit first, at most 255, no ".."`, name)
}

func (v checker) prefix(prefix, path string) {
	ok := prefix == "" || prefixPattern.MatchString(prefix) && !strings.Contains(prefix, "..")
	v.want(ok, path+".prefix", `%q is not a prefix; use letters, digits, ".", "_", "-" and "/", no ".."`, prefix)
}

func (v checker) plain(text, path string) {
	v.want(isPlain(text), path, "holds control characters")
}

func isPlain(text string) bool {
	return !strings.ContainsFunc(text, func(r rune) bool {
		return (r < ' ' && r != '\n' && r != '\t') || r == 0x7f || r == '\uFFFD'
	})
}

func joinTexts[T ~string](texts []T) string {
	parts := make([]string, len(texts))
	for i, text := range texts {
		parts[i] = string(text)
	}
	return strings.Join(parts, ", ")
}
