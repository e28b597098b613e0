package main

import (
	"encoding/json"
	"encoding/pem"
	"maps"
	"net/http/httptest"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	validator "github.com/santhosh-tekuri/jsonschema/v6"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"go.yaml.in/yaml/v3"

	"github.com/pbsmflow/pbsmflow/internal/calendar"
	"github.com/pbsmflow/pbsmflow/internal/config"
	"github.com/pbsmflow/pbsmflow/internal/pipeline"
)

// checkers decide whether a document is valid: the schema and the parser.
type checkers struct{ schema, parser func(text []byte) error }

func newCheckers(t *testing.T, name string, parser func(text []byte) error) checkers {
	t.Helper()
	file := filepath.Join(root, "deploy/schema", name+".schema.json")
	compiler := validator.NewCompiler()
	schema, err := compiler.Compile(file) // against the metaschema of 2020-12, too
	require.NoError(t, err)
	return checkers{
		schema: func(text []byte) error {
			var node yaml.Node
			if err := yaml.Unmarshal(text, &node); err != nil {
				return err
			}
			return schema.Validate(instance(&node))
		},
		parser: parser,
	}
}

// instance decodes a document like an editor: YAML 1.2 has no dates.
func instance(n *yaml.Node) any {
	switch n.Kind {
	case yaml.DocumentNode:
		return instance(n.Content[0])
	case yaml.AliasNode:
		return instance(n.Alias)
	case yaml.MappingNode:
		m := map[string]any{}
		for i := 0; i < len(n.Content); i += 2 {
			m[n.Content[i].Value] = instance(n.Content[i+1])
		}
		return m
	case yaml.SequenceNode:
		list := []any{}
		for _, item := range n.Content {
			list = append(list, instance(item))
		}
		return list
	}
	var value any
	switch n.ShortTag() {
	case "!!int", "!!float":
		return json.Number(n.Value)
	case "!!bool":
		value = n.Value == "true"
	case "!!str", "!!timestamp":
		value = n.Value
	}
	return value
}

func pipelineCheckers(t *testing.T) checkers {
	return newCheckers(t, "pipeline", func(text []byte) error {
		_, err := pipeline.Parse(text)
		return err
	})
}

// configurationCheckers read documents in a folder with the files that the samples name.
func configurationCheckers(t *testing.T) checkers {
	folder := t.TempDir()
	server := httptest.NewTLSServer(nil)
	t.Cleanup(server.Close)
	certificate := pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: server.Certificate().Raw})
	for _, name := range []string{"outcert.pem", "secret"} {
		require.NoError(t, os.WriteFile(filepath.Join(folder, name), certificate, 0o600))
	}
	require.NoError(t, os.WriteFile(filepath.Join(folder, "secret"), []byte("hunter2"), 0o600))
	path := filepath.Join(folder, "pbsm.yaml")
	return newCheckers(t, "pbsm", func(text []byte) error {
		if err := os.WriteFile(path, text, 0o600); err != nil {
			return err
		}
		_, err := config.Load(path, nil)
		return err
	})
}

func TestExamples_areValid(t *testing.T) {
	pipelines := 0
	for _, pattern := range []string{"deploy/pipelines/*.yaml", "tests/*/*.yaml", "tests/*/*/*.yaml"} {
		files, err := filepath.Glob(filepath.Join(root, pattern))
		require.NoError(t, err)
		for _, file := range files {
			text, err := os.ReadFile(file)
			require.NoError(t, err)
			if regexp.MustCompile(`(?m)^steps:`).Match(text) {
				assert.NoError(t, pipelineCheckers(t).schema(text), file)
				pipelines++
			}
		}
	}
	require.NotZero(t, pipelines)
	text, err := os.ReadFile(filepath.Join(root, "deploy/config/pbsm.example.yaml"))
	require.NoError(t, err)
	require.NoError(t, configurationCheckers(t).schema(text))
}

// Every example names its schema for editors, and the schema exists.
func TestExamples_nameTheirSchema(t *testing.T) {
	for _, pattern := range []string{"deploy/pipelines/*.yaml", "deploy/config/pbsm*.yaml"} {
		files, err := filepath.Glob(filepath.Join(root, pattern))
		require.NoError(t, err)
		require.NotEmpty(t, files)
		for _, file := range files {
			text, err := os.ReadFile(file)
			require.NoError(t, err)
			named := regexp.MustCompile(`^# yaml-language-server: \$schema=(\S+)\n`).FindSubmatch(text)
			require.NotNil(t, named, "%s: the first line names no schema", file)
			require.FileExists(t, filepath.Join(filepath.Dir(file), string(named[1])))
		}
	}
}

const validConfiguration = `connections:
  prod:
    base_url: https://host.example.com/tenant
    token_url: https://iam.example.com/oauth2/v1/token
    tenant_id: tenant
    service_id: service
    remote_user: closeuser
    client_id: id
    client_secret: {file: secret}
    username: user
    password: {file: secret}
    timeout: 60s
    dynamic_params: json
    par_hosts: ["objectstorage.*.example.com"]
    transfer: {parallel: 4, part_size: 16777216, threshold: 104857600, bandwidth: 0}
    workspace_id: WS001
    ca_file: outcert.pem
    insecure: false
    max_file_size: 1000
    upload_body: object
    export_status_path: /public/status
    import_status_path: /Public/status
    report_status_body: none
    scan_after_upload: false
    extra_headers: {X-Gateway-Key: abc}
stores:
  inbox: {url: "file:///data/inbox"}
calendars: {own: {add: [2026-12-24], weekend: [sat, sun]}}
worker: {task_queue: pbsm, pipelines: pipelines, health: ":9090", stop_timeout: 30s, log: {level: info, format: json}, cached_workflows: 1000, poll: {ratio: 0.05, min: 2s, max: 60s}}
`

const validPipeline = `name: nightly-close
calendar: us-bank
time_zone: America/New_York
audit: reports/audit.jsonl
deadline: "07:00"
steps:
  - id: ledger
    upload: {file: "inbox/gl_{{.AsOfDate}}.csv", wait_until: "01:30", on_failure: skip, expect: {rows: 1}}
  - id: allocate
    needs: [ledger]
    batch: {code: PBSM_ALLOC, params: {$FICMISDATE$: 2026-10-31}, restarts: 2, restart_delay: 1m}
  - id: copy
    download: {file: gl.csv, save_to: reports/gl.csv}
`

// languagePipeline has what a definition can say beside its steps.
const languagePipeline = `name: forecast
params:
  scenario: {description: which one, one_of: [1, base], default: 1}
  restated: {pattern: "[0-9]*", default: 0}
x-note: {anything: [here]}
defaults:
  batch: {restarts: 2, params: {$RUNSK$: 1}}
  report: {type: CSV}
steps:
  - id: allocate
    each: {entity: [US, UK], book: [1, 2]}
    at_once: 2
    batch: {code: PBSM_ALLOC}
  - id: after
    needs: ["allocate-1-us", "allocate-{{.Params.scenario}}-uk"]
    approve: {message: good}
  - id: report
    when: [month-end, fri, {not: year-end}]
    report: {code: RPT001, save_to: "reports/r{{.Key}}.csv"}
`

// Each kind of problem, made by one replacement in a valid document, is refused by both.
func TestSchemas_refuseWhatTheParserRefuses(t *testing.T) {
	for _, kind := range []struct {
		name, valid string
		checkers
		problems [][3]string // kind, what is replaced, by what
	}{
		{"pipeline", validPipeline, pipelineCheckers(t), [][3]string{
			{"unknown key", "name: nightly-close", "name: nightly-close\nowner: me"},
			{"unknown key of a step", "id: ledger", "id: ledger\n    retries: 2"},
			{"unknown key of a kind", "restarts: 2", "retries: 2"},
			{"unknown kind", "batch: {code", "job: {code"},
			{"two kinds", "    download:", "    approve: {message: good}\n    download:"},
			{"no kind", "    download: {file: gl.csv, save_to: reports/gl.csv}\n", ""},
			{"missing key", "code: PBSM_ALLOC, ", ""},
			{"missing id", "id: ledger", "description: no id"},
			{"no steps", validPipeline[strings.Index(validPipeline, "steps:"):], "steps: []"},
			{"wrong type", "needs: [ledger]", "needs: ledger"},
			{"wrong type of a number", "restarts: 2", "restarts: often"},
			{"not a whole number", "restarts: 2", "restarts: 2.5"},
			{"number out of range", "restarts: 2", "restarts: 101"},
			{"wrong value", "on_failure: skip", "on_failure: ignore"},
			{"bad time", `"01:30"`, `"25:30"`},
			{"bad duration", "restart_delay: 1m", "restart_delay: soon"},
			{"duration without a unit", "restart_delay: 1m", "restart_delay: 60"},
			{"bad date", "2026-10-31", "31.10.2026"},
			{"bad name", "id: allocate", "id: Allocate it"},
			{"bad code", "PBSM_ALLOC", "PBSM ALLOC"},
			{"path out of its store", "save_to: reports/gl.csv", "save_to: ../gl.csv"},
			{"file and file_id", "file: gl.csv", "file: gl.csv, file_id: 7"},
			{"neither file nor file_id", "file: gl.csv, ", ""},
			{"nothing expected", "{rows: 1}", "{}"},
			{"nothing", "name: nightly-close", "name:"},
		}},
		{"pipeline", languagePipeline, pipelineCheckers(t), [][3]string{
			{"param without values", "one_of: [1, base], ", ""},
			{"param with both", "one_of: [1, base]", "pattern: x, one_of: [1, base]"},
			{"bad name of a param", "scenario: {", "Scenario: {"},
			{"bad value of a param", "[1, base]", "[1, a b]"},
			{"unknown word", "month-end, fri", "monthend, fri"},
			{"unknown key of when", "{not: year-end}", "{no: year-end}"},
			{"unknown word in not", "{not: year-end}", "{not: [year-ends]}"},
			{"nothing in when", "[month-end, fri, {not: year-end}]", "[]"},
			{"when of no words", "[month-end, fri, {not: year-end}]", "{}"},
			{"unknown kind in defaults", "report: {type", "reports: {type"},
			{"unknown key in defaults", "{type: CSV", "{types: CSV"},
			{"bad value in defaults", "restarts: 2", "restarts: often"},
			{"each with a bad name", "entity: [", "Entity: ["},
			{"each with a bad value", "[US, UK]", "[US, U K]"},
			{"each of no list", "entity: [US, UK]", "entity: US"},
			{"approval that is skipped", "{message: good}", "{message: good, on_failure: skip}"},
			{"at_once that is negative", "at_once: 2", "at_once: -2"},
		}},
		{"pbsm", validConfiguration, configurationCheckers(t), [][3]string{
			{"unknown section", "worker:", "workers: {}\nworker:"},
			{"unknown key", "tenant_id:", "tenant: x\n    tenant_id:"},
			{"missing key", "    username: user\n", ""},
			{"missing secret", "    password: {file: secret}\n", ""},
			{"no connection", validConfiguration[:strings.Index(validConfiguration, "calendars:")], ""},
			{"secret of no form", "password: {file: secret}", "password: {path: secret}"},
			{"secret of two forms", "password: {file: secret}", "password: {file: secret, env: SECRET}"},
			{"secret that is a number", "password: {file: secret}", "password: 42"},
			{"wrong type", "transfer: {parallel: 4, part_size: 16777216, threshold: 104857600, bandwidth: 0}", "transfer: 4"},
			{"not a whole number", "parallel: 4", "parallel: 4.5"},
			{"number out of range", "parallel: 4", "parallel: 65"},
			{"wrong value", "level: info", "level: loud"},
			{"wrong value", "dynamic_params: json", "dynamic_params: xml"},
			{"bad duration", "timeout: 60s", "timeout: a minute"},
			{"duration without a unit", "timeout: 60s", "timeout: 60"},
			{"bad URL", "https://host.example.com", "http://host.example.com"},
			{"bad name", "  prod:", "  Prod Connection:"},
			{"bad date", "2026-12-24", "24.12.2026"},
			{"bad day", "weekend: [sat, sun]", "weekend: [sat, sunday]"},
			{"no list", `["objectstorage.*.example.com"]`, "{a: b}"},
		}},
	} {
		require.NoError(t, kind.schema([]byte(kind.valid)))
		require.NoError(t, kind.parser([]byte(kind.valid)))
		for _, problem := range kind.problems {
			require.Contains(t, kind.valid, problem[1])
			text := []byte(strings.Replace(kind.valid, problem[1], problem[2], 1))
			assert.Error(t, kind.schema(text), "the schema of %s accepts: %s (%s)", kind.name, problem[0], problem[2])
			assert.Error(t, kind.parser(text), "the parser of %s accepts: %s (%s)", kind.name, problem[0], problem[2])
		}
	}
}

// The schema knows all built-in calendars.
func TestSchemas_knowTheBuiltInCalendars(t *testing.T) {
	known, err := calendar.Known(nil)
	require.NoError(t, err)
	for name := range known {
		text := strings.Replace(validConfiguration, "{own: {", "{own: {base: "+name+", ", 1)
		assert.NoError(t, configurationCheckers(t).schema([]byte(text)), name)
	}
}

// The defaults in the schema of pipelines are those of a close.
func TestSchemas_haveTheDefaultsOfPipelines(t *testing.T) {
	p, err := pipeline.Parse([]byte("name: x\nsteps:\n  - id: a\n    report: {code: R, save_to: s/a}\n  - id: b\n    download: {file: f, save_to: s/b}\n"))
	require.NoError(t, err)
	day, err := pipeline.ParseDate("2026-10-31")
	require.NoError(t, err)
	p, err = p.Render(day, pipeline.Vars{Connection: "prod"})
	require.NoError(t, err)
	c, err := readComments(root)
	require.NoError(t, err)
	s, err := pipelines().reflect(c)
	require.NoError(t, err)
	defaults := map[string]any{}
	for name, s := range s.Definitions {
		for key, property := range properties(s) {
			if property.Default != nil {
				defaults[name+"."+key] = property.Default
			}
		}
	}
	want := map[string]any{
		"Report.type": p.Steps[0].Report.Type, "Download.stripe": p.Steps[1].Download.Stripe, "verify.Expect.delimiter": ",",
	}
	for _, keys := range pipeline.KindTypes() {
		want[keys.Name()+".on_failure"] = string(pipeline.WaitForOperator)
	}
	require.Equal(t, want, defaults)
}

// replacements replace every value, one at a time. Disagreements show their names.
var replacements = map[string]string{
	"nothing": "null", "true": "true", "number": "7", "fraction": "2.5", "negative": "-1", "zero": "0", "large number": "1000000000000000",
	"words": `"so many words!"`, "empty text": `""`, "number in quotes": `"7"`, "true in quotes": `"true"`, "template": `"{{.AsOfDate}}"`,
	"empty list": "[]", "list": "[x, y]", "list of keys": "[{x: y}]", "no keys": "{}", "other keys": "{x: y}", "duration": "30s", "time": `"23:59"`, "date": "2026-02-30",
}

// mutants calls each with all documents that differ from a valid one in one place.
func mutants(t *testing.T, text string, each func(change string, text []byte)) {
	var document yaml.Node
	require.NoError(t, yaml.Unmarshal([]byte(text), &document))
	emit := func(change string) {
		mutant, err := yaml.Marshal(&document)
		require.NoError(t, err)
		each(change, mutant)
	}
	var walk func(n *yaml.Node, path string)
	replace := func(at **yaml.Node, path string) {
		before := *at
		for _, name := range slices.Sorted(maps.Keys(replacements)) {
			var other yaml.Node
			require.NoError(t, yaml.Unmarshal([]byte(replacements[name]), &other))
			*at = other.Content[0]
			emit(path + " = " + name)
		}
		*at = before
		walk(before, path)
	}
	walk = func(n *yaml.Node, path string) {
		content := n.Content
		switch n.Kind {
		case yaml.MappingNode:
			n.Content = append(slices.Clone(content), &yaml.Node{Kind: yaml.ScalarNode, Value: "no_such_key"}, &yaml.Node{Kind: yaml.ScalarNode, Value: "x"})
			emit(path + " + key")
			for i := 0; i < len(content); i += 2 {
				n.Content = slices.Delete(slices.Clone(content), i, i+2)
				emit(path + "." + content[i].Value + " - key")
				n.Content = content
				replace(&n.Content[i+1], path+"."+content[i].Value)
			}
		case yaml.SequenceNode:
			n.Content = append(slices.Clone(content), content[0])
			emit(path + " + the first again")
			n.Content = content
			for i := range content {
				replace(&n.Content[i], path+"[]")
			}
		}
	}
	walk(document.Content[0], "")
}

// difference is a kind of document that only one of the two refuses, with the reason.
type difference struct{ where, change, why string }

// agree fails for every mutant on which the two differ, except as listed.
func agree(t *testing.T, c checkers, documents []string, stricterSchema, stricterParser []difference) {
	seen := map[difference]bool{}
	count := 0
	for _, text := range documents {
		require.NoError(t, c.schema([]byte(text)))
		require.NoError(t, c.parser([]byte(text)))
		mutants(t, text, func(change string, text []byte) {
			count++
			bySchema, byParser := c.schema(text), c.parser(text)
			if (bySchema == nil) == (byParser == nil) {
				return
			}
			list, who, why := stricterSchema, "only the schema refuses", bySchema
			if bySchema == nil {
				list, who, why = stricterParser, "only the parser refuses", byParser
			}
			where, what := splitChange(change)
			for _, d := range list {
				if regexp.MustCompile("^(?:"+d.where+")$").MatchString(where) && regexp.MustCompile("^(?:"+d.change+")$").MatchString(what) {
					seen[d] = true
					return
				}
			}
			t.Errorf("%s %s: %v\n%s", who, change, why, text)
		})
	}
	for _, d := range slices.Concat(stricterSchema, stricterParser) {
		assert.True(t, seen[d], "this difference no longer occurs: %+v", d)
	}
	t.Logf("%d documents", count)
}

func splitChange(change string) (where, what string) {
	at := regexp.MustCompile(` [=+-] `).FindStringIndex(change)
	return change[:at[0]], change[at[0]+1:]
}
